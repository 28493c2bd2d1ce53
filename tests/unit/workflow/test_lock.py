"""The locks of killed runs are removed, those of others stay, and a refused run learns who is at work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from daf.system.files import write_json
from daf.workflow import runner
from daf.workflow.lock import _entry, leave, own_locks, refusal, remove_stale_workflow_lock
from daf.workflow.snakemake_internals import build_dag


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


def note(folder: Path, entry: str, *names: str) -> None:
    """As `own_locks` does in the process of that entry."""
    locks = [(name, (folder / "locks" / name).stat().st_mtime_ns) for name in names]
    write_json(folder / "daf" / "runs" / entry, {"locks": locks})


@pytest.fixture
def other() -> Iterator[str]:
    """The entry of a run that is at work."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield _entry(process.pid)


def test_a_killed_run_continues_beside_another_at_work(tmp_path: Path, other: str) -> None:
    folder, lock = folder_of(tmp_path, other)
    kept = lock.with_name("1.output.lock")
    kept.touch()
    note(folder, other, kept.name)
    (folder / "daf" / "runs" / dead()).touch()  # killed before it noted its own: what is left is its
    assert remove_stale_workflow_lock(folder) == (
        "An earlier run was killed. Removed its lock; this run continues from there."
    )
    assert [path.name for path in lock.parent.iterdir()] == [kept.name]


def test_beside_a_run_that_is_starting_only_what_a_killed_one_noted_is_removed(tmp_path: Path, other: str) -> None:
    killed = dead()
    folder, lock = folder_of(tmp_path, killed, other)
    note(folder, killed, lock.name)
    kept = lock.with_name("1.output.lock")
    kept.touch()
    told = remove_stale_workflow_lock(folder)
    assert f"just starting (process {other.split('+')[1]} on {os.uname().nodename})" in told
    assert "unlock" not in told
    assert [path.name for path in lock.parent.iterdir()] == [kept.name]
    assert (folder / "daf" / "runs" / killed).exists()  # until it is known whose the other lock is
    note(folder, other, kept.name)
    assert remove_stale_workflow_lock(folder) == ""
    assert kept.exists()
    assert not (folder / "daf" / "runs" / killed).exists()


def test_a_lock_with_the_name_of_a_killed_runs_is_not_taken_for_it(tmp_path: Path, other: str) -> None:
    killed = dead()
    folder, lock = folder_of(tmp_path, killed, other)
    note(folder, killed, lock.name)
    os.utime(lock, ns=(5, 5))
    assert "just starting" in remove_stale_workflow_lock(folder)
    assert lock.exists()


def test_a_dead_entry_without_a_lock_is_no_alarm(tmp_path: Path, other: str) -> None:
    folder, lock = folder_of(tmp_path, dead(), other)
    note(folder, other, lock.name)
    assert remove_stale_workflow_lock(folder) == ""
    assert lock.exists()


def test_an_entry_stays_as_long_as_its_lock(tmp_path: Path) -> None:
    folder, lock = folder_of(tmp_path)
    remove_stale_workflow_lock(folder)
    own_locks([lock], folder)
    leave(folder)
    assert [path.name for path in (folder / "daf" / "runs").iterdir()] == [_entry(os.getpid())]
    lock.unlink()
    leave(folder)
    assert not list((folder / "daf" / "runs").iterdir())


def test_a_refused_run_learns_who_is_at_work(tmp_path: Path, other: str) -> None:
    folder, _ = folder_of(tmp_path)
    assert "hint:     if no Snakemake is at work in this folder on any machine: snakemake --unlock" in refusal(folder)
    (folder / "daf" / "runs" / other).touch()
    who = f"process {other.split('+')[1]} on {os.uname().nodename}"
    assert f"found:    another run is at work here: {who}" in refusal(folder)
    assert refusal(folder).endswith("`--unlock` would let two runs write the same files")


def test_an_opened_plan_leaves_no_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `daf check` opens it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    monkeypatch.setattr(runner, "snakefile", lambda: tmp_path / "Snakefile")
    (tmp_path / "x.yaml").write_text("out: a\ndo: touch a\n")
    entries = tmp_path / ".snakemake" / "daf" / "runs"
    with runner.open_dag(tmp_path / "x.yaml", []) as dag:
        build_dag(dag)
        assert [path.name for path in entries.iterdir()] == [_entry(os.getpid())]
    assert not list(entries.iterdir())


# ---- with Snakemake -----------------------------------------------------------------------------------------

SNAKEFILE = """
import sys
from daf.workflow import lock, snakemake_hooks, snakemake_internals

if snakemake_internals.is_main_process(workflow):
    snakemake_hooks.replace_lock_advice(lock.refusal)
    print(lock.remove_stale_workflow_lock(), file=sys.stderr)

onstart:
    lock.own_locks(snakemake_internals.lock_files(workflow))

rule make:
    output: config["out"]
    shell: config["do"]
"""


def snakemake(folder: Path, out: str, do: str) -> subprocess.Popen[str]:
    (folder / "Snakefile").write_text(SNAKEFILE)
    command = [sys.executable, "-m", "snakemake", "-c1", "--rerun-incomplete", "--config", f"out={out}", f"do={do}"]
    return subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True, start_new_session=True)


def begun(folder: Path, out: str) -> subprocess.Popen[str]:
    """A run whose only job waits forever."""
    process = snakemake(folder, out, "echo has begun >&2; exec tail -f /dev/null")
    assert process.stderr is not None
    assert "has begun" in (line.strip() for line in process.stderr)
    return process


@pytest.mark.long
def test_what_runs_in_one_folder_do_to_each_other(tmp_path: Path) -> None:
    killed, at_work = begun(tmp_path, "a"), begun(tmp_path, "b")
    try:
        killed.kill()
        killed.wait()
        refused = snakemake(tmp_path, "b", "touch b").communicate()[1]
        assert "An earlier run was killed. Removed its lock" in refused
        assert f"another run is at work here: process {at_work.pid} on" in refused
        assert "can be removed" not in refused
        again = snakemake(tmp_path, "a", "ls .snakemake/locks > a")
        assert "was killed" not in again.communicate()[1]
        assert again.returncode == 0
        locks = (tmp_path / "a").read_text().split()
        assert len(locks) == 2  # of the one at work, and of this one
        entries = tmp_path / ".snakemake" / "daf" / "runs"
        assert [path.name for path in entries.iterdir()] == [_entry(at_work.pid)]
        os.killpg(at_work.pid, signal.SIGINT)  # Ctrl-C
        at_work.communicate()
        assert not list(entries.iterdir())
    finally:
        for process in (killed, at_work):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # the job of a killed run, too
