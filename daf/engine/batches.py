"""Many episodes of one network in lock step: one forward pass per step for all of them.

An action is drawn with a random number that depends only on (episode seed, agent, step), and an episode always has the
same row in a batch of fixed size, because the last bits of a matrix product may depend on both. So results are the same
for any split of the episodes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from mettagrid.policy.policy import MultiAgentPolicy

from daf.engine.episode import PlayedEpisode, failed, finished
from daf.engine.networks import NO_TOKEN, PolicyNetwork, State, place_in_network
from daf.engine.simulation import AgentBuffers, SimulationFactory
from daf.system.failure_report import FailureReport
from daf.system.forked_work import note_step

EPISODES_PER_BATCH = 16
SHOWN_TOKENS = 256  # most observations use less than half of the slots


def play_in_batches(
    network: PolicyNetwork,
    policy: MultiAgentPolicy,
    factory: SimulationFactory,
    numbers: Sequence[int],
    seed: int,
    device: str,
) -> Iterator[tuple[int, PlayedEpisode]]:
    """Episodes `numbers` with their numbers, as they finish; episode e has environment seed `seed + e`."""
    network.module.eval()
    greedy = bool(getattr(policy, "greedy", False))
    for batch in dict.fromkeys(number // EPISODES_PER_BATCH for number in numbers):
        slots = {number % EPISODES_PER_BATCH: number for number in numbers if number // EPISODES_PER_BATCH == batch}
        for slot, episode in _Batch(network, factory, slots, seed, device, greedy).play():
            yield slots[slot], episode


class _Batch:
    """Up to EPISODES_PER_BATCH episodes, each in its slot of rows."""

    def __init__(
        self,
        network: PolicyNetwork,
        factory: SimulationFactory,
        slots: dict[int, int],
        seed: int,
        device: str,
        greedy: bool,
    ) -> None:
        self._network, self._device, self._greedy = network, torch.device(device), greedy
        all_tokens = factory.observation_shape[0]
        self._shown = min(SHOWN_TOKENS, all_tokens) if network.can_trim else all_tokens
        self._names, self._agents = factory.interface.all_action_names, factory.num_agents
        self._num_primary = len(factory.interface.action_names)
        self._buffers = AgentBuffers.zeros(EPISODES_PER_BATCH * self._agents, factory.observation_shape)
        self._buffers.observations.fill(255)  # empty slots have no observations
        self._simulations = {
            slot: factory.build(seed + number, self._buffers.rows(self._rows(slot).start, self._rows(slot).stop))
            for slot, number in slots.items()
        }
        self._seeds = seed + np.array([slots.get(slot, 0) for slot in range(EPISODES_PER_BATCH)], dtype=np.int64)
        self._actions = np.zeros((max(1, factory.max_steps), len(self._buffers.actions)), dtype=np.uint8)

    def _rows(self, slot: int) -> slice:
        return slice(slot * self._agents, (slot + 1) * self._agents)

    @torch.inference_mode()
    def play(self) -> Iterator[tuple[int, PlayedEpisode]]:
        buffers, running = self._buffers, self._simulations
        shape = (EPISODES_PER_BATCH, self._agents)
        state = self._network.initial_state(len(buffers.actions), self._device)
        step = 0
        while running:
            note_step(step)
            logits, state = self._forward(state)
            for slot in self._not_finite(logits):
                if running.pop(slot, None) is not None:
                    place = place_in_network(self._network.module)
                    error = "PolicyError: action logits are NaN or infinite"
                    report = FailureReport(error=error, frame=place, in_user_code=place is not None)
                    report = report.at(step=step, env_seed=int(self._seeds[slot]))
                    yield slot, failed(report, self._agents)
            buffers.actions[:] = self._actions[step] = self._choose(logits, step)
            step += 1
            for simulation in running.values():
                simulation.step()
            over = buffers.terminals.reshape(shape).all(axis=1) | buffers.truncations.reshape(shape).all(axis=1)
            for slot in np.flatnonzero(over).tolist():
                if slot in running:
                    yield slot, self._result(slot, step)
                    del running[slot]

    def _forward(self, state: State | None) -> tuple[torch.Tensor, State | None]:
        """Logits [rows, actions] and the next state.

        The network sees up to SHOWN_TOKENS slots of all rows; the few rows that use more get a second pass over all
        slots. So the result for a row depends only on that row.
        """
        seen = self._buffers.observations
        usual = self._pass(seen[:, : self._shown], state)
        crowded = seen[:, self._shown - 1, 0] != NO_TOKEN
        if self._shown == seen.shape[1] or not crowded.any():
            return usual
        return _where(torch.from_numpy(crowded).to(self._device), self._pass(seen, state), usual)

    def _pass(self, observations: np.ndarray, state: State | None) -> tuple[torch.Tensor, State | None]:
        seen = self._network.prepare(torch.from_numpy(observations.copy())).to(self._device)
        logits, _, state = self._network.step(seen, state)
        return logits, state

    def _choose(self, logits: torch.Tensor, step: int) -> np.ndarray:
        """Primary actions, int64 [rows]; greedy ones are the most probable, others drawn by inverting the
        cumulative distribution."""
        if self._greedy:
            chosen: np.ndarray = logits.argmax(dim=1).cpu().numpy()
            return chosen
        cumulative = logits.double().softmax(dim=1).cumsum(dim=1).cpu().numpy()
        drawn = episode_uniforms(self._seeds, step, self._agents).reshape(-1, 1)
        return np.minimum((cumulative <= drawn).sum(axis=1), self._num_primary - 1)

    def _not_finite(self, logits: torch.Tensor) -> list[int]:
        """Slots with an agent whose logits are not numbers."""
        if bool(torch.isfinite(logits.sum())):  # usually only one number to check
            return []
        bad = ~torch.isfinite(logits).all(dim=1).cpu().numpy().reshape(EPISODES_PER_BATCH, self._agents).all(axis=1)
        return np.flatnonzero(bad).tolist()

    def _result(self, slot: int, length: int) -> PlayedEpisode:
        primary = self._actions[:length, self._rows(slot)]
        counts = np.bincount(primary.ravel(), minlength=len(self._names))
        actions = np.stack([primary, np.zeros_like(primary)])  # networks choose no vibes
        return finished(self._simulations[slot], self._names, counts, actions)


def _where(
    rows: torch.Tensor, chosen: tuple[torch.Tensor, State | None], others: tuple[torch.Tensor, State | None]
) -> tuple[torch.Tensor, State | None]:
    """Logits and states of `rows` (bool [rows]) from one pass, of all others from another."""
    logits = torch.where(rows[:, None], chosen[0], others[0])
    if chosen[1] is None or others[1] is None:
        return logits, None
    hidden, cell = (torch.where(rows[:, None, None], a, b) for a, b in zip(chosen[1], others[1], strict=True))
    return logits, (hidden, cell)


def episode_uniforms(seeds: np.ndarray, step: int, num_agents: int) -> np.ndarray:
    """Numbers in [0, 1), [episodes, agents] float64, that depend only on (episode seed, agent, step).

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
