"""The page of an experiment and the leaderboard in Chromium: in every state of a run, for every reader."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from daf.reporting.disk_use import DiskUse
from daf.reporting.index_page import Written, write_index
from daf.reporting.leaderboard_page import refresh_leaderboard
from daf.system.files import json_line
from daf.workflow.run_history import PastRun
from daf.workflow.run_record import end_run
from daf.workflow.status import read_status
from tests.browser.tools import faults, opened
from tests.run_files import OWN, begin, comparison, dead, fail, finish, job, mission, page, start
from tests.stages import others_long

pytestmark = [pytest.mark.browser, pytest.mark.slow]

HOSTILE = "<script>document.title='run'</script> & \"quotes\" " + "x" * 80
JOBS = [
    *(job(f"sweeps/miner/trial-{number:04d}") for number in range(30)),
    job("sweeps/miner/describe", "describe_sweep"),
    job("training/hall/seed-1", "train_policy"),
    job("reports/missions/hall", "analyze_mission"),
    job("comparisons/main/report", "render_report"),
]
STATES = ["running", "killed", "failed"]


def write(out: Path, state: str) -> Path:
    """The pages of an experiment in this state."""
    process = OWN if state != "killed" else dead()
    record = begin(out, JOBS, process, experiment=HOSTILE if state == "failed" else "scouts", began=time.time() - 100)
    PastRun.begin(record, {"training": {"hall": {"num_steps": 10}}}, out)
    DiskUse.measure(out)
    if state != "empty":
        fill(out, state)
    refresh_leaderboard(out)
    write_index(read_status(out), Written(at=time.time(), by="process 1 on here", every=15))
    return out / "index.html"


def fill(out: Path, state: str) -> None:
    for done in JOBS if state == "done" else JOBS[:20]:
        finish(out, done)
    if state != "done":
        for begun in JOBS[20:24]:
            start(out, begun, said="x · 5 of 20 agent-steps (25 %) · 3/s · 2 min 05 s left\n")
        fail(out, JOBS[-3], f"2026-11-28T17:52:16.900Z ERROR   run\n  found:    {HOSTILE}\n")
        page(out, "sweeps/miner/live.html", "Trial 3 is the best of 20 so far: mean reward per agent 1.2.")
    for address in ("comparisons/main/report.html", "comparisons/other/report.html", "reports/missions/hall.html"):
        page(out, address, "It is undecided whether scout is better or worse than random over 2 missions.")
    metrics = out / "training/hall/seed-1/metrics.jsonl"
    metrics.parent.mkdir(parents=True)
    records = ({"agent_steps": 100 * number, "episode_reward": number**0.5} for number in range(40))
    metrics.write_text("".join(map(json_line, records)))
    mission(out, "hall", {"scout": "1", HOSTILE: "2"})
    comparison(out, "main", {"hall": {"scout": 1.0, HOSTILE: 2.0}}, {"scout": "1", HOSTILE: "2"})
    if state in ("done", "failed"):
        end_run(out, "done" if state == "done" else "failed")


@pytest.mark.parametrize("state", others_long(STATES, "failed"))
def test_nothing_is_wrong_for_any_reader(browser: Browser, tmp_path: Path, state: str) -> None:
    index = write(tmp_path, state)
    assert faults(browser, index) == []
    if state == "failed":
        assert faults(browser, tmp_path / "leaderboard.html") == []


def test_a_running_page_loads_again_and_keeps_place_and_unfolded_parts(browser: Browser, tmp_path: Path) -> None:
    index = write(tmp_path, "running")
    with opened(browser, index, height=300, paused=True) as visit:
        tab = visit.page
        part = tab.locator("details.job").first
        part.locator("summary").click()  # it is open at first
        assert part.get_attribute("open") is None
        tab.evaluate("window.scrollTo({top: 400, behavior: 'instant'})")
        finish(tmp_path, JOBS[20])
        write_index(read_status(tmp_path), Written(at=time.time(), by="process 1 on here", every=15))
        with tab.expect_navigation():
            tab.clock.run_for(5_500)
        assert "22 of 34 jobs done" in tab.locator(".lead").inner_text()
        assert tab.locator("details.job").first.get_attribute("open") is None
        assert tab.evaluate("window.scrollY") == pytest.approx(400, abs=2)
        tab.locator("#reload").uncheck()
        tab.evaluate("window.same = true")
        tab.clock.run_for(20_000)
        assert tab.evaluate("window.same")  # the reader has said no


def test_a_page_that_no_one_writes_any_more_says_so(browser: Browser, tmp_path: Path) -> None:
    index = write(tmp_path, "running")
    with opened(browser, index) as visit:
        assert visit.page.locator("#late").is_hidden()
    write_index(read_status(tmp_path), Written(at=time.time() - 600, by="process 1 on here", every=15))
    with opened(browser, index) as visit:
        assert "No one has written this page for 10 minutes." in visit.page.locator("#late").inner_text()


def test_an_ended_page_does_not_load_again(browser: Browser, tmp_path: Path) -> None:
    index = write(tmp_path, "done")
    with opened(browser, index, paused=True) as visit:
        visit.page.evaluate("window.same = true")
        visit.page.clock.run_for(120_000)
        assert visit.page.evaluate("window.same")
        assert visit.page.locator("#reload").count() == 0


def test_links_lead_from_the_index_to_the_leaderboard_and_back(browser: Browser, tmp_path: Path) -> None:
    index = write(tmp_path, "done")
    with opened(browser, index) as visit:
        visit.page.get_by_role("navigation").get_by_role("link", name="Leaderboard").click()
        assert visit.page.url.endswith("/leaderboard.html")
        visit.page.get_by_role("link", name="Whole experiment").click()
        assert visit.page.url.endswith("/index.html")
