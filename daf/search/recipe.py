"""What determines a sweep's proposals, results, and the choice of its best trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from daf.config import DAFSweepConfig
from daf.config.recipes import TrialRecipe
from daf.system.user_code import CodeStamp, code_of_class
from daf.training.start import Start, prepare_start

# Neither proposals nor trials depend on these: changing them does not rerun anything.
NOT_IN_RECIPE = ("num_trials", "output_dir", "num_finalists", "confirmation_seeds")


def sweep_recipe(config: DAFSweepConfig) -> dict[str, Any]:
    """What determines a sweep's proposals and results: its configuration without budget, finalists and folder."""
    return {key: value for key, value in config.to_dict().items() if key not in NOT_IN_RECIPE}


def ready_recipe(trial: Mapping[str, Any], weights: Sequence[str]) -> tuple[TrialRecipe, Start | None]:
    """A TrialRecipe from plain data, with the digest of the weights that trials start from, and these weights.

    Args:
        weights: their file and its description; empty if trials start from random ones.

    Raises:
        CheckpointError: the file is missing, or its description is damaged.
    """
    recipe = TrialRecipe.model_validate(trial)
    training, start = prepare_start(recipe.training, weights[0] if weights else None)
    return recipe.model_copy(update={"training": training}), start


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
