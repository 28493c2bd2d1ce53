"""Whoever waits for training in a terminal or notebook sees how far it is."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from daf.cluster import training_job
from daf.cluster.training_job import TrainingJob, TrainingStatus


class Process:
    """A process that ends at the third look."""

    def __init__(self, code: int = 0) -> None:
        self.code, self.looks = code, 0

    def wait(self, timeout: float | None = None) -> int:
        self.looks += 1
        if self.looks < 3:
            raise subprocess.TimeoutExpired("training", timeout or 0.0)
        return self.code


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    line = SimpleNamespace(show=lines.append, close=lambda: None)
    monkeypatch.setattr("daf.system.live_progress.is_watched", lambda: True)
    monkeypatch.setattr("daf.system.live_progress._TerminalLine", lambda: line)
    monkeypatch.setattr("daf.system.live_progress.INTERVAL_SECONDS", 0.0)
    monkeypatch.setattr(training_job, "is_watched", lambda: True)
    return lines


def job(process: Process, folder: Path) -> TrainingJob:
    recipe = SimpleNamespace(num_steps=400)
    training = SimpleNamespace(recipe=recipe, folder=folder, options=SimpleNamespace(log_file=None))
    made = TrainingJob(training, process)  # type: ignore[arg-type]
    steps = iter((100, 200))
    made.status = lambda: TrainingStatus(  # type: ignore[method-assign]
        state="running", agent_steps=next(steps), total_steps=400, steps_per_second=None, episode_reward=1.5,
        memory_mb=None,
    )  # fmt: skip
    return made


def test_waiting_shows_steps_and_reward(shown: list[str], tmp_path: Path) -> None:
    assert job(Process(), tmp_path).wait_for_completion() == tmp_path / "model.safetensors"
    assert [line.partition(" agent-steps")[0].partition(" · ")[2] for line in shown] == [
        "0 of 400", "100 of 400", "200 of 400", "400 of 400",
    ]  # fmt: skip
    assert shown[1].endswith("reward 1.5")


def test_a_time_limit_ends_the_wait(shown: list[str], tmp_path: Path) -> None:
    with pytest.raises(TimeoutError, match="is still running"):
        job(Process(), tmp_path).wait_for_completion(0.0)
    assert shown[-1].startswith(f"training in {tmp_path} · 0 of 400")
