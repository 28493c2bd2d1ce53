"""A process that has imported what jobs import, and starts a job as a copy of itself, in milliseconds.

A run of the workflow on this machine starts one, with its first job. Imports are most of a short job: 0.5 processor
seconds for a script that reads JSON, 4 for one that trains. They happen once here, in levels, each a copy of its
parent, so that no job holds, or waits for, much more than it imports itself. What else was considered: one process
for several jobs, or a warm worker on each core, where what one job leaves behind would reach the next; and fewer,
larger jobs, which would end the rule that a job is a file.

A copy is what `python script.py` would be: it has the same arguments, folder, streams, environment, signal handlers,
process group and `__main__`, ends as an interpreter does, and with its exit status. Nothing here depends on the
experiment, and nothing of the user's is imported. Three things would make a copy differ, and in each of them jobs start
in the plain way: another environment than the server's (OpenMP reads it when it is loaded), threads (a copy has none of
them), and files of DAF that have changed since they were imported.

The client is `daf.workflow.forked_jobs`; they talk through sockets that have no name. When a job's socket closes, the
job is killed; when the run's does, the server ends with its last job. The kernel ends the copies of a server that was
killed.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import importlib.machinery
import io
import json
import os
import selectors
import signal
import socket
import sys
import sysconfig
import types
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daf.system.process_state import die_with_parent

# What the processes import, each level in addition to its parent.
LEVELS: tuple[tuple[str, ...], ...] = (
    ("snakemake.logging", "snakemake.iocontainers", "daf.workflow.script", "daf.search.files"),
    ("scipy.special", "scipy.stats", "daf.search.proposers", "daf.search.strategy"),
    ("pandas", "pyarrow.parquet", "daf.episodes.table", "daf.engine.evaluation", "daf.engine.missions"),
    ("torch", "daf.engine.batches", "daf.engine.grid_policy", "daf.search.trial", "daf.training.worker"),
    (
        "altair", "daf.charts.drawing.intervals", "daf.charts.drawing.lines", "daf.charts.drawing.page_svg",
        "daf.charts.drawing.panels", "daf.charts.drawing.ranks", "daf.charts.specs.panels", "daf.compare.files",
        "daf.reporting.checklist", "daf.reporting.comparison_page", "daf.reporting.mission_page",
        "daf.reporting.sweep_page", "daf.statistics.comparison", "jinja2",
    ),
)  # fmt: skip
PARENTS = (None, 0, 1, 2, 2)  # by level: networks are not needed for pages, nor pages for networks
PROGRAM = """
import sys
if not sys.flags.safe_path:
    del sys.path[0]
