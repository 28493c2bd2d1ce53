"""How training runs. None of this affects results: two runs that differ only here end with the same model."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from daf.config import DAFTrainingConfig
from daf.config.recipes import TrainingRecipe
from daf.distributed.heartbeat import STALL_SECONDS
from daf.system.files import write_json
from daf.system.validated import read_record
from daf.training.paths import state_folder

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
        stall_seconds: a group without progress for this long counts as stalled; before its first update it may take
            three times as long.
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
    stall_seconds: float = STALL_SECONDS
    trackers: tuple[str, ...] = ()
    log_file: Path | None = None

    @classmethod
    def of(cls, config: DAFTrainingConfig, *, label: str, **others: Any) -> Self:
        """The options set by a run's configuration, and others that are not part of it."""
        return cls(
            label=label,
            num_machines=config.num_machines,
            checkpoint_interval_steps=config.checkpoint_interval_steps,
            max_restarts=config.max_restarts,
            trackers=tuple(config.trackers),
            **others,
        )


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
