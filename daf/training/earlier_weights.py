"""Weights that a run had after a share of its steps: when they are kept, and where.

They are kept below the trainer state of the run's recipe, which does not include them: what is kept changes neither the
run's recipe nor any other byte of it. `daf.training.run` publishes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from daf.config.earlier_checkpoints import share_text, update_at
from daf.training.options import RunOptions


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
