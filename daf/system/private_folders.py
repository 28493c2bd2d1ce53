"""Folders that no other user can read, write, or have prepared: for code that is unpacked, and for locks."""

from __future__ import annotations

import atexit
import os
import shutil
import stat
import tempfile
import time
from functools import cache
from pathlib import Path

from daf.errors import UnfitEnvironmentError

PREFIX = "daf-private-"
_ABANDONED_SECONDS = 24 * 3600.0


def private_folder(purpose: str) -> Path:
    """A folder of this process alone, the same for each purpose; it is removed when the process ends.

    Its name cannot be predicted, so no other user can put anything there in advance.
    """
    return _private_folder(purpose, os.getpid())


@cache
def _private_folder(purpose: str, pid: int) -> Path:
    remove_abandoned(PREFIX)
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{purpose}-{pid}-"))
    atexit.register(_remove_own, folder, pid)
    return folder


def _remove_own(folder: Path, pid: int) -> None:
    if os.getpid() == pid:  # not in a copy of the process
        shutil.rmtree(folder, ignore_errors=True)


def remove_abandoned(prefix: str) -> None:
    """Remove this user's temporary folders with this prefix that are a day old: their processes were killed."""
    for path in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        try:
            status = path.lstat()
        except OSError:
            continue
        old = status.st_mtime < time.time() - _ABANDONED_SECONDS
        if old and stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid():
            shutil.rmtree(path, ignore_errors=True)


def require_own_folder(folder: Path) -> Path:
    """Make a folder that only this user can write; one that exists must be this user's, and not a link.

    Raises:
        UnfitEnvironmentError: it is someone else's, a link, or open to others.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode):
        found = "a symbolic link" if stat.S_ISLNK(status.st_mode) else "another kind of file"
    elif status.st_uid != os.getuid():
        found = f"a folder of user {status.st_uid}"
    elif status.st_mode & 0o022:
        found = f"a folder that others may write (mode {stat.S_IMODE(status.st_mode):o})"
    else:
        return folder
    hint = "someone else may have made it; remove it, or have its owner remove it"
    raise UnfitEnvironmentError("a folder of this user alone", found, str(folder), hint)
