"""Simulated truth: how often intervals cover it, and how often identical policies get a verdict.

Data are nested as real ones are: missions, training seeds that are good or bad on all missions alike, environment seeds
shared by all policies, episodes. By default few data sets are drawn and the bounds are wide (three standard errors
around what many of them gave); with `-m long` the bounds are those that the results are promised to keep: intervals
cover 93 to 97 %, family-wise error is at most 6 %. Verdicts, 0.2 s for each data set, are drawn 500 times and may be
wrong in 9 %: three standard errors more. Without an adjustment for their number it would be over 30 %.
"""

from __future__ import annotations

from itertools import combinations
from math import nan, sqrt

import numpy as np
import pytest

from daf.config import DAFComparisonConfig
from daf.statistics import bootstrap, hypothesis_tests, intervals, pairs
from daf.statistics.streams import ESTIMAND_KEYS
from daf.statistics.units import Cell, Units

RNG = np.random.default_rng
DEFAULT_OR_LONG = pytest.mark.parametrize("runs", [40, pytest.param(300, marks=pytest.mark.long)])


def nested(
    rng: np.random.Generator, *, policies: int = 6, missions: int = 3, seeds: int = 5, episodes: int = 16,
    same_weights: bool = False,
) -> Units:  # fmt: skip
    """Identical recipes; with `same_weights` even identical checkpoints. Every true mean is 0.

    Half of the variance between training seeds is common to all missions: a seed is a good or a bad one.
    """
    names, places = [f"p{i}" for i in range(policies)], [f"m{i}" for i in range(missions)]
    shared = {mission: rng.normal(0, 1, episodes) for mission in places}
    cells = {}
    for policy in names:
        skill = rng.normal(0, 0.0 if same_weights else 0.5, seeds)
        for mission in places:
            own = rng.normal(0, 0.0 if same_weights else 0.5, seeds)
            noise = rng.normal(0, 1, (episodes, seeds))
            cells[policy, mission] = Cell(
                rewards_ec=shared[mission][:, None] + skill + own + noise,
                seeds=tuple(range(episodes)),
                training_seeds=tuple(range(seeds)),
                successes=(nan, 0),
                failures=0,
                timeouts=0,
            )
    return Units(policies=tuple(names), missions=tuple(places), cells=cells, notes=())


def settings(units: Units, **changes: object) -> DAFComparisonConfig:
    base = {"policies": list(units.policies), "missions": list(units.missions), "num_resamples": 400}
    return DAFComparisonConfig.from_dict({**base, **changes})


def expect_share(hits: int, runs: int, low: float, high: float) -> None:
    """A share within bounds, and three standard errors of its Monte Carlo error."""
    slack = 3 * sqrt(0.05 * 0.95 / runs)
    assert low - slack <= hits / runs <= high + slack, hits / runs


def run_means(units: Units, policy: str) -> np.ndarray:
    """Mean over missions per training seed."""
    return np.mean(units.run_scores(policy, list(units.missions)), axis=0)


# ---- family-wise error ------------------------------------------------------------------------------------


ESTIMANDS = pytest.mark.parametrize(
    ("estimand", "test"), [("checkpoints", "welch"), ("recipes", "welch"), ("recipes", "permutation")]
)


def identical(rng: np.random.Generator, estimand: str) -> Units:
    """Checkpoints are identical if their weights are the same; recipes are, even if their weights differ."""
    return nested(rng, missions=2, same_weights=estimand == "checkpoints", seeds=1 if estimand == "checkpoints" else 5)


@ESTIMANDS
def test_adjusted_p_of_six_identical_policies_are_rarely_small(estimand: str, test: str) -> None:
    rng, runs, false = RNG([7, ord(ESTIMAND_KEYS[estimand])]), 150, 0
    for _ in range(runs):
        units, raw = identical(rng, estimand), []
        for a, b in combinations(units.policies, 2):
            x, y = (run_means(units, policy) for policy in (a, b))
            if estimand == "checkpoints":
                strata = [units.paired_differences(a, b, mission) for mission in units.missions]
                raw.append(hypothesis_tests.sign_flip_test(strata, num_resamples=400, rng=rng).p)
            else:
                raw.append(
                    (
                        hypothesis_tests.welch_test(x, y)
                        if test == "welch"
                        else hypothesis_tests.permutation_test(x, y, rng=rng)
                    ).p
                )
        false += hypothesis_tests.holm(np.array(raw, float)).min() <= 0.05
    expect_share(false, runs, 0.0, 0.06)


