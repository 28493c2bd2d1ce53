"""Tables of scores as users have them: frames, rows, CSV in its variants, parquet, JSON records, marl-eval's JSON."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daf.errors import BadInputError
from daf.statistics.comparison_file import COMPARISON
from daf.statistics.marl_eval_files import NOTES, from_marl_eval
from daf.system.compressed import unpack
from daf.system.csv_files import SEPARATORS, decimal_mark, numbered_rows, separated, unescaped
from daf.system.json_files import parse_json
from daf.system.nouns import number_of
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
PLACED = "daf.placed"  # the attribute of a frame whose index says where in a file each row is
KINDS_BY_SUFFIX = (*SEPARATORS, ".json", ".jsonl", ".ndjson", ".parquet")
KINDS = ".csv, .tsv, .json, .jsonl (each also as .gz) or .parquet"
SCORES = "scores.csv"  # of a comparison, as `ComparisonResults.write` names them
DAMAGED = "is it damaged, or of another kind than its name says?"


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What a kind of table contains, and how errors describe it.

    Attributes:
        names: columns of text, also where it looks like a number.
        known: all columns that have a meaning.
        rows: what a table has: 'a row for each score'.
        cells: what is in a row: 'policy, mission, seed and score'.
        form: what can be read.
        example: a row as a dictionary.
    """

    what: str
    names: tuple[str, ...]
    needed: tuple[str, ...]
    known: tuple[str, ...]
    rows: str
    cells: str
    form: str
    example: str

    @property
    def hint(self) -> str:
        return f"write {self.rows}, with {self.cells}"


SCORE_TABLE = Layout(
    what="a table of scores",
    names=NAMES,
    needed=NEEDED,
    known=KNOWN,
    rows="a row for each score",
    cells="policy, mission, seed and score",
    form="a DataFrame, a file, or rows as dictionaries with policy, mission and score",
    example="{'policy': 'a', 'mission': 'm', 'score': 1.0}",
)


def read_scores(source: Any, layout: Layout = SCORE_TABLE) -> pd.DataFrame:
    """Read a table of scores from a DataFrame, rows (dictionaries, dataclasses or named tuples), columns, or a file.

    Headers may be in capitals or have blanks around them.

    Args:
        layout: of another kind of table that has scores.

    Raises:
        BadInputError: the file is missing, of another kind, ambiguous or unreadable, or the rows are none.
    """
    import pandas as pd

    if isinstance(source, pd.DataFrame):
        frame = source
    elif isinstance(source, str | Path):
        path = user_path(source, layout.what)
        frame = _read_folder(path, layout) if path.is_dir() else _read_file(path, layout)
    else:
        frame = _from_objects(source, layout.what.removeprefix("a "), layout)
    frame = frame.rename(columns=_known_headers(list(frame.columns)))
    return frame


def _known_headers(columns: Sequence[Any]) -> dict[Any, str]:
    """New names of columns that mean a known one: '  Policy' is `policy`, unless there is one of exactly that name."""
    plain = {column: str(column).strip().lower() for column in columns}
    return {column: name for column, name in plain.items() if name in KNOWN and name not in columns}


# ---- Python objects ---------------------------------------------------------------------------------------


def _from_objects(source: Any, where: str, layout: Layout) -> pd.DataFrame:
    """Rows, columns, several frames, or the nested layout of marl-eval."""
    import pandas as pd

    if isinstance(source, Mapping):
        return _from_mapping(source, where, layout)
    if isinstance(source, pd.Series):
        raise BadInputError(layout.form, "a Series", where, "make a table of it: scores.reset_index(name='score')")
    if not isinstance(source, Iterable) or isinstance(source, bytes | type):
        raise BadInputError(layout.form, f"{type(source).__name__}", where, layout.hint)
    items = list(source)
    if not items:
        raise BadInputError(layout.what, "no rows", where, layout.hint)
    if all(isinstance(item, str | Path) for item in items):
        return _read_files([user_path(item, layout.what) for item in items], layout)
    if all(isinstance(item, pd.DataFrame) for item in items):
        parts = [item.rename(columns=_known_headers(list(item.columns))) for item in items]
        return pd.concat(parts, ignore_index=True)
    return pd.DataFrame([_row(item, number, where, layout) for number, item in enumerate(items)])


