"""Figures of comparisons recomputed from the rows: which sample, which side, which weight and which number counts."""

from __future__ import annotations

from dataclasses import replace
from math import ceil, gamma, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from daf.comparison import ComparisonResults, daf_compare_scores
from daf.config import DAFComparisonConfig
from daf.errors import BadInputError
from daf.statistics import (
    bootstrap,
    effects,
    hypothesis_tests,
    intervals,
    large_samples,
    pairs,
    primary,
    ranking,
    recipe_bootstrap,
    recipe_pairs,
    sequential,
    unit_collection,
)
from daf.statistics.cautions import episode_cautions, seed_cautions
from daf.statistics.comparison import compare_episodes
from daf.statistics.crossed import RunTable, recipe_variance
from daf.statistics.records import PairRecord
from daf.statistics.sentences import Words, verdict_sentence
from daf.statistics.streams import environment_streams, stream

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


@pytest.mark.parametrize(("x", "y"), [(3, 5), (9, 4)])
def test_resampled_differences_have_the_p_of_the_interval_that_touches_zero(x: int, y: int) -> None:
    """The side with fewer seeds decides both."""
    record = PairRecord(
        estimand="recipes", mission="m", n_missions=1, policy_a="a", policy_b="b", paired=False, n_a=x + 2, n_b=y + 2,
        effect_name="d", test="t",
    )  # fmt: skip
    replicates = RNG(0).normal(1.3, 1.0, 20_000)
    found = primary.from_replicates(record, "iqm", primary.tail_of(replicates), [[x + 2], [y + 2]], known=True)
    samples = [[RNG(1).normal(size=x + 2)], [RNG(2).normal(size=y + 2)]]
    interval = bootstrap.replicate_interval(replicates, samples, 1 - found.p)
    assert interval.low == pytest.approx(0, abs=0.02)


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
    means = x.mean(axis=0)
    assert record.p_improvement == (means > r.mean()).mean()
    assert (means > r.mean()).sum() < (means > r[:, 0].mean()).sum()
    assert record.iqm_difference == pytest.approx(stats.trim_mean(means, 0.25) - r.mean())


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


def test_the_larger_p_of_sign_flips_and_halls_test_counts() -> None:
    seen = set()
    for values in (RNG(2).gamma(0.5, 1, 12) - 0.25, 0.25 - RNG(2).gamma(0.5, 1, 12), RNG(1).normal(0.4, 1, 12)):
        rows = [("a", episode, value) for episode, value in enumerate(values)] + [("b", e, 0.0) for e in range(12)]
        frame = pd.DataFrame(rows, columns=["policy", "episode", "score"]).assign(mission="m")
        record = pair(compared(frame), "checkpoints", "m")
        flips = hypothesis_tests.sign_flip_test([values], rng=RNG(0))
        hall = hypothesis_tests.hall_test([values])
        larger = max((flips, hall), key=lambda test: test.p or 0.0)
        assert record.p == pytest.approx(larger.p)
        assert record.test == larger.name
        seen.add(larger.name)
    assert len(seen) == 2


def test_a_sign_test_of_differences_of_one_sign_is_the_binomial_test() -> None:
    frame = scores({"a": (20.0, 0), "b": (0.0, 0)})
    for policies in (["a", "b"], ["b", "a"]):
        record = pair(compared(frame, policies=policies, primary="probability_of_improvement"), "checkpoints", "m")
        assert record.test == "sign test"
        assert record.p == record.minimum_p == pytest.approx(stats.binomtest(8, 8).pvalue)


def test_a_quantity_that_is_equal_contradicts_nothing() -> None:
    record = PairRecord(
        estimand="recipes", mission="m", n_missions=1, policy_a="a", policy_b="b", paired=False, n_a=5, n_b=5,
        effect_name="d", test="t", difference=1.0, iqm_difference=0.0, p_improvement=0.5,
    )  # fmt: skip
    assert primary.contradictions(record) == []
    for sign in (1, -1):
        turned = replace(record, difference=sign * 1.0, iqm_difference=sign * -0.1, p_improvement=0.5 - sign * 0.1)
        assert primary.contradictions(turned) == ["iqm", "probability_of_improvement"]


