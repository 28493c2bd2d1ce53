"""Work in a copy of this process, which user code may end: os._exit, a crash in C, a kill for lack of memory.

The copy streams its results through a private pipe. If it ends before its work does, the parent knows how, and from
which line if Python could still write it down.
"""

from __future__ import annotations

import faulthandler
import mmap
import os
import re
import signal
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import IO, Any

from daf.system.failure_report import FailureReport
from daf.system.process_state import die_with_parent, status_of_child

# Elsewhere a copy of a process with threads may not use the system's libraries.
CAN_FORK = sys.platform == "linux"

_NO_STEP = -1
_FRAME = re.compile(r'^  File "(?P<file>.+)", line (?P<line>\d+) in (?P<name>.+)$', re.MULTILINE)
_step: memoryview | None = None  # shared with the parent; only in a copy
_on_step: ContextVar[Callable[[], object]] = ContextVar("on_step", default=lambda: None)


class ProcessEndedError(Exception):
    """The copy ended before its work did.

    Attributes:
        status: its exit status, or -n after signal n; None if the system does not tell.
        report: how, where, and in which step.
    """

    def __init__(self, status: int | None, report: FailureReport) -> None:
        super().__init__(str(report))
        self.status, self.report = status, report


class WorkRaisedError(Exception):
    """The work raised an exception, which stayed in the copy; called again in this process, it raises it here."""


def note_step(step: int = _NO_STEP) -> None:
    """Remember what step begins, for the report of a copy that ends in it; without a number: none has begun."""
    if _step is not None:
        _step[0] = step
    _on_step.get()()


@contextmanager
def steps_watched(on_step: Callable[[], object]) -> Iterator[None]:
    """Call `on_step` at every step that begins inside."""
    token = _on_step.set(on_step)
    try:
        yield
    finally:
        _on_step.reset(token)


def flush_output() -> None:
    """Write out what the standard streams hold back. A service may have started without them, or no one reads them."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):
            stream.flush()


def messages_of[T](
    work: Callable[[Callable[[T], None]], None], on_start: Callable[[int], None] = lambda process: None
) -> Iterator[T]:
    """What `work(send)` sends from a copy of this process, as it comes.

    Args:
        on_start: called with the number of the process.

    Raises:
        ProcessEndedError: the copy ended before `work` returned.
        WorkRaisedError: `work` raised an exception.
    """
    ours, theirs = Pipe(duplex=False)
    shared = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("q")
    shared[0] = _NO_STEP
    with tempfile.TemporaryFile() as trace:
        flush_output()  # or the copy would write it, too
        with warnings.catch_warnings():
            # Threads of the parent do not exist in a copy, which uses torch with one thread only.
            warnings.simplefilter("ignore", DeprecationWarning)
            process = os.fork()
        if process == 0:
            ours.close()
            _work_and_exit(work, theirs, shared, trace)
        theirs.close()
        try:
            on_start(process)
            while True:
                kind, value = ours.recv()
                if kind == "done":
                    return
                if kind == "raised":
                    raise WorkRaisedError
                yield value
        except (EOFError, OSError):  # the other end is closed
            status, process = status_of_child(process), 0
            raise ProcessEndedError(status, _report(status, shared[0], trace)) from None
        finally:
            ours.close()
            if process:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
                status_of_child(process)


def _work_and_exit(work: Any, connection: Connection, shared: memoryview, trace: IO[bytes]) -> None:
    global _step
    leave, this = os._exit, os.getpid()

    def exit_with_trace(status: int) -> None:
        if os.getpid() == this:
            for frame in reversed(traceback.extract_stack()[:-1]):
                line = f'  File "{frame.filename}", line {frame.lineno} in {frame.name}\n'
                os.write(trace.fileno(), line.encode(errors="replace"))
        leave(status)

    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, too, which ends this process
        die_with_parent()
        faulthandler.enable(trace, all_threads=False)
        os._exit = exit_with_trace  # type: ignore[assignment]
        _step = shared
        try:
            work(lambda value: connection.send(("value", value)))
            last = "done"
        except BaseException:  # the parent meets it, too, with its traceback
            last = "raised"
        flush_output()
        connection.send((last, None))
    finally:
        leave(0)


def _report(status: int | None, step: int, trace: IO[bytes]) -> FailureReport:
    trace.seek(0)
    text = trace.read().decode(errors="replace")
    frames = [
        traceback.FrameSummary(match["file"], int(match["line"]), match["name"]) for match in _FRAME.finditer(text)
    ]
    report = FailureReport.of_ended_process(status, frames, text)
    return report.at(step=None if step == _NO_STEP else step, env_seed=None)
