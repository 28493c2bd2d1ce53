"""Guards that usual data do not need: each with data that do."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from daf.comparison import daf_compare_scores
from daf.statistics import bootstrap, few_run_ranks, joint_bootstrap, planning, primary, sequential, verdicts
from daf.statistics.crossed import RunTable, recipe_variance
from daf.statistics.hypothesis_tests import sign_flip_test
from daf.statistics.levels import alpha_of
from daf.statistics.records import PairRecord
from daf.statistics.sentences import why_undecided

RNG = np.random.default_rng


@pytest.mark.parametrize(("resolution", "p"), [(1e-8, 4 / 8), (0.0, 2 / 8)])
def test_sign_patterns_whose_sums_differ_by_rounding_errors_tie(resolution: float, p: float) -> None:
    """A difference of 1e-9 between scores of 1e4 is a rounding error: flipping it gives a sum as extreme."""
    result = sign_flip_test([np.array([1e-9, 1.0, 1.0])], resolution=resolution, rng=RNG(0))
    assert result.p == p


@pytest.mark.parametrize("swapped", [False, True])
def test_single_episodes_that_differ_by_rounding_errors_of_the_larger_scores_are_equal(swapped: bool) -> None:
    """The mean of 1e6 and -1e6 + 1 is known to 1e-6, that of two halves to 1e-12."""
    sides = [[1e6, -1e6 + 1 + 1e-9], [0.5, 0.5]]
    rows = [
        (policy, "m", seed, 0, score)
        for policy, values in zip("ba" if swapped else "ab", sides, strict=True)
        for seed, score in enumerate(values)
    ]
    frame = pd.DataFrame(rows, columns=["policy", "mission", "train_seed", "episode", "score"])
    (record,) = daf_compare_scores(frame, num_resamples=100).headline_records("checkpoints")
    assert (record.difference, record.p_improvement) == (0.0, 0.5)


def test_a_score_of_a_threshold_is_not_above_it_if_all_are_zero() -> None:
    share, _, _ = bootstrap.profile_band([np.zeros(6)], np.zeros(1), rng=RNG(0))
    assert share.tolist() == [0.0]


@pytest.mark.parametrize(("gap", "clear"), [(1.005e-3, False), (1.02e-3, True), (0.98e-3, True), (0.995e-3, False)])
def test_means_that_are_barely_apart_are_not_ranked_as_whole_numbers(gap: float, clear: bool) -> None:
    assert few_run_ranks.separable([np.array([0.0]), np.array([gap])], 1e-3) == clear


def test_the_joint_median_is_that_of_missions_means() -> None:
    scores = [np.array([0.0, 1.0, 2.0]), np.array([10.0, 10.0, 40.0]), np.array([3.0, 4.0, 5.0])]
    (drawn,) = joint_bootstrap.joint_replicates("median", [scores], [np.ones((3, 1), np.float32)])
    assert drawn.tolist() == [4.0]


# ---- what decides -----------------------------------------------------------------------------------------


def record(**values: Any) -> PairRecord:
    known: dict[str, Any] = {
        "estimand": "recipes", "mission": "m", "n_missions": 1, "policy_a": "a", "policy_b": "b", "paired": False,
        "n_a": 9, "n_b": 9, "effect_name": "d", "test": "t", "difference": 0.1, "p": 0.5,
    }  # fmt: skip
    return PairRecord(**known | values)


@pytest.mark.parametrize(("p", "verdict"), [(0.03, "equivalent"), (0.05, "equivalent"), (0.051, "inconclusive")])
def test_equivalence_is_shown_at_alpha(p: float, verdict: str) -> None:
    assert verdicts.verdict(record(), 0.5, p, 0.05, 1.0)[0] == verdict
    assert verdicts.verdict(record(), 0.5, p, 0.05, None)[0] == "inconclusive"


@pytest.mark.parametrize(("mean", "z"), [(5.0, -5.0), (1.0, stats.norm.ppf(0.01))])
def test_beyond_the_last_replicates_the_normal_tail_goes_on(mean: float, z: float) -> None:
    """Of 999 replicates none is below 0: their spread says how far they are from it."""
    tail = primary.Tail(count=999, below=0.0, mean=mean, sd=1.0)
    found = primary.from_replicates(record(), "iqm", tail, [[9], [9]], known=True)
    factor, df = bootstrap.expansion([9])
    assert found.p == pytest.approx(2 * stats.t.sf(-z / factor, df))


def test_a_chance_of_one_half_has_no_small_p() -> None:
    """On one mission, wins of resamples are whole numbers."""
    rows = [(policy, "m", seed, seed + shift) for policy, shift in (("a", 0.0), ("b", 0.1)) for seed in range(10)]
    frame = pd.DataFrame(rows, columns=["policy", "mission", "train_seed", "score"])
    (found,) = daf_compare_scores(frame, num_resamples=500, primary="probability_of_improvement").headline_records(
        "recipes"
    )
    assert found.test.startswith("bootstrap test")
    assert found.p > 0.5


def test_further_units_are_rounded_up_on_every_mission() -> None:
    spread = planning.Spread(error=1.0, df=9, sd=1.0, units_needed=lambda *_: 9.5, groups=3, fewest=2)
    plan = planning.plan(spread, 1.0, 0.05)
    assert (plan.n_needed, plan.more_needed) == (10, 2)


def test_a_single_paired_episode_waits_for_more() -> None:
    """It has no test, but not because both always score the same."""
    rows = [(policy, "m", 0, score) for policy, score in (("a", 1.0), ("b", 2.0))]
    single = pd.DataFrame(rows, columns=["policy", "mission", "episode", "score"])
    several = pd.concat([single.assign(episode=number) for number in range(3)])
    same = several.assign(score=1.0)
    assert sequential.unsettled(daf_compare_scores(single, num_resamples=100)) == ["a and b"]
    assert sequential.unsettled(daf_compare_scores(several, num_resamples=100)) == ["a and b"]
    assert sequential.unsettled(daf_compare_scores(same, num_resamples=100)) == []


# ---- training seeds and environment seeds -----------------------------------------------------------------


def crossed(scores: np.ndarray[Any, Any]) -> RunTable:
    return RunTable(scores=[scores], environments=[tuple(range(len(scores)))], trained=True)


def test_what_more_seeds_leave_is_what_environments_add_to_the_rest() -> None:
    rng = RNG(2)
    tables = [rng.normal(0, 1, (12, 1)) + rng.normal(0, 1, (1, 5)) + rng.normal(0, 1, (12, 5)) for _ in range(2)]
    rests = [x - x.mean(axis=0) - x.mean(axis=1, keepdims=True) + x.mean() for x in tables]
    rest = sum((part**2).sum() / (11 * 4) / 60 for part in rests)
    seeds = sum(x.mean(axis=0).var(ddof=1) / 5 for x in tables)
    environments = (tables[0] - tables[1]).mean(axis=1).var(ddof=1) / 12
    found = recipe_variance(*map(crossed, tables))
    assert environments > rest
    assert found.own.error == pytest.approx(sqrt(seeds + environments - rest))
    assert found.environments == pytest.approx((environments - rest) / (seeds + environments - rest))


def test_t_and_its_degrees_of_freedom_are_those_of_the_error_that_decides() -> None:
    """Of 4 seeds a side, whose own error is smaller than that of the claim, but has 6 degrees of freedom at most."""
    rng = RNG(5)
    tables_of = {
        policy: shift + rng.normal(0, 0.2, (1, 4)) + rng.normal(0, 0.5, (30, 1)) + rng.normal(0, 0.1, (30, 4))
        for policy, shift in (("a", 0.0), ("b", 2.0))
    }
    rows = [
        (policy, "m", seed, episode, scores[episode, seed])
        for policy, scores in tables_of.items()
        for seed in range(4)
        for episode in range(30)
    ]
    frame = pd.DataFrame(rows, columns=["policy", "mission", "train_seed", "episode", "score"])
    (found,) = daf_compare_scores(frame, num_resamples=100).headline_records("recipes")
    errors = recipe_variance(*map(crossed, tables_of.values())).errors
    ps = [2 * stats.t.sf(abs(found.difference) / one.error, one.df) for one in errors]
    assert max(ps) > 1.05 * ps[0]
    weakest = errors[int(np.argmax(ps))]
    assert (found.t, found.df) == pytest.approx((found.difference / weakest.error, weakest.df))


@pytest.mark.parametrize(("level", "alpha"), [(0.9, 0.1), (0.95, 0.05), (0.99, 0.01), (0.8, 0.2), (0.975, 0.025)])
def test_the_significance_level_is_that_of_the_confidence_level_as_written(level: float, alpha: float) -> None:
    assert alpha_of(level) == alpha


def scores_of(**values: list[float]) -> pd.DataFrame:
    rows = [(policy, "m", seed, score) for policy, own in values.items() for seed, score in enumerate(own)]
    return pd.DataFrame(rows, columns=["policy", "mission", "train_seed", "score"])


def test_a_p_of_exactly_the_significance_level_decides() -> None:
    """Of the 20 ways to label three seeds against three, the observed one and its mirror image are the most extreme."""
    table = scores_of(a=[5, 6, 7], b=[1, 2, 3.5])
    results = daf_compare_scores(table, confidence_level=0.9, recipe_test="permutation")
    (record,) = results.headline_records("recipes")
    assert (record.p, record.minimum_p, record.verdict) == (0.1, 0.1, "better")
    assert not any("too few training seeds" in note for note in results.notes)


@pytest.mark.parametrize("episodes", [1, 2])
def test_a_permutation_test_that_can_reach_the_significance_level_is_asked_to_confirm(episodes: int) -> None:
    """Welch's p is 0.077, but a second labelling and both mirror images are as extreme: p = 4 / 20."""
    table = scores_of(a=[1.8, 1.4, 0.3], b=[-1.2, 0.3, -0.1])
    table = pd.concat([table.assign(episode=episode) for episode in range(episodes)])
    results = daf_compare_scores(table, confidence_level=0.9, recipe_claim="these_episodes")
    (record,) = results.headline_records("recipes")
    assert (record.p, record.verdict) == (0.2, "inconclusive")