@pytest.mark.parametrize("sign", [1, -1])
def test_equivalence_of_skewed_differences_needs_students_test_and_halls(sign: int) -> None:
    """Towards the tail of the differences Hall's p is the larger one, on the other side Student's."""
    units = sign * (np.array([0.0, 0.1, 0.2, 0.1, 0.3, 0.2, 0.1, 1.6, 0.2, 0.0]) - 0.28) - 0.5
    error, margin = stats.sem(units), 0.9
    skewness = intervals.skewness_of_mean([units], error)

    def hall(t: float) -> float:
        return t + skewness * t**2 / 3 + skewness**2 * t**3 / 27 + skewness / 6

    edges = (units.mean() + margin) / error, (margin - units.mean()) / error
    student = max(stats.t.sf(edge, 9) for edge in edges)
    halls = max(stats.t.sf(hall(edges[0]), 9), stats.t.cdf(hall(-edges[1]), 9))
    assert (student > halls + 1e-3) == (sign == 1)
    assert (halls > student + 1e-3) == (sign == -1)
    assert hypothesis_tests.hall_equivalence_p([units], margin) == pytest.approx(max(student, halls))
    symmetric = np.array([-1.0, -0.5, 0.0, 0.5, 1.0]) + 0.1
    one, both = stats.sem(symmetric), hypothesis_tests.hall_equivalence_p([symmetric], 1.5)
    assert both == pytest.approx(stats.t.sf(1.4 / one, 4))


@pytest.mark.parametrize(("minimum", "verdict"), [(0.0625, "insufficient data"), (0.03125, "inconclusive")])
def test_a_p_that_could_not_have_been_small_enough_is_no_verdict(minimum: float, verdict: str) -> None:
    record = PairRecord(
        estimand="checkpoints", mission="m", n_missions=1, policy_a="a", policy_b="b", paired=True, n_a=5, n_b=5,
        effect_name="dz", test="sign-flip permutation", difference=1.0, p=0.0625, minimum_p=minimum,
    )  # fmt: skip
    found, reason = pairs.verdict(record, 0.0625, float("nan"), 0.05, None)
    assert found == verdict
    assert ("p cannot fall below 0.062" in reason) == (verdict == "insufficient data")


def test_equivalence_is_adjusted_by_holm_within_its_family() -> None:
    frame = scores({"a": (0.0, 6), "b": (0.1, 6), "c": (0.3, 6)})
    settings = {"equivalence_margin": 1.0}
    pairs = [("a", "b"), ("a", "c"), ("b", "c")]
    alone = [
        pair(compared(frame[frame["policy"].isin(names)], **settings), "recipes", "m").p_equivalence for names in pairs
    ]
    adjusted = {
        (record.policy_a, record.policy_b): record.p_equivalence
        for record in compared(frame, **settings).pairs
        if record.estimand == "recipes" and record.mission == "overall"
    }
    assert len(set(alone)) == 3
    np.testing.assert_allclose([adjusted[names] for names in pairs], hypothesis_tests.holm(alone))


def test_a_permutation_test_that_cannot_reject_does_not_overrule_welch() -> None:
    """3 against 3 seeds have p >= .1; 3 against 4 have p >= .029."""
    few = pd.DataFrame({"policy": list("aaabbb"), "mission": "m", "seed": [0, 1, 2] * 2, "score": [0, 1, 2, 9, 10, 11]})
    record = pair(compared(few), "recipes", "m")
    assert record.test == "Welch t-test on seed means"
    assert record.p == pytest.approx(stats.ttest_ind([0, 1, 2], [9, 10, 11], equal_var=False).pvalue)
    assert record.verdict == "worse"


