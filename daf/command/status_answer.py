"""What `daf status --json` prints. Keys may be added; those that exist keep their meaning."""

from __future__ import annotations

from typing import Literal, TypedDict


class JobAnswer(TypedDict):
    """A job that has started and is not done."""

    rule: str
    name: str
    state: str
    began: float
    log: str
    last_line: str
    progress: str


class StatusAnswer(TypedDict):
    """Keys of --json (times in seconds since 1970; null: unknown):
    experiment, output_dir  its name, and where its files are
    state                   running, queued, done, failed, killed, or never began
    began, ended            of the run
    slurm_job_id            of the job that is the run; null: it runs outside of Slurm
    done, up_to_date_before jobs that this run has done, and those that it found done
    left                    rule: number of its jobs that have not started
    jobs                    those that have started and are not done: rule, name, state (running, failed,
                            stopped), began, log, last_line, progress (in the job's own words)
    seconds_left            an estimate, without the jobs in no_estimate_for
    no_estimate_for         rule: number of jobs of which nothing is known
    first_estimate_for      rule: number of jobs of which no earlier one is known, only DAF's first estimate
    """

    experiment: str | None
    output_dir: str
    state: Literal["running", "queued", "done", "failed", "killed", "never began"]
    began: float | None
    ended: float | None
    slurm_job_id: str | None
    done: int
    up_to_date_before: int
    left: dict[str, int]
    jobs: list[JobAnswer]
    seconds_left: float | None
    no_estimate_for: dict[str, int]
    first_estimate_for: dict[str, int]
