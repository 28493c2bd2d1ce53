"""Point estimates and intervals against scipy and published check values."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from daf.statistics import hypothesis_tests, intervals
from daf.statistics.intervals import hall_interval, iqm, student_t_interval, wilson_interval


def sample(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).gamma(2.0, 1.5, n)


@pytest.mark.parametrize("n", [1, 3, 4, 7, 8, 101])
def test_iqm_is_the_quarter_trimmed_mean(n: int) -> None:
    assert iqm(sample(n)) == pytest.approx(stats.trim_mean(sample(n), 0.25), abs=1e-12)


def test_student_t_is_scipys() -> None:
    values = sample(9)
    found = student_t_interval([values], 0.9)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.9)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_two_strata_of_one_size_are_welchs_interval_of_the_sum() -> None:
    # The mean over two strata is half of x - (-y), so Welch's interval of that difference, halved, is the same.
    x, y = sample(8, 1), sample(8, 2)
    found = student_t_interval([x, y])
    expected = stats.ttest_ind(x, -y, equal_var=False).confidence_interval(0.95)
    assert (2 * found.low, 2 * found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)


@pytest.mark.parametrize(("k", "n"), [(0, 10), (3, 10), (10, 10), (45, 50)])
def test_wilson_is_scipys(k: int, n: int) -> None:
    expected = stats.binomtest(k, n).proportion_ci(0.95, method="wilson")
    found = wilson_interval(k, n)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)


@pytest.mark.parametrize("strata", [[], [np.array([1.0])], [np.full(24, -0.25)], [np.full(5, 1.0), np.full(5, 2.0)]])
def test_no_variance_gives_no_interval_but_a_reason(strata: list[np.ndarray]) -> None:
    for found in (student_t_interval(strata), hall_interval(strata), intervals.mean_interval(strata)):
        assert not found.known
        assert found.method.startswith("insufficient data: ")


def test_a_stratum_of_one_unit_leaves_the_variance_unknown() -> None:
    assert not student_t_interval([sample(5), sample(1)]).known


def test_mean_interval_spans_student_t_and_hall() -> None:
    strata = [sample(20), sample(9, 1)]
    student, hall = student_t_interval(strata, 0.9), hall_interval(strata, 0.9)
    found = intervals.mean_interval(strata, 0.9)
    assert (found.low, found.high) == (student.low, hall.high)
    assert student.high < hall.high  # towards the long tail
    assert student.low < hall.low


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_halls_interval_inverts_his_transformed_t(level: float) -> None:
    # Hall 1992: sqrt(n) (W + c W^2 / 3 + c^2 W^3 / 27 + c / 6n) with W = (mean - mu) / s is about Student's.
    values = sample(15)
    n, s = values.size, values.std(ddof=1)
    skewness = stats.skew(values, bias=False)
    found = hall_interval([values], level)
    for bound, quantile in ((found.low, 0.5 + level / 2), (found.high, 0.5 - level / 2)):
        w = (values.mean() - bound) / s
        transformed = np.sqrt(n) * (w + skewness * w**2 / 3 + skewness**2 * w**3 / 27 + skewness / (6 * n))
        assert transformed == pytest.approx(stats.t.ppf(quantile, n - 1), abs=1e-9)


def test_halls_test_rejects_exactly_what_his_interval_excludes() -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        strata = [rng.lognormal(0, 1, 12) - 1.6, rng.normal(0.1, 1, 8)]
        interval, result = hall_interval(strata), hypothesis_tests.hall_test(strata)
        assert result.p is not None
        assert (result.p <= 0.05) == (not interval.low <= 0 <= interval.high)


def test_skewed_units_are_covered_where_student_t_fails() -> None:
    rng, runs, student, both = np.random.default_rng(1), 600, 0, 0
    for _ in range(runs):
        strata = [rng.lognormal(0, 1, 16) - np.exp(0.5) for _ in range(2)]
        for count, found in enumerate((student_t_interval(strata), intervals.mean_interval(strata))):
            covered = found.low <= 0 <= found.high
            student, both = (student + covered, both) if count == 0 else (student, both + covered)
    assert student / runs < 0.92
    assert both / runs > 0.925


def test_shares_of_missions_with_unequal_counts() -> None:
    one = intervals.combined_wilson_interval([0.3], [10], 0.9)
    assert (one.low, one.high) == (wilson_interval(3, 10, 0.9).low, wilson_interval(3, 10, 0.9).high)
    # Newcombe's interval of a difference (1998, method 10: 56/70 - 48/80 is .2, .0524 to .3339) by symmetry: the mean
    # of p1 and 1 - p2 is (1 + p1 - p2) / 2.
    found = intervals.combined_wilson_interval([56 / 70, 32 / 80], [70, 80])
    assert (2 * found.low - 1, 2 * found.high - 1) == pytest.approx((0.0524, 0.3339), abs=5e-5)


@pytest.mark.parametrize(("few", "many"), [(4, 64), (4, 200), (16, 16)])
def test_shares_of_missions_with_unequal_counts_are_covered(few: int, many: int) -> None:
    rng, runs, hits = np.random.default_rng(few + many), 600, 0
    for _ in range(runs):
        shares = [rng.binomial(few, 0.5) / few, rng.binomial(many, 0.7) / many]
        found = intervals.combined_wilson_interval(shares, [few, many])
        hits += found.low <= 0.6 <= found.high
    assert hits / runs > 0.92


@pytest.mark.parametrize("wins", range(17))
def test_the_interval_of_a_share_is_that_of_clopper_and_pearson(wins: int) -> None:
    expected = stats.binomtest(wins, 16).proportion_ci(0.9, method="exact")
    found = intervals.exact_interval_of_shares(np.array([wins / 16]), [16], 0.9)
    assert found == pytest.approx((expected.low, expected.high), abs=1e-9)
    low, high = intervals.exact_interval_of_shares(np.array([wins / 16]), [16])
    assert (not low <= 0.5 <= high) == (stats.binomtest(wins, 16).pvalue <= 0.05)


def test_the_interval_of_a_mean_share_weighs_missions_alike() -> None:
    found = intervals.exact_interval_of_shares(np.array([[0.5, 0.25], [1.0, 1.0], [0.0, 0.0]]), [4, 12])
    expected = stats.beta.ppf([0.025, 0.975], [4.5, 5.5], [8.5, 7.5])  # 12 units: 1/4 + 1/12 is 4/12
    np.testing.assert_allclose([found[0][0], found[1][0]], expected)
    assert (found[1][1], found[0][2]) == (1.0, 0.0)
    assert 0 < found[0][1] < 1
    assert found[1][2] == pytest.approx(1 - found[0][1])


@pytest.mark.parametrize(("count", "missions", "chance"), [(16, 1, 0.5), (1, 20, 0.5), (2, 10, 0.5), (3, 6, 0.8)])
def test_the_interval_of_a_mean_share_covers_with_few_units_on_each_mission(
    count: int, missions: int, chance: float
) -> None:
    """Wilson's, combined over missions, covers 92, 74, 88 and 87 %."""
    drawn = np.random.default_rng(1).binomial(count, chance, (2_000, missions)) / count
    low, high = intervals.exact_interval_of_shares(drawn, [count] * missions)
    assert ((low <= chance) & (chance <= high)).mean() > 0.94


