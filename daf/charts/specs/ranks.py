"""Mean ranks, one line a series; boxes join those that differ by less than the critical difference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

from daf.charts import ranks, style, words
from daf.charts.model import Axis, RankChart
from daf.charts.specs import common

STEP = 30  # the height of a line
NAME, NARROW_NAME = 28, 16  # the longest names in letters
AXIS = Axis(title="mean rank (1 is best)")


def build(chart: RankChart, *, is_checked: bool) -> common.Spec:
    """Ranks from left to right, the best above; a box encloses the marks of each clique."""
    order = ranks.ordered(chart)
    joined = ranks.cliques([rank for _, rank in order], chart.critical_difference)
    count = max(2, len(order))
    names = [words.clean(name) for name, _ in order]
    places = alt.Scale(domain=[-1.3, len(order) - 0.5], reverse=True, nice=False, zero=False)
    bounds = (1 - 0.04 * count, count + 0.04 * count)
    axis = common.horizontal_axis(AXIS, bounds)
    left = common.name_labels(range(len(order)), names, (NAME, NARROW_NAME))

    def x(column: str) -> Any:
        return alt.X(f"{column}:Q", scale=common.scale(AXIS, bounds), axis=axis)

    def y(column: str, drawn: Any = None) -> Any:
        return alt.Y(f"{column}:Q", scale=places, axis=drawn)

    soft: Any = {"fontSize": 12, "color": style.MUTED, "align": "left"}
    cliques, width, rows = (common.data(name) for name in ("cliques", "critical", "rows"))
    boxes = cliques.mark_rect(color=style.MUTED, opacity=0.14, cornerRadius=4)
    marks = rows.mark_point(size=110, strokeWidth=0.8, opacity=1, stroke=style.BACKGROUND)
    layers = [
        boxes.encode(
            x=x("low"),
            x2=alt.X2("high"),
            y=y("top"),
            y2=alt.Y2("bottom"),
            tooltip=common.tooltip([("names", "not told apart")]),
        ),
        width.mark_rule(strokeWidth=2.5, color=style.FOREGROUND).encode(x=x("low"), x2=alt.X2("high"), y=y("line")),
        width.mark_text(dy=-10, **soft).encode(x=x("low"), y=y("line"), text=alt.Text("text:N")),
        marks.encode(
            x=x("value"),
            y=y("line", left),
            shape=common.raw(alt.Shape, "shape"),
            fill=common.raw(alt.Fill, "colour"),
            tooltip=common.tooltip([("series", "name"), ("tip_value", "mean rank")]),
        ),
        rows.mark_text(dx=12, **soft).encode(x=x("value"), y=y("line"), text=alt.Text("tip_value:N")),
    ]
    layered = common.layered(layers, STEP * (len(order) + 1), own_y=True)
    datasets = {
        "rows": [_row(chart, name, rank, line) for line, (name, rank) in enumerate(order)],
        "cliques": [_box(order, first, last) for first, last in joined],
        "critical": [
            {
                "low": 1,
                "high": min(count, 1 + chart.critical_difference),
                "line": -0.8,
                "text": f"critical difference {chart.critical_difference:.2f}",
            }
        ],
    }
    return common.finished(layered, datasets, is_checked=is_checked)


def _box(order: Sequence[tuple[str, float]], first: int, last: int) -> dict[str, Any]:
    """The area that encloses the marks of a clique, with their names."""
    pad = 0.015 * max(2, len(order))
    return {
        "low": order[first][1] - pad,
        "high": order[last][1] + pad,
        "top": first - 0.42,
        "bottom": last + 0.42,
        "names": ", ".join(words.clean(name) for name, _ in order[first : last + 1]),
    }


def _row(chart: RankChart, name: str, rank: float, line: int) -> dict[str, Any]:
    look = style.series_look(chart.series, name)
    return {
        "line": line,
        "series": words.clean(name),
        "value": common.rounded(rank),
        "tip_value": f"{rank:.2f}",
        "colour": look.colour,
        "shape": look.shape,
    }
