"""What plays on a GPU gives, on a CPU, the bytes of the plain call; and a GPU's sum over tokens is the CPU's."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from daf.distributed.process_group import Group
from daf.engine.grid_policy import GridNetwork
from daf.system.forked_work import messages_of
from daf.training.acting import Recorder, StagedActor
from daf.training.arithmetic import arithmetic
from daf.training.rollout import Rollout
from daf.training.trainer import Trainer
from daf.training.worker import local_device
from tests.unit.training.small import recipe_of

CPU = torch.device("cpu")


class ReplayingRecorder(Recorder):
    """Records as CUDA does: a replay computes again from the same memory, and writes over the last results."""

    def record(self, compute: Callable[[], Any], device: torch.device) -> Any:
        results = compute()

        def replay() -> None:
            for place, result in zip(_tensors(results), _tensors(compute()), strict=True):
                place.copy_(result)

        for place in _tensors(results):
            place.fill_(7)  # a recording computes nothing
        return SimpleNamespace(replay=replay), results


def _tensors(results: Any) -> list[torch.Tensor]:
    *tensors, state = results
    return [*tensors, *(state or ())]


def two_rollouts(policy: str, staged: bool, recorder: Recorder | None = None) -> list[Rollout]:
    """Of a new trainer; episodes end in the second."""
    name, knows_agents = policy.removesuffix(" with agent_id"), policy.endswith(" with agent_id")
    recipe = recipe_of(name, world_size=1)
    if knows_agents:
        recipe = recipe.model_copy(update={"init_kwargs": {"agent_id": True}})
    trainer = Trainer(recipe, Group(), CPU)
    collector = trainer._collector
    if staged:
        interface = trainer.environment.factory.interface
        for block, agents in ((block, len(block) * trainer.environment.agents_per_env) for block in collector._blocks):
            collector._actors[block] = actor = StagedActor(
                trainer.network,
                CPU,
                recorder or Recorder(True, print),
                agents=agents,
                tokens=interface.observation_shape[0],
                num_actions=len(interface.action_names),
            )
            if recorder is not None:
                actor._on_gpu, actor._copies, actor._done = True, Stream("copies"), Event()
    rollouts = []
    for _ in range(2):
        rollout, _ = collector.collect()
        assert rollout is not None
        plain = {field.name: getattr(rollout, field.name) for field in fields(rollout)}
        rollouts.append(Rollout(**plain | {"observations": rollout.observations.clone()}))
    assert bool(rollouts[1].starts[1:].any())
    return rollouts


@pytest.mark.parametrize("policy", ["grid", "grid with agent_id", "lstm", "stateless"])
def test_staged_steps_are_plain_steps(policy: str) -> None:
    for plain, staged in zip(two_rollouts(policy, False), two_rollouts(policy, True), strict=True):
        for field in fields(Rollout):
            ours, theirs = getattr(plain, field.name), getattr(staged, field.name)
            for one, other in zip(ours, theirs, strict=True) if field.name == "state" and ours else [(ours, theirs)]:
                assert one is other is None or torch.equal(one, other), field.name


# ---- a GPU's protocol, without a GPU ----------------------------------------------------------------------

EVENTS: list[str] = []


class Stream:
    """Work that a GPU does in order; here it is done at once, and noted."""

    def __init__(self, name: object) -> None:
        self.name = name if isinstance(name, str) else "other"

    def wait_stream(self, other: Stream) -> None:
        EVENTS.append(f"{self.name} waits for {other.name}")


class Event:
    def record(self) -> None:
        EVENTS.append("record")

    def synchronize(self) -> None:
        EVENTS.append("synchronize")


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch's functions of CUDA, which only note that they were called."""

    @contextmanager
    def within(kind: str, *_: Any, **__: Any) -> Iterator[None]:
        EVENTS.append(f"begin {kind}")
        yield
        EVENTS.append(f"end {kind}")

    main = Stream("main")
    EVENTS.clear()
    modes = ["default"]
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: within(stream.name))
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: main)
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: "graph")
    monkeypatch.setattr(torch.cuda, "graph", lambda graph, **options: within("recording"))
    monkeypatch.setattr(torch.cuda, "set_stream", lambda stream: EVENTS.append(f"set {stream.name}"))
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: EVENTS.append("synchronize device"))
    monkeypatch.setattr(torch.cuda, "get_sync_debug_mode", lambda: modes[-1])
    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", lambda mode: (modes.append(mode), EVENTS.append(mode)))


