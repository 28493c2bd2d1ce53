"""Results of tournaments as files: what is written is read, damage is refused, and the answer is a sentence."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest

from daf.errors import BadInputError, DafError
from daf.system.columns import to_rows
from daf.tournament.answers import answer, in_order, open_pairs
from daf.tournament.files import FILES, read_tournament, write_tournament
from daf.tournament.league import league_rows, read_league
from daf.tournament.matches import Player
from daf.tournament.results import TournamentResults, analyze_scores, analyze_seats
from daf.tournament.scores import scores_of_seats
from daf.tournament.table import check_seats
from tests.tournament_results import made_up_tournament
from tests.unit.tournament.simulated import Rewards, matches_of, noise, played, seats_of, tournament


def skilled(skills: dict[str, float], spread: float = 0.1) -> Rewards:
    def rewards(players: tuple[Player, ...], seed: int) -> Sequence[float]:
        own = noise("map", seed).normal()
        return [own + skills.get(player.policy, 0.0) + spread * noise(players, seed, seat).normal()
                for seat, player in enumerate(players)]  # fmt: skip

    return rewards


def seats_table(failed: Sequence[int] = ()) -> pd.DataFrame:
    """Three candidates beside a pool, of which c has two seeds and is as good as the pool.

    Args:
        failed: episodes of the first match.
    """
    config = tournament(candidates=["a", "b", "c"], pool=["x", "y"], episodes=10)
    frame = seats_of(config, matches_of(config, train_seeds={"c": [1, 2]}), skilled({"a": 2.0, "b": -2.0, "c": 0.0}))
    first = frame["match"].iloc[0]
    lost = frame["episode"].isin(failed) & (frame["match"] == first)
    frame.loc[lost, ["agent_reward", "team_reward"]] = float("nan")
    frame.loc[lost, "length"] = pd.NA
    frame.loc[lost, "status"] = "failed"
    frame.loc[lost & frame["seat"].eq(0), "failure"] = "ValueError: no"
    return check_seats(frame)


@pytest.fixture(scope="module")
def results() -> TournamentResults:
    config = tournament(candidates=["a", "b", "c"], pool=["x", "y"], episodes=10)
    return analyze_seats(seats_table(failed=[2, 3]), config, provenance={"recipe_digest": "0"})


def test_written_results_are_read_as_they_were(results: TournamentResults, tmp_path: Path) -> None:
    scores = scores_of_seats(seats_table(failed=[2, 3]))
    write_tournament(results, tmp_path / "t", scores)
    assert sorted(path.name for path in (tmp_path / "t").iterdir()) == sorted(FILES)
    read = read_tournament(tmp_path / "t")
    assert read.to_dict() == results.to_dict()
    assert read.config == results.config
    assert read_tournament(tmp_path / "t" / "results.json").values_table.equals(results.values_table)
    write_tournament(read, tmp_path / "again", scores)
    for name in FILES:
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "t" / name).read_bytes()
    league = read_league(tmp_path / "t" / "league.csv")
    assert sorted(row.score for row in league.rows) == sorted(row.score for row in scores.rows)


def test_tables_are_csv_files_with_the_names_of_results(results: TournamentResults, tmp_path: Path) -> None:
    write_tournament(results, tmp_path)
    assert not (tmp_path / "league.csv").exists()
    values = pd.read_csv(tmp_path / "values.csv")
    overall = values[(values["policy"] == "a") & values["seats"].isna()].iloc[0]
    assert overall["mean"] == next(one.mean for one in results.values if one.policy == "a" and one.seats is None)
    verdicts = pd.read_csv(tmp_path / "pairs.csv")
    assert len(verdicts) == 3 + 3
    assert set(pd.read_csv(tmp_path / "failures.csv")["failure"]) == {"ValueError: no"}


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda text: text.replace('"n_maps": 10', '"n_maps": 7', 1), "other content than its content_sha256 says"),
        (lambda text: text[: len(text) // 2], "in line"),
        (lambda text: json.dumps({"format": "daf-comparison/6"}), "'daf-comparison/6'"),
        (lambda text: json.dumps({"format": "daf-tournament/1"}), "nothing"),
    ],
)
def test_a_damaged_file_is_refused(results: TournamentResults, tmp_path: Path, change: object, found: str) -> None:
    assert callable(change)
    write_tournament(results, tmp_path)
    file = tmp_path / "results.json"
    file.write_text(change(file.read_text()))
    with pytest.raises(DafError) as caught:
        read_tournament(tmp_path)
    assert found in str(caught.value)
    assert str(file) in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError) as caught:
        read_tournament(tmp_path / "nowhere")
    assert caught.value.expected == "results of a tournament"


def test_the_answer_says_who_is_better_than_the_pool(results: TournamentResults) -> None:
    found = answer(results)
    said = "a is worth more than the pool that it replaces on m, b is worth less than it; c is undecided."
    assert found.sentence == said
    assert found.status == ""
    assert found.claim.startswith("This holds for exactly these weights.")
    assert repr(results) == f"<TournamentResults: {found.sentence}>"
    assert in_order(results) == ["a", "c", "b"]
    assert "\nFailed\n  y: 2 of 380 episodes: ValueError: no" in str(results)
    assert results._repr_html_().count("<tr>") > 4
    (pair,) = open_pairs(results)
    assert {pair.record.policy_a, pair.record.policy_b} == {"c", "replacement"}
    assert pair.maps is None or pair.maps > 10


def test_one_candidate_has_the_size_of_its_value(tmp_path: Path) -> None:
    config = tournament(episodes=10)
    found = answer(analyze_scores(played(config, matches_of(config), skilled({"c": 1.0})), config))
    assert found.status == "better"
    assert found.sentence.startswith("c is worth 0.9") or found.sentence.startswith("c is worth 1.0")
    assert found.sentence.endswith(").")
    assert "reward per agent more than the pool that it replaces on m (95 % interval" in found.sentence


def test_without_a_pool_the_answer_is_who_is_first() -> None:
    config = tournament(format="pairing", candidates=["a", "b", "c"], pool=[], splits=["2-2"])
    matches = matches_of(config)
    first = answer(analyze_scores(played(config, matches, skilled({"b": 1.0})), config))
    assert first.status == "better"
    assert first.sentence.startswith("b is worth more than every other candidate on m (")
    equal = answer(analyze_scores(played(config, matches, skilled({}, spread=1.0)), config))
    assert equal.status == "undecided"
    assert "may be first as well" in equal.sentence


def test_without_any_result_the_answer_says_that_everything_failed(tmp_path: Path) -> None:
    frame = seats_table()
    frame[["agent_reward", "team_reward"]] = float("nan")
    frame["length"] = pd.NA
    frame["status"] = "failed"
    frame["failure"] = "ValueError: no"
    config = tournament(candidates=["a", "b", "c"], pool=["x", "y"], episodes=10)
    lost = analyze_seats(check_seats(frame), config)
    assert answer(lost).status == "failed"
    assert {record.n_episodes for record in lost.line_ups} == {0}
    write_tournament(lost, tmp_path)
    assert read_tournament(tmp_path).to_dict() == lost.to_dict()


def test_a_mission_without_results_leaves_the_answer_about_the_other() -> None:
    lost = made_up_tournament("a", fails=("a", "x", "y"), fails_on="two", missions=["one", "two"])
    found = answer(lost)
    assert found.sentence.startswith("It is undecided whether a is worth more than the pool that it replaces on one: ")
    assert found.claim == "No candidate has a result on two."
    assert lost.place == "one"
    ranked = made_up_tournament("a", "b", fails=("a", "b"), fails_on="one", missions=["one", "two"])
    assert {record.policy for record in ranked.rankings} == {"a", "b"}
    assert " on two" in answer(ranked).sentence


def test_an_answer_counts_the_missions_that_its_verdict_covers() -> None:
    """Teams from the pool alone have results on one mission, and candidates on both."""
    config = tournament(candidates=["a"], pool=["x"], missions=["one", "two"], episodes=10)
    scores = played(config, matches_of(config), skilled({"a": 1.0}))
    kept = [row for row in scores.rows if row.mission == "one" or row.seats < 4 or not row.in_pool]
    found = answer(analyze_scores(scores.__class__(tuple(kept)), config))
    assert " than the pool that it replaces over 1 of 2 missions (" in found.sentence


def test_a_candidate_with_results_on_some_missions_is_not_said_to_fail() -> None:
    lost = made_up_tournament("a", "b", fails=("b",), fails_on="two", missions=["one", "two"])
    assert "\n  b has results on 1 of 2 missions only: every episode with it failed on two.\n" in str(lost)
    assert answer(lost).claim == "Left out for lack of results on some missions: b."
    apart = made_up_tournament("a", "b", missions=["one", "two"])
    rows = [row for row in league_rows(played(apart.config, matches_of(apart.config), skilled({})))
            if (row.policy, row.mission) != ("b", "two")]  # fmt: skip
    absent = analyze_scores(read_league(to_rows(rows)), apart.config)
    assert "\n  b has results on 1 of 2 missions only: it did not play on two.\n" in str(absent)


def test_without_results_on_a_common_mission_there_is_no_answer() -> None:
    config = tournament(candidates=["a", "b"], pool=["x"], missions=["one", "two"])
    scores = played(config, matches_of(config), skilled({}))
    kept = [row for row in scores.rows if (row.policy, row.mission) not in (("a", "one"), ("b", "two"))]
    found = answer(analyze_scores(scores.__class__(tuple(kept)), config))
    said = "There is no answer over 2 missions: no candidate has complete results on more than one."
    assert (found.status, found.sentence) == ("insufficient data", said)


def test_a_single_map_gives_a_value_and_the_reason_why_it_has_no_interval() -> None:
    rows = [{"match": 1, "policy": name, "seats": 2, "score": score} for name, score in (("alice", 0.0), ("bob", -1.0))]
    alone = tournament(format="round_robin", candidates=["alice"], pool=[], missions=["league"])
    one = answer(analyze_scores(read_league(rows[:1]), alone))
    assert one.sentence == "alice scores 0.00 reward per agent on league (from one map, so there is no interval)."
    both = tournament(format="round_robin", candidates=["alice", "bob"], pool=[], missions=["league"])
    two = answer(analyze_scores(read_league(rows), both))
    assert "on league (0.00 reward per agent from one map, so there is no interval), but bob may" in two.sentence
