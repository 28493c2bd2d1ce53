"""Results as a person sees them: one line in a terminal; in a notebook the answer, then small tables.

Cells are escaped, and no colour is set: the tables look right in light and dark notebooks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import islice
from typing import Any

from daf.system.nouns import number_of
from daf.system.progress import format_figure

MOST_ROWS = 20
MOST_COLUMNS = 12
MOST_ITEMS = 8  # of a list or mapping in a cell
LONGEST_LINE = 200
LONGEST_CELL = 400
UNKNOWN = "\N{EN DASH}"
_LEFT = 'style="text-align: left"'


@dataclass(frozen=True, kw_only=True)
class Table:
    """A small table.

    Attributes:
        title: what is in it; may be empty.
        columns: their headings.
        rows: the first of them; more than `MOST_ROWS` are not shown.
        total: how many there are.
    """

    title: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[Any]]
    total: int

    @classmethod
    def of(cls, title: str, records: Sequence[Any], columns: Iterable[str] | None = None) -> Table:
        """Records of one kind, with some or all of their fields."""
        names = tuple(islice(_names(records[0]) if columns is None and records else columns or (), MOST_COLUMNS))
        rows = [[_value(record, name) for name in names] for record in records[:MOST_ROWS]]
        return cls(title=title, columns=tuple(map(_words, names)), rows=rows, total=len(records))

    def to_html(self) -> str:
        head = "".join(f"<th {_LEFT}>{_cell(column)}</th>" for column in self.columns)
        body = "".join(
            f"<tr>{''.join(f'<td {_LEFT}>{_cell(value)}</td>' for value in row)}</tr>" for row in self.rows[:MOST_ROWS]
        )
        title = f"<div>{_cell(self.title)}</div>" if self.title else ""
        left = self.total - min(len(self.rows), MOST_ROWS)
        more = f"<div>and {left:,} more</div>" if left > 0 else ""
        header = f"<thead><tr>{head}</tr></thead>" if any(self.columns) else ""
        return f'{title}<table class="dataframe">{header}<tbody>{body}</tbody></table>{more}'


class Shown:
    """A result: its `repr` is one line with the answer, and a notebook shows the answer above small tables.

    A subclass says in `_headline` what it found, and in `_tables` what a notebook shows below; by default, all of its
    fields. A dataclass needs `repr=False`, since the generated `repr` would replace this one.
    """

    __slots__ = ()

    def _headline(self) -> str:
        """The answer, in a sentence."""
        known = ((name, value) for name, value in _fields(self) if isinstance(value, str | int | float))
        return ", ".join(f"{_words(name)} {short(value)}" for name, value in islice(known, 4))

    def _tables(self) -> Iterable[Table]:
        """What a notebook shows below the answer."""
        return field_tables(self)

    def _title(self) -> str:
        """What kind of result it is."""
        return type(self).__name__

    def __repr__(self) -> str:
        headline = self._headline()
        return one_line(f"<{self._title()}{': ' if headline else ''}{headline}", LONGEST_LINE) + ">"

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        answer = f"<p><strong>{_text(self._headline())}</strong></p><div>{_text(self._title())}</div>"
        return f"<div>{answer}{''.join(table.to_html() for table in self._tables())}</div>"


class ResultList[T](Shown, list[T]):
    """Results in order: a list."""

    def _title(self) -> str:
        return number_of(len(self), "result")

    def _headline(self) -> str:
        return "; ".join(short(result) for result in self)

    def _tables(self) -> Iterable[Table]:
        if self:
            yield Table.of("", self)


class ResultsByName[T](Shown, dict[str, T]):
    """Results by name: a dictionary."""

    def _title(self) -> str:
        return number_of(len(self), "result")

    def _headline(self) -> str:
        return ", ".join(self)

    def _tables(self) -> Iterable[Table]:
        rows = [(name, value) for name, value in islice(self.items(), MOST_ROWS)]
        yield Table(title="", columns=("name", "result"), rows=rows, total=len(self))


def field_tables(result: Any, *, without: Iterable[str] = ()) -> Iterator[Table]:
    """The fields of a dataclass or model: one table of values, and one for each list of records."""
    shown = [(name, value) for name, value in _fields(result) if name not in set(without)]
    rows = [(_words(name), value) for name, value in shown if not _are_records(value)]
    yield Table(title="", columns=("", ""), rows=rows[:MOST_ROWS], total=len(rows))
    for name, value in shown:
        if _are_records(value):
            yield Table.of(_words(name), value)


def short(value: Any) -> str:
    """A value in a few words."""
    match value:
        case None:
            return UNKNOWN
        case Shown():
            return value._headline()
        case str() | int():  # seeds and numbers of trials have no thousands separators
            return str(value)
        case float():
            return format_figure(value) if value == value else UNKNOWN
        case (float() as low, float() as high) if isinstance(value, tuple):
            return f"{format_figure(low)} to {format_figure(high)}"
        case Mapping():
            return _joined((f"{key} {short(item)}" for key, item in value.items()), len(value))
        case list() | tuple() if _are_records(value):
            return number_of(len(value), "record")
        case list() | tuple():
            return _joined(map(short, value), len(value))
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):  # of an array or a DataFrame, whose text is long
        return f"{type(value).__name__} of {' × '.join(f'{size:,}' for size in shape)}"
    return str(value)


def one_line(text: str, longest: int) -> str:
    """A text on one line, without control characters; what is too long ends after a word, if that is not far back."""
    line = " ".join(text.split())
    if not line.isprintable():
        line = "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in line)
    if len(line) <= longest:
        return line
    kept = line[:longest]  # one sign more than there is room for: a space, if a word ends here
    words = kept.rpartition(" ")[0]
    return f"{(words if 2 * len(words) > longest else kept[:-1]).rstrip()}…"


def _joined(items: Iterable[str], total: int) -> str:
    first = list(islice(items, MOST_ITEMS))
    more = [f"and {total - len(first):,} more"] if total > len(first) else []
    return ", ".join([*first, *more]) or UNKNOWN


def _are_records(value: Any) -> bool:
    """Whether it is a list of records, which a table shows."""
    if not isinstance(value, Sequence) or isinstance(value, str | bytes) or not len(value):
        return False
    return isinstance(value[0], Mapping) or bool(_names(value[0]))


def _names(record: Any) -> list[str]:
    if isinstance(record, Mapping):
        return [str(name) for name in record]
    if dataclasses.is_dataclass(record):
        return [field.name for field in dataclasses.fields(record)]
    return list(getattr(type(record), "model_fields", ()))


def _fields(record: Any) -> list[tuple[str, Any]]:
    return [(name, getattr(record, name)) for name in _names(record)]


def _value(record: Any, name: str) -> Any:
    return record.get(name) if isinstance(record, Mapping) else getattr(record, name, None)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _text(text: str) -> str:
    return escape(one_line(text, 5 * LONGEST_LINE))


def _cell(value: Any) -> str:
    return escape(one_line(short(value), LONGEST_CELL))
