"""Progress as one line that changes, for whoever watches: in a terminal or a notebook; elsewhere nothing is printed."""

from __future__ import annotations

import importlib
import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from daf.system.notebooks import in_notebook
from daf.system.progress import Progress
from daf.system.waiting import heard

INTERVAL_SECONDS = 0.2  # between two changes of the line


class Line(Protocol):
    """A line of text on a screen."""

    def show(self, text: str) -> None: ...
    def close(self) -> None: ...


@contextmanager
def live_progress(
    what: str, total: int, unit: str, *, after_s: float = 0.0, clock: Callable[[], float] = time.monotonic
) -> Iterator[Progress]:
    """Progress of a loop as one line, which stays with its last state.

    Args:
        total: a loop of 0 units shows nothing.
        after_s: a loop that ends before then shows nothing.
    """
    line = _Late(after_s if total else math.inf, clock)
    progress = Progress(line.show, what, total, unit, interval_s=INTERVAL_SECONDS, clock=clock)
    try:
        progress.update(0)
        yield progress
        progress.done()
    finally:
        line.close()


def is_watched() -> bool:
    """Whether a person sees what is printed: in a notebook, or in a terminal to which output is not redirected."""
    return in_notebook() or (sys.stdout.isatty() and sys.stderr.isatty())


class _Late:
    """A line that appears after some time, where somebody watches."""

    def __init__(self, after_s: float, clock: Callable[[], float]) -> None:
        self._from, self._clock = clock() + after_s, clock
        self._line: Line | None = None

    def show(self, text: str) -> None:
        if self._line is None and self._clock() >= self._from and is_watched():
            self._line = _NotebookLine() if in_notebook() else _TerminalLine()
        if self._line is not None:
            self._line.show(text)
            heard()

    def close(self) -> None:
        if self._line is not None:
            self._line.close()


class _TerminalLine:
    """The last line of the terminal. What the program prints meanwhile appears above it."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._live = Live(console=Console(file=sys.stderr), auto_refresh=False)
        self._live.start()

    def show(self, text: str) -> None:
        from rich.text import Text

        self._live.update(Text(text, no_wrap=True, overflow="ellipsis"), refresh=True)

    def close(self) -> None:
        self._live.stop()


class _NotebookLine:
    """An output of the cell that is replaced."""

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, text: str) -> None:
        content = {"text/plain": text}
        if self._handle is None:
            display = importlib.import_module("IPython.display").display
            self._handle = display(content, raw=True, display_id=True)
        else:
            self._handle.update(content, raw=True)

    def close(self) -> None:
        """It stays as it is."""
