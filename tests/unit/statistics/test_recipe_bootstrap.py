"""The bootstrap of training seeds and environment seeds against the closed form of the mean's error."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from daf.statistics import effects, recipe_bootstrap, resampled_counts
from daf.statistics.crossed import RunTable, recipe_variance

RNG = np.random.default_rng
DRAWS = 6000


def table(seed: int, *, seeds: int = 20, environments: int = 30, seed_sd: float = 1.0, env_sd: float = 2.0) -> RunTable:
    rng = RNG(seed)
    shared = RNG(99).normal(0, env_sd, (2, environments, 1))
    skill = rng.normal(0, seed_sd, seeds)
    scores = list(shared + skill + rng.normal(0, 1.5, (2, environments, seeds)))
    return RunTable(scores=scores, environments=[tuple(range(environments))] * 2, trained=seeds > 1)


def replicates(tables: list[RunTable]) -> list[np.ndarray]:
    """Resampled run scores of each policy: (draws, missions, training seeds)."""
    shifts = recipe_bootstrap.environment_shifts(tables, DRAWS, [RNG(5), RNG(6)])
    return [
        np.concatenate([runs for _, runs in recipe_bootstrap.run_replicates(one, DRAWS, RNG(10 + index), shift)])
        for index, (one, shift) in enumerate(zip(tables, shifts, strict=True))
    ]


@pytest.mark.parametrize("options", [{}, {"seed_sd": 0.1}, {"seeds": 1}, {"seed_sd": 0.1, "env_sd": 0.1}])
def test_resampled_means_vary_as_the_closed_form_says(options: dict[str, float]) -> None:
    one = table(1, **options)
    (drawn,) = replicates([one])
    assert recipe_bootstrap.pooled_statistic("mean", drawn).std() == pytest.approx(
        recipe_variance(one).own.error, rel=0.08
    )


def test_what_an_environment_does_to_both_policies_cancels() -> None:
    tables = [table(1, seed_sd=0.2), table(2, seed_sd=0.2)]
    x, y = (recipe_bootstrap.pooled_statistic("mean", drawn) for drawn in replicates(tables))
    assert (x - y).std() == pytest.approx(recipe_variance(*tables).own.error, rel=0.3)
    assert (x - y).std() < 0.6 * x.std()


@pytest.mark.parametrize("name", resampled_counts.POOLED)
def test_statistics_are_those_of_pooled_scores(name: str) -> None:
    runs = RNG(3).normal(0.5, 1, (4, 7))
    expected = resampled_counts.PooledStatistic(name, list(runs)).estimate
    assert recipe_bootstrap.pooled_statistic(name, runs) == pytest.approx(expected)


def test_improvement_is_that_of_the_runs() -> None:
    x, y = RNG(3).integers(0, 4, (2, 5)).astype(float), RNG(4).integers(0, 4, (2, 6)).astype(float)
    found = recipe_bootstrap.improvement(x[None], y[None])
    assert found[0] == pytest.approx(effects.probability_of_improvement(list(x), list(y)))


def test_few_seeds_have_no_interval() -> None:
    (_, reason) = recipe_bootstrap.crossed_levels([table(1, seeds=4)], 0.95)
    assert reason.startswith("4 units")


def test_shifts_are_computed_once_for_every_unit_and_group_of_missions(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = [table(1), table(2)]
    plain = recipe_bootstrap.environment_shifts(tables, 500, [RNG(5), RNG(6)])
    halves = [replace(one, scores=[scores / 2 for scores in one.scores]) for one in tables]
    first = [replace(one, scores=one.scores[:1], environments=one.environments[:1]) for one in halves]
    with recipe_bootstrap.columns_kept():
        kept = recipe_bootstrap.environment_shifts(tables, 500, [RNG(5), RNG(6)])
        unused = RNG(5)
        alone = recipe_bootstrap.environment_shifts(first, 500, [unused])
        assert unused.bit_generator.state == RNG(5).bit_generator.state
        others = recipe_bootstrap.environment_shifts(tables, 500, [RNG(7), RNG(6)])
        monkeypatch.setattr(recipe_bootstrap, "KEPT_BYTES", 0)
        more = recipe_bootstrap.environment_shifts(tables, 400, [RNG(5), RNG(6)])
    np.testing.assert_array_equal(kept, plain)
    np.testing.assert_array_equal(alone, [one[:, :1] / 2 for one in plain])
    np.testing.assert_array_equal([one[:, 1] for one in others], [one[:, 1] for one in plain])
    assert not np.array_equal(others[0][:, 0], plain[0][:, 0])
    np.testing.assert_array_equal(more, recipe_bootstrap.environment_shifts(tables, 400, [RNG(5), RNG(6)]))
