"""What a policy answers to observations of a mission: computed where it was trained, compared where it will play."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mettagrid.policy.policy import MultiAgentPolicy

from daf.config import EvaluationConfig
from daf.engine.networks import NO_TOKEN, PolicyNetwork
from daf.engine.observations import LazyObservation, TokenTable
from daf.engine.play import plays_from_logits
from daf.engine.policies import ResolvedPolicy, build_policy
from daf.engine.random_state import random_state_kept
from daf.engine.rollout import seed_everything
from daf.engine.simulation import AgentBuffers, SimulationFactory
from daf.engine.user_code import state_kept
from daf.system.failure_report import FailureReport


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What a policy answers in every step to every agent, one of the two.

    Attributes:
        probabilities: float64 [steps, agents, actions], of a policy whose actions are samples from its network.
        actions: [steps][agents] name, vibe and talk, of any other policy.
        reason: why there is neither.
    """

    probabilities: np.ndarray | None = None
    actions: list[list[list[str | None]]] | None = None
    reason: str = ""


def real_observations(factory: SimulationFactory, *, steps: int, stride: int, seed: int) -> np.ndarray:
    """What all agents see in every `stride`-th step of an episode in which they walk at random.

    Returns:
        uint8 [at most steps, agents, tokens, 3]; unused slots at the end of all are left out.
    """
    rng = np.random.default_rng(seed)
    buffers = AgentBuffers.zeros(factory.num_agents, factory.observation_shape)
    simulation = factory.build(seed, buffers)
    seen = []
    for step in range((steps - 1) * stride + 1):
        if buffers.terminals.all() or buffers.truncations.all():
            break
        if step % stride == 0:
            seen.append(buffers.observations.copy())
        buffers.actions[:] = rng.integers(0, len(factory.interface.action_names), size=factory.num_agents)
        simulation.step()
    observations = np.stack(seen)
    used = np.flatnonzero((observations[..., 0] != NO_TOKEN).any(axis=(0, 1)))
    return observations[:, :, : int(used[-1]) + 1 if len(used) else 1]


def answers_of(policy: ResolvedPolicy, factory: SimulationFactory, observations: np.ndarray, seed: int) -> Answers:
    """What the policy answers to observations in a row, from the beginning of an episode."""
    torch_threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the order of a sum decides its last digits
    try:
        with random_state_kept(), state_kept():
            seed_everything(seed)
            built = build_policy(policy, factory.interface)
            if plays_from_logits(built):
                return Answers(probabilities=_probabilities(built, policy.label, factory, observations))
            first, again = (_actions(policy, factory, observations, seed) for _ in range(2))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a user's policy may fail in any way; whoever plays it will say so
        return Answers(reason=f"it fails ({FailureReport.of(error).cause})")
    finally:
        torch.set_num_threads(torch_threads)
    if first != again:
        return Answers(reason="it acts differently each time, although all random generators are seeded")
    return Answers(actions=first)


def _probabilities(
    policy: MultiAgentPolicy, label: str, factory: SimulationFactory, observations: np.ndarray
) -> np.ndarray:
    network = PolicyNetwork(policy, label)
    network.module.eval()
    state = network.initial_state(factory.num_agents, torch.device("cpu"))
    rows = []
    with torch.no_grad():
        for seen in whole(observations, factory.observation_shape[0]):
            logits, _, state = network.step(network.prepare(torch.from_numpy(seen)), state)
            rows.append(logits.double().softmax(dim=-1).numpy())
    return np.stack(rows)


def _actions(
    policy: ResolvedPolicy, factory: SimulationFactory, observations: np.ndarray, seed: int
) -> list[list[list[str | None]]]:
    """The actions of a policy that is built as a bundle's is."""
    seed_everything(seed)
    built, tokens = build_policy(policy, factory.interface), TokenTable(factory.env_config)
    built.configure_action_timeout_ms(max(EvaluationConfig().max_action_time_ms, built.minimum_action_timeout_ms))
    agents = [built.agent_policy(agent) for agent in range(factory.num_agents)]
    for agent in agents:
        agent.reset()
    together = bool(agents) and agents[0].can_step_group(agents)
    chosen = []
    for raw in whole(observations, factory.observation_shape[0]):
        seen = [(agent, LazyObservation(agent, raw[agent], tokens)) for agent in range(len(agents))]
        actions: list[Any] = (
            list(agents[0].step_group(list(seen))) if together else [agents[agent].step(obs) for agent, obs in seen]
        )
        chosen.append([_plain(action) for action in actions])
    return chosen


def _plain(action: Any) -> list[str | None]:
    return [action, None, None] if isinstance(action, str) else [action.name, action.vibe, action.talk]


def whole(observations: np.ndarray, num_tokens: int) -> np.ndarray:
    """Observations with all their token slots."""
    steps, agents, shown, numbers = observations.shape
    full = np.full((steps, agents, num_tokens, numbers), NO_TOKEN, dtype=np.uint8)
    full[:, :, :shown] = observations
    return full
