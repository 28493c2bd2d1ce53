"""Analysis of a sweep: progress, failures, cost, importance, interactions, slices. Pure functions; no figures."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from itertools import combinations
from typing import Any

from daf.config import Direction, direction_sign
from daf.search.importance import Importance, importance_of
from daf.search.records import Confirmation, SearchCost
from daf.search.results import SweepResults, TrialResult, confirmed_best, objective_of
from daf.search.space import Dimension, Value, build_space
from daf.system.nouns import number_of
from daf.system.progress import format_figure
from daf.system.shown import Shown, Table, field_tables

FEWEST_TRIALS_FOR_IMPORTANCE = 16
TRIALS_PER_DIMENSION_FOR_IMPORTANCE = 4
TRIALS_PER_TERM_OF_INTERACTIONS = 3
MOST_TICKS = 8  # of listed values on an axis, roughly


@dataclass(frozen=True, kw_only=True, repr=False)
class SweepAnalysis(Shown, Mapping[str, Any]):
    """Findings, as attributes and by name like a dict.

    Attributes:
        sweep, strategy, optimize_direction: from the configuration.
        objective_metric: what scores measure; of a function, "objective" unless the configuration names it.
        num_trials: how many trials have a result: completed, failed or skipped.
        num_completed: how many trials have a score.
        num_failed: how many trials failed, for the reasons in `failures`.
        num_skipped: how many trials did not run; their result files say why.
        best: the best trial, as in its result file; None if none completed.
        confirmation: the finalists' scores on fresh seeds, and the optimism of the search (see
            `daf.search.results`); None without such runs.
        best_so_far: per trial in order, `{trial, objective, best}`; `best` is None before the first completed trial.
        failures: reason → numbers of the trials that failed for it.
        cost: seconds and agent-steps: totals, median per trial, the seconds of failed trials, and the agent-steps as a
            share of training every trial in full (`agent_steps_share`).
        stopped_early: numbers of the trials that median stopping ended before their last step.
        highest_rung: rung of successive halving → numbers of the trials that ended there.
        pareto_trials: completed trials that no other beats in both objective and seconds, cheapest first.
        importance: parameter → its share, of 1, in whether a trial ranks among the best quarter (PED-ANOVA, Watanabe et
            al. 2023); None if there are too few trials; `importance_note` then gives the reason.
        importance_intervals: parameter → both ends of the 95 % interval of its importance (bootstrap over trials); None
            without `importance`.
        importance_note: why there is no `importance`; else None.
        interactions: pairs of parameters, strongest first: the share of the objective's variance that their product
            explains beyond their separate effects (see `interactions`); None if there are too few trials.
        slices: parameter → `{trial, value, objective}` per trial, by value.
        parallel_coordinates: `axes` (parameters), their `ticks` (pairs of position and value), and per trial its
            `positions` on them, each in [0, 1] or None where the parameter does not apply.
    """

    sweep: str
    strategy: str
    objective_metric: str
    optimize_direction: Direction
    num_trials: int
    num_completed: int
    num_failed: int
    num_skipped: int
    best: dict[str, Any] | None
    confirmation: Confirmation | None
    best_so_far: list[dict[str, Any]]
    failures: dict[str, list[int]]
    cost: SearchCost
    stopped_early: list[int]
    highest_rung: dict[str, list[int]]
    pareto_trials: list[int]
    importance: dict[str, float] | None
    importance_intervals: dict[str, list[float]] | None
    importance_note: str | None
    interactions: list[dict[str, Any]] | None
    slices: dict[str, list[dict[str, Any]]]
    parallel_coordinates: dict[str, Any]

    def __getitem__(self, key: str) -> Any:
        if key not in set(self):
            raise KeyError(key)
        return getattr(self, key)

    def __iter__(self) -> Iterator[str]:
        return iter([field.name for field in fields(self)])

    def __len__(self) -> int:
        return len(fields(self))

    def _headline(self) -> str:
        best = "no best trial"
        if self.best is not None:
            best = (
                f"best is trial {self.best['trial']}, {self.objective_metric} {format_figure(self.best['objective'])}"
            )
        return f"sweep {self.sweep}: {best}; {self.num_completed:,} of {number_of(self.num_trials, 'trial')} completed"

    def _tables(self) -> Iterable[Table]:
        if self.importance:
            shares = sorted(self.importance.items(), key=lambda item: -item[1])
            yield Table(
                title="importance of parameters", columns=("parameter", "share"), rows=shares, total=len(shares)
            )
        if self.failures:
            rows = [(reason, len(trials), trials) for reason, trials in self.failures.items()]
            yield Table(title="failures", columns=("reason", "trials", "numbers"), rows=rows, total=len(rows))
        yield from field_tables(self, without=("importance", "failures", "slices", "parallel_coordinates"))

    def to_dict(self) -> dict[str, Any]:
        return dict(self)


def analyze(results: SweepResults) -> SweepAnalysis:
    config = results.config
    importance, note = _importance(results)
    return SweepAnalysis(
        sweep=config.name,
        strategy=config.strategy,
        objective_metric=results.metric,
        optimize_direction=config.optimize_direction,
        num_trials=len(results.trials),
        num_completed=len(results.completed),
        num_failed=len(results.failed),
        num_skipped=len(results.skipped),
        best=None if results.best is None else results.best.to_dict(),
        confirmation=confirmed_best(results),
        best_so_far=_best_so_far(results),
        failures=_failures(results),
        cost=_cost(results),
        stopped_early=[trial.trial for trial in results.trials if trial.stopped_early],
        highest_rung=_highest_rung(results),
        pareto_trials=_pareto_trials(results),
        importance=None if importance is None else importance.shares,
        importance_intervals=None
        if importance is None
        else {name: list(bounds) for name, bounds in importance.intervals.items()},
        importance_note=note,
        interactions=interactions(results),
        slices=_slices(results),
        parallel_coordinates=_parallel_coordinates(results),
    )


def _best_so_far(results: SweepResults) -> list[dict[str, Any]]:
    """Sort key: a trial that ended in a lower rung is never better than one that ended in a higher rung."""
    sign, best, curve = direction_sign(results.config.optimize_direction), None, []
    for trial in results.trials:
        if trial.objective is not None:
            score = (trial.rung, sign * trial.objective)
            best = score if best is None else max(best, score)
        value = None if best is None else sign * best[1]
        curve.append({"trial": trial.trial, "objective": trial.objective, "best": value})
    return curve


def _failures(results: SweepResults) -> dict[str, list[int]]:
    """Most common first."""
    by_reason: dict[str, list[int]] = {}
    for trial in results.failed:
        by_reason.setdefault(trial.failure or trial.reason or "", []).append(trial.trial)
    return dict(sorted(by_reason.items(), key=lambda item: (-len(item[1]), item[1])))


def _cost(results: SweepResults) -> SearchCost:
    seconds = [trial.seconds for trial in results.trials if trial.seconds is not None]
    ran = [trial.seconds for trial in results.trials if trial.seconds is not None and trial.status != "skipped"]
    steps = sum(trial.agent_steps or 0 for trial in results.trials)
    full = results.config.steps_per_trial * max(1, len(results.trials))
    return {
        "seconds_total": sum(seconds),
        "seconds_median": statistics.median(ran) if ran else None,
        "seconds_of_failed_trials": sum(trial.seconds or 0.0 for trial in results.failed),
        "agent_steps_total": steps,
        "agent_steps_share": steps / full if steps else None,
        "confirmation_seconds": sum(trial.seconds or 0.0 for trial in results.confirmations),
        "confirmation_agent_steps": sum(trial.agent_steps or 0 for trial in results.confirmations),
    }


def _highest_rung(results: SweepResults) -> dict[str, list[int]]:
    rungs: dict[str, list[int]] = {}
    if results.config.halving is not None:
        for trial in results.trials:
            rungs.setdefault(str(trial.rung), []).append(trial.trial)
    return dict(sorted(rungs.items()))


def _pareto_trials(results: SweepResults) -> list[int]:
    sign, front, best = direction_sign(results.config.optimize_direction), [], float("-inf")
    timed = [
        (trial.seconds, -sign * objective_of(trial), trial.trial)
        for trial in results.completed
        if trial.seconds is not None
    ]
    for _, negated, number in sorted(timed):
        if -negated > best:
            best = -negated
            front.append(number)
    return front


def _slices(results: SweepResults) -> dict[str, list[dict[str, Any]]]:
    names = sorted({name for trial in results.trials for name in trial.hyperparameters})
    return {
        name: [
            {"trial": trial.trial, "value": trial.hyperparameters[name], "objective": trial.objective}
            for trial in sorted(
                (trial for trial in results.trials if name in trial.hyperparameters),
                key=lambda trial: (*_by_value(trial.hyperparameters[name]), trial.trial),
            )
        ]
        for name in names
    }


def _parallel_coordinates(results: SweepResults) -> dict[str, Any]:
    dimensions = build_space(results.config, any_name=True).dimensions

    def place(dimension: Dimension, trial: TrialResult) -> float | None:
        value = trial.hyperparameters.get(dimension.name)
        return dimension.to_unit(value) if dimension.name in trial.hyperparameters and value in dimension else None

    return {
        "axes": [dimension.name for dimension in dimensions],
        "ticks": [
            [
                [dimension.to_unit(value), value]
                for value in dimension.values[:: max(1, len(dimension.values) // MOST_TICKS)]
            ]
            or [[0.0, dimension.from_unit(0.0)], [1.0, dimension.from_unit(1.0)]]
            for dimension in dimensions
        ],
        "trials": [
            {
                "trial": trial.trial,
                "objective": trial.objective,
                "positions": [place(dimension, trial) for dimension in dimensions],
            }
            for trial in results.trials
        ],
    }


def _by_value(value: Value) -> tuple[float, str]:
    """Sort key: numbers by size, then everything else by its text."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (value, "")
    return (float("inf"), str(value))


