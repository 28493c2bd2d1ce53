"""Bayesian optimization by Optuna, on a study that is rebuilt in memory for every request: no database.

Trials in flight are not in the history, but their proposals follow from it. `Bayesian.suggest` recomputes these and
adds them to the study as running, so that the sampler spreads out without waiting for them.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from daf.config import Direction, direction_sign
from daf.search.history import visible_trials
from daf.search.results import TrialResult
from daf.search.space import LARGEST_GRID, Dimension, Space, Value
from daf.search.strategy import SuggestionRequest, quasi_random_points, stream_seed

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution

GP_LAST_TRIAL = 200  # beyond this, the Gaussian process takes seconds per suggestion, TPE only milliseconds
GP_LARGEST_LAG = 12  # every proposal computes lag - 1 others, each with a fit
FEWEST_DESIGN_POINTS = 5


@dataclass(frozen=True)
class Bayesian:
    """Expected improvement under a model of the results so far.

    The first trials are a quasi-random design. Then follows a Gaussian process while trials are few and parameters
    mostly numeric, otherwise a multivariate tree of Parzen estimators. Failed trials count: they get the worst
    objective seen and violate a constraint, so the search leaves the region where training breaks. Another sweep's
    trials replace points of the design. An inactive parameter gets the middle of its range, since the models do not
    support missing values.
    """

    gp_last_trial: int = GP_LAST_TRIAL
    gp_largest_lag: int = GP_LARGEST_LAG
    adaptive: ClassVar[bool] = True

    def suggest(self, request: SuggestionRequest) -> dict[str, Value]:
        space, trial = request.space, request.trial
        num_missing = max(0, design_size(space, request.lag) - len(_known(request)))
        design = quasi_random_points(space, request.seed, num_missing)
        if trial < len(design):
            return design[trial]
        if not space.free:
            return space.complete({})
        proposals: list[Mapping[str, Value]] = [result.hyperparameters for result in request.results]
        proposals += request.pending
        while len(proposals) <= trial:
            # A trial in flight saw fewer results than this one, so its request can be reproduced exactly.
            number = len(proposals)
            num_seen = visible_trials(number, request.lag)
            proposals.append(
                design[number]
                if number < len(design)
                else self._ask(request, number, request.results[:num_seen], proposals[num_seen:])
            )
        return dict(proposals[trial])

    def _ask(
        self,
        request: SuggestionRequest,
        number: int,
        results: Sequence[TrialResult],
        running: Sequence[Mapping[str, Value]],
    ) -> dict[str, Value]:
        """One suggestion by Optuna from finished and running trials."""
        space = request.space
        with quiet_optuna():
            import optuna

            distributions = {dimension.name: distribution_of(dimension) for dimension in space.free}
            study = optuna.create_study(direction=request.optimize_direction, sampler=self._sampler(request, number))
            finished = [*_known(request), *(result for result in results if not result.skipped)]
            study.add_trials(_finished_trials(space, finished, distributions, request.optimize_direction))
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
            with _one_torch_thread() if self._uses_gp(request, number) else nullcontext():
                suggested = study.ask(fixed_distributions=distributions).params
        return space.complete({d.name: _decoded(d, suggested[d.name]) for d in space.free})

    def _uses_gp(self, request: SuggestionRequest, number: int) -> bool:
        """Depends on the trial's number, not on `num_trials`: more trials must not change earlier ones."""
        few = number + len(_known(request)) < self.gp_last_trial and request.lag <= self.gp_largest_lag
        return few and request.space.mostly_numeric

    def _sampler(self, request: SuggestionRequest, number: int) -> optuna.samplers.BaseSampler:
        import optuna

        seed = stream_seed(request.seed, number, "bayesian")
        if self._uses_gp(request, number):
            return optuna.samplers.GPSampler(seed=seed, n_startup_trials=0)
        return optuna.samplers.TPESampler(seed=seed, n_startup_trials=0, multivariate=True, constant_liar=True)


def _known(request: SuggestionRequest) -> list[TrialResult]:
    """The trials of another sweep that say something: one that was skipped has no result, not even a failure."""
    return [result for result in request.prior if not result.skipped]


def design_size(space: Space, lag: int) -> int:
    """Points of the initial design: at least `lag`, since those trials see no results, and about two per dimension."""
    return max(lag, 2 * len(space.free) + 2, FEWEST_DESIGN_POINTS)


# ---- Optuna's view of a space and of results ----------------------------------------------------------------


def distribution_of(dimension: Dimension) -> BaseDistribution:
    """Listed values are encoded by their index: Optuna confuses 1, 1.0 and True, and steps of a float drift.

    A wide range of integers is searched as the real numbers that round to them, since the Gaussian process lists every
    value of an integer.
    """
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if dimension.values:
        last = len(dimension.values) - 1
        return IntDistribution(0, last) if dimension.ordered else CategoricalDistribution(tuple(range(last + 1)))
    if dimension.integer and int(dimension.high) - int(dimension.low) >= LARGEST_GRID:
        return FloatDistribution(dimension.low - 0.5, dimension.high + 0.5, log=dimension.log)
    if dimension.integer:
        return IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
    return FloatDistribution(dimension.low, dimension.high, log=dimension.log)


def encoded(space: Space, values: Mapping[str, Value]) -> dict[str, Any]:
    """Every free dimension's value for Optuna; the middle for an inactive one."""

    def code(dimension: Dimension) -> Any:
        value = values[dimension.name] if dimension.name in values else dimension.from_unit(0.5)
        return dimension.index(value) if dimension.values else value

    return {dimension.name: code(dimension) for dimension in space.free}


def _decoded(dimension: Dimension, value: Any) -> Value:
    return dimension.values[int(value)] if dimension.values else dimension.tidy(value)


def _finished_trials(
    space: Space,
    results: Sequence[TrialResult],
    distributions: dict[str, BaseDistribution],
    optimize_direction: Direction,
) -> list[optuna.trial.FrozenTrial]:
    import numpy as np
    from optuna.trial import create_trial

    from daf.statistics.intervals import unit_of

    sign = direction_sign(optimize_direction)
    objectives = [result.objective for result in results if result.objective is not None]
    worst = min(objectives, key=lambda objective: sign * objective, default=0.0)
    unit = unit_of(np.array(objectives))  # the Gaussian process takes variances below 1e-20 for rounding errors
    any_failed = len(objectives) < len(results)
    return [
        create_trial(
            value=(worst if result.objective is None else result.objective) / unit,
            params=encoded(space, result.hyperparameters),
            distributions=distributions,
            # At most 0 is feasible. A constraint costs a second fit, so there is none unless a trial failed.
            constraints={"failed": 1.0 if result.objective is None else -1.0} if any_failed else None,
        )
        for result in results
    ]


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Silence Optuna's log lines and experimental warnings; restore the caller's settings afterwards."""
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
    """Fit the Gaussian process on one thread on every machine: the order of summation changes the last bits."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
