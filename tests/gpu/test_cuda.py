"""Training and evaluation on a GPU: learns as on a CPU, repeats to the byte, resumes, and fails with a cause.

Everything is small, for less than six minutes on one GPU: the question is whether it is right.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import warnings
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import torch

from daf.config import DAFComparisonConfig, MissionConfig, PolicyConfig
from daf.config.recipes import TrainingRecipe
from daf.distributed.failures import Cause, TrainingFailedError
from daf.distributed.process_group import Group
from daf.engine.evaluation import evaluate_policy
from daf.engine.grid_policy import GridNetwork, GridPolicy
from daf.engine.missions import resolve_mission
from daf.statistics.comparison import compare_episodes
from daf.system.json_files import read_json
from daf.training.acting import StagedActor
from daf.training.arithmetic import arithmetic
from daf.training.launch import run_training
from daf.training.options import TrainingSpec
from daf.training.paths import JOB, state_folder
from daf.training.rollout import Rollout
from daf.training.trainer import Trainer
from tests.unit.training.small import UPDATE_STEPS, metrics_of, options_of, recipe_of

pytestmark = pytest.mark.gpu

GPU = "cuda"
CPU = torch.device("cpu")
POLICIES = ["grid", "lstm", "stateless"]


def alone(policy: str = "grid", *, updates: int = 4, seed: int = 1, **changes: Any) -> TrainingRecipe:
    hyperparameters = changes.pop("hyperparameters", {})
    recipe = recipe_of(policy, world_size=1, updates=updates, **hyperparameters)
    return recipe.model_copy(update={"seed": seed, **changes})


def train(recipe: TrainingRecipe, folder: Path, device: str = GPU, **options: Any) -> bytes:
    """The weights after training."""
    assert run_training(recipe, folder, options_of(device=device, **options)).status == "completed"
    return (folder / "model.safetensors").read_bytes()


def trained(policy: str, folder: Path) -> PolicyConfig:
    return PolicyConfig(class_path=policy, data_path=folder / "model.safetensors")


def gpu_trainer(policy: str, **changes: Any) -> Trainer:
    return Trainer(alone(policy, **changes), Group(), torch.device(GPU, 0))


# ---- what it learns ---------------------------------------------------------------------------------------


def test_it_learns_as_on_a_cpu(tmp_path: Path) -> None:
    """Three training seeds on each device; DAF's own comparison of the two recipes finds no difference."""
    rows = []
    mission = resolve_mission(MissionConfig(source="training_facility_1", max_steps=21))
    for place, device in (("on CPU", "cpu"), ("on GPU", GPU)):
        for seed in (1, 2, 3):
            folder = tmp_path / f"{place}-{seed}"
            learning = {"learning_rate": 0.005, "gamma": 0.9, "epochs": 3}
            train(alone(updates=40, seed=seed, hyperparameters=learning), folder, device)
            rewards = [line["episode_reward"] for line in metrics_of(folder) if line["episode_reward"] is not None]
            third = len(rewards) // 3
            assert np.mean(rewards[-third:]) > 1.3 * np.mean(rewards[:third])
            played = evaluate_policy(trained("grid", folder), mission, episodes=32, seed=5000)
            rows.append(played.assign(policy=place, checkpoint=f"{place}-{seed}", train_seed=seed, mission="m"))
    config = DAFComparisonConfig(policies=["on CPU", "on GPU"], missions=["m"], num_resamples=2000)
    results = compare_episodes(pd.concat(rows, ignore_index=True), config)
    pairs = results.pairwise
    (p,) = pairs[(pairs.estimand == "recipes") & (pairs.mission == "m")].p_holm
    assert p > 0.05


# ---- the same again ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "precision"), [("grid", "float32"), ("lstm", "float32"), ("lstm", "tf32"), ("lstm", "bfloat16")]
)
def test_the_same_seed_gives_the_same_bytes(policy: str, precision: str, tmp_path: Path) -> None:
    """Also with another number of workers."""
    recipe = alone(policy, precision=precision)
    assert train(recipe, tmp_path / "first", env_workers=0) == train(recipe, tmp_path / "second", env_workers=2)
    assert metrics_without_memory(tmp_path / "first") == metrics_without_memory(tmp_path / "second")


def metrics_without_memory(folder: Path) -> list[dict[str, Any]]:
    return [{name: value for name, value in line.items() if name != "cuda_memory_mb"} for line in metrics_of(folder)]


def test_killed_and_resumed_it_equals_an_undisturbed_run(tmp_path: Path) -> None:
    recipe = alone("lstm", updates=80)
    whole = train(recipe, tmp_path / "whole")
    folder = tmp_path / "killed"
    options = options_of(device=GPU, checkpoint_interval_steps=UPDATE_STEPS)
    TrainingSpec(recipe=recipe, folder=folder, options=options).write(folder / JOB)
    process = subprocess.Popen([sys.executable, "-m", "daf.training.worker", "--job", str(folder / JOB)])
    metrics, deadline = state_folder(folder, recipe) / "metrics.jsonl", time.monotonic() + 120
    while not (metrics.exists() and len(metrics.read_text().splitlines()) > 5):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert not (folder / "model.safetensors").exists()
    assert train(recipe, folder) == whole


