"""Shared by the benchmarks: running a program that reports its speed in a separate process, and medians."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable

import numpy as np


def median(values: Iterable[float]) -> float:
    """Numpy's median, because a benchmark that imports `statistics` gets the module of that name in this folder."""
    return float(np.median(list(values)))


def speed(program: str, *arguments: object, **environment: str) -> tuple[float, ...]:
    """Return the numbers on the last line of a program's output that begins with SPEED.

    Args:
        program: Python code; its sys.argv[1:] are `arguments`.
        environment: environment variables for it.
    """
    command = [sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | environment)
    found = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("SPEED")]
    if not found:
        raise SystemExit(f"no speed from {arguments}:\n{done.stdout[-1000:]}\n{done.stderr[-2000:]}")
    return tuple(map(float, found[-1]))
