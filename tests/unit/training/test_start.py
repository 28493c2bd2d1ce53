"""Training that starts from trained weights: the right ones, checked, once, and remembered in what it publishes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from daf.config import DAFTrainingConfig, MissionConfig
from daf.config.recipes import MissionRecipe, TrainingRecipe
from daf.config.start import StartRecipe
from daf.distributed.process_group import Group
from daf.engine.model_files import load_model_description, read_weights
from daf.errors import BadInputError, CheckpointError, PolicyError
from daf.logging_config import create_daf_logger
from daf.system.files import file_sha256
from daf.system.json_files import read_json
from daf.training.launch import run_training
from daf.training.loop import train
from daf.training.options import RunOptions, TrainingSpec
from daf.training.outcome import TrainingOutcome
from daf.training.request import training_spec
from daf.training.start import Start, prepare_start
from tests.unit.training.small import metrics_of, options_of
from tests.unit.training.test_loop import CPU, UPDATE_STEPS, Crash, crash, recipe_of, stop_in_update

LOGGER = create_daf_logger("test", level="error")


def run(recipe: TrainingRecipe, folder: Path, start: Start | None = None) -> TrainingOutcome:
    options = RunOptions(label="test", checkpoint_interval_steps=UPDATE_STEPS, start=start)
    return train(recipe, folder, options, group=Group(), device=CPU, logger=LOGGER)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weights of a short training."""
    folder = tmp_path_factory.mktemp("source")
    run(recipe_of(updates=2), folder)
    return folder / "model.safetensors"


def started(recipe: TrainingRecipe, weights: Path) -> tuple[TrainingRecipe, Start]:
    """The recipe as the job of a run that starts from seed 3 of `easy` gets it, and its weights."""
    planned = recipe.model_copy(update={"start_from": StartRecipe(training="easy", seed=3)})
    recipe, start = prepare_start(planned, weights)
    assert start is not None
    return recipe, start


def test_with_a_tiny_learning_rate_the_weights_stay_those_it_started_from(source: Path, tmp_path: Path) -> None:
    recipe, start = started(recipe_of(updates=2, seed=9, learning_rate=1e-30), source)
    run(recipe, tmp_path, start)
    before, after = read_weights(source), read_weights(tmp_path / "model.safetensors")
    assert before.keys() == after.keys()
    for name, values in before.items():
        assert values.equal(after[name]), name


def test_the_model_and_the_record_say_what_was_carried_over(source: Path, tmp_path: Path) -> None:
    recipe, start = started(recipe_of(updates=1), source)
    run(recipe, tmp_path / "second", start)
    lineage = {
        "training": "easy/seed-3",
        "path": None,
        "weights_sha256": file_sha256(source),
        "mission": "short",
        "agent_steps": 2 * UPDATE_STEPS,
        "total_agent_steps": 2 * UPDATE_STEPS,
    }
    assert read_json(tmp_path / "second/run.json")["started_from"] == lineage
    assert read_json(tmp_path / "second/model.json")["started_from"] == lineage
    assert "started_from" not in read_json(source.with_name("model.json"))
    by_path = recipe_of(updates=1).model_copy(
        update={"start_from": StartRecipe(weights_sha256=file_sha256(tmp_path / "second/model.safetensors"))}
    )
    _, third = prepare_start(by_path, tmp_path / "second/model.safetensors")
    assert third is not None
    assert third.lineage.path == str(tmp_path / "second/model.safetensors")
    assert (third.lineage.agent_steps, third.lineage.total_agent_steps) == (UPDATE_STEPS, 3 * UPDATE_STEPS)
    shutil.copy(source, tmp_path / "bare.safetensors")
    _, bare = prepare_start(by_path, tmp_path / "bare.safetensors")
    assert bare is not None
    assert (bare.lineage.mission, bare.lineage.agent_steps, bare.lineage.total_agent_steps) == (None, None, None)


def test_the_content_of_the_weights_decides_the_recipe_and_nothing_else(source: Path, tmp_path: Path) -> None:
    base = recipe_of()
    assert "start_from" not in base.to_dict()
    first, _ = started(base, source)
    copy = tmp_path / "model.safetensors"
    shutil.copy(source, copy)
    elsewhere = base.model_copy(update={"start_from": StartRecipe(weights_sha256=file_sha256(copy))})
    assert prepare_start(elsewhere, copy)[0].digest == first.digest != base.digest
    run(recipe_of(updates=1), tmp_path / "other")
    assert started(base, tmp_path / "other/model.safetensors")[0].digest != first.digest
    assert TrainingRecipe.model_validate(first.to_dict()) == first


