"""Many environments stepped together in shared buffers, for training: in this process, or in worker processes.

An environment whose episode has ended starts the next one immediately. Episode seeds depend only on the training seed
and the numbers of environment and episode, and missions also on the weights in force, so that any number of processes
sees the same episodes. The state of an environment is its episode's seed and mission, and the actions so far: the
engine is deterministic, so replaying them restores it exactly, in a fraction of the time it took to choose them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np

from daf.engine.action_log import packed
from daf.engine.environment_workers import WorkerSteppers, deal
from daf.engine.missions import Mission
from daf.engine.simulation import SimulationFactory
from daf.engine.stepping import EnvironmentArrays, FinishedEpisode, MissionMix, Stepper, episode_seed
from daf.errors import BadInputError
from daf.system.worker_processes import shared_zeros

STALL_SECONDS = 300.0


class VectorEnvironment:
    """`num_envs` environments of a mission or of several, numbered from `first_env` over all processes.

    Attributes:
        missions: that they play.
        mission, factory: the first of them.
        buffers: the shared arrays; write `buffers.actions`, call `step`, read the others.
        workers: worker processes that step the environments; 0: this process does. Results do not depend on it.
        logs_vibes: whether `buffers.vibe_actions` are used, too, and their state must tell them.

    Args:
        agents_per_block: agents that usually step together; every worker gets a part of each such block.
        stall_seconds: how long a worker may take for a step.

    Raises:
        BadInputError: the missions differ in the number of agents or the shape of observations.
        WorkerFailedError: a worker failed, here or in a later call.
    """

    def __init__(
        self,
        mission: Mission | MissionMix,
        *,
        num_envs: int,
        seed: int,
        first_env: int = 0,
        workers: int = 0,
        agents_per_block: int = 0,
        stall_seconds: float = STALL_SECONDS,
    ) -> None:
        mix = MissionMix.of(mission)
        self.missions, self.mission = mix.missions, mix.missions[0]
        self.factories = [SimulationFactory(one.env_config) for one in self.missions]
        self.factory = factory = self.factories[0]
        shapes = {(one.num_agents, one.observation_shape) for one in self.factories}
        if len(shapes) > 1:  # they share buffers
            found = " and ".join(f"{agents} x {shape}" for agents, shape in sorted(shapes))
            raise BadInputError("missions with the same agents and observations", found, "missions")
        self.num_envs, self.seed, self.first_env = num_envs, seed, first_env
        self.workers = min(workers, num_envs)
        self.agents_per_env = factory.num_agents
        self.num_agents = num_envs * self.agents_per_env
        self._arrays = EnvironmentArrays.of(
            factory, mix.weights, num_envs, workers, shared_zeros if workers else np.zeros
        )
        self.buffers = self._arrays.buffers
        make: Callable[[Iterable[int], int], Stepper] = partial(
            _stepper, list(zip(self.missions, self.factories, strict=True)), self._arrays, seed, first_env
        )
        self._stepper: Stepper | WorkerSteppers
        if workers:
            shares = deal(self.blocks(agents_per_block or self.num_agents), self.workers)
            self._stepper = WorkerSteppers(
                make, self._arrays, partial(_seed_of, seed, first_env, self._arrays), shares, stall_seconds
            )
        else:
            self._stepper = make(range(num_envs), 0)
        self.logs_vibes = False
        # The actions of the running episodes, [steps, environments, agents]; each environment is at its own step.
        self._actions = np.empty((1024, num_envs, self.agents_per_env), dtype=np.uint8)

    def running_seed(self, environment: int) -> int:
        """The seed of an environment's running episode."""
        return _seed_of(self.seed, self.first_env, self._arrays, environment)

    def running_factory(self, environment: int) -> SimulationFactory:
        """The factory of an environment's running episode."""
        return self.factories[int(self._arrays.missions[environment])]

    def running_episode(self, environment: int) -> int:
        """The number of an environment's running episode."""
        return int(self._arrays.episodes[environment])

    def set_weights(self, weights: Sequence[float]) -> None:
        """Change the relative numbers of the missions' episodes that will begin; only between steps."""
        self._arrays.weights[:] = weights

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
        """Apply `buffers.actions` in consecutive environments (default: all); as `begin_step` and `end_step`."""
        environments = range(self.num_envs) if environments is None else environments
        self.begin_step(environments)
        rewards, terminated, truncated, finished = self.end_step(environments)
        return rewards.copy(), terminated.copy(), truncated.copy(), finished

    def begin_step(self, environments: range) -> None:
        """Apply `buffers.actions` in consecutive environments. With workers, other environments can begin a step
        meanwhile; steps must end in the order in which they began."""
        some = slice(environments.start, environments.stop)
        steps = self._arrays.steps[some]
        self._reserve(int(steps.max()) + 1)
        rows, buffers = self.rows(environments), self.buffers
        actions = buffers.actions[rows]
        if self.logs_vibes:
            actions = packed(actions, buffers.vibe_actions[rows], len(self.factory.interface.action_names))
        self._actions[steps, environments] = actions.reshape(len(environments), self.agents_per_env)
        if isinstance(self._stepper, WorkerSteppers):
            self._stepper.request(environments)

    def end_step(self, environments: range) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[FinishedEpisode]]:
        """Wait for the step.

        Returns:
            rewards [agents] float32, terminated and truncated [agents] bool of these environments, valid until their
            next step (in the buffers, environments that ended have already restarted), and the episodes that ended.
        """
        if isinstance(self._stepper, WorkerSteppers):
            finished = self._stepper.await_step(environments)
        else:
            finished = self._stepper.step(environments)
        arrays, rows = self._arrays, self.rows(environments)
        return arrays.rewards[rows], arrays.terminated[rows], arrays.truncated[rows], finished

    def _reserve(self, steps: int) -> None:
        if steps > len(self._actions):
            longer = np.empty((2 * steps, *self._actions.shape[1:]), dtype=np.uint8)
            longer[: len(self._actions)] = self._actions
            self._actions = longer

    def state(self) -> dict[str, Any]:
        """Plain data from which `restore` rebuilds every environment exactly."""
        logs = [self._actions[:steps, env].tobytes() for env, steps in enumerate(self._arrays.steps.tolist())]
        missions = {"mission": self._arrays.missions.tolist()} if len(self.missions) > 1 else {}
        return {"episode": self._arrays.episodes.tolist(), "actions": logs, **missions}

    def restore(self, state: dict[str, Any]) -> None:
        """Replay the actions of unfinished episodes, in all workers at the same time."""
        self._arrays.episodes[:] = state["episode"]
        self._arrays.missions[:] = state.get("mission", 0)
        self._stepper.replay(dict(enumerate(state["actions"])))
        for env, log in enumerate(state["actions"]):
            played = np.frombuffer(log, dtype=np.uint8).reshape(-1, self.agents_per_env)
            self._reserve(len(played))
            self._actions[: len(played), env] = played

    def worker_processes(self) -> list[int]:
        """Process ids of the workers."""
        return list(self._stepper.processes) if isinstance(self._stepper, WorkerSteppers) else []

    def close(self) -> None:
        """End the workers."""
        if isinstance(self._stepper, WorkerSteppers):
            self._stepper.close()


def _stepper(
    missions: Sequence[tuple[Mission, SimulationFactory]],
    arrays: EnvironmentArrays,
    seed: int,
    first_env: int,
    environments: Iterable[int],
    worker: int,
) -> Stepper:
    return Stepper(missions, arrays, environments, seed=seed, first_env=first_env, worker=worker)


def _seed_of(seed: int, first_env: int, arrays: EnvironmentArrays, env: int) -> int:
    return episode_seed(seed, first_env + env, int(arrays.episodes[env]))
