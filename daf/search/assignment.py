"""The assignment of one job in a sweep: what it trains and scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from daf.search.space import Value
from daf.system.readers import FROM_A_RUN
from daf.system.validated import validated


@dataclass(frozen=True, kw_only=True)
class TrialAssignment:
    """A trial of the search, an entry of a rung, or a finalist on a fresh seed.

    Attributes:
        trial: number of the trial; None if no trial takes the entry or the finalist's rank; then `skip` says why.
        seed: training seed; None if nothing is trained, and for a finalist before its fresh seed is known.
        hyperparameters: all active ones.
        rung: of successive halving, from 0.
        pruning_thresholds: one per check of a trial that may stop early, otherwise None; see `daf.search.budget`.
        skip: why nothing runs; None if it runs.
    """

    trial: int | None
    seed: int | None
    hyperparameters: Mapping[str, Value]
    rung: int = 0
    pruning_thresholds: tuple[float | None, ...] | None = None
    skip: str | None = None

    def to_dict(self) -> dict[str, Any]:
        thresholds = self.pruning_thresholds
        return {
            "trial": self.trial,
            "seed": self.seed,
            "hyperparameters": dict(self.hyperparameters),
            "rung": self.rung,
            "pruning_thresholds": None if thresholds is None else list(thresholds),
            "skip": self.skip,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], *, source: str = "assignment") -> TrialAssignment:
        """Read the output of `to_dict`; other keys, such as those of proposal.json, are ignored.

        Raises:
            ConfigError: a key is missing, or its value is of another type.
        """
        return validated(cls, data, source, FROM_A_RUN)
