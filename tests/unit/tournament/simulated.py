"""Tournaments of simulated episodes, whose truth is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from daf.config import DAFTournamentConfig
from daf.tournament.matches import Match, Player, tournament_matches
from daf.tournament.scores import MatchScores, episode_scores
from daf.tournament.table import seats_frame

Rewards = Callable[[tuple[Player, ...], int], Sequence[float]]
"""Rewards of all agents, from who sits where and the environment seed."""


def tournament(**changes: Any) -> DAFTournamentConfig:
    settings = {"format": "pickup", "candidates": ["c"], "pool": ["x"], "missions": ["m"], "episodes": 8}
    return DAFTournamentConfig.from_dict({**settings, "num_resamples": 200, **changes})


def matches_of(
    config: DAFTournamentConfig, num_seats: int = 4, train_seeds: Mapping[str, Sequence[int]] | None = None
) -> list[Match]:
    return tournament_matches(config, dict.fromkeys(config.missions, num_seats), train_seeds)


def played(
    config: DAFTournamentConfig, matches: Sequence[Match], rewards: Rewards, episodes: Sequence[int] | None = None
) -> MatchScores:
    """The scores of all episodes."""
    rows = []
    for episode in range(config.episodes_cap) if episodes is None else episodes:
        seed = config.evaluation_seed + episode
        for match in matches:
            players = match.seats(seed)
            occupants = [(player.policy, player.train_seed, player.in_pool) for player in players]
            seats = [*zip(occupants, map(float, rewards(players, seed)), strict=True)]
            rows += episode_scores(seats, mission=match.mission, match=match.id, episode=episode, env_seed=seed)
    return MatchScores(tuple(rows))


def seats_of(config: DAFTournamentConfig, matches: Sequence[Match], rewards: Rewards) -> pd.DataFrame:
    """The seats table of all episodes."""
    rows = []
    for episode in range(config.episodes_cap):
        seed = config.evaluation_seed + episode
        for match in matches:
            players = match.seats(seed)
            paid = [float(reward) for reward in rewards(players, seed)]
            rows += [
                {
                    "mission": match.mission, "match": match.id, "episode": episode, "env_seed": seed, "seat": seat,
                    "policy": player.policy, "train_seed": player.train_seed, "in_pool": player.in_pool,
                    "agent_reward": paid[seat], "team_reward": sum(paid) / len(paid), "length": 100,
                    "actions": None, "timeouts": 0, "status": "played", "failure": None,
                }
                for seat, player in enumerate(players)
            ]  # fmt: skip
    return seats_frame(rows)


def shared(value: float, players: Sequence[Player]) -> list[float]:
    """The same reward for all agents."""
    return [value] * len(players)


def noise(*key: object) -> np.random.Generator:
    """Random numbers that depend on the key alone."""
    import zlib

    return np.random.default_rng([zlib.crc32(str(part).encode()) for part in key])
