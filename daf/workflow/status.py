"""What the last run of an output folder has done, does, and has left to do: read from files, and Slurm's queue.

A job is done when it has left the record of its files; it runs when it has left its state and its process lives.
Whoever was killed could not write so, which is why "running" in a file is only believed of a process that lives.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from daf.errors import BadInputError, DafError
from daf.system.job_records import RECORD
from daf.system.job_states import STATE, JobState
from daf.system.process_identity import ProcessIdentity
from daf.workflow.estimates import Estimate, estimate, seconds_by_rule
from daf.workflow.run_record import RUN, SILENT_SECONDS, PlannedJob, RunRecord

TAIL_BYTES = 8192  # of a log
LAST_LINES = 12  # of them that are kept
HEADER = "# session "  # how the first line of a log begins (daf/logging_config.py): it is nothing that a job says
_LEFT = re.compile(r" · (?:(\d+) h )?(?:(\d+) min ?)?(?:([\d.]+) s )?left")
_PROGRESS = re.compile(r" · ([\d,]+ of [\d,]+ [^·\n]*)")
Where = Literal["done", "running", "failed", "stopped", "left"]
RunState = Literal["running", "queued", "killed", "done", "failed"]


@dataclass(frozen=True, kw_only=True)
class JobStatus:
    """A job that has started and is not done.

    Attributes:
        process: that runs it, or ran it.
        where: `stopped` means that it was interrupted or killed: the next run continues it.
        began: when it started, seconds since 1970.
        log: its log.
        last_line: what it said last.
        progress: how far it is, in its own words; empty if it has not said.
        seconds_left: what it says itself; None if it has not said.
        last_lines: of its log, the newest last.
    """

    job: PlannedJob
    process: ProcessIdentity
    where: Where
    began: float
    log: Path
    last_line: str
    progress: str
    seconds_left: float | None
    last_lines: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ExperimentStatus:
    """What a run has done, does, and has left.

    Attributes:
        out: the output folder.
        record: of the run.
        state: of the run: `killed` if it ended without saying so.
        done, left: jobs that are done, and those that have not started.
        started: those that have started and are not done.
        num_done_before: how many jobs were up to date when it began.
        remaining: what the jobs that are not done will take; a running one, what it says itself.
        asked_slurm: whether Slurm's queue is part of the answer.
    """

    out: Path
    record: RunRecord
    state: RunState
    done: list[PlannedJob]
    left: list[PlannedJob]
    started: list[JobStatus]
    num_done_before: int
    asked_slurm: bool

    def jobs(self, where: Where) -> list[JobStatus]:
        return [job for job in self.started if job.where == where]

    @cached_property
    def remaining(self) -> Estimate:
        """Computed only if asked: it reads benchmarks."""
        told = [status.seconds_left for status in self.jobs("running") if status.seconds_left is not None]
        silent = [status for status in self.started if status.where != "running" or status.seconds_left is None]
        durations = seconds_by_rule(self.record.jobs, self.out / "logs")
        others = estimate([*self.left, *(status.job for status in silent)], durations, self.record.parallel)
        # Others may need what the running ones make: the longest of these comes first.
        return replace(others, seconds=others.seconds + max(told, default=0.0))


Queue = Callable[[], Collection[str] | None]


def read_status(out: Path, queue: Queue = lambda: None) -> ExperimentStatus:
    """The state of the last run in an output folder.

    Args:
        queue: the ids of the user's Slurm jobs that have not ended; None if Slurm does not answer. Asked at most once,
            and only if a process on another machine, in a Slurm job, may live.

    Raises:
        BadInputError: no run has left a record there.
    """
    path = out / RUN
    if not path.is_file():
        hint = "runs leave it before their first job: start one with `daf run`, or name its file or output folder"
        raise BadInputError("the record of a run", "no such file", str(path), hint)
    record = RunRecord.read(path)
    lives = _Liveness(path, queue)
    marks = dict(job_marks(out / "logs"))
    run_lives = lives.lives(record.process) if record.status == "running" else False
    done, left, started = [], [], []
    for job in record.jobs:
        if not job.needed:
            continue
        stem = os.path.splitext(os.path.normpath(job.log))[0]
        recorded = marks.get(stem + RECORD)
        if recorded is not None and recorded != job.record_ns:
            done.append(job)
        elif stem + STATE not in marks:
            left.append(job)
        elif status := _started(job, out / "logs", stem, lives, run_lives=run_lives):
            started.append(status)
        else:
            done.append(job)  # a moment ago
    return ExperimentStatus(
        out=out,
        record=record,
        state=_state(record, run_lives, is_complete=not left and not started),
        done=done,
        left=left,
        started=started,
        num_done_before=sum(not job.needed for job in record.jobs),
        asked_slurm=lives.asked,
    )


def _state(record: RunRecord, run_lives: bool, *, is_complete: bool) -> RunState:
    if run_lives:
        return "running"
    if is_complete:
        return "done"
    return "killed" if record.status == "running" else record.status


class _Liveness:
    """Whether processes live, with one question to Slurm at most."""

    def __init__(self, record: Path, queue: Queue) -> None:
        self._record, self._queue = record, queue
        self.asked = False

    @cached_property
    def _queued(self) -> Collection[str] | None:
        self.asked = True
        return self._queue()

    def lives(self, process: ProcessIdentity) -> bool:
        if (here := process.runs()) is not None:
            return here
        if process.slurm_job_id and self._queued is not None:
            return process.slurm_job_id in self._queued
        # Elsewhere, and Slurm cannot say: as long as its run shows that it lives.
        return time.time() - self._record.stat().st_mtime < SILENT_SECONDS


def job_marks(logs: Path) -> Iterator[tuple[str, int]]:
    """Records and states of jobs below the folder of logs, relative to it, with their time in ns."""
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        try:
            entries = list(os.scandir(logs / folder))
        except OSError:  # removed in between
            continue
        for entry in entries:
            name = os.path.join(folder, entry.name)
            if entry.name.endswith((RECORD, STATE)) and not entry.name.startswith("."):
                try:
                    yield name, entry.stat().st_mtime_ns
                except OSError:  # the job ended in between
                    continue
            elif entry.is_dir(follow_symlinks=False) and name not in ("benchmarks", "slurm", "experiments", "history"):
                waiting.append(name)


def _started(job: PlannedJob, logs: Path, stem: str, lives: _Liveness, *, run_lives: bool) -> JobStatus | None:
    """The status of a job that has left its state; None if it is done by now."""
    try:
        state = JobState.read(logs / (stem + STATE))
    except DafError:
        return None
    where: Where = "stopped"
    if state.status == "running" and lives.lives(state.process):
        where = "running"
    elif state.status == "failed" or (state.status == "running" and run_lives):  # it died alone
        where = "failed"
    log = logs / job.log
    lines = last_lines(log)
    line = _line_of_progress(lines)
    said = _PROGRESS.search(line)
    return JobStatus(
        job=job,
        process=state.process,
        where=where,
        began=state.began,
        log=log,
        last_line=lines[-1].strip() if lines else "",
        progress=said[1].strip() if said else "",
        seconds_left=_seconds_left(line),
        last_lines=tuple(lines[-LAST_LINES:]),
    )


def _line_of_progress(lines: Sequence[str]) -> str:
    return next((line for line in reversed(lines) if _PROGRESS.search(line)), "")


def told_seconds_left(log: Path) -> float | None:
    """How long a job takes yet, as it said last; None if it has not said."""
    return _seconds_left(_line_of_progress(last_lines(log)))


def _seconds_left(line: str) -> float | None:
    """What a line of progress says, as `daf.system.progress` writes it."""
    found = _LEFT.search(line)
    if found is None:
        return None
    hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return 3600 * hours + 60 * minutes + seconds


def last_lines(log: Path) -> list[str]:
    """What a job has said lately; none if it has said nothing, or has no log."""
    try:
        with open(log, "rb") as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - TAIL_BYTES))
            text = stream.read().decode("utf-8", errors="replace")
    except OSError:
        return []
    lines = (line.rstrip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith(HEADER)]
