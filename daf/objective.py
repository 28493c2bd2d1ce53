"""The objective metric of an episode: what a sweep optimizes, by name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


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

    def statistic(row: pd.Series) -> float | None:
        game, agents = json.loads(row["game_stats"]), json.loads(row["agent_stats"])
        if metric in game:
            return float(game[metric])
        found = [agent[metric] for agent in agents if metric in agent]
        return sum(found) / len(agents) if found else None

    return pd.Series([statistic(row) for _, row in episodes.iterrows()], index=episodes.index, dtype="Float64")
