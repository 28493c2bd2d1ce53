"""The page of an experiment that runs: a process beside the workflow rewrites index.html whenever a job starts or ends.

Like `live_sweeps`, it runs on the machine of the workflow's main process, on a cluster too, with a low priority. It
ends with the run, however that ends: the main process holds the other end of its input. If the main process is killed,
this one still writes that. It also keeps the history of the output folder, its size, and its leaderboard.

It looks for changes every second, and rests after each page in proportion to what the page took: a page of thousands of
jobs is rewritten less often. While nothing changes, it rewrites the page now and then, since jobs make progress.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from daf.reporting.beside_run import END, ProcessBesideRun
from daf.system.json_files import parse_json
from daf.system.plain import to_plain

LOG = Path("logs") / "index.log"  # in the output folder
LOOK_SECONDS = 1.0
SHARE = 0.02  # of the time, at most
REFRESH_SECONDS = 15.0  # a page without changes is written again after this time
DISK_SHARE, DISK_SECONDS = 0.005, 60.0
DEATH_SECONDS = 5.0  # until a killed process is gone
NICENESS = 5


# ---- in the main process -------------------------------------------------------------------------------------


class LiveIndex(ProcessBesideRun):
    """The process that keeps the page of an experiment up to date."""

    def __init__(self, out: Path, config: Mapping[str, Any]) -> None:
        """Start it. The record of the run must be there.

        Args:
            config: the experiment as plain data.
        """
        super().__init__("daf.reporting.live_index", out / LOG)
        self._send(json.dumps({"out": str(out.absolute()), "config": to_plain(config)}) + "\n")

    def close(self) -> None:
        """Let it write the last page, once the record of the run says how that ended."""
        self._send(END)
        self._wait()


# ---- in the process ------------------------------------------------------------------------------------------


class _Writer:
    """What writes the page, and what belongs to it."""

    def __init__(self, out: Path, config: Mapping[str, Any]) -> None:
        # The Snakefile imports this module in every job, which needs none of this.
        from daf.workflow.run_history import PastRun
        from daf.workflow.run_record import RUN, RunRecord

        self._out = out
        self._record = RunRecord.read(out / RUN)
        self._past = PastRun.begin(self._record, config, out)
        self._seen: dict[str, int] | None = None
        self._written = self._measured = -float("inf")
        self._measuring = 0.0  # seconds that the last measurement of the disk took

    def look(self, pause: float) -> None:
        """Write the page if a job has started or ended, or after some time.

        Args:
            pause: seconds since the last look.
        """
        from daf.workflow.status import job_marks

        marks = dict(job_marks(self._out / "logs"))
        now = time.monotonic()
        if marks == self._seen and now - self._written < REFRESH_SECONDS:
            return
        if now - self._measured > max(DISK_SECONDS, self._measuring / DISK_SHARE):
            self._measure()
        self._write(every=max(REFRESH_SECONDS, pause))
        self._seen, self._written = marks, now

    def end(self) -> None:
        """Write how the run ended, and the last page."""
        from daf.reporting.index_facts import results_of_run
        from daf.workflow.status import read_status

        found = read_status(self._out)
        if self._past.is_run_of(found.record):
            self._past.end(found, results_of_run(found), self._out)
        self._measure()
        self._write(every=0.0)

    def wait_for_death(self) -> None:
        """Wait until the process of the run is gone, whose end of the pipe has closed."""
        end = time.monotonic() + DEATH_SECONDS
        while self._record.process.runs() and time.monotonic() < end:
            time.sleep(0.05)

    def _write(self, every: float) -> None:
        from daf.reporting.index_page import Written, write_index, writer
        from daf.reporting.leaderboard_page import refresh_leaderboard
        from daf.workflow.status import read_status

        _try(lambda: refresh_leaderboard(self._out))
        write_index(read_status(self._out), Written(at=time.time(), by=f"{writer()}, beside the run", every=every))

    def _measure(self) -> None:
        from daf.reporting.disk_use import DiskUse

        began = time.monotonic()
        DiskUse.measure(self._out)
        self._measured = time.monotonic()
        self._measuring = self._measured - began


def follow(out: Path, config: Mapping[str, Any], commands: IO[str]) -> None:
    """Keep the page up to date until the run ends."""
    writer = _Writer(out, config)
    with selectors.DefaultSelector() as selector:
        selector.register(commands, selectors.EVENT_READ)
        pause = 0.0
        while not selector.select(pause):
            began = time.monotonic()
            _try(lambda passed=pause: writer.look(passed))
            pause = max(LOOK_SECONDS, (time.monotonic() - began) / SHARE)
    if commands.readline() != END:
        writer.wait_for_death()
    _try(writer.end)


def _try(act: Any) -> None:
    """What goes wrong is logged, and no reason to stop: pages decide nothing."""
    try:
        act()
    except Exception:
        traceback.print_exc()


def main() -> None:
    os.nice(NICENESS)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))  # an exception removes files that are half written
    task = parse_json(sys.stdin.readline(), "standard input")
    follow(Path(task["out"]), task["config"], sys.stdin)


if __name__ == "__main__":
    main()
