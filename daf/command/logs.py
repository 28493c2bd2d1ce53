"""`daf logs`: what the jobs of a run say, also while they run."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from daf.command.folders import output_folder
from daf.errors import EXIT_OK, BadInputError, DafError
from daf.workflow.status import HEADER, ExperimentStatus, read_status

POLL_SECONDS = 0.5
MOST_JOBS = 10  # whose logs are shown at once
TAIL_BYTES = 400  # of a line, roughly: how far before the end the last lines begin


@dataclass(frozen=True, kw_only=True)
class _Log:
    """The log of a job."""

    title: str
    state: str
    path: Path


def logs(options: argparse.Namespace) -> int:
    """Answer `daf logs`."""
    if options.lines < 1:
        raise BadInputError("at least 1", str(options.lines), "--lines")
    out = output_folder(options.folder)
    chosen = _chosen(read_status(out), options.job, out)
    if options.follow:
        if len(chosen) != 1:
            names = ", ".join(log.title for log in chosen[:MOST_JOBS])
            raise BadInputError("one job to follow", names, str(out), "name it: --job TEXT")
        _follow(chosen[0], options.lines, lambda: _is_running(out, chosen[0]))
        return EXIT_OK
    for number, log in enumerate(chosen[:MOST_JOBS]):
        print(f"{'' if number == 0 else chr(10)}{log.title} · {log.state} · {log.path}")
        print("\n".join(f"  {line}" for line in _last_lines(log.path, options.lines)) or "  nothing yet")
    if len(chosen) > MOST_JOBS:
        print(f"\nand {len(chosen) - MOST_JOBS} more: name some with --job TEXT")
    return EXIT_OK


def _chosen(found: ExperimentStatus, text: str | None, out: Path) -> list[_Log]:
    """The logs of jobs with a text in their names; otherwise of those that run, or failed, or of the newest."""
    started = [
        _Log(title=f"{job.job.rule} {job.job.name}".strip(), state=job.where, path=job.log) for job in found.started
    ]
    done = [
        _Log(title=f"{job.rule} {job.name}".strip(), state="done", path=out / "logs" / job.log)
        for job in found.record.jobs
        if job in found.done or not job.needed
    ]
    known = [log for log in (*started, *done) if log.path.is_file()]
    if text is not None:
        known = [log for log in known if text in log.title]
        if not known:
            hint = "`daf status` lists the jobs; those that have not started have no log"
            raise BadInputError("a job with a log", f"none with '{text}' in its name", str(out), hint)
        return known
    for states in (("running",), ("failed", "stopped")):
        if some := [log for log in known if log.state in states]:
            return some
    if not known:
        raise DafError("a job with a log", "none yet", str(out), "see `daf status`")
    return [max(known, key=lambda log: log.path.stat().st_mtime)]


def _last_lines(path: Path, count: int) -> list[str]:
    with open(path, "rb") as stream:
        stream.seek(max(0, stream.seek(0, 2) - TAIL_BYTES * (count + 1)))
        text = stream.read().decode("utf-8", errors="replace")
    return _said(text, count)


def _said(text: str, count: int) -> list[str]:
    """The last lines, without those that only begin a log."""
    return [line for line in text.splitlines() if not line.startswith(HEADER)][-count:]


def _is_running(out: Path, log: _Log) -> bool:
    return any(job.log == log.path for job in read_status(out).jobs("running"))


def _follow(log: _Log, lines: int, runs: Callable[[], bool]) -> None:
    """Print what the log has and gets, until its job has ended."""
    print(f"{log.title} · {log.path}")
    with open(log.path, encoding="utf-8", errors="replace") as stream:
        print("\n".join(_said(stream.read(), lines)), flush=True)
        goes_on = True
        while goes_on:
            goes_on = runs()  # before the last look, which then misses nothing
            if text := stream.read():
                print(text, end="", flush=True)
            if goes_on:
                time.sleep(POLL_SECONDS)
