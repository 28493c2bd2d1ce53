"""Starting the jobs of a run on this machine as copies of one process (`daf.workflow.fork_server`).

`DAF_FORK_SERVER=0` in the environment turns it off. Wherever it does not work, jobs start in the plain way; it is said
once why.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from daf.workflow.fork_server import LEVELS, PROGRAM

SWITCH = "DAF_FORK_SERVER"
PATIENCE_SECONDS = 10.0  # for a server to end
SCRIPTS, PROPOSALS, TABLES, NETWORKS, PAGES = range(len(LEVELS))
# What jobs of a rule import; other rules: TABLES. Jobs of any rule may import more, in their own process.
_LEVEL_OF_RULE = {
    **dict.fromkeys(("promote_trials", "choose_finalists", "collect_results", "select_best"), SCRIPTS),
    "propose_trial": PROPOSALS,
    **dict.fromkeys(("run_trial", "run_trials", "run_rung_trial", "confirm_trial"), NETWORKS),
    **dict.fromkeys(("train_policy", "keep_weights"), NETWORKS),
    **dict.fromkeys(("analyze_mission", "compare_policies", "describe_sweep", "render_report"), PAGES),
    **dict.fromkeys(("package_policy", "validate_package"), NETWORKS),
}

# All other policies of the engine import torch, also scripted ones.
_WITHOUT_TORCH = {
    "random", "noop", "mettagrid.policy.random_agent.RandomMultiAgentPolicy", "mettagrid.policy.noop.NoopPolicy",
}  # fmt: skip


def is_possible(environment: Mapping[str, str]) -> bool:
    """Whether this machine can copy processes so, and the user has not turned it off."""
    return sys.platform == "linux" and hasattr(os, "pidfd_open") and environment.get(SWITCH) != "0"


def level_of(rule: str, params: Mapping[str, Any]) -> int:
    """What a job of a rule with these params imports."""
    if rule in ("evaluate_policy", "play_match"):
        classes = list(_classes(params))
        return TABLES if classes and _WITHOUT_TORCH.issuperset(classes) else NETWORKS
    return _LEVEL_OF_RULE.get(rule, TABLES)


def _classes(value: Any) -> Iterator[str]:
    """The classes of policies that a recipe names, at any depth; empty for one that only its weights name."""
    if isinstance(value, Mapping):
        if "class_path" in value:
            yield value["class_path"] or ""
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _classes(item)


@dataclass(frozen=True, kw_only=True)
class Start:
    """A script to start.

    Attributes:
        script: path of the Python file, relative to the folder.
        level: of imports, see `level_of`.
        folder: the current folder of the job.
        environment: all its environment variables.
        streams: descriptors of its standard input, output and error.
    """

    script: str
    level: int
    folder: str
    environment: Mapping[str, str]
    streams: tuple[int, int, int]


class ForkedJob:
    """A job, with as much of `subprocess.Popen` as Snakemake uses."""

    stdout = None

    def __init__(self, process: int, channel: socket.socket) -> None:
        self.pid = process
        self._channel = channel
        self.returncode: int | None = None

    def wait(self) -> int:
        """Its exit status; -n after signal n. If the server was killed, so was the job."""
        if self.returncode is None:
            answer = _answer(self._channel)
            self.returncode = int(answer["ended"]) if answer is not None else -signal.SIGKILL
            self._channel.close()
        return self.returncode

    def kill(self) -> None:
        self._channel.shutdown(socket.SHUT_WR)  # the server kills it, if it still runs

    terminate = kill


class ForkServer:
    """The server of a run; it starts with the first job that it can start, or with the check before.

    Args:
        tell: gets one sentence if it cannot start jobs.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._lock = threading.Lock()
        self._off = self._has_jobs = False
        self._refusal = ""  # why it is off, until the user has read it
        self._environment: Mapping[str, str] = {}
        self._control: socket.socket | None = None
        self._processes: list[subprocess.Popen[bytes]] = []  # earlier ones may still have jobs

    def start(self, start: Start, *, is_job: bool = True) -> ForkedJob | None:
        """Start a job; None if it has to start in the plain way.

        Args:
            is_job: of the run, rather than something before its first job: all jobs have the environment of the first,
                and the user learns if they cannot be copies.
        """
        job = self._start(start, is_job)
        if job is None and is_job:
            with self._lock:
                refusal, self._refusal = self._refusal, ""
            if refusal:
                self._tell(f"Each job imports what it needs itself: {refusal}")
        return job

    def _start(self, start: Start, is_job: bool) -> ForkedJob | None:
        for _ in range(2):
            control, channel = self._request(start, is_job)
            if control is None:
                channel.close()
                return None
            answer = _answer(channel)
            if answer is not None and "started" in answer:
                return ForkedJob(int(answer["started"]), channel)
            channel.close()
            if answer is not None and "refused" in answer:
                self._give_up(str(answer["refused"]))
                return None
            self._replace(control)  # it was killed, or its imports are outdated
        self._give_up("the process that does so ended")
        return None

    def close(self) -> None:
        """End the server, and any job that it still runs."""
        with self._lock:
            self._off = True
            self._drop()
            for process in self._processes:
                try:
                    process.wait(PATIENCE_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            self._processes.clear()

    def _request(self, start: Start, is_job: bool) -> tuple[socket.socket | None, socket.socket]:
        """The server that was asked, if any, and the socket of the job."""
        message = json.dumps({"script": start.script, "level": start.level, "folder": start.folder}).encode()
        ours, theirs = socket.socketpair()
        with theirs, self._lock:
            # With more, libraries start threads when they are imported: a job with several cores starts alone.
            if self._off or start.environment.get("OMP_NUM_THREADS") != "1":
                return None, ours
            if not self._has_jobs and start.environment != self._environment:
                self._drop()
            self._has_jobs |= is_job
            control = self._control or self._begin(start)
            if start.environment != self._environment:
                return None, ours
            try:
                socket.send_fds(control, [message], [theirs.fileno(), *start.streams])
            except OSError:  # it has ended, as the socket of the job says, too
                pass
            return control, ours

    def _begin(self, start: Start) -> socket.socket:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._environment = dict(start.environment)
        with theirs:
            command = [sys.executable, "-c", PROGRAM, str(theirs.fileno())]
            passed = [theirs.fileno()]
            process = subprocess.Popen(command, env=self._environment, pass_fds=passed, cwd=start.folder)
        self._processes.append(process)
        return self._control

    def _replace(self, control: socket.socket) -> None:
        with self._lock:
            if self._control is control:  # no other job has done so
                self._drop()

    def _drop(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None

    def _give_up(self, reason: str) -> None:
        with self._lock:
            if not self._off:
                self._off, self._refusal = True, reason
            self._drop()


def _answer(channel: socket.socket) -> dict[str, Any] | None:
    """The next line from the server; None if it has gone."""
    line = b""
    while not line.endswith(b"\n"):
        try:
            part = channel.recv(1)
        except ConnectionResetError:
            return None
        if not part:
            return None
        line += part
    answer: dict[str, Any] = json.loads(line)
    return answer
