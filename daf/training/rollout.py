"""Collecting experience: `horizon` steps of all environments of one process, with the current network.

Everything stays on the network's device, except what the engine reads and writes: observations, rewards and episode
ends come from shared buffers, and the chosen actions are written back to them.

Environments are played in blocks, each of which is a batch of the network. On a CPU a block has few agents, and one
block after the other is played for the whole horizon: its simulations stay in the processor's cache, which halves the
cost of a step. With a GPU, two large blocks take turns: while the GPU works on one, the simulations of the other
advance. With environment workers, blocks take turns on a CPU, too: the network sees one while workers step the others.

The blocks, and what the network sees of each, do not depend on the workers, and neither does the result. A network that
may remember earlier calls, by a random generator for example, is always called in the same order: on a CPU its blocks
never take turns.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from daf.config import Hyperparameters
from daf.engine.networks import NO_TOKEN, PolicyNetwork, State
from daf.engine.partners import Partners
from daf.engine.stepping import FinishedEpisode
from daf.engine.teacher import NO_LABEL, Teacher
from daf.engine.vector import VectorEnvironment
from daf.training.acting import PlainActor, Recorder, Results, StagedActor
from daf.training.ppo import generalized_advantages
from daf.training.teaching import Imitation

_AGENTS_PER_BLOCK = 32  # the simulations of this many agents fit into a core's cache on the missions tried


def agents_per_block(num_agents: int, device: torch.device) -> int:
    """How many of a process's agents are a batch of the network while it plays."""
    return _AGENTS_PER_BLOCK if device.type == "cpu" else (num_agents + 1) // 2


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """T steps of N agents, on the network's device. Observations are uint8 [T, N, shown tokens, 3]; the rest is [T, N].

    Attributes:
        starts: whether an episode begins with this observation; on the CPU, where minibatches are cut by it.
        state: before the first step.
        labels: the teacher's actions, negative where it chose none that the network has; None: there was no teacher.
        learns: whose actions the network's are, bool and on the CPU; elsewhere a partner played, and nothing is
            learned. None: the network played everyone.
    """

    observations: Tensor
    actions: Tensor
    log_probs: Tensor
    values: Tensor
    advantages: Tensor
    starts: Tensor
    state: State | None
    labels: Tensor | None = None
    learns: Tensor | None = None


class Stopwatch:
    """Wall-clock seconds by phase."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def measure(self, phase: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[phase] = self.seconds.get(phase, 0.0) + time.perf_counter() - began

    def take(self) -> dict[str, float]:
        """Return the seconds so far and reset them to zero."""
        taken, self.seconds = self.seconds, {}
        return taken


class ObservationStore:
    """Observations of one rollout on the network's device, without the token slots that none of them uses.

    How many slots a block shows depends on that block alone, and so does what the network makes of them.
    """

    def __init__(self, network: PolicyNetwork, horizon: int, shape: tuple[int, ...], device: torch.device) -> None:
        self._network = network
        self._memory = torch.empty((horizon, *shape), dtype=torch.uint8, device=device)
        self._shown: dict[int, int] = {}  # by the first row of a block
        self._rows: dict[int, slice] = {}

    def begin(self) -> None:
        self._shown, self._rows = {}, {}

    def room(self, step: int, rows: slice, live: np.ndarray) -> Tensor:
        """Where to keep what the network sees of a block's observations in a step, uint8 [agents, tokens, 3]."""
        shown = self._shown.get(rows.start, 0)
        # Used slots come first, so the last shown slot tells whether more are needed.
        if shown == 0 or (live[:, shown - 1, 0] != NO_TOKEN).any():
            needed = self._network.shown_tokens(live)
            if needed > shown:
                self._network.clear(self._memory[:step, rows, shown:needed])  # earlier steps had no tokens there
                self._shown[rows.start], self._rows[rows.start] = needed, rows
                shown = needed
        return self._memory[step, rows, :shown]

    def all(self) -> Tensor:
        """uint8 [steps, agents, shown tokens, 3]; valid until the next `begin`."""
        most = max(self._shown.values())
        for first, shown in self._shown.items():
            if shown < most:
                self._network.clear(self._memory[:, self._rows[first], shown:most])
        return self._memory[:, :, :most]


