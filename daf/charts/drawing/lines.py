"""Lines with bands, points, and step lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from matplotlib.axes import Axes

from daf.charts import style
from daf.charts.drawing.frame import MARGIN, draw_legend, framed, legend_height, xy_axes
from daf.charts.drawing.sheet import POINTS_PER_PIXEL, SMALL, Sheet, fit_all
from daf.charts.lines import (
    FEW_POINTS,
    Line,
    brief_lines,
    categories,
    dash_of,
    emphasis_word,
    line_bounds,
    lines_of,
    listed_series,
    marked_points,
    point_bounds,
    shown_points,
    used_series,
    word_shifts,
)
from daf.charts.model import LineChart, PointChart, Row

PLOT = 300  # the height of axes with their ticks and titles
COMPACT_PLOT = 200
BAND_ALPHA = 0.15
LARGE_MARK = 7.5  # points, of a line that is hardly more than a point
WORD_SHIFT = 7  # points, of the words of two emphasized points


def draw_lines(chart: LineChart, *, titled: bool) -> Sheet:
    lines = lines_of(chart)
    names = used_series(chart.series, [{"series": line.series} for line in lines])
    names = [] if chart.compact else names
    looks = {name: style.series_look(chart.series, name) for name in names}
    if any(line.is_cut_short for line in lines):
        looks = {name: replace(look, dash=()) for name, look in looks.items()}
    legend = legend_height(names)
    frame = framed(chart, legend + (COMPACT_PLOT if chart.compact else PLOT), titled=titled)
    draw_legend(frame, looks, as_lines=True)
    axes = xy_axes(frame, (chart.x, chart.y), line_bounds(chart, lines), frame.top + legend)
    for line in lines:
        _draw_band(axes, chart.series, line)
    brief = brief_lines(chart.rows)
    for index, line in enumerate(lines):
        look = style.series_look(chart.series, line.series)
        look = replace(look, dash=dash_of(line, lines, look.dash))
        _draw_line(axes, line, index, look, is_brief=line.name in brief)
    for mark in chart.marks:
        _draw_ring(axes, chart.series, mark)
    return frame.sheet


def _draw_band(axes: Axes, series: Sequence[str], line: Line) -> None:
    rows = [row for row in line.rows if row.get("low") is not None and row.get("high") is not None]
    if rows:
        x, low, high = ([float(row[key]) for row in rows] for key in ("x", "low", "high"))
        colour = style.series_look(series, line.series).colour
        axes.fill_between(x, low, high, color=colour, alpha=BAND_ALPHA, linewidth=0, zorder=1.5)


def _draw_line(axes: Axes, line: Line, index: int, look: style.Look, *, is_brief: bool) -> None:
    x, y = ([float(row[key]) for row in line.rows] for key in ("x", "y"))
    (drawn,) = axes.plot(
        x, y, color=look.colour, linewidth=1.1 if line.is_cut_short else 1.7, marker=look.marker,
        markersize=LARGE_MARK if is_brief else 5, markeredgecolor=style.BACKGROUND, markeredgewidth=0.6,
        markevery=marked_points(len(x), index, is_brief=is_brief),
        alpha=0.7 if line.is_cut_short else 1, solid_joinstyle="round", zorder=2.5, label=_legend_name(line.name),
    )  # fmt: skip
    if look.dash:
        drawn.set_dashes(look.dash)


def _legend_name(name: str) -> str:
    """A line's name for a legend that a person adds: not hidden by `_`, and with `$` as a plain sign."""
    return "\u200a" + name.replace("$", r"\$")


def _draw_ring(axes: Axes, series: Sequence[str], mark: Row) -> None:
    colour = style.series_look(series, str(mark.get("series", ""))).colour
    axes.plot(
        [float(mark["x"])], [float(mark["y"])], marker="o", markersize=9, linestyle="none", markerfacecolor="none",
        markeredgecolor=colour, markeredgewidth=1.8, zorder=4, clip_on=False,
    )  # fmt: skip