def test_a_chosen_permutation_test_does_not_overrule_welch_either() -> None:
    x, y = [1.4, 1.2, -2.4, 1.2], [2.5, 2.8, 2.6, 2.6]
    frame = pd.DataFrame({"policy": ["a"] * 4 + ["b"] * 4, "mission": "m", "seed": [0, 1, 2, 3] * 2, "score": x + y})
    welch = stats.ttest_ind(x, y, equal_var=False).pvalue
    found = pair(compared(frame, recipe_test="permutation"), "recipes", "m")
    assert found.minimum_p == pytest.approx(2 / 70)
    assert found.p == pytest.approx(welch) == pytest.approx(0.0891, abs=1e-4)
    assert found.test == "Welch t-test on seed means, and studentized permutation (exact)"


def seed_means(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    means = frame.groupby(["policy", "train_seed"])["score"].mean()
    return means["a"].to_numpy(), means["b"].to_numpy()


def test_the_effect_of_recipes_is_by_the_average_variance_of_both_sides() -> None:
    frame = scores({"a": (1.0, 4), "b": (0.0, 9)})
    record = pair(compared(frame, recipe_claim="these_episodes"), "recipes")
    x, y = seed_means(frame)
    sd, df = sqrt((x.var(ddof=1) + y.var(ddof=1)) / 2), stats.ttest_ind(x, y, equal_var=False).df
    assert record.effect_name == "d"
    assert record.effect == pytest.approx((x.mean() - y.mean()) / sd * hedges(df))
    fixed = scores({"a": (1.0, 4), "b": (0.0, 0)})
    assert pair(compared(fixed), "recipes").effect_name == "dz"


def test_the_paired_effect_over_missions_is_by_the_mean_variance_within_them() -> None:
    strata = [RNG(1).normal(1, 1, 9), RNG(2).normal(1, 6, 14)]
    effect, interval = effects.dz(strata, 0.9)
    difference, sd = np.mean([part.mean() for part in strata]), sqrt(np.mean([part.var(ddof=1) for part in strata]))
    assert effect == pytest.approx(difference / sd)
    parts = np.array([part.var(ddof=1) / part.size / 4 for part in strata])
    error, df = sqrt(parts.sum()), parts.sum() ** 2 / (parts**2 / [8, 13]).sum()
    mean, quantile = intervals.mean_interval(strata, 0.9), stats.t.ppf(0.95, df)
    lower, upper = mean.low / error + quantile, mean.high / error - quantile  # difference / error unless skewed
    assert upper - lower > 1e-3
    for t, bound, share in ((lower, interval.low, 0.95), (upper, interval.high, 0.05)):
        assert stats.nct.cdf(t, df, bound * sd / error) == pytest.approx(share, abs=1e-6)


def hedges(df: float) -> float:
    return gamma(df / 2) / (sqrt(df / 2) * gamma((df - 1) / 2))


def test_equivalence_of_recipes_needs_every_error_that_the_claim_implies() -> None:
    frame = scores({"a": (0.1, 4), "b": (0.0, 5)}, missions={"m": 12})
    record = pair(compared(frame, equivalence_margin=1.0), "recipes")
    tables = [
        RunTable(
            scores=[part.pivot(index="episode", columns="train_seed", values="score").to_numpy()],
            environments=[tuple(range(12))],
            trained=True,
        )
        for _, part in frame.groupby("policy")
    ]
    d = tables[0].mean - tables[1].mean
    sides = [
        (stats.t.sf((d + 1) / one.error, one.df), stats.t.cdf((d - 1) / one.error, one.df))
        for one in recipe_variance(*tables).errors
    ]
    assert record.p_equivalence == pytest.approx(max(max(pair_of_p) for pair_of_p in sides))
    assert max(map(max, sides)) > 2 * min(map(max, sides))


# ---- planning ---------------------------------------------------------------------------------------------


def power(noncentrality: float, df: float, alpha: float = 0.05) -> float:
    critical = stats.t.isf(alpha / 2, df)
    return float(stats.nct.sf(critical, df, noncentrality) + stats.nct.cdf(-critical, df, noncentrality))


@pytest.mark.parametrize("margin", [0.5, 0.9, 1.2, 1.5, 2.0])
def test_runs_needed_if_each_mission_has_its_own(margin: float) -> None:
    frame = scores({"a": (0.0, 4), "b": (0.1, 4)}, missions={"m": 1, "k": 1, "l": 1})
    record = pair(compared(frame, trainings="per_mission", equivalence_margin=margin), "recipes")
    within = frame.groupby(["policy", "mission"])["score"].var()
    sd, needed = sqrt(within.mean()), record.n_needed
    assert needed is not None

    def power_of(n: int) -> float:
        return power(margin / sd / sqrt(2 / (3 * n)), 6 * (n - 1)) if n > 1 else 0.0

    assert needed == max(2, next(n for n in range(1, 1000) if power_of(n) >= 0.8))


def test_more_seeds_do_not_help_against_the_spread_of_episodes() -> None:
    """Two fixed differences of opposite sign on the episodes played: what other episodes give remains unknown."""
    frame = scores({"a": (0.0, 6), "b": (0.0, 6)}, missions={"m": 6}, noise=0.1)
    frame["score"] += np.where(frame["policy"] == "a", 1.0, -1.0) * np.where(frame["episode"] % 2, 1.0, -1.0)
    general, conditional = (
        pair(compared(frame, equivalence_margin=1.0, recipe_claim=claim), "recipes")
        for claim in ("general", "these_episodes")
    )
    assert general.n_needed is None
    assert general.power < 0.5
    assert conditional.n_needed is not None


# ---- environments -----------------------------------------------------------------------------------------


def test_partly_shared_environments_count_as_pairs_where_shared() -> None:
    """The variance of a difference of means whose samples share 8 of 16 units, with the 7 df of the covariance."""
    shared = RNG(3).normal(0, 3, (24, 1))
    x, y = RNG(1).normal(0, 1, (16, 5)) + shared[:16], RNG(2).normal(0, 1, (16, 4)) + shared[8:]
    tables = [
        RunTable(scores=[values], environments=[tuple(range(first, first + 16))], trained=True)
        for values, first in ((x, 0), (y, 8))
    ]
    a, b = x.mean(axis=1), y.mean(axis=1)
    expected = a.var(ddof=1) / 16 + b.var(ddof=1) / 16 - 2 * 8 * np.cov(a[8:], b[:8])[0, 1] / 16**2
    of_environments = recipe_variance(*tables).errors[2]
    assert (of_environments.error**2, of_environments.df) == pytest.approx((expected, 7))


def test_the_interval_of_a_recipe_is_that_of_crossed_effects() -> None:
    frame = scores({"a": (1.0, 5)}, missions={"m": 9})
    frame["score"] += 3 * RNG(7).normal(size=9)[frame["episode"]]
    values = frame.pivot(index="episode", columns="train_seed", values="score").to_numpy()
    table = RunTable(scores=[values], environments=[tuple(range(9))], trained=True)
    half = recipe_variance(table).half_width(0.95)
    for claim, expected in (
        ("general", half),
        ("these_episodes", stats.t.ppf(0.975, 4) * stats.sem(values.mean(axis=0))),
    ):
        record = compared(frame, recipe_claim=claim).summary[0]
        assert (record.recipe_low, record.recipe_high) == pytest.approx(
            (values.mean() - expected, values.mean() + expected)
        )


def test_shifts_vary_by_what_environments_do_beyond_the_noise_of_episodes() -> None:
    values = RNG(1).normal(0, 1, (12, 1)) + RNG(2).normal(0, 2, (12, 4))
    table = RunTable(scores=[values], environments=[tuple(range(12))], trained=True)
    rest = values - values.mean(axis=0) - values.mean(axis=1, keepdims=True) + values.mean()
    expected = values.mean(axis=1).var(ddof=1) / 12 - (rest**2).sum() / (11 * 3) / 48
    assert 0.1 < expected / values.mean(axis=1).var(ddof=1) * 12 < 0.9
    (shifts,) = recipe_bootstrap.environment_shifts([table], 40_000, [RNG(3)])
    assert shifts.var() == pytest.approx(expected, rel=0.04)


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_the_normal_limit_of_a_mean_over_missions(level: float) -> None:
    parts = [RNG(1).normal(0, 1, 400), RNG(2).normal(3, 5, 700)]
    found = large_samples.interval("mean", parts, level, RNG(0))
    error = sqrt(sum(part.var(ddof=1) / part.size for part in parts)) / 2
    half = stats.norm.ppf(0.5 + level / 2) * error
    centre = np.mean([part.mean() for part in parts])
    assert (found.low, found.high) == pytest.approx((centre - half, centre + half))


# ---- streams ----------------------------------------------------------------------------------------------


def test_the_seed_of_resampling_decides_what_is_drawn_and_nothing_else() -> None:
    frame = scores({"a": (0.3, 6), "b": (0.0, 7)}, missions={"m": 8, "k": 8})
    one, again, other = (compared(frame, seed=seed) for seed in (1, 1, 2))
    for name in ("pairwise", "aggregates", "ranks", "profiles"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(again, name))
    bounds = ["interval_low", "interval_high"]
    assert (one.aggregates[bounds] != other.aggregates[bounds]).all(axis=None)
    assert one.aggregates["value"].equals(other.aggregates["value"])
    assert (one.ranks["p_first"] != other.ranks["p_first"]).any()


def test_each_mission_has_a_stream_of_its_environments() -> None:
    config = DAFComparisonConfig(policies=["a"], missions=["m", "k"])
    m, k = (rng.random(4).tolist() for rng in environment_streams(config, ["m", "k"]))
    assert m != k
    assert [rng.random(4).tolist() for rng in environment_streams(config, ["k"])] == [k]
    assert stream(config, "ranks", "m", "k").random() != stream(config, "ranks", "k", "m").random()


# ---- cautions ---------------------------------------------------------------------------------------------


def spread(n: int, sd: float) -> RunTable:
    """Evenly spaced seed means of this standard deviation."""
    steps = np.linspace(-1, 1, n)
    return RunTable(scores=[(sd * steps / steps.std(ddof=1))[None, :]], environments=[(0,)], trained=True)


@pytest.mark.parametrize(
    ("x", "y", "ratio", "named"),
    [
        (10, 10, 3.5, True),  # few
        (11, 11, 3.5, False),  # no longer few
        (10, 10, 2.5, False),  # beyond chance (2.01), but not much
        (3, 10, 5.0, False),  # within chance: the 97.5 % quantile of F(9, 2) is 39.4
        (10, 3, 5.0, False),
        (3, 10, 7.0, True),
    ],
)
def test_unequal_spread_of_few_seeds_is_named_beyond_chance(x: int, y: int, ratio: float, named: bool) -> None:
    for tables in ((spread(x, 1.0), spread(y, ratio)), (spread(x, ratio), spread(y, 1.0))):
        expected = max(stats.f.ppf(0.975, x - 1, y - 1), stats.f.ppf(0.975, y - 1, x - 1)) ** 0.5
        assert named == (ratio > max(3, expected) and min(x, y) <= 10)
        assert any("times as much as the other's" in text for text in seed_cautions(*tables)) == named


def test_a_policy_is_steady_only_if_it_is_on_every_mission() -> None:
    flat, varying, event = np.zeros(8), np.linspace(0, 3, 8), np.append(np.full(7, 0.5), 20.0)
    for missions, named in (([flat, flat], True), ([flat, varying], False)):
        scores_of = {"a": missions, "b": [part + event for part in missions]}
        differences = [x - y for x, y in zip(scores_of["a"], scores_of["b"], strict=True)]
        cautions = episode_cautions(scores_of, differences)
        assert any("the scores of a hardly vary" in text for text in cautions) == named


# ---- ranks and aggregates ---------------------------------------------------------------------------------


def test_ranks_of_recipes_heed_other_environment_seeds() -> None:
    runs = [[np.arange(5.0) / 10 + 1], [np.arange(5.0) / 10]]
    shifts = [RNG(3).normal(0, 20, (2000, 1)), np.zeros((2000, 1))]
    found = ranking.bootstrap_run_ranks(
        runs, fixed=[False, False], num_resamples=2000, rngs=[RNG(1), RNG(2)], shifts=shifts
    )
    np.testing.assert_allclose(found.probability_first, [0.5, 0.5], atol=0.05)
    np.testing.assert_array_equal(found.mean_rank, [1, 2])


def test_the_critical_difference_is_that_of_the_confidence_level() -> None:
    frame = scores({"a": (0.0, 0), "b": (1.0, 0), "c": (2.0, 0)}, missions=dict.fromkeys("uvwxyz", 6))
    for level, q in ((0.95, 2.343), (0.9, 2.052)):  # Demšar 2006, table 5a: three classifiers
        found = compared(frame, confidence_level=level).friedman
        assert found is not None
        assert found["critical_difference"] == pytest.approx(q * sqrt(3 * 4 / (6 * 6)), abs=1e-3)


def test_ranks_of_recipes_draw_a_seed_for_all_missions() -> None:
    """A good seed is good on every mission: drawn apart, the mean rank would vary half as much."""
    skill = np.array([0.0, 0.0, 0.0, 0.0, 4.0])
    rows = [
        (policy, mission, seed, value)
        for mission in "uvwxyz"
        for policy, values in (("a", skill), ("b", np.full(5, 0.5) + np.arange(5) / 100))
        for seed, value in enumerate(values)
    ]
    results = compared(pd.DataFrame(rows, columns=["policy", "mission", "seed", "score"]))
    rank = next(r for r in results.rank_records if (r.estimand, r.mission, r.policy) == ("recipes", "overall", "a"))
    assert (rank.rank_low, rank.rank_high) == pytest.approx((1, 2))
    assert rank.p_first == pytest.approx(1 - 0.8**5, abs=0.1)


def test_aggregates_of_recipes_are_those_of_run_means() -> None:
    frame = scores({"a": (0.0, 6), "b": (1.0, 5)}, missions={"m": 7, "k": 4, "l": 9})
    runs = frame.query("policy == 'a'").groupby(["mission", "train_seed"])["score"].mean()
    found = {
        record.statistic: record.value
        for record in compared(frame).aggregate_records
        if (record.estimand, record.policy) == ("recipes", "a")
    }
    assert found["mean"] == pytest.approx(runs.groupby("mission").mean().mean())
    assert found["median"] == pytest.approx(runs.groupby("mission").mean().median())
    assert found["iqm"] == pytest.approx(stats.trim_mean(runs, 0.25))


def test_the_overall_median_of_a_policy_is_that_of_the_means_of_missions() -> None:
    frame = scores({"a": (0.0, 0)}, missions={"m": 4, "k": 5, "l": 12})
    frame.loc[frame["mission"] == "k", "score"] += 5
    frame.loc[frame["mission"] == "l", "score"] += 20
    record = compared(frame).summary[-1]
    means = frame.groupby("mission")["score"].mean()
    assert (record.mission, record.median, record.mean) == (
        "overall",
        pytest.approx(means["k"]),
        pytest.approx(means.mean()),
    )
    assert record.iqm == pytest.approx(stats.trim_mean(frame["score"], 0.25))


def test_the_difference_of_iqms_is_that_of_the_first_policy_less_the_second() -> None:
    frame = scores({"a": (0.0, 6), "b": (1.0, 5)}, missions={"m": 7, "k": 4})
    results = compared(frame)
    for estimand, keys in (("checkpoints", ["mission", "episode"]), ("recipes", ["mission", "train_seed"])):
        units = {name: part.groupby(keys)["score"].mean() for name, part in frame.groupby("policy")}
        expected = stats.trim_mean(units["a"], 0.25) - stats.trim_mean(units["b"], 0.25)
        record = pair(results, estimand)
        assert record.iqm_difference == pytest.approx(expected)
        assert record.iqm_low < expected < record.iqm_high


# ---- the files of a run -----------------------------------------------------------------------------------


def test_a_comparison_of_files_takes_its_own_number_of_episodes(tmp_path: Path) -> None:
    from daf.compare.files import compare_files
    from daf.episodes.table import episodes_frame, write_episodes
    from daf.evaluation.shards import merge_shards

    rows = [
        {"policy": policy, "checkpoint": policy, "train_seed": None, "mission": "m", "episode": episode,
         "env_seed": 100 + episode, "mean_reward": float(value)}
        for policy, values in (("a", RNG(0).normal(size=16)), ("b", RNG(1).normal(size=16)))
        for episode, value in enumerate(values)
    ]  # fmt: skip
    write_episodes(tmp_path / "shard.parquet", episodes_frame(rows), {"recipe_digest": "0", "note": ""})
    path = tmp_path / "episodes.parquet"
    merge_shards([str(tmp_path / "shard.parquet")], path)
    config = DAFComparisonConfig(policies=["a", "b"], missions=["m"], num_resamples=100, episodes_per_mission=10)
    assert compare_files([path], config, tmp_path / "out").pairs[0].n_a == 10


# ---- what is said -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("difference", "text"), [(2.5, "a scored 2.50 more than b"), (-2.5, "a scored 2.50 less than b")]
)
def test_a_difference_without_a_verdict_says_which_way_it_points(difference: float, text: str) -> None:
    record = PairRecord(
        estimand="checkpoints", mission="m", n_missions=1, policy_a="a", policy_b="b", paired=True, n_a=1, n_b=1,
        effect_name="dz", test="sign-flip permutation", difference=difference, reason="only one unit",
    )  # fmt: skip
    assert verdict_sentence(record, Words(level=0.95)).startswith(text)


