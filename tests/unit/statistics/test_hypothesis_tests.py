"""Tests of differences, corrections, effects and power against scipy, hand-made references and published values."""

from __future__ import annotations

from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
from scipy import special, stats

from daf.comparison import daf_compare_scores
from daf.statistics import effects, hypothesis_tests, intervals

RNG = np.random.default_rng


def test_sign_flip_is_the_enumeration_by_hand() -> None:
    differences = np.array([0.3, -0.1, 0.8, 0.4, 0.5])
    signs = np.array(list(product([1, -1], repeat=5)))
    by_hand = np.mean(np.abs((signs * differences).mean(axis=1)) >= differences.mean() - 1e-12)
    result = hypothesis_tests.sign_flip_test([differences], rng=RNG(0))
    assert result.p == pytest.approx(by_hand, abs=1e-12)
    assert result.minimum_p == 0.0625
    assert result.difference == pytest.approx(differences.mean())


def test_sign_flip_over_missions_weighs_missions_not_episodes() -> None:
    x, y = np.array([1.0, 0.9, 1.1, 0.8, 1.2, 1.0]), np.array([-1.4, -1.7])
    weights = np.concatenate([x / 12, y / 4])
    signs = np.array(list(product([1, -1], repeat=8)))
    by_hand = np.mean(np.abs(signs @ weights) >= abs(weights.sum()) - 1e-12)
    assert hypothesis_tests.sign_flip_test([x, y], rng=RNG(0)).p == pytest.approx(by_hand, abs=1e-12)


def test_monte_carlo_comes_near_the_exact_p_and_never_reaches_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    differences = RNG(3).normal(0.5, 1, 14)
    exact = hypothesis_tests.sign_flip_test([differences], rng=RNG(0))
    monkeypatch.setattr(hypothesis_tests, "EXACT_LIMIT", 1)
    drawn = hypothesis_tests.sign_flip_test([differences], num_resamples=20_000, rng=RNG(0))
    assert drawn.p == pytest.approx(exact.p, abs=0.01)
    far = hypothesis_tests.sign_flip_test([differences + 100], num_resamples=999, rng=RNG(0))
    assert far.p == far.minimum_p == pytest.approx(1 / 1000)


def test_a_test_with_few_hits_is_drawn_further_and_others_are_as_before() -> None:
    options = {"num_resamples": 999, "max_resamples": 40_000}
    d = RNG(3).normal(0, 1, 20)
    far, near = d + 9, d + 0.3
    for sides, least, how in (([far], 2.0**-19, "(exact)"), ([far, far], 1 / 40_001, "(40,000 draws)")):
        found = hypothesis_tests.sign_flip_test(sides, **options, rng=RNG(0))
        assert found.p == found.minimum_p == pytest.approx(least)
        assert found.name.endswith(how)
    assert hypothesis_tests.permutation_test(d, far, **options, rng=RNG(0)).p == pytest.approx(1 / 40_001)
    for test, sides in ((hypothesis_tests.sign_flip_test, ([near],)), (hypothesis_tests.permutation_test, (d, near))):
        further, before = (test(*sides, **one, rng=RNG(0)) for one in (options, {"num_resamples": 999}))
        assert (further.p, further.name) == (before.p, before.name)
    # The stream goes on as if the test had stopped: figures drawn after it do not depend on the family.
    one, two = RNG(0), RNG(0)
    hypothesis_tests.sign_flip_test([far], **options, rng=one)
    hypothesis_tests.sign_flip_test([far], num_resamples=999, rng=two)
    assert one.random() == two.random()


