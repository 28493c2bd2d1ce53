"""Brings the page of an experiment and its leaderboard up to date, which a run that was killed as a whole could not."""

from __future__ import annotations

import time
from pathlib import Path

from daf.errors import DafError
from daf.reporting.page_heads import INDEX, page_head
from daf.workflow.run_record import RUN
from daf.workflow.status import ExperimentStatus, job_marks

LATE_SECONDS = 60.0  # a run that is at work rewrites its page more often, unless it has thousands of jobs


def refresh_index(found: ExperimentStatus, command: str, queued: str = "") -> None:
    """Rewrite the page unless it says what is true now.

    Args:
        command: that does it, for the page.
        queued: the Slurm job of the next run, which has not begun.
    """
    if not queued and _is_current(found):
        return
    from daf.reporting.index_page import Written, write_index, writer  # importing them takes longer than the answer

    try:
        write_index(found, Written(at=time.time(), by=f"{command}, {writer()}", queued=queued))
    except (OSError, DafError):
        return  # someone else's folder: the answer is in the terminal


def _is_current(found: ExperimentStatus) -> bool:
    head = page_head(found.out / INDEX)
    if head is None or head.state != found.state:
        return False
    if found.state == "running":
        return time.time() - head.written_ns / 1e9 < LATE_SECONDS
    return head.written_ns >= max(_changed(found.out), default=0)


def _changed(out: Path) -> list[int]:
    """When what the page repeats has changed, in ns since 1970."""
    return [(out / RUN).stat().st_mtime_ns, *(changed for _, changed in job_marks(out / "logs"))]


def refresh_leaderboard(out: Path) -> None:
    """Rewrite the leaderboard if a comparison has changed since it was written."""
    from daf.reporting import leaderboard_page

    try:
        leaderboard_page.refresh_leaderboard(out)
    except (OSError, DafError):
        return
