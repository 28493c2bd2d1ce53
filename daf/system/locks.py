"""One process at a time in a folder. The kernel holds the lock: it goes with the process, however that ends."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def exclusive(folder: Path, waiting: Callable[[str], None]) -> Iterator[None]:
    """Hold the folder; wait for whoever holds it, for example the orphan of a killed workflow.

    Args:
        waiting: told once, if there is somebody to wait for.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "a+") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.seek(0)
            waiting(f"{folder} is in use by process {stream.read().strip() or 'unknown'}; waiting for it to end")
            fcntl.flock(stream, fcntl.LOCK_EX)
        stream.truncate(0)
        stream.write(f"{os.getpid()} on {socket.gethostname()}")
        stream.flush()
        yield
