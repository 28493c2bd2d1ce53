"""Training processes that start at once: forked from one that has imported torch and the engine already.

`python -m daf.training.worker` takes 5 s to import them. Where the start is not the subject, this is the same process.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from daf.config.recipes import TrainingRecipe
from daf.distributed.torchrun import free_port
from daf.training.options import RunOptions, TrainingSpec
from daf.training.paths import JOB

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["daf.training.worker", "daf.training.loop", "pandas", "torch._dynamo"])


def start(function: Callable[..., object], *arguments: Any) -> BaseProcess:
    process = PROCESSES.Process(target=function, args=arguments)
    process.start()
    return process


def start_ranks(function: Callable[..., object], *arguments: Any, world_size: int = 2) -> list[BaseProcess]:
    """One process per rank, each with the environment that torchrun would give it."""
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": str(world_size)}
    return [start(_as_rank, {**meeting, "RANK": str(rank)}, function, *arguments) for rank in range(world_size)]


def _as_rank(environment: dict[str, str], function: Callable[..., object], *arguments: Any) -> None:
    os.environ.update(environment)
    function(*arguments)


def run_worker(folder: Path) -> None:
    """What `python -m daf.training.worker` does, its exit code included."""
    from daf.training import worker

    sys.exit(worker.main(["--job", str(folder / JOB)]))


def start_worker(recipe: TrainingRecipe, folder: Path, checkpoint_interval_steps: int) -> BaseProcess:
    write_job(recipe, folder, checkpoint_interval_steps)
    return start(run_worker, folder)


def train_undisturbed(recipe: TrainingRecipe, folder: Path) -> None:
    """All ranks of a recipe, without torchrun, to the end."""
    write_job(recipe, folder, 10**9)
    ranks = start_ranks(run_worker, folder, world_size=recipe.world_size)
    for rank in ranks:
        rank.join(120)
    assert [rank.exitcode for rank in ranks] == [0] * recipe.world_size


def write_job(recipe: TrainingRecipe, folder: Path, checkpoint_interval_steps: int) -> None:
    options = RunOptions(label="test", device="cpu", checkpoint_interval_steps=checkpoint_interval_steps)
    TrainingSpec(recipe=recipe, folder=folder, options=options).write(folder / JOB)


def shared_memory() -> set[str]:
    """Names of shared memory; not of semaphores, which other tests make at the same time, and workers never."""
    return {name for name in os.listdir("/dev/shm") if not name.startswith("sem.")}
