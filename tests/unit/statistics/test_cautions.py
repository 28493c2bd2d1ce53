"""Cautions: where no test holds, the table and the sentence say so."""

from __future__ import annotations

from dataclasses import replace

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
        ([2.0, 1.5, 2.5], [2.2, 1.2, 2.6], "one side's training runs vary 12 times as much"),
        ([2.0, 2.0, 2.0], [1.0, 1.0, 1.0], "all 6 training runs of one side score alike"),
        ([2.0, 2.1, -8.0], [1.9, 2.2, 2.0], "one mission's 3 training runs decide"),
        (
            [1.9, 2.0, 2.1, 2.2, 1.8, 2.0, 2.1, -8.0],
            [2.0, 2.5],
            "the scores of the 10 training runs of one side are skewed",
        ),
    ],
)
def test_separate_runs_that_mislead_are_named(x: list[float], y: list[float], text: str) -> None:
    steady = {"m": [0.0, 0.05, -0.05], "k": [0.0, 0.05, -0.05]}
    assert text in separate_runs({"m": x, "k": y}, steady)


@pytest.mark.parametrize(("runs", "missions"), [(3, 2), (3, 3), (5, 6)])
def test_separate_normal_runs_rarely_carry_a_caution(runs: int, missions: int) -> None:
    """0.33 and 0.38 if three runs on each of two or three missions were judged as six or nine of one."""
    from daf.statistics.cautions import seed_cautions
    from daf.statistics.crossed import RunTable

    rng, seeds = RNG(1), [tuple(range(runs))] * missions
    found = [
        seed_cautions(*(
            RunTable(scores=rng.normal(size=(missions, 1, runs)), environments=[(0,)] * missions, trained=True,
                     joint=False, seeds=seeds)
            for _ in "ab"))
        for _ in range(600)
    ]  # fmt: skip
    assert sum(map(bool, found)) / 600 < 0.16


def test_the_skewness_of_differences_is_judged_within_missions() -> None:
    """As many as 19 of 20 sets of normal differences have by chance, also where four of them decide."""
    from daf.statistics.cautions import episode_cautions

    rng, named = RNG(1), 0
    for _ in range(400):
        gaps = [rng.normal(size=4), rng.normal(size=64)]
        named += bool(episode_cautions({"a": gaps, "b": [-part for part in gaps]}, gaps))
    assert named / 400 < 0.07  # 0.57 if they were 68 alike


@pytest.mark.parametrize(("ratio", "named"), [(3.05, False), (3.15, True)])
def test_the_spread_of_separate_runs_has_the_degrees_of_freedom_within_missions(ratio: float, named: bool) -> None:
    """Two for each of two missions: a ratio of 3.10 is exceeded in 1 of 20 cases."""
    assert stats.f.ppf(0.975, 4, 4) ** 0.5 == pytest.approx(3.099, abs=1e-3)
    wide, narrow = [0.0, ratio, -ratio], [0.0, 1.0, -1.0]
    found = separate_runs({"m": wide, "k": wide}, {"m": narrow, "k": narrow})
    assert ("times as much as the other's" in found) == named


def test_separate_runs_of_like_spread_carry_no_caution() -> None:
    alike = [0.0, 1.0, 2.0]
    assert separate_runs({"m": alike, "k": [10.0, 11.5, 12.0]}, {"m": [0.5, 1.0, 2.5], "k": alike}) == ""
    assert "score alike" not in separate_runs({"m": alike, "k": [1.0, 1.0, 1.0]}, {"m": alike, "k": alike})


OPPOSITE = "training runs with the same seed move in opposite directions (correlation \N{MINUS SIGN}"


@pytest.mark.parametrize(("seeds", "named"), [(range(12), True), (range(11, -1, -1), False), (range(50, 62), False)])
def test_runs_of_the_same_seed_that_move_in_opposite_directions_are_named(seeds: range, named: bool) -> None:
    """Seeds count, not the order of rows; without common seeds there is nothing to see."""
    up = np.linspace(0, 1, 12) ** 1.5
    rows = [("a", seed, score) for seed, score in enumerate(up)]
    rows += [("b", seed, score) for seed, score in zip(seeds, 1 - up, strict=True)]
    table = pd.DataFrame(rows, columns=["policy", "seed", "score"]).assign(mission="m")
    assert (f"{OPPOSITE}1.00)" in caution(daf_compare_scores(table, num_resamples=200), "recipes")) == named


