"""Point estimates and intervals against scipy and published check values."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from daf.statistics import intervals
from daf.statistics.intervals import bca_interval, iqm, student_t_interval, wilson_interval


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


def test_bca_is_scipys_on_the_same_resamples() -> None:
    values = sample(40)
    interval = bca_interval([values], num_resamples=999, rng=np.random.default_rng(7))
    expected = stats.bootstrap(
        (values,), np.mean, n_resamples=999, method="BCa", rng=np.random.default_rng(7)
    ).confidence_interval
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_bca_over_strata_is_scipys_for_two_samples() -> None:
    x, y = sample(15, 1), sample(20, 2)
    found = bca_interval([x, y], num_resamples=500, rng=np.random.default_rng(3))
    expected = stats.bootstrap(
        (x, y), lambda a, b, axis: (a.mean(axis) + b.mean(axis)) / 2, n_resamples=500, method="BCa",
        rng=np.random.default_rng(3),
    ).confidence_interval  # fmt: skip
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_bca_counts_ties_half_as_scipy_does() -> None:
    values = np.array([0.0, 0, 0, 0, 0, 0, 0, 1, 1, 3])
    found = bca_interval([values], num_resamples=999, rng=np.random.default_rng(7))
    expected = stats.bootstrap(
        (values,), np.mean, n_resamples=999, method="BCa", rng=np.random.default_rng(7)
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_the_same_generator_gives_the_same_replicates_whatever_the_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = intervals.bootstrap_replicates([sample(10)], intervals.mean_of_strata, 100, np.random.default_rng(1))
    monkeypatch.setattr(intervals, "_CHUNK", 30)
    parts = intervals.bootstrap_replicates([sample(10)], intervals.mean_of_strata, 100, np.random.default_rng(1))
    np.testing.assert_array_equal(whole, parts)


@pytest.mark.parametrize(("k", "n"), [(0, 10), (3, 10), (10, 10), (45, 50)])
def test_wilson_is_scipys(k: int, n: int) -> None:
    expected = stats.binomtest(k, n).proportion_ci(0.95, method="wilson")
    found = wilson_interval(k, n)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)


@pytest.mark.parametrize("strata", [[], [np.array([1.0])], [np.full(24, -0.25)], [np.full(5, 1.0), np.full(5, 2.0)]])
def test_no_variance_gives_no_interval_but_a_reason(strata: list[np.ndarray]) -> None:
    rng = np.random.default_rng(0)
    for found in (student_t_interval(strata), bca_interval(strata, rng=rng)):
        assert not found.known
        assert found.method.startswith("insufficient data: ")


def test_a_stratum_of_one_unit_leaves_the_variance_unknown() -> None:
    assert not student_t_interval([sample(5), sample(1)]).known


def test_mean_interval_changes_its_method_at_a_hundred_units() -> None:
    rng = np.random.default_rng(0)
    assert intervals.mean_interval([sample(99)], rng=rng).method == "Student-t"
    assert intervals.mean_interval([sample(100)], rng=rng).method == "BCa bootstrap"
    assert intervals.mean_interval([sample(100), sample(99)], rng=rng).method == "Student-t"


def test_icc_of_a_textbook_table() -> None:
    # Shrout and Fleiss 1979, table 2: four judges of six targets; ICC(1,1) = .17.
    ratings = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    assert intervals.intraclass_correlation(ratings) == pytest.approx(0.1657, abs=1e-4)
