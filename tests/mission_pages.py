"""Episodes made up for tests of mission pages: agents that walk at random between random walls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from daf.engine.replays import EpisodeTrace, MapObject
from daf.episodes.table import episodes_frame
from daf.evaluation.mission import MissionMetadata, analyze_episodes
from daf.evaluation.traces import PolicyTraces, TracedEpisode
from daf.reporting.mission_page import PageSetting, render_mission_page

MOVES = np.array([[0, 0], [0, 1], [1, 0], [0, -1], [-1, 0]])


def walk(
    seed: int, *, steps: int, agents: int = 3, side: int = 20, walls: float = 0.2, objects: int = 6
) -> EpisodeTrace:
    """A random walk on a square map with a border of wall."""
    rng = np.random.default_rng(seed)
    blocked = rng.random((side, side)) < walls
    blocked[[0, -1]] = blocked[:, [0, -1]] = True
    free = rng.permutation(np.argwhere(~blocked))
    things = tuple(
        MapObject(type_name=f"kind_{number % 4}", row=int(row), column=int(column))
        for number, (row, column) in enumerate(free[agents : agents + objects])
    )
    closed = blocked.copy()
    for thing in things:
        closed[thing.row, thing.column] = True
    positions = np.zeros((steps + 1, agents, 2), dtype=np.int16)
    positions[0] = free[:agents]
    for step in range(1, steps + 1):
        for agent, move in enumerate(MOVES[rng.integers(len(MOVES), size=agents)]):
            wanted = positions[step - 1, agent] + move
            positions[step, agent] = positions[step - 1, agent] if closed[tuple(wanted)] else wanted
    rewards = np.cumsum(rng.random((steps + 1, agents)) < 0.02, axis=0).astype(np.float32)
    rewards[0] = 0
    return EpisodeTrace(walls=blocked, objects=things, positions=positions, rewards=rewards)


METADATA = MissionMetadata(
    name="m",
    description="",
    origin="daf",
    num_agents=3,
    max_steps=30,
    success=None,
    action_names=["noop"],
    observation_shape=[64, 3],
    resources=[],
)
RANKS = ("best", "median", "worst")


def traced(policy: str, *traces: EpisodeTrace, **changes: object) -> PolicyTraces:
    """A policy whose episodes 0, 1, … are its best, median and worst; with one trace, episode 0 is the median."""
    ranks = RANKS if len(traces) == len(RANKS) else ("median",)
    watched = tuple(
        TracedEpisode(
            ranks=(rank,),
            episode=number,
            env_seed=number,
            mean_reward=float(trace.rewards[-1].mean()),
            success=None,
            trace=trace,
        )
        for number, (rank, trace) in enumerate(zip(ranks, traces, strict=True))
    )
    median = watched[len(watched) // 2]
    facts: dict[str, object] = {
        "policy": policy,
        "episodes": watched,
        "agent_policies": None,
        "heat_map": (median.trace,),
        "heat_map_episodes": [median.episode],
        "heat_map_seeds": [median.env_seed],
        "num_played": 4,
        "one_map": False,
    }
    return PolicyTraces(**(facts | changes))


def episodes(policy: str, rewards: Sequence[float | None]):
    """A table of episodes; None is one that failed."""
    return episodes_frame(
        {
            "policy": policy,
            "checkpoint": policy,
            "mission": "m",
            "episode": number,
            "env_seed": number,
            "mean_reward": reward,
            "agent_rewards": [] if reward is None else [reward],
            "length": 0 if reward is None else 30,
            "timeouts": 0,
            "failure": "ValueError: a bad <action>" if reward is None else None,
            "action_counts": "{}",
            "game_stats": "{}",
            "agent_stats": "[]",
        }
        for number, reward in enumerate(rewards)
    )


def write_page(
    path: Path,
    traces: dict[str, EpisodeTrace | tuple[EpisodeTrace, ...] | None],
    setting: PageSetting | None = None,
    *,
    provenance: Mapping[str, Any] | None = None,
) -> Path:
    """A page with one policy per entry, with one episode or three to watch; None: all of its episodes failed."""
    frames = [episodes(policy, [None] * 4 if trace is None else [0, 1, 2, 4.5]) for policy, trace in traces.items()]
    watched = {name: trace if isinstance(trace, tuple) else (trace,) for name, trace in traces.items() if trace}
    render_mission_page(
        [analyze_episodes(frame, METADATA) for frame in frames],
        frames,
        [traced(policy, *watched[policy]) if policy in watched else None for policy in traces],
        provenance or {"created": "today"},
        path,
        setting,
    )
    return path
