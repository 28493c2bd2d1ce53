"""What a new version must show before it replaces the one that serves."""

from __future__ import annotations

from pydantic import Field

from daf.config.strict_model import Seed, StrictModel


class NonInferiorityConfig(StrictModel):
    """A new version must not be worse than the one that serves by more than a margin, declared beforehand."""

    margin: float = Field(
        gt=0, description="largest loss of mean reward per agent that is acceptable; the interval must stay above it"
    )
    episodes: int = Field(64, ge=2, description="episodes per version, on the same seeds")
    seed: Seed = Field(2_000_000, description="seed of the first episode")
    confidence_level: float = Field(
        0.95, gt=0.5, lt=1, description="of the two-sided interval; 0.95 is a one-sided test at 2.5 %"
    )
    timeout_seconds: float = Field(3600.0, gt=0, description="wall-clock limit for the episodes of each version")
