"""The seats table and the layout of leagues: what is written is read, and what contradicts itself is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from daf.errors import BadInputError
from daf.tournament.estimates import value_records
from daf.tournament.league import league_rows, read_league, write_league
from daf.tournament.scores import scores_of_seats
from daf.tournament.table import check_seats, read_provenance, read_seats, seats_frame, write_seats
from daf.tournaments import daf_analyze_league
from tests.unit.tournament.simulated import matches_of, noise, played, seats_of, tournament

SEAT = {
    "mission": "m", "match": "1-a_1-b", "episode": 0, "env_seed": 7, "seat": 0, "policy": "a", "train_seed": None,
    "in_pool": False, "agent_reward": 1.0, "team_reward": 2.0, "length": 10, "actions": '{"noop": 10}', "timeouts": 0,
    "status": "played", "failure": None,
}  # fmt: skip
OTHER = {**SEAT, "seat": 1, "policy": "b", "agent_reward": 3.0}
FAILED = {"agent_reward": None, "team_reward": None, "length": None, "status": "failed"}


def rewards(players: Any, seed: int) -> Any:
    return noise(seed, players).normal(size=len(players))


def test_a_written_table_is_read_with_its_provenance(tmp_path: Path) -> None:
    config = tournament(candidates=["c", "d"], episodes=2)
    frame = seats_of(config, matches_of(config, train_seeds={"c": [1, 2]}), rewards)
    halves = frame["episode"] == 0
    write_seats(tmp_path / "0.parquet", frame[halves], {"recipe": "x"})
    write_seats(tmp_path / "1.parquet", frame[~halves], {"recipe": "x"})
    read = read_seats([tmp_path / "0.parquet", tmp_path / "1.parquet"])
    pd.testing.assert_frame_equal(read, frame)
    assert read_provenance(tmp_path / "0.parquet") == {"recipe": "x"}


@pytest.mark.parametrize(
    ("change", "expected", "column"),
    [
        ({"seat": 0}, "seats 0, 1, 2, … of every episode, each once", "seat"),
        ({"seat": 2}, "seats 0, 1, 2, … of every episode, each once", "seat"),
        ({"env_seed": 8}, "one value of env_seed", ""),
        ({"team_reward": 2.5}, "one value of team_reward", ""),
        ({"status": "failed"}, "one value of status", ""),
        ({"agent_reward": None}, "finite rewards of every episode that was played", "agent_reward"),
        ({"agent_reward": 4.0}, "the mean of the agents' rewards", "team_reward"),
        ({"failure": "ValueError"}, "no failure of an episode that was played", "failure"),
        ({"policy": None}, "a value in every row", "policy"),
    ],
)
def test_rows_that_contradict_each_other_are_refused(change: dict[str, Any], expected: str, column: str) -> None:
    assert len(seats_frame([SEAT, OTHER])) == 2
    with pytest.raises(BadInputError) as caught:
        seats_frame([SEAT, {**OTHER, **change}])
    assert caught.value.expected == expected
    assert caught.value.where == ("seats table" if not column else f"seats table: {column}")


def test_a_failed_episode_names_who_caused_it_and_has_no_scores() -> None:
    failed = [{**SEAT, **FAILED, "episode": 1}, {**OTHER, **FAILED, "episode": 1, "failure": "ValueError: no"}]
    frame = seats_frame([SEAT, OTHER, *failed])
    scores = scores_of_seats(frame)
    assert [(row.policy, row.episode) for row in scores.rows] == [("a", 0), ("b", 0)]
    assert scores.failed_episodes == 1
    with pytest.raises(BadInputError, match="the reason of every failed episode"):
        seats_frame([SEAT, OTHER, *[{**row, "failure": None} for row in failed]])
    with pytest.raises(BadInputError, match="no rewards of a failed episode"):
        seats_frame([{**SEAT, "status": "failed", "failure": "x"}, {**OTHER, "status": "failed"}])
    with pytest.raises(BadInputError, match="seats of episodes"):
        check_seats(frame.iloc[:0])


def test_missions_have_one_number_of_seats() -> None:
    third = {**SEAT, "match": "1-a", "team_reward": 1.0}
    with pytest.raises(BadInputError, match="equal numbers of seats in all episodes of a mission"):
        seats_frame([SEAT, OTHER, third])
    assert len(seats_frame([SEAT, OTHER, {**third, "mission": "n"}])) == 3


# ---- leagues ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".csv", ".json"])
def test_an_exported_tournament_gives_the_same_conclusions(suffix: str, tmp_path: Path) -> None:
    config = tournament(candidates=["c", "d"], pool=["x", "007"], episodes=3, missions=["m", "n"])
    scores = played(config, matches_of(config, train_seeds={"c": [1, 2]}), rewards)
    write_league(tmp_path / f"matches{suffix}", scores)
    read = read_league(tmp_path / f"matches{suffix}")
    assert league_rows(read) == [
        row.__class__(**{**vars_of(row), "match": f"{row.match}:{score.episode}"})
        for row, score in zip(league_rows(scores), scores.rows, strict=True)
    ]
    ours, theirs = (value_records(found, config.weights, 0.95) for found in (scores, read))
    assert [value.policy for value in theirs] == [value.policy for value in ours]
    for a, b in zip(ours, theirs, strict=True):
        assert (b.mean, b.low, b.over_high) == pytest.approx((a.mean, a.low, a.over_high), nan_ok=True)


def vars_of(row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__dataclass_fields__}


def test_the_smallest_table_of_a_league_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "league.csv"
    path.write_text("Match;Policy;Seats;Score\n1;alice;3;2,5\n1;bob;1;2,5\n2;alice;1;1\n2;bob;3;0\n")
    scores = read_league(path)
    assert [(r.match, r.policy, r.seats, r.num_seats, r.score) for r in scores.rows] == [
        ("1", "alice", 3, 4, 2.5), ("1", "bob", 1, 4, 2.5), ("2", "alice", 1, 4, 1.0), ("2", "bob", 3, 4, 0.0),
    ]  # fmt: skip
    assert scores.rows[2].team_score == 0.25
    assert len({row.env_seed for row in scores.rows}) == 2  # each match has its own map
    assert read_league(json.loads(json.dumps([vars_of(row) for row in league_rows(scores)]))).missions == ["league"]


ROW = {"match": 1, "policy": "a", "seats": 2, "score": 1.0}


@pytest.mark.parametrize(
    ("rows", "expected", "found"),
    [
        ([{**ROW, "seats": 0}], "1 or more seats", "0 of a in match 1"),
        ([ROW, ROW], "one row per policy and match", "a twice in match 1"),
        ([{**ROW, "map": 1}, {**ROW, "policy": "b", "map": 2}], "one map per match", "several in match 1"),
        ([{"match": 1, "policy": "a", "score": 1.0}], "a column 'seats'", "none"),
        ([{**ROW, "seats": 1.5}], "an integer", "1.5"),
        ([{**ROW, "score": "high"}], "a number", "'high'"),
        ([{**ROW, "map": -1}, {**ROW, "match": 2}], "a map of 0 or more", "-1 in match 1"),
        ([{**ROW, "map": 2**63}], "a map of at most 9223372036854775807", "9223372036854775808 in match 1"),
        ([{**ROW, "map": 10**20}, {**ROW, "match": 2}], "a map of at most", "100000000000000000000 in match 1"),
        ([{**ROW, "train_seed": 2**63}], "a train_seed of at most 9223372036854775807", "9223372036854775808 of a in"),
        ([{**ROW, "train_seed": -(10**20)}], "a train_seed of at most", "-100000000000000000000 of a in match 1"),
        ([{**ROW, "score": -1e308}], "a score of at most 1e+150 in size", "-1e+308 of a in match 1"),
        ([{**ROW, "mission": "overall"}], "another name of a mission", "'overall' in match 1"),
        ([{**ROW, "Seats": 2}], "each column once", "'seats' 2 times"),
        ([{**ROW, "is_pool": True}], "columns such as match, policy", "'is_pool'"),
        ([{**ROW, "maps": 1}], "columns such as match, policy", "'maps'"),
    ],
)
def test_damaged_tables_of_leagues_are_refused(rows: list[dict[str, Any]], expected: str, found: str) -> None:
    with pytest.raises(BadInputError) as caught:
        read_league(rows)
    assert expected in caught.value.expected
    assert found in caught.value.found
    assert caught.value.where.startswith("match table")
    assert caught.value.hint


def test_the_largest_numbers_that_are_accepted_can_be_analyzed(tmp_path: Path) -> None:
    """Also from a file; one more is refused with its name."""
    largest, rng = 2**63 - 1, np.random.default_rng(0)
    rows = [
        {"match": game, "policy": policy, "seats": 2, "score": 1e150 * rng.uniform(-1, 1), "map": largest - game,
         "train_seed": largest}
        for game in range(8)
        for policy in "abc"
    ]  # fmt: skip
    results = daf_analyze_league(rows, num_resamples=100)
    assert all(np.isfinite([value.low, value.high]).all() for value in results.values if value.estimand != "recipes")
    (file := tmp_path / "league.csv").write_text("match,policy,seats,score,map\n1,a,2,1.0,99999999999999999999\n")
    with pytest.raises(BadInputError) as caught:
        daf_analyze_league(file)
    assert (caught.value.where, caught.value.found) == (str(file), "99999999999999999999 in match 1")


def test_a_wrong_value_is_named_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "matches.csv"
    path.write_text("match,policy,seats,score\n\n1,a,2,1.5\n1,b,two,1.5\n")  # with a blank line
    with pytest.raises(BadInputError, match=r"line 4\.seats"):
        read_league(path)


def test_the_index_of_a_frame_means_nothing() -> None:
    rows = [ROW, {**ROW, "policy": "b"}, {**ROW, "policy": "c"}]
    frame = pd.DataFrame(rows, index=pd.Index([7, 7, 7], name="line"))
    assert list(read_league(frame).rows) == list(read_league(rows).rows)


@pytest.mark.parametrize("names", [("1.1", "1.10"), ("01", "1"), ("1e3", "1000"), ("NA", "None")])
def test_names_of_matches_are_text(names: tuple[str, str], tmp_path: Path) -> None:
    path = tmp_path / "matches.csv"
    lines = [f"{name},{policy},2,{score}" for score, name in enumerate(names) for policy in ("a", "b")]
    path.write_text("\n".join(["Match,Policy,seats,score", *lines]))
    assert [(row.match, row.policy, row.score) for row in read_league(path).rows] == [
        (name, policy, float(score)) for score, name in enumerate(names) for policy in ("a", "b")
    ]


def test_a_match_without_a_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "matches.csv"
    path.write_text("match,policy,seats,score\n1,a,2,1.5\n,b,2,1.5\n")
    with pytest.raises(BadInputError, match="line 3"):
        read_league(path)


def test_columns_that_mean_nothing_may_stand_beside_the_others() -> None:
    more = {"env_seed": 3, "date": "today", "team": "x", "match_id": 1, "maps": 1, "map": 0}
    assert len(read_league([{**ROW, **more}]).rows) == 1


@pytest.mark.parametrize("header", ["match,policy,seats,score,seats", "match,policy,seats,score,Map,map"])
def test_a_repeated_column_is_refused(header: str, tmp_path: Path) -> None:
    path = tmp_path / "matches.csv"
    path.write_text(f"{header}\n1,a,2,1.5{',3' * (header.count(',') - 3)}\n")
    with pytest.raises(BadInputError, match="each column once"):
        read_league(path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("matches.xlsx", ""), ("matches.csv", ""), ("matches.csv", "match,policy,seats,score\n"),
        *(("matches.json", content) for content in ("{}", "[]", "null", "[1, 2]", '{"a": {"b": {}}}')),
    ],
)  # fmt: skip
def test_hints_describe_match_tables(name: str, content: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(BadInputError) as caught:
        read_league(path)
    said = str(caught.value)
    assert "seats" in said or "match tables" in said or "a row for each match and policy" in said
    assert caught.value.hint
    assert "mission, seed" not in said
    assert "marl-eval" not in said
