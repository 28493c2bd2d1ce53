"""Policies whose episodes all failed: a row in every table, a line on the page, and true reasons."""

from __future__ import annotations

from dataclasses import asdict
from math import isnan
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from daf.compare.scores import compare_score_table
from daf.errors import BadInputError
from daf.reporting.comparison_page import render_results
from daf.statistics.comparison import compare_episodes
from daf.statistics.records import OVERALL
from daf.statistics.results import ComparisonResults
from daf.statistics.sequential import interim_analyses
from tests.unit.test_comparison import config, episodes

CAUSE = "ValueError: <boom> (p.py:3 in step, step 1, seed 2)"


def compared(
    *failed: str, missions: tuple[str, ...] = ("m", "k"), on: tuple[str, ...] = ("m", "k")
) -> ComparisonResults:
    """Policies t (two training seeds), r and s; all episodes of `failed` on the missions `on` failed."""
    frame = episodes({"t": 2.0, "r": 0.0, "s": 1.0}, missions=missions, seeds={"t": (1, 2)})
    lost = frame["policy"].isin(failed) & frame["mission"].isin(on)
    frame["failure"] = pd.Series(None, frame.index, object).mask(lost, CAUSE)
    frame.loc[lost, "mean_reward"] = np.nan
    return compare_episodes(frame, config("t", "r", "s", missions=missions))


def test_a_failed_policy_is_a_row_in_every_table() -> None:
    results = compared("t")
    mine = [record for record in results.summary if record.policy == "t"]
    assert [(r.mission, r.n_episodes, r.failures, r.first_failure, r.trained) for r in mine] == [
        ("m", 0, 48, CAUSE, True),
        ("k", 0, 48, CAUSE, True),
        (OVERALL, 0, 96, CAUSE, True),
    ]
    assert all(isnan(record.mean) for record in mine)
    pairs = [record for record in results.pairs if "t" in (record.policy_a, record.policy_b)]
    assert [(r.policy_a, r.policy_b, r.mission) for r in pairs] == [
        ("t", other, mission) for other in ("r", "s") for mission in ("m", "k", OVERALL)
    ]
    assert {(r.verdict, r.reason) for r in pairs} == {("insufficient data", "t failed in every episode")}
    for table in (results.ranks, results.aggregates):
        assert set(table["policy"]) == {"t", "r", "s"}
    assert results.ranks.query("policy == 't'")["mean_rank"].isna().all()
    assert results.scores().query("policy == 't'")["score"].isna().all()


def test_runs_that_fail_in_turn_did_not_fail_in_every_episode() -> None:
    frame = episodes({"t": 2.0, "r": 0.0}, seeds={"t": (1, 2)})
    lost = (frame["policy"] == "t") & ((frame["episode"] % 2 == 0) == (frame["train_seed"] == 1))
    frame["failure"] = pd.Series(None, frame.index, object).mask(lost, CAUSE)
    frame.loc[lost, "mean_reward"] = np.nan
    results = compare_episodes(frame, config("t", "r"))
    assert {record.reason for record in results.pairs} == {"no episode of t has a result of every training run"}
    assert "failed in every episode" not in str(results)


def test_the_others_are_compared_as_if_it_were_not_there() -> None:
    frame = episodes({"t": 2.0, "r": 0.0, "s": 1.0}, missions=("m", "k"), seeds={"t": (1, 2)})
    alone = compare_episodes(frame[frame["policy"] != "t"], config("r", "s", missions=("m", "k")))
    among = {repr(asdict(record)) for record in compared("t").pairs}  # NaN differs from NaN
    assert {repr(asdict(record)) for record in alone.pairs} < among


def test_the_reason_about_recipes_does_not_say_that_no_training_seeds_are_known() -> None:
    why = compared("t").estimand["recipes"]["why"]
    assert why == (
        "t failed in every episode, so nothing is known about training t again; no training seeds are known for the "
        "other policies."
    )
    few = "2 training seeds cannot show how much runs vary; train at least 3."
    assert compared("r").estimand["recipes"]["why"] == few


def test_it_is_a_line_and_no_note() -> None:
    results = compared("t")
    assert str(results).splitlines()[:2] == [
        "Failed",
        f"  t has no result on any of 2 missions: 96 episodes failed, the first with {CAUSE}.",
    ]
    assert not any("boom" in note for note in results.notes)


def test_a_failure_on_one_mission_leaves_the_other() -> None:
    results = compared("t", on=("m",))
    (record,) = results.failed
    assert (record.policy, record.mission, record.failures) == ("t", "m", 48)
    (overall,) = [r for r in results.summary if (r.policy, r.mission) == ("t", OVERALL)]
    assert (overall.n_missions, overall.failures, overall.first_failure) == (1, 48, CAUSE)
    assert overall.mean == pytest.approx(next(r.mean for r in results.summary if (r.policy, r.mission) == ("t", "k")))
    (pair,) = [r for r in results.pairs if (r.estimand, r.policy_b, r.mission) == ("checkpoints", "r", "m")]
    assert pair.reason == "t failed in every episode"


@pytest.mark.parametrize("missions", [("m",), ("m", "k")])
def test_results_are_made_even_if_every_policy_failed(missions: tuple[str, ...], tmp_path: Path) -> None:
    results = compared("t", "r", "s", missions=missions, on=missions)
    assert results.estimand["checkpoints"]["why"] == "every policy failed in every episode."
    again = ComparisonResults.read(results.write(tmp_path))
    assert again.to_dict() == results.to_dict()
    page = render_results(results, tmp_path / "report.html", tmp_path / "figures").read_text()
    assert page[page.index('role="alert"') : page.index('id="answer"')].count("ValueError: &lt;boom&gt;") == 3


def test_the_page_shows_it_in_red_above_all_else(tmp_path: Path) -> None:
    page = render_results(compared("t"), tmp_path / "report.html", tmp_path / "figures").read_text()
    alert, answer = page.index('role="alert"'), page.index('id="answer"')
    assert alert < page.index("ValueError: &lt;boom&gt;") < answer
    assert "<strong>t: 96 of 96 episodes failed</strong>" in page
    assert '<tr class="all failed"' in page
    assert "failed in every episode" in (tmp_path / "figures/intervals-overall.svg").read_text()
    calm = render_results(compared(), tmp_path / "calm.html").read_text()
    assert 'role="alert"' not in calm


def test_interim_analyses_do_not_wait_for_a_policy_that_failed() -> None:
    frame = episodes({"t": 2.0, "r": 0.0}, missions=("m",), seeds={"t": (1, 2)})
    lost = frame["policy"] == "t"
    frame["failure"] = pd.Series(None, frame.index, object).mask(lost, CAUSE)
    frame.loc[lost, "mean_reward"] = np.nan
    automatic = config("t", "r").model_copy(update={"episodes_per_mission": "auto", "max_episodes_per_mission": 24})
    first, *_ = interim_analyses(frame, automatic)
    assert first.sequential is not None
    assert first.sequential["done"]


def test_a_table_of_missing_scores_is_refused_as_before() -> None:
    frame = episodes({"t": 2.0, "r": 0.0}).assign(mean_reward=np.nan, failure="the score is missing")
    with pytest.raises(BadInputError, match="failed episodes only"):
        compare_score_table(frame, [], config("t", "r"), frame)
