"""Shared by the benchmarks: running a program that reports its speed in a separate process, and medians."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
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


def speed_within(seconds: float, program: str, *arguments: object) -> tuple[float, ...] | None:
    """As `speed`, of a program that may print several such lines; it ends after `seconds`, with all that it started.

    Returns:
        The last numbers, also of a program that had to be ended; None, with a message, if it printed none in time.
    """
    command = [sys.executable, "-c", program, *map(str, arguments)]
    # What it prints goes to files: its own processes may hold a pipe open for longer than it lives.
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, stdout=out, stderr=errors, start_new_session=True)
        try:
            ended = f"ended with {process.wait(seconds)}"
        except subprocess.TimeoutExpired:
            ended = f"did not end within {seconds:g} s"
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
        out.seek(0)
        errors.seek(0)
        printed, complaints = out.read(), errors.read()
    found = [line.split()[1:] for line in printed.splitlines() if line.startswith("SPEED")]
    if not found:
        print(f"no speed: {arguments} {ended}\n{printed[-1000:]}\n{complaints[-2000:]}", file=sys.stderr, flush=True)
        return None
    return tuple(map(float, found[-1]))
