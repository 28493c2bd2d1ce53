"""The static plan of an experiment: which checkpoints, episodes and trials there are, all known before anything runs.

The Snakefile asks this module what to make; nothing here touches a file of results.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from daf.config import DAFComparisonConfig, DAFSweepConfig, DAFTrainingConfig, ExperimentConfig, PolicyConfig
from daf.config.recipes import (
    EvaluationRecipe,
    MissionRecipe,
    TrainingRecipe,
    evaluation_recipe,
    held_out_recipe,
    mission_label,
    training_recipe,
)
from daf.engine.model_files import SUFFIX, description_path
from daf.errors import BadInputError, CheckpointError, ConfigError, DafError
from daf.search.plan import SweepPlan
from daf.statistics.sequential import first_episodes_of_looks, look_sizes
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

    def looks_before(self, mission: str, shard: int) -> list[tuple[str, int]]:
        """The looks of comparisons with `episodes_per_mission: auto` that decide whether a shard is played, as
        (comparison, number of the look). None if a comparison wants it in any case."""
        first = shard * self.experiment.evaluation.episodes_per_shard
        looks = []
        for name, comparison in self.experiment.comparisons.items():
            if first >= comparison.episodes_cap or mission not in map(mission_label, comparison.missions):
                continue
            batch = sum(start <= first for start in first_episodes_of_looks(comparison)) - 1
            if batch == 0:
                return []
            looks.append((name, batch - 1))
        return looks

    def shards_of_look(self, comparison: str, look: int) -> list[tuple[str, str, int]]:
        """(checkpoint, mission, shard) of all episodes that a look sees."""
        per_shard = self.experiment.evaluation.episodes_per_shard
        shards = range(-(-look_sizes(self.comparison(comparison))[look] // per_shard))
        return [(checkpoint, mission, shard) for checkpoint, mission in self.compared(comparison) for shard in shards]

    def looks(self, comparison: str) -> range:
        """Numbers of the looks of a comparison."""
        return range(len(look_sizes(self.comparison(comparison))))

    def evaluation(self, checkpoint: str, mission: str, shard: int) -> EvaluationRecipe:
        """What one shard plays. Weights are given by content, or by the run that makes them."""
        one, episodes = self.checkpoints[checkpoint], self.episodes[mission]
        policy = described(one)
        if one.members:
            policy["members"] = [described(member) | {"share": share} for member, share in one.members]
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
        return {name: SweepPlan(sweep, self.experiment.missions) for name, sweep in self.experiment.sweeps.items()}

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


def described(checkpoint: Checkpoint) -> dict[str, Any]:
    """What decides how a checkpoint acts, apart from what its training run makes."""
    policy: dict[str, Any] = checkpoint.config.to_dict()
    if checkpoint.config.data_path is not None:
        policy["data_path"] = [file_sha256(path) for path in weights_files(checkpoint.config)]
    return policy | {"label": checkpoint.policy, "training_seed": checkpoint.seed}


def _what(checkpoint: Checkpoint) -> str:
    if checkpoint.members:
        return f"a team of {', '.join(member.label for member, _ in checkpoint.members)}"
    if checkpoint.training is not None:
        return f"seed {checkpoint.seed} of training.{checkpoint.training}"
    return str(checkpoint.config.class_path or checkpoint.config.data_path)


def check_with_engine(plan: Plan, source: str) -> None:
    """Everything that only the engine can tell before a job starts: missions build, policies exist and can be built,
    trainable ones can be trained, searched knobs exist, weights are there and fit.

    Raises:
        ConfigError: one problem per wrong value.
    """
    from daf.engine.missions import check_buildable, resolve_mission
    from daf.engine.networks import PolicyNetwork
    from daf.engine.policies import build_policy, check_transfer, resolve_policy
    from daf.engine.teams import agents_per_member
    from daf.search.files import validate_sweep
    from daf.search.space import searched_arguments
    from daf.training.evaluator import check_objective
    from daf.training.trackers import check_trackers

    problems: list[BadInputError] = []
    interfaces: dict[str, Any] = {}
    trainable: dict[str, Any] = {}  # by key, None where something is wrong: reported once, where it stands
    playable: dict[str, Any] = {}  # by checkpoint

    def attempt(key: str, action: Any) -> Any:
        try:
            return action()
        except ConfigError as error:
            problems.extend(_placed(problem, source, key) for problem in error.problems)
        except (BadInputError, CheckpointError) as error:
            problems.append(_placed(error, source, key))
        return None

    def interface(mission: str) -> Any:
        if mission not in interfaces:
            found = resolve_mission(plan.mission_recipe(mission).config)
            interfaces[mission] = check_buildable(found).interface
        return interfaces[mission]

    experiment = plan.experiment
    for name, sweep in experiment.sweeps.items():
        attempt(f"sweeps.{name}.search_space", lambda sweep=sweep: validate_sweep(sweep))
    trained: list[tuple[str, DAFSweepConfig | DAFTrainingConfig]] = []
    trained += [(f"sweeps.{name}", sweep) for name, sweep in experiment.sweeps.items()]
    trained += [(f"training.{name}", run) for name, run in experiment.training.items()]
    for key, config in trained:
        seen = attempt(f"{key}.mission", lambda config=config: interface(config.mission))
        policy = PolicyConfig(class_path=config.policy_class_path, init_kwargs=config.init_kwargs)
        resolved = attempt(f"{key}.policy_class_path", lambda policy=policy: resolve_policy(policy))
        trainable[key] = resolved
        if seen and resolved:
            attempt(
                f"{key}.policy_class_path",
                lambda resolved=resolved, seen=seen: PolicyNetwork(build_policy(resolved, seen), resolved.label),
            )
        world_size = config.world_size if isinstance(config, DAFTrainingConfig) else 1
        if config.hyperparameters.num_envs % world_size:
            problems.append(
                BadInputError(
                    f"a multiple of the {world_size} training processes",
                    str(config.hyperparameters.num_envs),
                    f"{source}: {key}.hyperparameters.num_envs",
                )
            )

    for name, sweep in experiment.sweeps.items():
        arguments = {**sweep.init_kwargs, **dict.fromkeys(searched_arguments(sweep.search_space))}
        asked = PolicyConfig(class_path=sweep.policy_class_path, init_kwargs=arguments)
        if trainable[f"sweeps.{name}"]:
            attempt(f"sweeps.{name}.search_space", partial(resolve_policy, asked))
        if sweep.mission in interfaces:
            home = resolve_mission(plan.mission_recipe(sweep.mission).config, sweep.mission)
            attempt(f"sweeps.{name}.objective_metric", partial(check_objective, sweep.objective_metric, home))
    for name, run in experiment.training.items():
        held_out = held_out_recipe(run)
        if held_out is not None and run.mission in interfaces:
            home = resolve_mission(plan.mission_recipe(run.mission).config, run.mission)
            attempt(f"training.{name}.objective_metric", partial(check_objective, held_out.objective_metric, home))
        attempt(f"training.{name}.trackers", partial(check_trackers, run.trackers))

    def transfers(run: str, mission: str) -> None:
        """A policy trained on one mission can only play another that looks the same to its network."""
        home, policy = plan.run(run).mission, trainable[f"training.{run}"]
        if policy and home in interfaces:
            check_transfer(policy, interfaces[home], home, interface(mission), mission)

    def key_of(checkpoint: Checkpoint) -> str:
        if checkpoint.policy in experiment.policies:
            return f"policies.{checkpoint.policy}"
        return f"comparisons.{_first_with(experiment, 'policies', str(checkpoint.config.class_path))}.policies"

    others = {one.label: one for name in experiment.policies for one in plan.checkpoints_of(name)}
    for checkpoint in (others | plan.checkpoints).values():
        for one in checkpoint.singles():
            if one.training is None and one.label not in playable:
                playable[one.label] = attempt(key_of(checkpoint), lambda one=one: resolve_policy(one.config, one.label))

    def plays(checkpoint: Checkpoint, mission: str) -> None:
        if checkpoint.members:
            shares = {member.label: share for member, share in checkpoint.members}
            agents_per_member(checkpoint.label, shares, interface(mission).num_agents)
        for one in checkpoint.singles():
            if one.training is not None:
                transfers(one.training, mission)
            elif playable[one.label]:
                build_policy(playable[one.label], interface(mission))

    for label, episodes in plan.episodes.items():
        key = f"comparisons.{_first_with(experiment, 'missions', episodes.mission)}.missions"
        if attempt(key, lambda episodes=episodes: interface(episodes.mission)):
            for name in plan.players(label):
                one = plan.checkpoints[name]
                attempt(key_of(one), lambda one=one, episodes=episodes: plays(one, episodes.mission))
    deployed, deployment, key = plan.deployed(), experiment.deployment, "deployment.validation_mission"
    if deployed and deployment:
        mission = deployment.validation_mission
        if attempt(key, lambda: interface(mission)):
            attempt(key, lambda: plays(deployed, mission))
    if problems:
        raise ConfigError(list({str(problem): problem for problem in problems}.values()))


def _first_with(experiment: ExperimentConfig, field: str, value: str) -> str:
    """The first comparison that names a policy or a mission."""
    return next(name for name, comparison in experiment.comparisons.items() if value in getattr(comparison, field))


def _placed(error: DafError, source: str, key: str) -> BadInputError:
    """The same problem, with the key of the configuration before the place that the engine named."""
    return BadInputError(error.expected, error.found, f"{source}: {key} ({error.where})", error.hint)
