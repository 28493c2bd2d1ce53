"""One episode at a time, agent by agent: what policies see and what becomes of their actions, as in the engine."""

from __future__ import annotations

import itertools
import json
import time
from functools import partial
from typing import Any, ClassVar

import pytest
from mettagrid.policy.policy import AgentPolicy, MultiAgentPolicy
from mettagrid.policy.policy_env_interface import PolicyEnvInterface
from mettagrid.runner.rollout import single_episode_rollout
from mettagrid.simulator import Action, AgentObservation

from daf.config import MissionConfig
from daf.engine import rollout
from daf.engine.episode import PlayedEpisode, unpack_actions
from daf.engine.evaluation import evaluate_policy
from daf.engine.missions import Mission, resolve_mission
from daf.engine.observations import TokenTable
from daf.engine.rollout import play_agents, play_step_batch
from daf.engine.simulation import SimulationFactory
from tests.clocks import set_clock

SEED = 3


class Watching(AgentPolicy):
    """Acts on all that an observation holds, and keeps what it saw."""

    seen: ClassVar[list[Any]] = []

    def step(self, obs: AgentObservation) -> Action:
        facts = [
            (
                token.feature.name,
                token.value,
                token.location,
                token.row(),
                token.col(),
                token.is_global,
                *map(int, token.raw_token),
            )
            for token in obs.tokens
        ]
        talk = [(one.agent_id, one.text, tuple(one.location), one.remaining_steps) for one in obs.talk]
        self.seen.append((obs.agent_id, facts, talk))
        return self.choose(obs, sum(sum(fact[6:]) for fact in facts) + len(talk))

    def choose(self, obs: AgentObservation, number: int) -> Action:
        names = self.policy_env_info.all_action_names
        return Action(name=names[number % len(names)])


class Moody(Watching):
    """Moves and changes its vibe at once."""

    def choose(self, obs: AgentObservation, number: int) -> Action:
        vibes = self.policy_env_info.vibe_action_names
        return Action(name=self.policy_env_info.action_names[1 + number % 4], vibe=vibes[number % len(vibes)])


class Talking(Watching):
    """Says something now and then, and goes where it hears most."""

    steps = 0

    def choose(self, obs: AgentObservation, number: int) -> Action:
        self.steps += 1
        talk = f"{obs.agent_id} at {self.steps}" if self.steps % 52 == obs.agent_id else None  # 50 steps between two
        return Action(name=self.policy_env_info.action_names[number % 5], talk=talk)


class Remembering(AgentPolicy):
    """Looks at an observation a step late."""

    before: AgentObservation | None = None

    def step(self, obs: AgentObservation) -> Action:
        number = sum(token.value for token in self.before.tokens) if self.before else 0
        self.before = obs
        return Action(name=self.policy_env_info.action_names[number % 5])


class Together(Watching):
    """All agents of the policy are asked at once."""

    def can_step_group(self, policies: Any) -> bool:
        return True

    def step_group(self, observations: Any) -> list[Action]:
        return [self.choose(obs, agent + len(obs.tokens)) for agent, obs in observations]


class OfAgents(MultiAgentPolicy):
    def __init__(self, interface: PolicyEnvInterface, agent_class: type[AgentPolicy]) -> None:
        super().__init__(interface)
        self.agent_class = agent_class

    def agent_policy(self, agent_id: int) -> AgentPolicy:
        return self.agent_class(self.policy_env_info)


def play(mission: Mission, agent_class: type[AgentPolicy], **options: Any) -> PlayedEpisode:
    factory = SimulationFactory(mission.env_config)
    policy = OfAgents(factory.interface, agent_class)
    tokens = TokenTable(factory.env_config)
    budget = options.pop("max_action_time_ms", 10_000)
    return play_agents([policy], [0] * factory.num_agents, factory, tokens, SEED, budget)


