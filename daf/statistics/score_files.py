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
from daf.statistics.marl_eval_files import from_marl_eval
from daf.system.compressed import unpack
from daf.system.csv_files import unescaped
from daf.system.json_files import parse_json
from daf.system.readers import read_bytes, reading, require_file
from daf.system.tables import read_parquet
from daf.system.user_paths import user_path

if TYPE_CHECKING:
    import pandas as pd

NAMES = ("policy", "mission")
NEEDED = (*NAMES, "score")
OPTIONAL = ("train_seed", "episode")
ALIAS = "seed"  # the name of the training seed in published tables
KNOWN = (*NEEDED, *OPTIONAL, ALIAS)
MISSING_SCORE = "the score is missing"
SEPARATORS = {".csv": ",;\t|", ".tsv": "\t", ".txt": ",;\t|"}
# The line with which spreadsheets begin a table to name its separator.
_NAMED_SEPARATOR = re.compile(r'"?sep=([^\w\s"\'.]|\t)"?[ \t]*(\r\n|\r|\n)', re.IGNORECASE)
KINDS_BY_SUFFIX = (*SEPARATORS, ".json", ".jsonl", ".ndjson", ".parquet")
KINDS = ".csv, .tsv, .json, .jsonl (each also as .gz) or .parquet"
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
        path = user_path(source, WHAT)
        frame = _read_folder(path) if path.is_dir() else _read_file(path)
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
            except (ValueError, TypeError, RuntimeError) as error:  # RuntimeError: torch's
                hint = "each column is a list, and a tensor is detached from its gradient"
                raise BadInputError("columns of the same length", str(error), where, hint) from error
        return from_marl_eval({where: source})
    if not isinstance(source, Iterable) or isinstance(source, bytes | type):
        raise BadInputError(FORM, f"{type(source).__name__}", where)
    items = list(source)
    if not items:
        raise BadInputError("scores", "no rows", where)
    if all(isinstance(item, str | Path) for item in items):
        return _read_files([user_path(item, WHAT) for item in items])
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
    suffix = _kind(path)
    if suffix not in KINDS_BY_SUFFIX:
        hint = "write a row for each score, with policy, mission, seed and score"
        raise BadInputError(f"a file of kind {KINDS}", f"'{path.suffix}'", str(path), hint)
    if suffix == ".parquet":
        table = read_parquet(path, what=WHAT, hint=DAMAGED)
        with reading(WHAT, path, DAMAGED):  # pandas' own description of the columns may be damaged, too
            frame: pd.DataFrame = table.to_pandas()
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


def _read_folder(folder: Path) -> pd.DataFrame:
    """All tables below a folder."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and _kind(path) in KINDS_BY_SUFFIX)
    if not paths:
        raise BadInputError(f"files of kind {KINDS}", "none", str(folder))
    return _read_files(paths)


def _read_files(paths: Sequence[Path]) -> pd.DataFrame:
    """Several tables as one; files of marl-eval are taken together first, since runs of a task may lie in many."""
    import pandas as pd

    frames, nested = [], {}
    for path in paths:
        content = (
            parse_json(_text(require_file(path, WHAT)), str(path), WHAT, DAMAGED) if _kind(path) == ".json" else None
        )
        if isinstance(content, Mapping) and not _known_headers(list(content)) and not set(NEEDED) & content.keys():
            nested[str(path)] = content
        else:
            frame = _read_file(path) if content is None else _from_objects(content, str(path))
            frames.append(frame.rename(columns=_known_headers(list(frame.columns))))
    if nested:
        frames.append(from_marl_eval(nested))
    return pd.concat(frames, ignore_index=True)


def _kind(path: Path) -> str:
    return Path(path.name.lower().removesuffix(".gz")).suffix


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

    if named := _NAMED_SEPARATOR.match(text):
        separators, text = named[1], text[named.end() :]
    lines = [line for line in text.splitlines() if line.strip()]
    separator = _separator(lines[0] if lines else "", separators)
    _check_fields(lines, separator, where)
    table = pd.read_csv(io.StringIO(text), sep=separator, dtype=str, keep_default_na=False, skipinitialspace=True)
    table = table.rename(columns=unescaped).map(unescaped)
    headers = _known_headers(list(table.columns))
    names = {column for column in table.columns if headers.get(column, column) in NAMES}
    scores = [column for column in table.columns if headers.get(column, column) == "score"]
    decimal = _decimal_mark(table[scores[0]], separator, where) if scores else "."
    frame = pd.read_csv(io.StringIO(text), sep=separator, decimal=decimal, skipinitialspace=True)
    frame = frame.rename(columns=unescaped)
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
