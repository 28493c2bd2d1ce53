"""What a run says in the terminal besides its jobs: a line as each job ends, and what it waits for when all is silent.

It replaces most of Snakemake's own messages, which go to Snakemake's log file all the same. Jobs write their progress
themselves.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from daf.errors import DafError
from daf.logging_config import FORMATTER, DAFLogger
from daf.system.job_states import JobState, state_path
from daf.system.nouns import number_of
from daf.system.progress import format_duration
from daf.system.waiting import SILENCE_SECONDS, TICK_SECONDS, next_patience
from daf.workflow.estimates import estimate, seconds_by_rule, seconds_of
from daf.workflow.run_record import PlannedJob
from daf.workflow.status import last_lines, told_seconds_left

MOST_NAMED = 3
_SAID_BY_SCRIPTS = (1, 2, 75)  # exit codes of a job that has told the terminal why


@dataclass(frozen=True, kw_only=True)
class Running:
    """A job that runs.

    Attributes:
        job: what it is.
        began: when it started, by the clock.
    """

    job: PlannedJob
    began: float


class RunMessages:
    """The messages of one run.

    Args:
        experiment: its name.
        jobs: by Snakemake's number, each job with a log.
        logs: the folder of logs.
        parallel: how many cores jobs may use at once.
        logger: where the lines go.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        experiment: str,
        jobs: Mapping[int, PlannedJob],
        logs: Path,
        *,
        parallel: int,
        logger: DAFLogger,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.experiment, self.total = experiment, sum(job.needed for job in jobs.values())
        self._jobs, self._logs, self._parallel, self._logger, self._clock = jobs, logs, parallel, logger, clock
        self._lock = threading.RLock()
        self._left = {number: job for number, job in jobs.items() if job.needed}
        self._running: dict[int, Running] = {}
        self._durations: dict[str, list[float]] = {}
        self._earlier = seconds_by_rule(jobs.values(), logs)
        self._spoke, self._patience = clock(), SILENCE_SECONDS
        self._silent_since = self._spoke  # but for words about waiting
        self.num_done = self.num_failed = 0
        self._failed: dict[int, PlannedJob] = {}  # and not made since
        self.was_interrupted = False
        self._ended = threading.Event()

    def started(self, number: int) -> None:
        with self._lock:
            if job := self._left.get(number):
                self._running[number] = Running(job=job, began=self._clock())

    def finished(self, number: int) -> None:
        with self._lock:
            self._left.pop(number, None)
            if running := self._running.pop(number, None):
                self.num_done += 1
                self._failed.pop(number, None)
                took = self._clock() - running.began
                self._durations.setdefault(running.job.rule, []).append(took)
                self._say(f"{_name(running.job)} · done in {format_duration(took)} · {self._state()}")

    def failed(self, number: int) -> None:
        with self._lock:
            self._left.pop(number, None)
            running = self._running.pop(number, None)
            job = running.job if running else self._jobs.get(number)
            if job is None:
                return
            log = self._logs / job.log
            state = _state_of(log)
            if self.was_interrupted or (state is not None and state.status == "interrupted"):
                return  # it has said so
            self.num_failed += 1
            self._failed[number] = job
            after = f" after {format_duration(self._clock() - running.began)}" if running else ""
            how = _how(state)
            self._logger.error(f"{_name(job)} · failed{after}{how} · see {log}")
            if how:
                _note(log, f"{_name(job)}{how}")
            self._spoke = self._silent_since = self._clock()

    def failures(self) -> list[str]:
        """The jobs that failed and were not made by a retry, each with its log."""
        with self._lock:
            return [f"{_name(job)}, see {self._logs / job.log}" for job in self._failed.values()]

    def interrupted(self) -> None:
        with self._lock:
            self.was_interrupted = True
            jobs = ", ".join(_name(each.job) for each in list(self._running.values())[:MOST_NAMED])
            self._say(f"interrupted · waiting for jobs to save what they have{jobs and ': '}{jobs}")

    def retried(self, number: int) -> None:
        """It is queued again."""
        with self._lock:
            if job := self._jobs.get(number):
                self._left[number] = job

    def watch(self) -> None:
        """Say what the run waits for, whenever nothing else is said, until `end`."""
        threading.Thread(target=self._watch, daemon=True, name="messages").start()

    def end(self) -> None:
        self._ended.set()

    def _watch(self) -> None:
        while not self._ended.wait(TICK_SECONDS):
            self.look()

    def look(self) -> None:
        """Say what the run waits for, if nothing has been said for a while."""
        with self._lock:
            running = list(self._running.values())
            told = max((_spoke_at(self._logs / each.job.log) for each in running), default=0.0)
            if told > self._spoke:  # jobs write to the terminal, too
                self._spoke, self._silent_since, self._patience = told, told, SILENCE_SECONDS
            now = self._clock()
            if now - self._spoke < self._patience:
                return
            since, patience = self._silent_since, next_patience(self._patience, now - self._silent_since)
            self._say(f"{self._waiting(running, now)} · {self._state()}")
            self._silent_since, self._patience = since, patience

    def _waiting(self, running: list[Running], now: float) -> str:
        if not running and not self._left:
            return "waiting for the last pages"
        if not running:
            return f"waiting for Snakemake to {'end' if self.was_interrupted else 'choose jobs'}"
        names = [f"{_name(each.job)} ({format_duration(now - each.began)})" for each in running[:MOST_NAMED]]
        more = f" and {len(running) - MOST_NAMED} more" if len(running) > MOST_NAMED else ""
        return f"waiting for {', '.join(names)}{more}"

    def _state(self) -> str:
        failed = f", {self.num_failed} failed" if self.num_failed else ""
        return f"{self.num_done:,} of {number_of(self.total, 'job')}{failed}{self._time_left()}"

    def _time_left(self) -> str:
        """Of the experiment, if something is known of every rule with jobs left, and if it goes on."""
        if self.was_interrupted:
            return ""
        durations = self._earlier | {rule: median(seconds) for rule, seconds in self._durations.items()}
        now = self._clock()
        told = {number: left for number, each in self._running.items() if (left := self._told(each, now)) is not None}
        # As in `daf status`: others may need what the running ones make.
        others = {number: job for number, job in self._left.items() if number not in told}
        remaining = estimate(list(others.values()), durations, self._parallel)
        if remaining.unknown or not self._left:
            return ""
        running = [
            (each, seconds_of(each.job, durations) or 0.0) for number, each in self._running.items() if number in others
        ]
        spent = sum(min(now - each.began, seconds) for each, seconds in running)
        seconds = remaining.seconds - spent / self._parallel + max(told.values(), default=0.0)
        return f", about {format_duration(max(1.0, seconds))} left{' (a first estimate)' if remaining.first else ''}"

    def _told(self, running: Running, now: float) -> float | None:
        """How long a job takes yet by its own words; None if it has not said."""
        log = self._logs / running.job.log
        spoke = _spoke_at(log)
        seconds = told_seconds_left(log) if spoke >= running.began else None
        return None if seconds is None else max(0.0, seconds - (now - spoke))

    def _say(self, text: str) -> None:
        self._logger.info(text)
        self._spoke = self._silent_since = self._clock()
        self._patience = SILENCE_SECONDS


def _state_of(log: Path) -> JobState | None:
    """What a job has left, if it did not succeed."""
    path = state_path(log)
    try:
        return JobState.read(path) if path.is_file() else None
    except DafError:
        return None


def _how(state: JobState | None) -> str:
    """How a job ended that could not say so itself."""
    code = state.exit_code if state is not None else None
    if code is None or code in _SAID_BY_SCRIPTS:
        return ""
    number = -code if code < 0 else code - 128
    return f": killed by {signal.Signals(number).name}" if number in set(signal.Signals) else f": exit code {code}"


def _note(log: Path, text: str) -> None:
    """Write the last line of a log whose process could not write it."""
    record = logging.LogRecord("daf", logging.ERROR, "", 0, text, None, None)
    with suppress(OSError), log.open("a", encoding="utf-8") as file:
        file.write(f"{FORMATTER.format(record)}\n")


def _name(job: PlannedJob) -> str:
    return f"{job.rule} {job.name}".strip()


def _spoke_at(log: Path) -> float:
    """When a job said something last; 0 if it has not."""
    try:
        return log.stat().st_mtime if last_lines(log) else 0.0
    except OSError:
        return 0.0
