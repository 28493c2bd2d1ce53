"""Charts that have nothing to draw: they say so, instead of showing an axis from 0 to 1."""

from __future__ import annotations

from dataclasses import dataclass

from daf.charts import ranges, ranks
from daf.charts.histograms import panels_of
from daf.charts.intervals import points_by_row
from daf.charts.lines import can_draw, shown_points
from daf.charts.matrices import cells_of
from daf.charts.model import (
    Chart,
    HistogramChart,
    IntervalChart,
    LineChart,
    MatrixChart,
    ParallelChart,
    PointChart,
    RankChart,
)

NO_RESULT = "no result yet"


def is_blank(chart: Chart) -> bool:
    """Whether no value of a chart can be drawn."""
    match chart:
        case IntervalChart():
            drawn = (row for row in chart.rows if row.get("status") != "failed")
            return not any(_has_value(chart, row.get("value")) for row in drawn) and not points_by_row(chart)
        case LineChart():
            return not any(can_draw(chart, row) for row in chart.rows)
        case PointChart():
            return not shown_points(chart)
        case HistogramChart():
            return not any(panel.rows for panel in panels_of(chart))
        case ParallelChart():
            return not chart.rows
        case RankChart():
            return not ranks.ordered(chart)
        case MatrixChart():
            return not cells_of(chart)
    raise TypeError(f"no rule for {type(chart).__name__}")


@dataclass(frozen=True)
class Line:
    """What is said instead: of each line of an `IntervalChart` its name and text, else that there is no result."""

    name: str
    text: str
    is_failed: bool = False


def lines_of(chart: Chart) -> list[Line]:
    rows = chart.rows if isinstance(chart, IntervalChart) else ()
    lines = [Line(str(row["label"]), str(row["text"]), row.get("status") == "failed") for row in rows]
    return lines or [Line("", NO_RESULT)]


def _has_value(chart: IntervalChart, value: object) -> bool:
    return ranges.drawable(chart.x, value) is not None
