"""Reference scores from a file: a CSV or JSON with the scores that map to 0 and 1 on each mission."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from daf.errors import BadInputError
from daf.system.csv_files import SEPARATORS, decimal_mark, numbered_rows, separated, unescaped
from daf.system.json_files import parse_json
from daf.system.nouns import number_of
from daf.system.readers import read_text, require_file
from daf.system.user_paths import user_path

WHAT = "reference scores"
ENDS = (("low", "high"), ("zero", "one"), ("random", "human"))
COLUMNS = "mission, and low and high (or zero and one, or random and human)"


def read_reference_scores(source: str | Path) -> dict[str, dict[str, float]]:
    """`low` and `high` by mission.

    A CSV has the columns `mission`, `low` and `high`, with any usual separator and decimal mark. A JSON file has the
    same as a list of records, or maps `low` and `high` to scores by mission, or missions to their two scores.

    Raises:
        BadInputError: the file is missing, of another kind, or holds something else.
    """
    path = require_file(user_path(source, WHAT), WHAT)
    kind = path.suffix.lower()
    if kind not in (*SEPARATORS, ".json"):
        raise BadInputError(f"a file of kind {', '.join(SEPARATORS)} or .json", f"'{path.suffix}'", str(path))
    text = read_text(path, WHAT)
    if kind == ".json":
        return _of_json(parse_json(text, str(path), WHAT), str(path))
    return _of_rows(_rows_of_csv(text, SEPARATORS[kind], str(path)), str(path))


def _rows_of_csv(text: str, separators: str, where: str) -> dict[str, dict[str, str]]:
    """By line the rows of a CSV with any of these separators; numbers may have a decimal comma."""
    separator, text = separated(text, separators, {"mission"})
    lines, (header, *rows) = zip(*(list(numbered_rows(text, separator)) or [(1, [])]), strict=True)
    for line, row in zip(lines[1:], rows, strict=True):
        if len(row) > len(header):
            found = f"{len(row)} in line {line}: {separator.join(row)}"
            hint = "scores with a decimal comma need another separator, such as ;" if separator == "," else ""
            raise BadInputError(f"{number_of(len(header), 'field')}, as the header has", found, where, hint)
    names = [unescaped(name).strip().lower() for name in header]
    scores = [name for pair in ENDS for name in pair]
    numbers = [cell for row in rows for name, cell in zip(names, row, strict=False) if name in scores]
    if decimal_mark(numbers, separator, where) == ",":
        rows = [
            [cell.replace(",", ".") if name in scores else cell for name, cell in zip(names, row, strict=False)]
            for row in rows
        ]
    found_rows = [dict(zip(names, map(unescaped, row), strict=False)) for row in rows]
    return {f"line {line}": row for line, row in zip(lines[1:], found_rows, strict=True)}


def _of_json(data: Any, where: str) -> dict[str, dict[str, float]]:
    if isinstance(data, list) and all(isinstance(row, Mapping) for row in data):
        return _of_rows({f"row {number}": row for number, row in enumerate(data)}, where)
    if not isinstance(data, Mapping) or not all(isinstance(value, Mapping) for value in data.values()):
        raise BadInputError(f"a table with {COLUMNS}", type(data).__name__, where)
    pair = next((pair for pair in ENDS if set(pair) == data.keys()), None)
    if pair is None:
        return _of_rows({str(mission): {"mission": mission, **scores} for mission, scores in data.items()}, where)
    low, high = (data[name] for name in pair)
    if one_sided := sorted(set(low) ^ set(high), key=str):
        raise BadInputError(f"{pair[0]} and {pair[1]} of every mission", f"only one of them of {one_sided[0]}", where)
    ends = {str(mission): {"mission": mission, "low": low[mission], "high": high[mission]} for mission in low}
    return _of_rows(ends, where)


def _of_rows(rows: Mapping[str, Mapping[str, Any]], where: str) -> dict[str, dict[str, float]]:
    """The scores of rows, by where they are in the file."""
    scores: dict[str, dict[str, float]] = {"low": {}, "high": {}}
    for place, given in rows.items():
        row = {str(key).strip().lower(): value for key, value in given.items()}
        pair = next((pair for pair in ENDS if set(pair) <= row.keys()), None)
        if pair is None or "mission" not in row:
            raise BadInputError(COLUMNS, ", ".join(map(str, row)) or "none", f"{where}: {place}")
        mission = str(row["mission"]).strip()
        if mission in scores["low"]:
            raise BadInputError("each mission once", f"{mission} twice", f"{where}: {place}")
        for end, name in zip(("low", "high"), pair, strict=True):
            scores[end][mission] = _number(row[name], f"{where}: {place}: {name}")
    if not rows:
        raise BadInputError(f"a table with {COLUMNS}", "no rows", where)
    return scores


def _number(value: Any, where: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise BadInputError("a number", f"'{value}'", where) from None
