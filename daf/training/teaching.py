"""What an update learns from a teacher, and the teacher of a run: found before training begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from daf.config import DAFTrainingConfig, PolicyConfig
from daf.config.recipes import TrainingRecipe, policy_code
from daf.config.teacher import TeacherConfig, TeacherRecipe
from daf.engine.model_files import class_path_of, description_path, load_model_description
from daf.errors import CheckpointError
from daf.system.files import known_sha256


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


def teacher_policy(teacher: TeacherConfig, policies: Mapping[str, PolicyConfig]) -> PolicyConfig:
    """The policy that a teacher names: one of the experiment's, else a shorthand or class path."""
    return policies.get(teacher.policy) or PolicyConfig(class_path=teacher.policy)


def teacher_recipe(
    teacher: TeacherConfig | None,
    seed: int,
    policies: Mapping[str, PolicyConfig],
    runs: Mapping[str, DAFTrainingConfig],
) -> TeacherRecipe | None:
    """The recipe of a run's teacher; of a trained one, the model of the same training seed, or else of the first."""
    if teacher is None:
        return None
    how = {"mode": teacher.mode, "steps": teacher.steps, "coef": teacher.coef}
    policy = teacher_policy(teacher, policies)
    if policy.training is not None:
        run = runs[policy.training]
        return TeacherRecipe(
            training=policy.training,
            seed=seed if seed in run.seeds else run.seeds[0],
            code=policy_code(run.policy_class_path, run.init_kwargs),
            **how,
        )
    return TeacherRecipe(
        class_path=policy.class_path,
        init_kwargs=policy.init_kwargs,
        weights_sha256=None if policy.data_path is None else known_sha256(policy.data_path),
        code=policy_code(class_path_of(policy), policy.init_kwargs),
        **how,
    )


def prepare_teacher(recipe: TrainingRecipe, weights: str | Path | None) -> tuple[TrainingRecipe, Path | None]:
    """The recipe with the digest of the teacher's weights, and where these are; None: the teacher has none.

    Raises:
        CheckpointError: they are missing, or their description is damaged.
    """
    teacher = recipe.teacher
    if teacher is None or (teacher.training is None and teacher.weights_sha256 is None):
        return recipe, None
    if weights is None or not Path(weights).is_file():
        found = "none" if weights is None else "no such file"
        raise CheckpointError("the teacher's weights", found, str(weights or "teacher"), "train that run first")
    path = Path(weights).absolute()
    if teacher.training is not None:
        sha256 = load_model_description(description_path(path)).weights_sha256
        teacher = teacher.model_copy(update={"training": None, "seed": None, "weights_sha256": sha256})
    return recipe.model_copy(update={"teacher": teacher}), path
