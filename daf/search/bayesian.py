"""Bayesian optimization by Optuna, asked and told on a study rebuilt in memory for every question: no database.

The trials in flight are not in the history, but their proposals follow from it, so they are worked out again
(`Bayesian.propose`) and stand in the study as running: the sampler then spreads out without waiting for anyone.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from daf.search.evidence import Evidence
from daf.search.history import visible_trials
from daf.search.space import Dimension, Space, Value
from daf.search.strategy import Question, quasi_random_points, stream_seed

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution

GP_LAST_TRIAL = 200  # a suggestion of the Gaussian process takes seconds beyond, of TPE milliseconds
GP_LARGEST_LAG = 12  # every proposal works out lag - 1 others, each a fit
FEWEST_DESIGN_POINTS = 5


@dataclass(frozen=True)
class Bayesian:
    """Expected improvement under a model of the results so far.

    The first trials are a quasi-random design. Then a Gaussian process while trials are few and parameters mostly
    numeric, else a multivariate tree of Parzen estimators. A failed trial is evidence: it carries the worst value
    seen and a violated constraint, so that the search leaves the region where training breaks. Another sweep's
    trials stand in for as many points of the design. A parameter that does not apply stands at the middle of its
    range: the models know no gaps.
    """

    gp_last_trial: int = GP_LAST_TRIAL
    gp_largest_lag: int = GP_LARGEST_LAG
    adaptive: ClassVar[bool] = True

    def propose(self, question: Question) -> dict[str, Value]:
        space, trial = question.space, question.trial
        known = sum(not one.skipped for one in question.prior)
        design = quasi_random_points(space, question.seed, max(0, design_size(space, question.lag) - known))
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
            finished = [one for one in (*question.prior, *evidence) if not one.skipped]
            study.add_trials(_finished_trials(space, finished, distributions, maximize=question.maximize))
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
        few = number + len(question.prior) < self.gp_last_trial and question.lag <= self.gp_largest_lag
        return few and question.space.mostly_numeric

    def _sampler(self, question: Question, number: int) -> optuna.samplers.BaseSampler:
        import optuna

        seed = stream_seed(question.seed, number, "bayesian")
        if self._uses_gp(question, number):
            return optuna.samplers.GPSampler(seed=seed, n_startup_trials=0)
        return optuna.samplers.TPESampler(seed=seed, n_startup_trials=0, multivariate=True, constant_liar=True)


def design_size(space: Space, lag: int) -> int:
    """Points of the initial design: at least `lag`, since those trials see nothing, and two per dimension or so."""
    return max(lag, 2 * len(space.free) + 2, FEWEST_DESIGN_POINTS)


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
    """Every free dimension's value for Optuna; one that does not apply stands at the middle."""

    def value(dimension: Dimension) -> Any:
        found = values[dimension.name] if dimension.name in values else dimension.from_unit(0.5)
        return dimension.index(found) if dimension.values else found

    return {dimension.name: value(dimension) for dimension in space.free}


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
