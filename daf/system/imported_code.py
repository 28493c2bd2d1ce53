"""Whether the files of imported modules are still those that Python imported.

Python keeps a module after its file was edited, while stamps (`daf.system.user_code`) are of the files as they are: a
result of the old code would carry the digest of the new.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from daf.errors import BadInputError
from daf.system.failure_report import is_user_file
from daf.system.readers import read_bytes


class Followed(NamedTuple):
    """A file that a stamp holds: the name of its module, its real path, and its digest now."""

    module: str
    path: str
    sha256: str


class _Imports:
    """The digest that each file had when its module was run; the audit hook adds to it and cannot be removed."""

    watched = False
    checked = True
    digests: dict[str, str] = {}  # noqa: RUF012


def watch_imports() -> None:
    """Note, after this call, the digest of each user module that Python runs, also by `importlib.reload`.

    Of modules that were imported earlier, the first call of `require_as_imported` notes the digests.
    """
    if not _Imports.watched:
        sys.addaudithook(_hook)
        _Imports.watched = True


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "exec" or getattr(arguments[0], "co_name", "") != "<module>":
        return
    name = arguments[0].co_filename
    if name.startswith("<") or not is_user_file(name):
        return
    try:
        _Imports.digests[os.path.realpath(name)] = hashlib.sha256(read_bytes(Path(name))).hexdigest()
    except Exception:  # the file is gone, or not one: nothing to compare with
        return


def require_as_imported(files: Iterable[Followed]) -> None:
    """Refuse code whose files changed after this process imported them; modules that are not imported pass.

    Raises:
        BadInputError: a file differs from what was imported.
    """
    if not _Imports.checked:
        return
    changed = [file for file in files if _is_imported(file) and _noted(file) != file.sha256]
    if changed:
        names = ", ".join(file.module for file in changed)
        raise BadInputError(
            "the code that this process has imported",
            f"{', '.join(os.path.basename(file.path) for file in changed)} changed since",
            changed[0].path,
            f"restart Python (in a notebook: the kernel), or use importlib.reload for {names} and what imports from it",
        )


def _is_imported(file: Followed) -> bool:
    name = getattr(sys.modules.get(file.module), "__file__", None)
    return isinstance(name, str) and os.path.realpath(name) == file.path


def _noted(file: Followed) -> str:
    return _Imports.digests.setdefault(file.path, file.sha256)


@contextmanager
def files_as_they_are() -> Iterator[None]:
    """Stamp files meanwhile whatever was imported, to compare them with an earlier stamp."""
    before, _Imports.checked = _Imports.checked, False
    try:
        yield
    finally:
        _Imports.checked = before
