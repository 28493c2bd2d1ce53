"""What a strategy knows of a finished trial."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from daf.search.space import Value


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """A finished trial as a strategy sees it.

    Attributes:
        objective: None if the trial failed.
        seconds: wall clock of its training and evaluation; None if unknown.
        curve: objective at each check of a sweep that stops trials early; None where a check has none.
        skipped: it was not run, because the budget was spent; says nothing about its hyperparameters.
    """

    trial: int
    hyperparameters: Mapping[str, Value]
    objective: float | None
    seconds: float | None = None
    curve: tuple[float | None, ...] = ()
    skipped: bool = False

    @classmethod
    def from_result(cls, result: Mapping[str, Any]) -> Evidence:
        """From a trial's result, or what `to_dict` made of it; an objective that is not finite counts as failed."""
        value, status = result.get("objective"), result.get("status", "completed")
        if status != "completed" or value is None or not math.isfinite(value):
            value = None
        return cls(
            trial=int(result["trial"]),
            hyperparameters=result["hyperparameters"],
            objective=None if value is None else float(value),
            seconds=result.get("seconds"),
            curve=tuple(result.get("curve") or ()),
            skipped=status == "skipped",
        )

    def to_dict(self) -> dict[str, Any]:
        status = "skipped" if self.skipped else "failed" if self.objective is None else "completed"
        return {
            "trial": self.trial,
            "status": status,
            "hyperparameters": dict(self.hyperparameters),
            "objective": self.objective,
            "seconds": self.seconds,
            "curve": list(self.curve),
        }
