"""Copies of the process that runs the tests."""

from __future__ import annotations

import psutil


def copies_left() -> list[psutil.Process]:
    """Those that run, or for which it has not waited; other children, such as multiprocessing's, do not count."""
    this = psutil.Process()
    return [child for child in this.children() if _is_copy(child, this.cmdline())]


def _is_copy(child: psutil.Process, command: list[str]) -> bool:
    try:
        return child.cmdline() == command
    except psutil.ZombieProcess:
        return True
    except psutil.NoSuchProcess:
        return False
