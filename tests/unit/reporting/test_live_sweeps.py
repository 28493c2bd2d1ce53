"""Pages of running sweeps: written when trials finish, never with results of an earlier run, and beside report.html."""

import io
import os
import re
import time
from html import unescape

import numpy as np
import pytest

from daf.reporting import beside_run, live_sweeps, sweep_page
from daf.reporting.live_sweeps import LIVE_PAGE, LivePages, follow, sweeps_to_follow
from daf.search.plan import SweepPlan
from daf.search.space import build_space
from daf.system.files import write_json, write_text
from tests.clocks import set_clock
from tests.sweep_results import record, sweep_config


@pytest.fixture
def config(tmp_path):
    return sweep_config(num_trials=4, output_dir=str(tmp_path))


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "sweeps" / "miner"
    path.mkdir(parents=True)
    return path


def finish(config, folder, *trials, objective=None):
    space = build_space(config)
    for trial in trials:
        result = record(config, space, trial, np.random.default_rng(trial))
        write_json(
            folder / f"trial-{trial:04d}" / "result.json", result | ({"objective": objective} if objective else {})
        )


def followed(config, current=()):
    plan, folder = SweepPlan(config, {}), config.output_dir / "sweeps" / config.name
    planned = {str(folder / name) for name in (*plan.results(), "report.html")}
    return sweeps_to_follow([plan], config.output_dir, planned, {str(folder / name) for name in current})


def text_of(folder):
    return unescape(re.sub(r"\s+", " ", (folder / LIVE_PAGE).read_text()))


class Run(io.StringIO):
    """The main process, which does something between two looks, and then ends."""

    def __init__(self, *events):
        self.events = list(events)


@pytest.fixture
def pauses():
    """The seconds between two looks."""
    return []


@pytest.fixture
def run(monkeypatch, pauses):
    """Follow sweeps while events happen: each between one look at the files and the next."""

    class Selector:
        def __init__(self):
            self.events = iter(())

        def __enter__(self):
            return self

        def __exit__(self, *raised):
            pass

        def register(self, commands, events):
            self.events = iter(commands.events)

        def select(self, pause):
            pauses.append(pause)
            event = next(self.events, None)
            if event is not None:
                event()
            return event is None

    monkeypatch.setattr(sweep_page, "_drawn", lambda chart, live: "")
    monkeypatch.setattr("daf.charts.interactive.scripts", str)
    monkeypatch.setattr("selectors.DefaultSelector", Selector)
    return lambda sweeps, *events: follow(sweeps, Run(*events))


def test_the_page_follows_the_results(config, folder, run):
    seen = []
    run(
        followed(config),
        lambda: None,
        lambda: (seen.append(text_of(folder)), finish(config, folder, 1)),
        lambda: (seen.append(text_of(folder)), finish(config, folder, 0, 2)),
        lambda: seen.append(text_of(folder)),
    )
    assert "No trial has finished yet." in seen[0]
    assert "1 of 4 trials so far" in seen[1]
    assert "This sweep is still running." in seen[1]
    assert "3 of 4 trials so far" in seen[2]
    assert "no run is at work on it" in text_of(folder)  # it has ended before the sweep did


def test_results_that_this_run_replaces_do_not_count_until_they_are_new(config, folder, run):
    finish(config, folder, 0, 1, objective=77.25)
    seen = []
    run(
        followed(config, current=["trial-0001/result.json"]),
        lambda: None,
        lambda: (seen.append(text_of(folder)), finish(config, folder, 0, objective=88.5)),
        lambda: seen.append(text_of(folder)),
        lambda: (folder / "trial-0001" / "result.json").unlink(),
        lambda: seen.append(text_of(folder)),
    )
    assert "1 of 4 trials so far" in seen[0]
    assert "Trial 1 is the best of 1 so far: mean reward per agent 77.2" in seen[0]
    assert "2 of 4 trials so far" in seen[1]
    assert "Trial 0 is the best of 2 so far: mean reward per agent 88.5" in seen[1]
    assert "1 of 4 trials so far" in seen[2]


