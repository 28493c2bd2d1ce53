"""The keys of a sweep's JSON files that are neither a `TrialAssignment`, a `TrialResult` nor a `SweepAnalysis`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NotRequired, TypedDict

from daf.config import Direction
from daf.search.space import Value


class TrialSummary(TypedDict):
    """What a proposal may know of a finished trial.

    Attributes:
        trial: number of the trial.
        status: how it ended.
        hyperparameters: all that it was given.
        objective: its score; null unless it completed.
        seconds: wall clock of training and evaluation.
        curve: objective at each check of a sweep that stops trials early; else empty.
    """

    trial: int
    status: Literal["completed", "failed", "skipped"]
    hyperparameters: Mapping[str, Value]
    objective: float | None
    seconds: float | None
    curve: list[float | None]


class HistoryFile(TypedDict):
    """A block of results.

    Attributes:
        trials: one summary per trial, see trials.json.
    """

    trials: list[TrialSummary]


class TrialsFile(TypedDict):
    """All results of a sweep, from which another may start.

    Attributes:
        sweep: name of the sweep.
        objective_metric: what the scores measure.
        optimize_direction: whether more or less is better.
        trials: one summary per trial.
    """

    sweep: str
    objective_metric: str
    optimize_direction: Direction
    trials: list[TrialSummary]


class PriorTrials(TypedDict):
    """What another sweep reads of a `TrialsFile`, also of one that was put together by hand.

    Attributes:
        objective_metric: what the scores measure.
        optimize_direction: whether more or less is better.
        trials: one record per trial.
    """

    objective_metric: NotRequired[str | None]
    optimize_direction: NotRequired[str | None]
    trials: list[dict[str, Any]]


class ProposalFile(TypedDict):
    """What a sweep reads of a proposal.json, besides its `TrialAssignment`.

    Attributes:
        recipe: what determines the sweep's proposals and results.
        recipe_digest: digest of `recipe`.
    """

    recipe: dict[str, Any]
    recipe_digest: str


class PromotionsFile(TypedDict):
    """Which trials of a bracket train on.

    Attributes:
        sweep: name of the sweep.
        rung: the rung whose entries are filled, from 1.
        bracket: the group of trials that compete for them.
        entries: number of the entry → assignment of the trial that takes it, with the `objective` it was chosen for.
    """

    sweep: str
    rung: int
    bracket: int
    entries: dict[str, dict[str, Any]]


class FinalistsFile(TypedDict):
    """The best trials of a search, which run again.

    Attributes:
        sweep: name of the sweep.
        finalists: by rank, best first: the trial's assignment, with the `objective` it was chosen for.
        seeds: training seeds on which each of them runs.
    """

    sweep: str
    finalists: list[dict[str, Any]]
    seeds: list[int]


class FinalistSummary(TypedDict):
    """How one finalist did on fresh seeds.

    Attributes:
        rank: in the search, from 0.
        trial: number of the trial.
        search_objective: its score in the search.
        confirmed_objectives: its score on each fresh seed; null for a run that failed.
        confirmed_mean: their mean; null if all failed.
        num_failed: runs that failed.
        optimism: score in the search minus confirmed mean, signed so that above 0 means too much was promised.
    """

    rank: int
    trial: int
    search_objective: float
    confirmed_objectives: list[float | None]
    confirmed_mean: float | None
    num_failed: int
    optimism: float | None


class Confirmation(TypedDict):
    """What the finalists' runs on fresh seeds show.

    Attributes:
        trial: the finalist that did best.
        mean: its mean objective on fresh seeds.
        optimism: of the best trial of the search: its score there minus its mean on fresh seeds.
        finalists: one summary per finalist.
    """

    trial: int
    mean: float | None
    optimism: float | None
    finalists: list[FinalistSummary]


class BestFile(TypedDict):
    """The best trial of a sweep.

    Attributes:
        sweep: name of the sweep.
        trial: number of the best trial.
        hyperparameters: the best hyperparameters, which a training run of this sweep takes.
        objective: its score in the search.
        objective_metric: what the score measures.
        optimize_direction: whether more or less is better.
        seed: training seed of the trial.
        num_trials: trials that it was chosen from.
        num_completed: those of them that have a score.
        num_failed: those that failed.
        confirmation: how the finalists did on fresh seeds; null without such runs.
        recipe_digest: digest of what decides the sweep's proposals and results.
    """

    sweep: str
    trial: int
    hyperparameters: Mapping[str, Value]
    objective: float | None
    objective_metric: str
    optimize_direction: Direction
    seed: int | None
    num_trials: int
    num_completed: int
    num_failed: int
    confirmation: Confirmation | None
    recipe_digest: str


class SearchCost(TypedDict):
    """What a sweep cost.

    Attributes:
        seconds_total: seconds of all trials together.
        seconds_median: median of the trials that ran.
        seconds_of_failed_trials: seconds of trials that failed.
        agent_steps_total: agent-steps trained.
        agent_steps_share: these as a share of training every trial in full.
        confirmation_seconds: seconds of the finalists on fresh seeds.
        confirmation_agent_steps: agent-steps of the finalists on fresh seeds.
    """

    seconds_total: float
    seconds_median: float | None
    seconds_of_failed_trials: float
    agent_steps_total: int
    agent_steps_share: float | None
    confirmation_seconds: float
    confirmation_agent_steps: int
