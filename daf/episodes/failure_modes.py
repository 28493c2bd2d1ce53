"""Failure modes: what went wrong in episodes, derived from the engine's statistics.

Pure functions of the episodes table. A mode is an observation, not a judgement: its share of episodes, and some example
seeds. The module does not guess what the table does not contain. The engine does not report freezing, and reports vibes
only as counts of actions, so agents' numbers identify roles, as CoGames and its policies assign them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from daf.episodes.statistics import BODY, EpisodeStatistics, episode_statistics, split_flow
from daf.system.nouns import number_of
from daf.system.shown import Shown

if TYPE_CHECKING:
    import pandas as pd

Flags = np.ndarray[Any, np.dtype[np.bool_]]

EXAMPLES = 3
_BOOKKEEPING = ("action.", "cell.", "status.")  # reported for every agent, whatever it does


@dataclass(frozen=True, kw_only=True, repr=False)
class FailureMode(Shown):
    """A named way in which episodes failed.

    Attributes:
        name: name of the mode.
        meaning: what it means.
        share: share of the episodes that have a result, 0 to 1; for `policy failed`, of all episodes.
        example_seeds: environment seeds of the first few such episodes.
    """

    name: str
    meaning: str
    share: float
    example_seeds: list[int]

    def _headline(self) -> str:
        return f"{self.name} in {100 * self.share:.0f} % of episodes: {self.meaning}"


def find_failure_modes(
    episodes: pd.DataFrame,
    statistics: EpisodeStatistics | None = None,
    *,
    resources: Collection[str] = (),
    max_steps: int = 0,
) -> list[FailureMode]:
    """Return the modes that occur in an episodes table of one policy on one mission, most frequent first.

    Args:
        statistics: the statistics of this table, if already read.
        resources: the mission's resources. A mission without any cannot have `never picked up`. Resources that agents
            in this table gained or lost need not be listed.
        max_steps: the mission's step limit; 0 if unknown, in which case no episode is `timed out`.
    """
    stats = statistics or episode_statistics(episodes)
    played = episodes[episodes["failure"].isna()]
    failed = [int(seed) for seed in episodes.loc[episodes["failure"].notna(), "env_seed"]]
    found = [_mode("policy failed", "the policy raised an error or chose an illegal action", failed, len(episodes))]

    def add(name: str, meaning: str, hit: Flags) -> None:
        seeds = [seed for seed, flag in zip(stats.seeds, hit, strict=True) if flag]
        found.append(_mode(name, meaning, seeds, stats.num_episodes))

    moved = stats.of_agents("cell.unique_visited") > 1
    still = stats.of_agents("status.max_steps_without_motion") >= stats.lengths[:, None] / 2
    add("never moved", "an agent never changed its position", (~moved).any(axis=1))
    add("stuck", "an agent that had moved stood still for at least half of the episode", (moved & still).any(axis=1))
    add(
        "starved or frozen",
        "an agent died, or had no health or energy left at the end",
        _starved(stats).any(axis=1),
    )
    gained = _flow(stats, "gained").any(axis=1)
    add(
        "never picked up",
        "no agent gained any of the mission's resources",
        ~gained & bool(_goods(stats, resources)),
    )
    add(
        "never deposited",
        "resources were gained, but none were deposited, given away or spent, except those lost at an agent's death",
        gained & ~_gave(stats) & _can_give(stats),
    )
    idle = _idle(stats)
    add("one role idle", _idle_meaning(idle), idle.any(axis=1))
    at_limit = (stats.lengths >= max_steps) & bool(max_steps)
    unsuccessful = (~played["success"].fillna(True).astype(bool)).to_numpy()
    add("timed out", f"no success within the {number_of(max_steps, 'step')} of an episode", at_limit & unsuccessful)
    add("slow actions", "an action took longer than allowed", (played["timeouts"] > 0).to_numpy(dtype=bool))
    add(
        "no reward",
        "no agent earned anything",
        np.array([not any(rewards) for rewards in played["agent_rewards"]], dtype=bool),
    )
    unused = _unused(stats)
    if unused:
        shares = ", ".join(f"{name} (in {100 * share:.0f} % of episodes)" for name, share, _ in unused)
        add("action never used", f"never chosen: {shares}", np.any([hit for _, _, hit in unused], axis=0))
    return sorted((mode for mode in found if mode.share > 0), key=lambda mode: -mode.share)


def _mode(name: str, meaning: str, seeds: list[int], total: int) -> FailureMode:
    share = len(seeds) / total if total else 0.0
    return FailureMode(name=name, meaning=meaning, share=share, example_seeds=seeds[:EXAMPLES])


# ---- what agents did; flags [episodes, agents] unless stated otherwise ---------------------------------------


def _flow(stats: EpisodeStatistics, kind: str) -> Flags:
    """Whether an agent gained or lost any goods."""
    flags: Flags = stats.sum_of(lambda name: split_flow(name)[1] == kind and split_flow(name)[0] not in BODY) > 0
    return flags


def _goods(stats: EpisodeStatistics, resources: Collection[str]) -> set[str]:
    """Resources that can be picked up."""
    return {*resources, *(split_flow(name)[0] for name in stats.agent)} - BODY - {""}


def _starved(stats: EpisodeStatistics) -> Flags:
    died = stats.of_agents("death") > 0
    for reserve in ("hp", "energy"):
        left = stats.agent.get(f"{reserve}.amount")
        if left is not None:
            died = died | (left <= 0)
    return died


def _can_give(stats: EpisodeStatistics) -> bool:
    """Whether the mission lets agents deposit goods: it counts losses, or its map has a hub."""
    hub = any(name.startswith("objects.") and name.endswith("hub") for name in stats.game)
    return hub or any(split_flow(name)[1] == "lost" and split_flow(name)[0] not in BODY for name in stats.agent)


def _gave(stats: EpisodeStatistics) -> Flags:
    """Whether anything was deposited, [episodes]. Death takes hearts and gear, which looks the same as giving."""
    gave: Flags = (_flow(stats, "lost") & (stats.of_agents("death") == 0)).any(axis=1)
    for name, values in stats.game.items():
        if name.endswith(".deposited"):
            gave = gave | (values > 0)
    return gave


def _idle(stats: EpisodeStatistics) -> Flags:
    """Agents that did nothing the mission counts (such as gaining or losing goods) while another agent did."""
    of_body = tuple(f"{name}." for name in BODY)

    def is_deed(name: str) -> bool:
        return name != "death" and not name.endswith(".amount") and not name.startswith((*_BOOKKEEPING, *of_body))

    did: Flags = stats.sum_of(is_deed) != 0
    return np.logical_and(~did, did.any(axis=1, keepdims=True))


def _idle_meaning(idle: Flags) -> str:
    times = idle.sum(axis=0)
    agents = ", ".join(f"agent {number} (in {count})" for number, count in enumerate(times) if count)
    return (
        f"an agent did nothing that the mission counts while another agent did; number of episodes by agent: {agents}"
    )


def _unused(stats: EpisodeStatistics) -> list[tuple[str, float, Flags]]:
    """Actions that no agent chose in an episode: name, share of episodes, flags [episodes].

    Doing nothing does not count as an action. All vibes count as one, since it is unknown which of them have an effect.
    """
    counts = {name: values for name, values in stats.actions.items() if not name.startswith("change_vibe_")}
    vibes = [values for name, values in stats.actions.items() if name.startswith("change_vibe_")]
    if vibes:
        counts["change_vibe"] = np.sum(vibes, axis=0)
    shares: list[tuple[str, float, Flags]] = [
        (name, float((values == 0).mean()), values == 0)
        for name, values in counts.items()
        if name != "noop" and (values == 0).any()
    ]
    return sorted(shares, key=lambda share: (-share[1], share[0]))
