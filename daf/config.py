"""What an experiment is: typed, checked models, and nothing else.

Every key a user may write stands here with its meaning; `config/README.md` and
`workflow/schemas/config.schema.yaml` are generated from this module (`python -m daf.config_docs`). Models are
strict: an unknown key is an error with a suggestion. Fields may be assigned and are checked on assignment.
Machine facts (partitions, memory, GPUs) are not here but in `profiles/`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from daf.errors import BadInputError, ConfigError, did_you_mean
from daf.files import write_text

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
Name = Annotated[str, Field(pattern=NAME_PATTERN, description="a name that can stand in a file path")]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
PositiveShare = Annotated[float, Field(gt=0.0)]


class StrictModel(BaseModel):
    """A model that refuses unknown keys, checks assignments, and reads and writes YAML and JSON."""

    model_config = ConfigDict(
        extra="forbid",
        validate_assignment=True,
        validate_default=True,
        allow_inf_nan=False,
        revalidate_instances="always",
    )

    @classmethod
    def from_dict(cls, data: dict[str, Any], *, source: str = "config") -> Self:
        """Build from plain data.

        Raises:
            ConfigError: with one problem per wrong value, each naming `source` and the key.
        """
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise ConfigError(_problems(cls, error, source)) from None

    @classmethod
    def from_yaml(cls, path: str | Path) -> Self:
        """Read a YAML file; raises ConfigError as `from_dict` does."""
        text = _read_text(path)
        try:
            data = yaml.load(text, Loader=_YamlLoader)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            place = f"line {mark.line + 1}: " if mark else ""
            problem = getattr(error, "problem", None) or str(error)
            raise ConfigError([BadInputError("YAML", place + problem, str(path))]) from None
        return cls.from_dict(_mapping(data, path), source=str(path))

    @classmethod
    def from_json(cls, path: str | Path) -> Self:
        """Read a JSON file; raises ConfigError as `from_dict` does."""
        try:
            data = json.loads(_read_text(path))
        except json.JSONDecodeError as error:
            raise ConfigError([BadInputError("JSON", f"{error.msg} at line {error.lineno}", str(path))]) from None
        return cls.from_dict(_mapping(data, path), source=str(path))

    def __setattr__(self, name: str, value: Any) -> None:
        try:
            super().__setattr__(name, value)
        except ValidationError as error:
            raise ConfigError(_problems(type(self), error, type(self).__name__)) from None

    def to_dict(self) -> dict[str, Any]:
        """Plain data that JSON and YAML can hold; `from_dict` reads it back to an equal model."""
        return self.model_dump(mode="json", by_alias=True)

    def to_yaml(self, path: str | Path) -> None:
        write_text(path, yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True))

    def validate(self) -> Self:  # type: ignore[override]  # pydantic's deprecated classmethod of this name is unused
        """Check the whole again, nested values included (lists and dicts can be changed in place unnoticed).

        Raises:
            ConfigError: with one problem per wrong value.
        """
        type(self).from_dict(self.to_dict(), source=type(self).__name__)
        return self


class _YamlLoader(yaml.SafeLoader):
    """YAML 1.2 floats (`1e-3` is a number, not a string) and an error for a key written twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        written = list(node.value)
        self.flatten_mapping(
            node
        )  # resolves `<<:`; what it brings in may be overridden, what is written may not repeat
        seen: set[Any] = set()
        for key_node, _ in written:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key '{key}' is written twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def _add_yaml_floats() -> None:
    import re

    number = re.compile(r"^[-+]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9_]+)[eE][-+]?[0-9]+$")
    _YamlLoader.add_implicit_resolver("tag:yaml.org,2002:float", number, list("-+.0123456789"))


_add_yaml_floats()


def _read_text(path: str | Path) -> str:
    path = Path(path)
    if not path.is_file():
        near = sorted(p.name for p in path.parent.glob(f"*{path.suffix}")) if path.parent.is_dir() else []
        raise ConfigError(
            [BadInputError("a configuration file", "no such file", str(path), did_you_mean(path.name, near))]
        )
    return path.read_text()


def _mapping(data: Any, path: str | Path) -> dict[str, Any]:
    if not isinstance(data, dict):
        kind = "an empty file" if data is None else f"a {type(data).__name__}"
        raise ConfigError([BadInputError("a mapping of keys to values", kind, str(path))])
    return data