def test_opposite_seeds_of_separate_runs_are_correlated_within_missions() -> None:
    """Means of missions move alike, which must not hide that runs do not."""
    x, y = {"m": [0.0, 1.0, 2.0, 3.0], "k": [10.0, 12.0, 11.0]}, {"m": [3.0, 2.0, 1.0, 0.1], "k": [22.0, 20.0, 21.2]}
    found = separate_runs(x, y)
    gaps = [np.concatenate([np.array(part) - np.mean(part) for part in side.values()]) for side in (x, y)]
    assert "p = 0.05 would rather be 0.17" in found
    assert f"{OPPOSITE}{-stats.pearsonr(*gaps).statistic:.2f}" in found


def test_the_correlation_that_counts_is_that_of_one_in_forty() -> None:
    from daf.statistics.cautions import _opposite_seeds, seed_cautions
    from daf.statistics.crossed import RunTable

    seeds, common = tuple(range(8)), tuple(range(6))
    x = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 30.0, 40.0])
    for noise in np.linspace(0, 30, 121):
        y = -x + noise * np.array([0.3, -0.2, 0.5, -0.4, 0.1, -0.3, 0.0, 0.0])
        pair = [RunTable(scores=[x[None]], environments=[(0,)], trained=True, seeds=(seeds,)),
                RunTable(scores=[y[None, :6]], environments=[(0,)], trained=True, seeds=(common,))]  # fmt: skip
        test = stats.pearsonr(x[:6], y[:6], alternative="less")
        same = [replace(pair[0], scores=[x[None, :6]], seeds=(common,)), pair[1]]
        assert _opposite_seeds(*pair) == _opposite_seeds(*same)
        assert any(OPPOSITE in text for text in seed_cautions(*pair)) == (test.pvalue < 0.025 and test.statistic < -0.4)


def test_few_training_runs_may_miss_a_failure() -> None:
    for sizes in ((6, 9), (9, 6)):
        notes = "\n".join(of_runs(np.linspace(5, 6, sizes[0]), np.linspace(0, 1, sizes[1])).notes)
        assert "6 training runs may miss a failure that happens to up to 39 % of such runs" in notes
    assert "may miss a failure" not in "\n".join(of_runs(np.linspace(0, 1, 6), np.linspace(0, 1, 9)).notes)
    assert "Training runs count as independent" in notes


@pytest.mark.parametrize("primary", ["iqm", "probability_of_improvement"])
def test_cautions_about_the_mean_are_for_verdicts_on_the_mean(primary: str) -> None:
    """An outlier of any size does not move an IQM or an order; that seeds are few misleads every test."""
    skewed, steady = np.append(np.linspace(1, 2, 29), 1e6), np.linspace(0, 0.01, 30)
    plain, ordered = of_episodes(skewed, steady), of_episodes(skewed, steady, primary=primary)
    assert "paired differences are skewed" in caution(plain, "checkpoints")
    assert "may miss an event" in caution(plain, "checkpoints")
    assert caution(ordered, "checkpoints") == ""
    assert not any("may miss" in note for note in ordered.notes)
    rows = [(policy, seed, score) for policy, scores in (("a", [1.0, 2.0, 9.0]), ("b", [0.1, 0.2, 0.3]))
            for seed, score in enumerate(scores)]  # fmt: skip
    table = pd.DataFrame(rows, columns=["policy", "seed", "score"]).assign(mission="m")
    few = {name: daf_compare_scores(table, num_resamples=200, primary=name).headline_records("recipes")[0].caution
           for name in ("mean", primary)}  # fmt: skip
    assert "times as much as the other's" in few["mean"]
    assert few[primary] == "only 3 training seeds on one side: a rare failed training may be missing from them"


