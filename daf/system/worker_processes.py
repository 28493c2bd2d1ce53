"""Worker processes that answer requests in order: copies of this process, which share memory with it.

A request or answer is a few bytes through a socket, so neither side waits busily, and results are in shared arrays.
Nothing is left behind, however this process ends: the memory has no name, and workers end with the process that started
them.
"""

from __future__ import annotations

import errno
import faulthandler
import gc
import mmap
import os
import pickle
import signal
import socket
import struct
import sys
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from daf.errors import DafError
from daf.system.failure_report import FailureReport, how_it_ended
from daf.system.nouns import number_of
from daf.system.process_state import die_with_parent, status_of_child

if TYPE_CHECKING:
    import numpy as np

Answer = Callable[[int, int, bytes], bytes]
"""Answers a request of two numbers and some bytes."""

WorkerKind = Literal["killed", "stalled", "raised"]

HINTS: Mapping[WorkerKind, str] = {
    "killed": "the kernel ends memory hogs by SIGKILL (see dmesg): give the job more memory, or use fewer env_workers; "
    "after anything else, try the mission with env_workers 0, since the engine ended it",
    "stalled": "raise stall_seconds if a step of the environments can take half of it",
    "raised": "the exception is the engine's: try the mission with env_workers 0 to see its traceback",
}

_HEADER = struct.Struct("<iiI")  # two numbers, and how many bytes follow
_OK, _RAISED = 0, 1
# The kernel wakes a waiting process this often. Time is counted in these wake-ups, not by a clock, so that a process
# that was suspended with its workers does not take that for a stall.
_POLL_SECONDS = 1.0


class WorkerFailedError(DafError):
    """A worker was killed, did not answer in time, or raised an exception (then this error's `__cause__`).

    Attributes:
        kind: which of these.
        worker: its number.
    """

    def __init__(self, kind: WorkerKind, worker: int, how: str, what: str = "") -> None:
        found = f"{how}{what and f' ({what})'}"
        super().__init__("workers that answer", found, f"environment worker {worker}", HINTS[kind])
        self.args = (kind, worker, how, what)  # for pickle
        self.kind, self.worker, self.how = kind, worker, how


def shared_zeros(shape: int | tuple[int, ...], dtype: Any) -> np.ndarray:
    """An array of zeros that this process shares with the copies that it makes of itself later."""
    import numpy as np  # only here: the launcher imports this module, too

    kind = np.dtype(dtype)
    size = int(np.prod(shape))
    memory = mmap.mmap(-1, max(1, size * kind.itemsize))
    return np.frombuffer(memory, dtype=kind, count=size).reshape(shape)


