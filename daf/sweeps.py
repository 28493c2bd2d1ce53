"""Hyperparameter sweeps: the public functions, and the files of a sweep.

A sweep runs through the workflow (real training, resumable) or in process for a Python function of one's own. Both
ask the same strategies (`daf.search.proposers`) under the same rule: trial n sees the results of trials 0 … n - lag,
so proposals depend on no finishing order. How a trial trains is not here (`daf.training`, `daf.recipes`).

    OUT/sweeps/{sweep}/trial-0007/proposal.json    what the trial tries        `propose_trial`
    OUT/sweeps/{sweep}/trial-0007/result.json      how it went                 `TrialResult.to_dict`
    OUT/sweeps/{sweep}/best.json  trials.csv  analysis.json                    `select_best`, `write_trials_csv`, …
"""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daf.config import DAFConfig, DAFSweepConfig, ExperimentConfig, MissionConfig
from daf.errors import BadInputError
from daf.files import digest, read_json, write_text
from daf.search.proposers import STRATEGIES, Strategy, propose, stream_seed, visible_trials
from daf.search.results import SweepResults, TrialResult, best_trial, flat_rows
from daf.search.space import Value, build_space, num_trials_effective

if TYPE_CHECKING:
    from daf.search.analysis import SweepAnalysis

__all__ = [
    "SweepResults",
    "Trial",
    "TrialResult",
    "analyze_trials",
    "daf_launch_sweep",
    "daf_sweep_analysis",
    "daf_sweep_best_config",
    "history_indices",
    "num_trials_effective",
    "propose_trial",
    "read_sweep",
    "select_best",
    "sweep_folder",
    "sweep_recipe",
    "trial_name",
    "validate_sweep",
    "write_trials_csv",
]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What an objective function receives: what to try, and a seed of its own."""

    number: int
    seed: int
    hyperparameters: Mapping[str, Value]


type Objective = Callable[[Trial], float | Mapping[str, Any]]

# ---- public functions ----------------------------------------------------------------------------------------


def daf_launch_sweep(
    cfg: DAFSweepConfig,
    objective: Objective | None = None,
    *,
    daf: DAFConfig | None = None,
    missions: Mapping[str, MissionConfig] | None = None,
    cores: int | None = None,
    earlier: SweepResults | None = None,
    on_trial: Callable[[TrialResult], None] | None = None,
) -> SweepResults:
    """Run a sweep to its end, or what is left of it.

    Without `objective` the workflow trains and evaluates every trial; results are in `cfg.output_dir`, and a second
    call continues where the first stopped. With `objective`, trials run one after another in this process, nothing
    is written, and the search space may have any names.

    Args:
        cfg: the sweep. A grid runs exactly its points, whatever `num_trials` says.
        objective: takes a `Trial`; returns the objective, or a mapping that holds it under `cfg.objective_metric` (or
            "objective") beside other figures, which are kept. If it raises, or returns NaN or infinity, the trial has
            failed and the sweep goes on.
        daf: settings of the workflow run (jobs, device, …); its `output_dir` is taken from `cfg`.
        missions: missions under names of one's own that `cfg.mission` may mean.
        cores: jobs at once in the workflow; default `daf.max_parallel_jobs`.
        earlier: with `objective`: results of the same sweep with fewer trials; those are not run again.
        on_trial: with `objective`: called with each result as it comes.

    Raises:
        ConfigError, BadInputError: the configuration is wrong, or `objective` returns neither a number nor a mapping
            with one; nothing is recorded as failed in that case.
        WorkflowFailedError: the workflow ended without its targets.
    """
    cfg.validate()
    if objective is None:
        return _launch_workflow(cfg, daf or DAFConfig(), dict(missions or {}), cores)
    return _launch_in_process(cfg, objective, earlier, on_trial)


def daf_sweep_best_config(results: SweepResults | str | Path) -> TrialResult:
    """The best trial of a sweep, or of a sweep's folder; its `hyperparameters` are the best configuration.

    Raises:
        DafError: no trial completed; the hint names the commonest reason.
    """
    return best_trial(_as_results(results))


def daf_sweep_analysis(results: SweepResults | str | Path) -> SweepAnalysis:
    """Progress, failures, cost, importance and slices of a sweep, or of a sweep's folder, finished or not."""
    from daf.search.analysis import analyze

    return analyze(_as_results(results))


# ---- for the workflow ----------------------------------------------------------------------------------------


def validate_sweep(config: DAFSweepConfig) -> None:
    """Everything about a search that can be checked before the first trial.

    Raises:
        ConfigError: parameters that no knob takes, or values that a knob refuses.
        BadInputError: a grid that is continuous or too large.
    """
    build_space(config)
    num_trials_effective(config)


