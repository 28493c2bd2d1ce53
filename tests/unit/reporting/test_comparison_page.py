"""The page of a comparison: its first screen, its tables against the results, what failed, and links."""

from __future__ import annotations

import html
import json
import re
from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd
import pytest

from daf.comparison import daf_compare_scores
from daf.reporting import comparison_charts, comparison_page, comparison_tables
from daf.reporting.comparison_page import PageOptions, render_results, render_workflow_report
from daf.reporting.viewpoint import Viewpoint
from daf.statistics.pair_table import chosen_records
from daf.statistics.records import changed
from daf.statistics.results import ComparisonResults
from daf.statistics.sentences import number, span, verdict_sentence, words_of
from tests.unit.reporting.comparisons import CAUSE, compared, on_hard_missions

pytestmark = pytest.mark.slow  # each page draws about ten figures


def text_of(part: str) -> str:
    """A part of a page as a reader has it."""
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<(script|style|svg).*?</\1>|<[^>]+>", " ", part, flags=re.S)))


def first_screen(page: str) -> str:
    return text_of(page[page.index("<header>") : page.index("<nav")])


def rows_of(page: str, table: str) -> list[list[str]]:
    """The cells of a table's body, as text."""
    body = page[page.index(f'id="{table}"') :]
    body = body[body.index("<tbody>") : body.index("</tbody>")]
    return [
        [text_of(cell).strip() for cell in re.findall(r"<t[hd][ >].*?</t[hd]>", row, re.S)]
        for row in re.findall(r"<tr.*?</tr>", body, re.S)
    ]


@pytest.fixture(scope="module")
def results() -> ComparisonResults:
    return compared({"mynet": 1.0, "expert": 4.0, "random": -2.0}, n=12)


@pytest.fixture(scope="module")
def page(results: ComparisonResults, tmp_path_factory: pytest.TempPathFactory) -> str:
    return render_results(results, tmp_path_factory.mktemp("page") / "report.html").read_text()


def test_the_first_screen_is_the_answer_and_one_chart(page: str) -> None:
    screen = first_screen(page)
    assert "mynet beats random and loses to expert over 2 missions." in screen
    assert page.index('id="answer"') < page.index('id="chart-differences-overall"') < page.index("<nav")
    assert "These checkpoints: tested" in screen
    assert "These recipes: not tested" in screen
    questions = re.findall(r'<details class="question"(.*?)>', page)
    assert questions == ["", ""]  # both folded


def test_a_verdict_against_the_first_policy_is_red_everywhere(page: str) -> None:
    scores = page[page.index('id="scores-table"') : page.index('id="means"')]
    row = scores[scores.index(">expert<") : scores.index(">mynet<")]
    assert row.count('class="sign worse"') == 3
    assert "better" not in re.sub(r'title="[^"]*"', "", row)
    matrix = page[page.index('id="matrix"') : page.index('id="in-words"')]
    for other, colour in (("expert", "worse"), ("random", "better")):
        cells = re.findall(rf'<td class="(\w+)" [^>]*title="(?:mynet against {other}|{other} against mynet)', matrix)
        assert cells == [colour, colour]
    assert re.findall(r'<td class="(\w+)" [^>]*title="expert against random', matrix) == ["neutral"]


def test_the_table_of_missions_has_the_means_and_intervals_of_the_results(
    page: str, results: ComparisonResults
) -> None:
    rows = rows_of(page, "scores-table")
    assert [row[0] for row in rows] == ["expert", "mynet", "random"]
    for row in rows:
        for cell, mission in zip(row[1:], ("overall", "m", "k"), strict=True):
            record = next(r for r in results.summary if (r.policy, r.mission) == (row[0], mission))
            assert cell.endswith(f"{number(record.mean)} {span(record.interval_low, record.interval_high)}")


def test_every_sentence_is_on_the_page_once(page: str, results: ComparisonResults) -> None:
    shown, words = text_of(page), words_of(results.config, 2, results.unit)
    records = [record for record in results.lead_records() if "mynet" in (record.policy_a, record.policy_b)]
    assert len(records) == 2
    for record in records:
        assert shown.count(verdict_sentence(record, words)) == 1


def test_no_raw_key_and_no_backtick_shows(page: str) -> None:
    shown = text_of(page)
    assert "`" not in shown
    assert not re.search(r"\b(nan|NaN|None)\b", shown)
    for key in ("confidence_level", "computation.", "recipe_claim", "metadata"):
        assert key not in shown
    assert "Confidence level 0.95" in shown
    assert "<code>normalization</code>" in page


