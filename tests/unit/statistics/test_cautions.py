"""Cautions: where no test holds, the table and the sentence say so."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from daf.comparison import ComparisonResults, daf_compare_scores
from daf.statistics.sequential import unsettled

RNG = np.random.default_rng


def of_runs(a: np.ndarray, b: np.ndarray) -> ComparisonResults:
    """Policies with one score per training run."""
    parts = [
        pd.DataFrame({"policy": policy, "mission": "m", "seed": np.arange(len(scores)), "score": scores})
        for policy, scores in (("a", a), ("b", b))
    ]
    return daf_compare_scores(pd.concat(parts), num_resamples=200)


def of_episodes(a: np.ndarray, b: np.ndarray, **options: object) -> ComparisonResults:
    parts = [
        pd.DataFrame({"policy": policy, "mission": "m", "episode": np.arange(len(scores)), "score": scores})
        for policy, scores in (("a", a), ("b", b))
    ]
    return daf_compare_scores(pd.concat(parts), num_resamples=200, **options)


def caution(results: ComparisonResults, estimand: str) -> str:
    row = results.pairwise.query("estimand == @estimand and mission == 'm'").iloc[0]
    if row["caution"]:
        assert f"Caution: {row['caution']}." in results.verdicts(estimand)[0]
    return str(row["caution"])


STEADY = np.array([5.0, 5.1, 4.9, 5.05, 4.95])


@pytest.mark.parametrize(
    ("runs", "text"),
    [
        (np.full(5, 3.0), "all 5 training seeds of one side score alike"),
        (np.array([1.0, 2.0, 3.0, 4.0, 5.0]), "one side's training seeds vary 20 times as much"),
        (np.array([0.0, 0.1, 9.0, 9.1, 9.2]), "fall into two groups"),
        (np.array([3.0, 3.1, 3.2]), "only 3 training seeds on one side"),
    ],
)
def test_seeds_that_mislead_are_named(runs: np.ndarray, text: str) -> None:
    assert text in caution(of_runs(runs, STEADY), "recipes")


def separate_runs(a: dict[str, list[float]], b: dict[str, list[float]]) -> str:
    rows = [
        (policy, mission, seed, score)
        for policy, missions in (("a", a), ("b", b))
        for mission, scores in missions.items()
        for seed, score in enumerate(scores)
    ]
    table = pd.DataFrame(rows, columns=["policy", "mission", "seed", "score"])
    results = daf_compare_scores(table, trainings="per_mission", num_resamples=200)
    return str(results.pairwise.query("estimand == 'recipes' and mission == 'overall'").iloc[0]["caution"])


@pytest.mark.parametrize(
    ("x", "y", "text"),
    [
        ([2.0, 1.5, 2.5], [2.2, 1.2, 2.6], "one side's training seeds vary 12 times as much"),
        ([2.0, 2.0, 2.0], [1.0, 1.0, 1.0], "all 6 training seeds of one side score alike"),
        ([2.0, 2.1, -8.0], [1.9, 2.2, 2.0], "the scores of the 6 training seeds of one side are skewed"),
    ],
)
def test_separate_runs_that_mislead_are_named(x: list[float], y: list[float], text: str) -> None:
    steady = {"m": [0.0, 0.05, -0.05], "k": [0.0, 0.05, -0.05]}
    assert text in separate_runs({"m": x, "k": y}, steady)


def test_separate_runs_of_like_spread_carry_no_caution() -> None:
    alike = [0.0, 1.0, 2.0]
    assert separate_runs({"m": alike, "k": [10.0, 11.5, 12.0]}, {"m": [0.5, 1.0, 2.5], "k": alike}) == ""
    assert "score alike" not in separate_runs({"m": alike, "k": [1.0, 1.0, 1.0]}, {"m": alike, "k": alike})


def test_skewed_seeds_are_named() -> None:
    skewed = np.exp(np.linspace(-2, 2.5, 20))
    assert "training seeds of one side are skewed" in caution(of_runs(skewed, RNG(1).normal(4, 2, 20)), "recipes")


def test_plain_seeds_and_episodes_carry_no_caution() -> None:
    x, y = np.linspace(0, 1, 12), np.linspace(0.2, 1.4, 12)
    assert caution(of_runs(x, y), "recipes") == ""
    assert caution(of_episodes(RNG(1).normal(0, 1, 40), RNG(2).normal(0, 1, 40)), "checkpoints") == ""


def test_two_seeds_give_no_verdict() -> None:
    results = of_runs(np.array([0.0, 0.01]), np.array([9.0, 9.01]))
    row = results.pairwise.query("estimand == 'recipes' and mission == 'm'").iloc[0]
    assert row["verdict"] == "insufficient data"
    assert "train at least 3" in row["reason"]


def test_a_permutation_test_overrules_welch() -> None:
    x, y = np.array([0.5, 0.5, 0.3]), np.array([1.2, 0.8, 1.4, 0.4, 1.2, 0.3, 0.5, 1.3])
    row = of_runs(x, y).pairwise.query("estimand == 'recipes' and mission == 'm'").iloc[0]
    assert stats.ttest_ind(x, y, equal_var=False).pvalue < 0.03
    assert row["test"] == "Welch t-test on seed means, not confirmed by permutation"
    assert row["p"] == pytest.approx(20 / 165)
    assert row["verdict"] == "inconclusive"
    assert "a studentized permutation test of the same training seeds does not" in row["caution"]


def test_an_event_that_few_episodes_may_miss_is_quantified() -> None:
    never, steady = np.zeros(16), 1 + RNG(3).normal(0, 0.01, 16)
    results = of_episodes(never, steady)
    text = caution(results, "checkpoints")
    share = 1 - 0.05 ** (1 / 16)
    assert f"up to {100 * share:.2g} % of them" in text
    assert f"more than {steady.mean() / share:.3g} would" in text
    assert unsettled(results) == ["a and b"]  # an interim analysis does not stop there
    many = np.zeros(200), 1 + RNG(3).normal(0, 0.01, 200)
    assert caution(of_episodes(*many), "checkpoints") == ""
    assert unsettled(of_episodes(*many)) == []


def test_an_event_far_beyond_all_scores_is_no_reason_for_a_caution_if_scores_vary() -> None:
    never, varying = np.full(16, -0.25), np.linspace(7.7, 16.0, 16)
    results = of_episodes(never, varying)
    assert caution(results, "checkpoints") == ""
    assert "16 paired episodes may miss an event that happens in up to 17 % of them" in "\n".join(results.notes)
    credible = np.append(1 + RNG(3).normal(0, 0.3, 15), 9.0)  # an event of 9 has been seen
    assert "a scored almost the same in every episode" in caution(of_episodes(np.zeros(16), credible), "checkpoints")


@pytest.mark.parametrize("n", [5, 7, 10])
def test_few_normal_seeds_rarely_carry_a_caution(n: int) -> None:
    from daf.statistics.cautions import seed_cautions
    from daf.statistics.crossed import RunTable

    rng = RNG(1)
    draws = [[RunTable(scores=[rng.normal(size=(1, n))], environments=[(0,)], trained=True) for _ in "ab"]
             for _ in range(600)]  # fmt: skip
    assert sum(bool(seed_cautions(*pair)) for pair in draws) / 600 < 0.2  # 0.45 if the few count like many


def test_skewed_differences_are_named() -> None:
    skewed = np.exp(np.linspace(-2, 3, 20))
    assert "paired differences are skewed" in caution(of_episodes(skewed, np.linspace(2, 3, 20)), "checkpoints")
