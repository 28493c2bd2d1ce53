"""Training seeds and environment seeds as crossed random effects."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from daf.comparison import daf_compare_scores
from daf.statistics.crossed import RunTable, recipe_variance
from daf.statistics.intervals import mean_interval

RNG = np.random.default_rng


def table(scores: np.ndarray, *, trained: bool = True, first: int = 0) -> RunTable:
    """One mission with environment seeds from `first`; scores (environments, training seeds)."""
    return RunTable(scores=[scores], environments=[tuple(range(first, first + len(scores)))], trained=trained)


def mean_squares(x: np.ndarray) -> tuple[float, float, float]:
    """Of rows, columns and rest, from the sums of squares of a two-way table."""
    rows, columns = x.shape
    total = (x**2).sum() - x.sum() ** 2 / x.size
    between_rows = (x.sum(axis=1) ** 2).sum() / columns - x.sum() ** 2 / x.size
    between_columns = (x.sum(axis=0) ** 2).sum() / rows - x.sum() ** 2 / x.size
    rest = (total - between_rows - between_columns) / (rows - 1) / (columns - 1)
    return between_rows / (rows - 1), between_columns / (columns - 1), rest


def test_the_variance_of_one_recipe_is_that_of_a_two_way_table() -> None:
    x = RNG(3).normal(0, 1, (12, 1)) + RNG(1).normal(0, 1, 5) + RNG(2).normal(0, 1, (12, 5))
    rows, columns, rest = mean_squares(x)
    found = recipe_variance(table(x))
    total = (rows + columns - rest) / x.size
    assert found.own.error == pytest.approx(sqrt(total))
    df = (total * x.size) ** 2 / (rows**2 / 11 + columns**2 / 4 + rest**2 / 44)
    assert found.own.df == pytest.approx(df)
    assert found.environments == pytest.approx((rows - rest) / x.size / total)


def test_one_score_per_run_is_welchs_test() -> None:
    x, y = RNG(1).normal(0, 1, (1, 5)), RNG(2).normal(0, 3, (1, 9))
    found, expected = recipe_variance(table(x), table(y)), stats.ttest_ind(x[0], y[0], equal_var=False)
    assert not found.general
    assert found.own.df == pytest.approx(expected.df)
    assert (x.mean() - y.mean()) / found.own.error == pytest.approx(expected.statistic)


def test_these_episodes_leave_the_environments_out() -> None:
    x, y = RNG(1).normal(0, 1, (16, 5)), RNG(2).normal(0, 3, (16, 1))
    found = recipe_variance(table(x), table(y, trained=False), general=False)
    assert len(found.errors) == 1
    assert found.own.error == pytest.approx(stats.sem(x.mean(axis=0)))
    assert found.own.df == pytest.approx(4)


def test_what_environments_do_to_both_policies_does_not_count() -> None:
    x, y = RNG(1).normal(0, 1, (16, 5)), RNG(2).normal(0, 1, (16, 4))
    shared = RNG(3).normal(0, 50, (16, 1))
    found, alone = recipe_variance(table(x + shared), table(y + shared)), recipe_variance(table(x), table(y))
    assert found.own.error == pytest.approx(alone.own.error, rel=1e-9)
    unpaired = recipe_variance(table(x + shared), table(y + shared, first=100))
    assert unpaired.own.error > 10 * found.own.error


def test_pairs_of_environments_are_the_units_where_nothing_else_varies() -> None:
    x, y = (RNG(seed).normal(0, 10, (16, 1)) + RNG(seed + 2).normal(0, 0.01, (16, 5)) for seed in (1, 2))
    found = recipe_variance(table(x), table(y))
    assert found.own.error == pytest.approx(stats.sem(x.mean(axis=1) - y.mean(axis=1)), rel=1e-3)
    assert found.own.df == pytest.approx(15, rel=1e-3)


def test_partly_shared_environments_lie_between() -> None:
    shared = RNG(3).normal(0, 5, (24, 1))
    x, y = RNG(1).normal(0, 1, (24, 5)) + shared, RNG(2).normal(0, 1, (24, 4)) + shared
    errors = [recipe_variance(table(x[:16]), table(y[first : first + 16], first=first)).own.error for first in (0, 8)]
    disjoint = recipe_variance(table(x[:8]), table(y[16:], first=16)).own.error
    assert errors[0] < errors[1] < disjoint


def test_partly_shared_environments_subtract_their_covariance() -> None:
    """16 and 12 environment seeds, 8 of them shared, which limit the degrees of freedom."""
    shared = RNG(3).normal(0, 2, (20, 1))
    x, y = RNG(1).normal(0, 1, (16, 5)) + shared[:16], RNG(2).normal(0, 1, (12, 1)) + shared[8:]
    _, _, environments = recipe_variance(table(x), table(y, trained=False, first=8)).errors
    means, other = x.mean(axis=1), y[:, 0]
    covariance = np.cov(means[8:], other[:8])[0, 1]
    expected = means.var(ddof=1) / 16 + other.var(ddof=1) / 12 - 2 * 8 / (16 * 12) * covariance
    assert environments.error == pytest.approx(sqrt(expected))
    assert environments.df == pytest.approx(7)


def test_a_fixed_policys_episodes_are_a_sample() -> None:
    x, y = RNG(1).normal(0, 1, (16, 5)) + RNG(4).normal(0, 1, 5), RNG(2).normal(0, 3, (16, 1))
    found = recipe_variance(table(x), table(y, trained=False))
    differences = x.mean(axis=1) - y[:, 0]
    seeds, rest = stats.sem(x.mean(axis=0)) ** 2, mean_squares(x)[2] / x.size
    assert found.own.error == pytest.approx(sqrt(stats.sem(differences) ** 2 + seeds - rest))


def test_alike_seeds_do_not_borrow_the_degrees_of_freedom_of_episodes() -> None:
    x = RNG(1).normal(0, 1, (200, 3))
    x -= x.mean(axis=0) - np.array([0.0, 0.01, -0.01])
    found = recipe_variance(table(x))
    assert found.own.df > 100
    assert found.weakest(1.0).df == pytest.approx(2)
    assert found.half_width(0.95) == max(one.half_width(0.95) for one in found.errors)


def test_one_training_seed_leaves_the_variance_unknown() -> None:
    found = recipe_variance(table(RNG(1).normal(0, 1, (16, 1))), table(RNG(1).normal(0, 1, (16, 5))))
    assert np.isnan(found.own.error)


@pytest.mark.parametrize(("seeds", "interaction"), [((5, 0), 0.0), ((20, 0), 0.0), ((8, 8), 1.0)])
def test_nulls_are_rarely_rejected(seeds: tuple[int, int], interaction: float) -> None:
    rng, runs, false, conditional = RNG(7), 400, 0, 0
    for _ in range(runs):
        shared, tables = rng.normal(0, 1, (16, 1)), []
        for count in seeds:
            skill = rng.normal(0, 0.3 if count else 0.0, max(1, count))
            own = rng.normal(0, interaction, (16, 1))
            noise = rng.normal(0, 1, (16, max(1, count)))
            tables.append(table(shared + skill + own + noise, trained=count > 0))
        difference = abs(tables[0].mean - tables[1].mean)
        false += difference > recipe_variance(*tables).half_width(0.95)
        conditional += difference > recipe_variance(*tables, general=False).half_width(0.95)
    assert false / runs <= 0.06 + 3 * sqrt(0.05 * 0.95 / runs)
    assert conditional / runs > 0.12  # what the claim about these episodes would do


# ---- separate training runs on every mission --------------------------------------------------------------


def incomplete(rng: np.random.Generator, *, missing: int = 0, runs: int = 4, missions: int = 8) -> pd.DataFrame:
    """One score per (policy, mission, training seed), every run separate."""
    rows = [
        (policy, f"m{mission}", seed, rng.normal())
        for policy in "ab"
        for mission in range(missions)
        for seed in range(runs)
    ]
    frame = pd.DataFrame(rows, columns=["policy", "mission", "seed", "score"])
    return frame.drop(rng.choice(len(frame), missing, replace=False)).reset_index(drop=True)


def overall(frame: pd.DataFrame, **options: object) -> tuple[pd.Series, tuple[str, ...]]:
    results = daf_compare_scores(frame, num_resamples=200, **options)
    return results.pairwise.query("estimand == 'recipes' and mission == 'overall'").iloc[0], results.notes


def test_separate_runs_are_strata_by_mission() -> None:
    frame = incomplete(RNG(4), missing=7)
    row, notes = overall(frame, trainings="per_mission")
    cells = frame.groupby(["policy", "mission"])["score"]
    variances = cells.var() / cells.size() / 64
    df = variances.sum() ** 2 / (variances**2 / (cells.size() - 1)).sum()
    difference = cells.mean()["a"].mean() - cells.mean()["b"].mean()
    assert row["difference"] == pytest.approx(difference)
    assert row["t"] == pytest.approx(difference / np.sqrt(variances.sum()))
    assert row["df"] == pytest.approx(df)
    assert row["n_a"] + row["n_b"] == len(frame)
    assert not any("only training seeds that played all" in note for note in notes)


def test_runs_that_a_comparison_does_not_use_are_counted() -> None:
    frame = incomplete(RNG(4))
    frame = frame.drop(frame[(frame.policy == "a") & (frame.mission == "m3") & (frame.seed == 1)].index)
    row, notes = overall(frame)
    assert row["n_a"] == 3
    assert any("24 of 31 run scores of a." in note and "trainings: per_mission" in note for note in notes)


def test_separate_runs_below_five_per_mission_have_intervals() -> None:
    results = daf_compare_scores(incomplete(RNG(4), runs=3), num_resamples=400, trainings="per_mission")
    assert results.aggregates.query("estimand == 'recipes'")[["interval_low", "interval_high"]].notna().all(axis=None)
    assert results.ranks.query("estimand == 'recipes' and mission == 'overall'")["rank_low"].notna().all()


def test_a_policy_with_few_seeds_keeps_the_ranks_of_the_others() -> None:
    frame = incomplete(RNG(4), runs=6)
    few = frame[(frame.policy == "a") & (frame.seed < 3)].assign(policy="few")
    results = daf_compare_scores(pd.concat([frame, few]), num_resamples=400)
    ranks = results.ranks.query("estimand == 'recipes' and mission == 'overall'").set_index("policy")["rank_low"]
    assert ranks[["a", "b"]].notna().all()
    assert np.isnan(ranks["few"])


# ---- a scale that policies set ----------------------------------------------------------------------------


def test_normalized_means_have_the_error_of_their_scale() -> None:
    rng, rows = RNG(2), []
    for policy, mean in (("low", 0.0), ("high", 4.0), ("x", 3.0)):
        rows += [(policy, "m", episode, mean + rng.normal()) for episode in range(24)]
    frame = pd.DataFrame(rows, columns=["policy", "mission", "episode", "score"])
    found = daf_compare_scores(frame, normalization={"low": "low", "high": "high"}, num_resamples=100)
    row = found.summary_statistics.query("policy == 'x' and mission == 'm'").iloc[0]
    x, low, high = (frame.loc[frame.policy == policy, "score"].to_numpy() for policy in ("x", "low", "high"))
    mean = (x.mean() - low.mean()) / (high.mean() - low.mean())
    ratio = (x - low - mean * (high - low)) / (high.mean() - low.mean()) + mean  # the delta method
    expected = mean_interval([ratio])
    assert row["mean"] == pytest.approx(mean)
    assert (row["interval_low"], row["interval_high"]) == pytest.approx((expected.low, expected.high))
    known = mean_interval([(x - low.mean()) / (high.mean() - low.mean())])
    assert row["interval_low"] != pytest.approx(known.low, abs=1e-3)
