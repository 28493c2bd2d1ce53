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
from daf.statistics.export import marl_eval_layout, note_on_omitted
from daf.statistics.learning_records import TrainingCurve
from daf.statistics.marl_eval_files import NOTES
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
         "env_seed": episode, "mean_reward": rng.normal(), "success": None}
        for policy, own in seeds.items() for mission in missions[policy] for seed in own for episode in range(4)
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
    # as many runs as the algorithms with fewest, and the one of which they are copies
    assert [list(task["random"]) for task in tasks] == [["run_1", "run_2", "without_training_seed"]] * 2
    means = frame.groupby(["policy", "checkpoint", "mission"])["mean_reward"].mean()
    assert found["few"][1].tolist() == pytest.approx([means["few", "few-seed-9", mission] for mission in both])
    assert found["random"][0].tolist() == found["random"][1].tolist()
    assert list(layout["cogames_incomplete"]) == ["rare"]
    assert len(layout["cogames"]["big"]["many"]) == 4  # nothing is lost


def paired() -> pd.DataFrame:
    """Two fixed policies, of which one is ahead by 0.5 in episodes that vary a lot; an episode of the other failed."""
    rng = np.random.default_rng(1)
    env = rng.normal(0, 5, 16)
    rows = [
        {"policy": policy, "mission": "m", "episode": episode, "score": env[episode] + gain + 0.3 * rng.normal()}
        for policy, gain in (("a", 0.5), ("b", 0.0)) for episode in range(16)
    ]  # fmt: skip
    frame = pd.DataFrame(rows)
    frame.loc[(frame["policy"] == "b") & (frame["episode"] == 2), "score"] = np.nan
    return frame


def test_lists_stay_aligned_where_an_episode_failed(tmp_path: Path) -> None:
    results = daf_compare_scores(paired(), num_resamples=200, output_dir=tmp_path)
    again = daf_compare_scores(tmp_path / "marl_eval.json", num_resamples=200)
    (before,), (after,) = ([r for r in one.lead_records() if r.policy_a == "a"] for one in (results, again))
    assert (before.verdict, before.n_a) == ("better", 15)
    assert (after.verdict, after.n_a) == ("better", 15)
    assert (after.difference, after.p) == pytest.approx((before.difference, before.p), rel=0.05)
    kept = paired().query("policy == 'a' and episode != 2")["score"].tolist()
    layout = json.loads((tmp_path / "marl_eval.json").read_text())["cogames"]["m"]
    assert [run["absolute_metrics"]["return"] for run in layout["a"].values()] == [kept]
    note = "From marl_eval.json, episodes are omitted of which not every policy and training seed has a score: 1 of 16"
    assert [text for text in results.notes if "marl_eval.json" in text] == [f"{note} on m."]
    whole = daf_compare_scores(paired().query("episode != 2"), num_resamples=200, output_dir=tmp_path)
    assert not [text for text in whole.notes if "marl_eval.json" in text]


def test_lists_hold_the_common_episodes_in_order_and_missions_without_one_are_left_out() -> None:
    frame = episodes({"a": (None,), "b": (None,)}, {"a": ("m", "k"), "b": ("m", "k")})
    frame.loc[(frame["policy"] == "b") & (frame["mission"] == "k"), "env_seed"] += 4
    assert list(marl_eval_layout(frame)["cogames"]) == ["m"]
    assert note_on_omitted(frame).endswith("a score: 8 of 8 on k.")
    shuffled = frame.sort_values(["policy", "mean_reward"])  # lists are in the order of episodes, whatever that of rows
    for policy in "ab":
        expected = frame[(frame["policy"] == policy) & (frame["mission"] == "m")]["mean_reward"].tolist()
        (run,) = marl_eval_layout(shuffled)["cogames"]["m"][policy].values()
        assert run["absolute_metrics"]["return"] == expected


def test_a_fixed_rival_is_read_back_as_fixed(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [
        {"policy": policy, "mission": "m", "train_seed": seed, "episode": episode, "score": rng.normal(gain)}
        for policy, gain, seeds in (("mine", 3.0, range(5)), ("base", 0.0, [None])) for seed in seeds
        for episode in range(6)
    ]  # fmt: skip
    results = daf_compare_scores(pd.DataFrame(rows), num_resamples=200, output_dir=tmp_path)
    again = daf_compare_scores(tmp_path / "marl_eval.json", num_resamples=200)
    for one in (results, again):
        (record,) = one.headline_records("recipes")
        assert {record.policy_a: record.n_a, record.policy_b: record.n_b} == {"mine": 5, "base": None}
    assert {r.policy: r.n_episodes for r in again.summary} == {"mine": 6, "base": 6}
    assert matrices(json.loads((tmp_path / "marl_eval.json").read_text()))["return"]["base"].shape == (5, 1)


def test_fixed_policies_alone_have_no_training_seeds_when_read_back(tmp_path: Path) -> None:
    daf_compare_scores(paired(), num_resamples=200, output_dir=tmp_path)
    again = daf_compare_scores(tmp_path / "marl_eval.json", num_resamples=200)
    assert not any(record.trained for record in again.summary)
    found = matrices(json.loads((tmp_path / "marl_eval.json").read_text()))["return"]
    assert {values.shape for values in found.values()} == {(1, 1)}  # no run counts twice


def test_the_absolute_metrics_of_daf_are_not_those_of_a_best_policy() -> None:
    steps = {"step_1": {"step_count": 1, "return": [1.0]}, "absolute_metrics": {"return": [2.0]}}
    for environment, run, noted in (("cogames", "run_1", False), ("smax", "run_1", True), ("cogames", "seed_1", True)):
        notes = read_scores({environment: {"m": {"a": {run: steps}}}}).attrs.get(NOTES, [])
        assert bool(notes) == noted


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
