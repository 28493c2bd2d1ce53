"""The watchdog: which rank holds the others up, and when a loop that stands still is ended."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from daf.distributed.failures import (
    Cause,
    Failure,
)
from daf.distributed.heartbeat import Beat, Heartbeat, holding_up, read_beats
from daf.system.json_files import read_json


def beat_of(rank: int, *, update: int = 7, waiting: bool = True, wakeups: int = 10) -> Beat:
    return Beat(rank=rank, host="h", update=update, agent_steps=0, place="p", waiting=waiting, wakeups=wakeups)


def test_the_rank_that_holds_the_others_up() -> None:
    def chosen(*after: Beat, before: tuple[Beat, ...] = ()) -> int:
        return holding_up({beat.rank: beat for beat in before}, {beat.rank: beat for beat in after}).rank

    early = (beat_of(0, wakeups=5), beat_of(1, wakeups=5), beat_of(2, wakeups=5))
    # A stopped process does not wake up, and is to blame even if its stack was last seen in a collective operation.
    assert chosen(beat_of(0), beat_of(1, wakeups=5), beat_of(2, waiting=False), before=early) == 1
    # One that has ended by itself does not wake up either.
    ended = beat_of(0, wakeups=-1)
    assert chosen(ended, beat_of(1), beat_of(2, waiting=False), before=(ended, *early[1:])) == 2
    # All awake: the one that does something else than wait, else the one that is furthest behind.
    assert chosen(beat_of(0), beat_of(1), beat_of(2, waiting=False), before=early) == 2
    assert chosen(beat_of(0), beat_of(1, update=6), beat_of(2), before=early) == 1


def test_a_loop_that_stands_still_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(tmp_path / "error.json"))
    ended = threading.Event()
    codes: list[int] = []

    def end(code: int) -> None:
        codes.append(code)
        ended.set()
        heartbeat._done.set()  # what really ends the process ends the watchdog too

    with Heartbeat(tmp_path, 3, stall_seconds=0.2, end=end) as heartbeat:
        heartbeat.beat(7, 1792)
        assert ended.wait(30)
    assert codes == [70]
    failure = Failure.from_dict(read_json(tmp_path / "error.json")["daf"])
    assert (failure.cause, failure.rank) == (Cause.RANK_STALLED, 3)
    assert "stalled after update 7" in failure.reason
    assert "threading.py" in failure.reason  # where this test waits


def test_a_loop_that_goes_on_is_left_alone_and_its_progress_noted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    codes: list[int] = []
    with Heartbeat(tmp_path, 0, stall_seconds=1.0, end=codes.append) as heartbeat:
        for update in range(1, 31):
            heartbeat.beat(update, update * 256)
            wakeups = heartbeat._wakeups
            while heartbeat._wakeups == wakeups:  # until the watchdog has woken up
                threading.Event().wait(0.01)
    assert codes == []
    assert [(beat.update, beat.agent_steps, beat.wakeups) for beat in read_beats(tmp_path).values()] == [(30, 7680, -1)]
    assert caplog.messages == []  # about files without a digest, for example


def test_the_first_update_may_take_three_times_as_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    idle: list[float] = []
    heartbeat = Heartbeat(tmp_path, 0, stall_seconds=10.0)
    heartbeat._interval = 1.0
    monkeypatch.setattr(heartbeat, "_give_up", lambda seconds: (idle.append(seconds), heartbeat._done.set()))
    monkeypatch.setattr(heartbeat._done, "wait", lambda _: heartbeat._done.is_set())
    heartbeat._watch()
    heartbeat._done.clear()
    heartbeat.alive()  # which is not an update
    heartbeat._watch()
    heartbeat._done.clear()
    heartbeat.beat(1, 256)
    heartbeat._watch()
    assert idle == [30.0, 30.0, 10.0]


def test_signs_of_life_within_an_update_keep_the_watchdog_quiet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heartbeat = Heartbeat(tmp_path, 0, stall_seconds=3.0)
    heartbeat._interval = 1.0
    heartbeat.beat(1, 256)
    given_up: list[float] = []
    wakeups = iter(range(13))

    def wait(_: float) -> bool:
        if next(wakeups) < 9:
            heartbeat.alive()
        return heartbeat._done.is_set()

    monkeypatch.setattr(heartbeat, "_give_up", lambda seconds: (given_up.append(seconds), heartbeat._done.set()))
    monkeypatch.setattr(heartbeat._done, "wait", wait)
    heartbeat._watch()
    assert given_up == [3.0]
    assert next(wakeups, None) is None
