"""Hyperparameter sweeps: the public functions.

A sweep runs through the workflow (real training, resumable) or in process for your own Python function
(`daf.search.in_process`). Both use the same strategies (`daf.search.proposers`) under the same rule: trial n sees the
results of trials 0 … n - lag, so proposals do not depend on which trial finishes first. `daf.search.files` has the
files of a sweep, `daf.search.plan` its static graph.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from daf.config import DAFConfig, DAFSweepConfig, ExperimentConfig, MissionConfig
from daf.errors import BadInputError, ending_in_one_line
from daf.search.analysis import SweepAnalysis, analyze
from daf.search.files import (
    prior_trials,
    read_prior,
    read_sweep,
    sweep_folder,
    validate_sweep,
)
from daf.search.in_process import Objective, Trial, code_of_search, run_in_process
from daf.search.paths import TRIALS
from daf.search.recipe import sweep_recipe
from daf.search.results import SweepResults, TrialResult, best_trial
from daf.search.strategy import Strategy, SuggestionRequest
from daf.system.arguments import checked_arguments
from daf.system.user_code import differences
from daf.system.user_paths import output_folder, user_path

__all__ = [
    "Objective",
    "Strategy",
    "SuggestionRequest",
    "SweepAnalysis",
    "SweepResults",
    "Trial",
    "TrialResult",
    "daf_launch_sweep",
    "daf_sweep_analysis",
    "daf_sweep_best_config",
    "read_sweep",
]


@checked_arguments
def daf_launch_sweep(
    cfg: DAFSweepConfig,
    objective: Objective | None = None,
    *,
    daf: DAFConfig | None = None,
    missions: Mapping[str, MissionConfig] | None = None,
    cores: int | None = None,
    earlier: SweepResults | None = None,
    warm_start: SweepResults | None = None,
    on_trial: Callable[[TrialResult], None] | None = None,
) -> SweepResults:
    """Run a sweep, or the part of it that is not finished yet.

    Without `objective`, the workflow trains and evaluates every trial; results are in `cfg.output_dir`, and a second
    call continues where the first stopped. With `objective`, trials run in turn in this process, nothing is written,
    and the search space may use any names.

    Args:
        cfg: the sweep. A grid runs each of its points once. With `num_finalists`, the best trials run again on fresh
            seeds.
        objective: takes a `Trial`; returns the objective, or a mapping that holds it under `cfg.objective_metric` (or
            "objective") and may hold other numbers, which are kept. If it raises, or returns NaN or infinity, the
            trial fails and the sweep continues.
        daf: settings of the workflow run (jobs, device, …); `cfg` sets the `output_dir`.
        missions: your own missions, by the names that `cfg.mission` may use.
        cores: number of parallel workflow jobs; default `daf.max_parallel_jobs`.
        earlier: with `objective`: results of the same sweep with fewer trials; these are not run again. Results of
            another objective function or strategy, or of an edited one, are refused.
        warm_start: with `objective`: another sweep's results to learn from. From files: `cfg.warm_start`.
        on_trial: with `objective`: called with each result as it arrives.

    Raises:
        ConfigError, BadInputError: the configuration is wrong, or the first call of `objective` returns neither a
            number nor a mapping that holds one; a later trial fails instead.
        WorkflowFailedError: the workflow ended without its targets.
    """
    cfg.validate()
    if objective is None:
        return _launch_workflow(cfg, daf or DAFConfig(), dict(missions or {}), cores)
    prior = _prior(cfg, warm_start)
    with ending_in_one_line(f"sweep '{cfg.name}': stopped by Ctrl-C; trials given to on_trial can go on as `earlier`"):
        return run_in_process(
            cfg, objective, earlier=_reusable(cfg, objective, earlier), prior=prior, on_trial=on_trial
        )


@checked_arguments
def daf_sweep_best_config(results: SweepResults | str | Path) -> TrialResult:
    """The best trial of a sweep, given as results or as a folder; its `hyperparameters` are the best configuration.

    With confirmation runs, it is the finalist that scored best on fresh seeds.

    Raises:
        DafError: no trial completed; the hint gives the most common reason.
    """
    return best_trial(_as_results(results))


@checked_arguments
def daf_sweep_analysis(results: SweepResults | str | Path) -> SweepAnalysis:
    """Progress, failures, cost, importance, interactions and slices of a sweep, given as results or as a folder,
    finished or not.
    """
    return analyze(_as_results(results))


# ---- how a sweep runs ----------------------------------------------------------------------------------------


def _launch_workflow(
    cfg: DAFSweepConfig, daf: DAFConfig, missions: dict[str, MissionConfig], cores: int | None
) -> SweepResults:
    """Write an experiment with only this sweep, run it through the workflow, and read the files."""
    validate_sweep(cfg)
    from daf.workflow.runner import run_workflow

    output_dir = output_folder(cfg.output_dir, "cfg.output_dir").resolve()  # the workflow may run in another folder
    # The experiment has only this sweep, so `warm_start` can only be another sweep's folder.
    warm_start = str(Path(cfg.warm_start).resolve()) if cfg.warm_start else None
    start_from = str(Path(cfg.start_from).resolve()) if cfg.start_from else None  # and only be a file
    changes = {"output_dir": output_dir, "warm_start": warm_start, "start_from": start_from}
    sweep = cfg.model_copy(update=changes)
    experiment = ExperimentConfig.from_dict(
        {
            "name": cfg.name,
            "daf": {**daf.to_dict(), "output_dir": str(output_dir)},
            "missions": {name: mission.to_dict() for name, mission in missions.items()},
            "sweeps": {cfg.name: sweep.to_dict()},
        },
        source=f"sweep '{cfg.name}'",
    )
    config_path = sweep_folder(sweep) / "experiment.yaml"
    experiment.to_yaml(config_path)
    run_workflow(config_path=config_path, targets=["sweep"], cores=cores or daf.max_parallel_jobs)
    return read_sweep(sweep_folder(sweep), cfg)


def _reusable(cfg: DAFSweepConfig, objective: Objective, earlier: SweepResults | None) -> tuple[TrialResult, ...]:
    """The earlier results up to the first gap in 0, 1, …; raises BadInputError if they belong to another sweep, or to
    other code."""
    if earlier is None:
        return ()
    where = f"sweep '{cfg.name}'"
    ours, theirs = sweep_recipe(cfg), sweep_recipe(earlier.config)
    if ours != theirs:
        differing = ", ".join(key for key in ours if ours[key] != theirs.get(key))
        hint = "only num_trials may differ"
        raise BadInputError("earlier results of the same sweep", f"another {differing}", where, hint)
    changes = differences(earlier.code, code_of_search(cfg, objective))
    if changes:
        expected = "earlier results of the same objective function and strategy"
        raise BadInputError(
            expected, f"{', '.join(changes)} since", where, "leave out `earlier` to run all trials again"
        )
    return tuple(trial for place, trial in enumerate(earlier.trials) if trial.trial == place)


def _prior(cfg: DAFSweepConfig, warm_start: SweepResults | None) -> list[TrialResult]:
    """The other sweep's trials that lie in this search space."""
    if warm_start is None:
        return [] if cfg.warm_start is None else read_prior(Path(cfg.warm_start) / TRIALS, cfg)
    other = warm_start.config
    return prior_trials(
        warm_start.trials,
        cfg,
        objective_metric=other.objective_metric,
        optimize_direction=other.optimize_direction,
        source=f"sweep '{other.name}'",
    )


def _as_results(results: SweepResults | str | Path) -> SweepResults:
    if isinstance(results, SweepResults):
        return results
    if isinstance(results, str | Path):
        return read_sweep(user_path(results, "sweep results"))
    raise BadInputError("results of daf_launch_sweep, or a sweep's folder", type(results).__name__, "sweep results")
