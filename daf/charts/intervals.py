"""What both drawings of an `IntervalChart` share: bounds, height of a line, points by line."""

from __future__ import annotations

from daf.charts import ranges
from daf.charts.model import IntervalChart, Row

MANY = 12  # more lines than this are set closer, below a second axis


def bounds_of(chart: IntervalChart) -> tuple[float, float]:
    """The bounds of the axis, from everything that is drawn."""
    rows = [row for row in chart.rows if row.get("status") != "failed"]
    values = [row.get(key) for row in rows for key in ("value", "low", "high")]
    shown = points_by_row(chart)
    points = [point["value"] for members in shown.values() for point in members]
    extra = [] if chart.reference is None else [chart.reference]
    return ranges.extent(chart.x, [*values, *points, *extra, *(chart.band or ())])


def row_height(chart: IntervalChart) -> int:
    """The height of a line in pixels: higher with points, lower if there are many."""
    is_close = is_long(chart)
    return (32 if is_close else 46) if chart.points else (26 if is_close else 32)


def is_long(chart: IntervalChart) -> bool:
    """Whether a reader of its first lines may not see the axis below the last one: it then has one above them, too."""
    return len(chart.rows) > MANY


def points_by_row(chart: IntervalChart) -> dict[int, list[Row]]:
    """The points that the axis can show, by the index of their line; those of failed lines are not drawn."""
    index_of: dict[str, int] = {}
    for index, row in enumerate(chart.rows):
        if row.get("status") != "failed":
            index_of.setdefault(row["label"], index)
    found: dict[int, list[Row]] = {}
    for point in chart.points:
        place = index_of.get(point["label"])
        if place is not None and ranges.drawable(chart.x, point.get("value")) is not None:
            found.setdefault(place, []).append(point)
    return found


def strip_offset(number: int, *, is_episode: bool) -> float:
    """How far the n-th point is from its line: spread without chance, so that equal values are seen."""
    spread = (number * 0.618034) % 1 - 0.5
    return -0.29 + 0.14 * spread if is_episode else 0.26 + 0.08 * spread
