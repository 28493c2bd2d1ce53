"""A mission's page in a real browser: marks move as agents did, stop when asked, and stand still for who wants that."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

pytest.importorskip("cogames")

from daf.engine.replays import EpisodeTrace
from daf.reporting import animation, player
from daf.reporting.mission_page import PageSetting
from tests.browser.tools import Visit, opened
from tests.mission_pages import walk, write_page

pytestmark = [pytest.mark.browser, pytest.mark.slow]
STEPS = 600
MARKS = """scene => [...scene.querySelectorAll(".agent")].map(mark => {
    const matrix = new DOMMatrix(getComputedStyle(mark).transform); return [matrix.f, matrix.e]; })"""


@pytest.fixture
def trace() -> EpisodeTrace:
    return walk(8, steps=STEPS)


@pytest.fixture
def page(trace: EpisodeTrace, tmp_path: Path) -> Path:
    return write_page(tmp_path / "mission.html", {"a policy": trace})


# ---- the animation: without scripts --------------------------------------------------------------------------------


def test_marks_are_where_agents_were(browser: Browser, page: Path, trace: EpisodeTrace) -> None:
    """Style sheets alone; a debugger's scripts only look."""
    frames = animation.frame_steps(STEPS)
    with opened(browser, page, scripts=False) as visit:
        box, scene = visit.page.locator(".hold"), visit.page.locator(".scene")
        running = "() => document.getAnimations().map(one => one.playState)"
        states = visit.page.evaluate(running)
        assert states == ["running"] * (3 * (1 + animation.GHOSTS) + 3)  # marks, ghosts; cursor, its dot and the step
        box.check()
        assert set(visit.page.evaluate(running)) == {"paused"}
        box.uncheck()
        width = scene.locator(".reward-curve").evaluate("chart => chart.offsetWidth")
        for step in (frames[0], frames[1], frames[77], frames[-2], STEPS):
            moment = 1000 * animation.seconds(STEPS) * step / STEPS
            visit.page.evaluate(
                "moment => document.getAnimations().forEach(one => { one.pause(); one.currentTime = moment; })", moment
            )
            said = scene.locator(".step").evaluate(
                "step => getComputedStyle(step, '::after').getPropertyValue('--step')"
            )
            assert int(said) == pytest.approx(step, abs=1)
            for mark, place in zip(scene.evaluate(MARKS), trace.positions[step].tolist(), strict=True):
                assert mark == pytest.approx(place, abs=0.1), step
            cursor = scene.locator(".now").evaluate("now => getComputedStyle(now).left")
            assert float(cursor.rstrip("px")) == pytest.approx(width * step / STEPS, abs=1)


def test_a_reader_who_wants_no_motion_sees_the_end_and_the_ways_there(
    browser: Browser, page: Path, trace: EpisodeTrace
) -> None:
    def shown(visit: Visit) -> list[bool]:
        selectors = (".trail", ".ghost", ".hold", ".if-still")
        return [visit.page.locator(selector).first.is_visible() for selector in selectors]

    with opened(browser, page, scripts=False, still=True) as visit:
        assert visit.page.evaluate("document.getAnimations().length") == 0
        assert visit.page.locator(".scene").evaluate(MARKS) == trace.positions[-1].tolist()
        assert shown(visit) == [True, False, False, True]
    with opened(browser, page, scripts=False) as visit:
        assert shown(visit) == [False, True, True, False]


# ---- the player: with scripts --------------------------------------------------------------------------------------


@pytest.fixture
def watched() -> tuple[EpisodeTrace, EpisodeTrace, EpisodeTrace]:
    """Best, median and worst, of different lengths."""
    return walk(8, steps=STEPS), walk(9, steps=450), walk(10, steps=1500)


@pytest.fixture
def player_page(watched: tuple[EpisodeTrace, ...], tmp_path: Path) -> Path:
    return write_page(tmp_path / "player.html", {"a policy": watched})


def shown_places(page: Page, episode: int) -> list[list[float]]:
    found: list[list[float]] = page.locator(f'.scene[data-episode="{episode}"]').evaluate(MARKS)
    return found


def slide_to(page: Page, step: int) -> None:
    page.locator(".controls input").evaluate(
        "(slider, step) => { slider.value = step; slider.dispatchEvent(new Event('input')); }", step
    )