def test_a_resumed_run_ends_with_the_same_bytes_and_does_not_read_the_source_again(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = Path(shutil.copytree(source.parent, tmp_path / "source")) / source.name
    recipe, start = started(recipe_of(updates=4, seed=2), weights)
    run(recipe, tmp_path / "whole", start)
    with monkeypatch.context() as patch:
        stop_in_update(patch, 3, crash)
        with pytest.raises(Crash):
            run(recipe, tmp_path / "killed", start)
    shutil.rmtree(weights.parent)
    run(recipe, tmp_path / "killed", start)
    for name in ("model.safetensors", "model.json"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert metrics_of(tmp_path / "killed") == metrics_of(tmp_path / "whole")
    told = [read_json(tmp_path / name / "run.json")["started_from"] for name in ("whole", "killed")]
    assert told[0] == told[1] is not None


def test_environment_workers_change_no_byte(source: Path, tmp_path: Path) -> None:
    recipe, start = started(recipe_of(updates=2), source)
    for workers in (0, 2):
        run_training(recipe, tmp_path / str(workers), options_of(start=start, env_workers=workers))
    assert len({(tmp_path / name / "model.safetensors").read_bytes() for name in ("0", "2")}) == 1


@pytest.mark.slow
def test_every_rank_starts_from_the_weights(source: Path, tmp_path: Path) -> None:
    """Ranks whose weights differ would drift apart; their sum of gradients would hide it."""
    alone = recipe_of(updates=1, seed=9, learning_rate=1e-30).model_copy(update={"world_size": 2})
    recipe, start = started(alone, source)
    assert run_training(recipe, tmp_path, options_of(start=start)).status == "completed"
    before, after = read_weights(source), read_weights(tmp_path / "model.safetensors")
    assert all(values.equal(after[name]) for name, values in before.items())
    assert load_model_description(tmp_path / "model.json").started_from == start.lineage


def test_a_start_survives_the_file_that_ranks_read(source: Path, tmp_path: Path) -> None:
    recipe, start = started(recipe_of(), source)
    training = TrainingSpec(recipe=recipe, folder=tmp_path, options=options_of(start=start))
    training.write(tmp_path / "job.json")
    assert TrainingSpec.read(tmp_path / "job.json") == training


# ---- what is refused ----------------------------------------------------------------------------------------


def test_weights_that_changed_since_the_plan_are_refused(source: Path, tmp_path: Path) -> None:
    weights = Path(shutil.copytree(source.parent, tmp_path / "source")) / source.name
    recipe, start = started(recipe_of(updates=1), weights)
    run(recipe_of(updates=1), weights.parent)
    with pytest.raises(CheckpointError, match="weights with sha256") as caught:
        run(recipe, tmp_path / "run", start)
    assert "same command again" in caught.value.hint
    weights.unlink()
    with pytest.raises(CheckpointError, match="no such file"):
        run(recipe, tmp_path / "run", start)
    with pytest.raises(CheckpointError, match="weights to start from"):
        prepare_start(recipe, weights)


def test_a_recipe_with_a_start_is_not_trained_from_random_weights(source: Path, tmp_path: Path) -> None:
    recipe, _ = started(recipe_of(), source)
    with pytest.raises(BadInputError, match="the weights that the recipe starts from"):
        run(recipe, tmp_path)
    with pytest.raises(CheckpointError, match="weights to start from"):
        prepare_start(recipe, None)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"policy_class_path": "stateless", "init_kwargs": {}}, "the policy class that was trained"),
        ({"init_kwargs": {"hidden_size": 64, "embedding_size": 16}}, "weights of this network"),
        (
            {"mission": MissionRecipe.of("m", {"m": MissionConfig(source="tutorial.miner")})},
            "used in training",
        ),
    ],
)
def test_weights_of_another_class_shape_or_kind_of_mission_are_refused(
    changes: dict[str, Any], words: str, source: Path, tmp_path: Path
) -> None:
    recipe, start = started(recipe_of().model_copy(update=changes), source)
    with pytest.raises(PolicyError, match=words):
        run(recipe, tmp_path, start)


def test_weights_of_another_engine_are_refused(source: Path, tmp_path: Path) -> None:
    weights = Path(shutil.copytree(source.parent, tmp_path / "source")) / source.name
    description = json.loads(weights.with_suffix(".json").read_text())
    description.pop("content_sha256")
    description["engine"]["mettagrid"] = "0.1"
    weights.with_suffix(".json").write_text(json.dumps(description))
    recipe, start = started(recipe_of(), weights)
    with pytest.raises(PolicyError, match=r"mettagrid 0\.1"):
        run(recipe, tmp_path / "run", start)


# ---- from Python ----------------------------------------------------------------------------------------------


def test_python_code_starts_from_a_file(source: Path, tmp_path: Path) -> None:
    config = DAFTrainingConfig(init_kwargs={"hidden_size": 32, "embedding_size": 16})
    made = training_spec(
        "training_facility_1",
        config,
        {"start_from": str(source)},
        name="a",
        seed=None,
        output_dir=tmp_path,
    )
    assert made.recipe.start_from == StartRecipe(weights_sha256=file_sha256(source))
    assert made.options.start is not None
    assert made.options.start.weights == source
    with pytest.raises(PolicyError, match="weights of this network"):
        training_spec(
            "training_facility_1", None, {"start_from": str(source)}, name="a", seed=None, output_dir=tmp_path
        )
    with pytest.raises(BadInputError, match=r"start_from\n +expected: another training run") as caught:
        training_spec("training_facility_1", None, {"start_from": "easy"}, name="a", seed=None, output_dir=tmp_path)
    assert caught.value.found == "'easy'"
