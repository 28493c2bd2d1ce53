"""A policy that takes part in a training and does not learn: a teacher, or a partner."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from daf.config.strict_model import FrozenModel
from daf.system.user_code import NO_CODE, CodeStamp


class FrozenPolicyRecipe(FrozenModel):
    """A policy, by content.

    Attributes:
        class_path: shorthand or class path; null: what describes the weights names it.
        init_kwargs: keyword arguments of the class.
        training: the run that trains it, before that has ended.
        seed: its training seed.
        weights_sha256: digest of the weights or the bundle; null without.
        code: of the class, with the files that init_kwargs name.
    """

    class_path: str | None = None
    init_kwargs: dict[str, Any] = Field(default_factory=dict)
    training: str | None = None
    seed: int | None = None
    weights_sha256: str | None = None
    code: CodeStamp = NO_CODE

    @property
    def has_weights(self) -> bool:
        return self.training is not None or self.weights_sha256 is not None
