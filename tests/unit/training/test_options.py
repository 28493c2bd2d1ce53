"""How a training runs, what describes one in a file, how it ended: models that survive a file and decide no result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from daf.config import DAFTrainingConfig, Hyperparameters
from daf.config.recipes import TrainingRecipe, training_recipe
from daf.distributed.failures import Cause, Failure
from daf.distributed_training import daf_launch_distributed_training
from daf.errors import BadInputError, ConfigError
from daf.system import limits
from daf.system.files import write_json
from daf.system.json_files import read_json
from daf.training.options import RunOptions, TrainingSpec, cores_per_process, environment_workers
from daf.training.outcome import RunDetails, TrainingOutcome, read_run_record, write_run_record
from daf.training.request import training_spec

CHANGED: dict[str, Any] = {
    "num_machines": 2,
    "checkpoint_interval_steps": 7,
    "max_restarts": 5,
    "env_workers": 3,
    "stall_seconds": 4.5,
    "trackers": ["tensorboard", "wandb"],
}


def recipe_of(**changes: Any) -> TrainingRecipe:
    return training_recipe(DAFTrainingConfig.from_dict(changes), 1, {})


def test_a_configuration_sets_the_options_and_they_change_no_recipe() -> None:
    config = DAFTrainingConfig.from_dict(CHANGED)
    options = RunOptions.of(config, label="train a", device="cpu", task_per_gpu=True, log_file=Path("a.log"))
    shown = options.model_dump()
    assert {name: shown[name] for name in CHANGED} == {**CHANGED, "trackers": ("tensorboard", "wandb")}
    assert (options.label, options.device, options.task_per_gpu, options.log_file) == (
        "train a", "cpu", True, Path("a.log"),
    )  # fmt: skip
    one_process_each = {**CHANGED, "num_machines": 1}
    assert recipe_of(**one_process_each).digest == recipe_of().digest


def test_without_a_configuration_its_defaults_hold() -> None:
    config, options = DAFTrainingConfig(), RunOptions(label="a")
    for name in ("num_machines", "checkpoint_interval_steps", "max_restarts", "env_workers", "stall_seconds"):
        assert getattr(options, name) == getattr(config, name)


def test_every_key_of_a_run_decides_its_recipe_or_its_options() -> None:
    """A key that reached neither would be without effect."""
    # The workflow's jobs; the recipe's world size, and its curriculum.
    elsewhere = {"seeds", "sweep", "processes_per_machine", "missions"}
    renamed = {"num_evaluations", "evaluation_episodes", "evaluation_seed", "objective_metric", "optimize_direction"}
    assert set(DAFTrainingConfig.model_fields) == (
        (set(TrainingRecipe.model_fields) - {"seed", "world_size", "held_out", "code", "stage_version"})
        | (set(RunOptions.model_fields) & set(CHANGED))
        | renamed
        | elsewhere
    )


@pytest.mark.parametrize(
    ("setting", "device", "environment", "workers"),
    [
        ("auto", "cpu", {}, 0),
        ("auto", "cuda", {}, 7),
        ("auto", "cuda", {"LOCAL_WORLD_SIZE": "2"}, 3),
        ("auto", "cuda", {"LOCAL_WORLD_SIZE": "8"}, 0),
        ("auto", "cuda", {"SLURM_JOB_ID": "1", "SLURM_CPUS_PER_TASK": "4"}, 3),
        ("auto", "cuda", {"SLURM_CPUS_PER_TASK": "4"}, 7),  # of a job that has ended
        (0, "cuda", {}, 0),
        (3, "cpu", {}, 3),
        (99, "cpu", {}, 16),
    ],
)
def test_workers_follow_the_cores_that_a_process_may_use(
    setting: int | str, device: str, environment: dict[str, str], workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LOCAL_WORLD_SIZE", "SLURM_JOB_ID", "SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(limits, "cpus_of_affinity", lambda: 8)
    monkeypatch.setattr(limits, "cgroup_cpu_limit", lambda root: None)
    assert environment_workers(setting, 16, device) == workers


def test_a_quota_and_more_workers_than_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setattr(limits, "cpus_of_affinity", lambda: 64)
    monkeypatch.setattr(limits, "cgroup_cpu_limit", lambda root: 2.5)
    assert limits.usable_cpus() == 2
    monkeypatch.setattr(limits, "cgroup_cpu_limit", lambda root: 0.5)
    assert limits.usable_cpus() == 1
    assert environment_workers("auto", 16, "cuda") == 0


@pytest.mark.parametrize(
    ("cores", "processes", "shared_gpus", "each"),
    [
        (None, 1, 0, 16),  # alone in an allocation
        (None, 4, 0, 4),
        (None, 1, 4, 4),  # three other runs may train on the other GPUs
        (None, 2, 4, 4),
        (None, 4, 4, 4),
        (8, 1, 4, 8),  # a job that knows its cores
        (8, 4, 0, 2),
        (3, 4, 0, 1),
        (64, 1, 0, 16),  # more than it may use
    ],
)
def test_a_process_gets_its_share_of_the_cores(
    cores: int | None, processes: int, shared_gpus: int, each: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daf.training.options.usable_cpus", lambda: 16)
    assert cores_per_process(cores, processes, shared_gpus) == each


@pytest.mark.parametrize("machine", [4, 6, 16, 61])
@pytest.mark.parametrize("gpus", [1, 2, 4])
def test_trainings_that_run_at_once_do_not_oversubscribe_a_machine(
    machine: int, gpus: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every process has one thread and its workers. Each way to divide the GPUs among runs is tried."""
    monkeypatch.setattr("daf.training.options.usable_cpus", lambda: machine)
    for processes in (1, 2, gpus):
        for cores in (None, processes * (machine // gpus)):  # unknown, and as the profile says
            runs, share = gpus // processes, cores_per_process(cores, processes, gpus)
            busy = runs * processes * (1 + environment_workers("auto", 999, "cuda", share))
            assert busy <= machine
            assert busy > machine - gpus or runs * processes < gpus  # and wastes less than a core per GPU


def test_workers_are_refused_where_a_process_cannot_be_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daf.training.options.CAN_FORK", False)
    assert environment_workers("auto", 16, "cuda") == 0
    with pytest.raises(BadInputError, match=r"env_workers 0 on this system"):
        environment_workers(2, 16, "cpu")


@pytest.mark.parametrize("value", [-1, "all", 1.5])
def test_a_number_of_workers_is_whole_or_auto(value: Any) -> None:
    with pytest.raises(ConfigError, match="env_workers"):
        DAFTrainingConfig.from_dict({"env_workers": value})


def test_options_are_frozen_and_refuse_what_they_do_not_know() -> None:
    with pytest.raises(ValidationError):
        RunOptions(label="a", devise="cpu")  # type: ignore[call-arg]
    with pytest.raises(ValidationError):
        RunOptions(label="a").label = "b"  # type: ignore[misc]


def test_a_training_survives_its_file(tmp_path: Path) -> None:
    options = RunOptions(label="it's a · b", trackers=("tensorboard",), log_file=tmp_path / "log")
    training = TrainingSpec(recipe=recipe_of(), folder=tmp_path, options=options)
    training.write(tmp_path / "job.json")
    assert TrainingSpec.read(tmp_path / "job.json") == training


def test_an_outcome_survives_its_file(tmp_path: Path) -> None:
    for outcome in (
        TrainingOutcome(status="completed", agent_steps=5, seconds=1.5, processes={"world_size": 1}),
        TrainingOutcome(status="interrupted", cause=Cause.SIGNAL, reason="interrupted by SIGTERM"),
    ):
        outcome.write(tmp_path / "outcome.json")
        again = TrainingOutcome.read(tmp_path / "outcome.json")
        assert again == outcome
        assert again.cause is outcome.cause


def test_the_outcome_that_an_earlier_version_kept_at_the_end_of_a_rung_is_read(tmp_path: Path) -> None:
    kept = {"status": "paused", "reason": "64 agent-steps reached", "agent_steps": 64, "seconds": 1.5}
    write_json(tmp_path / "outcome.json", kept)
    assert TrainingOutcome.read(tmp_path / "outcome.json") == TrainingOutcome(**kept)


def test_run_json_has_the_same_keys_however_a_training_ended(tmp_path: Path) -> None:
    recipe = recipe_of()
    completed = TrainingOutcome(status="completed", agent_steps=100, seconds=4.0)
    write_run_record(tmp_path / "a", recipe, completed, RunDetails(recent_episode_reward=2.0))
    failure = Failure(cause=Cause.DISK_FULL, reason="full", agent_steps=64)
    write_run_record(tmp_path / "b", recipe, TrainingOutcome.of_failure(failure))
    good, bad = read_json(tmp_path / "a/run.json"), read_run_record(tmp_path / "b")
    assert set(good) == set(bad)
    assert (good["status"], good["steps_per_second"], good["recent_episode_reward"]) == ("completed", 25.0, 2.0)
    assert (bad["status"], bad["cause"], bad["agent_steps"]) == ("failed", "disk_full", 64)
    assert bad["steps_per_second"] is bad["published"] is None
    assert bad["provenance"]["seeds"] == {"training": 1}
    assert read_run_record(tmp_path / "nowhere") == {}


# ---- as Python code asks for a training -------------------------------------------------------------------


def spec_of(
    folder: Path, config: DAFTrainingConfig | None = None, seed: int | None = None, **changes: Any
) -> TrainingSpec:
    return training_spec("training_facility_1", config, changes, name="a", seed=seed, output_dir=folder)


def test_arguments_replace_values_of_a_configuration(tmp_path: Path) -> None:
    config = DAFTrainingConfig(num_steps=500, seeds=[7, 8], max_restarts=4, hyperparameters=Hyperparameters(gamma=0.9))
    training = spec_of(tmp_path, config, num_steps=900, device="cpu", stall_seconds=5.0)
    recipe, options = training.recipe, training.options
    assert (recipe.num_steps, recipe.seed, recipe.hyperparameters.gamma) == (900, 7, 0.9)
    assert (options.max_restarts, options.device, options.stall_seconds) == (4, "cpu", 5.0)
    assert training.folder == tmp_path / "training" / "a" / "seed-7"
    assert options.log_file == training.folder / "train.log"
    assert spec_of(tmp_path, config, seed=8).recipe.seed == 8
    assert config.num_steps == 500


def test_an_override_may_be_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daf.distributed_training.start_training", lambda training, *_: training)
    config = DAFTrainingConfig(mission="training_facility_1", sweep="s", num_steps=500)
    training: Any = daf_launch_distributed_training(
        config=config, sweep=None, num_steps=None, device=None, output_dir=tmp_path
    )
    assert (training.recipe.mission.name, training.recipe.num_steps) == ("training_facility_1", 500)
    assert training.options.device == "auto"


def test_the_processes_share_the_environments_equally_unless_their_number_is_set(tmp_path: Path) -> None:
    config = DAFTrainingConfig(hyperparameters=Hyperparameters(gamma=0.9))
    training = spec_of(tmp_path, config, num_machines=3, processes_per_machine=2)
    assert training.recipe.hyperparameters.num_envs == 18
    with pytest.raises(BadInputError, match="a multiple of the 6"):
        spec_of(tmp_path, num_machines=6, hyperparameters=Hyperparameters(num_envs=16))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"num_step": 5}, "did you mean 'num_steps'"),
        ({"sweep": "s"}, "a run without a sweep"),
        ({"mission": "tutorial.miner"}, "env_cfg or mission"),
        ({"hyperparameters": None}, "hyperparameters\n +expected: a mapping"),
    ],
)
def test_what_a_single_training_cannot_take_is_refused(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises((ConfigError, BadInputError), match=words):
        spec_of(tmp_path, **changes)
