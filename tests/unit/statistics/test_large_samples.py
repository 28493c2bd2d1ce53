"""Normal limits of many units against the resamples that they replace."""

from __future__ import annotations

import numpy as np
import pytest

from daf.statistics import bootstrap, hypothesis_tests, large_samples, ranking, resampled_counts

RNG = np.random.default_rng
SCORES = [RNG(mission).gamma(2.0, 1.0 + mission, 400 + 100 * mission) for mission in range(3)]


@pytest.mark.parametrize("name", resampled_counts.POOLED)
def test_intervals_are_those_of_the_bootstrap(name: str) -> None:
    replicates, _ = bootstrap.bootstrap_suite(
        [SCORES], statistics=(name,), num_resamples=4000, rngs=[RNG(1)], pairs=[], target=3.0
    )
    low, high = np.quantile(replicates[name][0], [0.05, 0.95])
    found = large_samples.interval(name, SCORES, 0.9, RNG(2), target=3.0)
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.15 * (high - low))
    expected = resampled_counts.PooledStatistic(name, SCORES, target=3.0).estimate
    assert large_samples.estimate(name, SCORES, target=3.0) == pytest.approx(expected)


def test_profile_bands_are_those_of_the_bootstrap() -> None:
    thresholds = np.array([0.5, 2.0, 5.0])
    expected = bootstrap.profile_band(SCORES, thresholds, level=0.9, rng=RNG(1))
    found = large_samples.large_profile_band(SCORES, thresholds, 0.9)
    np.testing.assert_allclose(found[0], expected[0], atol=1e-12)
    np.testing.assert_allclose(found[1:], expected[1:], atol=0.005)


def test_sign_flips_of_many_units_take_their_normal_limit() -> None:
    values = RNG(3).normal(0.02, 1, 6000)
    found = hypothesis_tests.sign_flip_test([values], rng=RNG(0))
    assert found.name.endswith("(normal limit)")
    outlier = values.copy()
    outlier[0] = 1000.0  # one unit decides: no normal limit
    assert "draws" in hypothesis_tests.sign_flip_test([outlier], num_resamples=200, rng=RNG(0)).name


def test_the_normal_limit_of_sign_flips_is_near_their_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    values = RNG(3).normal(0.03, 1, 2000)
    drawn = hypothesis_tests.sign_flip_test([values], num_resamples=20_000, rng=RNG(0)).p
    monkeypatch.setattr(hypothesis_tests, "MANY_UNITS", 1000)
    assert hypothesis_tests.sign_flip_test([values], rng=RNG(0)).p == pytest.approx(drawn, abs=0.01)


def test_ranks_of_many_episodes_are_those_of_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = RNG(5).normal(0, 1, 900)
    scores = np.array([shared + RNG(6 + policy).normal(0.02 * policy, 0.3, 900) for policy in range(3)])
    expected = ranking.bootstrap_ranks([scores], num_resamples=4000, rng=RNG(1))
    monkeypatch.setattr(ranking, "MANY_EPISODES", 100)
    found = ranking.bootstrap_ranks([scores], num_resamples=4000, rng=RNG(1))
    np.testing.assert_allclose(found.probability_first, expected.probability_first, atol=0.03)