def draw_points(chart: PointChart, *, titled: bool) -> Sheet:
    rows = shown_points(chart)
    names = listed_series(chart.series, rows)
    names = names if len(names) > 1 and not chart.compact else []
    looks = {name: style.series_look(chart.series, name) for name in names}
    legend = legend_height(names)
    frame = framed(chart, legend + (COMPACT_PLOT if chart.compact else PLOT), titled=titled)
    draw_legend(frame, looks, as_lines=False)
    axes = xy_axes(frame, (chart.x, chart.y), point_bounds(chart, rows), frame.top + legend)
    places = {
        column: {name: float(number) for number, name in enumerate(categories(axis, rows, column))}
        for column, axis in (("x", chart.x), ("y", chart.y))
    }
    for column, axis in (("x", chart.x), ("y", chart.y)):
        if axis.scale == "category":
            _name_categories(axes, column, list(places[column]), frame.sheet.width - 4 * MARGIN)
    if chart.steps:
        x, y = ([float(step[key]) for step in chart.steps] for key in ("x", "y"))
        axes.step(x, y, where="post", color=style.ACCENT, linewidth=1.5, zorder=2)

    def place(row: Row, column: str) -> float:
        axis = chart.x if column == "x" else chart.y
        return places[column][str(row[column])] if axis.scale == "category" else float(row[column])

    for name in used_series(chart.series, rows) or [""]:
        members = [row for row in rows if str(row.get("series", "")) == name and not row.get("emphasis")]
        look = style.series_look(chart.series, name)
        axes.plot(
            [place(row, "x") for row in members], [place(row, "y") for row in members], linestyle="none",
            marker=look.marker, markersize=7 if len(rows) <= FEW_POINTS else 5, color=look.colour, markeredgewidth=0,
            alpha=0.6, zorder=2.5,
        )  # fmt: skip
    for row, shift in zip(rows, word_shifts(rows), strict=True):
        if row.get("emphasis"):
            _emphasize(axes, chart, row, (place(row, "x"), place(row, "y")), shift)
    return frame.sheet


def _name_categories(axes: Axes, column: str, names: Sequence[str], width: float) -> None:
    axis = axes.xaxis if column == "x" else axes.yaxis
    shown = fit_all(names, max(40, width / max(1, len(names)) - 10), SMALL)
    axis.set_ticks(list(range(len(names))), shown)
    for label in axis.get_ticklabels():
        label.set(color=style.MUTED, fontsize=SMALL * POINTS_PER_PIXEL, parse_math=False)


def _emphasize(axes: Axes, chart: PointChart, row: Row, place: tuple[float, float], shift: int) -> None:
    """A larger mark with its word beside it, on the side where there is room.

    Args:
        shift: of the word, as `word_shifts`.
    """
    look = style.series_look(chart.series, str(row.get("series", "")))
    is_winner = row["emphasis"] == "winner"
    axes.plot(
        [place[0]], [place[1]], linestyle="none", marker="*" if is_winner else "o", markersize=14 if is_winner else 11,
        markerfacecolor=look.colour if is_winner else "none", markeredgecolor=style.BACKGROUND if is_winner else
        look.colour, markeredgewidth=0.8 if is_winner else 2, zorder=4, clip_on=False,
    )  # fmt: skip
    inside = axes.transAxes.inverted().transform(axes.transData.transform(place))[0]
    is_left = inside > 0.8
    axes.annotate(
        emphasis_word(row), place, xytext=(-9 if is_left else 9, -WORD_SHIFT * shift), textcoords="offset points",
        ha="right" if is_left else "left", va="center", fontsize=SMALL * POINTS_PER_PIXEL, fontweight="bold",
        color=style.FOREGROUND, parse_math=False, zorder=5,
        bbox={"facecolor": style.BACKGROUND, "edgecolor": "none", "pad": 1.5, "alpha": 0.85},
    )  # fmt: skip
