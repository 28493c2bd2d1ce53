"""The page of a sweep says what its results say."""

import json
import re
from dataclasses import replace
from html import unescape

import pytest

from daf.charts.model import PointChart
from daf.config import DAFSweepConfig
from daf.reporting import sweep_charts, sweep_page, sweep_rows
from daf.reporting.objectives import Objective
from daf.reporting.sweep_page import ROWS_PER_PAGE, render_sweep_page
from daf.reporting.sweep_words import search_in_words
from daf.search.analysis import analyze
from daf.search.results import SweepResults
from daf.sweeps import daf_launch_sweep, daf_sweep_analysis
from tests.sweep_results import made_up_sweep

SPACE = {
    "rate": {"type": "float", "low": 0.0, "high": 1.0},
    "kind": ["<a>", "b"],
    "extra": {"type": "float", "low": 0.0, "high": 1.0, "when": {"kind": "b"}},
}


@pytest.fixture(autouse=True)
def without_charts(monkeypatch):
    """tests/browser has the whole page; drawing it takes seconds."""
    monkeypatch.setattr(sweep_page, "_drawn", lambda chart, live: f"[{chart.title}]")
    monkeypatch.setattr("daf.charts.interactive.scripts", str)


def swept(**changes):
    def objective(trial):
        if trial.number == 3:
            raise ValueError("no agents & no reward")
        calls.append(trial)
        return trial.hyperparameters["rate"] + (1.0 if len(calls) <= 19 else 0.0)

    calls: list = []
    config = DAFSweepConfig(search_space=SPACE, strategy="random", num_trials=20, name="mine", **changes)
    return daf_launch_sweep(config, objective)


def page_of(results, folder):
    render_sweep_page(results, daf_sweep_analysis(results), folder / "report.html")
    return (folder / "report.html").read_text()


def test_the_optimism_of_the_search_stands_first(tmp_path):
    text = unescape(page_of(swept(num_finalists=2, confirmation_seeds=1), tmp_path))
    sentence = "the search was too optimistic by 1.00."
    assert sentence in re.sub(r"1\.0+", "1.00", text)
    assert text.index("too optimistic") < text.index("[Objective by trial]")
    assert "it did not run again on fresh seeds" not in text.lower()


def test_without_fresh_seeds_the_page_says_so_and_failures_are_listed(tmp_path):
    text = page_of(swept(), tmp_path)
    assert "It did not run again on fresh seeds" in text
    row = re.search(
        r'<tr class="failed"><td>(.*?)</td><td class="t wrap">(.*?)</td><td class="t wrap">(.*?)</td>', text
    )
    count, reason, trials = row.groups()
    assert (count, trials) == ("1", "3")
    assert reason.startswith("ValueError: no agents &amp; no reward (tests/unit/reporting/test_sweep_page.py:")
    assert "<a>" not in text
    assert set(re.findall(r"""(?:src|href)=["'](.*?)["']""", text)) == {"analysis.json", "trials.csv", "trials.json"}


def test_a_sweep_without_a_completed_trial_has_a_page_too(tmp_path):
    config = DAFSweepConfig(search_space=SPACE, strategy="random", num_trials=2)
    assert "No trial completed." in page_of(daf_launch_sweep(config, lambda trial: float("nan")), tmp_path)


def test_the_cause_of_a_sweep_that_ended_is_said_once_and_in_red(tmp_path):
    def objective(trial):
        raise ValueError("no <reward>")

    config = DAFSweepConfig(search_space=SPACE, strategy="random", num_trials=9, lag=3)
    text = page_of(daf_launch_sweep(config, objective), tmp_path)
    assert "9 trials: 0 completed, 5 failed, 4 skipped." in text
    alert = text[text.index('failed" role="alert"') :].partition("</section>")[0]
    assert alert.count("5 of 9 trials failed: ValueError: no &lt;reward&gt; (tests/") == 1


def test_the_winner_and_the_best_of_the_search_stand_side_by_side(tmp_path):
    results = made_up_sweep(40, num_finalists=3, confirmation_seeds=1)
    text = page_of(results, tmp_path)
    winner, best = results.best, results.best_of_search
    assert winner.trial != best.trial
    assert f"Trial {winner.trial} wins: mean reward per agent" in text
    table = text[text.index('<table class="best">') :].partition("</table>")[0]
    heads = re.findall(r'<th scope="col">(trial \d+)<br><span class="mark (\w+)">', table)
    assert heads == [(f"trial {winner.trial}", "winner"), (f"trial {best.trial}", "best")]
    rates = re.search(r'<th scope="row">learning_<wbr>rate</th><td>(.*?)</td><td>(.*?)</td>', table).groups()
    found = [float(rate) for rate in rates]
    assert found == pytest.approx([t.hyperparameters["learning_rate"] for t in (winner, best)], rel=1e-3)


