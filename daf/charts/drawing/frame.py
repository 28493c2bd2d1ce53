"""What surrounds the marks of a chart: title, note, axes with ticks and titles, and a legend of series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.axis import Axis as MatplotlibAxis
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from daf.charts import ranges, style, words
from daf.charts.drawing.sheet import POINTS_PER_PIXEL, SMALL, WIDTH, Sheet, fit_all, text_width
from daf.charts.model import Axis, Chart

LINE_HEIGHT = 20
NOTE_HEIGHT = 16
MARGIN = 12
COMPACT_WIDTH = 400
TICKS_BELOW = 24  # the height of tick labels below an axis, or above it
TITLE_BELOW, TITLE_ABOVE = 22, 26
LEGEND_ROW = 21
LEGEND_NAME = 220  # the widest name in a legend
LOG_TICKS = 6
KEY = 38  # the width of a legend's sample with its gap


@dataclass(frozen=True)
class Frame:
    """A sheet with room for the marks between `top` and `bottom`, in pixels."""

    sheet: Sheet
    top: float
    bottom: float


def framed(chart: Chart, body: float, *, titled: bool) -> Frame:
    """A sheet for marks that are `body` pixels high; with the title above and the note below if `titled`."""
    width = COMPACT_WIDTH if chart.compact else WIDTH
    title = words.wrap(chart.title, int(width / 9.3)) if titled else []
    note = words.wrap(chart.note, int(width / 6.5)) if titled else []
    top = MARGIN + LINE_HEIGHT * len(title) + (6 if title else -6)
    below = NOTE_HEIGHT * len(note) + (10 if note else 0)
    sheet = Sheet(chart.name, width, top + body + below + MARGIN / 2)
    if title:
        sheet.title = (MARGIN, MARGIN + 2, title)
    for index, line in enumerate(note):
        sheet.text(MARGIN, top + body + 10 + NOTE_HEIGHT * (index + 0.5), line, size=SMALL, soft=True)
    return Frame(sheet, top, top + body)


# ---- legend -----------------------------------------------------------------------------------------------


def legend_step(names: Sequence[str]) -> float:
    """The distance of columns in a legend."""
    return max((min(LEGEND_NAME, text_width(words.clean(name))) for name in names), default=0) + KEY + 26


def legend_columns(names: Sequence[str]) -> int:
    return max(1, min(len(names), int((WIDTH - 2 * MARGIN) / legend_step(names))))


def legend_height(names: Sequence[str]) -> float:
    return LEGEND_ROW * -(-len(names) // legend_columns(names)) + 8 if names else 0


def draw_legend(frame: Frame, looks: Mapping[str, style.Look], *, as_lines: bool) -> None:
    """Samples and names of the series that a chart shows, in rows."""
    names = list(looks)
    shown = fit_all(names, LEGEND_NAME)
    columns, step = legend_columns(names), legend_step(names)
    for index, (name, look) in enumerate(looks.items()):
        x = MARGIN + step * (index % columns)
        y = frame.top + LEGEND_ROW * (index // columns + 0.5)
        sample = Line2D(
            [x / frame.sheet.width, (x + 28) / frame.sheet.width] if as_lines else [(x + 14) / frame.sheet.width],
            [1 - y / frame.sheet.height] * (2 if as_lines else 1),
            color=look.colour, linewidth=1.6, dashes=look.dash or (None, None), marker="None",
            transform=frame.sheet.figure.transFigure,
        )  # fmt: skip
        dot = Line2D(
            [(x + 14) / frame.sheet.width], [1 - y / frame.sheet.height], color=look.colour, marker=look.marker,
            markersize=5.5, markeredgewidth=0, linestyle="none", transform=frame.sheet.figure.transFigure,
        )  # fmt: skip
        if as_lines:
            frame.sheet.figure.add_artist(sample)
        frame.sheet.figure.add_artist(dot)
        frame.sheet.name(x + KEY - (0 if as_lines else 10), y, name, shown[index])


# ---- axes -------------------------------------------------------------------------------------------------


def plain_axes(axes: Axes) -> None:
    """No box: only what an axis function adds."""
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.xaxis.set_major_locator(NullLocator())
    axes.yaxis.set_major_locator(NullLocator())


def set_axis(axis: MatplotlibAxis, described: Axis, bounds: tuple[float, float], *, grid: bool = True) -> None:
    """Scale, bounds, ticks and grid of an axis."""
    axes = axis.axes
    is_x = axis is axes.xaxis
    if described.scale == "log":
        (axes.set_xscale if is_x else axes.set_yscale)("log")
        axis.set_major_locator(FixedLocator(ranges.log_ticks(bounds, LOG_TICKS)))
        axis.set_minor_locator(LogLocator(base=10, subs="auto", numticks=12))
        axis.set_minor_formatter(NullFormatter())
    else:
        steps = [1, 2, 5, 10] if described.is_whole else [1, 2, 2.5, 5, 10]
        bins = 6 if is_x else 5
        axis.set_major_locator(MaxNLocator(nbins=bins, steps=steps, integer=described.is_whole, min_n_ticks=1))
    (axes.set_xlim if is_x else axes.set_ylim)(*bounds)
    axis.set_major_formatter(FuncFormatter(lambda value, _: words.tick_text(value, described)))
    axis.set_tick_params(
        which="major", length=4 if is_x else 0, width=0.8, color=style.MUTED, labelcolor=style.MUTED,
        labelsize=SMALL * POINTS_PER_PIXEL, pad=4,
    )  # fmt: skip
    axis.set_tick_params(
        which="minor", length=2 if is_x else 0, width=0.6, color=style.MUTED, labelcolor=style.MUTED,
        labelsize=SMALL * POINTS_PER_PIXEL,
    )  # fmt: skip
    if grid:
        axis.grid(which="major", color=style.GRID, linewidth=0.8)
    if is_x:
        _show_spine(axes, "bottom")


def repeat_above(axes: Axes) -> None:
    """Show the horizontal axis above the marks, too."""
    axes.xaxis.set_tick_params(which="both", top=True)
    axes.xaxis.set_tick_params(which="major", labeltop=True)
    _show_spine(axes, "top")


def _show_spine(axes: Axes, side: str) -> None:
    axes.spines[side].set_visible(True)
    axes.spines[side].set(color=style.MUTED, linewidth=0.8)


def tick_width(axis: Axis, bounds: tuple[float, float]) -> float:
    """The room that the tick labels of a vertical axis need."""
    if axis.scale == "log":
        values = ranges.log_ticks(bounds, LOG_TICKS)
    else:
        values = list(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]).tick_values(*bounds))
    inside = [value for value in values if bounds[0] <= value <= bounds[1]] or list(bounds)
    return max(text_width(words.tick_text(float(value), axis), SMALL) for value in inside)


def x_title(frame: Frame, axes: Axes, axis: Axis) -> None:
    """The title at the frame's end, in the middle of the axis; a longer one extends below what is beside it."""
    sheet, place = frame.sheet, axes.get_position()
    widest = sheet.width - 2 * MARGIN
    half = min(text_width(words.clean(axis.title), SMALL), widest) / 2
    middle = min(max((place.x0 + place.x1) / 2 * sheet.width, MARGIN + half), sheet.width - MARGIN - half)
    sheet.axis_title(axes.xaxis, middle, frame.bottom - TITLE_BELOW / 2, axis.title, widest, "center")


def xy_axes(frame: Frame, axes: tuple[Axis, Axis], bounds: tuple[tuple[float, float], ...], top: float) -> Axes:
    """Axes for lines and points from `top` to the end of the frame; the vertical title stands above its ticks."""
    x, y = axes
    left = MARGIN + tick_width(y, bounds[1]) + 10
    right = frame.sheet.width - MARGIN - 18
    bottom = frame.bottom - TICKS_BELOW - (TITLE_BELOW if x.title else 0)
    title = top + 8
    top += TITLE_ABOVE if y.title else 8
    drawn = frame.sheet.axes(left, top, right - left, bottom - top)
    frame.sheet.axis_title(drawn.yaxis, MARGIN, title, y.title, right - MARGIN, "left")
    plain_axes(drawn)
    set_axis(drawn.xaxis, x, bounds[0])
    set_axis(drawn.yaxis, y, bounds[1])
    x_title(frame, drawn, x)
    return drawn
