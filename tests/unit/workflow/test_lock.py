"""The lock of a killed run: removed once no run in the folder is alive, and explained until then."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from daf.workflow.lock import _entry, remove_stale_workflow_lock


def folder_of(tmp_path: Path, *entries: str) -> tuple[Path, Path]:
    """Snakemake's folder, and a lock in it, with the marks of these runs."""
    runs, locks = tmp_path / "daf" / "runs", tmp_path / "locks"
    for path in (runs, locks):
        path.mkdir(parents=True)
    for entry in entries:
        (runs / entry).touch()
    lock = locks / "0.output.lock"
    lock.touch()
    return tmp_path, lock


def dead() -> str:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    entry = _entry(process.pid)
    process.communicate()
    return entry


def test_the_lock_of_a_killed_run_is_removed(tmp_path: Path) -> None:
    folder, lock = folder_of(tmp_path, dead())
    assert remove_stale_workflow_lock(folder).startswith("The last run was killed. Removed its lock")
    assert not lock.exists()
    assert remove_stale_workflow_lock(folder) == ""


def test_another_run_keeps_the_lock_and_is_named(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        folder, lock = folder_of(tmp_path, dead(), _entry(other.pid))
        told = remove_stale_workflow_lock(folder)
        assert f"another is at work (process {other.pid} on {os.uname().nodename})" in told
        assert lock.exists()
    assert "Removed its lock" in remove_stale_workflow_lock(folder)
    assert not lock.exists()
