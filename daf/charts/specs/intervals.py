"""Values with intervals: a line of text each, the name on the left and the value on the right."""

from __future__ import annotations

import json
from typing import Any

import altair as alt

from daf.charts import ranges, style, words
from daf.charts.intervals import bounds_of, is_long, points_by_row, row_height, strip_offset
from daf.charts.model import IntervalChart, Row
from daf.charts.specs import common

NAME, NARROW_NAME = 30, 18  # the longest names in letters
LONGEST_STRIP = 300
NARROW_STEP, FOLDED_STEP = 46, 62  # the height of a line with its value below its name, in one row or two
TEXTS = 340  # pixels of the widest value
NARROW_TEXT = 23  # letters of a row


def build(chart: IntervalChart, *, is_checked: bool) -> common.Spec:
    step, bounds = row_height(chart), bounds_of(chart)
    x_scale, bottom = common.scale(chart.x, bounds), common.horizontal_axis(chart.x, bounds)
    top = common.horizontal_axis(chart.x, bounds, above=True) if is_long(chart) else None
    places = alt.Scale(domain=[-0.5, max(1, len(chart.rows)) - 0.5], reverse=True, nice=False, zero=False)
    left, below, right = _axes(chart)

    def x(column: str, axis: Any = None) -> Any:
        return alt.X(f"{column}:Q", scale=x_scale, axis=axis)

    def y(column: str, axis: Any = None) -> Any:
        return alt.Y(f"{column}:Q", scale=places, axis=axis)

    rows, points, colour = common.data("rows"), common.data("points"), common.raw
    verdict = [("status", "verdict")] if any(row.get("status") for row in chart.rows) else []
    tips = common.tooltip([("label", "name"), ("tip_value", "value"), ("tip_interval", "interval"), *verdict])
    seed = [("seed", "seed")] if _has_seeds(chart) else []
    point_tips = common.tooltip([("label", "name"), ("kind", "kind"), ("tip_value", "value"), *seed])
    layers = [
        *_background(chart, x_scale),
        rows.mark_rect(opacity=0).encode(y=y("from", below), y2=alt.Y2("to"), tooltip=tips),  # the whole line hovers
    ]
    if chart.points:
        layers += [
            points.mark_point(filled=True, opacity=0.4, size=16)
            .encode(x=x("value"), y=y("place"), color=colour(alt.Color, "colour"), tooltip=point_tips)
            .transform_filter("datum.kind === 'episode'"),
            points.mark_point(filled=False, size=36, strokeWidth=1.5, fill="transparent")
            .encode(x=x("value"), y=y("place"), stroke=colour(alt.Stroke, "colour"), tooltip=point_tips)
            .transform_filter("datum.kind !== 'episode'"),
        ]
    layers += [
        rows.mark_rule(strokeWidth=3, strokeCap="round")
        .encode(
            x=x("low", bottom), x2=alt.X2("high"), y=y("line", left), color=colour(alt.Color, "colour"), tooltip=tips
        )
        .transform_filter("isValid(datum.low)"),
        rows.mark_point(size=100, strokeWidth=1.8, opacity=1)
        .encode(
            x=x("value", top),
            y=y("line", right),
            shape=colour(alt.Shape, "shape"),
            fill=colour(alt.Fill, "fill"),
            stroke=colour(alt.Stroke, "edge"),
            tooltip=tips,
        )
        .transform_filter("isValid(datum.value)"),
    ]
    layered = common.layered(layers, step * max(1, len(chart.rows)), own_x=True, own_y=True)
    datasets = {
        "rows": [_row(chart, row, index) for index, row in enumerate(chart.rows)],
        "points": _points(chart),
        "band": [{"from": chart.band[0], "to": chart.band[1]}] if chart.band else [],
        "reference": [] if chart.reference is None else [{"at": chart.reference}],
    }
    spec = common.finished(layered, datasets, is_checked=is_checked)
    narrow = FOLDED_STEP if any(len(folded) > 1 for folded in _folded(chart)) else NARROW_STEP
    spec["usermeta"] = {"narrowHeight": max(step, narrow) * max(1, len(chart.rows))}
    return spec


