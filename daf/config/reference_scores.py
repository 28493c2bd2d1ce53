"""Reference scores from a file: a CSV or JSON with the scores that map to 0 and 1 on each mission."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from daf.errors import BadInputError
from daf.system.json_files import parse_json
from daf.system.readers import read_text, require_file
from daf.system.user_paths import user_path

WHAT = "reference scores"
ENDS = (("low", "high"), ("zero", "one"), ("random", "human"))
COLUMNS = "mission, and low and high (or zero and one, or random and human)"


def read_reference_scores(source: str | Path) -> dict[str, dict[str, float]]:
    """`low` and `high` by mission.

    A CSV has the columns `mission`, `low` and `high`. A JSON file has the same as a list of records, or maps `low` and
    `high` to scores by mission, or missions to their two scores.

    Raises:
        BadInputError: the file is missing, of another kind, or holds something else.
    """
    path = require_file(user_path(source, WHAT), WHAT)
    if path.suffix.lower() not in (".csv", ".json"):
        raise BadInputError("a file of kind .csv or .json", f"'{path.suffix}'", str(path))
    text = read_text(path, WHAT)
    if path.suffix.lower() == ".json":
        return _of_json(parse_json(text, str(path), WHAT), str(path))
    header, *rows = [row for row in csv.reader(io.StringIO(text), skipinitialspace=True) if row] or [[]]
    for number, row in enumerate(rows):
        if len(row) > len(header):
            found, hint = f"{len(row)} in row {number}: {','.join(row)}", "write scores with a decimal point"
            raise BadInputError(f"{len(header)} fields, as the header has", found, str(path), hint)
    return _of_rows([dict(zip(header, row, strict=False)) for row in rows], str(path))


def _of_json(data: Any, where: str) -> dict[str, dict[str, float]]:
    if isinstance(data, list) and all(isinstance(row, Mapping) for row in data):
        return _of_rows(data, where)
    if not isinstance(data, Mapping) or not all(isinstance(value, Mapping) for value in data.values()):
        raise BadInputError(f"a table with {COLUMNS}", type(data).__name__, where)
    pair = next((pair for pair in ENDS if set(pair) == data.keys()), None)
    if pair is None:
        return _of_rows([{"mission": mission, **scores} for mission, scores in data.items()], where)
    low, high = (data[name] for name in pair)
    if one_sided := sorted(set(low) ^ set(high), key=str):
        raise BadInputError(f"{pair[0]} and {pair[1]} of every mission", f"only one of them of {one_sided[0]}", where)
    return _of_rows([{"mission": mission, "low": low[mission], "high": high[mission]} for mission in low], where)


def _of_rows(rows: Sequence[Mapping[str, Any]], where: str) -> dict[str, dict[str, float]]:
    scores: dict[str, dict[str, float]] = {"low": {}, "high": {}}
    for number, given in enumerate(rows):
        row = {str(key).strip().lower(): value for key, value in given.items()}
        pair = next((pair for pair in ENDS if set(pair) <= row.keys()), None)
        if pair is None or "mission" not in row:
            raise BadInputError(COLUMNS, ", ".join(map(str, row)) or "none", f"{where}: row {number}")
        mission = str(row["mission"]).strip()
        if mission in scores["low"]:
            raise BadInputError("each mission once", f"{mission} twice", f"{where}: row {number}")
        for end, name in zip(("low", "high"), pair, strict=True):
            scores[end][mission] = _number(row[name], f"{where}: row {number}: {name}")
    if not rows:
        raise BadInputError(f"a table with {COLUMNS}", "no rows", where)
    return scores


def _number(value: Any, where: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise BadInputError("a number", f"'{value}'", where) from None
