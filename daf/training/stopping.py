"""Ending a training before its last update, in a way that it can go on from: at a step, or because it lags behind.

A paused training publishes its weights like a finished one, and its state stays; the same training without the pause,
or with a later one, goes on from there and ends as if it had never paused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class StopCondition:
    """When a training pauses.

    Attributes:
        at_steps: after the first update that reaches so many agent-steps; None: at no step.
        worse_than: per held-out evaluation: a training whose best objective so far is worse pauses; None: never.
        maximize: whether more is better.
    """

    at_steps: int | None = None
    worse_than: tuple[float | None, ...] = ()
    maximize: bool = True

    def reason(self, agent_steps: int, evaluations: Sequence[Mapping[str, Any]]) -> str | None:
        """Why a training at this point pauses; None if it goes on."""
        if self.at_steps is not None and agent_steps >= self.at_steps:
            return f"{self.at_steps:,} agent-steps reached"
        known: list[float] = []
        for place, evaluation in enumerate(evaluations):
            objective = evaluation["objective"]
            known += [] if objective is None else [objective]
            bar = self.worse_than[place] if place < len(self.worse_than) else None
            if bar is None or not known:
                continue
            best = max(known) if self.maximize else min(known)
            if best < bar if self.maximize else best > bar:
                return f"check {place + 1}: {best:.6g} is worse than the median of earlier trials, {bar:.6g}"
        return None