@dataclass(frozen=True, kw_only=True)
class _Cut:
    """An episode truncated after `step`: the last observations and states of its agents."""

    step: int
    rows: slice
    observations: Tensor
    state: State | None


class _Columns:
    """A growing rollout, [T, N] each: the network's outputs on its device, the engine's on the CPU."""

    def __init__(self, steps: int, agents: int, num_actions: int, device: torch.device) -> None:
        self.logits = torch.empty((steps, agents, num_actions), device=device)
        self.values = torch.empty((steps, agents), device=device)
        self.actions = torch.empty((steps, agents), dtype=torch.long, device=device)
        self.rewards = np.empty((steps, agents), dtype=np.float32)
        self.starts = np.empty((steps, agents), dtype=np.bool_)
        self.done = np.empty((steps, agents), dtype=np.bool_)
        self.labels = np.empty((steps, agents), dtype=np.int64)
        self.learns = np.ones((steps, agents), dtype=np.bool_)
        # By block, so that their order does not depend on how blocks take turns.
        self.episodes: dict[range, list[FinishedEpisode]] = {}
        self.cut_short: dict[range, list[_Cut]] = {}

    def finished(self) -> list[FinishedEpisode]:
        return [
            episode
            for block in sorted(self.episodes, key=lambda block: block.start)
            for episode in self.episodes[block]
        ]


