"""Terms of formulas that no figure of a usual comparison depends on visibly: each recomputed by hand."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from daf.comparison import ComparisonResults, daf_compare_scores
from daf.statistics import (
    bootstrap,
    cautions,
    effects,
    few_run_ranks,
    hypothesis_tests,
    joint_bootstrap,
    large_samples,
    pairs,
    primary,
)
from daf.statistics.cautions import seed_cautions
from daf.statistics.crossed import RecipeVariance, RunTable, StandardError, recipe_variance
from daf.statistics.intervals import ROUNDING, mean_interval
from daf.statistics.order_statistics import STEP, extremes
from daf.statistics.records import PairRecord
from daf.statistics.units import Cell

RNG = np.random.default_rng


def recipes(policies: dict[str, tuple[float, int]], *, seed: int = 0, episodes: int = 8) -> pd.DataFrame:
    """Scores of policies with (mean, number of training seeds; 0: none) on one mission."""
    rng, rows = RNG(seed), []
    for policy, (mean, seeds) in policies.items():
        for run in range(max(1, seeds)):
            level = mean + (rng.normal(0, 0.5) if seeds else 0.0)
            train_seed = run if seeds else None
            rows += [(policy, "m", train_seed, episode, level + rng.normal()) for episode in range(episodes)]
    return pd.DataFrame(rows, columns=["policy", "mission", "train_seed", "episode", "score"])


def compared(frame: pd.DataFrame, **options: Any) -> ComparisonResults:
    return daf_compare_scores(frame, **{"num_resamples": 200} | options)


def records(results: ComparisonResults, estimand: str) -> list[PairRecord]:
    return [record for record in results.pairs if (record.estimand, record.mission) == (estimand, "m")]


# ---- variances --------------------------------------------------------------------------------------------


def test_the_widest_error_is_that_of_the_widest_interval() -> None:
    small = StandardError(error=0.9, df=2)
    variance = RecipeVariance(errors=(StandardError(error=1.0, df=100), small))
    assert variance.widest(0.95) is small
    assert variance.half_width(0.95) == pytest.approx(0.9 * stats.t.ppf(0.975, 2))


def test_the_noise_of_a_run_is_that_of_its_episodes() -> None:
    """Of 6 episodes on one mission and 9 on the other; both count half."""
    tables = [RNG(rows).normal(0, rows, (rows, 4)) for rows in (6, 9)]
    rest = [x - x.mean(axis=0) - x.mean(axis=1, keepdims=True) + x.mean() for x in tables]
    squares = [(part**2).sum() / ((len(part) - 1) * 3) for part in rest]
    table = RunTable(scores=tables, environments=[tuple(range(6)), tuple(range(9))], trained=True)
    assert table.noise == pytest.approx(sqrt(squares[0] / 6 + squares[1] / 9) / 2)


def test_environments_that_are_not_shared_are_two_samples() -> None:
    x, y = RNG(1).normal(0, 1, (5, 3)), RNG(2).normal(0, 2, (14, 3))
    tables = [
        RunTable(scores=[values], environments=[tuple(range(first, first + len(values)))], trained=True)
        for values, first in ((x, 0), (y, 100))
    ]
    a, b = x.mean(axis=1), y.mean(axis=1)
    of_environments = recipe_variance(*tables).errors[2]
    assert of_environments.error == pytest.approx(sqrt(a.var(ddof=1) / 5 + b.var(ddof=1) / 14))
    assert of_environments.df == pytest.approx(stats.ttest_ind(a, b, equal_var=False).df)


def test_the_interval_of_an_effect_is_by_the_widest_error() -> None:
    """Three seeds that are nearly alike: their own error is smaller than that of the claim, and has 2 df a side."""
    frame = recipes({"a": (0.0, 3), "b": (0.3, 3)}, seed=3, episodes=30)
    frame["score"] += RNG(1).normal(0, 0.5, 60)[frame["episode"] + 30 * (frame["policy"] == "a")]
    (record,) = records(compared(frame), "recipes")
    tables = [
        RunTable(
            scores=[part.pivot(index="episode", columns="train_seed", values="score").to_numpy()],
            environments=[tuple(range(30))],
            trained=True,
        )
        for _, part in frame.groupby("policy")
    ]
    found = recipe_variance(*tables)
    widest = max(found.errors, key=lambda one: stats.t.ppf(0.975, one.df) * one.error)
    sd = sqrt(np.mean([table.scores[0].mean(axis=0).var(ddof=1) for table in tables]))
    expected, interval = effects.standardized(tables[0].mean - tables[1].mean, widest.error, widest.df, sd, 0.95)
    assert widest is not found.own
    assert (record.effect, record.effect_low, record.effect_high) == pytest.approx(
        (expected, interval.low, interval.high)
    )


# ---- the quantity that decides ----------------------------------------------------------------------------


@pytest.mark.parametrize("margin", [1.0, 2.5])
def test_equivalence_of_iqms_is_about_iqms(margin: float) -> None:
    """One outlier moves the mean beyond any margin, and not the IQM."""
    x, y = RNG(1).normal(10, 1, 20), RNG(2).normal(10, 1, 20)
    x[0] = 500.0
    frame = pd.concat(
        pd.DataFrame({"policy": name, "mission": "m", "episode": range(20), "score": values})
        for name, values in (("a", x), ("b", y))
    )
    (record,) = records(compared(frame, primary="iqm", equivalence_margin=margin), "checkpoints")
    d, _, error, df = primary.paired_iqm([x], [y], 0.95)
    sides = stats.t.sf((d + margin) / error, df), stats.t.cdf((d - margin) / error, df)
    assert record.difference > 20
    assert record.p_equivalence == pytest.approx(max(sides))


def test_half_of_the_replicates_at_zero_count_as_below_it() -> None:
    tail = primary.tail_of(np.array([-1.0, 0.0, 0.0, 0.0, 2.0, 5.0]))
    assert (tail.count, tail.below, tail.mean) == (6, 2.5, 1.0)


# ---- ranks ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "factor"), [(1, 1.0), (3, sqrt(3 / 2)), (4, sqrt(4 / 3)), (5, 1.0)])
def test_only_resamples_of_too_few_runs_for_an_interval_are_widened(size: int, factor: float) -> None:
    runs = np.arange(size) ** 2.0
    drawn = np.array([0.5, 3.0])
    np.testing.assert_allclose(few_run_ranks.widened(drawn, runs), runs.mean() + (drawn - runs.mean()) * factor)


# ---- families and planning --------------------------------------------------------------------------------


def test_both_adjustments_are_of_the_p_of_the_tests() -> None:
    found = records(compared(recipes({"a": (0.0, 6), "b": (0.6, 6), "c": (1.4, 6)})), "recipes")
    raw = np.array([record.p for record in found])
    assert len(set(raw)) == 3
    np.testing.assert_allclose([record.p_holm for record in found], hypothesis_tests.holm(raw))
    np.testing.assert_allclose([record.p_bh for record in found], hypothesis_tests.benjamini_hochberg(raw))
    assert [record.n_tests for record in found] == [3, 3, 3]


def test_pairs_without_a_test_do_not_count_in_the_family() -> None:
    found = records(compared(recipes({"a": (0.0, 6), "b": (0.6, 6), "c": (1.4, 1)})), "recipes")
    assert [record.tested for record in found] == [True, False, False]
    assert [record.n_tests for record in found] == [1, 1, 1]
    assert found[0].p_holm == found[0].p


def test_power_is_at_the_level_of_the_first_test_of_the_family() -> None:
    """Holm's first step: the level divided by the number of tests. Power follows the error of the difference."""
    frame = recipes({"a": (0.0, 6), "b": (0.6, 5), "c": (1.4, 6)})
    settings = {"equivalence_margin": 0.9, "recipe_claim": "these_episodes"}
    means = frame.groupby(["policy", "train_seed"])["score"].mean()
    for record in records(compared(frame, **settings), "recipes"):
        x, y = (means[policy].to_numpy() for policy in (record.policy_a, record.policy_b))
        error, df = sqrt(x.var(ddof=1) / x.size + y.var(ddof=1) / y.size), stats.ttest_ind(x, y, equal_var=False).df
        critical, shift = stats.t.isf(0.05 / 3 / 2, df), 0.9 / error
        expected = stats.nct.sf(critical, df, shift) + stats.nct.cdf(-critical, df, shift)
        assert record.power == pytest.approx(expected)
        assert 0.05 < expected < 0.99


