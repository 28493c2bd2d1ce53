"""The static plan of an experiment: which checkpoints, episodes and trials there are, all known before anything runs.

The Snakefile asks this module what to make; nothing here touches a file of results.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from daf.config import DAFComparisonConfig, DAFSweepConfig, DAFTrainingConfig, ExperimentConfig, PolicyConfig
from daf.config.recipes import (
    EvaluationRecipe,
    MissionRecipe,
    TrainingRecipe,
    evaluation_recipe,
    mission_label,
    training_recipe,
)
from daf.engine.model_files import SUFFIX, description_path
from daf.errors import BadInputError, ConfigError
from daf.search.plan import SweepPlan
from daf.statistics.sequential import first_episodes_of_batches, interim_sizes
from daf.system.files import file_sha256


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Weights to evaluate: a policy from outside, one training seed of a run, or a team of such.

    Attributes:
        members: of a team, with their shares of the agents.
    """

    label: str
    policy: str
    config: PolicyConfig
    training: str | None = None
    seed: int | None = None
    members: tuple[tuple[Checkpoint, float], ...] = ()

    def singles(self) -> list[Checkpoint]:
        """Itself, or the members of the team."""
        return [member for member, _ in self.members] or [self]


@dataclass(frozen=True, kw_only=True)
class Episodes:
    """The episodes that every policy plays on a mission: as many as the most demanding comparison wants."""

    mission: str  # as written in the configuration
    count: int
    first_seed: int