class Collector:
    """Plays the environments of one process.

    Attributes:
        state: the network's state for the next step; None if it is not recurrent.
        starting: bool [agents], whether an episode begins with the next step; in numpy, as provided by the engine.
        sampling: the generator of the actions, always on the CPU, so that it can be saved and restored.
        teacher: what another policy would do; only for imitation.
        partners: who plays some of the seats; None: the network plays them all.

    Args:
        alive: called after every step of a block.
        warn: called once if the network cannot run as fast as others on this device, with the reason.
    """

    def __init__(
        self,
        environment: VectorEnvironment,
        network: PolicyNetwork,
        hyperparameters: Hyperparameters,
        *,
        seed: int,
        device: torch.device,
        stopwatch: Stopwatch,
        alive: Callable[[], None] = lambda: None,
        warn: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._environment, self._network, self._hyperparameters = environment, network, hyperparameters
        self._device, self._stopwatch, self._alive = device, stopwatch, alive
        agents = environment.num_agents
        self._store = ObservationStore(network, hyperparameters.horizon, environment.buffers.observations.shape, device)
        self._blocks = environment.blocks(agents_per_block(agents, device))
        self._turns = self._num_turns()
        self._recorder = Recorder(network.remembers_nothing, warn)
        self._actors: dict[range, PlainActor | StagedActor] = {}
        self.sampling = torch.Generator().manual_seed(seed)
        self.teacher: Teacher | None = None
        self.partners: Partners | None = None
        self.state = network.initial_state(agents, device)
        self.starting = np.ones(agents, dtype=np.bool_)

    def _num_turns(self) -> int:
        """How many blocks take turns."""
        if self._device.type != "cpu":
            return len(self._blocks)
        workers = self._environment.workers
        if not (workers and self._network.remembers_nothing):
            return 1
        # With two, one is stepped while the network sees the other. With as many as there are workers, each worker has
        # what fits into its core's cache, and something to do while another finishes a block. None is left over to play
        # alone, when workers would wait for the network and the network for them.
        blocks = len(self._blocks)
        rounds = max(1, blocks // max(2, workers))
        return -(-blocks // rounds)

    def _actor(self, block: range) -> PlainActor | StagedActor:
        if block not in self._actors:
            self._actors[block] = self._new_actor(block)
        return self._actors[block]

    def _new_actor(self, block: range) -> PlainActor | StagedActor:
        if self._device.type == "cpu":
            return PlainActor(self._network)
        interface = self._environment.factory.interface
        return StagedActor(
            self._network,
            self._device,
            self._recorder,
            agents=len(block) * self._environment.agents_per_env,
            tokens=interface.observation_shape[0],
            num_actions=len(interface.action_names),
        )

    @torch.no_grad()
    def collect(self, imitation: Imitation | None = None) -> tuple[Rollout | None, list[FinishedEpisode]]:
        """Play `horizon` steps; return the rollout (None if its logits were not finite) and the episodes that ended."""
        environment, hyperparameters, device = self._environment, self._hyperparameters, self._device
        first_state = self.state
        self.state = _cleared(self.state, self.starting)
        self._store.begin()
        num_actions = len(environment.factory.interface.action_names)
        columns = _Columns(hyperparameters.horizon, environment.num_agents, num_actions, device)
        if self.partners is not None:
            self.partners.forget_unused()
        players = [self._play(block, columns, imitation) for block in self._blocks]
        for first in range(0, len(players), self._turns):
            # Every block yields once per step, so zipped they take turns.
            deque(zip(*players[first : first + self._turns], strict=True), maxlen=0)
        if not bool(columns.logits.isfinite().all()):
            return None, columns.finished()
        rewards, values = torch.from_numpy(columns.rewards).to(device), columns.values
        done = torch.from_numpy(columns.done).to(device)
        if hyperparameters.reward_clip is not None:
            rewards.clamp_(-hyperparameters.reward_clip, hyperparameters.reward_clip)
        _, last_values, _ = self._step(self._shown(environment.buffers.observations), self.state)
        next_values = torch.cat([values[1:], last_values[None]])
        next_values.masked_fill_(done, 0.0)
        for cut in (cut for block in self._blocks for cut in columns.cut_short[block]):
            _, next_values[cut.step, cut.rows], _ = self._step(cut.observations, cut.state)
        advantages = generalized_advantages(
            rewards=rewards,
            values=values,
            next_values=next_values,
            done=done,
            gamma=hyperparameters.gamma,
            gae_lambda=hyperparameters.gae_lambda,
        )
        log_probs = torch.log_softmax(columns.logits, dim=2)
        if self.partners is not None:
            columns.labels[~columns.learns] = NO_LABEL
        rollout = Rollout(
            observations=self._store.all(),
            actions=columns.actions,
            log_probs=log_probs.gather(2, columns.actions[..., None]).squeeze(2),
            values=values,
            advantages=advantages,
            starts=torch.from_numpy(columns.starts),
            state=first_state,
            labels=None if imitation is None else torch.from_numpy(columns.labels).to(device),
            learns=None if self.partners is None else torch.from_numpy(columns.learns),
        )
        return rollout, columns.finished()

    def _play(self, block: range, columns: _Columns, imitation: Imitation | None) -> Iterator[None]:
        """Play `horizon` steps of some environments into their rows of the columns.

        Yields in every step while others work on it: the workers or, without them, the GPU. This is the innermost loop:
        anything that can be done for all steps at once is done elsewhere.
        """
        environment, buffers, measure = self._environment, self._environment.buffers, self._stopwatch.measure
        rows, actor = environment.rows(block), self._actor(block)
        episodes = columns.episodes[block] = []
        cut_short = columns.cut_short[block] = []
        # The largest logit after adding this noise is a draw from the distribution (Gumbel-max sampling).
        noise = torch.empty_like(columns.logits[:, rows], device="cpu").exponential_(generator=self.sampling)
        gumbel = noise.log_().neg_().to(self._device)
        state = None if self.state is None else (self.state[0][rows], self.state[1][rows])
        starting, teacher, partners = self.starting[rows], self.teacher if imitation else None, self.partners
        for t in range(self._hyperparameters.horizon):
            columns.starts[t, rows] = starting
            live = buffers.observations[rows]
            kept = self._store.room(t, rows, live)
            results = Results(columns.logits[t, rows], columns.values[t, rows], columns.actions[t, rows])
            with measure("forward"):
                state = actor.act(live, kept, gumbel[t], state, results)
            if not environment.workers:
                yield
            with measure("forward"):
                buffers.actions[rows] = actor.actions()
            if teacher is not None and imitation is not None:
                with measure("forward"):
                    columns.labels[t, rows] = labels = teacher.act(block, live)
                if imitation.alone:
                    buffers.actions[rows] = np.where(labels < 0, teacher.noop, labels)
                    columns.actions[t, rows] = torch.from_numpy(buffers.actions[rows].astype(np.int64)).to(self._device)
            if partners is not None:
                with measure("forward"):
                    partners.take_seats(block)
                    columns.learns[t, rows] = partners.learns[rows]
                    partners.act(block, gumbel[t])
            with measure("environment"):
                environment.begin_step(block)
            if environment.workers:
                yield
            with measure("environment"):
                columns.rewards[t, rows], terminated, truncated, finished = environment.end_step(block)
            self._alive()
            columns.done[t, rows] = starting = terminated | truncated
            for episode in finished:
                if teacher is not None:
                    teacher.end_episode(episode.environment)
                if episode.final_observations is not None:
                    cut_short.append(self._cut(t, episode, rows.start, state))
                episodes.append(episode if partners is None else self._end_with(partners, episode))
            if starting.any():
                state = _cleared(state, starting)
        self.starting[rows] = starting
        if self.state is not None and state is not None:
            self.state[0][rows], self.state[1][rows] = state

    def _end_with(self, partners: Partners, episode: FinishedEpisode) -> FinishedEpisode:
        """The episode with the reward of the network's seats."""
        learns = partners.learns[self._environment.rows(range(episode.environment, episode.environment + 1))]
        partners.end_episode(episode.environment)
        return replace(episode, learner_reward=float(np.mean(np.array(episode.agent_rewards)[learns])))

    def _cut(self, step: int, episode: FinishedEpisode, first_row: int, state: State | None) -> _Cut:
        """The inputs to the value of an episode's last state; `state` covers the agents starting at `first_row`."""
        assert episode.final_observations is not None
        rows = self._environment.rows(range(episode.environment, episode.environment + 1))
        own = slice(rows.start - first_row, rows.stop - first_row)
        carried = None if state is None else (state[0][own].clone(), state[1][own].clone())
        return _Cut(step=step, rows=rows, observations=self._shown(episode.final_observations), state=carried)

    @torch.no_grad()
    def next_logits(self) -> Tensor:
        """Logits [agents, actions] for the next observations, without continuing to play."""
        logits, _, _ = self._step(
            self._shown(self._environment.buffers.observations), _cleared(self.state, self.starting)
        )
        return logits

    def _shown(self, observations: np.ndarray) -> Tensor:
        """A copy, on the device, of what the network sees of raw observations [agents, tokens, 3]."""
        shown = torch.from_numpy(observations[:, : self._network.shown_tokens(observations)].copy())
        return self._network.prepare(shown.to(self._device))

    def _step(self, observations: Tensor, state: State | None) -> tuple[Tensor, Tensor, State | None]:
        with self._stopwatch.measure("forward"):
            logits, values, state = self._network.step(observations, state)
            return logits.float(), values.float(), state


def _cleared(state: State | None, starting: np.ndarray) -> State | None:
    """The state with zeros for agents whose episode begins; starting is bool [agents]."""
    if state is None:
        return None
    keep = torch.from_numpy(~starting).to(state[0])[:, None, None]
    return state[0] * keep, state[1] * keep
