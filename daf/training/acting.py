"""What the network does in each step of a block: it sees the observations, values them, and chooses actions.

On a CPU this is a plain call. On a GPU the processor waits only for actions. Observations go through page-locked memory
on a separate stream, so that those of one block travel while the network computes the other block. The whole step is
recorded once per shape as a CUDA graph, which starts its many small kernels with one call.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from daf.engine.networks import PolicyNetwork, State
from daf.system.failure_report import FailureReport

_WARM_UPS = 3  # calls before a recording, in which libraries choose their kernels and allocate what they keep


class Results(NamedTuple):
    """Where the results of a step go, on the network's device: [agents, actions], and [agents] twice."""

    logits: Tensor
    values: Tensor
    actions: Tensor


class PlainActor:
    """Calls the network directly; for a CPU."""

    def __init__(self, network: PolicyNetwork) -> None:
        self._network = network
        self._actions = torch.empty(0)

    def act(
        self, observations: np.ndarray, kept: Tensor, noise: Tensor, state: State | None, results: Results
    ) -> State | None:
        """Begin a step of the block; return the next state.

        Args:
            observations: uint8 [agents, tokens, 3], as the engine wrote them; they may change once `actions` returned.
            kept: uint8 [agents, shown tokens, 3], where what the network sees is to stay.
            noise: [agents, actions], of the Gumbel distribution: the largest logit after adding it is a sample.
            state: before the step.
        """
        kept.copy_(torch.from_numpy(observations[:, : kept.shape[1]]))
        logits, values, state = self._network.step(self._network.prepare(kept).contiguous(), state)
        logits = logits.float()
        self._actions = (logits + noise).argmax(dim=1)
        for place, result in zip(results, (logits, values, self._actions), strict=True):
            place.copy_(result)
        return state

    def actions(self) -> np.ndarray:
        """The actions of the step, [agents], as soon as they are known."""
        chosen: np.ndarray = self._actions.numpy()
        return chosen


class Recorder:
    """Records the steps of all blocks as CUDA graphs, until one cannot be recorded.

    Args:
        wanted: whether to record any.
        warn: called once, with the reason why they cannot be.
    """

    def __init__(self, wanted: bool, warn: Callable[[str], None]) -> None:
        self.wanted, self._warn = wanted, warn

    def record(self, compute: Callable[[], Any], device: torch.device) -> tuple[torch.cuda.CUDAGraph, Any] | None:
        """The recording of a function of static tensors, and its results, which a replay overwrites."""
        current, other = torch.cuda.current_stream(device), torch.cuda.Stream(device)
        other.wait_stream(current)
        with torch.cuda.stream(other):
            for _ in range(_WARM_UPS):  # what fails here fails without a recording, too
                compute()
        current.wait_stream(other)
        graph = torch.cuda.CUDAGraph()
        try:
            _without_waiting(compute)  # else the recording would fail, and leave torch in its middle
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                results = compute()
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:  # what CUDA forbids in a recording
            torch.cuda.set_stream(current)
            torch.cuda.synchronize(device)
            self.give_up(error)
            return None
        return graph, results

    def give_up(self, error: BaseException) -> None:
        """Record nothing any more."""
        if self.wanted:
            self.wanted = False
            reason = str(FailureReport.of(error)).splitlines()[0]
            self._warn(f"the network runs without CUDA graphs, which costs speed only: {reason}")


def _without_waiting(compute: Callable[[], Any]) -> None:
    """Call it, with an error where it waits for the GPU."""
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        compute()
    finally:
        torch.cuda.set_sync_debug_mode(before)


@dataclass(frozen=True)
class _Shape:
    """The memory of steps with one number of shown tokens, and their recording."""

    staged: Tensor  # page-locked
    seen: Tensor  # on the device
    graph: torch.cuda.CUDAGraph | None
    results: Any


class StagedActor:
    """Lets a GPU act. On a CPU, where nothing is asynchronous, it gives what `PlainActor` gives.

    Args:
        agents: of the block.
        tokens: token slots of an observation.
    """

    def __init__(
        self,
        network: PolicyNetwork,
        device: torch.device,
        recorder: Recorder,
        *,
        agents: int,
        tokens: int,
        num_actions: int,
    ) -> None:
        self._network, self._device, self._recorder = network, device, recorder
        self._on_gpu = device.type == "cuda"
        self._staged = torch.empty(agents * tokens * 3, dtype=torch.uint8, pin_memory=self._on_gpu)
        self._seen = torch.empty(agents * tokens * 3, dtype=torch.uint8, device=device)
        self._noise = torch.empty((agents, num_actions), device=device)
        self._state = network.initial_state(agents, device)
        self._chosen = torch.empty(agents, dtype=torch.long, pin_memory=self._on_gpu)
        self._shapes: dict[int, _Shape] = {}
        if self._on_gpu:
            self._copies, self._done = torch.cuda.Stream(device), torch.cuda.Event()
            torch.cuda.synchronize(device)  # whoever had this memory before has finished with it

    def act(
        self, observations: np.ndarray, kept: Tensor, noise: Tensor, state: State | None, results: Results
    ) -> State | None:
        """As `PlainActor.act`."""
        shape = self._shapes.get(kept.shape[1])
        staged = self._view(self._staged, kept) if shape is None else shape.staged
        seen = self._view(self._seen, kept) if shape is None else shape.seen
        # The last step of this block is over, since its actions are known: its memory is free.
        np.copyto(staged.numpy(), observations[:, : kept.shape[1]])
        self._copy_to_device(seen, staged)
        self._noise.copy_(noise)
        if self._state is not None and state is not None:
            self._state[0].copy_(state[0])
            self._state[1].copy_(state[1])
        if shape is None:
            shape = self._shapes[kept.shape[1]] = self._prepared(staged, seen)
        if shape.graph is None:
            logits, values, actions, state = self._compute(seen)
        else:
            shape.graph.replay()
            logits, values, actions, state = shape.results
            state = None if state is None else (state[0].clone(), state[1].clone())  # the next replay overwrites it
        kept.copy_(seen)
        for place, result in zip(results, (logits, values, actions), strict=True):
            place.copy_(result)
        self._chosen.copy_(actions, non_blocking=True)
        if self._on_gpu:
            self._done.record()
        return state

    def actions(self) -> np.ndarray:
        """As `PlainActor.actions`; waits for this block alone."""
        if self._on_gpu:
            self._done.synchronize()
        chosen: np.ndarray = self._chosen.numpy()
        return chosen

    def _view(self, memory: Tensor, like: Tensor) -> Tensor:
        return memory[: like.numel()].view(like.shape)

    def _copy_to_device(self, seen: Tensor, staged: Tensor) -> None:
        if not self._on_gpu:
            seen.copy_(staged)
            return
        with torch.cuda.stream(self._copies):
            seen.copy_(staged, non_blocking=True)
        torch.cuda.current_stream(self._device).wait_stream(self._copies)

    def _prepared(self, staged: Tensor, seen: Tensor) -> _Shape:
        recorded = None
        if self._on_gpu and self._recorder.wanted:
            recorded = self._recorder.record(lambda: self._compute(seen), self._device)
        graph, results = recorded or (None, None)
        return _Shape(staged, seen, graph, results)

    def _compute(self, seen: Tensor) -> tuple[Tensor, Tensor, Tensor, State | None]:
        """Logits, values, actions and the next state; depends on this block's memory on the device alone."""
        logits, values, state = self._network.step(self._network.prepare(seen), self._state)
        logits = logits.float()
        return logits, values.float(), (logits + self._noise).argmax(dim=1), state
