"""Charts that live in a page, by Vega-Lite: hover, zoom, single out, save; without scripts, matplotlib's SVG.

A chart's specification and data lie in the page as inert JSON. The start script draws the chart when it comes near the
window, keeps the SVG if anything fails, and draws again when the reader changes between light and dark.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from daf.charts import blank, runtime, static, style, words
from daf.charts.model import (
    Chart,
    HistogramChart,
    IntervalChart,
    LineChart,
    MatrixChart,
    ParallelChart,
    PointChart,
    RankChart,
)

__all__ = ["CONTENT_SECURITY_POLICY", "STYLE", "figure_html", "scripts", "specification"]

# Scripts run only from the page itself, and nothing turns text into code. Pictures are those that a reader saves.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; "
    "form-action 'none'"
)
STYLE = (
    static.STYLE
    + """.chart{margin:0 0 8px;position:relative;min-width:0}
.chart-title{font-weight:600;margin:0 0 8px}
.chart-blank{list-style:none;margin:0;padding:0;color:var(--chart-muted)}
.chart-blank strong{color:var(--chart-fg)}
.chart-failed{color:var(--chart-failed)}
.chart-still{overflow-x:auto}
.chart-still .chart-svg{min-width:min(480px,160vw)}
.chart.compact .chart-svg{min-width:0;max-width:460px}
.chart-live{display:none;width:100%;min-width:0}
.chart-live svg{overflow:visible;display:block}
.chart-live:focus-visible{outline:2px solid var(--chart-accent);outline-offset:4px;border-radius:4px}
.chart.is-live .chart-live{display:block}
.chart.is-drawing:not(.is-live) .chart-live{display:block;height:0;overflow:hidden}
.chart.is-live .chart-still{display:none}
.chart figcaption{margin-top:6px}
.chart-tools{display:none;gap:4px 12px;flex-wrap:wrap;
align-items:baseline;font-size:.8rem;color:var(--chart-muted);margin-top:4px}
.chart.is-live .chart-tools{display:flex}
.chart-tools button{all:unset;cursor:pointer;color:var(--chart-accent);padding:3px 1px}
.chart-tools button:hover{text-decoration:underline}
.chart-tools button:focus-visible{outline:2px solid var(--chart-accent);outline-offset:2px;border-radius:2px}
.chart-told:empty{flex:0 0 0}
.chart-told{flex:1 1 12em;min-width:0;
color:var(--chart-fg);font-variant-numeric:tabular-nums;text-align:right}
#vg-tooltip-element{position:fixed;z-index:9;
visibility:hidden;max-width:min(360px,92vw);padding:8px 10px;border-radius:6px;
font:13px/1.4 """
    + style.FONT
    + """;background:var(--chart-bg);color:var(--chart-fg);border:1px solid var(--chart-muted);
box-shadow:0 3px 14px #0003;pointer-events:none}
#vg-tooltip-element.visible{visibility:visible}
#vg-tooltip-element table{border-spacing:0;width:auto;font-size:inherit}
#vg-tooltip-element td{padding:1px 4px 1px 0;
border:0;text-align:left;white-space:normal;
overflow-wrap:anywhere;vertical-align:top}
#vg-tooltip-element td.key{color:var(--chart-muted);
padding-right:10px;white-space:nowrap;max-width:150px;overflow:hidden;
text-overflow:ellipsis}
@media print{.chart.is-live .chart-live,.chart.is-live .chart-tools{display:none}
.chart.is-live .chart-still{display:block;overflow:visible}
.chart{break-inside:avoid}}
"""
)


def figure_html(chart: Chart, *, picture: bool = True) -> str:
    """The chart as a <figure>: its title, the SVG, the specification as JSON, and its note.

    Args:
        picture: draw the SVG. A page that is rewritten all the time may leave it out; without scripts it then shows a
            sentence instead.
    """
    name = escape(runtime.identifier(chart.name))
    if blank.is_blank(chart):
        return _blank_html(chart, name)
    note = f"<figcaption>{escape(words.clean(chart.note))}</figcaption>" if chart.note else ""
    still = static.svg(chart) if picture else escape(words.clean(chart.description))
    return (
        f'<figure class="{"chart compact" if chart.compact else "chart"}" id="chart-{name}" data-chart="{name}">'
        f'<div class="chart-title">{escape(words.clean(chart.title))}</div>'
        f'<div class="chart-still" tabindex="0" role="group" aria-label="{escape(words.clean(chart.title))}">'
        f'{still}</div><div class="chart-live"></div>'
        f'<div class="chart-tools"></div>'
        f'<script type="application/json" class="chart-data">{runtime.inert(_payload(chart))}</script>'
        f"{note}</figure>"
    )


def _blank_html(chart: Chart, name: str) -> str:
    """A chart that has nothing to draw, as text."""
    items = (
        f"<li>{f'<strong>{escape(words.clean(line.name))}</strong> ' if line.name else ''}"
        f"<span{' class="chart-failed"' if line.is_failed else ''}>{escape(words.clean(line.text))}</span></li>"
        for line in blank.lines_of(chart)
    )
    title = escape(words.clean(chart.title))
    return (
        f'<figure class="chart" id="chart-{name}"><div class="chart-title">{title}</div>'
        f'<ul class="chart-blank">{"".join(items)}</ul></figure>'
    )


def scripts() -> str:
    """Vega and the start script, once at the end of a page's body."""
    return runtime.scripts(style.VARIABLE_OF)


