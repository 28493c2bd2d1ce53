"""A small training run, and how tests run it: four short environments, updates of 256 agent-steps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from daf.config import Hyperparameters, MissionConfig
from daf.config.curriculum import CurriculumRecipe, WeightedRecipe
from daf.config.frozen_policy import FrozenPolicyRecipe
from daf.config.partners import HistoryRecipe, PartnersRecipe
from daf.config.recipes import MissionRecipe, TrainingRecipe
from daf.config.teacher import TeacherRecipe
from daf.system.files import CONTENT_DIGEST
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


def led(recipe: TrainingRecipe, update_steps: int) -> TrainingRecipe:
    """The recipe, led by a teacher, over two missions, beside a script and its own earlier checkpoints."""
    shorter = MissionRecipe.of("shorter", {"shorter": MissionConfig(source="training_facility_1", max_steps=5)})
    return recipe.model_copy(
        update={
            "curriculum": CurriculumRecipe(
                missions=(WeightedRecipe(mission=recipe.mission, weight=1), WeightedRecipe(mission=shorter, weight=1)),
                mode="learning_progress", window=2, floor=0.2,
            ),
            "teacher": TeacherRecipe(class_path="starter", steps=4 * update_steps),
            "partners": PartnersRecipe(
                pool=(FrozenPolicyRecipe(class_path="starter"),), history=HistoryRecipe(every=update_steps), share=0.5
            ),
        }
    )  # fmt: skip


def options_of(**changes: Any) -> RunOptions:
    return RunOptions(**{"label": "test", "device": "cpu", **changes})


def metrics_of(folder: Path) -> list[dict[str, Any]]:
    """Metrics without those that a clock or the machine decides, and without the digest, which depends on them."""
    shares = ("environment_share", "forward_share", "learning_share")
    measured = ("seconds", "steps_per_second", "memory_mb", *shares, CONTENT_DIGEST)
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in measured} for line in lines]
