"""A workflow that runs in a notebook shows how many of its jobs are done."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from daf.system.job_records import JobRecord, record_path
from daf.system.process_identity import ProcessIdentity
from daf.workflow import notebook
from daf.workflow.run_record import RUN, PlannedJob, RunRecord


class Lines:
    """What a notebook shows, one after the other."""

    shown: ClassVar[list[str]] = []

    def show(self, text: str) -> None:
        self.shown.append(text)

    def close(self) -> None:
        pass


def record(names: list[str]) -> RunRecord:
    jobs = [
        PlannedJob(rule="run_trial", name=name, log=f"{name}.log", benchmark=None, threads=1, needed=True)
        for name in names
    ]
    own = ProcessIdentity.own()
    return RunRecord(
        experiment="small", files=[], folder=".", process=own, began=time.time(), parallel=1, submits=False, jobs=jobs
    )


@pytest.fixture(autouse=True)
def in_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    Lines.shown = []
    monkeypatch.setattr("daf.system.live_progress.in_notebook", lambda: True)
    monkeypatch.setattr("daf.system.live_progress.is_watched", lambda: True)
    monkeypatch.setattr("daf.system.live_progress._NotebookLine", Lines)
    monkeypatch.setattr(notebook, "in_notebook", lambda: True)


def test_the_line_ends_with_what_the_run_has_done(tmp_path: Path) -> None:
    old = replace(record(["x"]), began=1.0)
    old.write(tmp_path / RUN)  # an earlier run's, which is not shown
    with notebook.progress_in_notebook("small", tmp_path):
        new = record(["a", "b", "c"])
        new.write(tmp_path / RUN)
        for name in ("a", "b"):
            JobRecord(rule="run_trial", inputs={}, outputs={}).write(record_path(tmp_path / "logs" / f"{name}.log"))
        until = time.monotonic() + 30
        while not Lines.shown and time.monotonic() < until:  # the thread sees it within a second
            time.sleep(0.05)
    assert Lines.shown[-1].startswith("small · 2 of 3 jobs (66 %)")


def test_a_run_that_never_begins_shows_nothing(tmp_path: Path) -> None:
    with notebook.progress_in_notebook("small", tmp_path):
        pass
    with notebook.progress_in_notebook("small", tmp_path, dry_run=True):
        pass
    assert Lines.shown == []
