"""Learning curves: means and bands over seeds, and published checkpoints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from daf.reporting.learning_curves import TrainedRun, charts_of_runs, mean_and_band, read_runs


def test_one_curve_keeps_its_points_without_a_band() -> None:
    assert mean_and_band([[(2.0, 5.0), (1.0, 4.0), (3.0, float("nan"))]]) == [
        {"x": 1.0, "y": 4.0, "low": None, "high": None, "runs": 1},
        {"x": 2.0, "y": 5.0, "low": None, "high": None, "runs": 1},
    ]
    assert mean_and_band([[], []]) == []


def test_several_curves_are_their_mean_with_a_band_from_the_lowest_to_the_highest() -> None:
    rows = mean_and_band([[(0.0, 0.0), (2.0, 2.0)], [(0.0, 4.0), (1.0, 5.0), (3.0, 7.0)]])
    assert [(row["x"], row["y"], row["low"], row["high"], row["runs"]) for row in rows] == [
        (0.0, 2.0, 0.0, 4.0, 2), (1.0, 3.0, 1.0, 5.0, 2), (2.0, 4.0, 2.0, 6.0, 2), (3.0, 7.0, None, None, 1),
    ]  # fmt: skip


def test_long_curves_are_thinned_to_their_ends() -> None:
    rows = mean_and_band([[(float(x), float(x)) for x in range(5000)]], most=50)
    assert len(rows) == 50
    assert (rows[0]["x"], rows[-1]["x"]) == (0.0, 4999.0)


def test_a_ring_is_where_the_published_checkpoint_was_evaluated(tmp_path: Path) -> None:
    paths = []
    for seed, best in ((1, 200), (2, 100)):
        folder = tmp_path / f"seed-{seed}"
        folder.mkdir()
        evaluations = [{"agent_steps": steps, "mean_reward": steps / 100 + seed} for steps in (100, 200)]
        record = {"status": "completed", "evaluations": evaluations, "published": {"agent_steps": best}}
        record["recipe"] = {"held_out": {"objective_metric": "success_rate"}}
        (folder / "run.json").write_text(json.dumps(record))
        lines = [{"agent_steps": steps, "episode_reward": 0.5, "entropy": 1.0} for steps in (50, 150)]
        (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        paths.append(folder / "run.json")
    runs = read_runs({"mynet": paths})
    charts = charts_of_runs(runs, ("random", "mynet"))
    assert [chart.name for chart in charts] == ["training-held_out", "training-episode_reward", "training-entropy"]
    held_out = charts[0]
    assert [(mark["series"], mark["x"], mark["y"]) for mark in held_out.marks] == [
        ("mynet", 200.0, 3.0), ("mynet", 100.0, 3.0),
    ]  # fmt: skip
    assert [(row["x"], row["y"], row["low"], row["high"]) for row in held_out.rows] == [
        (100.0, 2.5, 2.0, 3.0), (200.0, 3.5, 3.0, 4.0),
    ]  # fmt: skip
    assert held_out.note.startswith("Rings: the published checkpoints, chosen by success_rate. Lines: means")
    assert held_out.series == ("random", "mynet")


def test_runs_without_evaluations_have_no_such_chart() -> None:
    run = TrainedRun(series="a", name="seed-1", lines=[{"agent_steps": 1, "episode_reward": 2.0}])
    (chart,) = charts_of_runs([run], ("a",))
    assert chart.name == "training-episode_reward"
    assert chart.rows[0]["y"] == pytest.approx(2)
    assert "Bands" not in chart.note


def test_axes_keep_the_capitals_of_abbreviations() -> None:
    run = TrainedRun(series="a", name="seed-1", lines=[{"agent_steps": 1, "approx_kl": 0.1, "policy_loss": 1.0}])
    titles = {chart.y.title for chart in charts_of_runs([run], ("a",))}
    assert titles == {"approximate KL divergence per update", "policy loss"}


def test_the_note_names_policies_with_a_single_value() -> None:
    lines = [{"agent_steps": steps, "episode_reward": 1.0} for steps in (100, 5000)]
    runs = [
        TrainedRun(series="whole", name="seed-1", lines=lines),
        TrainedRun(series="brief", name="seed-1", lines=lines[:1]),
    ]
    (chart,) = charts_of_runs(runs, ("whole", "brief"))
    assert "A large point is a policy with a single value, or with some close together (1 of 2)." in chart.note
    (chart,) = charts_of_runs(runs[:1], ("whole",))
    assert "point" not in chart.note
