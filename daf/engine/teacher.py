"""A teacher: what another policy would do in each training environment, from the same observations.

Every environment has its own instance, rebuilt for each episode with the random generators seeded from the episode's
seed, as in evaluation. So its actions depend only on the episode and the actions in it so far, and playing these again
restores its state. A class that keeps state outside of its instances cannot be restored so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from mettagrid.policy.policy import MultiAgentPolicy

from daf.engine.action_log import seen_in_steps
from daf.engine.observations import LazyObservation, TokenTable
from daf.engine.policies import ResolvedPolicy, build_policy
from daf.engine.random_state import GlobalGenerators, random_state_kept
from daf.engine.rollout import seed_everything
from daf.engine.simulation import SimulationFactory
from daf.errors import shorten
from daf.system.failure_report import blaming

NO_LABEL = -1  # the teacher chose an action that networks do not have, such as a vibe


class Teacher:
    """Plays along in the environments of one process.

    Attributes:
        noop: number of the action that does nothing.

    Args:
        seed_of: environment → seed of its running episode.
        factory_of: environment → factory of its mission; all have the same interface. None: it is always `factory`.

    Raises:
        PolicyError, CheckpointError: the policy cannot be built for the mission.
    """

    def __init__(
        self,
        policy: ResolvedPolicy,
        factory: SimulationFactory,
        seed_of: Callable[[int], int],
        factory_of: Callable[[int], SimulationFactory] | None = None,
    ) -> None:
        self._policy, self._factory, self._seed_of = policy, factory, seed_of
        self._factory_of = factory_of or (lambda environment: factory)
        self._tokens = TokenTable(factory.env_config)
        self.noop = factory.interface.action_names.index(factory.env_config.game.actions.noop.Noop().name)
        self._players: dict[int, _Player] = {}
        with random_state_kept():
            build_policy(policy, factory.interface)

    def act(self, environments: range, observations: np.ndarray) -> np.ndarray:
        """The numbers of the actions of consecutive environments' agents in this step, int64 [agents]; NO_LABEL where
        the teacher chose none that networks have.

        Args:
            observations: uint8 [agents, tokens, 3] of these agents.
        """
        agents = self._factory.num_agents
        labels = np.empty(len(observations), dtype=np.int64)
        with random_state_kept():
            for place, env in enumerate(environments):
                rows = slice(place * agents, (place + 1) * agents)
                if env not in self._players:
                    seed_everything(self._seed_of(env))
                    self._players[env] = _Player(self._policy, self._factory_of(env), self._tokens)
                labels[rows] = self._players[env].act(observations[rows])
        return labels

    def end_episode(self, environment: int) -> None:
        """The episode has ended: the next step is the first of another."""
        self._players.pop(environment, None)

    def replay(self, environment: int, log: bytes) -> None:
        """Restore the state in a running episode from the actions in it so far, uint8 [steps, agents]."""
        self.end_episode(environment)
        factory = self._factory_of(environment)
        for observations in seen_in_steps(factory, self._seed_of(environment), log):
            self.act(range(environment, environment + 1), observations)


class _Player:
    """The teacher in one episode; its generators are this episode's own."""

    def __init__(self, policy: ResolvedPolicy, factory: SimulationFactory, tokens: TokenTable) -> None:
        interface = factory.interface
        self._tokens, self._num_primary = tokens, len(interface.action_names)
        self._index = {name: number for number, name in enumerate(interface.all_action_names)}
        built = self._built = build_policy(policy, interface)
        self._agents: list[Any] = []
        if type(built).step_batch is not MultiAgentPolicy.step_batch:
            built.reset()
        else:
            self._agents = [built.agent_policy(agent) for agent in range(factory.num_agents)]
            for agent in self._agents:
                agent.reset()
        self._generators = GlobalGenerators()

    def act(self, observations: np.ndarray) -> np.ndarray:
        seen = observations.copy()
        with self._generators.installed():
            numbers = self._one_by_one(seen) if self._agents else self._together(seen)
        return np.where(numbers < self._num_primary, numbers, NO_LABEL)

    def _together(self, seen: np.ndarray) -> np.ndarray:
        chosen = np.zeros(len(seen), dtype=np.int32)
        self._built.step_batch(seen, chosen)
        illegal = chosen[(chosen < 0) | (chosen >= len(self._index))]
        if len(illegal):
            error = ValueError(f"illegal action {illegal[0]}, expected 0 to {len(self._index) - 1}")
            raise blaming(error, self._built, "step_batch")
        return chosen.astype(np.int64)

    def _one_by_one(self, seen: np.ndarray) -> np.ndarray:
        observations = [LazyObservation(agent, raw, self._tokens) for agent, raw in enumerate(seen)]
        if self._agents[0].can_step_group(self._agents):
            actions = self._agents[0].step_group(list(enumerate(observations)))
        else:
            actions = [agent.step(obs) for agent, obs in zip(self._agents, observations, strict=True)]
        return np.array(
            [self._number(action, agent) for action, agent in zip(actions, self._agents, strict=True)], dtype=np.int64
        )

    def _number(self, action: Any, agent: Any) -> int:
        name = action if isinstance(action, str) else getattr(action, "name", None)
        if name not in self._index:
            found = shorten(repr(action))
            raise blaming(ValueError(f"expected one of {', '.join(self._index)}, found {found}"), agent, "step")
        return self._index[name]