@pytest.mark.long
@ESTIMANDS
def test_six_identical_policies_get_a_verdict_rarely(estimand: str, test: str) -> None:
    rng, runs, false = RNG([8, ord(ESTIMAND_KEYS[estimand])]), 250, {"overall": 0, "missions": 0}
    for _ in range(runs):
        units = identical(rng, estimand)
        records = pairs.compare_pairs(units, settings(units, recipe_test=test))
        decided = [r for r in records if r.estimand == estimand and r.verdict in ("better", "worse")]
        false["overall"] += any(r.mission == "overall" for r in decided)
        false["missions"] += any(r.mission != "overall" for r in decided)
    for hits in false.values():
        expect_share(hits, runs, 0.0, 0.06)


def test_episodes_as_units_of_recipes_would_be_wrong_most_of_the_time() -> None:
    # The mistake that the comparison of recipes avoids: the same data, with episodes as independent units (a check
    # that the simulation is able to show it).
    rng, false = RNG(1), 0
    for _ in range(100):
        units = nested(rng, policies=2, missions=1, seeds=5, episodes=40)
        x, y = (units.cells[policy, "m0"].rewards_ec.ravel() for policy in units.policies)
        false += hypothesis_tests.welch_test(x, y).p <= 0.05
    assert false > 30


# ---- coverage ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [5, 20, 40, 99])
def test_student_t_covers_normal_units_exactly(n: int) -> None:
    rng, runs = RNG(n), 4000
    draws = rng.normal(1, 2, (runs, n))
    hits = sum((found := intervals.student_t_interval([row])).low <= 1 <= found.high for row in draws)
    assert 0.94 <= hits / runs <= 0.96  # three standard errors are .0103


@DEFAULT_OR_LONG
@pytest.mark.parametrize(
    ("draw", "mean"),
    [(lambda rng, n: rng.normal(0, 1, n), 0.0), (lambda rng, n: rng.gamma(2, 1, n), 2.0)],
    ids=["normal", "skewed"],
)
def test_means_of_a_hundred_units_are_covered(draw: object, mean: float, runs: int) -> None:
    rng, hits = RNG(runs), 0
    for _ in range(runs):
        found = intervals.mean_interval([draw(rng, 100)])  # type: ignore[operator]
        hits += found.low <= mean <= found.high
    expect_share(hits, runs, 0.93, 0.97)


@DEFAULT_OR_LONG
@pytest.mark.parametrize("joint", [False, True])
@pytest.mark.parametrize("statistic", ["iqm", "mean", "median"])
def test_aggregates_over_missions_cover(statistic: str, joint: bool, runs: int) -> None:
    # Ten training seeds on five missions; with `joint` half of the variance between seeds is common to all missions.
    rng, hits, seeds, missions = RNG(runs), 0, 10, 5
    for _ in range(runs):
        common = rng.normal(0, sqrt(0.5), seeds) if joint else np.zeros(seeds)
        scores = [common + rng.normal(0, sqrt(0.5) if joint else 1, seeds) for _ in range(missions)]
        replicates, _ = bootstrap.bootstrap_suite(
            [scores], statistics=(statistic,), num_resamples=1000, rngs=[rng], pairs=[], joint=joint
        )
        found = bootstrap.replicate_interval(replicates[statistic][0], [scores], joint=joint)
        hits += found.low <= 0 <= found.high
    # Intervals of a median over missions are wide: resampled means of missions lie further apart than the true ones.
    expect_share(hits, runs, 0.93, 0.99 if statistic == "median" else 0.97)


@DEFAULT_OR_LONG
def test_differences_of_nested_data_are_covered(runs: int) -> None:
    rng = RNG(runs)
    hits = {("checkpoints", "overall"): 0, ("checkpoints", "m0"): 0, ("recipes", "overall"): 0, ("recipes", "m0"): 0}
    counts = dict.fromkeys(hits, 0)
    for _ in range(runs):
        for same_weights in (True, False):
            units = nested(rng, policies=2, missions=3, seeds=5, same_weights=same_weights)
            for r in pairs.compare_pairs(units, settings(units)):
                key = (r.estimand, r.mission)
                if key in hits and (r.estimand == "checkpoints") == same_weights:
                    counts[key] += 1
                    hits[key] += r.interval_low <= 0 <= r.interval_high
    assert set(counts.values()) == {runs}
    for key in hits:
        expect_share(hits[key], runs, 0.93, 0.97)


@DEFAULT_OR_LONG
def test_probability_of_improvement_is_covered(runs: int) -> None:
    rng, hits = RNG(runs), 0
    for _ in range(runs):
        scores = [[rng.normal(0, 1, 10) for _ in range(6)] for _ in range(2)]
        _, found = bootstrap.bootstrap_suite(scores, statistics=(), num_resamples=1000, rngs=[rng, rng])
        interval = bootstrap.replicate_interval(found[0], scores)
        hits += interval.low <= 0.5 <= interval.high
    expect_share(hits, runs, 0.93, 0.97)