from daf.workflow.fork_server import main
exec(*main())
"""
MOST_BYTES = 1 << 16  # of a request
# Threads that a copy does without: pyarrow's allocator stops and forgets them in a copy by itself.
HARMLESS_THREADS = {"jemalloc_bg_thd"}
# Signals to a whole process group are meant for the jobs. The server ends when its socket closes.
_IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
_PR_SET_NAME = 15
_PATH_BEFORE = list(sys.path)

Program = tuple[types.CodeType, dict[str, Any]]


def main() -> Program:
    """Serve; return in a copy, with the program that it is to run."""
    handlers = {number: signal.getsignal(number) for number in _IGNORED}
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    return _Server(socket.socket(fileno=int(sys.argv[1])), 0, handlers).serve()


@dataclass
class _Server:
    """The server of a level.

    Attributes:
        control: requests come from here.
        level: which one it is.
        handlers: signal handlers of a job.
        files: those of DAF and of the user's folders that are imported, with their times and sizes.
        refusal: why it starts no jobs; empty if it does.
        jobs: by the descriptor of its socket, the process of each job.
        children: by the descriptor that says that it has ended, each process, and the socket of its job.
        next: where requests of other levels go, by the next level on the way.
        process: its number.
        selector: what it waits for, with the method that answers.
    """

    control: socket.socket
    level: int
    handlers: dict[signal.Signals, Any]
    files: dict[str, tuple[int, int] | None] = field(default_factory=dict)
    refusal: str = ""
    jobs: dict[int, tuple[int, socket.socket]] = field(default_factory=dict)
    children: dict[int, tuple[int, socket.socket | None]] = field(default_factory=dict)
    next: dict[int, socket.socket] = field(default_factory=dict)
    process: int = field(default_factory=os.getpid)
    selector: selectors.BaseSelector = field(default_factory=selectors.PollSelector)

    def serve(self) -> Program:
        """Answer requests until the run has ended; return in a copy that becomes a job."""
        self.refusal = _preload(LEVELS[self.level]) or _forbidden_threads()
        self.files = {path: _stamp(path) for path in _files_of_modules()}
        gc.collect()
        gc.freeze()  # a collection in a copy would copy every page
        self.selector.register(self.control, selectors.EVENT_READ, self._take_request)
        while self.selector.get_map():
            for key, _ in self.selector.select():
                if program := key.data(key.fd):
                    return program  # type: ignore[no-any-return]
        os._exit(0)

    def _take_request(self, _: int) -> Program | None:
        message, descriptors, _, _ = socket.recv_fds(self.control, MOST_BYTES, 4, socket.MSG_CMSG_CLOEXEC)
        if not message:  # the run has ended, in whatever way
            self.selector.unregister(self.control)
            for channel in self.next.values():
                channel.close()
            return None
        request = json.loads(message)
        if request["level"] != self.level and not self.refusal:
            return self._pass_on(message, descriptors, _on_the_way(self.level, request["level"]))
        channel, *streams = socket.socket(fileno=descriptors[0]), *descriptors[1:]
        if self.refusal:
            answer: dict[str, Any] = {"refused": self.refusal}
        elif any(_stamp(path) != before for path, before in self.files.items()):
            answer = {"outdated": True}
        else:
            return self._start(request, channel, streams)
        _send(channel, answer)
        channel.close()
        _close(streams)
        return None

    def _start(self, request: dict[str, Any], channel: socket.socket, streams: list[int]) -> Program | None:
        process = _fork()
        if process == 0:
            return self._become_job(request, channel, streams)
        _close(streams)
        self._watch(process, channel)
        self.jobs[channel.fileno()] = process, channel
        self.selector.register(channel, selectors.EVENT_READ, self._job_is_released)
        _send(channel, {"started": process})
        return None

    def _watch(self, process: int, channel: socket.socket | None) -> None:
        descriptor = os.pidfd_open(process)
        self.children[descriptor] = process, channel
        self.selector.register(descriptor, selectors.EVENT_READ, self._child_has_ended)

    def _child_has_ended(self, descriptor: int) -> None:
        self.selector.unregister(descriptor)
        os.close(descriptor)
        process, channel = self.children.pop(descriptor)
        if channel is None or channel.fileno() not in self.jobs:
            os.waitpid(process, 0)
            return
        # It stays a zombie, whose number is not used again, until the client has taken note.
        ended = os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)
        if ended is not None:
            status = ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
            _send(channel, {"ended": status})

    def _job_is_released(self, descriptor: int) -> None:
        """The client has closed a job's socket: it has taken note of the end, or has itself ended."""
        self.selector.unregister(descriptor)
        process, channel = self.jobs.pop(descriptor)
        is_running = any(process == child for child, _ in self.children.values())
        if is_running:
            os.kill(process, signal.SIGKILL)
        else:
            os.waitpid(process, 0)
        channel.close()

    def _pass_on(self, message: bytes, descriptors: list[int], level: int) -> Program | None:
        """Hand a request to the server of the next level, a copy of this one, and start it if there is none."""
        for _ in range(2):
            if level not in self.next:
                self.next[level], theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                process = _fork()
                if process == 0:
                    return self._become_next(theirs, descriptors, level)
                theirs.close()
                self._watch(process, None)
            try:
                socket.send_fds(self.next[level], [message], descriptors)
                break
            except OSError:  # it was killed
                self.next.pop(level).close()
        _close(descriptors)
        return None

    def _become_next(self, control: socket.socket, descriptors: list[int], level: int) -> Program:
        self._leave()
        _close(descriptors)
        _unblock()
        return _Server(control, level, self.handlers).serve()

    def _become_job(self, request: dict[str, Any], channel: socket.socket, streams: list[int]) -> Program:
        self._leave()
        channel.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        _close(streams)
        for name, handler in self.handlers.items():
            signal.signal(name, handler)
        _unblock()
        os.chdir(request["folder"])
        return _program(request["script"])

    def _leave(self) -> None:
        """In a copy: close what is the server's, and end with it."""
        die_with_parent()
        if os.getppid() != self.process:
            os._exit(1)
        self.selector.close()
        for _, channel in self.jobs.values():
            channel.close()
        _close(list(self.children))
        self.control.close()
        for channel in self.next.values():
            channel.close()


