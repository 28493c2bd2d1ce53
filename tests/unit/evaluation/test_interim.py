"""Later batches are left out only if every comparison that needs them is settled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypedDict

import pytest

from daf.evaluation.interim import settled_after


class Analysis(TypedDict):
    episodes: int


class Record(TypedDict):
    done: bool
    interim_analyses: list[Analysis]


@pytest.mark.parametrize(
    ("states", "episodes"),
    [
        ([], None),
        ([(True, [8, 16])], 16),
        ([(True, [8, 16]), (True, [8, 16, 32])], 32),
        ([(True, [8, 16, 32]), (True, [8])], 32),
        ([(True, [8]), (False, [8])], None),
        ([(False, [8])], None),
    ],
)
def test_all_must_be_settled_and_the_last_of_them_counts(
    tmp_path: Path, states: list[tuple[bool, list[int]]], episodes: int | None
) -> None:
    paths = []
    for number, (done, sizes) in enumerate(states):
        path = tmp_path / f"{number}.json"
        path.write_text(json.dumps({"done": done, "interim_analyses": [{"episodes": size} for size in sizes]}))
        paths.append(path)
    assert settled_after(paths, Record) == episodes
