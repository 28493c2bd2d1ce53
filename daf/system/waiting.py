"""What a command waits for, said when it has been silent for a while."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from daf.system.progress import format_duration

Say = Callable[[str], None]
SILENCE_SECONDS = 4.0  # before a word; after a minute of words alone, twice as long, and so on
OFTEN_SECONDS = 60.0
LONGEST_SILENCE_SECONDS = 64.0
TICK_SECONDS = 0.5
SHORT_SECONDS = 2.0  # the time of such a wait is not said: the silence is longer, for it began before


def next_patience(patience: float, waited: float) -> float:
    """How long to be silent after a word about a wait, which already took so long."""
    return min(2 * patience, LONGEST_SILENCE_SECONDS) if waited >= OFTEN_SECONDS else SILENCE_SECONDS


@dataclass(eq=False)
class _Wait:
    """Something that is waited for, since a time of the clock."""

    what: str
    began: float


class Waiting:
    """Says what is waited for; of what is waited for within something else, only the inner one.

    Args:
        speaker: called when silence begins; returns what gets each sentence.
        clock: monotonic seconds.
        watch: look now and then, in a thread; otherwise only when `look` is called.
    """

    def __init__(
        self, speaker: Callable[[], Say], *, clock: Callable[[], float] = time.monotonic, watch: bool = True
    ) -> None:
        self._speaker, self._clock, self._watch = speaker, clock, watch
        self._say: Say = speaker()
        self._lock = threading.RLock()
        self._waits: list[_Wait] = []
        self._spoke, self._patience = 0.0, SILENCE_SECONDS
        self._ended = threading.Event()

    @contextmanager
    def on(self, what: str, *, silent_for: float = 0.0) -> Iterator[None]:
        """Wait for something in the block; silence is counted from the beginning of the outermost one.

        Args:
            silent_for: seconds of silence before the block.
        """
        wait = _Wait(what, self._clock())
        with self._lock:
            if not self._waits:
                self._spoke = wait.began - silent_for
                self._begin()
            self._patience = SILENCE_SECONDS
            self._waits.append(wait)
        try:
            yield
        finally:
            with self._lock:
                if wait in self._waits:
                    self._waits.remove(wait)
                if self._waits:
                    self._waits[-1].began = self._clock()  # what it says is its own time, without the inner wait's
                else:
                    self._ended.set()

    def hand_over(self) -> None:
        """Stop: somebody else speaks."""
        with self._lock:
            self._waits.clear()
            self._ended.set()

    def heard(self) -> None:
        """Something else was said."""
        with self._lock:
            self._spoke, self._patience = self._clock(), SILENCE_SECONDS

    def look(self) -> None:
        """Say what is waited for, if nothing has been said for a while."""
        with self._lock:
            now = self._clock()
            if not self._waits or now - self._spoke < self._patience:
                return
            wait = self._waits[-1]
            waited = now - wait.began
            self._say(f"waiting for {wait.what}" + (f" ({format_duration(waited)})" if waited >= SHORT_SECONDS else ""))
            self._spoke = now
            self._patience = next_patience(self._patience, waited)

    def _begin(self) -> None:
        self._say = self._speaker()
        self._ended = ended = threading.Event()
        if self._watch:
            threading.Thread(target=self._look_often, args=(ended,), daemon=True, name="waiting").start()

    def _look_often(self, ended: threading.Event) -> None:
        while not ended.wait(TICK_SECONDS):
            self.look()


def _terminal() -> Say:
    """Standard error of now: a block that redirects it later does not hide what it waits for."""
    return partial(print, file=sys.stderr, flush=True)


WAITING = Waiting(_terminal)
waiting_for, hand_over, heard = WAITING.on, WAITING.hand_over, WAITING.heard