@pytest.mark.parametrize(("n_a", "n_b", "known"), [(2, 30, False), (30, 2, False), (3, 3, True), (None, 3, True)])
def test_the_side_with_fewer_seeds_decides_whether_there_is_a_verdict(
    n_a: int | None, n_b: int | None, known: bool
) -> None:
    record = PairRecord(
        estimand="recipes", mission="m", n_missions=1, policy_a="a", policy_b="b", paired=False, n_a=n_a, n_b=n_b,
        effect_name="d", test="t", difference=1.0, p=0.001,
    )  # fmt: skip
    found, reason = pairs.verdict(record, 0.001, float("nan"), 0.05, None)
    assert found == ("better" if known else "insufficient data")
    assert reason.startswith("2 training seeds cannot") != known


def test_episodes_of_a_fixed_policy_bound_no_claim_about_these_episodes() -> None:
    """30 training seeds bound p and interval, not 6 episodes that are taken as known."""
    frame = recipes({"a": (0.7, 30), "b": (0.0, 0)}, seed=4, episodes=6)
    options = {"primary": "iqm", "num_resamples": 2000, "recipe_claim": "these_episodes"}
    (record,) = records(compared(frame, **options), "recipes")
    assert 0.03 < record.p < 0.3
    (at_p,) = records(compared(frame, confidence_level=1 - record.p, **options), "recipes")
    bound = at_p.iqm_low if record.iqm_difference > 0 else at_p.iqm_high
    assert bound == pytest.approx(0, abs=0.05 * (at_p.iqm_high - at_p.iqm_low))


