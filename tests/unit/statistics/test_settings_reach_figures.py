"""That settings reach every figure, and that each figure is of what its column says."""

from __future__ import annotations

from math import isfinite

import numpy as np
import pandas as pd
import pytest

from daf.compare.leaderboard import _rank
from daf.comparison import ComparisonResults, daf_compare_scores
from daf.config import DAFComparisonConfig
from daf.statistics import bootstrap, hypothesis_tests, intervals
from daf.statistics.comparison import compare_episodes
from daf.statistics.crossed import RunTable
from daf.statistics.streams import ESTIMAND_KEYS, stream

EPISODES = {"m": 24, "k": 8}


def frame() -> pd.DataFrame:
    """Two recipes of 6 and 7 seeds, on missions of 24 and 8 episodes, with success."""
    rng = np.random.default_rng(4)
    rows = []
    for mission, count in EPISODES.items():
        for policy, mean, seeds in (("a", 1.0, 6), ("b", 0.4, 7)):
            for seed in range(seeds):
                level = mean + rng.normal(0, 0.5)
                for episode in range(count):
                    reward = level + (2.0 if mission == "k" else 0.0) + rng.normal()
                    rows.append(
                        {"policy": policy, "checkpoint": f"{policy}-seed-{seed}", "train_seed": seed,
                         "mission": mission, "episode": episode, "env_seed": episode, "mean_reward": reward,
                         "success": float(reward > 1), "failure": None}
                    )  # fmt: skip
    return pd.DataFrame(rows)


def compared(rows: pd.DataFrame, **settings: object) -> ComparisonResults:
    config = DAFComparisonConfig(policies=["a", "b"], missions=list(EPISODES), num_resamples=400, **settings)
    return compare_episodes(rows, config)


@pytest.fixture(scope="module")
def levels() -> tuple[ComparisonResults, ComparisonResults]:
    return compared(frame(), confidence_level=0.95), compared(frame(), confidence_level=0.7)


TABLES = {
    "summary": ("interval", "success", "recipe"),
    "pairs": ("interval", "effect", "p_improvement", "iqm"),
    "aggregate_records": ("interval",),
    "profile_records": ("interval",),
    "rank_records": ("rank",),
}


@pytest.mark.parametrize(("table", "name"), [(table, name) for table, names in TABLES.items() for name in names])
def test_every_interval_follows_the_confidence_level(
    levels: tuple[ComparisonResults, ComparisonResults], table: str, name: str
) -> None:
    assert_narrower(*levels, table, name)


@pytest.mark.parametrize(
    ("table", "name"), [("aggregate_records", "interval"), ("profile_records", "interval"), ("rank_records", "rank")]
)
def test_intervals_with_resampled_missions_follow_it_too(table: str, name: str) -> None:
    rng = np.random.default_rng(6)
    rows = [
        {"policy": policy, "mission": f"m{mission}", "train_seed": seed, "episode": episode, "score": rng.normal()}
        for policy in "ab" for mission in range(6) for seed in range(5) for episode in range(4)
    ]  # fmt: skip
    wide, narrow = (
        daf_compare_scores(rows, num_resamples=400, resample_missions=True, confidence_level=level)
        for level in (0.95, 0.7)
    )
    assert_narrower(wide, narrow, table, name)


def test_intervals_of_recipes_on_these_episodes_follow_it_too() -> None:
    wide, narrow = (compared(frame(), recipe_claim="these_episodes", confidence_level=level) for level in (0.95, 0.7))
    assert_narrower(wide, narrow, "summary", "recipe")


def assert_narrower(at_95: ComparisonResults, at_70: ComparisonResults, table: str, name: str) -> None:
    """All intervals of a column, of checkpoints and of recipes."""
    by_estimand: dict[str, list[tuple[float, float]]] = {}
    for records in zip(getattr(at_95, table), getattr(at_70, table), strict=True):
        wide, narrow = (getattr(one, f"{name}_high") - getattr(one, f"{name}_low") for one in records)
        if isfinite(wide) and isfinite(narrow):
            assert narrow <= wide
            by_estimand.setdefault(getattr(records[0], "estimand", ""), []).append((wide, narrow))
            if table in ("summary", "pairs", "aggregate_records"):
                assert narrow < wide
    assert by_estimand
    for widths in by_estimand.values():
        wide, narrow = np.sum(widths, axis=0)
        assert narrow < 0.9 * wide or (table == "rank_records" and wide == 0)  # no resample may change a rank


def test_means_of_a_pair_are_those_of_its_policies(levels: tuple[ComparisonResults, ComparisonResults]) -> None:
    results = levels[0]
    means = {(record.policy, record.mission): record.mean for record in results.summary}
    for record in results.pairs:
        assert record.mean_a == pytest.approx(means["a", record.mission])
        assert record.mean_b == pytest.approx(means["b", record.mission])
        assert record.difference == pytest.approx(record.mean_a - record.mean_b)


def test_aggregates_weigh_missions_as_they_say(levels: tuple[ComparisonResults, ComparisonResults]) -> None:
    rows = frame().query("policy == 'a'")
    units = rows.groupby(["mission", "env_seed"])["mean_reward"].mean()
    values = {
        record.statistic: record.value
        for record in levels[0].aggregate_records
        if (record.policy, record.estimand) == ("a", "checkpoints")
    }
    by_mission = units.groupby("mission").mean()
    assert values["mean"] == pytest.approx(by_mission.mean())
    assert values["median"] == pytest.approx(by_mission.median())
    assert values["iqm"] == pytest.approx(intervals.iqm(units.to_numpy()))


