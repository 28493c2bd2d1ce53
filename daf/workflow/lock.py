"""Removes the lock that kill -9 of Snakemake leaves behind, once every process that could hold it is known dead."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import psutil

SNAKEMAKE = Path(".snakemake")


def remove_stale_workflow_lock(folder: Path = SNAKEMAKE) -> str:
    """Remove Snakemake's lock if all runs that were started here are dead; then register this run.

    A run on another machine cannot be inspected, so it counts as alive.

    Returns:
        What to tell the user; empty if no lock was left behind.
    """
    runs = folder / "daf" / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    entries = [path for path in runs.iterdir() if path.name != _entry(os.getpid())]
    dead = [path for path in entries if _is_dead(path.name)]
    alive = [path for path in entries if path not in dead]
    locks = list((folder / "locks").glob("*.lock")) if dead else []
    for path in [*dead, *([] if alive else locks)]:
        path.unlink(missing_ok=True)
    (runs / _entry(os.getpid())).touch()
    if not locks:
        return ""
    if alive:
        who = ", ".join("process {1} on {0}".format(*path.name.split("+")) for path in alive)
        return (
            f"A run in this folder was killed, and another is at work ({who}). The lock of the killed one stays until "
            "that has ended: if this run is refused, repeat it then."
        )
    return "The last run was killed. Removed its lock; this run continues from there."


def _entry(pid: int) -> str:
    """Host, process id and start time in milliseconds, since process ids are reused."""
    return f"{socket.gethostname()}+{pid}+{int(psutil.Process(pid).create_time() * 1000)}"


def _is_dead(entry: str) -> bool:
    host, pid, _ = entry.split("+")
    if host != socket.gethostname():
        return False
    try:
        return _entry(int(pid)) != entry or psutil.Process(int(pid)).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
