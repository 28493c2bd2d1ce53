"""Which policies of an experiment run a user's code, and what each will have to do.

A class of DAF or of the engine is tested elsewhere and needs no rehearsal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from daf.config import DAFSweepConfig, DAFTrainingConfig, PolicyConfig
from daf.config.curriculum import missions_of
from daf.engine.model_files import load_model_description, weights_files
from daf.errors import DafError
from daf.workflow.checkpoint_plan import Checkpoint
from daf.workflow.plan import Plan

KNOWN_PACKAGES = ("daf.", "cogames.", "mettagrid.")


@dataclass(frozen=True, kw_only=True)
class Rehearsal:
    """One policy to rehearse.

    Attributes:
        keys: of the sweeps and runs that train it; empty if nothing does.
        label: of an external policy.
        owner: the external policy, or a team that it belongs to.
        missions: that it plays.
    """

    config: PolicyConfig
    keys: tuple[str, ...] = ()
    label: str | None = None
    owner: Checkpoint | None = None
    missions: tuple[str, ...]
    deploys: bool = False
    joins_team: bool = False


def runs_user_code(config: PolicyConfig) -> bool:
    """Whether building the policy imports a class that belongs neither to DAF nor to the engine."""
    name = config.class_path
    if name is None and config.data_path is not None:
        if config.data_path.suffix == ".zip":
            return True
        try:
            descriptions = weights_files(config)[1:]
            name = load_model_description(descriptions[0]).policy_class_path if descriptions else None
        except DafError:  # reported when the policy is resolved
            return False
    return name is not None and "." in name and not name.startswith(KNOWN_PACKAGES)


def rehearsals(plan: Plan) -> list[Rehearsal]:
    """Every policy with a user's code once, with everything that it will have to do."""
    return [rehearsal for rehearsal in [*_trained(plan), *_external(plan)] if runs_user_code(rehearsal.config)]


def _trained(plan: Plan) -> Iterator[Rehearsal]:
    """The policies of sweeps and runs; those with the same class, arguments and mission are one."""
    learners = plan.learning.learners()
    deployed = plan.checkpoints.deployed()
    in_teams = {f"training.{member.training}" for member in _team_members(plan)}
    same: dict[str, list[str]] = {}
    for key, learner in learners.items():
        same.setdefault(f"{learner.policy_class_path} {learner.init_kwargs} {_missions(learner)}", []).append(key)
    for keys in same.values():
        learner = learners[keys[0]]
        yield Rehearsal(
            config=PolicyConfig(class_path=learner.policy_class_path, init_kwargs=learner.init_kwargs),
            keys=tuple(keys),
            missions=tuple(_missions(learner)),
            deploys=deployed is not None and f"training.{deployed.training}" in keys,
            joins_team=not in_teams.isdisjoint(keys),
        )


def _missions(learner: DAFSweepConfig | DAFTrainingConfig) -> list[str]:
    return [learner.mission] if isinstance(learner, DAFSweepConfig) else missions_of(learner)


def _external(plan: Plan) -> Iterator[Rehearsal]:
    experiment, deployed = plan.experiment, plan.checkpoints.deployed()
    declared = [checkpoint for policy in experiment.policies for checkpoint in plan.checkpoints.of_policy(policy)]
    in_teams = {member.label for member in _team_members(plan)}
    frozen = {name for run in experiment.training.values() for name in run.frozen_policies().values()}
    undeclared = [one for name in sorted(frozen - set(experiment.policies)) for one in plan.checkpoints.of_policy(name)]
    everyone = [*declared, *plan.checkpoints.by_label.values(), *undeclared]
    singles = {single.label: (single, one) for one in reversed(everyone) for single in one.singles()}
    for label, (single, owner) in singles.items():
        if single.training is not None:
            continue
        players = {one.label for one in everyone if label in [member.label for member in one.singles()]}
        missions = [
            episodes.mission
            for mission, episodes in plan.episodes.by_mission.items()
            if not players.isdisjoint(plan.episodes.players(mission))
        ]
        missions += [mission for _, mission, seated in plan.tournaments.played() if seated.label == label]
        trains = [run.mission for run in experiment.training.values() if owner.policy in run.frozen_policies().values()]
        missions += trains
        deploys = deployed is not None and deployed.label == label
        if deploys and experiment.deployment:
            missions.append(experiment.deployment.validation_mission)
        yield Rehearsal(
            config=single.config,
            label=label,
            owner=owner,
            missions=tuple(dict.fromkeys(missions)),
            deploys=deploys,
            joins_team=label in in_teams or bool(trains),
        )


def _team_members(plan: Plan) -> Iterator[Checkpoint]:
    """Who shares a mission with others: members of teams, and everyone in a tournament."""
    declared = [one for policy in plan.experiment.policies for one in plan.checkpoints.of_policy(policy)]
    for checkpoint in [*declared, *plan.checkpoints.by_label.values()]:
        yield from (member for member, _ in checkpoint.members)
    yield from (checkpoint for _, _, checkpoint in plan.tournaments.played())