def test_the_note_on_unseen_events_is_about_the_pair_with_fewest_episodes() -> None:
    frame = scores({"a": (9.0, 0), "b": (5.0, 0), "c": (0.0, 0)}, missions={"m": 24})
    few = frame[(frame["policy"] != "c") | (frame["episode"] < 10)]
    share = 100 * (1 - 0.05 ** (1 / 10))
    assert any(
        note.startswith(f"10 paired episodes may miss an event that happens in up to {share:.2g} % of episodes")
        for note in compared(few).notes
    )


def test_the_note_on_further_units_is_for_the_pair_that_needs_most() -> None:
    frame = scores({"a": (0.0, 4), "b": (0.05, 4), "c": (0.1, 4)}, missions={"m": 12})
    frame.loc[frame["policy"] == "c", "score"] += 3 * RNG(1).normal(size=48)
    results = compared(frame, equivalence_margin=0.3)
    for estimand, unit in (("checkpoints", "episodes per mission"), ("recipes", "training seeds per recipe")):
        records = [r for r in results.pairs if (r.estimand, r.mission) == (estimand, "overall")]
        needed = [r.more_needed for r in records if r.verdict == "inconclusive" and r.more_needed]
        assert len(set(needed)) > 1
        assert any(note.startswith(f"About {max(needed)} more {unit}") for note in results.notes)