def test_constant_differences_decide_an_order() -> None:
    """The note on missions whose episodes count as one is about the test of means."""
    results = of_episodes(np.full(8, 2.0), np.full(8, 1.0), primary="probability_of_improvement")
    assert results.pairs[0].verdict == "better"
    assert not any("count such a mission's episodes as one" in note for note in results.notes)


def test_runs_that_differ_by_the_noise_of_episodes_are_not_two_groups() -> None:
    """Success rates of 8 episodes are 1 or 7/8: a gap, but no failed training."""
    from daf.statistics.cautions import seed_cautions
    from daf.statistics.crossed import RunTable

    scores = np.ones((8, 5))
    scores[0, 0] = scores[3, 2] = 0.0
    rival = RunTable(scores=[RNG(1).normal(0, 0.1, (8, 5))], environments=[tuple(range(8))], trained=True)

    def cautions(scores: np.ndarray) -> str:
        return "; ".join(seed_cautions(replace(rival, scores=[scores]), rival))

    assert "two groups" not in cautions(scores)
    scores[:, :2] = 0.0  # these failed
    assert "two groups" in cautions(scores)


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
    assert f"up to {100 * share:.2g} % of episodes" in text
    assert f"more than {steady.mean() / share:.3g} would" in text
    assert unsettled(results) == ["a and b"]  # an interim analysis does not stop there
    many = np.zeros(200), 1 + RNG(3).normal(0, 0.01, 200)
    assert caution(of_episodes(*many), "checkpoints") == ""
    assert unsettled(of_episodes(*many)) == []


def test_an_event_far_beyond_all_scores_is_no_reason_for_a_caution_if_scores_vary() -> None:
    never, varying = np.full(16, -0.25), np.linspace(7.7, 16.0, 16)
    results = of_episodes(never, varying)
    assert caution(results, "checkpoints") == ""
    assert "16 paired episodes may miss an event that happens in up to 17 % of episodes" in "\n".join(results.notes)
    credible = np.append(1 + RNG(3).normal(0, 0.3, 15), 9.0)  # an event of 9 has been seen
    assert "the scores of a hardly vary between episodes" in caution(of_episodes(np.zeros(16), credible), "checkpoints")


@pytest.mark.parametrize("n", [5, 7, 10])
def test_few_normal_seeds_rarely_carry_a_caution(n: int) -> None:
    from daf.statistics.cautions import seed_cautions
    from daf.statistics.crossed import RunTable

    rng = RNG(1)
    draws = [[RunTable(scores=[rng.normal(size=(1, n))], environments=[(0,)], trained=True, seeds=[tuple(range(n))])
              for _ in "ab"]
             for _ in range(600)]  # fmt: skip
    assert sum(bool(seed_cautions(*pair)) for pair in draws) / 600 < 0.2  # 0.45 if the few count like many


def test_skewed_differences_are_named() -> None:
    skewed = np.exp(np.linspace(-2, 3, 20))
    assert "paired differences are skewed" in caution(of_episodes(skewed, np.linspace(2, 3, 20)), "checkpoints")


def test_only_pairs_that_need_no_caution_are_not_asked() -> None:
    from daf.statistics.cautions import may_need_seed_cautions, seed_cautions
    from daf.statistics.crossed import RunTable

    rng, tables = np.random.default_rng(3), []
    for place in range(60):
        size = (5, 5, 5, 7, 12, 3)[place % 6]
        runs = rng.normal(0, (1, 1, 4)[place % 3], size) if place % 7 else (rng.random(size) < 0.3) * 1.0
        first = int(place % 10 == 1)  # another set of seeds
        seeds = (tuple(range(first, first + size)),)
        scores = [np.asarray(runs, dtype=np.float64)[None]]
        tables.append(RunTable(scores=scores, environments=[(0,)], trained=True, seeds=seeds))
    x, y = np.triu_indices(len(tables), 1)
    needed = np.array([bool(seed_cautions(tables[a], tables[b])) for a, b in zip(x, y, strict=True)])
    asked = may_need_seed_cautions(tables, x, y)
    assert not (needed & ~asked).any()
    alike = (x % 6 < 3) & (y % 6 < 3) & (x % 10 != 1) & (y % 10 != 1)  # five seeds each, the same ones
    assert (asked & ~needed)[alike].mean() < 0.05
