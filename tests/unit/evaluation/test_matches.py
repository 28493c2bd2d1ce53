"""Files of matches: batches, the table that they make together, and analyses that make later ones unnecessary."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("cogames")

from daf.config import DAFTournamentConfig, MissionConfig
from daf.config.match_recipes import MatchRecipe, SeatedPlayer
from daf.config.recipes import MissionRecipe, PolicyRecipe
from daf.evaluation.matches import (
    merge_batches,
    play_batch,
    reason_to_skip,
    write_interim_analysis,
    write_skipped_batch,
)
from daf.logging_config import create_daf_logger
from daf.tournament.table import read_provenance, read_seats

CONFIG = DAFTournamentConfig.from_dict(
    {
        "format": "pickup", "candidates": ["miner"], "pool": ["noop"], "missions": ["short"], "episodes": "auto",
        "max_episodes": 8, "num_interim_analyses": 2, "num_resamples": 200,
    }
)  # fmt: skip


def batch(
    folder: Path, match: str, seats: tuple[int, ...], first: int, count: int = 4, class_path: str = "miner"
) -> Path:
    """Episodes of the miner, seat number 0, with idle partners."""
    players = [
        SeatedPlayer(policy=PolicyRecipe(label="miner", class_path=class_path)),
        SeatedPlayer(policy=PolicyRecipe(label="noop", class_path="noop"), in_pool=True),
    ]
    path = folder / f"{match}-{first}.parquet"
    play_batch(recipe(match, players, seats, first, count), weights=[], output=path, **how())
    return path


def recipe(match: str, players: list[SeatedPlayer], seats: tuple[int, ...], first: int, count: int) -> MatchRecipe:
    present = sorted(set(seats))
    return MatchRecipe(
        mission=MissionRecipe.of("short", {"short": MissionConfig(source="tutorial.miner", max_steps=25)}),
        match=match,
        players=tuple(players[number] for number in present),
        seats=tuple(present.index(seat) for seat in seats),
        first_seed=7,
        first_episode=first,
        num_episodes=count,
        max_action_time_ms=10_000,
    )


def how() -> dict[str, Any]:
    return {"device": "cpu", "workers": 1, "logger": create_daf_logger("test", stream=io.StringIO())}


def test_the_same_episodes_make_the_same_file(tmp_path: Path) -> None:
    """Played twice: times, which differ, are only in the files of batches."""
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        paths = [batch(folder, "mixed", (0, 1, 0, 1), first, 2) for first in (0, 2)]
        merge_batches(paths, folder / "seats.parquet")
    assert (tmp_path / "a" / "seats.parquet").read_bytes() == (tmp_path / "b" / "seats.parquet").read_bytes()
    record = read_provenance(tmp_path / "a" / "seats.parquet")
    assert record["missions"]["short"]["name"] == "short"
    assert list(record["policies"]) == ["miner", "noop (pool)"]
    assert [len(one["recipe_digest"]) for one in record["batches"]] == [64, 64]
    assert len(read_seats(tmp_path / "a" / "seats.parquet")) == 4 * 4
    assert read_provenance(tmp_path / "a" / "mixed-0.parquet")["usage"]["seconds"] > 0


def test_a_settled_question_leaves_later_batches_empty_with_the_reason(tmp_path: Path) -> None:
    """The candidate is idle too, so it scores the same as the pool."""
    alone = batch(tmp_path, "alone", (0, 0, 0, 0), 0, class_path="noop")
    paths = [alone, batch(tmp_path, "pool", (1, 1, 1, 1), 0)]
    interim = tmp_path / "interim-0.json"
    state = write_interim_analysis(paths, CONFIG, interim)
    assert [entry["episodes"] for entry in state["interim_analyses"]] == [4]
    reason = reason_to_skip([interim])
    assert state["done"], state
    assert reason == "not played: nothing was open after 4 episodes per match"
    write_skipped_batch(recipe("pool", [], (), 4, 4), reason, tmp_path / "pool-4.parquet")
    merge_batches([*paths, tmp_path / "pool-4.parquet"], tmp_path / "seats.parquet")
    assert set(read_seats(tmp_path / "seats.parquet")["episode"]) == {0, 1, 2, 3}
    assert read_provenance(tmp_path / "seats.parquet")["batches"][2]["skipped"] == reason
    assert reason_to_skip([]) is None
