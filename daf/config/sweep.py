"""The configuration of a sweep: search space, strategy, and how trials are trained, stopped, scored and confirmed."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from daf.config.direction import Direction
from daf.config.hyperparameters import Hyperparameters
from daf.config.strict_model import Name, Seed, StrictModel, refuse_repeated
from daf.system.user_paths import NameOrPath, UserPath


def _plain(value: Any) -> Any:
    if value is not None and not isinstance(value, bool | int | float | str):
        expected = "a number, text, true, false or null (no lists)"
        raise PydanticCustomError("literal_error", "not a plain value", {"expected": expected})
    return value


Choice = Annotated[bool | int | float | str | None, BeforeValidator(_plain)]


def _listed(value: Any) -> Any:
    return (
        {key: item if isinstance(item, list) else [item] for key, item in value.items()}
        if isinstance(value, dict)
        else value
    )


# A condition holds only if every named parameter is active and has one of the listed values.
Condition = Annotated[dict[str, Annotated[list[Choice], Field(min_length=1)]], BeforeValidator(_listed)]
WHEN = "searched only if other parameters have one of these values: {name: [value, …]}"


LARGEST_BOUND = 2**64  # of integers


class FloatParameter(StrictModel):
    """A real number between two bounds, both included."""

    type: Literal["float"] = Field("float", description="a real number")
    low: float = Field(description="smallest value")
    high: float = Field(description="largest value")
    log: bool = Field(False, description="search on a logarithmic scale")
    step: float | None = Field(None, gt=0, description="only values low, low + step, …")
    when: Condition = Field(default_factory=dict, description=WHEN)

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        _check_bounds(self)
        return self


class IntParameter(StrictModel):
    """An integer between two bounds, both included."""

    type: Literal["int"] = Field("int", description="an integer")
    low: int = Field(description="smallest value")
    high: int = Field(description="largest value")
    log: bool = Field(False, description="search on a logarithmic scale")
    step: int | None = Field(None, gt=0, description="only values low, low + step, …")
    when: Condition = Field(default_factory=dict, description=WHEN)

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        _check_bounds(self)
        return self


def _check_bounds(parameter: FloatParameter | IntParameter) -> None:
    if max(abs(parameter.low), abs(parameter.high)) > LARGEST_BOUND and isinstance(parameter, IntParameter):
        raise ValueError("low and high must lie between -2**64 and 2**64")
    if parameter.low > parameter.high:
        raise ValueError(f"low ({parameter.low}) must not be above high ({parameter.high})")
    if parameter.log and parameter.low <= 0:
        raise ValueError(f"log needs low above 0, not {parameter.low}")
    if not isfinite(parameter.high / parameter.low if parameter.log else parameter.high - parameter.low):
        raise ValueError(f"{'high / low' if parameter.log else 'high - low'} must be a finite number")
    if parameter.log and parameter.step is not None:
        raise ValueError("log and step exclude each other")


class CategoricalParameter(StrictModel):
    """One of a list of values."""

    type: Literal["categorical"] = Field("categorical", description="one of several values")
    choices: list[Choice] = Field(min_length=1, description="the values")
    when: Condition = Field(default_factory=dict, description=WHEN)


def _parameter_kind(value: Any) -> str | None:
    if isinstance(value, list):
        return "categorical"
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return kind if kind in ("float", "int", "categorical") else None


def _choices(value: Any) -> Any:
    return {"type": "categorical", "choices": value} if isinstance(value, list) else value


SearchParameter = Annotated[
    Annotated[FloatParameter, Tag("float")]
    | Annotated[IntParameter, Tag("int")]
    | Annotated[CategoricalParameter, BeforeValidator(_choices), Tag("categorical")],
    Discriminator(
        _parameter_kind,
        custom_error_type="parameter_kind",
        custom_error_message="a list of choices, or a mapping whose `type` is float, int or categorical",
    ),
]


class HalvingConfig(StrictModel):
    """Successive halving (Jamieson and Talwalkar 2016): all trials train briefly; the best of each bracket go on.

    Rung 0 takes steps_per_trial / reduction_factor ** (num_rungs - 1) agent-steps, the last rung steps_per_trial.
    """

    num_rungs: int = Field(3, ge=2, le=8, description="number of rungs; the last one trains for steps_per_trial")
    reduction_factor: int = Field(3, ge=2, description="one in this number of trials continues to the next rung")
    bracket_size: int = Field(32, ge=2, description="consecutive trials that compete with each other")


class StoppingConfig(StrictModel):
    """Median stopping (Golovin et al. 2017): a trial ends early if its best objective so far is worse than the median
    of the earlier trials' mean objectives up to the same check.
    """

    num_checks: int = Field(
        4, ge=2, description="evenly spaced held-out evaluations per trial, the last at the end of training"
    )
    episodes: int = Field(8, ge=1, description="episodes per check")
    seed: Seed = Field(500_000, description="first episode seed of the checks")
    min_trials: int = Field(
        5, ge=1, description="earlier trials that must have reached a check before it can stop a trial"
    )


STRATEGY_NAMES = ("grid", "random", "quasi_random", "bayesian")


def _known_strategy(name: str) -> str:
    """Accept a known name, or a dotted path to the user's own class, which is loaded when the search begins."""
    if name in STRATEGY_NAMES or "." in name:
        return name
    expected = ", ".join(f"'{known}'" for known in STRATEGY_NAMES) + " or the path of a class"
    raise PydanticCustomError("literal_error", "unknown strategy", {"expected": expected})


