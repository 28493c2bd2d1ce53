"""What DAF replaces in a running Snakemake: how the scripts of jobs start, and what it prints about them.

tests/workflow/test_snakemake_hooks.py fails when Snakemake changes one of the names that this uses.
"""

from __future__ import annotations

import importlib
import logging
import re
import subprocess
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

# ---- what is printed --------------------------------------------------------------------------------------------

# What Snakemake says about the end of jobs, which has been said in other words.
_ENDS = re.compile(
    r"\s*(RuleException|WorkflowError|CalledProcessError|SpawnedJobError|Exiting because a job|Error in rule)"
)
_RESTARTS = re.compile(r"Trying to restart job (\d+)\.")
# What it says of itself before a run: nothing that one could act on.
_PREAMBLE = re.compile(
    r"Assuming unrestricted shared filesystem|Building DAG|Using shell|Rules claiming more threads"
    r"|Conda environments: ignored"
)
_INTERRUPTED = "Terminating processes on user request"


class _InPlaceOfMessages(logging.Filter):
    """Lets warnings pass, and hands on what happens to jobs."""

    def __init__(self, listener: JobListener) -> None:
        super().__init__()
        self._listener = listener

    def filter(self, record: logging.LogRecord) -> bool:
        from snakemake.logging import LogEvent

        event, text = getattr(record, "event", None), str(record.msg or "")
        if event is LogEvent.JOB_INFO:
            self._listener.started(record.__dict__["jobid"])
        elif event is LogEvent.JOB_FINISHED:
            self._listener.finished(record.__dict__["job_id"])
        elif event is LogEvent.JOB_ERROR:
            self._listener.failed(record.__dict__["jobid"])
        elif restarted := _RESTARTS.match(text):
            self._listener.retried(int(restarted[1]))
        elif text.startswith(_INTERRUPTED):
            self._listener.interrupted()
        return record.levelno >= logging.WARNING and event is not LogEvent.JOB_ERROR and not _ENDS.match(text)


class JobListener(Protocol):
    """Learns what happens to the jobs of a run; `number` is Snakemake's."""

    def started(self, number: int) -> None: ...
    def finished(self, number: int) -> None: ...
    def failed(self, number: int) -> None: ...
    def retried(self, number: int) -> None: ...
    def interrupted(self) -> None: ...


class _InPlaceOfDryRun(logging.Filter):
    """Lets warnings pass, and tells when the jobs to run are known."""

    def __init__(self, tell: Callable[[], None]) -> None:
        super().__init__()
        self._tell, self._told = tell, False

    def filter(self, record: logging.LogRecord) -> bool:
        from snakemake.common import NOTHING_TO_BE_DONE_MSG
        from snakemake.logging import LogEvent

        is_known = getattr(record, "event", None) is LogEvent.RUN_INFO or record.msg == NOTHING_TO_BE_DONE_MSG
        if is_known and not self._told:  # Snakemake repeats it at the end
            self._told = True
            self._tell()
        return record.levelno >= logging.WARNING


def replace_dry_run(tell: Callable[[], None]) -> None:
    """Call `tell` when a dry-run knows what is to run, instead of printing it."""
    _filter_terminal(_InPlaceOfDryRun(tell))


def replace_messages(listener: JobListener) -> None:
    """Hand on what happens to jobs instead of printing it; warnings and the log file stay."""
    _filter_terminal(_InPlaceOfMessages(listener))


def drop_preamble() -> None:
    """Do not print what Snakemake says of itself before a run; its log file has it."""
    _filter_terminal(lambda record: not _PREAMBLE.match(str(record.msg or "")))


def _filter_terminal(first: logging.Filter | Callable[[logging.LogRecord], bool]) -> None:
    """Filter what Snakemake prints, before the filter that `quiet` sets."""
    from snakemake.logging import ColorizingTextHandler, logger

    for handler in logger.handlers:
        if isinstance(handler, ColorizingTextHandler):
            handler.filters.insert(0, first)


