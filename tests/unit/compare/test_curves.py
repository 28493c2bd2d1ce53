"""Learning curves from the files of training runs: read, compared, written, read back, and on the page."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from daf.compare.curves import training_curve, training_curves
from daf.comparison import compare_learning_curves, daf_compare_scores
from daf.errors import BadInputError, ConfigError
from daf.reporting.comparison_page import PageOptions, render_results
from daf.statistics.learning_curves import compare_curves
from daf.statistics.learning_records import LEARNING_FILES
from daf.statistics.results import FILES, ComparisonResults
from tests.unit.reporting.comparisons import compared


def write_run(folder: Path, seed: int, rewards: list[float | None], **facts: Any) -> Path:
    """A run.json with evaluations every 100 agent-steps."""
    folder = folder / f"seed-{seed}"
    folder.mkdir(parents=True)
    record = {
        "status": "completed",
        "evaluations": [
            {"agent_steps": 100 * number, "mean_reward": reward} for number, reward in enumerate(rewards, start=1)
        ],
        "recipe": {"seed": seed, "mission": {"name": "m"}, "held_out": {"episodes": 8, "seed": 5}},
        "started_from": None,
    }
    (folder / "run.json").write_text(json.dumps(record | facts))
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> dict[str, list[Path]]:
    return {
        "fast": [write_run(tmp_path / "fast", seed, [0.2, 0.6 + seed / 100, 0.9, 1.0]) for seed in (1, 2, 3)],
        "slow": [write_run(tmp_path / "slow", seed, [0.1, 0.2, 0.3 + seed / 50, 0.4]) for seed in (1, 2, 3)],
    }


def test_a_curve_leaves_out_evaluations_without_a_result(tmp_path: Path) -> None:
    start = {"total_agent_steps": 700}
    curve = training_curve(write_run(tmp_path, 1, [0.1, None, 0.3], started_from=start))
    assert (curve.mission, curve.points, curve.steps_before) == ("m", [(100, 0.1), (300, 0.3)], 700)
    assert curve.episodes == (8, 5)


def test_a_curve_knows_who_plays_beside_the_network_in_evaluations(tmp_path: Path) -> None:
    validation = [{"class_path": name, "init_kwargs": {}, "training": None} for name in ("starter", None)]
    recipe = {"seed": 1, "mission": {"name": "m"}, "held_out": None, "partners": {"validation": validation}}
    assert training_curve(write_run(tmp_path, 1, [0.1], recipe=recipe)).beside == ("starter {}", "None {}")


def test_teams_have_no_curve(runs: dict[str, list[Path]]) -> None:
    files = [folder / "run.json" for folders in runs.values() for folder in folders]
    training = {
        "mine": {"runs": ["fast/seed-1", "fast/seed-3"], "sweep": None},
        "team": {"runs": ["fast/seed-1", "slow/seed-1"], "sweep": None, "team": True},
        "beside_scripts": {"runs": ["fast/seed-2"], "sweep": None, "team": True},
    }
    assert list(training_curves(training, files)) == [("mine", 1), ("mine", 3)]


def test_folders_or_files_of_runs_are_compared(runs: dict[str, list[Path]]) -> None:
    curves = compare_learning_curves(runs, score=0.6)
    assert [(recipe.policy, recipe.n_reached, recipe.to_steps) for recipe in curves.recipes] == [
        ("fast", 3, 400), ("slow", 0, 400),
    ]  # fmt: skip
    assert (
        curves.to_dict()
        == compare_learning_curves(
            {policy: [folder / "run.json" for folder in folders] for policy, folders in runs.items()}, score=0.6
        ).to_dict()
    )
    assert {row.quantity: row.verdict for row in curves.pairs} == {
        "area": "better", "steps_to_score": "insufficient data",
    }  # fmt: skip


def test_mistaken_runs_are_errors(runs: dict[str, list[Path]], tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="two with seed 1"):
        compare_learning_curves({"fast": [runs["fast"][0], runs["slow"][0]]})
    with pytest.raises(BadInputError, match="name the folder of a training run"):
        compare_learning_curves({"fast": [tmp_path / "nowhere"]})
    with pytest.raises(ConfigError, match="a number"):
        compare_learning_curves(runs, score="high")  # type: ignore[arg-type]
    table = pd.DataFrame({"policy": ["a", "b"], "mission": "m", "score": [1.0, 2.0]})
    with pytest.raises(BadInputError, match="compare_learning_curves"):
        daf_compare_scores(table, learning_curves={"score": 1.0})


def with_curves(runs: dict[str, list[Path]], **config: Any) -> ComparisonResults:
    """A comparison of the runs' policies and a scripted one, with their learning curves."""
    results = compared({"fast": 1.0, "slow": 0.5, "scripted": 0.0}, n=4, missions=("m",), **config)
    curves = {
        (policy, seed): training_curve(folder)
        for policy, folders in runs.items()
        for seed, folder in enumerate(folders, start=1)
    }
    return replace(results, learning_curves=compare_curves(curves, results.config))


def test_a_comparison_keeps_them_in_its_files(runs: dict[str, list[Path]], tmp_path: Path) -> None:
    results = with_curves(runs, learning_curves={"score": 0.6})
    folder = results.write(tmp_path / "comparison")
    again = ComparisonResults.read(folder)
    assert again.learning_curves is not None
    assert again.learning_curves.to_dict() == results.learning_curves.to_dict()  # type: ignore[union-attr]
    table = pd.read_csv(folder / "learning_curves.csv")
    assert table[["policy", "n_reached", "steps"]].to_numpy().tolist() == [["fast", 3, 200], ["slow", 0, 400]]
    assert len(pd.read_csv(folder / "learning_curve_runs.csv")) == 6
    assert "none of 3 seeds reached 0.60; restricted mean 400 agent-steps up to 400" in str(again)
    compared({"fast": 1.0}, n=4, missions=("m",)).write(folder)
    assert not any((folder / name).exists() for name in LEARNING_FILES)  # of an earlier comparison


@pytest.mark.slow
def test_the_page_shows_them_in_a_table(runs: dict[str, list[Path]], tmp_path: Path) -> None:
    results = with_curves(runs, learning_curves={"score": 0.6})
    page = render_results(results, tmp_path / "report.html", options=PageOptions(files=FILES)).read_text()
    table = page[page.index('id="learning-table"') : page.index('id="learning-pairs-table"')]
    assert "none of 3 seeds" in table
    assert "Reached 0.60" in table
    assert "all 3 seeds" not in table
    assert 'href="learning_curve_pairs.csv"' in page
    assert "Royston" in page
    plain = render_results(with_curves(runs), tmp_path / "plain.html", options=PageOptions(files=FILES)).read_text()
    assert "Reached" not in plain
    assert 'id="learning-table"' in plain
    without = compared({"fast": 1.0, "slow": 0.5}, n=4, missions=("m",))
    page = render_results(without, tmp_path / "without.html", options=PageOptions(files=FILES)).read_text()
    assert "learning-table" not in page
    assert "learning_curves.csv" not in page
    assert "Royston" not in page
