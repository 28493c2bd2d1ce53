"""The experiment file as typed, validated models.

This module defines and describes every key a user may write, except those of sweeps, comparisons and tournaments, which
are in `daf.config.sweep`, `daf.config.comparison` and `daf.config.tournament`.
`config/README.md` and `workflow/schemas/config.schema.yaml` are generated from these models (`python -m
daf.config.docs`). Models are strict: an unknown key is an error with a suggestion. Fields can be assigned and are
validated on assignment. Machine settings (partitions, memory, GPUs) belong in `profiles/`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from daf.config.comparison import DAFComparisonConfig
from daf.config.curriculum import CurriculumConfig, WeightedMission, refuse_wrong_curriculum, with_target
from daf.config.deployment import DAFDeploymentConfig
from daf.config.direction import Direction
from daf.config.earlier_checkpoints import Share, broken_earlier_checkpoints, with_earlier_checkpoints
from daf.config.hyperparameters import Hyperparameters
from daf.config.learning_curves import broken_learning_curves
from daf.config.mission import MissionConfig
from daf.config.normalization import WorkersOrAuto
from daf.config.partners import PartnersConfig, refuse_unplayed_validation
from daf.config.policy_reference import policy_fields
from daf.config.start import broken_start, circular_starts
from daf.config.strict_model import Name, PositiveShare, Seed, StrictModel, refuse_repeated
from daf.config.sweep import DAFSweepConfig
from daf.config.teacher import TeacherConfig
from daf.config.tournament import DAFTournamentConfig, broken_tournaments
from daf.config.trial_training import broken_sections, broken_use, like_its_run, searched_starts
from daf.errors import BadInputError, ConfigError, did_you_mean
from daf.system.user_paths import NameOrPath, UserPath
from daf.system.validated import hint_for_text, wrong_value

# ---- global settings --------------------------------------------------------------------------------------


class DAFConfig(StrictModel):
    """Settings shared by all stages."""

    output_dir: UserPath = Field(Path("daf_output"), description="folder for everything DAF writes")
    seed: Seed = Field(42, description="root seed of every random stream without an explicit seed")
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto",
        description="where networks run; auto uses a GPU if one is available. In the workflow, evaluation runs on the "
        "CPU unless the profile requests a GPU for it (see profiles/README.md)",
    )
    max_parallel_jobs: int = Field(4, ge=1, description="maximum number of parallel jobs when started from Python")
    min_free_disk_gb: float = Field(
        2.0, ge=0, description="free space in output_dir that the environment check requires"
    )
    min_free_memory_gb: float = Field(2.0, ge=0, description="free memory that the environment check requires")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least severe messages to show")


# ---- policies --------------------------------------------------------------------------------


class PolicyConfig(StrictModel):
    """A policy to evaluate: a class with optional weights, the models of a training run in this file, or a team."""

    class_path: str | None = Field(None, description="shorthand (`random`, `lstm`, …) or full path of a policy class")
    data_path: UserPath | None = Field(
        None,
        description="weights for class_path; without class_path, a submission bundle (.zip) or a trained model "
        "(.safetensors, with its .json next to it)",
    )
    init_kwargs: dict[str, Any] = Field(default_factory=dict, description="keyword arguments of the policy class")
    training: Name | None = Field(None, description="a run under `training`: one policy per training seed")
    at: Share | None = Field(
        None, description="of `training`: the weights after this share of its steps; null, and 1: the published weights"
    )
    policies: dict[NameOrPath, PositiveShare] = Field(
        default_factory=dict,
        description="a team: names under `policies`, or shorthands and class paths, each with its share of a mission's "
        "agents; trained members are matched by training seed",
    )

    @classmethod
    def of(cls, policy: Any) -> PolicyConfig:
        """Convert any form in which Python code may give a policy, see `policy_fields`."""
        return policy if isinstance(policy, PolicyConfig) else cls.from_dict(policy_fields(policy), source="policy")

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        if isinstance(value, bool | int | float | list | None):
            expected = "a shorthand or class path, or a mapping of class_path, training, …"
            raise wrong_value(expected, hint_for_text(value))
        return {"class_path": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        described = self.class_path or self.data_path or self.init_kwargs
        if self.policies and (described or self.training):
            raise ValueError("`policies` excludes the other keys: its members define their class and weights")
        if self.policies and len(self.policies) < 2:
            raise ValueError("a team needs at least two members")
        if self.training is not None and described:
            raise ValueError("`training` excludes the other keys: the run defines the class, weights and init_kwargs")
        if self.at is not None and self.training is None:
            raise wrong_value(
                "a `training`, whose steps are counted", "or leave `at` out", at="at", found=f"{self.at:g}"
            )
        if not self.policies and self.training is None and self.class_path is None and self.data_path is None:
            raise ValueError(
                "one of class_path, data_path (a bundle or a trained model), training or policies (a team) is required"
            )
        return self


# ---- training ---------------------------------------------------------------------------------------------


class DAFTrainingConfig(StrictModel):
    """One training run: a policy learns a mission, once for each seed."""

    mission: NameOrPath = Field(
        "tutorial.miner",
        description="mission name or file. Of several `missions`, the target, for which the published weights are "
        "chosen; default: the last of them",
    )
    missions: list[WeightedMission] = Field(
        default_factory=list,
        description="several missions to train on at the same time, with the same observations, actions and number of "
        "agents; each episode plays one",
    )
    curriculum: CurriculumConfig | None = Field(
        None, description="how the weights of `missions` change; null: they stay as they are"
    )
    policy_class_path: str = Field("grid", description="shorthand or class path of a trainable policy")
    init_kwargs: dict[str, Any] = Field(default_factory=dict, description="keyword arguments of the policy class")
    num_steps: int = Field(600_000, ge=1, description="agent-steps to train for, rounded up to whole updates")
    seeds: list[Seed] = Field([1], min_length=1, description="training seeds; one model each")
    sweep: Name | None = Field(None, description="a sweep whose best hyperparameters replace those given here")
    start_from: NameOrPath | None = Field(
        None,
        description="begin with trained weights: the name of another run (its model of the same training seed, else of "
        "its first), or the path of a model.safetensors; the optimizer is new. null: random weights",
    )
    hyperparameters: Hyperparameters = Field(
        default_factory=lambda: Hyperparameters(), description="PPO hyperparameters"
    )
    teacher: TeacherConfig | None = Field(None, description="a policy to imitate at the beginning; null: none")
    partners: PartnersConfig | None = Field(
        None, description="policies that play some of the seats; null: the network plays every seat"
    )
    num_machines: int = Field(1, ge=1, description="number of machines; each runs one torchrun agent")
    processes_per_machine: int = Field(
        1, ge=1, description="training processes per machine (one per GPU on a GPU node)"
    )
    env_workers: WorkersOrAuto = Field(
        "auto",
        description="processes that step each training process's environments (0: it does), at most one for each; "
        "auto: with a GPU, its share of the job's cores, less one; on a CPU 0, where more processes are faster",
    )
    num_evaluations: int = Field(
        5,
        ge=0,
        description="evenly spaced held-out evaluations, the last at the end of training; 0: publish the final weights",
    )
    evaluation_episodes: int = Field(8, ge=1, description="episodes per held-out evaluation")
    evaluation_seed: Seed = Field(500_000, description="first episode seed of held-out evaluations")
    objective_metric: str = Field(
        "mean_reward",
        description="held-out metric that selects the published weights: mean_reward, success_rate or a game statistic",
    )
    optimize_direction: Direction = Field("maximize", description="whether to maximize or minimize the objective")
    precision: Literal["float32", "tf32", "bfloat16"] = Field(
        "float32",
        description="precision of the network; tf32 and bfloat16 are faster on recent GPUs (on a CPU, tf32 is float32)",
    )
    compile_network: bool = Field(False, description="torch.compile: slower to start, faster on a GPU")
    trackers: list[str] = Field(
        ["tensorboard"], description="where else metrics are logged: tensorboard, or a library such as wandb (offline)"
    )
    checkpoint_interval_steps: int = Field(100_000, ge=1, description="agent-steps between checkpoints")
    max_restarts: int = Field(2, ge=0, description="maximum number of restarts of the process group after crashes")
    stall_seconds: float = Field(
        600.0, gt=0, description="processes without progress for this long count as hung (an environment worker: half)"
    )

    @model_validator(mode="before")
    @classmethod
    def _target(cls, value: Any) -> Any:
        return with_target(value)

    @model_validator(mode="after")
    def _sections_agree(self) -> Self:
        refuse_wrong_curriculum(self)
        refuse_unplayed_validation(self.partners, self.num_evaluations)
        return self

    @model_validator(mode="after")
    def _distinct_seeds(self) -> Self:
        refuse_repeated(self.seeds, "seeds")
        return self

    def frozen_policies(self) -> dict[str, str]:
        """The names of the policies that take part in the training and do not learn, by key."""
        found = {} if self.teacher is None else {"teacher.policy": self.teacher.policy}
        if self.partners is not None:
            for key, names in (("pool", self.partners.pool), ("validation", self.partners.validation)):
                found |= {f"partners.{key}[{number}]": name for number, name in enumerate(names)}
        return found

    @property
    def world_size(self) -> int:
        return self.num_machines * self.processes_per_machine


# ---- the whole experiment ---------------------------------------------------------------------------------


Replay = Literal["best", "median", "worst"]


class EvaluationConfig(StrictModel):
    """How episodes are run; nothing here changes their rewards except the action timeout."""

    episodes_per_shard: int = Field(32, ge=1, description="episodes per job and output file")
    max_action_time_ms: int = Field(
        10_000, ge=1, description="wall-clock limit per action; slower actions count as timeouts"
    )
    objective_metric: str = Field(
        "mean_reward",
        description="metric in the episodes' objective column: mean_reward, success_rate, length, or an engine "
        "statistic",
    )
    max_failed_share: float = Field(
        0.5, ge=0, le=1, description="share of a policy's episodes on a mission that may fail; else the exit code is 1"
    )
    replays: list[Replay] = Field(
        default_factory=list,
        description="episodes, by mean reward, to write for `cogames replay`, per policy and mission; "
        "request any other by its file name",
    )


class OverriddenKey(StrictModel):
    """What a key of the file said, and what it was run with."""

    before: Any = Field(None, description="the value of the file, or the default")
    after: Any = Field(None, description="the value of the command line")


class Overrides(StrictModel):
    """What `daf run --set` changed. DAF writes this, for the provenance of results; it decides none."""

    file: str = Field(description="the experiment file")
    keys: dict[str, OverriddenKey] = Field(description="the keys that were overridden")


class ExperimentConfig(StrictModel):
    """One experiment file."""

    SECTIONS_WITH_NAMES: ClassVar[tuple[str, ...]] = (
        "missions", "policies", "sweeps", "training", "comparisons", "tournaments",
    )  # fmt: skip

    name: Name = Field("experiment", description="name of the experiment in reports")
    daf: DAFConfig = Field(default_factory=lambda: DAFConfig(), description="settings shared by all stages")
    missions: dict[Name, MissionConfig] = Field(default_factory=dict, description="missions under your own names")
    policies: dict[Name, PolicyConfig] = Field(default_factory=dict, description="policies to evaluate, by name")
    sweeps: dict[Name, DAFSweepConfig] = Field(default_factory=dict, description="hyperparameter sweeps, by name")
    training: dict[Name, DAFTrainingConfig] = Field(default_factory=dict, description="training runs, by name")
    evaluation: EvaluationConfig = Field(default_factory=lambda: EvaluationConfig(), description="how episodes are run")
    comparisons: dict[Name, DAFComparisonConfig] = Field(default_factory=dict, description="comparisons, by name")
    tournaments: dict[Name, DAFTournamentConfig] = Field(default_factory=dict, description="tournaments, by name")
    deployment: DAFDeploymentConfig | None = Field(None, description="the package to build; null: none")
    overrides: Overrides | None = Field(
        None, description="written by `daf run --set`, not by hand: which keys it changed; decides no result"
    )

    @model_validator(mode="before")
    @classmethod
    def _name(cls, data: Any) -> Any:
        """Take a sweep's name from its key, where a `name` inside must be the same; name earlier checkpoints."""
        if isinstance(data, dict) and isinstance(data.get("sweeps"), dict):
            data = {**data, "sweeps": {**data["sweeps"]}}
            for name, sweep in data["sweeps"].items():
                if isinstance(sweep, dict):
                    if sweep.get("name", name) != name:
                        found = f"'{sweep['name']}'"
                        raise wrong_value(
                            f"'{name}', or no name", "leave it out", at=f"sweeps.{name}.name", found=found
                        )
                    data["sweeps"][name] = {**sweep, "name": name}
        return with_earlier_checkpoints(data)

    @model_validator(mode="after")
    def _sweeps_like_runs(self) -> Self:
        for name, sweep in self.sweeps.items():
            if sweep.training in self.training:
                self.sweeps[name] = like_its_run(sweep, self.training[sweep.training])
        return self

    @classmethod
    def from_dict(cls, data: dict[str, Any], *, source: str = "config") -> Self:
        experiment = super().from_dict(data, source=source)
        problems = list(experiment._broken_references(source))
        if problems:
            raise ConfigError(problems)
        return experiment

    def _broken_references(self, source: str) -> list[BadInputError]:
        """References to undefined names. Checking missions and policies outside this file needs the engine."""
        problems = []

        def check(name: str | None, known: Any, what: str, key: str) -> None:
            if name is not None and name not in known:
                hint = did_you_mean(name, known) or "this file defines none"
                problems.append(BadInputError(what, f"'{name}'", f"{source}: {key}", hint))

        for name, sweep in self.sweeps.items():
            check(sweep.training, self.training, "the name of a training run in this file", f"sweeps.{name}.training")
            if sweep.training in self.training:
                where = f"{source}: sweeps.{name}.search_space"
                problems += broken_sections(sweep, self.training[sweep.training], where)
            if sweep.warm_start and not (Path(sweep.warm_start) / "trials.json").is_file():
                others = set(self.sweeps) - {name}
                what = "another sweep in this file, or the folder of a finished sweep"
                check(sweep.warm_start, others, what, f"sweeps.{name}.warm_start")
                problems += self._broken_warm_start(name, sweep, f"{source}: sweeps.{name}.warm_start")
        for name, run in self.training.items():
            check(run.sweep, self.sweeps, "the name of a sweep in this file", f"training.{name}.sweep")
            if run.sweep in self.sweeps:
                problems += broken_use(run, self.sweeps[run.sweep], f"{source}: training.{name}.sweep")
        problems += self._broken_starts(source)
        for name, policy in self.policies.items():
            check(
                policy.training, self.training, "the name of a training run in this file", f"policies.{name}.training"
            )
        problems += self._broken_teams(source)
        problems += broken_tournaments(self.tournaments, self.policies, source)
        named = (self.policies, self.training, self.comparisons, self.deployment)
        problems += broken_earlier_checkpoints(*named, source)
        problems += broken_learning_curves(self.comparisons, self.policies, self.training, source)
        if self.deployment:
            problems += self.deployment.broken_references(check, self.policies, self.training, self.comparisons, source)
        return problems

    def _broken_warm_start(self, name: str, sweep: DAFSweepConfig, where: str) -> Iterator[BadInputError]:
        other = self.sweeps.get(sweep.warm_start or "")
        if other is None:
            return
        for key in ("objective_metric", "optimize_direction"):
            ours, theirs = getattr(sweep, key), getattr(other, key)
            if ours != theirs:
                yield BadInputError(f"a sweep with {key} '{ours}', as in this one", f"'{theirs}'", where)
        chain = [name]
        while other is not None and other.name not in chain:
            chain.append(other.name)
            other = self.sweeps.get(other.warm_start or "")
        if other is not None and other.name == name:
            yield BadInputError("a sweep that does not itself start from this one", " → ".join([*chain, name]), where)

    def _broken_starts(self, source: str) -> Iterator[BadInputError]:
        starts = {f"training.{name}": run.start_from for name, run in self.training.items()}
        starts |= {f"sweeps.{name}": sweep.start_from for name, sweep in self.sweeps.items()}
        for name, sweep in self.sweeps.items():
            for searched in searched_starts(sweep):
                where = f"{source}: sweeps.{name}.search_space.start_from"
                if problem := broken_start(searched, set(self.training), where):
                    yield problem
        for key, start_from in starts.items():
            if problem := broken_start(start_from, set(self.training), f"{source}: {key}.start_from"):
                yield problem
        trained: dict[str, dict[str, str]] = {}
        for name, run in self.training.items():
            keys = run.frozen_policies()
            known = {key: self.policies[policy] for key, policy in keys.items() if policy in self.policies}
            for key, policy in known.items():
                if policy.policies:
                    where = f"{source}: training.{name}.{key}"
                    yield BadInputError("a single policy", f"the team '{keys[key]}'", where)
            trained[f"training.{name}"] = {
                key.removesuffix(".policy"): policy.training for key, policy in known.items() if policy.training
            }
        for name, sweep in self.sweeps.items():
            starts_from = {f"search_space.start_from ({run})": run for run in searched_starts(sweep)}
            trained[f"sweeps.{name}"] = trained.get(f"training.{sweep.training}", {}) | starts_from
        yield from circular_starts(self.training, self.sweeps, trained, source)

    def _broken_teams(self, source: str) -> Iterator[BadInputError]:
        for name, team in self.policies.items():
            where = f"{source}: policies.{name}.policies"
            members = {member: self.policies[member] for member in team.policies if member in self.policies}
            for member, config in members.items():
                if config.policies:
                    yield BadInputError("members that are not teams themselves", f"'{member}'", where)
            runs = {member: self.training.get(config.training or "") for member, config in members.items()}
            seeds = {member: run.seeds for member, run in runs.items() if run is not None}
            if len({tuple(of_member) for of_member in seeds.values()}) > 1:
                found = ", ".join(f"{member}: {of_member}" for member, of_member in seeds.items())
                yield BadInputError("trained members with the same training seeds", found, where)