@pytest.mark.parametrize("policy", ["grid", "grid with agent_id", "lstm", "stateless"])
def test_replayed_steps_are_plain_steps(policy: str, no_gpu: None) -> None:
    """Each replay overwrites what the last one gave."""
    recorder = ReplayingRecorder(True, print)
    for plain, staged in zip(two_rollouts(policy, False), two_rollouts(policy, True, recorder), strict=True):
        for field in fields(Rollout):
            ours, theirs = getattr(plain, field.name), getattr(staged, field.name)
            for one, other in zip(ours, theirs, strict=True) if field.name == "state" and ours else [(ours, theirs)]:
                assert one is other is None or torch.equal(one, other), field.name


def test_memory_is_used_again_only_when_the_gpu_has_done_with_it(no_gpu: None) -> None:
    """In every step, the network's work waits for the copy, and the processor for the network's last work."""
    two_rollouts("grid", True, ReplayingRecorder(True, print))
    step = ["begin copies", "end copies", "main waits for copies", "record", "synchronize"]
    assert len(EVENTS) > 2 * 16 * len(step) - 1
    assert step * (len(EVENTS) // len(step)) == EVENTS


def test_a_step_is_warmed_up_apart_and_tried_before_it_is_recorded(no_gpu: None) -> None:
    recorder = Recorder(True, print)
    assert recorder.record(lambda: EVENTS.append("compute"), CPU) == ("graph", None)
    assert EVENTS == [
        "other waits for main", "begin other", "compute", "compute", "compute", "end other", "main waits for other",
        "error", "compute", "default", "begin recording", "compute", "end recording",
    ]  # fmt: skip
    assert recorder.wanted


def test_a_step_that_waits_is_played_without_a_recording(no_gpu: None) -> None:
    told: list[str] = []
    recorder = Recorder(True, told.append)

    def peek() -> None:
        if torch.cuda.get_sync_debug_mode() == "error":
            raise RuntimeError("called a synchronizing CUDA operation")

    assert recorder.record(peek, CPU) is None
    assert EVENTS[-4:] == ["error", "default", "set main", "synchronize device"]
    (text,) = told
    assert "without CUDA graphs, which costs speed only: RuntimeError: called a synchronizing" in text
    assert not recorder.wanted


def test_a_recording_without_memory_is_no_reason_to_play_without_it(no_gpu: None) -> None:
    def hungry() -> None:
        if torch.cuda.get_sync_debug_mode() == "error":
            raise torch.OutOfMemoryError("CUDA out of memory")

    recorder = Recorder(True, print)
    with pytest.raises(torch.OutOfMemoryError):
        recorder.record(hungry, CPU)
    assert recorder.wanted
    assert torch.cuda.get_sync_debug_mode() == "default"


def test_what_cannot_be_recorded_is_told_once() -> None:
    told: list[str] = []
    recorder = Recorder(True, told.append)
    for _ in range(2):
        recorder.give_up(RuntimeError("operation not permitted when stream is capturing"))
    assert not recorder.wanted
    (text,) = told
    assert text.startswith("the network runs without CUDA graphs, which costs speed only: RuntimeError: operation not")


def test_a_sum_over_all_tokens_is_the_sum_over_the_used_ones_and_so_is_its_gradient() -> None:
    trainer = Trainer(recipe_of("grid", world_size=1), Group(), CPU)
    network: Any = trainer.network.module
    assert isinstance(network, GridNetwork)
    trainer.environment.step()
    observations = torch.from_numpy(trainer.environment.buffers.observations.copy())
    observations[0] = 255  # an agent that sees nothing
    outcomes = []
    for total in (network._sum_of_used(observations), network._sum_of_all(observations)):
        network.zero_grad()
        total.square().sum().backward()
        outcomes.append((total.detach(), network.embedding.grad.clone()))
    torch.testing.assert_close(*(total for total, _ in outcomes))
    torch.testing.assert_close(*(gradient for _, gradient in outcomes))
    assert np.count_nonzero(outcomes[1][0][0]) == 0


def test_a_cpu_keeps_its_settings() -> None:
    before = torch.backends.cudnn.allow_tf32
    with arithmetic(CPU, "tf32"):
        assert torch.backends.cudnn.allow_tf32 == before
        assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize(("precision", "expected"), [("float32", False), ("tf32", True), ("bfloat16", False)])
def test_a_gpu_computes_as_declared_and_the_settings_come_back(precision: str, expected: bool) -> None:
    """The settings exist without a GPU, too."""
    cuda, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = (cuda.allow_tf32, cudnn.allow_tf32, cudnn.deterministic, torch.are_deterministic_algorithms_enabled())
    with arithmetic(torch.device("cuda", 0), precision):
        assert (cuda.allow_tf32, cudnn.allow_tf32) == (expected, expected)
        assert cudnn.deterministic
        assert torch.are_deterministic_algorithms_enabled()
    after = (cuda.allow_tf32, cudnn.allow_tf32, cudnn.deterministic, torch.are_deterministic_algorithms_enabled())
    assert after == before


def set_float32(name: str) -> None:
    """What a program may have done before, with torch's old or new interface."""
    backends: Any = torch.backends
    match name:
        case "old":
            torch.set_float32_matmul_precision("medium")
        case "new, matrices":
            backends.cuda.matmul.fp32_precision = "tf32"
        case "new, convolutions":
            backends.cudnn.conv.fp32_precision = "ieee"
        case "new, everything":
            backends.fp32_precision = "tf32"
        case "both":
            torch.set_float32_matmul_precision("high")
            backends.cuda.matmul.fp32_precision = "ieee"


def float32_settings() -> list[Any]:
    backends: Any = torch.backends
    found = [each.fp32_precision for each in (backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn)]
    for read in (torch.get_float32_matmul_precision, lambda: backends.cudnn.allow_tf32):
        try:
            found.append(read())
        except RuntimeError:  # the interfaces disagree
            found.append("?")
    return found


@pytest.mark.parametrize("before", ["nothing", "old", "new, matrices", "new, convolutions", "new, everything", "both"])
def test_a_gpu_computes_as_declared_whichever_interface_of_torch_the_program_used(before: str) -> None:
    """In a copy of this process: no setting takes all of them back."""

    def work(send: Callable[[list[Any]], None]) -> None:
        set_float32(before)
        send(float32_settings())
        for precision in ("float32", "tf32", "bfloat16"):
            with arithmetic(torch.device("cuda", 0), precision):
                send(float32_settings())
        send(float32_settings())

    first, exact, tf32, half, last = messages_of(work)
    assert exact == half == ["ieee", "ieee", "ieee", "highest", False]
    assert tf32 == ["tf32", "tf32", "tf32", "high", True]
    assert last == first


@pytest.mark.parametrize(("own", "expected"), [(None, ":4096:8"), (":16:8", ":16:8")])
def test_cublas_is_told_to_repeat_itself_before_a_gpu_is_used(
    own: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "CUBLAS_WORKSPACE_CONFIG"
    seen: list[tuple[str, str]] = []
    monkeypatch.setenv(name, own or "")
    if own is None:
        monkeypatch.delenv(name)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: seen.append((str(device), os.environ[name])))
    local_device("cuda:3")
    assert seen == [("cuda:3", expected)]
