"""Removes the lock that kill -9 of Snakemake leaves behind, once every process that could hold it is known dead."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import psutil

SNAKEMAKE = Path(".snakemake")


def remove_stale_workflow_lock(folder: Path = SNAKEMAKE) -> bool:
    """Remove Snakemake's lock if all runs that were started here are dead; then register this run.

    A run on another machine cannot be inspected, so it counts as alive.

    Returns:
        Whether a lock was removed.
    """
    runs = folder / "daf" / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    entries = [path for path in runs.iterdir() if path.name != _entry(os.getpid())]
    dead = [path for path in entries if _is_dead(path.name)]
    locks = list((folder / "locks").glob("*.lock")) if dead and len(dead) == len(entries) else []
    for path in [*locks, *dead]:
        path.unlink(missing_ok=True)
    (runs / _entry(os.getpid())).touch()
    return bool(locks)


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