def _on_the_way(start: int, end: int) -> int:
    """The next level from one to another that stems from it."""
    level = end
    while (parent := PARENTS[level]) != start:
        assert parent is not None
        level = parent
    return level


def _program(script: str) -> Program:
    """What `python script` would run, in a new `__main__`, after what an interpreter does when it starts."""
    importlib.invalidate_caches()
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed()  # copies would share it; Python's own `random` sees to itself
    if isinstance(sys.stdout, io.TextIOWrapper):  # not if the stream is closed
        sys.stdout.reconfigure(line_buffering=sys.stdout.isatty())
    path = Path(script).absolute()
    ctypes.CDLL(None).prctl(_PR_SET_NAME, path.stem.partition(".")[2].encode()[:15] or b"job", 0, 0, 0)
    sys.argv = [script]
    sys.path[:] = [*([] if sys.flags.safe_path else [str(path.parent)]), *_PATH_BEFORE]  # Snakemake adds a folder
    module = types.ModuleType("__main__")
    loader = importlib.machinery.SourceFileLoader("__main__", str(path))
    module.__dict__.update(
        __file__=str(path), __builtins__=__builtins__, __loader__=loader, __cached__=None, __annotations__={}
    )
    sys.modules["__main__"] = module
    return compile(path.read_bytes(), str(path), "exec"), module.__dict__


def _preload(modules: tuple[str, ...]) -> str:
    """Import; return why that was impossible."""
    try:
        for module in modules:
            importlib.import_module(module)
    except Exception as error:  # whatever the job would meet, too: it will say so itself
        return f"{type(error).__name__}: {error}"
    return ""


def _forbidden_threads() -> str:
    names = []
    for task in os.listdir("/proc/self/task"):
        if int(task) != os.getpid():
            names.append(Path(f"/proc/self/task/{task}/comm").read_text().strip())
    forbidden = sorted(set(names) - HARMLESS_THREADS)
    return f"imported libraries have started threads ({', '.join(forbidden)})" if forbidden else ""


def _files_of_modules() -> list[str]:
    """The source files that may change while a run goes on: those outside of Python's own folders."""
    installed = tuple(
        os.path.join(folder, "") for name, folder in sysconfig.get_paths().items() if name in _INSTALLED_FOLDERS
    )
    names = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    return sorted(name for name in names if name and not name.startswith(installed))


_INSTALLED_FOLDERS = ("stdlib", "platstdlib", "purelib", "platlib")


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def _fork() -> int:
    """A copy of this process, in which signals wait until it has handlers."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _IGNORED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads, which have been counted
        process = os.fork()
    if process:
        _unblock()
    return process


def _unblock() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _IGNORED)


def _send(channel: socket.socket, answer: dict[str, Any]) -> None:
    try:
        channel.sendall(json.dumps(answer).encode() + b"\n")
    except OSError:  # the client has gone; its socket says so, too
        pass


def _close(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
