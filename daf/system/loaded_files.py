"""The user's files that a process really runs and reads, to be compared with those that a stamp follows.

A stamp is made by reading import statements. Code that edits `sys.path`, imports by a computed name, executes a file,
or opens one whose name no argument holds, escapes it; here, such files are found while the code runs.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from daf.system.failure_report import is_user_file, shown_path
from daf.system.readers import read_bytes
from daf.system.user_code import CodeStamp

_OF_THE_SYSTEM = tuple(
    f"/{name}/" for name in ("proc", "sys", "dev", "etc", "usr", "lib", "lib64", "bin", "run", "var")
)
_DAF = str(Path(__file__).resolve().parents[1]) + os.sep
_UNPACKED = "daf-bundles"  # the name of the folder of unpacked bundles, which count by the content of the bundle
_MOST_BYTES = 1 << 30  # larger files are not read to compare them

Files = dict[str, None]


class _Watch:
    """What the audit hook adds to; the hook cannot be removed."""

    installed = False
    read: Files | None = None
    written: set[str] = set()  # noqa: RUF012


@contextmanager
def files_noted() -> Iterator[Files]:
    """The files that user code executes or reads meanwhile, as absolute paths, in this process."""
    if not _Watch.installed:
        sys.addaudithook(_hook)
        _Watch.installed = True
    before, _Watch.read = _Watch.read, {}
    try:
        yield _Watch.read
    finally:
        _Watch.read = before


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _Watch.read is None or event not in ("open", "exec"):
        return
    if event == "exec":  # also by imports, whether or not their bytecode was stored
        name = getattr(arguments[0], "co_filename", "<")
        if not name.startswith("<"):
            _Watch.read[os.path.abspath(name)] = None
    elif isinstance(arguments[0], str) and isinstance(flags := arguments[2], int):
        path = os.path.abspath(arguments[0])
        if flags & (os.O_WRONLY | os.O_RDWR):
            _Watch.written.add(path)
        elif _by_user(sys._getframe(1)):
            _Watch.read[path] = None


def _by_user(frame: FrameType | None) -> bool:
    """Whether the nearest code that is neither installed nor Python's own is the user's."""
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(_DAF):
            return False
        if not name.startswith("<") and is_user_file(name):
            return True
        frame = frame.f_back
    return False


def escaping(files: Iterable[str], code: CodeStamp) -> list[str]:
    """Those files of the user whose content a stamp does not hold, as messages name them."""
    known = set(code.files.values())
    return sorted(shown_path(name) for name in files if _counts(name) and _sha256(name) not in known)


def _counts(name: str) -> bool:
    path = Path(name)
    hidden = any(part.startswith(".") or part in ("__pycache__", _UNPACKED) for part in path.parts)
    if hidden or name.startswith(_OF_THE_SYSTEM) or name in _Watch.written or not is_user_file(name):
        return False
    return path.is_file() and 0 < path.stat().st_size < _MOST_BYTES


def _sha256(name: str) -> str:
    return hashlib.sha256(read_bytes(Path(name))).hexdigest()


# ---- modules of a job -------------------------------------------------------------------------------------------


class _Job:
    """Modules that were loaded before a job began; None outside of jobs, where programs load their modules, too."""

    modules_before: set[str] | None = None


def job_begins() -> None:
    """Modules of the user loaded after this call are those of a job's policies, missions and strategies."""
    _Job.modules_before = set(sys.modules)


def with_escaping_modules(code: CodeStamp) -> CodeStamp:
    """The stamp of what ran in this job, with the loaded modules that it does not follow; elsewhere, the stamp."""
    if _Job.modules_before is None or not code:
        return code
    loaded = [module for name, module in list(sys.modules.items()) if name not in _Job.modules_before]
    files = {str(file) for module in loaded if (file := getattr(module, "__file__", None))}
    escaped = escaping((file for file in files if file.endswith(".py")), code)
    return code.model_copy(update={"unfollowed": tuple(sorted({*code.unfollowed, *escaped}))}) if escaped else code


def in_words(escaped: list[str]) -> tuple[str, str, str]:
    """Expected, found and hint of a warning about files that escape."""
    it, names = ("it", "its") if len(escaped) == 1 else ("them", "their")
    shown = ", ".join(escaped[:6]) + (f" and {len(escaped) - 6} more" if len(escaped) > 6 else "")
    return (
        "source files that are imported by name, and data files that an argument names",
        f"{shown}: in use, but DAF cannot notice edits of {it}",
        f"import source by {names} name from a folder on PYTHONPATH, or name data in init_kwargs; until then, "
        "after an edit, use `snakemake --forcerun`",
    )
