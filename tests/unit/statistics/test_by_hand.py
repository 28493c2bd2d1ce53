"""Figures of comparisons recomputed from the rows: which sample, which side, which weight and which number counts."""

from __future__ import annotations

from math import ceil, sqrt
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from daf.comparison import ComparisonResults, daf_compare_scores
from daf.config import DAFComparisonConfig
from daf.errors import BadInputError
from daf.statistics import bootstrap, hypothesis_tests, intervals, recipe_bootstrap
from daf.statistics.comparison import compare_episodes
from daf.statistics.crossed import RunTable, recipe_variance
from daf.statistics.records import PairRecord

RNG = np.random.default_rng


def scores(
    policies: dict[str, tuple[float, int]], *, missions: dict[str, int] | None = None, seed: int = 0, noise: float = 1.0
) -> pd.DataFrame:
    """Scores of policies with (mean, number of training seeds; 0: none) on missions with numbers of episodes."""
    rng = RNG(seed)
    rows = []
    for mission, episodes in (missions or {"m": 8}).items():
        for policy, (mean, seeds) in policies.items():
            for train_seed in range(max(1, seeds)):
                level = mean + (rng.normal(0, 0.5) if seeds else 0.0)
                rows += [
                    (policy, mission, train_seed if seeds else None, episode, level + rng.normal(0, noise))
                    for episode in range(episodes)
                ]
    return pd.DataFrame(rows, columns=["policy", "mission", "train_seed", "episode", "score"])


def compared(frame: pd.DataFrame, **options: Any) -> ComparisonResults:
    return daf_compare_scores(frame, num_resamples=200, **options)


def pair(results: ComparisonResults, estimand: str, mission: str = "overall") -> PairRecord:
    return next(r for r in results.pairs if (r.estimand, r.mission) == (estimand, mission))


def of_rows(frame: pd.DataFrame, **options: Any) -> ComparisonResults:
    """The comparison of an episodes table."""
    names = {
        key: list(dict.fromkeys(frame[column])) for key, column in (("policies", "policy"), ("missions", "mission"))
    }
    return compare_episodes(frame, DAFComparisonConfig(**names, num_resamples=200, **options))


# ---- the fewest units -------------------------------------------------------------------------------------


def test_the_sample_with_fewest_units_decides_whether_there_is_an_interval() -> None:
    few, many = [RNG(0).normal(size=4)], [RNG(1).normal(size=50)]
    for samples in ([few, many], [many, few]):
        (low, _), reason = bootstrap.replicate_levels(samples)
        assert np.isnan(low)
        assert reason == "4 units; a bootstrap interval needs at least 5"


def test_the_levels_of_recipes_are_those_of_the_side_with_fewer_seeds() -> None:
    tables = [
        RunTable(scores=[RNG(0).normal(size=(9, n))], environments=[tuple(range(9))], trained=True) for n in (5, 50)
    ]
    expected = bootstrap.expanded_levels([5])
    for order in (tables, tables[::-1]):
        assert recipe_bootstrap.crossed_levels(order, 0.95) == (expected, "")


def test_a_fixed_policy_counts_with_its_episodes() -> None:
    """8 environment seeds of the mission that has fewest, whatever the number of training seeds of the other side."""
    places = [tuple(range(n)) for n in (40, 8)]
    fixed = RunTable(scores=[RNG(0).normal(size=(len(p), 1)) for p in places], environments=places, trained=False)
    seeds = RunTable(scores=[RNG(1).normal(size=(len(p), 30)) for p in places], environments=places, trained=True)
    assert recipe_bootstrap.crossed_levels([seeds, fixed], 0.95)[0] == bootstrap.expanded_levels([8])


def test_further_units_are_counted_from_the_mission_or_side_that_has_fewest() -> None:
    frame = scores({"a": (0.0, 3), "b": (0.1, 6)}, missions={"m": 24, "k": 4})
    results = compared(frame, equivalence_margin=0.2)
    episodes, seeds = pair(results, "checkpoints"), pair(results, "recipes")
    assert episodes.n_needed is not None
    assert seeds.n_needed is not None
    assert episodes.more_needed == ceil(episodes.n_needed / 2) - 4 > 0
    assert seeds.more_needed == seeds.n_needed - 3 > 0


# ---- fixed policies with several checkpoints --------------------------------------------------------------


