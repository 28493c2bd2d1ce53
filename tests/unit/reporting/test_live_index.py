"""The process that rewrites the page of a running experiment: after each change, at the end, and after a kill."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from daf.reporting import live_index
from daf.reporting.beside_run import END
from daf.reporting.live_index import LOG, LiveIndex, follow
from daf.workflow.run_history import read_history
from daf.workflow.run_record import end_run
from tests.clocks import set_clock
from tests.run_files import begin, dead, finish, job, page, start

JOBS = [job("sweeps/miner/trial-0000"), job("comparisons/main/report", "render_report")]


def lead_of(out: Path) -> str:
    (found,) = re.findall(r'<meta name="description" content="(.*?)">', (out / "index.html").read_text())
    return str(found)


class Commands(io.StringIO):
    """The main process, which does something between two looks, and then says a last word."""

    def __init__(self, last: str, *events: Callable[[], object]) -> None:
        super().__init__(last)
        self.events = list(events)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[float]]:
    """Follow a run while events happen, each between one look and the next; returns the pauses."""
    pauses: list[float] = []

    class Selector:
        events: Iterator[Callable[[], object]] = iter(())

        def __enter__(self) -> Selector:
            return self

        def __exit__(self, *raised: object) -> None:
            pass

        def register(self, commands: Commands, events: int) -> None:
            self.events = iter(commands.events)

        def select(self, pause: float) -> bool:
            pauses.append(pause)
            event = next(self.events, None)
            if event is not None:
                event()
            return event is None

    monkeypatch.setattr("selectors.DefaultSelector", Selector)

    def follow_run(out: Path, *events: Callable[[], object], last: str = END) -> list[float]:
        follow(out, {"name": "small"}, Commands(last, *events))
        return pauses

    return follow_run


def test_the_page_follows_the_jobs_and_says_how_the_run_ended(tmp_path: Path, run: Any) -> None:
    begin(tmp_path, JOBS)
    seen: list[str] = []

    def done(number: int) -> Callable[[], object]:
        return lambda: (seen.append(lead_of(tmp_path)), finish(tmp_path, JOBS[number]))

    def ends() -> None:
        seen.append(lead_of(tmp_path))
        page(tmp_path, "comparisons/main/report.html", "a wins")
        end_run(tmp_path, "done")

    run(tmp_path, lambda: None, done(0), done(1), ends)
    assert [text.partition(",")[0] for text in seen] == [f"Running: {count} of 2 jobs done" for count in (0, 1, 2)]
    assert lead_of(tmp_path) == "Finished: 2 of 2 jobs done"
    (past,), _ = read_history(tmp_path, 5)
    assert (past.state, past.num_done, past.num_jobs) == ("done", 2, 2)
    assert [result["sentence"] for result in past.results] == ["a wins"]
    assert (tmp_path / "logs/disk.json").is_file()


def test_nothing_is_written_while_nothing_changes(tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(tmp_path, JOBS)
    times: list[int] = []

    def note() -> None:
        times.append((tmp_path / "index.html").stat().st_mtime_ns)

    run(tmp_path, lambda: None, note, note, note)
    assert len(set(times)) == 1
    monkeypatch.setattr(live_index, "REFRESH_SECONDS", 0.0)  # after some time it is, since jobs make progress
    times.clear()
    run(tmp_path, lambda: None, note, note, note)
    assert len(set(times)) == 3


def test_the_longer_a_page_takes_the_longer_it_rests(tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(tmp_path, JOBS)
    clock = iter(range(0, 10_000, 3))  # every question takes 3 s
    set_clock(monkeypatch, live_index, monotonic=lambda: float(next(clock)))
    pauses = run(tmp_path, lambda: None, lambda: None)
    assert pauses[0] == 0
    assert all(pause >= 3 / live_index.SHARE for pause in pauses[1:])


def test_after_a_kill_the_page_does_not_claim_that_something_runs(tmp_path: Path, run: Any) -> None:
    begin(tmp_path, JOBS, dead())
    start(tmp_path, JOBS[0], dead())
    run(tmp_path, lambda: None, last="")
    assert lead_of(tmp_path) == "Killed: 0 of 2 jobs done"
    (past,), _ = read_history(tmp_path, 5)
    assert past.state == "killed"


def test_what_goes_wrong_is_logged_and_the_next_page_is_written(
    tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from daf.reporting import index_page

    begin(tmp_path, JOBS)
    write, failing = index_page.write_index, [True]

    def fails_once(*arguments: Any) -> Path:
        if failing and failing.pop():
            raise OSError("no space left on device")
        return write(*arguments)

    monkeypatch.setattr(index_page, "write_index", fails_once)
    run(tmp_path, lambda: None, lambda: finish(tmp_path, JOBS[0]))
    assert "no space left on device" in capsys.readouterr().err
    assert lead_of(tmp_path).startswith("Running: 1 of 2 jobs done")


@pytest.mark.slow
def test_the_process_writes_the_last_page_and_ends(tmp_path: Path) -> None:
    begin(tmp_path, JOBS)
    index = LiveIndex(tmp_path, {"name": "small"})
    end_run(tmp_path, "failed")
    index.close()
    assert index._process.returncode == 0
    assert (tmp_path / LOG).read_text() == ""
    assert lead_of(tmp_path) == "Ended before it was complete: 0 of 2 jobs done"
    assert "beside the run" in (tmp_path / "index.html").read_text()


MAIN = """
import sys, time
from pathlib import Path
from daf.reporting.live_index import LiveIndex
from tests.run_files import begin, job
out = Path(sys.argv[1])
begin(out, [job("sweeps/miner/trial-0000")])
index = LiveIndex(out, {"name": "small"})
print(index._process.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.slow
def test_the_process_outlives_a_kill_just_long_enough_to_say_so(tmp_path: Path, repository: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", MAIN, str(tmp_path)], cwd=repository, stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        beside = psutil.Process(int(run.stdout.readline()))
        run.kill()
        run.wait()
    psutil.wait_procs([beside], timeout=60)
    assert not beside.is_running() or beside.status() == psutil.STATUS_ZOMBIE
    assert lead_of(tmp_path) == "Killed: 0 of 1 job done"
