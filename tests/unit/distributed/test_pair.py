"""Two processes on one machine sum over shared memory: gloo's bytes, and clear failures."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist

from daf.distributed import pair as pair_module
from daf.distributed.failures import Cause, Failure
from daf.distributed.process_group import join_group, leave_group
from tests.unit.training.forked import shared_memory, start_ranks

PART = 1000  # bytes exchanged at once in the test: several parts, the last one shorter


def values(rank: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(rank)
    return [
        torch.randn(777, generator=generator) * 10.0 ** torch.randint(-9, 9, (777,), generator=generator),
        torch.randn(3, 50, generator=generator).double(),
        torch.arange(9) + rank,
        torch.tensor([float("inf"), 1e38, -0.0]) * (1 - 2 * rank),
        torch.tensor([rank + 0.5]),
    ]


def sum_both_ways(folder: Path, other_machine: bool = False) -> None:
    """One rank: the sums over shared memory and by gloo."""
    pair_module._PART_BYTES, pair_module._MEMORY_BYTES = PART, 4 * PART
    if other_machine:
        pair_module._network = lambda: os.environ["RANK"]
    group = join_group(2, "cpu", stall_seconds=600)
    for _ in range(3):  # every turn of the memory
        own = [group.sum(one) for one in values(group.rank)]
    by_gloo = values(group.rank)
    for one in by_gloo:
        dist.all_reduce(one)
    torch.save((group.pair is not None, own, by_gloo), folder / f"{group.rank}.pt")
    leave_group(group)


def lose_the_other(folder: Path) -> None:
    """One rank: the second is killed after a sum; what the first meets in the next one."""
    group = join_group(2, "cpu", stall_seconds=600)
    group.sum(torch.zeros(3))
    if group.rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    try:
        while True:
            group.sum(torch.zeros(3))
    except ConnectionError as error:
        failure = Failure.of_exception(error)
        torch.save((failure.cause, failure.reason, failure.symptom), folder / "failure.pt")


def ended(processes: list[Any]) -> list[int]:
    for process in processes:
        process.join(120)
    return [process.exitcode for process in processes]


@pytest.mark.slow
@pytest.mark.parametrize("other_machine", [False, True])
def test_sums_are_those_of_gloo_to_the_byte(tmp_path: Path, other_machine: bool) -> None:
    before = shared_memory()
    assert ended(start_ranks(sum_both_ways, tmp_path, other_machine)) == [0, 0]
    found = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    for paired, own, gloo in found:
        assert paired is not other_machine
        for one, other, again in zip(own, gloo, found[0][1], strict=True):
            assert one.dtype == other.dtype
            assert one.numpy().tobytes() == other.numpy().tobytes() == again.numpy().tobytes()
    assert found[0][1][4].tolist() == [2.0]
    assert shared_memory() == before


@pytest.mark.slow
def test_whoever_waits_for_a_killed_process_is_a_symptom(tmp_path: Path) -> None:
    before = shared_memory()
    assert ended(start_ranks(lose_the_other, tmp_path)) == [0, -signal.SIGKILL]
    cause, reason, symptom = torch.load(tmp_path / "failure.pt", weights_only=False)
    assert (cause, symptom) == (Cause.ERROR, True)
    assert "the other training process has ended" in reason
    assert shared_memory() == before
