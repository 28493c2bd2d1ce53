"""The static plan of a sweep: every trial, rung, block of results and confirmation run, and the files each needs.

All of it follows from the configuration. Paths are relative to the sweep's folder, OUT/sweeps/{sweep}.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from daf.config import DAFSweepConfig, DAFTrainingConfig, EvaluationConfig, HalvingConfig, MissionConfig
from daf.config.recipes import PromotionRecipe, TrainingRecipe, TrialRecipe, trial_recipe
from daf.errors import BadInputError
from daf.search.halving import bracket_of_entry, brackets, entries_of_bracket, steps_of_rung
from daf.search.history import blocks_of_history, is_block, parts_of_block, visible_trials
from daf.search.paths import (
    confirmation_result,
    entry_result,
    history_file,
    promotions_file,
    trial_name,
    trial_result,
)
from daf.search.proposers import strategy_named
from daf.search.space import num_trials_effective


def results_seen(config: DAFSweepConfig, trial: int) -> range:
    """The trials whose results a proposal reads: 0 … trial - lag.

    Empty if results have no effect: the strategy does not adapt, and there is neither a budget nor a stopping rule.
    """
    budgeted = config.early_stopping is not None or config.max_total_seconds is not None
    return range(visible_trials(trial, config.lag) if budgeted or strategy_named(config.strategy).adaptive else 0)


@dataclass(frozen=True)
class Batch:
    """Trials that one job runs, and the files that their proposals read (the last one reads the most).

    Attributes:
        results_files: the paths of these files.
    """

    trials: range
    results_files: list[str]

    @property
    def first(self) -> int:
        return self.trials[0]

    @property
    def last(self) -> int:
        return self.trials[-1]

    @property
    def folders(self) -> list[str]:
        return [trial_name(trial) for trial in self.trials]


@dataclass(frozen=True)
class SweepPlan:
    """What a sweep produces.

    Attributes:
        missions: the experiment's own missions, by name.
        evaluation: the experiment's settings for playing episodes.
        runs: the experiment's training runs, from which trials may start.
        base: the recipe of the run as which the trials train, if there is one.
    """

    config: DAFSweepConfig
    missions: dict[str, MissionConfig]
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    runs: dict[str, DAFTrainingConfig] = field(default_factory=dict)
    base: TrainingRecipe | None = None

    # ---- trials -------------------------------------------------------------------------------------------

    @property
    def trials(self) -> range:
        return range(num_trials_effective(self.config))

    def results_files(self, trial: int) -> list[str]:
        """The files that a proposal reads: old results in blocks, the latest results singly."""
        return [history_file(block) for block in blocks_of_history(len(results_seen(self.config, trial)))]

    def parts_of_block(self, first: int, last: int) -> list[str]:
        """The files that a block of results collects.

        Raises:
            BadInputError: there is no such block.
        """
        if not is_block(first, last) or last >= self.trials.stop:
            found = f"{first:04d}-{last:04d}"
            raise BadInputError("a block of 16, 256, … trials of this sweep", found, f"sweep '{self.config.name}'")
        return [history_file(part) for part in parts_of_block(range(first, last + 1))]

    def trial_settings(self, rung: int = 0) -> TrialRecipe:
        """How a trial is trained and scored, except for its hyperparameters and its seed."""
        config, halving = self.config, self.config.halving
        stop_at_steps = steps_of_rung(halving, config.steps_per_trial, rung) if halving else None
        time_ms = self.evaluation.max_action_time_ms
        return trial_recipe(config, self.missions, time_ms, stop_at_steps=stop_at_steps, runs=self.runs, base=self.base)

    def batches(self, trials_per_job: int) -> list[Batch]:
        """Consecutive trials that one job runs, at most `trials_per_job`.

        No trial may read a result of its own batch, so a batch is no longer than the lag.

        Raises:
            BadInputError: fewer than one trial per job.
        """
        if trials_per_job < 1:
            raise BadInputError("at least 1 trial per job", str(trials_per_job), "trials_per_job of the profile")
        waits = len(results_seen(self.config, self.trials.stop)) > 0
        size = min(trials_per_job, self.config.lag) if waits else trials_per_job
        parts = [self.trials[start : start + size] for start in range(0, self.trials.stop, size)]
        return [Batch(part, self.results_files(part[-1])) for part in parts]

    # ---- rungs --------------------------------------------------------------------------------------------

    def results_before(self, rung: int, bracket: int) -> list[str]:
        """The results of a bracket from which a rung (1 or higher) promotes the best."""
        halving = self._halving()
        if rung == 1:
            return [trial_result(trial) for trial in brackets(halving, self.trials.stop)[bracket]]
        return [entry_result(rung - 1, entry) for entry in self.entries(rung - 1, bracket)]

    def entries(self, rung: int, bracket: int) -> range:
        return entries_of_bracket(self._halving(), self.trials.stop, bracket, rung)

    def promotion(self, rung: int, bracket: int) -> PromotionRecipe:
        return PromotionRecipe(
            sweep=self.config.name,
            rung=rung,
            bracket=bracket,
            entries=tuple(self.entries(rung, bracket)),
            optimize_direction=self.config.optimize_direction,
        )

    def promotions(self, rung: int, entry: int) -> str:
        """The file that records which trial fills an entry."""
        return promotions_file(rung, bracket_of_entry(self._halving(), entry, rung))

    def results(self) -> list[str]:
        """All results from which the best is chosen: trials, then entries, rung by rung."""
        files = [trial_result(trial) for trial in self.trials]
        halving = self.config.halving
        if halving is not None:
            for rung in range(1, halving.num_rungs):
                for bracket in range(len(brackets(halving, self.trials.stop))):
                    files += [entry_result(rung, entry) for entry in self.entries(rung, bracket)]
        return files

    def _halving(self) -> HalvingConfig:
        if self.config.halving is None:
            raise BadInputError("a sweep with halving", "none", f"sweep '{self.config.name}'")
        return self.config.halving

    # ---- confirmation -------------------------------------------------------------------------------------

    def confirmations(self) -> list[str]:
        """The results of the finalists on fresh seeds, best rank first."""
        config = self.config
        return [
            confirmation_result(rank, index)
            for rank in range(config.num_finalists)
            for index in range(config.confirmation_seeds)
        ]

    def confirmation_settings(self, index: int) -> TrialRecipe:
        """How a finalist is trained and scored again: in full, on episodes that scored no trial.

        They follow those of the search: a different batch for each training seed, the same for all finalists.
        """
        recipe = self.trial_settings()
        evaluation_seed = recipe.evaluation_seed + self.config.episodes_per_trial * (1 + index)
        return recipe.model_copy(update={"stop_at_steps": None, "evaluation_seed": evaluation_seed})