def test_the_table_has_every_trial_as_data_and_the_best_as_html(tmp_path):
    results = made_up_sweep(120)
    text = page_of(results, tmp_path)
    data = json.loads(re.search(r'id="trials-data">(.*?)</script>', text, re.S).group(1))
    assert len(data["rows"]) == 120
    by_number = {row[0]: dict(zip(data["columns"], row, strict=True)) for row in data["rows"]}
    for trial in results.trials:
        row = by_number[trial.trial]
        assert row["objective"] == trial.objective
        assert (row["seconds"], row["steps"], row["sd"]) == (trial.seconds, trial.agent_steps, trial.objective_sd)
        assert row["learning_rate"] == trial.hyperparameters["learning_rate"]
        assert row["init_kwargs.width"] == trial.hyperparameters.get("init_kwargs.width")
    objectives = [row[data["columns"].index("objective")] for row in data["rows"]]
    scored = [objective for objective in objectives if objective is not None]
    assert scored == sorted(scored, reverse=True)
    assert objectives[: len(scored)] == scored
    assert text.count('data-label="duration"') == ROWS_PER_PAGE


def test_scripts_of_the_page_are_named_by_hash(tmp_path):
    text = page_of(swept(), tmp_path)
    policy = re.search(r'Content-Security-Policy" content="(.*?)"', text).group(1)
    assert "script-src 'sha256-" in policy.replace("&#39;", "'")
    assert "unsafe-eval" not in policy


def test_the_same_results_give_the_same_bytes(tmp_path):
    results = made_up_sweep(20, num_finalists=1)
    first, second = (sweep_page.sweep_page(results, analyze(results)) for _ in range(2))
    assert first == second


def test_only_readers_with_scripts_are_told_to_drag(tmp_path):
    text = page_of(swept(), tmp_path)
    assert re.findall(r"<p[^<]*>Drag along an axis", text) == [
        '<p class="soft needs-script no-print" hidden>Drag along an axis'
    ]
    assert text.count("Drag") == 1


def test_long_values_of_parameters_may_wrap(tmp_path):
    results = made_up_sweep(6, search_space={"init_kwargs.note": ["b" * 80]})
    page = tmp_path / "report.html"
    render_sweep_page(results, analyze(results).to_dict(), page)
    cells = re.findall(r"<td[^>]*>b{80}</td>", page.read_text())
    assert len(cells) >= 6
    assert all('class="long"' in cell for cell in cells)


def test_one_trial_is_not_said_to_be_the_best_of_many(tmp_path):
    results = made_up_sweep(1)
    page = tmp_path / "report.html"
    render_sweep_page(results, analyze(results).to_dict(), page)
    assert "The best of many" not in page.read_text()


def test_of_trials_that_all_scored_the_same_none_is_said_to_be_best():
    made_up = made_up_sweep(20)
    trials = [replace(trial, objective=trial.objective and 2.0) for trial in made_up.trials]
    scored = [trial for trial in trials if trial.objective is not None]
    same = search_in_words(analyze(SweepResults.of(made_up.config, trials)))
    sentence = f"All {len(scored)} scored trials have the same objective, mean reward per agent 2.00, so none is best."
    assert same == [sentence]
    one_better = [replace(trial, objective=3.0) if trial is scored[0] else trial for trial in trials]
    better = search_in_words(analyze(SweepResults.of(made_up.config, one_better)))
    assert better[0] == f"Trial {scored[0].trial} is the best of 20: mean reward per agent 3.00."


def test_success_rates_are_in_percent_and_other_metrics_keep_their_names(tmp_path):
    made_up = made_up_sweep(20, objective_metric="success_rate")
    trials = [replace(trial, objective=0.5) for trial in made_up.trials if trial.objective is not None]
    trials[3] = replace(trials[3], objective=0.625)
    results = SweepResults.of(made_up.config, trials)
    number = trials[3].trial
    assert search_in_words(analyze(results).to_dict())[0].endswith("success rate 62.5 %.")
    text = page_of(results, tmp_path)
    assert "success_rate<" not in text
    assert "success_<wbr>rate" not in text
    cells = re.search(rf'<tr><th scope="row">{number} .*?data-label="success rate">(.*?)</td>', text)
    assert cells[1].startswith("62.5 %")
    assert "<h3>Success rate by parameter</h3>" in text
    (history,) = sweep_charts.charts_of(results, sweep_rows.trial_rows(results), analyze(results).to_dict())["history"]
    assert isinstance(history, PointChart)
    assert (history.y.title, history.y.is_share) == ("success rate (more is better)", True)
    assert Objective("success_rate").difference(0.031) == "3.10 percentage points"
    assert (Objective("heart.gained").words, Objective("heart.gained").text(2.5)) == ("heart.gained", "2.50")


@pytest.mark.parametrize("low", [0, 15])
def test_the_example_of_a_filter_selects_a_row_and_names_say_which_headings_they_are(tmp_path, low):
    space = {"size": {"type": "int", "low": low, "high": 16}}
    config = DAFSweepConfig(search_space=space, strategy="random", num_trials=3, name="mine")
    results = daf_launch_sweep(config, lambda trial: float(trial.hyperparameters["size"] < 16) - 5.0)
    text = unescape(page_of(results, tmp_path))
    example = re.search(r"compare a column: <code>(.*?)</code>", text)[1]
    conditions = [re.fullmatch(r"(\S+?)([<>=])(\S+)", term).groups() for term in example.split()]
    assert [name for name, _, _ in conditions] == ["size", "objective"]
    table = json.loads(re.search(r"(\{\"columns\":.*?\})</script>", text)[1])
    holds = {"<": float.__lt__, ">": float.__gt__, "=": float.__eq__}
    assert any(
        all(holds[sign](float(row[table["columns"].index(name)]), float(limit)) for name, sign, limit in conditions)
        for row in table["rows"]
    )
    assert "seconds (duration), steps (agent-steps), size" in text
