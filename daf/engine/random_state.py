"""The global random generators (python, numpy, torch), which a policy's network may use implicitly.

DAF's own streams are explicit generators; the global ones are saved so that, for example, a dropout layer also resumes
exactly.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


def imported_torch() -> Any:
    """Torch, or None: importing it takes seconds, and a process that plays scripted policies can do without."""
    return sys.modules.get("torch")


def capture_random_state() -> dict[str, Any]:
    """Return their states as tensors and plain numbers."""
    import torch

    name, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)
    state: dict[str, Any] = {
        "python": random.getstate(),
        "numpy": (name, torch.from_numpy(keys.astype(np.int64)), position, has_gauss, gauss),
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_initialized():  # asking would occupy a GPU that this process may never use
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def restore_random_state(state: dict[str, Any]) -> None:
    import torch

    random.setstate(state["python"])
    name, keys, position, has_gauss, gauss = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), position, has_gauss, gauss))
    torch.set_rng_state(state["torch"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])


@contextmanager
def random_state_kept() -> Iterator[None]:
    """Restore the generators on exit, whatever happens inside."""
    if torch := imported_torch():
        before = capture_random_state()
        try:
            yield
        finally:
            restore_random_state(before)
            if "cuda" not in before and torch.cuda.is_initialized():
                torch.cuda.manual_seed_all(torch.initial_seed())  # with which it would have begun
        return
    python, numpy = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


class GlobalGenerators:
    """One episode's states of the generators, while episodes take turns."""

    def __init__(self) -> None:
        self._states = _current()

    @contextmanager
    def installed(self) -> Iterator[None]:
        """The generators continue where this episode left them."""
        _install(self._states)
        try:
            yield
        finally:
            self._states = _current()


def _current() -> tuple[Any, Any, Any]:
    torch = imported_torch()
    return random.getstate(), np.random.get_state(legacy=False), torch.get_rng_state() if torch else None


def _install(states: tuple[Any, Any, Any]) -> None:
    random.setstate(states[0])
    np.random.set_state(states[1])
    if states[2] is not None:
        imported_torch().set_rng_state(states[2])