def _importance(results: SweepResults) -> tuple[Importance | None, str | None]:
    space = build_space(results.config, any_name=True)
    inside = [trial for trial in results.completed if space.holds(trial.hyperparameters)]
    needed = max(FEWEST_TRIALS_FOR_IMPORTANCE, TRIALS_PER_DIMENSION_FOR_IMPORTANCE * len(space.free))
    if len(space.free) < 2:
        return None, "fewer than two parameters vary"
    if len(inside) < needed:
        return None, (
            f"{number_of(len(inside), 'completed trial')}; {needed} are needed for {len(space.free)} parameters"
        )
    if len({trial.objective for trial in inside}) == 1:
        return None, "all completed trials have the same objective"
    config = results.config
    return importance_of(space.free, inside, config.optimize_direction, seed=config.seed), None


def interactions(results: SweepResults) -> list[dict[str, Any]] | None:
    """Pairs of ordered parameters by `explained`, strongest first; None if there are too few trials or parameters.

    Least squares on the parameters' places in [-1, 1]: with x and x² of every parameter, then with the product of one
    pair too. `explained` is how much smaller the residual sum of squares gets, as a share of the objective's total.
    This is a second-order term per pair, as in response surfaces (Box and Wilson 1951). Parameters that do not always
    apply, or whose values have no order, are omitted.
    """
    import numpy as np

    from daf.statistics.intervals import is_constant, unit_of

    space = build_space(results.config, any_name=True)
    dimensions = [dimension for dimension in space.free if dimension.ordered and not dimension.when]
    trials = [trial for trial in results.completed if space.holds(trial.hyperparameters)]
    if len(dimensions) < 2 or len(trials) < TRIALS_PER_TERM_OF_INTERACTIONS * (2 + 2 * len(dimensions)):
        return None
    places = np.array([[2 * d.to_unit(t.hyperparameters[d.name]) - 1 for d in dimensions] for t in trials])
    y = np.array([objective_of(trial) for trial in trials])  # [trials]
    if is_constant(y):
        return None
    y = y / unit_of(y)  # so that squares neither overflow nor vanish
    total = float(((y - y.mean()) ** 2).sum())
    alone = np.column_stack([np.ones(len(y)), places, places**2])  # [trials, 1 + 2 parameters]

    def residual(terms: Any) -> float:
        fitted = terms @ np.linalg.lstsq(terms, y, rcond=None)[0]
        return float(((y - fitted) ** 2).sum())

    base = residual(alone)
    pairs: list[dict[str, Any]] = [
        {
            "parameters": [dimensions[i].name, dimensions[j].name],
            "explained": max(0.0, base - residual(np.column_stack([alone, places[:, i] * places[:, j]]))) / total,
        }
        for i, j in combinations(range(len(dimensions)), 2)
    ]
    return sorted(pairs, key=lambda pair: (-pair["explained"], pair["parameters"]))