def _from_mapping(source: Mapping[str, Any], where: str, layout: Layout) -> pd.DataFrame:
    """Columns, a single row, what pandas writes with any `orient`, or the layout of marl-eval."""
    import pandas as pd

    if _is_table(source):
        known = [value for name, value in source.items() if str(name).strip().lower() in KNOWN]
        if not any(isinstance(value, Collection) and not isinstance(value, str) for value in known):
            return pd.DataFrame([dict(source)])
        if not any(isinstance(value, Mapping) for value in known):  # then other columns are none
            source = {name: value for name, value in source.items() if not isinstance(value, Mapping)}
        try:
            return pd.DataFrame(source)
        except (ValueError, TypeError, RuntimeError) as error:  # RuntimeError: torch's
            hint = "each column is a list, and a tensor is detached from its gradient"
            raise BadInputError("columns of the same length", str(error), where, hint) from error
    _refuse_comparison(source, where)
    columns, rows = source.get("columns"), source.get("data")
    if isinstance(rows, list) and isinstance(columns, list):
        if all(isinstance(row, list) and len(row) == len(columns) for row in rows):
            return pd.DataFrame(rows, columns=columns)
        raise BadInputError(f"rows of {number_of(len(columns), 'value')} below 'data'", "others", where)
    if isinstance(rows, list) and "schema" in source:
        return _from_objects(rows, where, layout)
    if source and all(_is_row(value) for value in source.values()):
        return _from_objects(list(source.values()), where, layout)
    lists = [name for name, value in source.items() if isinstance(value, list) and value and _is_row(value[0])]
    if lists:
        found, hint = f"rows below '{lists[0]}'", f"write the list of '{lists[0]}' alone"
        raise BadInputError("a list of rows, or columns", found, where, hint)
    if layout is not SCORE_TABLE:
        raise BadInputError(layout.what, "other data" if source else "no rows", where, layout.hint)
    return from_marl_eval({where: source})


def _is_table(content: Mapping[str, Any]) -> bool:
    """Whether a mapping has columns of scores, or is a single row, whatever its names."""
    flat = not any(isinstance(value, Collection) and not isinstance(value, str) for value in content.values())
    return (flat and bool(content)) or bool(_known_headers(list(content)) or set(NEEDED) & content.keys())


def _is_row(value: Any) -> bool:
    return isinstance(value, Mapping) and bool(set(NEEDED) & {str(name).strip().lower() for name in value})


def _is_nested(content: Mapping[str, Any]) -> bool:
    """Whether a mapping has the levels of marl-eval."""
    inner = content.values()
    return not _is_table(content) and all(isinstance(value, Mapping) and not _is_row(value) for value in inner)


def _row(item: Any, number: int, where: str, layout: Layout) -> dict[str, Any]:
    if isinstance(item, Mapping):
        return dict(item)
    if is_dataclass(item) and not isinstance(item, type):
        return asdict(item)
    if hasattr(item, "_asdict"):
        return dict(item._asdict())
    if hasattr(item, "to_dict"):  # a row of a frame
        return dict(item.to_dict())
    hint = f"rows need names: {layout.example}, or pd.DataFrame(rows, columns=[…])"
    raise BadInputError(layout.form, f"row {number} is {item!r} ({type(item).__name__})", where, hint)


# ---- files ------------------------------------------------------------------------------------------------


def _read_file(path: Path, layout: Layout) -> pd.DataFrame:
    require_file(path, layout.what)
    suffix = _kind(path)
    if suffix not in KINDS_BY_SUFFIX:
        raise BadInputError(f"a file of kind {KINDS}", f"'{path.suffix}'", str(path), layout.hint)
    if suffix == ".parquet":
        table = read_parquet(path, what=layout.what, hint=DAMAGED)
        with reading(layout.what, path, DAMAGED):  # pandas' own description of the columns may be damaged, too
            frame: pd.DataFrame = table.to_pandas()
        return frame
    text = _text(path, layout)
    if suffix == ".json":
        return _from_objects(parse_json(text, str(path), layout.what, DAMAGED), str(path), layout)
    if suffix not in SEPARATORS:
        lines = enumerate(text.splitlines(), start=1)
        rows = {n: parse_json(line, f"{path}: line {n}", "a row", DAMAGED) for n, line in lines if line.strip()}
        return _placed(_from_objects(list(rows.values()), str(path), layout), list(rows))
    try:
        return _from_csv(text, SEPARATORS[suffix], str(path), layout)
    except (ValueError, OverflowError) as error:  # pandas raises its own kinds of ValueError
        if isinstance(error, BadInputError):
            raise
        raise BadInputError(f"a {suffix} file", str(error), str(path), DAMAGED) from error


def _read_folder(folder: Path, layout: Layout) -> pd.DataFrame:
    """All tables below a folder."""
    if (folder / "comparison.json").is_file():
        hint = f"its scores are in {folder / SCORES}"
        raise BadInputError(layout.what, "a folder of a comparison", str(folder), hint)
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and _kind(path) in KINDS_BY_SUFFIX)
    if not paths:
        raise BadInputError(f"files of kind {KINDS}", "none", str(folder))
    return _read_files(paths, layout)


def _read_files(paths: Sequence[Path], layout: Layout) -> pd.DataFrame:
    """Several tables as one; files of marl-eval are taken together first, since runs of a task may lie in many."""
    import pandas as pd

    frames: dict[tuple[str, str], pd.DataFrame] = {}
    nested, notes = {}, []
    for path in paths:
        content = None
        if _kind(path) == ".json":
            content = parse_json(_text(require_file(path, layout.what), layout), str(path), layout.what, DAMAGED)
        if layout is SCORE_TABLE and isinstance(content, Mapping) and _is_nested(content):
            nested[str(path)] = content
        else:
            frame = _read_file(path, layout) if content is None else _from_objects(content, str(path), layout)
            frames[_unit(frame), str(path)] = frame.rename(columns=_known_headers(list(frame.columns)))
    if nested:
        frames["row", "the files of marl-eval"] = frame = from_marl_eval(nested)
        notes = frame.attrs.get(NOTES, [])
    whole = pd.concat(frames)
    whole.attrs = {PLACED: True, NOTES: notes}
    return whole


