"""Work shared among copies of this process gives what one process gives, or its error, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import closing, suppress
from pathlib import Path

import pytest

from daf.system import shares
from daf.system.forked_work import CAN_FORK
from daf.system.shares import Advance, at_most, in_shares, processes_for
from tests.copies import copies_left

pytestmark = pytest.mark.skipif(not CAN_FORK, reason="processes are copied on Linux only")


@pytest.fixture(autouse=True)
def three_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three cores, and no thread but this one, whatever runs the tests."""
    monkeypatch.setattr(shares, "usable_cpus", lambda: 3)
    monkeypatch.setattr(threading, "active_count", lambda: 1)


def squared(number: int, advance: Advance) -> tuple[int, int]:
    advance(number)
    return number * number, os.getpid()


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_results_are_in_order_and_every_step_is_counted(processes: int) -> None:
    steps: list[int] = []
    with at_most(processes):
        results = list(in_shares(squared, range(40), advance=steps.append, cost=lambda number: number % 7))
    assert [square for square, _ in results] == [number**2 for number in range(40)]
    assert sorted(steps) == list(range(40))
    used = {process for _, process in results}
    assert len(used) == processes
    assert (os.getpid() in used) == (processes == 1)
    assert copies_left() == []


def test_the_first_failure_counts_with_its_traceback() -> None:
    def fail(number: int, advance: Advance) -> int:
        if number in (5, 11):
            raise LookupError(f"no {number}")
        return number

    results = in_shares(fail, range(20), cost=lambda number: number)
    assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(LookupError, match="no 5") as caught:
        next(results)
    assert caught.traceback[-1].name == "fail"
    assert copies_left() == []


def test_what_a_killed_process_did_not_finish_is_done_here(caplog: pytest.LogCaptureFixture) -> None:
    this = os.getpid()

    def killed(number: int, advance: Advance) -> int:
        if number == 3 and os.getpid() != this:
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    assert list(in_shares(killed, range(8))) == list(range(8))
    assert "did not finish its part, which is repeated: the process was killed by SIGKILL" in caplog.text
    assert copies_left() == []


def test_results_that_cannot_be_sent_are_made_here() -> None:
    first, second = in_shares(lambda number, advance: lambda: number, [7, 8])
    assert (first(), second()) == (7, 8)
    assert copies_left() == []


@pytest.mark.parametrize("ending", [KeyboardInterrupt, RuntimeError])
def test_no_process_is_left_when_the_caller_stops(ending: type[BaseException]) -> None:
    def endless(number: int, advance: Advance) -> None:
        advance(1)
        signal.pause()

    def stop(steps: int) -> None:
        raise ending

    with pytest.raises(ending):
        list(in_shares(endless, range(4), advance=stop))
    assert copies_left() == []
    with closing(in_shares(squared, range(9))) as results:
        next(results)
    assert copies_left() == []


def test_ctrl_c_ends_the_work_in_this_process_alone() -> None:
    def interrupt(number: int, advance: Advance) -> None:
        os.kill(os.getpid(), signal.SIGINT)  # which a copy ignores
        if number == 1:
            os.kill(os.getppid(), signal.SIGINT)
        signal.pause()

    with pytest.raises(KeyboardInterrupt):
        list(in_shares(interrupt, [1, 2]))
    assert copies_left() == []


def test_without_another_process_this_one_does_it_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> int:
        raise BlockingIOError("Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refused)
    assert list(in_shares(squared, range(3))) == [(number**2, os.getpid()) for number in range(3)]


def test_where_processes_are_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (processes_for(1), processes_for(2), processes_for(9)) == (1, 2, 3)
    with at_most(2):
        assert processes_for(9) == 2
    with at_most(8):
        assert processes_for(9) == 3
    assert list(in_shares(lambda item, advance: processes_for(9), [1, 2])) == [1, 1]  # no copies of copies
    assert {process for _, process in in_shares(squared, range(9), small=True)} == {os.getpid()}
    monkeypatch.setattr(shares, "available_memory", lambda: (2.5e9, "machine"))
    assert (processes_for(9, memory=1e9), processes_for(9, memory=1e10)) == (2, 1)
    counts: list[int] = []
    thread = threading.Thread(target=lambda: counts.append(processes_for(9)))
    thread.start()
    thread.join()
    assert counts == [1]
    monkeypatch.setattr(threading, "active_count", lambda: 2)
    assert processes_for(9) == 1
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    monkeypatch.setattr(shares, "CAN_FORK", False)
    assert processes_for(9) == 1


def open_sockets() -> int:
    folder = Path("/proc/self/fd")
    links = []
    for name in os.listdir(folder):
        with suppress(FileNotFoundError):  # that of the listing itself
            links.append(os.readlink(folder / name))
    return sum(link.startswith("socket:") for link in links)


def test_a_copy_holds_no_pipe_but_its_own() -> None:
    before = open_sockets()
    assert list(in_shares(lambda number, advance: open_sockets(), range(3))) == [before + 1] * 3


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_copy_whose_parent_has_ended_ends_itself() -> None:
    process = os.fork()
    if process == 0:
        shares._begin_copy(os.getpid(), (), set())  # it is not its own parent
        os._exit(7)
    assert os.waitpid(process, 0)[1] == 0
