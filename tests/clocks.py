"""Clocks that one module sees: other threads of the process keep the real ones."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import ModuleType, SimpleNamespace

import pytest


def set_clock(monkeypatch: pytest.MonkeyPatch, module: ModuleType, **functions: Callable[..., object]) -> None:
    """Replace functions of `time` in a module that imports it."""
    monkeypatch.setattr(module, "time", SimpleNamespace(**{**vars(time), **functions}))
