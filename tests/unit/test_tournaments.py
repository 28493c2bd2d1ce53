"""The page `daf.tournaments`: playing, leagues, tables and figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from matplotlib.figure import Figure

from daf.config import MissionConfig
from daf.errors import BadInputError, DafError
from daf.tournament.files import FILES
from daf.tournament.results import TournamentResults
from daf.tournaments import (
    daf_analyze_league,
    daf_cross_play,
    daf_export_tournament_html,
    daf_plot_tournament,
    daf_read_tournament,
    daf_run_tournament,
    daf_value_over_replacement,
)
from tests.tournament_results import made_up_tournament

SHORT = MissionConfig(source="tutorial.miner", max_steps=10)
LEAGUE = [
    {"match": f"{number}-{a}{b}", "policy": policy, "seats": 2, "score": base + number % 3, "map": number}
    for number in range(8)
    for a, b in (("alice", "bob"), ("alice", "carol"), ("bob", "carol"))
    for policy, base in ((a, ord(a[0]) - 90.0), (b, ord(b[0]) - 90.0))
]


@pytest.fixture(scope="module")
def pairing() -> TournamentResults:
    return made_up_tournament("a", "b", "c", pool=(), missions=["one", "two"], episodes=4)


@pytest.mark.slow
def test_a_tournament_is_played_written_and_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings: dict[str, Any] = {"episodes": 2, "num_resamples": 100, "seats": "random", "seatings": 1}
    results = daf_run_tournament({"me": "starter"}, [SHORT], ["noop", "random"], output_dir=tmp_path, **settings)
    assert capsys.readouterr().out.strip() == str(results)
    assert results.config.format == "pickup"
    assert results.config.pool == ["noop", "random"]
    assert {record.line_up for record in results.line_ups} == {
        "4 me", "3 me + 1 noop (pool)", "2 me + 1 noop (pool) + 1 random (pool)",
        "1 me + 2 noop (pool) + 1 random (pool)", "2 noop (pool) + 2 random (pool)",
    }  # fmt: skip
    assert {path.name for path in tmp_path.iterdir()} == {*FILES, "report.html", "figures"}
    assert daf_read_tournament(tmp_path).to_dict() == results.to_dict()
    assert set(results.provenance["policies"]) == {"me", "noop", "random"}


@pytest.mark.long
def test_results_do_not_depend_on_the_number_of_workers() -> None:
    arguments: dict[str, Any] = {
        "candidates": ["starter", "random"], "missions": [SHORT], "episodes": 2, "splits": ["2-2"],
        "num_resamples": 100, "verbose": False, "seats": "random", "seatings": 1,
    }  # fmt: skip
    alone, shared = (daf_run_tournament(workers=workers, **arguments) for workers in (1, 2))
    assert shared.values_table.equals(alone.values_table)
    assert shared.line_ups == alone.line_ups


def test_what_cannot_be_played_is_refused_before_anything_is_played() -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"candidates": ["noop"], "pool": ["random"], "episode": 3}, "'episode'"),
        ({"candidates": ["noop"], "pool": ["random"], "format": "round"}, "'round'"),
        ({"candidates": [{"noop": 0.5, "random": 0.5}], "pool": ["random"]}, "the team 'noop+random'"),
        ({"candidates": {"x": "noop"}, "pool": {"x": "random"}}, "'x' twice"),
        ({"candidates": ["noop"]}, "noop"),
        ({"candidates": ["noop"], "pool": ["random"], "workers": 0}, "workers"),
        ({"candidates": ["noop"], "pool": ["random"], "max_action_time_ms": 0}, "max_action_time_ms"),
        ({"candidates": ["noop"], "pool": ["random"], "weights": {9: 1.0}}, "a number of seats that noop on"),
        ({"candidates": ["noop", "random"], "pool": ["random"], "format": "pairing"}, "random"),
    ]
    for arguments, found in cases:
        with pytest.raises(DafError) as caught:
            daf_run_tournament(missions=[SHORT], **arguments)
        assert found in str(caught.value), arguments


def test_a_league_is_analyzed_from_a_file_or_from_rows(tmp_path: Path) -> None:
    results = daf_analyze_league(LEAGUE, output_dir=tmp_path / "out", num_resamples=100)
    assert results.provenance["table"] == "match table"
    assert results._headline().startswith("carol has the highest value on league (9.88 points, 95 % interval")
    pd.DataFrame(LEAGUE).to_csv(tmp_path / "matches.csv", index=False)
    from_file = daf_analyze_league(tmp_path / "matches.csv", num_resamples=100)
    assert from_file.values_table.equals(results.values_table)
    exported = daf_analyze_league(tmp_path / "out" / "league.csv", num_resamples=100)
    assert exported.values_table.equals(results.values_table)
    with_pool = daf_analyze_league(
        [*LEAGUE, *({"match": f"pool-{n}", "policy": "p", "seats": 4, "score": 7.5 + n % 3, "map": n, "pool": True}
                    for n in range(8))],
        num_resamples=100,
    )  # fmt: skip
    table = daf_value_over_replacement(with_pool)
    assert table["policy"].tolist() == ["carol", "bob", "alice"]
    assert table["over_replacement"].tolist() == pytest.approx([1.5, 0.5, -0.5])
    with pytest.raises(BadInputError, match="'format'"):
        daf_analyze_league(LEAGUE, format="pairing")
    with pytest.raises(BadInputError, match="a weight above 0 for a number of seats that a candidate has"):
        daf_analyze_league(LEAGUE, weights={3: 1.0})
    with pytest.raises(BadInputError, match="a policy that is not in the pool"):
        daf_analyze_league([{**row, "pool": True} for row in LEAGUE])


def test_tables_have_values_by_seats_and_the_matrix(pairing: TournamentResults) -> None:
    matrix = daf_cross_play(pairing)
    assert matrix.index.tolist() == ["a", "b", "c"]
    assert matrix.columns.tolist() == ["a", "b", "c"]
    record = next(r for r in pairing.cross_play if (r.policy, r.partner, r.mission, r.seats) == ("b", "c", "one", None))
    assert daf_cross_play(pairing, mission="one").loc["b", "c"] == record.mean
    assert matrix.loc["b"].isna().tolist() == [False, True, False]
    assert daf_value_over_replacement(pairing)["policy"].tolist() == ["a", "b", "c"]
    by_seats = daf_value_over_replacement(pairing, mission="two", by_seats=True)
    assert sorted(by_seats["seats"].tolist()) == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    with pytest.raises(BadInputError, match="values by seats are on single missions"):
        daf_value_over_replacement(pairing, by_seats=True)
    with pytest.raises(BadInputError, match="did you mean 'one'"):
        daf_cross_play(pairing, mission="onee")


def test_every_chart_is_a_figure_and_a_file(pairing: TournamentResults, tmp_path: Path) -> None:
    for chart in ("answer", "values", "cross_play", "contributions", "ranks"):
        assert isinstance(daf_plot_tournament(pairing, tmp_path / f"{chart}.svg", chart=chart), Figure)
    daf_plot_tournament(pairing, tmp_path / "seats.svg", chart="seats", mission="one")
    assert len(list(tmp_path.iterdir())) == 6
    assert "Cross-play, over 2 missions" in (tmp_path / "cross_play.svg").read_text()
    with pytest.raises(BadInputError, match="name a mission that has them: one, two"):
        daf_plot_tournament(pairing, chart="seats")
    with pytest.raises(BadInputError):
        daf_plot_tournament(pairing, tmp_path / "x.gif")


def test_a_league_has_contributions_on_none_of_its_missions() -> None:
    """It knows no seats, so no mission is named that would have them; values by seats are on both."""
    league = [{**row, "mission": mission} for row in LEAGUE for mission in ("one", "two")]
    results = daf_analyze_league(league, num_resamples=100)
    with pytest.raises(BadInputError) as caught:
        daf_plot_tournament(results, chart="contributions")
    assert (caught.value.found, caught.value.hint) == ("none on overall", "choose another chart")


def test_another_file_of_a_tournament_leads_to_its_folder(tmp_path: Path) -> None:
    daf_analyze_league(LEAGUE, output_dir=tmp_path / "out", num_resamples=100)
    (alone := tmp_path / "seats.parquet").write_bytes(b"x")
    for file, hint in ((tmp_path / "out" / "values.csv", f"name its folder: {tmp_path / 'out'}"),
                       (alone, "name its folder")):  # fmt: skip
        with pytest.raises(BadInputError) as caught:
            daf_read_tournament(file)
        assert (caught.value.expected, caught.value.hint) == ("a tournament's folder, or its results.json", hint)
        assert caught.value.where == str(file)


def test_a_page_is_exported(pairing: TournamentResults, tmp_path: Path) -> None:
    page = daf_export_tournament_html(pairing, tmp_path / "page.html", title="Mine")
    assert "<title>Mine</title>" in page.read_text()
    assert (tmp_path / "figures" / "rank-sets.svg").is_file()
    with pytest.raises(BadInputError, match=r"ends in .html"):
        daf_export_tournament_html(pairing, tmp_path / "page.txt")
