"""What is learned: the training runs and the hyperparameter sweeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from daf.config import DAFSweepConfig, DAFTrainingConfig, ExperimentConfig
from daf.config.recipes import TrainingRecipe, training_recipe
from daf.errors import BadInputError
from daf.search.plan import SweepPlan
from daf.workflow.targets import look_up


class LearningPlan:
    """The training runs and sweeps of an experiment."""

    def __init__(self, experiment: ExperimentConfig) -> None:
        self.experiment = experiment

    def run(self, name: str) -> DAFTrainingConfig:
        return look_up(self.experiment.training, name, "training run")

    def training(self, run: str, seed: int) -> TrainingRecipe:
        """The recipe of a run; a sweep's best values are inserted once they are known."""
        return training_recipe(self.run(run), seed, self.experiment.missions)

    def sweep(self, name: str) -> DAFSweepConfig:
        return look_up(self.experiment.sweeps, name, "sweep")

    def sweep_plan(self, name: str) -> SweepPlan:
        """The plan of a sweep, cached because every trial needs it."""
        return look_up(self._sweep_plans, name, "sweep")

    @cached_property
    def _sweep_plans(self) -> dict[str, SweepPlan]:
        return {
            name: SweepPlan(sweep, self.experiment.missions, self.experiment.evaluation)
            for name, sweep in self.experiment.sweeps.items()
        }

    def warm_start(self, sweep: str) -> str | None:
        """The trials.json that a sweep learns from, with <out> for the output folder; None if it starts cold."""
        source = self.sweep(sweep).warm_start
        if source is None:
            return None
        return f"<out>/sweeps/{source}/trials.json" if source in self.experiment.sweeps else f"{source}/trials.json"


def take_trials_per_job(config: dict[str, Any]) -> int:
    """Remove and return the number of trials per job, which a profile sets in Snakemake's `config`.

    Raises:
        BadInputError: it is not a whole number above 0.
    """
    trials_per_job = config.pop("trials_per_job", 1)
    if isinstance(trials_per_job, bool) or not isinstance(trials_per_job, int) or trials_per_job < 1:
        raise BadInputError("at least 1 trial per job", repr(trials_per_job), "trials_per_job of the profile")
    return trials_per_job


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
