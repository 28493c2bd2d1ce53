"""Trackers: TensorBoard's event files, and any library with the interface of Weights & Biases.

A tracker is chosen by name: `tensorboard`, or the import name of a library whose `init(...)` returns a run with
`log(data, step=…)` and `finish()` (wandb, trackio, swanlab, …). Such runs start offline; users can synchronise them
afterwards.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from daf.config.recipes import TrainingRecipe
from daf.errors import BadInputError
from daf.training.metrics import Tracker

TENSORBOARD_FOLDER = "tensorboard"


class TensorBoardTracker:
    """Event files in `folder`; steps are agent-steps."""

    def __init__(self, folder: Path, resumed_at: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        # Hide what a killed run wrote after its last checkpoint: it will be written again.
        self._writer = SummaryWriter(str(folder), purge_step=resumed_at + 1)

    def log(self, data: dict[str, float], step: int) -> None:
        for name, value in data.items():
            self._writer.add_scalar(name, value, step)

    def finish(self) -> None:
        self._writer.close()


def make_trackers(
    names: Sequence[str], recipe: TrainingRecipe, folder: Path, label: str, resumed_at: int
) -> list[Tracker]:
    """Trackers of a training run that writes to `folder`; a resumed run continues its trackers.

    Raises:
        BadInputError: no such library, or it has no `init`.
    """
    trackers: list[Tracker] = []
    for name in names:
        if name == "tensorboard":
            trackers.append(TensorBoardTracker(folder / TENSORBOARD_FOLDER, resumed_at))
        else:
            init = library_of(name).init
            trackers.append(
                init(
                    project="daf",
                    name=label,
                    id=recipe.digest[:16],
                    resume="allow",
                    mode="offline",
                    dir=str(folder),
                    config=recipe.to_dict(),
                )
            )
    return trackers


def check_trackers(names: Sequence[str]) -> None:
    """Raise BadInputError unless every tracker is TensorBoard or a library with `init`."""
    for name in names:
        if name != "tensorboard":
            library_of(name)


def library_of(name: str) -> Any:
    """The library of a tracker.

    Raises:
        BadInputError: it cannot be imported, or it has no `init`.
    """
    where = f"tracker '{name}'"
    try:
        library = importlib.import_module(name)
    except ImportError as error:
        raise BadInputError("'tensorboard' or a library that can be imported", str(error), where) from error
    if not callable(getattr(library, "init", None)):
        raise BadInputError("a library with `init`, like wandb", f"'{name}' has none", where)
    return library
