"""Progress of long comparisons: one line for whoever watches, otherwise lines of the log."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Self

from daf.logging_config import DAFLogger, create_daf_logger
from daf.system.live_progress import is_watched, live_progress

FIRST_SECONDS = 10.0  # a comparison that ends before then writes nothing to the log
EVERY_SECONDS = 10.0
WATCHED_SECONDS = 1.0  # and one that ends before then shows no line


class Progress:
    """Says how many of `total` steps are done, and about how long the rest will take; used as a context.

    Args:
        verb: what was done with them.
        stride: after how many single steps the clock is read.
    """

    def __init__(
        self,
        total: int,
        what: str,
        verb: str = "compared",
        *,
        stride: int = 64,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total, self._what, self._verb, self._stride, self._clock = total, what, verb, stride, clock
        self._done, self._start = 0, clock()
        self._next = self._start + FIRST_SECONDS
        self._logger: DAFLogger | None = None
        self._open = ExitStack()
        self._show: Callable[[int], None] | None = None

    def __enter__(self) -> Self:
        if is_watched():
            live = live_progress(self._verb, self._total, self._what, after_s=WATCHED_SECONDS)
            self._show = self._open.enter_context(live).update
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()

    def advance(self, steps: int = 1) -> None:
        self._done += steps
        if steps == 1 and self._done % self._stride and self._done < self._total:
            return
        if self._show is not None:
            self._show(self._done)
            return
        now = self._clock()
        if now < self._next:
            return
        self._next = now + EVERY_SECONDS
        self._logger = self._logger or create_daf_logger("daf.comparison")
        left = (now - self._start) * (self._total - self._done) / self._done
        self._logger.info(f"{self._verb} {self._done:,} of {self._total:,} {self._what}; about {left:.0f} s left")
