"""Recipes of matches: policies that share a team, each in its seats."""

from __future__ import annotations

import random

from daf.config.recipes import STAGE_VERSIONS, MissionRecipe, PolicyRecipe
from daf.config.strict_model import FrozenModel


class SeatedPlayer(FrozenModel):
    """A checkpoint that plays some of a match's seats, as a candidate or for the pool."""

    policy: PolicyRecipe
    in_pool: bool = False

    @property
    def label(self) -> str:
        """A name that no other player of the match has."""
        return player_label(self.policy.checkpoint_label, in_pool=self.in_pool)


class MatchRecipe(FrozenModel):
    """Consecutive episodes of one match of a tournament; episode e has environment seed `first_seed + e`.

    Attributes:
        match: its name.
        players: who plays, each once.
        seats: number of the player in every seat.
        drawn_by: a text from which every episode draws the order of the seats, with its seed; None: it is fixed.
    """

    mission: MissionRecipe
    match: str
    players: tuple[SeatedPlayer, ...]
    seats: tuple[int, ...]
    drawn_by: str | None = None
    first_seed: int
    first_episode: int
    num_episodes: int
    max_action_time_ms: int
    stage_version: int = STAGE_VERSIONS["play"]


def player_label(checkpoint: str, *, in_pool: bool) -> str:
    return f"{checkpoint} (pool)" if in_pool else checkpoint


def seats_of_episode[T](seats: tuple[T, ...], env_seed: int, drawn_by: str | None) -> tuple[T, ...]:
    """The seats, in an order that is drawn from a text and the episode's seed; without a text, as they are."""
    if drawn_by is None:
        return seats
    drawn = list(seats)
    random.Random(f"{drawn_by} {env_seed}").shuffle(drawn)  # nosec B311  # must be repeatable, not secret
    return tuple(drawn)
