"""Recipes: everything that decides a result, and nothing that does not, as frozen plain data.

The workflow puts a recipe into a rule's `params`, result files carry it as provenance, and trainer state is filed under
it. The same recipe means the same result; another recipe never reuses the files of the old one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from daf.config import (
    DAFSweepConfig,
    DAFTrainingConfig,
    EvaluationConfig,
    ExperimentConfig,
    Hyperparameters,
    MissionConfig,
)
from daf.system.files import PROJECT, digest, file_sha256

INIT_KWARGS_PREFIX = "init_kwargs."  # of a searched keyword argument of the policy class
SHIPPED_MISSIONS = PROJECT / "config" / "missions"

# Raise a number when code in daf/ changes what a stage computes; its results are then made again. Snakemake does not
# see changes in imported packages.
STAGE_VERSIONS = {"check": 1, "propose": 2, "train": 2, "evaluate": 3, "analyze": 5, "compare": 4, "package": 2}


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def to_dict(self) -> dict[str, Any]:
        return self.model_dump(mode="json")

    @property
    def digest(self) -> str:
        """64 hexadecimal digits that name this recipe."""
        return digest(self.to_dict())


class MissionRecipe(_Frozen):
    """A mission, with the content of its file if it has one."""

    name: str
    config: MissionConfig
    sha256: str | None

    @classmethod
    def of(cls, name: str, missions: dict[str, MissionConfig]) -> MissionRecipe:
        """The mission that `name` means in an experiment: one it defines itself, else a name or file outside it."""
        config = missions.get(name) or MissionConfig(source=name)
        files = (Path(config.source), SHIPPED_MISSIONS / f"{config.source}.yaml")
        found = next((path for path in files if path.is_file()), None)
        return cls(name=mission_label(name), config=config, sha256=file_sha256(found) if found else None)


def mission_label(name: str) -> str:
    """A mission's name in paths and tables: the stem of a file, or the name itself."""
    return Path(name).stem if name.endswith((".yaml", ".yml", ".json", ".py")) else name


class HeldOutRecipe(_Frozen):
    """Evaluations during training, on episodes outside training; they decide which weights are published."""

    num_evaluations: int
    episodes: int
    seed: int
    objective_metric: str
    optimize_direction: str


class TrainingRecipe(_Frozen):
    """One training: one seed of a run, or one trial of a sweep.

    Attributes:
        held_out: None: no evaluations; the last weights are published.
    """

    mission: MissionRecipe
    policy_class_path: str
    init_kwargs: dict[str, Any]
    hyperparameters: Hyperparameters
    num_steps: int
    seed: int
    world_size: int
    held_out: HeldOutRecipe | None = None
    precision: str = "float32"
    compile_network: bool = False
    stage_version: int = STAGE_VERSIONS["train"]


class EvaluationRecipe(_Frozen):
    """Consecutive episodes of one policy on one mission. The weights come from the input file, not the recipe."""

    mission: MissionRecipe
    policy: dict[str, Any]
    first_seed: int
    first_episode: int
    num_episodes: int
    max_action_time_ms: int
    objective_metric: str = "mean_reward"
    stage_version: int = STAGE_VERSIONS["evaluate"]


class TrialRecipe(_Frozen):
    """Everything that decides the result of a trial, except what `daf.search.assignment.TrialAssignment` holds.

    Attributes:
        training: the fixed part; the assignment replaces its seed and the searched hyperparameters.
        evaluation_seed: seed of the first of the `episodes` that score the trial.
        stop_at_steps: agent-steps at which a rung of successive halving ends; None: train to the end.
    """

    training: TrainingRecipe
    episodes: int
    evaluation_seed: int
    objective_metric: str
    optimize_direction: Literal["maximize", "minimize"]
    max_action_time_ms: int
    stop_at_steps: int | None = None
    stage_version: int = STAGE_VERSIONS["evaluate"]

    def training_with(self, hyperparameters: Mapping[str, Any], seed: int) -> TrainingRecipe:
        """The training of one trial.

        Raises:
            ConfigError: a hyperparameter that does not exist or a value that it does not take.
        """
        return with_hyperparameters(self.training.model_copy(update={"seed": seed}), hyperparameters)


