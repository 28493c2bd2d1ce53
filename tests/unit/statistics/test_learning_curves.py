"""Learning curves compared: areas, steps to a score, and their differences, against independent references."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import isnan, nan
from typing import Any

import numpy as np
import pytest
from scipy import integrate, stats

from daf.config import DAFComparisonConfig
from daf.statistics.learning_curves import (
    _with_constant_steps,
    area_under_curve,
    compare_curves,
    median_of_censored,
    steps_to_score,
)
from daf.statistics.learning_records import LearningCurves, LearningPair, TrainingCurve
from daf.statistics.learning_sentences import lines

STEPS = (100, 200, 300, 400, 500)


def config(*policies: str, **others: Any) -> DAFComparisonConfig:
    settings = {"policies": list(policies), "missions": ["elsewhere"], "num_resamples": 1000}
    return DAFComparisonConfig.from_dict(settings | others)


def curve(rewards: list[float], steps: tuple[int, ...] = STEPS, **facts: Any) -> TrainingCurve:
    return TrainingCurve(mission="m", points=list(zip(steps, rewards, strict=False)), **facts)


def noisy(slopes: dict[str, float], seeds: int = 5) -> dict[tuple[str, int], TrainingCurve]:
    rng = np.random.default_rng(7)
    return {
        (policy, seed): curve([slope * number / 5 + rng.normal(0, 0.05) for number in range(1, 6)])
        for policy, slope in slopes.items()
        for seed in range(1, seeds + 1)
    }


def pair(curves: LearningCurves, quantity: str, a: str = "a", b: str = "b") -> LearningPair:
    return next(row for row in curves.pairs if (row.quantity, row.policy_a, row.policy_b) == (quantity, a, b))


def test_an_area_is_the_trapezoid_rule_over_its_steps() -> None:
    rewards = [0.0, 0.5, 0.25, 1.0, 0.75]
    points = list(zip(STEPS, rewards, strict=True))
    assert area_under_curve(points, 100, 500) == pytest.approx(integrate.trapezoid(rewards, STEPS) / 400)
    # Cut off between two evaluations, at 250: (0 + .5)/2 · 100 + (.5 + .375)/2 · 50 = 25 + 21.875.
    assert area_under_curve(points, 100, 250) == pytest.approx(46.875 / 150)
    assert area_under_curve([(10, 3.0), (1000, 3.0)], 10, 1000) == pytest.approx(3.0)  # in rewards, whatever the budget
    assert isnan(area_under_curve(points, 300, 300))


def test_uneven_evaluations_count_by_their_steps() -> None:
    """A plain mean of the evaluations would be 1/3."""
    assert area_under_curve([(0, 0.0), (10, 0.0), (1000, 1.0)], 0, 1000) == pytest.approx(0.5 * 990 / 1000)


def test_the_first_evaluation_that_reaches_the_score_counts() -> None:
    points = [(100, 0.2), (200, 0.6), (300, 0.4), (400, 0.9)]
    assert steps_to_score(points, 0.6, 400) == 200
    assert steps_to_score(points, 0.61, 400) == 400
    assert isnan(steps_to_score(points, 0.61, 300))  # reached after the common budget
    assert isnan(steps_to_score(points, 1.0, 400))


def test_a_median_is_known_if_half_of_the_seeds_reached_the_score() -> None:
    assert median_of_censored([300, 100, 200]) == 200
    assert median_of_censored([300, 100, nan, 200]) == 200  # Kaplan and Meier: S(200) = 1/2
    assert median_of_censored([100, nan, 200, nan]) == 200
    assert isnan(median_of_censored([100, nan, nan]))


def test_a_restricted_mean_is_the_area_under_the_survival_curve() -> None:
    own = [curve([0, 0, 1, 1, 1]), curve([0, 1, 1, 1, 1]), curve([0, 0, 0, 0, 0]), curve([0, 0, 1, 0, 0])]
    curves = compare_curves(
        {("a", seed): one for seed, one in enumerate(own)}, config("a", learning_curves={"score": 1})
    )
    (recipe,) = curves.recipes
    assert (recipe.n_train_seeds, recipe.n_reached, recipe.median_steps) == (4, 3, 300)
    # Kaplan and Meier's curve: 1 up to 200, 3/4 up to 300, 1/4 up to the budget of 500.
    survival = {0: 1.0, 200: 0.75, 300: 0.25, 500: nan}
    area = sum(survival[begin] * (end - begin) for begin, end in pairwise(survival))
    assert recipe.steps == pytest.approx(area) == 325
    low, high = stats.t.interval(0.95, 3, loc=325, scale=stats.sem([300, 200, 500, 300]))
    assert recipe.steps_low == pytest.approx(low)
    assert high > 500
    assert recipe.steps_high == 500  # a restricted mean is not above the budget
    assert "3 of 4 seeds reached 1.00; restricted mean 325 agent-steps up to 500" in lines(curves)[0]


def test_areas_are_compared_as_recipes_are() -> None:
    curves = compare_curves(noisy({"a": 1.0, "b": 0.5, "c": 0.5}), config("a", "b", "c", "scripted"))
    assert {row.quantity for row in curves.pairs} == {"area"}
    areas = {p: [run.area for run in curves.runs if run.policy == p] for p in "abc"}
    expected = stats.ttest_ind(areas["a"], areas["b"], equal_var=False)
    row = pair(curves, "area")
    bounds = expected.confidence_interval(0.95)
    assert row.difference == pytest.approx(np.mean(areas["a"]) - np.mean(areas["b"]))
    assert (row.interval_low, row.interval_high) == (pytest.approx(bounds.low), pytest.approx(bounds.high))
    assert row.p == pytest.approx(expected.pvalue)
    assert (row.n_tests, row.verdict, row.n_a, row.n_b) == (3, "better", 5, 5)
    assert row.p_holm == pytest.approx(min(3 * sorted(r.p for r in curves.pairs)[0], row.p * 3))
    assert pair(curves, "area", "b", "c").verdict == "inconclusive"
    recipe = curves.recipes[0]
    assert (recipe.area_low, recipe.area_high) == pytest.approx(
        stats.t.interval(0.95, 4, loc=np.mean(areas["a"]), scale=stats.sem(areas["a"]))
    )


def test_fewer_steps_are_better() -> None:
    curves = compare_curves(noisy({"a": 1.0, "b": 0.75}), config("a", "b", learning_curves={"score": 0.6}))
    steps = {p: [run.steps_to_score for run in curves.runs if run.policy == p] for p in "ab"}
    assert all(run.reached for run in curves.runs)
    bounds = stats.ttest_ind(steps["a"], steps["b"], equal_var=False).confidence_interval(0.95)
    row = pair(curves, "steps_to_score")
    assert row.verdict == "better"
    assert row.difference == np.mean(steps["a"]) - np.mean(steps["b"]) < 0
    assert (row.interval_low, row.interval_high) == (pytest.approx(bounds.low), pytest.approx(bounds.high))
    assert "agent-steps to 0.60: better, " in lines(curves)[-1]
    assert " fewer (" in lines(curves)[-1]


def test_seeds_that_never_reach_the_score_are_censored_at_the_budget() -> None:
    curves = compare_curves(noisy({"a": 1.0, "b": 0.4}), config("a", "b", learning_curves={"score": 0.6}))
    recipe = curves.recipes[1]
    assert (recipe.n_reached, recipe.steps) == (0, 500)
    assert isnan(recipe.median_steps)
    assert isnan(recipe.steps_low)
    row = pair(curves, "steps_to_score")
    assert (row.mean_b, row.verdict) == (500, "better")
    assert row.caution == "all seeds of b count with the same number of steps, so how much they vary is not known"
    both = compare_curves(noisy({"a": 0.4, "b": 0.4}), config("a", "b", learning_curves={"score": 0.8}))
    assert pair(both, "steps_to_score").verdict == "insufficient data"


@pytest.mark.parametrize(("seeds", "p", "verdict"), [(5, 2 / 252, "better"), (3, 0.1, "insufficient data")])
def test_all_seeds_against_none_is_a_permutation_test(seeds: int, p: float, verdict: str) -> None:
    curves = noisy({"b": 0.4}, seeds) | {("a", seed): curve([0, 0, 1, 1, 1]) for seed in range(seeds)}
    row = pair(compare_curves(curves, config("a", "b", learning_curves={"score": 0.8})), "steps_to_score")
    steps = [300.0] * seeds + [500.0] * seeds
    dealt = stats.permutation_test(
        (steps[:seeds], steps[seeds:]), lambda x, y: np.mean(x) - np.mean(y), n_resamples=10_000
    )
    assert row.p == pytest.approx(dealt.pvalue) == pytest.approx(p)
    assert (row.verdict, row.difference, row.test) == (verdict, -200, "permutation test on training seeds")


def test_a_permutation_test_counts_among_the_tests() -> None:
    curves = noisy({"b": 0.4, "c": 1.0}) | {("a", seed): curve([0, 0, 1, 1, 1]) for seed in range(5)}
    found = compare_curves(curves, config("a", "b", "c", learning_curves={"score": 0.8}))
    rows = [row for row in found.pairs if row.quantity == "steps_to_score"]
    ps = np.sort([row.p for row in rows])
    holm = dict(zip(ps.tolist(), np.maximum.accumulate(np.minimum(1, ps * [3, 2, 1])).tolist(), strict=True))
    assert [row.n_tests for row in rows] == [3, 3, 3]
    assert [row.p_holm for row in rows] == [pytest.approx(holm[row.p]) for row in rows]


def test_verdicts_of_permutation_tests_are_those_of_the_adjusted_p() -> None:
    """Four seeds against four: p = 2/70 = .029, which three such tests make .086."""
    first = {"a": [0, 1, 1, 1, 1], "b": [0, 0, 0, 0, 0], "c": [0, 0, 1, 1, 1]}
    curves = {(policy, seed): curve(rewards) for policy, rewards in first.items() for seed in range(4)}
    score = {"learning_curves": {"score": 1}}
    rows = compare_curves(curves, config(*first, **score)).pairs
    steps = [(row.p, row.p_holm, row.verdict) for row in rows if row.quantity == "steps_to_score"]
    assert steps == [(pytest.approx(2 / 70), pytest.approx(6 / 70), "inconclusive")] * 3
    two = {key: one for key, one in curves.items() if key[0] != "c"}
    assert pair(compare_curves(two, config("a", "b", **score)), "steps_to_score").verdict == "better"


def test_unequal_budgets_are_compared_up_to_the_shorter() -> None:
    curves = {("a", seed): curve([0.1, 0.2, 0.3, 0.4 + seed / 100, 2.0]) for seed in range(3)}
    curves |= {("b", seed): curve([0.1, 0.2, 0.3, 0.4 + seed / 50], STEPS[:4]) for seed in range(3)}
    found = compare_curves(curves, config("a", "b", learning_curves={"score": 1.0}))
    assert {(run.from_steps, run.to_steps, run.n_evaluations) for run in found.runs} == {(100, 400, 4)}
    assert not any(run.reached for run in found.runs)
    assert found.runs[0].area == pytest.approx(integrate.trapezoid([0.1, 0.2, 0.3, 0.4], dx=100) / 300)
    assert found.notes == (
        "Learning curves on m end at different agent-steps: compared up to 400, though the longest reach 500.",
    )


def test_notes_say_what_curves_do_not_have_in_common() -> None:
    curves = {
        ("a", 1): curve([0.1, 0.2], (100, 200), steps_before=5000, episodes=(8, 1)),
        ("a", 2): curve([0.1, 0.2], (50, 200), steps_before=None, episodes=(8, 2)),
        ("b", 1): curve([], episodes=(8, 1)),
    }
    (*_, beside) = compare_curves(
        {("a", 1): curve([0.1]), ("b", 1): curve([0.1], beside=("x",))}, config("a", "b")
    ).notes
    assert beside.startswith("In held-out evaluations on m, not all recipes play beside the same policies")
    assert compare_curves(curves, config("a", "b")).notes == (
        "Without a held-out evaluation, and so without a learning curve: b with seed 1.",
        "Learning curves on m begin at different agent-steps: areas begin at 100.",
        "Held-out evaluations on m play different episodes, so their scores differ by chance too.",
        "a starts from weights trained for 5,000 agent-steps before, which its learning curves do not count.",
    )


def test_recipes_of_different_missions_are_not_compared() -> None:
    curves = noisy({"a": 1.0, "b": 0.5})
    other = {("c", seed): TrainingCurve(mission="k", points=[(10, 0.1), (20, 0.2 + seed)]) for seed in range(3)}
    found = compare_curves(curves | other, config("a", "b", "c"))
    assert [(row.policy_a, row.policy_b) for row in found.pairs] == [("a", "b")]
    assert {recipe.policy: recipe.to_steps for recipe in found.recipes} == {"a": 500, "b": 500, "c": 20}


def test_one_evaluation_or_one_seed_has_no_comparison() -> None:
    single = {("a", 1): curve([0.5], (100,)), ("b", 1): curve([0.4], (100,))}
    found = compare_curves(single, config("a", "b", learning_curves={"score": 0.45}))
    assert [recipe.area_method for recipe in found.recipes] == ["the curves have no agent-steps in common"] * 2
    assert [row.quantity for row in found.pairs] == ["steps_to_score"]
    assert [recipe.n_reached for recipe in found.recipes] == [1, 0]
    assert found.pairs[0].verdict == "insufficient data"
    few = compare_curves(noisy({"a": 1.0, "b": 0.5}, seeds=2), config("a", "b"))
    assert few.pairs[0].verdict == "insufficient data"


def test_only_pairs_with_a_trained_reference() -> None:
    curves = noisy({"a": 1.0, "b": 0.5, "c": 0.5})
    with_b = compare_curves(curves, config("a", "b", "c", reference="b"))
    assert [(row.policy_a, row.policy_b) for row in with_b.pairs] == [("b", "a"), ("b", "c")]
    scripted = compare_curves(curves, config("a", "b", "c", "baseline", reference="baseline"))
    assert len(scripted.pairs) == 3


def test_normalization_and_margin_of_means_do_not_apply() -> None:
    curves = noisy({"a": 0.51, "b": 0.5})
    scale = {"low": {"elsewhere": 0.0}, "high": {"elsewhere": 10.0}}
    found = compare_curves(curves, config("a", "b", normalization=scale, equivalence_margin=100.0, primary="iqm"))
    assert found == compare_curves(curves, config("a", "b"))


def test_tables_survive_plain_data() -> None:
    found = compare_curves(noisy({"a": 1.0, "b": 0.4}), config("a", "b", learning_curves={"score": 0.8}))
    again = LearningCurves.from_dict(found.to_dict(), "comparison.json: learning_curves")
    assert again.to_dict() == found.to_dict()
    assert {name: len(frame) for name, frame in again.frames().items()} == {
        "learning_curves.csv": 2, "learning_curve_runs.csv": 10, "learning_curve_pairs.csv": 2,
    }  # fmt: skip
    nothing = compare_curves({}, config("a", "b"))
    assert (nothing.runs, nothing.pairs, nothing.notes) == ((), (), ())


def test_a_pair_with_an_exact_test_joins_the_tests_of_the_other_pairs() -> None:
    """Two pairs alone have p = 0.03; with a third one, of constant steps, they are adjusted for three tests."""
    other = LearningPair(
        quantity="steps", mission="m", policy_a="a", policy_b="b", n_a=5, n_b=5, mean_a=1.0, mean_b=2.0,
        difference=-1.0, interval_low=-1.5, interval_high=-0.5, interval_method="Welch", test="Welch t-test", p=0.03,
        p_holm=0.03, n_tests=2, verdict="better", caution="", reason="",
    )  # fmt: skip
    constant = replace(other, policy_b="c", p=nan, p_holm=nan, verdict="insufficient data", reason="nothing varies")
    found = _with_constant_steps([other, replace(other, policy_b="d"), constant], 0.05)
    assert [one.n_tests for one in found] == [3, 3, 3]
    assert [one.p_holm for one in found] == pytest.approx([0.06, 0.06, 3 * 2 / 252])
    assert [one.verdict for one in found] == ["inconclusive", "inconclusive", "better"]
