"""Messages, timed operations, metrics and progress, to the terminal and to a log file.

Each experiment or job has one logger. No other module of DAF configures logging, and this one never touches the root
logger. A terminal gets colours through Rich; a pipe or log file gets the same text as plain lines. Results are files
and are not logged here.
"""

from __future__ import annotations

import logging
import math
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from daf.errors import BadInputError, did_you_mean
from daf.system.failure_report import FailureReport
from daf.system.nouns import number_of
from daf.system.progress import Progress, format_duration, format_figure

__all__ = [
    "DAFLogger",
    "FailureLog",
    "MetricSummary",
    "MetricsCollector",
    "OperationTracker",
    "Progress",
    "create_daf_logger",
]

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
PROGRESS_INTERVAL_S = 3.0  # so that a loop with slow steps still speaks every 5 s

Clock = Callable[[], float]


# ---- metrics ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class MetricSummary:
    """What was recorded under one name; `std` is the sample standard deviation, None for fewer than two values.

    Attributes:
        name: name of the metric.
        count: number of values.
        total, mean: over all values.
        std: sample standard deviation.
        minimum, maximum, last: the lowest, the highest, and the latest value.
    """

    name: str
    count: int
    total: float
    mean: float
    std: float | None
    minimum: float
    maximum: float
    last: float


class MetricsCollector:
    """Numbers by name, in the order recorded. Values that are not finite are counted separately, not averaged."""

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = {}
        self._not_finite: dict[str, int] = {}

    def record(self, name: str, value: float) -> None:
        """Add one value."""
        value = float(value)
        if math.isfinite(value):
            self._values.setdefault(name, []).append(value)
        else:
            self._not_finite[name] = self._not_finite.get(name, 0) + 1

    def increment(self, name: str, by: float = 1.0) -> None:
        """Add to a counter: the summary's `total` is the count."""
        self.record(name, by)

    def values(self, name: str) -> list[float]:
        return list(self._values.get(name, []))

    def not_finite(self, name: str) -> int:
        """Number of values of this name that were NaN or infinite."""
        return self._not_finite.get(name, 0)

    def names(self) -> list[str]:
        return sorted({*self._values, *self._not_finite})

    def summary(self) -> dict[str, MetricSummary]:
        """Aggregates of every name that has at least one finite value."""
        return {name: _summarize(name, values) for name, values in sorted(self._values.items())}

    def clear(self) -> None:
        self._values.clear()
        self._not_finite.clear()


def _summarize(name: str, values: list[float]) -> MetricSummary:
    count, total = len(values), math.fsum(values)
    mean = total / count
    std = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (count - 1)) if count > 1 else None
    low, high, last = min(values), max(values), values[-1]
    return MetricSummary(name=name, count=count, total=total, mean=mean, std=std, minimum=low, maximum=high, last=last)


# ---- operations -------------------------------------------------------------------------------------------


@dataclass(kw_only=True)
class OperationTracker:
    """One timed piece of work. `status` is running, completed or failed; `duration_s` grows until the end.

    Attributes:
        name: what is timed.
        clock: monotonic seconds.
        status: running, completed or failed.
        error: why it failed.
        context: what was given to `track_operation`.
        metrics: what was recorded in it.
        started_s, ended_s: by the clock.
    """

    name: str
    clock: Clock = field(default=time.monotonic, repr=False)
    status: str = "running"
    error: str | None = None
    context: dict[str, Any] = field(default_factory=dict)
    metrics: MetricsCollector = field(default_factory=MetricsCollector, repr=False)
    started_s: float = field(init=False)
    ended_s: float | None = None

    def __post_init__(self) -> None:
        self.started_s = self.clock()

    @property
    def duration_s(self) -> float:
        return (self.clock() if self.ended_s is None else self.ended_s) - self.started_s

    def record(self, name: str, value: float) -> None:
        """Record a metric of this operation."""
        self.metrics.record(name, value)

    def finish(self, error: BaseException | None = None) -> None:
        self.ended_s = self.clock()
        self.status = "completed" if error is None else "failed"
        if error is not None:
            self.error = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}".removesuffix(": ")

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name, "status": self.status, "duration_s": self.duration_s,
            "error": self.error, "context": dict(self.context),
        }  # fmt: skip