def test_an_undecided_pair_with_p_at_the_significance_level_names_the_other_tests() -> None:
    record = PairRecord(
        estimand="recipes", mission="m", n_missions=1, policy_a="a", policy_b="b", paired=False, n_a=3, n_b=3,
        effect_name="d", test="t", difference=1.0, interval_low=0.1, interval_high=2.0, p=0.1, p_holm=0.2, n_tests=2,
        verdict="inconclusive",
    )  # fmt: skip
    assert "among 2 tests" in why_undecided(record, 0.9)


@pytest.mark.parametrize("primary", ["mean", "iqm"])
def test_a_mission_with_a_single_common_episode_leaves_no_verdict_over_missions(primary: str) -> None:
    """Nothing tells how much differences vary there, so Hall's test cannot guard the sign flips."""
    gaps = {"m": [5.0, 6, 7, 5.5, 6.5, 7.5, 5.2, 6.2], "one": [3.0], "other": [4.0]}
    rows = [
        (policy, mission, episode, gap * (policy == "a") + episode % 3)
        for mission, own in gaps.items()
        for policy in "ab"
        for episode, gap in enumerate(own)
    ]
    table = pd.DataFrame(rows, columns=["policy", "mission", "episode", "score"])
    results = daf_compare_scores(table, primary=primary)
    found = results.pairwise.query("estimand == 'checkpoints'").set_index("mission")
    why = "a single common episode on each of one, other does not show how much differences vary there"
    assert found["verdict"].to_dict() == {
        "m": "better", "one": "insufficient data", "other": "insufficient data", "overall": "insufficient data",
    }  # fmt: skip
    assert found.loc["overall", "reason"] == why
    assert found.loc["one", "reason"] == "only one unit"
    assert np.isnan(found.loc["overall", "p"])
    assert results.estimand["checkpoints"]["why"] == f"{why}."
    (alone,) = daf_compare_scores(table[table["mission"] != "one"], primary=primary).headline_records("checkpoints")
    assert alone.reason == "a single common episode on other does not show how much differences vary there"
