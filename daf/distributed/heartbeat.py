"""Detecting a rank that hangs: every rank records its progress, and a watchdog in each rank notices a stall.

A collective operation waits forever for its slowest rank, so if one rank hangs, all stall, and any of them can notice.
The watchdog that notices ends its process; the launcher then ends the others, even a stopped one, and restarts the
group from the last checkpoint. The heartbeats show which rank blocked the others: the one whose process did not even
wake up, otherwise the one that was not waiting for its peers.

Time is counted in wake-ups of the watchdog, not by a clock, so the sleep of a group that was suspended as a whole (by a
scheduler, or with a laptop) does not count as a stall, and clocks of different machines are never compared.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from daf.distributed.failures import Cause, Failure, host_name, waits_for_peers, write_error_file
from daf.errors import BadInputError
from daf.system.files import json_line
from daf.system.validated import read_record

# In its first update, a rank builds environments, replays the running episodes of a checkpoint and may compile the
# network, so until then every sign of life is allowed this multiple of the time.
FIRST_BEAT_FACTOR = 3


@dataclass(frozen=True, kw_only=True)
class Beat:
    """A rank's last sign of life.

    Attributes:
        rank: number of the process.
        host: its machine.
        update, agent_steps: how far it is.
        place: position of its training thread: file, line and function.
        waiting: whether it was inside a collective operation.
        wakeups: how often its watchdog has woken up; -1 once the rank has ended.
    """

    rank: int
    host: str
    update: int
    agent_steps: int
    place: str
    waiting: bool
    wakeups: int


def read_beats(folder: Path) -> dict[int, Beat]:
    """The last beat of each rank."""
    beats = {}
    for path in folder.glob("heartbeat-*.json"):
        try:
            beat = read_record(path, Beat)
        except BadInputError:  # it has just been removed, or truncated by a full disk
            continue
        beats[beat.rank] = beat
    return beats


def clear_beats(folder: Path) -> None:
    for path in folder.glob("heartbeat-*.json"):
        path.unlink(missing_ok=True)


def holding_up(before: dict[int, Beat], after: dict[int, Beat]) -> Beat:
    """The rank that the others wait for, from two readings a few wake-ups apart."""
    asleep = [beat for rank, beat in after.items() if beat.wakeups >= 0 and before.get(rank) == beat]
    working = [beat for beat in after.values() if not beat.waiting]
    return min(asleep or working or after.values(), key=lambda beat: (beat.update, beat.rank))


class Heartbeat:
    """One rank's heartbeat and watchdog, for as long as the `with` block lasts.

    Args:
        folder: folder for the heartbeats of this run's ranks; shared by all machines.
        stall_seconds: end after this long without a sign of life (before the first beat: `FIRST_BEAT_FACTOR` times as
            long).
        end: ends the process with an exit code.
        report: called with the failure before that.
    """

    def __init__(
        self,
        folder: Path,
        rank: int,
        *,
        stall_seconds: float,
        end: Callable[[int], object] = os._exit,
        report: Callable[[Failure], object] = write_error_file,
    ) -> None:
        self.folder, self.rank, self.stall_seconds = folder, rank, stall_seconds
        self._end, self._report = end, report
        self._interval = min(1.0, stall_seconds / 10)
        self._update, self._agent_steps, self._beats, self._wakeups = 0, 0, 0, 0
        self._started = False
        self._done = threading.Event()
        self._watched = threading.get_ident()
        self._watchdog = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._watchdog.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._watchdog.join()
        self._wakeups = -1
        self._write()

    def beat(self, update: int, agent_steps: int) -> None:
        """Record that the loop made progress. Cheap: the watchdog writes it at its next wake-up, within a second."""
        self._update, self._agent_steps, self._started = update, agent_steps, True
        self.alive()

    def alive(self) -> None:
        """Say that the loop is at work within an update."""
        self._beats += 1

    def _watch(self) -> None:
        seen, idle = 0, 0.0
        while not self._done.wait(self._interval):
            self._wake_up()
            if self._beats != seen:
                seen, idle = self._beats, 0.0
                continue
            idle += self._interval
            if idle >= self.stall_seconds * (1 if self._started else FIRST_BEAT_FACTOR):
                self._give_up(idle)

    def _wake_up(self) -> None:
        self._wakeups += 1
        self._write()

    def _give_up(self, idle: float) -> None:
        beats, before = self._beats, read_beats(self.folder)
        # Long enough for every live rank to write again, and for a network file system to show it.
        for _ in range(max(3, round(self.stall_seconds / 10 / self._interval))):
            if self._done.wait(self._interval):
                return
            self._wake_up()
        if self._beats != beats:  # it made progress after all
            return
        culprit = holding_up(before, read_beats(self.folder) | {self.rank: self._current()})
        reason = (
            f"rank {culprit.rank} on {culprit.host} stalled after update {culprit.update}: "
            f"no progress for {idle:g} s, last seen in {culprit.place}"
        )
        failure = Failure(
            cause=Cause.RANK_STALLED, reason=reason, rank=culprit.rank, host=culprit.host, time=time.time()
        )
        self._wakeups = -1
        self._write()
        self._report(failure)
        self._end(failure.exit_code)

    def _current(self) -> Beat:
        stack = traceback.extract_stack(sys._current_frames()[self._watched])
        here = stack[-1]
        return Beat(
            rank=self.rank,
            host=host_name(),
            update=self._update,
            agent_steps=self._agent_steps,
            place=f"{here.filename}:{here.lineno} ({here.name})",
            waiting=waits_for_peers(stack),
            wakeups=self._wakeups,
        )

    def _write(self) -> None:
        """Replace the file atomically for readers; it need not survive a crash, so there is no fsync."""
        temporary = self.folder / f".heartbeat-{self.rank}.tmp"
        try:
            temporary.write_text(json_line(asdict(self._current())))
            os.replace(temporary, self.folder / f"heartbeat-{self.rank}.json")
        except OSError:  # the next checkpoint will report a full disk
            pass
