"""Ranks and Friedman's test."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from daf.statistics import few_run_ranks, ranking


def test_ranks_share_ties_and_put_the_highest_first() -> None:
    np.testing.assert_array_equal(ranking.ranks_of_scores(np.array([2.0, 5.0, 2.0])), [2.5, 1, 2.5])
    np.testing.assert_array_equal(ranking.ranks_of_scores(np.array([0.1 + 0.2, 0.3])), [1.5, 1.5])


def test_bootstrap_ranks_of_a_clear_and_an_open_case() -> None:
    rng = np.random.default_rng(0)
    clear = np.array([[10.0, 11, 12, 13, 14], [1, 2, 3, 4, 5]])
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
    a = [np.array([4.0, 0, 0, 0, 0]), np.array([8.0, 0, 0, 0, 0])]
    fixed = [np.array([0.5]), np.array([1.0])]
    rngs = [np.random.default_rng(1), np.random.default_rng(2)]
    found = ranking.bootstrap_run_ranks([a, fixed], fixed=[False, True], num_resamples=4000, rngs=rngs)
    np.testing.assert_array_equal(found.mean_rank, [1, 2])
    assert found.probability_first[0] == pytest.approx(1 - 0.8**5, abs=0.03)  # but where seed 1 is never drawn
    assert found.probability_first.sum() == pytest.approx(1)


def test_resamples_of_few_seeds_vary_as_much_as_the_mean_does() -> None:
    runs = [np.array([0.0, 1.0, 4.0])]
    (drawn,) = ranking._resampled_means(runs, 20_000, np.random.default_rng(1), joint=True)
    assert drawn.std() == pytest.approx(runs[0].std(ddof=1) / np.sqrt(3), rel=0.03)


def test_ranks_of_few_units_have_neither_interval_nor_chance() -> None:
    rng = np.random.default_rng(4)
    enough, few, one = (list(rng.normal(0, 1, (2, seeds))) for seeds in (5, 4, 1))
    other, fixed_too = [units + 1 for units in enough], [units + 1 for units in one]
    for runs, fixed, known in (
        ([enough, other], [False, False], [True, True]),
        ([enough, few], [False, False], [True, False]),
        ([enough, one], [False, False], [False, False]),  # a single seed is not a fixed policy
        ([enough, one], [False, True], [True, True]),
        ([one, fixed_too], [True, True], [False, False]),
    ):
        rngs = [np.random.default_rng(seed) for seed in (1, 2)]
        found = ranking.bootstrap_run_ranks(runs, fixed=fixed, num_resamples=300, rngs=rngs)
        assert np.isfinite(found.mean_rank).all()
        for figures in (found.low, found.high, found.probability_first):
            assert np.isfinite(figures).tolist() == known
    episodes = rng.normal(0, 1, (2, 4))
    assert np.isnan(ranking.bootstrap_ranks([episodes], num_resamples=300, rng=rng).probability_first).all()
    assert np.isfinite(ranking.bootstrap_ranks([episodes] * 2, num_resamples=300, rng=rng).low).all()


def test_rank_intervals_use_the_levels_of_few_units() -> None:
    # Eight policies on 5 episodes: the bounds are quantiles of ranks resampled here by hand.
    scores = np.random.default_rng(5).normal(0, 1, (8, 5)) + np.arange(8)[:, None] / 4
    found = ranking.bootstrap_ranks([scores], num_resamples=20_000, rng=np.random.default_rng(6))
    drawn = np.random.default_rng(7).integers(0, 5, (20_000, 5))
    ranks = stats.rankdata(-scores[:, drawn].mean(axis=2), axis=0)
    tail = stats.norm.cdf(-np.sqrt(5 / 4) * stats.t.ppf(0.975, 4))
    low, high = np.quantile(ranks, [tail, 1 - tail], axis=1)
    np.testing.assert_allclose(found.low, low, atol=0.51)
    np.testing.assert_allclose(found.high, high, atol=0.51)
    plain = np.quantile(ranks, [0.025, 0.975], axis=1)
    assert (found.high - found.low).sum() > (plain[1] - plain[0]).sum() + 1


def test_rank_intervals_of_runs_use_the_levels_of_runs_that_all_missions_share() -> None:
    """Three missions alike, on which five runs are still five units, with four degrees of freedom and not twelve."""
    scores = np.random.default_rng(5).normal(0, 1, (8, 5)) + np.arange(8)[:, None] / 4
    rngs = [np.random.default_rng([6, place]) for place in range(8)]
    found = ranking.bootstrap_run_ranks(
        [[runs] * 3 for runs in scores], fixed=[False] * 8, num_resamples=20_000, rngs=rngs
    )
    drawn = np.random.default_rng(7).integers(0, 5, (8, 20_000, 5))
    means = np.array([runs[places].mean(axis=1) for runs, places in zip(scores, drawn, strict=True)])
    ranks = stats.rankdata(-means, axis=0)

    def widths(df: int) -> float:
        tail = stats.norm.cdf(-np.sqrt(5 / 4) * stats.t.ppf(0.975, df))
        low, high = np.quantile(ranks, [tail, 1 - tail], axis=1)
        return float((high - low).sum())

    assert (found.high - found.low).sum() == pytest.approx(widths(4), abs=1)
    assert widths(12) < widths(4) - 2


@pytest.mark.parametrize("kind", ["apart", "tied", "nearly tied"])
@pytest.mark.parametrize("joint", [True, False])
def test_ranks_of_few_runs_are_those_of_each_resample(monkeypatch: pytest.MonkeyPatch, kind: str, joint: bool) -> None:
    rng = np.random.default_rng(5)
    scores = rng.normal(0, 1, (7, 4, 5))
    if kind != "apart":
        scores = np.round(scores)
    if kind == "nearly tied":
        scores += rng.integers(0, 9, scores.shape) * 4e-13  # chains of ties, and gaps of just the resolution
    runs = [list(missions) for missions in scores]
    runs[1], runs[2] = [part[:1] for part in runs[1]], [part[:3] for part in runs[2]]
    fixed = [place == 1 for place in range(7)]

    def found(most_runs: int) -> ranking.Ranks:
        monkeypatch.setattr(few_run_ranks, "MOST_RUNS", most_runs)
        rngs = [np.random.default_rng([1, place]) for place in range(7)]
        return ranking.bootstrap_run_ranks(runs, fixed=fixed, num_resamples=1_000, rngs=rngs, joint=joint)

    by_kind, one_by_one = found(5), found(0)
    assert np.isfinite(by_kind.low).sum() == (6 if joint else 7)  # three runs on one mission are too few
    for name in ("mean_rank", "low", "high", "probability_first"):
        np.testing.assert_array_equal(getattr(by_kind, name), getattr(one_by_one, name))
