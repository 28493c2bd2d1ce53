"""A package's process: started confined, spoken to over a socket, watched, and ended with everything it started.

Nothing that the package sends is trusted: messages are short, checked JSON; its output is read but mostly forgotten;
it has a deadline. What its process may use is in `Limits`.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from daf.errors import BadInputError, shorten
from daf.system.json_files import parse_json
from daf.system.private_folders import remove_abandoned

PROGRAM = Path(__file__).with_name("confine.py")
FOLDER_PREFIX = "daf-validate-"
# The only variables that the process gets from this environment: no secrets, no PYTHONPATH.
_KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH")
_LOOK_EVERY_S = 0.2
_KEPT_OUTPUT = 16_384
_MOST_ROUNDS = 500


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a package's process may use.

    Attributes:
        wall_seconds: from its start to its last action.
        cpu_seconds: of each of its processes.
        memory_bytes: of all its processes together, and of the data of each.
        file_bytes: of each file.
        disk_bytes: of all files together, where the system can hold it.
        open_files: of each process.
        processes: at the same time.
        output_bytes: printed text.
        message_bytes: of each answer.
    """

    wall_seconds: float = 300.0
    cpu_seconds: int = 600
    memory_bytes: int = 4 * 1024**3
    file_bytes: int = 2 * 1024**3
    disk_bytes: int = 4 * 1024**3
    open_files: int = 1024
    processes: int = 64
    output_bytes: int = 16 * 1024**2
    message_bytes: int = 256 * 1024


class GuestError(Exception):
    """The package's process failed; the message says how, `place` where in the package's code."""

    def __init__(self, message: str, place: str = "") -> None:
        super().__init__(message)
        self.place = place


@contextmanager
def private_folder() -> Iterator[Path]:
    """A new folder that only this user can enter; removed at the end, or, after a kill, by a validation a day later."""
    remove_abandoned(FOLDER_PREFIX)
    with tempfile.TemporaryDirectory(prefix=FOLDER_PREFIX, ignore_cleanup_errors=True) as name:
        yield Path(name)