def drop_words_about_profiles() -> None:
    """Let Snakemake read its profiles without a line about it, which it prints before anything else."""
    cli: Any = importlib.import_module("snakemake.cli")

    def say(*values: object, **options: Any) -> None:
        if not str(values[0] if values else "").startswith("Using "):
            print(*values, **options)

    cli.print = say


def replace_lock_advice(explain: Callable[[], str]) -> None:
    """Say why a locked folder is refused, in place of the advice to remove the locks of all runs."""
    from snakemake.exceptions import LockException, WorkflowError

    def explained(error: LockException) -> None:
        WorkflowError.__init__(error, explain())

    exception: Any = LockException
    exception.__init__ = explained


# ---- how scripts start ------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class StartingScript:
    """A Python script that Snakemake is about to start for a job.

    Attributes:
        path: of the script as Snakemake wrote it.
        rule: of the job.
        log: its log; None if its rule has none.
        params: of the job.
        environment, streams: of its process; standard input, output and error.
    """

    path: str
    rule: str
    log: str | None
    params: Mapping[str, Any]
    environment: Mapping[str, str] = field(default_factory=dict)
    streams: tuple[int, int, int] = (0, 1, 2)


MEASURING_SECONDS, FIRST_LOOKS = 2.0, 2


def measure_jobs_less_often() -> Callable[[], None]:
    """Let Snakemake look at a job's memory twice in its first second and every 2 s in its first minute, not twice a
    second for 15 s; return what undoes it.

    A look walks through all pages of a process with torch, which takes 35 ms: a second for a job of 15 s.
    """
    benchmark: Any = importlib.import_module("snakemake.benchmark")

    def schedule(timer: Any) -> None:
        seconds = benchmark.BENCHMARK_INTERVAL_SHORT
        if timer._times_called > FIRST_LOOKS:
            seconds = MEASURING_SECONDS if timer._times_called <= timer._interval else timer._interval
        timer._timer = benchmark.DaemonTimer(seconds, timer._action)
        timer._timer.start()

    timer_class = benchmark.ScheduledPeriodicTimer
    original = timer_class._schedule
    timer_class._schedule = schedule
    return lambda: setattr(timer_class, "_schedule", original)


def replace_script_starts(
    start: Callable[[StartingScript], Any], around: Callable[[StartingScript], AbstractContextManager[None]]
) -> Callable[[], None]:
    """Let `start` start the scripts of this machine's jobs in this run; return what undoes it.

    Snakemake runs a script with its `shell`, which adds environment variables, measures the process and waits for it.
    Only the process is replaced, so that all of that remains Snakemake's own.

    Args:
        start: returns what is used in place of a `subprocess.Popen`, or None: Snakemake starts the script itself.
        around: entered before each start, and left when the script has ended.
    """
    from snakemake.script import PythonScript

    shell: Any = importlib.import_module("snakemake.shell")  # as a name, it is the class in this module
    this_thread = threading.local()
    execute = PythonScript.execute_script

    def execute_script(script: Any, path: str, edit: bool = False) -> None:
        log = str(script.log[0]) if script.log else None
        starting = StartingScript(path=path, rule=script.rulename, log=log, params=dict(script.params.items()))
        needs_shell = (
            script.conda_env or script.container_img or script.env_modules or script.resources.get("shell_exec")
        )
        this_thread.starting = None if needs_shell else starting
        with around(starting):
            execute(script, path, edit=edit)

    class Subprocess:
        def __getattr__(self, name: str) -> Any:
            return getattr(subprocess, name)

        @staticmethod
        def Popen(command: str, **options: Any) -> Any:  # noqa: N802 - the name that Snakemake uses
            starting, this_thread.starting = getattr(this_thread, "starting", None), None
            if starting is not None:
                output = options.get("stdout")
                streams = (0, 1 if output is None else output.fileno(), 2)
                if process := start(replace(starting, environment=options["env"], streams=streams)):
                    return process
            return subprocess.Popen(command, **options)  # nosec B602  # as Snakemake does

    def undo() -> None:
        PythonScript.execute_script, shell.sp = execute, subprocess

    PythonScript.execute_script, shell.sp = execute_script, Subprocess()
    return undo
