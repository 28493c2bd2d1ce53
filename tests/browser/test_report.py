"""The comparison page in a real browser: its first screen, by keyboard, without scripts, and at its extremes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from playwright.sync_api import Browser

from daf.config import DAFComparisonConfig
from daf.reporting.comparison_page import render_results
from daf.statistics.comparison import compare_episodes
from daf.statistics.results import ComparisonResults
from tests.browser.tools import faults, opened
from tests.unit.reporting.comparisons import compared

pytestmark = pytest.mark.browser
LONG = "<script>alert(1)</script> & 'it' 5$ _x_ " + "x" * 41
EXTREMES: dict[str, dict[str, Any]] = {
    "seeds, missions and normalized scores": {
        "means": {"low": 0.0, "mid": 2.0, "high": 4.0, "fourth": 1.0}, "n": 3, "seeds": (1, 2, 3, 4, 5),
        "missions": tuple(f"mission_{index}" for index in range(7)), "normalization": {"low": "low", "high": "high"},
    },
    "hostile names": {
        "means": {LONG: 1.0, "random": 0.0, "y" * 80: 0.5}, "missions": ("<b>m</b>" + "z" * 72, "k"), "n": 8,
    },
    "one policy": {"means": {"mynet": 1.0}},
    "one episode": {"means": {"mynet": 1.0, "random": 0.0}, "n": 1, "missions": ("m",)},
    "all failed": {"means": {"mynet": 1.0, "random": 0.0}, "n": 4, "fails": lambda *_: True},
}  # fmt: skip


def write(results: ComparisonResults, folder: Path) -> Path:
    return render_results(results, folder / "report.html")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = compared({"mynet": 1.0, "expert": 4.0, "random": -2.0, "near": 1.1}, n=12)
    return write(results, tmp_path_factory.mktemp("report"))


def test_the_first_screen_has_the_answer_and_the_whole_chart(report: Path, browser: Browser) -> None:
    with opened(browser, report) as visit:
        page = visit.page
        assert page.locator(".lead").inner_text().strip() == (
            "mynet beats random and loses to expert over 2 missions; it is undecided against near."
        )
        page.wait_for_selector("#chart-differences-overall.is-live")
        box = page.locator("#chart-differences-overall .chart-live").bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 800
        drawn = page.locator("#chart-differences-overall .chart-live").inner_text()
        assert all(name in drawn for name in ("mynet", "expert", "random", "near"))


def test_without_scripts_the_same_chart_and_tables_are_there(report: Path, browser: Browser) -> None:
    with opened(browser, report, scripts=False) as visit:
        assert visit.page.locator("#chart-differences-overall .chart-still svg").is_visible()
        assert visit.page.locator("#scores-table tbody tr").count() == 4


def test_questions_unfold_and_tables_sort_by_keyboard(report: Path, browser: Browser) -> None:
    with opened(browser, report) as visit:
        page = visit.page
        question = page.locator("details.question").first
        question.locator("summary").focus()
        page.keyboard.press("Enter")
        assert question.get_attribute("open") is not None
        heading = page.locator("#scores-table th button").nth(1)
        heading.focus()

        def first_column() -> list[float]:
            cells = page.locator("#scores-table tbody tr td:nth-child(2) .score")
            return [float(cell.get_attribute("data-value") or "nan") for cell in cells.all()]

        page.keyboard.press("Enter")
        assert first_column() == sorted(first_column(), reverse=True)
        page.keyboard.press("Enter")
        assert first_column() == sorted(first_column())
        assert page.locator("#scores-table th").nth(1).get_attribute("aria-sort") == "ascending"


def test_the_switch_shows_raw_rewards_by_keyboard(tmp_path: Path, browser: Browser) -> None:
    results = compared({"low": 10.0, "mid": 20.0, "high": 30.0}, n=8, normalization={"low": "low", "high": "high"})
    with opened(browser, write(results, tmp_path)) as visit:
        page = visit.page
        cell = page.locator("#scores-table tbody tr").nth(1).locator("td").first
        record = next(r for r in results.summary if (r.policy, r.mission) == ("mid", "overall"))
        assert cell.inner_text().split()[1] == f"{record.mean:.2f}"
        page.locator(".pick-score").focus()
        page.keyboard.press("ArrowRight")
        assert page.locator(".pick-raw").is_checked()
        assert cell.inner_text().split()[0] == f"{record.mean_reward:.1f}"


def test_the_table_of_scores_sorts_by_what_the_switch_shows(tmp_path: Path, browser: Browser) -> None:
    rows = [
        {"policy": policy, "mission": "m", "env_seed": seed, "mean_reward": score + 0.1 * seed, "success": seed < wins}
        for policy, score, wins in (("high", 9.0, 1), ("middle", 5.0, 7), ("low", 1.0, 4))
        for seed in range(8)
    ]
    config = DAFComparisonConfig(policies=["high", "middle", "low"], missions=["m"], num_resamples=200)
    with opened(browser, write(compare_episodes(pd.DataFrame(rows), config), tmp_path)) as visit:
        page = visit.page

        def names() -> list[str]:
            return page.locator("#scores-table tbody th").all_inner_texts()

        heading = page.locator("#scores-table th button").nth(1)
        heading.click()
        assert names() == ["high", "middle", "low"]
        page.locator(".pick-success").check()
        assert names() == ["middle", "low", "high"]  # still the highest first
        heading.click()
        assert names() == ["high", "low", "middle"]


def test_few_columns_stand_together_and_names_are_above_each_other(tmp_path: Path, browser: Browser) -> None:
    results = compared({"mynet": 1.0, "random": 0.0, "other": 0.5}, missions=("m",), n=8)
    with opened(browser, write(results, tmp_path)) as visit:
        box = visit.page.locator("#scores-table").bounding_box()
        assert box is not None
        assert box["width"] < 600
        heading, name = visit.page.locator("#matrix th").first, visit.page.locator("#matrix tbody th").first
        assert [cell.evaluate("cell => getComputedStyle(cell).textAlign") for cell in (heading, name)] == ["left"] * 2


@pytest.mark.long
@pytest.mark.parametrize("name", EXTREMES)
def test_nothing_is_wrong_for_any_reader(name: str, tmp_path: Path, browser: Browser) -> None:
    assert faults(browser, write(compared(**EXTREMES[name]), tmp_path)) == []


@pytest.mark.slow
def test_nothing_is_wrong_with_the_common_page(report: Path, browser: Browser) -> None:
    assert faults(browser, report) == []
