"""Finished trials as frozen values, the best of them, and its confirmation on fresh seeds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, NotRequired, TypedDict

from pydantic import ConfigDict

from daf.config import DAFSweepConfig, direction_sign
from daf.errors import BadInputError, DafError
from daf.search.records import Confirmation, FinalistSummary
from daf.search.space import Value
from daf.system.nouns import number_of
from daf.system.progress import format_figure
from daf.system.readers import FROM_A_RUN
from daf.system.shown import MOST_COLUMNS, MOST_ROWS, Shown, Table
from daf.system.user_code import NO_CODE, CodeStamp
from daf.system.validated import validated

if TYPE_CHECKING:
    import pandas

FIGURES = ("trial", "status", "objective", "reason", "seconds", "agent_steps", "seed", "rung")
COLUMN_PREFIX = "hyperparameters."


class _Extra(TypedDict):
    """What readers rely on in a trial's further content."""

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]

    curve: NotRequired[list[float | None] | None]
    learning_curve: NotRequired[list[tuple[int, float]] | None]
    episodes: NotRequired[int | None]
    objective_sd: NotRequired[float | None]
    stopped_early: NotRequired[str | None]


class _Sweep(TypedDict):
    """What `SweepResults.to_dict` writes."""

    config: dict[str, Any]
    trials: list[dict[str, Any]]
    confirmations: NotRequired[list[dict[str, Any]]]


@dataclass(frozen=True, kw_only=True, repr=False)
class TrialResult(Shown):
    """One finished trial.

    Attributes:
        trial: number of the trial, from 0.
        status: how it ended; a skipped trial did not run: the budget was spent, or all trials failed in the same way.
        hyperparameters: all that it was given.
        objective: None if and only if the trial did not complete; `reason` then says why.
        reason: why it failed or was skipped.
        seconds: wall-clock time of training and evaluation, counted like `agent_steps` from the start of the trial.
        agent_steps: agent-steps trained.
        seed: training seed.
        rung: the last rung of successive halving that the trial reached.
        extra: the other content of its file: provenance, further numbers.
    """

    trial: int
    status: Literal["completed", "failed", "skipped"]
    hyperparameters: Mapping[str, Value]
    objective: float | None = None
    reason: str | None = None
    seconds: float | None = None
    agent_steps: int | None = None
    seed: int | None = None
    rung: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def completed(self) -> bool:
        return self.status == "completed"

    @property
    def skipped(self) -> bool:
        """Whether the trial did not run; this says nothing about its hyperparameters."""
        return self.status == "skipped"

    @property
    def failure(self) -> str | None:
        """What failed, if it was code and not divergence: the same text for trials that fail in the same way."""
        failure: str | None = self.extra.get("failure")
        return failure

    @property
    def curve(self) -> tuple[float | None, ...]:
        """Objective at each check of a sweep that stops trials early; None where a check has none."""
        return tuple(self.extra.get("curve") or ())

    @property
    def learning_curve(self) -> tuple[tuple[int, float], ...]:
        """Agent-steps and reward per episode while it trained, at a few dozen updates; empty if not recorded."""
        return tuple((steps, reward) for steps, reward in self.extra.get("learning_curve") or ())

    @property
    def num_episodes(self) -> int | None:
        """Evaluation episodes that have an objective."""
        episodes: int | None = self.extra.get("episodes")
        return episodes

    @property
    def objective_sd(self) -> float | None:
        """Standard deviation of the objective over these episodes."""
        deviation: float | None = self.extra.get("objective_sd")
        return deviation

    @property
    def stopped_early(self) -> str | None:
        """Why median stopping ended it before its last step."""
        reason: str | None = self.extra.get("stopped_early")
        return reason

    def _headline(self) -> str:
        answer = f"objective {format_figure(self.objective)}" if self.completed else self.reason
        return f"trial {self.trial} {self.status}, {answer}"

    def to_dict(self) -> dict[str, Any]:
        return {
            **self.extra,
            **{figure: getattr(self, figure) for figure in FIGURES},
            "hyperparameters": dict(self.hyperparameters),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], *, source: str = "trial result") -> TrialResult:
        """Read the content of a result.json; a trial with a missing or non-finite objective counts as failed.

        Raises:
            ConfigError: `trial`, `status` or `hyperparameters` is missing, or a value is of another type.
        """
        content = validated(dict[str, Any], data, source, FROM_A_RUN)
        own = {key: content.pop(key) for key in (*FIGURES, "hyperparameters") if key in content}
        result = validated(cls, {**own, "extra": content}, source, FROM_A_RUN)
        validated(_Extra, content, source, FROM_A_RUN)
        status, reason, objective = result.status, result.reason, result.objective
        if status == "completed" and (objective is None or not math.isfinite(objective)):
            status, reason = "failed", f"objective is {'missing' if objective is None else objective}"
        return replace(
            result,
            status=status,
            objective=objective if status == "completed" else None,
            reason=None if status == "completed" else reason or "no reason recorded",
        )


