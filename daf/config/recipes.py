"""Recipes: everything that determines a result, and nothing else, as frozen plain data.

The workflow puts a recipe into a rule's `params`, result files record it as provenance, and its digest identifies saved
trainer state. The same recipe gives the same result, and a changed recipe never reuses old files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from daf.config import (
    DAFSweepConfig,
    DAFTrainingConfig,
    Direction,
    EvaluationConfig,
    ExperimentConfig,
    Hyperparameters,
    MissionConfig,
)
from daf.config.curriculum import CurriculumRecipe, curriculum_recipe
from daf.config.mission import SHIPPED_MISSIONS as SHIPPED_MISSIONS
from daf.config.mission import MissionRecipe as MissionRecipe
from daf.config.mission import mission_label as mission_label
from daf.config.partners import PartnersRecipe
from daf.config.start import Runs, StartRecipe, start_recipe
from daf.config.strict_model import FrozenModel
from daf.config.teacher import TeacherRecipe
from daf.config.trial_training import START_FROM, searched_starts, section_keys, with_sections
from daf.system.user_code import NO_CODE, CodeStamp, code_of_class, data_files

INIT_KWARGS_PREFIX = "init_kwargs."  # of a searched keyword argument of the policy class

# When code in daf/ changes what a stage computes, raise its number here, so that its results are recomputed: Snakemake
# does not see changes in imported packages.
STAGE_VERSIONS = {
    "check": 1, "propose": 2, "select": 2, "describe": 2, "train": 3, "evaluate": 6, "analyze": 10,
    "compare": 17, "play": 1, "rate": 6, "package": 6,
}  # fmt: skip


def policy_label(class_path: str | None, data_path: Path | None = None) -> str:
    """The name in tables of a policy without a configured name: its class, then the stem of its weights."""
    parts = ((class_path or "").rpartition(".")[2], data_path.stem if data_path else "")
    return "-".join(part for part in parts if part)


def checkpoint_label(policy: str, train_seed: int | None) -> str:
    """The name of a checkpoint in paths and tables: its policy's, with the training seed if it has one."""
    return policy if train_seed is None else f"{policy}-seed-{train_seed}"


class PolicyRecipe(FrozenModel):
    """Who plays: a policy (with one training seed, if trained), or a team of policies.

    The weights are input files, in the order of `singles`; the recipe identifies them by content.

    Attributes:
        label: the policy's name in tables.
        training: the run that produces the weights.
        at: the share of its steps after which it had them; left out of the published weights.
        weights_sha256: digests of the files that the configuration names: weights or bundle, then its description.
        members: of a team, with their shares of the agents.
        code: of the class, with the files that init_kwargs name.
    """

    label: str
    train_seed: int | None = None
    class_path: str | None = None
    init_kwargs: dict[str, Any] = Field(default_factory=dict)
    training: str | None = None
    at: float | None = Field(None, exclude_if=lambda value: value is None)
    weights_sha256: tuple[str, ...] = ()
    members: tuple[tuple[PolicyRecipe, float], ...] = ()
    code: CodeStamp = NO_CODE

    @property
    def checkpoint_label(self) -> str:
        return checkpoint_label(self.label, self.train_seed)

    @property
    def num_files(self) -> int:
        """The number of input files that hold the weights."""
        return 2 if self.training is not None else len(self.weights_sha256)

    def singles(self) -> list[PolicyRecipe]:
        """The members of a team, or the policy itself."""
        return [member for member, _ in self.members] or [self]

    def identity(self) -> dict[str, Any]:
        """What determines how the policy acts, except its names and the training run that produces its weights."""
        return self.model_dump(mode="json", include={"class_path", "init_kwargs", "weights_sha256", "code"})


class HeldOutRecipe(FrozenModel):
    """Evaluations during training, on held-out episodes; they decide which weights are published."""

    num_evaluations: int
    episodes: int
    seed: int
    objective_metric: str
    optimize_direction: Direction


