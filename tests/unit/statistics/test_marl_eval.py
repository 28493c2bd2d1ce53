"""The layout of marl-eval: many files read at once, and files that it reads, whatever the data lack."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from daf.comparison import daf_compare_scores
from daf.errors import BadInputError
from daf.statistics.export import marl_eval_layout
from daf.statistics.learning_records import TrainingCurve
from daf.statistics.score_files import read_scores


def matrices(layout: dict[str, Any], environment: str = "cogames") -> dict[str, dict[str, np.ndarray]]:
    """As marl-eval reads a layout: metric → algorithm → (runs, tasks), with the runs, steps and metrics of the first.

    It lowers all names, takes means, and needs every step and metric wherever the first cell has one.
    """
    tasks = {
        task.lower(): {name.lower(): runs for name, runs in algorithms.items()}
        for task, algorithms in layout[environment].items()
    }
    assert [len(algorithms) for algorithms in tasks.values()] == [len(value) for value in layout[environment].values()]
    first = next(iter(tasks.values()))
    runs = list(next(iter(first.values())))
    steps = list(first[next(iter(first))][runs[0]])
    assert steps[-1] == "absolute_metrics"
    metrics = list(first[next(iter(first))][runs[0]]["absolute_metrics"])
    for algorithm in first:
        assert "," not in algorithm
        for run in runs:
            for task in tasks.values():
                assert list(task[algorithm][run]) == steps
                assert all(metric in task[algorithm][run][step] for step in steps for metric in metrics)

    def mean(task: dict[str, Any], name: str, run: str, metric: str) -> float:
        return float(np.mean(task[name][run]["absolute_metrics"][metric]))

    return {
        metric: {
            name: np.array([[mean(task, name, run, metric) for task in tasks.values()] for run in runs])
            for name in first
        }
        for metric in metrics
    }


def episodes(seeds: dict[str, tuple[int | None, ...]], missions: dict[str, tuple[str, ...]]) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [
        {"policy": policy, "checkpoint": f"{policy}-seed-{seed}", "train_seed": seed, "mission": mission,
         "mean_reward": rng.normal(), "success": None}
        for policy, own in seeds.items() for mission in missions[policy] for seed in own for _ in range(4)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_unequal_seeds_fixed_policies_and_missing_missions_are_readable() -> None:
    both = ("Big", "small")
    frame = episodes(
        {"many": (0, 1, 2, 3), "few": (7, 9), "random": (None,), "A": (0, 1), "a,": (0, 1, 2)},
        {"many": both, "few": both, "random": both, "A": both, "a,": (*both, "rare")},
    )
    layout = marl_eval_layout(frame)
    found = matrices(layout)["return"]
    assert set(found) == {"many", "few", "random", "a", "a;"}
    assert {values.shape for values in found.values()} == {(2, 2)}
    tasks = layout["cogames"].values()
    assert {len(task["random"]) for task in tasks} == {2}  # as many runs as the algorithms with fewest
    means = frame.groupby(["policy", "checkpoint", "mission"])["mean_reward"].mean()
    assert found["few"][1].tolist() == pytest.approx([means["few", "few-seed-9", mission] for mission in both])
    assert found["random"][0].tolist() == found["random"][1].tolist()
    assert list(layout["cogames_incomplete"]) == ["rare"]
    assert len(layout["cogames"]["big"]["many"]) == 4  # nothing is lost


def test_names_that_differ_in_case_only_stay_apart() -> None:
    frame = episodes({"A": (0,), "a": (0,)}, {"A": ("M", "m"), "a": ("M", "m")})
    assert set(marl_eval_layout(frame)["cogames"]) == {"m", "m_2"}
    assert set(matrices(marl_eval_layout(frame))["return"]) == {"a", "a_2"}


@pytest.mark.parametrize("declared", [("m", "k"), ("m",), ()])
def test_success_counts_where_every_mission_declares_it(declared: tuple[str, ...]) -> None:
    frame = episodes({"x": (0, 1), "y": (0, 1)}, {"x": ("m", "k"), "y": ("m", "k")})
    frame["success"] = [1.0 if mission in declared else None for mission in frame["mission"]]
    assert set(matrices(marl_eval_layout(frame))) == ({"return", "success"} if len(declared) == 2 else {"return"})


def test_held_out_evaluations_are_the_steps() -> None:
    frame = episodes({"x": (0, 1), "random": (None,)}, {"x": ("m",), "random": ("m",)})
    frame["success"] = 1.0
    curves = {
        ("x", seed): TrainingCurve(mission="m", points=[(10 * n, float(n + seed)) for n in range(1, 4 + seed)])
        for seed in (0, 1)
    }
    layout = marl_eval_layout(frame, curves)
    assert set(matrices(layout)) == {"return"}
    runs = layout["cogames"]["m"]["x"]
    assert [(step["step_count"], step["return"]) for step in list(runs["run_1"].values())[:3]] == [
        (10, [1.0]), (20, [2.0]), (30, [3.0]),
    ]  # fmt: skip
    assert list(runs["run_2"])[-1] == "absolute_metrics"
    steps = [step["step_count"] for name, step in runs["run_2"].items() if name != "absolute_metrics"]
    assert steps == [20, 30, 40]  # the last ones of the longer curve
    fixed = layout["cogames"]["m"]["random"]["run_1"]
    assert len(fixed) == 4
    assert fixed["step_1"]["return"] == fixed["absolute_metrics"]["return"]
    for incomplete in (
        {("x", 0): curves["x", 0]},
        {**curves, ("x", 1): TrainingCurve(mission="k", points=[(1, 1.0)])},
    ):
        assert list(marl_eval_layout(frame, incomplete)["cogames"]["m"]["x"]["run_1"]) == ["step_1", "absolute_metrics"]


def test_a_folder_with_a_file_per_run_is_read_in_one_go(tmp_path: Path) -> None:
    expected = {}
    for task in range(12):
        for algorithm in range(5):
            for seed in range(10):
                value = task + 10 * algorithm + 100 * seed
                steps = {"step_0": {"step_count": 0, "mean_episode_return": [0.0]},
                         "absolute_metrics": {"mean_episode_return": [value, value + 1]}}  # fmt: skip
                data = {"env": {f"task_{task}": {f"alg_{algorithm}": {f"seed_{seed}": steps}}}}
                path = tmp_path / f"task_{task}" / f"alg_{algorithm}_{seed}.json"
                path.parent.mkdir(exist_ok=True)
                path.write_text(json.dumps(data))
                expected[f"alg_{algorithm}", f"task_{task}", f"seed_{seed}"] = value + 0.5
    frame = read_scores(tmp_path)
    assert len(frame) == 1200
    assert frame.groupby(["policy", "mission", "train_seed"])["score"].mean().to_dict() == expected
    some = sorted((tmp_path / "task_1").glob("*.json"))
    results = daf_compare_scores(some, num_resamples=100)
    assert {(record.n_train_seeds, record.n_episodes) for record in results.summary} == {(10, 2)}
    assert daf_compare_scores(tmp_path / "task_1", num_resamples=100).summary[0].mean == results.summary[0].mean


def test_a_run_in_two_files_is_refused(tmp_path: Path) -> None:
    data = {"env": {"t": {"a": {"seed_0": {"absolute_metrics": {"return": [1.0]}}}}}}
    for name in ("one.json", "two.json"):
        (tmp_path / name).write_text(json.dumps(data))
    with pytest.raises(BadInputError, match=r"env / t / a / seed_0 in .*one\.json, too"):
        read_scores(tmp_path)
    (tmp_path / "two.json").unlink()
    (tmp_path / "one.json").rename(tmp_path / "one.txt.bak")
    with pytest.raises(BadInputError, match=r"expected: files of kind"):
        read_scores(tmp_path)


def test_several_tables_are_one(tmp_path: Path) -> None:
    for policy in "ab":
        (tmp_path / f"{policy}.csv").write_text(f"policy,mission,score,episode\n{policy},m,1,0\n{policy},m,2,1\n")
    assert read_scores(tmp_path)["score"].tolist() == [1, 2, 1, 2]
