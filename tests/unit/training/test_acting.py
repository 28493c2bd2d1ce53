"""What plays on a GPU gives, on a CPU, the bytes of the plain call; and a GPU's sum over tokens is the CPU's."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import torch

from daf.distributed.process_group import Group
from daf.engine.grid_policy import GridNetwork
from daf.training.acting import Recorder, StagedActor
from daf.training.arithmetic import arithmetic
from daf.training.rollout import Rollout
from daf.training.trainer import Trainer
from tests.unit.training.small import recipe_of

CPU = torch.device("cpu")


def two_rollouts(policy: str, staged: bool) -> list[Rollout]:
    """Of a new trainer; episodes end in the second."""
    trainer = Trainer(recipe_of(policy, world_size=1), Group(), CPU)
    collector = trainer._collector
    if staged:
        interface = trainer.environment.factory.interface
        for block, agents in ((block, len(block) * trainer.environment.agents_per_env) for block in collector._blocks):
            collector._actors[block] = StagedActor(
                trainer.network,
                CPU,
                Recorder(True, print),
                agents=agents,
                tokens=interface.observation_shape[0],
                num_actions=len(interface.action_names),
            )
    rollouts = []
    for _ in range(2):
        rollout, _ = collector.collect()
        assert rollout is not None
        plain = {field.name: getattr(rollout, field.name) for field in fields(rollout)}
        rollouts.append(Rollout(**plain | {"observations": rollout.observations.clone()}))
    assert bool(rollouts[1].starts[1:].any())
    return rollouts


@pytest.mark.parametrize("policy", ["grid", "lstm", "stateless"])
def test_staged_steps_are_plain_steps(policy: str) -> None:
    for plain, staged in zip(two_rollouts(policy, False), two_rollouts(policy, True), strict=True):
        for field in fields(Rollout):
            ours, theirs = getattr(plain, field.name), getattr(staged, field.name)
            for one, other in zip(ours, theirs, strict=True) if field.name == "state" and ours else [(ours, theirs)]:
                assert one is other is None or torch.equal(one, other), field.name


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