def test_notes_come_after_the_charts_in_at_most_five_lines(page: str) -> None:
    notes = page[page.index('<h2 id="notes">') : page.index('<h2 id="pairs">')]
    assert 1 <= notes.count("<li><strong>") <= 5
    assert page.rindex('<figure class="chart"') < page.index('<h2 id="notes">')


def test_scores_without_episodes_have_the_same_first_screen(tmp_path: Path) -> None:
    rows = [
        {"policy": policy, "mission": mission, "seed": seed, "score": mean + 0.1 * ((seed * 7) % 5)}
        for policy, mean in (("a", 9.0), ("b", 0.0))
        for mission in ("m", "k")
        for seed in range(6)
    ]
    daf_compare_scores(pd.DataFrame(rows), num_resamples=200, output_dir=tmp_path)
    page = (tmp_path / "report.html").read_text()
    screen = first_screen(page)
    assert "The recipe a beats the recipe b over 2 missions by " in screen
    assert screen.index("These recipes: tested") < screen.index("These checkpoints: not tested")
    assert "insufficient data" not in screen
    assert 'href="checklist.md"' in page
    names = {path.stem for path in (tmp_path / "figures").iterdir()}
    assert {"differences-overall", "intervals-m", "iqm-recipes", "profile-recipes", "improvement"} <= names
    assert "95 % intervals over training seeds" in (tmp_path / "figures" / "iqm-recipes.svg").read_text()


def test_failures_are_red_lines_above_the_answer_with_count_and_error(tmp_path: Path) -> None:
    def fails(policy: str, mission: str, episode: int) -> bool:
        return policy == "lost" or ((policy, mission) == ("partly", "k") and episode < 3)

    results = compared({"lost": 1.0, "partly": 0.0, "whole": 3.0}, n=8, fails=fails)
    page = render_results(results, tmp_path / "report.html").read_text()
    alert = page[page.index('role="alert"') : page.index('id="answer"')]
    lines = [text_of(line).replace(" :", ":").strip() for line in re.findall(r"<li>.*?</li>", alert, re.S)]
    assert lines == [
        f"✕ lost: 16 of 16 episodes failed: {CAUSE}",
        f"✕ partly: 3 of 8 episodes failed on k: {CAUSE} Its scores leave these episodes out; unless they failed by "
        "chance, they are too high.",
    ]
    assert rows_of(page, "scores-table")[-1] == ["lost", "failed", "failed", "failed"]
    assert text_of(page).count("no complete result") == 0  # the red line says it
    assert "partly loses to whole" in first_screen(page)
    nothing = render_results(compared({"a": 0.0, "b": 1.0}, n=2, fails=lambda *_: True), tmp_path / "no.html")
    assert "No policy has a result: every episode failed." in first_screen(nothing.read_text())


def test_a_policy_that_fails_on_several_missions_has_one_red_line() -> None:
    missions = ("easy", *(f"hard{index}" for index in range(11)))
    results = compared({"mine": 1.0, "mynet": 5.0}, missions=missions, n=4, fails=on_hard_missions)
    ((line, lost),) = comparison_tables.failure_lines(results)
    assert (line.policy, line.failed, line.total) == ("mynet", 44, 48)
    assert f"{line.where}{line.lead}{line.cause}" == f" on 11 of 12 missions, the first with {CAUSE}"
    assert line.after == ""
    assert lost == list(missions[1:])


def test_a_mean_over_fewer_missions_is_marked_in_the_table(tmp_path: Path) -> None:
    missions = ("easy", "hard1", "hard2")
    results = compared({"mine": 1.0, "mynet": 5.0}, missions=missions, n=8, fails=on_hard_missions)
    rows = rows_of(render_results(results, tmp_path / "r.html").read_text(), "scores-table")
    assert [row[0] for row in rows] == ["mine", "mynet"]
    assert ["over" in cell for cell in rows[0]] == [False] * 5
    assert [cell.endswith("over 1 of 3 missions") for cell in rows[1]] == [False, True, False, False, False]


def test_numbers_of_several_checkpoints_say_what_an_episode_is(tmp_path: Path) -> None:
    several = compared({"a": 1.0, "b": 3.0}, n=4, seeds=(21, 7, 35))
    page = render_results(several, tmp_path / "r.html").read_text()
    assert "SD and range are those of episodes, each averaged over 3 checkpoints" in page
    row = next(row for row in rows_of(page, "summary-table") if row[1] == "m")
    assert any(" ".join(cell.split()) == "4 each averaged over 3 checkpoints" for cell in row), row
    one = render_results(compared({"a": 1.0, "b": 3.0}, n=4), tmp_path / "one.html").read_text()
    assert "each averaged" not in one
    assert "2 policies on 2 missions, 4 episodes per checkpoint and mission, 95 % intervals" in page
    assert "2 policies on 2 missions, 4 episodes per policy and mission, 95 % intervals" in one
    single = render_results(compared({"a": 1.0, "b": 3.0}, n=4, missions=("m",)), tmp_path / "m.html").read_text()
    assert "2 policies on 1 mission, 4 episodes per policy, 95 % intervals" in single


