"""A command that is silent says what it waits for, at the latest after five seconds."""

from __future__ import annotations

import io
from contextlib import redirect_stderr

import pytest

from daf.system.waiting import SILENCE_SECONDS, TICK_SECONDS, Waiting, _terminal


class Spoken:
    """What is said, on a simulated clock."""

    def __init__(self) -> None:
        self.now, self.said = 100.0, list[str]()
        self.waiting = Waiting(lambda: self.said.append, clock=lambda: self.now, watch=False)

    def after(self, seconds: float) -> list[str]:
        """What was said during these seconds."""
        del self.said[:]
        for _ in range(int(seconds / TICK_SECONDS)):
            self.now += TICK_SECONDS
            self.waiting.look()
        return list(self.said)


def test_silence_ends_before_five_seconds_and_after_a_minute_less_often() -> None:
    spoken = Spoken()
    assert SILENCE_SECONDS + TICK_SECONDS < 5
    with spoken.waiting.on("the engine"):
        assert spoken.after(3.5) == []
        assert spoken.after(1) == ["waiting for the engine (4.0 s)"]
        assert spoken.after(4) == ["waiting for the engine (8.0 s)"]
        assert spoken.after(52)[-1] == "waiting for the engine (1 min 00 s)"
        assert spoken.after(7) == []
        assert spoken.after(1) == ["waiting for the engine (1 min 08 s)"]
        assert len(spoken.after(16 + 32 + 64 + 64)) == 4
    assert spoken.after(100) == []


def test_short_waits_in_a_row_are_no_longer_silence() -> None:
    spoken = Spoken()
    with spoken.waiting.on("Snakemake"):
        assert spoken.after(2) == []
        with spoken.waiting.on("the check"):
            assert spoken.after(3) == ["waiting for the check (2.0 s)"]
        with spoken.waiting.on("the plan"):
            assert spoken.after(4) == ["waiting for the plan (3.0 s)"]
        assert spoken.after(4) == ["waiting for Snakemake (3.0 s)"]


def test_silence_before_the_first_wait_counts() -> None:
    spoken = Spoken()
    with spoken.waiting.on("Snakemake", silent_for=3.0):
        assert spoken.after(1) == ["waiting for Snakemake"]  # "(1.0 s)" would be less than the silence
        assert spoken.after(4) == ["waiting for Snakemake (5.0 s)"]


def test_another_speaker_takes_over() -> None:
    spoken = Spoken()
    with spoken.waiting.on("Snakemake"):
        spoken.waiting.hand_over()
        assert spoken.after(100) == []
        with spoken.waiting.on("the last pages"):
            assert spoken.after(5) == ["waiting for the last pages (4.0 s)"]
    assert spoken.after(100) == []


def test_a_block_that_redirects_standard_error_is_no_silence(capsys: pytest.CaptureFixture[str]) -> None:
    """`daf check` gathers what Snakemake says while it plans."""
    now, gathered = [0.0], io.StringIO()
    waiting = Waiting(_terminal, clock=lambda: now[0], watch=False)
    with waiting.on("the plan"), redirect_stderr(gathered):
        now[0] = 5.0
        waiting.look()
    assert (capsys.readouterr().err, gathered.getvalue()) == ("waiting for the plan (5.0 s)\n", "")
