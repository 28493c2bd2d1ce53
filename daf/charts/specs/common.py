"""What the specifications of all kinds share.

Colours are the light ones of `style`; the page replaces them by the values of its CSS variables. Bounds and names of
axes are set here, so that the page computes none. `narrow` is a parameter that the
page sets: true where the chart is as wide as a telephone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from math import ceil, floor
from typing import Any

import altair as alt

from daf.charts import names, ranges, style, words
from daf.charts.model import Axis

LOG_TICKS = 6
LABEL_GAP = 8  # pixels between the words of neighbouring ticks
CATEGORY = 20  # the longest names on an axis, in letters
LETTER = 7  # pixels, of most letters
LEGEND_NAME = 30  # the longest names of a legend, in letters
NAME_LIMIT = 320  # pixels, of the longest names, if all their letters are wide
SLANT = -35  # degrees
FEW_WHOLE = 8  # whole numbers, each of which has a tick
DIGITS = 7  # of numbers in a page; the files hold them all
TICK_FORMAT = (
    "abs(datum.value) >= 1e12 ? format(datum.value / 1e12, ',.6~g') + ' T' : "
    "abs(datum.value) >= 1e9 ? format(datum.value / 1e9, ',.6~g') + ' G' : "
    "abs(datum.value) >= 1e6 ? format(datum.value / 1e6, ',.6~g') + ' M' : "
    "abs(datum.value) >= 1e4 ? format(datum.value / 1e3, ',.6~g') + ' k' : "
    "datum.value != 0 && abs(datum.value) < 1e-4 ? replace(format(datum.value, '.3~e'), '-', '\N{MINUS SIGN}') : "
    "format(datum.value, ',.6~g')"
)
SHARE_FORMAT = "format(100 * datum.value, '.6~g') + ' %'"
# A wheel scrolls the page, and a finger too: zooming takes Ctrl, moving takes a mouse.
ZOOM = "wheel![event.ctrlKey || event.metaKey]"
MOVE = "[pointerdown[event.pointerType !== 'touch'], window:pointerup] > window:pointermove!"
HALO: Any = {"color": style.BACKGROUND, "stroke": style.BACKGROUND, "strokeWidth": 4, "strokeJoin": "round"}
Spec = dict[str, Any]


def narrow_parameter() -> Spec:
    return {"name": "narrow", "value": False}


def config() -> Spec:
    """Fonts, sizes and light colours, as in the files."""
    return {
        "font": style.FONT.replace("'", ""),
        "background": style.BACKGROUND,
        "view": {"stroke": None},
        "mark": {"aria": False},  # the description says it in a sentence, and the arrow keys one by one
        "padding": 2,
        "axis": {
            "labelColor": style.MUTED,
            "titleColor": style.MUTED,
            "labelFontSize": 12,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
            "domainColor": style.MUTED,
            "tickColor": style.MUTED,
            "gridColor": style.GRID,
            "labelPadding": 5,
            "titlePadding": 8,
        },
        "legend": {
            "labelColor": style.FOREGROUND,
            "labelFontSize": 13,
            "title": None,
            "orient": "top",
            "symbolSize": 70,
            "labelLimit": NAME_LIMIT,
            "columnPadding": 22,
            "offset": 26,
            "rowPadding": 4,
            "symbolStrokeWidth": 1.8,
        },
        "title": {"color": style.FOREGROUND, "fontSize": 15, "anchor": "start", "offset": 12},
    }


def tick_expression(axis: Axis) -> str:
    text = SHARE_FORMAT if axis.is_share else TICK_FORMAT
    return f"datum.value % 1 ? '' : ({text})" if axis.is_whole else text


def horizontal_axis(axis: Axis, bounds: tuple[float, float], *, above: bool = False) -> alt.Axis:
    """The axis below the marks, or the same `above` them, without a second grid."""
    return alt.Axis(
        title=words.clean(axis.title),
        labelExpr=tick_expression(axis),
        orient="top" if above else "bottom",
        grid=not above,
        tickCount=alt.ExprRef("narrow ? 4 : 6"),
        labelOverlap="greedy",
        labelSeparation=LABEL_GAP,
        labelFlush=True,
        tickMinStep=1 if axis.is_whole else alt.Undefined,
        **_fixed_ticks(axis, bounds),
    )


def vertical_axis(axis: Axis, bounds: tuple[float, float]) -> alt.Axis:
    """The title stands above the ticks, where it is read without turning the head."""
    return alt.Axis(
        title=words.clean(axis.title),
        labelExpr=tick_expression(axis),
        grid=True,
        tickCount=5,
        domain=False,
        ticks=False,
        titleAngle=0,
        titleAlign="left",
        titleAnchor="start",
        titleBaseline="bottom",
        titleY=-10,
        titleX=-40,
        titleLimit=alt.ExprRef("narrow ? 300 : 700"),
        labelOverlap="greedy",
        **_fixed_ticks(axis, bounds),
    )


def _fixed_ticks(axis: Axis, bounds: tuple[float, float]) -> dict[str, Any]:
    """The ticks of a logarithmic axis and of a few whole numbers; others choose their own, also after zooming."""
    if axis.is_whole and bounds[1] - bounds[0] <= FEW_WHOLE:
        return {"values": list(range(ceil(bounds[0]), floor(bounds[1]) + 1))}
    return {"values": ranges.log_ticks(bounds, LOG_TICKS)} if axis.scale == "log" else {}


def scale(axis: Axis, bounds: tuple[float, float]) -> alt.Scale:
    """A scale over exactly these bounds."""
    kind: Any = "log" if axis.scale == "log" else "linear"
    domain = list(bounds)
    return (
        alt.Scale(type=kind, domain=domain, nice=False)
        if kind == "log"
        else alt.Scale(type=kind, domain=domain, nice=False, zero=False)
    )


def series_scales(series: Sequence[str], used: Sequence[str]) -> tuple[alt.Scale, alt.Scale, alt.Scale]:
    """Scales from series to colour, shape and dash, over the series that a chart shows."""
    looks = [style.series_look(series, name) for name in used]
    domain = [words.clean(name) for name in used]
    dashes: Any = [list(look.dash) or [1, 0] for look in looks]
    return (
        alt.Scale(domain=domain, range=[look.colour for look in looks]),
        alt.Scale(domain=domain, range=[look.shape for look in looks]),
        alt.Scale(domain=domain, range=dashes),
    )


def legend(used: Sequence[str]) -> alt.Legend | None:
    """A legend in as many columns as fit, of names shortened in their middle; none for a single series."""
    if len(used) < 2:
        return None
    values = [words.clean(name) for name in used]
    longest = min(LEGEND_NAME, max(map(len, values)))
    wide = max(1, min(len(used), 90 // (longest + 6)))
    narrow = max(1, min(len(used), 44 // (longest + 6)))
    return alt.Legend(
        columns=alt.ExprRef(f"narrow ? {narrow} : {wide}"),
        labelExpr=f"{shortened(values, LEGEND_NAME)}[indexof({literal(values)}, datum.value)]",
        labelLimit=NAME_LIMIT,
        title=None,
        symbolOpacity=1,
        symbolStrokeWidth=0,  # the outline of a filled symbol would be dashed as its line is
        values=values,
    )


def zoom() -> alt.Parameter:
    return alt.selection_interval(name="zoom", bind="scales", zoom=ZOOM, translate=MOVE)


def opacity(chosen: float, parameter: str, other: float, *, if_none: bool = True) -> alt.OpacityValue:
    """The opacity of what a selection holds, and of the rest.

    Here and elsewhere channels have classes: Altair finds that of plain values, as `alt.condition` returns them, by
    comparing them with all its schemas.

    Args:
        if_none: whether everything counts as chosen while nothing is.
    """
    condition: dict[str, Any] = {"param": parameter, "value": chosen} | ({} if if_none else {"empty": False})
    return alt.OpacityValue(other, condition=condition)


def tooltip(columns: Iterable[tuple[str, str]]) -> list[alt.Tooltip]:
    """Columns with their titles; their values are texts already."""
    return [alt.Tooltip(f"{column}:N", title=title) for column, title in columns]


def data(name: str) -> Any:
    """A chart of one of the datasets."""
    return alt.Chart(alt.NamedData(name=name))


def raw(channel: Any, column: str) -> Any:
    """A channel whose column holds colours or shapes themselves."""
    return channel(f"{column}:N", scale=None, legend=None)


def side_labels(orient: str, values: Sequence[float], expression: str, **options: Any) -> alt.Axis:
    """An axis that is texts alone, beside the lines at `values`."""
    kind: Any = orient
    plain: dict[str, Any] = {"domain": False, "ticks": False, "grid": False, "title": None}
    shared: dict[str, Any] = {"labelOverlap": False, "labelPadding": 12, "labelFontSize": 12, **options}
    return alt.Axis(orient=kind, values=list(values), labelExpr=expression, **plain, **shared)


def name_labels(values: Sequence[float], texts: Sequence[Any], lengths: tuple[int, int], **options: Any) -> alt.Axis:
    """Names on the left, shortened in their middle to one length, or to another where it is narrow."""
    cleaned = [words.clean(text) for text in texts]
    wide, narrow = (shortened(cleaned, length) for length in lengths)
    shared: dict[str, Any] = {"labelColor": style.FOREGROUND, "labelFontSize": 13, "labelFontWeight": 600, **options}
    return side_labels(
        "left", values, f"(narrow ? {narrow} : {wide})[floor(datum.value)]", labelLimit=NAME_LIMIT, **shared
    )


def shortened(texts: Sequence[str], length: int) -> str:
    """The texts, shortened in their middle, as part of a Vega expression."""
    return literal(names.shorten_all([words.clean(text) for text in texts], lambda part: len(part) <= length))


def category_axis(title: str, values: Sequence[str], *, is_slanted: bool) -> alt.Axis:
    """An axis of names, shortened in their middle.

    Args:
        is_slanted: where the names would lie over each other.
    """
    texts = f"{shortened(values, CATEGORY)}[indexof({literal(values)}, datum.value)]"
    axis = alt.Axis(title=title, labelExpr=texts, grid=True)
    axis.labelAngle, axis.labelLimit = 0, CATEGORY * LETTER
    if is_slanted:
        longest = min(CATEGORY, max(map(len, values), default=0))
        needed = len(values) * (longest * LETTER + LABEL_GAP)
        axis.labelAngle = alt.ExprRef(f"width < {needed} ? {SLANT} : 0")
        axis.labelAlign = alt.ExprRef(f"width < {needed} ? 'right' : 'center'")
        axis.labelBaseline = alt.ExprRef(f"width < {needed} ? 'middle' : 'top'")
    return axis


def layered(layers: Sequence[Any], height: int, *, own_x: bool = False, own_y: bool = False) -> Spec:
    """Layers as wide as their place in the page. Altair's own `layer` copies all of them, which takes much longer.

    Args:
        own_x: every layer has its own horizontal axis, or none.
        own_y: the same for the vertical axis.
    """
    spec: Spec = {
        "$schema": alt.SCHEMA_URL,
        "layer": [layer.to_dict(validate=False, context={"top_level": False}) for layer in layers],
        "width": "container",
        "height": height,
        "autosize": {"type": "fit-x", "contains": "padding"},
    }
    if own_x or own_y:
        spec["resolve"] = {"axis": {name: "independent" for name, is_own in (("x", own_x), ("y", own_y)) if is_own}}
    return spec


def literal(texts: Sequence[Any]) -> str:
    """A list as part of a Vega expression."""
    return json.dumps([words.clean(text) for text in texts])


def rounded(value: Any) -> float | int | None:
    """A number with the digits that a page needs, or None."""
    number = words.known(value)
    if number is None:
        return None
    short = float(f"{number:.{DIGITS}g}")
    return int(short) if short.is_integer() and abs(short) < 1e15 else short


def finished(layered: Spec, datasets: Mapping[str, Sequence[Mapping[str, Any]]], *, is_checked: bool) -> Spec:
    """The specification with its data; `is_checked` validates it against Vega-Lite's schema."""
    if is_checked:
        alt.LayerChart.from_dict(layered, validate=True)
    data = {name: [dict(row) for row in rows] for name, rows in datasets.items()}
    return layered | {"datasets": data, "params": [narrow_parameter()], "config": config()}
