"""Pages of sweeps that still run: a process beside the workflow rewrites live.html when trials finish.

No job waits for it and none reads the page. The process runs on the machine of the workflow's main process, on a
cluster too, with a low priority; it starts with the run and ends with it, however that ends: the main process holds
the other end of its input. Jobs therefore never write the same page, and their time goes into trials alone.

The process looks for results every two seconds, and rests after it has drawn a page in proportion to what that took: a
page of thousands of trials is rewritten less often. Only after the first page, whose imports do not recur, it does not.
When report.html is there, live.html becomes a small page that leads to it.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import sys
import time
import traceback
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TypedDict

from daf.config import DAFSweepConfig
from daf.errors import DafError
from daf.reporting.beside_run import END, ProcessBesideRun
from daf.reporting.page_heads import INDEX
from daf.search.files import read_results, sweep_results
from daf.search.plan import SweepPlan
from daf.search.results import TrialResult
from daf.system.files import write_text
from daf.system.json_files import parse_json
from daf.system.validated import validated

LIVE_PAGE, FINAL_PAGE = "live.html", "report.html"
TO_INDEX = f"../../{INDEX}"
LOOK_EVERY_SECONDS = 2.0
SHARE = 0.015  # of the time of one core, at most
NICENESS = 5


class FollowedSweep(TypedDict):
    """A sweep of which trials are still to run.

    Attributes:
        config: the sweep.
        folder: its files.
        outdated: files that this run will replace, with the `st_mtime_ns` of each. They do not count until they change.
    """

    config: dict[str, Any]
    folder: str
    outdated: dict[str, int]


def sweeps_to_follow(
    plans: Iterable[SweepPlan], output_dir: Path, planned: Collection[str], current: Collection[str]
) -> list[FollowedSweep]:
    """The sweeps of a run that are not finished yet.

    Args:
        output_dir: of the experiment.
        planned: the files that this run makes, or finds up to date.
        current: those of them that are up to date.
    """
    found: list[FollowedSweep] = []
    for plan in plans:
        folder = output_dir / "sweeps" / plan.config.name
        names = [*plan.results(), *plan.confirmations(), FINAL_PAGE]
        missing = [name for name in names if str(folder / name) in planned and str(folder / name) not in current]
        if any(name != FINAL_PAGE for name in missing):
            outdated = {name: time for name in missing if (time := _changed(folder / name)) is not None}
            found.append({"config": plan.config.to_dict(), "folder": str(folder), "outdated": outdated})
    return found


def _changed(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


# ---- in the main process -------------------------------------------------------------------------------------


class LivePages(ProcessBesideRun):
    """The process that keeps the pages of running sweeps up to date."""

    def __init__(self, sweeps: Sequence[FollowedSweep], log: Path) -> None:
        super().__init__("daf.reporting.live_sweeps", log)
        self._sweeps = sweeps
        self._send(json.dumps(sweeps) + "\n")

    def close(self, *, succeeded: bool) -> None:
        """End the process. If the run succeeded, the pages lead to its reports; else it writes the last pages first."""
        if succeeded:
            self._process.terminate()
        else:
            self._send(END)
        self._wait()
        for sweep in self._sweeps if succeeded else ():
            _lead_to_report(Path(sweep["folder"]), sweep["config"]["name"])


def _lead_to_report(folder: Path, sweep: str) -> None:
    """Let the live page lead to the final one, or say how to make it if the run was for other files."""
    if (folder / FINAL_PAGE).is_file():
        _write_small_page(folder, sweep, "This sweep has finished:", FINAL_PAGE)
    else:
        text = (
            f"The run has ended, and {FINAL_PAGE} was not among its targets. Request {folder / FINAL_PAGE} to make it."
        )
        _write_small_page(folder, sweep, text)


def _write_small_page(folder: Path, sweep: str, text: str, target: str = "") -> None:
    from daf.reporting.page import template

    page = template("small.html.j2").render(title=f"Sweep {sweep}", text=text, target=target)
    write_text(folder / LIVE_PAGE, page)


# ---- in the process ------------------------------------------------------------------------------------------


@dataclass
class _Follower:
    """What is known of one sweep's files."""

    config: DAFSweepConfig
    folder: Path
    outdated: dict[str, int]
    names: list[str]
    confirmation_names: list[str]
    seen: dict[str, tuple[int, list[TrialResult]]] = field(default_factory=dict)
    due: bool = True  # whether the page lacks something
    running: bool = True

    @classmethod
    def of(cls, sweep: FollowedSweep) -> _Follower:
        config = DAFSweepConfig.from_dict(sweep["config"], source="followed sweep")
        plan = SweepPlan(config, {})
        return cls(config, Path(sweep["folder"]), sweep["outdated"], plan.results(), plan.confirmations())

    def look(self) -> None:
        """Read results that are new, and forget those that are gone, since their trial runs again."""
        for name in (*self.names, *self.confirmation_names):
            changed = self._time_of(name)
            known = self.seen.get(name)
            if changed is None:
                self.due |= self.seen.pop(name, None) is not None
            elif known is None or known[0] != changed:
                try:
                    self.seen[name] = (changed, read_results([self.folder / name]))
                except DafError as error:  # the job that needs it ends with it
                    self.seen[name] = (changed, [])
                    print(error, flush=True)
                self.due = True

    def _time_of(self, name: str) -> int | None:
        """When a file of this run changed; None if there is none."""
        changed = _changed(self.folder / name)
        return None if changed is not None and self.outdated.get(name) == changed else changed

    @property
    def finished(self) -> bool:
        """Whether the final page shows everything."""
        final = self._time_of(FINAL_PAGE)
        names = (*self.names, *self.confirmation_names)
        return (
            final is not None
            and all(name in self.seen for name in names)
            and all(self.seen[name][0] <= final for name in names)
        )

    def draw(self) -> None:
        """Write the page of what is known."""
        self.due = False
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.finished:
            _lead_to_report(self.folder, self.config.name)
        elif not self.seen:
            _write_small_page(self.folder, self.config.name, "No trial has finished yet.")
        else:
            self._draw_trials()

    def _draw_trials(self) -> None:
        # What only pages need is imported with the first of them.
        from daf.reporting.sweep_page import Unfinished, render_sweep_page
        from daf.search.analysis import analyze

        results = sweep_results(self.config, self._results(self.names), self._results(self.confirmation_names))
        unfinished = Unfinished(planned=len(SweepPlan(self.config, {}).trials), running=self.running)
        render_sweep_page(results, analyze(results), self.folder / LIVE_PAGE, unfinished=unfinished, index=TO_INDEX)

    def _results(self, names: Sequence[str]) -> list[TrialResult]:
        return [result for name in names if name in self.seen for result in self.seen[name][1]]


