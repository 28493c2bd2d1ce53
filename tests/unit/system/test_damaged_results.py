"""Damaged results are named, and say how to heal them: what to delete, and which command makes it again."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

import pytest

from daf.config import PolicyConfig
from daf.engine.model_files import load_model_description, read_weights
from daf.engine.policies import resolve_policy
from daf.errors import BadInputError, CheckpointError, ConfigError, DafError
from daf.logging_config import create_daf_logger
from daf.packaging.bundle import write_zip
from daf.packaging.inspection import inspect
from daf.packaging.manifest import read_manifest
from daf.system.files import append_json_line, write_json
from daf.system.readers import FROM_A_RUN
from daf.system.validated import read_record
from daf.training.metrics_file import MetricsFile, read_metrics
from daf.training.run import RunInputs, train_run
from tests.unit.training.small import options_of, recipe_of


class Figures(TypedDict):
    trial: int
    status: str


@pytest.mark.parametrize(
    "content",
    [b'{"trial": "1", "status": 3}', b'{"trial": 1}', b'{"trial": \xff}', b'{"trial": 1', b"", b"[1]"],
)
def test_a_damaged_result_is_healed_by_deleting_it(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_bytes(content)
    with pytest.raises(BadInputError) as caught:
        read_record(path, Figures)
    problems = caught.value.problems if isinstance(caught.value, ConfigError) else [caught.value]
    for problem in problems:
        assert problem.hint == FROM_A_RUN
        assert problem.where.startswith(str(path))


def damaged(path: Path) -> Path:
    """The file, one bit of its middle flipped."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    return path


def test_a_damaged_best_json_stops_the_training_that_uses_it(tmp_path: Path) -> None:
    best = tmp_path / "sweeps/lr/best.json"
    write_json(best, {"trial": 3, "hyperparameters": {"learning_rate": 0.003}})
    logger = create_daf_logger("test")
    with pytest.raises(BadInputError) as caught:
        train_run(
            recipe_of(world_size=1).to_dict(), tmp_path, options_of(), RunInputs(best=damaged(best)), logger=logger
        )
    assert caught.value.where == str(best)
    assert caught.value.hint == "delete it and run the same command again: the workflow makes it again"
    assert not (tmp_path / "run.json").exists()


def test_a_damaged_line_of_metrics_says_how_to_get_it_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "metrics.jsonl"
    for update in range(3):
        append_json_line(path, {"update": update})
    assert [line["update"] for line in read_metrics(damaged(path))] == [0, 2]
    (told,) = [record.getMessage() for record in caplog.records]
    assert told.startswith(f"{path}: line 2 is damaged and left out (")
    assert told.endswith("); to get it back, delete the file and run the same command again, which publishes it again")
    caplog.clear()
    MetricsFile(path, 3)  # the growing file, next to the state of the training
    damage, lost = [record.getMessage() for record in caplog.records]
    assert "to get it back" not in damage
    assert lost == f"{path}: the metrics of 1 of 3 updates are lost; to get them back, delete {tmp_path}"


def test_a_damaged_description_or_damaged_weights_are_replaced_together(tmp_path: Path) -> None:
    description, weights = tmp_path / "model.json", tmp_path / "model.safetensors"
    write_json(description, {"format_version": 1})
    weights.write_bytes(bytes(100))
    heal = (
        "copy the weights and their .json again; if DAF trained them here, delete both and run the same command again, "
        "which publishes them from the state of the training"
    )
    with pytest.raises(CheckpointError) as of_description:
        load_model_description(damaged(description))
    assert (of_description.value.where, of_description.value.hint) == (str(description), heal)
    with pytest.raises(CheckpointError) as of_weights:
        read_weights(weights, "0" * 64)
    assert of_weights.value.where == str(weights)
    assert of_weights.value.hint.endswith(f"their description: {heal}")


def test_a_damaged_bundle_is_copied_again_or_packaged_again(tmp_path: Path) -> None:
    bundle = tmp_path / "p-0.1.0.zip"
    write_zip(bundle, {"policy_spec.json": b'{"class_path": "random"}', "weights.bin": bytes(range(256)) * 40})
    with pytest.raises(CheckpointError) as caught:
        resolve_policy(PolicyConfig(data_path=damaged(bundle)))
    assert caught.value.where == str(bundle)
    assert (
        caught.value.hint == "copy or download it again; if DAF packaged it here, delete it and run `snakemake package`"
    )
    again = "delete it and package the policy again: `snakemake package`, or daf_package_policy"
    (check,) = inspect(bundle).checks
    assert str(bundle) in check.expected
    assert check.hint == again
    with pytest.raises(DafError) as of_manifest:
        read_manifest(bundle)
    assert of_manifest.value.where == str(tmp_path / "p-0.1.0.manifest.json")
    assert of_manifest.value.hint.startswith(again)
