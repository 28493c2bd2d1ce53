"""Imitating a teacher: what is learned, for how long, and that it resumes and shares work without a trace."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from daf.config import PolicyConfig, TeacherConfig
from daf.config.recipes import TrainingRecipe
from daf.config.teacher import TeacherRecipe
from daf.distributed.process_group import Group
from daf.errors import CheckpointError
from daf.logging_config import create_daf_logger
from daf.system.files import file_sha256
from daf.training.launch import run_training
from daf.training.loop import train
from daf.training.options import RunOptions
from daf.training.ppo import imitation_loss
from daf.training.teaching import Imitation, imitation_of, prepare_teacher, teacher_recipe
from daf.training.trainer import Trainer
from tests.unit.training.small import metrics_of, options_of
from tests.unit.training.test_loop import CPU, UPDATE_STEPS, Crash, crash, recipe_of, run, stop_in_update


def taught(mode: str = "kickstart", *, updates: int = 4, lessons: int = 3, **teacher: Any) -> TrainingRecipe:
    """A run of some updates, the first of which have a teacher."""
    found = TeacherRecipe(**{"class_path": "starter", "mode": mode, "steps": lessons * UPDATE_STEPS, **teacher})
    return recipe_of(updates=updates).model_copy(update={"teacher": found})


def model(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


# ---- what is learned ------------------------------------------------------------------------------------------


def test_the_term_declines_to_nothing_and_cloning_ends_at_once() -> None:
    kickstart, clone = (
        TeacherRecipe(class_path="a", mode=mode, steps=100, coef=2.0) for mode in ("kickstart", "clone")
    )
    assert [imitation_of(kickstart, steps) for steps in (0, 50, 99, 100, 101)] == [
        Imitation(2.0, alone=False), Imitation(1.0, alone=False), Imitation(pytest.approx(0.02), alone=False),
        None, None,
    ]  # fmt: skip
    assert [imitation_of(clone, steps) for steps in (0, 99, 100)] == [Imitation(2.0, alone=True)] * 2 + [None]
    assert imitation_of(None, 0) is None


def test_the_loss_is_the_cross_entropy_of_what_has_a_label() -> None:
    logits = torch.randn(9, 5, generator=torch.Generator().manual_seed(1))
    labels = torch.tensor([0, 4, -1, 2, -1, 1, 3, 0, 2])
    expected = functional.cross_entropy(logits, labels, ignore_index=-1, reduction="sum")
    torch.testing.assert_close(imitation_loss(logits, labels), expected)
    assert imitation_loss(logits, torch.full((9,), -1)) == 0


@pytest.mark.parametrize("policy", ["grid", "lstm"])
def test_a_step_goes_down_the_gradient_of_both_losses(policy: str) -> None:
    """One minibatch per update: the gradient norm is that of the whole loss, computed here once more."""
    found = TeacherRecipe(class_path="starter", mode="kickstart", steps=10**6, coef=3.0)
    recipe = recipe_of(policy, minibatch_size=UPDATE_STEPS, epochs=1, max_grad_norm=1e9, normalize_advantages=False)
    trainer = Trainer(recipe.model_copy(update={"teacher": found}), Group(), CPU)
    rollout, _ = trainer.collect()
    assert rollout is not None
    assert rollout.labels is not None
    module = trainer.network.module
    logits, _ = trainer.network.sequence(rollout.observations.transpose(0, 1), rollout.state, rollout.starts.T)
    labels = rollout.labels.T.flatten()
    loss = functional.cross_entropy(logits.flatten(0, 1), labels, ignore_index=-1, reduction="sum") / UPDATE_STEPS
    ours = torch.autograd.grad(3.0 * loss, list(module.parameters()), allow_unused=True, retain_graph=True)
    plain = Trainer(recipe, Group(), CPU)
    plain.collect()
    gradients = []
    for one in (trainer, plain):
        figures = one._learner.learn(rollout, 0.001, one._imitation())
        assert figures is not None
        gradients.append([parameter.grad for parameter in one._learner.parameters])  # of the only minibatch
        if one is trainer:
            assert figures["teacher_loss"] == pytest.approx(loss.item(), rel=1e-4)
            assert figures["teacher_coef"] == 3.0
        else:
            assert "teacher_loss" not in figures
    for with_teacher, without, term in zip(*gradients, ours, strict=True):
        assert with_teacher is not None
        assert without is not None
        torch.testing.assert_close(
            with_teacher - without, torch.zeros_like(without) if term is None else term, atol=2e-4, rtol=1e-3
        )


def test_in_a_clone_the_teacher_plays_and_the_network_comes_to_choose_as_it_does(tmp_path: Path) -> None:
    recipe = taught("clone", updates=12, lessons=10)
    trainer = Trainer(recipe, Group(), CPU)
    rollout, _ = trainer.collect()
    assert rollout is not None
    assert rollout.labels is not None
    assert rollout.labels.equal(rollout.actions)
    run(recipe, tmp_path)
    lines = metrics_of(tmp_path)
    losses = [line["teacher_loss"] for line in lines if "teacher_loss" in line]
    assert len(losses) == 10
    assert losses[-1] < 0.8 * losses[0]
    assert all(line["approx_kl"] == line["clip_fraction"] == 0 for line in lines[:10])
    assert lines[-1]["approx_kl"] != 0


def test_with_kickstart_the_network_plays(tmp_path: Path) -> None:
    trainer = Trainer(taught(), Group(), CPU)
    rollout, _ = trainer.collect()
    assert rollout is not None
    assert rollout.labels is not None
    assert not rollout.labels.equal(rollout.actions)


# ---- exact resume ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "teacher"),
    [
        ("kickstart", "starter"),
        pytest.param("clone", "random", marks=pytest.mark.long),
        pytest.param("kickstart", "lstm", marks=pytest.mark.long),
    ],
)
def test_killed_resumed_and_with_workers_it_ends_with_the_same_bytes(
    mode: str, teacher: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = taught(mode, class_path=teacher)
    run(recipe, tmp_path / "whole")
    for update in (2, 3, 4):
        with monkeypatch.context() as patch:
            stop_in_update(patch, update, crash)
            with pytest.raises(Crash):
                run(recipe, tmp_path / str(update))
        run(recipe, tmp_path / str(update))
        assert model(tmp_path / str(update)) == model(tmp_path / "whole")
        assert metrics_of(tmp_path / str(update)) == metrics_of(tmp_path / "whole")
    run_training(recipe, tmp_path / "workers", options_of(env_workers=2))
    assert model(tmp_path / "workers") == model(tmp_path / "whole")


@pytest.mark.long
def test_ranks_have_teachers_of_their_own(tmp_path: Path) -> None:
    recipe = taught(updates=2).model_copy(update={"world_size": 2})
    for name in ("a", "b"):
        assert run_training(recipe, tmp_path / name, options_of()).status == "completed"
    assert model(tmp_path / "a") == model(tmp_path / "b")
    assert "teacher_loss" in metrics_of(tmp_path / "a")[0]


# ---- recipes and weights --------------------------------------------------------------------------------------


def test_a_trained_teacher_is_known_by_its_weights(tmp_path: Path) -> None:
    run(recipe_of(updates=1), tmp_path / "teacher")
    weights = tmp_path / "teacher/model.safetensors"
    planned = taught(class_path=None, training="t", seed=1)
    recipe, path = prepare_teacher(planned, weights)
    assert path == weights
    assert recipe.teacher is not None
    assert (recipe.teacher.training, recipe.teacher.weights_sha256) == (None, file_sha256(weights))
    options = RunOptions(label="test", teacher_weights=path)
    logger = create_daf_logger("test", level="error")
    train(recipe, tmp_path / "pupil", options, group=Group(), device=CPU, logger=logger)
    assert metrics_of(tmp_path / "pupil")[0]["teacher_loss"] > 0
    run(recipe_of(updates=2), tmp_path / "teacher")
    with pytest.raises(CheckpointError, match="weights with sha256"):
        train(recipe, tmp_path / "other", options, group=Group(), device=CPU, logger=logger)
    shutil.rmtree(tmp_path / "teacher")
    with pytest.raises(CheckpointError, match="the teacher's weights"):
        prepare_teacher(planned, weights)


def test_the_recipe_of_a_teacher(tmp_path: Path) -> None:
    config = TeacherConfig(policy="baseline", mode="clone", steps=500, coef=2.0)
    plain = teacher_recipe(config, 1, {}, {})
    assert plain == TeacherRecipe(class_path="baseline", mode="clone", steps=500, coef=2.0)
    assert teacher_recipe(None, 1, {}, {}) is None
    weights = tmp_path / "weights.pt"
    weights.write_bytes(b"x")
    policies = {"mine": PolicyConfig(class_path="lstm", data_path=weights, init_kwargs={"a": 1})}
    named = teacher_recipe(TeacherConfig(policy="mine", steps=5), 1, policies, {})
    assert named is not None
    assert (named.class_path, named.init_kwargs, named.weights_sha256) == ("lstm", {"a": 1}, file_sha256(weights))
    assert "teacher" not in recipe_of().to_dict()
    assert taught().digest != taught(coef=0.5).digest != recipe_of().digest
    assert TrainingRecipe.model_validate(taught().to_dict()) == taught()
