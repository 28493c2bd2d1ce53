"""One episode at a time, for policies other than networks that DAF knows.

Rewards, lengths and statistics equal those of the engine's own rollout with the same actions; only its work for
rendering is omitted, and we read our own arrays instead of its simulation's.
"""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
from mettagrid.policy.policy import AgentPolicy, MultiAgentPolicy
from mettagrid.simulator import Action
from mettagrid.simulator.interface import Location, VisibleTalk
from mettagrid.simulator.talk import TalkChannel

from daf.engine.episode import PlayedEpisode, finished
from daf.engine.observations import LazyObservation, TokenTable
from daf.engine.random_state import imported_torch
from daf.engine.simulation import AgentBuffers, SimulationFactory
from daf.errors import shorten
from daf.system.failure_report import blaming
from daf.system.forked_work import note_step
from daf.system.nouns import number_of

STALLED_SECONDS = 120.0  # a policy step that takes longer ends the episode


class PolicyStalledError(Exception):
    """A policy did not return from a step."""


class StepFailedError(Exception):
    """An episode failed at `step`, or before the first one; its cause is what a policy raised: `member` of a team."""

    def __init__(self, step: int | None, member: str | None = None) -> None:
        super().__init__(step)
        self.step, self.member = step, member


def seed_everything(seed: int) -> None:
    """Seed the global generators that policies may use: python's, numpy's and, if it is imported, torch's."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # policies use the global generator
    if torch := imported_torch():
        torch.manual_seed(seed)


class _Recorder:
    """The actions of an episode."""

    def __init__(self, num_agents: int) -> None:
        self._steps: list[bytes] = []
        self._num_agents = num_agents

    @property
    def steps(self) -> int:
        return len(self._steps)

    def record(self, buffers: AgentBuffers) -> None:
        """The actions that the next step will take."""
        self._steps.append(buffers.actions.astype(np.uint8).tobytes() + buffers.vibe_actions.astype(np.uint8).tobytes())

    def actions(self) -> np.ndarray:
        """uint8 [2, steps, agents]"""
        steps = np.frombuffer(b"".join(self._steps), dtype=np.uint8).reshape(-1, 2, self._num_agents)
        return steps.swapaxes(0, 1)


# ---- policies with step_batch -----------------------------------------------------------------------------


def play_step_batch(
    policy: MultiAgentPolicy, factory: SimulationFactory, seed: int, max_action_time_ms: int
) -> PlayedEpisode:
    """An episode of a policy that acts on raw buffers, one call per step.

    Args:
        max_action_time_ms: wall-clock limit per action. A call that takes longer than this per agent counts as a
            timeout of all its agents, and their actions become noops.
    """
    agents, interface = factory.num_agents, factory.interface
    num_primary, names = len(interface.action_names), interface.all_action_names
    buffers = AgentBuffers.zeros(agents, factory.observation_shape)
    simulation = factory.build(seed, buffers)
    policy.reset()
    recorder, counts = _Recorder(agents), np.zeros(len(names), dtype=np.int64)
    chosen, timeouts = np.zeros(agents, dtype=np.int32), np.zeros(agents, dtype=np.int64)
    noop = names.index(factory.env_config.game.actions.noop.Noop().name)
    budget_ns = max(max_action_time_ms, policy.minimum_action_timeout_ms) * 1_000_000 * agents
    with failing_step_named(simulation), stall_noticed() as asking:
        while not (buffers.terminals.all() or buffers.truncations.all()):
            note_step(recorder.steps)
            began = time.perf_counter_ns()
            with asking:
                policy.step_batch(buffers.observations, chosen)
            if time.perf_counter_ns() - began > budget_ns:
                timeouts += 1
                chosen[:] = noop
            illegal = chosen[(chosen < 0) | (chosen >= len(names))]
            if len(illegal):
                raise _illegal_number(int(illegal[0]), len(names), policy)
            counts += np.bincount(chosen, minlength=len(names))
            buffers.actions[:] = np.where(chosen < num_primary, chosen, 0)
            buffers.vibe_actions[:] = np.where(chosen < num_primary, 0, chosen)
            recorder.record(buffers)
            simulation.step()
    return finished(simulation, names, counts, recorder.actions(), timeouts=timeouts)


def _illegal_number(number: int, num_actions: int, policy: MultiAgentPolicy) -> ValueError:
    found = f"{number} (was it NaN?)" if number == np.iinfo(np.int32).min else str(number)
    return blaming(ValueError(f"illegal action {found}, expected 0 to {num_actions - 1}"), policy, "step_batch")


# ---- policies that play one agent -------------------------------------------------------------------------


def play_agents(
    policies: Sequence[MultiAgentPolicy],
    assignments: Sequence[int],
    factory: SimulationFactory,
    tokens: TokenTable,
    seed: int,
    max_action_time_ms: int,
    member_names: Sequence[str] | None = None,
) -> PlayedEpisode:
    """An episode in which agent i is played by `policies[assignments[i]]`, through its single-agent interface.

    Args:
        max_action_time_ms: wall-clock limit per action; a slower one counts as a timeout and becomes a noop.
        member_names: names of the policies, if they are a team.
    """
    names = list(member_names or [])
    turns = AgentTurns(policies, dict(enumerate(assignments)), factory, tokens, max_action_time_ms, names)
    buffers = AgentBuffers.zeros(factory.num_agents, factory.observation_shape)
    simulation = factory.build(seed, buffers)
    turns.begin(simulation, buffers)
    recorder = _Recorder(factory.num_agents)
    with (
        failing_step_named(simulation, lambda: names[turns.asked] if names else None),
        stall_noticed() as asking,
    ):
        while not (buffers.terminals.all() or buffers.truncations.all()):
            with asking:
                turns.act()
            recorder.record(buffers)
            simulation.step()
            turns.end_step()
    return finished(
        simulation,
        factory.interface.all_action_names,
        turns.counts,
        recorder.actions(),
        timeouts=turns.timeouts,
        agent_policies=[names[member] for member in assignments] if names else None,
    )


class AgentTurns:
    """Agents of one episode that are played through the interface of one agent: observations in, actions out.

    Args:
        policies: the members of a team, or one policy.
        assignments: agent → number of the policy that plays it; other agents are played elsewhere.
        max_action_time_ms: wall-clock limit per action; a slower one counts as a timeout and becomes a noop.
        names: of the policies, if they are a team.
        talks: whether they hear each other, where the mission allows it.

    Attributes:
        counts: how often each action was chosen, int64 [actions].
        timeouts: how often an action of each agent of the mission took too long, int64 [agents].
        asked: number of the policy that was asked last.
    """

    def __init__(
        self,
        policies: Sequence[MultiAgentPolicy],
        assignments: Mapping[int, int],
        factory: SimulationFactory,
        tokens: TokenTable,
        max_action_time_ms: int,
        names: Sequence[str] = (),
        talks: bool = True,
    ) -> None:
        budget_ms = max(max_action_time_ms, *(policy.minimum_action_timeout_ms for policy in policies))
        self.asked = 0
        self._agents: dict[int, AgentPolicy] = {}
        self._names, self._assignments = names, assignments
        for member in dict.fromkeys(assignments.values()):
            with self._named(member):
                policies[member].configure_action_timeout_ms(budget_ms)
        for agent, member in assignments.items():
            with self._named(member):
                self._agents[agent] = policies[member].agent_policy(agent)
        self._groups = {
            member: [agent for agent, of in assignments.items() if of == member]
            for member in dict.fromkeys(assignments.values())
        }
        interface = factory.interface
        self._tokens, self._budget_ns = tokens, budget_ms * 1_000_000
        self._index = {name: number for number, name in enumerate(interface.all_action_names)}
        self._num_primary = len(interface.action_names)
        self._noop = factory.env_config.game.actions.noop.Noop()
        self._talk = TalkChannel(factory.env_config.game.talk)
        self._talks = talks
        self.counts = np.zeros(len(self._index), dtype=np.int64)
        self.timeouts = np.zeros(factory.num_agents, dtype=np.int64)

    def begin(self, simulation: Any, buffers: AgentBuffers) -> None:
        """Start the episode, whose observations and actions are in `buffers`; without talk, only the
        simulation's current step matters."""
        self._simulation, self._buffers = simulation, buffers
        for number, agent in self._agents.items():
            with self._named(self._assignments[number]):
                agent.reset()

    def _named(self, member: int) -> AbstractContextManager[None]:
        self.asked = member
        return failing_member_named(self._names[member]) if self._names else nullcontext()

    def act(self) -> None:
        """Put the next actions into the buffers; the agents of a policy act together if they can."""
        seen = self._seen()
        for member, group in self._groups.items():
            self.asked = member
            for agent, (action, took_ns) in self._chosen(group, seen).items():
                self._apply(agent, action, took_ns)

    def end_step(self) -> None:
        """To be called after each step of the simulation."""
        self._talk.apply_pending(current_step=self._simulation.current_step)
        self._talk.expire(current_step=self._simulation.current_step)

    def _chosen(self, group: Sequence[int], seen: Callable[[int], LazyObservation]) -> dict[int, tuple[Any, int]]:
        """The actions of the agents that a policy plays, with the time of each in ns."""
        members = [self._agents[agent] for agent in group]
        if members[0].can_step_group(members):
            began = time.perf_counter_ns()
            actions = members[0].step_group([(agent, seen(agent)) for agent in group])
            took = time.perf_counter_ns() - began
            if len(actions) != len(group):
                raise ValueError(
                    f"step_group returned {number_of(len(actions), 'action')} for {number_of(len(group), 'agent')}"
                )
            return {agent: (action, took) for agent, action in zip(group, actions, strict=True)}
        chosen = {}
        for agent in group:
            began = time.perf_counter_ns()
            action = self._agents[agent].step(seen(agent))
            chosen[agent] = (action, time.perf_counter_ns() - began)
        return chosen

    def _seen(self) -> Callable[[int], LazyObservation]:
        """What each agent sees in this step."""
        raw, simulation = self._buffers.observations.copy(), self._simulation
        note_step(simulation.current_step)
        places = {}
        if self._talks and self._talk.config.enabled:
            places = {agent["agent_id"]: Location(agent["r"], agent["c"]) for agent in simulation.agents()}

        def observation(agent: int) -> LazyObservation:
            talk: Sequence[VisibleTalk] = ()
            if places:
                talk = self._talk.visible_talk(
                    agent,
                    current_step=simulation.current_step,
                    agent_locations=places,
                    obs_height=int(simulation.obs_height),
                    obs_width=int(simulation.obs_width),
                )
            return LazyObservation(agent, raw[agent], self._tokens, talk)

        return observation

    def _apply(self, agent: int, action: Any, took_ns: int) -> None:
        if took_ns > self._budget_ns:
            self.timeouts[agent] += 1
            action = self._noop
        if not isinstance(action, str | Action):
            error = TypeError(f"expected an Action, found {shorten(repr(action))}, a {type(action).__name__}")
            raise blaming(error, self._agents[agent], "step")
        name, vibe = (action, None) if isinstance(action, str) else (action.name, action.vibe)
        if self._talks and not isinstance(action, str) and action.talk is not None:
            self._talk.queue(agent, action.talk, current_step=self._simulation.current_step)
        index = self._number(name, agent)
        self.counts[index] += 1
        is_vibe = index >= self._num_primary
        self._buffers.actions[agent] = 0 if is_vibe else index
        self._buffers.vibe_actions[agent] = index if is_vibe else 0
        if vibe is not None:  # both at once
            beside = self._number(vibe, agent)
            self._buffers.actions[agent], self._buffers.vibe_actions[agent] = index, beside
            self.counts[beside] += 1

    def _number(self, name: str, agent: int) -> int:
        if name not in self._index:
            error = ValueError(f"illegal action '{name}', expected one of {', '.join(self._index)}")
            raise blaming(error, self._agents[agent], "step")
        return self._index[name]


