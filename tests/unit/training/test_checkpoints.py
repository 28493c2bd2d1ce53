"""Trainer state on disk: which file wins, and what happens to files that a crash or a bad disk left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from daf.training import checkpoints
from daf.training.checkpoints import KEEP, load_newest_checkpoint, save_checkpoint, to_bytes


def state(update: int) -> dict[str, Any]:
    return {
        "update": update,
        "network": {"weight": torch.arange(12.0).reshape(3, 4) + update},
        "processes": [{"actions": [torch.tensor([1, 2, 3], dtype=torch.uint8), None], "episode": [3, 4]}],
    }


def no_warning(text: str) -> None:
    raise AssertionError(text)


def load(folder: Path) -> tuple[int | None, list[str]]:
    """The update of the newest valid state, and the warnings about the others."""
    warnings: list[str] = []
    loaded = load_newest_checkpoint(folder, warnings.append)
    return (None if loaded is None else loaded["update"]), warnings


def test_a_state_comes_back_as_it_was(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, 3, state(3))
    loaded = load_newest_checkpoint(tmp_path, no_warning)
    assert loaded is not None
    assert loaded["update"] == 3
    assert torch.equal(loaded["network"]["weight"], state(3)["network"]["weight"])
    logs = loaded["processes"][0]["actions"]
    assert logs[0].tolist() == [1, 2, 3]
    assert logs[1] is None


def test_without_a_checkpoint_there_is_no_state(tmp_path: Path) -> None:
    assert load(tmp_path / "not there") == (None, [])
    assert load(tmp_path) == (None, [])


def test_the_newest_wins_by_number_not_by_time(tmp_path: Path) -> None:
    paths = {update: save_checkpoint(tmp_path / str(update), update, state(update)) for update in (9, 100, 11)}
    for path in paths.values():  # 100 is not before 11, and the last file written is not the newest state
        path.rename(tmp_path / path.name)
    assert load(tmp_path) == (100, [])


def test_the_last_few_are_kept(tmp_path: Path) -> None:
    for update in range(1, 6):
        save_checkpoint(tmp_path, update, state(update))
    kept = sorted(int(path.name.split("-")[1]) for path in tmp_path.iterdir())
    assert KEEP == 2
    assert kept == [4, 5]


@pytest.mark.parametrize("position", [0, 200, -1])
def test_a_flipped_bit_is_noticed_and_the_one_before_is_taken(tmp_path: Path, position: int) -> None:
    save_checkpoint(tmp_path, 1, state(1))
    newest = save_checkpoint(tmp_path, 2, state(2))
    content = bytearray(newest.read_bytes())
    content[position] ^= 1
    newest.write_bytes(bytes(content))
    update, warnings = load(tmp_path)
    assert update == 1
    assert len(warnings) == 1
    assert "damaged" in warnings[0]
    assert newest.name in warnings[0]


@pytest.mark.parametrize("length", [0, 100, -1])
def test_a_half_written_file_is_skipped(tmp_path: Path, length: int) -> None:
    save_checkpoint(tmp_path, 1, state(1))
    newest = save_checkpoint(tmp_path, 2, state(2))
    newest.write_bytes(newest.read_bytes()[:length])
    update, warnings = load(tmp_path)
    assert update == 1
    assert [newest.name in text for text in warnings] == [True]


def test_damaged_files_do_not_crowd_out_new_states(tmp_path: Path) -> None:
    for update in (8, 9):
        save_checkpoint(tmp_path, update, state(update)).write_bytes(b"no checkpoint")
    for update in (1, 2, 3):  # the run started over
        save_checkpoint(tmp_path, update, state(update))
        assert load(tmp_path) == (update, [])
    assert len(list(tmp_path.iterdir())) == KEEP


def test_a_damaged_state_is_replaced_when_it_is_made_again(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, 1, state(1))
    save_checkpoint(tmp_path, 2, state(2)).write_bytes(b"no checkpoint")
    save_checkpoint(tmp_path, 2, {**state(2), "seconds": 7.5})  # same update, other bytes: other name
    assert load(tmp_path) == (2, [])
    assert len(list(tmp_path.iterdir())) == KEEP


def test_all_damaged_is_the_same_as_none(tmp_path: Path) -> None:
    for update in (1, 2):
        save_checkpoint(tmp_path, update, state(update)).write_bytes(b"no checkpoint")
    update, warnings = load(tmp_path)
    assert update is None
    assert len(warnings) == 2


def test_other_files_are_neither_read_nor_removed(tmp_path: Path) -> None:
    strangers = [
        ".checkpoint-00000009-0123456789abcdef.pt.77-abcd.tmp.pt",  # what a crash in the middle of writing leaves
        "checkpoint-00000009.pt",
        "checkpoint-00000009-0123456789abcdef.pt.bak",
        "metrics.jsonl",
        "outcome.json",
    ]
    for name in strangers:
        (tmp_path / name).write_bytes(b"something else")
    assert load(tmp_path) == (None, [])
    for update in range(1, 5):
        save_checkpoint(tmp_path, update, state(update))
    assert load(tmp_path) == (4, [])
    assert all((tmp_path / name).exists() for name in strangers)
    assert len(list(tmp_path.iterdir())) == len(strangers) + KEEP


def test_a_write_that_fails_leaves_the_old_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_checkpoint(tmp_path, 1, state(1))

    def full_disk(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints, "write_bytes", full_disk)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(tmp_path, 2, state(2))
    assert load(tmp_path) == (1, [])


def test_the_same_state_is_the_same_file(tmp_path: Path) -> None:
    first = save_checkpoint(tmp_path / "a", 1, state(1))
    second = save_checkpoint(tmp_path / "b", 1, state(1))
    assert first.name == second.name
    assert first.read_bytes() == second.read_bytes()
    assert to_bytes(state(1)) != to_bytes(state(2))


def test_nothing_but_plain_data_is_unpickled(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, 1, {"update": 1, "surprise": Path("/")})
    with pytest.raises(Exception, match=r"[Ww]eights.only"):
        load_newest_checkpoint(tmp_path, no_warning)
