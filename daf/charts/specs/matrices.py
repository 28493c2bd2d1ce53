"""A heat map with the value and the interval in every cell; where it is narrow, the value alone."""

from __future__ import annotations

from typing import Any

import altair as alt

from daf.charts import matrices, words
from daf.charts.model import MatrixChart
from daf.charts.specs import common

STEP = 46  # the height of a row
NAME, NARROW_NAME = 26, 12  # the longest names of rows in letters
HEAD, NARROW_HEAD = 18, 7  # and of columns


def build(chart: MatrixChart, *, is_checked: bool) -> common.Spec:
    lines, columns = max(1, len(chart.row_names)), max(1, len(chart.column_names))
    wide = alt.Scale(domain=[-0.5, columns - 0.5], nice=False, zero=False)
    high = alt.Scale(domain=[-0.5, lines - 0.5], reverse=True, nice=False, zero=False)
    left = common.name_labels(range(len(chart.row_names)), chart.row_names, (NAME, NARROW_NAME))
    heads = _heads(chart)

    def x(column: str) -> Any:  # layers share the axis: one without it would remove it
        return alt.X(f"{column}:Q", scale=wide, axis=heads)

    def y(column: str, axis: Any = None) -> Any:
        return alt.Y(f"{column}:Q", scale=high, axis=axis)

    rows = common.data("rows")
    tips = common.tooltip([("policy", "policy"), ("partner", "partner"), ("text", "mean"), ("detail", "interval")])
    ink = common.raw(alt.Color, "edge")
    layers = [
        rows.mark_rect(cornerRadius=2).encode(
            x=x("base"), x2=alt.X2("top"), y=y("from", left), y2=alt.Y2("to"),
            color=common.raw(alt.Color, "colour"), tooltip=tips,
        ),
        rows.mark_text(fontSize=13, dy=-7).encode(x=x("place"), y=y("line"), text="text:N", color=ink, tooltip=tips),
        rows.mark_text(fontSize=alt.ExprRef("narrow ? 0 : 11"), dy=9).encode(
            x=x("place"), y=y("line"), text="detail:N", color=ink, tooltip=tips
        ),
    ]  # fmt: skip
    layered = common.layered(layers, STEP * lines, own_y=True)
    datasets = {
        "rows": [
            {
                "policy": words.clean(chart.row_names[cell.line]),
                "partner": words.clean(chart.column_names[cell.column]),
                "line": cell.line, "place": cell.column, "base": cell.column - 0.49, "top": cell.column + 0.49,
                "from": cell.line - 0.48, "to": cell.line + 0.48, "text": words.clean(cell.text),
                "detail": words.clean(cell.detail), "colour": cell.colour, "edge": cell.ink,
            }
            for cell in matrices.cells_of(chart)
        ]
    }  # fmt: skip
    return common.finished(layered, datasets, is_checked=is_checked)


def _heads(chart: MatrixChart) -> alt.Axis:
    """The names of the columns, above them."""
    names = [words.clean(name) for name in chart.column_names]
    wide, narrow = (common.shortened(names, length) for length in (HEAD, NARROW_HEAD))
    return alt.Axis(
        orient="top", values=list(range(len(names))), labelExpr=f"(narrow ? {narrow} : {wide})[floor(datum.value)]",
        title=words.clean(chart.x.title), domain=False, ticks=False, grid=False, labelOverlap=False, labelAngle=0,
    )  # fmt: skip
