"""Earlier checkpoints of a training run as its own partners: when they are kept, and their files.

A file is written before the first checkpoint that names it, so a run that resumes finds all that its state names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch

from daf.config.partners import HistoryRecipe
from daf.engine.model_files import read_weights, weights_bytes
from daf.errors import CheckpointError
from daf.system.files import write_bytes


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """An earlier checkpoint of the network.

    Attributes:
        agent_steps: agent-steps trained.
        sha256: of its file.
    """

    agent_steps: int
    sha256: str
    weights: dict[str, torch.Tensor]

    @classmethod
    def of(cls, agent_steps: int, weights: dict[str, torch.Tensor]) -> Self:
        sha256 = hashlib.sha256(weights_bytes(weights)).hexdigest()
        return cls(agent_steps=agent_steps, sha256=sha256, weights=weights)

    def record(self) -> dict[str, Any]:
        """What names it in checkpoints and run.json."""
        return {"agent_steps": self.agent_steps, "sha256": self.sha256}

    def write(self, folder: Path) -> None:
        write_bytes(_path(folder, self.agent_steps), weights_bytes(self.weights))


def is_due(history: HistoryRecipe | None, before: int, now: int) -> bool:
    """Whether an update that took training from one number of agent-steps to another is followed by a snapshot."""
    return history is not None and now // history.every > before // history.every


def read_snapshots(folder: Path, records: Sequence[Mapping[str, Any]]) -> list[Snapshot]:
    """The snapshots of some records, in their order.

    Raises:
        CheckpointError: a file is missing or damaged.
    """
    found = []
    for record in records:
        path = _path(folder, record["agent_steps"])
        try:
            found.append(Snapshot(weights=read_weights(path, record["sha256"]), **record))
        except CheckpointError as error:
            hint = f"copy it back, or delete {folder} to train again from the beginning"
            raise CheckpointError("an earlier checkpoint of this run", error.found, str(path), hint) from error
    return found


def _path(folder: Path, agent_steps: int) -> Path:
    return folder / f"history-{agent_steps:012d}.safetensors"
