"""The process group: its size, one process alone, and whether what runs is what was requested."""

from __future__ import annotations

import os
from typing import Any

import pytest
import torch

from daf.distributed.failures import (
    WrongWorldSizeError,
)
from daf.distributed.process_group import Group, check_facts, join_group


@pytest.mark.parametrize(("asked", "found"), [(2, "1"), (1, "2"), (4, "2")])
def test_a_group_of_another_size_is_an_error(asked: int, found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", found)
    with pytest.raises(WrongWorldSizeError) as caught:
        join_group(asked, "cpu", stall_seconds=600)
    assert caught.value.expected == f"{asked} training process{'es' * (asked > 1)}"
    assert caught.value.found == found
    assert "machines" in caught.value.hint


def test_without_torchrun_a_process_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    group = join_group(1, "cpu", stall_seconds=600)
    assert (group.rank, group.world_size, group.is_leader) == (0, 1, True)
    values = torch.tensor([1.0, 2.0])
    assert group.sum(values).tolist() == [1.0, 2.0]
    assert group.gather("me") == ["me"]
    facts = group.facts(torch.device("cpu"))
    assert (facts["world_size"], facts["backend"]) == (1, None)
    assert [rank["pid"] for rank in facts["ranks"]] == [os.getpid()]


def facts_of(*ranks: tuple[int, str, str, str | None]) -> dict[str, Any]:
    """Facts as gathered from ranks, each (machine, host, device, gpu)."""
    names = ("machine", "host", "device", "gpu")
    return {"ranks": [{"rank": rank, **dict(zip(names, facts, strict=True))} for rank, facts in enumerate(ranks)]}


CPU0, CPU1 = (0, "a", "cpu", None), (1, "a", "cpu", None)
GPU0, GPU1 = (0, "a", "cuda:0", "GPU-x"), (0, "a", "cuda:1", "GPU-y")


@pytest.mark.parametrize(
    ("ranks", "machines", "expected", "found"),
    [
        ([CPU0, CPU0], 2, "2 machines", "1"),
        ([CPU0, CPU1], 1, "1 machine", "2"),
        ([CPU0, CPU0, CPU0, CPU1], 2, "2 processes on machine 0", "3"),
        ([CPU0, GPU0], 1, "one kind of device", "cpu (rank 0 on a), cuda (rank 1 on a)"),
        ([GPU0, GPU0], 1, "a GPU for each process", "2 processes on GPU-x of a"),
    ],
)
def test_a_group_unlike_the_one_asked_for_is_an_error(
    ranks: list[Any], machines: int, expected: str, found: str
) -> None:
    with pytest.raises(WrongWorldSizeError) as caught:
        check_facts(facts_of(*ranks), num_machines=machines, processes_per_machine=len(ranks) // machines)
    assert expected in caught.value.expected
    assert caught.value.found == found


def test_the_group_asked_for_passes() -> None:
    check_facts(facts_of(CPU0, CPU0, CPU1, CPU1), num_machines=2, processes_per_machine=2)
    check_facts(facts_of(GPU0, GPU1), num_machines=1, processes_per_machine=2)
    # The same device of two hosts is two devices.
    check_facts(facts_of(GPU0, (1, "b", "cuda:0", "GPU-x")), num_machines=2, processes_per_machine=1)


def test_a_parameter_that_only_one_process_used_gets_its_gradient_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the processes exchange messages of different lengths, and their weights differ."""

    def gradients_of(rank: int) -> list[torch.nn.Parameter]:
        types = [torch.float32, torch.float64, torch.float32]
        parameters = [torch.nn.Parameter(torch.zeros(2, dtype=kind)) for kind in types]
        parameters[0].grad = torch.tensor([1.0, 2.0]) * 10**rank
        if rank == 1:
            parameters[1].grad = torch.tensor([0.0, 5.0], dtype=torch.float64)
        return parameters

    sent: list[torch.Tensor] = []
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda values: sent.append(values.clone()))
    for rank in range(2):
        Group(rank=rank, world_size=2).sum_gradients(gradients_of(rank))
    assert len({len(message) for message in sent}) == 1
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda values: values.copy_(sum(sent)))
    for rank in range(2):
        parameters = gradients_of(rank)
        Group(rank=rank, world_size=2).sum_gradients(parameters)
        gradients = [parameter.grad for parameter in parameters]
        assert [None if gradient is None else gradient.tolist() for gradient in gradients] == [[11, 22], [0, 5], None]
        assert gradients[1] is not None
        assert gradients[1].dtype == torch.float64


def test_gradients_on_a_gpu_are_summed_without_waiting_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch's device without data takes its place: nothing can be read back from there."""
    messages: list[tuple[str, int]] = []
    monkeypatch.setattr("torch.distributed.all_reduce", lambda sent: messages.append((sent.device.type, len(sent))))
    parameters = [torch.nn.Parameter(torch.zeros(3, device="meta")) for _ in range(3)]
    for parameter in parameters[:2]:
        parameter.grad = torch.zeros(3, device="meta")
    Group(rank=0, world_size=2).sum_gradients(parameters)
    assert messages == [("meta", 9), ("cpu", 3)]
    assert [parameter.grad is not None for parameter in parameters] == [True, True, False]