class Plan:
    """What an experiment makes.

    Raises:
        ConfigError: two comparisons want different episode seeds on one mission, or two missions or two policies share
            a label.
    """

    def __init__(self, experiment: ExperimentConfig) -> None:
        self.experiment = experiment
        self.episodes = self._plan_episodes()
        _ = self.checkpoints  # names that clash are found now

    # ---- policies and checkpoints -------------------------------------------------------------------------

    @cached_property
    def checkpoints(self) -> dict[str, Checkpoint]:
        """Every checkpoint of every policy that is compared or packaged, by label."""
        wanted = [name for comparison in self.experiment.comparisons.values() for name in comparison.policies]
        deployment = self.experiment.deployment
        wanted += [deployment.policy] if deployment and deployment.policy else []
        found: dict[str, Checkpoint] = {}
        for name in dict.fromkeys(wanted):
            for checkpoint in self.checkpoints_of(name):
                known = found.setdefault(checkpoint.label, checkpoint)
                if known != checkpoint:
                    hint = "give one of them another name under `policies`"
                    two = f"{_what(known)} and {_what(checkpoint)}"
                    raise ConfigError([BadInputError(f"one policy called '{checkpoint.label}'", two, "policies", hint)])
        return found

    def checkpoints_of(self, policy: str) -> Iterator[Checkpoint]:
        """One checkpoint, or one per training seed. A name not under `policies` is a shorthand or class path."""
        config = self.experiment.policies.get(policy) or PolicyConfig(class_path=policy)
        label = policy if policy in self.experiment.policies else policy.rpartition(".")[2]
        if config.policies:
            yield from self._teams(label, config)
            return
        if config.training is None:
            yield Checkpoint(label=label, policy=label, config=config)
            return
        for seed in self.run(config.training).seeds:
            yield Checkpoint(
                label=f"{label}-seed-{seed}", policy=label, config=config, training=config.training, seed=seed
            )

    def _teams(self, label: str, config: PolicyConfig) -> Iterator[Checkpoint]:
        """One team, or one per training seed of its trained members, which all have the same seeds."""
        choices = {member: list(self.checkpoints_of(member)) for member in config.policies}
        seeds: list[int | None] = next(
            ([one.seed for one in found] for found in choices.values() if found[0].seed is not None), [None]
        )
        for place, seed in enumerate(seeds):
            members = tuple(
                (choices[member][place if len(choices[member]) > 1 else 0], share)
                for member, share in config.policies.items()
            )
            name = label if seed is None else f"{label}-seed-{seed}"
            yield Checkpoint(label=name, policy=label, config=config, seed=seed, members=members)

    def deployed(self) -> Checkpoint | None:
        """The checkpoint that is packaged: the chosen seed, else the first."""
        deployment = self.experiment.deployment
        if deployment is None or deployment.policy is None:
            return None
        candidates = list(self.checkpoints_of(deployment.policy))
        return next((one for one in candidates if one.seed == deployment.seed), candidates[0])

    # ---- episodes -----------------------------------------------------------------------------------------

    def _plan_episodes(self) -> dict[str, Episodes]:
        planned: dict[str, Episodes] = {}
        problems: list[BadInputError] = []
        for name, comparison in self.experiment.comparisons.items():
            for mission in comparison.missions:
                label, where = mission_label(mission), f"comparisons.{name}"
                known = planned.get(label)
                if known and known.mission != mission:
                    problems.append(
                        BadInputError(f"one mission called '{label}'", f"{known.mission} and {mission}", where)
                    )
                if known and known.first_seed != comparison.evaluation_seed:
                    problems.append(
                        BadInputError(
                            f"evaluation_seed {known.first_seed}, as in another comparison on '{mission}'",
                            str(comparison.evaluation_seed),
                            f"{where}.evaluation_seed",
                            "comparisons share their episodes; use one seed, or another name for the mission",
                        )
                    )
                planned[label] = Episodes(
                    mission=mission,
                    count=max(comparison.episodes_cap, known.count if known else 0),
                    first_seed=comparison.evaluation_seed,
                )
        if problems:
            raise ConfigError(problems)
        return planned

    def shards(self, mission: str) -> range:
        """Numbers of a mission's shards."""
        per_shard = self.experiment.evaluation.episodes_per_shard
        return range(-(-self.episodes[mission].count // per_shard))

    def interim_analyses_before(self, mission: str, shard: int) -> list[tuple[str, int]]:
        """The interim analyses that decide whether a shard is played, as (comparison, its number).

        None if a comparison wants it in any case; only `episodes_per_mission: auto` has such analyses.
        """
        first = shard * self.experiment.evaluation.episodes_per_shard
        analyses = []
        for name, comparison in self.experiment.comparisons.items():
            if first >= comparison.episodes_cap or mission not in map(mission_label, comparison.missions):
                continue
            batch = sum(start <= first for start in first_episodes_of_batches(comparison)) - 1
            if batch == 0:
                return []
            analyses.append((name, batch - 1))
        return analyses

    def shards_of_interim_analysis(self, comparison: str, interim: int) -> list[tuple[str, str, int]]:
        """(checkpoint, mission, shard) of all episodes that an interim analysis sees."""
        per_shard = self.experiment.evaluation.episodes_per_shard
        shards = range(-(-interim_sizes(self.comparison(comparison))[interim] // per_shard))
        return [(checkpoint, mission, shard) for checkpoint, mission in self.compared(comparison) for shard in shards]

    def evaluation(self, checkpoint: str, mission: str, shard: int) -> EvaluationRecipe:
        """What one shard plays. Weights are given by content, or by the run that makes them."""
        one, episodes = self.checkpoints[checkpoint], self.episodes[mission]
        policy = policy_identity(one)
        if one.members:
            policy["members"] = [policy_identity(member) | {"share": share} for member, share in one.members]
        return evaluation_recipe(
            self.experiment,
            policy=policy,
            mission=episodes.mission,
            shard=shard,
            num_episodes=episodes.count,
            first_seed=episodes.first_seed,
        )

    def compared(self, comparison: str) -> list[tuple[str, str]]:
        """(checkpoint, mission) pairs of a comparison."""
        config = self.comparison(comparison)
        labels = [one.label for policy in config.policies for one in self.checkpoints_of(policy)]
        return [(label, mission_label(mission)) for mission in config.missions for label in labels]

    def players(self, mission: str) -> list[str]:
        """Checkpoints that play a mission in any comparison."""
        pairs = [pair for name in self.experiment.comparisons for pair in self.compared(name)]
        return list(dict.fromkeys(checkpoint for checkpoint, played in pairs if played == mission))

    # ---- training and sweeps ------------------------------------------------------------------------------

    def run(self, name: str) -> DAFTrainingConfig:
        return self.experiment.training[name]

    def sweep(self, name: str) -> DAFSweepConfig:
        return self.experiment.sweeps[name]

    def comparison(self, name: str) -> DAFComparisonConfig:
        return self.experiment.comparisons[name]

    def training(self, run: str, seed: int) -> TrainingRecipe:
        """The recipe of a run; a sweep's best values go into it when they are known."""
        return training_recipe(self.run(run), seed, self.experiment.missions)

    def sweep_plan(self, name: str) -> SweepPlan:
        """What a sweep makes; the same object each time, since every trial asks."""
        return self._sweep_plans[name]

    @cached_property
    def _sweep_plans(self) -> dict[str, SweepPlan]:
        experiment = self.experiment
        return {
            name: SweepPlan(sweep, experiment.missions, experiment.evaluation)
            for name, sweep in experiment.sweeps.items()
        }

    def warm_start(self, sweep: str) -> str | None:
        """The trials.json that a sweep learns from, with <out> for the output folder; None if it starts cold."""
        source = self.sweep(sweep).warm_start
        if source is None:
            return None
        return f"<out>/sweeps/{source}/trials.json" if source in self.experiment.sweeps else f"{source}/trials.json"

    # ---- missions -----------------------------------------------------------------------------------------

    def all_missions(self) -> list[str]:
        """Every mission that the experiment plays, as written."""
        experiment = self.experiment
        named = [sweep.mission for sweep in experiment.sweeps.values()]
        named += [run.mission for run in experiment.training.values()]
        named += [episodes.mission for episodes in self.episodes.values()]
        if experiment.deployment and experiment.deployment.policy:
            named.append(experiment.deployment.validation_mission)
        return list(dict.fromkeys(named))

    def mission_recipe(self, mission: str) -> MissionRecipe:
        return MissionRecipe.of(mission, self.experiment.missions)


def weights_files(policy: PolicyConfig) -> list[Path]:
    """The files that a policy from outside is made of: its weights or bundle, and the description beside weights."""
    if policy.data_path is None:
        return []
    beside = description_path(policy.data_path)
    described = policy.data_path.suffix == SUFFIX and beside.is_file()
    return [policy.data_path, beside] if described else [policy.data_path]


def policy_identity(checkpoint: Checkpoint) -> dict[str, Any]:
    """What decides how a checkpoint acts, apart from what its training run makes."""
    policy: dict[str, Any] = checkpoint.config.to_dict()
    if checkpoint.config.data_path is not None:
        policy["data_path"] = [file_sha256(path) for path in weights_files(checkpoint.config)]
    return policy | {"label": checkpoint.policy, "train_seed": checkpoint.seed}


def _what(checkpoint: Checkpoint) -> str:
    if checkpoint.members:
        return f"a team of {', '.join(member.label for member, _ in checkpoint.members)}"
    if checkpoint.training is not None:
        return f"seed {checkpoint.seed} of training.{checkpoint.training}"
    return str(checkpoint.config.class_path or checkpoint.config.data_path)
