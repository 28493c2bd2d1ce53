"""Tables of scores as users have them: frames, rows, CSV in its variants, parquet, JSON records, marl-eval's JSON."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daf.errors import BadInputError
from daf.system.compressed import unpack
from daf.system.json_files import parse_json
from daf.system.readers import read_bytes, require_file
from daf.system.tables import read_parquet
from daf.system.user_paths import user_path

if TYPE_CHECKING:
    import pandas as pd

NAMES = ("policy", "mission")
NEEDED = (*NAMES, "score")
OPTIONAL = ("train_seed", "episode")
ALIAS = "seed"  # the name of the training seed in published tables
KNOWN = (*NEEDED, *OPTIONAL, ALIAS)
SEPARATORS = {".csv": ",;\t", ".tsv": "\t", ".txt": ",;\t"}
KINDS = ".csv, .tsv, .json, .jsonl (each also as .gz) or .parquet"
RETURNS = ("return", "mean_episode_return", "episode_return", "mean_return", "score")  # marl-eval's users' names
WHAT = "a table of scores"
DAMAGED = "is it damaged, or of another kind than its name says?"
FORM = "a DataFrame, a file, or rows as dictionaries with policy, mission and score"


def read_scores(source: Any) -> pd.DataFrame:
    """Read a table of scores from a DataFrame, rows (dictionaries, dataclasses or named tuples), columns, or a file.

    Headers may be in capitals or have blanks around them.

    Raises:
        BadInputError: the file is missing, of another kind, ambiguous or unreadable, or the rows are none.
    """
    import pandas as pd

    if isinstance(source, pd.DataFrame):
        frame = source
    elif isinstance(source, str | Path):
        frame = _read_file(user_path(source, WHAT))
    else:
        frame = _from_objects(source, "table of scores")
    frame = frame.rename(columns=_known_headers(list(frame.columns)))
    return frame


def _known_headers(columns: Sequence[Any]) -> dict[Any, str]:
    """New names of columns that mean a known one: '  Policy' is `policy`, unless there is one of exactly that name."""
    plain = {column: str(column).strip().lower() for column in columns}
    return {column: name for column, name in plain.items() if name in KNOWN and name not in columns}


# ---- Python objects ---------------------------------------------------------------------------------------


def _from_objects(source: Any, where: str) -> pd.DataFrame:
    """Rows, columns, several frames, or the nested layout of marl-eval."""
    import pandas as pd

    if isinstance(source, Mapping):
        if _known_headers(list(source)) or set(NEEDED) & source.keys():
            try:
                return pd.DataFrame(source)
            except (ValueError, TypeError) as error:
                raise BadInputError("columns of the same length", str(error), where) from error
        return _from_marl_eval(source, where)
    if not isinstance(source, Iterable) or isinstance(source, bytes | type):
        raise BadInputError(FORM, f"{type(source).__name__}", where)
    items = list(source)
    if not items:
        raise BadInputError("scores", "no rows", where)
    if all(isinstance(item, pd.DataFrame) for item in items):
        parts = [item.rename(columns=_known_headers(list(item.columns))) for item in items]
        return pd.concat(parts, ignore_index=True)
    return pd.DataFrame([_row(item, number, where) for number, item in enumerate(items)])


def _row(item: Any, number: int, where: str) -> dict[str, Any]:
    if isinstance(item, Mapping):
        return dict(item)
    if is_dataclass(item) and not isinstance(item, type):
        return asdict(item)
    if hasattr(item, "_asdict"):
        return dict(item._asdict())
    if hasattr(item, "to_dict"):  # a row of a frame
        return dict(item.to_dict())
    hint = "rows need names: {'policy': 'a', 'mission': 'm', 'score': 1.0}, or pd.DataFrame(rows, columns=[…])"
    raise BadInputError(FORM, f"row {number} is {item!r} ({type(item).__name__})", where, hint)


# ---- files ------------------------------------------------------------------------------------------------


def _read_file(path: Path) -> pd.DataFrame:

    require_file(path, WHAT)
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    if suffix not in (*SEPARATORS, ".json", ".jsonl", ".ndjson", ".parquet"):
        raise BadInputError(f"a file of kind {KINDS}", f"'{path.suffix}'", str(path))
    if suffix == ".parquet":
        frame: pd.DataFrame = read_parquet(path, what=WHAT, hint=DAMAGED).to_pandas()
        return frame
    text = _text(path)
    if suffix == ".json":
        return _from_objects(parse_json(text, str(path), WHAT, DAMAGED), str(path))
    if suffix not in SEPARATORS:
        lines = enumerate(text.splitlines(), start=1)
        rows = [parse_json(line, f"{path}: line {number}", "a row", DAMAGED) for number, line in lines if line.strip()]
        return _from_objects(rows, str(path))
    try:
        return _from_csv(text, SEPARATORS[suffix], str(path))
    except (ValueError, OverflowError) as error:  # pandas raises its own kinds of ValueError
        if isinstance(error, BadInputError):
            raise
        raise BadInputError(f"a {suffix} file", str(error), str(path), DAMAGED) from error


def _text(path: Path) -> str:
    data = read_bytes(path, WHAT)
    if data[:2] == b"\x1f\x8b":
        data = unpack(data, str(path), hint=DAMAGED)
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        found = f"byte 0x{data[error.start]:02x} at position {error.start}"
        raise BadInputError("text in UTF-8 or UTF-16", found, str(path), "save the table as UTF-8") from error


def _from_csv(text: str, separators: str, where: str) -> pd.DataFrame:
    """A CSV in which "None" or "NA" is a missing number, but an ordinary name in columns of names."""
    import pandas as pd

    lines = [line for line in text.splitlines() if line.strip()]
    separator = _separator(lines[0] if lines else "", separators)
    _check_fields(lines, separator, where)
    table = pd.read_csv(io.StringIO(text), sep=separator, dtype=str, keep_default_na=False, skipinitialspace=True)
    headers = _known_headers(list(table.columns))
    names = {column for column in table.columns if headers.get(column, column) in NAMES}
    scores = [column for column in table.columns if headers.get(column, column) == "score"]
    decimal = _decimal_mark(table[scores[0]], separator, where) if scores else "."
    frame = pd.read_csv(io.StringIO(text), sep=separator, decimal=decimal, skipinitialspace=True)
    return frame.assign(**{column: table[column] for column in frame.columns if column in names})


def _check_fields(lines: Sequence[str], separator: str, where: str) -> None:
    """Refuse a known column that repeats, and rows with more fields than the header, which pandas would shift."""
    rows = csv.reader(lines, delimiter=separator)
    header = next(rows, [])
    names = [name.strip().lower() for name in header]
    if repeated := [name for name in KNOWN if names.count(name) > 1]:
        raise BadInputError("each column once", f"'{repeated[0]}' twice", f"{where}: header", "rename one of them")
    for number, row in enumerate(rows, start=1):
        if len(row) > len(header):
            found = f"{len(row)} in row {number}: {separator.join(row)}"
            hint = "scores with a decimal comma need another separator, such as ;" if separator == "," else ""
            raise BadInputError(f"{len(header)} fields, as the header has", found, where, hint)


def _separator(header: str, separators: str) -> str:
    """The separator under which the header names the needed columns; else the first."""
    for separator in separators:
        names = {name.strip().lower() for name in next(csv.reader([header], delimiter=separator), [])}
        if names.issuperset(NEEDED):
            return separator
    return max(separators, key=header.count)


def _decimal_mark(scores: pd.Series[str], separator: str, where: str) -> str:
    """Whether scores have a decimal comma.

    Raises:
        BadInputError: they have both marks, or the comma may separate thousands.
    """
    values = scores.astype(str).str.strip()
    with_comma = values[values.str.contains(",", regex=False)]
    if separator == "," or with_comma.empty:
        return "."
    with_point = values[values.str.contains(".", regex=False)]
    expected, hint = "scores with one kind of decimal mark", "write scores with a decimal point and no other mark"
    if not with_point.empty:
        raise BadInputError(expected, f"'{with_comma.iloc[0]}' and '{with_point.iloc[0]}'", f"{where}: score", hint)
    if all(re.fullmatch(r"[-+]?[1-9]\d{0,2}(,\d{3})+", value) for value in with_comma):
        found = f"'{with_comma.iloc[0]}', whose comma may separate thousands or decimals"
        raise BadInputError(expected, found, f"{where}: score", hint)
    return ","


# ---- marl-eval --------------------------------------------------------------------------------------------


def _from_marl_eval(data: Mapping[str, Any], where: str) -> pd.DataFrame:
    """Rows of environment → task → algorithm → run → step → metric, the layout of marl-eval (Gorsane et al. 2022).

    A run counts with its `absolute_metrics`, else with its last step.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for environment, tasks in data.items():
        for task, algorithms in _level(tasks, where, environment).items():
            mission = f"{environment}/{task}" if len(data) > 1 else task
            for algorithm, runs in _level(algorithms, where, environment, task).items():
                for run, steps in _level(runs, where, environment, task, algorithm).items():
                    place = (environment, task, algorithm, run)
                    values = _last_returns(_level(steps, where, *place), f"{where}: {' / '.join(map(str, place))}")
                    rows += [
                        {"policy": algorithm, "mission": mission, "train_seed": run, "episode": number, "score": value}
                        for number, value in enumerate(values)
                    ]
    if not rows:
        raise BadInputError("scores", "none", where)
    return pd.DataFrame(rows)


