"""A heat map with the value and the interval in every cell."""

from __future__ import annotations

from matplotlib.patches import Rectangle

from daf.charts import matrices, words
from daf.charts.drawing.frame import MARGIN, framed, plain_axes
from daf.charts.drawing.sheet import POINTS_PER_PIXEL, SMALL, Sheet, fit, fit_all, text_width
from daf.charts.model import MatrixChart

STEP, HEAD = 44, 30  # heights of a row, and of the columns' names
NAMES = 190  # the widest column of names
WIDEST = 150  # of a column
TINY = 10.5  # font size of intervals


def draw(chart: MatrixChart, *, titled: bool) -> Sheet:
    lines, columns = max(1, len(chart.row_names)), max(1, len(chart.column_names))
    frame = framed(chart, HEAD + STEP * lines + 22, titled=titled)
    sheet = frame.sheet
    names = min(NAMES, max((text_width(words.clean(name), bold=True) for name in chart.row_names), default=0))
    left = MARGIN + names + 14
    step = min(WIDEST, (sheet.width - MARGIN - left) / columns)
    top = frame.top + HEAD
    axes = sheet.axes(left, top, step * columns, STEP * lines)
    plain_axes(axes)
    axes.set_xlim(0, step * columns)
    axes.set_ylim(STEP * lines, 0)
    heads = fit_all(chart.column_names, step - 6, SMALL)
    for place, name in enumerate(chart.column_names):
        sheet.name(left + step * (place + 0.5), top - 12, name, heads[place], size=SMALL, align="center")
    labels = fit_all(chart.row_names, names + 1, bold=True)
    for place, name in enumerate(chart.row_names):
        sheet.name(MARGIN, top + STEP * (place + 0.5), name, labels[place], bold=True)
    for cell in matrices.cells_of(chart):
        x, y = step * cell.column, STEP * cell.line
        axes.add_patch(Rectangle((x + 1, y + 1), step - 2, STEP - 2, facecolor=cell.colour, edgecolor="none"))
        for text, size, shift in ((cell.text, SMALL, -7), (cell.detail, TINY, 9)):
            shown = fit(words.clean(text), step - 6, size)
            axes.text(
                x + step / 2, y + STEP / 2 + shift, shown, ha="center", va="center", color=cell.ink,
                fontsize=size * POINTS_PER_PIXEL, parse_math=False,
            )  # fmt: skip
    if chart.x.title:
        middle = left + step * columns / 2
        sheet.label(middle, frame.bottom - 8, chart.x.title, step * columns, size=SMALL, soft=True, align="center")
    return sheet
