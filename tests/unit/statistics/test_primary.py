"""Mean, IQM and probability of improvement: which one decides, and where they contradict each other."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from daf.comparison import ComparisonResults, daf_compare_scores
from daf.statistics import primary

RNG = np.random.default_rng


def contradictory(runs: int = 60) -> pd.DataFrame:
    """`a` has the higher mean, thanks to some runs; most of its runs are below those of `b`."""
    a = np.where(np.arange(runs) % 3 == 0, 30.0, -2.0) + RNG(1).normal(0, 0.5, runs)
    b = RNG(2).normal(0, 1.0, runs)
    parts = [
        pd.DataFrame({"policy": name, "mission": "m", "seed": np.arange(runs), "score": values})
        for name, values in (("a", a), ("b", b))
    ]
    return pd.concat(parts)


def compare(**options: object) -> ComparisonResults:
    return daf_compare_scores(contradictory(), num_resamples=400, **options)


def recipes(results: ComparisonResults) -> pd.Series:
    return results.pairwise.query("estimand == 'recipes' and mission == 'm'").iloc[0]


def test_a_mean_that_iqm_and_improvement_contradict_is_flagged() -> None:
    row = recipes(compare())
    assert row["verdict"] == "better"
    assert row["contradicted_by"] == "probability_of_improvement"
    assert "the probability of improvement is 35 %" in row["caution"]
    assert "Caution: this verdict is about the mean" in compare().verdicts("recipes")[0]


def test_a_declared_primary_decides() -> None:
    row = recipes(compare(primary="probability_of_improvement"))
    assert (row["primary"], row["verdict"]) == ("probability_of_improvement", "worse")
    assert row["contradicted_by"] == "mean, iqm"
    sentence = compare(primary="probability_of_improvement").verdicts("recipes")[0]
    assert sentence.startswith("The recipe b beats the recipe a on m: the probability")


def test_verdicts_without_contradiction_carry_none() -> None:
    frame = contradictory()
    frame.loc[frame.policy == "a", "score"] += 40
    row = recipes(daf_compare_scores(frame, num_resamples=400))
    assert row["verdict"] == "better"
    assert (row["contradicted_by"], row["caution"]) == ("", "")


def test_paired_iqm_is_yuens_test() -> None:
    x, y = RNG(3).normal(0.5, 1, 20), RNG(4).normal(0, 2, 20)
    difference, interval, error, df = primary.paired_iqm([x], [y], 0.95)
    assert difference == pytest.approx(stats.trim_mean(x, 0.25) - stats.trim_mean(y, 0.25))
    wx, wy = (np.asarray(stats.mstats.winsorize(values, (0.25, 0.25))) for values in (x, y))
    h = 20 - 2 * 5
    cov = np.cov(wx, wy)
    expected = np.sqrt(19 * (cov[0, 0] + cov[1, 1] - 2 * cov[0, 1]) / (h * (h - 1)))  # Wilcox 2012, section 5.9.5
    assert (error, df) == pytest.approx((expected, h - 1))
    half = stats.t.ppf(0.975, h - 1) * expected
    assert (interval.low, interval.high) == pytest.approx((difference - half, difference + half))


@pytest.mark.parametrize("name", ["iqm", "probability_of_improvement"])
def test_other_quantities_rarely_reject_a_null(name: str) -> None:
    rng, runs, false = RNG(5), 60, {"checkpoints": 0, "recipes": 0}
    for run in range(runs):
        parts = [
            pd.DataFrame({"policy": policy, "mission": "m", "seed": np.arange(10), "score": rng.normal(0, 1, 10)})
            for policy in "ab"
        ]
        results = daf_compare_scores(pd.concat(parts), num_resamples=400, primary=name, seed=run)
        false["recipes"] += recipes(results)["verdict"] in ("better", "worse")
    assert false["recipes"] / runs <= 0.06 + 3 * np.sqrt(0.05 * 0.95 / runs)


def test_complete_separation_of_few_seeds_has_an_exact_p() -> None:
    frame = pd.DataFrame(
        {"policy": ["a"] * 5 + ["b"] * 5, "mission": "m", "seed": [*range(5), *range(5)], "score": np.arange(10.0)}
    )
    row = recipes(daf_compare_scores(frame, num_resamples=400, primary="probability_of_improvement"))
    assert row["p"] == pytest.approx(2 / 252)
    assert row["verdict"] == "worse"