def test_the_slider_goes_to_any_step_of_the_chosen_episode(
    browser: Browser, player_page: Path, watched: tuple[EpisodeTrace, ...]
) -> None:
    with opened(browser, player_page) as visit:
        page = visit.page
        for episode, label in enumerate(("best", "median", "worst")):
            page.get_by_label(label).check()
            scenes = page.locator(".scene:visible")
            assert scenes.count() == 1
            assert scenes.get_attribute("data-episode") == str(episode)
            trace, steps = watched[episode], len(watched[episode].positions) - 1
            each = animation.steps_per_frame(steps, player.MAX_FRAMES)
            for step in (0, 4 * each, steps // 2 // each * each, steps):
                slide_to(page, step)
                assert shown_places(page, episode) == trace.positions[step].tolist(), (label, step)
                assert page.locator("output").inner_text() == f"step {step:,} of {steps:,}"
                cursor = page.locator(f'.scene[data-episode="{episode}"] .now').evaluate("now => now.style.left")
                assert float(cursor.rstrip("%")) == pytest.approx(100 * step / steps)
        assert visit.console == []


def test_the_mark_on_the_curve_has_the_mean_reward_of_the_step(
    browser: Browser, player_page: Path, watched: tuple[EpisodeTrace, ...]
) -> None:
    with opened(browser, player_page) as visit:
        means = watched[1].rewards.mean(axis=1)
        tops = []
        for step in (0, 450, 225):
            slide_to(visit.page, step)
            top = visit.page.locator('.scene[data-episode="1"] .here').evaluate("here => here.style.top")
            tops.append(float(top.rstrip("%")))
        bottom, highest, middle = tops
        assert (bottom - middle) / (bottom - highest) == pytest.approx(means[225] / means[450], abs=0.01)


def test_play_moves_pause_stops_and_speed_multiplies(browser: Browser, player_page: Path) -> None:
    """By a clock that the test turns itself."""
    with opened(browser, player_page, paused=True) as visit:
        page = visit.page
        button, slider = page.locator(".controls button"), page.locator(".controls input")
        page.locator(".player").scroll_into_view_if_needed()
        page.clock.run_for(300)
        assert button.inner_text() == "Pause"
        slide_to(page, 0)
        assert button.inner_text() == "Play"

        def steps_in(milliseconds: int) -> int:
            before = int(slider.input_value())
            page.clock.run_for(milliseconds)
            return int(slider.input_value()) - before

        assert steps_in(1000) == 0
        button.click()
        normal = 450 / animation.seconds(450)  # steps per second
        assert steps_in(1000) == pytest.approx(normal, abs=2)
        page.locator(".controls select").select_option("4")
        assert steps_in(1000) == pytest.approx(4 * normal, abs=4)
        button.click()
        assert steps_in(1000) == 0


def test_the_arrow_keys_step_and_the_words_follow(browser: Browser, player_page: Path) -> None:
    with opened(browser, player_page) as visit:
        slide_to(visit.page, 10)
        slider = visit.page.locator(".controls input")
        slider.press("ArrowRight")
        assert slider.input_value() == "11"
        assert slider.get_attribute("aria-valuetext") == "step 11 of 450"


def test_without_scripts_the_median_moves_and_the_others_show_their_ends(
    browser: Browser, player_page: Path, watched: tuple[EpisodeTrace, ...]
) -> None:
    with opened(browser, player_page, scripts=False) as visit:
        page = visit.page
        assert not page.locator(".controls").is_visible()
        median = page.locator(".scene:visible")
        assert median.get_attribute("data-episode") == "1"
        assert median.locator(".agent").first.evaluate("mark => getComputedStyle(mark).animationName") == "e0-a0"
        page.get_by_label("worst").check()
        worst = page.locator(".scene:visible")
        assert worst.get_attribute("data-episode") == "2"
        assert shown_places(page, 2) == watched[2].positions[-1].tolist()
        assert worst.locator(".trail").first.is_visible()


def test_who_wants_no_motion_sees_the_end_until_they_step(
    browser: Browser, player_page: Path, watched: tuple[EpisodeTrace, ...]
) -> None:
    with opened(browser, player_page, still=True) as visit:
        page = visit.page
        scene = page.locator(".scene:visible")
        assert shown_places(page, 1) == watched[1].positions[-1].tolist()
        assert scene.locator(".trail").first.is_visible()
        assert page.locator(".controls button").inner_text() == "Play"
        slide_to(page, 100)
        assert shown_places(page, 1) == watched[1].positions[100].tolist()
        assert not scene.locator(".trail").first.is_visible()


def test_a_command_is_copied_whole(browser: Browser, tmp_path: Path) -> None:
    page_file = tmp_path / "reports" / "m.html"
    tables = {"a policy": tmp_path / "evaluations" / "a policy" / "m" / "episodes.parquet"}
    setting = PageSetting(report=tmp_path / "reports" / "m.json", episodes=tables)
    write_page(page_file, {"a policy": walk(8, steps=STEPS)}, setting)
    with opened(browser, page_file) as visit:
        visit.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        visit.page.locator("button.copy").first.click()
        visit.page.get_by_text("Copied", exact=True).wait_for()
        copied = visit.page.evaluate("navigator.clipboard.readText()")
        assert copied == f"python -m daf.evaluation.replays {setting.report} 'a policy' 0"
