"""The bootstrap over many policies and missions: counts against resampled values, strata, joint draws, intervals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from daf.statistics import bootstrap, intervals
from daf.statistics.bootstrap import bootstrap_suite
from daf.statistics.resampled_counts import BLOCK, POOLED, PooledStatistic, draw_counts

RNG = np.random.default_rng


def sample(*sizes: int, seed: int = 0) -> list[np.ndarray]:
    rng = RNG(seed)
    return [rng.gamma(2.0, 1.0, size).round(1) for size in sizes]  # rounded: ties occur


def test_check_values_of_runs_by_tasks() -> None:
    x, y = np.array([[1, 2], [2, 2], [1, 1], [2, 1]], float), np.array([[1, 1], [2, 2], [3, 3]], float)
    assert PooledStatistic("iqm", list(x.T)).estimate == pytest.approx(1.5)
    assert PooledStatistic("iqm", list(y.T)).estimate == pytest.approx(2.0)


@pytest.mark.parametrize("name", POOLED)
@pytest.mark.parametrize("sizes", [(7, 4, 9), (5, 5), (1,), (2,), (6,), (3, 1)])
def test_replicates_are_the_statistic_of_the_resampled_values(name: str, sizes: tuple[int, ...]) -> None:
    scores = sample(*sizes)
    counts = draw_counts(sizes, 40, RNG(1))
    found = PooledStatistic(name, scores, target=1.5).replicates(counts)
    by_hand = {
        "mean": lambda drawn: np.mean([np.mean(units) for units in drawn]),
        "median": lambda drawn: np.median([np.mean(units) for units in drawn]),
        "iqm": lambda drawn: stats.trim_mean(np.concatenate(drawn), 0.25),
        "optimality_gap": lambda drawn: np.mean([np.maximum(1.5 - units, 0).mean() for units in drawn]),
    }[name]
    parts = [np.split(row.astype(int), np.cumsum(sizes)[:-1]) for row in counts]
    expected = [by_hand([np.repeat(units, part) for units, part in zip(scores, row, strict=True)]) for row in parts]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert PooledStatistic(name, scores, target=1.5).estimate == pytest.approx(by_hand(scores), abs=1e-12)


def test_units_are_drawn_within_their_mission() -> None:
    counts = draw_counts((3, 5, 2), 500, RNG(2))
    for part, size in zip(np.split(counts, [3, 8], axis=1), (3, 5, 2), strict=True):
        np.testing.assert_array_equal(part.sum(axis=1), size)
        assert part.mean() == pytest.approx(1, abs=1e-6)
        assert part.max() > 1  # with replacement


def test_missions_are_drawn_apart_or_jointly() -> None:
    apart, joint = draw_counts((4, 4), 300, RNG(0)), draw_counts((4, 4), 300, RNG(0), joint=True)
    np.testing.assert_array_equal(joint[:, :4], joint[:, 4:])
    assert abs(np.corrcoef(apart[:, 0], apart[:, 4])[0, 1]) < 0.2
    with pytest.raises(ValueError, match="same ones"):
        draw_counts((4, 3), 10, RNG(0), joint=True)


def test_missions_can_be_drawn_too() -> None:
    sizes = (3, 5, 4)
    parts = np.split(draw_counts(sizes, 4000, RNG(2), missions=True), [3, 8], axis=1)
    times = np.array([part.sum(axis=1) / size for part, size in zip(parts, sizes, strict=True)])  # (missions, rows)
    np.testing.assert_array_equal(times, times.round())
    np.testing.assert_array_equal(times.sum(axis=0), 3)
    np.testing.assert_allclose(times.var(axis=1), 3 * (1 / 3) * (2 / 3), atol=0.05)  # multinomial
    twice = parts[0][times[0] == 2]
    assert twice.var(axis=0) == pytest.approx(np.full(3, 6 * (1 / 3) * (2 / 3)), abs=0.15)  # two draws apart
    joint = draw_counts((4, 4), 300, RNG(0), joint=True, missions=True).reshape(300, 2, 4)
    times = joint.sum(axis=2) / 4
    assert set(np.unique(times)) == {0, 1, 2}
    np.testing.assert_array_equal(joint[:, 0] * times[:, 1:], joint[:, 1] * times[:, :1])  # the same seeds in both
    with pytest.raises(ValueError, match="pairs"):
        bootstrap_suite([sample(4, 4)] * 2, rngs=[RNG(0), RNG(1)], missions=True)


@pytest.mark.parametrize("name", POOLED)
def test_replicates_of_drawn_missions_are_the_statistic_of_what_was_drawn(name: str) -> None:
    scores = sample(7, 4, 9, 5)
    counts = draw_counts((7, 4, 9, 5), 200, RNG(3), missions=True).astype(int)
    found = PooledStatistic(name, scores, target=1.5).replicates(counts.astype(np.float32))
    for row, value in zip(counts, found, strict=True):
        drawn = [np.repeat(units, part) for units, part in zip(scores, np.split(row, [7, 11, 20]), strict=True)]
        pooled, shortfall = np.concatenate(drawn), [np.maximum(1.5 - units, 0) for units in drawn]
        expected = {
            "mean": sum(part.sum() / units.size for part, units in zip(drawn, scores, strict=True)) / 4,
            "median": np.median(
                np.repeat(
                    [part.mean() if part.size else 0.0 for part in drawn],
                    [part.size // units.size for part, units in zip(drawn, scores, strict=True)],
                )
            ),
            "iqm": stats.trim_mean(pooled, 0.25),
            "optimality_gap": sum(part.sum() / units.size for part, units in zip(shortfall, scores, strict=True)) / 4,
        }[name]
        assert value == pytest.approx(expected, abs=1e-12)


def test_intervals_of_drawn_missions_go_by_the_number_of_missions() -> None:
    # Missions without variance within: the interval is Student's t over the missions, but for Monte Carlo.
    means = RNG(7).normal(0, 1, 8)
    scores = [np.full(6, mean) for mean in means]
    options = {"statistics": ("mean",), "num_resamples": 100_000, "pairs": [], "missions": True}
    replicates, _ = bootstrap_suite([scores], rngs=[RNG(8)], **options)
    found = bootstrap.replicate_interval(replicates["mean"][0], [scores], missions=True)
    expected = stats.ttest_1samp(means, 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.12)
    assert found.method == "percentile bootstrap, expanded, missions resampled"
    few = bootstrap.replicate_interval(replicates["mean"][0], [scores[:4]], missions=True)
    assert few.method == "insufficient data: 4 missions; a bootstrap interval needs at least 5"
    seeds = bootstrap.replicate_interval(replicates["mean"][0], [[s[:3] for s in scores]], missions=True, joint=True)
    assert seeds.method.startswith("insufficient data: 3 missions or training seeds")
    thresholds = np.array([0.0])
    _, low, high = bootstrap.profile_band(scores, thresholds, rng=RNG(0), missions=True)
    assert low < (means > 0).mean() < high
    _, low, _ = bootstrap.profile_band(scores[:4], thresholds, rng=RNG(0), missions=True)
    assert np.isnan(low).all()


def test_improvement_replicates_are_those_of_the_resampled_values() -> None:
    from daf.statistics.effects import probability_of_improvement

    scores = [sample(4, 6, seed=1), sample(5, 3, seed=2), sample(2, 7, seed=3)]
    rngs = [RNG(seed) for seed in range(3)]
    _, found = bootstrap_suite(scores, statistics=(), num_resamples=30, rngs=rngs)
    drawn = [draw_counts([u.size for u in policy], 30, RNG(seed)).astype(int) for seed, policy in enumerate(scores)]
    resampled = [
        [
            [np.repeat(units, row) for units, row in zip(policy, np.split(rows, [policy[0].size]), strict=True)]
            for rows in counts
        ]
        for policy, counts in zip(scores, drawn, strict=True)
    ]
    for index, (x, y) in enumerate(((0, 1), (0, 2), (1, 2))):
        expected = [probability_of_improvement(a, b) for a, b in zip(resampled[x], resampled[y], strict=True)]
        np.testing.assert_allclose(found[index], expected, atol=1e-12)


def test_a_further_policy_or_statistic_changes_no_replicate() -> None:
    scores = [sample(5, 5, seed=seed) for seed in range(3)]
    options = {"num_resamples": BLOCK + 10}
    two, pair = bootstrap_suite(scores[:2], rngs=[RNG(0), RNG(1)], **options)
    three, pairs = bootstrap_suite(
        scores, statistics=("iqm", "mean"), pairs=[(0, 1), (2, 1)], rngs=[RNG(0), RNG(1), RNG(2)], **options
    )
    np.testing.assert_array_equal(two["iqm"], three["iqm"][:2])
    np.testing.assert_array_equal(pair[0], pairs[0])


def test_the_levels_of_an_interval_make_up_for_few_units() -> None:
    # For the mean of n normal units the expanded percentile interval is Student's t interval, but for Monte Carlo.
    values = RNG(3).normal(0, 1, 8)
    replicates, _ = bootstrap_suite([[values]], statistics=("mean",), num_resamples=200_000, rngs=[RNG(4)], pairs=[])
    found = bootstrap.replicate_interval(replicates["mean"][0], [[values]])
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.09)
    plain = np.quantile(replicates["mean"][0], [0.025, 0.975])
    assert found.high - found.low > 1.2 * (plain[1] - plain[0])
    low, high = bootstrap.expanded_levels([8])
    assert low == pytest.approx(stats.norm.cdf(-np.sqrt(8 / 7) * stats.t.ppf(0.975, 7)), abs=1e-12)
    assert high == pytest.approx(1 - low)
    # With joint draws two missions hold no more units than one.
    assert bootstrap.expanded_levels([8, 8], joint=True) == (low, high)
    assert bootstrap.expanded_levels([8, 8])[0] > low


def test_levels_of_missions_of_unequal_size_are_those_of_their_mean() -> None:
    # Over missions of 40 and 5 units: Satterthwaite's t interval of the mean of means, but for Monte Carlo.
    scores = [RNG(5).normal(0, 1, size) for size in (40, 5)]
    scores = [units / units.std(ddof=1) for units in scores]
    replicates, _ = bootstrap_suite([scores], statistics=("mean",), num_resamples=200_000, rngs=[RNG(6)], pairs=[])
    found = bootstrap.replicate_interval(replicates["mean"][0], [scores])
    expected = intervals.student_t_interval(scores)
    assert found.high - found.low == pytest.approx(expected.high - expected.low, rel=0.07)
    # Pooled, each unit weighs the same, and resampling loses the variance of one unit per mission.
    df = 45**2 / (40**2 / 39 + 5**2 / 4)
    tail = stats.norm.cdf(-np.sqrt(45 / 43) * stats.t.ppf(0.975, df))
    assert bootstrap.expanded_levels([40, 5], pooled=True)[0] == pytest.approx(tail, abs=1e-12)
    assert bootstrap.expanded_levels([7, 7], pooled=True) == pytest.approx(bootstrap.expanded_levels([7, 7]), abs=1e-12)
    assert bootstrap.replicate_interval(np.arange(9.0), [[*scores, np.array([1.0])]]).method == (
        "insufficient data: a mission has only one unit"
    )


def test_an_interval_without_width_is_unknown() -> None:
    # Every seed of x beats every seed of y, so every resample says 1: that is not certainty.
    scores = [[np.arange(5.0) + 10], [np.arange(5.0)]]
    _, found = bootstrap_suite(scores, statistics=(), num_resamples=200, rngs=[RNG(0), RNG(1)], joint=True)
    interval = bootstrap.replicate_interval(found[0], scores, joint=True)
    assert not interval.known
    assert interval.method == "insufficient data: all resamples give the same value"


def test_intervals_of_constants_are_unknown_and_fixed_samples_do_not_hide_varying_ones() -> None:
    fixed, varying = [np.array([2.0])], [np.array([1.0, 2.0, 4.0, 3.0, 2.0])]
    replicates = RNG(0).normal(0, 1, 100)
    assert not bootstrap.replicate_interval(replicates, [fixed, [np.full(5, 1.0)]]).known
    assert bootstrap.replicate_interval(replicates, [fixed, varying]).known
    few = [varying[0][:4], varying[0][1:]]
    assert bootstrap.replicate_interval(replicates, [fixed, few]).known
    joint = bootstrap.replicate_interval(replicates, [fixed, few], joint=True)  # 4 seeds, each on two missions
    assert joint.method == "insufficient data: 4 units; a bootstrap interval needs at least 5"


def test_profile_weighs_missions_the_same_and_its_band_holds_it() -> None:
    scores = [np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0])]
    share, low, high = bootstrap.profile_band(scores, np.array([-1, 0, 1.0]), rng=RNG(0))
    np.testing.assert_allclose(share, [1, 7 / 12, 1 / 6])
    scores = [RNG(1).normal(0, 1, 20), RNG(2).normal(0, 1, 30)]
    share, low, high = bootstrap.profile_band(scores, np.linspace(-1, 1, 5), num_resamples=500, rng=RNG(0))
    assert ((low <= share) & (share <= high) & (low < high)).all()
    _, low, _ = bootstrap.profile_band([np.array([1.0])], np.array([0.0]), rng=RNG(0))
    assert np.isnan(low).all()