class TrainingRecipe(FrozenModel):
    """The recipe of training: one seed of a run, or one trial of a sweep.

    Attributes:
        mission: the mission, with the digest of its file if it has one; of several the target.
        curriculum: the missions of a training that has several; left out if it has one.
        policy_class_path: shorthand or class path of the policy.
        init_kwargs: keyword arguments of the policy class.
        hyperparameters: of PPO.
        num_steps: agent-steps to train for.
        seed: training seed.
        world_size: number of processes.
        held_out: None: no evaluations; the final weights are published.
        precision: of the network's arithmetic.
        compile_network: whether torch.compile is used.
        start_from: trained weights to start from; left out if there are none.
        teacher: a policy to imitate; left out if there is none.
        partners: policies that play beside the network; left out if there are none.
        code: of the policy class, with the files that init_kwargs name.
        stage_version: raised when the training code changes results.
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
    start_from: StartRecipe | None = Field(None, exclude_if=lambda value: value is None)
    teacher: TeacherRecipe | None = Field(None, exclude_if=lambda value: value is None)
    curriculum: CurriculumRecipe | None = Field(None, exclude_if=lambda value: value is None)
    partners: PartnersRecipe | None = Field(None, exclude_if=lambda value: value is None)
    code: CodeStamp = NO_CODE
    stage_version: int = STAGE_VERSIONS["train"]


class EvaluationRecipe(FrozenModel):
    """Consecutive episodes of one policy on one mission."""

    mission: MissionRecipe
    policy: PolicyRecipe
    first_seed: int
    first_episode: int
    num_episodes: int
    max_action_time_ms: int
    objective_metric: str = "mean_reward"
    stage_version: int = STAGE_VERSIONS["evaluate"]


class TrialRecipe(FrozenModel):
    """Everything that determines the result of a trial, except its `daf.search.assignment.TrialAssignment`.

    Attributes:
        training: the fixed part; the assignment replaces its seed and the searched hyperparameters.
        evaluation_seed: seed of the first of the `episodes` that score the trial.
        stop_at_steps: agent-steps at which a rung of successive halving ends; None: train to the end.
        score_missions: on which the episodes are played; none: on the one it trains on. Left out if it is the default,
            as are the next two.
        seeds: number of training seeds.
        objective: how the scores of missions and training seeds become one.
        starts: the weights among which the search chooses by name; left out if it does not.
    """

    training: TrainingRecipe
    episodes: int
    evaluation_seed: int
    objective_metric: str
    optimize_direction: Direction
    max_action_time_ms: int
    stop_at_steps: int | None = None
    score_missions: tuple[MissionRecipe, ...] = Field((), exclude_if=lambda value: not value)
    seeds: int = Field(1, exclude_if=lambda value: value == 1)
    objective: Literal["mean", "worst"] = Field("mean", exclude_if=lambda value: value == "mean")
    starts: dict[str, StartRecipe] = Field(default_factory=dict, exclude_if=lambda value: not value)
    stage_version: int = STAGE_VERSIONS["evaluate"]

    def training_with(self, hyperparameters: Mapping[str, Any], seed: int) -> TrainingRecipe:
        """Return the training recipe of one trial.

        Raises:
            ConfigError: an unknown hyperparameter, or a value that it does not accept.
        """
        training = self.training.model_copy(update={"seed": seed})
        if START_FROM in hyperparameters:
            chosen = hyperparameters[START_FROM]
            training = training.model_copy(update={START_FROM: None if chosen is None else self.starts[str(chosen)]})
        values = {name: value for name, value in hyperparameters.items() if name != START_FROM}
        return with_hyperparameters(training, values)


class PromotionRecipe(FrozenModel):
    """Which rung entries the best trials of a bracket fill."""

    sweep: str
    rung: int
    bracket: int
    entries: tuple[int, ...]
    optimize_direction: Direction
    stage_version: int = STAGE_VERSIONS["propose"]


def training_recipe(
    run: DAFTrainingConfig, seed: int, missions: dict[str, MissionConfig], runs: Runs | None = None
) -> TrainingRecipe:
    """Return the recipe of one seed of a run; `runs` are those that it may start from."""
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
        start_from=start_recipe(run.start_from, seed, runs),
        curriculum=curriculum_recipe(run, missions),
        code=policy_code(run.policy_class_path, run.init_kwargs),
    )


def policy_code(class_path: str | None, arguments: Any = None) -> CodeStamp:
    """The code of a policy class, with the files that its arguments name."""
    return CodeStamp.merged([code_of_class(class_path), data_files(arguments)])


def code_of_trials(sweep: DAFSweepConfig) -> CodeStamp:
    """The code of a sweep's policy class, with the files that its arguments name, also those that are searched."""
    searched = [parameter.choices for parameter in sweep.search_space.values() if parameter.type == "categorical"]
    return policy_code(sweep.policy_class_path, [sweep.init_kwargs, searched])


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
    sweep: DAFSweepConfig,
    missions: dict[str, MissionConfig],
    max_action_time_ms: int,
    *,
    stop_at_steps: int | None,
    runs: Runs | None = None,
    base: TrainingRecipe | None = None,
) -> TrialRecipe:
    """Return the recipe by which every trial of a sweep, or of a rung, is trained and scored.

    Args:
        base: the recipe of the run as which the trials train.
    """
    stopping, held_out = sweep.early_stopping, None
    if stopping is not None:
        held_out = HeldOutRecipe(
            num_evaluations=stopping.num_checks,
            episodes=stopping.episodes,
            seed=stopping.seed,
            objective_metric=sweep.objective_metric,
            optimize_direction=sweep.optimize_direction,
        )
    training = _of_trials(base)(
        mission=MissionRecipe.of(sweep.mission, missions),
        policy_class_path=sweep.policy_class_path,
        init_kwargs=sweep.init_kwargs,
        hyperparameters=sweep.hyperparameters,
        num_steps=sweep.steps_per_trial,
        seed=sweep.seed,
        world_size=1,
        held_out=held_out,
        start_from=start_recipe(sweep.start_from, None, runs),
        code=code_of_trials(sweep),
    )
    return TrialRecipe(
        training=training,
        episodes=sweep.episodes_per_trial,
        evaluation_seed=sweep.evaluation_seed,
        objective_metric=sweep.objective_metric,
        optimize_direction=sweep.optimize_direction,
        max_action_time_ms=max_action_time_ms,
        stop_at_steps=stop_at_steps,
        score_missions=tuple(MissionRecipe.of(mission, missions) for mission in sweep.score_missions),
        seeds=sweep.seeds_per_trial,
        objective=sweep.objective,
        starts={name: recipe for name in searched_starts(sweep) if (recipe := start_recipe(name, None, runs))},
    )


