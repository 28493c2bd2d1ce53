"""The objective metric of an episode, by name: what a sweep optimizes, and what selects the published model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from daf.episodes.success import EpisodeFacts


# In addition to these, the names of the engine's statistics.
OWN_METRICS = ("mean_reward", "success_rate", "length")


def episode_objective(facts: EpisodeFacts, success: bool | None, metric: str) -> float | None:
    """The metric of an episode; None if it has none.

    Args:
        metric: `mean_reward`, `success_rate` (1 for a success), `length`, or the name of a statistic of the engine: of
            the game, otherwise the mean over agents.
    """
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
