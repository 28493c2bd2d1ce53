"""One process at a time; another waits, and says for whom."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from daf.evaluation.shards import evaluate_shard
from daf.search.assignment import TrialAssignment
from daf.search.trial import RESULTS, TrialJob, run_trial
from daf.system.locks import exclusive, exclusive_file


class WaitedError(Exception):
    """Raised instead of waiting."""


def refuse(message: str) -> None:
    raise WaitedError(message)


class Logger:
    warning = staticmethod(refuse)


def test_a_file_is_written_by_one_process_and_the_lock_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "episodes-0.parquet"
    with exclusive_file(path, refuse):
        with pytest.raises(WaitedError, match=f"{path} is in use by process {os.getpid()} on"):
            exclusive_file(path, refuse).__enter__()
        exclusive_file(tmp_path / "episodes-1.parquet", refuse).__enter__()  # another file
    with exclusive_file(path, refuse):
        pass
    assert not path.with_name(".episodes-0.parquet.lock").exists()


def test_a_lock_that_its_holder_removed_while_another_waited_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a third process could lock the new file while the second holds the removed one."""
    import fcntl

    path, flock = tmp_path / "table", fcntl.flock
    lock = tmp_path / ".table.lock"

    def removed_meanwhile(stream: Any, operation: int) -> None:
        flock(stream, operation)
        monkeypatch.setattr(fcntl, "flock", flock)
        lock.unlink()

    monkeypatch.setattr(fcntl, "flock", removed_meanwhile)
    with exclusive_file(path, refuse):
        assert lock.exists()
        with pytest.raises(WaitedError):
            exclusive_file(path, refuse).__enter__()


def test_an_evaluation_waits_for_one_that_a_killed_workflow_left(tmp_path: Path) -> None:
    output = tmp_path / "episodes-0.parquet"
    unused: Any = None
    with exclusive_file(output, refuse), pytest.raises(WaitedError):
        evaluate_shard(unused, weights=[], output=output, device="cpu", workers=1, logger=Logger())  # type: ignore[arg-type]


def test_a_trial_waits_for_one_that_a_killed_workflow_left(tmp_path: Path) -> None:
    job = TrialJob(label="trial", device="cpu", logger=Logger())  # type: ignore[arg-type]
    assignment = TrialAssignment(trial=0, seed=1, hyperparameters={})
    unused: Any = None
    with exclusive(tmp_path / "state" / RESULTS, refuse), pytest.raises(WaitedError):
        run_trial(assignment, unused, tmp_path, job)
