"""`daf status` and `daf open` bring the page of an experiment up to date, and leave one that is alone."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest

from daf.command.main import main
from daf.workflow.run_record import RUN, end_run
from tests.run_files import OWN, begin, comparison, dead, finish, job, start

JOBS = [job("sweeps/miner/trial-0000"), job("sweeps/miner/trial-0001")]


def state_of(out: Path) -> str:
    (state,) = re.findall('<meta name="daf-state" content="(.*?)">', (out / "index.html").read_text())
    return str(state)


def test_a_page_that_says_what_is_true_stays(tmp_path: Path) -> None:
    begin(tmp_path, JOBS)
    assert main(["status", str(tmp_path)]) == 0
    assert state_of(tmp_path) == "running"
    page = tmp_path / "index.html"
    assert f"daf status, {OWN}." in page.read_text()
    written = page.stat().st_mtime_ns
    assert main(["status", str(tmp_path)]) == 0
    assert page.stat().st_mtime_ns == written


def test_a_run_that_was_killed_with_its_page_is_corrected(tmp_path: Path) -> None:
    begin(tmp_path, JOBS)
    assert main(["status", str(tmp_path)]) == 0
    begin(tmp_path, JOBS, dead())  # as if it had been killed
    later = (tmp_path / RUN).stat().st_mtime_ns + 1  # the page was written after the last sign of life
    os.utime(tmp_path / "index.html", ns=(later, later))
    assert state_of(tmp_path) == "running"
    assert main(["status", str(tmp_path)]) == 0
    assert state_of(tmp_path) == "killed"


def test_a_running_page_that_no_one_writes_any_more_is_written(tmp_path: Path) -> None:
    begin(tmp_path, JOBS)
    assert main(["status", str(tmp_path)]) == 0
    page = tmp_path / "index.html"
    past = time.time() - 100
    os.utime(page, (past, past))
    assert main(["status", str(tmp_path)]) == 0
    assert page.stat().st_mtime > past + 50


@pytest.mark.parametrize("change", ["a job", "the record"])
def test_a_page_of_an_ended_run_that_has_changed_since_is_written(tmp_path: Path, change: str) -> None:
    begin(tmp_path, JOBS, dead())
    assert main(["status", str(tmp_path)]) == 0
    page = tmp_path / "index.html"
    assert "0 of 2 jobs done" in page.read_text()
    if change == "a job":  # one that outlived its run
        finish(tmp_path, JOBS[0])
    else:
        end_run(tmp_path, "failed")
    later = page.stat().st_mtime_ns + 1
    changed = tmp_path / RUN if change == "the record" else tmp_path / "logs/sweeps/miner/trial-0000.files.json"
    os.utime(changed, ns=(later, later))
    assert main(["status", str(tmp_path)]) == 0
    assert page.stat().st_mtime_ns > later


def test_open_writes_the_page_and_the_leaderboard_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begin(tmp_path, JOBS)
    start(tmp_path, JOBS[0])
    comparison(tmp_path, "main", {"hall": {"a": 1.0}}, {"a": "1"})
    assert main(["open", "--print", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'index.html'}\n"
    html = (tmp_path / "index.html").read_text()
    assert "by daf open, " in html
    assert 'href="leaderboard.html"' in html
    assert '<a href="index.html">' in (tmp_path / "leaderboard.html").read_text()


def test_a_folder_that_cannot_be_written_still_has_a_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*arguments: object) -> None:
        raise PermissionError("read-only file system")

    begin(tmp_path, JOBS)
    monkeypatch.setattr("daf.reporting.index_page.write_text", refuse)
    assert main(["status", str(tmp_path)]) == 0
    assert "running" in capsys.readouterr().out
    assert not (tmp_path / "index.html").exists()
