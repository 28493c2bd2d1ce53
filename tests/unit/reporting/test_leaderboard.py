"""The leaderboard of an output folder: scores that measure the same thing, and never others, on one board."""

from __future__ import annotations

import os
from pathlib import Path

from daf.reporting.leaderboard_facts import read_boards
from daf.reporting.leaderboard_page import number, refresh_leaderboard, render_leaderboard
from tests.run_files import comparison, mission

DIGESTS = {"a": "1" * 64, "b": "2" * 64, "c": "3" * 64}


def rows(out: Path) -> list[tuple[str, list[tuple[str, float | None, tuple[str, ...]]]]]:
    return [
        (board.mission, [(score.policy, score.mean, score.comparisons) for score in board.scores])
        for board in read_boards(out).boards
    ]


def test_scores_of_the_same_mission_and_seeds_are_on_one_board(tmp_path: Path) -> None:
    mission(tmp_path, "hall", DIGESTS)
    comparison(tmp_path, "first", {"hall": {"a": 1.0, "b": 2.0}}, DIGESTS)
    comparison(tmp_path, "second", {"hall": {"b": 2.0, "c": 1.5}}, DIGESTS)
    assert rows(tmp_path) == [
        ("hall", [("b", 2.0, ("first", "second")), ("c", 1.5, ("second",)), ("a", 1.0, ("first",))])
    ]
    (board,) = read_boards(tmp_path).boards
    assert "at most 40 steps, 4 agents" in board.setting
    assert "environment seeds 0 to 3 (4 seeds); cogames 1, mettagrid 2; 95 % intervals" in board.setting
    assert (board.scores[0].low, board.scores[0].high, board.scores[0].success) == (1.5, 2.5, 0.25)


def test_other_seeds_levels_and_missions_have_other_boards(tmp_path: Path) -> None:
    mission(tmp_path, "hall", DIGESTS)
    comparison(tmp_path, "first", {"hall": {"a": 1.0}}, DIGESTS)
    comparison(tmp_path, "seeds", {"hall": {"b": 2.0}}, DIGESTS, seeds="4 to 7 (4 seeds)")
    comparison(tmp_path, "level", {"hall": {"b": 2.0}}, DIGESTS, level=0.9)
    comparison(tmp_path, "other", {"maze": {"b": 2.0}}, DIGESTS)
    assert sorted((name, len(scores)) for name, scores in rows(tmp_path)) == [("hall", 1)] * 3 + [("maze", 1)]


def test_a_mission_that_has_changed_since_shares_no_board(tmp_path: Path) -> None:
    """An older comparison keeps what it measured: the report of the mission is about other episodes by now."""
    comparison(tmp_path, "old", {"hall": {"a": 5.0}}, {"a": "0" * 64})
    mission(tmp_path, "hall", DIGESTS, max_steps=80)
    comparison(tmp_path, "new", {"hall": {"a": 1.0}}, DIGESTS)
    boards = {board.scores[0].comparisons: board.setting for board in read_boards(tmp_path).boards}
    assert boards[("old",)].startswith("as comparison old had it;")
    assert "at most 80 steps" in boards[("new",)]


def test_normalized_intervals_are_converted_back(tmp_path: Path) -> None:
    comparison(tmp_path, "main", {"hall": {"a": 10.0}}, DIGESTS, normalization=(4.0, 24.0))
    (board,) = read_boards(tmp_path).boards
    (score,) = board.scores
    assert (score.mean, round(score.low or 0, 9), round(score.high or 0, 9)) == (10.0, 9.5, 10.5)


def test_a_damaged_comparison_is_named_and_the_others_are_ranked(tmp_path: Path) -> None:
    comparison(tmp_path, "main", {"hall": {"a": 1.0}}, DIGESTS)
    (tmp_path / "comparisons/broken").mkdir()
    (tmp_path / "comparisons/broken/comparison.json").write_text("{")
    assert refresh_leaderboard(tmp_path)
    page = (tmp_path / "leaderboard.html").read_text()
    assert "Comparison broken is left out:" in page
    assert '<th scope="row">a</th>' in page


def test_it_is_written_again_when_a_comparison_changes_and_goes_with_the_last(tmp_path: Path) -> None:
    assert not refresh_leaderboard(tmp_path)
    comparison(tmp_path, "main", {"hall": {"a": 1.0}}, DIGESTS)
    assert refresh_leaderboard(tmp_path)
    page = tmp_path / "leaderboard.html"
    page.write_text("kept")
    assert refresh_leaderboard(tmp_path)
    assert page.read_text() == "kept"
    later = page.stat().st_mtime_ns + 1
    os.utime(tmp_path / "comparisons/main/comparison.json", ns=(later, later))
    assert refresh_leaderboard(tmp_path)
    assert "1 policy on 1 mission, from 1 comparison" in page.read_text()
    (tmp_path / "comparisons/main/comparison.json").unlink()
    assert not refresh_leaderboard(tmp_path)
    assert not page.exists()


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    comparison(tmp_path, "main", {"hall": {"a": 1.0, "<b>": 2.0}}, {"a": "1", "<b>": "2"})
    first, second = (render_leaderboard(read_boards(tmp_path), tmp_path) for _ in range(2))
    assert first == second
    assert "&lt;b&gt;" in first


def test_numbers_are_those_of_other_pages() -> None:
    from daf.statistics import sentences

    for value in (0.0, -0.0, 0.004, -0.02, 0.057, 1.0, -12.34, 123.4, 12345.6):
        assert number(value) == sentences.number(value)
