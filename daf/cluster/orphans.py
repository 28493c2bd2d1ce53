"""Jobs that outlived the Snakemake that submitted them, after a kill -9 or a crash of the login node.

A new run does not know them and would submit their work again. So it first cancels those that have not started and
waits for those that are running, and then uses their results.
"""

from __future__ import annotations

import getpass
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from daf.cluster.inventory import ask
from daf.cluster.states import ENDED

# The comment that the executor plugin gives every job of a rule.
COMMENT_PREFIX = "rule_"
FIRST_POLL_SECONDS, LONGEST_POLL_SECONDS = 2.0, 15.0


@dataclass(frozen=True, kw_only=True)
class Orphan:
    """A job of an earlier run in this folder."""

    job_id: str
    state: str
    comment: str

    @property
    def pending(self) -> bool:
        return self.state == "PENDING"

    def __str__(self) -> str:
        return f"{self.job_id} ({self.comment.removeprefix(COMMENT_PREFIX).replace('_wildcards_', ' ')})"


def find_orphans(folder: Path) -> list[Orphan]:
    """This user's jobs for rules from `folder` that have not ended.

    Raises:
        UnfitEnvironmentError: Slurm does not answer.
    """
    listed = ask("squeue", "--noheader", f"--user={getpass.getuser()}", "--states=all", "--format=%i|%T|%k|%Z")
    return parse_orphans(listed, folder)


def parse_orphans(listed: str, folder: Path) -> list[Orphan]:
    """Orphans from lines of job id, state, comment and working folder."""
    orphans = []
    for line in listed.splitlines():
        job_id, state, comment, where = line.split("|", 3)
        if state not in ENDED and comment.startswith(COMMENT_PREFIX) and where and Path(where) == folder:
            orphans.append(Orphan(job_id=job_id, state=state, comment=comment))
    return orphans


def settle_orphans(folder: Path, say: Callable[[str], object], *, sleep: Callable[[float], None] = time.sleep) -> bool:
    """Cancel or wait for the orphans of `folder` until none is left.

    Args:
        say: receives one message about the jobs being waited for.

    Returns:
        Whether there were any; they may have created new files.
    """
    orphans = find_orphans(folder)
    if not orphans:
        return False
    pending = [orphan.job_id for orphan in orphans if orphan.pending]
    if pending:
        say(f"Cancelling jobs of an earlier run that have not started: {', '.join(pending)}")
        # Only pending ones: a job that starts at this moment keeps running, and is waited for.
        subprocess.run(["scancel", "--state=PENDING", *pending], capture_output=True, check=False)
    announced, pause = False, FIRST_POLL_SECONDS
    while orphans := find_orphans(folder):
        running = [orphan for orphan in orphans if not orphan.pending]
        if running and not announced:
            announced = True
            shown = ", ".join(str(orphan) for orphan in running)
            say(f"Jobs of an earlier run are still running: {shown}. Waiting for them; scancel any you do not need.")
        sleep(pause)
        pause = min(2 * pause, LONGEST_POLL_SECONDS)
    return True


def restart() -> NoReturn:
    """Replace this process with a new run of the same command."""
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
