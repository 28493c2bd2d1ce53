"""Kill -9 at any point and a full disk: the same command again ends with the same bytes.

A killed process is a real one. It kills itself with SIGKILL when it reaches the n-th line of DAF's code that it runs,
so that a point is found again by its number.
"""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import torch

import daf
from daf.config import Hyperparameters, MissionConfig
from daf.config.recipes import HeldOutRecipe, MissionRecipe, TrainingRecipe
from daf.distributed.process_group import Group
from daf.logging_config import create_daf_logger
from daf.training.checkpoints import load_newest_checkpoint
from daf.training.loop import train
from daf.training.options import RunOptions
from daf.training.paths import state_folder
from tests.unit.training.forked import PROCESSES, start
from tests.unit.training.small import led

PACKAGE = str(Path(daf.__file__).parent)

UPDATE_STEPS = 2 * 4 * 8

RECIPE = TrainingRecipe(
    mission=MissionRecipe.of("short", {"short": MissionConfig(source="training_facility_1", max_steps=9)}),
    policy_class_path="lstm",
    init_kwargs={},
    hyperparameters=Hyperparameters(num_envs=2, horizon=8, minibatch_size=32),
    num_steps=6 * UPDATE_STEPS,
    seed=1,
    world_size=1,
    held_out=HeldOutRecipe(
        num_evaluations=2, episodes=2, seed=5, objective_metric="mean_reward", optimize_direction="maximize"
    ),
)


LED = led(RECIPE, UPDATE_STEPS)


def run(folder: Path, recipe: TrainingRecipe = RECIPE) -> None:
    logger = create_daf_logger("test", level="error")
    options = RunOptions(label="test", checkpoint_interval_steps=1)
    train(recipe, folder, options, group=Group(), device=torch.device("cpu"), logger=logger)


class Lines:
    """Counts the lines of DAF's code that run in this process, and does something at one of them."""

    def __init__(self, where: str, number: int | None, then: Callable[[], object]) -> None:
        self.where, self.number, self.then = where, number, then
        self.count = 0

    def __call__(self, frame: FrameType, event: str, argument: object) -> Any:
        return self.line if frame.f_code.co_filename.startswith(self.where) else None

    def line(self, frame: FrameType, event: str, argument: object) -> Any:
        if event == "line":
            self.count += 1
            if self.count == self.number:
                self.then()
        return self.line


def run_to_line(recipe: TrainingRecipe, folder: Path, where: str | None, number: int | None, report: Any) -> None:
    if where is None:
        run(folder, recipe)
        return
    lines = Lines(where, number, lambda: os.kill(os.getpid(), signal.SIGKILL))
    sys.settrace(lines)
    run(folder, recipe)
    sys.settrace(None)
    report.send(lines.count)


def in_a_process(
    recipe: TrainingRecipe, folder: Path, where: str | None = None, number: int | None = None
) -> tuple[int | None, int]:
    """Exit code of training in a separate process, and, if it finished, how many lines it ran `where`."""
    receiving, sending = PROCESSES.Pipe(duplex=False)
    process = start(run_to_line, recipe, folder, where, number, sending)
    sending.close()
    process.join(120)
    return process.exitcode, receiving.recv() if process.exitcode == 0 and where else 0


def outputs(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in ("model.safetensors", "model.json")}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "where", "points"),
    [
        pytest.param(RECIPE, "/training/checkpoints.py", 4, id="checkpoints"),
        pytest.param(RECIPE, "/system/files.py", 4, id="files", marks=pytest.mark.long),
        pytest.param(RECIPE, "", 6, id="anywhere", marks=pytest.mark.long),
        pytest.param(LED, "", 6, id="led", marks=pytest.mark.long),
    ],
)
def test_killed_anywhere_the_same_command_ends_with_the_same_bytes(
    recipe: TrainingRecipe, where: str, points: int, tmp_path: Path
) -> None:
    """Six points in all of the code; and some more while files, checkpoints above all, are being written."""
    code, total = in_a_process(recipe, tmp_path / "whole", PACKAGE + where)
    assert code == 0
    assert total > 10 * points
    resumed = 0
    for number in random.Random(7).sample(range(1, total + 1), points):
        folder = tmp_path / str(number)
        code, _ = in_a_process(recipe, folder, PACKAGE + where, number)
        assert code == -signal.SIGKILL
        assert load_newest_checkpoint(state_folder(folder, recipe), pytest.fail) is not None or number < total / 2
        resumed += any(state_folder(folder, recipe).glob("checkpoint-*"))
        code, _ = in_a_process(recipe, folder)
        assert code == 0
        assert outputs(folder) == outputs(tmp_path / "whole")
    assert resumed > points / 4


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "daf-test", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_costs_nothing_that_was_there(small_disk: Path, tmp_path: Path) -> None:
    run(tmp_path / "whole")
    folder = small_disk / "run"
    with pytest.raises(OSError, match="No space left on device") as caught:
        fill_after_update(folder, small_disk / "filler", 3)
    assert caught.value.errno == errno.ENOSPC
    state = load_newest_checkpoint(state_folder(folder, RECIPE), pytest.fail)
    assert state is not None
    assert state["update"] == 3
    assert not (folder / "model.safetensors").exists()
    assert not list(folder.rglob("*.tmp*"))
    (small_disk / "filler").unlink()
    run(folder)
    assert outputs(folder) == outputs(tmp_path / "whole")


def fill_after_update(folder: Path, filler: Path, update: int) -> None:
    """Train, and fill the disk as soon as the checkpoint of an update is there."""
    from daf.training import checkpoints, loop

    save = checkpoints.save_checkpoint

    def save_and_fill(state: Path, number: int, content: dict[str, Any]) -> Path:
        path = save(state, number, content)
        if number == update:
            with filler.open("wb") as stream:
                while True:
                    try:
                        stream.write(bytes(4096))
                        stream.flush()
                    except OSError:
                        break
        return path

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "save_checkpoint", save_and_fill)
        run(folder)
