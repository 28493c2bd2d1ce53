"""Ranks, Friedman's test, and scores on one scale."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from daf.statistics import aggregate, ranking


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


def test_scores_on_one_scale() -> None:
    scores = aggregate.normalise([0.9, 4.9, 8.9], 0.9, 4.9)
    np.testing.assert_allclose(scores, [0, 1, 2])
    assert aggregate.optimality_gap([scores]) == pytest.approx(1 / 3)
    profile = aggregate.performance_profile([scores, np.array([0.0, 1.0])], [-1, 0, 1])
    np.testing.assert_allclose(profile, [1, 7 / 12, 1 / 6])
    with pytest.raises(ValueError, match="differ"):
        aggregate.normalise([1.0], 2, 2)


def test_profile_band_holds_the_profile() -> None:
    strata = [np.random.default_rng(1).normal(0, 1, 20), np.random.default_rng(2).normal(0, 1, 30)]
    thresholds = np.linspace(-1, 1, 5)
    low, high = aggregate.performance_profile_band(strata, thresholds, num_resamples=200, rng=np.random.default_rng(0))
    profile = aggregate.performance_profile(strata, thresholds)
    assert ((low <= profile) & (profile <= high)).all()
    assert (low < high).all()
