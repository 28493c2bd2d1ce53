"""Charts by matplotlib: marks stand where the data are, files repeat byte for byte, names are text and nothing else."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.lines import Line2D

from daf.charts import static, style
from daf.charts.drawing.sheet import rendered
from daf.charts.model import Chart
from daf.errors import BadInputError
from tests.unit.charts import examples

CHARTS = examples.one_of_each()
TWINS = examples.of_twins()
BEGINS = {"svg": b"<?xml", "pdf": b"%PDF-", "png": b"\x89PNG"}


def marks(figure: Any, marker: str) -> list[tuple[float, float]]:
    """The places of all marks of one shape in the first axes."""
    found = [line for line in figure.axes[0].lines if line.get_marker() == marker and line.get_linestyle() == "None"]
    return [(float(x), float(y)) for line in found for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)]


def bars(figure: Any) -> list[Line2D]:
    return [line for line in figure.axes[0].lines if line.get_linewidth() == 2.4]


@pytest.mark.parametrize(("name", "kind"), [*((name, "svg") for name in CHARTS), ("ranks", "pdf"), ("means", "png")])
def test_the_same_data_give_the_same_bytes(name: str, kind: str, tmp_path: Path) -> None:
    first, second = (tmp_path / folder / f"{name}.{kind}" for folder in ("a", "b"))
    static.write(CHARTS[name], first)
    with mpl.rc_context({"font.size": 33, "axes.facecolor": "yellow", "savefig.bbox": "tight"}):  # a user's settings
        static.write(static.figure(CHARTS[name]), second)
    content = first.read_bytes()
    assert content == second.read_bytes()
    assert content.startswith(BEGINS[kind])
    assert b"20" + b"26-" not in content  # no date


def test_a_person_who_saves_a_figure_gets_text_and_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg"):
        static.figure(CHARTS["means"]).savefig(tmp_path / name)
    content = (tmp_path / "a.svg").read_bytes()
    assert content == (tmp_path / "b.svg").read_bytes()
    assert b">$x^2$ &amp; _y_</text>" in content


def test_another_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"\.svg, \.pdf or \.png"):
        static.write(CHARTS["means"], tmp_path / "x.gif")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", CHARTS)
def test_a_page_gives_the_colours_and_nothing_in_the_svg_acts(name: str) -> None:
    chart = CHARTS[name]
    svg = static.svg(chart)
    root = ElementTree.fromstring(svg)
    used = {value for element in root.iter() for value in element.attrib.values()}
    assert not re.search(r"#[0-9a-f]{6}", " ".join(used))
    named = set(re.findall(r"var\((--[\w-]+)\)", " ".join(used)))
    assert named <= style.VARIABLES.keys()
    assert "--chart-muted" in named
    tags = {element.tag.split("}")[-1] for element in root.iter()}
    assert tags <= {"svg", "g", "defs", "path", "use", "text", "title", "clipPath", "rect"}
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    assert all(f"#{one}" in svg for one in ids)
    assert root.get("aria-label") == f"{chart.title}. {chart.description}"


def texts(svg: str) -> list[str]:
    return [
        "".join(element.itertext()) for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("text")
    ]


@pytest.mark.parametrize("name", ["means", "curves", "spread", "ranks"])
def test_names_are_shown_as_they_are_and_whole_where_they_are_cut(name: str) -> None:
    svg = static.svg(CHARTS[name])
    shown = texts(svg)
    assert set(examples.NAMES[:3]) <= set(shown)
    assert any(text.startswith("a_policy") and text.endswith("seed-1") and "\u2026" in text for text in shown)
    titles = [element.text for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("title")]
    assert examples.LONG in titles


@pytest.mark.parametrize("name", TWINS)
def test_long_names_that_differ_in_their_middle_stay_different(name: str) -> None:
    shown = [text for text in texts(static.svg(TWINS[name])) if text.startswith("exp")]
    sides = 2 if name == "cross-play" else 1
    assert len(shown) == len(set(shown)) == 3 * sides
    assert all(any(rate in text for text in shown) for rate in ("0.001", "0.010", "0.100"))


def test_shortened_names_do_not_reach_into_the_plot() -> None:
    figure = static.figure(examples.histograms(rows=[row for row in CHARTS["spread"].rows if row["series"][0] == "a"]))
    figure.draw_without_rendering()
    left = figure.axes[0].get_window_extent().x0
    renderer = FigureCanvasAgg(figure).get_renderer()
    names = [text for text in figure.texts if "a_policy" in text.get_text()]
    assert names
    assert all(text.get_window_extent(renderer).x1 < left for text in names)


CURVES = {"whole": (0, 100), "one": (50,), "close": (50, 52), "short": (50, 53)}  # x of their points


# ---- where marks stand -------------------------------------------------------------------------------------------


def test_values_and_intervals_stand_on_their_lines() -> None:
    figure = static.figure(examples.intervals(points=()))
    for index, (bar, row) in enumerate(zip(bars(figure), examples.intervals().rows, strict=True)):
        assert list(bar.get_xdata()) == [row["low"], row["high"]]
        assert list(bar.get_ydata()) == [index, index]
        marker, _ = style.SHAPES[index]
        assert marks(figure, marker) == [(row["value"], index)]
    low, high = figure.axes[0].get_xlim()
    assert low < -0.5
    assert high > 5


def test_episodes_lie_above_and_training_seeds_below_their_line() -> None:
    figure = static.figure(examples.intervals(rows=[{**row, "value": None} for row in examples.intervals().rows]))
    dots = marks(figure, "o")
    assert sorted(x for x, _ in dots) == sorted(point["value"] for point in examples.intervals().points)
    seeds = [(x, y) for x, y in dots if y % 1 < 0.5 and y > 0]
    assert len(seeds) == len(dots) / 2


@pytest.mark.parametrize("status", [status for status in style.STATUSES if status != "failed"])
def test_a_verdict_has_its_own_colour_and_shape(status: str) -> None:
    rows = [{**examples.intervals().rows[0], "status": status}]
    figure = static.figure(examples.intervals(rows=rows, points=()))
    (mark,) = [line for line in figure.axes[0].lines if line.get_linestyle() == "None"]
    look = style.STATUSES[status]
    assert mark.get_marker() == look.marker
    assert (mark.get_markerfacecolor() if look.is_filled else mark.get_markeredgecolor()) == look.colour


def test_a_failed_policy_is_a_line_of_text_in_its_colour() -> None:
    rows = [{"label": "mynet", "series": "mynet", "value": 3, "low": 2, "high": 4, "text": "8 of 8 episodes failed",
             "status": "failed"}]  # fmt: skip
    figure = static.figure(examples.intervals(rows=rows, points=(), reference=None))
    assert not figure.axes[0].lines
    (text,) = [text for text in figure.texts if text.get_text() == "8 of 8 episodes failed"]
    assert text.get_color() == style.STATUSES["failed"].colour


def test_curves_bands_and_rings_follow_the_data() -> None:
    chart = examples.lines()
    figure = static.figure(chart)
    axes = figure.axes[0]
    curves = [line for line in axes.lines if len(line.get_xdata()) == 9]
    for name, curve in zip(examples.NAMES, curves, strict=True):
        rows = [row for row in chart.rows if row["line"] == name]
        np.testing.assert_array_equal(curve.get_xdata(), [row["x"] for row in rows])
        np.testing.assert_array_equal(curve.get_ydata(), [row["y"] for row in rows])
    for name, band in zip(examples.NAMES, axes.collections, strict=True):
        heights = band.get_paths()[0].vertices[:, 1]
        rows = [row for row in chart.rows if row["line"] == name]
        assert (heights.min(), heights.max()) == (rows[0]["low"], rows[-1]["high"])
    assert marks(figure, "o")[-1] == (350_000, 7.0)
    assert "200 k" in [tick.get_text() for tick in axes.get_xticklabels()]


def test_points_stand_on_a_log_axis_with_the_best_named() -> None:
    chart = examples.points()
    figure = static.figure(chart)
    axes = figure.axes[0]
    assert axes.get_xscale() == "log"
    plain = [(row["x"], row["y"]) for row in chart.rows if not row.get("emphasis")]
    assert sorted(marks(figure, "o")[:-1] + marks(figure, "s")) == sorted(plain)
    assert marks(figure, "*") == [(chart.rows[4]["x"], 4)]
    assert [text.get_text() for text in axes.texts] == ["completed", "pruned"]
    step = next(line for line in axes.lines if line.get_drawstyle() == "steps-post")
    assert list(step.get_ydata()) == [0, 4]


def test_categories_keep_their_order() -> None:
    figure = static.figure(CHARTS["categories"])
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == ["8", "16", "32", "<b>"]
    assert sorted(x for x, _ in marks(figure, "o")) == [0, 0, 1, 3]


def test_histograms_are_as_high_as_their_shares() -> None:
    figure = static.figure(CHARTS["spread"])
    shapes: Any = figure.axes[0].patches
    boxes = [box for shape in shapes for box in shape.get_path().vertices.reshape(-1, 5, 2)]
    assert [box[0, 0] for box in boxes] == [0, 1, 1, 2, 2, 3, 3, 4]
    assert [round(box[0, 1] - box[2, 1], 4) for box in boxes] == [round(0.8 / 3, 4), 0.8] * 4
    assert [text.get_text() for text in figure.texts].count("highest bin 75 %") == 4


def test_a_histogram_is_one_shape_however_many_bars_it_has() -> None:
    rows = [{"series": "a", "low": n, "high": n + 1, "share": 0.01, "count": 1} for n in range(100)]
    rows.append({"series": "empty", "low": 0, "high": 1, "share": 0, "count": 0})
    figure = static.figure(replace(CHARTS["spread"], series=("a", "empty"), rows=rows))
    shapes: Any = figure.axes[0].patches
    assert [len(shape.get_path().vertices) for shape in shapes] == [500, 0]
    assert len(figure.axes[0].lines) == 1  # all bases
    assert [text.get_text() for text in figure.texts].count("no episodes") == 1
    static.svg(replace(CHARTS["spread"], rows=[]))


def test_lines_join_parallel_axes_and_carry_the_colour_of_their_value() -> None:
    chart = CHARTS["trials"]
    lines: Any = static.figure(chart).axes[0].collections[0]
    assert [segment[:, 0].tolist() for segment in lines.get_segments()] == [[0, 1, 2]] * 4
    lowest_first = [segment[2, 1] for segment in lines.get_segments()]
    assert lowest_first == sorted(lowest_first)
    colours = [mpl.colors.to_hex(colour) for colour in lines.get_colors()]
    assert (colours[0], colours[-1]) == (style.RAMP_LIGHT[0], style.RAMP_LIGHT[-1])


def test_ranks_are_joined_within_the_critical_difference() -> None:
    figure = static.figure(CHARTS["ranks"])
    joining = [line for line in figure.axes[0].lines if line.get_linewidth() == 3.2]
    ends = [tuple(round(float(x), 1) for x in line.get_xdata()) for line in joining]
    assert ends == [(1.2, 1.8), (3.2, 3.8)]
    assert {"1.25", "1.75", "3.25", "3.75"} <= {text.get_text() for text in figure.texts}


def test_thirty_lines_have_room() -> None:
    names = [f"policy-{index:02d}" for index in range(30)]
    rows = [{"label": name, "series": name, "value": 1, "low": 0, "high": 2, "text": "1"} for name in names]
    figure = static.figure(examples.intervals(rows=rows, points=(), series=names))
    figure.draw_without_rendering()
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [text.get_window_extent(renderer) for text in figure.texts if text.get_text() in names]
    assert len(boxes) == 30
    assert all(upper.y0 >= lower.y1 for upper, lower in pairwise(boxes))


@pytest.mark.parametrize(("count", "is_repeated"), [(12, False), (13, True)])
def test_many_lines_have_an_axis_above_them_too(count: int, is_repeated: bool) -> None:
    rows = [{"label": str(n), "series": str(n), "value": n, "low": 0, "high": 20, "text": ""} for n in range(count)]
    figure = static.figure(examples.intervals(rows=rows, points=(), series=[str(n) for n in range(count)]))
    figure.draw_without_rendering()
    axes = figure.axes[0]
    assert axes.spines["top"].get_visible() == is_repeated
    assert any(tick.label2.get_visible() and tick.label2.get_text() for tick in axes.xaxis.get_major_ticks()) == (
        is_repeated
    )
    titles = [axes.get_xlabel(), *(text.get_text() for text in figure.texts)]
    assert titles.count("reward per agent") == 1 + is_repeated


def test_a_person_can_change_the_titles_of_the_axes() -> None:
    chart = examples.lines()
    figure = static.figure(chart)
    axes = figure.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == (chart.x.title, chart.y.title)
    axes.set_xlabel("steps so far")
    axes.set_ylabel("reward so far")
    titles = re.findall(r"<text[^>]*>([^<]*)</text>", rendered(figure, "svg").decode())
    assert {"steps so far", "reward so far"} <= set(titles)
    assert not {chart.x.title, chart.y.title} & set(titles)


@pytest.mark.parametrize("loc", [None, "left", "center", "right"])
@pytest.mark.parametrize("name", CHARTS)
def test_a_person_can_change_the_title(name: str, loc: Any) -> None:
    figure = static.figure(CHARTS[name])
    assert figure.axes[0].get_title() == CHARTS[name].title
    before = figure.axes[0].title.get_window_extent()
    figure.axes[0].set_title("new", loc=loc)
    shown = texts(rendered(figure, "svg").decode())
    assert shown.count("new") == 1
    assert CHARTS[name].title not in shown
    after = figure.axes[0].title.get_window_extent()
    assert (after.y0, after.y1) == pytest.approx((before.y0, before.y1), abs=3)
    assert (after.x0 == pytest.approx(before.x0)) == (loc in (None, "left"))
    assert before.x0 - 0.1 <= after.x0 < after.x1 <= figure.bbox.x1 - before.x0 + 0.1


def test_our_texts_are_plain_and_those_of_a_person_may_hold_formulas() -> None:
    figure = static.figure(examples.intervals(title="$y$ of a", x=replace(examples.REWARD, title="$r$ of a")))
    assert {"$y$ of a", "$r$ of a", examples.NAMES[1]} <= set(texts(rendered(figure, "svg").decode()))
    axes = figure.axes[0]
    axes.set_xlim(0.5, 200)
    axes.set_xscale("log")
    axes.set_xlabel(r"$\alpha$ of a")
    axes.set_title(r"$\beta$ of a")
    shown = " ".join(texts(rendered(figure, "svg").decode()))
    assert not re.search(r"mathdefault|\\|\$.\$", shown)
    assert "\u03b1" in shown
    assert "\u03b2" in shown
    assert examples.NAMES[1] in shown


def test_a_curve_that_is_hardly_more_than_a_point_is_a_large_one() -> None:
    rows = [{"line": n, "series": n, "x": x, "y": x} for n, xs in CURVES.items() for x in xs]
    lines = static.figure(examples.lines(rows=rows, series=tuple(CURVES), marks=())).axes[0].lines
    assert [line.get_markersize() for line in lines] == [5, 7.5, 7.5, 5]
    assert [line.get_markevery() for line in lines] == [[0, 1], [0], [1], [0, 1]]


def test_nothing_to_show_is_still_a_chart(tmp_path: Path) -> None:
    for name, chart in CHARTS.items():
        empty: Chart = type(chart)(**{**vars(chart), "rows": [], **({"points": []} if name == "means" else {})})
        static.write(empty, tmp_path / f"{name}.svg")
        assert static.svg(empty).startswith("<svg")


FAILED_ROW = {"label": "mynet", "series": "mynet", "value": None, "low": None, "high": None, "text": "failed",
              "status": "failed"}  # fmt: skip
BLANK: dict[str, Chart] = {
    "failed": examples.intervals(rows=[FAILED_ROW], points=()),
    **{name: replace(chart, rows=[]) for name, chart in CHARTS.items() if name != "means"},
    "unknown": examples.lines(rows=[{"line": "a", "series": "a", "x": 1, "y": float("nan")}], marks=()),
}


@pytest.mark.parametrize("name", BLANK)
def test_a_chart_without_any_result_has_no_axis_and_says_so(name: str) -> None:
    figure = static.figure(BLANK[name])
    (axes,) = figure.axes  # for a person who changes the figure
    assert not axes.lines
    assert not any(spine.get_visible() for spine in axes.spines.values())
    assert not len(axes.get_xticks())
    said = [text.get_text() for text in figure.texts]
    assert ({"mynet", "failed"} if name == "failed" else {"no result yet"}) <= set(said)
    assert "reward per agent" not in said  # the title of an axis


def test_a_legend_that_a_person_adds_has_the_names_as_they_are() -> None:
    names = ("$x$", "_hidden", r"a\$b$", "~b")
    rows = [{"line": name, "series": name, "x": x, "y": x} for name in names for x in range(3)]
    figure = static.figure(examples.lines(series=names, rows=rows, marks=()))
    renderer = FigureCanvasAgg(figure).get_renderer()
    legend: Any = figure.axes[0].legend()
    shown = [text._preprocess_math(text.get_text()) for text in legend.get_texts()]
    figure.draw(renderer)
    assert [(text.strip("\u200a"), is_math) for text, is_math in shown] == [(name, False) for name in names]


def test_drawing_loads_matplotlib_only_when_it_draws_and_never_pyplot() -> None:
    script = """
import sys
import daf.visualization
from daf.charts import interactive, static
assert not {"matplotlib", "altair", "vl_convert"} & set(sys.modules), "loaded by an import"
from tests.unit.charts import examples
static.figure(examples.lines())
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120, cwd=Path(__file__).parents[3])