def history_indices(trial: int, lag: int, strategy: str = "bayesian") -> range:
    """The trials whose results a proposal reads: 0 … trial - lag; none for a strategy that does not adapt."""
    return range(visible_trials(trial, lag) if STRATEGIES[strategy].adaptive else 0)


def trial_name(trial: int) -> str:
    """The folder of a trial: `trial-0007`."""
    return f"trial-{trial:04d}"


def sweep_folder(config: DAFSweepConfig) -> Path:
    return config.output_dir / "sweeps" / config.name


def sweep_recipe(config: DAFSweepConfig) -> dict[str, Any]:
    """What decides a sweep's proposals and results: all but how many trials, and where the files go."""
    return {key: value for key, value in config.to_dict().items() if key not in ("num_trials", "output_dir")}


def propose_trial(
    config: DAFSweepConfig,
    trial: int,
    results: Sequence[Mapping[str, Any]],
    *,
    pending: Sequence[Mapping[str, Value]] = (),
    any_name: bool = False,
) -> dict[str, Any]:
    """The content of a trial's proposal.json, the same to the byte wherever it is made.

    Args:
        config: the sweep.
        trial: number of the trial, from 0.
        results: contents of the result.json files of `history_indices(trial, config.lag, config.strategy)`.
        pending, any_name: as in `daf.search.proposers.propose`.

    Returns:
        `sweep`, `trial`, `strategy`, `hyperparameters` (all searched parameters), `seed` (of this trial's training),
        `based_on` (trials looked at), `recipe` and `recipe_digest`.

    Raises:
        BadInputError: a result is missing, or the configuration is wrong.
    """
    recipe = sweep_recipe(config)
    return {
        "sweep": config.name,
        "trial": trial,
        "strategy": config.strategy,
        "hyperparameters": propose(config, trial, results, pending=pending, any_name=any_name),
        "seed": stream_seed(config.seed, trial, "training"),
        "based_on": list(history_indices(trial, config.lag, config.strategy)),
        "recipe": recipe,
        "recipe_digest": digest(recipe),
    }