def _level(content: Any, where: str, *place: object) -> Mapping[str, Any]:
    if isinstance(content, Mapping):
        return content
    expected = "records with policy, mission and score, or marl-eval's environment → task → algorithm → run → step"
    raise BadInputError(expected, f"{type(content).__name__}", f"{where}: {' / '.join(map(str, place))}")


def _last_returns(steps: Mapping[str, Any], where: str) -> list[Any]:
    if not steps:
        raise BadInputError("absolute_metrics, or steps", "neither", where)
    last = max((step for step in steps if step != "absolute_metrics"), key=lambda step: _count(steps[step]), default="")
    metrics = _level(steps.get("absolute_metrics") or steps[last], where)
    names = [name for name in metrics if name not in ("step_count", "success")]
    chosen = next((name for name in RETURNS if name in names), names[0] if len(names) == 1 else None)
    if chosen is None:
        hint = "only one metric can be compared at a time: leave the others out"
        raise BadInputError(f"one metric, or one of {', '.join(RETURNS)}", ", ".join(names) or "none", where, hint)
    values = metrics[chosen]
    return list(values) if isinstance(values, list) else [values]


def _count(step: Any) -> float:
    count = step.get("step_count", 0) if isinstance(step, Mapping) else 0
    return float(count) if isinstance(count, int | float) else 0.0