@pytest.mark.parametrize("n", [17, 24])
def test_a_small_p_of_two_stages_is_the_exact_one(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # Ranks 1 … n with k negative: p is a count of subsets by their sum (Wilcoxon's signed ranks, tabulated by scipy).
    ranks = np.arange(1.0, n + 1)
    d = np.where(np.isin(ranks, [1, 2, 3, 4, 6]), -ranks, ranks)
    exact = stats.wilcoxon(d, method="exact").pvalue
    draws = 4_000_000
    found = hypothesis_tests.sign_flip_test([d], num_resamples=999, max_resamples=draws, rng=RNG(5))
    assert found.p == pytest.approx(exact, abs=1e-15)
    monkeypatch.setattr(hypothesis_tests, "_share_of_flips", None)
    monkeypatch.setattr(hypothesis_tests, "ceil", lambda _: 99)  # too many to count: drawn
    drawn = hypothesis_tests.sign_flip_test([d], num_resamples=999, max_resamples=draws, rng=RNG(5))
    assert drawn.p == pytest.approx(exact, abs=4 * np.sqrt(exact / draws))


def test_a_permutation_test_with_few_hits_counts_all_labellings_if_that_is_less_than_to_draw() -> None:
    x, y = RNG(1).normal(1.5, 1, 10), RNG(2).normal(0, 1, 10)
    options = {"num_resamples": 999, "max_resamples": 184_756}
    found = hypothesis_tests.permutation_test(x, y, **options, rng=RNG(0))
    chosen = np.array(list(combinations(range(20), 10)))
    pooled = np.concatenate([x, y])
    mine = stats.ttest_ind(x, y, equal_var=False).statistic
    left = np.ones((len(chosen), 20), dtype=bool)
    np.put_along_axis(left, chosen, False, axis=1)
    rest = np.tile(pooled, (len(chosen), 1))[left].reshape(-1, 10)
    every = stats.ttest_ind(pooled[chosen], rest, axis=1, equal_var=False).statistic
    assert found.p == pytest.approx((np.abs(every) >= abs(mine) - 1e-9).mean(), abs=1e-12)
    assert found.name.endswith("(exact)")
    less = hypothesis_tests.permutation_test(x, y, num_resamples=999, max_resamples=184_755, rng=RNG(0))
    assert less.name.endswith("(184,755 draws)")


def test_the_p_of_two_stages_is_valid_at_both() -> None:
    # No difference: P(p <= t) <= t for thresholds of the first stage, of the second, and at the step between them.
    rng, runs = RNG(17), 4000
    options = {"num_resamples": 100, "max_resamples": 1000, "rng": rng}
    p = np.array([hypothesis_tests.sign_flip_test([rng.normal(0, 1, 17)], **options).p for _ in range(runs)])
    for t in (0.005, 0.02, 10 / 101, 11 / 101, 0.2):
        assert (p <= t).mean() <= t + 3 * np.sqrt(t * (1 - t) / runs)
    assert (p <= 0.005).any()  # a first stage of 100 draws alone has no p below .0099


@pytest.mark.parametrize("strata", [[np.full(24, 9.0)], [np.zeros(24)], [np.array([1.0])], []])
def test_constant_differences_are_insufficient_however_many(strata: list[np.ndarray]) -> None:
    result = hypothesis_tests.sign_flip_test(strata, rng=RNG(0))
    assert result.p is None
    assert result.reason


def test_a_constant_mission_counts_as_one_unit() -> None:
    varying = np.array([0.5, 1.5, 1.0])
    assert hypothesis_tests.sign_flip_test([varying, np.full(24, 1.0)], rng=RNG(0)).minimum_p == 2.0**-3


def test_welch_and_one_sample_are_scipys() -> None:
    x, y = RNG(1).normal(1, 1, 4), RNG(2).normal(0, 3, 6)
    expected = stats.ttest_ind(x, y, equal_var=False)
    assert hypothesis_tests.welch_test(x, y).p == pytest.approx(expected.pvalue, abs=1e-9)
    bounds = expected.confidence_interval(0.9)
    found = hypothesis_tests.welch_interval(x, y, 0.9)
    assert (found.low, found.high) == pytest.approx((bounds.low, bounds.high), abs=1e-9)
    assert hypothesis_tests.one_sample_t_test(x, 0.5).p == pytest.approx(stats.ttest_1samp(x, 0.5).pvalue, abs=1e-9)


@pytest.mark.parametrize(("n", "m"), [(3, 3), (5, 5), (2, 4)])
def test_exact_permutation_is_scipys(n: int, m: int) -> None:
    x, y = RNG(1).normal(1, 1, n), RNG(2).normal(0, 1, m)
    everything = np.concatenate([x, y])
    expected = stats.permutation_test(
        (everything[:n], everything[n:]), lambda a, b, axis: np.abs(a.mean(axis) - b.mean(axis)),
        alternative="greater", n_resamples=np.inf, vectorized=True,
    ).pvalue  # fmt: skip
    assert hypothesis_tests.permutation_test(x, y, rng=RNG(0)).p == pytest.approx(expected, abs=1e-12)


def test_smallest_reachable_p() -> None:
    far = np.arange(5.0)
    assert hypothesis_tests.permutation_test(far[:3], far[:3] + 99, rng=RNG(0)).minimum_p == pytest.approx(0.1)
    five = hypothesis_tests.permutation_test(far, far + 99, rng=RNG(0))
    assert five.p == five.minimum_p == pytest.approx(2 / 252)


@pytest.mark.parametrize(("x", "y"), [([1.0], [2.0, 3.0]), ([1.0, 1.0], [2.0, 2.0])])
def test_unpaired_tests_without_variance_have_no_p(x: list[float], y: list[float]) -> None:
    one, two = np.array(x), np.array(y)
    for result in (hypothesis_tests.welch_test(one, two), hypothesis_tests.permutation_test(one, two, rng=RNG(0))):
        assert result.p is None
        assert result.reason


def test_p_is_never_zero() -> None:
    assert hypothesis_tests.t_p_value(1e6, 1000.0) > 0


def test_holm_and_benjamini_hochberg_check_values() -> None:
    p = [0.01, 0.04, 0.03, 0.005]
    np.testing.assert_allclose(hypothesis_tests.holm(p), [0.03, 0.06, 0.06, 0.02], atol=1e-12)
    np.testing.assert_allclose(hypothesis_tests.benjamini_hochberg(p), [0.02, 0.04, 0.04, 0.02], atol=1e-12)
    np.testing.assert_allclose(hypothesis_tests.benjamini_hochberg(p), stats.false_discovery_control(p), atol=1e-12)


def test_missing_p_does_not_count_in_the_family() -> None:
    np.testing.assert_allclose(hypothesis_tests.holm([0.01, np.nan, 0.04]), [0.02, np.nan, 0.04])
    with pytest.raises(ValueError, match="between 0 and 1"):
        hypothesis_tests.holm([1.2])


def test_equivalence_is_the_larger_of_two_one_sided_tests() -> None:
    d = RNG(4).normal(0.1, 0.5, 20)
    error = d.std(ddof=1) / np.sqrt(20)
    expected = max(
        stats.ttest_1samp(d, -0.4, alternative="greater").pvalue, stats.ttest_1samp(d, 0.4, alternative="less").pvalue
    )
    assert hypothesis_tests.equivalence_p(d.mean(), error, 19, 0.4) == pytest.approx(expected, abs=1e-9)
    assert hypothesis_tests.equivalence_p(0.0, 0.0, 19, 0.4) is None


def test_false_positives_of_the_sign_flip_test_stay_at_the_level() -> None:
    # The exact test cannot exceed .05 in truth (20,000 runs gave .047); three standard errors of 4,000 runs are .010.
    rng, runs = RNG(11), 4000
    results = [
        hypothesis_tests.sign_flip_test([rng.normal(0, 1, 5), rng.normal(0, 3, 5)], rng=rng) for _ in range(runs)
    ]
    assert 0.037 <= sum(result.p <= 0.05 for result in results) / runs <= 0.060


def test_equivalence_of_skewed_differences_takes_the_larger_p() -> None:
    values = RNG(2).lognormal(0, 1, 20) - 1.6
    error, df = stats.sem(values), 19
    student = hypothesis_tests.equivalence_p(values.mean(), error, df, 1.0)
    found = hypothesis_tests.hall_equivalence_p([values], 1.0)
    assert found is not None
    assert student is not None
    assert found > student
    # By duality: p is alpha where the interval at 1 - 2 alpha touches the margin.
    assert intervals.hall_interval([values], 1 - 2 * found).high == pytest.approx(1.0, abs=1e-6)


def test_the_permutation_test_is_studentized() -> None:
    x, y = np.array([3.0, 9.0, 4.0]), np.array([1.0, 1.2, 0.8, 1.1, 0.9])
    pooled = np.concatenate([x, y])
    values = []
    for chosen in combinations(range(8), 3):
        rest = [place for place in range(8) if place not in chosen]
        values.append(abs(stats.ttest_ind(pooled[list(chosen)], pooled[rest], equal_var=False).statistic))
    observed = abs(stats.ttest_ind(x, y, equal_var=False).statistic)
    expected = np.mean(np.array(values) >= observed * (1 - 1e-9))
    assert hypothesis_tests.permutation_test(x, y, rng=RNG(1)).p == pytest.approx(expected)


def test_the_permutation_test_holds_for_unequal_numbers_and_variances() -> None:
    rng, runs = RNG(11), 300
    false = sum(
        (hypothesis_tests.permutation_test(rng.normal(0, 4, 5), rng.normal(0, 1, 20), rng=rng).p or 1) <= 0.05
        for _ in range(runs)
    )
    assert false / runs < 0.11  # 26 to 32 % without studentizing


# ---- effects and power ------------------------------------------------------------------------------------


def test_the_effect_of_two_samples_by_hand() -> None:
    x, y = np.array([3.0, 4.0, 5.0, 7.0]), np.array([1.0, 2.0, 4.0])
    welch = stats.ttest_ind(x, y, equal_var=False)
    sd = np.sqrt((x.var(ddof=1) + y.var(ddof=1)) / 2)
    error = (x.mean() - y.mean()) / welch.statistic
    d, interval = effects.standardized(x.mean() - y.mean(), error, welch.df, sd)
    correction = effects.hedges_correction(welch.df)
    assert d == pytest.approx((x.mean() - y.mean()) / sd * correction)
    scale = error / sd  # of the population's d, which the correction is not about
    assert stats.nct.cdf(welch.statistic, welch.df, interval.low / scale) == pytest.approx(0.975, abs=1e-9)
    assert stats.nct.cdf(welch.statistic, welch.df, interval.high / scale) == pytest.approx(0.025, abs=1e-9)


def test_the_effect_under_unequal_variances_is_covered_and_agrees_with_welch() -> None:
    rng, runs, covered = RNG(5), 400, 0
    for _ in range(runs):
        x, y = rng.normal(2, 4, 6), rng.normal(0, 1, 20)
        error, df = hypothesis_tests.welch_parts(x, y)
        sd = np.sqrt((x.var(ddof=1) + y.var(ddof=1)) / 2)
        _, interval = effects.standardized(x.mean() - y.mean(), error, df, sd)
        covered += interval.low <= 2 / np.sqrt(17 / 2) <= interval.high
        significant = stats.ttest_ind(x, y, equal_var=False).pvalue <= 0.05
        assert significant == (not interval.low <= 0 <= interval.high)
    assert 0.92 <= covered / runs <= 0.98


def test_dz_interval_inverts_the_noncentral_t_and_mirrors() -> None:
    d = 1 + np.array([-1.7, -1.1, -0.6, -0.3, -0.1, 0.1, 0.3, 0.6, 1.1, 1.7])
    effect, interval = effects.dz([d])
    assert effect == pytest.approx(d.mean() / d.std(ddof=1))
    assert stats.nct.cdf(effect * np.sqrt(10), 9, interval.low * np.sqrt(10)) == pytest.approx(0.975, abs=1e-9)
    assert stats.nct.cdf(effect * np.sqrt(10), 9, interval.high * np.sqrt(10)) == pytest.approx(0.025, abs=1e-9)
    mirrored = effects.dz([-d])
    assert mirrored[0] == pytest.approx(-effect)
    assert mirrored[1].low == pytest.approx(-interval.high)


def test_the_interval_of_dz_excludes_zero_if_that_of_the_mean_does() -> None:
    """Also for skewed differences, whose mean has a wider interval than Student's."""
    for shift in np.linspace(-0.9, 0.9, 61):
        d = np.array([0.0, 0.1, 0.2, 0.1, 0.3, 0.2, 0.1, 3.0, 0.2]) + shift
        (_, effect), mean = effects.dz([d]), intervals.mean_interval([d])
        assert (effect.low > 0 or effect.high < 0) == (mean.low > 0 or mean.high < 0)
        _, mirrored = effects.dz([-d])
        assert (mirrored.low, mirrored.high) == pytest.approx((-effect.high, -effect.low))


def test_effects_far_from_zero_keep_their_interval() -> None:
    for n, shift in ((3, 40.0), (24, 30.0), (1000, 10.0)):
        effect, interval = effects.dz([shift + RNG(1).normal(0, 1, n)])
        assert interval.low < effect < interval.high


@pytest.mark.parametrize("df", [1.0, 2.0, 9.0, 400.0, 9_999.0, 10_001.0, 1e6])
@pytest.mark.parametrize("share", [0.975, 0.025, 0.995])
def test_the_closed_form_for_effects_far_from_zero_continues_scipys(df: float, share: float) -> None:
    """At the ends, 1,000, both are known; beyond, noncentrality grows as t does."""
    near, far = effects._noncentrality(999.999, df, share), effects._noncentrality(1_000.001, df, share)
    assert far == pytest.approx(near * 1_000.001 / 999.999, rel=2e-6)
    assert effects._noncentrality(1e9, df, share) / 1e9 == pytest.approx(np.sqrt(stats.chi2.isf(share, df) / df))
    assert effects._noncentrality(-1e9, df, 1 - share) == pytest.approx(-effects._noncentrality(1e9, df, share))
    t = np.array([-1e200, -5.0, 999.999, 1_000.001, 1e9])
    limits = effects.noncentral_t_limits_of(t, np.full(5, df))
    one_by_one = [effects.noncentral_t_limits(float(one), df) for one in t]
    np.testing.assert_allclose(np.transpose(limits), one_by_one, rtol=1e-9)


@pytest.mark.parametrize(
    ("size", "noise"), [(1e7, 1.0), (1e7, 1e-3), (1e-9, 1e-17), (1.0, 1e-10), (1e200, 1e190)], ids=str
)
@pytest.mark.parametrize("seeds", [1, 5])
def test_scores_of_any_size_cost_the_same_work(
    size: float, noise: float, seeds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """scipy's noncentral t takes as many steps as t is large, and fails far out: of t = 1e7, a second."""
    asked: list[float] = []
    scipys = special.nctdtr

    def counted(df: Any, noncentrality: Any, t: Any) -> Any:
        asked.extend(np.abs(np.atleast_1d(t)).tolist())
        return scipys(df, noncentrality, t)

    monkeypatch.setattr(special, "nctdtr", counted)
    rows = [
        {"policy": policy, "mission": "m", "seed": seed, "episode": episode,
         "score": mean * size + noise * (((7 * seed + 3 * episode + place) % 11) - 5)}
        for place, (policy, mean) in enumerate((("a", 3.0), ("b", 1.0), ("c", 1.0)))
        for seed in range(seeds)
        for episode in range(8)
    ]  # fmt: skip
    results = daf_compare_scores(rows, num_resamples=100, equivalence_margin=size / 10)
    assert max(asked, default=0.0) <= 1_000
    assert len(asked) < 2_000
    estimand = "recipes" if seeds > 1 else "checkpoints"
    pair = next(one for one in results.pairs if (one.estimand, one.mission, one.policy_b) == (estimand, "m", "b"))
    assert pair.verdict == "better"
    assert 0 < pair.effect_low < pair.effect < pair.effect_high


def test_effects_without_variance_are_unknown() -> None:
    assert not effects.dz([np.full(9, 2.0)])[1].known
    assert not effects.standardized(1.0, 0.0, 4.0, 0.0)[1].known


def test_probability_of_improvement_check_value() -> None:
    x, y = np.array([[1, 2], [2, 2], [1, 1], [2, 1]], float), np.array([[1, 1], [2, 2], [3, 3]], float)
    assert effects.probability_of_improvement(list(x.T), list(y.T)) == pytest.approx(1 / 3, abs=1e-12)
    assert effects.paired_probability_of_improvement([np.array([1.0, 0.0, -1.0, 2.0])]) == pytest.approx(0.625)
    assert effects.probability_of_improvement([np.zeros(3)], [np.zeros(4)]) == 0.5  # nothing to round, and all tie


@pytest.mark.parametrize(
    ("effect", "two", "paired"), [(0.2, 393.4, 198.2), (0.5, 63.8, 33.4), (0.8, 25.5, 14.3), (1.0, 16.7, 9.9)]
)
def test_sample_sizes_for_80_percent_power(effect: float, two: float, paired: float) -> None:
    assert effects.two_sample_size(effect) == pytest.approx(two, abs=0.06)
    assert effects.paired_sample_size(effect) == pytest.approx(paired, abs=0.06)
    assert effects.paired_power(-effect, effects.paired_sample_size(effect)) == pytest.approx(0.8, abs=1e-6)


def test_draws_suffice_for_holms_first_step() -> None:
    """The least p, times the number of tests, is at most a quarter of alpha."""
    assert hypothesis_tests.draws_for_family(10_000, 1_000, 0.05) == 80_000
    assert 1_000 / (1 + hypothesis_tests.draws_for_family(10_000, 1_000, 0.05)) <= 0.05 / 4
    assert hypothesis_tests.draws_for_family(10_000, 2, 0.05) == 10_000


def test_equivalence_needs_both_one_sided_tests() -> None:
    for difference in (-3.0, -0.2, 0.2, 3.0):
        expected = max(stats.t.sf(difference + 1, 9), stats.t.cdf(difference - 1, 9))
        assert hypothesis_tests.equivalence_p(difference, 1.0, 9, 1.0) == pytest.approx(expected)


@pytest.mark.parametrize("alpha", [0.01, 0.05])
def test_the_power_without_an_effect_is_alpha(alpha: float) -> None:
    assert effects.t_power(0.0, 9, alpha) == pytest.approx(alpha)


@pytest.mark.parametrize(("count", "units"), [(1000, 20), (7, 17), (1, 1)])
def test_signs_are_those_of_integers_drawn_one_by_one(count: int, units: int) -> None:
    one, other = RNG(4), RNG(4)
    for _ in range(3):
        expected = 1 - 2.0 * one.integers(0, 2, (count, units), dtype=np.int8)
        np.testing.assert_array_equal(hypothesis_tests._signs(count, units, other), expected)
    assert one.bit_generator.state == other.bit_generator.state
