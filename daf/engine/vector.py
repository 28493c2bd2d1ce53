"""Many environments stepped together in shared buffers, for training.

An environment whose episode has ended starts the next one immediately. Episode seeds depend only on the training seed
and the numbers of environment and episode, so that any number of processes sees the same episodes. The state of an
environment is its episode's seed and the actions so far: the engine is deterministic, so replaying them restores it
exactly, in a fraction of the time it took to choose them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from daf.engine.missions import Mission
from daf.engine.simulation import AgentBuffers, SimulationFactory
from daf.episodes.success import EpisodeFacts, is_success


@dataclass(frozen=True, kw_only=True)
class FinishedEpisode:
    """The results of an episode that ended in this step.

    Attributes:
        environment: its number among this process's environments.
        success: None if the mission declares no success.
        final_observations: uint8 [agents, tokens, 3] if the episode was cut short (truncated), so that the value of its
            last state can replace the future; None if it really ended.
    """

    environment: int
    facts: EpisodeFacts
    success: bool | None
    final_observations: np.ndarray | None


def episode_seed(training_seed: int, environment: int, episode: int) -> int:
    """A seed below 2³¹ that depends only on these three numbers."""
    text = f"{training_seed}/{environment}/{episode}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=4).digest(), "big") & 0x7FFFFFFF


class VectorEnvironment:
    """`num_envs` environments of one mission, numbered from `first_env` over all processes.

    Attributes:
        buffers: the shared arrays; write `buffers.actions`, call `step`, read the others.
    """

    def __init__(
        self, mission: Mission, *, num_envs: int, seed: int, first_env: int = 0, pin_memory: bool = False
    ) -> None:
        self.mission = mission
        self.factory = SimulationFactory(mission.env_config)
        self.num_envs, self.seed, self.first_env = num_envs, seed, first_env
        self.agents_per_env = self.factory.num_agents
        self.num_agents = num_envs * self.agents_per_env
        self.buffers = AgentBuffers.zeros(self.num_agents, self.factory.observation_shape)
        if pin_memory:  # a GPU reads pinned memory without an extra copy and without waiting
            import torch

            pinned = torch.zeros(self.buffers.observations.shape, dtype=torch.uint8, pin_memory=True)
            self.buffers = replace(self.buffers, observations=pinned.numpy())
        self._episode = [0] * num_envs
        self._simulations: list[Any] = [self._start(env) for env in range(num_envs)]
        # The actions of the running episodes, [steps, environments, agents]; each environment is at its own step.
        self._actions = np.empty((1024, num_envs, self.agents_per_env), dtype=np.uint8)
        self._steps = np.zeros(num_envs, dtype=np.int64)

    def _rows(self, env: int) -> slice:
        return self.rows(range(env, env + 1))

    def _start(self, env: int) -> Any:
        seed = episode_seed(self.seed, self.first_env + env, self._episode[env])
        rows = self._rows(env)
        return self.factory.build(seed, self.buffers.rows(rows.start, rows.stop))

    def blocks(self, agents: int) -> list[range]:
        """The environments in consecutive blocks of about this number of agents, at least one environment each."""
        size = max(1, agents // self.agents_per_env)
        return [range(first, min(first + size, self.num_envs)) for first in range(0, self.num_envs, size)]

    def rows(self, environments: range) -> slice:
        """The agents of consecutive environments."""
        return slice(environments.start * self.agents_per_env, environments.stop * self.agents_per_env)

    def step(
        self, environments: range | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[FinishedEpisode]]:
        """Apply `buffers.actions` in consecutive environments (default: all).

        Returns:
            rewards [agents] float32, terminated and truncated [agents] bool of these environments (copies: in the
            buffers, environments that ended have already restarted), and the episodes that ended.
        """
        environments = range(self.num_envs) if environments is None else environments
        some, rows = slice(environments.start, environments.stop), self.rows(environments)
        self._reserve(int(self._steps[some].max()) + 1)
        shape = (len(environments), self.agents_per_env)
        self._actions[self._steps[some], environments] = self.buffers.actions[rows].reshape(shape)
        self._steps[some] += 1
        for simulation in self._simulations[some]:
            simulation.step()
        rewards = self.buffers.rewards[rows].copy()
        terminated, truncated = self.buffers.terminals[rows].copy(), self.buffers.truncations[rows].copy()
        over = terminated.reshape(shape).all(axis=1) | truncated.reshape(shape).all(axis=1)
        finished = [self._finish(environments[number]) for number in np.flatnonzero(over)]
        return rewards, terminated, truncated, finished

    def _reserve(self, steps: int) -> None:
        if steps > len(self._actions):
            longer = np.empty((2 * steps, *self._actions.shape[1:]), dtype=np.uint8)
            longer[: len(self._actions)] = self._actions
            self._actions = longer

    def _finish(self, env: int) -> FinishedEpisode:
        simulation, rows = self._simulations[env], self._rows(env)
        stats = simulation.get_episode_stats()
        facts = EpisodeFacts(
            mean_reward=float(np.mean(simulation.get_episode_rewards())),
            length=int(simulation.current_step),
            game_stats=stats["game"],
            agent_stats=stats["agent"],
        )
        success = is_success(self.mission.success, facts) if self.mission.success else None
        final = self.buffers.observations[rows].copy() if self.buffers.truncations[rows].any() else None
        self._episode[env] += 1
        self._steps[env] = 0
        self._simulations[env] = self._start(env)
        return FinishedEpisode(environment=env, facts=facts, success=success, final_observations=final)

    def state(self) -> dict[str, Any]:
        """Plain data from which `restore` rebuilds every environment exactly."""
        logs = [self._actions[:steps, env].tobytes() for env, steps in enumerate(self._steps)]
        return {"episode": list(self._episode), "actions": logs}

    def restore(self, state: dict[str, Any]) -> None:
        """Replay the actions of unfinished episodes."""
        self._episode = [int(number) for number in state["episode"]]
        for env, log in enumerate(state["actions"]):
            rows = self._rows(env)
            self._simulations[env] = simulation = self._start(env)
            played = np.frombuffer(log, dtype=np.uint8).reshape(-1, self.agents_per_env)
            for actions in played:
                self.buffers.actions[rows] = actions
                simulation.step()
            self._reserve(len(played))
            self._actions[: len(played), env] = played
            self._steps[env] = len(played)
