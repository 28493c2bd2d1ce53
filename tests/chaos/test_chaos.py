"""The short form: proposals of a sweep, disturbed by a few faults."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.disturbed import campaign
from tests.chaos.experiment import PROPOSALS

pytestmark = pytest.mark.slow


def test_whatever_happens_the_same_command_ends_with_the_same_files(tmp_path: Path) -> None:
    kinds = ["kill -9 of Snakemake", "bits flipped", "disk full (ENOSPC)", "files truncated", "SIGTERM to Snakemake"]
    outcome = campaign(tmp_path, kinds, seed=1, per_run=len(kinds), targets=PROPOSALS, seconds=3)
    assert sum(outcome.counts.values()) == len(kinds)
    assert not outcome.differing