@pytest.mark.parametrize("episodes", [1, 2])
@pytest.mark.parametrize("swapped", [False, True])
def test_few_seeds_of_one_side_have_to_be_confirmed_by_permutation(episodes: int, swapped: bool) -> None:
    """3 against 11, as tables of one score per run and with episodes, whose mean is that score."""
    sides = [[1.0, 1.1, 1.1], [0.5, -0.5, 0.3, 1.7, 1.7, 1.0, -0.9, -1.5, -1.6, -0.7, -0.1]]
    rows = [
        (policy, "m", seed, episode, score + (0.2 * episode - 0.1) * (episodes > 1))
        for policy, values in zip("ba" if swapped else "ab", sides, strict=True)
        for seed, score in enumerate(values)
        for episode in range(episodes)
    ]
    frame = pd.DataFrame(rows, columns=["policy", "mission", "seed", "episode", "score"])
    (record,) = records(compared(frame, recipe_claim="these_episodes"), "recipes")
    assert stats.ttest_ind(*sides, equal_var=False).pvalue < 0.02
    assert record.test == "Welch t-test on seed means, not confirmed by permutation"
    assert record.p == pytest.approx(28 / 364)


def power(shift: float, df: float, alpha: float = 0.05) -> float:
    critical = stats.t.isf(alpha / 2, df)
    return float(stats.nct.sf(critical, df, shift) + stats.nct.cdf(-critical, df, shift))


