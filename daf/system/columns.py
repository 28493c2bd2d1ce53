"""Tables with the columns of a record class: a dataclass with fields `Annotated[type, meaning]`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite, nan
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin, get_type_hints

from daf.system.readers import FROM_A_RUN
from daf.system.validated import validated

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["text", "integer", "number", "boolean", "bytes", "list of integers", "list of numbers", "list of texts"]
DTYPES: Mapping[str, str] = {"integer": "Int64", "number": "float64", "boolean": "boolean"}  # others: object
_KINDS: Mapping[Any, Kind] = {
    str: "text",
    int: "integer",
    float: "number",
    bool: "boolean",
    bytes: "bytes",
    list[int]: "list of integers",
    list[float]: "list of numbers",
    list[str]: "list of texts",
}


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a table."""

    kind: Kind
    meaning: str


def columns_of(record: type) -> dict[str, Column]:
    """The columns of a record class, in order."""
    columns = {}
    for name, hint in get_type_hints(record, include_extras=True).items():
        annotated, meaning = get_args(hint) if get_origin(hint) is Annotated else (hint, "")
        columns[name] = Column(kind=_kind(annotated), meaning=meaning)
    return columns


def _kind(annotation: Any) -> Kind:
    if annotation in _KINDS:
        return _KINDS[annotation]
    if get_origin(annotation) is Literal:
        return "text"
    (known,) = [member for member in get_args(annotation) if member is not NoneType]
    return _kind(known)


def make_frame(record: type, rows: Sequence[Any]) -> pd.DataFrame:
    """Records of a class as a frame with its columns and types; unknown values become missing."""
    import pandas as pd

    return pd.DataFrame(
        {
            name: pd.Series([_cell(getattr(row, name)) for row in rows], dtype=DTYPES.get(column.kind, "object"))
            for name, column in columns_of(record).items()
        }
    )


def _cell(value: Any) -> Any:
    return None if isinstance(value, float) and not isfinite(value) else value


def to_rows(records: Iterable[Any]) -> list[dict[str, Any]]:
    """Records as plain rows, with None for unknown values."""
    return [{name: _cell(value) for name, value in asdict(record).items()} for record in records]


def from_rows[Row](record: type[Row], rows: Iterable[Mapping[str, Any]], where: str = "table") -> tuple[Row, ...]:
    """The inverse of `to_rows`: unknown numbers become NaN again.

    Raises:
        ConfigError: a column is missing, or a value is not one of its column's type; the errors name `where`.
    """
    numbers = {name for name, column in columns_of(record).items() if column.kind == "number"}
    known = [{name: nan if value is None and name in numbers else value for name, value in row.items()} for row in rows]
    return tuple(validated(list[record], known, where, FROM_A_RUN))  # type: ignore[valid-type]
