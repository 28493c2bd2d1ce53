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
from daf.system.files import write_json

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


def run_worker(folder: Path, checkpoint_steps: int) -> None:
    """What `python -m daf.training.worker` does, its exit code included."""
    from daf.training import worker

    command = ["--recipe", str(folder / "recipe.json"), "--folder", str(folder), "--label", "test", "--device", "cpu"]
    command += ["--checkpoint-steps", str(checkpoint_steps), "--num-machines", "1", "--stall-seconds", "600"]
    sys.exit(worker.main(command))


def start_worker(recipe: TrainingRecipe, folder: Path, checkpoint_steps: int) -> BaseProcess:
    write_json(folder / "recipe.json", recipe.to_dict())
    return start(run_worker, folder, checkpoint_steps)


def train_undisturbed(recipe: TrainingRecipe, folder: Path) -> None:
    """All ranks of a recipe, without torchrun, to the end."""
    write_json(folder / "recipe.json", recipe.to_dict())
    ranks = start_ranks(run_worker, folder, 10**9, world_size=recipe.world_size)
    for rank in ranks:
        rank.join(120)
    assert [rank.exitcode for rank in ranks] == [0] * recipe.world_size