@dataclass(frozen=True, kw_only=True, repr=False)
class SweepResults(Shown):
    """A sweep's configuration and its finished trials, by number; `confirmations` are finalists on fresh seeds.

    Attributes:
        config: the sweep.
        trials: its finished trials, by number.
        confirmations: runs of the finalists.
        code: of the objective function and the strategy, if the sweep ran in this process.
    """

    config: DAFSweepConfig
    trials: tuple[TrialResult, ...]
    confirmations: tuple[TrialResult, ...] = ()
    code: CodeStamp = NO_CODE

    @property
    def completed(self) -> tuple[TrialResult, ...]:
        return tuple(trial for trial in self.trials if trial.completed)

    @property
    def failed(self) -> tuple[TrialResult, ...]:
        return tuple(trial for trial in self.trials if trial.status == "failed")

    @property
    def skipped(self) -> tuple[TrialResult, ...]:
        return tuple(trial for trial in self.trials if trial.skipped)

    @property
    def metric(self) -> str:
        """What scores measure: `objective_metric`, unless a function is searched and the configuration names none."""
        named = self.config.objective_metric
        is_unnamed = named == DAFSweepConfig.model_fields["objective_metric"].default
        return "objective" if self.code != NO_CODE and is_unnamed else named

    @property
    def best(self) -> TrialResult | None:
        """The finalist that scored best on fresh seeds, otherwise the search's best; None if no trial completed."""
        return confirmed_trial(self) or self.best_of_search

    @property
    def best_of_search(self) -> TrialResult | None:
        """The completed trial with the best objective in the highest rung; among equals, the earliest."""
        sign = direction_sign(self.config.optimize_direction)
        return max(
            self.completed, key=lambda trial: (trial.rung, sign * objective_of(trial), -trial.trial), default=None
        )

    def _headline(self) -> str:
        counts = f"{len(self.completed):,} of {number_of(len(self.trials), 'trial')} completed"
        counts += "".join(
            f", {len(trials):,} {name}"
            for name, trials in (("failed", self.failed), ("skipped", self.skipped))
            if trials
        )
        best = self.best
        answer = "no best trial" if best is None else f"best is trial {best.trial}, {_objective_in_words(self, best)}"
        return f"sweep {self.config.name}: {answer}; {counts}"

    def _tables(self) -> Iterable[Table]:
        sign = direction_sign(self.config.optimize_direction)
        ranked = sorted(self.completed, key=lambda trial: (-trial.rung, -sign * objective_of(trial), trial.trial))
        first = [*ranked, *self.failed, *self.skipped][:MOST_ROWS]
        figures = ("trial", "status", "objective", "reason", "seconds")
        named = [name for name in figures if any(getattr(trial, name) is not None for trial in first)]
        varied = sorted({name for trial in first for name in trial.hyperparameters})[: MOST_COLUMNS - len(named)]
        rows = [[*(getattr(trial, name) for name in named), *map(trial.hyperparameters.get, varied)] for trial in first]
        yield Table(title="trials, best first", columns=(*named, *varied), rows=rows, total=len(self.trials))

    def to_dict(self) -> dict[str, Any]:
        return {
            "config": self.config.to_dict(),
            "trials": [trial.to_dict() for trial in self.trials],
            "confirmations": [trial.to_dict() for trial in self.confirmations],
            "code": self.code.model_dump(mode="json"),
            "best": None if self.best is None else self.best.trial,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], *, source: str = "sweep results") -> SweepResults:
        content = validated(_Sweep, data, source, FROM_A_RUN)
        config = DAFSweepConfig.from_dict(content["config"], source=f"{source}: config")
        trials, confirmations = (
            [TrialResult.from_dict(trial, source=f"{source}: {key}") for trial in records]
            for key, records in (("trials", content["trials"]), ("confirmations", content.get("confirmations", [])))
        )
        code = CodeStamp.model_validate(data.get("code", {}))
        return cls.of(config, trials, confirmations, code=code)

    @classmethod
    def of(
        cls,
        config: DAFSweepConfig,
        trials: Sequence[TrialResult],
        confirmations: Sequence[TrialResult] = (),
        *,
        code: CodeStamp = NO_CODE,
    ) -> SweepResults:
        """Sort results and copy the configuration, so that later changes to it do not affect the results."""
        by_number = {trial.trial: trial for trial in trials}
        if len(by_number) < len(trials):
            raise BadInputError("one result per trial", "two for one number", f"sweep '{config.name}'")
        ordered = tuple(by_number[number] for number in sorted(by_number))
        return cls(config=config.model_copy(deep=True), trials=ordered, confirmations=tuple(confirmations), code=code)

    def trials_frame(self) -> pandas.DataFrame:
        """`flat_rows` as a table, shape (trials, numbers + hyperparameters)."""
        import pandas

        return pandas.DataFrame(flat_rows(self.trials))


