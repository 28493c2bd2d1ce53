"""Removes the locks that kill -9 of Snakemake leaves behind, and only those.

Every run has an entry in `.snakemake/daf/runs` from the time when it reads the Snakefile until it ends, and notes in it
which locks are its own. An entry whose process is dead is therefore that of a killed run.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import socket
from collections.abc import Iterable
from pathlib import Path

import psutil

from daf.errors import BadInputError, DafError
from daf.system.files import with_digest, write_text
from daf.system.json_files import read_sealed

SNAKEMAKE = Path(".snakemake")
_ENTRY = re.compile(r"[^.].*\+\d+\+\d+")  # not the temporary file of one
# Name, and time of change in ns since 1970: Snakemake uses the names again.
type Locks = set[tuple[str, int]]


def remove_stale_workflow_lock(folder: Path = SNAKEMAKE) -> str:
    """Remove the locks of runs that are dead; then register this run.

    A run on another machine cannot be inspected, so it counts as alive.

    Returns:
        What to tell the user; empty if no lock was left behind.
    """
    # In this order: whoever has written one of these locks, and lives, has an entry.
    locks = _present(folder)
    entries = _entries(folder)
    dead = {path for path in entries if _is_dead(path.name)}
    alive = sorted(set(entries) - dead)
    stale, unknown = _stale(locks, dead, alive) if dead else (set(), set())
    for name, _ in stale & _present(folder):
        (folder / "locks" / name).unlink(missing_ok=True)
    if not unknown:  # else the next run has to know that one was killed
        for path in dead:
            path.unlink(missing_ok=True)
    _register(folder)
    if unknown:
        return (
            f"A lock in this folder is that of a killed run, or of one that is just starting ({_in_words(alive)}). If "
            "this run is refused, repeat it in a minute."
        )
    who = "An earlier run" if alive else "The last run"
    return f"{who} was killed. Removed its lock; this run continues from there." if stale else ""


def own_locks(files: Iterable[str | Path], folder: Path = SNAKEMAKE) -> None:
    """Note which of Snakemake's locks this run has written."""
    names = {Path(file).name for file in files}
    locks = sorted(lock for lock in _present(folder) if lock[0] in names)
    write_text(_own_entry(folder), json.dumps(with_digest({"locks": locks})) + "\n")


def leave(folder: Path = SNAKEMAKE) -> None:
    """Remove the entry of this process, whose run has ended; unless its lock is still there."""
    entry = _own_entry(folder)
    if not (_locks_of(entry) or set()) & _present(folder):
        entry.unlink(missing_ok=True)


def refusal(folder: Path = SNAKEMAKE) -> str:
    """Why Snakemake refuses a run in a locked folder, in place of its advice to remove all locks."""
    others = [path for path in _entries(folder) if not _is_dead(path.name)]
    if not others:
        hint = "if no Snakemake is at work in this folder on any machine: snakemake --unlock"
        found = "a lock on them, and no run that DAF knows of"
    else:
        hint = "wait for it, or end it with `daf stop`; `--unlock` would let two runs write the same files"
        found = f"another run is at work here: {_in_words(others)}"
        if not any(path.name.rsplit("+", 2)[0] == socket.gethostname() for path in others):
            hint += ", so use it only if that run is dead"
    return str(BadInputError("files that no other run makes", found, str(folder.absolute().parent), hint))


def _stale(locks: Locks, dead: Iterable[Path], alive: Iterable[Path]) -> tuple[Locks, Locks]:
    """The locks of dead runs, and those that may be of a living run that has not noted its own yet."""
    of_alive = [_locks_of(path) for path in alive]
    rest = locks.difference(*filter(None, of_alive))
    if None not in of_alive:
        return rest, set()
    stale = rest.intersection(set[tuple[str, int]]().union(*(_locks_of(path) or set() for path in dead)))
    return stale, rest - stale


def _present(folder: Path) -> Locks:
    found = set()
    for path in (folder / "locks").glob("*.lock"):
        try:
            found.add((path.name, path.stat().st_mtime_ns))
        except FileNotFoundError:  # its run has just ended
            continue
    return found


def _locks_of(entry: Path) -> Locks | None:
    """None: its run has not noted them yet."""
    try:
        return read_sealed(entry, "the entry of a run", lambda content: {(name, ns) for name, ns in content["locks"]})
    except DafError:
        return None


def _register(folder: Path) -> None:
    entry = _own_entry(folder)
    entry.parent.mkdir(parents=True, exist_ok=True)
    entry.write_text("")
    atexit.register(leave, folder.absolute())


def _entries(folder: Path) -> list[Path]:
    """Of other runs."""
    own = _own_entry(folder)
    return [path for path in own.parent.glob("*") if path != own and _ENTRY.fullmatch(path.name)]


def _own_entry(folder: Path) -> Path:
    return folder / "daf" / "runs" / _entry(os.getpid())


def _in_words(entries: Iterable[Path]) -> str:
    parts = (path.name.rsplit("+", 2) for path in entries)
    return ", ".join(f"process {pid} on {host}" for host, pid, _ in parts)


def _entry(pid: int) -> str:
    """Host, process id and start time in milliseconds, since process ids are reused."""
    return f"{socket.gethostname()}+{pid}+{int(psutil.Process(pid).create_time() * 1000)}"


def _is_dead(entry: str) -> bool:
    host, pid, _ = entry.rsplit("+", 2)
    if host != socket.gethostname():
        return False
    try:
        return _entry(int(pid)) != entry or psutil.Process(int(pid)).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