def test_raw_rewards_are_a_switch_of_normalized_scores(tmp_path: Path) -> None:
    results = compared({"low": 10.0, "mid": 20.0, "high": 30.0}, n=8, normalization={"low": "low", "high": "high"})
    page = render_results(results, tmp_path / "report.html").read_text()
    assert 'class="pick-raw"' in page
    (legend,) = re.findall(r'<p class="soft legend">Mean of each policy.*?</p>', page)
    assert '<span class="raw"> Raw rewards are per agent.</span><span class="score"> Signs say' in legend
    assert legend.endswith("? insufficient data.</span></p>")  # no text outside them
    (middle,) = [row for row in rows_of(page, "scores-table") if row[0] == "mid"]
    record = next(r for r in results.summary if (r.policy, r.mission) == ("mid", "m"))
    scored, raw = middle[2].split("  ")[0], number(record.mean_reward)
    assert number(record.mean) in scored
    assert raw in middle[2]
    plain = render_results(compared({"a": 0.0, "b": 1.0}, n=4), tmp_path / "plain.html").read_text()
    assert 'class="pick-raw"' not in plain


def test_the_workflows_page_links_to_missions_sweeps_and_data_and_shows_training(tmp_path: Path) -> None:
    folder = tmp_path / "comparisons" / "main"
    compared({"mynet": 1.0, "random": 0.0}, missions=("m",), n=4, seeds=(1,)).write(folder)
    run = tmp_path / "training" / "net" / "seed-1"
    run.mkdir(parents=True)
    evaluations = [{"agent_steps": 100, "mean_reward": 1.5}]
    record = {"status": "completed", "evaluations": evaluations, "published": {"agent_steps": 100}}
    (run / "run.json").write_text(json.dumps(record))
    (run / "metrics.jsonl").write_text('{"agent_steps": 50, "episode_reward": 1.0}\n')
    analysis = {
        "policy": "mynet-seed-1",
        "num_episodes": 4,
        "mean_reward": 1.1,
        "success_rate": 0.25,
        "failure_modes": [],
    }
    mission = {"mission": "m", "metadata": {"num_agents": 4, "observation_shape": [1]}, "analyses": [analysis]}
    page = render_workflow_report(
        folder,
        folder / "report.html",
        folder / "figures",
        missions={str(tmp_path / "reports" / "missions" / "m.json"): mission},
        training={"mynet": {"runs": ["net/seed-1"], "sweep": "search"}},
        run_files=[run / "run.json"],
        title="my experiment",
    ).read_text()
    for address in ("../../reports/missions/m.html", "../../sweeps/search/report.html", "pairwise.csv"):
        assert f'href="{address}"' in page
    assert page.index('id="chart-training-held_out"') < page.index('id="scores"')
    assert "published at 100, reward 1.50" in page
    shown = text_of(page[page.index('id="missions"') : page.index('id="methods"')])
    assert "Agents 4 mynet 4 episodes, mean reward 1.10, success 25 %" in shown
    assert "observation" not in shown.lower()
    assert (folder / "figures" / "training-held_out.svg").is_file()


def test_names_stay_text(tmp_path: Path) -> None:
    name = "<script>alert(1)</script>" + "x" * 60
    results = compared({name: 5.0, "b": 0.0}, missions=("<i>m</i>",), n=4)
    page = render_results(results, tmp_path / "r.html", tmp_path / "figures", options=PageOptions()).read_text()
    assert "<script>alert" not in page
    assert "<i>m</i>" not in page
    assert name in html.unescape(page)


def test_a_bar_that_excludes_zero_without_a_winner_is_explained_beside_it(tmp_path: Path) -> None:
    results = compared({"b": 0.9, "a": 0.0}, missions=("m",), n=4)
    records = tuple(
        changed(record, verdict="inconclusive", interval_low=0.1, interval_high=1.0, p=0.02, p_holm=0.12, n_tests=6)
        for record in results.pairs
    )
    page = render_results(replace(results, pairs=records), tmp_path / "r.html").read_text()
    assert (
        "a is undecided: the interval excludes 0, but it is for this pair alone: among 6 tests, p is 0.12."
        in first_screen(page)
    )