def flat_rows(trials: Sequence[TrialResult]) -> list[dict[str, Any]]:
    """One flat row per trial: its numbers, then `hyperparameters.<name>` in order of name."""
    names = sorted({name for trial in trials for name in trial.hyperparameters})
    return [
        {figure: getattr(trial, figure) for figure in FIGURES}
        | {COLUMN_PREFIX + name: trial.hyperparameters.get(name) for name in names}
        for trial in trials
    ]


def _objective_in_words(results: SweepResults, trial: TrialResult) -> str:
    config = results.config
    _, mean = _confirmation_of(results, trial.trial)
    objective = f"{objective_of(trial):.4g}" if mean is None else f"{mean:.4g} on fresh seeds"
    return f"{results.metric} {objective} ({config.optimize_direction}d)"


def objective_of(trial: TrialResult) -> float:
    if trial.objective is None:
        raise ValueError(f"trial {trial.trial} failed: it has no objective")
    return trial.objective


def best_trial(results: SweepResults) -> TrialResult:
    """The best trial.

    Raises:
        DafError: no trial completed; the hint gives the most common reason.
    """
    if results.best is not None:
        return results.best
    reasons = [trial.failure or trial.reason or "" for trial in results.failed]
    hint = "run the sweep first"
    if reasons:
        commonest = max(dict.fromkeys(reasons), key=reasons.count)
        hint = f"most common reason ({reasons.count(commonest)} of {len(reasons)}): {commonest}"
    found = f"none of {number_of(len(results.trials), 'trial')} completed"
    raise DafError("a sweep with at least one completed trial", found, f"sweep '{results.config.name}'", hint)


# ---- confirmation -----------------------------------------------------------------------------------------
# The best of many noisy scores is biased upward, more so with more trials. The mean of the same hyperparameters on
# seeds that the search never saw shows by how much: the optimism of the search.


def finalists_of(results: SweepResults) -> list[TrialResult]:
    """The best trials of the search, best first: the number that the sweep confirms, or all if fewer completed."""
    sign = direction_sign(results.config.optimize_direction)
    ranked = sorted(results.completed, key=lambda trial: (-trial.rung, -sign * objective_of(trial), trial.trial))
    return ranked[: results.config.num_finalists]


def confirmed_trial(results: SweepResults) -> TrialResult | None:
    """The finalist that scored best on fresh seeds; None without confirmation runs.

    Fewer failed runs win, then the better mean; the better rank in the search breaks ties.
    """
    sign = direction_sign(results.config.optimize_direction)
    best: tuple[int, float] | None = None
    chosen = None
    for finalist in finalists_of(results):
        failed, mean = _confirmation_of(results, finalist.trial)
        if mean is not None and (best is None or (failed, -sign * mean) < best):
            best, chosen = (failed, -sign * mean), finalist
    return chosen


def confirmed_best(results: SweepResults) -> Confirmation | None:
    """How the finalists did on fresh seeds, and the optimism of the search; None without confirmation runs.

    `optimism` is the objective of the search's best trial minus its mean on fresh seeds, with the sign chosen so that a
    positive value means that the search was too optimistic.
    """
    chosen = confirmed_trial(results)
    if chosen is None:
        return None
    sign = direction_sign(results.config.optimize_direction)
    table: list[FinalistSummary] = []
    for rank, finalist in enumerate(finalists_of(results)):
        failed, mean = _confirmation_of(results, finalist.trial)
        objective = objective_of(finalist)
        table.append(
            {
                "rank": rank,
                "trial": finalist.trial,
                "search_objective": objective,
                "confirmed_objectives": [run.objective for run in results.confirmations if run.trial == finalist.trial],
                "confirmed_mean": mean,
                "num_failed": failed,
                "optimism": None if mean is None else sign * (objective - mean),
            }
        )
    confirmed = next(row for row in table if row["trial"] == chosen.trial)
    return {
        "trial": chosen.trial,
        "mean": confirmed["confirmed_mean"],
        "optimism": table[0]["optimism"],
        "finalists": table,
    }


def _confirmation_of(results: SweepResults, trial: int) -> tuple[int, float | None]:
    """The number of a trial's confirmation runs that failed, and the mean of the others."""
    runs = [run for run in results.confirmations if run.trial == trial]
    values = [objective_of(run) for run in runs if run.completed]
    return len(runs) - len(values), statistics.fmean(values) if values else None
