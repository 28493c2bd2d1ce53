"""CSV tables that a spreadsheet cannot mistake for formulas; separators and decimal marks of tables that others wrote.

A text that begins with =, +, -, @, a tab or a carriage return may run as a formula when a spreadsheet opens the table.
It gets an apostrophe in front (OWASP, CSV injection); numbers stay as they are. A text that already begins with
apostrophes before such a character gets one more, so that reading takes away exactly what writing added.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from daf.errors import BadInputError

if TYPE_CHECKING:
    import pandas as pd

_NUMBER = r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|infinity|nan)"
_RISKY = re.compile(rf"(?!(?:{_NUMBER})\Z)'*[=+\-@\t\r]", re.IGNORECASE)
_ESCAPED = re.compile(r"'+[=+\-@\t\r]")


def escaped(cell: Any) -> Any:
    """A cell as it is written."""
    return f"'{cell}" if isinstance(cell, str) and _RISKY.match(cell) else cell


def unescaped(cell: Any) -> Any:
    """A cell as it was before it was written; undoes `escaped`."""
    return cell[1:] if isinstance(cell, str) and _ESCAPED.match(cell) else cell


def csv_of_rows(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Rows as a CSV table."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([escaped(column) for column in columns])
    writer.writerows([escaped(row.get(column, "")) for column in columns] for row in rows)
    return text.getvalue()


def csv_of_frame(frame: pd.DataFrame) -> str:
    """A DataFrame as a CSV table, without its index."""
    safe = frame.rename(columns=escaped)
    for column in safe.columns[[not _is_plain(kind) for kind in safe.dtypes]]:
        safe[column] = safe[column].map(escaped)
    return str(safe.to_csv(index=False))


# ---- tables that others wrote -----------------------------------------------------------------------------

SEPARATORS = {".csv": ",;\t|", ".tsv": "\t", ".txt": ",;\t|"}
"""Separators by the suffix of a file, the likeliest first."""
# The line with which spreadsheets begin a table to name its separator.
_NAMED_SEPARATOR = re.compile(r'"?sep=([^\w\s"\'.]|\t)"?[ \t]*(\r\n|\r|\n)', re.IGNORECASE)


def separated(text: str, separators: str, needed: Iterable[str]) -> tuple[str, str]:
    """The separator of a table's fields, and its text, in which a line that only names the separator is empty.

    Unless it is named: the one under which the header names the needed columns, in any case; else the most frequent.
    """
    if named := _NAMED_SEPARATOR.match(text):
        return named[1], f"\n{text[named.end() :]}"
    header = next((line for line in text.splitlines() if line.strip()), "")
    for separator in separators:
        names = {name.strip().lower() for name in next(csv.reader([header], delimiter=separator), [])}
        if names.issuperset(needed):
            return separator, text
    return max(separators, key=header.count), text


def numbered_rows(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """The rows of a table and the line in which each begins, without blank lines."""
    reader = csv.reader(io.StringIO(text, newline=None), delimiter=separator, skipinitialspace=True)
    end = 0
    for row in reader:
        start, end = end + 1, reader.line_num
        if len(row) > 1 or (row and row[0].strip()):
            yield start, row


def decimal_mark(numbers: Iterable[str], separator: str, where: str) -> str:
    """Whether numbers in a table have a decimal comma or point.

    Raises:
        BadInputError: they have both, or the comma may separate thousands.
    """
    values = [value.strip() for value in numbers]
    with_comma = [value for value in values if "," in value]
    if separator == "," or not with_comma:
        return "."
    expected, hint = "scores with one kind of decimal mark", "write scores with a decimal point and no other mark"
    if with_point := [value for value in values if "." in value]:
        found = " and ".join(f"'{value}'" for value in dict.fromkeys((with_comma[0], with_point[0])))
        raise BadInputError(expected, found, where, hint)
    if all(re.fullmatch(r"[-+]?[1-9]\d{0,2}(,\d{3})+", value) for value in with_comma):
        found = f"'{with_comma[0]}', whose comma may separate thousands or decimals"
        raise BadInputError(expected, found, where, hint)
    return ","


def _is_plain(kind: Any) -> bool:
    """Whether a column of this type holds numbers or truth values alone."""
    return getattr(kind, "kind", "O") in "biufc"
