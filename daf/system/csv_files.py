"""CSV tables that a spreadsheet cannot mistake for formulas.

A text that begins with =, +, -, @, a tab or a carriage return may run as a formula when a spreadsheet opens the table.
It gets an apostrophe in front (OWASP, CSV injection); numbers stay as they are. A text that already begins with
apostrophes before such a character gets one more, so that reading takes away exactly what writing added.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

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


def _is_plain(kind: Any) -> bool:
    """Whether a column of this type holds numbers or truth values alone."""
    return getattr(kind, "kind", "O") in "biufc"
