"""Performance profiles: their thresholds."""

from __future__ import annotations

import numpy as np

from daf.comparison import daf_compare_scores
from daf.statistics.overall import profile_thresholds


def test_thresholds_lie_where_the_scores_are() -> None:
    scores = np.append(np.random.default_rng(0).normal(0, 1, 999), 1e6)
    found = profile_thresholds(scores, None)
    assert (found[0], found[-1], found.size) == (scores.min(), 1e6, 51)
    assert (found < 4).sum() == 50  # evenly spaced ones would be 1
    share_above = [(scores > threshold).mean() for threshold in found]
    assert np.abs(np.diff(share_above)).max() < 0.025
    assert profile_thresholds(np.array([1.0, 1.0]), None).tolist() == [1]


def test_a_declared_range_is_evenly_spaced() -> None:
    rows = [
        {"policy": policy, "mission": mission, "episode": episode, "score": float(episode + len(policy))}
        for policy in ("a", "bb") for mission in ("m", "k") for episode in range(6)
    ]  # fmt: skip
    profiles = daf_compare_scores(rows, profile_range=(0, 5), num_resamples=100).profiles.query("policy == 'a'")
    assert profiles["threshold"].tolist() == np.linspace(0, 5, 51).tolist()
    assert profiles["share"].iloc[0] == 1
    assert profiles["share"].iloc[-1] == 1 / 6


def test_separate_runs_of_each_mission_have_a_band_from_five_runs_in_all() -> None:
    rows = [
        {"policy": policy, "mission": mission, "seed": seed, "score": float(seed * (1 + (policy == "b")))}
        for policy in "ab" for mission in "xyz" for seed in range(3)
    ]  # fmt: skip

    def bands(trainings: str) -> list[bool]:
        profiles = daf_compare_scores(rows, trainings=trainings, num_resamples=200).profiles
        return sorted(profiles.query("estimand == 'recipes'")["interval_low"].notna().unique().tolist())

    assert True in bands("per_mission")
    assert bands("across_missions") == [False]  # the same three runs on all missions
