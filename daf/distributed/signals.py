"""Stop signals, in the launcher and in every training process."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

STOPPING = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)


@dataclass
class Stop:
    """Whether and when this process received a stop signal."""

    received: str | None = None
    at: float = 0.0


@contextmanager
def stop_signals(on_stop: Callable[[], None] = lambda: None) -> Iterator[Stop]:
    """Record SIGTERM and SIGUSR1, which schedulers send before they reclaim a machine, and Ctrl-C, instead of ending.

    A second Ctrl-C ends at once, as ever. In another thread than the main one, which alone can handle signals, nothing
    is recorded: the program decides what they mean.

    Args:
        on_stop: called at the first of them.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def remember(number: int, frame: FrameType | None) -> None:
        if stop.received is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        if stop.received is None:
            stop.received, stop.at = signal.Signals(number).name, time.monotonic()
            on_stop()

    previous = {number: signal.signal(number, remember) for number in STOPPING}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
