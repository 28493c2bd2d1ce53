"""How training fails where a GPU has too little memory, or is not there; what can be asked without one."""

from __future__ import annotations

from pathlib import Path

import pytest

from daf.distributed.failures import Cause, TrainingFailedError
from daf.errors import UnfitEnvironmentError
from daf.system.json_files import read_json
from daf.training.launch import run_training
from tests.unit.training.small import options_of, recipe_of
from tests.unit.training.test_user_failures import failing


def test_too_little_memory_on_a_gpu_is_a_cause_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(TrainingFailedError) as caught:
        run_training(failing(network="gpu memory", at=5), tmp_path, options_of())
    assert caught.value.cause is Cause.OUT_OF_MEMORY
    assert "CUDA out of memory. Tried to allocate 20.00 GiB" in caught.value.found
    assert caught.value.hint == (
        "lower num_envs, horizon or minibatch_size, or use more processes; then start it again"
    )
    assert read_json(tmp_path / "run.json")["cause"] == "out_of_memory"


def test_a_hidden_gpu_is_an_error_in_four_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(UnfitEnvironmentError) as caught:
        run_training(recipe_of(world_size=1), tmp_path, options_of(device="cuda"))
    error = caught.value
    assert (error.expected, error.found, error.where) == ("a CUDA device", "none that torch can use", "device")
    assert "see nvidia-smi and CUDA_VISIBLE_DEVICES" in error.hint
    record = read_json(tmp_path / "run.json")
    assert (record["status"], record["reason"]) == (
        "failed", "device: expected a CUDA device, found none that torch can use"
    )  # fmt: skip
