"""Trainer state on disk: complete files only, named by their content; the newest valid one wins.

A checkpoint is `checkpoint-<update>-<first 16 digits of its sha256>.pt`, so damage can be detected. Reading a file
unpickles only tensors and plain data.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from daf.system.files import write_bytes

_NAME = re.compile(r"^checkpoint-(\d{8})-([0-9a-f]{16})\.pt$")
KEEP = 2  # the newest, and the one before it in case the newest is damaged


def to_bytes(value: Any) -> bytes:
    """torch.save into memory, so that the bytes do not depend on a file name."""
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def save_checkpoint(folder: Path, update: int, state: dict[str, Any]) -> Path:
    """Write the state after `update` updates, then remove all other checkpoints except the newest one before it.

    Those of later updates are removed, too: a run at `update` must not resume from them.
    """
    content = to_bytes(state)
    path = folder / f"{_prefix(update)}-{hashlib.sha256(content).hexdigest()[:16]}.pt"
    write_bytes(path, content)
    before = [old for old in _newest_first(folder) if old.name[: len(_prefix(update))] < _prefix(update)]
    for old in _newest_first(folder):
        if old != path and old not in before[: KEEP - 1]:
            old.unlink(missing_ok=True)
    return path


def load_newest_checkpoint(folder: Path, warn: Callable[[str], None]) -> dict[str, Any] | None:
    """The newest undamaged state, or None; damaged files are skipped with a message to `warn`."""
    for path in _newest_first(folder):
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest()[:16] != _NAME.match(path.name)[2]:  # type: ignore[index]
            warn(f"skipping damaged checkpoint {path}")
            continue
        state: dict[str, Any] = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
        return state
    return None


def _prefix(update: int) -> str:
    return f"checkpoint-{update:08d}"


def _newest_first(folder: Path) -> list[Path]:
    return sorted((path for path in folder.glob("checkpoint-*.pt") if _NAME.match(path.name)), reverse=True)