# ---- the logger -------------------------------------------------------------------------------------------


class DAFLogger:
    """A named logger with context, timed operations, metrics and progress.

    Args:
        name: the subject of the messages; shown in the log file.
        level: lowest severity of messages to show, one of debug, info, warning, error.
        log_file: also append plain lines here; the folder is created.
        stream: where messages appear; default: the process's stderr.
        clock: monotonic seconds, for durations and throttling.

    Raises:
        BadInputError: unknown level.
    """

    def __init__(
        self,
        name: str,
        *,
        level: str = "info",
        log_file: str | Path | None = None,
        stream: TextIO | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        if level.lower() not in LEVELS:
            raise BadInputError(
                f"one of {', '.join(LEVELS)}", f"'{level}'", f"log level of '{name}'", did_you_mean(level, LEVELS)
            )
        self.name, self.level, self.log_file = name, level.lower(), Path(log_file) if log_file is not None else None
        self.metrics = MetricsCollector()
        self.operations: list[OperationTracker] = []
        self._clock, self._stream = clock, stream
        self.session = session_metadata(name)
        self._logger = _configured_logger(name, LEVELS[self.level], self.log_file, stream)
        self._write_session_header()

    def debug(self, message: str, **context: Any) -> None:
        self._log(logging.DEBUG, message, context)

    def info(self, message: str, **context: Any) -> None:
        self._log(logging.INFO, message, context)

    def warning(self, message: str, **context: Any) -> None:
        self._log(logging.WARNING, message, context)

    def error(self, message: str, **context: Any) -> None:
        self._log(logging.ERROR, message, context)

    @contextmanager
    def track_operation(self, name: str, **context: Any) -> Iterator[OperationTracker]:
        """Time a block; log a failure and re-raise it. Durations appear in the metrics summary."""
        operation = OperationTracker(name=name, clock=self._clock, context=context)
        self.operations.append(operation)
        self._log(logging.INFO, f"{name} started", context)
        try:
            yield operation
        except BaseException as error:
            operation.finish(error)
            took = format_duration(operation.duration_s)
            self._log(logging.ERROR, f"{name} failed after {took}: {operation.error}", {})
            raise
        operation.finish()
        self._log(logging.INFO, f"{name} completed in {format_duration(operation.duration_s)}", {})

    def progress(self, what: str, total: int, unit: str, *, interval_s: float = PROGRESS_INTERVAL_S) -> Progress:
        """Start reporting on a loop of `total` units."""
        return Progress(
            lambda line: self._log(logging.INFO, line, {}), what, total, unit, interval_s=interval_s, clock=self._clock
        )

    def metrics_summary(self) -> str:
        """Operations and metrics as a plain table."""
        rows: list[tuple[str, ...]] = [("operation", "status", "duration")]
        rows += [
            (operation.name, operation.status, format_duration(operation.duration_s)) for operation in self.operations
        ]
        text = _table(rows) if self.operations else "no operations were tracked"
        metric_rows: list[tuple[str, ...]] = [("metric", "count", "mean", "std", "min", "max", "last")]
        for prefix, collector in [
            ("", self.metrics),
            *((f"{operation.name}.", operation.metrics) for operation in self.operations),
        ]:
            metric_rows += [(prefix + row[0], *row[1:]) for row in _metric_rows(collector)]
        return text + ("\n\n" + _table(metric_rows) if len(metric_rows) > 1 else "")

    def print_metrics_summary(self) -> None:
        """Show the summary on the terminal (stderr, as all messages) and append it to the log file."""
        text = self.metrics_summary()
        print(f"\n{text}\n", file=self._stream or sys.stderr)
        if self.log_file is not None:
            with open(self.log_file, "a", encoding="utf-8") as stream:
                stream.write(f"\n{text}\n\n")

    def _log(self, level: int, message: str, context: dict[str, Any]) -> None:
        shown = " ".join(f"{key}={format_figure(value)}" for key, value in context.items())
        self._logger.log(level, "%s", f"{message} [{shown}]" if shown else message)

    def _write_session_header(self) -> None:
        if self.log_file is not None:
            with open(self.log_file, "a", encoding="utf-8") as stream:
                stream.write("# " + " · ".join(f"{key} {value}" for key, value in self.session.items()) + "\n")


def create_daf_logger(
    name: str,
    *,
    level: str = "info",
    log_file: str | Path | None = None,
    stream: TextIO | None = None,
    clock: Clock = time.monotonic,
) -> DAFLogger:
    """A logger of this name; calling it again replaces the handlers of the first call instead of doubling them."""
    return DAFLogger(name, level=level, log_file=log_file, stream=stream, clock=clock)


class FailureLog:
    """Failures of user code in one piece of work: every cause with its traceback once, at the end how many there were.

    Attributes:
        first: the first of them.
    """

    def __init__(self, logger: DAFLogger, what: str) -> None:
        self._logger, self._what = logger, what
        self._causes: dict[str, int] = {}
        self.first: FailureReport | None = None

    def add(self, report: FailureReport) -> None:
        self.first = self.first or report
        if report.cause not in self._causes:
            self._logger.error(f"{self._what}: {report}\n{report.traceback}".rstrip())
        self._causes[report.cause] = self._causes.get(report.cause, 0) + 1

    def summarize(self, total: int) -> None:
        """Say how many of `total` episodes failed, if any, and of what."""
        for cause, count in self._causes.items():
            self._logger.error(f"{self._what}: {count:,} of {number_of(total, 'episode')} failed: {cause}")


def session_metadata(name: str) -> dict[str, str]:
    """Facts that a reader of the log file needs."""
    from daf import __version__

    facts = {
        "session": name,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "daf": __version__,
        "python": platform.python_version(),
        "host": platform.node(),
        "pid": str(os.getpid()),
    }
    job = os.environ.get("SLURM_JOB_ID")
    return {**facts, "slurm_job": job} if job else facts


def _metric_rows(collector: MetricsCollector) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    summaries = collector.summary()
    for name in collector.names():
        summary, bad = summaries.get(name), collector.not_finite(name)
        label = f"{name} ({bad} not finite)" if bad else name
        if summary is None:
            rows.append((label, "0", "-", "-", "-", "-", "-"))
        else:
            std = "-" if summary.std is None else format_figure(summary.std)
            figures = [format_figure(value) for value in (summary.minimum, summary.maximum, summary.last)]
            rows.append((label, str(summary.count), format_figure(summary.mean), std, *figures))
    return rows


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    padded = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows]
    return "\n".join("  ".join(row).rstrip() for row in padded)


