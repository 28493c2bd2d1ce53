"""A sweep of a Python function, one trial after another in this process, without files.

It uses the same strategies with the same lag as the workflow, so its proposals are the same.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

from daf.config import DAFSweepConfig
from daf.errors import BadInputError
from daf.search.budget import reason_to_end, reason_to_skip
from daf.search.history import visible_trials
from daf.search.proposers import propose, strategy_named
from daf.search.recipe import strategy_code
from daf.search.results import SweepResults, TrialResult, finalists_of
from daf.search.space import Value, build_space, num_trials_effective
from daf.search.strategy import stream_seed
from daf.system.failure_report import FailureReport
from daf.system.live_progress import live_progress
from daf.system.process_state import process_state_kept
from daf.system.shown import Shown, short
from daf.system.user_code import CodeStamp, code_of_function


@dataclass(frozen=True, kw_only=True, repr=False)
class Trial(Shown):
    """What an objective function receives: the hyperparameters to try, and the trial's own seed.

    Attributes:
        number: of the trial, from 0.
        seed: for everything random in it.
        hyperparameters: the values to try.
    """

    number: int
    seed: int
    hyperparameters: Mapping[str, Value]

    def _headline(self) -> str:
        return f"{self.number}, seed {self.seed}, {short(self.hyperparameters)}"


type Objective = Callable[[Trial], float | Mapping[str, Any]]


def run_in_process(
    cfg: DAFSweepConfig,
    objective: Objective,
    *,
    earlier: Sequence[TrialResult] = (),
    prior: Sequence[TrialResult] = (),
    on_trial: Callable[[TrialResult], None] | None = None,
) -> SweepResults:
    """Run a sweep's trials and its finalists.

    Args:
        earlier: results of trials 0, 1, … of this sweep; these are not run again.
        prior: finished trials of another sweep to learn from.

    Raises:
        ConfigError, BadInputError: the configuration is wrong or needs the workflow, or the first call of `objective`
            returns neither a number nor a mapping that holds one.
    """
    cfg = cfg.model_copy(deep=True)  # an objective that modifies the configuration must not affect later trials
    build_space(cfg, any_name=True)
    for key in ("halving", "early_stopping", "training", "score_missions", "seeds_per_trial", "objective"):
        if getattr(cfg, key) != DAFSweepConfig.model_fields[key].get_default(call_default_factory=True):
            hint = "a function is called only once per trial, and trains and scores it as it likes: use the workflow"
            raise BadInputError(f"no {key} with an objective function", "it is set", f"sweep '{cfg.name}'", hint)
    strategy, code = strategy_named(cfg.strategy), code_of_search(cfg, objective)
    results = list(earlier)[: num_trials_effective(cfg)]
    num_earlier = len(results)
    better: Callable[[float, float], float] = max if cfg.optimize_direction == "maximize" else min
    known = [result.objective for result in results if result.objective is not None]
    best = reduce(better, known) if known else None
    with live_progress(f"sweep {cfg.name}", num_trials_effective(cfg), "trials") as progress:
        progress.update(len(results))
        for number in range(len(results), num_trials_effective(cfg)):
            visible = visible_trials(number, cfg.lag)
            seen = visible if strategy.adaptive else 0
            pending = [result.hyperparameters for result in results[seen:]] if strategy.adaptive else []
            values = propose(
                cfg, number, results[:seen], pending=pending, prior=prior, strategy=strategy, any_name=True
            )
            trial = Trial(number=number, seed=stream_seed(cfg.seed, number, "training"), hyperparameters=values)
            skip = reason_to_skip(cfg, results[:visible]) or reason_to_end(cfg.lag, number, results, first=num_earlier)
            result = _skipped(trial, skip) if skip else _run(cfg, trial, objective, first=number == 0)
            results.append(result)
            if on_trial is not None:
                on_trial(result)
            if result.objective is not None:
                best = result.objective if best is None else better(best, result.objective)
            progress.update(len(results), **({} if best is None else {"best": best}))
    confirmations = _confirm(cfg, SweepResults.of(cfg, results), objective)
    return SweepResults.of(cfg, results, confirmations, code=code)


def _confirm(cfg: DAFSweepConfig, searched: SweepResults, objective: Objective) -> list[TrialResult]:
    """Run the finalists on fresh seeds."""
    runs = [(finalist, index) for finalist in finalists_of(searched) for index in range(cfg.confirmation_seeds)]
    confirmations: list[TrialResult] = []
    with live_progress(f"sweep {cfg.name}", len(runs), "runs of finalists") as progress:
        for finalist, index in runs:
            seed = stream_seed(cfg.seed, index, "confirmation")
            again = Trial(number=finalist.trial, seed=seed, hyperparameters=finalist.hyperparameters)
            confirmations.append(_run(cfg, again, objective, first=False))
            progress.update(len(confirmations))
    return confirmations


def code_of_search(cfg: DAFSweepConfig, objective: Objective) -> CodeStamp:
    """The code on which the results of a sweep in this process depend: the objective function's and the strategy's."""
    return CodeStamp.merged([code_of_function(objective), strategy_code(cfg)])


def _skipped(trial: Trial, reason: str) -> TrialResult:
    return TrialResult(
        trial=trial.number,
        status="skipped",
        hyperparameters=trial.hyperparameters,
        reason=reason,
        seconds=0.0,
        seed=trial.seed,
    )


def _run(cfg: DAFSweepConfig, trial: Trial, objective: Objective, *, first: bool) -> TrialResult:
    """Call the objective. A failure inside it is a result, like diverged training.

    Args:
        first: if True, a return value that is not a number is an error, a mistake in the function; otherwise the trial
            fails.
    """
    started = time.perf_counter()
    value: float | None = None
    figures: dict[str, Any] = {}
    failure: str | None = None
    given = replace(trial, hyperparameters=dict(trial.hyperparameters))  # the objective may modify its argument
    reason: str | None
    try:
        with process_state_kept():
            returned: Any = objective(given)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        reason = failure = FailureReport.of(error).cause
    else:
        try:
            value, figures = _objective_value(cfg, trial, returned)
            reason = None if math.isfinite(value) else f"objective is {value}"
        except BadInputError as error:
            if first:
                raise
            reason = failure = f"expected {error.expected}, found {error.found}"
    return TrialResult(
        trial=trial.number,
        status="completed" if reason is None else "failed",
        hyperparameters=trial.hyperparameters,
        objective=value if reason is None else None,
        reason=reason,
        seconds=time.perf_counter() - started,
        seed=trial.seed,
        extra={**({"figures": figures} if figures else {}), **({"failure": failure} if failure else {})},
    )


def _objective_value(cfg: DAFSweepConfig, trial: Trial, returned: Any) -> tuple[float, dict[str, Any]]:
    """The objective, and any other numbers returned with it."""
    where = f"sweep '{cfg.name}', trial {trial.number}: objective function"
    figures = dict(returned) if isinstance(returned, Mapping) else {}
    value = returned
    if isinstance(returned, Mapping):
        key = next((key for key in (cfg.objective_metric, "objective") if key in figures), None)
        if key is None:
            expected = f"a mapping with '{cfg.objective_metric}' or 'objective'"
            raise BadInputError(expected, f"keys {sorted(figures)}", where)
        value = figures.pop(key)
    try:
        return float(value), figures
    except (TypeError, ValueError):
        hint = "does it end without `return`?" if value is None else ""
        raise BadInputError("a number", f"{value!r} ({type(value).__name__})", where, hint) from None
