"""A mission's page in a real browser: marks move as agents did, stop when asked, and stand still for who wants that."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("cogames")

from daf.engine.replays import EpisodeTrace
from daf.reporting import animation
from tests.browser.tools import browse, fits_a_phone, seen, with_script
from tests.mission_pages import walk, write_page

pytestmark = pytest.mark.browser
STEPS = 600
# The place of every agent's mark in cells, as the browser has it.
PLACES = """
    function places() { return [].map.call(document.querySelectorAll(".agent"), function (mark) {
        var matrix = new DOMMatrix(getComputedStyle(mark).transform); return [matrix.f, matrix.e]; }); }
"""


@pytest.fixture
def trace() -> EpisodeTrace:
    return walk(8, steps=STEPS)


@pytest.fixture
def page(trace: EpisodeTrace, tmp_path: Path) -> Path:
    return write_page(tmp_path / "mission.html", {"a policy": trace})


def report_of(page: Path, profile: Path, script: str, *options: str) -> Any:
    """What a script in the page returned."""
    whole = f"{PLACES} document.title = JSON.stringify((function () {{ {script} }})());"
    return json.loads(unescape(seen(browse(with_script(page, "s.html", whole), profile, "--dump-dom", *options))))


def test_marks_are_where_agents_were(page: Path, trace: EpisodeTrace, tmp_path: Path) -> None:
    frames = animation.frame_steps(STEPS)
    shown = [frames[0], frames[1], frames[77], frames[-2], STEPS]
    moments = [1000 * animation.seconds(STEPS) * step / STEPS for step in shown]
    script = f"""
        var all = document.getAnimations(), box = document.querySelector(".hold");
        var width = document.querySelector(".chart").offsetWidth;
        var before = all.filter(function (one) {{ return one.playState === "running"; }}).length;
        box.click(); getComputedStyle(box).opacity;
        var after = all.filter(function (one) {{ return one.playState === "running"; }}).length;
        box.click();
        return [all.length, before, after, width, {moments}.map(function (moment) {{
            all.forEach(function (one) {{ one.pause(); one.currentTime = moment; }});
            var step = getComputedStyle(document.querySelector(".step"), "::after").getPropertyValue("--step");
            return [Number(step), places(), getComputedStyle(document.querySelector(".now")).left];
        }})];
    """
    count, before, after, width, seen_moments = report_of(page, tmp_path / "p", script)
    assert count == before == 3 * (1 + animation.GHOSTS) + 3  # marks, ghosts; cursor, its dot and the step
    assert after == 0
    for step, (said, marks, cursor) in zip(shown, seen_moments, strict=True):
        assert said == pytest.approx(step, abs=1)
        for mark, place in zip(marks, trace.positions[step].tolist(), strict=True):
            assert mark == pytest.approx(place, abs=0.1), step
        assert float(cursor.rstrip("px")) == pytest.approx(width * step / STEPS, abs=1)


def test_a_reader_who_wants_no_motion_sees_the_end_and_the_ways_there(
    page: Path, trace: EpisodeTrace, tmp_path: Path
) -> None:
    script = """
        function shown(selector) { return getComputedStyle(document.querySelector(selector)).display !== "none"; }
        return [document.getAnimations().length, places(), shown(".trail"), shown(".ghost"), shown(".hold"),
                shown(".if-still"), shown(".if-moving")];
    """
    options = "--force-prefers-reduced-motion"
    running, marks, *shown = report_of(page, tmp_path / "p", script, options)
    assert running == 0
    assert marks == trace.positions[-1].tolist()
    assert shown == [True, False, False, True, False]
    _, _, *moving = report_of(page, tmp_path / "p", script)
    assert moving == [False, True, True, False, True]


def test_the_page_is_drawn_under_its_own_policy_and_fits_a_phone(page: Path, tmp_path: Path) -> None:
    assert "Content-Security-Policy" in page.read_text()
    picture = tmp_path / "page.png"
    browse(page, tmp_path / "p", "--window-size=1280,2600", f"--screenshot={picture}")
    assert picture.stat().st_size > 40_000
    unseen = page.with_name("without.html")
    unseen.write_text(re.sub(r'<svg class="map".*?</svg>', "", page.read_text(), flags=re.S))
    empty = tmp_path / "empty.png"
    browse(unseen, tmp_path / "p", "--window-size=1280,2600", f"--screenshot={empty}")
    assert picture.stat().st_size > empty.stat().st_size + 10_000
    assert fits_a_phone(page, tmp_path / "p")
