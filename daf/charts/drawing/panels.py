"""Histograms below each other, and parallel coordinates."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from daf.charts import parallel, ranges, style, words
from daf.charts.drawing.frame import MARGIN, TICKS_BELOW, TITLE_BELOW, framed, plain_axes, set_axis, x_title
from daf.charts.drawing.sheet import POINTS_PER_PIXEL, SMALL, Sheet, fit, fit_all, text_width
from daf.charts.histograms import Panel, panels_of
from daf.charts.model import HistogramChart, ParallelChart

NAMES = 200
PANEL = 60  # the height of a histogram
BASE = 0.97  # where its bars stand, as a share of its height
ENDS = (0.0, 1.0, float("nan"))  # of a base line, as shares of the width, and a gap before the next
PARALLEL = 320  # the height of parallel axes
MOST_LINES = 500  # drawn in a file; a page shows all


def draw_histograms(chart: HistogramChart, *, titled: bool) -> Sheet:
    """One histogram a panel, each as high as its own highest bin, whose share is written beside it."""
    panels = panels_of(chart)
    below = TICKS_BELOW + (TITLE_BELOW if chart.x.title else 0)
    body = PANEL * max(1, len(panels))
    frame = framed(chart, body + below + 4, titled=titled)
    names = min(NAMES, max((text_width(words.clean(panel.label), bold=True) for panel in panels), default=0))
    texts = max((text_width(panel.text, SMALL) for panel in panels), default=0)
    left, right = MARGIN + names + 18, frame.sheet.width - MARGIN - texts - 18
    axes = frame.sheet.axes(left, frame.top, right - left, body)
    plain_axes(axes)
    bounds = ranges.extent(chart.x, [row[key] for row in chart.rows for key in ("low", "high")], pad=0.01)
    set_axis(axes.xaxis, chart.x, bounds)
    axes.set_ylim(max(1, len(panels)), 0)
    labels = fit_all([panel.label for panel in panels], names + 1, bold=True)
    for index, panel in enumerate(panels):
        y = frame.top + PANEL * (index + 0.62)
        frame.sheet.name(MARGIN, y, panel.label, labels[index], bold=True)
        frame.sheet.text(frame.sheet.width - MARGIN, y, panel.text, size=SMALL, soft=True, align="right")
        axes.add_artist(_bars(panel, index + BASE, style.series_look(chart.series, panel.series).colour))
    bases = [index + BASE for index in range(len(panels)) for _ in ENDS]
    axes.add_line(
        Line2D(
            ENDS * len(panels), bases, color=style.MUTED, linewidth=0.6, zorder=2.5,
            transform=axes.get_yaxis_transform(),
        )
    )  # fmt: skip
    x_title(frame, axes, chart.x)
    return frame.sheet


def _bars(panel: Panel, base: float, colour: str) -> PathPatch:
    """All bars of a histogram as one shape: one artist for each would take most of the time of a drawing."""
    corners = []
    for row in panel.rows:
        low, high, top = float(row["low"]), float(row["high"]), base - 0.8 * float(row["share"]) / panel.peak
        corners += [(low, base), (high, base), (high, top), (low, top), (low, base)]
    codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY] * len(panel.rows)
    shape = Path(np.array(corners).reshape(-1, 2), codes)
    return PathPatch(
        shape, facecolor=colour, edgecolor=style.BACKGROUND, alpha=0.8, linewidth=0.5, joinstyle="miter", zorder=2
    )


def draw_parallel(chart: ParallelChart, *, titled: bool) -> Sheet:
    scales = parallel.scales_of(chart)
    placed = parallel.places_of(chart, scales)
    shown = ranges.thin(placed, MOST_LINES)
    legend = 30
    frame = framed(chart, legend + PARALLEL, titled=titled)
    columns = list(scales)
    side = 56
    axes = frame.sheet.axes(side, frame.top + legend + 26, frame.sheet.width - 2 * side, PARALLEL - 50)
    plain_axes(axes)
    axes.set(xlim=(0, max(1, len(columns) - 1)), ylim=(parallel.bottom_of(chart, scales), 1))
    lines, colours = [], []
    for _, places, colour in shown:
        points = [(float(columns.index(column)), place) for column, place in places.items()]
        if len(points) > 1:
            lines.append(points)
            colours.append(style.ramp_colour(colour))
    axes.add_collection(
        LineCollection(lines, colors=colours, linewidths=1.1, alpha=parallel.opacity(len(lines)), zorder=2)
    )
    _draw_scales(frame.sheet, axes, chart, frame.top + legend + 12)
    if chart.colour in scales:
        _draw_ramp(frame.sheet, scales[chart.colour], frame.top + 12)
    if len(shown) < len(placed):
        text = f"{len(shown)} of {len(placed):,} lines, evenly chosen"
        frame.sheet.text(frame.sheet.width - MARGIN, frame.top + 12, text, size=SMALL, soft=True, align="right")
    return frame.sheet


def _draw_scales(sheet: Sheet, axes: Axes, chart: ParallelChart, y: float) -> None:
    """Vertical axes with their titles above and their ticks on a background, so that no line crosses a number."""
    scales = parallel.scales_of(chart)
    side = 56
    step = (sheet.width - 2 * side) / max(1, len(scales) - 1)
    titles = [scale.axis.title for scale in scales.values()]
    rooms = [
        min(step - 12, 2 * min(side + step * place, side + step * (len(scales) - 1 - place)) - 8)
        for place in range(len(scales))
    ]
    shown = [fit(words.clean(title), room, SMALL, bold=True) for title, room in zip(titles, rooms, strict=True)]
    if len(set(shown)) < len(set(titles)):
        shown = fit_all(titles, min(rooms), SMALL, bold=True)
    for index, (column, scale) in enumerate(scales.items()):
        sheet.name(side + step * index, y, titles[index], shown[index], size=SMALL, align="center", bold=True)
        axes.plot([index, index], [0, 1], color=style.FOREGROUND, linewidth=1, zorder=3, clip_on=False)
        ticks = parallel.ticks_of(chart, column, scale)
        texts = fit_all([text for _, text in ticks], step - 16, SMALL)
        for (place, _), text in zip(ticks, texts, strict=True):
            axes.annotate(
                text, (index, place), xytext=(5, 0), textcoords="offset points", va="center",
                fontsize=SMALL * POINTS_PER_PIXEL, color=style.FOREGROUND, parse_math=False, zorder=4,
                bbox={"facecolor": style.BACKGROUND, "edgecolor": "none", "pad": 1, "alpha": 0.8},
            )  # fmt: skip


def _draw_ramp(sheet: Sheet, scale: parallel.Scale, y: float) -> None:
    """What the colours mean: the ramp between the ends of its axis."""
    low, high = (words.value_text(bound, scale.axis) for bound in scale.bounds)
    if scale.axis.scale == "category":
        return
    title = fit(words.clean(scale.axis.title), 260, SMALL)
    sheet.text(MARGIN, y, title, size=SMALL, soft=True)
    x = MARGIN + text_width(title, SMALL) + 12
    sheet.text(x, y, low, size=SMALL, soft=True)
    x += text_width(low, SMALL) + 8
    strip = sheet.axes(x, y - 5, 120, 10)
    plain_axes(strip)
    strip.set(xlim=(0, len(style.RAMP_LIGHT)), ylim=(0, 1))
    for index, colour in enumerate(style.RAMP_LIGHT):
        strip.axvspan(index, index + 1, color=colour, linewidth=0)
    sheet.text(x + 128, y, high, size=SMALL, soft=True)
