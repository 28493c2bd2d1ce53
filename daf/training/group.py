"""The processes that train together: one alone, or a torch.distributed group started by torchrun."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from daf.errors import DafError


@dataclass(frozen=True, kw_only=True)
class Group:
    """This process among its peers. All methods are no-ops in a group of one."""

    rank: int = 0
    world_size: int = 1

    @property
    def is_leader(self) -> bool:
        return self.rank == 0

    def sum(self, values: Tensor) -> Tensor:
        """Sum over processes, in place."""
        if self.world_size > 1:
            dist.all_reduce(values)
        return values

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace every gradient by its sum over processes, in one message."""
        if self.world_size == 1:
            return
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))

    def any(self, flag: bool, device: torch.device) -> bool:
        """Whether the flag is set in any process."""
        return bool(self.sum(torch.tensor([float(flag)], device=device)).item() > 0)

    def gather(self, value: Any) -> list[Any]:
        """Every process's value in rank order, on every process."""
        if self.world_size == 1:
            return [value]
        gathered: list[Any] = [None] * self.world_size
        dist.all_gather_object(gathered, value)
        return gathered

    def facts(self, device: torch.device) -> dict[str, Any]:
        """What really runs, asked from inside: world size, backend, and one entry per rank."""
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
        mine = {
            "rank": self.rank,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "device": str(device),
            "name": name,
        }
        backend = dist.get_backend() if self.world_size > 1 else None
        return {"world_size": self.world_size, "backend": backend, "ranks": self.gather(mine)}


def join_group(expected_world_size: int, device_type: str) -> Group:
    """Join the group that torchrun's environment variables describe; without them, be a group of one.

    Raises:
        DafError: the group has another size than the recipe asks for; a smaller run is never made silently.
    """
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    if world_size != expected_world_size:
        raise DafError(
            f"{expected_world_size} training processes",
            f"{world_size}",
            "process group",
            "are all machines of the job up?",
        )
    if world_size == 1:
        return Group()
    dist.init_process_group("nccl" if device_type == "cuda" else "gloo")
    return Group(rank=dist.get_rank(), world_size=dist.get_world_size())


def leave_group(group: Group) -> None:
    if group.world_size > 1:
        dist.destroy_process_group()
