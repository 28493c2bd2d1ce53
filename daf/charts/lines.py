"""What both drawings of lines and points share: their bounds, and the points of each line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from daf.charts import ranges, style, words
from daf.charts.model import Axis, LineChart, PointChart, Row

LONGEST = 400  # points of one line; longer ones are thinned
MOST = 3000  # points of all lines together
FEW_POINTS = 60  # that are drawn larger, since none hides another
MARKS = 7  # shapes along a line
BRIEF = 0.02  # of the range of x: a line that is not longer looks like a point, and is drawn as a large one
WORD_PAD = 0.16  # of the range of y in a low chart, so that the words above and below its points are whole
RING_PAD = 0.045  # of the range of x at both ends, so that a ring at the last point is whole where it is narrow too


@dataclass(frozen=True)
class Line:
    """The points of one line that can be drawn, in the order of x."""

    name: str
    series: str
    rows: Sequence[Row]

    @cached_property
    def is_cut_short(self) -> bool:
        return any(row.get("dashed") for row in self.rows)

    @property
    def has_band(self) -> bool:
        return any(row.get("low") is not None and row.get("high") is not None for row in self.rows)


def lines_of(chart: LineChart) -> list[Line]:
    """The lines of a chart, thinned evenly to what can be seen."""
    grouped: dict[tuple[str, str], list[Row]] = {}
    for row in chart.rows:
        if can_draw(chart, row):
            grouped.setdefault((str(row["line"]), str(row.get("series", ""))), []).append(row)
    limit = max(50, min(LONGEST, MOST // max(1, len(grouped))))
    return [
        Line(name, series, ranges.thin(sorted(rows, key=lambda row: float(row["x"])), limit))
        for (name, series), rows in grouped.items()
    ]


def brief_lines(rows: Sequence[Row]) -> set[str]:
    """The names of lines that have one value, or some so close together that they look like one."""
    places: dict[str, list[float]] = {}
    for row in rows:
        if row.get("x") is not None and row.get("y") is not None:
            places.setdefault(str(row["line"]), []).append(float(row["x"]))
    everywhere = [x for own in places.values() for x in own]
    longest = BRIEF * (max(everywhere) - min(everywhere)) if everywhere else 0.0
    return {name for name, own in places.items() if max(own) - min(own) <= longest}


def can_draw(chart: LineChart, row: Row) -> bool:
    """Whether both axes can show a point."""
    return ranges.drawable(chart.x, row.get("x")) is not None and ranges.drawable(chart.y, row.get("y")) is not None


def dash_of(line: Line, lines: Sequence[Line], dash: tuple[float, ...]) -> tuple[float, ...]:
    """The dash of a line: that of its series, unless some line was cut short; then dashes tell that alone."""
    if line.is_cut_short:
        return style.CUT_SHORT
    return () if any(other.is_cut_short for other in lines) else dash


def line_bounds(chart: LineChart, lines: Sequence[Line]) -> tuple[tuple[float, float], tuple[float, float]]:
    """The bounds of x and y, with bands and marks."""
    rows = [row for line in lines for row in line.rows]
    pad = RING_PAD if chart.marks else 0.015
    x = ranges.extent(chart.x, [row["x"] for row in (*rows, *chart.marks)], pad=pad)
    heights = [row.get(key) for row in rows for key in ("y", "low", "high")]
    return x, ranges.extent(chart.y, [*heights, *(mark["y"] for mark in chart.marks)], pad=0.06)


def shown_points(chart: PointChart) -> list[Row]:
    """The points that both axes can show; a category is shown as it is."""
    return [row for row in chart.rows if _on(chart.x.scale, chart, row, "x") and _on(chart.y.scale, chart, row, "y")]


def _on(scale: str, chart: PointChart, row: Row, column: str) -> bool:
    if scale == "category":
        return row.get(column) is not None
    return ranges.drawable(chart.x if column == "x" else chart.y, row.get(column)) is not None


def point_bounds(chart: PointChart, rows: Sequence[Row]) -> tuple[tuple[float, float], tuple[float, float]]:
    """The bounds of x and y; of a category, the places of its first and last value."""
    found = []
    height = WORD_PAD if chart.compact and any(word_shifts(rows)) else 0.06
    for column, axis, pad in (("x", chart.x, 0.03), ("y", chart.y, height)):
        if axis.scale == "category":
            found.append((-0.5, max(1, len(categories(axis, rows, column))) - 0.5))
        else:
            found.append(ranges.extent(axis, [row.get(column) for row in (*rows, *chart.steps)], pad=pad))
    return found[0], found[1]


def categories(axis: Axis, rows: Sequence[Row], column: str) -> list[str]:
    """The values of a category: those that the axis names, then others in the order in which they occur."""
    found = (str(row[column]) for row in rows if row.get(column) is not None)
    return list(dict.fromkeys([*map(str, axis.categories), *found])) if axis.scale == "category" else []


def used_series(series: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The series that occur in rows, in the order of the chart; unknown ones last."""
    used = dict.fromkeys(str(row.get("series", "")) for row in rows)
    return [name for name in series if name in used] + [name for name in used if name and name not in series]


def marked_points(count: int, index: int, *, is_brief: bool = False) -> list[int]:
    """The points of the n-th line that carry its shape; those of neighbouring lines lie beside each other."""
    if is_brief:
        return [count - 1]
    if count <= MARKS:
        return list(range(count))
    step = count / MARKS
    return [int(step * (place + (index * 0.37) % 1)) for place in range(MARKS)]


def listed_series(series: Sequence[str], rows: Sequence[Row]) -> list[str]:
    """The series of a legend: those of ordinary points, since emphasized ones carry their name."""
    return used_series(series, [row for row in rows if not row.get("emphasis")])


def word_shifts(rows: Sequence[Row]) -> list[int]:
    """Where the words of emphasized points are: -1 above one, 1 below, 0 beside it if no other point has a word."""
    marked = [row for row in rows if row.get("emphasis") and isinstance(row["y"], int | float)]
    if len(marked) < 2:
        return [0] * len(rows)
    highest = max(marked, key=lambda row: (row["y"], row["emphasis"] == "best"))
    return [0 if not row.get("emphasis") else -1 if row is highest else 1 for row in rows]


def emphasis_word(row: Row) -> str:
    """The label of an emphasized point: the name of its series, such as "best of the search"."""
    return words.clean(row.get("series") or row["emphasis"]) if row.get("emphasis") else ""
