"""Collecting experience: `horizon` steps of all environments of one process, with the current network.

Everything stays on the device of the network, except what the engine reads and writes: its observations, rewards and
ends come from shared buffers, the chosen actions go back to them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from daf.config import Hyperparameters
from daf.engine.networks import PolicyNetwork, State
from daf.engine.vector import FinishedEpisode, VectorEnvironment
from daf.training.ppo import generalized_advantages


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """What T steps of N agents left behind. Observations are uint8 [T, N, shown tokens, 3]; the rest is [T, N]."""

    observations: Tensor
    actions: Tensor
    log_probs: Tensor
    values: Tensor
    advantages: Tensor
    starts: Tensor  # an episode begins with this observation
    state: State | None  # before the first step


class Stopwatch:
    """Wall-clock seconds by what they were spent on."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def measure(self, what: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[what] = self.seconds.get(what, 0.0) + time.perf_counter() - began

    def take(self) -> dict[str, float]:
        """The seconds so far; the count starts anew."""
        taken, self.seconds = self.seconds, {}
        return taken


class ObservationStore:
    """Observations of one rollout on the network's device, without the token slots that none of them uses."""

    def __init__(self, network: PolicyNetwork, horizon: int, shape: tuple[int, ...], device: torch.device) -> None:
        self._network = network
        self._memory = torch.empty((horizon, *shape), dtype=torch.uint8, device=device)
        self._shown = 0

    def begin(self) -> None:
        self._shown = 0

    def put(self, step: int, live: Tensor) -> Tensor:
        """Keep the observations of a step, uint8 [agents, tokens, 3]; returns what the network is to be shown."""
        needed = self._network.shown_tokens(live)
        if needed > self._shown:  # the earlier steps had nothing there
            self._network.clear(self._memory[:step, :, self._shown : needed])
            self._shown = needed
        kept = self._memory[step, :, : self._shown]
        kept.copy_(live[:, : self._shown], non_blocking=True)
        return self._network.prepare(kept).contiguous()

    def all(self) -> Tensor:
        """uint8 [steps, agents, shown tokens, 3]; valid until the next `begin`."""
        return self._memory[:, :, : self._shown]


class Collector:
    """Plays the environments of one process.

    Attributes:
        state: what the network carries into the next step; None if it is not recurrent.
        starting: bool [agents], an episode begins with the next step.
        sampling: the generator of the actions, on the CPU whatever the device, so that it can be saved and restored.
    """

    def __init__(
        self,
        environment: VectorEnvironment,
        network: PolicyNetwork,
        knobs: Hyperparameters,
        *,
        seed: int,
        device: torch.device,
        stopwatch: Stopwatch,
    ) -> None:
        self._environment, self._network, self._knobs = environment, network, knobs
        self._device, self._stopwatch = device, stopwatch
        agents = environment.num_agents
        self._store = ObservationStore(network, knobs.horizon, environment.buffers.observations.shape, device)
        self.sampling = torch.Generator().manual_seed(seed)
        self.state = network.initial_state(agents, device)
        self.starting = torch.ones(agents, dtype=torch.bool, device=device)

    @torch.no_grad()
    def collect(self) -> tuple[Rollout | None, list[FinishedEpisode]]:
        """Play `horizon` steps, and name the episodes that ended; no rollout if an action's logits were not finite."""
        environment, knobs, device = self._environment, self._knobs, self._device
        shape = (knobs.horizon, environment.num_agents)
        actions = torch.empty(shape, dtype=torch.long, device=device)
        log_probs, values, rewards, next_values = (torch.empty(shape, device=device) for _ in range(4))
        starts, done = (torch.empty(shape, dtype=torch.bool, device=device) for _ in range(2))
        first_state = self.state
        state, starting = _cleared(self.state, self.starting), self.starting
        episodes: list[FinishedEpisode] = []
        cut_short: list[tuple[int, slice, Tensor, State | None]] = []
        live = torch.from_numpy(environment.buffers.observations)
        self._store.begin()
        for t in range(knobs.horizon):
            shown = self._store.put(t, live)
            starts[t] = starting
            logits, values[t], state = self._step(shown, state)
            if not bool(torch.isfinite(logits).all()):
                return None, episodes
            all_log_probs = torch.log_softmax(logits, dim=1)
            # The largest of probability / exponential noise is a draw from the distribution (the exponential races of
            # Gumbel-max sampling).
            noise = torch.empty(logits.shape).exponential_(generator=self.sampling).to(device)
            chosen = (all_log_probs.exp() / noise).argmax(dim=1, keepdim=True)
            actions[t] = chosen.squeeze(1)
            log_probs[t] = all_log_probs.gather(1, chosen).squeeze(1)
            environment.buffers.actions[:] = actions[t].cpu().numpy()
            with self._stopwatch.measure("environment"):
                step_rewards, terminated, truncated, finished = environment.step()
            rewards[t] = torch.from_numpy(step_rewards)
            ended = terminated | truncated
            done[t] = torch.from_numpy(ended)
            for episode in finished:
                if episode.final_observations is not None:
                    first = episode.environment * environment.agents_per_env
                    rows = slice(first, first + environment.agents_per_env)
                    own_state = None if state is None else (state[0][rows].clone(), state[1][rows].clone())
                    cut_short.append((t, rows, self._shown(episode.final_observations), own_state))
            episodes += finished
            starting = done[t]
            if ended.any():
                state = _cleared(state, starting)
        self.state, self.starting = state, starting.clone()
        if knobs.reward_clip is not None:
            rewards.clamp_(-knobs.reward_clip, knobs.reward_clip)
        _, last_values, _ = self._step(self._shown(environment.buffers.observations), state)
        next_values[:-1], next_values[-1] = values[1:], last_values
        next_values[done] = 0.0
        for t, rows, final, own_state in cut_short:
            _, next_values[t, rows], _ = self._step(final, own_state)
        advantages = generalized_advantages(
            rewards=rewards,
            values=values,
            next_values=next_values,
            done=done,
            gamma=knobs.gamma,
            gae_lambda=knobs.gae_lambda,
        )
        rollout = Rollout(
            observations=self._store.all(),
            actions=actions,
            log_probs=log_probs,
            values=values,
            advantages=advantages,
            starts=starts,
            state=first_state,
        )
        return rollout, episodes

    @torch.no_grad()
    def next_logits(self) -> Tensor:
        """Logits [agents, actions] for the observations that come next, without playing on."""
        logits, _, _ = self._step(
            self._shown(self._environment.buffers.observations), _cleared(self.state, self.starting)
        )
        return logits

    def _shown(self, observations: np.ndarray) -> Tensor:
        """A copy on the device of what the network is to be shown of raw observations [agents, tokens, 3]."""
        raw = torch.from_numpy(observations)
        return self._network.prepare(raw[:, : self._network.shown_tokens(raw)].contiguous().to(self._device).clone())

    def _step(self, observations: Tensor, state: State | None) -> tuple[Tensor, Tensor, State | None]:
        with self._stopwatch.measure("forward"):
            logits, values, state = self._network.step(observations, state)
            return logits.float(), values.float(), state


def _cleared(state: State | None, starting: Tensor) -> State | None:
    """The state with zeros for agents whose episode begins."""
    if state is None:
        return None
    keep = (~starting).to(state[0].dtype)[:, None, None]
    return state[0] * keep, state[1] * keep
