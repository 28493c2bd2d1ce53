"""`daf status` and `daf open`: what an experiment does, read from files, and its page."""

from __future__ import annotations

import argparse
import getpass
import json
import os
import sys
import time
import webbrowser
from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path

from daf.command.folders import output_folder
from daf.command.index import refresh_index, refresh_leaderboard
from daf.command.status_answer import StatusAnswer
from daf.errors import EXIT_OK, BadInputError, DafError
from daf.system.nouns import number_of
from daf.system.progress import format_duration
from daf.workflow.run_record import RUN
from daf.workflow.status import ExperimentStatus, JobStatus, read_status
from daf.workflow.status_words import TITLES, by_step, clock, said, time_left
from daf.workflow.submission import Submission

MOST_SHOWN = 12  # jobs of a kind
SLURM_SECONDS = 3.0  # how long to wait for Slurm's queue


def status(options: argparse.Namespace) -> int:
    """Answer `daf status`."""
    out = output_folder(options.folder)
    submission = Submission.find(out)
    queue = _Queue()
    try:
        found = read_status(out, queue)
    except BadInputError:
        if submission is None:
            raise
        found = None
    waiting = submission is not None and _waits(submission, found, queue)
    queued = submission.slurm_job_id if waiting and submission else ""
    if options.json:
        print(json.dumps(_answer(out, found, submission if waiting else None), indent=2))
        _refresh(found, queued)
        return EXIT_OK
    if waiting and submission is not None:
        print(f"Slurm job {submission.slurm_job_id}, which is the run itself, is queued or starting: {out}")
    if found is not None:
        print("\n".join(_lines(found)))
    elif not waiting:
        print(f"Slurm job {submission.slurm_job_id if submission else ''} ended before the run began.")
        print(f"  its messages: {submission.log if submission else ''}")
    if queue.failed:
        print(f"Slurm did not answer in {SLURM_SECONDS:g} s: jobs on the cluster are shown as their files say")
    _refresh(found, queued)
    return EXIT_OK


def _refresh(found: ExperimentStatus | None, queued: str) -> None:
    """Bring the page up to date, after the answer: its reader does not wait."""
    if found is not None:
        sys.stdout.flush()
        refresh_index(found, "daf status", queued)


class _Queue:
    """The user's Slurm jobs that have not ended, asked once."""

    def __init__(self) -> None:
        self.failed = False
        self._jobs: Collection[str] | None = None
        self._asked = False

    def __call__(self) -> Collection[str] | None:
        if not self._asked:
            self._asked = True
            from daf.cluster.inventory import ask

            arguments = ("--noheader", f"--user={getpass.getuser()}", "--format=%i")
            try:
                self._jobs = set(ask("squeue", *arguments, timeout_s=SLURM_SECONDS).split())
            except DafError:
                self.failed = True
        return self._jobs


def _waits(submission: Submission, found: ExperimentStatus | None, queue: _Queue) -> bool:
    """Whether the run that was submitted has not begun."""
    if found is not None and found.record.began >= submission.submitted:
        return False
    jobs = queue()
    return jobs is not None and submission.slurm_job_id in jobs


def _lines(found: ExperimentStatus) -> Iterable[str]:
    record, now = found.record, time.time()
    yield f"{record.experiment} · {found.out} · {TITLES[found.state]}"
    if found.state == "running":
        yield f"  since    {clock(record.began)} ({format_duration(now - record.began)}), {record.process}"
    elif record.ended is not None:
        yield f"  ended    {clock(record.ended)}, after {format_duration(record.ended - record.began)}"
    total = len(found.done) + len(found.started) + len(found.left)
    before = (
        f"; {found.num_done_before:,} more {'was' if found.num_done_before == 1 else 'were'} up to date"
        if found.num_done_before
        else ""
    )
    yield f"  done     {len(found.done):,} of {number_of(total, 'job')}{before}"
    yield from _section("running", found.jobs("running"), now)
    yield from _section("failed", found.jobs("failed"), now)
    yield from _section("stopped", found.jobs("stopped"), now)
    if found.left:
        yield f"  left     {by_step(found.left)}"
    if found.state == "running" or found.left:
        yield f"  time     {time_left(found)}"


def _section(title: str, jobs: list[JobStatus], now: float) -> Iterable[str]:
    for number, job in enumerate(jobs[:MOST_SHOWN]):
        name = f"{job.job.rule} {job.job.name}".strip()
        head = f"  {title if number == 0 else '':<8} {name}"
        if job.where == "running":
            yield f"{head} · {format_duration(now - job.began)} · {job.progress or said(job.last_line) or 'starting'}"
            continue
        yield f"{head} · {job.progress}" if job.progress else head
        yield f"           {job.log}: {said(job.last_line) or 'empty'}"
    if len(jobs) > MOST_SHOWN:
        yield f"           and {len(jobs) - MOST_SHOWN} more"


def _answer(out: Path, found: ExperimentStatus | None, waiting: Submission | None) -> StatusAnswer:
    job = waiting.slurm_job_id if waiting else None
    if found is None:
        return {
            "experiment": None, "output_dir": str(out), "state": "queued" if waiting else "never began", "began": None,
            "ended": None, "slurm_job_id": job, "done": 0, "up_to_date_before": 0, "left": {}, "jobs": [],
            "seconds_left": None, "no_estimate_for": {}, "first_estimate_for": {},
        }  # fmt: skip
    remaining = found.remaining
    return {
        "experiment": found.record.experiment,
        "output_dir": str(out),
        "state": "queued" if waiting else found.state,
        "began": found.record.began,
        "ended": found.record.ended,
        "slurm_job_id": job or found.record.process.slurm_job_id,
        "done": len(found.done),
        "up_to_date_before": found.num_done_before,
        "left": dict(Counter(job.rule for job in found.left)),
        "jobs": [
            {
                "rule": job.job.rule, "name": job.job.name, "state": job.where, "began": job.began,
                "log": str(job.log), "last_line": job.last_line, "progress": job.progress,
            }
            for job in found.started
        ],
        "seconds_left": remaining.seconds,
        "no_estimate_for": dict(remaining.unknown),
        "first_estimate_for": dict(remaining.first),
    }  # fmt: skip


def open_page(options: argparse.Namespace) -> int:
    """Answer `daf open`."""
    out = output_folder(options.folder)
    if (out / RUN).is_file():
        refresh_leaderboard(out)
        refresh_index(read_status(out, _Queue()), "daf open")
    page = _page(out).resolve()
    print(page)
    has_screen = sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    if options.only_print:
        return EXIT_OK
    if not has_screen or not webbrowser.open(page.as_uri()):
        print("There is no browser here: copy the folder to your machine, or serve it:", file=sys.stderr)
        print(f"  python -m http.server --bind 127.0.0.1 --directory {out.resolve()}", file=sys.stderr)
    return EXIT_OK


def _page(out: Path) -> Path:
    """The page of the whole experiment or, without one, the newest page."""
    if (out / "index.html").is_file():
        return out / "index.html"
    patterns = (
        "comparisons/*/report.html", "tournaments/*/report.html", "sweeps/*/report.html", "reports/missions/*.html",
    )  # fmt: skip
    for pattern in patterns:
        if pages := sorted(out.glob(pattern), key=lambda page: page.stat().st_mtime):
            return pages[-1]
    raise BadInputError("a page of results", "none yet", str(out), "see `daf status` for what is missing")
