"""Figures and pages: what they say, that they stand alone, and that bytes repeat."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest
from matplotlib.figure import Figure

from daf.comparison import ComparisonResults
from daf.config import DAFComparisonConfig
from daf.errors import BadInputError
from daf.reporting.comparison_page import render_report
from daf.statistics.comparison import compare_episodes
from daf.statistics.sentences import number, p_value
from daf.visualization import daf_export_comparison_html, daf_plot_policy_comparison, daf_plot_training_curves


@pytest.fixture
def results() -> ComparisonResults:
    rows = [
        {"policy": policy, "mission": mission, "env_seed": seed, "mean_reward": base + ((seed * 7) % 5) * step}
        for policy, base, step in (("<b>bold</b>", 3.0, 0.7), ("random", 0.0, 0.3), ("still", -0.25, 0.0))
        for mission in ("one", "two")
        for seed in range(12)
    ]
    policies = ["<b>bold</b>", "random", "still"]
    config = DAFComparisonConfig(policies=policies, missions=["one", "two"], num_resamples=200)
    return compare_episodes(pd.DataFrame(rows), config)


@pytest.fixture
def metrics(tmp_path: Path) -> Path:
    path = tmp_path / "seed-1" / "metrics.jsonl"
    path.parent.mkdir()
    lines = [{"agent_steps": 100 * i, "episode_reward": None if i < 2 else i / 2, "entropy": 1.6} for i in range(9)]
    path.write_text("\n".join(json.dumps(line) for line in lines) + '\n{"agent_st')
    return path


def test_the_report_stands_alone_and_repeats_byte_for_byte(
    results: ComparisonResults, metrics: Path, tmp_path: Path
) -> None:
    results.write(tmp_path / "c")
    pages = [
        render_report(
            tmp_path / "c", tmp_path / name / "report.html", tmp_path / name / "figures",
            training_metrics={"seed-1": metrics}, mission_reports=[{"mission": "one", "success_rate": None}],
        ).read_text()
        for name in ("x", "y")
    ]  # fmt: skip
    assert pages[0] == pages[1]
    markup = re.sub(r"<script.*?</script>", "", pages[0], flags=re.S)
    assert not re.search(r"\bsrc=|\bhref=\"(?!#)[^\"]*:|url\((?!#)", markup)
    body = re.sub(r"<style.*?</style>", "", markup.split("</head>")[1], flags=re.S)
    assert not re.search(r"\b(nan|NaN|None|NA)\b", re.sub(r"<[^>]*>", "", body))
    assert "<b>bold</b>" not in pages[0]
    assert "&lt;b&gt;bold&lt;/b&gt; beats random and still over 2 missions." in pages[0]
    names = {path.stem for path in (tmp_path / "x" / "figures").iterdir()}
    assert {"intervals-overall", "differences-one", "distributions-two", "training-episode_reward"} <= names
    for path in (tmp_path / "x" / "figures").iterdir():
        ElementTree.parse(path)


def test_a_mission_report_is_a_line_for_every_policy(results: ComparisonResults, tmp_path: Path) -> None:
    results.write(tmp_path / "c")
    analysis = {
        "policy": "random",
        "num_episodes": 16,
        "mean_reward": 1.1,
        "success_rate": 0.25,
        "failure_modes": [{"name": "stuck", "share": 0.5}, {"name": "no reward", "share": 0.125}],
    }
    silent = {**analysis, "policy": "still", "mean_reward": None, "success_rate": None, "failure_modes": []}
    report = {
        "mission": "one",
        "metadata": {"num_agents": 4, "observation_shape": [200, 3], "success_reason": ""},
        "analyses": [analysis, silent],
        "drawn": [{"seed": 77}],
        "provenance": {"recipe_digest": "0f0f"},
    }
    page = render_report(tmp_path / "c", tmp_path / "r.html", tmp_path / "f", mission_reports=[report]).read_text()
    shown = page.split("<summary>one</summary>")[1].split("</dl>")[0]
    assert re.findall(r"<dt[^>]*>(.+?)</dt>\s*<dd[^>]*>(.+?)</dd>", shown) == [
        ("Agents", "4"),
        ("random", "16 episodes, mean reward 1.10, success 25 %; stuck (50 %), no reward (12 %)"),
        ("still", f"16 episodes, mean reward {number(None)}"),
    ]


def test_export_takes_a_path_or_its_default(
    results: ComparisonResults, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert daf_export_comparison_html(results, output_path="comparison_report.html").is_file()
    default = daf_export_comparison_html(results)
    assert default == Path("daf_output/visualizations/comparison_report.html")
    assert default.is_file()
    with pytest.raises(BadInputError, match="html"):
        daf_export_comparison_html(results, "report.pdf")


def texts(figure: Figure) -> set[str]:
    return {text.get_text() for text in figure.texts}


def test_means_and_intervals_are_drawn_and_written(results: ComparisonResults, tmp_path: Path) -> None:
    figure = daf_plot_policy_comparison(results, tmp_path / "f.svg", mission="one")
    row = results.summary_statistics.query("policy == 'random' and mission == 'one'").iloc[0]
    expected = f"{number(row['mean'])} ({number(row['interval_low'])} to {number(row['interval_high'])})"
    assert {expected, f"{number(-0.25)}, no interval", "<b>bold</b>"} <= texts(figure)
    bars = [list(line.get_xdata()) for line in figure.axes[0].lines if len(line.get_xdata()) == 2]
    assert [row["interval_low"], row["interval_high"]] in bars
    written = (tmp_path / "f.svg").read_text()
    assert expected in written
    assert "&lt;b&gt;bold&lt;/b&gt;" in written
    with pytest.raises(BadInputError, match="one"):
        daf_plot_policy_comparison(results, tmp_path / "f.svg", mission="onne")


def test_a_figure_is_written_only_where_a_path_is_given_in_the_format_of_its_suffix(
    results: ComparisonResults, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    daf_plot_policy_comparison(results)
    assert not list(tmp_path.iterdir())
    for suffix, begins in (("svg", b"<?xml"), ("pdf", b"%PDF"), ("png", b"\x89PNG")):
        contents = []
        for _ in range(2):
            daf_plot_policy_comparison(results, f"figure.{suffix}")
            contents.append((tmp_path / f"figure.{suffix}").read_bytes())
        assert contents[0] == contents[1]
        assert contents[0].startswith(begins)
    with pytest.raises(BadInputError, match=r"\.svg, \.pdf or \.png"):
        daf_plot_policy_comparison(results, "figure.jpg")


def test_many_missions_get_their_overall_figures_on_the_declared_scale(tmp_path: Path) -> None:
    rows = [
        {"policy": policy, "checkpoint": f"{policy}-seed-{one}", "train_seed": one, "mission": f"m{mission}",
         "env_seed": seed, "mean_reward": 10 * mission + base + ((seed * 7 + mission + one) % 3) * 0.3}
        for policy, base in (("low", 0.0), ("middle", 1.0), ("high", 2.0))
        for mission in range(6)
        for one in (1, 2, 3, 4, 5)
        for seed in range(6)
    ]  # fmt: skip
    config = DAFComparisonConfig.from_dict(
        {"policies": ["low", "middle", "high"], "missions": [f"m{mission}" for mission in range(6)],
         "num_resamples": 200, "normalization": {"low": "low", "high": "high"}}
    )  # fmt: skip
    results = compare_episodes(pd.DataFrame(rows), config)
    results.write(tmp_path)
    page = render_report(tmp_path, tmp_path / "report.html", tmp_path / "figures").read_text()
    names = {path.stem for path in (tmp_path / "figures").iterdir()}
    both = {f"{figure}-{estimand}" for figure in ("iqm", "profile") for estimand in ("checkpoints", "recipes")}
    assert both | {"optimality_gap-checkpoints", "critical-difference-checkpoints"} <= names
    assert f"less than the critical difference {number(results.friedman['critical_difference'])}" in page
    assert '<a href="figures/distributions-m3.svg">m3</a>' in page  # six missions are too many to draw on the page
    assert "normalized points." in page
    low, high = (results.episode_scores()["m3"][policy] for policy in ("low", "high"))
    assert sum(low) / len(low) == pytest.approx(0, abs=1e-9)
    assert sum(high) / len(high) == pytest.approx(1, abs=1e-9)
    figure = daf_plot_policy_comparison(results, mission="m3")
    assert any(text.startswith(number(1.0)) for text in texts(figure))  # by definition, so without an interval
    methods = results.summary_statistics.set_index(["policy", "mission"])["interval_method"]
    assert methods["high", "m3"] == "this policy sets the scale, so its score is certain"


def test_training_curves_from_a_run_folder(metrics: Path, tmp_path: Path) -> None:
    figure = daf_plot_training_curves(metrics.parent.parent, tmp_path / "curve.svg")
    (line,) = figure.axes[0].lines
    assert list(line.get_xdata()) == [100 * step for step in range(2, 9)]
    assert list(line.get_ydata()) == [step / 2 for step in range(2, 9)]
    assert str(line.get_label()).strip() == tmp_path.name
    assert (tmp_path / "curve.svg").read_bytes().startswith(b"<?xml")
    with pytest.raises(BadInputError, match="episode_reward"):
        daf_plot_training_curves(metrics, tmp_path / "curve.svg", metric="episode_rewad")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInputError, match="has training started"):
        daf_plot_training_curves(tmp_path / "empty", tmp_path / "curve.svg")


def test_seeds_of_a_run_are_their_mean_with_a_band(metrics: Path, tmp_path: Path) -> None:
    other = tmp_path / "seed-2" / "metrics.jsonl"
    other.parent.mkdir()
    lines = [{"agent_steps": 100 * step, "episode_reward": step / 2 + 1} for step in range(2, 9)]
    other.write_text("".join(json.dumps(line) + "\n" for line in lines))
    figure = daf_plot_training_curves({"both": tmp_path, "first": metrics})
    both, first = figure.axes[0].lines
    assert list(both.get_ydata()) == [step / 2 + 0.5 for step in range(2, 9)]
    assert list(first.get_ydata()) == [step / 2 for step in range(2, 9)]
    (band,) = figure.axes[0].collections
    heights = band.get_paths()[0].vertices
    assert {point[1] for point in heights.tolist() if point[0] == 200} == {1.0, 2.0}
    assert {"both", "first"} <= texts(figure)
    labels = [str(line.get_label()).strip() for line in daf_plot_training_curves([metrics, other]).axes[0].lines]
    assert labels == ["seed-1", "seed-2"]


def test_damaged_metrics_cost_their_line_and_name_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "metrics.jsonl"
    lines = [{"agent_steps": steps, "episode_reward": 1.0} for steps in (1, 2)]
    path.write_text(f"{json.dumps(lines[0])}\n{{oops\n{json.dumps(lines[1])}\n")
    assert len(daf_plot_training_curves(path).axes[0].lines[0].get_xdata()) == 2
    assert f"{path}: line 2 is damaged and left out" in caplog.text


def test_numbers_read_well() -> None:
    assert [number(value) for value in (7.891, 12.34, 1234.5, -0.25, 0.0, -0.0001, None)] == [
        "7.89", "12.3", "1,234", "\N{MINUS SIGN}0.25", "0.00", "\N{MINUS SIGN}0.0001", "\N{EN DASH}",
    ]  # fmt: skip
    assert [number(value) for value in (-1.234e-6, 4.9e-5, 6e-5, 9e-101, 4.05e200)] == [
        "\N{MINUS SIGN}1.23e\N{MINUS SIGN}6", "4.90e\N{MINUS SIGN}5", "0.0001", "9.00e\N{MINUS SIGN}101", "4.05e200",
    ]  # fmt: skip
    assert [p_value(value) for value in (1e-9, 0.0123, 0.5)] == ["< 0.001", "0.012", "0.50"]


def test_what_gives_no_training_curve_is_refused_in_words(metrics: Path, tmp_path: Path) -> None:
    for nothing in ([], {}):
        with pytest.raises(BadInputError) as caught:
            daf_plot_training_curves(nothing)
        assert (caught.value.expected, caught.value.hint) == ("at least one metrics.jsonl", "")
    folder = tmp_path / "dd.svg"
    folder.mkdir()
    for path in (folder, Path("/proc/x.svg")):
        with pytest.raises(BadInputError) as caught:
            daf_plot_training_curves(metrics, path)
        assert (caught.value.expected, caught.value.where) == ("a path where a file can be written", str(path))
    for line, expected in (
        ({"agent_steps": 1, "x": {"a": 1.0}}, "one number a line for 'x'"),
        ({"x": 1.0}, "lines with 'agent_steps'"),
    ):
        bad = tmp_path / "metrics.jsonl"
        bad.write_text(json.dumps(line) + "\n")
        with pytest.raises(BadInputError) as caught:
            daf_plot_training_curves(bad, metric="x")
        assert (caught.value.expected, caught.value.where) == (expected, str(bad))