# ---- global settings --------------------------------------------------------------------------------------


class DAFConfig(StrictModel):
    """Settings shared by all stages."""

    output_dir: Path = Field(Path("daf_output"), description="folder for everything DAF writes")
    seed: Seed = Field(42, description="root of every random stream that has no seed of its own")
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="where networks run; auto takes a GPU if there is one"
    )
    max_parallel_jobs: int = Field(4, ge=1, description="jobs that the Python API lets the workflow run at once")
    min_free_disk_gb: float = Field(
        2.0, ge=0, description="free space that the environment check demands of output_dir"
    )
    min_free_memory_gb: float = Field(2.0, ge=0, description="free memory that the environment check demands")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least severe message shown")


# ---- missions and policies --------------------------------------------------------------------------------


class MissionConfig(StrictModel):
    """A mission under a name of your own: another mission or a file, with changes."""

    source: str = Field(description="a CoGames mission or eval, one that DAF ships, or a .yaml/.json/.py file")
    variants: list[str] = Field(default_factory=list, description="CoGames variants to apply (see `cogames variants`)")
    num_agents: int | None = Field(None, ge=1, description="number of agents; default: the mission's own")
    max_steps: int | None = Field(None, ge=1, description="episode length in steps; default: the mission's own")
    success: str | None = Field(
        None,
        description="when an episode is a success: an expression over its statistics; default: the mission's own",
    )


