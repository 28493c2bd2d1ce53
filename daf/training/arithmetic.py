"""How exactly a GPU computes while this process trains: as the recipe's `precision` says, and the same again each time.

A CPU needs none of this: there `float32` and `tf32` are the same, and results repeat anyway.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


def prepare_cublas() -> None:
    """Let cuBLAS give the same bytes again; call it before the first use of a GPU, which reads it once."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


@contextmanager
def arithmetic(device: torch.device, precision: str) -> Iterator[None]:
    """On a GPU, compute in the given precision, with kernels that repeat their results; restore the settings on exit.

    An operation without such a kernel, in a user's network, warns and runs: then a resumed training may differ from an
    undisturbed one in its last bits.
    """
    if device.type == "cpu":
        yield
        return
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    memory: Any = torch.utils.deterministic
    filled = memory.fill_uninitialized_memory
    # Torch's own default is TF32 for recurrent layers and convolutions, and float32 for matrix products.
    matmul.allow_tf32 = cudnn.allow_tf32 = precision == "tf32"
    cudnn.deterministic, cudnn.benchmark = True, False
    torch.use_deterministic_algorithms(True, warn_only=True)
    memory.fill_uninitialized_memory = False  # everything is written before it is read
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark = before
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
        memory.fill_uninitialized_memory = filled
