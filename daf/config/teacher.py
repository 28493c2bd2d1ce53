"""A policy that the network of a training run imitates."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from daf.config.frozen_policy import FrozenPolicyRecipe
from daf.config.strict_model import StrictModel
from daf.system.user_paths import NameOrPath

Mode = Literal["kickstart", "clone"]


class TeacherConfig(StrictModel):
    """A policy, scripted or trained, whose actions the network imitates at the beginning of its training."""

    policy: NameOrPath = Field(
        description="a name under `policies` (no team; of a training run, the model of the same training seed, else of "
        "its first), or a shorthand or class path"
    )
    mode: Mode = Field(
        "kickstart",
        description="kickstart: the network plays, and PPO's loss has a term for the teacher's action, whose weight "
        "declines to 0. clone: the teacher plays, and the network learns only its actions and their value",
    )
    steps: int = Field(ge=1, description="agent-steps with the teacher, rounded up to whole updates")
    coef: float = Field(
        1.0, gt=0, description="weight of the imitation term, a cross-entropy; with kickstart, at the beginning"
    )


class TeacherRecipe(FrozenPolicyRecipe):
    """A teacher, by content, and how it is imitated.

    Attributes:
        mode: `kickstart` or `clone`.
        steps: agent-steps with the teacher.
        coef: weight of the imitation term at the beginning.
    """

    mode: Mode = "kickstart"
    steps: int
    coef: float = 1.0