def test_intervals_of_aggregates_are_widened_as_the_statistic_weighs_units() -> None:
    """By missions of few units for means of missions' means, by all units for the IQM."""
    scores = [np.random.default_rng(1).normal(0, 1, 40), np.random.default_rng(2).normal(0, 1, 5)]
    rows = [("a", mission, n, x) for mission, part in zip(("m", "k"), scores, strict=True) for n, x in enumerate(part)]
    table = pd.DataFrame(rows, columns=["policy", "mission", "episode", "score"])
    results = daf_compare_scores(table, num_resamples=400)
    drawn, _ = bootstrap.bootstrap_suite(
        [scores], statistics=["mean", "median", "iqm"], pairs=[], num_resamples=400,
        rngs=[stream(results.config, "aggregate", ESTIMAND_KEYS["checkpoints"], "a")],
    )  # fmt: skip
    for record in results.aggregate_records:
        tails = bootstrap.expanded_levels([40, 5], pooled=record.statistic == "iqm")
        assert tails[0] != pytest.approx(bootstrap.expanded_levels([40, 5], pooled=record.statistic != "iqm")[0])
        expected = np.quantile(drawn[record.statistic][0], tails)
        assert (record.interval_low, record.interval_high) == pytest.approx(tuple(expected))


def test_the_icc_is_between_training_seeds() -> None:
    rewards = np.array([[0.0, 1.0, 0.5], [10.0, 11.0, 10.5]])
    rows = [
        {"policy": "a", "mission": "m", "seed": seed, "episode": episode, "score": reward}
        for seed, values in enumerate(rewards) for episode, reward in enumerate(values)
    ]  # fmt: skip
    record = daf_compare_scores(rows, num_resamples=100).summary[0]
    assert record.icc == pytest.approx(intervals.intraclass_correlation(rewards))
    assert record.icc > 0.9


def test_success_counts_complete_episodes_only() -> None:
    rows = frame()
    lost = (rows["checkpoint"] == "a-seed-0") & (rows["mission"] == "m") & (rows["episode"] < 12)
    rows.loc[rows["episode"] < 12, "success"] = 1.0
    rows.loc[rows["episode"] >= 12, "success"] = 0.0
    rows.loc[lost, "mean_reward"] = np.nan
    record = next(r for r in compared(rows).summary if (r.policy, r.mission) == ("a", "m"))
    assert (record.n_episodes, record.success_rate) == (12, 0.0)


def test_differences_of_zero_cannot_lower_the_least_p() -> None:
    differences = [np.array([1.0, 2.0, 3.0, 0.0, 0.0, 0.0, 0.0])]
    result = hypothesis_tests.sign_flip_test(differences, rng=np.random.default_rng(0))
    assert (result.minimum_p, result.p) == (0.25, 0.25)


def test_the_fewest_training_runs_of_a_table_count() -> None:
    table = RunTable(scores=[np.ones((1, 3)), np.ones((1, 9))], environments=[(0,), (0,)], trained=True, joint=False)
    assert table.fewest == 3


def test_the_sample_with_the_wider_levels_bounds_an_interval() -> None:
    rng = np.random.default_rng(0)
    few, many = [rng.normal(size=5)], [rng.normal(size=50)]
    for samples in ([few, many], [many, few]):
        (low, high), _ = bootstrap.replicate_levels(samples)
        assert (low, high) == pytest.approx(bootstrap.expanded_levels([5]))


def test_profiles_of_recipes_draw_seeds_for_all_missions_at_once() -> None:
    seeds = np.linspace(0, 1, 12)
    scores = [seeds, seeds, seeds, seeds]
    bands = {}
    for joint in (True, False):
        _, low, high = bootstrap.profile_band(
            scores, np.array([0.5]), num_resamples=2000, rng=np.random.default_rng(0), joint=joint
        )
        bands[joint] = float(high[0] - low[0])
    assert bands[True] == pytest.approx(2 * bands[False], rel=0.2)
    rows = [
        {"policy": "a", "mission": mission, "seed": seed, "episode": 0, "score": score}
        for mission in "wxyz" for seed, score in enumerate(seeds)
    ]  # fmt: skip
    results = daf_compare_scores(rows, num_resamples=2000, profile_range=(0.5, 0.6))
    found = next(record for record in results.profile_records if record.estimand == "recipes")
    assert found.interval_high - found.interval_low == pytest.approx(bands[True], rel=0.15)


def test_a_mission_that_was_not_played_counts_as_last_on_the_leaderboard_and_not_as_zero() -> None:
    entries = [
        {"policy": "low", "missions": {"m": {"mean": -5.0}, "k": {"mean": -5.0}}},
        {"policy": "half", "missions": {"m": {"mean": -6.0}}},
    ]
    _rank(entries, ["m", "k"])
    assert [(entry["policy"], entry["mean_rank"], entry["mean"]) for entry in entries] == [
        ("low", 1.0, -5.0),
        ("half", 2.0, None),
    ]
    assert isfinite(entries[0]["mean"])