@pytest.mark.parametrize(
    ("agent_class", "source", "variants"),
    [
        (Watching, "tutorial.miner", []),
        (Moody, "tutorial.miner", []),
        (Together, "tutorial.miner", []),
        (Remembering, "tutorial.miner", []),
        (Talking, "arena", ["talk"]),
    ],
)
def test_policies_see_and_do_what_they_would_in_the_engine(
    agent_class: type[AgentPolicy], source: str, variants: list[str]
) -> None:
    mission = resolve_mission(MissionConfig(source=source, max_steps=60, variants=variants))
    Watching.seen.clear()
    ours = play(mission, agent_class)
    seen = list(Watching.seen)
    Watching.seen.clear()
    policy = OfAgents(PolicyEnvInterface.from_mg_cfg(mission.env_config), agent_class)
    theirs, _ = single_episode_rollout(
        [policy],
        [0] * mission.num_agents,
        mission.env_config,
        seed=SEED,
        max_action_time_ms=10_000,
        render_mode="none",
        autostart=False,
        capture_replay=False,
    )
    assert seen == Watching.seen
    assert ours.agent_rewards == [float(reward) for reward in theirs.rewards]
    assert ours.agent_stats == [dict(agent) for agent in theirs.stats["agent"]]
    assert ours.game_stats == theirs.stats["game"]
    if agent_class is Talking:
        assert sum(len(talk) for _, _, talk in seen) > 20
    if agent_class is Moody:
        vibes = ours.actions[1]
        assert (vibes > 0).all()
        assert sum(ours.action_counts.values()) == 2 * 60 * mission.num_agents


def test_a_slow_action_becomes_a_noop_and_is_counted() -> None:
    class Slow(AgentPolicy):
        def step(self, obs: AgentObservation) -> Action:
            until = time.perf_counter_ns() + (3_000_000 if obs.agent_id == 1 else 0)
            while time.perf_counter_ns() < until:
                pass
            return Action(name="move_north")

    mission = resolve_mission(MissionConfig(source="training_facility_1", max_steps=6))
    episode = play(mission, Slow, max_action_time_ms=2)
    assert episode.timeouts >= 6  # a busy machine may be late for others too
    noop, north = (mission_names(mission).index(name) for name in ("noop", "move_north"))
    assert (episode.actions[0, :, 1] == noop).all()
    assert (episode.actions[0] == north).sum() + episode.timeouts == 6 * 4


def test_a_policy_may_ask_for_more_time() -> None:
    class Patient(OfAgents):
        minimum_action_timeout_ms = 60_000

    mission = resolve_mission(MissionConfig(source="training_facility_1", max_steps=2))
    factory = SimulationFactory(mission.env_config)
    policy = Patient(factory.interface, Watching)
    episode = play_agents([policy], [0] * 4, factory, TokenTable(factory.env_config), SEED, 1)
    assert policy.action_timeout_ms == 60_000
    assert episode.timeouts == 0


def test_actions_of_the_table_are_those_that_were_taken() -> None:
    frame = evaluate_policy("random", MissionConfig(source="tutorial.miner", max_steps=40), episodes=2, seed=SEED)
    for row in frame.itertuples():
        primary, vibes = unpack_actions(row.actions, 4, row.length)
        assert primary.shape == (40, 4)
        counts = json.loads(row.action_counts)
        names = mission_names(resolve_mission("tutorial.miner"))
        taken = {name: int(((primary == number) & (vibes == 0)).sum()) for number, name in enumerate(names[:5])}
        taken |= {name: int((vibes == number).sum()) for number, name in enumerate(names) if number >= 5}
        assert taken == counts


def mission_names(mission: Mission) -> list[str]:
    return list(PolicyEnvInterface.from_mg_cfg(mission.env_config).all_action_names)


class Northwards(MultiAgentPolicy):
    minimum_action_timeout_ms = 0

    def step_batch(self, observations: Any, actions: Any) -> None:
        actions[:] = self.policy_env_info.action_names.index("move_north")


@pytest.mark.parametrize(("took_ms", "slow"), [(400, False), (401, True)])
def test_a_batch_that_takes_too_long_for_each_of_its_agents_is_noops(
    took_ms: int, slow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    factory = SimulationFactory(resolve_mission(MissionConfig(source="tutorial.miner", max_steps=5)).env_config)
    assert factory.num_agents == 4
    set_clock(monkeypatch, rollout, perf_counter_ns=partial(next, itertools.count(0, took_ms * 1_000_000)))
    episode = play_step_batch(Northwards(factory.interface), factory, SEED, max_action_time_ms=100)
    assert episode.timeouts == (5 * 4 if slow else 0)
    chosen = "noop" if slow else "move_north"
    assert (episode.actions[0] == factory.interface.action_names.index(chosen)).all()
