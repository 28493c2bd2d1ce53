"""Evaluation: episodes of one policy on one mission → rows of the episodes table.

The contract: the same seed gives the same episode and the same numbers, on any number of workers and in any shards.

- Networks that DAF knows (`grid`, `lstm`, `stateless`) play many episodes in lock step. Their actions are drawn with
  a number that depends on (episode seed, agent, step) alone, and an episode always sits in the same row of a batch of
  fixed size, because the last bits of a matrix product may depend on both.
- Policies that only implement `step_batch` play on raw buffers, one episode at a time.
- All other policies play one episode at a time in the engine's own rollout, with python's, numpy's and torch's
  random numbers seeded from the episode seed first.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from mettagrid.policy.lstm import LSTMPolicy
from mettagrid.policy.policy import AgentPolicy, MultiAgentPolicy
from mettagrid.policy.policy_env_interface import PolicyEnvInterface
from mettagrid.policy.stateless import StatelessPolicy
from mettagrid.runner.rollout import resolve_env_for_seed, single_episode_rollout
from mettagrid.simulator import Action, AgentObservation

from daf.engine.grid_policy import GridPolicy
from daf.engine.missions import Mission, resolve_mission
from daf.engine.networks import PolicyNetwork
from daf.engine.policies import ResolvedPolicy, build_policy, resolve_policy
from daf.engine.simulation import AgentBuffers, SimulationFactory
from daf.episodes import episodes_frame
from daf.errors import BadInputError, PolicyError
from daf.success import EpisodeFacts, is_success

if TYPE_CHECKING:
    import pandas as pd

EPISODES_PER_BATCH = 16
NETWORK_POLICIES: tuple[type[MultiAgentPolicy], ...] = (GridPolicy, LSTMPolicy, StatelessPolicy)


@dataclass(frozen=True, kw_only=True)
class PlayedEpisode:
    """What one episode left behind, before it becomes a row."""

    agent_rewards: list[float]
    length: int
    timeouts: int
    action_counts: dict[str, int]
    game_stats: dict[str, float]
    agent_stats: list[dict[str, float]]
    failure: str | None = None

    def facts(self) -> EpisodeFacts:
        """What objectives and success expressions look at; not for an episode that failed."""
        return EpisodeFacts(
            mean_reward=float(np.mean(self.agent_rewards)),
            length=self.length,
            game_stats=self.game_stats,
            agent_stats=self.agent_stats,
        )


def success_of(episode: PlayedEpisode, mission: Mission) -> bool | None:
    """None if the mission declares no success or the episode failed."""
    if not mission.success or episode.failure is not None:
        return None
    return is_success(mission.success, episode.facts())


def evaluate_policy(
    policy: Any,
    mission: Any,
    *,
    episodes: int,
    seed: int,
    first_episode: int = 0,
    workers: int = 1,
    device: str = "cpu",
    max_action_time_ms: int = 10_000,
    policy_label: str | None = None,
    checkpoint_label: str | None = None,
    training_seed: int | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> pd.DataFrame:
    """Play episodes `first_episode` … `first_episode + episodes - 1`; episode e has environment seed `seed + e`.

    Args:
        policy: anything that `resolve_policy` takes. All agents of the mission play it.
        mission: anything that `resolve_mission` takes.
        workers: processes to share the episodes between; the numbers do not depend on it.
        on_progress: called with the number of episodes played so far.

    Raises:
        BadInputError: unknown mission or policy, a policy that does not fit, a mission that never ends.
    """
    resolved, found = resolve_policy(policy, policy_label), resolve_mission(mission)
    if found.max_steps == 0:
        raise BadInputError(
            "a mission with a step limit",
            "max_steps is 0: an episode may never end",
            f"mission '{found.name}'",
            "set max_steps for it under `missions`",
        )
    label = policy_label or resolved.label
    numbers = range(first_episode, first_episode + episodes)
    played: dict[int, PlayedEpisode] = {}
    for number, episode in _play(resolved, found, numbers, seed, device, max_action_time_ms, workers):
        played[number] = episode
        if on_progress is not None:
            on_progress(len(played))
    return episodes_frame(
        {
            "policy": label,
            "checkpoint": checkpoint_label or label,
            "training_seed": training_seed,
            "mission": found.name,
            "episode": number,
            "seed": seed + number,
            **episode_row(played[number], found),
        }
        for number in numbers
    )


def episode_row(episode: PlayedEpisode, mission: Mission) -> dict[str, Any]:
    """What happened in an episode, as columns of the episodes table."""
    return {
        "mean_reward": None if episode.failure is not None else episode.facts().mean_reward,
        "agent_rewards": episode.agent_rewards,
        "success": success_of(episode, mission),
        "length": episode.length,
        "timeouts": episode.timeouts,
        "failure": episode.failure,
        "action_counts": json.dumps(episode.action_counts, sort_keys=True),
        "game_stats": json.dumps(episode.game_stats, sort_keys=True),
        "agent_stats": json.dumps(episode.agent_stats, sort_keys=True),
    }


def _play(
    policy: ResolvedPolicy,
    mission: Mission,
    numbers: range,
    seed: int,
    device: str,
    max_action_time_ms: int,
    workers: int,
) -> Iterator[tuple[int, PlayedEpisode]]:
    """Episodes as they finish, with their numbers."""
    if workers == 1 or len(numbers) <= 1:
        yield from _play_here(policy, mission, numbers, seed, device, max_action_time_ms)
        return
    shares = [numbers[start : start + EPISODES_PER_BATCH] for start in range(0, len(numbers), EPISODES_PER_BATCH)]
    if len(shares) < workers:  # fewer batches than workers: split them, at the cost of emptier batches
        shares = [
            numbers[part[0] : part[-1] + 1] for part in np.array_split(np.arange(len(numbers)), workers) if len(part)
        ]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        jobs = [pool.submit(_play_share, policy, mission, share, seed, device, max_action_time_ms) for share in shares]
        for job in jobs:
            yield from job.result()


def _play_share(*arguments: Any) -> list[tuple[int, PlayedEpisode]]:
    return list(_play_here(*arguments))


def _play_here(
    policy: ResolvedPolicy, mission: Mission, numbers: range, seed: int, device: str, max_action_time_ms: int
) -> Iterator[tuple[int, PlayedEpisode]]:
    factory = SimulationFactory(mission.env_config)
    built = build_policy(policy, factory.interface, device=device)
    yield from play_episodes(
        built, policy.label, mission, factory, numbers, seed, device=device, max_action_time_ms=max_action_time_ms
    )


def play_episodes(
    policy: MultiAgentPolicy,
    label: str,
    mission: Mission,
    factory: SimulationFactory,
    numbers: range,
    seed: int,
    *,
    device: str,
    max_action_time_ms: int,
) -> Iterator[tuple[int, PlayedEpisode]]:
    """Episodes `numbers` of a policy that is built already, as they finish; episode e has environment seed `seed + e`.

    What the policy's network has learnt so far counts: nothing is loaded. It is left in evaluation mode.
    """
    torch.set_num_threads(1)  # small batches: intra-op threads slow them down many times over
    if type(policy) in NETWORK_POLICIES:
        yield from _play_in_batches(PolicyNetwork(policy, label), policy, factory, numbers, seed, device)
        return
    only_batches = type(policy).agent_policy is MultiAgentPolicy.agent_policy
    for number in numbers:
        seed_everything(seed + number)
        try:
            if only_batches:
                episode = _play_step_batch(policy, factory, seed + number)
            else:
                episode = _play_in_engine(policy, factory, mission, seed + number, max_action_time_ms)
        except Exception as error:  # a user's policy may fail in any way; the other episodes are kept
            episode = PlayedEpisode(
                agent_rewards=[],
                length=0,
                timeouts=0,
                action_counts={},
                game_stats={},
                agent_stats=[],
                failure=f"{type(error).__name__}: {error}",
            )
        yield number, episode


def seed_everything(seed: int) -> None:
    """Seed the generators that policies draw from unasked: python's, numpy's and torch's."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # policies use the global generator
    torch.manual_seed(seed)


