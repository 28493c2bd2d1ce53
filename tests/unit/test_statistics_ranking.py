"""Ranks and Friedman's test."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from daf.statistics import ranking


def test_ranks_share_ties_and_put_the_highest_first() -> None:
    np.testing.assert_array_equal(ranking.ranks_of_scores(np.array([2.0, 5.0, 2.0])), [2.5, 1, 2.5])
    np.testing.assert_array_equal(ranking.ranks_of_scores(np.array([0.1 + 0.2, 0.3])), [1.5, 1.5])


def test_bootstrap_ranks_of_a_clear_and_an_open_case() -> None:
    rng = np.random.default_rng(0)
    clear = np.array([[10.0, 11, 12, 13], [1, 2, 3, 4]])
    found = ranking.bootstrap_ranks([clear], num_resamples=500, rng=rng)
    np.testing.assert_array_equal(found.mean_rank, [1, 2])
    np.testing.assert_array_equal(found.probability_first, [1, 0])
    same = np.vstack([clear[0], clear[0]])
    tied = ranking.bootstrap_ranks([same], num_resamples=500, rng=rng)
    np.testing.assert_allclose(tied.probability_first, [0.5, 0.5])


def test_episodes_are_resampled_for_all_policies_at_once() -> None:
    # b is 0.1 above a in every episode: resampled together it is always first, apart it would often not be.
    a = np.random.default_rng(1).normal(0, 5, 20)
    found = ranking.bootstrap_ranks([np.vstack([a, a + 0.1])], num_resamples=500, rng=np.random.default_rng(2))
    assert found.probability_first[1] == 1


def test_friedman_is_scipys_and_starts_at_six_missions() -> None:
    means = np.random.default_rng(3).normal(0, 1, (6, 3)) + np.arange(3)
    found = ranking.friedman_test(means)
    assert found is not None
    assert found.p == pytest.approx(stats.friedmanchisquare(*means.T).pvalue, abs=1e-9)
    assert ranking.friedman_test(means[:5]) is None


def test_critical_difference_of_demsar() -> None:
    # Demšar 2006, section 3.2.2: four classifiers on 14 data sets, q.05 = 2.569, CD = 1.25.
    assert ranking.critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)


def test_run_ranks_resample_training_seeds_for_all_missions_at_once() -> None:
    # a is better with seed 1 and worse with seed 2, on both missions alike: its mean rank is either 1 or 2 or tied on
    # both at once, never 1.5 by being first on one mission and second on the other.
    a, fixed = np.array([[4.0, 0.0], [8.0, 0.0]]), np.array([[1.0], [2.0]])
    rngs = [np.random.default_rng(1), np.random.default_rng(2)]
    found = ranking.bootstrap_run_ranks([a, fixed], num_resamples=4000, rngs=rngs)
    np.testing.assert_array_equal(found.mean_rank, [1, 2])
    assert found.probability_first[0] == pytest.approx(0.75, abs=0.03)  # but for two draws of seed 2
    assert found.probability_first.sum() == pytest.approx(1)