# ---- handlers ---------------------------------------------------------------------------------------------


def _configured_logger(name: str, level: int, log_file: Path | None, stream: TextIO | None) -> logging.Logger:
    logger = logging.getLogger(f"daf.sessions.{name}")
    # A parent's handler (or one that a library added to the root) would show every line twice.
    logger.propagate = False
    logger.setLevel(level)
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    logger.addHandler(_terminal_handler(stream))
    if log_file is not None:
        log_file.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(log_file, encoding="utf-8", delay=True)
        handler.setFormatter(FORMATTER)
        logger.addHandler(handler)
    return logger


class _PlainFormatter(logging.Formatter):
    """UTC times, so that logs from several machines can be compared."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"


FORMATTER = _PlainFormatter("%(asctime)s %(levelname)-7s %(message)s")  # of terminals and log files


class _CurrentStderr(logging.StreamHandler[TextIO]):
    """Writes to the current sys.stderr, since programs and tests replace it."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


def _terminal_handler(stream: TextIO | None) -> logging.Handler:
    target = stream if stream is not None else sys.stderr
    if hasattr(target, "isatty") and target.isatty() and not os.environ.get("NO_COLOR"):
        from rich.console import Console
        from rich.highlighter import NullHighlighter
        from rich.logging import RichHandler

        return RichHandler(
            console=Console(file=target, soft_wrap=True),
            highlighter=NullHighlighter(),
            show_path=False,
            markup=False,
            log_time_format="[%X]",
        )
    handler: logging.Handler = logging.StreamHandler(stream) if stream is not None else _CurrentStderr()
    handler.setFormatter(FORMATTER)
    return handler
