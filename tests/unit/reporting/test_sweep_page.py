"""The page of a sweep says what the figures say."""

import re
from html import unescape

import pytest

from daf.config import DAFSweepConfig
from daf.reporting.sweep_page import parallel_figure, render_sweep_page, slice_figures
from daf.sweeps import daf_launch_sweep, daf_sweep_analysis

SPACE = {
    "rate": {"type": "float", "low": 0.0, "high": 1.0},
    "kind": ["<a>", "b"],
    "extra": {"type": "float", "low": 0.0, "high": 1.0, "when": {"kind": "b"}},
}


def analysis(**changes):
    def objective(trial):
        if trial.number == 3:
            raise ValueError("no agents & no reward")
        calls.append(trial)
        return trial.hyperparameters["rate"] + (1.0 if len(calls) <= 19 else 0.0)

    calls: list = []
    config = DAFSweepConfig(search_space=SPACE, strategy="random", num_trials=20, name="mine", **changes)
    return daf_sweep_analysis(daf_launch_sweep(config, objective)).to_dict()


def page_of(findings, folder):
    render_sweep_page(findings, folder / "report.html")
    return (folder / "report.html").read_text()


def test_the_optimism_of_the_search_stands_first(tmp_path):
    text = page_of(analysis(num_finalists=2, confirmation_seeds=1), tmp_path)
    sentence = "the search was too optimistic by 1.00."
    assert sentence in unescape(re.sub(r"1\.0+", "1.00", text))
    assert text.index("too optimistic") < text.index("Progress")
    assert "it did not run again on fresh seeds" not in text.lower()


def test_without_fresh_seeds_the_page_says_so_and_failures_are_listed(tmp_path):
    text = page_of(analysis(), tmp_path)
    assert "It did not run again on fresh seeds" in text
    row = re.search(
        r'<tr class="failed"><td>(.*?)</td><td class="t wrap">(.*?)</td><td class="t wrap">(.*?)</td>', text
    )
    count, reason, trials = row.groups()
    assert (count, trials) == ("1", "3")
    assert reason.startswith("ValueError: no agents &amp; no reward (tests/unit/reporting/test_sweep_page.py:")
    assert "<a>" not in text
    assert not re.search(r"""(?:src|href)=["']""", text)


def test_a_sweep_without_a_completed_trial_has_a_page_too(tmp_path):
    config = DAFSweepConfig(search_space=SPACE, strategy="random", num_trials=2)
    findings = daf_sweep_analysis(daf_launch_sweep(config, lambda trial: float("nan"))).to_dict()
    assert "No trial completed." in page_of(findings, tmp_path)


def test_the_cause_of_a_sweep_that_ended_is_said_once_and_in_red(tmp_path):
    def objective(trial):
        raise ValueError("no <reward>")

    config = DAFSweepConfig(search_space=SPACE, strategy="random", num_trials=9, lag=3)
    text = page_of(daf_sweep_analysis(daf_launch_sweep(config, objective)).to_dict(), tmp_path)
    assert "9 trials, strategy random: 0 completed, 5 failed, 4 skipped." in text
    alert = text[text.index('class="card failed" role="alert"') :].partition("</section>")[0]
    assert alert.count("5 of 9 trials failed: ValueError: no &lt;reward&gt; (tests/") == 1


def completed(findings):
    return [trial for trial in findings["parallel_coordinates"]["trials"] if trial["objective"] is not None]


def test_lines_end_at_the_objective_and_break_where_a_parameter_does_not_apply():
    findings = analysis()
    rows = completed(findings)
    lines = re.findall(r'points="([^"]+)"', parallel_figure(findings))
    # axes in order of their names and the objective: extra, kind, rate, mean_reward; without `extra` three points
    assert len(lines) == len(rows)
    assert sorted(len(line.split()) for line in lines) == sorted(4 - (row["positions"][0] is None) for row in rows)
    assert parallel_figure(findings).count("var(--p0)") == len(rows) // 4
    ends = [[float(number) for number in line.split()[-1].split(",")] for line in lines]
    assert {x for x, _ in ends} == {990.0}
    objectives = sorted(row["objective"] for row in rows)
    heights = sorted((1000 - y for _, y in ends))
    shares = [(value - objectives[0]) / (objectives[-1] - objectives[0]) for value in objectives]
    drawn = [(height - heights[0]) / (heights[-1] - heights[0]) for height in heights]
    assert drawn == pytest.approx(shares, abs=1e-3)


def test_slices_have_a_dot_per_trial_that_has_the_parameter():
    findings = analysis()
    drawn = slice_figures(findings)
    assert list(drawn) == ["extra", "kind", "rate"]
    for place, name in enumerate(drawn):
        having = [trial for trial in completed(findings) if trial["positions"][place] is not None]
        dots = re.findall(r'<circle cx="([\d.]+)%" cy="([\d.]+)"', drawn[name])
        assert len(dots) == len(having)
        by_position = sorted(having, key=lambda trial: trial["positions"][place])
        assert sorted(float(x) for x, _ in dots) == pytest.approx(
            [14 + 84 * trial["positions"][place] for trial in by_position], abs=0.01
        )
    top = max(completed(findings), key=lambda trial: trial["objective"])
    highest = min(re.findall(r'cx="([\d.]+)%" cy="([\d.]+)"', drawn["rate"]), key=lambda dot: float(dot[1]))
    assert float(highest[0]) == pytest.approx(14 + 84 * top["positions"][2], abs=0.01)
    assert "&lt;a&gt;</text>" in drawn["kind"]
