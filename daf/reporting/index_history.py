"""The history of an output folder in words: when, which experiment, what changed, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from daf.system.nouns import number_of
from daf.system.progress import format_duration
from daf.workflow.run_history import PastRun, changes
from daf.workflow.status_words import clock

if TYPE_CHECKING:
    from daf.reporting.index_facts import IndexFacts

MOST_CHANGES = 3  # that show without unfolding


@dataclass(frozen=True, kw_only=True)
class HistoryRow:
    """A run.

    Attributes:
        began: when.
        took: how long; empty if that is unknown.
        experiment: its name.
        files: its configuration.
        changed: what differs from the run of the same experiment before; `others` are further differences.
        state: how it ended, and how many of its jobs are done.
        results: what the pages of its results said.
    """

    began: str
    took: str
    experiment: str
    files: str
    changed: list[str]
    others: list[str]
    state: str
    results: list[dict[str, str]]


def history_rows(facts: IndexFacts) -> list[HistoryRow]:
    """A row for every run that the facts hold, the newest first."""
    return [_row(facts, number) for number in range(len(facts.history))]


def _row(facts: IndexFacts, number: int) -> HistoryRow:
    past = facts.history[number]
    before = next((one for one in facts.history[number + 1 :] if one.experiment == past.experiment), None)
    if before is not None:
        changed = changes(before, past) or ["nothing"]
    else:
        changed = ["first run of this experiment" if not facts.older else "an older run, or the first"]
    ended = past.ended
    state, done = past.state, past.num_done
    if past.is_run_of(facts.status.record):
        state, done, ended = facts.status.state, len(facts.status.done), facts.status.record.ended
    elif state == "running":  # killed together with the process that keeps the history
        state = "killed"
    return HistoryRow(
        began=clock(past.began),
        took="" if ended is None else format_duration(ended - past.began),
        experiment=past.experiment,
        files=_configuration(past),
        changed=changed[:MOST_CHANGES],
        others=changed[MOST_CHANGES:],
        state=f"{_STATES.get(state, state)}, {done:,} of {number_of(past.num_jobs, 'job')}",
        results=list(past.results),
    )


_STATES = {"done": "finished", "failed": "not complete"}


def _configuration(past: PastRun) -> str:
    if past.overrides:
        sets = ", ".join(f"{key}={value['after']}" for key, value in past.overrides["keys"].items())
        return f"{past.overrides['file']} with {sets}"
    return ", ".join(past.files)
