"""Failure modes: what went wrong in episodes, found from the engine's statistics and named.

Pure functions of the episodes table. A mode is an observation, not a judgement: its share of episodes and some
episode seeds to look at.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

Stats = Mapping[str, float]

# What agents gain and lose without picking anything up or putting anything down.
_BODY = ("hp", "energy", "solar")
EXAMPLES = 3


@dataclass(frozen=True, kw_only=True)
class FailureMode:
    """A named way in which episodes went wrong.

    Attributes:
        share: of the episodes that have a result, 0 to 1; of all episodes for `policy failed`.
        example_seeds: environment seeds of the first few such episodes.
    """

    name: str
    meaning: str
    share: float
    example_seeds: list[int]


def find_failure_modes(episodes: pd.DataFrame) -> list[FailureMode]:
    """The modes that occur in an episodes table of one policy on one mission, most frequent first."""
    failed = episodes[episodes["failure"].notna()]
    played = episodes[episodes["failure"].isna()]
    found = [_mode("policy failed", "the policy raised an error or chose an illegal action", failed, len(episodes))]
    rows = [(_stats(row["agent_stats"]), row) for _, row in played.iterrows()]
    for name, (meaning, applies) in _PER_EPISODE.items():
        hit = [row["seed"] for agents, row in rows if applies(agents, row)]
        found.append(_of_seeds(name, meaning, hit, len(rows)))
    unused = _unused_actions(played)
    if unused:
        seeds = [int(seed) for seed in played["seed"]]
        meaning = f"chosen in no episode: {', '.join(unused)}"
        found.append(_of_seeds("actions never used", meaning, seeds, len(seeds)))
    return sorted((mode for mode in found if mode.share > 0), key=lambda mode: -mode.share)


def resource_flows(episodes: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Engine resources per episode, summed over agents and averaged over episodes: {resource: {gained, lost}}."""
    totals: dict[str, dict[str, float]] = {}
    played = episodes[episodes["failure"].isna()]
    for text in played["agent_stats"]:
        for agent in _stats(text):
            for name, value in agent.items():
                resource, _, kind = name.rpartition(".")
                if kind in ("gained", "lost") and resource:
                    flows = totals.setdefault(resource, {"gained": 0.0, "lost": 0.0})
                    flows[kind] += value / len(played)
    return dict(sorted(totals.items()))


def _stats(text: str) -> list[dict[str, float]]:
    stats: list[dict[str, float]] = json.loads(text)
    return stats


def _mode(name: str, meaning: str, hit: pd.DataFrame, total: int) -> FailureMode:
    return _of_seeds(name, meaning, [int(seed) for seed in hit["seed"]], total)


def _of_seeds(name: str, meaning: str, seeds: list[Any], total: int) -> FailureMode:
    share = len(seeds) / total if total else 0.0
    return FailureMode(name=name, meaning=meaning, share=share, example_seeds=[int(s) for s in seeds[:EXAMPLES]])


def _moves(agent: Stats) -> float:
    return agent.get("action.move.success", 0.0)


def _total(agents: list[dict[str, float]], kind: str) -> float:
    return sum(
        value
        for agent in agents
        for name, value in agent.items()
        if name.endswith(f".{kind}") and name.rpartition(".")[0] not in _BODY
    )


def _knows(agents: list[dict[str, float]], kind: str) -> bool:
    """Whether the mission counts anything of this kind; what it does not count cannot be missed."""
    return any(name.endswith(f".{kind}") and name.rpartition(".")[0] not in _BODY for agent in agents for name in agent)


def _never_deposited(agents: list[dict[str, float]], row: Any) -> bool:
    return _knows(agents, "lost") and _total(agents, "gained") > 0 and _total(agents, "lost") == 0


_PER_EPISODE: dict[str, tuple[str, Callable[[list[dict[str, float]], Any], bool]]] = {
    "never moved": (
        "an agent never changed its position",
        lambda agents, row: any(_moves(agent) == 0 for agent in agents),
    ),
    "stuck": (
        "an agent that could move stood still for at least half of the episode in one go",
        lambda agents, row: any(
            _moves(agent) > 0 and agent.get("status.max_steps_without_motion", 0.0) >= row["length"] / 2
            for agent in agents
        ),
    ),
    "never picked up": (
        "no agent gained any resource",
        lambda agents, row: _knows(agents, "gained") and _total(agents, "gained") == 0,
    ),
    "never deposited": ("resources were gained, none were given away or spent", _never_deposited),
    "timed out": ("an action took longer than allowed", lambda agents, row: row["timeouts"] > 0),
    "no reward": ("no agent earned anything", lambda agents, row: not any(row["agent_rewards"])),
}


def _unused_actions(played: pd.DataFrame) -> list[str]:
    """Primary actions that were possible and never chosen; changing one's vibe is left to scripted policies."""
    totals: dict[str, int] = {}
    for text in played["action_counts"]:
        for name, count in json.loads(text).items():
            totals[name] = totals.get(name, 0) + count
    return sorted(name for name, count in totals.items() if count == 0 and not name.startswith("change_vibe"))