def test_seeds_needed_leave_what_environments_do() -> None:
    frame = recipes({"a": (0.0, 5), "b": (0.1, 5)}, episodes=40)
    interaction = {(p, e): x for p in "ab" for e, x in enumerate(RNG(5 + (p == "a")).normal(0, 1, 40))}
    frame["score"] += [interaction[key] for key in zip(frame["policy"], frame["episode"], strict=True)]
    (record,) = records(compared(frame, equivalence_margin=1.0), "recipes")
    tables = [
        RunTable(
            scores=[part.pivot(index="episode", columns="train_seed", values="score").to_numpy()],
            environments=[tuple(range(40))],
            trained=True,
        )
        for _, part in frame.groupby("policy")
    ]
    sd = sqrt(np.mean([table.scores[0].mean(axis=0).var(ddof=1) for table in tables]))
    found = recipe_variance(*tables)
    left = found.environments * found.own.error**2
    expected = next(n for n in range(2, 1000) if power(1.0 / sqrt(left + 2 * sd**2 / n), 2 * (n - 1)) >= 0.8)
    assert record.n_needed == expected
    assert 0.1 < found.environments < 0.9


def test_episodes_needed_are_by_the_spread_of_a_sample() -> None:
    frame = recipes({"a": (0.0, 0), "b": (0.1, 0)}, episodes=6)
    (record,) = records(compared(frame, equivalence_margin=1.0), "checkpoints")
    x, y = (part["score"].to_numpy() for _, part in frame.groupby("policy"))
    sd = (x - y).std(ddof=1)
    assert record.n_needed == next(n for n in range(2, 1000) if power(sqrt(n) / sd, n - 1) >= 0.8)
    assert record.power == pytest.approx(power(sqrt(6) / sd, 5))


# ---- a scale that policies set ----------------------------------------------------------------------------


def test_the_interval_of_a_normalized_difference_has_the_error_of_the_scale() -> None:
    """By the delta method, for both policies of the pair."""
    frame = recipes({"low": (0.0, 0), "high": (4.0, 0), "x": (3.0, 0), "y": (0.5, 0)}, episodes=24)
    results = compared(frame, normalization={"low": "low", "high": "high"}, policies=["low", "high", "x", "y"])
    record = next(one for one in records(results, "checkpoints") if (one.policy_a, one.policy_b) == ("x", "y"))
    values = {policy: part["score"].to_numpy() for policy, part in frame.groupby("policy")}
    low, high = values["low"], values["high"]
    scale = high.mean() - low.mean()
    ratios = []
    for one in (values["x"], values["y"]):
        mean = (one.mean() - low.mean()) / scale
        ratios.append((one - low - mean * (high - low)) / scale + mean)
    expected, known = mean_interval([ratios[0] - ratios[1]]), mean_interval([(values["x"] - values["y"]) / scale])
    assert (record.interval_low, record.interval_high) == pytest.approx((expected.low, expected.high))
    assert record.interval_low != pytest.approx(known.low, abs=1e-3)


def test_a_recipe_that_played_part_of_the_scales_episodes_keeps_its_mean() -> None:
    frame = recipes({"low": (0.0, 0), "high": (4.0, 0), "a": (1.0, 4), "b": (2.0, 4)}, episodes=12)
    frame = frame[frame["policy"].isin(["low", "high"]) | (frame["episode"] < 7)]
    results = compared(frame, normalization={"low": "low", "high": "high"})
    record = next(one for one in records(results, "recipes") if (one.policy_a, one.policy_b) == ("a", "b"))
    means = frame.groupby("policy")["score"].mean()
    low, scale = means["low"], means["high"] - means["low"]
    assert (record.mean_a, record.mean_b) == pytest.approx(((means["a"] - low) / scale, (means["b"] - low) / scale))


