"""Wall time and memory that a piece of work used, according to the kernel."""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import dataclass

_BYTES_PER_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Attributes:
    seconds: wall time.
    peak_memory_mb: highest resident memory in MiB of the largest process: this one since it started, or a child that
        has ended. It includes what a job shares with the process of which it is a copy (`daf.workflow.fork_server`).
    """

    seconds: float
    peak_memory_mb: float


def usage_since(start: float) -> Usage:
    """Return the usage since `start`, a value of `time.perf_counter()`."""
    seconds = time.perf_counter() - start
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return Usage(seconds=seconds, peak_memory_mb=peak * _BYTES_PER_UNIT / 2**20)
