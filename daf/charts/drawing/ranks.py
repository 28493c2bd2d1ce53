"""The critical-difference diagram (Demšar 2006)."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes

from daf.charts import ranks, style, words
from daf.charts.drawing.frame import MARGIN, framed, plain_axes
from daf.charts.drawing.sheet import NORMAL, POINTS_PER_PIXEL, SMALL, Sheet, fit_all, text_width
from daf.charts.model import RankChart

NAMES = 210  # the widest column of names
ROW, BAR = 22, 10
AXIS = 62  # the height of the axis below the top


def draw(chart: RankChart, *, titled: bool) -> Sheet:
    """Names at both sides, the better half on the left, joined to their ranks; bars join each clique."""
    order = ranks.ordered(chart)
    joined = ranks.cliques([rank for _, rank in order], chart.critical_difference)
    half = (len(order) + 1) // 2
    levels = ranks.levels([(order[first][1], order[last][1]) for first, last in joined], 0.03 * len(order))
    names_top = AXIS + 16 + BAR * (max(levels, default=-1) + 1) + 8
    height = names_top + ROW * half
    frame = framed(chart, height, titled=titled)
    widest = max((text_width(words.clean(name)) + 50 for name, _ in order), default=0)
    side = min(NAMES + 50, widest) + 8
    axes = frame.sheet.axes(MARGIN + side, frame.top, frame.sheet.width - 2 * (MARGIN + side), height)
    plain_axes(axes)
    count = max(2, len(order))
    axes.set(xlim=(1 - 0.04 * count, count + 0.04 * count), ylim=(height, 0))
    _draw_axis(axes, count, chart.critical_difference)
    left, right = axes.get_xlim()
    numbers = max(text_width(f"{rank:.2f}", SMALL) for _, rank in order)
    shown = fit_all([name for name, _ in order], side - numbers - 14)
    for index, (name, rank) in enumerate(order):
        is_left = index < half
        y = names_top + ROW * ((index if is_left else len(order) - 1 - index) + 0.5)
        look = style.series_look(chart.series, name)
        axes.plot([rank, rank, left if is_left else right], [AXIS, y, y], color=style.MUTED, linewidth=0.9, zorder=1)
        axes.plot(
            [rank], [AXIS], marker=look.marker, markersize=6.5, color=look.colour, markeredgecolor=style.BACKGROUND,
            markeredgewidth=0.7, linestyle="none", zorder=4,
        )  # fmt: skip
        _name(frame.sheet, frame.top + y, (name, shown[index]), rank, is_left=is_left, side=side)
    for index, (first, last) in enumerate(joined):
        y = AXIS + 16 + BAR * levels[index]
        ends = [order[first][1] - 0.012 * count, order[last][1] + 0.012 * count]
        axes.plot(ends, [y, y], color=style.FOREGROUND, linewidth=3.2, solid_capstyle="round", zorder=3)
    return frame.sheet


def _draw_axis(axes: Axes, count: int, difference: float) -> None:
    """The axis of ranks with a tick for each, and the critical difference as a bar above it."""
    small: dict[str, Any] = {"fontsize": SMALL * POINTS_PER_PIXEL, "color": style.MUTED, "parse_math": False}
    axes.plot([1, count], [AXIS, AXIS], color=style.MUTED, linewidth=1)
    step = 1 if count <= 12 else 5
    for tick in {1, *range(step, count + 1, step)}:
        axes.plot([tick, tick], [AXIS - 5, AXIS], color=style.MUTED, linewidth=1)
        axes.text(tick, AXIS - 14, str(tick), ha="center", va="center", **small)
    end = min(1 + difference, count)
    axes.plot([1, end], [14, 14], color=style.FOREGROUND, linewidth=2.2, marker="|", markersize=7)
    text = f"critical difference {difference:.2f}"
    axes.text(1, 28, text, ha="left", va="center", **small)


def _name(sheet: Sheet, y: float, name: tuple[str, str], rank: float, *, is_left: bool, side: float) -> None:
    number = f"{rank:.2f}"
    wide = text_width(number, SMALL) + 8
    if is_left:
        edge = MARGIN + side - 6
        sheet.text(edge, y, number, size=SMALL, soft=True, align="right")
        sheet.name(edge - wide, y, *name, size=NORMAL, align="right")
    else:
        edge = sheet.width - MARGIN - side + 6
        sheet.text(edge, y, number, size=SMALL, soft=True)
        sheet.name(edge + wide, y, *name, size=NORMAL)
