"""Progress of long comparisons, as lines of the log."""

from __future__ import annotations

import time
from collections.abc import Callable

from daf.logging_config import DAFLogger, create_daf_logger

FIRST_SECONDS = 10.0  # a comparison that ends before then says nothing
EVERY_SECONDS = 10.0


class Progress:
    """Says how many of `total` steps are done, and about how long the rest will take."""

    def __init__(self, total: int, what: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._total, self._what, self._clock = total, what, clock
        self._done, self._start = 0, clock()
        self._next = self._start + FIRST_SECONDS
        self._logger: DAFLogger | None = None

    def advance(self) -> None:
        self._done += 1
        if self._done % 64 and self._done < self._total:
            return
        now = self._clock()
        if now < self._next:
            return
        self._next = now + EVERY_SECONDS
        self._logger = self._logger or create_daf_logger("daf.comparison")
        left = (now - self._start) * (self._total - self._done) / self._done
        self._logger.info(f"compared {self._done:,} of {self._total:,} {self._what}; about {left:.0f} s left")