def _of_trials(base: TrainingRecipe | None) -> Callable[..., TrainingRecipe]:
    """What makes a recipe of some fields, with the others of a run's."""
    return TrainingRecipe if base is None else lambda **fields: base.model_copy(update=fields)


def with_hyperparameters(
    recipe: TrainingRecipe, values: Mapping[str, Any], *, source: str = "hyperparameters"
) -> TrainingRecipe:
    """Replace hyperparameters: `init_kwargs.<name>` goes to the policy, `<section>.<key>`, such as `teacher.coef`, to
    that section of the recipe, every other name to PPO.

    Raises:
        ConfigError: an unknown hyperparameter, or a value that it does not accept.
    """
    prefix = INIT_KWARGS_PREFIX
    kwargs = {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)}
    of_sections = {name: values[name] for name in section_keys(values)}
    of_ppo = {name: value for name, value in values.items() if not name.startswith(prefix) and name not in of_sections}
    if of_sections:
        recipe = TrainingRecipe.model_validate(with_sections(recipe.model_dump(), of_sections, source))
    return recipe.model_copy(
        update={
            "init_kwargs": {**recipe.init_kwargs, **kwargs},
            "code": CodeStamp.merged([recipe.code, data_files(kwargs)]),
            "hyperparameters": Hyperparameters.from_dict({**recipe.hyperparameters.to_dict(), **of_ppo}, source=source),
        }
    )


def evaluation_recipe(
    experiment: ExperimentConfig,
    *,
    policy: PolicyRecipe,
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
