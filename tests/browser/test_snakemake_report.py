"""Snakemake's own report of a run: a page to start from, and every page and figure of the run under a label."""

from __future__ import annotations

import json
import re
from pathlib import Path
from zipfile import ZipFile

import pytest
from playwright.sync_api import Browser

from daf.reporting.index_facts import LEADERBOARD
from daf.reporting.live_sweeps import LIVE_PAGE
from daf.reporting.page_heads import INDEX
from tests.browser.tools import Visit, opened
from tests.workflow.conftest import finished_run  # noqa: F401  # a fixture
from tests.workflow.tools import snakemake

NOT_THERE = {LIVE_PAGE, INDEX, LEADERBOARD}  # pages that no job makes
pytestmark = [pytest.mark.browser, pytest.mark.long]
TAILWIND = "cdn.tailwindcss.com should not be used in production"  # Snakemake's own, which is in the file


def results_in(text: str) -> dict[str, dict[str, object]]:
    found = re.search(r"var results = (\{.*\});\n", text)
    assert found
    results: dict[str, dict[str, object]] = json.loads(found.group(1))
    return results


def make(folder: Path, output: Path) -> Path:
    done = snakemake(folder, "--report", str(output))
    assert done.returncode == 0, done.stderr[-3000:]
    return output


def check_in_chromium(browser: Browser, report: Path, titles: dict[str, str]) -> None:
    """Follow every link of the landing page to its page."""
    with opened(browser, report) as visit:
        landing = visit.page.locator(".prose")
        assert landing.locator("h1").inner_text() == "small"
        assert [one.inner_text() for one in landing.locator("li").all()] == list(titles)
        for name, title in titles.items():
            visit.page.get_by_text("Workflow", exact=True).click()
            landing.get_by_role("link", name=name, exact=True).click()
            heading = visit.page.frame_locator("iframe").locator("h1")
            heading.wait_for()
            assert heading.inner_text() == title
        check_menu(visit)
        assert [text for text in visit.console if TAILWIND not in text] == []
        assert [url for url in visit.requests if not url.startswith(report.parent.as_uri())] == []


def check_menu(visit: Visit) -> None:
    """A category lists labels, never paths."""
    visit.page.get_by_text("Comparisons", exact=True).first.click()
    visit.page.get_by_text("Comparison page", exact=True).wait_for()
    menu = visit.page.locator("table").first.inner_text()
    assert "Figure intervals-overall" in menu
    assert "/" not in menu
    assert "Checklist for reviewers" in menu


def test_the_report_of_snakemake_holds_every_page_and_figure(
    browser: Browser,
    finished_run: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    out = finished_run / "daf_output"
    report = make(finished_run, tmp_path / "report.html")
    results = results_in(report.read_text())
    files = (path for suffix in ("html", "svg") for path in out.rglob(f"*.{suffix}") if path.name not in NOT_THERE)
    made = {str(path.relative_to(finished_run)) for path in files}
    assert len(made) > 10
    assert made <= set(results)
    assert all(result["labels"] and result["caption"] for result in results.values())
    assert not any(path.startswith("/") for path in results)
    pages = {
        "main": "small",
        "hall": "Mission hall",
        "hall_long": "Mission hall_long",
        "knobs": "Sweep knobs",
    }
    check_in_chromium(browser, report, pages)

    with ZipFile(make(finished_run, tmp_path / "report.zip")) as packed:
        packed.extractall(tmp_path)
    unpacked = tmp_path / "report" / "report.html"
    of_zip = results_in(unpacked.read_text())
    assert set(of_zip) == set(results)
    for path, result in of_zip.items():
        assert (unpacked.parent / str(result["data_uri"])).read_bytes() == (finished_run / path).read_bytes()
    check_in_chromium(browser, unpacked, pages)
