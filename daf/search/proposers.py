"""Strategies: which point of the space a trial tries.

A proposal is a function of the sweep's configuration, the trial's number, and the results of trials
0 … number - lag: nothing else. It is the same in any process, whatever finished first, and however many trials the
sweep has. A strategy is one small class; `STRATEGIES` names those a configuration may ask for.

Optuna serves as ask-and-tell on a study rebuilt in memory for every question; there is no database. The trials in
flight are not in the history, but their proposals follow from it, so they are worked out again (`Bayesian.propose`)
and stand in the study as running: the sampler then spreads out without waiting for anyone.
"""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from daf.config import DAFSweepConfig
from daf.errors import BadInputError
from daf.search.space import Dimension, Space, Value, build_space

if TYPE_CHECKING:
    import numpy as np
    import optuna
    from optuna.distributions import BaseDistribution

GP_LAST_TRIAL = 200  # a suggestion of the Gaussian process takes seconds beyond, of TPE milliseconds
GP_LARGEST_LAG = 12  # every proposal works out lag - 1 others, each a fit
FEWEST_DESIGN_POINTS = 5


def stream_seed(seed: int, trial: int | None, purpose: str) -> int:
    """A seed below 2**31 of its own for every (sweep seed, trial, purpose): the first bits of a sha256."""
    text = f"daf/{purpose}/{seed}/{'' if trial is None else trial}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1


def visible_trials(trial: int, lag: int) -> int:
    """How many trials, counted from 0, a proposal may look at: all up to trial - lag."""
    return max(0, trial - lag + 1)


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """A finished trial as a strategy sees it; `objective` is None if it failed."""

    trial: int
    hyperparameters: Mapping[str, Value]
    objective: float | None

    @classmethod
    def from_result(cls, result: Mapping[str, Any]) -> Evidence:
        """From a trial's result; an objective that is not finite counts as failed."""
        value = result.get("objective")
        if result.get("status", "completed") != "completed" or value is None or not math.isfinite(value):
            value = None
        return cls(
            trial=int(result["trial"]),
            hyperparameters=result["hyperparameters"],
            objective=None if value is None else float(value),
        )


@dataclass(frozen=True, kw_only=True)
class Question:
    """All a strategy may know.

    `evidence` is of trials 0 … trial - lag, in order; `pending`, if known, are the proposals of those after them.
    """

    space: Space
    seed: int
    lag: int
    maximize: bool
    trial: int
    evidence: tuple[Evidence, ...] = ()
    pending: tuple[Mapping[str, Value], ...] = ()

    @property
    def direction(self) -> Literal["maximize", "minimize"]:
        return "maximize" if self.maximize else "minimize"


class Strategy(Protocol):
    """Chooses a point. Has no state: the same question has the same answer."""

    @property
    def adaptive(self) -> bool:
        """Whether results change proposals; if not, a trial waits for no other."""
        ...

    def propose(self, question: Question) -> dict[str, Value]: ...


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


@dataclass(frozen=True)
class Bayesian:
    """Expected improvement under a model of the results so far.

    The first trials are a quasi-random design. Then a Gaussian process while trials are few and parameters mostly
    numeric, else a multivariate tree of Parzen estimators. A failed trial is evidence: it carries the worst value
    seen and a violated constraint, so that the search leaves the region where training breaks.
    """

    gp_last_trial: int = GP_LAST_TRIAL
    gp_largest_lag: int = GP_LARGEST_LAG
    adaptive: ClassVar[bool] = True

    def propose(self, question: Question) -> dict[str, Value]:
        space, trial = question.space, question.trial
        design = quasi_random_points(space, question.seed, design_size(space, question.lag))
        if trial < len(design):
            return design[trial]
        if not space.free:
            return space.complete({})
        proposals: list[Mapping[str, Value]] = [evidence.hyperparameters for evidence in question.evidence]
        proposals += question.pending
        while len(proposals) <= trial:
            # A trial in flight saw less than we do, so we can repeat its question exactly.
            number = len(proposals)
            seen = visible_trials(number, question.lag)
            proposals.append(
                design[number]
                if number < len(design)
                else self._suggest(question, number, question.evidence[:seen], proposals[seen:])
            )
        return dict(proposals[trial])

    def _suggest(
        self, question: Question, number: int, evidence: Sequence[Evidence], running: Sequence[Mapping[str, Value]]
    ) -> dict[str, Value]:
        """One suggestion of Optuna from finished trials and from those without a result."""
        space = question.space
        with quiet_optuna():
            import optuna

            distributions = {dimension.name: distribution_of(dimension) for dimension in space.free}
            study = optuna.create_study(direction=question.direction, sampler=self._sampler(question, number))
            study.add_trials(_finished_trials(space, evidence, distributions, maximize=question.maximize))
            study.add_trials(
                [
                    optuna.trial.create_trial(
                        state=optuna.trial.TrialState.RUNNING,
                        params=encoded(space, values),
                        distributions=distributions,
                    )
                    for values in running
                ]
            )
            with _one_torch_thread() if self._uses_gp(question, number) else nullcontext():
                suggested = study.ask(fixed_distributions=distributions).params
        return space.complete({d.name: _decoded(d, suggested[d.name]) for d in space.free})

    def _uses_gp(self, question: Question, number: int) -> bool:
        """By the trial's own number, not by `num_trials`: more trials must not change earlier ones."""
        few = number < self.gp_last_trial and question.lag <= self.gp_largest_lag
        return few and question.space.mostly_numeric

    def _sampler(self, question: Question, number: int) -> optuna.samplers.BaseSampler:
        import optuna

        seed = stream_seed(question.seed, number, "bayesian")
        if self._uses_gp(question, number):
            return optuna.samplers.GPSampler(seed=seed, n_startup_trials=0)
        return optuna.samplers.TPESampler(seed=seed, n_startup_trials=0, multivariate=True, constant_liar=True)


