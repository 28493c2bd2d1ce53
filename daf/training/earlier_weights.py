"""Weights that a run had after a share of its steps: kept while it trains, or trained again, and published.

They are kept below the trainer state of the run's recipe, of which they are no part: what is kept changes neither the
run's recipe nor any other byte of it. A run that ended before they were asked for trains again up to that share.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from daf.config.earlier_checkpoints import share_text, update_at
from daf.config.recipes import TrainingRecipe
from daf.engine.model_files import DESCRIPTION, MODEL, load_model_description, read_weights
from daf.errors import CheckpointError
from daf.logging_config import DAFLogger
from daf.system.files import write_bytes
from daf.training.options import RunOptions
from daf.training.paths import STATE, state_folder


@dataclass(frozen=True)
class Keeping:
    """After which updates a run keeps its weights.

    Attributes:
        shares: by update; several fall into one where updates are long.
        only: whether the run ends with the last of them.
    """

    shares: dict[int, list[float]]
    only: bool

    @classmethod
    def of(cls, options: RunOptions, num_steps: int, steps_per_update: int) -> Self:
        shares: dict[int, list[float]] = {}
        for share in options.keep:
            shares.setdefault(update_at(share, num_steps, steps_per_update), []).append(share)
        return cls(shares, options.only_keep)

    def folders(self, state: Path, update: int) -> Iterator[Path]:
        """Where the weights after an update are kept."""
        return (kept_folder(state, share) for share in self.shares.get(update, ()))

    def is_over(self, update: int) -> bool:
        return self.only and update >= max(self.shares)


def kept_folder(state: Path, share: float) -> Path:
    """Below the trainer state of a recipe, or below a run's folder: where the weights of a share are."""
    return state / f"at-{share_text(share)}"


def publish_earlier(recipe: TrainingRecipe, folder: Path, options: RunOptions, share: float, logger: DAFLogger) -> None:
    """Publish the weights of a share of a run's steps below the run's folder; train them again if they were not kept.

    Raises:
        TrainingDivergedError, TrainingFailedError, TrainingInterruptedError: training again, it did not get there.
    """
    from daf.training.run import train_prepared

    again = folder / STATE / f"again-{share_text(share)}"  # a run of its own, that resumes if it is interrupted
    kept = [kept_folder(state_folder(place, recipe), share) for place in (folder, again)]
    found = next(filter(_is_complete, kept), None)
    if found is None:
        logger.info(f"{options.label}: these weights were not kept; training again up to {share:g} of the steps")
        only = {"keep": (share,), "only_keep": True, "trackers": ()}
        train_prepared(recipe, again, options.model_copy(update=only))
        found = next(filter(_is_complete, kept), None)
    if found is None:
        hint = f"delete {again} and run the same command again"
        raise CheckpointError("the weights that were kept", "none, or damaged ones", str(kept[-1]), hint)
    target = kept_folder(folder, share)
    for name in (DESCRIPTION, MODEL):  # the weights come last: they mark it as complete
        write_bytes(target / name, (found / name).read_bytes())
    shutil.rmtree(again, ignore_errors=True)


def _is_complete(kept: Path) -> bool:
    """Whether weights and their description are there, and undamaged."""
    try:
        read_weights(kept / MODEL, load_model_description(kept / DESCRIPTION).weights_sha256)
    except CheckpointError:
        return False
    return True
