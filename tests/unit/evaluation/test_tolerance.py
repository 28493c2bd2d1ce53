"""Failed episodes against the declared tolerance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from daf.episodes.table import episodes_frame, write_episodes
from daf.errors import EXIT_FAILED
from daf.evaluation.tolerance import EpisodesFailedError, check_failures, count_failures, count_failures_of_seats
from daf.tournament.table import seats_frame, write_seats


def table(folder: Path, policy: str, failures: Sequence[str | None], mission: str = "hall") -> Path:
    rows = [
        {
            "policy": policy,
            "checkpoint": f"{policy}-seed-1",
            "mission": mission,
            "episode": number,
            "env_seed": number,
            "failure": failure,
        }
        for number, failure in enumerate(failures)
    ]
    path = folder / f"{policy}-{mission}.parquet"
    write_episodes(path, episodes_frame(rows), {"shards": []})
    return path


def test_all_policies_beyond_the_tolerance_are_named_with_their_first_cause(tmp_path: Path) -> None:
    paths = [
        table(tmp_path, "broken", ["ValueError: a (p.py:3 in step, step 0, seed 0)", "ValueError: b"]),
        table(tmp_path, "fine", [None, None]),
        table(tmp_path, "shaky", ["KeyError: 'x'", None]),  # half is not more than half
        table(tmp_path, "broken", ["SystemExit: 0"], mission="long"),
    ]
    with pytest.raises(EpisodesFailedError) as caught:
        check_failures(count_failures(paths), 0.5)
    assert caught.value.exit_code == EXIT_FAILED
    assert caught.value.found == "more in 2 of 4 evaluations"
    assert caught.value.hint.split("\n    ")[1:] == [
        "broken-seed-1 on hall: 2 of 2 failed, the first with ValueError: a (p.py:3 in step, step 0, seed 0)",
        "broken-seed-1 on long: 1 of 1 failed, the first with SystemExit: 0",
    ]


@pytest.mark.parametrize(("share", "fails"), [(0.0, True), (0.24, True), (0.25, False), (1.0, False)])
def test_the_declared_share_itself_is_tolerated(share: float, fails: bool, tmp_path: Path) -> None:
    path = table(tmp_path, "shaky", [None, "KeyError: 'x'", None, None])
    if fails:
        with pytest.raises(EpisodesFailedError):
            check_failures(count_failures([path]), share)
    else:
        (count,) = check_failures(count_failures([path]), share)["evaluations"]
        assert (count["episodes"], count["failed"], count["first_failure"]) == (4, 1, "KeyError: 'x'")


def test_everything_may_fail_if_declared_and_nothing_may_be_played(tmp_path: Path) -> None:
    assert check_failures(count_failures([table(tmp_path, "broken", ["E"]), table(tmp_path, "skipped", [])]), 1.0) == {
        "max_failed_share": 1.0,
        "evaluations": [
            {
                "policy": "broken",
                "checkpoint": "broken-seed-1",
                "mission": "hall",
                "episodes": 1,
                "failed": 1,
                "first_failure": "E",
            }
        ],
    }


def test_in_mixed_teams_only_those_who_broke_an_episode_are_blamed(tmp_path: Path) -> None:
    """Two seats of one policy in an episode are one failure."""
    rows = [
        {
            "mission": "hall", "match": f"match-{broken}", "episode": episode, "env_seed": episode, "seat": seat,
            "policy": policy, "train_seed": seed, "in_pool": False, "agent_reward": None if broken else 1.0,
            "team_reward": None if broken else 1.0, "length": None if broken else 5, "actions": None, "timeouts": None,
            "status": "failed" if broken else "played", "failure": "E" if broken and policy == "shaky" else None,
        }
        for broken in (False, True)
        for episode in range(2)
        for seat, (policy, seed) in enumerate([("shaky", 3), ("shaky", 3), ("fine", None)])
    ]  # fmt: skip
    write_seats(tmp_path / "seats.parquet", seats_frame(rows), {})
    counts = count_failures_of_seats([tmp_path / "seats.parquet"])
    assert [(one.checkpoint, one.episodes, one.failed, one.first_failure) for one in counts] == [
        ("shaky-seed-3", 4, 2, "E"),
        ("fine", 4, 0, None),
    ]