def test_rounding_errors_of_a_scale_are_in_the_unit_of_the_scores() -> None:
    cell = Cell(
        rewards_ec=np.array([[0.25], [1.0]]), seeds=(0, 1), training_seeds=(None,), successes=(0.0, 0), failures=0,
        timeouts=0, scale=(1e6, 1e6 + 1),
    )  # fmt: skip
    assert cell.resolution == pytest.approx(ROUNDING * (1 + 1e6))
    assert cell.in_unit(8.0).resolution == pytest.approx(cell.resolution / 8)


def test_rounding_errors_of_a_scale_lift_no_score_above_a_threshold() -> None:
    """Rewards of 1e6 are known to 1e-10, far less exactly than scores of 0.3 by themselves."""
    reward = 1e6 + 0.3
    above = np.nextafter(reward, np.inf)
    rows = [(policy, "m", n, value) for policy, value in (("a", reward), ("b", above)) for n in range(6)]
    frame = pd.DataFrame(rows, columns=["policy", "mission", "episode", "score"])
    results = compared(frame, normalization={"low": {"m": 1e6}, "high": {"m": 1e6 + 1}})
    shares = {record.policy: record.share for record in results.profile_records if record.threshold < 0.31}
    assert shares == {"a": 0.0, "b": 0.0}


# ---- replicates -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("joint", [False, True])
def test_the_optimality_gap_is_to_the_target(joint: bool) -> None:
    scores = [np.array([0.0, 1.0, 2.0, 3.0, 4.0, 5.0]), np.array([9.0, 9.0, 9.0, 9.0, 9.0, 9.0])]
    drawn, _ = bootstrap.bootstrap_suite(
        [scores], statistics=["optimality_gap"], pairs=[], num_resamples=4000, rngs=[RNG(0)], joint=joint, target=3.0
    )
    assert drawn["optimality_gap"].mean() == pytest.approx((3 + 2 + 1) / 6 / 2, abs=0.02)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_extremes_that_a_sample_holds_too_many_of_are_found(sign: float) -> None:
    """All values of the sample lie at one end of their row, so that it misjudges where that end begins."""
    values = RNG(1).normal(0, 1, (3, 5_000))
    values[:, ::STEP] += 100 * sign
    smallest, largest = extremes(values, 400, 400)
    ordered = np.sort(values, axis=1)
    np.testing.assert_array_equal(smallest, ordered[:, :400])
    np.testing.assert_array_equal(largest, ordered[:, -400:])


@pytest.mark.parametrize("swapped", [False, True])
def test_rounding_errors_of_the_larger_scores_are_ties(swapped: bool) -> None:
    """A win by 1e-14 is none beside a score of 1, whichever side has it."""
    sides = [np.array([1e-14, 2e-14]), np.array([0.0, 1.0])]
    scores = [[part] for part in (sides[::-1] if swapped else sides)]
    counts = [np.ones((2, 1), np.float32)] * 2
    ((_, drawn),) = joint_bootstrap.joint_improvement(scores, counts, [(0, 1)])
    assert drawn[0, 0] == (0.75 if swapped else 0.25)


@pytest.mark.parametrize("swapped", [False, True])
def test_rounding_errors_are_no_improvement_of_recipes(swapped: bool) -> None:
    sides = [[0.1 + 0.2, 0.6, 0.9], [0.3, 0.7, 0.8]]
    rows = [
        (policy, "m", seed, score)
        for policy, values in zip("ba" if swapped else "ab", sides, strict=True)
        for seed, score in enumerate(values)
    ]
    (record,) = records(compared(pd.DataFrame(rows, columns=["policy", "mission", "seed", "score"])), "recipes")
    assert record.p_improvement == pytest.approx(4.5 / 9)


# ---- settings ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [0.95, 0.7])
def test_the_share_of_a_single_episode_follows_the_confidence_level(level: float) -> None:
    rows = [(policy, "m", 0, score) for policy, score in (("a", 2.0), ("b", 1.0))]
    frame = pd.DataFrame(rows, columns=["policy", "mission", "episode", "score"])
    (record,) = records(compared(frame, confidence_level=level), "checkpoints")
    assert (record.p_improvement, record.p_improvement_high) == (1, 1)
    assert record.p_improvement_low == pytest.approx((1 - level) / 2)  # Clopper and Pearson


