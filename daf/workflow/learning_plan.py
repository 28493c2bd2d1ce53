"""What is learned: the training runs and the hyperparameter sweeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from daf.config import DAFSweepConfig, DAFTrainingConfig, ExperimentConfig, PolicyConfig
from daf.config.recipes import TrainingRecipe, training_recipe
from daf.config.start import start_recipe
from daf.config.trial_training import section_keys, starts_of, with_sections
from daf.engine.model_files import DESCRIPTION, MODEL, weights_files
from daf.errors import BadInputError
from daf.search.plan import SweepPlan
from daf.training.frozen_policies import named_policy, partners_recipe
from daf.training.teaching import teacher_recipe
from daf.workflow.targets import look_up


class LearningPlan:
    """The training runs and sweeps of an experiment."""

    def __init__(self, experiment: ExperimentConfig) -> None:
        self.experiment = experiment
        self._sweep_plans: dict[str, SweepPlan] = {}

    def learners(self) -> dict[str, DAFSweepConfig | DAFTrainingConfig]:
        """The sweeps and runs by their keys."""
        return {
            **{f"sweeps.{name}": sweep for name, sweep in self.experiment.sweeps.items()},
            **{f"training.{name}": run for name, run in self.experiment.training.items()},
        }

    def run(self, name: str) -> DAFTrainingConfig:
        return look_up(self.experiment.training, name, "training run")

    def training(self, run: str, seed: int) -> TrainingRecipe:
        """The recipe of a run; a sweep's best values are inserted once they are known."""
        return self._recipe(self.run(run), seed)

    def _recipe(self, config: DAFTrainingConfig, seed: int) -> TrainingRecipe:
        experiment = self.experiment
        recipe = training_recipe(config, seed, experiment.missions, experiment.training)
        teacher = teacher_recipe(config.teacher, seed, experiment.policies, experiment.training)
        partners = partners_recipe(config.partners, seed, experiment.policies, experiment.training)
        return recipe.model_copy(update={"teacher": teacher, "partners": partners})

    def sweep(self, name: str) -> DAFSweepConfig:
        return look_up(self.experiment.sweeps, name, "sweep")

    def sweep_plan(self, name: str) -> SweepPlan:
        """The plan of a sweep, cached because every trial needs it.

        Raises:
            BadInputError: it searches a key that the recipe of its training run does not have.
        """
        if name not in self._sweep_plans:
            self._sweep_plans[name] = self._sweep_plan(self.sweep(name))
        return self._sweep_plans[name]

    def _sweep_plan(self, sweep: DAFSweepConfig) -> SweepPlan:
        experiment, base = self.experiment, None
        if sweep.training is not None:
            run = self.run(sweep.training)
            base = self._recipe(run, run.seeds[0])
            searched = dict.fromkeys(section_keys(sweep.search_space))
            with_sections(base.model_dump(), searched, f"sweep '{sweep.name}': search_space")
        return SweepPlan(sweep, experiment.missions, experiment.evaluation, dict(experiment.training), base)

    def start_of_training(self, run: str, seed: int) -> list[str]:
        """The weights that a run starts from and their description, with <out> for the output folder."""
        return self._start(self.run(run).start_from, seed)

    def start_of_trials(self, sweep: str) -> list[str]:
        """The same for the trials of a sweep, for each of the weights that it searches in turn."""
        return [path for name in starts_of(self.sweep(sweep)) for path in self._start(name, None)]

    def teacher_of_training(self, run: str, seed: int) -> list[str]:
        """The files of a run's teacher, with <out> for the output folder."""
        teacher = self.run(run).teacher
        return [] if teacher is None else self._files_of(teacher.policy, seed)

    def partners_of_training(self, run: str, seed: int) -> list[str]:
        """The files of a run's partners, in their order, with <out> for the output folder."""
        partners = self.run(run).partners
        names = [] if partners is None else [*partners.pool, *partners.validation]
        return [path for name in names for path in self._files_of(name, seed)]

    def _files_of(self, name: str, seed: int) -> list[str]:
        policy = named_policy(name, self.experiment.policies)
        if policy.training is not None:
            return self._start(policy.training, seed)
        return [str(path) for path in weights_files(policy)]

    def teacher_of_trials(self, sweep: str) -> list[str]:
        """The files of the teacher of a sweep's trials."""
        run = self.sweep(sweep).training
        return [] if run is None else self.teacher_of_training(run, self.run(run).seeds[0])

    def partners_of_trials(self, sweep: str) -> list[str]:
        """The files of the partners in a sweep's trials."""
        run = self.sweep(sweep).training
        return [] if run is None else self.partners_of_training(run, self.run(run).seeds[0])

    def _start(self, start_from: str | None, seed: int | None) -> list[str]:
        start = start_recipe(start_from, seed, self.experiment.training)
        if start is None or start_from is None:
            return []
        if start.training is None:
            return [str(path) for path in weights_files(PolicyConfig(data_path=Path(start_from)))]
        folder = f"<out>/training/{start.training}/seed-{start.seed}"
        return [f"{folder}/{MODEL}", f"{folder}/{DESCRIPTION}"]

    def warm_start(self, sweep: str) -> str | None:
        """The trials.json that a sweep learns from, with <out> for the output folder; None if it starts cold."""
        source = self.sweep(sweep).warm_start
        if source is None:
            return None
        return f"<out>/sweeps/{source}/trials.json" if source in self.experiment.sweeps else f"{source}/trials.json"


def take_per_job(config: dict[str, Any], what: str) -> int:
    """Remove and return the number of trials or matches per job, which a profile sets in Snakemake's `config`.

    Args:
        what: `trials` or `matches`.

    Raises:
        BadInputError: it is not a whole number above 0.
    """
    key = f"{what}_per_job"
    number = config.pop(key, 1)
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        one = {"trials": "trial", "matches": "match"}[what]
        raise BadInputError(f"at least 1 {one} per job", repr(number), f"{key} of the profile")
    return number


def refuse_old_profile(resources_of: Callable[[str], Mapping[str, Any]]) -> None:
    """Refuse settings of earlier profiles that Snakemake would silently ignore.

    Args:
        resources_of: the resources that the profile's `set-resources` gives a rule.

    Raises:
        BadInputError: such a setting, with its current name.
    """
    if "trials_per_job" in resources_of("run_trial"):
        hint = "`trials_per_job` is now set under `config` of the profile"
        raise BadInputError("a resource", "'trials_per_job'", "profile: set-resources: run_trial", hint)
    if resources_of("run_slot"):
        hint = "`run_slot` is now called `run_rung_trial`"
        raise BadInputError("a rule of the workflow", "'run_slot'", "profile: set-resources", hint)
