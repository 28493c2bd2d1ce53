"""The static plan of a sweep: every trial, rung, block of results and confirmation run, and which file needs which.

All of it is known from the configuration alone. Paths are relative to the sweep's folder, OUT/sweeps/{sweep}.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from daf.config import DAFSweepConfig, HalvingConfig, MissionConfig
from daf.config.recipes import STAGE_VERSIONS, trial_recipe
from daf.errors import BadInputError
from daf.search.halving import bracket_of_entry, brackets, entries_of_bracket, steps_of_rung
from daf.search.history import blocks_of_history, is_block, parts_of_block, visible_trials
from daf.search.proposers import strategy_named
from daf.search.space import num_trials_effective


def trial_name(trial: int) -> str:
    """The folder of a trial: `trial-0007`."""
    return f"trial-{trial:04d}"


def results_seen(config: DAFSweepConfig, trial: int) -> range:
    """The trials whose results a proposal is made from: 0 … trial - lag.

    None if results change nothing: the strategy does not adapt, and there is neither a budget nor a stopping rule.
    """
    asks = config.early_stopping is not None or config.max_total_seconds is not None
    return range(visible_trials(trial, config.lag) if asks or strategy_named(config.strategy).adaptive else 0)


@dataclass(frozen=True)
class Batch:
    """Trials that one job runs, and the files that the last of them, and so all of them, are proposed from."""

    trials: range
    evidence: list[str]

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
    """What a sweep makes."""

    config: DAFSweepConfig
    missions: dict[str, MissionConfig]

    # ---- trials -------------------------------------------------------------------------------------------

    @property
    def trials(self) -> range:
        return range(num_trials_effective(self.config))

    def evidence(self, trial: int) -> list[str]:
        """The files that a proposal is made from: old results in blocks, the latest one by one."""
        return [_evidence(block) for block in blocks_of_history(len(results_seen(self.config, trial)))]

    def parts_of_block(self, first: int, last: int) -> list[str]:
        """The files that a block of results collects.

        Raises:
            BadInputError: there is no such block.
        """
        if not is_block(first, last) or last >= self.trials.stop:
            found = f"{first:04d}-{last:04d}"
            raise BadInputError("a block of 16, 256, … trials of this sweep", found, f"sweep '{self.config.name}'")
        return [_evidence(part) for part in parts_of_block(range(first, last + 1))]

    def trial_settings(self, rung: int = 0) -> dict[str, Any]:
        """How a trial is trained and scored, but for its hyperparameters."""
        config, halving = self.config, self.config.halving
        stop_at_steps = steps_of_rung(halving, config.steps_per_trial, rung) if halving else None
        return {
            "training": trial_recipe(config, {}, config.seed, self.missions).to_dict(),
            "episodes": config.episodes_per_trial,
            "evaluation_seed": config.evaluation_seed,
            "objective_metric": config.objective_metric,
            "maximize": config.optimize_direction == "maximize",
            "stop_at_steps": stop_at_steps,
            "stage_version": STAGE_VERSIONS["evaluate"],
        }

    def batches(self, trials_per_job: int) -> list[Batch]:
        """Consecutive trials that one job runs: so many, or as many as the lag allows, since none of a batch may read
        another's result.

        Raises:
            BadInputError: a batch of less than one trial.
        """
        if trials_per_job < 1:
            raise BadInputError("at least 1 trial per job", str(trials_per_job), "trials_per_job of the profile")
        waits = len(results_seen(self.config, self.trials.stop)) > 0
        size = min(trials_per_job, self.config.lag) if waits else trials_per_job
        parts = [self.trials[start : start + size] for start in range(0, self.trials.stop, size)]
        return [Batch(part, self.evidence(part[-1])) for part in parts]

    # ---- rungs --------------------------------------------------------------------------------------------

    def results_before(self, rung: int, bracket: int) -> list[str]:
        """The results of a bracket among which a rung (from 1) chooses."""
        halving = self._halving()
        if rung == 1:
            return [f"{trial_name(trial)}/result.json" for trial in brackets(halving, self.trials.stop)[bracket]]
        return [entry_result(rung - 1, entry) for entry in self.entries(rung - 1, bracket)]

    def entries(self, rung: int, bracket: int) -> range:
        return entries_of_bracket(self._halving(), self.trials.stop, bracket, rung)

    def promotions(self, rung: int, entry: int) -> str:
        """The file that says which trial takes an entry."""
        return promotions_file(rung, bracket_of_entry(self._halving(), entry, rung))

    def results(self) -> list[str]:
        """All results that the best is chosen from: trials, then entries, rung by rung."""
        files = [f"{trial_name(trial)}/result.json" for trial in self.trials]
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

    def confirmation_settings(self, index: int) -> dict[str, Any]:
        """How a finalist is trained and scored again: in full, on episodes that no trial was scored on.

        They follow those of the search, another batch for each training seed, the same for all finalists.
        """
        settings = self.trial_settings() | {"stop_at_steps": None}
        settings["evaluation_seed"] += self.config.episodes_per_trial * (1 + index)
        return settings


def _evidence(block: range) -> str:
    if len(block) == 1:
        return f"{trial_name(block.start)}/result.json"
    return f"history/{block.start:04d}-{block.stop - 1:04d}.json"


def promotions_file(rung: int, bracket: int) -> str:
    return f"rung-{rung}/bracket-{bracket}.json"


def entry_result(rung: int, entry: int) -> str:
    return f"rung-{rung}/entry-{entry:04d}/result.json"


def confirmation_result(rank: int, index: int) -> str:
    return f"confirmation/rank-{rank}/seed-{index}/result.json"
