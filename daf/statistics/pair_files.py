"""Files of many rows about pairs: written and read by column, a part of the rows at a time.

comparison.json holds up to `INLINE` rows; more are in pairwise.parquet beside it, since as JSON two million rows take
gigabytes. pairwise.csv has the same text either way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypedDict, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from daf.errors import BadInputError
from daf.statistics.pair_table import KINDS, NAMES, UNKNOWN_COUNT, PairTable, Texts
from daf.statistics.progress import Progress
from daf.statistics.records import PairRecord
from daf.system.csv_files import csv_of_rows
from daf.system.files import write_with
from daf.system.nouns import number_of
from daf.system.readers import FROM_A_RUN
from daf.system.tables import read_parquet, write_parquet
from daf.system.validated import validated

if TYPE_CHECKING:
    import pyarrow as pa

    from daf.statistics.intervals import Array

INLINE = 20_000  # rows up to which comparison.json holds them
NAME: Final = "pairwise.parquet"
ROWS = 50_000  # written at once
_PLAIN = (1e-4, 1e10)  # sizes of numbers that Arrow writes as Python does, unless they are whole


class PairsFile(TypedDict):
    """Where comparison.json says that its rows about pairs are."""

    name: Literal["pairwise.parquet"]
    rows: int


def write_pairs(folder: Path, table: PairTable) -> PairsFile:
    """Write pairwise.csv and pairwise.parquet; returns what comparison.json says about the rows."""

    def write(path: Path) -> None:
        with (
            Progress(len(table), "rows about pairs", "wrote") as progress,
            open(path, "w", encoding="utf-8", newline="") as stream,
        ):
            stream.write(csv_of_rows([], NAMES))
            for rows, text in _csv_parts(table):
                stream.write(text)
                progress.advance(rows)

    write_with(folder / "pairwise.csv", write)
    write_parquet(folder / NAME, _to_arrow(table))
    return {"name": NAME, "rows": len(table)}


def read_pairs(folder: Path, known: Mapping[str, Any], where: str) -> PairTable:
    """The rows of a comparison that comparison.json says are in another file.

    Raises:
        BadInputError: the file is missing or damaged, or belongs to another comparison.
    """
    entry = validated(PairsFile, known, f"{where}: pairwise_file", FROM_A_RUN)
    path = folder / entry["name"]
    content = read_parquet(path, what="the rows about pairs of a comparison", is_own=True)
    if content.num_rows != entry["rows"]:
        expected, found = f"{number_of(entry['rows'], 'row')}, as {where} says", number_of(content.num_rows, "row")
        raise BadInputError(expected, found, str(path), "copy both files from the same comparison")
    return _from_arrow(content, str(path))


# ---- text ---------------------------------------------------------------------------------------------------


def _csv_parts(table: PairTable) -> Iterator[tuple[int, str]]:
    """Lines of the table in parts, and how many they are."""
    import pyarrow.compute as pc

    quoted = {name: _quoted(texts) for name, texts in table.texts.items()}
    for start in range(0, len(table), ROWS):
        part = slice(start, start + ROWS)
        columns = [
            quoted[name].take(table.texts[name].codes[part]) if name in quoted else _as_text(table, name, part)
            for name in NAMES
        ]
        lines = pc.binary_join_element_wise(*columns, ",").to_pylist()
        yield len(lines), "\n".join(lines) + "\n"


def _quoted(texts: Texts) -> pa.Array:
    """The different texts of a column as cells."""
    import pyarrow as pa

    cells = ["" if text is None else csv_of_rows([{"x": text, "y": ""}], ("x", "y"))[4:-2] for text in texts.values]
    return pa.array(cells, pa.string())


def _as_text(table: PairTable, name: str, part: slice) -> pa.Array:
    """Numbers as cells; empty if unknown."""
    import pyarrow as pa
    import pyarrow.compute as pc

    values, kind = table.numbers[name][part], KINDS[name]
    if kind == "integer":
        return pc.fill_null(pc.cast(pa.array(values, mask=values == UNKNOWN_COUNT), pa.string()), "")
    if kind == "boolean":
        return pa.array(values.astype(str))
    unknown, size = ~np.isfinite(values), np.abs(values)
    text = pc.fill_null(pc.cast(pa.array(values, mask=unknown), pa.string()), "")
    other = ~unknown & ((size < _PLAIN[0]) | (size >= _PLAIN[1]) | (values == np.rint(values)))
    if not other.any():
        return text
    return pc.replace_with_mask(text, other, pa.array(list(map(repr, values[other].tolist()))))


# ---- columns ------------------------------------------------------------------------------------------------


def _to_arrow(table: PairTable) -> pa.Table:
    import pyarrow as pa

    columns = {}
    for name in NAMES:
        if name in table.texts:
            columns[name] = _to_dictionary(table.texts[name])
            continue
        values = table.numbers[name]
        columns[name] = pa.array(values, mask=values == UNKNOWN_COUNT if KINDS[name] == "integer" else None)
    return pa.table(columns)


def _to_dictionary(texts: Texts) -> pa.DictionaryArray:
    """The column with the texts that occur in it; missing ones are not among them, as parquet wants it."""
    import pyarrow as pa

    occurs = np.bincount(texts.codes, minlength=len(texts.values)) > 0
    known = occurs & np.array([text is not None for text in texts.values], np.bool_)
    codes = (np.cumsum(known) - 1).astype(np.int32)[texts.codes]
    values = [text for text, is_known in zip(texts.values, known.tolist(), strict=True) if is_known]
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=~known[texts.codes]), pa.array(values, pa.string()))


def _from_arrow(content: pa.Table, where: str) -> PairTable:
    if content.column_names != list(NAMES):
        found = ", ".join(sorted(set(content.column_names) ^ set(NAMES))) or "another order"
        raise BadInputError("the columns of rows about pairs", f"other columns: {found}", where, FROM_A_RUN)
    hints, blank = get_type_hints(PairRecord), PairTable.blank(0)
    numbers: dict[str, NDArray[Any]] = {}
    texts: dict[str, Texts] = {}
    for name in NAMES:
        column = content.column(name).combine_chunks()
        try:
            if name in blank.texts:
                texts[name] = _texts(column, hints[name], f"{where}: {name}")
            else:
                numbers[name] = _numbers(column, name, blank.numbers[name].dtype)
        except (TypeError, ValueError, AttributeError) as error:
            raise BadInputError(f"{KINDS[name]}s", f"{column.type} ({error})", f"{where}: {name}", FROM_A_RUN) from None
    return PairTable(numbers, texts)


def _numbers(column: pa.Array, name: str, dtype: np.dtype[Any]) -> Array:
    if KINDS[name] == "integer":
        column = column.fill_null(UNKNOWN_COUNT)
    return np.array(column.to_numpy(zero_copy_only=False).astype(dtype, casting="safe"))


def _texts(column: pa.Array, kind: Any, where: str) -> Texts:
    """A column of texts, of which those of a fixed set are checked."""
    values = column.dictionary.to_pylist()
    if get_origin(kind) is Literal and not set(values) <= set(get_args(kind)):
        validated(list[kind], values, where, FROM_A_RUN)
    codes = np.array(column.indices.fill_null(len(values)).to_numpy(zero_copy_only=False).astype(np.int32))
    return Texts(codes, [*values, None] if column.null_count else values)
