"""What determines a sweep's proposals, results, and the choice of its best trial."""

from __future__ import annotations

from typing import Any

from daf.config import DAFSweepConfig
from daf.system.user_code import CodeStamp, code_of_class

# Neither proposals nor trials depend on these: changing them does not rerun anything.
NOT_IN_RECIPE = ("num_trials", "output_dir", "num_finalists", "confirmation_seeds")


def sweep_recipe(config: DAFSweepConfig) -> dict[str, Any]:
    """What determines a sweep's proposals and results: its configuration without budget, finalists and folder."""
    return {key: value for key, value in config.to_dict().items() if key not in NOT_IN_RECIPE}


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