def test_the_degrees_of_freedom_of_many_strata_are_not_too_few() -> None:
    """For strata of two units that vary alike, the true ones are as many as strata."""
    rng, found = np.random.default_rng(1), []
    for _ in range(400):
        variances = rng.chisquare(1, 30)
        found.append(intervals.df_of_many_strata(variances, np.ones(30), float(variances.sum())))
    assert np.median(found) == pytest.approx(30, rel=0.1)  # Satterthwaite's: 11
    by_hand = 36 / (16 / 3 + 1 / 4 + 1 / 5) - 2
    assert intervals.df_of_many_strata(np.array([4.0, 1.0, 1.0]), np.arange(1.0, 4), 6.0) == pytest.approx(by_hand)
    assert intervals.df_of_many_strata(np.array([1.0, 0.0]), np.array([3.0, 5.0]), 1.0) == pytest.approx(3)
    assert intervals.df_of_many_strata(np.array([2.0]), np.array([3.0]), 2.0) == 3
    assert np.isnan(intervals.df_of_many_strata(np.zeros(3), np.ones(3), 0.0))


def test_icc_of_a_textbook_table() -> None:
    # Shrout and Fleiss 1979, table 2: four judges of six targets; ICC(1,1) = .17.
    ratings = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    assert intervals.intraclass_correlation(ratings) == pytest.approx(0.1657, abs=1e-4)


def test_an_interval_of_several_proportions_adds_their_squared_distances() -> None:
    shares, counts = [0.5, 0.25, 1.0], [10, 40, 6]
    parts = [intervals.wilson_interval(share * n, n, 0.9) for share, n in zip(shares, counts, strict=True)]
    below = sum((share - part.low) ** 2 for share, part in zip(shares, parts, strict=True)) ** 0.5 / 3
    above = sum((part.high - share) ** 2 for share, part in zip(shares, parts, strict=True)) ** 0.5 / 3
    found = intervals.combined_wilson_interval(shares, counts, 0.9)
    assert (found.low, found.high) == pytest.approx((1.75 / 3 - below, 1.75 / 3 + above))
