"""A small training run, and how tests run it: four short environments, updates of 256 agent-steps."""

from __future__ import annotations

from typing import Any

from daf.config import Hyperparameters, MissionConfig
from daf.config.recipes import MissionRecipe, TrainingRecipe
from daf.training.options import RunOptions

SMALL = {"num_envs": 4, "horizon": 16, "minibatch_size": 64}
UPDATE_STEPS = 4 * 4 * 16


def recipe_of(policy: str = "grid", *, world_size: int = 2, updates: int = 4, **hyperparameters: Any) -> TrainingRecipe:
    return TrainingRecipe(
        mission=MissionRecipe.of("short", {"short": MissionConfig(source="training_facility_1", max_steps=21)}),
        policy_class_path=policy,
        init_kwargs={},
        hyperparameters=Hyperparameters.from_dict({**SMALL, **hyperparameters}),
        num_steps=updates * UPDATE_STEPS,
        seed=1,
        world_size=world_size,
    )


def options_of(**changes: Any) -> RunOptions:
    return RunOptions(**{"label": "test", "device": "cpu", **changes})