class PolicyConfig(StrictModel):
    """A policy to evaluate: a class with optional weights, what a training run of this experiment makes, or a team."""

    class_path: str | None = Field(None, description="shorthand (`random`, `lstm`, …) or full path of a policy class")
    data_path: Path | None = Field(
        None,
        description="weights for class_path; without one, a submission bundle (.zip) or a trained model (.safetensors, "
        "which has its .json beside it)",
    )
    init_kwargs: dict[str, Any] = Field(default_factory=dict, description="keyword arguments of the policy class")
    training: Name | None = Field(None, description="a run under `training`: one policy per training seed")
    policies: dict[str, PositiveShare] = Field(
        default_factory=dict,
        description="a team: names under `policies`, or shorthands and class paths, with the share of a mission's "
        "agents that each plays; members that are trained play their training seeds side by side",
    )

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        return {"class_path": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        described = self.class_path or self.data_path or self.init_kwargs
        if self.policies and (described or self.training):
            raise ValueError("`policies` stands alone: its members say which class and weights they have")
        if self.policies and len(self.policies) < 2:
            raise ValueError("a team has at least two members")
        if self.training is not None and described:
            raise ValueError("`training` stands alone: the run says which class, weights and init_kwargs")
        if not self.policies and self.training is None and self.class_path is None and self.data_path is None:
            raise ValueError(
                "one of class_path, data_path (a bundle or a trained model), training or policies (a team) is needed"
            )
        return self


# ---- training ---------------------------------------------------------------------------------------------


class Hyperparameters(StrictModel):
    """The knobs of PPO (Schulman et al. 2017) with generalized advantage estimation."""

    learning_rate: float = Field(0.002, gt=0, description="step size at the start")
    schedule: Literal["constant", "linear", "cosine"] = Field(
        "linear", description="how the learning rate falls to zero"
    )
    optimizer: Literal["adam", "adamw", "sgd"] = Field("adam", description="gradient descent method")
    adam_beta1: float = Field(0.9, ge=0, lt=1, description="decay of the gradient mean (momentum for sgd)")
    adam_beta2: float = Field(0.999, ge=0, lt=1, description="decay of the squared gradient mean")
    adam_eps: float = Field(1e-5, gt=0, description="added to Adam's denominator")
    weight_decay: float = Field(0.0, ge=0, description="L2 penalty (decoupled for adamw)")
    gamma: Fraction = Field(0.98, description="discount per step")
    gae_lambda: Fraction = Field(0.95, description="decay of the advantage estimator")
    clip_coef: float = Field(0.2, gt=0, description="policy ratio clip")
    value_clip_coef: float | None = Field(0.2, gt=0, description="value clip; null: none")
    value_coef: float = Field(0.5, ge=0, description="weight of the value loss")
    entropy_coef: float = Field(0.005, ge=0, description="weight of the entropy bonus")
    normalize_advantages: bool = Field(True, description="zero mean and unit deviation per minibatch")
    max_grad_norm: float = Field(0.5, gt=0, description="gradients are scaled down to this L2 norm")
    reward_clip: float | None = Field(None, gt=0, description="rewards are clipped to ± this; null: not at all")
    num_envs: int = Field(16, ge=1, description="environments stepped together, over all processes")
    horizon: int = Field(64, ge=2, description="steps per environment between two updates")
    epochs: int = Field(2, ge=1, description="passes over the data of one update")
    minibatch_size: int = Field(512, ge=1, description="agent-steps per gradient step, over all processes")


class DAFTrainingConfig(StrictModel):
    """One training run: a policy learns a mission, once per seed."""

    mission: str = Field("tutorial.miner", description="mission name or file")
    policy_class_path: str = Field("grid", description="shorthand or class path of a trainable policy")
    init_kwargs: dict[str, Any] = Field(default_factory=dict, description="keyword arguments of the policy class")
    num_steps: int = Field(600_000, ge=1, description="agent-steps to train for, rounded up to whole updates")
    seeds: list[Seed] = Field([1], min_length=1, description="training seeds; one model each")
    sweep: Name | None = Field(None, description="a sweep whose best hyperparameters replace those given here")
    hyperparameters: Hyperparameters = Field(default_factory=lambda: Hyperparameters(), description="the knobs of PPO")
    num_machines: int = Field(1, ge=1, description="machines; each runs one torchrun agent")
    processes_per_machine: int = Field(
        1, ge=1, description="training processes per machine (one per GPU on a GPU node)"
    )
    num_evaluations: int = Field(
        5,
        ge=0,
        description="held-out evaluations, evenly spaced, one at the end; 0: the last weights are published",
    )
    evaluation_episodes: int = Field(8, ge=1, description="episodes of one held-out evaluation")
    evaluation_seed: Seed = Field(500_000, description="first episode seed of held-out evaluations")
    objective_metric: str = Field(
        "mean_reward",
        description="the best held-out one's weights are published: mean_reward, success_rate, or a game statistic",
    )
    optimize_direction: Literal["maximize", "minimize"] = Field("maximize", description="which end is better")
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="numbers inside the network; bfloat16 is faster on recent GPUs"
    )
    compile_network: bool = Field(False, description="torch.compile: slower to start, faster on a GPU")
    trackers: list[str] = Field(
        ["tensorboard"], description="what else metrics are sent to: tensorboard, or a library like wandb (offline)"
    )
    checkpoint_interval_steps: int = Field(100_000, ge=1, description="agent-steps between two checkpoints")
    max_restarts: int = Field(2, ge=0, description="times the process group is restarted after a crash")

    @model_validator(mode="after")
    def _distinct_seeds(self) -> Self:
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError("seeds must differ from each other")
        return self

    @property
    def world_size(self) -> int:
        return self.num_machines * self.processes_per_machine


# ---- sweeps -----------------------------------------------------------------------------------------------


Choice = bool | int | float | str | None


def _listed(value: Any) -> Any:
    return (
        {key: one if isinstance(one, list) else [one] for key, one in value.items()}
        if isinstance(value, dict)
        else value
    )


# Only where every named parameter is searched and has one of the listed values.
Condition = Annotated[dict[str, Annotated[list[Choice], Field(min_length=1)]], BeforeValidator(_listed)]
WHEN = "searched only where other parameters have one of these values: {name: [value, …]}"


class FloatParameter(StrictModel):
    """A real number between two bounds, both included."""

    type: Literal["float"] = Field("float", description="a real number")
    low: float = Field(description="smallest value")
    high: float = Field(description="largest value")
    log: bool = Field(False, description="search the logarithm")
    step: float | None = Field(None, gt=0, description="grid of values from low upwards")
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
    log: bool = Field(False, description="search the logarithm")
    step: int | None = Field(None, gt=0, description="grid of values from low upwards")
    when: Condition = Field(default_factory=dict, description=WHEN)

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        _check_bounds(self)
        return self


