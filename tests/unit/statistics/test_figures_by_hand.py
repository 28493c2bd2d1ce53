"""Figures that other tests reach only roughly: each against an independent computation."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from daf.compare import leaderboard
from daf.comparison import daf_compare_scores
from daf.statistics import advice, bootstrap, cautions, hypothesis_tests, primary, recipe_batch, recipe_pairs
from daf.statistics.records import PairRecord

RNG = np.random.default_rng


def record(**values: Any) -> PairRecord:
    known: dict[str, Any] = {
        "estimand": "recipes", "mission": "m", "n_missions": 1, "policy_a": "a", "policy_b": "b", "paired": False,
        "n_a": 9, "n_b": 9, "effect_name": "d", "test": "t", "difference": 0.1, "p": 0.5,
    }  # fmt: skip
    return PairRecord(**known | values)


# ---- tests ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "p", "drawn"), [(9, 13 / 101, [90]), (10, 11 / 11, [])])
def test_the_second_stage_makes_the_draws_that_the_first_left(first: int, p: float, drawn: list[int]) -> None:
    """Of 100 draws in all, 10 come first; 9 hits and 3 more are 12 of 100."""
    asked: list[int] = []

    def further(draws: int) -> int:
        asked.append(draws)
        return 3

    found, _ = hypothesis_tests._monte_carlo(lambda draws: first, further, 10, 100)
    assert (found, asked) == (pytest.approx(p), drawn)


@pytest.mark.parametrize("mean", [5.0, -5.0])
def test_the_normal_tail_goes_on_whichever_side_is_ahead(mean: float) -> None:
    """All 999 replicates are on one side of 0."""
    tail = primary.Tail(count=999, below=999.0 if mean < 0 else 0.0, mean=mean, sd=1.0)
    found = primary.from_replicates(record(), "iqm", tail, [[9], [9]], known=True)
    factor, df = bootstrap.expansion([9])
    assert found.p == pytest.approx(2 * stats.t.sf(5 / factor, df))


@pytest.mark.parametrize("episodes", [1, 2])
@pytest.mark.parametrize(("few", "confirmed"), [(2, False), (3, True)])
def test_as_many_seeds_as_few_have_to_be_confirmed(
    episodes: int, few: int, confirmed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """3 against 11 training seeds, of one score each and of two."""
    assert recipe_pairs.FEW_SEEDS == 10
    monkeypatch.setattr(recipe_batch, "FEW_SEEDS", few)
    monkeypatch.setattr(recipe_pairs, "FEW_SEEDS", few)
    sides = [[1.0, 1.1, 1.1], [0.5, -0.5, 0.3, 1.7, 1.7, 1.0, -0.9, -1.5, -1.6, -0.7, -0.1]]
    rows = [
        (policy, "m", seed, episode, score + (0.2 * episode - 0.1) * (episodes > 1))
        for policy, values in zip("ab", sides, strict=True)
        for seed, score in enumerate(values)
        for episode in range(episodes)
    ]
    frame = pd.DataFrame(rows, columns=["policy", "mission", "seed", "episode", "score"])
    (found,) = daf_compare_scores(frame, num_resamples=100, recipe_claim="these_episodes").headline_records("recipes")
    assert found.test.endswith("not confirmed by permutation") == confirmed
    assert found.p == pytest.approx(28 / 364 if confirmed else stats.ttest_ind(*sides, equal_var=False).pvalue)


@pytest.mark.parametrize(
    ("quantity", "planned"), [("mean", True), ("iqm", False), ("probability_of_improvement", False)]
)
def test_how_many_more_units_are_needed_is_said_of_means_only(quantity: str, planned: bool) -> None:
    """The spread of means says nothing about a test of IQMs: a single outlier would ask for thousands of seeds."""
    rng = RNG(6)
    rows = [
        (policy, "m", seed, episode, rng.normal() + 60 * (policy == "a" and seed == 0))
        for policy in "ab"
        for seed in range(8)
        for episode in range(6)
    ]
    frame = pd.DataFrame(rows, columns=["policy", "mission", "train_seed", "episode", "score"])
    results = daf_compare_scores(frame, num_resamples=100, primary=quantity, equivalence_margin=0.5)
    for estimand in ("checkpoints", "recipes"):
        (found,) = results.headline_records(estimand)
        assert found.tested
        assert found.primary == quantity
        assert np.isfinite(found.power) == planned
        assert (found.n_needed is not None) == (found.more_needed is not None) == planned
    assert ("would give every undecided pair" in " ".join(results.notes)) == planned


@pytest.mark.parametrize(("missions", "more"), [(1, 4), (3, 2), (4, 1)])
def test_further_episodes_for_a_small_p_are_shared_by_missions(missions: int, more: int) -> None:
    """Two episodes that differ give p = 0.5 at least, every further one half of it: six give 0.03."""
    open_pair = record(
        estimand="checkpoints", paired=True, n_a=2, n_b=2, n_missions=missions, minimum_p=0.5, more_needed=0
    )
    assert 0.5 / 2 ** (missions * more) <= 0.05 < 0.5 / 2 ** (missions * (more - 1))
    assert advice._more(open_pair, 0.05) == more


@pytest.mark.parametrize("level", [0.95, 0.6])
def test_the_band_of_many_units_follows_the_confidence_level(level: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "LARGE", 10)
    scores = [np.arange(20.0), np.arange(40.0) / 2]
    share, low, high = bootstrap.profile_band(scores, np.array([9.6]), level=level, rng=RNG(0))
    shares = [10 / 20, 20 / 40]
    error = np.sqrt(sum(one * (1 - one) / n for one, n in zip(shares, (20, 40), strict=True))) / 2
    assert share == pytest.approx(np.mean(shares))
    assert high - low == pytest.approx(2 * stats.norm.ppf(0.5 + level / 2) * error)


# ---- cautions ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("offset", "cautioned"), [(10.0, True), (-10.0, True), (1.0, False)])
def test_an_unseen_event_may_bring_a_score_to_zero(offset: float, cautioned: bool) -> None:
    """16 episodes may miss 17 % of them; one policy is steady, the other 0.5 above it and varies by 0.7.

    An event that takes 2.9 points would change the verdict: scores about 10 may fall by that, scores about 1 may not.
    """
    steady = np.full(16, offset)
    varying = offset + 0.5 + np.tile([0.35, -0.35], 8)
    found = cautions.episode_cautions({"a": [varying], "b": [steady]}, [varying - steady])
    assert pytest.approx(2.93, abs=0.01) == 0.5 / (1 - 0.05 ** (1 / 16))
    assert [text.startswith("the scores of b hardly vary between episodes") for text in found] == [True] * cautioned


# ---- leaderboards -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("scale", "low", "high"), [((10.0, 0.0), 4.0, 8.0), ((10.0, 20.0), 12.0, 16.0)])
def test_bounds_of_a_leaderboard_are_in_raw_rewards_and_in_order(
    scale: tuple[float, float], low: float, high: float
) -> None:
    """Of normalized bounds 0.2 and 0.6; where a mission counts downwards, the lower bound is that of 0.6."""
    summary: Any = SimpleNamespace(
        mission="m", mean_reward=1.0, interval_low=0.2, interval_high=0.6, iqm=0.4, success_rate=float("nan"),
        n_episodes=8, failures=1,
    )  # fmt: skip
    results: Any = SimpleNamespace(scale=lambda mission: scale, config=SimpleNamespace(confidence_level=0.9))
    found = leaderboard._figures(summary, results)
    assert (found["interval_low"], found["interval_high"]) == pytest.approx((low, high))
    assert found["iqm"] == pytest.approx((low + high) / 2)
    assert (found["mean"], found["confidence_level"], found["success_rate"]) == (1.0, 0.9, None)
