"""The objective metric of an episode: what a sweep optimizes and what the published model is chosen by, by name."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from daf.episodes.success import EpisodeFacts


# Beside these, the names of the engine's statistics.
OWN_METRICS = ("mean_reward", "success_rate", "length")


def episode_objectives(episodes: pd.DataFrame, metric: str) -> pd.Series:
    """The metric of every row of an episodes table, as nullable floats.

    Args:
        metric: `mean_reward`, `success_rate` (1 for a success), `length`, or the name of a statistic of the engine: of
            the game, else the mean over agents.
    """
    import pandas as pd

    if metric in ("mean_reward", "length"):
        return episodes[metric].astype("Float64")
    if metric == "success_rate":
        return episodes["success"].astype("Float64")
    values = [
        _statistic(json.loads(game), json.loads(agents), metric)
        for game, agents in zip(episodes["game_stats"], episodes["agent_stats"], strict=True)
    ]
    return pd.Series(values, index=episodes.index, dtype="Float64")


def episode_objective(facts: EpisodeFacts, success: bool | None, metric: str) -> float | None:
    """The same metric of one episode; None if it has none."""
    match metric:
        case "mean_reward":
            return facts.mean_reward
        case "length":
            return float(facts.length)
        case "success_rate":
            return None if success is None else float(success)
        case _:
            return _statistic(facts.game_stats, facts.agent_stats, metric)


def _statistic(game: Mapping[str, float], agents: Sequence[Mapping[str, float]], metric: str) -> float | None:
    if metric in game:
        return float(game[metric])
    values = [agent[metric] for agent in agents if metric in agent]
    return sum(values) / len(agents) if values else None
