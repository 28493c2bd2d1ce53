"""What a chart shows: rows with named columns, axes, a title, and a description in words. Nothing is drawn here.

Every chart names all `series` that share its colours, in an order that is the same on every page of an experiment, so
that a policy keeps its colour, shape and dash. A value of None is unknown and is not drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Row = Mapping[str, Any]
Status = Literal["", "better", "worse", "equivalent", "undecided", "insufficient data", "failed"]


@dataclass(frozen=True, kw_only=True)
class Axis:
    """An axis; the title names the quantity, with its unit."""

    title: str
    scale: Literal["linear", "log", "category"] = "linear"
    is_share: bool = False  # shown in percent
    is_whole: bool = False  # of whole numbers, such as those of trials: no ticks between them
    bounds: tuple[float, float] | None = None  # default: the data's
    categories: Sequence[str] = ()  # of a category axis, in order; default: as they occur


@dataclass(frozen=True, kw_only=True)
class Chart:
    """What all charts have.

    Attributes:
        name: stem of its files, unique on a page.
        description: what it shows, with the main values, for readers who cannot see it.
        series: all names that have a colour, in order; rows refer to them by `series`.
        note: what bars, bands and marks mean, printed below the chart.
        compact: one of many small charts side by side: lower, and without a legend.
    """

    name: str
    title: str
    description: str
    series: Sequence[str]
    rows: Sequence[Row]
    note: str = ""
    compact: bool = False


@dataclass(frozen=True, kw_only=True)
class IntervalChart(Chart):
    """Values with intervals, one line of text each: means, differences, probabilities, ranks, importances.

    Columns of `rows`: label (its line), series, value, low, high, text (printed on the right); optional: status (its
    colour and sign instead of the series' colour; with "failed", nothing but the text is drawn).
    Columns of `points`: label, series, value, kind ("episode" or "training seed"); optional: seed.

    Attributes:
        reference: a vertical line, such as 0 for differences.
        band: a shaded range, such as the margin of equivalence.
    """

    x: Axis
    points: Sequence[Row] = ()
    reference: float | None = None
    band: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class LineChart(Chart):
    """Lines with bands: learning curves, performance profiles.

    Columns of `rows`: line (rows of one line share it), series, x, y; optional: low, high (its band), dashed (a line
    that was cut short, such as a pruned trial), and `hover` columns.
    Columns of `marks`: series, x, y, text; drawn as rings, such as a published checkpoint.
    """

    x: Axis
    y: Axis
    marks: Sequence[Row] = ()
    hover: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class PointChart(Chart):
    """Points, and a step line: a sweep's history, a slice of its space, a front of cost and objective.

    Columns of `rows`: series, x, y, and `hover` columns; optional: emphasis ("winner" or "best", drawn larger with
    the name of its series beside it).
    Columns of `steps`: x, y; a line that stays at y until the next x, such as the best value so far.
    """

    x: Axis
    y: Axis
    steps: Sequence[Row] = ()
    hover: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class HistogramChart(Chart):
    """Histograms on one axis, one below the other.

    Columns of `rows`: series, low, high, share (of its episodes), count; optional: label (its panel; default: series).
    """

    x: Axis


@dataclass(frozen=True, kw_only=True)
class ParallelChart(Chart):
    """Parallel coordinates: a line per row through all axes, coloured by one of them.

    `axes` maps a column of `rows` to its axis; `colour` is one of these columns. Rows may have `series`.
    """

    axes: Mapping[str, Axis] = field(default_factory=dict)
    colour: str = ""


@dataclass(frozen=True, kw_only=True)
class RankChart(Chart):
    """Mean ranks, with bars that join those that differ by less than the critical difference (Demšar 2006).

    Columns of `rows`: series, value (the mean rank).
    """

    critical_difference: float


@dataclass(frozen=True, kw_only=True)
class MatrixChart(Chart):
    """A heat map of values with their intervals, such as every policy with every partner.

    Columns of `rows`: row and column (their names), value, text (the value) and detail (its interval), both printed.

    Attributes:
        row_names, column_names: in the order in which they are drawn.
        x: what the columns are.
    """

    row_names: Sequence[str]
    column_names: Sequence[str]
    x: Axis
