"""A sweep's page in Chromium: nothing is wrong with it, its table sorts and filters, and it holds 4,000 trials."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from daf.reporting.sweep_page import ROWS_PER_PAGE, Unfinished, render_sweep_page
from daf.reporting.sweep_rows import duration
from daf.search.analysis import analyze
from daf.search.results import SweepResults
from tests.browser.tools import NARROW, PAPER, faults, opened, spilling
from tests.sweep_results import made_up_sweep

pytestmark = pytest.mark.browser


def written(results: SweepResults, folder: Path, unfinished: Unfinished | None = None) -> Path:
    render_sweep_page(results, analyze(results), folder / "report.html", unfinished=unfinished)
    return folder / "report.html"


@pytest.fixture(scope="module")
def results() -> SweepResults:
    return made_up_sweep(120, num_finalists=3, confirmation_seeds=1)


@pytest.fixture(scope="module")
def report(results: SweepResults, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(results, tmp_path_factory.mktemp("sweep"))


def column(page: Page, place: int) -> list[str]:
    rows = "[...document.querySelectorAll('#trials-table tbody tr')]"
    texts: list[str] = page.evaluate(f"{rows}.map(row => row.cells[{place}].firstChild.textContent)")
    return texts


def status(page: Page) -> str:
    return page.locator("#status").inner_text()


def numbers(page: Page) -> list[int]:
    return [int(text) for text in column(page, 0)]


@pytest.mark.long
def test_nothing_is_wrong_with_the_page(report: Path, browser: Browser) -> None:
    assert faults(browser, report) == []


@pytest.mark.long
def test_nothing_is_wrong_while_the_sweep_runs_or_if_all_trials_failed(browser: Browser, tmp_path: Path) -> None:
    few = made_up_sweep(5, early_stopping=None)
    running = written(few, tmp_path / "running", Unfinished(planned=32, running=True))
    assert faults(browser, running) == []
    failed = SweepResults.of(few.config, [trial for trial in made_up_sweep(90).trials if trial.status == "failed"])
    assert faults(browser, written(failed, tmp_path / "failed")) == []


def test_the_table_sorts_by_every_column_with_unknown_values_last(
    report: Path, results: SweepResults, browser: Browser
) -> None:
    with opened(browser, report) as visit:
        page = visit.page
        heads = page.locator("#trials-table thead button")
        assert heads.count() == 10
        heads.nth(0).press("Enter")  # by keyboard
        assert numbers(page) == list(range(ROWS_PER_PAGE))
        heads.nth(0).press("Enter")
        assert numbers(page) == list(range(119, 119 - ROWS_PER_PAGE, -1))
        assert page.locator("#trials-table thead th").nth(0).get_attribute("aria-sort") == "descending"
        heads.nth(6).click()  # init_kwargs.memory, text
        texts = column(page, 6)
        assert texts == sorted(texts, reverse=True)
        heads.nth(3).click()  # duration
        slowest = sorted(results.trials, key=lambda trial: (-(trial.seconds or 0), trial.trial))
        assert numbers(page) == [trial.trial for trial in slowest[:ROWS_PER_PAGE]]
        assert column(page, 3) == [duration(trial.seconds) for trial in slowest[:ROWS_PER_PAGE]]
        heads.nth(7).click()
        heads.nth(7).click()  # width, ascending: it applies to some trials only
        page.locator("#later").click()
        page.locator("#later").click()
        assert set(column(page, 7)) == {"–"}


def test_the_filter_takes_states_words_and_conditions(report: Path, results: SweepResults, browser: Browser) -> None:
    with opened(browser, report) as visit:
        page = visit.page
        page.locator("#state").select_option("failed")
        failed = [trial.trial for trial in results.trials if trial.status == "failed"]
        assert sorted(numbers(page)) == failed
        assert status(page) == f"{len(failed)} of 120 trials match, best first."
        page.locator("#filter").fill("diverged")
        diverged = [trial.trial for trial in results.trials if "diverged" in (trial.reason or "")]
        assert sorted(numbers(page)) == diverged != failed
        page.locator("#state").select_option("")
        page.locator("#filter").fill("learning_rate<0.001 objective>=4 init_kwargs.memory=lstm")
        expected = [
            trial.trial
            for trial in results.trials
            if float(trial.hyperparameters["learning_rate"]) < 0.001  # type: ignore[arg-type]
            and trial.objective is not None
            and trial.objective >= 4
            and trial.hyperparameters["init_kwargs.memory"] == "lstm"
        ]
        assert sorted(numbers(page)) == expected
        assert expected
        page.locator("#filter").fill("learning_rat<1")
        assert status(page) == "There is no column “learning_rat”."
        page.locator("#filter").fill("pruned")
        page.reload()
        assert page.locator("#filter").input_value() == "pruned"  # it outlives a reload
        assert {text.split(" at")[0] for text in column(page, 1)} == {"pruned"}


def test_the_script_writes_rows_as_the_page_does_without_scripts(report: Path, browser: Browser) -> None:
    def rows(page: Page) -> list[str]:
        texts: list[str] = page.locator("#trials-table tbody tr").all_inner_texts()
        return texts

    with opened(browser, report, scripts=False) as visit:
        without = rows(visit.page)
        assert not visit.page.locator("#filter").is_visible()
        assert status(visit.page) == "The best 50 of 120 trials."
        assert visit.page.locator("#chart-history svg").count() == 1
    with opened(browser, report) as visit:
        assert rows(visit.page) == without
        assert len(without) == ROWS_PER_PAGE


def test_numbers_are_rounded_alike_wherever_they_stand(browser: Browser, tmp_path: Path) -> None:
    space = {"rate": [0.15625], "size": [123456.0], "whole": [2**60]}  # JavaScript rounds ties up, Python to even
    made_up = made_up_sweep(3, search_space=space)
    trials = [replace(trial, objective=1.125, seconds=0.25, extra={"objective_sd": 0.625}) for trial in made_up.trials]
    results = SweepResults.of(made_up.config, trials)
    with opened(browser, written(results, tmp_path)) as visit:
        page = visit.page
        assert "mean reward per agent 1.12" in page.locator(".answer").inner_text()
        assert column(page, 2) == ["1.12 ± 0.62"] * 3
        assert column(page, 3) == ["0.2 s"] * 3
        assert [column(page, place)[0] for place in (5, 6, 7)] == ["0.1562", "123500", str(2**60)]
        page.locator("#filter").fill("123500")
        assert status(page) == "3 trials, best first."


def test_the_tags_of_a_trial_do_not_lie_over_its_state(browser: Browser, tmp_path: Path) -> None:
    results = made_up_sweep(16, search_space={"memory": ["a", "b"]}, num_finalists=1, confirmation_seeds=1)
    assert results.best is not None
    assert results.best == results.best_of_search
    report = written(results, tmp_path)
    for width, media in ((NARROW, "screen"), (PAPER, "print")):
        with opened(browser, report, width=width) as visit:
            visit.page.emulate_media(media=media)  # type: ignore[arg-type]
            assert visit.page.locator("#trials-table .mark").count() == 2
            assert spilling(visit.page) == []


@pytest.mark.slow
def test_four_thousand_trials_open_quickly_and_stay_usable(browser: Browser, tmp_path: Path) -> None:
    results = made_up_sweep(4000, num_finalists=3)
    report = written(results, tmp_path)
    assert report.stat().st_size < 3_000_000
    with opened(browser, report) as visit:
        page = visit.page
        assert status(page) == "4,000 trials, best first."
        assert page.locator("#trials-table tbody tr").count() == ROWS_PER_PAGE
        page.locator("#filter").fill("pruned objective>3")
        pruned = [trial for trial in results.trials if trial.stopped_early and (trial.objective or 0) > 3]
        assert status(page) == f"{len(pruned):,} of 4,000 trials match, best first."
        assert "are drawn, evenly spaced" in page.locator("#chart-history figcaption").inner_text()
        assert visit.console == []


def test_while_the_sweep_runs_the_page_reloads_itself_until_told_not_to(browser: Browser, tmp_path: Path) -> None:
    results = made_up_sweep(5)
    running = written(results, tmp_path, Unfinished(planned=32, running=True))
    with opened(browser, running) as visit:
        page = visit.page
        assert "5 of 32 trials so far" in page.locator("header").inner_text()
        page.clock.install()
        page.reload()
        assert page.locator("#reload").is_checked()  # as on the page of the experiment
        page.evaluate("window.here = true")
        page.locator("#filter").focus()
        page.clock.fast_forward(31_000)
        assert page.evaluate("window.here")  # a reader who types is left alone
        page.locator("#filter").blur()
        with page.expect_navigation():
            page.clock.fast_forward(31_000)
        assert page.evaluate("window.here") is None
        page.locator("#reload").uncheck()
        page.reload()
        assert not page.locator("#reload").is_checked()
