"""Charts for pages: specifications that fit Vega-Lite's schema, marks where the data are, and data that stay data."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import altair as alt
import pytest
import vl_convert
from altair.utils.schemapi import SchemaValidationError

from daf.charts import interactive, runtime, style
from tests.unit.charts import examples

CHARTS = examples.one_of_each()
TWINS = examples.of_twins()
WIDTH = 700


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def items(scene: Any, role: str = "mark") -> Iterator[dict[str, Any]]:
    """All drawn marks of a scene graph, with the kind of their group."""
    if isinstance(scene, list):
        for member in scene:
            yield from items(member, role)
    elif isinstance(scene, dict):
        if scene.get("role") == role and scene.get("marktype") != "group":
            for item in scene.get("items", []):
                yield {"marktype": scene["marktype"], **item}
        for value in scene.values():
            yield from items(value, role)


def drawn(chart: Any) -> tuple[list[dict[str, Any]], float]:
    """The marks that Vega draws, and the height of the plot."""
    spec = interactive.specification(chart) | {"width": WIDTH, "autosize": "pad"}
    return list(items(vl_convert.vegalite_to_scenegraph(spec)["scenegraph"])), spec["height"]


def place(value: float, bounds: tuple[float, float]) -> float:
    return WIDTH * (value - bounds[0]) / (bounds[1] - bounds[0])


@pytest.mark.parametrize("name", CHARTS)
def test_the_schema_accepts_every_kind(name: str) -> None:
    spec = interactive.specification(CHARTS[name])
    alt.Chart.from_dict(spec, validate=True)
    assert spec["description"] == f"{CHARTS[name].title}. {CHARTS[name].description}"
    assert spec["width"] == "container"
    json.dumps(spec, allow_nan=False)


def test_a_wrong_specification_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daf.charts.specs.common.HALO", {"strokeWidth": "huge"})
    with pytest.raises(SchemaValidationError, match="huge"):
        interactive.specification(CHARTS["slice"], is_checked=True)


def test_values_and_intervals_are_drawn_where_they_are() -> None:
    chart = examples.intervals(points=(), x=examples.Axis(title="x", bounds=(-2, 8)))
    marks, height = drawn(chart)
    symbols = [mark for mark in marks if mark["marktype"] == "symbol"]
    rules = [mark for mark in marks if mark["marktype"] == "rule" and mark.get("strokeWidth") == 3]
    assert len(symbols) == len(rules) == len(chart.rows)
    for index, (row, symbol, rule) in enumerate(zip(chart.rows, symbols, rules, strict=True)):
        assert symbol["x"] == pytest.approx(place(row["value"], (-2, 8)))
        assert symbol["y"] == rule["y"] == pytest.approx(height * (index + 0.5) / len(chart.rows))
        assert sorted((rule["x"], rule["x2"])) == pytest.approx([place(row[key], (-2, 8)) for key in ("low", "high")])
        assert symbol["fill"] == style.series_look(chart.series, row["series"]).colour


def test_lines_and_points_come_with_the_words_of_their_tooltip() -> None:
    chart = examples.intervals()
    data = interactive.specification(chart)["datasets"]
    assert [(row["label"], row["tip_value"], row["tip_interval"]) for row in data["rows"][:2]] == [
        (examples.NAMES[0], "4", "3.5 to 5"),
        (examples.NAMES[1], "3", "2.5 to 4"),
    ]
    told = [(point["label"], point["kind"], point["tip_value"], point["seed"]) for point in data["points"]]
    assert len(told) == len(chart.points)
    assert (examples.NAMES[1], "training seed", "3.25", "1") in told
    marks, _ = drawn(chart)
    assert len([mark for mark in marks if mark["marktype"] == "symbol"]) == len(chart.points) + len(chart.rows)


def test_only_lines_with_verdicts_tell_one() -> None:
    def titles(status: str) -> set[str]:
        rows = [{**row, "status": status} for row in examples.intervals().rows]
        layers = interactive.specification(examples.intervals(rows=rows, points=()))["layer"]
        return {tip["title"] for layer in layers for tip in layer.get("encoding", {}).get("tooltip", [])}

    assert titles("") == {"name", "value", "interval"}
    assert titles("better") == {"name", "value", "interval", "verdict"}


def test_a_failed_line_has_its_text_and_no_mark() -> None:
    rows = [{**row, "status": "failed"} for row in examples.intervals().rows]
    marks, _ = drawn(examples.intervals(rows=rows, points=(), reference=None, band=None))
    assert {mark["marktype"] for mark in marks} == {"rect"}  # the transparent strips that hover


def test_curves_are_drawn_where_they_are() -> None:
    chart = examples.lines(x=examples.Axis(title="steps", bounds=(0, 400_000)))
    marks, _ = drawn(chart)
    lines = [mark for mark in marks if mark["marktype"] == "line"]
    assert len(lines) == len(chart.rows)
    assert sorted(mark["x"] for mark in lines) == pytest.approx(
        sorted(place(row["x"], (0, 400_000)) for row in chart.rows)
    )
    rings = [mark for mark in marks if mark["marktype"] == "symbol" and mark.get("size") == 190]
    assert [ring["x"] for ring in rings] == pytest.approx([place(350_000, (0, 400_000))])
    assert len([mark for mark in marks if mark["marktype"] == "area"]) == len(chart.rows)


def test_a_curve_that_is_hardly_more_than_a_point_is_a_large_one() -> None:
    curves = {"whole": (0, 100), "one": (50,), "close": (50, 52)}
    rows = [{"line": n, "series": n, "x": x, "y": x} for n, xs in curves.items() for x in xs]
    marks, _ = drawn(examples.lines(rows=rows, series=tuple(curves), marks=()))
    sizes = [mark["size"] for mark in marks if mark["marktype"] == "symbol" and mark["size"] in (46, 130)]
    assert sorted(sizes) == [46, 46, 130, 130]  # one of those that are close


@pytest.mark.parametrize(("count", "axes"), [(12, ["bottom"]), (13, ["bottom", "top"])])
def test_many_lines_have_an_axis_above_them_too(count: int, axes: list[str]) -> None:
    rows = [{"label": str(n), "series": str(n), "value": n, "low": 0, "high": 20, "text": ""} for n in range(count)]
    spec = vl_convert.vegalite_to_vega(interactive.specification(examples.intervals(rows=rows, points=())))
    shown = [axis for axis in spec["axes"] if axis["scale"] == "x" and axis.get("labels", True)]
    assert sorted(axis["orient"] for axis in shown) == axes
    assert {axis["title"] for axis in shown} == {"reward per agent"}
    assert [axis["orient"] for axis in spec["axes"] if axis["scale"] == "x" and axis.get("grid")] == ["bottom"]


def test_brushes_keep_the_rows_inside_all_of_them() -> None:
    spec = interactive.specification(CHARTS["trials"]) | {"width": WIDTH, "autosize": "pad"}
    spec["params"][1]["value"] = [[0.6, 1], None, None]
    marks = list(items(vl_convert.vegalite_to_scenegraph(spec)["scenegraph"]))
    kept = [mark for mark in marks if mark["marktype"] == "rule" and mark.get("opacity") == 0.75]
    places = [row["p0"] for row in spec["datasets"]["rows"]]
    drawn = {round(1 - mark["y"] / spec["height"], 3) for mark in kept if mark["x"] == 0}
    assert drawn == {round(place, 3) for place in places if place >= 0.6}
    assert len(drawn) == 2
    assert len(kept) == 4  # two segments a row
    assert len([mark for mark in marks if mark.get("opacity") == 0.07]) == 8


def test_a_value_that_is_not_set_is_below_its_axis() -> None:
    rows = [{**row, "p1": None} if index == 2 else row for index, row in enumerate(examples.parallel().rows)]
    spec = interactive.specification(examples.parallel(rows=rows))
    assert [row["p1"] for row in spec["datasets"]["rows"]] == [0.25, 0.75, -0.12, 0.75]
    assert [tick["text"] for tick in spec["datasets"]["ticks"] if tick["axis"] == 1] == ["lstm", "<i>", "not set"]


@pytest.mark.parametrize("name", CHARTS)
def test_every_colour_has_a_variable_of_the_page(name: str) -> None:
    text = json.dumps(interactive.specification(CHARTS[name]))
    assert set(re.findall(r"#[0-9a-f]{6}", text)) <= style.VARIABLE_OF.keys()


# ---- in a page ---------------------------------------------------------------------------------------------------


class Elements(HTMLParser):
    """The elements of a page as a browser would see them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self._open: dict[str, str | None] | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._open = dict(attrs) if tag == "script" else None

    def handle_data(self, data: str) -> None:
        if self._open is not None:
            self.scripts.append((self._open, data))


