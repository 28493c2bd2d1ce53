"""Scores in another unit: no verdict, p-value, rank or effect depends on it, and everything in scores scales."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from daf.comparison import ComparisonResults, daf_compare_scores
from daf.statistics import effects, hypothesis_tests, intervals, large_samples, ranking
from daf.statistics.records import IN_UNITS_OF_SCORES, PairRecord, SummaryRecord
from daf.system.columns import columns_of
from tests.stages import others_long

UNITS = (1e-100, 1e-60, 1e-12, 1e-9, 0.1, 7.0, 1e12, 1e150, 1e200, 1e300)
DIFFERENT_BY_UNIT = {
    SummaryRecord: {*IN_UNITS_OF_SCORES[SummaryRecord], "mean_reward"},
    PairRecord: set(IN_UNITS_OF_SCORES[PairRecord]),
}


def table(kind: str) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    rows = []
    for number, policy in enumerate(("slow", "middling", "fast")):
        for mission in ("one", "two"):
            for seed in range(5):
                for episode in range(7):
                    score = rng.normal() + number
                    if kind == "ties":  # many equal scores and equal sums: rounding errors could decide every tie
                        score = float(rng.integers(0, 4) + number)
                    if kind == "constant":
                        score = float(number) + 0.1 * (seed % 2)
                    if kind == "far from zero":
                        score = 1000 + 0.1 * round(score)
                    if kind == "cancelling":
                        score = 0.1 * (episode % 3 - 1) + (number == 2) * rng.normal()
                    rows.append((policy, mission, seed, episode, score))
    return pd.DataFrame(rows, columns=["policy", "mission", "seed", "episode", "score"])


def compare(frame: pd.DataFrame, unit: float, **options: Any) -> ComparisonResults:
    scaled = frame.assign(score=frame["score"] * unit)
    return daf_compare_scores(scaled, num_resamples=200, equivalence_margin=0.5 * unit, **options)


def assert_same(ours: ComparisonResults, theirs: ComparisonResults, unit: float) -> None:
    assert ours.friedman == theirs.friedman
    for name in ("pairs", "summary", "rank_records", "aggregate_records", "profile_records"):
        ours_records, their_records = getattr(ours, name), getattr(theirs, name)
        assert len(ours_records) == len(their_records)
        for record, reference in zip(ours_records, their_records, strict=True):
            scores = {PairRecord: 1, SummaryRecord: 1}.get(type(record))
            for column in columns_of(type(record)):
                value, expected = getattr(record, column), getattr(reference, column)
                scaled = column in (DIFFERENT_BY_UNIT[type(record)] if scores else ("value", "threshold"))
                if name == "aggregate_records" and column.startswith("interval_"):
                    scaled = not isinstance(value, str)
                if not isinstance(value, float) or math.isnan(expected):
                    if column in ("reason", "caution"):  # texts name the margin and differences
                        value, expected = (re.sub(r"-?\d[\d.e+-]*", "#", text) for text in (value, expected))
                    assert value == expected or (isinstance(value, float) and math.isnan(value)), (name, column)
                    continue
                size = unit if scaled else 1.0
                assert value / size == pytest.approx(expected, rel=1e-7, abs=1e-12), (name, column, unit)


@pytest.mark.parametrize("kind", ["normal", "ties", "constant", "far from zero", "cancelling"])
@pytest.mark.parametrize("seeds", others_long([True, False], True))
def test_results_do_not_depend_on_the_unit_of_scores(kind: str, seeds: bool) -> None:
    frame = table(kind)
    if not seeds:
        frame = frame[frame["seed"] == 0].drop(columns="seed")
    reference = compare(frame, 1.0)
    for unit in UNITS:
        assert_same(compare(frame, unit), reference, unit)


@pytest.mark.parametrize("kind", ["normal", "ties", "cancelling"])
@pytest.mark.parametrize(
    "choice",
    [
        "primary: iqm",
        "primary: probability_of_improvement",
        "trainings: per_mission",
        "recipe_claim: these_episodes",
        "recipe_test: permutation",
    ],
)
def test_no_way_to_decide_depends_on_the_unit_of_scores(choice: str, kind: str) -> None:
    options = dict([choice.split(": ")])
    frame = table(kind)
    reference = compare(frame, 1.0, **options)
    for unit in (1e-100, 7.0, 1e200):
        assert_same(compare(frame, unit, **options), reference, unit)


def test_normal_limits_do_not_depend_on_the_unit_of_scores() -> None:
    rng = np.random.default_rng(3)
    episodes = np.arange(large_samples.LARGE + 1)
    parts = [
        pd.DataFrame(
            {"policy": policy, "mission": "one", "episode": episodes, "score": rng.normal(mean, 1, episodes.size)}
        )
        for policy, mean in (("slow", 0.0), ("fast", 0.01))
    ]
    frame = pd.concat(parts).assign(mission="one")
    reference = compare(frame, 1.0)
    assert {record.interval_method for record in reference.aggregate_records} >= {"normal limit"}
    for unit in (1e-100, 7.0, 1e200):
        assert_same(compare(frame, unit), reference, unit)


def test_equal_seeds_do_not_differ_by_rounding_errors() -> None:
    """Sums of 0.1 depend on their number and order; seeds and recipes that score alike stay alike in any unit."""
    rows = [
        (policy, mission, seed, episode, 0.1 * (1 + (episode + seed) % 3))
        for policy in ("a", "b")
        for mission in ("one", "two")
        for seed in range(5)
        for episode in range(9)
    ]
    frame = pd.DataFrame(rows, columns=["policy", "mission", "seed", "episode", "score"])
    for unit in (1.0, 1e-12, 7.0, 1e200):
        recipes = [record for record in compare(frame, unit).pairs if record.estimand == "recipes"]
        assert {(r.verdict, r.difference) for r in recipes} == {("insufficient data", 0.0)}
        assert {r.reason for r in recipes} == {"all values are equal within both sides"}


@pytest.mark.parametrize("unit", UNITS)
def test_normalized_scores_do_not_depend_on_the_unit_of_rewards(unit: float) -> None:
    frame = table("ties")
    ends = {"low": "slow", "high": "fast"}
    margin = {"num_resamples": 200, "equivalence_margin": 0.5, "normalization": ends}
    reference = daf_compare_scores(frame, **margin)
    scaled = daf_compare_scores(frame.assign(score=frame["score"] * unit), **margin)
    assert [record.verdict for record in scaled.pairs] == [record.verdict for record in reference.pairs]
    for record, expected in zip(scaled.pairs, reference.pairs, strict=True):
        assert record.p == pytest.approx(expected.p, nan_ok=True)
        assert record.difference == pytest.approx(expected.difference, nan_ok=True, abs=1e-9)
    assert scaled.summary[0].mean_reward / unit == pytest.approx(reference.summary[0].mean_reward, abs=1e-9)


def test_missions_may_have_units_of_their_own() -> None:
    """A mission is judged by its own scores, however large those of another one are."""
    frame = table("normal")
    small = frame.assign(score=frame["score"] * frame["mission"].map({"one": 1e-100, "two": 1e100}))
    reference, mixed = compare(frame, 1.0), daf_compare_scores(small, num_resamples=200)
    for mission in ("one", "two"):
        ours = [r for r in mixed.pairs if r.mission == mission]
        theirs = [r for r in reference.pairs if r.mission == mission]
        assert [r.p for r in ours] == pytest.approx([r.p for r in theirs])
        assert [r.effect for r in ours] == pytest.approx([r.effect for r in theirs])


@pytest.mark.parametrize("unit", others_long([1e-100, 1e-12, 1e200, 1e300], 1e-100, 1e300))
def test_pages_show_scores_in_any_unit(unit: float, tmp_path: Path) -> None:
    results = compare(table("normal"), unit, output_dir=tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    exponent = str(math.floor(math.log10(unit))).replace("-", "\N{MINUS SIGN}")
    assert f"e{exponent}" in page
    assert "nan" not in page.split("<svg", 1)[1].partition("</svg>")[0]
    assert f"e{exponent} points" in str(results)
    assert len(str(results)) < 10_000  # no numbers of 200 digits


def test_rounding_errors_are_no_difference() -> None:
    """0.1 + 0.2 is not 0.3, and the difference is 1e-17 in any unit that is not a power of two."""
    rows = [("a", "m", e, 0.1 + 0.2 if e % 2 else 0.3) for e in range(12)]
    rows += [("b", "m", e, 0.3) for e in range(12)]
    for unit in (1.0, 1e-12, 1e6, 1e200):
        frame = pd.DataFrame(rows, columns=["policy", "mission", "episode", "score"])
        (record, *_) = compare(frame, unit).pairs
        assert (record.verdict, record.difference, record.p_improvement) == ("insufficient data", 0.0, 0.5)


def test_the_unit_is_a_power_of_two_and_may_be_extreme() -> None:
    for largest in (5e-324, 1e-310, 1e-12, 1.0, 1.5, 4.0, 1e300, 1.7e308):
        unit = intervals.unit_of(np.array([largest, -largest / 2]))
        assert math.frexp(unit)[0] == 0.5
        assert 1 <= largest / unit < 2
    assert intervals.unit_of(np.zeros(3)) == intervals.unit_of(np.empty(0)) == 1.0


@pytest.mark.parametrize("unit", UNITS)
def test_single_statistics_tolerate_ties_in_any_unit(unit: float) -> None:
    x, y = np.array([0.1 + 0.2, 0.7]) * unit, np.array([0.3, 0.3]) * unit
    assert effects.probability_of_improvement([x], [y]) == effects.wins(x, y).mean() == 0.75
    np.testing.assert_array_equal(ranking.ranks_of_scores(np.array([x[0], y[0], x[1]])), [2.5, 2.5, 1])
    assert intervals.is_constant(np.array([x[0], y[0]]))
    assert not intervals.is_constant(x)
    assert hypothesis_tests.welch_test(np.array([x[0], y[0]]), y).p is None
    test = hypothesis_tests.permutation_test(x, y, rng=np.random.default_rng(0))
    assert test.p == 1.0


def far_apart(scales: dict[str, float], seeds: bool, steady: str = "") -> pd.DataFrame:
    rng = np.random.default_rng(5)
    draws = {policy: rng.normal(size=(2, 4 if seeds else 1, 6)) for policy in ("a", "b", "c")}
    rows = [
        (policy, f"m{mission}", seed, episode, scale * (1 + (0 if policy == steady else draw)))
        for policy, scale in scales.items()
        for (mission, seed, episode), draw in np.ndenumerate(draws[policy])
    ]
    frame = pd.DataFrame(rows, columns=["policy", "mission", "train_seed", "episode", "score"])
    return frame if seeds else frame.drop(columns="train_seed")


@pytest.mark.parametrize("seeds", [True, False])
@pytest.mark.parametrize("steady", ["", "b"])
@pytest.mark.parametrize("small", [1e-300, 1e-140])
def test_policies_may_score_in_units_that_are_far_apart(small: float, steady: str, seeds: bool) -> None:
    """Against b, which scores 1e140 times as much or more, a counts as 0; a's own mean and interval stay its own."""
    results = compare(far_apart({"a": small, "b": 1.0}, seeds, steady), 1.0)
    zero = compare(far_apart({"a": 0.0, "b": 1.0}, seeds, steady), 1.0)
    alone = compare(far_apart({"a": 1.0, "b": 1.0}, seeds, steady), 1.0)
    for found, expected in zip(results.pairs, zero.pairs, strict=True):
        assert (found.verdict, found.estimand) == (expected.verdict, expected.estimand)
        np.testing.assert_allclose(found.p, expected.p)
    for row, other in zip(results.summary, alone.summary, strict=True):
        unit = small if row.policy == "a" else 1.0
        np.testing.assert_allclose(row.mean_reward / unit, other.mean_reward)
        np.testing.assert_allclose(row.interval_high / unit, other.interval_high)


@pytest.mark.parametrize("seeds", [True, False])
def test_a_verdict_does_not_depend_on_the_unit_of_other_policies(seeds: bool) -> None:
    near, far = (
        [
            record
            for record in compare(far_apart({"a": 1.0, "b": third, "c": 3.0}, seeds), 1.0).pairs
            if {record.policy_a, record.policy_b} == {"a", "c"}
        ]
        for third in (1.0, 1e250)
    )
    assert [record.verdict for record in near] == [record.verdict for record in far]
    for name in ("difference", "interval_low", "iqm_difference", "p"):
        np.testing.assert_allclose(
            [getattr(record, name) for record in near], [getattr(record, name) for record in far], rtol=1e-9
        )
