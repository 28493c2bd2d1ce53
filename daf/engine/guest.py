"""Episodes of a policy that lives in another process: here the engine, there only observations and actions.

Rewards, steps, timeouts and statistics are this process's, and equal those of the engine's own rollout with the same
actions. Whatever the other process does, it can only choose actions.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from mettagrid.config.mettagrid_config import MettaGridConfig
from mettagrid.policy.policy import AgentPolicy, MultiAgentPolicy
from mettagrid.policy.policy_env_interface import PolicyEnvInterface
from mettagrid.simulator.interface import AgentObservation
from mettagrid.types import Action

from daf.engine.episode import PlayedEpisode
from daf.engine.observations import LazyObservation, TokenTable
from daf.engine.rollout import StepFailedError, play_agents
from daf.engine.simulation import SimulationFactory
from daf.system.nouns import number_of

_LONGEST_NAME, _LONGEST_TALK = 200, 10_000

Ask = Callable[[bytes, bytes], Any]
"""Sends a question, as JSON and raw observations, and returns the answer: a list of actions as plain data."""


class BadAnswerError(Exception):
    """An answer that is not a list of actions."""


class GuestPolicy(MultiAgentPolicy):
    """A policy in another process.

    Args:
        together: whether its agents act in one call.
        minimum_action_timeout_ms: time per action that it asks for; the caller decides how much of it to grant.
    """

    def __init__(
        self, interface: PolicyEnvInterface, ask: Ask, *, together: bool, minimum_action_timeout_ms: int = 0
    ) -> None:
        super().__init__(interface)
        self._ask, self.together = ask, together
        self.minimum_action_timeout_ms = minimum_action_timeout_ms  # type: ignore[misc]  # the engine's is per class

    def agent_policy(self, agent_id: int) -> AgentPolicy:
        return _GuestAgent(self, agent_id)

    def act(self, seen: Sequence[tuple[int, AgentObservation]]) -> list[Action]:
        """The actions of some agents."""
        question = {
            "agents": [agent for agent, _ in seen],
            "together": self.together,
            "talk": [[_plain_talk(talk) for talk in observation.talk] for _, observation in seen],
        }
        raw = np.stack([_raw(observation) for _, observation in seen])
        answer = self._ask(json.dumps(question).encode(), raw.tobytes())
        if not isinstance(answer, list) or len(answer) != len(seen):
            raise BadAnswerError(f"an answer without {number_of(len(seen), 'action')}")
        return [_action(action) for action in answer]


class _GuestAgent(AgentPolicy):
    def __init__(self, policy: GuestPolicy, agent_id: int) -> None:
        super().__init__(policy.policy_env_info)
        self._policy, self._agent_id = policy, agent_id

    def can_step_group(self, policies: Sequence[AgentPolicy]) -> bool:
        return self._policy.together

    def step_group(self, observations: list[tuple[int, AgentObservation]]) -> list[Action]:
        return self._policy.act(observations)

    def step(self, obs: AgentObservation) -> Action:
        return self._policy.act([(self._agent_id, obs)])[0]


def _raw(observation: AgentObservation) -> np.ndarray:
    assert isinstance(observation, LazyObservation)
    return observation.raw


def _plain_talk(talk: Any) -> list[Any]:
    return [talk.agent_id, talk.text, [talk.location.row, talk.location.col], talk.remaining_steps]


def _action(plain: Any) -> Action:
    if not isinstance(plain, list) or len(plain) != 3:
        raise BadAnswerError("an answer that is not an action")
    name, vibe, talk = plain
    if not isinstance(name, str) or len(name) > _LONGEST_NAME:
        raise BadAnswerError("an action without a name")
    if any(text is not None and not isinstance(text, str) for text in (vibe, talk)):
        raise BadAnswerError("an action whose vibe or talk is not text")
    if len(vibe or "") > _LONGEST_NAME or len(talk or "") > _LONGEST_TALK:
        raise BadAnswerError("an action of too much text")
    return Action(name=name, vibe=vibe, talk=talk)


def shortened(env_config: MettaGridConfig, steps: int) -> SimulationFactory:
    """The mission with episodes of `steps` steps."""
    config = env_config.model_copy(deep=True)
    config.game.max_steps = steps
    return SimulationFactory(config)


def play_guest(policy: GuestPolicy, factory: SimulationFactory, seed: int, max_action_time_ms: int) -> PlayedEpisode:
    """One episode.

    Raises:
        whatever `ask` raises, BadAnswerError, and ValueError for an action that the mission does not have.
    """
    tokens = TokenTable(factory.env_config)
    failed = None
    try:
        return play_agents([policy], [0] * factory.num_agents, factory, tokens, seed, max_action_time_ms)
    except StepFailedError as error:
        failed = error
    raise failed.__cause__ or failed