class Workers:
    """`count` workers.

    Args:
        prepare: called with the number of a worker in that worker; returns what answers its requests. The first answer
            of a worker, without a request, says that it is ready.
        stall_seconds: how long an answer may take.
    """

    def __init__(self, count: int, prepare: Callable[[int], Answer], *, stall_seconds: float) -> None:
        self._stall_seconds, self._owner = stall_seconds, os.getpid()
        self._poll = min(_POLL_SECONDS, stall_seconds)
        self._sockets: list[socket.socket] = []
        self.processes: list[int] = []
        try:
            for number in range(count):
                self._start(number, prepare)
        except OSError as error:
            started = len(self.processes)
            self.close()
            raise _too_many(error, count, started) from error
        except BaseException:
            self.close()
            raise

    def _start(self, number: int, prepare: Callable[[int], Answer]) -> None:
        ours, theirs = socket.socketpair()
        with warnings.catch_warnings():
            # Threads of the parent do not exist in a copy, which uses none of their libraries.
            warnings.simplefilter("ignore", DeprecationWarning)
            try:
                process = os.fork()
            except OSError:
                ours.close()
                theirs.close()
                raise
        if process == 0:
            _serve_and_exit(number, prepare, theirs, self._owner)
        self.processes.append(process)
        self._sockets.append(ours)
        theirs.close()  # or its end would not show
        poll = struct.pack("ll", int(self._poll), int(self._poll % 1 * 1e6))
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            ours.setsockopt(socket.SOL_SOCKET, option, poll)

    def request(self, worker: int, first: int, second: int, content: bytes = b"") -> None:
        """Ask a worker for something; `answer` returns what it says, in the order of the requests.

        Raises:
            WorkerFailedError: it does not take the request.
        """
        rest, waited = memoryview(_HEADER.pack(first, second, len(content)) + content), 0.0
        while rest:
            try:
                rest = rest[self._sockets[worker].send(rest) :]
            except BlockingIOError:
                waited = self._waited(worker, waited, self._stall_seconds)
            except (BrokenPipeError, ConnectionResetError):
                raise self._killed(worker) from None

    def answer(self, worker: int, patience: float = 1.0) -> bytes:
        """The worker's next answer.

        Args:
            patience: how many times `stall_seconds` it may take.

        Raises:
            WorkerFailedError: there is none.
        """
        limit = patience * self._stall_seconds
        status, _, length = _HEADER.unpack(self._read(worker, _HEADER.size, limit))
        content = self._read(worker, length, limit) if length else b""
        if status == _RAISED:
            report, error = pickle.loads(content)  # nosec B301  # DAF's own process
            raise WorkerFailedError("raised", worker, str(report)) from error
        return content

    def _read(self, worker: int, length: int, limit: float) -> bytes:
        content, waited = b"", 0.0
        while len(content) < length:
            try:
                part = self._sockets[worker].recv(length - len(content))
            except BlockingIOError:
                waited = self._waited(worker, waited, limit)
                continue
            except ConnectionResetError:
                part = b""
            if not part:
                raise self._killed(worker)
            content += part
        return content

    def _waited(self, worker: int, before: float, limit: float) -> float:
        """The seconds waited after another wake-up."""
        waited = before + self._poll
        if waited >= limit:
            raise WorkerFailedError("stalled", worker, f"no answer for {waited:g} s") from None
        return waited

    def _killed(self, worker: int) -> WorkerFailedError:
        status = self._end(worker)
        return WorkerFailedError("killed", worker, how_it_ended(status))

    def _end(self, worker: int) -> int | None:
        """End a worker, if it still runs; return its status, if it is known."""
        process, self.processes[worker] = self.processes[worker], 0
        if process == 0:
            return None
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)  # of one that has ended already, it does not change the status
        return status_of_child(process)

    def close(self) -> None:
        """End all workers. In a copy of the process that started them, do nothing."""
        if os.getpid() != self._owner:
            return
        for worker in range(len(self.processes)):
            self._end(worker)
        for ours in self._sockets:
            ours.close()
        self._sockets.clear()
        self.processes.clear()


def _too_many(error: OSError, count: int, started: int) -> DafError:
    """The system refused another process, or a socket to it."""
    more = {
        errno.EAGAIN: ", or raise the limit of processes (ulimit -u, or pids.max of the cgroup)",
        errno.EMFILE: ", or raise the limit of open files (ulimit -n)",
    }
    found = f"{started}, then {os.strerror(error.errno or 0)}"
    hint = f"use fewer env_workers{more.get(error.errno or 0, '')}"
    return DafError(number_of(count, "worker process"), found, "environment workers", hint)


# ---- in the worker ----------------------------------------------------------------------------------------


def _serve_and_exit(number: int, prepare: Callable[[int], Answer], channel: socket.socket, parent: int) -> NoReturn:
    try:
        _become_worker(channel, parent)
        answer = prepare(number)
        _send(channel, _OK, b"")
        while (header := _receive(channel, _HEADER.size)) is not None:
            first, second, length = _HEADER.unpack(header)
            content = _receive(channel, length) if length else b""
            if content is None:
                break
            _send(channel, _OK, answer(first, second, content))
    except BaseException as error:  # the parent raises it
        try:
            _send(channel, _RAISED, _pickled(error))
        except OSError:  # the parent has ended
            pass
    finally:
        os._exit(0)


def _become_worker(channel: socket.socket, parent: int) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):  # the parent decides what they mean
        signal.signal(number, signal.SIG_IGN)
    die_with_parent()
    if os.getppid() != parent:  # it ended before
        os._exit(0)
    sys.settrace(None)
    faulthandler.disable()  # its file is the parent's
    # The parent's files stay the parent's alone: a lock or a connection ends with it.
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) != channel.fileno():
            try:
                os.close(int(name))
            except OSError:  # that of the listing itself
                pass
    gc.freeze()  # a collection would copy every page that the parent has


def _receive(channel: socket.socket, length: int) -> bytes | None:
    """None if the parent has gone."""
    content = b""
    while len(content) < length:
        part = channel.recv(length - len(content))
        if not part:
            return None
        content += part
    return content


def _send(channel: socket.socket, status: int, content: bytes) -> None:
    channel.sendall(_HEADER.pack(status, 0, len(content)) + content)


def _pickled(error: BaseException) -> bytes:
    """A report of an exception, and the exception, if it survives the journey."""
    report = FailureReport.of(error)
    try:
        content = pickle.dumps((report, error))
        pickle.loads(content)  # nosec B301  # DAF's own process
    except Exception:
        return pickle.dumps((report, None))
    return content