def _check_bounds(parameter: FloatParameter | IntParameter) -> None:
    if parameter.low > parameter.high:
        raise ValueError(f"low ({parameter.low}) must not be above high ({parameter.high})")
    if parameter.log and parameter.low <= 0:
        raise ValueError(f"log needs low above 0, not {parameter.low}")
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
    """Successive halving (Jamieson and Talwalkar 2016): all trials train a little, the best of a bracket go on.

    Rung 0 takes steps_per_trial / reduction_factor ** (num_rungs - 1) agent-steps, the last one steps_per_trial.
    """

    num_rungs: int = Field(3, ge=2, le=8, description="rungs; the last one trains for steps_per_trial")
    reduction_factor: int = Field(3, ge=2, description="one of so many trials goes on to the next rung")
    bracket_size: int = Field(32, ge=2, description="consecutive trials that compete with each other")


class StoppingConfig(StrictModel):
    """Median stopping (Golovin et al. 2017): a trial ends early if its best objective so far is worse than the median
    of what earlier trials had on average by then.
    """

    num_checks: int = Field(4, ge=2, description="held-out evaluations in a trial, evenly spaced, one at the end")
    episodes: int = Field(8, ge=1, description="episodes of a check")
    seed: Seed = Field(500_000, description="first episode seed of the checks")
    min_trials: int = Field(5, ge=1, description="earlier trials that must have come to a check before it can stop one")


STRATEGY_NAMES = ("grid", "random", "quasi_random", "bayesian")


def _known_strategy(name: str) -> str:
    """One of the names, or a dotted path: a class of the user's, which is loaded when the search begins."""
    if name in STRATEGY_NAMES or "." in name:
        return name
    expected = ", ".join(f"'{one}'" for one in STRATEGY_NAMES) + " or the path of a class"
    raise PydanticCustomError("literal_error", "unknown strategy", {"expected": expected})


StrategyName = Annotated[str, AfterValidator(_known_strategy)]


class DAFSweepConfig(StrictModel):
    """A hyperparameter sweep: trials that train and are scored on the same evaluation episodes."""

    name: Name = Field("sweep", description="folder of the sweep; in an experiment, its key under `sweeps`")
    mission: str = Field("training_facility_1", description="mission name or file")
    policy_class_path: str = Field("grid", description="shorthand or class path of a trainable policy")
    init_kwargs: dict[str, Any] = Field(default_factory=dict, description="fixed keyword arguments of the policy class")
    hyperparameters: Hyperparameters = Field(
        default_factory=lambda: Hyperparameters(), description="fixed knobs of PPO"
    )
    search_space: dict[str, SearchParameter] = Field(
        description="what varies: a knob of `hyperparameters`, or `init_kwargs.<name>` of the policy", min_length=1
    )
    strategy: StrategyName = Field(
        "bayesian",
        description="how the next trial is chosen: grid, random, quasi_random, bayesian, or the path of a class of "
        "your own",
    )
    num_trials: int = Field(16, ge=1, description="trials to run; raising it adds trials and repeats none")
    steps_per_trial: int = Field(100_000, ge=1, description="agent-steps of training per trial")
    episodes_per_trial: int = Field(8, ge=1, description="evaluation episodes per trial")
    objective_metric: str = Field(
        "mean_reward", description="mean_reward, success_rate, or the name of a game statistic"
    )
    optimize_direction: Literal["maximize", "minimize"] = Field("maximize", description="which end is better")
    lag: int = Field(4, ge=1, description="trial n looks at trials 0 … n − lag: about twice the trials run at once")
    seed: Seed = Field(42, description="seed of the search and of its trials")
    evaluation_seed: Seed = Field(100_000, description="first episode seed; the same episodes for every trial")
    halving: HalvingConfig | None = Field(None, description="successive halving; null: every trial trains in full")
    early_stopping: StoppingConfig | None = Field(None, description="stopping inside a trial; null: none")
    num_finalists: int = Field(
        0, ge=0, description="best trials that run again on fresh seeds; the best of these is taken; 0: no such runs"
    )
    confirmation_seeds: int = Field(2, ge=1, description="fresh training seeds per finalist")
    max_total_seconds: float | None = Field(
        None,
        gt=0,
        description="trials that see so many seconds used are skipped; the one key that lets the clock decide",
    )
    warm_start: str | None = Field(
        None, description="a sweep to learn from: its name in this file, or its folder (which has a trials.json)"
    )
    output_dir: Path = Field(Path("daf_output"), description="folder for results when launched from Python")

    @model_validator(mode="after")
    def _one_way_to_stop(self) -> Self:
        if self.halving and self.early_stopping:
            raise ValueError("halving and early_stopping exclude each other: both decide how long a trial trains")
        return self