# ---- how it runs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", POLICIES)
def test_recorded_steps_are_the_steps_that_they_recorded(policy: str) -> None:
    rollouts = []
    for recorded in (True, False):
        told: list[str] = []
        with arithmetic(torch.device(GPU, 0), "float32"):
            trainer = gpu_trainer(policy)
            trainer._collector._recorder.wanted = recorded
            trainer._collector._recorder._warn = told.append
            trainer._collector.collect()
            rollout, _ = trainer._collector.collect()
        assert rollout is not None
        assert told == []
        actors = trainer._collector._actors.values()
        graphs = [shape.graph for actor in actors if isinstance(actor, StagedActor) for shape in actor._shapes.values()]
        assert graphs
        assert all((graph is not None) == recorded for graph in graphs)
        rollouts.append(rollout)
    for field in fields(Rollout):
        first, second = (getattr(rollout, field.name) for rollout in rollouts)
        for one, other in zip(first, second, strict=True) if isinstance(first, tuple) else [(first, second)]:
            assert one is other is None or torch.equal(one, other), field.name


@pytest.mark.parametrize("policy", POLICIES)
def test_an_update_waits_as_often_with_many_minibatches_as_with_one(policy: str) -> None:
    """According to torch, which warns of each operation that waits."""
    counts = []
    for size in (256, 16):
        trainer = gpu_trainer(policy, hyperparameters={"minibatch_size": size})
        rollout, _ = trainer.collect()
        assert rollout is not None
        assert trainer.learn(rollout) is not None  # libraries allocate what they keep
        torch.cuda.set_sync_debug_mode("warn")
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                assert trainer.learn(rollout) is not None
        finally:
            torch.cuda.set_sync_debug_mode("default")
        counts.append(sum("synchronizing CUDA operation" in str(warning.message) for warning in caught))
    assert counts[0] == counts[1]


class PeekingNetwork(GridNetwork):
    """Looks at a number in every call, which a recording forbids."""

    def forward_eval(self, observations: torch.Tensor, state: object = None) -> tuple[torch.Tensor, torch.Tensor]:
        observations.max().item()
        return super().forward(observations, state)


class Peeking(GridPolicy):
    short_names: ClassVar[list[str]] = []
    remembers_nothing = True

    def __init__(self, policy_env_info: Any, device: str = "cpu") -> None:
        super().__init__(policy_env_info, device)
        self._network = PeekingNetwork(policy_env_info).to(device)


def test_a_network_that_cannot_be_recorded_is_told_once_and_plays() -> None:
    told: list[str] = []
    recipe = alone().model_copy(update={"policy_class_path": "tests.gpu.test_cuda.Peeking"})
    trainer = Trainer(recipe, Group(), torch.device(GPU, 0), warn=told.append)
    for _ in range(2):
        rollout, _ = trainer.collect()
        assert rollout is not None
    assert len(told) == 1
    assert "without CUDA graphs" in told[0]


def test_bfloat16_and_compile_run(tmp_path: Path) -> None:
    train(alone("lstm", updates=2, precision="bfloat16", compile_network=True), tmp_path)
    losses = [line["value_loss"] for line in metrics_of(tmp_path)]
    assert np.isfinite(losses).all()


# ---- evaluation -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", POLICIES)
def test_a_network_says_the_same_on_both_devices(policy: str) -> None:
    """Within 1e-4 in float32, and within 1e-2 in TF32, of logits and values around 1."""
    trainer = Trainer(alone(policy), Group(), CPU)
    rollout, _ = trainer.collect()
    assert rollout is not None
    network, observations = trainer.network, rollout.observations[-1]
    state = network.initial_state(len(observations), CPU)
    with torch.no_grad():
        expected = network.step(observations, state)[:2]
        network.module.to(GPU)
        for precision, limit in (("float32", 1e-4), ("tf32", 1e-2)):
            with arithmetic(torch.device(GPU, 0), precision):
                found = network.step(observations.to(GPU), network.initial_state(len(observations), torch.device(GPU)))
            for one, other in zip(expected, found[:2], strict=True):
                torch.testing.assert_close(other.cpu(), one, rtol=limit, atol=limit)


@pytest.mark.parametrize("policy", ["grid", "lstm"])
def test_evaluations_on_both_devices_agree(policy: str, tmp_path: Path) -> None:
    """The last bits of logits differ, so now and then an action does, and the rest of its episode. At least three in
    four episodes are the same."""
    train(alone(policy), tmp_path)
    mission = resolve_mission(MissionConfig(source="training_facility_1", max_steps=21))
    on_cpu, on_gpu = (
        evaluate_policy(trained(policy, tmp_path), mission, episodes=32, seed=7000, device=device)
        for device in ("cpu", GPU)
    )
    same = (on_cpu.mean_reward.to_numpy() == on_gpu.mean_reward.to_numpy()).mean()
    assert same >= 0.75
    assert abs(on_cpu.mean_reward.mean() - on_gpu.mean_reward.mean()) < on_cpu.mean_reward.std()


# ---- what fails -------------------------------------------------------------------------------------------


def test_too_little_memory_is_a_cause_with_a_hint(tmp_path: Path) -> None:
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(16 * 2**20 / total)
    try:
        recipe = alone("lstm", hyperparameters={"num_envs": 64, "horizon": 64, "minibatch_size": 65_536})
        with pytest.raises(TrainingFailedError) as caught:
            run_training(recipe, tmp_path, options_of(device=GPU, env_workers=0))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert caught.value.cause is Cause.OUT_OF_MEMORY
    assert "minibatch_size" in caught.value.hint
    assert read_json(tmp_path / "run.json")["cause"] == "out_of_memory"


def test_a_gpu_that_is_hidden_from_a_new_process_is_an_error_in_four_parts(tmp_path: Path) -> None:
    TrainingSpec(recipe=alone(), folder=tmp_path, options=options_of(device=GPU)).write(tmp_path / JOB)
    command = [sys.executable, "-m", "daf.training.launch", "--job", str(tmp_path / JOB)]
    hidden = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=hidden)
    assert done.returncode != 0
    for part in ("a CUDA device", "none that torch can use", "device", "CUDA_VISIBLE_DEVICES"):
        assert part in done.stderr
