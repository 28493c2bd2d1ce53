"""Learning curves compared: how high recipes score while they train, and how soon they reach a declared score.

The curve of a training run is its held-out evaluations: mean reward per agent over agent-steps of training. The unit is
the training seed, as in the question about recipes, and each run has two numbers (a row of `LearningRun`):

- `area`, in rewards per agent: the area under the curve by the trapezoid rule, divided by the agent-steps that it
  spans, so that it is the mean reward on the way. What happened before the first evaluation is unknown and left out.
- `steps_to_score`, in agent-steps: the first evaluation that reaches the declared score.

All recipes that train on a mission are compared over the same agent-steps, up to the shortest curve. A run that has not
reached the score by then is censored there. Since all runs are censored at the same number of steps L, the mean of
min(steps, L) over runs is the restricted mean (Royston and Parmar 2013, BMC Medical Research Methodology 13:152), and
its differences are steps saved within L; nothing is assumed of the steps beyond. The median of Kaplan and Meier is
known only if half of the runs reach the score.

Agarwal et al. (2021) and Patterson et al. (2024) ask for whole curves with intervals over runs instead of the last
point; a mean over few runs needs Student's t rather than a bootstrap (`daf.statistics.intervals`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import ceil, comb, isfinite, nan
from typing import TYPE_CHECKING, Any

import numpy as np

from daf.config import DAFComparisonConfig
from daf.config.recipes import checkpoint_label
from daf.statistics.learning_records import Curves, LearningCurves, LearningPair, LearningRecipe, LearningRun, Quantity
from daf.statistics.levels import alpha_of
from daf.statistics.records import PairRecord, Verdict

if TYPE_CHECKING:
    import pandas as pd

    from daf.statistics.intervals import Interval


def compare_curves(curves: Curves, config: DAFComparisonConfig) -> LearningCurves:
    """Compare the learning curves of trained policies. Pure: the same curves and config give the same results.

    Args:
        curves: by policy and training seed. Those without an evaluation are left out, and a note names them.
        config: policies and their order, reference (if it is trained, all others are compared with it alone),
            confidence level, `recipe_test`, resampling, and `learning_curves.score`.
    """
    known = {key: curve for key, curve in curves.items() if curve.points}
    score = nan if config.learning_curves is None else config.learning_curves.score
    runs = [run for mission in _missions(known) for run in _runs_on(mission, known, score)]
    return LearningCurves(
        runs=tuple(runs),
        recipes=tuple(_recipe(own, config.confidence_level) for own in _by_recipe(runs)),
        pairs=tuple(pair for quantity in _quantities(score) for pair in _pairs(runs, quantity, config)),
        notes=tuple(_notes(curves, runs)),
    )


def area_under_curve(points: Sequence[tuple[float, float]], low: float, high: float) -> float:
    """The mean height of a curve between two agent-steps: its area by the trapezoid rule over their distance.

    Args:
        points: (agent-steps, reward), in ascending order; between two of them the curve is a straight line.
        low, high: between the first and the last of them; equal ones have no area: NaN.
    """
    if not high > low:
        return nan
    steps, rewards = np.array(points, dtype=float).T
    inside = (steps > low) & (steps < high)
    grid = np.concatenate([[low], steps[inside], [high]])
    return float(np.trapezoid(np.interp(grid, steps, rewards), grid)) / (high - low)


def steps_to_score(points: Iterable[tuple[float, float]], score: float, high: float) -> float:
    """Agent-steps of the first evaluation, up to `high`, that reaches a score; NaN if none does."""
    return next((float(steps) for steps, reward in points if steps <= high and reward >= score), nan)


def median_of_censored(steps: Sequence[float]) -> float:
    """The median of Kaplan and Meier, if all unknown (NaN) steps are censored after all known ones; else unknown."""
    known = sorted(value for value in steps if isfinite(value))
    place = ceil(len(steps) / 2)
    return known[place - 1] if len(known) >= place else nan


def _missions(curves: Curves) -> list[str]:
    return list(dict.fromkeys(curve.mission for curve in curves.values()))


def _runs_on(mission: str, curves: Curves, score: float) -> list[LearningRun]:
    """The runs on a mission, over the agent-steps that the curves of all of them span."""
    own = {key: curve for key, curve in curves.items() if curve.mission == mission}
    high = min(curve.points[-1][0] for curve in own.values())
    low = min(high, max(curve.points[0][0] for curve in own.values()))
    runs = []
    for (policy, train_seed), curve in own.items():
        steps = steps_to_score(curve.points, score, high)
        run = LearningRun(
            policy=policy, mission=mission, train_seed=train_seed, from_steps=int(low), to_steps=int(high),
            n_evaluations=sum(low <= at <= high for at, _ in curve.points), steps_before=curve.steps_before,
            area=area_under_curve(curve.points, low, high), score=score, steps_to_score=steps,
            reached=isfinite(steps) if isfinite(score) else None,
        )  # fmt: skip
        runs.append(run)
    return runs


def _by_recipe(runs: Iterable[LearningRun]) -> list[list[LearningRun]]:
    grouped: dict[tuple[str, str], list[LearningRun]] = {}
    for run in runs:
        grouped.setdefault((run.policy, run.mission), []).append(run)
    return list(grouped.values())


def _recipe(runs: Sequence[LearningRun], level: float) -> LearningRecipe:
    first = runs[0]
    facts: dict[str, Any] = {}
    if isfinite(first.area):
        mean, interval = _mean([run.area for run in runs], level)
        facts |= {
            "area": mean, "area_low": interval.low, "area_high": interval.high, "area_method": interval.method,
        }  # fmt: skip
    else:
        facts["area_method"] = "the curves have no agent-steps in common"
    if isfinite(first.score):
        mean, interval = _mean([_restricted(run) for run in runs], level)
        facts |= {
            "n_reached": sum(bool(run.reached) for run in runs),
            "steps": mean,
            "steps_low": max(0.0, interval.low) if interval.known else nan,
            "steps_high": min(float(first.to_steps), interval.high) if interval.known else nan,
            "steps_method": interval.method,
            "median_steps": median_of_censored([run.steps_to_score for run in runs]),
        }
    return LearningRecipe(
        policy=first.policy, mission=first.mission, n_train_seeds=len(runs), from_steps=first.from_steps,
        to_steps=first.to_steps, score=first.score, **facts,
    )  # fmt: skip


def _mean(values: Sequence[float], level: float) -> tuple[float, Interval]:
    from daf.statistics import intervals

    array = np.array(values)
    return float(array.mean()), intervals.student_t_interval([array], level)


def _restricted(run: LearningRun) -> float:
    return run.steps_to_score if run.reached else float(run.to_steps)


# ---- pairs -------------------------------------------------------------------------------------------------


def _quantities(score: float) -> list[Quantity]:
    return ["area", "steps_to_score"] if isfinite(score) else ["area"]


def _pairs(runs: Sequence[LearningRun], quantity: Quantity, config: DAFComparisonConfig) -> list[LearningPair]:
    """Pairs of recipes on the same mission, tested as the question about recipes is."""
    from daf.statistics.pairs import compare_pairs
    from daf.statistics.unit_collection import collect_units

    frame = _scores(runs, quantity)
    policies = [policy for policy in config.policies if policy in set(frame["policy"])]
    if len(policies) < 2:
        return []
    missions = list(dict.fromkeys(frame["mission"]))
    settings = config.model_copy(
        update={
            "policies": policies,
            "missions": missions,
            "reference": config.reference if config.reference in policies else None,
            "normalization": None,
            "equivalence_margin": None,  # is one of means
            "primary": "mean",
            "recipe_claim": "these_episodes",  # a curve has no scores of single episodes
        }
    )
    units = collect_units(frame, policies, missions)
    rows = [row for row in compare_pairs(units, settings) if row.estimand == "recipes" and row.mission in missions]
    pairs = [_pair(row, quantity, frame) for row in rows]
    return pairs if quantity == "area" else _with_constant_steps(pairs, alpha_of(config.confidence_level))


def _scores(runs: Sequence[LearningRun], quantity: Quantity) -> pd.DataFrame:
    """The runs as an episodes table, where more is better."""
    import pandas as pd

    from daf.statistics.checked_episodes import check_episodes

    rows = [
        {
            "policy": run.policy,
            "checkpoint": checkpoint_label(run.policy, run.train_seed),
            "train_seed": run.train_seed,
            "mission": run.mission,
            "env_seed": 0,
            "mean_reward": run.area if quantity == "area" else -_restricted(run),
        }
        for run in runs
        if quantity != "area" or isfinite(run.area)
    ]
    if not rows:
        return pd.DataFrame({"policy": [], "mission": []})
    frame = pd.DataFrame(rows)
    return check_episodes(frame, list(frame["policy"].unique()), list(frame["mission"].unique()))


def _pair(row: PairRecord, quantity: Quantity, frame: pd.DataFrame) -> LearningPair:
    """A row of the table of pairs; steps, which were compared as their negatives, get their sign back."""
    sign = 1.0 if quantity == "area" else -1.0
    low, high = sorted((sign * row.interval_low, sign * row.interval_high))
    own = frame[frame["mission"] == row.mission]
    means, counts = own.groupby("policy")["mean_reward"].mean(), own["policy"].value_counts()
    mean_a, mean_b = (sign * float(means[policy]) for policy in (row.policy_a, row.policy_b))
    return LearningPair(
        quantity=quantity, mission=row.mission, policy_a=row.policy_a, policy_b=row.policy_b,
        n_a=int(counts[row.policy_a]), n_b=int(counts[row.policy_b]), mean_a=mean_a, mean_b=mean_b,
        difference=mean_a - mean_b, interval_low=low, interval_high=high, interval_method=row.interval_method,
        test=row.test, p=row.p, p_holm=row.p_holm, n_tests=row.n_tests, verdict=row.verdict,
        caution=row.caution if quantity == "area" else _caution_on_steps(row, own), reason=row.reason,
    )  # fmt: skip


def _with_constant_steps(pairs: Sequence[LearningPair], alpha: float) -> list[LearningPair]:
    """Test pairs of recipes whose seeds all need the same number of steps within each recipe, but not in both.

    No t-test knows how much such seeds vary, though it often happens: all seeds of one recipe reach the score at the
    same evaluation, and none of the other's do. Of all ways to deal the seeds to the two recipes, only the observed one
    (with equally many seeds: and its mirror image) gives such a difference.
    """
    from daf.statistics import hypothesis_tests
    from daf.statistics.planning import FEWEST_SEEDS

    exact = {
        place: (2 if pair.n_a == pair.n_b else 1) / comb(pair.n_a + pair.n_b, pair.n_a)
        for place, pair in enumerate(pairs)
        if not isfinite(pair.p) and pair.difference != 0 and min(pair.n_a, pair.n_b) >= FEWEST_SEEDS
    }
    if not exact:
        return list(pairs)
    ps = np.array([exact.get(place, pair.p) for place, pair in enumerate(pairs)])
    adjusted, tests = hypothesis_tests.holm(ps), int(np.isfinite(ps).sum())
    found = []
    for place, (pair, p, p_holm) in enumerate(zip(pairs, ps.tolist(), adjusted.tolist(), strict=True)):
        pair = replace(pair, p=p, p_holm=p_holm, n_tests=tests)
        if place in exact:
            pair = replace(pair, test="permutation test on training seeds", reason="")
        if p > alpha and place in exact:
            few = f"p cannot fall below {p:.2g} with this number of training seeds"
            pair = replace(pair, verdict="insufficient data", reason=few)
        elif place in exact or pair.verdict in ("better", "worse"):
            ahead: Verdict = "better" if pair.difference < 0 else "worse"
            pair = replace(pair, verdict=ahead if p_holm <= alpha else "inconclusive")
        found.append(pair)
    return found


def _caution_on_steps(row: PairRecord, own: pd.DataFrame) -> str:
    """Steps are few different numbers of evaluations, so what is said of scores does not hold for them."""
    if row.verdict not in ("better", "worse"):
        return ""
    equal = [
        policy for policy in (row.policy_a, row.policy_b) if own[own["policy"] == policy]["mean_reward"].nunique() == 1
    ]
    if not equal:
        return ""
    return (
        f"all seeds of {' and of '.join(equal)} count with the same number of steps, so how much they vary is not known"
    )


# ---- notes -------------------------------------------------------------------------------------------------


def _notes(curves: Curves, runs: Sequence[LearningRun]) -> Iterable[str]:
    """What the numbers leave out, or do not have in common."""
    if missing := [f"{policy} with seed {seed}" for (policy, seed), curve in curves.items() if not curve.points]:
        yield f"Without a held-out evaluation, and so without a learning curve: {', '.join(missing)}."
    for mission in dict.fromkeys(run.mission for run in runs):
        own = {key: curve for key, curve in curves.items() if curve.points and curve.mission == mission}
        span = next(run for run in runs if run.mission == mission)
        ends = {curve.points[-1][0] for curve in own.values()}
        if len(ends) > 1:
            upto = f"compared up to {span.to_steps:,}, though the longest reach {max(ends):,}"
            yield f"Learning curves on {mission} end at different agent-steps: {upto}."
        if len({curve.points[0][0] for curve in own.values()}) > 1:
            areas = f"areas begin at {span.from_steps:,}"
            yield f"Learning curves on {mission} begin at different agent-steps: {areas}."
        if len({curve.episodes for curve in own.values()}) > 1:
            yield f"Held-out evaluations on {mission} play different episodes, so their scores differ by chance too."
        if len({curve.beside for curve in own.values()}) > 1:
            yield (
                f"In held-out evaluations on {mission}, not all recipes play beside the same policies "
                "(`partners.validation`), so their scores do not measure the same."
            )
    for policy in dict.fromkeys(run.policy for run in runs):
        before = [run.steps_before for run in runs if run.policy == policy]
        if any(steps != 0 for steps in before):
            known = sorted({steps for steps in before if steps is not None})
            count = " to ".join(f"{steps:,}" for steps in dict.fromkeys([*known[:1], *known[-1:]]))
            many = f"{count or 'an unknown number of'} agent-steps"
            yield f"{policy} starts from weights trained for {many} before, which its learning curves do not count."