# ---- comparison -------------------------------------------------------------------------------------------


def _text_or_other(value: Any) -> str:
    return "as text" if isinstance(value, str) else "as value"


# One of two kinds, told apart by whether it is text, so that an error speaks of that kind alone.
CountOrAuto = Annotated[
    Annotated[Literal["auto"], Tag("as text")] | Annotated[int, Field(ge=1), Tag("as value")],
    Discriminator(_text_or_other),
]
PolicyOrRewards = Annotated[
    Annotated[str, Tag("as text")] | Annotated[dict[str, float], Tag("as value")], Discriminator(_text_or_other)
]


class Anchors(StrictModel):
    """The scale of scores: which reward counts as 0 and which as 1, declared before looking at the results."""

    zero: PolicyOrRewards = Field(
        description="a policy of the comparison, whose mean on each mission it is, or a reward for every mission"
    )
    one: PolicyOrRewards = Field(description="the same for 1; must differ from zero on every mission")


class DAFComparisonConfig(StrictModel):
    """Which policies are compared where, and how sure one wants to be."""

    policies: list[str] = Field(min_length=1, description="names under `policies`, or shorthands and class paths")
    missions: list[str] = Field(min_length=1, description="mission names or files")
    episodes_per_mission: CountOrAuto = Field(
        32, description="episodes per policy and mission, same seeds for all policies; auto: until the verdict"
    )
    max_episodes_per_mission: int = Field(256, ge=4, description="where auto stops without a verdict")
    num_looks: int = Field(4, ge=1, le=20, description="batches of auto; after each the verdict is asked for")
    reference: str | None = Field(
        None, description="one of the policies: compare all others with it only (ablation); null: every pair"
    )
    anchors: Anchors | None = Field(None, description="what scores are 0 and 1 on every mission; null: rewards as paid")
    confidence_level: float = Field(0.95, gt=0.5, lt=1, description="coverage of the intervals")
    num_resamples: int = Field(10_000, ge=100, description="bootstrap and permutation replicates")
    equivalence_margin: float | None = Field(None, gt=0, description="largest difference of means that does not matter")
    recipe_test: Literal["welch", "permutation"] = Field(
        "welch", description="test on means of training seeds; the permutation test needs 4 seeds a side"
    )
    seed: Seed = Field(42, description="seed of the resampling")
    evaluation_seed: Seed = Field(1_000_000, description="first episode seed")

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        for field, values in (("policies", self.policies), ("missions", self.missions)):
            if len(set(values)) != len(values):
                raise ValueError(f"{field} must differ from each other")
        named = [] if self.anchors is None else [self.anchors.zero, self.anchors.one]
        for key, policy in (("reference", self.reference), *(("anchors", one) for one in named)):
            if isinstance(policy, str) and policy not in self.policies:
                raise ValueError(
                    f"{key} must be one of the policies compared ({', '.join(self.policies)}), not {policy}"
                )
        for mission in self.missions if self.anchors else []:
            rewards = [one if isinstance(one, str) else one.get(mission) for one in named]
            if None in rewards:
                raise ValueError(f"anchors need a reward for every mission; there is none for {mission}")
            if rewards[0] == rewards[1]:
                raise ValueError(f"anchors must differ from each other; on {mission} both are {rewards[0]}")
        return self

    @property
    def episodes_cap(self) -> int:
        """Episodes per policy and mission at the most."""
        return self.max_episodes_per_mission if self.episodes_per_mission == "auto" else self.episodes_per_mission


# ---- deployment -------------------------------------------------------------------------------------------