def _axes(chart: IntervalChart) -> tuple[alt.Axis, alt.Axis, alt.Axis]:
    """Names on the left and values on the right; where it is narrow, the values stand below the names instead."""
    places = range(len(chart.rows))
    failed = [index for index, row in enumerate(chart.rows) if row.get("status") == "failed"]
    texts = f"{common.literal([row['text'] for row in chart.rows])}[datum.value]"
    folded = f"{json.dumps(_folded(chart))}[datum.value]"
    is_folded = any(len(lines) > 1 for lines in _folded(chart))
    is_failed = {"test": f"indexof({failed}, datum.value) >= 0", "value": style.STATUSES["failed"].colour}
    colour: Any = {"condition": is_failed, "value": style.MUTED}
    above, under = (alt.ExprRef(f"narrow ? {offset} : 0") for offset in ((-16, 0) if is_folded else (-8, 8)))
    names = [row["label"] for row in chart.rows]
    return (
        common.name_labels(places, names, (NAME, NARROW_NAME), labelOffset=above),
        common.side_labels(
            "left", places, f"narrow ? {folded} : ''", labelColor=colour, labelOffset=under, labelLimit=190
        ),
        common.side_labels("right", places, f"narrow ? '' : {texts}", labelColor=colour, labelLimit=TEXTS),
    )


def _folded(chart: IntervalChart) -> list[list[str]]:
    """The texts in at most two lines each, for where it is narrow."""
    return [words.wrap(row["text"], NARROW_TEXT, most=2) or [""] for row in chart.rows]


def _background(chart: IntervalChart, x_scale: alt.Scale) -> list[Any]:
    """The shaded band and the line of reference."""
    found = []
    if chart.band:
        band = common.data("band")
        found.append(
            band.mark_rect(color=style.MUTED, opacity=0.13, aria=False).encode(
                x=alt.X("from:Q", scale=x_scale, axis=None), x2=alt.X2("to")
            )
        )
    if chart.reference is not None:
        line = common.data("reference")
        found.append(
            line.mark_rule(color=style.MUTED, strokeWidth=1.4, aria=False).encode(
                x=alt.X("at:Q", scale=x_scale, axis=None)
            )
        )
    return found


def _row(chart: IntervalChart, row: Row, index: int) -> dict[str, Any]:
    status = str(row.get("status", ""))
    look = style.row_look(chart.series, str(row.get("series", "")), status)
    is_failed = status == "failed"
    value, low, high = (
        None if is_failed else common.rounded(ranges.drawable(chart.x, row.get(key)))
        for key in ("value", "low", "high")
    )
    known = low is not None and high is not None
    return {
        "line": index,
        "from": index - 0.5,
        "to": index + 0.5,
        "label": words.clean(row["label"]),
        "series": words.clean(row.get("series", "")),
        "value": value,
        "low": low if known else None,
        "high": high if known else None,
        "text": words.clean(row["text"]),
        "status": status,
        "tip_value": words.value_text(value, chart.x),
        "tip_interval": words.interval_text(low, high, chart.x),
        "colour": look.colour,
        "shape": look.shape,
        "fill": look.colour if look.is_filled else style.BACKGROUND,
        "edge": style.BACKGROUND if look.is_filled else look.colour,
    }


def _has_seeds(chart: IntervalChart) -> bool:
    return any("seed" in point for point in chart.points)


def _points(chart: IntervalChart) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    has_seeds = _has_seeds(chart)
    for index, members in points_by_row(chart).items():
        for is_episode in (True, False):
            kind = [point for point in members if (point["kind"] == "episode") is is_episode]
            for number, point in enumerate(ranges.thin(kind, LONGEST_STRIP)):
                series = str(point.get("series") or chart.rows[index].get("series", ""))
                found.append(
                    {
                        "label": words.clean(point["label"]),
                        "kind": words.clean(point["kind"]),
                        "value": common.rounded(point["value"]),
                        **({"seed": words.clean(point.get("seed", ""))} if has_seeds else {}),
                        "place": round(index + strip_offset(number, is_episode=is_episode), 3),
                        "tip_value": words.value_text(point["value"], chart.x),
                        "colour": style.series_look(chart.series, series).colour,
                    }
                )
    return found
