"""Learning curves as a comparison reports them: tables of runs, recipes and pairs (`daf.statistics.learning_curves`).

Rewards are means per agent in held-out evaluations, as paid, also if the comparison normalizes scores; steps are
agent-steps of training. Unknown numbers are NaN; in files they are empty or null.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from daf.statistics.records import Verdict
from daf.system.columns import from_rows, make_frame, to_rows
from daf.system.nouns import number_of
from daf.system.shown import Shown, short

if TYPE_CHECKING:
    import pandas as pd

Quantity = Literal["area", "steps_to_score"]
"""What is compared of learning curves: the mean reward on the way, or the agent-steps to the declared score."""


@dataclass(frozen=True, kw_only=True)
class TrainingCurve:
    """Held-out evaluations of one training run.

    Attributes:
        mission: where it was trained and evaluated.
        points: agent-steps and mean reward of each evaluation, oldest first.
        steps_before: agent-steps in which the weights that it started from had been trained; None: unknown.
        episodes: episodes of an evaluation, and the seed of the first; None if unknown.
        beside: who plays beside the network in evaluations; empty: it plays every seat.
    """

    mission: str
    points: Sequence[tuple[int, float]]
    steps_before: int | None = 0
    episodes: tuple[int, int] | None = None
    beside: tuple[str, ...] = ()


type Curves = Mapping[tuple[str, int], TrainingCurve]  # by policy and training seed

_Policy = Annotated[str, "name of the policy in the configuration"]
_Mission = Annotated[str, "mission on which it was trained and evaluated"]
_From = Annotated[int, "agent-steps of the first evaluation that all runs on the mission have"]
_To = Annotated[int, "agent-steps up to which all runs on the mission are compared: the shortest curve"]


@dataclass(frozen=True, kw_only=True, repr=False)
class LearningRun(Shown):
    """The curve of one training run."""

    policy: _Policy
    mission: _Mission
    train_seed: Annotated[int, "training seed"]
    n_evaluations: Annotated[int, "held-out evaluations between from_steps and to_steps"]
    from_steps: _From
    to_steps: _To
    steps_before: Annotated[
        int | None, "agent-steps in which the weights it started from had been trained, counted nowhere; null: unknown"
    ]
    area: Annotated[float, "area under the curve divided by its agent-steps: mean reward per agent on the way"] = nan
    score: Annotated[float, "the declared score; unknown if none is declared"] = nan
    reached: Annotated[
        bool | None, "whether an evaluation up to to_steps reached the score; null: none is declared"
    ] = None
    steps_to_score: Annotated[float, "agent-steps of the first evaluation that reached it; unknown if none did"] = nan

    def _headline(self) -> str:
        reached = f", {short(self.score)} after {self.steps_to_score:,.0f} agent-steps" if self.reached else ""
        return f"{self.policy} with seed {self.train_seed}: mean on the way {short(self.area)}{reached}"


@dataclass(frozen=True, kw_only=True, repr=False)
class LearningRecipe(Shown):
    """The curves of one recipe: means over its training seeds."""

    policy: _Policy
    mission: _Mission
    n_train_seeds: Annotated[int, "training seeds with a curve"]
    from_steps: _From
    to_steps: _To
    area: Annotated[float, "mean over training seeds of the area, in rewards per agent"] = nan
    area_low: Annotated[float, "its lower bound"] = nan
    area_high: Annotated[float, "its upper bound"] = nan
    area_method: Annotated[str, "how the interval was computed, or why it is unknown"] = ""
    score: Annotated[float, "the declared score; unknown if none is declared"] = nan
    n_reached: Annotated[int | None, "training seeds that reached it up to to_steps; null: none is declared"] = None
    steps: Annotated[
        float, "restricted mean of the agent-steps to the score: a seed that did not reach it counts with to_steps"
    ] = nan
    steps_low: Annotated[float, "its lower bound"] = nan
    steps_high: Annotated[float, "its upper bound, at most to_steps"] = nan
    steps_method: Annotated[str, "how the interval was computed, or why it is unknown"] = ""
    median_steps: Annotated[float, "median of the agent-steps; unknown unless half of the seeds reached the score"] = (
        nan
    )

    def _headline(self) -> str:
        reached = "" if self.n_reached is None else f", {reached_words(self)}"
        return f"{self.policy}: mean on the way {short(self.area)}{reached}"


@dataclass(frozen=True, kw_only=True, repr=False)
class LearningPair(Shown):
    """Two recipes: the difference of one quantity, its test, and the verdict."""

    quantity: Annotated[Quantity, "`area` (rewards per agent) or `steps_to_score` (agent-steps, restricted mean)"]
    mission: _Mission
    policy_a: Annotated[str, "first policy of the pair"]
    policy_b: Annotated[str, "second policy of the pair"]
    n_a: Annotated[int, "training seeds of policy_a"]
    n_b: Annotated[int, "training seeds of policy_b"]
    mean_a: Annotated[float, "mean of policy_a"]
    mean_b: Annotated[float, "mean of policy_b"]
    difference: Annotated[float, "mean_a minus mean_b"]
    interval_low: Annotated[float, "lower bound of the difference, not adjusted for the number of pairs"]
    interval_high: Annotated[float, "upper bound of the difference, not adjusted for the number of pairs"]
    interval_method: Annotated[str | None, "how the interval was computed, or why it is unknown"]
    test: Annotated[str, "name of the test"]
    p: Annotated[float, "two-sided p-value; unknown if no test was possible"]
    p_holm: Annotated[float, "adjusted by Holm's method over all pairs and missions of the same quantity"]
    n_tests: Annotated[int, "tests for which p_holm is adjusted"]
    verdict: Annotated[Verdict, "on policy_a: a larger area is better, and fewer steps are"]
    caution: Annotated[str, "what makes the verdict less reliable than its p-value; empty: nothing"]
    reason: Annotated[str, "reason for the verdict, if the numbers do not explain it"]

    def _headline(self) -> str:
        return f"{self.policy_a} vs {self.policy_b}: {self.verdict} by {short(self.difference)} ({self.quantity})"


@dataclass(frozen=True, kw_only=True)
class LearningCurves:
    """The learning curves of a comparison's trained policies.

    Attributes:
        runs: one per training run.
        recipes: one per policy.
        pairs: one per quantity and pair of policies that train on the same mission.
        notes: what a reader needs to know, in plain sentences.
    """

    runs: tuple[LearningRun, ...] = ()
    recipes: tuple[LearningRecipe, ...] = ()
    pairs: tuple[LearningPair, ...] = ()
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data without NaN; `from_dict` reads it back."""
        tables = {name: to_rows(getattr(self, name)) for name in TABLES}
        return {**tables, "notes": list(self.notes)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], where: str) -> Self:
        """The inverse of `to_dict`.

        Raises:
            ConfigError: a column is missing, or a value is not one of its column's type.
        """
        tables: dict[str, Any] = {
            name: from_rows(record, data[name], f"{where}.{name}") for name, (_, record) in TABLES.items()
        }
        return cls(**tables, notes=tuple(data["notes"]))

    def frames(self) -> dict[str, pd.DataFrame]:
        """Its tables by file name."""
        return {file: make_frame(record, getattr(self, name)) for name, (file, record) in TABLES.items()}


TABLES: Mapping[str, tuple[str, type]] = {
    "recipes": ("learning_curves.csv", LearningRecipe),
    "runs": ("learning_curve_runs.csv", LearningRun),
    "pairs": ("learning_curve_pairs.csv", LearningPair),
}
LEARNING_FILES = tuple(file for file, _ in TABLES.values())


def reached_words(recipe: LearningRecipe) -> str:
    """How many seeds reached the score: "3 of 5 seeds reached it"."""
    seeds = number_of(recipe.n_train_seeds, "seed")
    return f"{recipe.n_reached or 'none'} of {seeds} reached it"
