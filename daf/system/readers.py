"""Reading files that people or earlier runs wrote: bytes and text.

Everything that can be wrong with a file is an error in four parts that names the file and, where there is one, the line
or key. `json_files`, `yaml_files`, `archives` and `tables` read formats, and `validated` checks the content.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from daf.errors import BadInputError, DafError, did_you_mean

MAX_DEPTH = 100  # of nested values: far more than any file of DAF has, far less than what exhausts the stack
LARGEST_INTEGER = 2**64
FROM_A_RUN = "delete it and run the same command again: the workflow makes it again"


@contextmanager
def reading(what: str, path: str | Path, hint: str = "") -> Iterator[None]:
    """Turn whatever a library raises while it parses a file into an error that names the file."""
    try:
        yield
    except DafError:
        raise
    except OSError as error:
        if error.filename is not None:
            raise _unreadable(what, Path(path), error) from None
        raise BadInputError(what, f"a damaged file ({_words(error)})", str(path), hint) from error
    except Exception as error:  # parsers of damaged files raise whatever their code happens to meet
        raise BadInputError(what, f"a damaged file ({_words(error)})", str(path), hint) from error


def _words(error: BaseException) -> str:
    """An exception as one line."""
    text = " ".join(str(error)[:1000].split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def read_bytes(path: str | Path, what: str = "a file") -> bytes:
    """The content of a file.

    Raises:
        BadInputError: there is no such file, or it cannot be read; `what` says what was expected there.
    """
    path = require_file(path, what)
    try:
        return path.read_bytes()
    except (OSError, ValueError, MemoryError) as error:
        raise _unreadable(what, path, error) from None


def require_file(path: str | Path, what: str = "a file") -> Path:
    """Return the path; raise BadInputError unless a file is there."""
    path = Path(path)
    try:
        if path.is_file():
            return path
        if path.is_dir():
            hint = "name one of the files in it"
            raise BadInputError(what, "a folder", str(path), hint)
        near = [other.name for other in path.parent.glob("*")] if path.parent.is_dir() else None
    except (OSError, ValueError) as error:
        raise _unreadable(what, path, error) from None
    hint = f"there is no folder {path.parent}" if near is None else did_you_mean(path.name, near)
    raise BadInputError(what, "no such file", str(path), hint or "check the path")


def require_folder(path: str | Path, what: str = "a folder") -> Path:
    """Return the path; raise BadInputError unless a folder is there."""
    path = Path(path)
    if not path.is_dir():
        raise BadInputError(what, "a file" if path.exists() else "no such folder", str(path), "check the path")
    return path


def _unreadable(what: str, path: Path, error: Exception) -> BadInputError:
    if isinstance(error, OSError):
        hints = {
            errno.EACCES: "change its permissions, or copy it",
            errno.ENAMETOOLONG: "is this a path?",
            errno.ENOENT: "was it removed meanwhile?",
        }
        found = error.strerror or type(error).__name__
        return BadInputError(what, found, str(path), hints.get(error.errno or 0, "check the file and its disk"))
    return BadInputError(what, f"a path that cannot be opened ({_words(error)})", repr(str(path)), "check the path")


def read_text(path: str | Path, what: str = "a text file") -> str:
    """The text of a UTF-8 file, with or without a byte order mark.

    Raises:
        BadInputError: there is no such file, or it is not UTF-8 text; `what` says what was expected there.
    """
    return decode(read_bytes(path, what), str(path), what)


def decode(content: bytes, where: str, what: str = "text", remedy: str = "") -> str:
    """UTF-8 bytes as text with the line ends of Unix; raises BadInputError, with the line, for anything else."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        found = f"byte 0x{content[error.start]:02x} in line {line}, which is not UTF-8"
        hint = "save the file as UTF-8"
        if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
            found, hint = "UTF-16", "save the file as UTF-8"
        elif content[:1] == b"\x80" or content[:2] in (b"PK", b"\x1f\x8b"):
            hint = "this is not a text file"
        raise BadInputError(f"{what} in UTF-8", found, where, remedy or hint) from None
    return text.replace("\r\n", "\n")


# ---- limits ---------------------------------------------------------------------------------------------------


def check_structure(value: Any) -> None:
    """Raise RecursionError if values are nested too deeply, ValueError if a text cannot be written as UTF-8."""
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        deeper: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                for key in item:
                    _check_characters(key)
                deeper += item.values()
            elif isinstance(item, list):
                deeper += item
            elif isinstance(item, str):
                _check_characters(item)
        if not deeper:
            return
        level = deeper
    raise RecursionError


def _check_characters(text: str) -> None:
    if not text.isascii() and re.search("[\ud800-\udfff]", text):
        raise ValueError("half of a character (a lone surrogate)")
