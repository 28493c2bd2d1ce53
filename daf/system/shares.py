"""Independent parts of a computation, shared among copies of this process, one for each core that it may use.

The results are those of one process, in the same order. Nothing is left behind, however this process ends: copies write
no files of their own accord, and end with the process that started them.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import threading
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any, NoReturn

from daf.system.failure_report import how_it_ended
from daf.system.forked_work import CAN_FORK, flush_output
from daf.system.json_files import NOTICES
from daf.system.limits import available_memory, usable_cpus
from daf.system.process_state import die_with_parent, status_of_child

Advance = Callable[[int], None]
"""Called with how many steps of an item are done."""

# A signal that a library's thread has taken does not wake this one, in which Python calls the handler.
LOOK_SECONDS = 1.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
_most: ContextVar[int | None] = ContextVar("most_processes", default=None)
_is_copy = False


@contextmanager
def at_most(processes: int) -> Iterator[None]:
    """Use no more processes inside, such as the threads of a job of the workflow."""
    token = _most.set(processes)
    try:
        yield
    finally:
        _most.reset(token)


def processes_for(items: int, memory: float = 0.0) -> int:
    """How many processes share this number of items, each of which takes this many bytes.

    One where copies are unsafe: outside Linux, beside other threads, whose locks would stay locked in a copy, and in
    processes that may have no children.
    """
    alone = threading.active_count() == 1 and threading.current_thread() is threading.main_thread()
    if not CAN_FORK or _is_copy or not alone or multiprocessing.current_process().daemon:
        return 1
    most = _most.get()
    count = min(items, usable_cpus() if most is None else min(most, usable_cpus()))
    if count > 1 and memory:
        count = min(count, int(available_memory()[0] / memory))
    return max(1, count)


def in_shares[T, R](
    work: Callable[[T, Advance], R],
    items: Sequence[T],
    *,
    advance: Advance = lambda steps: None,
    cost: Callable[[T], float] = lambda item: 0.0,
    memory: float = 0.0,
    small: bool = False,
) -> Generator[R]:
    """The results of `work(item, advance)`, in the order of the items.

    An item that fails in a copy is computed again in this process, where its exception has a traceback.

    Args:
        work: must not change what others see, except in files; its results can be pickled. If it multiplies matrices,
            call this inside `linear_algebra.one_thread`.
        advance: called in this process with the steps that `work` reports.
        cost: the costliest items begin first, so that no process ends long after the others.
        memory: bytes that an item takes while it is computed.
        small: whether copies would cost more time than they save.
    """
    count = 1 if small else processes_for(len(items), memory)
    if count < 2:
        for item in items:
            yield work(item, advance)
        return
    order = sorted(range(len(items)), key=lambda index: -cost(items[index]))
    shares = _Shares(work, items, order, advance)
    try:
        shares.start(count)
        for index, item in enumerate(items):
            yield shares.result(index) if shares.finished(index) else work(item, advance)
    finally:
        shares.close()


class _Shares:
    """Copies of this process, each of which works on one item at a time."""

    def __init__(self, work: Callable[[Any, Advance], Any], items: Sequence[Any], order: list[int], advance: Advance):
        self._work, self._items, self._advance = work, items, advance
        self._waiting = order[::-1]
        self._processes: dict[Connection, int] = {}
        self._busy: dict[Connection, int] = {}
        self._results: dict[int, Any] = {}

    def start(self, count: int) -> None:
        """Start copies, or as many as the system allows."""
        flush_output()  # or the copies would write it, too
        for _ in range(count):
            try:
                connection = self._fork()
            except OSError:
                break
            self._next(connection)

    def _fork(self) -> Connection:
        ours, theirs, this = *Pipe(), os.getpid()
        with _signals_wait() as before:  # so that no copy leaves this function
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", DeprecationWarning)  # numpy's threads: it can be copied with them
                    process = os.fork()
                if process == 0:
                    _begin_copy(this, (ours, *self._processes), before)
                    _serve_and_exit(theirs, self._work, self._items)
                self._processes[ours] = process
            except OSError:
                ours.close()
                raise
            finally:
                theirs.close()
        return ours

    def finished(self, index: int) -> bool:
        """Wait for the result of an item; whether there is one."""
        while index not in self._results and self._busy:
            for connection in wait(list(self._busy), LOOK_SECONDS):
                if isinstance(connection, Connection):
                    self._receive(connection)
        return index in self._results

    def result(self, index: int) -> Any:
        return self._results.pop(index)

    def _receive(self, connection: Connection) -> None:
        try:
            kind, value = connection.recv()
        except (EOFError, OSError):  # the other end is closed
            self._ended(connection)
            return
        if kind == "steps":
            self._advance(value)
            return
        index = self._busy.pop(connection)
        if kind == "done":
            self._results[index] = value
        else:
            self._only_before(index)
        self._next(connection)

    def _next(self, connection: Connection) -> None:
        """Give a copy the next item, if there is one."""
        if not self._waiting:
            return
        index = self._busy[connection] = self._waiting.pop()
        try:
            connection.send(index)
        except OSError:
            self._ended(connection)

    def _ended(self, connection: Connection) -> None:
        index = self._busy.pop(connection)
        how = how_it_ended(status_of_child(self._processes.pop(connection)))
        connection.close()
        NOTICES.warning(f"one of several processes did not finish its part, which is repeated: {how}")
        self._only_before(index)

    def _only_before(self, failed: int) -> None:
        """Begin only items that precede one that failed: as in one process, the first failure counts."""
        self._waiting = [index for index in self._waiting if index < failed]

    def close(self) -> None:
        """End all copies."""
        with _signals_wait():
            for connection, process in self._processes.items():
                connection.close()
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
                status_of_child(process)
            self._processes.clear()


@contextmanager
def _signals_wait() -> Iterator[set[int]]:
    """Ctrl-C and the like arrive after this; gives the signals that waited before.

    To block them is not enough beside a library's threads: one of these takes the signal, and Python then calls the
    handler in this thread, perhaps in a hook of `os.fork`, where exceptions are lost.
    """
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    replaced = {number: handler for number, handler in handlers.items() if handler is not None}  # None: not Python's
    arrived: list[int] = []
    try:
        for number in replaced:
            signal.signal(number, lambda number, _: arrived.append(number))
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            yield before
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    finally:
        for number, handler in replaced.items():
            signal.signal(number, handler)
        for caught in arrived:
            signal.raise_signal(caught)


# ---- in a copy --------------------------------------------------------------------------------------------


def _begin_copy(parent: int, inherited: Iterable[Connection], signals: set[Any]) -> None:
    """Leave signals to the parent, and end with it.

    Args:
        inherited: the parent's ends of pipes; while a copy holds them, another does not see the parent close them.
    """
    global _is_copy
    try:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, signals)
        die_with_parent()
        if os.getppid() != parent:  # it ended before it could take this process along
            os._exit(0)
        for connection in inherited:
            connection.close()
        _is_copy = True
        gc.freeze()  # a collection would copy every page that the parent has
    except BaseException:
        os._exit(1)


def _serve_and_exit(connection: Connection, work: Callable[[Any, Advance], Any], items: Sequence[Any]) -> NoReturn:
    try:
        while True:
            item = items[connection.recv()]
            try:
                connection.send(("done", work(item, lambda steps: connection.send(("steps", steps)))))
            except Exception:  # the parent meets it, too, with its traceback
                connection.send(("raised", None))
            flush_output()
    finally:  # also when the parent has closed its end
        os._exit(0)
