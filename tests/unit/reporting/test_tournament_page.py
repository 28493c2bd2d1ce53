"""The page of a tournament: what it says first, what it shows of whom, and that it stands alone."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest

from daf.reporting.page_heads import page_head
from daf.reporting.tournament_charts import TournamentCharts
from daf.reporting.tournament_page import TournamentPageOptions, render_tournament, render_workflow_tournament
from daf.reporting.tournament_tables import MOST_HEAT, by_seat, matrix, partners
from daf.tournament.answers import answer
from daf.tournament.files import FILES, write_tournament
from daf.tournament.league import read_league
from daf.tournament.results import TournamentResults, analyze_scores
from tests.tournament_results import made_up_tournament
from tests.unit.tournament.simulated import tournament

NAME = "<script>alert('x')</script>"


@pytest.fixture(scope="module")
def pairing() -> TournamentResults:
    return made_up_tournament(NAME, "b", "c", pool=(), missions=["one", "two"], episodes=4)


@pytest.fixture(scope="module")
def pickup() -> TournamentResults:
    return made_up_tournament("a", "b", "c", fails=("c",))


def text_of(page: Path) -> str:
    """What a reader without scripts sees, charts left out."""
    body = page.read_text().partition("<main>")[2].partition("</main>")[0]
    for kind in ("script", "style", "svg"):
        body = re.sub(rf"<{kind}.*?</{kind}>", "", body, flags=re.S)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", body)))


def test_the_page_begins_with_the_answer_and_its_head_repeats_it(pickup: TournamentResults, tmp_path: Path) -> None:
    page = render_tournament(pickup, tmp_path / "report.html", title="arena")
    head = page_head(page)
    assert head is not None
    assert head.title == "arena"
    assert head.sentence == answer(pickup).sentence
    text = text_of(page)
    assert text.index("c: ") < text.index(answer(pickup).sentence) < text.index("Value over replacement, m")
    assert "c: 104 of 104 episodes failed : ValueError: no" in text


def test_the_page_stands_alone_and_repeats_byte_for_byte(pairing: TournamentResults, tmp_path: Path) -> None:
    pages = [
        render_tournament(
            pairing, tmp_path / name / "report.html", tmp_path / name / "figures",
            options=TournamentPageOptions(files=FILES),
        ).read_text()
        for name in ("x", "y")
    ]  # fmt: skip
    assert pages[0] == pages[1]
    markup = re.sub(r"<script.*?</script>", "", pages[0], flags=re.S)
    assert not re.search(r"\bsrc=|\bhref=\"(?!#)[^\"]*:|url\((?!#)", markup)
    assert "alert('x')</script>" not in markup
    assert not re.search(r"\b(nan|NaN|None|NA)\b", text_of(tmp_path / "x" / "report.html"))
    figures = {path.name for path in (tmp_path / "x" / "figures").iterdir()}
    assert {"rank-sets.svg", "cross-play-overall.svg", "seats-one.svg", "contributions-two.svg"} <= figures


def test_sections_are_there_if_the_data_have_them(
    pairing: TournamentResults, pickup: TournamentResults, tmp_path: Path
) -> None:
    text = text_of(render_tournament(pairing, tmp_path / "pairing.html"))
    for title in ("Best and worst partners", "Seat by seat", "Contributions", "On each mission", "for recognition"):
        assert title in text
    assert "they move when copies of a policy join" in text
    assert "in all seats" not in text  # of a pairing, no candidate plays all
    assert "Over replacement" not in text
    text = text_of(render_tournament(pickup, tmp_path / "pickup.html"))
    assert "Over replacement" in text
    assert "These line-ups had episodes that failed" in text
    assert "On each mission" not in text


def test_the_matrix_has_the_means_of_cross_play_and_the_strongest_colour_for_the_highest(
    pairing: TournamentResults,
) -> None:
    found = matrix(pairing, "overall")
    assert found is not None
    assert found["columns"] == [NAME, "b", "c"]
    cells = {
        (row["policy"], column): cell
        for row in found["rows"]
        for column, cell in zip(found["columns"], row["cells"], strict=True)
    }
    assert cells["b", "b"] is None
    highest = max((cell for cell in cells.values() if cell), key=lambda cell: cell.value)
    assert highest.heat == MOST_HEAT
    record = next(r for r in pairing.cross_play if (r.policy, r.partner, r.mission, r.seats) == ("b", "c", "two", None))
    two = matrix(pairing, "two")
    assert two is not None
    assert two["rows"][1]["cells"][2].value == record.mean
    (first, *_) = partners(pairing, "overall")
    assert first["policy"] == NAME
    assert first["best"].mean > first["worst"].mean
    assert first["intervals"] == "overlap"


def test_partners_whose_intervals_do_not_overlap_are_apart(tmp_path: Path) -> None:
    scores = {("a", "b"): 5.0, ("a", "c"): 1.0}
    rows = [
        {"match": f"{number}-{pair}", "policy": policy, "seats": 2, "score": base + number % 3, "map": number}
        for number in range(8)
        for pair, base in scores.items()
        for policy in pair
    ]
    config = tournament(format="round_robin", candidates=["a", "b", "c"], pool=[], missions=["league"])
    results = analyze_scores(read_league(rows), config)
    (found,) = partners(results, "league")
    assert (found["policy"], found["best"].partner, found["worst"].partner) == ("a", "b", "c")
    assert found["intervals"] == "apart"
    text = text_of(render_tournament(results, tmp_path / "league.html"))
    assert re.search(r"a b 5\.88 \(.* to .*\) c 1\.88 \(.* to .*\) apart", text)


def test_the_first_chart_has_the_differences_that_decide(pairing: TournamentResults, pickup: TournamentResults) -> None:
    lead = TournamentCharts(pairing).lead()
    assert lead is not None
    assert lead.name == "against-first-overall"
    assert pairing.candidates is not None
    own = next(r for r in pairing.candidates.headline_records() if {r.policy_a, r.policy_b} == {NAME, "c"})
    assert [row["label"] for row in lead.rows] == [NAME, "b", "c"]
    assert lead.rows[0]["value"] is None
    assert lead.rows[2]["value"] == -abs(own.difference)
    assert lead.rows[2]["status"] == "worse"
    assert lead.rows[2]["low"] < lead.rows[2]["value"] < lead.rows[2]["high"] < 0
    over = TournamentCharts(pickup).lead()
    assert over is not None
    assert over.name == "over-replacement-m"
    values = {record.policy: record.over_replacement for record in pickup.values if record.seats is None}
    assert {row["label"]: row["value"] for row in over.rows if row["value"] is not None} == values
    assert [row["status"] for row in over.rows if row["label"] == "c"] == ["failed"]


def test_a_league_has_a_page_without_what_needs_seats(tmp_path: Path) -> None:
    rows = [
        {"match": f"{number}-{a}{b}", "policy": policy, "seats": 2, "score": base + number % 3, "map": number}
        for number in range(8)
        for a, b in (("a", "b"), ("a", "c"), ("b", "c"))
        for policy, base in ((a, ord(a) - 90.0), (b, ord(b) - 90.0))
    ]
    config = tournament(format="round_robin", candidates=["a", "b", "c"], pool=[], missions=["league"])
    results = analyze_scores(read_league(rows), config, {"table": "matches.csv"})
    page = render_tournament(results, tmp_path / "league.html")
    text = text_of(page)
    assert "3 candidates on 1 mission, matches of a league: 24 matches on 8 maps, 24 episodes, points." in text
    assert "Cross-play" in text
    assert "Seat by seat" not in text
    assert 'id="contributions"' not in page.read_text()
    assert by_seat(results, "league") is None


def test_values_by_declared_role_stand_before_those_by_seat(tmp_path: Path) -> None:
    results = made_up_tournament("a", "b", episodes=2, roles=["miner", "scout"])
    by_role, seats = by_seat(results, "m", roles_only=True), by_seat(results, "m")
    assert by_role is not None
    assert seats is not None
    assert by_role["roles"] == ["miner", "scout"]
    assert not by_role["are_seats"]
    assert seats["roles"] == ["0", "1", "2", "3"]
    assert seats["are_seats"]
    for role_row, seat_row in zip(by_role["rows"], seats["rows"], strict=True):
        means = [cell.value for cell in seat_row["cells"]]
        assert role_row["cells"][1].value == pytest.approx((means[1] + means[3]) / 2)
    text = text_of(render_tournament(results, tmp_path / "report.html"))
    assert text.index("Candidate miner scout") < text.index("Candidate Seat 0 Seat 1 Seat 2 Seat 3")


def test_without_any_result_the_page_says_what_failed(tmp_path: Path) -> None:
    lost = made_up_tournament("a", "b", fails=("x", "y", "a", "b"), episodes=2)
    page = render_tournament(lost, tmp_path / "report.html", tmp_path / "figures")
    assert "No candidate has a result: every episode failed." in text_of(page)
    assert TournamentCharts(lost).lead() is None


def test_a_candidate_that_lacks_a_mission_is_not_drawn_as_failed_everywhere(tmp_path: Path) -> None:
    lost = made_up_tournament("a", "b", fails=("b",), fails_on="two", missions=["one", "two"], episodes=4)
    charts = TournamentCharts(lost)
    texts = [
        next(row["text"] for row in chart.rows if row["label"] == "b")
        for chart in (charts.over_pool(), charts.means(), charts.over_pool("two"))
        if chart is not None
    ]
    assert texts == ["results on 1 of 2 missions only", "results on 1 of 2 missions only", "failed in every episode"]


def test_the_workflow_writes_the_same_page_with_links(pickup: TournamentResults, tmp_path: Path) -> None:
    folder = write_tournament(pickup, tmp_path / "out" / "tournaments" / "main")
    page = render_workflow_tournament(
        folder / "results.json", folder / "report.html", folder / "figures", title="t", series=("z", "a")
    )
    markup = page.read_text()
    assert "<h1>t: main</h1>" in markup
    assert '<a href="../../index.html">' in markup
    assert all(f'<a href="{name}">{name}</a>' in markup for name in FILES)
    assert '<a href="figures/">' in markup
