"""Every page in Chromium, as the default experiment makes it and at its extremes: nothing is wrong for any reader."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Browser

pytest.importorskip("cogames")

from daf.config import DAFComparisonConfig
from daf.reporting.comparison_page import render_results
from daf.reporting.mission_page import PageSetting
from daf.reporting.sweep_page import render_sweep_page
from daf.reporting.tournament_page import render_tournament
from daf.search.analysis import analyze
from daf.statistics.comparison import compare_episodes
from tests.browser.tools import faults, opened
from tests.mission_pages import walk, write_page
from tests.stages import others_long
from tests.sweep_results import made_up_sweep
from tests.tournament_results import made_up_tournament

pytestmark = [pytest.mark.browser, pytest.mark.slow]

HOSTILE = ["<script>document.title='run'</script>", "x" * 80, "a name & \"quotes\" 'and' `ticks` {braces} $1_2^3"]
BUDGET = 1_500_000  # bytes of a page of the default experiment, with the scripts of its charts
Write = Callable[[Path], object]


# ---- pages ------------------------------------------------------------------------------------------------------


def comparison(*policies: str, missions: int = 2, episodes: int = 16, fails: tuple[str, ...] = ()) -> Write:
    rng = np.random.default_rng(3)
    names = [f"mission_{number}" for number in range(missions)]
    rows = [
        {
            "policy": policy,
            "mission": mission,
            "env_seed": seed,
            "mean_reward": None if policy in fails else 3.0 * place + rng.normal(),
            "failure": f"ValueError: no <action> of {policy}" if policy in fails else None,
        }
        for place, policy in enumerate(policies)
        for mission in names
        for seed in range(episodes)
    ]
    config = DAFComparisonConfig(policies=list(policies), missions=names, num_resamples=300)
    return lambda path: render_results(compare_episodes(pd.DataFrame(rows), config), path)


def mission(*policies: str, fails: tuple[str, ...] = (), episodes: int = 3) -> Write:
    traces = {
        policy: None
        if policy in fails
        else tuple(walk(10 * place + number, steps=60 + number) for number in range(episodes))
        for place, policy in enumerate(policies)
    }

    def write(path: Path) -> None:
        tables = dict.fromkeys(policies, path.parents[1] / "evaluations" / "p" / "m" / "episodes.parquet")
        write_page(path, traces, PageSetting(report=path.with_suffix(".json"), episodes=tables))

    return write


def sweep(num_trials: int, **changes: object) -> Write:
    def write(path: Path) -> None:
        results = made_up_sweep(num_trials, **changes)
        render_sweep_page(results, {**analyze(results).to_dict(), "provenance": {}}, path)

    return write


def tournament(*candidates: str, **settings: object) -> Write:
    def write(path: Path) -> None:
        render_tournament(made_up_tournament(*candidates, **settings), path)

    return write


DEFAULT = {
    "comparison": comparison("random", "baseline", "trained"),
    "mission": mission("trained", "random", "baseline"),
    "sweep": sweep(12),
    "tournament": tournament("miner", "scout", "baseline", pool=(), missions=["one", "two"]),
}
EXTREMES = {
    "comparison of one policy": comparison("alone", missions=1),
    "comparison of one episode": comparison("a", "b", missions=1, episodes=1),
    "comparison of which one policy failed": comparison("a", "mynet", "c", fails=("mynet",)),
    "comparison of which all failed": comparison("a", "b", fails=("a", "b")),
    "comparison of hostile names": comparison(*HOSTILE),
    "mission of one policy": mission("alone", episodes=1),
    "mission of which one policy failed": mission("a", "mynet", fails=("mynet",)),
    "mission of which all failed": mission("a", "b", fails=("a", "b")),
    "mission of hostile names": mission(*HOSTILE),
    "mission of many policies": mission(*(f"policy_{number}" for number in range(12)), episodes=1),
    "sweep of one trial": sweep(1),
    "tournament of one candidate": tournament("alone", pool=("x",), episodes=1),
    "tournament of which one policy failed": tournament("a", "mynet", "c", fails=("mynet",)),
    "tournament of which all failed": tournament("a", "b", fails=("x", "y", "a", "b")),
    "tournament of hostile names": tournament(*HOSTILE, pool=(), splits=["2-2"]),
    "tournament of many candidates": tournament(*(f"policy_{n}" for n in range(12)), pool=(), splits=["2-2"]),
}


@pytest.fixture
def page(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "missions" / "page.html"
    path.parent.mkdir()
    {**DEFAULT, **EXTREMES}[request.param](path)
    return path


# ---- what they are like -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "page", others_long(DEFAULT, "mission", "sweep"), indirect=True
)  # test_report has a comparison
def test_a_page_has_no_faults_and_stays_small(browser: Browser, page: Path) -> None:
    assert faults(browser, page) == []
    assert page.stat().st_size < BUDGET


@pytest.mark.long
@pytest.mark.parametrize("page", EXTREMES, indirect=True)
def test_a_page_has_no_faults_at_its_extremes(browser: Browser, page: Path) -> None:
    assert faults(browser, page) == []


@pytest.mark.parametrize(
    "page", ["comparison of hostile names", "mission of hostile names", "tournament of hostile names"], indirect=True
)
def test_hostile_names_are_shown_and_do_nothing(browser: Browser, page: Path) -> None:
    with opened(browser, page) as visit:
        assert visit.page.title() != "run"
        assert visit.page.locator("main").inner_text().count(HOSTILE[0]) >= 2
        assert visit.console == []


@pytest.mark.parametrize("page", DEFAULT, indirect=True)
def test_without_scripts_every_chart_is_a_picture(browser: Browser, page: Path) -> None:
    with opened(browser, page, scripts=False) as visit:
        charts = visit.page.locator("figure.chart")
        assert charts.count() >= 2
        for chart in charts.all():
            still, live = chart.locator(".chart-still svg"), chart.locator(".chart-live")
            assert still.first.is_visible() or not chart.is_visible()  # inside folded details nothing shows
            assert not live.is_visible()
