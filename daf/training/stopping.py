"""Stopping training early so that it can resume: at a step, or because it performs poorly.

A stopped run has status `paused`: it publishes its weights like a finished one and keeps its state. The same run
without the stop condition, or with a later one, resumes from there and ends as if it had never stopped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from daf.config import Direction, direction_sign


@dataclass(frozen=True, kw_only=True)
class StopCondition:
    """When training stops early.

    Attributes:
        at_steps: stop after the first update that reaches this number of agent-steps; None: no such limit.
        worse_than: a threshold for each held-out evaluation: stop if the best objective so far is worse; None: no
            threshold.
        optimize_direction: whether more or less of the objective is better.
    """

    at_steps: int | None = None
    worse_than: tuple[float | None, ...] = ()
    optimize_direction: Direction = "maximize"

    def reason(self, agent_steps: int, evaluations: Sequence[Mapping[str, Any]]) -> str | None:
        """Why training stops at this point; None if it continues."""
        if self.at_steps is not None and agent_steps >= self.at_steps:
            return f"{self.at_steps:,} agent-steps reached"
        sign = direction_sign(self.optimize_direction)
        known: list[float] = []
        for place, evaluation in enumerate(evaluations):
            objective = evaluation["objective"]
            known += [] if objective is None else [objective]
            threshold = self.worse_than[place] if place < len(self.worse_than) else None
            if threshold is None or not known:
                continue
            best = sign * max(sign * objective for objective in known)
            if sign * best < sign * threshold:
                return f"check {place + 1}: {best:.6g} is worse than the median of earlier trials, {threshold:.6g}"
        return None
