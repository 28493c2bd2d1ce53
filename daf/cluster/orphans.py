"""Jobs that outlived the Snakemake that submitted them, after a kill -9 or a crash of the login node.

A new run knows nothing of them and would submit their work a second time, beside them. So it first cancels those that
have not started, and waits for those that run; what they finish is then there.
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

# What the executor plugin writes into the comment of every job of a rule.
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
    """This user's jobs that were submitted for rules from `folder` and have not ended.

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
    """Return when no orphan of `folder` is left.

    Args:
        say: told what is waited for, once.

    Returns:
        Whether there were any; what they finished is then new.
    """
    orphans = find_orphans(folder)
    if not orphans:
        return False
    pending = [one.job_id for one in orphans if one.pending]
    if pending:
        say(f"Cancelling jobs of an earlier run that have not started: {', '.join(pending)}")
        # Only while it is pending: one that starts this moment goes on, and is waited for.
        subprocess.run(["scancel", "--state=PENDING", *pending], capture_output=True, check=False)
    told, pause = False, FIRST_POLL_SECONDS
    while orphans := find_orphans(folder):
        running = [one for one in orphans if not one.pending]
        if running and not told:
            told = True
            shown = ", ".join(str(one) for one in running)
            say(f"Jobs of an earlier run are still running: {shown}. Waiting for them; scancel those not worth it.")
        sleep(pause)
        pause = min(2 * pause, LONGEST_POLL_SECONDS)
    return True


def restart() -> NoReturn:
    """Run this process's command again in its place."""
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
