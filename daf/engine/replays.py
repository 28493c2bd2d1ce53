"""Episodes replayed from their seed and actions, without the policy: replay files, and where agents went."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mettagrid.runner.rollout import resolve_env_for_seed
from mettagrid.simulator import Simulator
from mettagrid.simulator.replay_log_writer import InMemoryReplayWriter

from daf.engine.missions import Mission
from daf.engine.simulation import AgentBuffers, SimulationFactory
from daf.errors import DafError
from daf.system.files import write_bytes


@dataclass(frozen=True, kw_only=True)
class MapObject:
    """An object on the map at the start, neither agent nor wall."""

    type_name: str
    row: int
    column: int


@dataclass(frozen=True, kw_only=True)
class EpisodeTrace:
    """Positions of everything in an episode.

    Attributes:
        walls: bool [rows, columns].
        positions: int16 [steps + 1, agents, 2]: row and column before the first step and after every step.
        rewards: float32 [steps + 1, agents]: cumulative.
    """

    walls: np.ndarray
    objects: tuple[MapObject, ...]
    positions: np.ndarray
    rewards: np.ndarray


def trace_episode(
    mission: Mission, seed: int, actions: np.ndarray, expected_rewards: Sequence[float] | None = None
) -> EpisodeTrace:
    """Replay an episode and record where agents are.

    Args:
        seed: the episode's environment seed.
        actions: uint8 [2, steps, agents], as `unpack_actions` returns them.
        expected_rewards: total reward of every agent, as recorded.

    Raises:
        DafError: the outcome differs: the episode was played with a different engine or mission.
    """
    factory = SimulationFactory(mission.env_config)
    buffers = AgentBuffers.zeros(factory.num_agents, factory.observation_shape)
    simulation = factory.build(seed, buffers)
    things = simulation.objects()
    walls = np.zeros((simulation.map_height, simulation.map_width), dtype=np.bool_)
    for thing in things:
        if thing["type_name"] == "wall":
            walls[thing["r"], thing["c"]] = True
    objects = tuple(
        MapObject(type_name=thing["type_name"], row=thing["r"], column=thing["c"])
        for thing in things
        if thing["type_name"] not in ("wall", "agent")
    )
    steps = actions.shape[1]
    positions = np.zeros((steps + 1, factory.num_agents, 2), dtype=np.int16)
    rewards = np.zeros((steps + 1, factory.num_agents), dtype=np.float32)
    for step in range(steps + 1):
        if step:
            buffers.actions[:], buffers.vibe_actions[:] = actions[0, step - 1], actions[1, step - 1]
            simulation.step()
            rewards[step] = simulation.get_episode_rewards()
        for agent in simulation.agents():
            positions[step, agent["agent_id"]] = agent["r"], agent["c"]
    _check_same(rewards[-1], expected_rewards, mission, seed)
    return EpisodeTrace(walls=walls, objects=objects, positions=positions, rewards=rewards)


def write_replay(
    path: str | Path,
    mission: Mission,
    seed: int,
    actions: np.ndarray,
    *,
    agent_policies: Sequence[str],
    expected_rewards: Sequence[float] | None = None,
) -> None:
    """Replay an episode and write the file that `cogames replay` shows (name it `….json.z`).

    Args:
        seed, actions, expected_rewards: as for `trace_episode`.
        agent_policies: the name to show for the policy of every agent.

    Raises:
        DafError: the outcome differs: the episode was played with a different engine or mission.
    """
    writer = InMemoryReplayWriter()
    simulator = Simulator()
    simulator.add_event_handler(writer)
    simulation = simulator.new_simulation(resolve_env_for_seed(mission.env_config, seed), seed)
    simulation._context["policy_infos"] = {agent: {"policy_name": name} for agent, name in enumerate(agent_policies)}
    raw: Any = simulation._c_sim
    for primary, vibes in zip(*actions, strict=True):
        raw.actions()[:], raw.vibe_actions()[:] = primary, vibes
        simulation.step()
    _check_same(simulation.episode_rewards, expected_rewards, mission, seed)
    replay = writer.get_completed_replays()[0].get_replay_data()
    write_bytes(path, zlib.compress(json.dumps(replay).encode()))


def _check_same(rewards: np.ndarray, expected: Sequence[float] | None, mission: Mission, seed: int) -> None:
    if expected is None or [float(reward) for reward in rewards] == [float(reward) for reward in expected]:
        return
    raise DafError(
        f"the recorded rewards {[round(float(reward), 3) for reward in expected]}",
        f"{[round(float(reward), 3) for reward in rewards]}",
        f"episode seed {seed} of mission '{mission.name}', replayed from its actions",
        "was it played with a different engine, or has the mission changed since?",
    )
