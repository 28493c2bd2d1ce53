"""Rows about pairs as columns: 200 policies on 50 missions have two million rows.

A column of numbers takes 8 bytes a row, a column of texts 4, since every different text is kept once. `PairRecord`s are
made when they are asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, Self, overload

import numpy as np
from numpy.typing import NDArray

from daf.statistics.records import OVERALL, READERS, Estimand, PairRecord
from daf.system.columns import DTYPES, columns_of
from daf.system.nouns import number_of

if TYPE_CHECKING:
    import pandas as pd

Rows = NDArray[np.intp]
KINDS = {name: column.kind for name, column in columns_of(PairRecord).items()}
NAMES = tuple(KINDS)
UNKNOWN_COUNT = -1  # of columns of integers, which are counts
TOGETHER = 4_096  # records made at once
_DTYPES: Mapping[str, type] = {"number": np.float64, "integer": np.int64, "boolean": np.bool_}
_DEFAULTS = {field.name: field.default for field in fields(PairRecord) if field.default is not MISSING}


class Texts:
    """A column of texts, or none: every different one once, and its number in each row."""

    def __init__(self, codes: NDArray[np.int32], values: Iterable[str | None]) -> None:
        self.codes = codes
        self.values = list(values)
        self._numbers = {value: number for number, value in enumerate(self.values)}

    def code(self, text: str | None) -> int:
        """The number of a text, which is new if it was not among them."""
        if (number := self._numbers.get(text)) is None:
            number = self._numbers[text] = len(self.values)
            self.values.append(text)
        return number

    def set(self, rows: Rows | int, texts: str | Sequence[str | None] | None) -> None:
        """Set one text in these rows, or one for each."""
        if texts is None or isinstance(texts, str):
            self.codes[rows] = self.code(texts)
        else:
            self.codes[rows] = [self.code(text) for text in texts]

    def take_over(self, rows: Rows, other: Texts) -> None:
        """Set these rows to those of another column."""
        numbers = np.array([self.code(value) for value in other.values], np.int32)
        self.codes[rows] = numbers[other.codes]

    def are(self, text: str) -> NDArray[np.bool_]:
        """In which rows this text is."""
        return np.asarray(self.codes == self._numbers.get(text, -1))

    def taken(self, rows: Rows | slice = slice(None)) -> NDArray[Any]:
        """The texts of these rows."""
        values = np.empty(len(self.values), object)
        values[:] = self.values
        return np.asarray(values[self.codes[rows]])


class PairTable(Sequence[PairRecord]):
    """Records of pairs, in order, kept as columns.

    Args:
        numbers: by name the columns that are not texts; unknown counts are -1.
        texts: by name the columns of texts.
    """

    def __init__(self, numbers: Mapping[str, NDArray[Any]], texts: Mapping[str, Texts]) -> None:
        self.numbers, self.texts = dict(numbers), dict(texts)
        self._size = len(self.numbers["p"])

    @classmethod
    def blank(cls, size: int) -> Self:
        """Rows with the default values of a record, to be filled."""
        numbers: dict[str, NDArray[Any]] = {
            name: np.full(size, _as_number(_DEFAULTS.get(name, 0)), _DTYPES[kind])
            for name, kind in KINDS.items()
            if kind in _DTYPES
        }
        texts = {
            name: Texts(np.zeros(size, np.int32), [_DEFAULTS.get(name, "")])
            for name, kind in KINDS.items()
            if kind == "text"
        }
        return cls(numbers, texts)

    @classmethod
    def of(cls, records: Sequence[PairRecord]) -> PairTable:
        """These records as a table; a table as it is."""
        if isinstance(records, PairTable):
            return records
        table = cls.blank(len(records))
        for row, record in enumerate(records):
            table.put(row, record)
        return table

    def put(self, row: int, record: PairRecord) -> None:
        """Set a whole row."""
        for name, value in zip(NAMES, READERS[PairRecord][1](record), strict=True):
            if name in self.numbers:
                self.numbers[name][row] = _as_number(value)
            else:
                self.texts[name].set(row, value)

    def set(self, rows: Rows, **columns: Any) -> None:
        """Set columns of these rows, each to one value or to one for each row."""
        for name, values in columns.items():
            if name in self.numbers:
                self.numbers[name][rows] = _as_number(values)
            else:
                self.texts[name].set(rows, values)

    def take_over(self, rows: Rows, other: PairTable) -> None:
        """Set these rows to those of another table."""
        for name, values in other.numbers.items():
            self.numbers[name][rows] = values
        for name, texts in other.texts.items():
            self.texts[name].take_over(rows, texts)

    # ---- rows as records ----------------------------------------------------------------------------------

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[PairRecord]:
        for start in range(0, self._size, TOGETHER):
            yield from self.records(np.arange(start, min(start + TOGETHER, self._size)))

    @overload
    def __getitem__(self, index: int) -> PairRecord: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[PairRecord]: ...
    def __getitem__(self, index: int | slice) -> PairRecord | Sequence[PairRecord]:
        if isinstance(index, slice):
            return self.records(np.arange(self._size)[index])
        if not -self._size <= index < self._size:
            raise IndexError(f"row {index} of {number_of(self._size, 'row')}")
        return self.records(np.array([index % self._size]))[0]

    def __eq__(self, other: object) -> bool:
        """Whether the rows are the same; unknown numbers equal each other."""
        if not isinstance(other, Sequence) or isinstance(other, str) or len(self) != len(other):
            return False
        theirs = PairTable.of(other)
        return all(
            np.array_equal(self.numbers[name], theirs.numbers[name], equal_nan=KINDS[name] == "number")
            if name in self.numbers
            else bool((self.texts[name].taken() == theirs.texts[name].taken()).all())
            for name in NAMES
        )

    __hash__ = None  # type: ignore[assignment]  # as of a list

    def __repr__(self) -> str:
        return f"<{number_of(self._size, 'row')} about pairs>"

    def records(self, rows: Rows) -> list[PairRecord]:
        """The records of these rows."""
        columns = [self._values(name, rows) for name in NAMES]
        return [PairRecord(**dict(zip(NAMES, row, strict=True))) for row in zip(*columns, strict=True)]

    def _values(self, name: str, rows: Rows) -> list[Any]:
        found = self.texts[name].taken(rows) if name in self.texts else self.numbers[name][rows]
        values: list[Any] = found.tolist()
        return [None if value == UNKNOWN_COUNT else value for value in values] if KINDS[name] == "integer" else values

    # ---- choosing ------------------------------------------------------------------------------------------

    def rows_of(
        self, estimand: Estimand | None = None, *, mission: str | None = None, policy: str | None = None
    ) -> Rows:
        """The rows of an estimand, on a mission or over all ("overall"), about a policy."""
        chosen = np.ones(self._size, np.bool_)
        if policy is not None:
            chosen = self.texts["policy_a"].are(policy) | self.texts["policy_b"].are(policy)
        for name, text in (("estimand", estimand), ("mission", mission)):
            if text is not None:
                chosen &= self.texts[name].are(text)
        return np.flatnonzero(chosen)

    @property
    def tested(self) -> NDArray[np.bool_]:
        """In which rows a test was possible."""
        return ~np.isnan(self.numbers["p"])

    @property
    def overall(self) -> NDArray[np.bool_]:
        return self.texts["mission"].are(OVERALL)

    # ---- as a frame ----------------------------------------------------------------------------------------

    def to_frame(self) -> pd.DataFrame:
        """The table with the columns and types of `make_frame`; unknown values are missing."""
        import pandas as pd

        return pd.DataFrame({name: self._series(name) for name in NAMES})

    def _series(self, name: str) -> pd.Series[Any]:
        import pandas as pd

        if name in self.texts:
            return pd.Series(self.texts[name].taken(), dtype=object)
        values, kind = self.numbers[name], KINDS[name]
        if kind == "integer":
            return pd.Series(pd.arrays.IntegerArray(values.copy(), values == UNKNOWN_COUNT))
        if kind == "number":
            return pd.Series(np.where(np.isfinite(values), values, np.nan))
        return pd.Series(values, dtype=DTYPES[kind])


def _as_number(value: Any) -> Any:
    return UNKNOWN_COUNT if value is None else value


def chosen_records(
    records: Sequence[PairRecord],
    estimand: Estimand | None = None,
    *,
    mission: str | None = None,
    policy: str | None = None,
) -> list[PairRecord]:
    """The records of an estimand, on a mission or over all ("overall"), about a policy."""
    if isinstance(records, PairTable):
        return records.records(records.rows_of(estimand, mission=mission, policy=policy))
    return [
        record
        for record in records
        if (estimand is None or record.estimand == estimand)
        and (mission is None or record.mission == mission)
        and (policy is None or policy in (record.policy_a, record.policy_b))
    ]
