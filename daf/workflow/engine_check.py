"""Checks that need the engine: missions and policies build, policies can be trained, hyperparameters and weights fit.

This module loads the engine; `daf.workflow.preflight` runs it in a separate process.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daf.config import DAFSweepConfig, DAFTrainingConfig, MissionConfig, PolicyConfig
from daf.config.curriculum import follows_progress, missions_of
from daf.config.partners import PartnersConfig
from daf.config.recipes import MissionRecipe, held_out_recipe
from daf.config.trial_training import most_partners, searched_starts
from daf.engine.matches import require_seats
from daf.engine.missions import Mission, check_buildable, list_missions, resolve_mission
from daf.engine.partners import require_playable
from daf.engine.policies import ResolvedPolicy, build_policy, check_transfer, resolve_policy
from daf.engine.rehearsal import Role, rehearse, resolve_apart
from daf.engine.simulation import SimulationFactory
from daf.engine.teams import agents_per_member
from daf.errors import (
    BadInputError,
    CheckpointError,
    ConfigError,
    DafError,
    PolicyError,
    UnknownMissionError,
    did_you_mean,
)
from daf.search.files import validate_sweep
from daf.search.recipe import strategy_code
from daf.search.space import searched_arguments
from daf.system.failure_report import FailureReport
from daf.system.loaded_files import escaping, files_noted, in_words
from daf.system.user_code import CodeStamp
from daf.training.evaluator import check_objective
from daf.training.frozen_policies import named_policy
from daf.training.partnering import require_seats as require_partner_seats
from daf.training.start_weights import check_file, check_run
from daf.training.trackers import check_trackers
from daf.training.trainable import build_trainable, environments_per_process, require_shared
from daf.workflow.checkpoint_plan import Checkpoint
from daf.workflow.config_keys import first_comparison, key_of_mission, key_of_policy
from daf.workflow.plan import Plan
from daf.workflow.rehearsal_plan import rehearsals, runs_user_code
from daf.workflow.validation_pools import shared_pools


@dataclass(frozen=True)
class Findings:
    """What is wrong with an experiment: problems must be mended before it runs, warnings may be."""

    problems: list[BadInputError]
    warnings: list[BadInputError]


def check_with_engine(plan: Plan, source: str) -> None:
    """Check, before a job starts, everything that needs the engine.

    Raises:
        ConfigError: one problem per wrong value.
    """
    findings = find_problems(plan, source)
    if findings.problems:
        raise ConfigError(findings.problems)


def find_problems(plan: Plan, source: str, note: Callable[[str], None] = lambda _: None) -> Findings:
    """Everything that is wrong, each fault once.

    Args:
        note: called with what is checked next, for the case that user code ends the process.
    """
    check = _EngineCheck(plan, source, note)
    check.rehearsals()
    check.search_spaces()
    check.trainings_start()
    check.several_missions()
    check.starts()
    check.frozen_policies()
    check.sweeps()
    check.trainings()
    check.policies_exist()
    check.episodes_can_be_played()
    check.tournaments_can_be_played()
    check.package_can_be_validated()
    problems, warnings = (
        list({str(problem): problem for problem in found}.values()) for found in (check.problems, check.warnings)
    )
    return Findings(problems, warnings)


class _EngineCheck:
    """The steps of the check. Each problem is reported once: later steps skip what an earlier one reported."""

    def __init__(self, plan: Plan, source: str, note: Callable[[str], None]) -> None:
        self._plan, self._experiment, self._source, self._note = plan, plan.experiment, source, note
        self.problems: list[BadInputError] = []
        self.warnings: list[BadInputError] = []
        self._factories: dict[str, SimulationFactory] = {}  # of every mission that builds
        # The policies by configuration key or by checkpoint label; None where a problem was reported.
        self._trainable: dict[str, ResolvedPolicy | None] = {}
        self._playable: dict[str, ResolvedPolicy | None] = {}

    # ---- steps ------------------------------------------------------------------------------------------------

    def rehearsals(self) -> None:
        """Policies with a user's code, each in a separate process; later steps do not import them."""
        for rehearsal in rehearsals(self._plan):
            factories = [factory for mission in rehearsal.missions if (factory := self._factory_if_any(mission))]
            role = Role(trains=bool(rehearsal.keys), deploys=rehearsal.deploys, joins_team=rehearsal.joins_team)
            owner, label = rehearsal.owner, rehearsal.label
            key = key_of_policy(owner, self._experiment) if owner else f"{rehearsal.keys[0]}.policy_class_path"
            self._note(key)
            rehearsed = rehearse(rehearsal.config, factories, role, label)
            for finding in rehearsed.findings:
                error = PolicyError(finding.expected, finding.found, finding.name, finding.hint)
                found = self.problems if finding.status == "error" else self.warnings
                found.append(self._placed(error, key))
            policy = rehearsed.policy if rehearsed.passed else None
            for learner in rehearsal.keys:
                self._trainable[learner] = policy
            if label:
                self._playable[label] = policy

    def search_spaces(self) -> None:
        for name, sweep in self._experiment.sweeps.items():
            code = strategy_code(sweep)  # before the strategy may change sys.path
            with files_noted() as used:
                self._attempt(f"sweeps.{name}.search_space", validate_sweep, sweep)
                self._attempt(f"sweeps.{name}.search_space", self._plan.learning.sweep_plan, name)
            self._warn_about(used, code, f"sweeps.{name}.strategy", f"strategy '{sweep.strategy}'")

    def trainings_start(self) -> None:
        """The missions and networks of all sweeps and runs, and their processes."""
        for key, config in self._plan.learning.learners().items():
            interface = self._built(config.mission, f"{key}.mission")
            policy = PolicyConfig(class_path=config.policy_class_path, init_kwargs=config.init_kwargs)
            if key not in self._trainable:
                resolved = self._trainable[key] = self._attempt(f"{key}.policy_class_path", resolve_policy, policy)
                if interface and resolved:
                    self._attempt(f"{key}.policy_class_path", build_trainable, resolved, interface)
            world_size = config.world_size if isinstance(config, DAFTrainingConfig) else 1
            try:
                where = f"{self._source}: {key}.hyperparameters.num_envs"
                environments_per_process(config.hyperparameters.num_envs, world_size, where)
            except BadInputError as error:
                self.problems.append(error)

    def several_missions(self) -> None:
        """The other missions of runs that have several."""
        for name, run in self._experiment.training.items():
            for mission in missions_of(run)[1:]:
                self._attempt(f"training.{name}.missions", self._shared, mission, run.mission)

    def _shared(self, mission: str, target: str) -> None:
        interface = self._interface(mission)
        if target in self._factories:
            require_shared(mission, interface, target, self._interface(target))

    def starts(self) -> None:
        """The trained weights that sweeps and runs start from."""
        for key, config in self._plan.learning.learners().items():
            if config.start_from is not None:
                self._attempt(f"{key}.start_from", self._start, key, config, config.start_from)
        for name, sweep in self._experiment.sweeps.items():
            for start in searched_starts(sweep):
                key = f"sweeps.{name}.search_space.start_from"
                self._attempt(key, self._start, f"sweeps.{name}", sweep, start)

    def frozen_policies(self) -> None:
        """The policies that runs imitate or play beside."""
        for name, run in self._experiment.training.items():
            self._all_frozen(run, run.mission, f"training.{name}.{{}}")
            if run.partners is not None:
                self._attempt(f"training.{name}.partners", self._seats, run.partners, run.mission)
        for name, sweep in self._experiment.sweeps.items():
            run_of_trials = self._experiment.training.get(sweep.training or "")
            if run_of_trials is not None:
                self._as_its_run(f"sweeps.{name}", sweep, run_of_trials)
        self.warnings += shared_pools(self._experiment, self._source)

    def _all_frozen(self, run: DAFTrainingConfig, mission: str, key: str) -> None:
        for place, name in run.frozen_policies().items():
            policy, seated = named_policy(name, self._experiment.policies), place.startswith("partners.pool")
            self._attempt(key.format(place.removesuffix(".policy")), self._frozen, policy, mission, seated=seated)

    def _frozen(self, policy: PolicyConfig, mission: str, *, seated: bool) -> None:
        """Check that a teacher or partner can play the mission; a user's class has been rehearsed.

        Args:
            seated: whether it plays in training.
        """
        if mission in self._factories and policy.training is not None:
            self._transfer(policy.training, mission)
        elif mission in self._factories and not policy.policies and not runs_user_code(policy):
            built = build_policy(resolved := resolve_policy(policy), self._interface(mission))
            if seated:
                require_playable(built, resolved.label, self._factories[mission], mission)

    def _seats(self, partners: PartnersConfig, mission: str) -> None:
        if mission in self._factories:
            require_partner_seats(partners, self._factories[mission].num_agents, mission)

    def _as_its_run(self, key: str, sweep: DAFSweepConfig, run: DAFTrainingConfig) -> None:
        """What the checks of a run do not cover of the trials that train as it."""
        if sweep.mission != run.mission:
            for mission in run.missions:
                self._attempt(f"{key}.mission", self._shared, mission.mission, sweep.mission)
            self._all_frozen(run, sweep.mission, f"{key}.mission")
        if run.partners is not None:
            partners = most_partners(run.partners, sweep)
            self._attempt(f"{key}.search_space", self._seats, partners, sweep.mission)
        for mission in run.missions if sweep.early_stopping else ():
            self._check_objective(key, mission.mission, sweep.objective_metric)

    def sweeps(self) -> None:
        """The searched arguments of policies, and the objectives."""
        for name, sweep in self._experiment.sweeps.items():
            arguments = {**sweep.init_kwargs, **dict.fromkeys(searched_arguments(sweep.search_space))}
            policy = PolicyConfig(class_path=sweep.policy_class_path, init_kwargs=arguments)
            if self._trainable[f"sweeps.{name}"]:
                resolve = resolve_apart if runs_user_code(policy) else resolve_policy
                self._attempt(f"sweeps.{name}.search_space", resolve, policy)
            self._check_objective(f"sweeps.{name}", sweep.mission, sweep.objective_metric)
            for mission in sweep.score_missions:
                self._attempt(f"sweeps.{name}.score_missions", self._scores, f"sweeps.{name}", sweep, mission)

    def trainings(self) -> None:
        """The objectives of held-out evaluations, and the trackers."""
        for name, run in self._experiment.training.items():
            measured = held_out_recipe(run) is not None or follows_progress(run)
            for mission in missions_of(run) if measured else ():
                self._check_objective(f"training.{name}", mission, run.objective_metric)
            self._attempt(f"training.{name}.trackers", check_trackers, run.trackers)

    def policies_exist(self) -> None:
        """External policies, used or not."""
        plan = self._plan.checkpoints
        declared = [checkpoint for policy in self._experiment.policies for checkpoint in plan.of_policy(policy)]
        for checkpoint in ({one.label: one for one in declared} | plan.by_label).values():
            for single in checkpoint.singles():
                if single.training is None and single.label not in self._playable:
                    self._playable[single.label] = self._attempt(
                        key_of_policy(checkpoint, self._experiment), resolve_policy, single.config, single.label
                    )

    def episodes_can_be_played(self) -> None:
        """Check that every mission builds, and that every policy compared on it can play it."""
        plan = self._plan.episodes
        for label, episodes in plan.by_mission.items():
            key = f"comparisons.{first_comparison(self._experiment, 'missions', episodes.mission)}.missions"
            if self._built(episodes.mission, key):
                for player in plan.players(label):
                    checkpoint = self._plan.checkpoints.by_label[player]
                    self._attempt(key_of_policy(checkpoint, self._experiment), self._play, checkpoint, episodes.mission)

    def tournaments_can_be_played(self) -> None:
        """Check that every mission has the planned seats, and that everyone can play it."""
        for name, tournament in self._plan.tournaments.tournaments.items():
            key = f"tournaments.{name}.missions"
            for label, mission in tournament.missions.items():
                if self._built(mission, key):
                    resolved = resolve_mission(self._mission_config(mission), label)
                    self._attempt(key, require_seats, resolved, tournament.num_seats[label])
        for _, mission, checkpoint in self._plan.tournaments.played():
            if mission in self._factories:
                self._attempt(key_of_policy(checkpoint, self._experiment), self._play, checkpoint, mission)

    def package_can_be_validated(self) -> None:
        deployed, deployment = self._plan.checkpoints.deployed(), self._experiment.deployment
        if deployed and deployment:
            key, mission = "deployment.validation_mission", deployment.validation_mission
            if self._built(mission, key):
                self._attempt(key, self._play, deployed, mission)

    # ---- parts of steps ---------------------------------------------------------------------------------------

    def _attempt[**P, T](self, key: str, action: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """The action's result, or None if it failed; its problems are recorded under `key`."""
        self._note(key)
        try:
            return action(*args, **kwargs)
        except ConfigError as error:
            self.problems.extend(self._placed(problem, key) for problem in error.problems)
        except (BadInputError, CheckpointError) as error:
            self.problems.append(self._placed(error, key))
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            failure = FailureReport.of(error)
            if not failure.in_user_code:
                raise
            traceback.print_exception(error)
            self.problems.append(BadInputError("code without an exception", failure.cause, f"{self._source}: {key}"))
        return None

    def _built(self, mission: str, used_at: str) -> Any:
        """The mission's interface, or None if it does not build."""
        return self._attempt(key_of_mission(self._experiment, mission, used_at), self._interface, mission)

    def _placed(self, error: DafError, key: str) -> BadInputError:
        """The same problem, with the configuration's key before the place that the engine named."""
        return BadInputError(error.expected, error.found, f"{self._source}: {key} ({error.where})", error.hint)

    def _mission_config(self, mission: str) -> MissionConfig:
        return MissionRecipe.of(mission, self._experiment.missions).config

    def _factory(self, mission: str) -> SimulationFactory:
        if mission not in self._factories:
            recipe = MissionRecipe.of(mission, self._experiment.missions)
            with files_noted() as used:
                self._factories[mission] = check_buildable(self._resolved(mission, recipe.config))
            self._warn_about(used, recipe.code, f"missions.{mission}", f"mission '{mission}'")
        return self._factories[mission]

    def _resolved(self, mission: str, config: MissionConfig) -> Mission:
        own = self._experiment.missions
        try:
            return resolve_mission(config)
        except UnknownMissionError as error:
            if mission in own or error.found != f"'{mission}'":  # a `source`, or a file
                raise
            hint = did_you_mean(mission, [*own, *list_missions()])
            raise UnknownMissionError(error.expected, error.found, error.where, hint) from error

    def _warn_about(self, used: Iterable[str], code: CodeStamp, key: str, what: str) -> None:
        """Warn about files that a mission or a strategy uses although its stamp does not follow them."""
        if code and (escaped := escaping(used, code)):
            expected, found, hint = in_words(escaped)
            self.warnings.append(BadInputError(expected, found, f"{self._source}: {key} ({what})", hint))

    def _factory_if_any(self, mission: str) -> SimulationFactory | None:
        """None if the mission is wrong, which a later step reports under its own key."""
        try:
            return self._factory(mission)
        except KeyboardInterrupt:
            raise
        except BaseException:
            return None

    def _interface(self, mission: str) -> Any:
        return self._factory(mission).interface

    def _start(self, key: str, config: DAFSweepConfig | DAFTrainingConfig, start_from: str) -> None:
        """Check that the weights fit. Shapes that a search decides, or a user's code, are compared when it starts."""
        policy, source = self._trainable[key], self._experiment.training.get(start_from)
        if policy is None or config.mission not in self._factories:
            return
        interface = self._interface(config.mission)
        build = not runs_user_code(PolicyConfig(class_path=policy.class_path))
        if source is None:
            check_file(policy, interface, Path(start_from), build=build)
            return
        trained = self._trainable[f"training.{start_from}"]
        if trained is not None and source.mission in self._factories:
            build = build and not (self._searches_network(config) or self._searches_network(source))
            check_run(policy, interface, trained, self._interface(source.mission), start_from, build=build)

    def _searches_network(self, config: DAFSweepConfig | DAFTrainingConfig) -> bool:
        """Whether a sweep decides arguments of the policy."""
        if isinstance(config, DAFTrainingConfig):
            return config.sweep is not None and self._searches_network(self._experiment.sweeps[config.sweep])
        return bool(searched_arguments(config.search_space))

    def _check_objective(self, key: str, mission: str, metric: str) -> None:
        if mission in self._factories:
            resolved = resolve_mission(self._mission_config(mission), mission)
            self._attempt(f"{key}.objective_metric", check_objective, metric, resolved)

    def _play(self, checkpoint: Checkpoint, mission: str) -> None:
        interface = self._interface(mission)
        if checkpoint.members:
            shares = {member.label: share for member, share in checkpoint.members}
            agents_per_member(checkpoint.label, shares, interface.num_agents)
        for single in checkpoint.singles():
            policy = self._playable.get(single.label)
            if single.training is not None:
                self._transfer(single.training, mission)
            elif policy and not runs_user_code(single.config):
                build_policy(policy, interface)

    def _transfer(self, run: str, mission: str) -> None:
        self._transfer_from(f"training.{run}", self._experiment.training[run].mission, mission)

    def _transfer_from(self, key: str, home: str, mission: str) -> None:
        """Check transfer: a policy can only play missions with the same interface as the one it was trained on."""
        policy = self._trainable[key]
        if policy and home in self._factories:
            check_transfer(policy, self._interface(home), home, self._interface(mission), mission)

    def _scores(self, key: str, sweep: DAFSweepConfig, mission: str) -> None:
        """Check that the trials of a sweep can be scored on a mission."""
        self._transfer_from(key, sweep.mission, mission)
        self._check_objective(key, mission, sweep.objective_metric)
