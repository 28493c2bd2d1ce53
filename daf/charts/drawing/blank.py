"""A chart that has nothing to draw, as text."""

from __future__ import annotations

from daf.charts import blank, style, words
from daf.charts.drawing.frame import MARGIN, framed, plain_axes
from daf.charts.drawing.sheet import Sheet, fit_all, text_width
from daf.charts.model import Chart

STEP = 28  # the height of a line
NAMES = 300  # the widest column of names


def draw(chart: Chart, *, titled: bool) -> Sheet:
    """A line for each name with its text; the axes are there, and show nothing."""
    lines = blank.lines_of(chart)
    frame = framed(chart, STEP * len(lines) + 4, titled=titled)
    sheet = frame.sheet
    plain_axes(sheet.axes(MARGIN, frame.top, sheet.width - 2 * MARGIN, STEP * len(lines)))
    widest = max(text_width(words.clean(line.name), bold=True) for line in lines)
    names = min(NAMES, widest)
    left = MARGIN + (names + 18 if names else 0)
    shown = fit_all([line.name for line in lines], names + 1, bold=True)
    for index, line in enumerate(lines):
        y = frame.top + STEP * (index + 0.5)
        sheet.name(MARGIN, y, line.name, shown[index], bold=True)
        said = sheet.label(left, y, line.text, sheet.width - MARGIN - left, soft=True)
        if line.is_failed:
            said.set_color(style.STATUSES["failed"].colour)
    return sheet
