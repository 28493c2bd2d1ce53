"""Exclusive use of a folder or file by one process. The kernel releases the lock when the process ends."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


@contextmanager
def exclusive(folder: Path, waiting: Callable[[str], None]) -> Iterator[None]:
    """Lock the folder; wait for any other holder, such as an orphan of a killed workflow.

    Args:
        waiting: called once, with a message, if another process holds the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "a+") as stream:
        _lock(stream, folder, waiting)
        yield


@contextmanager
def exclusive_file(path: Path, waiting: Callable[[str], None]) -> Iterator[None]:
    """As `exclusive`, for one file that is about to be written; nothing but the file is left behind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.absolute().parent / f".{path.name}.lock"  # whatever folder a policy changes to
    while True:
        with open(lock, "a+") as stream:
            _lock(stream, path, waiting)
            if not _is_still(lock, stream):  # its last holder removed it meanwhile
                continue
            try:
                yield
            finally:
                lock.unlink(missing_ok=True)
            return


def _lock(stream: TextIO, what: Path, waiting: Callable[[str], None]) -> None:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        stream.seek(0)
        waiting(f"{what} is in use by process {stream.read().strip() or 'unknown'}; waiting for it to end")
        fcntl.flock(stream, fcntl.LOCK_EX)
    stream.truncate(0)
    stream.write(f"{os.getpid()} on {socket.gethostname()}")
    stream.flush()


def _is_still(path: Path, stream: TextIO) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(stream.fileno()))
    except FileNotFoundError:
        return False