class DAFDeploymentConfig(StrictModel):
    """The package made of one policy, and where it may be sent."""

    policy: Name | None = Field(
        None, description="name under `policies`; with `training`, its first seed unless `seed` is set"
    )
    seed: Seed | None = Field(None, description="which training seed to package")
    version: str = Field("0.1.0", pattern=r"^\d+\.\d+\.\d+$", description="version of the package")
    description: str = Field("", description="one sentence for the package's documentation")
    validation_mission: str = Field("tutorial.miner", description="mission on which the package must load and act")
    endpoint: str | None = Field(None, description="folder or http(s) address that `deploy_policy` sends to")
    season: str | None = Field(None, description="tournament season, for a CoGames server")


# ---- the whole experiment ---------------------------------------------------------------------------------


Replay = Literal["best", "median", "worst"]


class EvaluationConfig(StrictModel):
    """How episodes are run; nothing here changes their rewards except the action timeout."""

    episodes_per_shard: int = Field(32, ge=1, description="episodes per job and file")
    max_action_time_ms: int = Field(
        10_000, ge=1, description="wall-clock budget of one action; slower ones count as timeouts"
    )
    objective_metric: str = Field(
        "mean_reward",
        description="the objective column of the episodes: mean_reward, success_rate, length, or a statistic of the "
        "engine",
    )
    replays: list[Replay] = Field(
        default_factory=list,
        description="episodes of every policy and mission to write for `cogames replay`, by mean reward; any other can "
        "be asked for by its file name",
    )


class ExperimentConfig(StrictModel):
    """One experiment file."""

    SECTIONS_WITH_NAMES: ClassVar[tuple[str, ...]] = ("missions", "policies", "sweeps", "training", "comparisons")

    name: Name = Field("experiment", description="what this experiment is called in reports")
    daf: DAFConfig = Field(default_factory=lambda: DAFConfig(), description="settings shared by all stages")
    missions: dict[Name, MissionConfig] = Field(default_factory=dict, description="missions under names of your own")
    policies: dict[Name, PolicyConfig] = Field(default_factory=dict, description="policies to evaluate, by name")
    sweeps: dict[Name, DAFSweepConfig] = Field(default_factory=dict, description="hyperparameter sweeps, by name")
    training: dict[Name, DAFTrainingConfig] = Field(default_factory=dict, description="training runs, by name")
    evaluation: EvaluationConfig = Field(default_factory=lambda: EvaluationConfig(), description="how episodes are run")
    comparisons: dict[Name, DAFComparisonConfig] = Field(default_factory=dict, description="comparisons, by name")
    deployment: DAFDeploymentConfig | None = Field(None, description="the package to make; null: none")

    @model_validator(mode="before")
    @classmethod
    def _name_sweeps(cls, data: Any) -> Any:
        """A sweep's name is its key; writing it a second time inside is allowed only if it is the same."""
        if isinstance(data, dict) and isinstance(data.get("sweeps"), dict):
            data = {**data, "sweeps": {**data["sweeps"]}}
            for name, sweep in data["sweeps"].items():
                if isinstance(sweep, dict):
                    if sweep.get("name", name) != name:
                        raise ValueError(f"sweeps.{name}.name is '{sweep['name']}': leave it out, the key is the name")
                    data["sweeps"][name] = {**sweep, "name": name}
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any], *, source: str = "config") -> Self:
        experiment = super().from_dict(data, source=source)
        problems = list(experiment._broken_references(source))
        if problems:
            raise ConfigError(problems)
        return experiment

    def _broken_references(self, source: str) -> list[BadInputError]:
        """Names that point at nothing inside this file. Missions and policies outside it need the engine to check."""
        problems = []

        def check(name: str | None, known: Any, what: str, key: str) -> None:
            if name is not None and name not in known:
                problems.append(BadInputError(what, f"'{name}'", f"{source}: {key}", did_you_mean(name, known)))

        for name, sweep in self.sweeps.items():
            if sweep.warm_start and not (Path(sweep.warm_start) / "trials.json").is_file():
                others = set(self.sweeps) - {name}
                what = "another sweep of this file, or the folder of a finished sweep"
                check(sweep.warm_start, others, what, f"sweeps.{name}.warm_start")
        for name, run in self.training.items():
            check(run.sweep, self.sweeps, "the name of a sweep of this file", f"training.{name}.sweep")
        for name, policy in self.policies.items():
            check(
                policy.training, self.training, "the name of a training run of this file", f"policies.{name}.training"
            )
        problems += self._broken_teams(source)
        if self.deployment and self.deployment.policy:
            check(self.deployment.policy, self.policies, "the name of a policy of this file", "deployment.policy")
            packaged = self.policies.get(self.deployment.policy)
            if packaged and packaged.policies:
                hint = f"one of its members: {', '.join(packaged.policies)}"
                found = f"'{self.deployment.policy}', a team"
                problems.append(BadInputError("a single policy", found, f"{source}: deployment.policy", hint))
            if packaged and packaged.training in self.training and self.deployment.seed is not None:
                seeds = [str(seed) for seed in self.training[packaged.training].seeds]
                check(str(self.deployment.seed), seeds, f"a seed of training.{packaged.training}", "deployment.seed")
        return problems

    def _broken_teams(self, source: str) -> Iterator[BadInputError]:
        for name, team in self.policies.items():
            where = f"{source}: policies.{name}.policies"
            members = {member: self.policies[member] for member in team.policies if member in self.policies}
            for member, config in members.items():
                if config.policies:
                    yield BadInputError("members that are no teams themselves", f"'{member}'", where)
            runs = {member: self.training.get(config.training or "") for member, config in members.items()}
            seeds = {member: run.seeds for member, run in runs.items() if run is not None}
            if len({tuple(of_member) for of_member in seeds.values()}) > 1:
                found = ", ".join(f"{member}: {of_member}" for member, of_member in seeds.items())
                yield BadInputError("trained members with the same training seeds", found, where)