def _refuse_comparison(content: Mapping[str, Any], where: str) -> None:
    """Refuse DAF's own comparison.json, beside which lie its scores."""
    if str(content.get("format", "")).startswith(COMPARISON):
        scores = Path(where).parent / SCORES
        raise BadInputError(SCORE_TABLE.what, "the results of a comparison", where, f"its scores are in {scores}")


# ---- where rows are ---------------------------------------------------------------------------------------


def _placed(frame: pd.DataFrame, lines: Sequence[int]) -> pd.DataFrame:
    """The frame with the line of each row as its index."""
    import pandas as pd

    if len(lines) == len(frame):
        frame.index = pd.Index(lines, name="line")
        frame.attrs[PLACED] = True
    return frame


def _unit(frame: pd.DataFrame) -> str:
    return "line" if frame.attrs.get(PLACED) else "row"


def place_of(values: pd.Series[Any] | pd.DataFrame, label: Any) -> str:
    """Where a row is, in words: by the index that readers of files give a frame, else by its number."""
    if isinstance(label, tuple):
        unit, path, number = label
        return f"{unit} {number} of {path}"
    return f"{values.index.name or 'row'} {label}"


def _kind(path: Path) -> str:
    return Path(path.name.lower().removesuffix(".gz")).suffix


def _text(path: Path, layout: Layout) -> str:
    data = read_bytes(path, layout.what)
    if data[:2] == b"\x1f\x8b":
        data = unpack(data, str(path), hint=DAMAGED)
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        found = f"byte 0x{data[error.start]:02x} at position {error.start}"
        raise BadInputError("text in UTF-8 or UTF-16", found, str(path), "save the table as UTF-8") from error


def _from_csv(text: str, separators: str, where: str, layout: Layout) -> pd.DataFrame:
    """A CSV in which "None" or "NA" is a missing number, but an ordinary name in columns of names."""
    import pandas as pd

    if not text.strip():
        raise BadInputError(layout.what, "an empty file", where, f"write {layout.rows}, below a header")
    separator, text = separated(text, separators, layout.needed)
    lines = _checked_lines(text, separator, where, layout)
    table = pd.read_csv(io.StringIO(text), sep=separator, dtype=str, keep_default_na=False, skipinitialspace=True)
    table = table.rename(columns=unescaped).map(unescaped)
    plain = {column: str(column).strip().lower() for column in table.columns}
    names = {column for column in table.columns if plain[column] in layout.names}
    scores = [column for column in table.columns if plain[column] == "score"]
    decimal = decimal_mark(table[scores[0]].astype(str), separator, f"{where}: score") if scores else "."
    frame = pd.read_csv(io.StringIO(text), sep=separator, decimal=decimal, skipinitialspace=True)
    frame = frame.rename(columns=unescaped)
    return _placed(frame.assign(**{column: table[column] for column in frame.columns if column in names}), lines)


def _checked_lines(text: str, separator: str, where: str, layout: Layout) -> list[int]:
    """The line of each row below the header.

    Refused are a known column that repeats, a row with more fields than the header, which pandas would shift, and one
    that ends before a known column.
    """
    rows = numbered_rows(text, separator)
    _, header = next(rows, (1, []))
    names = [name.strip().lower() for name in header]
    if repeated := [name for name in layout.known if names.count(name) > 1]:
        raise BadInputError("each column once", f"'{repeated[0]}' twice", f"{where}: header", "rename one of them")
    needed = 1 + max((place for place, name in enumerate(names) if name in layout.known), default=-1)
    expected, lines = f"{number_of(len(header), 'field')}, as the header has", []
    for line, row in rows:
        found = f"{len(row)} in line {line}: {separator.join(row)}"
        if len(row) > len(header):
            raise BadInputError(expected, found, where, _why_longer(names, line, row, separator, layout))
        if len(row) < needed:
            hint = "is the file complete? Write the separators of empty cells, too"
            raise BadInputError(expected, found, where, hint)
        lines.append(line)
    return lines


def _why_longer(names: Sequence[str], line: int, row: Sequence[str], separator: str, layout: Layout) -> str:
    """A hint for the first row with more fields than the header."""
    if set(layout.needed) <= {cell.strip().lower() for cell in row}:
        return f"the header is in line {line}: delete the lines above it"
    if len(row) == len(names) + 1 and row[0].strip().isdigit() and set(layout.needed) <= set(names):
        return "the rows seem to be numbered: name the first column, or write the table without row names"
    return "scores with a decimal comma need another separator, such as ;" if separator == "," else ""