def test_a_fixed_policy_is_the_mean_of_its_checkpoints() -> None:
    rng, rows = RNG(3), []
    x, r = rng.normal(1, 1, (12, 5)) + rng.normal(0, 1, 5), rng.normal(0, 3, (12, 2)) + np.array([0.0, 4.0])
    for policy, values, trained in (("x", x, True), ("r", r, False)):
        for (env_seed, column), reward in np.ndenumerate(values):
            rows.append((policy, f"{policy}{column}", column if trained else None, "m", env_seed, reward))
    frame = pd.DataFrame(rows, columns=["policy", "checkpoint", "train_seed", "mission", "env_seed", "mean_reward"])
    record = pair(of_rows(frame), "recipes", "m")
    places = [tuple(range(12))]
    variance = recipe_variance(
        RunTable(scores=[x], environments=places, trained=True),
        RunTable(scores=[r.mean(axis=1, keepdims=True)], environments=places, trained=False),
    )
    assert record.difference == pytest.approx(x.mean() - r.mean())
    assert record.interval_high - record.difference == pytest.approx(variance.half_width(0.95))


# ---- what is counted of episodes --------------------------------------------------------------------------


def played(**columns: Any) -> pd.DataFrame:
    """One policy with two training seeds on six environment seeds."""
    frame = pd.DataFrame(
        [("a", f"a-{seed}", seed, "m", env_seed, float(env_seed + seed)) for seed in (1, 2) for env_seed in range(6)],
        columns=["policy", "checkpoint", "train_seed", "mission", "env_seed", "mean_reward"],
    )
    return frame.assign(**columns)


def test_timeouts_add_up_over_episodes_and_checkpoints() -> None:
    assert of_rows(played(timeouts=range(12))).summary[0].timeouts == 66


def test_success_of_two_checkpoints_on_one_environment_seed_is_one_unit() -> None:
    record = of_rows(played(success=[1.0] * 6 + [0.0] * 6)).summary[0]
    bounds = stats.binomtest(3, 6).proportion_ci(0.95, method="wilson")
    assert (record.success_rate, record.success_low, record.success_high) == pytest.approx(
        (0.5, bounds.low, bounds.high)
    )


def test_success_rates_of_missions_weigh_alike() -> None:
    other = played(success=1.0, mission="k").query("env_seed < 2")
    record = of_rows(pd.concat([played(success=[0.0, 0.0, 0.0, 1.0, 1.0, 1.0] * 2), other])).summary[-1]
    assert (record.mission, record.success_rate) == ("overall", 0.75)


def test_two_checkpoints_of_one_training_seed_are_refused() -> None:
    with pytest.raises(BadInputError, match="one checkpoint per policy and training seed"):
        of_rows(played(train_seed=7))


def test_spread_of_episodes_is_that_of_a_sample() -> None:
    record = of_rows(played()).summary[0]
    assert record.sd == pytest.approx(np.arange(6).std(ddof=1))


# ---- skewed units -----------------------------------------------------------------------------------------


def test_the_skewness_of_a_mean_over_missions_is_that_of_its_cumulants() -> None:
    strata = [RNG(1).gamma(1.0, 1.0, 9), RNG(2).gamma(2.0, 3.0, 14), RNG(3).normal(0, 1, 5)]
    variance = sum(stats.kstat(part, 2) / part.size for part in strata) / 9
    third = sum(stats.kstat(part, 3) / part.size**2 for part in strata) / 27
    error, _ = intervals.standard_error(strata)
    assert error == pytest.approx(sqrt(variance))
    assert intervals.skewness_of_mean(strata, error) == pytest.approx(third / variance**1.5)


def test_halls_transformed_t_is_his_formula() -> None:
    # Hall 1992: W + c W^2 / 3 + c^2 W^3 / 27 + c / 6n, times sqrt(n), with W = t / sqrt(n) and c the skewness.
    values = RNG(4).gamma(1.0, 1.0, 12) - 0.4
    n, c = values.size, stats.skew(values, bias=False)
    w = values.mean() / values.std(ddof=1)
    expected = sqrt(n) * (w + c * w**2 / 3 + c**2 * w**3 / 27 + c / (6 * n))
    found = hypothesis_tests.hall_test([values])
    assert found.t == pytest.approx(expected)
    assert found.p == pytest.approx(2 * stats.t.sf(abs(expected), n - 1))


def test_the_interval_of_a_variance_is_that_of_chi_squared() -> None:
    values = RNG(5).normal(0, 2, 11)
    found = intervals.variance_interval(values, 0.9)
    squares = 10 * values.var(ddof=1)
    assert (found.low, found.high) == pytest.approx(
        (squares / stats.chi2.ppf(0.95, 10), squares / stats.chi2.ppf(0.05, 10))
    )


# ---- tests ------------------------------------------------------------------------------------------------


def test_the_normal_limit_of_sign_flips_is_two_sided() -> None:
    for sign in (1, -1):
        values = sign * RNG(3).normal(0.02, 1, 6000)
        found = hypothesis_tests.sign_flip_test([values], rng=RNG(0))
        expected = 2 * stats.norm.sf(abs(values.sum()) / np.sqrt((values**2).sum()))
        assert 0.01 < expected < 0.9
        assert found.p == pytest.approx(expected)
