"""How training runs. None of this affects results: two runs that differ only here end with the same model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from daf.config import DAFTrainingConfig
from daf.config.normalization import WorkersOrAuto
from daf.config.recipes import TrainingRecipe
from daf.errors import BadInputError
from daf.system.files import write_json
from daf.system.forked_work import CAN_FORK
from daf.system.limits import usable_cpus
from daf.system.validated import read_record
from daf.training.paths import state_folder
from daf.training.start import Start

_DEFAULTS = DAFTrainingConfig()


class RunOptions(BaseModel):
    """How training runs.

    Attributes:
        label: name of the run in messages.
        num_machines: machines that share the processes.
        task_per_gpu: inside a Slurm allocation, start each process as a separate task with its own GPU.
        device: `auto`, `cpu`, or `cuda`, also with a number.
        checkpoint_interval_steps: agent-steps between checkpoints.
        max_restarts: how often a group of several processes is restarted after a failure.
        env_workers: processes that step the environments of each training process, see `environment_workers`.
        cores: of each machine, those that this run may use; None: all that its first process may use or, if runs share
            the machine's GPUs, the share of the run's GPUs.
        start: the weights that the recipe starts from; read only if there is no checkpoint to resume from.
        teacher_weights: of the recipe's teacher, if it has any.
        partner_weights: of the recipe's partners that have any, in their order.
        stall_seconds: a group without progress for this long counts as stalled; before its first update it may take
            three times as long. An environment worker may take half of it for a step.
        keep: shares of the run's steps after which its weights are kept, see `daf.training.earlier_weights`.
        only_keep: train no further than the last of these.
        trackers: where metrics go in addition to metrics.jsonl, see `daf.training.trackers`.
        log_file: where messages go in addition to the terminal.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str
    num_machines: int = _DEFAULTS.num_machines
    task_per_gpu: bool = False
    device: str = "auto"
    checkpoint_interval_steps: int = _DEFAULTS.checkpoint_interval_steps
    max_restarts: int = _DEFAULTS.max_restarts
    env_workers: WorkersOrAuto = _DEFAULTS.env_workers
    cores: int | None = None
    stall_seconds: float = _DEFAULTS.stall_seconds
    keep: tuple[float, ...] = ()
    only_keep: bool = False
    trackers: tuple[str, ...] = ()
    start: Start | None = None
    teacher_weights: Path | None = None
    partner_weights: tuple[Path, ...] = ()
    log_file: Path | None = None

    @classmethod
    def of(cls, config: DAFTrainingConfig, *, label: str, **others: Any) -> Self:
        """The options set by a run's configuration, and others that are not part of it."""
        return cls(
            label=label,
            num_machines=config.num_machines,
            checkpoint_interval_steps=config.checkpoint_interval_steps,
            max_restarts=config.max_restarts,
            env_workers=config.env_workers,
            stall_seconds=config.stall_seconds,
            trackers=tuple(config.trackers),
            **others,
        )


def environment_workers(setting: int | str, num_envs: int, device_type: str, cores: int | None = None) -> int:
    """How many processes step the environments of this training process; at most one for each environment.

    `auto` takes every core of this process but one, where the network runs, with a single thread: so a process and its
    workers never outnumber its cores. On a CPU it takes none: there a core gains more as another training process.

    Args:
        cores: of this process; None: its share of those that it may use with the other processes of torchrun's agent.

    Raises:
        BadInputError: workers on a system where a process cannot be copied.
    """
    if setting == "auto":
        share = usable_cpus() // int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if cores is None else cores
        wanted = max(0, share - 1) if CAN_FORK and device_type != "cpu" else 0
    else:
        wanted = int(setting)
    if wanted and not CAN_FORK:
        raise BadInputError("env_workers 0 on this system", str(wanted), "env_workers", "workers need Linux")
    return min(wanted, num_envs)


def cores_per_process(cores: int | None, processes_here: int, num_gpus: int, *, in_separate_tasks: bool = False) -> int:
    """Cores of each training process.

    Args:
        cores: those that the run may use on this machine; None: not known.
        processes_here: of the run on this machine.
        num_gpus: that this run and others share, one per process; 0: no other run uses this run's cores.
        in_separate_tasks: each process gets its cores from Slurm; this one has only those of a single task.
    """
    if in_separate_tasks:
        return usable_cpus() if cores is None else max(1, cores // processes_here)
    if cores is None:
        # As many processes as there are GPUs can be running, of this run or others.
        return max(1, usable_cpus() // max(processes_here, num_gpus))
    return max(1, min(cores, usable_cpus()) // processes_here)


class TrainingSpec(BaseModel):
    """One training: what to train, where, and how. Processes are started with it in a JSON file.

    Attributes:
        recipe: everything that decides the model.
        folder: where the run publishes its files.
        options: how it runs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: TrainingRecipe
    folder: Path
    options: RunOptions

    @property
    def state(self) -> Path:
        """The folder of its trainer state."""
        return state_folder(self.folder, self.recipe)

    def write(self, path: Path) -> None:
        write_json(path, self.model_dump(mode="json"))

    @classmethod
    def read(cls, path: Path) -> Self:
        return read_record(path, cls)
