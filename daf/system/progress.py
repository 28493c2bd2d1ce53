"""Progress of a long loop as lines, and durations and numbers as text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Progress:
    """Progress of a long loop as plain lines, at most one per interval of wall clock, plus the first and the last."""

    def __init__(
        self,
        emit: Callable[[str], None],
        what: str,
        total: int,
        unit: str,
        *,
        interval_s: float,
        clock: Callable[[], float],
    ) -> None:
        self._emit, self.what, self.total, self.unit = emit, what, total, unit
        self._interval_s, self._clock = interval_s, clock
        self._started_s = clock()
        self._last_line_s: float | None = None
        self._first_done: int | None = None
        self._done, self._figures = 0, dict[str, Any]()
        self._shown: tuple[int, dict[str, Any]] | None = None
        self._closed = False

    def update(self, done: int, **figures: Any) -> None:
        """Report that `done` of `total` units are finished; `figures` are shown as `name value`."""
        if self._closed:
            return
        if self._first_done is None:
            # A resumed run starts above zero: the speed includes only what this process did.
            self._first_done = done if done < self.total else 0
            self._started_s = self._clock() if done > 0 and done < self.total else self._started_s
        self._done, self._figures = done, figures
        if self._last_line_s is None or self._clock() - self._last_line_s >= self._interval_s:
            self._show()

    def done(self, **figures: Any) -> None:
        """Show the last line, unless it has just been shown."""
        if self._closed:
            return
        self._figures = {**self._figures, **figures}
        if self._shown != (self._done, self._figures) or self._last_line_s is None:
            self._show()
        self._closed = True

    def _show(self) -> None:
        now = self._clock()
        self._last_line_s = now
        self._shown = (self._done, dict(self._figures))
        self._emit(self._line(now - self._started_s))

    def _line(self, elapsed_s: float) -> str:
        share = f" ({100 * self._done // self.total} %)" if self.total > 0 else ""
        parts = [f"{self.what} · {self._done:,} of {self.total:,} {self.unit}{share}"]
        worked = self._done - (self._first_done or 0)
        if worked > 0 and elapsed_s > 0:
            rate = worked / elapsed_s
            parts.append(f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.2g}/s")
            left = self.total - self._done
            parts.append(f"{format_duration(left / rate)} left" if left > 0 else f"took {format_duration(elapsed_s)}")
        known = {name: value for name, value in self._figures.items() if value is not None}
        parts += [f"{name.replace('_', ' ')} {format_figure(value)}" for name, value in known.items()]
        return " · ".join(parts)


def format_duration(seconds: float) -> str:
    """`30 s`, `2 min 05 s`, `3 h 07 min`; below ten seconds with one decimal."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60:02d} min"


def format_figure(value: Any) -> str:
    """Integers with thousands separators, other numbers with up to four significant digits, the rest as text."""
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    try:
        return f"{float(value):.4g}" if not isinstance(value, str) else value
    except (TypeError, ValueError):
        return str(value)
