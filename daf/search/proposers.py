"""Strategies by name, and the proposal of a trial.

A proposal is a function of the sweep's configuration, the trial's number, and the results of trials
0 … number - lag: nothing else. It is the same in any process, whatever finished first, and however many trials the
sweep has.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from daf.config import STRATEGY_NAMES, DAFSweepConfig
from daf.errors import BadInputError, did_you_mean
from daf.search.bayesian import Bayesian
from daf.search.evidence import Evidence
from daf.search.history import visible_trials
from daf.search.space import Value, build_space
from daf.search.strategy import Question, Strategy, quasi_random_points, stream_seed


class Grid:
    """Every point of the grid once, in order."""

    adaptive = False

    def propose(self, question: Question) -> dict[str, Value]:
        size = question.space.grid_size()
        if question.trial >= size:
            raise BadInputError(f"a trial below {size}, the size of the grid", str(question.trial), "strategy 'grid'")
        return question.space.grid_point(question.trial)


@dataclass(frozen=True)
class Random:
    """Independent uniform points, or those of a scrambled Sobol sequence, which leave smaller gaps."""

    quasi: bool = False
    adaptive: ClassVar[bool] = False

    def propose(self, question: Question) -> dict[str, Value]:
        if self.quasi:
            return quasi_random_points(question.space, question.seed, question.trial + 1)[question.trial]
        import numpy as np

        rng = np.random.default_rng(stream_seed(question.seed, question.trial, "random"))
        return question.space.from_unit(rng.random(len(question.space.free)).tolist())


STRATEGIES: dict[str, Strategy] = {
    "grid": Grid(),
    "random": Random(),
    "quasi_random": Random(quasi=True),
    "bayesian": Bayesian(),
}


def strategy_named(name: str) -> Strategy:
    """The strategy that a configuration names: one of `STRATEGIES`, or an instance of the class at a dotted path.

    Raises:
        BadInputError: there is no such class, or it lacks what `Strategy` asks for.
    """
    if name in STRATEGIES:
        return STRATEGIES[name]
    module, _, class_name = name.rpartition(".")
    hint = "a class without arguments, with `adaptive` and `propose(question)`: see daf.search.strategy.Strategy"
    try:
        found = getattr(importlib.import_module(module), class_name)()
    except Exception as error:  # a user's module may fail in any way
        where, found = f"strategy '{name}'", f"{type(error).__name__}: {error}"
        raise BadInputError("a strategy's class", found, where, did_you_mean(name, STRATEGY_NAMES)) from error
    if not isinstance(getattr(found, "adaptive", None), bool) or not callable(getattr(found, "propose", None)):
        raise BadInputError("a strategy", f"a {class_name}", f"strategy '{name}'", hint)
    strategy: Strategy = found
    return strategy


def propose(
    config: DAFSweepConfig,
    trial_number: int,
    history: Sequence[Mapping[str, Any]],
    *,
    pending: Sequence[Mapping[str, Value]] = (),
    prior: Sequence[Evidence] = (),
    strategy: Strategy | None = None,
    any_name: bool = False,
) -> dict[str, Value]:
    """The hyperparameters that a trial tries.

    Args:
        config: the sweep; `num_trials` and the order of `search_space` change no proposal.
        trial_number: from 0.
        history: results (`trial`, `status`, `objective`, `hyperparameters`) of at least the trials
            0 … trial_number - lag, in any order; later ones are not looked at. A strategy that does not adapt
            needs none.
        pending: proposals of the trials trial_number - lag + 1 … trial_number - 1, if they are at hand; they save
            time and change nothing.
        prior: trials of another sweep to learn from; those that are no points of this space are left out.
        strategy: instead of the one that the configuration names.
        any_name: allow parameters that no knob of DAF takes.

    Raises:
        BadInputError: a result is missing or does not belong to this space, or the space is wrong.
    """
    where = f"sweep '{config.name}', trial {trial_number}"
    space = build_space(config, any_name=any_name)
    strategy = strategy or strategy_named(config.strategy)
    seen = visible_trials(trial_number, config.lag) if strategy.adaptive else 0
    evidence = {item.trial: item for item in map(Evidence.from_result, history) if item.trial < seen}
    missing = [number for number in range(seen) if number not in evidence]
    if missing:
        raise BadInputError(f"results of trials 0 … {seen - 1}", f"none of trial {missing[0]}", where)
    pending = pending if strategy.adaptive else ()
    if pending and len(pending) != trial_number - seen:
        raise BadInputError(f"{trial_number - seen} pending proposals, or none", str(len(pending)), where)
    for item in evidence.values():
        space.check(item.hyperparameters, f"sweep '{config.name}', trial {item.trial}")
    question = Question(
        space=space,
        seed=config.seed,
        lag=config.lag,
        maximize=config.optimize_direction == "maximize",
        trial=trial_number,
        evidence=tuple(evidence[number] for number in range(seen)),
        pending=tuple(pending),
        prior=tuple(item for item in prior if space.holds(item.hyperparameters)),
    )
    answer = strategy.propose(question)
    where = f"{where}: the answer of strategy '{config.strategy}'"
    if not isinstance(answer, Mapping):
        raise BadInputError("a mapping of parameters to values", repr(answer), where)
    space.check(answer, where)
    return dict(answer)
