"""Scripts that play with several workers need a main guard; without one, an error says so."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from multiprocessing import current_process
from pathlib import Path

import pytest

from daf.engine.worker_pool import worker_pool
from daf.errors import BadInputError, DafError

CLASS = """
import numpy as np
from mettagrid.policy.policy import MultiAgentPolicy
from daf.engine.evaluation import evaluate_policy
from daf.errors import DafError

class Mine(MultiAgentPolicy):
    def step_batch(self, raw_observations: np.ndarray, raw_actions: np.ndarray) -> None:
        raw_actions[:] = 1

def play():
    try:
        frame = evaluate_policy(Mine, "training_facility_1", episodes=2, seed=0, workers=2)
        print("played", len(frame), frame["policy"].iloc[0])
    except DafError as error:
        print(error)
"""


def run(text: str, tmp_path: Path, *, as_file: bool) -> subprocess.CompletedProcess[str]:
    script = tmp_path / "script.py"
    script.write_text(text)
    arguments = [str(script)] if as_file else ["-c", text]
    return subprocess.run(
        [sys.executable, "-W", "ignore", *arguments], capture_output=True, text=True, timeout=300, check=False
    )


@pytest.mark.long
def test_a_script_with_a_guard_plays_its_own_class_in_workers(tmp_path: Path) -> None:
    done = run(CLASS + '\nif __name__ == "__main__":\n    play()\n', tmp_path, as_file=True)
    assert done.stdout == "played 2 Mine\n", done.stderr


@pytest.mark.long
def test_a_script_without_a_guard_is_told_so_in_four_parts(tmp_path: Path) -> None:
    done = run(CLASS + "\nplay()\n", tmp_path, as_file=True)
    assert done.stdout.startswith(str(tmp_path / "script.py"))
    assert 'expected: a main guard in a script with workers, `if __name__ == "__main__":`' in done.stdout
    assert "workers=1" in done.stdout
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) < 5


@pytest.mark.slow
def test_a_class_of_an_interactive_session_cannot_go_to_workers(tmp_path: Path) -> None:
    done = run(CLASS + "\nplay()\n", tmp_path, as_file=False)
    assert "policy 'Mine'\n  expected: a class in a module that a worker process can import" in done.stdout
    assert "move the class into a .py file" in done.stdout


def test_a_system_without_semaphores_is_an_error_in_four_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with a full /dev/shm, whose "No space left on device" names no file."""

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("multiprocessing.synchronize.SemLock.__init__", full)
    with pytest.raises(DafError) as caught, worker_pool(2, []):
        pass
    error = caught.value
    assert (error.expected, error.where) == ("semaphores for workers", "2 workers")
    assert error.found == "[Errno 28] No space left on device"
    assert "/dev/shm" in error.hint


def test_a_daemonic_process_is_told_that_it_may_start_no_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(current_process()._config, "daemon", True)  # type: ignore[attr-defined]
    with pytest.raises(BadInputError) as caught, worker_pool(2, []):
        pass
    assert (caught.value.expected, caught.value.found) == ("a process that may start others", "a daemonic one")
    assert "workers=1" in caught.value.hint
