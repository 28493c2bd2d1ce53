"""How exactly a GPU computes while this process trains: as the recipe's `precision` says, and the same again each time.

A CPU needs none of this: there `float32` and `tf32` are the same, and results repeat anyway.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
    cudnn = torch.backends.cudnn
    before = cudnn.deterministic, cudnn.benchmark
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    memory: Any = torch.utils.deterministic
    filled = memory.fill_uninitialized_memory
    cudnn.deterministic, cudnn.benchmark = True, False
    torch.use_deterministic_algorithms(True, warn_only=True)
    memory.fill_uninitialized_memory = False  # everything is written before it is read
    try:
        with _float32_products("tf32" if precision == "tf32" else "ieee"):
            yield
    finally:
        cudnn.deterministic, cudnn.benchmark = before
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
        memory.fill_uninitialized_memory = filled


@contextmanager
def _float32_products(how: str) -> Iterator[None]:
    """Multiply float32 numbers as `tf32` or `ieee` in all libraries that a GPU uses; restore the settings on exit.

    Torch's own default is TF32 for recurrent layers and convolutions, and float32 for matrix products. It has two
    interfaces for this. Where a program used both, or the new one alone, reading the old one is an error; and what the
    old one switches off, the new one's global setting switches on again. Torch's compiler reads the old one.
    """
    backends: Any = torch.backends
    places = (backends.cuda.matmul, backends.mkldnn.matmul, backends.cudnn.conv, backends.cudnn.rnn)
    new = [place.fp32_precision for place in places]
    old, old_of_cudnn = None, None
    with suppress(RuntimeError):
        old = torch.get_float32_matmul_precision()
    with suppress(RuntimeError):
        old_of_cudnn = backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high" if how == "tf32" else "highest")
    backends.cudnn.allow_tf32 = how == "tf32"
    for place in places:
        place.fp32_precision = how
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(old or "highest")
        backends.cudnn.allow_tf32 = old_of_cudnn is not False
        for place, value in zip(places, new, strict=True):
            place.fp32_precision = value
