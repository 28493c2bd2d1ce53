"""Checking an experiment with the engine before a DAG is built, once per content.

The check loads the engine, which takes seconds; every call of Snakemake would pay for it. So a passed check leaves a
stamp under .snakemake/ that names everything it depended on. It runs in a process of its own, because the engine
installs log handlers and imports torch, and neither belongs in Snakemake's process.
"""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

from daf.config import DAFSweepConfig, DAFTrainingConfig, ExperimentConfig, PolicyConfig
from daf.config.recipes import (
    STAGE_VERSIONS,
    held_out_recipe,
)
from daf.engine.model_files import load_model_description
from daf.errors import EXIT_BAD_INPUT, BadInputError, CheckpointError, ConfigError, DafError
from daf.system.files import digest, file_sha256, write_text
from daf.system.provenance import engine_stamp
from daf.workflow.plan import Checkpoint, Plan, weights_files

STAMPS = Path(".snakemake") / "daf"
KNOWN_PACKAGES = ("daf.", "cogames.", "mettagrid.")


def check_once(plan: Plan, source: str) -> None:
    """Raise ConfigError unless the experiment passes, now or when it was checked before."""
    stamp = stamp_of(plan)
    if stamp.exists() and not _uses_foreign_code(plan):
        return
    request = json.dumps({"experiment": plan.experiment.to_dict(), "source": source})
    child = subprocess.run(
        [sys.executable, "-P", "-m", "daf.workflow.preflight"],
        input=request,
        capture_output=True,
        text=True,
        check=False,
    )
    if child.returncode == EXIT_BAD_INPUT:
        raise ConfigError([BadInputError(**problem) for problem in json.loads(child.stdout)])
    if child.returncode:
        last = child.stderr.strip().splitlines()[-1:] or [f"exit code {child.returncode}"]
        raise DafError(
            "an engine that loads", last[0], "checking the experiment", "is the environment complete? `make setup`"
        )
    write_text(stamp, f"{source}\n")


def stamp_of(plan: Plan) -> Path:
    """The file that a passed check of this experiment leaves behind, relative to the working folder."""
    return STAMPS / f"checked-{_content(plan)[:32]}"


def main() -> int:
    """Check the experiment on standard input; its problems go to standard output as JSON."""
    request = json.load(sys.stdin)
    plan = Plan(ExperimentConfig.from_dict(request["experiment"], source=request["source"]))
    try:
        check_with_engine(plan, request["source"])
    except ConfigError as error:
        problems = [
            {key: getattr(one, key) for key in ("expected", "found", "where", "hint")} for one in error.problems
        ]
        print(json.dumps(problems))
        return EXIT_BAD_INPUT
    return 0


def _content(plan: Plan) -> str:
    """What the outcome of the check depends on: the experiment, the files it names, the engine, this code."""
    weights = [path for policy in plan.experiment.policies.values() for path in weights_files(policy)]
    return digest(
        {
            "experiment": plan.experiment.to_dict(),
            "missions": [plan.mission_recipe(mission).to_dict() for mission in plan.all_missions()],
            "weights": [file_sha256(path) if path.is_file() else None for path in weights],
            "engine": engine_stamp(),
            "stages": STAGE_VERSIONS,
        }
    )


def _uses_foreign_code(plan: Plan) -> bool:
    """Whether a policy class is a user's own: its code may change without any file named here changing."""
    experiment = plan.experiment
    paths = [policy.class_path or _described_class(policy) for policy in experiment.policies.values()]
    paths += [sweep.policy_class_path for sweep in experiment.sweeps.values()]
    paths += [run.policy_class_path for run in experiment.training.values()]
    paths += [member for policy in experiment.policies.values() for member in policy.policies]
    paths += [name for comparison in experiment.comparisons.values() for name in comparison.policies]
    return any(path and "." in path and not path.startswith(KNOWN_PACKAGES) for path in paths)


def _described_class(policy: PolicyConfig) -> str | None:
    """The class that trained weights name themselves."""
    described = weights_files(policy)[1:]
    return load_model_description(described[0]).policy_class_path if described else None


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


if __name__ == "__main__":
    sys.exit(main())
