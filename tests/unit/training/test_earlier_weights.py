"""Weights that a run keeps on its way: the same bytes whatever happens to the run, of which they change nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from daf.distributed.process_group import Group
from daf.engine.model_files import load_model_description, read_weights
from daf.logging_config import create_daf_logger
from daf.training.earlier_weights import kept_folder
from daf.training.loop import train
from daf.training.paths import state_folder
from daf.training.run import RunInputs, keep_weights, train_run
from tests.unit.training.small import UPDATE_STEPS, options_of, recipe_of
from tests.unit.training.test_loop import Crash, crash, stop_in_update

RECIPE = recipe_of(world_size=1, updates=6)
LOGGER = create_daf_logger("test", level="error")


def run(folder: Path, *keep: float) -> None:
    options = options_of(keep=keep, checkpoint_interval_steps=2 * UPDATE_STEPS)
    train(RECIPE, folder, options, group=Group(), device=torch.device("cpu"), logger=LOGGER)


def kept(folder: Path, share: float) -> dict[str, bytes]:
    place = kept_folder(state_folder(folder, RECIPE), share)
    return {name: (place / name).read_bytes() for name in ("model.safetensors", "model.json")}


def published(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in ("model.safetensors", "model.json")]


def test_killed_and_resumed_a_run_keeps_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path / "plain")
    run(tmp_path / "calm", 0.5, 0.9)
    for number in (4, 6):  # after an update that is kept, and whose checkpoint is not yet written
        with monkeypatch.context() as patched:
            stop_in_update(patched, number, crash)
            with pytest.raises(Crash):
                run(tmp_path / "killed", 0.5, 0.9)
    run(tmp_path / "killed", 0.5, 0.9)
    for share in (0.5, 0.9):
        assert kept(tmp_path / "killed", share) == kept(tmp_path / "calm", share)
    assert published(tmp_path / "calm") == published(tmp_path / "plain") == published(tmp_path / "killed")
    assert kept(tmp_path / "calm", 0.5)["model.safetensors"] != published(tmp_path / "calm")[0]
    described = load_model_description(kept_folder(state_folder(tmp_path / "calm", RECIPE), 0.5) / "model.json")
    assert (described.agent_steps, described.recipe_digest) == (3 * UPDATE_STEPS, RECIPE.digest)


@pytest.mark.parametrize("world_size", [1, pytest.param(2, marks=pytest.mark.long)])
def test_what_a_finished_run_has_not_kept_is_trained_again(world_size: int, tmp_path: Path) -> None:
    recipe = RECIPE.model_copy(update={"world_size": world_size})
    folders = tmp_path / "kept", tmp_path / "asked_later"
    for folder, keep in zip(folders, ((0.5,), ()), strict=True):
        train_run(recipe.to_dict(), folder, options_of(keep=keep), RunInputs(), logger=LOGGER)
        before = published(folder)
        keep_weights(recipe.to_dict(), folder, options_of(keep=(0.5,)), RunInputs(), logger=LOGGER)
        assert published(folder) == before
    first, second = ((folder / "at-0.5" / "model.safetensors").read_bytes() for folder in folders)
    assert first == second
    assert not list((folders[1] / "state").glob("again-*"))
    description = json.loads((folders[1] / "at-0.5" / "model.json").read_text())
    assert read_weights(folders[1] / "at-0.5" / "model.safetensors", description["weights_sha256"])


def test_damaged_weights_are_trained_again(tmp_path: Path) -> None:
    run(tmp_path, 0.5)
    intact = kept(tmp_path, 0.5)["model.safetensors"]
    (kept_folder(state_folder(tmp_path, RECIPE), 0.5) / "model.safetensors").write_bytes(intact[:-1])
    keep_weights(RECIPE.to_dict(), tmp_path, options_of(keep=(0.5,)), RunInputs(), logger=LOGGER)
    assert (tmp_path / "at-0.5" / "model.safetensors").read_bytes() == intact