class PromotionRecipe(_Frozen):
    """Which entries of a rung a bracket's best trials take."""

    sweep: str
    rung: int
    bracket: int
    entries: tuple[int, ...]
    optimize_direction: Literal["maximize", "minimize"]
    stage_version: int = STAGE_VERSIONS["propose"]


def training_recipe(run: DAFTrainingConfig, seed: int, missions: dict[str, MissionConfig]) -> TrainingRecipe:
    return TrainingRecipe(
        mission=MissionRecipe.of(run.mission, missions),
        policy_class_path=run.policy_class_path,
        init_kwargs=run.init_kwargs,
        hyperparameters=run.hyperparameters,
        num_steps=run.num_steps,
        seed=seed,
        world_size=run.world_size,
        held_out=held_out_recipe(run),
        precision=run.precision,
        compile_network=run.compile_network,
    )


def held_out_recipe(run: DAFTrainingConfig) -> HeldOutRecipe | None:
    if run.num_evaluations == 0:
        return None
    return HeldOutRecipe(
        num_evaluations=run.num_evaluations,
        episodes=run.evaluation_episodes,
        seed=run.evaluation_seed,
        objective_metric=run.objective_metric,
        optimize_direction=run.optimize_direction,
    )


def trial_recipe(
    sweep: DAFSweepConfig, missions: dict[str, MissionConfig], max_action_time_ms: int, *, stop_at_steps: int | None
) -> TrialRecipe:
    """How every trial of a sweep, or of a rung, is trained and scored."""
    stopping, held_out = sweep.early_stopping, None
    if stopping is not None:
        held_out = HeldOutRecipe(
            num_evaluations=stopping.num_checks,
            episodes=stopping.episodes,
            seed=stopping.seed,
            objective_metric=sweep.objective_metric,
            optimize_direction=sweep.optimize_direction,
        )
    training = TrainingRecipe(
        mission=MissionRecipe.of(sweep.mission, missions),
        policy_class_path=sweep.policy_class_path,
        init_kwargs=sweep.init_kwargs,
        hyperparameters=sweep.hyperparameters,
        num_steps=sweep.steps_per_trial,
        seed=sweep.seed,
        world_size=1,
        held_out=held_out,
    )
    return TrialRecipe(
        training=training,
        episodes=sweep.episodes_per_trial,
        evaluation_seed=sweep.evaluation_seed,
        objective_metric=sweep.objective_metric,
        optimize_direction=sweep.optimize_direction,
        max_action_time_ms=max_action_time_ms,
        stop_at_steps=stop_at_steps,
    )


def with_hyperparameters(recipe: TrainingRecipe, values: Mapping[str, Any]) -> TrainingRecipe:
    """Replace hyperparameters: `init_kwargs.<name>` goes to the policy, every other name to PPO.

    Raises:
        ConfigError: a hyperparameter that does not exist or a value that it does not take.
    """
    prefix = INIT_KWARGS_PREFIX
    kwargs = {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)}
    of_ppo = {name: value for name, value in values.items() if not name.startswith(prefix)}
    return recipe.model_copy(
        update={
            "init_kwargs": {**recipe.init_kwargs, **kwargs},
            "hyperparameters": Hyperparameters.from_dict(
                {**recipe.hyperparameters.to_dict(), **of_ppo}, source="hyperparameters"
            ),
        }
    )


def evaluation_recipe(
    experiment: ExperimentConfig,
    *,
    policy: dict[str, Any],
    mission: str,
    shard: int,
    num_episodes: int,
    first_seed: int,
) -> EvaluationRecipe:
    evaluation: EvaluationConfig = experiment.evaluation
    first = shard * evaluation.episodes_per_shard
    return EvaluationRecipe(
        mission=MissionRecipe.of(mission, experiment.missions),
        policy=policy,
        first_seed=first_seed,
        first_episode=first,
        num_episodes=min(evaluation.episodes_per_shard, num_episodes - first),
        max_action_time_ms=evaluation.max_action_time_ms,
        objective_metric=evaluation.objective_metric,
    )
