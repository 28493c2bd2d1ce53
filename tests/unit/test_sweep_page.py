"""The page of a sweep says what the figures say."""

import re

from daf.config import DAFSweepConfig
from daf.reporting.sweep_page import parallel_figure, render_sweep_page
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


def page_of(found, folder):
    render_sweep_page(found, folder / "report.html")
    return (folder / "report.html").read_text()


def test_the_optimism_of_the_search_stands_first(tmp_path):
    text = page_of(analysis(num_finalists=2, confirmation_seeds=1), tmp_path)
    assert "Optimism of the search: its own best trial promised 1.00 too much." in re.sub(r"1\.0+", "1.00", text)
    assert text.index("Optimism") < text.index("Progress")
    assert "it was not run on fresh seeds" not in text.lower()


def test_without_fresh_seeds_it_says_so_and_failures_are_listed(tmp_path):
    text = page_of(analysis(), tmp_path)
    assert "It was not run on fresh seeds" in text
    assert "ValueError: no agents &amp; no reward (trials 3)" in text
    assert "<a>" not in text
    assert not re.search(r"""(?:src|href)=["']""", text)


def test_a_sweep_without_a_completed_trial_has_a_page_too(tmp_path):
    config = DAFSweepConfig(search_space=SPACE, strategy="random", num_trials=2)
    found = daf_sweep_analysis(daf_launch_sweep(config, lambda trial: float("nan"))).to_dict()
    assert "No trial completed." in page_of(found, tmp_path)


def test_lines_break_where_a_parameter_does_not_apply():
    found = analysis()
    rows = [one for one in found["parallel_coordinates"]["trials"] if one["objective"] is not None]
    lines = re.findall(r'points="([^"]+)"', parallel_figure(found))
    # axes in order of their names: extra, kind, rate; without `extra` a line has two points
    assert len(lines) == len(rows)
    assert sorted(len(line.split()) for line in lines) == sorted(3 - (one["positions"][0] is None) for one in rows)
    assert parallel_figure(found).count("var(--p0)") == len(rows) // 4
