"""Histograms below each other, and parallel coordinates with brushes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt

from daf.charts import parallel, ranges, style, words
from daf.charts.histograms import Panel, panels_of
from daf.charts.model import HistogramChart, ParallelChart, Row
from daf.charts.specs import common

PANEL = 60
PARALLEL = 300
FAINT, MOST_FAINT = 0.07, 600  # the opacity of rows outside a brush, and how many of them are drawn
BASE, MIDDLE, TALLEST = 0.97, 0.6, 0.8  # of a panel: its base, its text, and its highest bin
NARROW_TITLE = 110  # pixels
BOLD_LETTER = 8  # pixels
NAME, NARROW_NAME = 26, 16  # the longest names in letters


def build_histograms(chart: HistogramChart, *, is_checked: bool) -> common.Spec:
    panels = panels_of(chart)
    bounds = ranges.extent(chart.x, [row[key] for row in chart.rows for key in ("low", "high")], pad=0.01)
    places = alt.Scale(domain=[0, max(1, len(panels))], reverse=True, nice=False, zero=False)
    middles = [index + MIDDLE for index in range(len(panels))]
    left = common.name_labels(middles, [panel.label for panel in panels], (NAME, NARROW_NAME))
    texts = f"{common.literal([panel.text for panel in panels])}[floor(datum.value)]"
    right = common.side_labels("right", middles, f"narrow ? '' : {texts}")
    tips = [("label", "name"), ("tip_range", words.clean(chart.x.title)), ("tip_share", "share"), ("count", "episodes")]
    bars = common.data("rows").mark_rect(opacity=0.85, stroke=style.BACKGROUND, strokeWidth=0.5)
    bars = bars.encode(
        x=alt.X("low:Q", scale=common.scale(chart.x, bounds), axis=common.horizontal_axis(chart.x, bounds)),
        x2=alt.X2("high"),
        y=alt.Y("top:Q", scale=places, axis=left),
        y2=alt.Y2("base"),
        color=common.raw(alt.Color, "colour"),
        tooltip=common.tooltip(tips),
    )
    bases = common.data("panels").mark_rule(color=style.MUTED, strokeWidth=0.8)
    bases = bases.encode(y=alt.Y("base:Q", scale=places, axis=right))
    layered = common.layered([bars, bases], PANEL * max(1, len(panels)), own_y=True)
    datasets = {
        "rows": [_bin(chart, panel, row, index) for index, panel in enumerate(panels) for row in panel.rows],
        "panels": [{"base": index + BASE} for index in range(len(panels))],
    }
    return common.finished(layered, datasets, is_checked=is_checked)


def _bin(chart: HistogramChart, panel: Panel, row: Row, index: int) -> dict[str, Any]:
    return {
        "label": words.clean(panel.label),
        **{key: common.rounded(row.get(key)) for key in ("low", "high", "share", "count")},
        "base": index + BASE,
        "top": round(index + BASE - TALLEST * float(row["share"]) / panel.peak, 4),
        "colour": style.series_look(chart.series, panel.series).colour,
        "tip_range": words.interval_text(row["low"], row["high"], chart.x),
        "tip_share": f"{100 * float(row['share']):.3g} %",
    }


def build_parallel(chart: ParallelChart, *, is_checked: bool) -> common.Spec:
    """A line a row through all axes. The page sets `brushes`: for each axis None, or the part of it that is kept."""
    scales = parallel.scales_of(chart)
    count = len(scales)
    bounds = [parallel.bottom_of(chart, scales), 1]
    x = alt.X("axis:Q", scale=alt.Scale(domain=[0, max(1, count - 1)], nice=False, zero=False), axis=_titles(scales))
    y_scale = alt.Scale(domain=bounds, nice=False, zero=False)
    y = alt.Y("place:Q", scale=y_scale, axis=None)
    axes = common.data("axes")
    brush = axes.mark_rule(strokeWidth=18, color=style.ACCENT, opacity=0.3)
    brush = brush.encode(x=x, y=alt.Y("low:Q", scale=y_scale, axis=None), y2=alt.Y2("high"))
    ends = {key: f"brushes[datum.axis] ? brushes[datum.axis][{end}] : null" for end, key in enumerate(("low", "high"))}
    text: dict[str, Any] = {"align": "left", "dx": 6, "baseline": "middle", "fontSize": 11, "limit": 110}
    labels = common.data("ticks")
    kept = " && ".join(f"(!brushes[{n}] || inrange(datum.p{n}, brushes[{n}]))" for n in range(count)) or "true"
    step = max(1, -(-len(chart.rows) // MOST_FAINT))
    layers = [
        # What is kept is filtered before it becomes segments: a brush then touches only the rows that come or go.
        _segments(common.data("rows").transform_filter(f"datum.row % {step} === 0"), scales, x, y, FAINT),
        _segments(common.data("rows").transform_filter(kept), scales, x, y, parallel.opacity(len(chart.rows))),
        axes.mark_rule(color=style.FOREGROUND, strokeWidth=1.2).encode(
            x=x, y=alt.Y("zero:Q", scale=y_scale, axis=None), y2=alt.Y2("one")
        ),
        brush.transform_calculate(**ends).transform_filter("isValid(datum.low)"),
        labels.mark_text(**common.HALO, **text).encode(x=x, y=y, text=alt.Text("text:N")),
        labels.mark_text(color=style.FOREGROUND, **text).encode(x=x, y=y, text=alt.Text("text:N")),
    ]
    layered = common.layered(layers, PARALLEL)
    spec = common.finished(layered, _parallel_data(chart, scales), is_checked=is_checked)
    spec["params"].append({"name": "brushes", "value": [None] * count})
    return spec


def _segments(rows: Any, scales: Mapping[str, parallel.Scale], x: Any, y: Any, opacity: float) -> Any:
    """The lines of rows as single segments between neighbouring axes, which Vega draws many times faster than lines."""
    starts = [f"p{index}" for index in range(max(1, len(scales) - 1))]
    tips = [
        alt.Tooltip(f"value_{index}:N", title=words.clean(scale.axis.title))
        for index, scale in enumerate(scales.values())
    ]
    rules = rows.mark_rule(strokeWidth=1.4, strokeCap="round", opacity=opacity)
    rules = rules.encode(
        x=x, x2=alt.X2("next"), y=y, y2=alt.Y2("end"), color=common.raw(alt.Color, "colour"), tooltip=tips
    )
    rules = rules.transform_fold(starts, ["column", "place"])
    return rules.transform_calculate(axis=f"indexof({starts}, datum.column)").transform_calculate(
        next="datum.axis + 1", end="datum['p' + (datum.axis + 1)]"
    )


def _titles(scales: Mapping[str, parallel.Scale]) -> alt.Axis:
    """The names of the axes above them; slanted where there is little room."""
    limit = max(70, 900 // max(1, len(scales) - 1))
    titles = [words.clean(scale.axis.title) for scale in scales.values()]
    wide, narrow = (common.shortened(titles, pixels // BOLD_LETTER) for pixels in (limit, NARROW_TITLE))
    is_slanted = f"narrow && {len(scales)} > 3"
    return alt.Axis(
        orient="top",
        values=list(range(len(scales))),
        labelExpr=f"(narrow ? {narrow} : {wide})[datum.value]",
        labelColor=style.FOREGROUND,
        labelFontWeight=600,
        labelLimit=alt.ExprRef(f"narrow ? {NARROW_TITLE} : {limit}"),
        labelAngle=alt.ExprRef(f"{is_slanted} ? -35 : 0"),
        labelAlign=alt.ExprRef(f"{is_slanted} ? 'left' : 'center'"),
        grid=False,
        domain=False,
        ticks=False,
        title=None,
        labelPadding=12,
        labelOverlap=False,
    )


def _parallel_data(chart: ParallelChart, scales: Mapping[str, parallel.Scale]) -> dict[str, list[dict[str, Any]]]:
    rows = []
    for number, (row, places, colour) in enumerate(parallel.places_of(chart, scales)):
        values = {f"value_{index}": _value(row.get(column)) for index, column in enumerate(scales)}
        where = {f"p{index}": round(places[column], 4) for index, column in enumerate(scales)}
        rows.append({"row": number, "colour": style.ramp_colour(colour), **values, **where})
    ticks = [
        {"axis": index, "place": round(place, 4), "text": text}
        for index, (column, scale) in enumerate(scales.items())
        for place, text in parallel.ticks_of(chart, column, scale)
    ]
    return {
        "rows": rows,
        "axes": [{"axis": index, "zero": 0, "one": 1} for index in range(len(scales))],
        "ticks": ticks,
    }


def _value(value: Any) -> Any:
    """A value as the tooltip shows it: a number, or a text."""
    number = common.rounded(value) if not isinstance(value, (str, bool)) else None
    return number if number is not None else words.value_text(value) if value is None else words.clean(value)
