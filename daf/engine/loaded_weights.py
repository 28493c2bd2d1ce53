"""Whether a policy uses the weights that it was given.

A class may read a file without using it: `load_state_dict(strict=False)` skips every name that does not fit. Such a
policy would play with random weights.
"""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daf.errors import BadInputError, CheckpointError
from daf.system.archives import Archive
from daf.system.readers import read_bytes

if TYPE_CHECKING:
    from torch import Tensor, nn

SHOWN = 3


def parameters_of(network: nn.Module | None) -> dict[str, Tensor]:
    """Copies of a network's parameters, to compare with later."""
    return {} if network is None else {name: value.detach().clone() for name, value in network.named_parameters()}


def require_used(network: nn.Module | None, before: Mapping[str, Tensor], path: Path, place: str) -> None:
    """Raise unless loading a file changed every parameter, or the file holds the value that it already had.

    If only the class can read the file, it must have changed some parameter.

    Args:
        before: the parameters before the file was loaded.

    Raises:
        CheckpointError: some parameters still have their initial values.
    """
    now = parameters_of(network)
    kept = [name for name, value in now.items() if name in before and _same(before[name], value)]
    if not kept:
        return
    content = _content(path)
    if content is None and len(kept) < len(now):
        return
    stored = list(_tensors(content))
    unused = [name for name in kept if not any(_same(now[name], tensor) for tensor in stored)]
    if unused:
        shown = ", ".join(unused[:SHOWN]) + (", …" if len(unused) > SHOWN else "")
        found = f"{len(unused)} of {len(now)} keep their initial values ({shown})"
        hint = "is it a checkpoint of another network? load_state_dict(strict=False) skips names that do not fit"
        raise CheckpointError("weights for every parameter of the network", found, place, hint)


def holds_tensors(path: Path) -> bool:
    """Whether a file is a checkpoint with tensors."""
    return next(_tensors(_content(path)), None) is not None


def _content(path: Path) -> Any:
    """A checkpoint's content, read without running code; None if it is something else."""
    import safetensors
    import safetensors.torch
    import torch

    try:
        return safetensors.torch.load(read_bytes(path))
    except (OSError, ValueError, safetensors.SafetensorError):
        pass
    try:
        if zipfile.is_zipfile(path):
            Archive(path)  # refuses one that would fill the memory
        return torch.load(path, map_location="cpu", weights_only=True)
    except (BadInputError, OSError, ValueError, EOFError, RuntimeError, pickle.UnpicklingError):
        return None


def _tensors(content: Any) -> Iterator[Tensor]:
    from torch import Tensor

    if isinstance(content, Tensor):
        yield content
    elif isinstance(content, Mapping | list | tuple):
        for value in content.values() if isinstance(content, Mapping) else content:
            yield from _tensors(value)


def _same(first: Tensor, second: Tensor) -> bool:
    """Equal numbers, whatever the type and the shape."""
    import torch

    return first.numel() == second.numel() and torch.equal(
        first.flatten().float().cpu(), second.flatten().float().cpu()
    )