def unpacked(columns: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows from columns, as the start script makes them."""

    def values(column: Any) -> list[Any]:
        if isinstance(column, list):
            return column
        if "codes" in column:
            return [column["levels"][code] for code in column["codes"]]
        return [column["all"]] * column["count"]

    names, all_values = list(columns), [values(column) for column in columns.values()]
    return [dict(zip(names, row, strict=True)) for row in zip(*all_values, strict=True)]


@pytest.mark.parametrize("name", CHARTS)
def test_a_figure_holds_its_picture_and_its_data_as_inert_text(name: str) -> None:
    chart = CHARTS[name]
    elements = Elements(interactive.figure_html(chart))
    assert "b" not in elements.tags
    assert "i" not in elements.tags
    assert elements.tags.count("svg") == 1
    ((attributes, text),) = elements.scripts
    assert attributes["type"] == "application/json"
    assert not set("<>&") & set(text)
    content = json.loads(text)
    datasets = {name: unpacked(columns) for name, columns in content["data"].items()}
    assert content["spec"] | {"datasets": datasets} == interactive.specification(chart)
    assert content["title"] == chart.title


def test_the_picture_may_be_left_out() -> None:
    assert "<svg" not in interactive.figure_html(CHARTS["curves"], picture=False)


def test_a_chart_without_any_result_is_a_sentence_and_no_axis() -> None:
    row = {
        "label": "<b>",
        "series": "a",
        "value": None,
        "low": None,
        "high": None,
        "text": "failed",
        "status": "failed",
    }
    failed = interactive.figure_html(examples.intervals(rows=[row], points=()))
    assert '<strong>&lt;b&gt;</strong> <span class="chart-failed">failed</span>' in failed
    empty = interactive.figure_html(examples.points(rows=[]))
    assert "<li><span>no result yet</span></li>" in empty
    for html in (failed, empty):
        assert "<svg" not in html
        assert "data-chart" not in html  # nothing for the scripts to draw


def test_a_ring_at_the_last_point_is_whole() -> None:
    marks = [{"series": examples.NAMES[0], "x": 400_000, "y": 7.0, "text": "published"}]
    chart = examples.lines(marks=marks)
    for width in (230, WIDTH):
        spec = interactive.specification(chart) | {"width": width, "autosize": "pad"}
        drawn = items(vl_convert.vegalite_to_scenegraph(spec)["scenegraph"])
        (ring,) = [item for item in drawn if item.get("size") == 190]
        assert ring["x"] + (ring["size"] / math.pi) ** 0.5 + ring["strokeWidth"] / 2 <= width


def test_the_word_of_the_best_stands_where_there_is_room() -> None:
    rows = [{"series": "best", "x": name, "y": 1.0, "emphasis": "best"} for name in ("16", "<b>")]
    for row, is_right in zip(rows, (0, 1), strict=True):
        others = [{"series": "a", "x": name, "y": 0.0} for name in ("16", "8", "<b>")]
        (best, *_) = interactive.specification(examples.categories(rows=[row, *others]))["datasets"]["rows"]
        assert best["is_right"] == is_right


def test_the_scripts_hold_nothing_that_ends_them() -> None:
    elements = Elements(interactive.scripts())
    assert elements.tags == ["script", "script"]
    assert "vegaEmbed" in elements.scripts[0][1] or "dafVega" in elements.scripts[0][1]
    assert runtime.harmless("'</script><!--<SCRIPT'") == r"'\x3c/script>\x3c!--\x3cSCRIPT'"
    assert len(interactive.scripts()) < 1_000_000


def test_vega_is_bundled_once_and_a_damaged_copy_is_made_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made: list[str] = []

    def bundle(snippet: str) -> str:
        made.append(snippet)
        return f"bundle {len(made)}"

    monkeypatch.setattr(vl_convert, "javascript_bundle", bundle)
    runtime.bundle.cache_clear()
    assert runtime.bundle() == "bundle 1"
    runtime.bundle.cache_clear()
    assert runtime.bundle() == "bundle 1"
    (cached,) = (tmp_path / "cache" / "daf").iterdir()
    cached.write_text(cached.read_text().replace("bundle 1", "evil"))
    runtime.bundle.cache_clear()
    assert runtime.bundle() == "bundle 2"
    (tmp_path / "cache" / "daf").chmod(0o777)  # others could put anything there
    runtime.bundle.cache_clear()
    assert runtime.bundle() == "bundle 3"
    runtime.bundle.cache_clear()


def labels(chart: Any, width: int) -> list[dict[str, Any]]:
    """The labels of the axes where the plot is so wide."""
    spec = interactive.specification(chart) | {"width": width, "autosize": "pad"}
    return list(items(vl_convert.vegalite_to_scenegraph(spec)["scenegraph"], "axis-label"))


@pytest.mark.parametrize("is_narrow", [False, True])
@pytest.mark.parametrize("name", TWINS)
def test_long_names_stay_different_in_pages(name: str, is_narrow: bool) -> None:
    spec = interactive.specification(TWINS[name]) | {"width": 300 if is_narrow else 900, "autosize": "pad"}
    spec["params"] = [{**one, "value": is_narrow} if one["name"] == "narrow" else one for one in spec["params"]]
    scene = vl_convert.vegalite_to_scenegraph(spec)["scenegraph"]
    found = [one for role in ("axis-label", "legend-label") for one in items(scene, role)]
    shown = [one["text"] for one in found if "0.0" in one["text"] or "0.1" in one["text"]]
    assert len(shown) == (6 if name == "cross-play" else 3)
    assert len(set(shown)) == (6 if name == "cross-play" else 3)
    assert all("limit" not in one or one["limit"] >= 10 * len(one["text"]) for one in found if one["text"] in shown)


def test_words_beside_the_best_points_of_a_low_chart_are_whole() -> None:
    plain = [{**row, "emphasis": "", "series": "completed"} for row in examples.points().rows]
    plain[4] |= {"y": 4, "emphasis": "best"}
    plain[0] |= {"y": 0, "emphasis": "winner"}
    spec = interactive.specification(examples.points(rows=plain, compact=True)) | {"width": 300}
    words = [one for one in items(vl_convert.vegalite_to_scenegraph(spec)["scenegraph"]) if one.get("text")]
    assert {one["text"] for one in words} == {"completed"}
    middles = {one["y"] + one["dy"] for one in words}
    assert len(middles) == 2
    assert min(middles) >= 7  # half of their height: what is above the plot is cut off
    assert max(middles) <= spec["height"] - 7


def test_names_of_categories_are_slanted_where_they_would_lie_over_each_other() -> None:
    names = ("transformer_small", "transformer_large", "convolutional_net", "x" * 30)
    axis = examples.Axis(title="network", scale="category", categories=names)
    chart = examples.points(
        x=axis, steps=(), hover=(), rows=[{"x": name, "y": 1.0, "series": "completed"} for name in names]
    )
    told = {width: {one["text"]: one.get("angle", 0) for one in labels(chart, width)} for width in (300, 900)}
    shown = [*names[:3], f"{'x' * 13}…{'x' * 6}"]
    assert [told[300][name] for name in shown] == [-35] * 4
    assert [told[900][name] for name in shown] == [0] * 4


def test_many_parameters_of_one_prefix_keep_the_ends_of_their_names() -> None:
    axes = {f"p{n}": examples.Axis(title=f"init_kwargs.a_rather_long_name_{n}") for n in range(14)}
    rows = [{name: float(n + row) for n, name in enumerate(axes)} for row in range(2)]
    told = [one["text"] for one in labels(examples.parallel(axes=axes, rows=rows, colour="p0"), 900)]
    assert told == [f"init_…{'_' if n < 10 else ''}{n}" for n in range(14)]
