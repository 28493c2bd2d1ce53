"""Many episodes in lock step: one forward pass per step of each network, for all the agents that it plays.

An action is drawn with a random number that depends only on (episode seed, agent, step), and an episode always has the
same rows in a batch of fixed size, because the last bits of a matrix product may depend on both. So results are the
same for any split of the episodes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from mettagrid.policy.policy import MultiAgentPolicy

from daf.engine.episode import EPISODES_PER_BATCH, PlayedEpisode, failed, finished
from daf.engine.networks import NO_TOKEN, PolicyNetwork, State, place_in_network
from daf.engine.random_state import GlobalGenerators
from daf.engine.rollout import AgentTurns, StepFailedError, failing_step_named, stall_noticed
from daf.engine.simulation import AgentBuffers, BufferedSimulation, SimulationFactory
from daf.system.failure_report import FailureReport
from daf.system.forked_work import note_step

SHOWN_TOKENS = 256  # most observations use less than half of the slots


def play_in_batches(
    network: PolicyNetwork,
    policy: MultiAgentPolicy,
    factory: SimulationFactory,
    numbers: Sequence[int],
    seed: int,
    device: str,
) -> Iterator[tuple[int, PlayedEpisode]]:
    """Episodes `numbers` of one network, with their numbers, as they finish; episode e has environment seed
    `seed + e`."""
    for slots in slots_of_batches(numbers, EPISODES_PER_BATCH):
        everyone = NetworkRows(network, policy, factory, slice(None), device)
        for slot, episode in Batch(factory, slots, seed, EPISODES_PER_BATCH).play([everyone], {}):
            yield slots[slot], episode


def slots_of_batches(numbers: Sequence[int], capacity: int) -> Iterator[dict[int, int]]:
    """For each batch of `capacity` slots, slot → number of its episode."""
    for batch in dict.fromkeys(number // capacity for number in numbers):
        yield {number % capacity: number for number in numbers if number // capacity == batch}


class NetworkRows:
    """A network, and the rows of a batch whose agents it plays.

    Args:
        rows: a slice, or int64 [rows].
        member: the policy's name, if it is a member of a team.
    """

    def __init__(
        self,
        network: PolicyNetwork,
        policy: MultiAgentPolicy,
        factory: SimulationFactory,
        rows: slice | np.ndarray,
        device: str,
        member: str | None = None,
    ) -> None:
        network.module.eval()
        self.rows, self.member = rows, member
        self._network, self._device = network, torch.device(device)
        self._greedy = bool(getattr(policy, "greedy", False))
        all_tokens = factory.observation_shape[0]
        self._shown = min(SHOWN_TOKENS, all_tokens) if network.can_trim else all_tokens
        self._num_primary = len(factory.interface.action_names)
        every_row = np.arange(EPISODES_PER_BATCH * factory.num_agents) % factory.num_agents
        self._agents = torch.from_numpy(every_row[rows].astype(np.uint8)).to(self._device)
        self._state: State | None = None
        self._is_first = True

    @torch.inference_mode()
    def act(self, observations: np.ndarray, uniforms: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """The next actions, and what is wrong with them.

        Args:
            observations: uint8 [all rows, tokens, 3].
            uniforms: numbers in [0, 1), [all rows].

        Returns:
            Primary actions, int64 [rows], and which rows have logits that are not numbers, bool [rows]; None: none has.
        """
        mine = uniforms[self.rows]
        if self._is_first:
            self._state, self._is_first = self._network.initial_state(len(mine), self._device), False
        logits, self._state = self._forward(observations)
        if bool(torch.isfinite(logits.sum())):  # usually only one number to check
            return self._choose(logits, mine), None
        return self._choose(logits, mine), ~torch.isfinite(logits).all(dim=1).cpu().numpy()

    def place(self) -> str | None:
        """Where a user wrote the network."""
        return place_in_network(self._network.module)

    def _forward(self, observations: np.ndarray) -> tuple[torch.Tensor, State | None]:
        """Logits [rows, actions] and the next state.

        The network sees up to SHOWN_TOKENS slots of its rows; the few rows that use more get a second pass over all
        slots. So the result for a row depends only on that row.
        """
        usual = self._pass(observations[self.rows, : self._shown])
        if self._shown == observations.shape[1]:
            return usual
        crowded = observations[self.rows, self._shown - 1, 0] != NO_TOKEN
        if not crowded.any():
            return usual
        return _where(torch.from_numpy(crowded).to(self._device), self._pass(observations[self.rows]), usual)

    def _pass(self, observations: np.ndarray) -> tuple[torch.Tensor, State | None]:
        seen = torch.from_numpy(observations.copy()).to(self._device)
        seen = self._network.prepare(seen, self._agents)
        logits, _, state = self._network.step(seen, self._state)
        return logits, state

    def _choose(self, logits: torch.Tensor, uniforms: np.ndarray) -> np.ndarray:
        """Primary actions, int64 [rows]; greedy ones are the most probable, others drawn by inverting the
        cumulative distribution."""
        if self._greedy:
            chosen: np.ndarray = logits.argmax(dim=1).cpu().numpy()
            return chosen
        cumulative = logits.double().softmax(dim=1).cumsum(dim=1).cpu().numpy()
        return np.minimum((cumulative <= uniforms[:, None]).sum(axis=1), self._num_primary - 1)


@dataclass(frozen=True, kw_only=True)
class SlotTeam:
    """How a team plays the agents of one episode.

    Attributes:
        members: the member that plays each agent.
        networks: the agents that networks play, int64 [agents].
        turns: the others; None: there are none.
        names: of the members, in the order that `turns` knows.
        generators: the global random generators, as the episode's own.
    """

    members: Sequence[str]
    networks: np.ndarray
    turns: AgentTurns | None
    names: Sequence[str]
    generators: GlobalGenerators

    def act(self, simulation: BufferedSimulation) -> None:
        """Put the next actions of agents that no network plays into the buffers.

        Raises:
            StepFailedError: a member raised or chose an illegal action.
        """
        turns = self.turns
        if turns is None:
            return
        with (
            self.generators.installed(),
            failing_step_named(simulation, lambda: self.names[turns.asked]),
            stall_noticed() as asking,
            asking,
        ):
            turns.act()


class Batch:
    """Up to `capacity` episodes, each in its slot of rows: row = slot · agents + agent."""

    def __init__(self, factory: SimulationFactory, slots: Mapping[int, int], seed: int, capacity: int) -> None:
        self._names, self._agents = factory.interface.all_action_names, factory.num_agents
        self._shape = (capacity, self._agents)
        self._buffers = AgentBuffers.zeros(capacity * self._agents, factory.observation_shape)
        self._buffers.observations.fill(255)  # empty slots have no observations
        self.simulations = {
            slot: factory.build(seed + number, self.buffers(slot)) for slot, number in sorted(slots.items())
        }
        self.seeds = seed + np.array([slots.get(slot, 0) for slot in range(capacity)], dtype=np.int64)
        self._actions = np.zeros((2, max(1, factory.max_steps), capacity * self._agents), dtype=np.uint8)

    def buffers(self, slot: int) -> AgentBuffers:
        """The part of the buffers that belongs to a slot."""
        rows = self._rows(slot)
        return self._buffers.rows(rows.start, rows.stop)

    def _rows(self, slot: int) -> slice:
        return slice(slot * self._agents, (slot + 1) * self._agents)

    def play(
        self, networks: Sequence[NetworkRows], teams: Mapping[int, SlotTeam]
    ) -> Iterator[tuple[int, PlayedEpisode]]:
        """Episodes as they finish, with their slots.

        Args:
            networks: together they play all rows, or all that `teams` leave to them.
            teams: slot → team; none: one network plays everything.
        """
        buffers, running = self._buffers, dict(self.simulations)
        step = 0
        while running:
            note_step(step)
            for slot, episode in self._act(networks, teams, running, step):
                del running[slot]
                yield slot, episode
            self._actions[0, step] = buffers.actions
            if teams:
                self._actions[1, step] = buffers.vibe_actions
            step += 1
            for simulation in running.values():
                simulation.step()
            over = buffers.terminals.reshape(self._shape).all(axis=1)
            over |= buffers.truncations.reshape(self._shape).all(axis=1)
            for slot in list(running):
                team = teams.get(slot)
                if team is not None and team.turns is not None:
                    team.turns.end_step()
                if over[slot]:
                    yield slot, self._result(slot, step, team)
                    del running[slot]

    def _act(
        self,
        networks: Sequence[NetworkRows],
        teams: Mapping[int, SlotTeam],
        running: Mapping[int, BufferedSimulation],
        step: int,
    ) -> Iterator[tuple[int, PlayedEpisode]]:
        """Put the next actions into the buffers; the episodes that fail thereby, with their slots, which the caller
        takes out of `running`."""
        buffers = self._buffers
        uniforms = episode_uniforms(self.seeds, step, self._agents).ravel()
        for network in networks:
            buffers.actions[network.rows], bad = network.act(buffers.observations, uniforms)
            if bad is None:
                continue
            place = network.place()
            error = "PolicyError: action logits are NaN or infinite"
            report = FailureReport(error=error, frame=place, in_user_code=place is not None)
            rows = np.arange(len(buffers.actions))[network.rows][bad]
            for slot in np.unique(rows // self._agents).tolist():
                if slot in running:
                    yield slot, self._failed(slot, report, step, network.member)
        for slot, team in teams.items():
            if slot in running:
                try:
                    team.act(running[slot])
                except StepFailedError as failure:
                    report = FailureReport.of(failure.__cause__ or failure)
                    yield slot, self._failed(slot, report, step, failure.member)

    def _failed(self, slot: int, report: FailureReport, step: int, member: str | None) -> PlayedEpisode:
        return failed(report.at(step=step, env_seed=int(self.seeds[slot]), member=member), self._agents)

    def _result(self, slot: int, length: int, team: SlotTeam | None) -> PlayedEpisode:
        actions, simulation = self._actions[:, :length, self._rows(slot)].copy(), self.simulations[slot]
        if team is None:
            counts = np.bincount(actions[0].ravel(), minlength=len(self._names))
            return finished(simulation, self._names, counts, actions)
        counts = np.bincount(actions[0, :, team.networks].ravel(), minlength=len(self._names))
        if team.turns is None:
            return finished(simulation, self._names, counts, actions, agent_policies=list(team.members))
        return finished(
            simulation,
            self._names,
            counts + team.turns.counts,
            actions,
            timeouts=team.turns.timeouts,
            agent_policies=list(team.members),
        )


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