def follow(sweeps: Sequence[FollowedSweep], commands: IO[str]) -> None:
    """Keep the pages up to date until a command comes, or its sender has ended."""
    following = [_Follower.of(sweep) for sweep in sweeps]
    with selectors.DefaultSelector() as selector:
        selector.register(commands, selectors.EVENT_READ)
        pause, is_warm = 0.0, False
        while following and not selector.select(pause):
            began = time.process_time()
            for sweep in following:
                sweep.look()
                if sweep.due or sweep.finished:
                    _draw(sweep)
            took = time.process_time() - began
            pause = max(LOOK_EVERY_SECONDS, took / SHARE if is_warm else 0.0)
            is_warm |= any(sweep.seen for sweep in following)
            following = [sweep for sweep in following if not sweep.finished]
    for sweep in following:
        sweep.look()
        sweep.running = False
        _draw(sweep)


def _draw(sweep: _Follower) -> None:
    """Draw a page. What goes wrong is logged, and no reason to stop: pages decide nothing."""
    try:
        sweep.draw()
    except Exception:
        traceback.print_exc()


def main() -> None:
    os.nice(NICENESS)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))  # an exception removes files that are half written
    sweeps = validated(list[FollowedSweep], parse_json(sys.stdin.readline(), "standard input"), "live pages")
    follow(sweeps, sys.stdin)


if __name__ == "__main__":
    main()
