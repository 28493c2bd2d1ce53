"""How teams play their episodes.

If a team has networks that DAF knows, its episodes are played in lock step: each network is asked once per step for all
the agents that it plays, and the other members act through their single-agent interface, each episode with random
generators that are its own. A user's scripted policies may share state among all their instances, so a team that has
one plays one episode at a time. A team without networks does, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

import numpy as np
from mettagrid.policy.policy import MultiAgentPolicy

from daf.engine.episode import EPISODES_PER_BATCH, PlayedEpisode, failed
from daf.engine.isolation import is_users
from daf.engine.observations import TokenTable
from daf.engine.play import one_by_one, plays_from_logits, use_one_thread
from daf.engine.policies import ResolvedPolicy, build_policy
from daf.engine.random_state import GlobalGenerators
from daf.engine.rollout import AgentTurns, StepFailedError, failing_member_named, play_agents, seed_everything
from daf.engine.simulation import SimulationFactory
from daf.engine.teams import Team
from daf.engine.user_code import state_kept
from daf.system.failure_report import FailureReport

if TYPE_CHECKING:
    from daf.engine.batches import Batch, NetworkRows, SlotTeam


Given = Mapping[str, MultiAgentPolicy]
NONE_GIVEN: Given = {}


def play_team(
    team: Team,
    factory: SimulationFactory,
    numbers: Sequence[int],
    seed: int,
    device: str,
    max_action_time_ms: int,
    given: Given = NONE_GIVEN,
) -> Iterator[tuple[int, PlayedEpisode]]:
    """Episodes `numbers` as they finish, with their numbers; episode e has environment seed `seed + e`.

    Args:
        given: members that are built already, by label, with the weights that they play with.

    Raises:
        PolicyError, CheckpointError: a member cannot be built, or the mission has too few agents.
    """
    use_one_thread()
    team.assignments(factory.num_agents, seed)  # raises now if the mission has too few agents
    seed_everything(0)  # a network without weights must be the same untrained one everywhere
    built = [
        given[member.label] if member.label in given else build_policy(member, factory.interface, device=device)
        for member in team.members
    ]
    if any(map(plays_from_logits, built)):
        yield from _LockStep(team, built, factory, seed, device, max_action_time_ms, given).play(numbers)
        return
    tokens, names = TokenTable(factory.env_config), [member.label for member in team.members]

    def play(episode_seed: int) -> PlayedEpisode:
        members = [_built(member, factory, device, given) for member in team.members]
        assignments = team.assignments(factory.num_agents, episode_seed)
        return play_agents(members, assignments, factory, tokens, episode_seed, max_action_time_ms, names)

    yield from one_by_one(play, factory, numbers, seed)


def _built(member: ResolvedPolicy, factory: SimulationFactory, device: str, given: Given) -> MultiAgentPolicy:
    with failing_member_named(member.label):
        if member.label in given:
            return given[member.label]
        return build_policy(member, factory.interface, device=device)


class _LockStep:
    """A team some of whose members are networks."""

    def __init__(
        self,
        team: Team,
        built: Sequence[MultiAgentPolicy],
        factory: SimulationFactory,
        seed: int,
        device: str,
        max_action_time_ms: int,
        given: Given,
    ) -> None:
        from daf.engine.networks import PolicyNetwork  # imports torch

        self._team, self._built, self._factory, self._given = team, built, factory, given
        self._seed, self._device, self._max_action_time_ms = seed, device, max_action_time_ms
        self._tokens, self._names = TokenTable(factory.env_config), [member.label for member in team.members]
        self._networks = {
            member: PolicyNetwork(policy, self._names[member])
            for member, policy in enumerate(built)
            if plays_from_logits(policy)
        }
        scripted = [policy for member, policy in enumerate(team.members) if member not in self._networks]
        self._has_users_code = any(policy.bundle or is_users(policy.class_path) for policy in scripted)
        self._capacity = 1 if self._has_users_code else EPISODES_PER_BATCH

    def play(self, numbers: Sequence[int]) -> Iterator[tuple[int, PlayedEpisode]]:
        from daf.engine.batches import Batch, slots_of_batches  # imports torch

        for slots in slots_of_batches(numbers, self._capacity):
            with state_kept() if self._has_users_code else nullcontext():
                batch = Batch(self._factory, slots, self._seed, self._capacity)
                seats = np.array([self._team.assignments(self._factory.num_agents, int(seed)) for seed in batch.seeds])
                teams = {}
                for slot in slots:
                    seated = self._seated(batch, slot, seats[slot])
                    if isinstance(seated, PlayedEpisode):
                        del batch.simulations[slot]
                        yield slots[slot], seated
                    else:
                        teams[slot] = seated
                for slot, episode in batch.play(self._rows(seats), teams):
                    yield slots[slot], episode

    def _seated(self, batch: Batch, slot: int, seats: np.ndarray) -> SlotTeam | PlayedEpisode:
        """The team at the first step of an episode, or the episode that failed before it."""
        from daf.engine.batches import SlotTeam

        seed_everything(int(batch.seeds[slot]))
        scripted = {agent: int(member) for agent, member in enumerate(seats) if member not in self._networks}
        turns = None
        if scripted:
            try:
                policies = list(self._built)
                for member in dict.fromkeys(scripted.values()):
                    policies[member] = _built(self._team.members[member], self._factory, self._device, self._given)
                turns = AgentTurns(
                    policies, scripted, self._factory, self._tokens, self._max_action_time_ms, self._names
                )
                turns.begin(batch.simulations[slot], batch.buffers(slot))
            except StepFailedError as failure:
                report = FailureReport.of(failure.__cause__ or failure)
                report = report.at(step=None, env_seed=int(batch.seeds[slot]), member=failure.member)
                return failed(report, self._factory.num_agents)
        return SlotTeam(
            members=[self._names[member] for member in seats],
            networks=np.flatnonzero([member in self._networks for member in seats]),
            turns=turns,
            names=self._names,
            generators=GlobalGenerators(),
        )

    def _rows(self, seats: np.ndarray) -> list[NetworkRows]:
        """The networks with the rows that they play; `seats`: member of each agent, int64 [slots, agents]."""
        from daf.engine.batches import NetworkRows

        return [
            NetworkRows(
                network,
                self._built[member],
                self._factory,
                np.flatnonzero((seats == member).ravel()),
                self._device,
                self._names[member],
            )
            for member, network in self._networks.items()
            if (seats == member).any()
        ]
