"""What a run of the workflow leaves in the output folder, so that others see what it does: `logs/run.json`.

The process that the user started writes it before its first job and when it ends. While it runs, it touches the file
now and then: on another machine, that is all that shows that it lives.
"""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from daf.errors import DafError
from daf.system.files import with_digest, write_text
from daf.system.job_records import record_path
from daf.system.job_states import STATE, JobState, state_path
from daf.system.json_files import read_sealed
from daf.system.process_identity import ProcessIdentity

RUN = Path("logs") / "run.json"  # in the output folder
HEARTBEAT_SECONDS = 10.0
SILENT_SECONDS = 6 * HEARTBEAT_SECONDS  # a run elsewhere that has not touched its file for so long is dead
# Of the process that was started, before Snakemake's Slurm executor clears the environment.
SLURM_JOB_ID = os.environ.get("SLURM_JOB_ID")


@dataclass(frozen=True, kw_only=True)
class PlannedJob:
    """A job of the workflow.

    Attributes:
        rule: its rule.
        name: its wildcards, as in `miner/seed-1`.
        log: relative to the folder `logs`; names what the job leaves next to it.
        benchmark: the same, of the file with its duration; null: it has none.
        threads: cores that it uses.
        needed: whether the run makes it; otherwise it was up to date.
        record_ns: when the record of its last success was written, in ns since 1970; null: never.
        first_estimate_s: seconds that it takes by DAF's own measurements; null: unknown.
    """

    rule: str
    name: str
    log: str
    benchmark: str | None
    threads: int
    needed: bool
    record_ns: int | None = None
    first_estimate_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """A run of the workflow.

    Attributes:
        experiment: name of the experiment.
        files: the configuration files.
        folder: where it runs, an absolute path.
        process: that the user, or Slurm, started.
        began, ended: seconds since 1970; null while it runs.
        status: how it ended; `running` also of a run that was killed.
        parallel: how many cores it may use here, or how many jobs may be submitted.
        submits: whether its jobs run on a cluster.
        jobs: what it makes, and what was up to date.
    """

    experiment: str
    files: list[str]
    folder: str
    process: ProcessIdentity
    began: float
    parallel: int
    submits: bool
    jobs: list[PlannedJob]
    status: Literal["running", "done", "failed"] = "running"
    ended: float | None = None

    def write(self, path: Path) -> None:
        # On one line: a sweep has thousands of jobs.
        write_text(path, json.dumps(with_digest(asdict(self))) + "\n")

    @classmethod
    def read(cls, path: Path) -> RunRecord:
        return read_sealed(path, "the record of a run", cls._of)

    @classmethod
    def _of(cls, content: dict[str, Any]) -> RunRecord:
        jobs = [PlannedJob(**job) for job in content["jobs"]]
        return cls(**{**content, "process": ProcessIdentity(**content["process"]), "jobs": jobs})


def begin_run(record: RunRecord, out: Path) -> None:
    """Write the record of a run that starts in this process, and show that it lives until the process ends."""
    path = out / RUN
    logs = out / "logs"
    jobs = [replace(job, record_ns=_modified_ns(record_path(logs / job.log))) for job in record.jobs]
    left_behind = set(logs.rglob(f"*{STATE}"))
    for path_of_state in left_behind & {state_path(logs / job.log) for job in jobs if job.needed}:
        _forget_dead(path_of_state)
    replace(record, jobs=jobs).write(path)
    threading.Thread(target=_beat, args=(path,), daemon=True, name="heartbeat").start()


def end_run(out: Path, status: Literal["done", "failed"]) -> None:
    """Write how the run of this process ended; nothing, if it has no record."""
    path = out / RUN
    try:
        record = RunRecord.read(path)
    except DafError:
        return
    own = ProcessIdentity.own()
    if (record.process.host, record.process.pid) == (own.host, own.pid):
        replace(record, status=status, ended=time.time()).write(path)


def _forget_dead(path: Path) -> None:
    """Remove what a job of an earlier run left, unless it still runs here."""
    try:
        if not JobState.read(path).process.runs():
            path.unlink(missing_ok=True)
    except DafError:  # there is none, or it is damaged
        path.unlink(missing_ok=True)


def _beat(path: Path) -> None:
    while True:
        time.sleep(HEARTBEAT_SECONDS)
        try:
            os.utime(path)
        except OSError:  # deleted, or the file system does not answer now
            continue


def _modified_ns(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None
