"""Reading files that people or earlier runs wrote: bytes, text, JSON and JSON lines.

Everything that can be wrong with a file is an error in four parts that names the file and, where there is one, the line
or key. `yaml_files`, `archives` and `tables` do the same for other formats, and `validated` checks the content.
"""

from __future__ import annotations

import errno
import json
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from daf.errors import BadInputError, ConfigError, DafError, did_you_mean

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


def decode(content: bytes, where: str, what: str = "text") -> str:
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
        raise BadInputError(f"{what} in UTF-8", found, where, hint) from None
    return text.replace("\r\n", "\n")


# ---- JSON ---------------------------------------------------------------------------------------------------


def read_json(path: str | Path, what: str = "a JSON file", hint: str = "") -> Any:
    """The content of a JSON file.

    Raises:
        BadInputError: the file is missing or is not JSON; ConfigError: it has the same key twice.
    """
    return parse_json(read_text(path, what), str(path), what, hint)


def parse_json(text: str | bytes, where: str, what: str = "JSON", hint: str = "") -> Any:
    """Parse JSON as JSON is defined: without repeated keys, NaN, infinity, or integers of more than 64 bits."""
    text = decode(text, where, what) if isinstance(text, bytes) else text
    repeated: list[str] = []

    def mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        content = dict(pairs)
        if len(content) < len(pairs):
            repeated.extend(key for index, (key, _) in enumerate(pairs) if key in dict(pairs[:index]))
        return content

    try:
        value = json.loads(
            text, object_pairs_hook=mapping, parse_int=_integer, parse_float=_number, parse_constant=_refuse_constant
        )
        check_structure(value)
    except json.JSONDecodeError as error:
        place = f"{error.msg} in line {error.lineno}, column {error.colno}" if text.strip() else "an empty file"
        raise BadInputError(what, place, where, hint or _json_hint(text)) from None
    except RecursionError:
        raise BadInputError(what, f"values nested more than {MAX_DEPTH} deep", where, hint or _FLATTEN) from None
    except ValueError as error:
        raise BadInputError(what, str(error), where, hint or "was it written by another program?") from None
    if repeated:
        raise ConfigError(_repeated_in_json(text, repeated, where))
    return value


_FLATTEN = "is this a file of DAF? none of them is nested so deeply"


def _json_hint(text: str) -> str:
    if not text.strip():
        return "was it truncated? write it again"
    if not text.lstrip().startswith(("{", "[")):
        return "JSON starts with { or ["
    return "a comma or bracket may be missing there, or the file was truncated"


def _integer(digits: str) -> int:
    if len(digits) > 21 or abs(int(digits)) > LARGEST_INTEGER:
        raise ValueError(f"an integer of {len(digits.lstrip('-'))} digits, more than 64 bits")
    return int(digits)


def _number(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"the number {digits[:40]}, which is beyond the range of floats")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name}, which JSON does not have")


def check_structure(value: Any) -> None:
    """Raise RecursionError if values are nested too deeply, ValueError if a text cannot be written as UTF-8."""
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH + 1):
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


def _repeated_in_json(text: str, keys: list[str], where: str) -> list[BadInputError]:
    """One problem per repeated key, with its lines, which only the reader of YAML knows: JSON is YAML, too."""
    from daf.system.yaml_files import repeated_keys

    try:
        return repeated_keys(text.replace("\t", "    "), where)
    except BadInputError:
        return [BadInputError("each key once", f"'{key}' twice", where, "remove one of the two") for key in keys]


def read_json_lines(path: str | Path, what: str = "a file with one JSON object per line") -> list[dict[str, Any]]:
    """The objects of a file with one per line. A damaged last line, still being written or cut by a crash, is ignored.

    Raises:
        BadInputError: there is no such file, or an earlier line is damaged.
    """
    return parse_json_lines(read_text(path, what), str(path))


def parse_json_lines(text: str, where: str) -> list[dict[str, Any]]:
    """The objects in text with one per line, as `read_json_lines`."""
    records: list[dict[str, Any]] = []
    lines = [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    for number, line in lines:
        place = f"{where}: line {number}"
        try:
            record = parse_json(line, place, "a JSON object")
            if not isinstance(record, dict):
                raise BadInputError("a JSON object", f"a {type(record).__name__}", place, FROM_A_RUN)
        except BadInputError:
            if number == lines[-1][0]:
                break
            raise
        records.append(record)
    return records
