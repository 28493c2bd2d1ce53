"""Work in a copy of the process: its output, and who hears of its steps."""

from __future__ import annotations

import io
import os
import signal
import sys

import pytest

from daf.system.forked_work import ProcessEndedError, messages_of, note_step, steps_watched


class Broken(io.StringIO):
    """A pipe that no one reads."""

    def flush(self) -> None:
        raise BrokenPipeError


@pytest.mark.parametrize("stream", [None, Broken()])
def test_work_needs_no_standard_streams(stream: io.StringIO | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service may start without them."""
    monkeypatch.setattr(sys, "stdout", stream)
    assert list(messages_of(lambda send: send(3))) == [3]


def end(status: int) -> None:
    os._exit(status)


def test_work_is_done_where_the_program_ignores_the_end_of_children() -> None:
    """Some servers do; then the system tells no one how a child ended."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert list(messages_of(lambda send: send(3))) == [3]
        with pytest.raises(ProcessEndedError) as caught:
            list(messages_of(lambda send: end(3)))
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert caught.value.status is None
    assert str(caught.value).startswith("ProcessEndedError: the process has ended")


def test_only_who_watches_hears_of_steps() -> None:
    heard: list[str] = []
    note_step(0)
    with steps_watched(lambda: heard.append("outer")):
        note_step(1)
        with steps_watched(lambda: heard.append("inner")):
            note_step(2)
        note_step(3)
    note_step(4)
    assert heard == ["outer", "inner", "outer"]
