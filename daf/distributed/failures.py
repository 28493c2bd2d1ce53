"""Why training failed: a closed set of causes, how each is recognised, and the record of every failure.

A rank that ends with an error writes the reason to the error file that torchrun provides; its agent adds the exit code,
which only a parent sees. The launcher picks the failure that caused the others: the peers of a dead rank fail, too, in
whatever they were waiting for.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import time
import traceback
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from daf.errors import EXIT_BAD_INPUT, EXIT_FAILED, DafError
from daf.system.failure_report import FailureReport
from daf.system.files import append_json_line
from daf.system.json_files import read_own_json_lines
from daf.system.validated import validated
from daf.system.worker_processes import WorkerFailedError

FAILURES = "failures.jsonl"
_PAIR = "daf/distributed/pair.py"


class Cause(StrEnum):
    """Why training did not complete; the first two are not failures."""

    NON_FINITE = "non_finite"  # status diverged
    SIGNAL = "signal"  # status interrupted
    RANK_KILLED = "rank_killed"
    RANK_STALLED = "rank_stalled"
    WORKER_KILLED = "worker_killed"  # a process that steps environments
    WORKER_STALLED = "worker_stalled"
    WORKER_ERROR = "worker_error"  # an environment raised an exception in it
    DISK_FULL = "disk_full"
    OUT_OF_MEMORY = "out_of_memory"
    WRONG_WORLD_SIZE = "wrong_world_size"
    BAD_INPUT = "bad_input"
    USER_CODE = "user_code"  # the policy raised an exception, or called sys.exit
    EVALUATIONS_FAILED = "evaluations_failed"  # every episode of every held-out evaluation
    ERROR = "error"


# Failures that can be fixed by restarting the same processes on the same machines. With a full disk, too little memory,
# wrong input or a mistake in the policy they would only fail again.
OF_WORKERS = frozenset({Cause.WORKER_KILLED, Cause.WORKER_STALLED, Cause.WORKER_ERROR})
RESTARTED = frozenset({Cause.RANK_KILLED, Cause.RANK_STALLED, Cause.ERROR}) | OF_WORKERS

# Exit codes of ranks and agents, from sysexits.h: they convey the cause even if no file can be written.
EXIT_CODES = {
    Cause.BAD_INPUT: EXIT_BAD_INPUT,
    Cause.USER_CODE: 65,
    Cause.WORKER_KILLED: 69,
    Cause.RANK_STALLED: 70,
    Cause.OUT_OF_MEMORY: 71,
    Cause.WORKER_ERROR: 72,
    Cause.DISK_FULL: 73,
    Cause.WORKER_STALLED: 74,
    Cause.WRONG_WORLD_SIZE: 76,
    Cause.ERROR: EXIT_FAILED,
}


class WrongWorldSizeError(DafError):
    """The process group is not the requested one."""

    exit_code = EXIT_CODES[Cause.WRONG_WORLD_SIZE]


class TrainingFailedError(DafError):
    """The processes ended without an outcome; `cause` says why."""

    def __init__(self, expected: str, found: str, where: str, hint: str = "", cause: Cause = Cause.ERROR) -> None:
        super().__init__(expected, found, where, hint)
        self.args = (expected, found, where, hint, cause)  # for pickle
        self.cause = cause
        self.exit_code = EXIT_BAD_INPUT if cause is Cause.BAD_INPUT else EXIT_FAILED


@dataclass(frozen=True, kw_only=True)
class Failure:
    """One failure of a rank, or of the whole group (`rank` None).

    Attributes:
        cause: why, one of a closed set.
        reason: the same in words.
        rank: number of the process; None: the whole group.
        host: its machine.
        update, agent_steps: the rank's progress, according to its heartbeat.
        parts: expected, found, where and hint, if the rank ended with a DafError.
        symptom: the rank failed while it waited for its peers, so the cause is probably theirs.
        time: seconds since the epoch.
    """

    cause: Cause
    reason: str
    rank: int | None = None
    host: str | None = None
    update: int | None = None
    agent_steps: int | None = None
    parts: tuple[str, str, str, str] | None = None
    symptom: bool = False
    time: float = 0.0

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Failure:
        return validated(cls, content, "report of a failure")

    @classmethod
    def of_exception(cls, error: BaseException) -> Failure:
        """The failure that an exception in this process represents."""
        parts = (error.expected, error.found, error.where, error.hint) if isinstance(error, DafError) else None
        reason = f"{parts[2]}: expected {parts[0]}, found {parts[1]}" if parts else str(FailureReport.of(error))
        frames = traceback.extract_tb(error.__traceback__)
        cause = cause_of(error)
        symptom = cause in (Cause.ERROR, Cause.USER_CODE) and waits_for_peers(frames)
        return cls(cause=cause, reason=reason, parts=parts, symptom=symptom, time=time.time())

    @classmethod
    def of_exit_code(cls, code: int, rank: int | None, host: str | None) -> Failure:
        """The failure of a rank (or whole agent, `rank` None) known only by its exit code, -n for signal n."""
        who = f"rank {rank} on {host}" if rank is not None else "the processes"
        if code < 0:
            name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
            # NCCL aborts the peers of a dead rank.
            aborted = -code == signal.SIGABRT
            reason = f"{who} killed by {name}"
            return cls(cause=Cause.RANK_KILLED, reason=reason, rank=rank, host=host, symptom=aborted, time=time.time())
        cause = next((cause for cause, known in EXIT_CODES.items() if known == code), Cause.ERROR)
        symptom = cause is Cause.ERROR
        reason = f"{who} ended with exit code {code}"
        return cls(cause=cause, reason=reason, rank=rank, host=host, symptom=symptom, time=time.time())

    @property
    def exit_code(self) -> int:
        """The exit code of the process that reports it."""
        return EXIT_CODES.get(self.cause, EXIT_FAILED)


def cause_of(error: BaseException) -> Cause:
    """The cause behind an exception; follows exceptions raised from others."""
    if isinstance(error, WrongWorldSizeError):
        return Cause.WRONG_WORLD_SIZE
    if isinstance(error, TrainingFailedError):
        return error.cause
    if isinstance(error, WorkerFailedError):
        return _cause_of_worker(error)
    if isinstance(error, DafError) and error.exit_code == EXIT_BAD_INPUT:
        return Cause.BAD_INPUT
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Cause.DISK_FULL
    names = {kind.__name__ for kind in type(error).__mro__}  # torch's by name: this module must not import torch
    starved = isinstance(error, OSError) and error.errno == errno.ENOMEM
    if names & {"MemoryError", "OutOfMemoryError"} or starved or _no_memory_says(error):
        return Cause.OUT_OF_MEMORY
    if error.__cause__ is not None:
        return cause_of(error.__cause__)
    # A policy may meet a failing disk, network or GPU, too; only these may go away by themselves.
    outside = isinstance(error, OSError) or "AcceleratorError" in names or "CUDA error" in str(error)
    of_user = isinstance(error, SystemExit) or (FailureReport.of(error).in_user_code and not outside)
    return Cause.USER_CODE if of_user else Cause.ERROR


def _no_memory_says(error: BaseException) -> bool:
    """Whether it is an error of torch's allocator on the CPU, or of CUDA's libraries, which have no class for it."""
    text = str(error)
    of_cuda = "_STATUS_ALLOC_FAILED" in text or ("out of memory" in text and "cuda" in text.lower())
    return "can't allocate memory" in text or (isinstance(error, RuntimeError) and of_cuda)


def _cause_of_worker(error: WorkerFailedError) -> Cause:
    """Its own cause, unless what the environment raised has one that says more."""
    if error.kind == "raised":
        raised = Cause.ERROR if error.__cause__ is None else cause_of(error.__cause__)
        return Cause.WORKER_ERROR if raised in (Cause.ERROR, Cause.USER_CODE) else raised
    return Cause.WORKER_KILLED if error.kind == "killed" else Cause.WORKER_STALLED


def waits_for_peers(frames: Iterable[traceback.FrameSummary]) -> bool:
    """Whether a stack is inside a collective operation."""
    return any(frame.filename.endswith(_PAIR) or "torch/distributed/" in frame.filename for frame in frames)


def write_error_file(failure: Failure) -> None:
    """Report to the agent why this rank ends; without an agent, do nothing."""
    path = os.environ.get("TORCHELASTIC_ERROR_FILE")
    if path is None:
        return
    message = {"message": failure.reason, "extraInfo": {"timestamp": str(int(failure.time))}}
    try:
        Path(path).write_text(json.dumps({"message": message, "daf": asdict(failure)}))
    except OSError:  # a full disk; the exit code must suffice
        pass


def origin(failures: list[Failure]) -> Failure:
    """The failure that caused the others."""
    return min(failures, key=lambda failure: (failure.symptom, failure.time))


# ---- the record -------------------------------------------------------------------------------------------


def record_failure(state: Path, failure: Failure) -> None:
    """Append a failure to the list in a recipe's state folder."""
    state.mkdir(parents=True, exist_ok=True)
    kept = ("cause", "reason", "rank", "host", "update", "agent_steps")
    line = {name: getattr(failure, name) for name in kept}
    line["at"] = datetime.fromtimestamp(failure.time, UTC).isoformat(timespec="seconds")
    append_json_line(state / FAILURES, line)


def read_failures(state: Path) -> list[dict[str, Any]]:
    """All failures of a recipe's processes so far, oldest first; in a completed run, the reasons for its restarts.

    Each has cause, reason, rank, host, update, agent_steps and `at` (UTC). A damaged line,
    by a crash or a full disk for example, is left out with a warning.
    """
    path = state / FAILURES
    return read_own_json_lines(path, "a list of failures") if path.exists() else []


def host_name() -> str:
    """The name of this machine in its cluster."""
    return os.environ.get("SLURMD_NODENAME") or socket.gethostname()