STRATEGIES: dict[str, Strategy] = {"grid": Grid(), "random": Random(), "bayesian": Bayesian()}


def propose(
    config: DAFSweepConfig,
    trial_number: int,
    history: Sequence[Mapping[str, Any]],
    *,
    pending: Sequence[Mapping[str, Value]] = (),
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
        strategy: instead of the one that the configuration names.
        any_name: allow parameters that no knob of DAF takes.

    Raises:
        BadInputError: a result is missing or does not belong to this space, or the space is wrong.
    """
    where = f"sweep '{config.name}', trial {trial_number}"
    space = build_space(config, any_name=any_name)
    strategy = strategy or STRATEGIES[config.strategy]
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
    )
    return strategy.propose(question)


def design_size(space: Space, lag: int) -> int:
    """Points of the initial design: at least `lag`, since those trials see nothing, and two per dimension or so."""
    return max(lag, 2 * len(space.free) + 2, FEWEST_DESIGN_POINTS)


def quasi_random_points(space: Space, seed: int, count: int) -> list[dict[str, Value]]:
    """The first `count` points of a scrambled Sobol sequence (Owen 1998); a longer call begins with the same points."""
    if not space.free:
        return [space.complete({})] * count
    import numpy as np
    from scipy.stats import qmc

    rng = np.random.default_rng(stream_seed(seed, None, "design"))
    # Drawn in one call and in a power of two: drawn one at a time the sequence repeats, and odd lengths lose balance.
    sequence = qmc.Sobol(len(space.free), scramble=True, rng=rng)
    points: np.ndarray = sequence.random_base2(max(1, (count - 1).bit_length()))
    return [space.from_unit(point) for point in points[:count].tolist()]


# ---- Optuna's view of a space and of results ----------------------------------------------------------------


def distribution_of(dimension: Dimension) -> BaseDistribution:
    """Listed values go by their place: Optuna takes 1, 1.0 and True for one choice, and steps of a float drift."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if dimension.values:
        last = len(dimension.values) - 1
        return IntDistribution(0, last) if dimension.ordered else CategoricalDistribution(tuple(range(last + 1)))
    if dimension.integer:
        return IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
    return FloatDistribution(dimension.low, dimension.high, log=dimension.log)


def encoded(space: Space, values: Mapping[str, Value]) -> dict[str, Any]:
    return {d.name: d.index(values[d.name]) if d.values else values[d.name] for d in space.free}


def _decoded(dimension: Dimension, value: Any) -> Value:
    return dimension.values[int(value)] if dimension.values else dimension.tidy(value)


def _finished_trials(
    space: Space, evidence: Sequence[Evidence], distributions: dict[str, BaseDistribution], *, maximize: bool
) -> list[optuna.trial.FrozenTrial]:
    from optuna.trial import create_trial

    finite = [item.objective for item in evidence if item.objective is not None]
    worst = (min(finite) if maximize else max(finite)) if finite else 0.0
    any_failed = len(finite) < len(evidence)
    return [
        create_trial(
            value=worst if item.objective is None else item.objective,
            params=encoded(space, item.hyperparameters),
            distributions=distributions,
            # At most 0 is feasible. A model of the constraint costs a second fit: only where something failed.
            constraints={"failed": 1.0 if item.objective is None else -1.0} if any_failed else None,
        )
        for item in evidence
    ]


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Optuna without its log lines and experimental warnings; the caller's settings come back afterwards."""
    import optuna

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(verbosity)


@contextmanager
def _one_torch_thread() -> Iterator[None]:
    """Sums in another order end in other bits, so the Gaussian process is fitted on one thread wherever it runs."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