# ---- policies that fail, or do not return --------------------------------------------------------------


@contextmanager
def failing_step_named(simulation: Any, member: Callable[[], str | None] = lambda: None) -> Iterator[None]:
    """Add the step, and the member of a team, to whatever a policy raises."""
    try:
        yield
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise StepFailedError(simulation.current_step, member()) from error


@contextmanager
def failing_member_named(member: str) -> Iterator[None]:
    """Add the member of a team to whatever it raises before the first step."""
    try:
        yield
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise StepFailedError(None, member) from error


@contextmanager
def stall_noticed() -> Iterator[AbstractContextManager[None]]:
    """Raise PolicyStalledError inside a policy that takes `STALLED_SECONDS` for a step.

    Only Python code can be interrupted, and only in a process's main thread. A policy that catches the error is
    interrupted again. The engine has the time it needs: the last step of an episode takes a minute on a very large map.

    Yields:
        a context to ask the policy in, once for each step.
    """
    if threading.current_thread() is not threading.main_thread():
        yield nullcontext()
        return

    def interrupt(_signal: int, _frame: Any) -> None:
        raise PolicyStalledError(f"no action within {STALLED_SECONDS:g} s")

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        yield _Alarm()
    finally:
        signal.signal(signal.SIGALRM, before)


class _Alarm(AbstractContextManager[None]):
    """SIGALRM after `STALLED_SECONDS` in the context, and again and again."""

    def __enter__(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, STALLED_SECONDS, STALLED_SECONDS)

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