def test_seed_means_on_the_page_count_the_episodes_that_all_seeds_completed() -> None:
    frame = scores({"a": (0.0, 3)})
    frame.loc[(frame["train_seed"] == 1) & (frame["episode"] < 3), "score"] = np.nan
    complete = frame[frame["episode"] >= 3].groupby("train_seed")["score"].mean()
    assert compared(frame).seed_scores()["m"]["a"] == pytest.approx(complete.tolist())


def test_an_interim_analysis_waits_for_its_last_episode() -> None:
    config = DAFComparisonConfig.from_dict(
        {"policies": ["a", "b"], "missions": ["m"], "episodes_per_mission": "auto", "max_episodes_per_mission": 16,
         "num_interim_analyses": 2, "num_resamples": 100}
    )  # fmt: skip
    rows = [
        {"policy": policy, "mission": "m", "episode": episode, "env_seed": episode, "mean_reward": float(value)}
        for policy, values in (("a", RNG(0).normal(size=15)), ("b", RNG(1).normal(size=15)))
        for episode, value in enumerate(values)
    ]
    (only,) = sequential.interim_analyses(pd.DataFrame(rows), config)  # 8 of 16; the second lacks an episode
    assert [record.n_a for record in only.headline_records()] == [8]


# ---- equivalence and planning of recipes --------------------------------------------------------------------


