"""A policy that the network of a training run imitates."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from daf.config.strict_model import FrozenModel, StrictModel
from daf.system.user_code import NO_CODE, CodeStamp
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


class TeacherRecipe(FrozenModel):
    """A teacher, by content, and how it is imitated.

    Attributes:
        class_path: shorthand or class path of the policy; null: what describes the weights names it.
        init_kwargs: keyword arguments of the class.
        training: the run that trains the teacher, before it has ended.
        seed: its training seed.
        weights_sha256: digest of the weights or the bundle; null without.
        code: of the class, with the files that init_kwargs name.
        mode: `kickstart` or `clone`.
        steps: agent-steps with the teacher.
        coef: weight of the imitation term at the beginning.
    """

    class_path: str | None = None
    init_kwargs: dict[str, Any] = Field(default_factory=dict)
    training: str | None = None
    seed: int | None = None
    weights_sha256: str | None = None
    code: CodeStamp = NO_CODE
    mode: Mode = "kickstart"
    steps: int
    coef: float = 1.0