# ---- networks: many episodes in lock step -----------------------------------------------------------------


def episode_uniforms(seeds: np.ndarray, step: int, num_agents: int) -> np.ndarray:
    """Numbers in [0, 1), [episodes, agents] float64, that depend on (episode seed, agent, step) alone.

    The finalizer of splitmix64 (Steele et al. 2014) over a mixture of the three.
    """
    agents = np.arange(num_agents, dtype=np.uint64)
    with np.errstate(over="ignore"):
        z = seeds.astype(np.uint64)[:, None] * np.uint64(0x9E3779B97F4A7C15)
        z = _mix(z + agents[None, :] * np.uint64(0xD1B54A32D192ED03)) + np.uint64(step)
        z = _mix(z * np.uint64(0x9E3779B97F4A7C15) + np.uint64(0x632BE59BD9B4E019))
    return (z >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mix(z: np.ndarray) -> np.ndarray:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray = z ^ (z >> np.uint64(31))
    return mixed


def _play_in_batches(
    network: PolicyNetwork, policy: MultiAgentPolicy, factory: SimulationFactory, numbers: range, seed: int, device: str
) -> Iterator[tuple[int, PlayedEpisode]]:
    network.module.eval()
    greedy = bool(getattr(policy, "greedy", False))
    for first in range(numbers.start - numbers.start % EPISODES_PER_BATCH, numbers.stop, EPISODES_PER_BATCH):
        slots = {number - first: number for number in range(first, first + EPISODES_PER_BATCH) if number in numbers}
        for slot, episode in _play_batch(network, factory, slots, seed, device, greedy):
            yield slots[slot], episode


@torch.inference_mode()
def _play_batch(
    network: PolicyNetwork, factory: SimulationFactory, slots: dict[int, int], seed: int, device: str, greedy: bool
) -> Iterator[tuple[int, PlayedEpisode]]:
    agents, names = factory.num_agents, factory.interface.action_names
    buffers = AgentBuffers.zeros(EPISODES_PER_BATCH * agents, factory.observation_shape)
    buffers.observations.fill(255)  # empty slots see nothing
    rows = {slot: slice(slot * agents, (slot + 1) * agents) for slot in slots}
    simulations = {
        slot: factory.build(seed + number, buffers.rows(rows[slot].start, rows[slot].stop))
        for slot, number in slots.items()
    }
    seeds = seed + np.array([slots.get(slot, 0) for slot in range(EPISODES_PER_BATCH)], dtype=np.int64)
    state = network.initial_state(EPISODES_PER_BATCH * agents, torch.device(device))
    counts = np.zeros((EPISODES_PER_BATCH, len(names)), dtype=np.int64)
    step = 0
    while simulations:
        observations = network.prepare(torch.from_numpy(buffers.observations.copy())).to(device)
        logits, _, state = network.step(observations, state)
        if not torch.isfinite(logits).all():
            raise PolicyError("finite action logits", "NaN or infinity", f"step {step} of episode seed {seeds.min()}")
        if greedy:
            actions = logits.argmax(dim=1).cpu().numpy()
        else:
            cumulative = logits.double().softmax(dim=1).cumsum(dim=1).cpu().numpy()
            drawn = episode_uniforms(seeds, step, agents).reshape(-1, 1)
            actions = np.minimum((cumulative <= drawn).sum(axis=1), len(names) - 1)
        buffers.actions[:] = actions
        step += 1
        for slot, simulation in list(simulations.items()):
            counts[slot] += np.bincount(actions[rows[slot]], minlength=len(names))
            simulation.step()
            if buffers.terminals[rows[slot]].all() or buffers.truncations[rows[slot]].all():
                del simulations[slot]
                stats = simulation.get_episode_stats()
                yield (
                    slot,
                    PlayedEpisode(
                        agent_rewards=[float(reward) for reward in simulation.get_episode_rewards()],
                        length=int(simulation.current_step),
                        timeouts=0,
                        action_counts=_counted(names, counts[slot]),
                        game_stats=dict(stats["game"]),
                        agent_stats=[dict(agent) for agent in stats["agent"]],
                    ),
                )


def _counted(names: list[str], counts: np.ndarray) -> dict[str, int]:
    return {name: int(count) for name, count in zip(names, counts, strict=True)}


# ---- policies with step_batch only ------------------------------------------------------------------------


def _play_step_batch(policy: MultiAgentPolicy, factory: SimulationFactory, seed: int) -> PlayedEpisode:
    agents, interface = factory.num_agents, factory.interface
    num_primary, names = len(interface.action_names), interface.all_action_names
    buffers = AgentBuffers.zeros(agents, factory.observation_shape)
    simulation = factory.build(seed, buffers)
    policy.reset()
    counts = np.zeros(len(names), dtype=np.int64)
    chosen = np.zeros(agents, dtype=np.int32)
    while not (buffers.terminals.all() or buffers.truncations.all()):
        policy.step_batch(buffers.observations, chosen)
        illegal = chosen[(chosen < 0) | (chosen >= len(names))]
        if len(illegal):
            raise ValueError(f"illegal action {int(illegal[0])}, expected 0 to {len(names) - 1}")
        counts += np.bincount(chosen, minlength=len(names))
        buffers.actions[:] = np.where(chosen < num_primary, chosen, 0)
        buffers.vibe_actions[:] = np.where(chosen < num_primary, 0, chosen)
        simulation.step()
    stats = simulation.get_episode_stats()
    return PlayedEpisode(
        agent_rewards=[float(reward) for reward in simulation.get_episode_rewards()],
        length=int(simulation.current_step),
        timeouts=0,
        action_counts=_counted(names, counts),
        game_stats=dict(stats["game"]),
        agent_stats=[dict(agent) for agent in stats["agent"]],
    )


# ---- everything else: the engine's own rollout ------------------------------------------------------------


class _CountingAgent(AgentPolicy):
    """Passes everything on to an agent policy and counts the actions it chooses."""

    def __init__(self, agent: AgentPolicy, interface: PolicyEnvInterface, counts: Counter[str]) -> None:
        super().__init__(interface)
        self._agent, self._counts = agent, counts
        if not hasattr(agent, "_infos"):  # a built-in policy forgets to initialize it, and the rollout reads it
            agent._infos = {}

    @property
    def infos(self) -> dict[str, Any]:
        return self._agent.infos

    def step(self, obs: AgentObservation) -> Action:
        action = self._agent.step(obs)
        self._counts[action.name] += 1
        return action

    def reset(self, *arguments: Any) -> None:
        self._agent.reset(*arguments)  # not every policy takes the simulation


class _CountingPolicy(MultiAgentPolicy):
    """A policy whose agents count their actions."""

    def __init__(self, policy: MultiAgentPolicy, interface: PolicyEnvInterface) -> None:
        super().__init__(interface)
        self._policy = policy
        self.counts: Counter[str] = Counter()

    @property
    def minimum_action_timeout_ms(self) -> int:  # type: ignore[override]  # the wrapped policy's own class attribute
        return self._policy.minimum_action_timeout_ms if hasattr(self, "_policy") else 0

    def configure_action_timeout_ms(self, _action_timeout_ms: int) -> None:
        self._policy.configure_action_timeout_ms(_action_timeout_ms)

    def agent_policy(self, agent_id: int) -> AgentPolicy:
        return _CountingAgent(self._policy.agent_policy(agent_id), self.policy_env_info, self.counts)


def _play_in_engine(
    policy: MultiAgentPolicy, factory: SimulationFactory, mission: Mission, seed: int, max_action_time_ms: int
) -> PlayedEpisode:
    counting = _CountingPolicy(policy, factory.interface)
    result, _ = single_episode_rollout(
        [counting],
        [0] * mission.num_agents,
        resolve_env_for_seed(mission.env_config, seed),
        seed=seed,
        max_action_time_ms=max_action_time_ms,
        render_mode="none",
        autostart=False,
        capture_replay=False,
    )
    names = factory.interface.all_action_names
    return PlayedEpisode(
        agent_rewards=[float(reward) for reward in result.rewards],
        length=int(result.steps),
        timeouts=int(sum(result.action_timeouts)),
        action_counts={name: counting.counts.get(name, 0) for name in names},
        game_stats=dict(result.stats["game"]),
        agent_stats=[dict(agent) for agent in result.stats["agent"]],
    )
