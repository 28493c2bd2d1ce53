"""Strategies by name, and the proposal of a trial.

A proposal depends only on the sweep's configuration, the trial's number, and the results of trials 0 … number - lag. It
is the same in any process, whichever trial finished first and however many trials the sweep has.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from daf.config import STRATEGY_NAMES, DAFSweepConfig
from daf.errors import BadInputError, did_you_mean
from daf.search.bayesian import Bayesian
from daf.search.history import visible_trials
from daf.search.results import TrialResult
from daf.search.space import Value, build_space
from daf.search.strategy import Strategy, SuggestionRequest, quasi_random_points, stream_seed


class Grid:
    """Every point of the grid once, in order."""

    adaptive = False

    def suggest(self, request: SuggestionRequest) -> dict[str, Value]:
        size = request.space.grid_size()
        if request.trial >= size:
            raise BadInputError(f"a trial below {size}, the size of the grid", str(request.trial), "strategy 'grid'")
        return request.space.grid_point(request.trial)


@dataclass(frozen=True)
class Random:
    """Independent uniform points, or those of a scrambled Sobol sequence, which leaves smaller gaps."""

    quasi: bool = False
    adaptive: ClassVar[bool] = False

    def suggest(self, request: SuggestionRequest) -> dict[str, Value]:
        if self.quasi:
            return quasi_random_points(request.space, request.seed, request.trial + 1)[request.trial]
        import numpy as np

        rng = np.random.default_rng(stream_seed(request.seed, request.trial, "random"))
        return request.space.from_unit(rng.random(len(request.space.free)).tolist())


STRATEGIES: dict[str, Strategy] = {
    "grid": Grid(),
    "random": Random(),
    "quasi_random": Random(quasi=True),
    "bayesian": Bayesian(),
}


def strategy_named(name: str) -> Strategy:
    """The strategy that a configuration names: one of `STRATEGIES`, or an instance of the class at a dotted path.

    Raises:
        BadInputError: there is no such class, or it does not implement `Strategy`.
    """
    if name in STRATEGIES:
        return STRATEGIES[name]
    module, _, class_name = name.rpartition(".")
    where, expected = f"strategy '{name}'", "a strategy"
    hint = "a class without arguments, with `adaptive` and `suggest(request)`: see daf.search.strategy.Strategy"
    try:
        strategy: Any = getattr(importlib.import_module(module), class_name)()
    except Exception as error:  # a user's module may fail in any way
        found = f"{type(error).__name__}: {error}"
        raise BadInputError("a strategy's class", found, where, did_you_mean(name, STRATEGY_NAMES)) from error
    has_suggest = callable(getattr(strategy, "suggest", None))
    if not has_suggest and callable(getattr(strategy, "propose", None)):
        raise BadInputError(expected, f"class {class_name} with `propose`", where, "`propose` is now called `suggest`")
    if not isinstance(getattr(strategy, "adaptive", None), bool) or not has_suggest:
        raise BadInputError(expected, f"class {class_name}", where, hint)
    chosen: Strategy = strategy
    return chosen


def propose(
    config: DAFSweepConfig,
    trial_number: int,
    history: Sequence[TrialResult],
    *,
    pending: Sequence[Mapping[str, Value]] = (),
    prior: Sequence[TrialResult] = (),
    strategy: Strategy | None = None,
    any_name: bool = False,
) -> dict[str, Value]:
    """The hyperparameters that a trial tries.

    Args:
        config: the sweep; `num_trials` and the order of `search_space` do not affect proposals.
        trial_number: from 0.
        history: results of at least the trials 0 … trial_number - lag, in any order; later ones are ignored. A strategy
            that does not adapt needs none.
        pending: the proposals of trials trial_number - lag + 1 … trial_number - 1, if available; they only save time.
        prior: finished trials of another sweep; those outside this space are ignored.
        strategy: used instead of the one that the configuration names.
        any_name: allow parameters that are not hyperparameters of DAF.

    Raises:
        BadInputError: a result is missing or does not belong to this space, or the space is wrong.
    """
    where = f"sweep '{config.name}', trial {trial_number}"
    space = build_space(config, any_name=any_name)
    strategy = strategy or strategy_named(config.strategy)
    seen = visible_trials(trial_number, config.lag) if strategy.adaptive else 0
    results = {result.trial: result for result in history if result.trial < seen}
    missing = [number for number in range(seen) if number not in results]
    if missing:
        raise BadInputError(f"results of trials 0 … {seen - 1}", f"none of trial {missing[0]}", where)
    pending = pending if strategy.adaptive else ()
    if pending and len(pending) != trial_number - seen:
        raise BadInputError(f"{trial_number - seen} pending proposals, or none", str(len(pending)), where)
    for result in results.values():
        space.check(result.hyperparameters, f"sweep '{config.name}', trial {result.trial}")
    request = SuggestionRequest(
        space=space,
        seed=config.seed,
        lag=config.lag,
        optimize_direction=config.optimize_direction,
        trial=trial_number,
        results=tuple(results[number] for number in range(seen)),
        pending=tuple(pending),
        prior=tuple(result for result in prior if space.holds(result.hyperparameters)),
    )
    suggestion = strategy.suggest(request)
    where = f"{where}: the answer of strategy '{config.strategy}'"
    if not isinstance(suggestion, Mapping):
        raise BadInputError("a mapping of parameters to values", repr(suggestion), where)
    space.check(suggestion, where)
    return dict(suggestion)
