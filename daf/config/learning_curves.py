"""What a comparison asks of the learning curves of the policies that its experiment trains."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from pydantic import Field

from daf.config.strict_model import StrictModel
from daf.errors import BadInputError


class LearningCurvesConfig(StrictModel):
    """How the learning curves of training recipes are compared."""

    score: float = Field(
        description="mean reward per agent in held-out evaluations, to be declared before seeing results: recipes are "
        "compared by the agent-steps until an evaluation first reaches it"
    )


class Run(Protocol):
    """What matters here of a training run."""

    num_evaluations: int


class Policy(Protocol):
    """What matters here of a policy."""

    training: str | None


class Comparison(Protocol):
    """What matters here of a comparison."""

    policies: list[str]
    learning_curves: LearningCurvesConfig | None


def broken_learning_curves(
    comparisons: Mapping[str, Comparison], policies: Mapping[str, Policy], training: Mapping[str, Run], source: str
) -> Iterator[BadInputError]:
    """Comparisons that ask for learning curves of policies that have none."""
    for name, comparison in comparisons.items():
        if comparison.learning_curves is None:
            continue
        where = f"{source}: comparisons.{name}.learning_curves"
        runs = [policies[policy].training for policy in comparison.policies if policy in policies]
        trained = list(dict.fromkeys(run for run in runs if run is not None and run in training))
        if not trained:
            hint = "give a policy under `policies` the key `training`, or leave `learning_curves` out"
            yield BadInputError("a policy that a training run of this file makes", "none", where, hint)
        for run in trained:
            if training[run].num_evaluations == 0:
                hint = f"set it to 1 or more under training.{run}, or leave `learning_curves` out"
                yield BadInputError(
                    "held-out evaluations during training", f"num_evaluations: 0 in '{run}'", where, hint
                )