def test_policies_with_the_same_explanation_share_a_sentence() -> None:
    results = compared({"mynet": 0.9, **dict.fromkeys(("a", "b", "c", "d", "e"), 0.0)}, missions=("m",), n=4)

    def sentences_of(names: str) -> list[str]:
        excluding = {"verdict": "inconclusive", "interval_low": 0.1, "interval_high": 1.0, "p": 0.02, "p_holm": 1.0}
        records = tuple(
            changed(record, **excluding, n_tests=4950)
            if record.policy_a == "mynet" and record.policy_b in names
            else changed(record, verdict="better")
            for record in results.pairs
        )
        return comparison_tables.undecided(Viewpoint(replace(results, pairs=records)))

    why = "undecided: the interval excludes 0, but it is for this pair alone: among 4,950 tests, p is 1.00."
    assert sentences_of("a") == [f"a is {why}"]
    assert [sorted(re.findall(r"\b[a-c]\b", one)) for one in sentences_of("abc")] == [["a", "b", "c"]]
    (many,) = sentences_of("abcde")
    assert re.fullmatch(rf"\w, \w, \w and 2 others are {re.escape(why)}", many)


def test_a_page_of_too_many_policies_has_the_ranking_first_and_says_what_it_leaves_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, limits in (
        (comparison_tables, {"MOST_TESTS": 6, "MOST_CELLS": 9, "MOST_ROWS": 5}),
        (comparison_charts, {"MOST_DRAWN": 7}),
        (comparison_page, {"MOST_PICTURES": 3}),
    ):
        for name, limit in limits.items():
            monkeypatch.setattr(module, name, limit)
    results = compared({"last": 0.0, "third": 1.0, "second": 2.0, "first": 3.0})
    page = render_results(results, tmp_path / "page.html", tmp_path / "figures").read_text()
    text = text_of(page)

    assert [row[0] for row in rows_of(page, "scores-table")] == ["first", "second", "last"]
    assert "These are 3 of 4 policies: those with the highest means, and last. All are in summary.csv." in text
    assert [row[:2] for row in rows_of(page, "summary-table")] == [
        [policy, "all missions"] for policy in ("first", "second", "third", "last")
    ]
    assert "Scores (4 of 12 rows) These are the rows over all missions. All 12 are in summary.csv." in text
    assert f"Ranks (4 of {len(results.rank_records)} rows)" in text
    assert f"All {len(results.pairs)} are in pairwise.csv." in text
    assert all("last" in row[0] for row in rows_of(page, "pairs-table"))
    assert page.index("chart-differences-overall") < page.index('id="scores-table"') < page.index('id="summary-table"')

    assert page.count('<svg class="chart-svg"') == 1  # the first chart's
    assert "the charts below are drawn by scripts only; figures/ has them as pictures" in text
    names = {path.stem for path in (tmp_path / "figures").iterdir()}
    assert {"differences-overall", "intervals-overall", "improvement"} <= names
    assert not any(name.endswith(("-m", "-k")) for name in names)
    assert "single missions have no figures. Their scores are in scores.csv" in text


def test_sentences_of_a_question_that_does_not_lead_are_in_its_tag_and_only_there(tmp_path: Path) -> None:
    both = compared({"a": 0.0, "b": 5.0}, seeds=(1, 2, 3, 4, 5), n=8)
    assert all(answer["answered"] for answer in both.estimand.values())
    leading = both.lead_records()[0].estimand
    page = render_results(both, tmp_path / "page.html").read_text()
    tags = re.findall(r'<details class="question">.*?</details>', page, re.S)
    words = words_of(both.config, 2, both.unit)
    for estimand, heading in (("checkpoints", "These checkpoints"), ("recipes", "These recipes")):
        (tag,) = [part for part in tags if heading in part]
        (record,) = both.headline_records(estimand)
        assert (verdict_sentence(record, words) in text_of(tag)) == (estimand != leading)


def test_points_of_view_read_rows_about_their_policy_only(results: ComparisonResults) -> None:
    for policy in results.policies:
        about = [repr(asdict(record)) for record in results.pairs if policy in (record.policy_a, record.policy_b)]
        assert [repr(asdict(record)) for record in chosen_records(results.pairs, policy=policy)] == about
        assert [repr(asdict(record)) for record in chosen_records(list(results.pairs), policy=policy)] == about
        assert 0 < len(results.lead_records(policy=policy)) < len(results.lead_records())
