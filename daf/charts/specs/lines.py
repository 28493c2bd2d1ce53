"""Lines with bands, and points with step lines: drag to move, Ctrl and wheel to zoom, click a name to single it out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

from daf.charts import lines, style, words
from daf.charts.model import Axis, Chart, LineChart, PointChart, Row
from daf.charts.specs import common

HEIGHT, COMPACT_HEIGHT = 300, 170
WORD_SHIFT = 9  # pixels, of the words of two emphasized points
FAINT = 0.12  # what is not singled out
MARK, LARGE_MARK = 46, 130  # the size of a shape, and of one that is all that is seen of a line
POINT_MARK, FEW_MARK = 44, 90  # of a point, and of one among few


def build_lines(chart: LineChart, *, is_checked: bool) -> common.Spec:
    drawn = lines.lines_of(chart)
    used = lines.used_series(chart.series, [{"series": line.series} for line in drawn])
    bounds = lines.line_bounds(chart, drawn)
    colour, shape, dash = _encodings(chart, used)
    x = alt.X("x:Q", scale=common.scale(chart.x, bounds[0]), axis=common.horizontal_axis(chart.x, bounds[0]))
    y = alt.Y("y:Q", scale=common.scale(chart.y, bounds[1]), axis=common.vertical_axis(chart.y, bounds[1]))
    picked = alt.selection_point(name="picked", fields=["series"], bind="legend")
    rows = common.data("rows")
    tips = _line_tips(chart, drawn)
    opacity = common.opacity(1, "picked", FAINT)
    line = alt.Detail("line:N")
    layers: list[Any] = []
    if any(member.has_band for member in drawn):
        low = alt.Y("low:Q", scale=y["scale"], axis=y["axis"])
        faint = common.opacity(0.15, "picked", 0.02)
        band = rows.mark_area(clip=True).encode(x=x, y=low, y2=alt.Y2("high"), color=colour, detail=line, opacity=faint)
        layers.append(band.transform_filter("isValid(datum.low) && isValid(datum.high)"))
    drawing = rows.mark_line(strokeWidth=2, clip=True, strokeJoin="round")
    drawing = drawing.encode(x=x, y=y, color=colour, detail=line, opacity=opacity)
    if not any(member.is_cut_short for member in drawn):
        drawing = drawing.encode(strokeDash=dash)  # otherwise dashes tell a line that was cut short
    shapes = rows.mark_point(filled=True, clip=True, stroke=style.BACKGROUND, strokeWidth=0.8)
    size = alt.SizeValue(MARK, condition={"test": "datum.shown > 1", "value": LARGE_MARK})
    shapes = shapes.encode(x=x, y=y, color=colour, shape=shape, opacity=opacity, size=size)
    layers.append(drawing.transform_filter("!datum.cut").add_params(common.zoom()))
    layers.append(shapes.transform_filter("datum.shown").add_params(picked))
    if any(member.is_cut_short for member in drawn):
        cut = rows.mark_line(strokeWidth=1.3, clip=True, strokeDash=list(style.CUT_SHORT), strokeCap="butt")
        faint = common.opacity(0.8, "picked", FAINT)
        layers.append(cut.encode(x=x, y=y, color=colour, detail=line, opacity=faint).transform_filter("datum.cut"))
    if chart.marks:
        told = [("text", "mark"), ("series", "series"), ("tip_x", _title(chart.x)), ("tip_y", _title(chart.y))]
        rings = common.data("marks").mark_point(size=190, strokeWidth=2.2, clip=True)
        layers.append(rings.encode(x=x, y=y, color=colour, opacity=opacity, tooltip=common.tooltip(told)))
    layers.append(_hovered(rows, x, y, tips))
    layered = common.layered(layers, COMPACT_HEIGHT if chart.compact else HEIGHT)
    datasets = {"rows": _line_rows(chart, drawn), "marks": [_mark(chart, mark) for mark in chart.marks]}
    return common.finished(layered, datasets, is_checked=is_checked)


def _encodings(chart: Chart, used: Sequence[str], listed: Sequence[str] | None = None) -> tuple[Any, Any, Any]:
    """The encodings of colour, shape and dash, which share one legend of the `listed` series; default: of all."""
    colours, shapes, dashes = common.series_scales(chart.series, used)
    legend = None if chart.compact else common.legend(used if listed is None else listed)
    return (
        alt.Color("series:N", scale=colours, legend=legend),
        alt.Shape("series:N", scale=shapes, legend=legend),
        alt.StrokeDash("series:N", scale=dashes, legend=legend),
    )


def _hovered(rows: Any, x: Any, y: Any, tips: Sequence[Any]) -> Any:
    """The point nearest to the pointer, with its values."""
    near = alt.selection_point(name="near", nearest=True, on="pointerover", clear="pointerout")
    return (
        rows.mark_point(filled=False, size=120, strokeWidth=2, clip=True, color=style.FOREGROUND)
        .encode(x=x, y=y, opacity=common.opacity(1, "near", 0, if_none=False), tooltip=list(tips))
        .add_params(near)
    )


def _title(axis: Axis) -> str:
    return words.clean(axis.title) or "value"


def _line_tips(chart: LineChart, drawn: Sequence[lines.Line]) -> list[alt.Tooltip]:
    tips = [alt.Tooltip("line:N", title="line")]
    tips += [alt.Tooltip("x:Q", title=_title(chart.x), format=",.6~g"), _number("y", chart.y)]
    if any(line.has_band for line in drawn):
        tips += [_number("low", chart.y, "band from"), _number("high", chart.y, "band to")]
    return tips + [alt.Tooltip(f"hover_{index}:N", title=words.clean(name)) for index, name in enumerate(chart.hover)]


def _number(column: str, axis: Axis, title: str | None = None) -> alt.Tooltip:
    return alt.Tooltip(f"{column}:Q", title=title or _title(axis), format=".3~%" if axis.is_share else ",.4~g")


def _line_rows(chart: LineChart, drawn: Sequence[lines.Line]) -> list[dict[str, Any]]:
    found, brief = [], lines.brief_lines(chart.rows)
    for index, line in enumerate(drawn):
        is_brief = line.name in brief
        shapes = set(lines.marked_points(len(line.rows), index, is_brief=is_brief))
        for number, row in enumerate(line.rows):
            found.append(
                {
                    "line": words.clean(line.name),
                    "series": words.clean(line.series),
                    **{key: common.rounded(row.get(key)) for key in ("x", "y", "low", "high")},
                    "cut": int(line.is_cut_short),
                    "shown": (2 if is_brief else 1) if number in shapes else 0,
                    **_hover(row, chart.hover),
                }
            )
    return found


def _hover(row: Row, names: Sequence[str]) -> dict[str, str]:
    return {f"hover_{index}": words.value_text(row.get(name)) for index, name in enumerate(names)}


def _mark(chart: LineChart, mark: Row) -> dict[str, Any]:
    return {
        "series": words.clean(mark.get("series", "")),
        "x": common.rounded(mark["x"]),
        "y": common.rounded(mark["y"]),
        "text": words.clean(mark.get("text", "")),
        "tip_x": words.value_text(mark["x"], chart.x),
        "tip_y": words.value_text(mark["y"], chart.y),
    }


def build_points(chart: PointChart, *, is_checked: bool) -> common.Spec:
    rows = lines.shown_points(chart)
    used = lines.used_series(chart.series, rows)
    bounds = lines.point_bounds(chart, rows)
    colour, shape, _ = _encodings(chart, used, lines.listed_series(chart.series, rows))
    x = _position(
        alt.X, "x", chart.x, bounds[0], lines.categories(chart.x, rows, "x"), common.horizontal_axis(chart.x, bounds[0])
    )
    y = _position(
        alt.Y, "y", chart.y, bounds[1], lines.categories(chart.y, rows, "y"), common.vertical_axis(chart.y, bounds[1])
    )
    picked = alt.selection_point(name="picked", fields=["series"], bind="legend")
    tips = [
        alt.Tooltip("series:N", title="series"),
        alt.Tooltip("tip_x:N", title=_title(chart.x)),
        alt.Tooltip("tip_y:N", title=_title(chart.y)),
    ]
    tips += [alt.Tooltip(f"hover_{index}:N", title=words.clean(name)) for index, name in enumerate(chart.hover)]
    data = common.data("rows")
    layers: list[Any] = []
    if chart.steps:
        layers.append(
            common.data("steps")
            .mark_line(interpolate="step-after", color=style.ACCENT, strokeWidth=1.8, clip=True)
            .encode(x=x, y=y)
        )
    points = (
        data.mark_point(filled=True, size=FEW_MARK if len(rows) <= lines.FEW_POINTS else POINT_MARK, clip=True)
        .encode(
            x=x,
            y=y,
            color=colour,
            shape=shape,
            tooltip=tips,
            opacity=common.opacity(0.65, "picked", 0.08),
        )
        .transform_filter("!datum.emphasis")
        .add_params(picked)
    )
    can_zoom = "category" not in (chart.x.scale, chart.y.scale)
    layers.append(points.add_params(common.zoom()) if can_zoom else points)
    layers += _emphasized(data, x, y, colour, tips)
    layered = common.layered(layers, COMPACT_HEIGHT if chart.compact else HEIGHT)
    datasets = {
        "rows": _point_rows(chart, rows, sum(bounds[0]) / 2),
        "steps": [{key: common.rounded(step[key]) for key in ("x", "y")} for step in chart.steps],
    }
    return common.finished(layered, datasets, is_checked=is_checked)


def _position(
    channel: Any, column: str, axis: Axis, bounds: tuple[float, float], names: Sequence[str], drawn: alt.Axis
) -> Any:
    if axis.scale == "category":
        known = [words.clean(name) for name in names]
        labels = common.category_axis(words.clean(axis.title), known, is_slanted=column == "x")
        return channel(f"{column}:N", scale=alt.Scale(domain=known), axis=labels)
    return channel(f"{column}:Q", scale=common.scale(axis, bounds), axis=drawn)


def _emphasized(data: Any, x: Any, y: Any, colour: Any, tips: Sequence[Any]) -> list[Any]:
    """The winner and the best, larger and with their words, on the side where there is room."""
    text: dict[str, Any] = {
        "align": alt.ExprRef("datum.is_right ? 'right' : 'left'"),
        "dx": alt.ExprRef("datum.is_right ? -12 : 12"),
        "dy": alt.ExprRef("datum.shift"),
        "baseline": "middle",
        "fontSize": 12,
        "fontWeight": 600,
    }
    chosen = data.transform_filter("datum.emphasis")
    return [
        chosen.mark_text(**common.HALO, **text).encode(x=x, y=y, text=alt.Text("word:N")),
        chosen.mark_text(color=style.FOREGROUND, **text).encode(x=x, y=y, text=alt.Text("word:N")),
        data.transform_filter("datum.emphasis === 'winner'")
        .mark_point(size=230, filled=True, shape=style.STAR, opacity=1, stroke=style.BACKGROUND, strokeWidth=0.8)
        .encode(x=x, y=y, color=colour, tooltip=list(tips)),
        data.transform_filter("datum.emphasis && datum.emphasis !== 'winner'")
        .mark_point(size=190, filled=False, shape="circle", opacity=1, strokeWidth=2.2)
        .encode(x=x, y=y, color=colour, tooltip=list(tips)),
    ]


def _point_rows(chart: PointChart, rows: Sequence[Row], middle: float) -> list[dict[str, Any]]:
    """The points; words of those on the right of the middle stand on their left."""
    places = {name: float(number) for number, name in enumerate(lines.categories(chart.x, rows, "x"))}

    def is_right(row: Row) -> bool:
        return (places[str(row["x"])] if chart.x.scale == "category" else float(row["x"])) > middle

    shifts = lines.word_shifts(rows)
    return [
        {**_point(chart, row), "is_right": int(is_right(row)), "shift": WORD_SHIFT * shift}
        for row, shift in zip(rows, shifts, strict=True)
    ]


def _point(chart: PointChart, row: Row) -> dict[str, Any]:
    def value(column: str, axis: Axis) -> Any:
        return words.clean(row[column]) if axis.scale == "category" else common.rounded(row[column])

    return {
        "series": words.clean(row.get("series", "")),
        "x": value("x", chart.x),
        "y": value("y", chart.y),
        "tip_x": words.value_text(row["x"], chart.x),
        "tip_y": words.value_text(row["y"], chart.y),
        "emphasis": str(row.get("emphasis") or ""),
        "word": lines.emphasis_word(row),
        **_hover(row, chart.hover),
    }
