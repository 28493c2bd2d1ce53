"""Training of a network that knows the agent's index: it learns by index, and resumes and shares work as any other."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from daf.config.recipes import TrainingRecipe
from daf.distributed.process_group import Group
from daf.engine.grid_policy import AGENT_FEATURE, MOST_AGENTS
from daf.engine.model_files import read_weights
from daf.training.launch import run_training
from daf.training.trainer import Trainer
from tests.unit.training.small import metrics_of, options_of
from tests.unit.training.test_loop import CPU, Crash, crash, recipe_of, run, stop_in_update


def knowing(updates: int = 3) -> TrainingRecipe:
    recipe = recipe_of(updates=updates)
    return recipe.model_copy(update={"init_kwargs": {**recipe.init_kwargs, "agent_id": True}})


def test_a_rollout_shows_every_agent_its_index_once() -> None:
    trainer = Trainer(knowing(), Group(), CPU)
    for _ in range(3):
        rollout, _ = trainer.collect()
        assert rollout is not None
        of_index = (rollout.observations[..., 1] == AGENT_FEATURE) & (rollout.observations[..., 0] != 255)
        assert (of_index.sum(dim=2) == 1).all()
        indexes = (rollout.observations[..., 2] * of_index).sum(dim=2)
        assert indexes.tolist() == [[0, 1, 2, 3] * 4] * 16
        with torch.no_grad():
            logits, values = trainer.network.sequence(rollout.observations.transpose(0, 1), None, None)
        chosen = torch.log_softmax(logits, dim=2).gather(2, rollout.actions.T[..., None]).squeeze(2)
        torch.testing.assert_close(chosen.T, rollout.log_probs, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(values.T, rollout.values, atol=1e-5, rtol=1e-5)


def test_it_learns_a_row_for_each_agent_and_ends_with_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(knowing(), tmp_path / "whole")
    rows = read_weights(tmp_path / "whole/model.safetensors")["embedding"][-MOST_AGENTS:]
    assert rows[4:].abs().sum() == 0
    assert len({tuple(row.tolist()) for row in rows[:5]}) == 5
    with monkeypatch.context() as patch:
        stop_in_update(patch, 2, crash)
        with pytest.raises(Crash):
            run(knowing(), tmp_path / "killed")
    run(knowing(), tmp_path / "killed")
    run_training(knowing(), tmp_path / "workers", options_of(env_workers=2))
    models = {(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "killed", "workers")}
    assert len(models) == 1
    assert metrics_of(tmp_path / "killed") == metrics_of(tmp_path / "whole")