def test_recipes_of_one_score_a_run_are_equivalent_by_two_welch_tests() -> None:
    """In the scores' own unit, however large they are."""
    rng = RNG(6)
    x, y = rng.normal(1000, 3, 8), rng.normal(1001, 3, 6)
    rows = [("a", "m", seed, score) for seed, score in enumerate(x)]
    rows += [("b", "m", seed, score) for seed, score in enumerate(y)]
    frame = pd.DataFrame(rows, columns=["policy", "mission", "train_seed", "score"])
    above = stats.ttest_ind(x + 5, y, equal_var=False, alternative="greater").pvalue
    below = stats.ttest_ind(x - 5, y, equal_var=False, alternative="less").pvalue
    found = pair(compared(frame, equivalence_margin=5), "recipes", "m")
    assert found.p_equivalence == pytest.approx(max(above, below))


def test_equivalence_on_other_episodes_too_is_harder_to_show() -> None:
    """Recipes that differ from episode to episode: of all standard errors the one with the largest p counts."""
    rng, rows = RNG(8), []
    for policy in "ab":
        levels = rng.normal(0, 1, 8)
        rows += [
            (policy, "m", seed, episode, levels[episode] + rng.normal(0, 0.05))
            for seed in range(6)
            for episode in range(8)
        ]
    frame = pd.DataFrame(rows, columns=["policy", "mission", "train_seed", "episode", "score"])
    general, conditional = (
        pair(compared(frame, equivalence_margin=2, recipe_claim=claim), "recipes", "m").p_equivalence
        for claim in ("general", "these_episodes")
    )
    assert conditional < 1e-6
    assert general > 0.001


@pytest.mark.parametrize("strata", [1, 6])
def test_training_runs_on_several_missions_are_planned_together(strata: int) -> None:
    def power(n: int) -> float:
        df, shift = 2 * strata * (n - 1), 0.5 / np.sqrt(2 / strata / n)
        critical = stats.t.ppf(0.975, df)
        return float(stats.nct.sf(critical, df, shift) + stats.nct.cdf(-critical, df, shift))

    needed = recipe_pairs._seeds_needed(0.0, 2, strata, 0.5, 0.8, 0.05)
    assert ceil(needed) == next(n for n in range(2, 200) if power(n) >= 0.8)


def test_success_of_several_checkpoints_is_known_to_as_many_episodes_as_there_are() -> None:
    """All checkpoints play the same 20 episodes, which are not 100 independent ones."""
    shares = np.arange(100).reshape(5, 20) % 3 == 0
    assert unit_collection._successes(shares.astype(float)) == (pytest.approx(0.34), 20)
    shown = np.where(np.arange(20) < 12, shares.astype(float), np.nan)
    assert unit_collection._successes(shown)[1] == 12
