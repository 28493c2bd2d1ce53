"""What the benchmarks share: a program in a process of its own that reports its speed, and the median of figures."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable

import numpy as np


def median(values: Iterable[float]) -> float:
    """Numpy's, because a benchmark that imports `statistics` gets the one beside it."""
    return float(np.median(list(values)))


def speed(program: str, *arguments: object, **environment: str) -> tuple[float, ...]:
    """The numbers on the last line of a program's output that says SPEED.

    Args:
        program: Python code; it finds `arguments` in sys.argv[1:].
        environment: variables set for it.
    """
    command = [sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | environment)
    found = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("SPEED")]
    if not found:
        raise SystemExit(f"no speed from {arguments}:\n{done.stdout[-1000:]}\n{done.stderr[-2000:]}")
    return tuple(map(float, found[-1]))
