"""Reading JSON and files with one JSON object per line.

`daf.system.files` writes both with the digest of their content, so that a damaged file is refused instead of believed.
Files without one, written by people or by earlier versions of DAF, are read as they are.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from daf.errors import BadInputError, ConfigError, DafError
from daf.system.files import CONTENT_DIGEST, digest
from daf.system.readers import FROM_A_RUN, LARGEST_INTEGER, MAX_DEPTH, check_structure, decode, read_bytes
from daf.system.yaml_files import repeated_keys

NOTICES = logging.getLogger("daf.files")  # what readers of files have to say; jobs also write it to their log


def read_json(path: str | Path, what: str = "a JSON file", hint: str = "") -> Any:
    """The content of a JSON file, without its digest, which is checked if there is one.

    Raises:
        BadInputError: the file is missing, is not JSON, or its digest does not fit; ConfigError: it has the same key
            twice.
    """
    return _checked(parse_json(read_bytes(path, what), str(path), what, hint), str(path), hint)[0]


def read_own_json(path: str | Path, what: str = "a JSON file", hint: str = FROM_A_RUN) -> Any:
    """As `read_json`, for files that DAF writes with a digest; warns of one that has none."""
    content, is_checked = _checked(parse_json(read_bytes(path, what), str(path), what, hint), str(path), hint)
    if not is_checked:
        _tell_unchecked(str(path))
    return content


def read_sealed[Record](path: str | Path, what: str, build: Callable[[Any], Record]) -> Record:
    """As `validated.read_record`, for programs that must answer at once: importing pydantic takes longer than reading.

    The digest shows that DAF wrote the file, so only a version with other keys can fail.

    Raises:
        BadInputError: the file is missing or damaged, or of another version.
    """
    content = read_own_json(path, what)
    try:
        return build(content)
    except (TypeError, KeyError, AttributeError) as error:
        raise BadInputError(what, f"other keys ({error})", str(path), FROM_A_RUN) from None


def _checked(content: Any, where: str, hint: str) -> tuple[Any, bool]:
    """The content without its digest, and whether it had one.

    Raises:
        BadInputError: the digest is not that of the content.
    """
    if not isinstance(content, dict):
        return content, False
    if CONTENT_DIGEST in content:
        recorded = content.pop(CONTENT_DIGEST)
        if recorded != digest(content):
            raise _damaged(where, hint)
        return content, True
    texts = [key for key, value in content.items() if isinstance(value, str) and len(value) == len(digest({}))]
    if any(content[key] == digest({name: content[name] for name in content if name != key}) for key in texts):
        raise _damaged(where, hint)  # its key is damaged
    return content, False


def _damaged(where: str, hint: str) -> BadInputError:
    found = f"other content than its {CONTENT_DIGEST} says: it is damaged, or was edited"
    return BadInputError("the content that was written", found, where, hint or FROM_A_RUN)


def _tell_unchecked(path: str) -> None:
    """Once per file name: a sweep has thousands of results."""
    if (name := Path(path).name) not in _UNCHECKED:
        _UNCHECKED.add(name)
        NOTICES.warning(
            f"{path} has no {CONTENT_DIGEST}: an earlier version of DAF wrote it, and damage to it cannot be seen "
            f"(further files named {name} are not mentioned)"
        )


_UNCHECKED: set[str] = set()


def parse_json(text: str | bytes, where: str, what: str = "JSON", hint: str = "") -> Any:
    """Parse JSON as JSON is defined: without repeated keys, NaN, infinity, or integers of more than 64 bits."""
    text = decode(text, where, what, hint) if isinstance(text, bytes) else text
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


def _repeated_in_json(text: str, keys: list[str], where: str) -> list[BadInputError]:
    """One problem per repeated key, with its lines, which only the reader of YAML knows: JSON is YAML, too."""
    try:
        return repeated_keys(text.replace("\t", "    "), where)
    except BadInputError:
        return [BadInputError("each key once", f"'{key}' twice", where, "remove one of the two") for key in keys]


def read_json_lines(
    path: str | Path,
    what: str = "a file with one JSON object per line",
    *,
    on_damage: Callable[[str], None] | None = None,
) -> list[dict[str, Any]]:
    """The objects of a file with one per line, without their digests, which are checked.

    Args:
        on_damage: told of every damaged line, which is left out. By default, a damaged last line (still being written,
            or cut by a crash) is left out, and any other is an error.

    Raises:
        BadInputError: there is no such file, or a line is damaged.
    """
    return _parse_lines(read_bytes(path, what), str(path), on_damage)[0]


def read_own_json_lines(path: str | Path, what: str, remedy: str = "") -> list[dict[str, Any]]:
    """As `read_json_lines`, for files that DAF writes with digests: warns of damaged lines and of lines without one.

    Args:
        remedy: how to get a damaged line back.
    """
    end = f"; {remedy}" if remedy else ""
    content = read_bytes(path, what)
    records, are_checked = _parse_lines(content, str(path), lambda damage: NOTICES.warning(f"{damage}{end}"))
    if not are_checked:
        _tell_unchecked(str(path))
    return records


def parse_json_lines(content: str | bytes, where: str) -> list[dict[str, Any]]:
    """The objects in text with one per line, as `read_json_lines`."""
    return _parse_lines(content if isinstance(content, bytes) else content.encode(), where, None)[0]


def _parse_lines(
    content: bytes, where: str, on_damage: Callable[[str], None] | None
) -> tuple[list[dict[str, Any]], bool]:
    """The objects, and whether all had a digest."""
    records: list[dict[str, Any]] = []
    are_checked = True
    # Each line is decoded for itself, so that a byte that is not UTF-8 damages only its own.
    lines = [(number, line) for number, line in enumerate(content.split(b"\n"), start=1) if line.strip()]
    for number, line in lines:
        try:
            record, is_checked = _line(line, f"{where}: line {number}")
            records.append(record)
            are_checked &= is_checked
        except DafError as error:
            if on_damage is not None:
                on_damage(f"{error.where} is damaged and left out ({error.found})")
            elif number != lines[-1][0]:
                raise
    return records, are_checked


def _line(line: bytes, place: str) -> tuple[dict[str, Any], bool]:
    record = parse_json(line, place, "a JSON object")
    if not isinstance(record, dict):
        raise BadInputError("a JSON object", f"a {type(record).__name__}", place, FROM_A_RUN)
    return _checked(record, place, FROM_A_RUN)