StrategyName = Annotated[str, AfterValidator(_known_strategy)]


DEFAULT_TRIALS = 16


class DAFSweepConfig(StrictModel):
    """A hyperparameter sweep: trials that train separately and are scored on the same evaluation episodes."""

    name: Name = Field("sweep", description="folder of the sweep; in an experiment, its key under `sweeps`")
    training: Name | None = Field(
        None,
        description="a training run of this file as which every trial trains: with its teacher and other sections, "
        "whose keys may be searched (`teacher.coef`), and with its mission, policy, start_from, objective, init_kwargs "
        "and hyperparameters where the sweep does not set them. Its seeds, number of steps, held-out evaluations and "
        "processes do not apply. null: what the sweep says",
        exclude_if=lambda value: value is None,  # recipes of sweeps without it stay as they were
    )
    mission: NameOrPath = Field("training_facility_1", description="mission name or file")
    policy_class_path: str = Field("grid", description="shorthand or class path of a trainable policy")
    init_kwargs: dict[str, Any] = Field(default_factory=dict, description="fixed keyword arguments of the policy class")
    hyperparameters: Hyperparameters = Field(
        default_factory=lambda: Hyperparameters(), description="fixed hyperparameters of PPO"
    )
    search_space: dict[str, SearchParameter] = Field(
        description="what to search: keys of `hyperparameters`, `init_kwargs.<name>` of the policy class, or "
        "`<section>.<key>` of the sweep's `training`, such as `teacher.coef`, or `start_from`, a list of what that key "
        "takes",
        min_length=1,
    )
    strategy: StrategyName = Field(
        "bayesian",
        description="how trials are proposed: grid, random, quasi_random, bayesian, or the path of your own class",
    )
    num_trials: int | None = Field(
        None,
        ge=1,
        description=f"number of trials; null: {DEFAULT_TRIALS}, or every point of a grid; raising it adds trials "
        "without repeating any",
    )
    steps_per_trial: int = Field(100_000, ge=1, description="agent-steps of training per trial")
    episodes_per_trial: int = Field(
        8, ge=1, description="evaluation episodes per trial, on each mission and for each training seed"
    )
    score_missions: list[NameOrPath] = Field(
        default_factory=list,
        description="missions on which the episodes of a trial are played; they need the interface of the mission that "
        "it trains on. Empty: on that one",
        exclude_if=lambda value: not value,
    )
    seeds_per_trial: int = Field(
        1,
        ge=1,
        description="training seeds of a trial; each is trained from the start",
        exclude_if=lambda value: value == 1,
    )
    objective: Literal["mean", "worst"] = Field(
        "mean",
        description="how the scores of a trial's missions and training seeds become one: their mean, or the worst",
        exclude_if=lambda value: value == "mean",
    )
    objective_metric: str = Field(
        "mean_reward", description="mean_reward, success_rate, or the name of a game statistic"
    )
    optimize_direction: Direction = Field("maximize", description="whether to maximize or minimize the objective")
    lag: int = Field(
        4,
        ge=1,
        description="trial n sees the results of trials 0 … n − lag; use about twice the number of trials run at once",
    )
    seed: Seed = Field(42, description="seed of the search and its trials")
    evaluation_seed: Seed = Field(100_000, description="first episode seed; the same episodes for every trial")
    halving: HalvingConfig | None = Field(None, description="successive halving; null: every trial trains in full")
    early_stopping: StoppingConfig | None = Field(None, description="median stopping; null: no trial stops early")
    num_finalists: int = Field(
        0, ge=0, description="number of best trials that run again on fresh seeds, which decide the winner; 0: none"
    )
    confirmation_seeds: int = Field(2, ge=1, description="fresh training seeds per finalist")
    max_total_seconds: float | None = Field(
        None,
        gt=0,
        description="skip a trial if the trials it sees have used this number of seconds; rungs and finalists still "
        "run. The only key that makes results depend on the clock",
    )
    warm_start: NameOrPath | None = Field(
        None, description="another sweep to learn from: its name in this file, or its folder (with a trials.json)"
    )
    start_from: NameOrPath | None = Field(
        None,
        description="trained weights with which every trial begins: the name of a training run (its model of the first "
        "seed), or the path of a model.safetensors; null: random weights",
        exclude_if=lambda value: value is None,  # recipes of sweeps without it stay as they were
    )
    output_dir: UserPath = Field(Path("daf_output"), description="folder for results of a sweep launched from Python")

    @model_validator(mode="after")
    def _one_way_to_stop(self) -> Self:
        if self.halving and self.early_stopping:
            raise ValueError("halving and early_stopping exclude each other: both decide how long a trial trains")
        if self.early_stopping and self.seeds_per_trial > 1:
            raise ValueError(
                "early_stopping and seeds_per_trial exclude each other: use halving, which stops all seeds"
            )
        refuse_repeated(self.score_missions, "score_missions")
        return self