def select_best(config: DAFSweepConfig, results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The content of best.json: the best trial, and how many it was the best of.

    Raises:
        DafError: no trial completed.
    """
    sweep = _from_files(config, results)
    best = best_trial(sweep)
    return {
        "sweep": config.name,
        "trial": best.trial,
        "hyperparameters": dict(best.hyperparameters),
        "objective": best.objective,
        "objective_metric": config.objective_metric,
        "optimize_direction": config.optimize_direction,
        "seed": best.seed,
        "num_trials": len(sweep.trials),
        "num_completed": len(sweep.completed),
        "num_failed": len(sweep.failed),
        "recipe_digest": digest(sweep_recipe(config)),
    }


def analyze_trials(config: DAFSweepConfig, results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The content of analysis.json."""
    return daf_sweep_analysis(_from_files(config, results)).to_dict()


def write_trials_csv(path: str | Path, results: SweepResults | Sequence[Mapping[str, Any]]) -> None:
    """One line per trial: figures, then `hyperparameters.<name>`; failed trials have an empty objective.

    Raises:
        BadInputError: there is no trial.
    """
    trials = results.trials if isinstance(results, SweepResults) else [TrialResult.from_dict(item) for item in results]
    rows = flat_rows(trials)
    if not rows:
        raise BadInputError("at least one trial", "none", str(path))
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def read_sweep(folder: str | Path, config: DAFSweepConfig | None = None) -> SweepResults:
    """The finished trials in a sweep's folder; the configuration is in its proposals.

    Args:
        folder: OUT/sweeps/{sweep}.
        config: if given, only its trials are read: those numbered below its number of trials.

    Raises:
        BadInputError: there is no trial in the folder, or a file is damaged.
    """
    folder = Path(folder)
    proposals = sorted(folder.glob("trial-*/proposal.json"), key=lambda path: (len(path.parent.name), path.parent.name))
    if not proposals:
        raise BadInputError("a sweep's folder, with trial-*/proposal.json", "none", str(folder), "run the sweep first")
    if config is None:
        recipe = read_json(proposals[0])["recipe"]
        config = DAFSweepConfig.from_dict({**recipe, "num_trials": len(proposals)}, source=str(proposals[0]))
        known = len(proposals)
    else:
        known = num_trials_effective(config)
    trials = []
    for proposal in proposals:
        path = proposal.with_name("result.json")
        if path.is_file() and int(proposal.parent.name.removeprefix("trial-")) < known:
            trials.append(TrialResult.from_dict(read_json(path), source=str(path)))
    return SweepResults.of(config, trials)


# ---- how a sweep runs ----------------------------------------------------------------------------------------


def _launch_workflow(
    cfg: DAFSweepConfig, daf: DAFConfig, missions: dict[str, MissionConfig], cores: int | None
) -> SweepResults:
    """Write the experiment that this sweep is, let the workflow make it, read the files."""
    validate_sweep(cfg)
    from daf.orchestrators import run_workflow

    output_dir = cfg.output_dir.resolve()  # the workflow may run in another folder
    sweep = cfg.model_copy(update={"output_dir": output_dir})
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


def _launch_in_process(
    cfg: DAFSweepConfig,
    objective: Objective,
    earlier: SweepResults | None,
    on_trial: Callable[[TrialResult], None] | None,
) -> SweepResults:
    cfg = cfg.model_copy(deep=True)  # an objective that changes the configuration changes no later trial
    build_space(cfg, any_name=True)
    known = _reusable(cfg, earlier)
    strategy: Strategy = STRATEGIES[cfg.strategy]
    results: list[TrialResult] = []
    evidence: list[dict[str, Any]] = []
    for number in range(num_trials_effective(cfg)):
        if number < len(known):
            result = known[number]
        else:
            seen = visible_trials(number, cfg.lag) if strategy.adaptive else 0
            pending = [trial.hyperparameters for trial in results[seen:]] if strategy.adaptive else []
            values = propose(cfg, number, evidence[:seen], pending=pending, any_name=True)
            trial = Trial(number=number, seed=stream_seed(cfg.seed, number, "training"), hyperparameters=values)
            result = _run(cfg, trial, objective)
            if on_trial is not None:
                on_trial(result)
        results.append(result)
        evidence.append(result.to_dict())
    return SweepResults.of(cfg, results)


def _reusable(cfg: DAFSweepConfig, earlier: SweepResults | None) -> tuple[TrialResult, ...]:
    """The unbroken beginning 0, 1, … of earlier results; raises BadInputError if they are of another sweep."""
    if earlier is None:
        return ()
    ours, theirs = sweep_recipe(cfg), sweep_recipe(earlier.config)
    if ours != theirs:
        differing = ", ".join(key for key in ours if ours[key] != theirs.get(key))
        where, hint = f"sweep '{cfg.name}'", "only num_trials may differ"
        raise BadInputError("earlier results of the same sweep", f"another {differing}", where, hint)
    return tuple(trial for place, trial in enumerate(earlier.trials) if trial.trial == place)


def _run(cfg: DAFSweepConfig, trial: Trial, objective: Objective) -> TrialResult:
    """Call the objective. Whatever goes wrong inside it is a result, as a diverged training is."""
    started = time.perf_counter()
    value: float | None = None
    figures: dict[str, Any] = {}
    given = replace(trial, hyperparameters=dict(trial.hyperparameters))  # the objective may change what it is given
    try:
        returned: Any = objective(given)
    except Exception as error:
        reason: str | None = f"{type(error).__name__}: {error}".rstrip(": ")
    else:
        value, figures = _objective_value(cfg, trial, returned)
        reason = None if math.isfinite(value) else f"objective is {value}"
    return TrialResult(
        trial=trial.number,
        status="completed" if reason is None else "failed",
        hyperparameters=trial.hyperparameters,
        objective=value if reason is None else None,
        reason=reason,
        seconds=time.perf_counter() - started,
        seed=trial.seed,
        extra={"figures": figures} if figures else {},
    )


def _objective_value(cfg: DAFSweepConfig, trial: Trial, returned: Any) -> tuple[float, dict[str, Any]]:
    """The number, and the other figures returned beside it."""
    where = f"sweep '{cfg.name}', trial {trial.number}: objective function"
    figures = dict(returned) if isinstance(returned, Mapping) else {}
    value = returned
    if isinstance(returned, Mapping):
        key = next((key for key in (cfg.objective_metric, "objective") if key in figures), None)
        if key is None:
            expected = f"a mapping with '{cfg.objective_metric}' or 'objective'"
            raise BadInputError(expected, f"keys {sorted(figures)}", where)
        value = figures.pop(key)
    try:
        return float(value), figures
    except (TypeError, ValueError):
        hint = "does it end without `return`?" if value is None else ""
        raise BadInputError("a number", f"{value!r} ({type(value).__name__})", where, hint) from None


def _as_results(results: SweepResults | str | Path) -> SweepResults:
    if isinstance(results, SweepResults):
        return results
    if isinstance(results, str | Path):
        return read_sweep(results)
    raise BadInputError("results of daf_launch_sweep, or a sweep's folder", type(results).__name__, "sweep results")


def _from_files(config: DAFSweepConfig, results: Sequence[Mapping[str, Any]]) -> SweepResults:
    return SweepResults.of(config, [TrialResult.from_dict(result) for result in results])
