"""The trials of a sweep as people see them: how each ended, in words, and which won."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from daf.config import direction_sign
from daf.reporting.objectives import Objective
from daf.search.results import SweepResults, TrialResult, confirmed_trial
from daf.search.space import Value
from daf.statistics.sentences import MINUS, UNKNOWN
from daf.system.progress import format_duration

State = Literal["completed", "pruned", "failed", "skipped"]
STATES: tuple[State, ...] = ("completed", "pruned", "failed", "skipped")
WINNER, BEST = "winner", "best in search"
SERIES = (WINNER, BEST, *STATES)  # of all charts of the page


@dataclass(frozen=True, kw_only=True)
class TrialRow:
    """A finished trial.

    Attributes:
        state: how it ended.
        words: the same in words, with the step, if it was pruned.
        reason: why it was pruned, failed or skipped; else empty.
        marks: `WINNER` and `BEST`, where they are this trial.
    """

    result: TrialResult
    objective: Objective
    state: State
    words: str
    reason: str = ""
    marks: tuple[str, ...] = ()

    @property
    def number(self) -> int:
        return self.result.trial

    @property
    def name(self) -> str:
        return f"trial {self.number}"

    @property
    def series(self) -> str:
        """What its colour says: that it is the winner, else that it is the search's best, else its state."""
        return self.marks[0] if self.marks else self.state

    @property
    def emphasis(self) -> str:
        return {WINNER: "winner", BEST: "best"}.get(self.series, "")

    @property
    def score(self) -> str:
        """The objective, with its standard deviation over episodes where known."""
        result = self.result
        if result.objective is None:
            return UNKNOWN
        spread = "" if result.objective_sd is None else f" ± {self.objective.text(result.objective_sd)}"
        return f"{self.objective.text(result.objective)}{spread}"

    @property
    def duration(self) -> str:
        return duration(self.result.seconds)

    def setting(self, name: str) -> str:
        """The value of a hyperparameter, or a dash where it does not apply."""
        values = self.result.hyperparameters
        return value_text(values[name]) if name in values else UNKNOWN


def trial_rows(results: SweepResults, *, finished: bool = True) -> list[TrialRow]:
    """All trials, by number.

    Args:
        finished: False: the sweep still runs, so that trials in a lower rung may go on.
    """
    winner, best = confirmed_trial(results), results.best_of_search
    rows, objective = [], Objective(results.metric)
    for trial in results.trials:
        marks = [mark for mark, marked in ((WINNER, winner), (BEST, best)) if marked and marked.trial == trial.trial]
        state, words, reason = _state_of(trial, results, finished)
        row = TrialRow(
            result=trial, objective=objective, state=state, words=words, reason=reason, marks=tuple(marks)
        )  # fmt: skip
        rows.append(row)
    return rows


def _state_of(trial: TrialResult, results: SweepResults, finished: bool) -> tuple[State, str, str]:
    if trial.status != "completed":
        return trial.status, trial.status, trial.reason or ""
    steps, halving = trial.agent_steps or 0, results.config.halving
    if trial.stopped_early is not None:
        return "pruned", f"pruned at step {steps:,}", trial.stopped_early
    if halving is None or trial.rung + 1 >= halving.num_rungs:
        return "completed", "completed", ""
    rung = f"rung {trial.rung + 1} of {halving.num_rungs}"
    if not finished:
        return "completed", f"completed {rung}, at step {steps:,}", ""
    return "pruned", f"pruned at step {steps:,}", f"others in {rung} scored better"


def duration(seconds: float | None) -> str:
    """As everywhere else, '2 min 05 s'."""
    return UNKNOWN if seconds is None else format_duration(seconds)


def value_text(value: Value) -> str:
    """A hyperparameter's value, rounded to four digits."""
    if not isinstance(value, float) or not math.isfinite(value):
        return str(value)
    rounded = float(f"{value:.4g}")
    if rounded and not 1e-6 <= abs(rounded) < 1e21:
        mantissa, exponent = f"{rounded:.4g}".split("e")
        return f"{mantissa}e{int(exponent)}".replace("-", MINUS)
    return f"{Decimal(repr(rounded)):f}".removesuffix(".0").replace("-", MINUS)


# ---- the table -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Table:
    """The trials as a table that the page's script sorts and filters.

    Attributes:
        parameters: their names, in order.
        columns: what a cell is called in filters: `objective>2`.
        rows: one list of cells per trial, the best first: number, state, its words, reason, marks, objective, its
            deviation, episodes, seconds, agent-steps, then the parameters; None where a parameter does not apply.
        texts: what people see of the same trials: objective, duration, then the parameters, empty where the cell is
            that text. They are made here, because JavaScript rounds otherwise.
    """

    parameters: list[str]
    columns: list[str]
    rows: list[list[Any]]
    texts: list[list[str]]


FIXED = ("trial", "state", "words", "reason", "marks", "objective", "sd", "episodes", "seconds", "steps")


def table_of(results: SweepResults, rows: Sequence[TrialRow]) -> Table:
    """The table of all trials: by rung and objective, then those without one."""
    sign = direction_sign(results.config.optimize_direction)
    names = sorted({name for trial in results.trials for name in trial.hyperparameters})

    def rank(row: TrialRow) -> tuple[Any, ...]:
        objective = row.result.objective
        return (-row.result.rung, -sign * objective) if objective is not None else (1, STATES.index(row.state))

    ranked = sorted(rows, key=lambda row: (*rank(row), row.number))
    cells = [
        [
            row.number,
            row.state,
            row.words,
            row.reason,
            list(row.marks),
            row.result.objective,
            row.result.objective_sd,
            row.result.num_episodes,
            row.result.seconds,
            row.result.agent_steps,
            *(_cell(row.result, name) for name in names),
        ]
        for row in ranked
    ]
    texts = [[row.score, row.duration, *(_text(row, name) for name in names)] for row in ranked]
    return Table(parameters=names, columns=[*FIXED, *names], rows=cells, texts=texts)


def _cell(trial: TrialResult, name: str) -> Value:
    """A parameter's value as a number or as text; None only where it does not apply."""
    value = trial.hyperparameters.get(name)
    as_text = isinstance(value, bool) or (value is None and name in trial.hyperparameters)
    return str(value) if as_text else value


def _text(row: TrialRow, name: str) -> str:
    text = row.setting(name)
    return "" if text == _cell(row.result, name) else text