# ---- errors -----------------------------------------------------------------------------------------------

_EXPECTED = {
    "int_type": "an integer",
    "int_parsing": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "path_type": "a path",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "too_short": "at least {min_length} entries",
    "literal_error": "{expected}",
    "string_pattern_mismatch": "text that matches {pattern}",
}

_TAGS = ("float", "int", "categorical", "as text", "as value")  # of unions: pydantic puts them between the keys


def _problems(model: type[BaseModel], error: ValidationError, source: str) -> list[BadInputError]:
    """Translate pydantic's report: one problem with its four parts per wrong value."""
    problems = []
    for item in error.errors():
        location = [str(part) for part in item["loc"]]
        location = [part for part in location if part not in _TAGS]
        key = ".".join(location) or "(top level)"
        kind, context = item["type"], item.get("ctx", {})
        if kind in ("extra_forbidden", "no_such_attribute"):
            known = _known_keys(model, location[:-1])
            expected, found = "a known key", f"'{location[-1]}'"
            hint = did_you_mean(location[-1], known)
        elif kind == "missing":
            expected, found, hint = "a value", "nothing", "this key has no default"
        else:
            expected = _EXPECTED.get(kind, item["msg"].removeprefix("Value error, ")).format(**context)
            found = _shown(item["input"])
            hint = (
                did_you_mean(item["input"], _literals(expected))
                if kind == "literal_error" and isinstance(item["input"], str)
                else ""
            )
        problems.append(BadInputError(expected, found, f"{source}: {key}", hint))
    return problems


def _shown(value: Any) -> str:
    text = repr(value)
    return f"{text if len(text) <= 80 else text[:77] + '...'} ({type(value).__name__})"


def _literals(expected: str) -> list[str]:
    return [part.strip("' ") for part in expected.replace(" or ", ", ").split(",")]


def _known_keys(model: type[BaseModel], location: list[str]) -> list[str]:
    """The keys allowed at a place inside a model, found by walking its JSON schema."""
    schema = model.model_json_schema()
    definitions = schema.get("$defs", {})
    nodes = [schema]
    for part in [*location, None]:
        resolved: list[dict[str, Any]] = []
        while nodes:
            node = nodes.pop()
            if "$ref" in node:
                nodes.append(definitions[node["$ref"].rsplit("/", 1)[1]])
            else:
                nodes.extend([*node.get("anyOf", []), *node.get("oneOf", [])])
                resolved.append(node)
        if part is None:
            return sorted({key for node in resolved for key in node.get("properties", {})})
        for node in resolved:
            children = [node.get("properties", {}).get(part), node.get("additionalProperties"), node.get("items")]
            children += node.get("patternProperties", {}).values()
            nodes.extend(child for child in children if isinstance(child, dict))
    return []