def specification(chart: Chart, *, is_checked: bool = False) -> dict[str, Any]:
    """The Vega-Lite specification of a chart, with its data, in light colours.

    Args:
        is_checked: validate it against Vega-Lite's schema, which takes longer than building it.
    """
    from altair.utils.schemapi import debug_mode

    with debug_mode(is_checked):
        spec = _build(chart, is_checked=is_checked)
    spec["description"] = words.clean(f"{chart.title}. {chart.description}")
    return spec


def _build(chart: Chart, *, is_checked: bool) -> dict[str, Any]:
    from daf.charts.specs import intervals, lines, matrices, panels, ranks

    match chart:
        case IntervalChart():
            return intervals.build(chart, is_checked=is_checked)
        case LineChart():
            return lines.build_lines(chart, is_checked=is_checked)
        case PointChart():
            return lines.build_points(chart, is_checked=is_checked)
        case HistogramChart():
            return panels.build_histograms(chart, is_checked=is_checked)
        case ParallelChart():
            return panels.build_parallel(chart, is_checked=is_checked)
        case RankChart():
            return ranks.build(chart, is_checked=is_checked)
        case MatrixChart():
            return matrices.build(chart, is_checked=is_checked)
    raise TypeError(f"no specification for {type(chart).__name__}")


def _payload(chart: Chart) -> str:
    """What the start script needs: the specification, and its data by columns, which are shorter than by rows."""
    spec = specification(chart)
    datasets = spec.pop("datasets")
    packed = {name: _by_columns(rows) for name, rows in datasets.items()}
    content = {
        "title": words.clean(chart.title),
        "spec": spec,
        "data": packed,
        "tells": _tells(chart),
        "names": {f"hover_{index}": words.clean(name) for index, name in enumerate(getattr(chart, "hover", ()))},
    }
    return json.dumps(content, separators=(",", ":"), allow_nan=False)


def _tells(chart: Chart) -> list[tuple[str, str]]:
    """What the arrow keys read of a row: (column, its title)."""
    match chart:
        case IntervalChart():
            return [("label", ""), ("text", ""), ("status", "")]
        case LineChart(x=x, y=y):
            return [("line", ""), ("x", words.clean(x.title)), ("y", words.clean(y.title))]
        case PointChart(x=x, y=y, hover=hover):
            told = [("series", ""), ("tip_x", words.clean(x.title)), ("tip_y", words.clean(y.title))]
            return told + [(f"hover_{index}", words.clean(name)) for index, name in enumerate(hover)]
        case ParallelChart(axes=axes):
            return [(f"value_{index}", words.clean(axis.title)) for index, axis in enumerate(axes.values())]
        case HistogramChart():
            return [("series", ""), ("tip_range", ""), ("tip_share", "")]
        case MatrixChart():
            return [("policy", ""), ("partner", ""), ("text", ""), ("detail", "")]
    return [("series", ""), ("value", "mean rank")]


def _by_columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Columns of values; texts that repeat are numbered: {"levels": [...], "codes": [...]}."""
    columns: dict[str, Any] = {}
    for name in rows[0] if rows else ():
        values = [row[name] for row in rows]
        texts = {value: None for value in values if isinstance(value, str)}
        if len(texts) and len(texts) <= len(values) / 2 and all(isinstance(value, str) for value in values):
            places = {text: index for index, text in enumerate(texts)}
            columns[name] = {"levels": list(texts), "codes": [places[value] for value in values]}
        elif _is_one_value(values):
            columns[name] = {"all": values[0], "count": len(values)}
        else:
            columns[name] = values
    return columns


def _is_one_value(values: Sequence[Any]) -> bool:
    first = repr(values[0])
    return all(repr(value) == first for value in values) and not isinstance(values[0], (list, dict))
