"""What a piece of work used: wall time and memory of this process and those it started."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Self

SAMPLES_PER_SECOND = 10


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Attributes:
    seconds: wall time.
    peak_memory_mb: highest resident memory in MiB, all processes together. It is sampled, so a shorter peak is
        missed, and memory that processes share counts once for each.
    """

    seconds: float
    peak_memory_mb: float


class UsageMeter:
    """Measures from `start` to `stop`; `with` does both."""

    def start(self) -> Self:
        self._began = time.perf_counter()
        self._peak_mb = _memory_mb()
        self._done = threading.Event()
        self._sampler = threading.Thread(target=self._sample, daemon=True)
        self._sampler.start()
        return self

    def stop(self) -> Usage:
        seconds = time.perf_counter() - self._began
        self._done.set()
        self._sampler.join()
        self.usage = Usage(seconds=seconds, peak_memory_mb=max(self._peak_mb, _memory_mb()))
        return self.usage

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _sample(self) -> None:
        while not self._done.wait(1 / SAMPLES_PER_SECOND):
            self._peak_mb = max(self._peak_mb, _memory_mb())


def _memory_mb() -> float:
    import psutil

    own = psutil.Process()
    total = 0
    for process in (own, *own.children(recursive=True)):
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:  # it ended meanwhile
            continue
    return float(total / 2**20)
