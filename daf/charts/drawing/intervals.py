"""Values with intervals, one line of text each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from daf.charts import ranges, style, words
from daf.charts.drawing.frame import (
    MARGIN,
    TICKS_BELOW,
    TITLE_BELOW,
    framed,
    plain_axes,
    repeat_above,
    set_axis,
    x_title,
)
from daf.charts.drawing.sheet import SMALL, Sheet, fit_all, text_width
from daf.charts.intervals import bounds_of, is_long, points_by_row, row_height, strip_offset
from daf.charts.model import IntervalChart, Row

TEXTS = 340  # the widest column of texts
NAMES, FEWER = 230, 180  # that of names, and beside wide texts
LONGEST_STRIP = 300  # points of one line


def draw(chart: IntervalChart, *, titled: bool) -> Sheet:
    rows = chart.rows
    step = row_height(chart)
    below = TICKS_BELOW + (TITLE_BELOW if chart.x.title else 0)
    above = below if is_long(chart) else 0
    frame = framed(chart, above + step * max(1, len(rows)) + below + 4, titled=titled)
    sheet, top = frame.sheet, frame.top + above
    texts = min(TEXTS, max((text_width(words.clean(row["text"]), SMALL) for row in rows), default=0))
    widest = max((text_width(words.clean(row["label"]), bold=True) for row in rows), default=0)
    names = min(NAMES if texts < NAMES else FEWER, widest)
    left, right = MARGIN + names + 18, sheet.width - MARGIN - texts - (18 if texts else 8)
    axes = sheet.axes(left, top, right - left, step * max(1, len(rows)))
    plain_axes(axes)
    bounds = bounds_of(chart)
    set_axis(axes.xaxis, chart.x, bounds)
    axes.set_ylim(max(1, len(rows)) - 0.5, -0.5)
    if chart.band:
        axes.axvspan(*chart.band, color=style.MUTED, alpha=0.13, linewidth=0, zorder=0.5)
    if chart.reference is not None:
        axes.axvline(chart.reference, color=style.MUTED, linewidth=1.2, zorder=1)
    strips = points_by_row(chart)
    labels = fit_all([row["label"] for row in rows], names + 1, bold=True)
    for index, row in enumerate(rows):
        y = top + step * (index + 0.5)
        sheet.name(MARGIN, y, row["label"], labels[index], bold=True)
        is_failed = row.get("status") == "failed"
        text = sheet.label(sheet.width - MARGIN, y, row["text"], texts + 1, size=SMALL, soft=True, align="right")
        if is_failed:
            text.set_color(style.STATUSES["failed"].colour)
            continue
        _draw_points(axes, chart, index, strips.get(index, []))
        _draw_row(axes, chart, row, index)
    x_title(frame, axes, chart.x)
    if above:
        repeat_above(axes)
        middle, widest = (left + right) / 2, sheet.width - 2 * MARGIN
        sheet.label(middle, frame.top + TITLE_BELOW / 2, chart.x.title, widest, size=SMALL, soft=True, align="center")
    return sheet


def _draw_row(axes: Axes, chart: IntervalChart, row: Row, y: float) -> None:
    look = style.row_look(chart.series, row.get("series", ""), row.get("status", ""))
    low, high = (ranges.drawable(chart.x, row.get(key)) for key in ("low", "high"))
    value = ranges.drawable(chart.x, row.get("value"))
    if low is not None and high is not None:
        rule = Line2D([low, high], [y, y], color=look.colour, linewidth=2.4, solid_capstyle="round", zorder=2.5)
        axes.add_artist(rule)  # not `add_line`, which widens limits that are set already
    if value is not None:
        mark = Line2D(
            [value], [y], marker=look.marker, markersize=7.5, linestyle="none", zorder=3,
            markerfacecolor=look.colour if look.is_filled else style.BACKGROUND,
            markeredgecolor=style.BACKGROUND if look.is_filled else look.colour,
            markeredgewidth=0.9 if look.is_filled else 1.8,
        )  # fmt: skip
        axes.add_artist(mark)


def _draw_points(axes: Axes, chart: IntervalChart, index: int, points: Sequence[Row]) -> None:
    """Episodes as faint dots above the interval, training seeds as rings below it."""
    by_kind: dict[bool, list[Row]] = {True: [], False: []}
    for point in points:
        by_kind[point["kind"] == "episode"].append(point)
    for is_episode, members in by_kind.items():
        shown = ranges.thin(members, LONGEST_STRIP)
        if not shown:
            continue
        colour = style.series_look(chart.series, _series(shown[0], chart.rows[index])).colour
        marks = Line2D(
            [float(point["value"]) for point in shown],
            [index + strip_offset(number, is_episode=is_episode) for number in range(len(shown))],
            linestyle="none", marker="o", markersize=3.0 if is_episode else 4.5,
            markerfacecolor=colour if is_episode else "none", markeredgecolor=colour,
            markeredgewidth=0 if is_episode else 1.1, alpha=0.4 if is_episode else 1, zorder=2,
        )  # fmt: skip
        axes.add_artist(marks)


def _series(point: Row, row: Mapping[str, object]) -> str:
    return str(point.get("series") or row.get("series", ""))
