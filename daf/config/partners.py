"""Policies that share the missions of a training run with the network: partners in training, and for validation."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from daf.config.frozen_policy import FrozenPolicyRecipe
from daf.config.strict_model import FrozenModel, PositiveShare, StrictModel, refuse_repeated
from daf.system.user_paths import NameOrPath
from daf.system.validated import wrong_value


class HistoryConfig(StrictModel):
    """Earlier checkpoints of a training run as its own partners."""

    every: int = Field(
        ge=1, description="agent-steps between the checkpoints that are kept, rounded up to whole updates; the first "
        "holds the weights before training. All of them stay in memory and on disk: choose at least a hundredth of "
        "num_steps"
    )  # fmt: skip
    weight: PositiveShare = Field(
        1.0, description="how often a seat goes to an earlier checkpoint, where each policy of the pool has weight 1"
    )


class PartnersConfig(StrictModel):
    """Who plays some of the seats beside the network; the loss covers the network's seats only."""

    pool: list[NameOrPath] = Field(
        default_factory=list,
        description="names under `policies` (no team; of a training run, the model of the same training seed, else of "
        "its first), or shorthands and class paths; every seat of a partner is drawn from them",
    )
    history: HistoryConfig | None = Field(
        None, description="also play beside earlier checkpoints of this run; null: do not"
    )
    share: float = Field(
        0.5,
        gt=0,
        lt=1,
        description="mean share of the seats that partners play; drawn for every episode; at least one is the "
        "network's",
    )
    validation: list[NameOrPath] = Field(
        default_factory=list,
        description="policies that play beside the network in held-out evaluations, which choose the published "
        "weights: the network plays 1 to all seats in turn, and an episode counts by its number of seats. Keep the "
        "pools of tournaments out of it. Empty: the network plays every seat",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        refuse_repeated(self.pool, "pool")
        refuse_repeated(self.validation, "validation")
        if not (self.pool or self.history or self.validation):
            raise wrong_value("a pool, a history or a validation pool", "name policies, or leave `partners` out")
        return self

    @property
    def in_training(self) -> bool:
        """Whether there are partners in training, and not in validation alone."""
        return bool(self.pool or self.history)


def refuse_unplayed_validation(partners: PartnersConfig | None, num_evaluations: int) -> None:
    """Raise, in a validator of the run, if its validation pool has nothing to play."""
    if partners is not None and partners.validation and num_evaluations == 0:
        expected = "held-out evaluations, in which the validation pool plays"
        raise wrong_value(expected, "or leave `partners.validation` out", at="num_evaluations", found="0")


class HistoryRecipe(FrozenModel):
    """Which earlier checkpoints are partners.

    Attributes:
        every: agent-steps between them.
        weight: how often a seat goes to one, where each policy of the pool has weight 1.
    """

    every: int
    weight: float = 1.0


class PartnersRecipe(FrozenModel):
    """Who plays beside the network, by content.

    Attributes:
        pool: partners in training.
        history: earlier checkpoints as partners; null: none.
        share: mean share of the seats that partners play in training.
        validation: partners in held-out evaluations.
    """

    pool: tuple[FrozenPolicyRecipe, ...] = ()
    history: HistoryRecipe | None = None
    share: float = 0.5
    validation: tuple[FrozenPolicyRecipe, ...] = ()

    @property
    def policies(self) -> tuple[FrozenPolicyRecipe, ...]:
        """All of them, in the order in which their weights are given."""
        return self.pool + self.validation

    @property
    def in_training(self) -> bool:
        """Whether there are partners in training, and not in validation alone."""
        return bool(self.pool or self.history)
