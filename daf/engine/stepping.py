"""Environments in shared arrays, and what steps them: an environment whose episode ends starts the next one at once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from daf.engine.action_log import logged_steps
from daf.engine.missions import Mission
from daf.engine.simulation import AgentBuffers, SimulationFactory
from daf.episodes.success import EpisodeFacts, is_success

NO_ENVIRONMENT = -1


@dataclass(frozen=True)
class MissionMix:
    """The missions of environments. All have the same number of agents, observations and actions.

    Attributes:
        weights: relative numbers of their episodes at the beginning.
    """

    missions: tuple[Mission, ...]
    weights: tuple[float, ...]

    @classmethod
    def of(cls, mission: Mission | MissionMix) -> MissionMix:
        return mission if isinstance(mission, MissionMix) else cls((mission,), (1.0,))


@dataclass(frozen=True, kw_only=True)
class FinishedEpisode:
    """The results of an episode that ended in this step.

    Attributes:
        environment: its number among this process's environments.
        mission: the number of its mission.
        success: None if the mission declares no success.
        final_observations: uint8 [agents, tokens, 3] if the episode was cut short (truncated), so that the value of its
            last state can replace the future; None if it really ended.
        agent_rewards: of each agent.
        learner_reward: mean of the agents whose network is trained; None: all are.
    """

    environment: int
    mission: int = 0
    facts: EpisodeFacts
    success: bool | None
    final_observations: np.ndarray | None
    agent_rewards: tuple[float, ...] = ()
    learner_reward: float | None = None


def episode_seed(training_seed: int, environment: int, episode: int) -> int:
    """A seed below 2³¹ that depends only on these three numbers."""
    text = f"{training_seed}/{environment}/{episode}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=4).digest(), "big") & 0x7FFFFFFF


def episode_mission(training_seed: int, environment: int, episode: int, weights: np.ndarray) -> int:
    """The number of the mission that an episode plays: drawn in proportion to the weights, from these numbers alone."""
    text = f"{training_seed}/{environment}/{episode}/mission".encode()
    draw = (int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 11) / 2**53
    bounds = np.cumsum(weights)
    number = int(np.searchsorted(bounds, draw * bounds[-1], side="right"))
    return min(number, int(np.flatnonzero(weights)[-1]))  # the product may round up to the last bound


@dataclass(frozen=True, kw_only=True)
class EnvironmentArrays:
    """Everything that environments exchange with those who play in them.

    Attributes:
        buffers: the engine's; environments whose episode ended have already restarted in them.
        rewards, terminated, truncated: of the last step, [agents].
        episodes: number of each environment's running episode.
        missions: number of its mission.
        weights: relative numbers of the episodes of each mission that will begin.
        steps: steps of that episode so far.
        busy: the environment that each worker steps or builds, or NO_ENVIRONMENT.
    """

    buffers: AgentBuffers
    rewards: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    episodes: np.ndarray
    missions: np.ndarray
    weights: np.ndarray
    steps: np.ndarray
    busy: np.ndarray

    @classmethod
    def of(
        cls,
        factory: SimulationFactory,
        weights: Sequence[float],
        num_envs: int,
        workers: int,
        zeros: Callable[..., np.ndarray],
    ) -> Self:
        agents, shares = num_envs * factory.num_agents, zeros(len(weights), np.float64)
        shares[:] = weights
        busy = zeros(max(1, workers), np.int64)
        busy[:] = NO_ENVIRONMENT
        return cls(
            buffers=AgentBuffers.zeros(agents, factory.observation_shape, zeros),
            rewards=zeros(agents, np.float32),
            terminated=zeros(agents, np.bool_),
            truncated=zeros(agents, np.bool_),
            episodes=zeros(num_envs, np.int64),
            missions=zeros(num_envs, np.int64),
            weights=shares,
            steps=zeros(num_envs, np.int64),
            busy=busy,
        )


class Stepper:
    """Owns the simulations of some environments.

    Args:
        missions: that they play, each with its factory.
        first_env: number of environment 0 over all processes.
        environments: their numbers among those of the arrays.
        worker: number of the process that steps them.
    """

    def __init__(
        self,
        missions: Sequence[tuple[Mission, SimulationFactory]],
        arrays: EnvironmentArrays,
        environments: Iterable[int],
        *,
        seed: int,
        first_env: int,
        worker: int = 0,
    ) -> None:
        self._missions, self._arrays, self._agents = missions, arrays, missions[0][1].num_agents
        self._seed, self._first_env, self._worker = seed, first_env, worker
        self._simulations: dict[int, Any] = {}
        for env in environments:
            self._start(env)

    def _rows(self, env: int) -> slice:
        return slice(env * self._agents, (env + 1) * self._agents)

    def _start(self, env: int) -> None:
        """Draw the mission of an environment's next episode, and build it."""
        arrays = self._arrays
        episode = int(arrays.episodes[env])
        arrays.missions[env] = episode_mission(self._seed, self._first_env + env, episode, arrays.weights)
        self._build(env)

    def _build(self, env: int) -> Any:
        arrays, rows = self._arrays, self._rows(env)
        arrays.busy[self._worker], arrays.steps[env] = env, 0
        seed = episode_seed(self._seed, self._first_env + env, int(arrays.episodes[env]))
        _, factory = self._missions[arrays.missions[env]]
        simulation = factory.build(seed, arrays.buffers.rows(rows.start, rows.stop))
        arrays.busy[self._worker] = NO_ENVIRONMENT
        self._simulations[env] = simulation
        return simulation

    def step(self, environments: range) -> list[FinishedEpisode]:
        """Apply the actions in consecutive environments; return the episodes that ended."""
        arrays, buffers, agents = self._arrays, self._arrays.buffers, self._agents
        for env in environments:
            arrays.busy[self._worker] = env
            self._simulations[env].step()
        arrays.busy[self._worker] = NO_ENVIRONMENT
        rows = slice(environments.start * agents, environments.stop * agents)
        arrays.rewards[rows] = buffers.rewards[rows]
        arrays.terminated[rows] = terminated = buffers.terminals[rows]
        arrays.truncated[rows] = truncated = buffers.truncations[rows]
        arrays.steps[environments.start : environments.stop] += 1
        shape = (len(environments), agents)
        over = terminated.reshape(shape).all(axis=1) | truncated.reshape(shape).all(axis=1)
        return [self._finish(environments[number]) for number in np.flatnonzero(over)]

    def _finish(self, env: int) -> FinishedEpisode:
        simulation, rows, arrays = self._simulations[env], self._rows(env), self._arrays
        arrays.busy[self._worker] = env
        stats, rewards = simulation.get_episode_stats(), simulation.get_episode_rewards()
        facts = EpisodeFacts(
            mean_reward=float(np.mean(rewards)),
            length=int(simulation.current_step),
            game_stats=stats["game"],
            agent_stats=stats["agent"],
        )
        number = int(arrays.missions[env])
        mission, _ = self._missions[number]
        success = is_success(mission.success, facts) if mission.success else None
        final = arrays.buffers.observations[rows].copy() if arrays.truncated[rows].any() else None
        arrays.episodes[env] += 1
        self._start(env)
        return FinishedEpisode(
            environment=env,
            mission=number,
            facts=facts,
            success=success,
            final_observations=final,
            agent_rewards=tuple(float(reward) for reward in rewards),
        )

    def replay(self, logs: Mapping[int, bytes]) -> None:
        """Restart environments in their running episode, and play the actions in it so far, see `action_log`."""
        arrays = self._arrays
        for env, log in logs.items():
            simulation, rows = self._build(env), self._rows(env)
            arrays.busy[self._worker] = env
            for step, (actions, vibes) in enumerate(logged_steps(log, self._missions[arrays.missions[env]][1])):
                arrays.steps[env] = step
                arrays.buffers.actions[rows], arrays.buffers.vibe_actions[rows] = actions, vibes
                simulation.step()
            arrays.steps[env] = len(log) // self._agents
            arrays.busy[self._worker] = NO_ENVIRONMENT