def test_normal_limits_of_aggregates_follow_the_confidence_level(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_samples, "LARGE", 10)
    frame = recipes({"a": (0.0, 0)}, episodes=200)
    values = frame["score"].to_numpy()
    for level in (0.95, 0.7):
        mean = next(one for one in compared(frame, confidence_level=level).aggregate_records if one.statistic == "mean")
        half = stats.norm.ppf(0.5 + level / 2) * stats.sem(values)
        assert (mean.interval_low, mean.interval_high) == pytest.approx((values.mean() - half, values.mean() + half))


def test_bands_of_profiles_resample_missions_if_declared() -> None:
    """Six missions that differ and whose episodes do not: only missions vary."""
    rows = [("a", mission, n, float(number)) for number, mission in enumerate("uvwxyz") for n in range(5)]
    frame = pd.DataFrame(rows, columns=["policy", "mission", "episode", "score"])
    for resampled in (True, False):
        results = compared(frame, resample_missions=resampled, profile_range=(2.5, 3.5))
        first = results.profile_records[0]
        assert first.share == pytest.approx(0.5)
        assert (first.interval_high - first.interval_low > 0.3) == resampled


# ---- cautions ---------------------------------------------------------------------------------------------


def test_the_size_of_an_unseen_event_is_in_scores() -> None:
    """In scores that DAF computes as multiples of 4."""
    never, steady = np.zeros(16), 6 + RNG(3).normal(0, 0.01, 16)
    frame = pd.concat(
        pd.DataFrame({"policy": name, "mission": "m", "episode": range(16), "score": values})
        for name, values in (("a", never), ("b", steady))
    )
    (record,) = records(compared(frame), "checkpoints")
    assert f"more than {steady.mean() / (1 - 0.05 ** (1 / 16)):.3g} would change the verdict" in record.caution


def test_the_mission_that_decides_counts_with_the_side_that_has_fewest_runs() -> None:
    steps = {n: np.linspace(-1, 1, n) for n in (3, 9)}
    tables = [
        RunTable(
            scores=[10 * steps[n][None, :], 0.1 * steps[9][None, :]], environments=[(0,), (0,)], trained=True,
            joint=False,
        )
        for n in (9, 3)
    ]  # fmt: skip
    for order in (tables, tables[::-1]):
        assert any("one mission's 3 training runs decide" in text for text in seed_cautions(*order))


def test_the_p_that_opposite_seeds_would_have() -> None:
    """The variance of a difference is 1 - correlation times that of independent runs of the same spread."""
    x = RNG(3).normal(0, 1, 12)
    y = -x + RNG(4).normal(0, 0.3, 12)
    tables = [
        RunTable(scores=[values[None, :]], environments=[(0,)], trained=True, seeds=(tuple(range(12)),))
        for values in (x, y)
    ]
    r = np.corrcoef(x, y)[0, 1]
    honest = 2 * stats.norm.cdf(stats.norm.ppf(0.025) / sqrt(1 - r))
    assert any(f"p = 0.05 would rather be {honest:.2f}" in text for text in seed_cautions(*tables))
    assert 0.1 < honest < 0.2


def test_skewness_that_chance_gives_a_mean_over_missions_is_that_of_its_cumulants() -> None:
    """Two missions of 6 units and equal variance: each has half of it, and an eighth of the skewness' variance."""
    units = np.array([0.0, 1.0, 1.0, 3.0, 4.0, 9.0])
    error = sqrt(units.var(ddof=1) / 6 / 2)
    of_one = 6 * 5 / (4 * 7 * 9)  # the variance of a normal sample's skewness, weighed by that of its mean
    found = cautions._skewness_that_counts([units, units + 7], error)
    assert found == pytest.approx(2 * sqrt(2 * of_one / 8))