def test_a_finished_sweep_leads_to_its_report_and_is_not_followed_any_more(config, folder, run):
    write_text(folder / "report.html", "of an earlier run")
    seen = []
    run(
        followed(config),
        lambda: finish(config, folder, 0, 1, 2, 3),
        lambda: (seen.append(text_of(folder)), write_text(folder / "report.html", "final")),
        lambda: pytest.fail("it still looks"),
    )
    assert "4 trials:" in seen[0]
    assert 'url=report.html"' in text_of(folder)
    assert (folder / "report.html").read_text() == "final"


def test_a_damaged_result_is_left_out_and_told(config, folder, run, capsys):
    def end():
        finish(config, folder, 0)
        write_text(folder / "trial-0001" / "result.json", "{")

    run(followed(config), end)
    assert "1 of 4 trials so far" in text_of(folder)
    assert "trial-0001/result.json" in capsys.readouterr().out


def test_what_goes_wrong_with_a_page_is_logged_and_the_next_is_drawn(config, folder, run, monkeypatch, capsys):
    render = sweep_page.render_sweep_page
    failing = [True]

    def fails_once(*arguments, **options):
        if failing.pop() if failing else False:
            raise OSError("no space left on device")
        return render(*arguments, **options)

    monkeypatch.setattr(sweep_page, "render_sweep_page", fails_once)
    run(followed(config), lambda: None, lambda: finish(config, folder, 0), lambda: None)
    assert "no space left on device" in capsys.readouterr().err
    assert "1 of 4 trials so far" in text_of(folder)


def test_only_sweeps_with_trials_to_come_are_followed(config):
    plan = SweepPlan(config, {})
    folder = config.output_dir / "sweeps" / config.name
    trials, page = [str(folder / name) for name in plan.results()], str(folder / "report.html")
    assert sweeps_to_follow([plan], config.output_dir, [], []) == []
    assert sweeps_to_follow([plan], config.output_dir, [*trials, page], trials) == []  # only the report is missing
    (found,) = sweeps_to_follow([plan], config.output_dir, [*trials, page], trials[:2])
    assert (found["folder"], found["outdated"]) == (str(folder), {})


@pytest.mark.slow
def test_the_process_draws_and_ends_with_the_run(config, folder, tmp_path):
    pages = LivePages(followed(config), tmp_path / "logs" / "live.log")
    finish(config, folder, 0, 1)
    began = time.monotonic()
    pages.close(succeeded=False)
    assert time.monotonic() - began < beside_run.END_SECONDS
    assert pages._process.returncode == 0
    assert "2 of 4 trials so far" in text_of(folder)
    assert (tmp_path / "logs" / "live.log").read_text() == ""


def test_after_a_run_that_succeeded_the_page_leads_to_the_report(config, folder, tmp_path):
    pages = LivePages(followed(config), tmp_path / "live.log")
    finish(config, folder, 0, 1, 2, 3)
    write_text(folder / "report.html", "final")
    pages.close(succeeded=True)
    assert 'url=report.html"' in text_of(folder)
    assert sorted(path.name for path in folder.iterdir() if path.is_file()) == ["live.html", "report.html"]


def test_after_a_run_without_the_report_the_page_says_how_to_make_it(config, folder, tmp_path):
    pages = LivePages(followed(config), tmp_path / "live.log")
    pages.close(succeeded=True)
    assert f"Request {folder}/report.html to make it." in text_of(folder)


def test_the_longer_a_page_takes_the_longer_it_rests(config, folder, run, pauses, monkeypatch):
    used = [0.0]
    draw = live_sweeps._Follower._draw_trials
    set_clock(monkeypatch, live_sweeps, process_time=lambda: used[0])
    monkeypatch.setattr(live_sweeps._Follower, "_draw_trials", lambda one: (draw(one), used.insert(0, used[0] + 3.0)))
    run(
        followed(config),
        lambda: None,  # no trial yet
        lambda: finish(config, folder, 0),  # imports what pages need
        lambda: finish(config, folder, 1),
        lambda: None,  # nothing new
        lambda: finish(config, folder, 2),
    )
    assert pauses == [0.0, 2.0, 2.0, 200.0, 2.0, 200.0]
    assert "3 of 4 trials so far" in text_of(folder)


@pytest.mark.slow
def test_the_process_ends_when_the_main_process_is_killed(config, folder, tmp_path):
    pages = LivePages(followed(config), tmp_path / "live.log")
    assert pages._process.stdin is not None
    os.close(pages._process.stdin.fileno())  # what the kernel does for a killed process
    assert pages._process.wait(timeout=60) == 0
