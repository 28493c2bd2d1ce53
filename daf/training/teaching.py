"""What an update learns from a teacher, and the teacher of a run: found before training begins."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from daf.config.recipes import TrainingRecipe
from daf.config.teacher import TeacherConfig, TeacherRecipe
from daf.training.frozen_policies import Policies, TrainingRuns, frozen_policy, with_weights


@dataclass(frozen=True)
class Imitation:
    """How an update imitates the teacher.

    Attributes:
        coef: weight of the cross-entropy between the network's distribution and the teacher's action.
        alone: the teacher plays; beside its actions, only the value is learned.
    """

    coef: float
    alone: bool


def imitation_of(teacher: TeacherRecipe | None, agent_steps: int) -> Imitation | None:
    """How the update after `agent_steps` imitates; None if it does not, or no longer does."""
    if teacher is None or agent_steps >= teacher.steps:
        return None
    if teacher.mode == "clone":
        return Imitation(teacher.coef, alone=True)
    return Imitation(teacher.coef * (1 - agent_steps / teacher.steps), alone=False)


def teacher_recipe(
    teacher: TeacherConfig | None, seed: int, policies: Policies, runs: TrainingRuns
) -> TeacherRecipe | None:
    """The recipe of a run's teacher; of a trained one, the model of the same training seed, or else of the first."""
    if teacher is None:
        return None
    fields = frozen_policy(teacher.policy, seed, policies, runs)
    return TeacherRecipe(**fields, mode=teacher.mode, steps=teacher.steps, coef=teacher.coef)


def prepare_teacher(recipe: TrainingRecipe, weights: str | Path | None) -> tuple[TrainingRecipe, Path | None]:
    """The recipe with the digest of the teacher's weights, and where these are; None: the teacher has none.

    Raises:
        CheckpointError: they are missing, or their description is damaged.
    """
    if recipe.teacher is None:
        return recipe, None
    teacher, path = with_weights(recipe.teacher, weights, "teacher")
    return recipe.model_copy(update={"teacher": teacher}), path
