"""The processes that train together: a single one, or a torch.distributed group started by torchrun."""

from __future__ import annotations

import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from daf.distributed.failures import WrongWorldSizeError, host_name
from daf.distributed.heartbeat import FIRST_BEAT_FACTOR, Heartbeat
from daf.distributed.pair import Pair, pair_up
from daf.system.nouns import number_of


@dataclass(frozen=True, kw_only=True)
class Group:
    """This process among its peers. All methods are no-ops in a group of one.

    Attributes:
        pair: what sums values on the CPU if the group is two processes on one machine; else torch.distributed does.
    """

    rank: int = 0
    world_size: int = 1
    heartbeat: Heartbeat | None = None
    pair: Pair | None = None

    @property
    def is_leader(self) -> bool:
        return self.rank == 0

    def beat(self, update: int, agent_steps: int) -> None:
        """Tell the watchdog that the loop made progress; call it after every update."""
        if self.heartbeat is not None:
            self.heartbeat.beat(update, agent_steps)

    def alive(self) -> None:
        """Tell the watchdog that this process is at work; call it often within an update, but never while waiting."""
        if self.heartbeat is not None:
            self.heartbeat.alive()

    def sum(self, values: Tensor) -> Tensor:
        """Sum over processes, in place."""
        if self.pair is not None:
            return self.pair.sum(values)
        if self.world_size > 1:
            dist.all_reduce(values)
        return values

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace every gradient by its sum over processes.

        A parameter that only some processes used gets its gradient in all of them: their weights must stay equal. Which
        these are goes with the gradients or, from GPUs, in a separate message, so that no processor waits for its GPU.
        """
        if self.world_size == 1:
            return
        parameters = list(parameters)
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        sums = torch.cat([gradient.detach().flatten() for gradient in gradients])
        used = torch.tensor([float(p.grad is not None) for p in parameters])
        if sums.device.type == "cpu":
            sums, used = self.sum(torch.cat([sums, used.to(sums)])).split([sums.numel(), used.numel()])
        else:
            sums, used = self.sum(sums), self.sum(used)
        parts = sums.split([gradient.numel() for gradient in gradients])
        for parameter, part, users in zip(parameters, parts, used.tolist(), strict=True):
            if users:
                parameter.grad = part.view_as(parameter).to(parameter.dtype, copy=True)

    def any(self, flag: bool, device: torch.device) -> bool:
        """Whether the flag is set in any process."""
        if self.world_size == 1:
            return flag
        return bool(self.sum(torch.tensor([float(flag)], device=device)).item() > 0)

    def gather(self, value: Any) -> list[Any]:
        """Every process's value in rank order, on every process."""
        if self.world_size == 1:
            return [value]
        gathered: list[Any] = [None] * self.world_size
        dist.all_gather_object(gathered, value)
        return gathered

    def facts(self, device: torch.device) -> dict[str, Any]:
        """What actually runs, according to the processes: world size, backend, and one entry per rank.

        Each rank's entry has rank, machine (the node's number in a Slurm job, otherwise that of its torchrun agent),
        host, pid, device, name, visible_gpus (CUDA_VISIBLE_DEVICES, None if unset), and gpu: the GPU's unique id, None
        on a CPU.
        """
        cuda = device.type == "cuda"
        mine = {
            "rank": self.rank,
            "machine": int(os.environ.get("SLURM_NODEID") or os.environ.get("GROUP_RANK", "0")),
            "host": host_name(),
            "pid": os.getpid(),
            "device": str(device),
            "name": torch.cuda.get_device_name(device) if cuda else "cpu",
            "visible_gpus": os.environ.get("CUDA_VISIBLE_DEVICES"),
            "gpu": str(torch.cuda.get_device_properties(device).uuid) if cuda else None,
        }
        backend = dist.get_backend() if self.world_size > 1 else None
        return {"world_size": self.world_size, "backend": backend, "ranks": self.gather(mine)}


def join_group(expected_world_size: int, device_type: str, *, stall_seconds: float) -> Group:
    """Join the group that torchrun's environment variables describe; without them, form a group of one.

    Args:
        device_type: cpu or cuda, the latter with or without an index.

    Raises:
        WrongWorldSizeError: the group's size differs from the recipe's; training never silently uses fewer processes.
    """
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    if world_size != expected_world_size:
        raise WrongWorldSizeError(
            number_of(expected_world_size, "training process"),
            f"{world_size}",
            "process group",
            "are all machines of the job up?",
        )
    if world_size == 1:
        return Group()
    # The watchdogs notice a stall first and report its cause; the group's timeout is the second line of defence.
    patience = timedelta(seconds=max(1800.0, 2 * FIRST_BEAT_FACTOR * stall_seconds))
    # Metrics are exchanged on the CPU by gloo, gradients between GPUs by NCCL.
    with _without_greeting():
        dist.init_process_group("cpu:gloo,cuda:nccl" if device_type.startswith("cuda") else "gloo", timeout=patience)
    pair = pair_up(patience) if device_type == "cpu" and dist.get_world_size() == 2 else None
    return Group(rank=dist.get_rank(), world_size=dist.get_world_size(), pair=pair)


@contextmanager
def _without_greeting() -> Iterator[None]:
    """Keep gloo's lines about its connections, which no setting turns off, from standard output; pass on others."""
    sys.stdout.flush()
    kept = os.dup(1)
    with tempfile.TemporaryFile() as caught:
        os.dup2(caught.fileno(), 1)
        try:
            yield
        finally:
            os.dup2(kept, 1)
            os.close(kept)
            caught.seek(0)
            other = b"".join(line for line in caught if not line.startswith(b"[Gloo] Rank "))
            if other:
                os.write(1, other)


def check_facts(facts: dict[str, Any], *, num_machines: int, processes_per_machine: int) -> None:
    """Compare what actually runs with what was requested.

    Raises:
        WrongWorldSizeError: a wrong number of machines, or of processes on one of them, devices of different kinds, or
            two processes on one GPU.
    """
    ranks = facts["ranks"]
    machines = Counter(rank["machine"] for rank in ranks)
    hint = "are all machines of the job up, and alike?"
    if len(machines) != num_machines:
        raise WrongWorldSizeError(number_of(num_machines, "machine"), f"{len(machines)}", "process group", hint)
    for machine, processes in sorted(machines.items()):
        if processes != processes_per_machine:
            expected, found = f"{number_of(processes_per_machine, 'process')} on machine {machine}", f"{processes}"
            raise WrongWorldSizeError(expected, found, "process group", hint)
    kinds = {rank["device"].partition(":")[0]: f"rank {rank['rank']} on {rank['host']}" for rank in ranks}
    if len(kinds) > 1:
        found = ", ".join(f"{kind} ({who})" for kind, who in sorted(kinds.items()))
        raise WrongWorldSizeError("one kind of device in all processes", found, "process group", hint)
    gpus = Counter((rank["host"], rank["gpu"]) for rank in ranks if rank["gpu"] is not None)
    for (host, gpu), processes in gpus.items():
        if processes > 1:
            found = f"{processes} processes on {gpu} of {host}"
            raise WrongWorldSizeError("a GPU for each process", found, "process group", "request fewer processes")


def leave_group(group: Group) -> None:
    if group.pair is not None:
        group.pair.close()
    if group.world_size > 1:
        dist.destroy_process_group()
