"""What determines a sweep's proposals, results, and the choice of its best trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from daf.config import DAFSweepConfig
from daf.config.recipes import TrialRecipe
from daf.system.user_code import CodeStamp, code_of_class
from daf.training.frozen_policies import prepare_partners
from daf.training.start import Start, prepare_start
from daf.training.teaching import prepare_teacher

# Neither proposals nor trials depend on these: changing them does not rerun anything.
NOT_IN_RECIPE = ("num_trials", "output_dir", "num_finalists", "confirmation_seeds")


@dataclass(frozen=True, kw_only=True)
class TrialWeights:
    """Where the weights are that trials need.

    Attributes:
        options: those of `daf.training.options.RunOptions` that name weights.
        starts: those among which the search chooses, by its name for them.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    starts: Mapping[str, Start] = field(default_factory=dict)

    def options_with(self, hyperparameters: Mapping[str, Any]) -> dict[str, Any]:
        """The options of a trial that tries these values."""
        if "start_from" not in hyperparameters:
            return dict(self.options)
        return {**self.options, "start": self.starts.get(str(hyperparameters["start_from"]))}


class TrialInputs(Protocol):
    """The inputs of a rule that runs trials.

    Attributes:
        start, teacher, partners: files of weights, each with its description; empty: none.
    """

    start: Sequence[str]
    teacher: Sequence[str]
    partners: Sequence[str]


def sweep_recipe(config: DAFSweepConfig) -> dict[str, Any]:
    """What determines a sweep's proposals and results: its configuration without budget, finalists and folder."""
    return {key: value for key, value in config.to_dict().items() if key not in NOT_IN_RECIPE}


def ready_recipe(trial: Mapping[str, Any], inputs: TrialInputs) -> tuple[TrialRecipe, TrialWeights]:
    """A TrialRecipe from plain data, with the digests of the weights that trials need, and where these are.

    Args:
        inputs: of the rule that runs the trial.

    Raises:
        CheckpointError: a file is missing, or its description is damaged.
    """
    recipe = TrialRecipe.model_validate(trial)
    files = [file for file in inputs.start if not file.endswith(".json")]  # without their descriptions
    starts: dict[str, Start] = {}
    known = dict(recipe.starts)
    for name, file in zip(recipe.starts, files, strict=False):
        chosen = recipe.training.model_copy(update={"start_from": recipe.starts[name]})
        chosen, start = prepare_start(chosen, file)
        if start is not None and chosen.start_from is not None:
            known[name], starts[name] = chosen.start_from, start
    if recipe.starts:
        training, start = recipe.training.model_copy(update={"start_from": None}), None
    else:
        training, start = prepare_start(recipe.training, files[0] if files else None)
    training, teacher = prepare_teacher(training, inputs.teacher[0] if inputs.teacher else None)
    training, partners = prepare_partners(training, inputs.partners)
    options = {"start": start, "teacher_weights": teacher, "partner_weights": partners}
    weights = TrialWeights(options=options, starts=starts)
    return recipe.model_copy(update={"training": training, "starts": known}), weights


def strategy_code(config: DAFSweepConfig) -> CodeStamp:
    """The code of a user's own strategy, on which proposals depend."""
    return code_of_class(config.strategy)


def selection_recipe(config: DAFSweepConfig) -> dict[str, Any]:
    """What determines the choice of the best trial: `sweep_recipe`, and how the best are confirmed."""
    return {
        **sweep_recipe(config),
        "num_finalists": config.num_finalists,
        "confirmation_seeds": config.confirmation_seeds,
    }
