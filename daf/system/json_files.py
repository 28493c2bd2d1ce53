"""Reading JSON and files with one JSON object per line."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, NoReturn

from daf.errors import BadInputError, ConfigError
from daf.system.readers import FROM_A_RUN, LARGEST_INTEGER, MAX_DEPTH, check_structure, decode, read_bytes
from daf.system.yaml_files import repeated_keys


def read_json(path: str | Path, what: str = "a JSON file", hint: str = "") -> Any:
    """The content of a JSON file.

    Raises:
        BadInputError: the file is missing or is not JSON; ConfigError: it has the same key twice.
    """
    return parse_json(read_bytes(path, what), str(path), what, hint)


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
    path: str | Path, what: str = "a file with one JSON object per line", hint: str = ""
) -> list[dict[str, Any]]:
    """The objects of a file with one per line. A damaged last line, still being written or cut by a crash, is ignored.

    Raises:
        BadInputError: there is no such file, or an earlier line is damaged.
    """
    return parse_json_lines(decode(read_bytes(path, what), str(path), what, hint), str(path), hint)


def parse_json_lines(text: str, where: str, hint: str = "") -> list[dict[str, Any]]:
    """The objects in text with one per line, as `read_json_lines`."""
    records: list[dict[str, Any]] = []
    lines = [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    for number, line in lines:
        place = f"{where}: line {number}"
        try:
            record = parse_json(line, place, "a JSON object", hint)
            if not isinstance(record, dict):
                raise BadInputError("a JSON object", f"a {type(record).__name__}", place, FROM_A_RUN)
        except BadInputError:
            if number == lines[-1][0]:
                break
            raise
        records.append(record)
    return records