class Guest:
    """The process of one package.

    Args:
        request: what `isolated_run` needs to know.
        folder: a private, empty folder.
        separate: False leaves the namespaces out, as on a system without them.
    """

    def __init__(
        self, request: dict[str, Any], folder: Path, limits: Limits | None = None, *, separate: bool = True
    ) -> None:
        self._limits = limits or Limits()
        home = folder / "home"
        home.mkdir(mode=0o700)
        kernel = {key: int(value) for key, value in asdict(self._limits).items() if key != "wall_seconds"}
        (folder / "request.json").write_text(
            json.dumps({**request, "home": str(home), "limits": kernel, "separate": separate})
        )
        variables = {key: os.environ[key] for key in _KEPT_VARIABLES if key in os.environ}
        variables |= {"HOME": str(home), "TMPDIR": str(home), "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        variables |= {"CUDA_VISIBLE_DEVICES": "", "PYTHONDONTWRITEBYTECODE": "1"}
        self._channel, theirs = socket.socketpair()
        command = [sys.executable, "-I", str(PROGRAM), str(folder / "request.json"), str(theirs.fileno())]
        self._process = subprocess.Popen(
            command, cwd=folder, env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True, pass_fds=[theirs.fileno()],
        )  # fmt: skip
        theirs.close()
        assert self._process.stdout is not None
        self._output = self._process.stdout
        self._deadline = time.monotonic() + self._limits.wall_seconds
        self._printed, self._tail, self._inbox, self._next_look = 0, b"", b"", 0.0
        self._channel.setblocking(False)
        os.set_blocking(self._output.fileno(), False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._channel, selectors.EVENT_READ)
        self._selector.register(self._output, selectors.EVENT_READ)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    # ---- messages ---------------------------------------------------------------------------------------------

    def send(self, *messages: bytes) -> None:
        """Ask; raises GuestError if the process does not take the messages, or has answered before it was asked.

        Code that writes answers in advance would make a policy look alive that never acts.
        """
        if self._inbox or self._has_sent():
            raise GuestError("an answer before the question")
        rest = memoryview(b"".join(struct.pack(">I", len(message)) + message for message in messages))
        while rest:
            try:
                rest = rest[self._channel.send(rest) :]
            except BlockingIOError:
                self._wait(selectors.EVENT_READ | selectors.EVENT_WRITE)
            except OSError:
                raise self._ended() from None

    def receive(self) -> dict[str, Any]:
        """The next message.

        Raises:
            GuestError: the process reports an error, ends, breaks a limit, or sends anything but such a message.
        """
        while True:
            if len(self._inbox) >= 4:
                (length,) = struct.unpack(">I", self._inbox[:4])
                if length > self._limits.message_bytes:
                    raise GuestError(f"a message of {length:,} bytes")
                if len(self._inbox) >= 4 + length:
                    content, self._inbox = self._inbox[4 : 4 + length], self._inbox[4 + length :]
                    return self._parsed(content)
            if not self._wait(selectors.EVENT_READ):
                continue
            try:
                part = self._channel.recv(65_536)
            except BlockingIOError:
                continue
            except OSError:
                part = b""
            if not part:
                raise self._ended()
            self._inbox += part

    def _has_sent(self) -> bool:
        try:
            return bool(self._channel.recv(1, socket.MSG_PEEK))
        except OSError:  # nothing is there, or the process has ended
            return False

    def _parsed(self, content: bytes) -> dict[str, Any]:
        try:
            message = parse_json(content, "the package's process")
        except BadInputError as error:
            raise GuestError(f"a damaged message ({error.found})") from None
        if not isinstance(message, dict):
            raise GuestError("a message that is not a JSON object")
        if "error" in message:
            raise GuestError(shorten(str(message["error"])), shorten(str(message.get("place", ""))))
        return message

    # ---- watching ---------------------------------------------------------------------------------------------

    def _wait(self, events: int) -> bool:
        """Wait a moment for the channel; returns whether it is ready. Output is read, limits are checked."""
        self._selector.modify(self._channel, events)
        ready = False
        for key, _ in self._selector.select(_LOOK_EVERY_S):
            if key.fileobj is self._channel:
                ready = True
            else:
                self._read_output()
        now = time.monotonic()
        if now > self._deadline:
            raise GuestError(f"not finished after {self._limits.wall_seconds:g} s")
        if now >= self._next_look:
            self._next_look = now + _LOOK_EVERY_S
            self._look()
        return ready

    def _read_output(self) -> None:
        try:
            part = os.read(self._output.fileno(), 65_536)
        except BlockingIOError:
            return
        if not part:
            self._selector.unregister(self._output)
            return
        self._printed += len(part)
        self._tail = (self._tail + part)[-_KEPT_OUTPUT:]
        if self._printed > self._limits.output_bytes:
            raise GuestError(f"more than {self._limits.output_bytes:,} bytes of printed text")

    def _look(self) -> None:
        """Raise if the processes together use too much."""
        family = _descendants(self._process.pid)
        if len(family) > self._limits.processes + 2:  # ours are two
            raise GuestError(f"more than {self._limits.processes} processes")
        used = 0
        for process in family:
            try:
                used += process.memory_info().rss
            except psutil.Error:
                continue
        if used > self._limits.memory_bytes:
            raise GuestError(f"more than {self._limits.memory_bytes:,} bytes of memory")

    def _ended(self) -> GuestError:
        """Why the channel is closed."""
        try:
            status = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return GuestError("the process closed its channel")
        while True:
            before = self._printed
            if self._output in self._selector.get_map():
                try:
                    self._read_output()
                except GuestError as error:
                    return error
            if self._printed == before:
                break
        lines = self._tail.decode(errors="replace").strip().splitlines()
        return GuestError(f"the process ended with status {status}: {shorten(lines[-1]) if lines else 'no message'}")

    # ---- the end ----------------------------------------------------------------------------------------------

    def end(self) -> None:
        """Kill the process and everything it started."""
        # The first process is ours. It adopts what the others leave behind, so it is stopped first and killed last.
        self._process.send_signal(signal.SIGSTOP)
        for _ in range(_MOST_ROUNDS):  # what is started meanwhile is found in the next round
            family = _descendants(self._process.pid)[1:]
            for action in ("suspend", "kill"):
                for process in family:
                    try:
                        getattr(process, action)()
                    except psutil.Error:
                        continue
            if not any(map(_is_alive, family)):
                break
            time.sleep(0.01)
        self._process.kill()
        self._process.wait()
        self._selector.close()
        self._channel.close()
        self._output.close()


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _descendants(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []
