"""The files of a sweep: what stands in each, made from the files before it.

OUT/sweeps/{sweep}/trial-0007/proposal.json            what the trial tries          `propose_trial`
OUT/sweeps/{sweep}/trial-0007/result.json              how it went                   `daf.search.trial`
OUT/sweeps/{sweep}/history/0000-0015.json              sixteen results in one        `collect_results`
OUT/sweeps/{sweep}/rung-1/bracket-0.json               which trials train on         `promote_trials`
OUT/sweeps/{sweep}/finalists.json                      which run on fresh seeds      `choose_finalists`
OUT/sweeps/{sweep}/best.json, trials.json, trials.csv, analysis.json                 `select_best`, …
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from daf.config import DAFSweepConfig
from daf.errors import BadInputError
from daf.search.budget import pruning_thresholds, seconds_used
from daf.search.evidence import Evidence
from daf.search.halving import promoted
from daf.search.plan import SweepPlan, results_seen
from daf.search.proposers import propose
from daf.search.results import SweepResults, TrialResult, best_trial, confirmed_best, finalists_of, flat_rows
from daf.search.space import Value, build_space, num_trials_effective
from daf.search.strategy import stream_seed
from daf.system.files import digest, read_json, write_text

# What neither a proposal nor a trial depends on: a change here repeats nothing that was done.
NOT_IN_RECIPE = ("num_trials", "output_dir", "num_finalists", "confirmation_seeds")


def validate_sweep(config: DAFSweepConfig) -> None:
    """Everything about a search that can be checked before the first trial.

    Raises:
        ConfigError: parameters that no knob takes, or values that a knob refuses.
        BadInputError: a grid that is continuous or too large, or a strategy that cannot be loaded.
    """
    build_space(config)
    num_trials_effective(config)
    results_seen(config, 0)


def sweep_folder(config: DAFSweepConfig) -> Path:
    return config.output_dir / "sweeps" / config.name


def sweep_recipe(config: DAFSweepConfig) -> dict[str, Any]:
    """What decides a sweep's proposals and results: all but how many trials, and where the files go."""
    return {key: value for key, value in config.to_dict().items() if key not in NOT_IN_RECIPE}


# ---- proposals ---------------------------------------------------------------------------------------------


def propose_trial(
    config: DAFSweepConfig,
    trial: int,
    results: Sequence[Mapping[str, Any]],
    *,
    pending: Sequence[Mapping[str, Value]] = (),
    prior: Sequence[Evidence] = (),
    any_name: bool = False,
) -> dict[str, Any]:
    """The content of a trial's proposal.json, the same to the byte wherever it is made.

    Args:
        config: the sweep.
        trial: number of the trial, from 0.
        results: of `results_seen(config, trial)`, as `read_evidence` gives them.
        pending, prior, any_name: as in `daf.search.proposers.propose`.

    Returns:
        `sweep`, `trial`, `strategy`, `hyperparameters` (all that apply), `seed` (of this trial's training),
        `results_seen` (how many results of earlier trials), `prior_trials`, `skip` (None, or why it does not run),
        `pruning_thresholds` (None, or one per check), `recipe` and `recipe_digest`.

    Raises:
        BadInputError: a result is missing, or the configuration is wrong.
    """
    recipe = sweep_recipe(config)
    seen = results_seen(config, trial)
    evidence = [one for one in map(Evidence.from_result, results) if one.trial in seen]
    used, cap = seconds_used(evidence), config.max_total_seconds
    skip = None
    if cap is not None and (used >= cap or any(one.skipped for one in evidence)):
        skip = f"the budget is spent: max_total_seconds is {cap:g}"
    return {
        "sweep": config.name,
        "trial": trial,
        "strategy": config.strategy,
        "hyperparameters": propose(config, trial, results, pending=pending, prior=prior, any_name=any_name),
        "seed": stream_seed(config.seed, trial, "training"),
        "results_seen": len(seen),
        "prior_trials": len(prior),
        "skip": skip,
        "pruning_thresholds": pruning_thresholds(evidence, config.early_stopping) if config.early_stopping else None,
        "recipe": recipe,
        "recipe_digest": digest(recipe),
    }


def collect_results(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The content of a block of results: of each trial what a proposal may know."""
    return {"trials": [Evidence.from_result(one).to_dict() for one in results]}


def read_evidence(paths: Sequence[str | Path]) -> list[dict[str, Any]]:
    """The results in files that hold one each or a block."""
    found: list[dict[str, Any]] = []
    for path in paths:
        content = read_json(path)
        found += content.get("trials", [content])
    return found


def read_prior(path: str | Path, config: DAFSweepConfig) -> list[Evidence]:
    """As `prior_evidence`, from the other sweep's trials.json."""
    return prior_evidence(read_json(path), config, str(path))


def prior_evidence(content: Mapping[str, Any], config: DAFSweepConfig, source: str) -> list[Evidence]:
    """The trials of another sweep that are points of this sweep's space.

    Args:
        content: as `trials_json` gives it.

    Raises:
        BadInputError: the other sweep measures something else, so that its figures cannot be compared, or none of its
            trials is a point of this space.
    """
    where = f"sweep '{config.name}': warm_start"
    for key in ("objective_metric", "optimize_direction"):
        ours = getattr(config, key)
        if content.get(key) != ours:
            raise BadInputError(f"{key} '{ours}', as in this sweep", f"{content.get(key)!r} in {source}", where)
    space = build_space(config, any_name=True)
    found = [Evidence.from_result(one) for one in content["trials"]]
    inside = [one for one in found if space.holds(one.hyperparameters)]
    if found and not inside:
        theirs, ours = set(found[0].hyperparameters), {one.name for one in space.dimensions}
        hint = f"only one of the two has {', '.join(sorted(theirs ^ ours))}" if theirs != ours else "the ranges differ"
        raise BadInputError("trials that this search space holds", f"none of {len(found)} in {source}", where, hint)
    return inside


# ---- rungs and finalists -----------------------------------------------------------------------------------


def promote_trials(plan: SweepPlan, rung: int, bracket: int, results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The content of a promotion file: for every entry of a rung the trial that takes it, best first, or why none."""
    config = plan.config
    entries = plan.entries(rung, bracket)
    chosen = promoted(results, len(entries), maximize=config.optimize_direction == "maximize")
    empty: dict[str, Any] = {
        "trial": None,
        "hyperparameters": {},
        "seed": None,
        "skip": "no trial of the rung before completed",
    }
    return {
        "sweep": config.name,
        "rung": rung,
        "bracket": bracket,
        "entries": {
            str(entry): empty
            if one is None
            else {key: one[key] for key in ("trial", "hyperparameters", "seed", "objective")}
            for entry, one in zip(entries, chosen, strict=True)
        },
    }


def choose_finalists(config: DAFSweepConfig, results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The content of finalists.json: the best trials by rank, and the training seeds they run on again."""
    ranked = finalists_of(sweep_results(config, results))
    empty: dict[str, Any] = {"trial": None, "hyperparameters": {}, "objective": None, "skip": "fewer trials completed"}
    finalists = [
        {"trial": one.trial, "hyperparameters": dict(one.hyperparameters), "objective": one.objective} for one in ranked
    ]
    return {
        "sweep": config.name,
        "finalists": finalists + [empty] * (config.num_finalists - len(finalists)),
        "seeds": confirmation_seeds(config),
    }


def confirmation_seeds(config: DAFSweepConfig) -> list[int]:
    """The training seeds of confirmation runs: no trial's, the same for every finalist."""
    return [stream_seed(config.seed, index, "confirmation") for index in range(config.confirmation_seeds)]


# ---- the end of a sweep ------------------------------------------------------------------------------------


def sweep_results(
    config: DAFSweepConfig, results: Sequence[Mapping[str, Any]], confirmations: Sequence[Mapping[str, Any]] = ()
) -> SweepResults:
    """All results of a sweep as one value; a trial that trained on in a higher rung counts with its last result."""
    last: dict[int, TrialResult] = {}
    for content in results:
        if content["trial"] is not None:  # an entry that no trial took
            one = TrialResult.from_dict(content)
            if one.trial not in last or one.rung > last[one.trial].rung:
                last[one.trial] = one
            elif one.rung == last[one.trial].rung:
                raise BadInputError("one result per trial", "two for one number", f"sweep '{config.name}'")
    again = [TrialResult.from_dict(one) for one in confirmations if one["trial"] is not None]
    return SweepResults.of(config, list(last.values()), again)


def select_best(
    config: DAFSweepConfig, results: Sequence[Mapping[str, Any]], confirmations: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """The content of best.json: the best trial, how many it was the best of, and how it did on fresh seeds.

    Raises:
        DafError: no trial completed.
    """
    sweep = sweep_results(config, results, confirmations)
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
        "confirmation": confirmed_best(sweep),
        "recipe_digest": digest(sweep_recipe(config)),
    }


def analyze_trials(
    config: DAFSweepConfig, results: Sequence[Mapping[str, Any]], confirmations: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """The content of analysis.json."""
    from daf.search.analysis import analyze

    return analyze(sweep_results(config, results, confirmations)).to_dict()


def trials_json(config: DAFSweepConfig, results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The content of trials.json, which another sweep may start from: what each trial tried and how it scored."""
    last = sweep_results(config, results)
    return {
        "sweep": config.name,
        "objective_metric": config.objective_metric,
        "optimize_direction": config.optimize_direction,
        **collect_results([one.to_dict() for one in last.trials]),
    }


def write_trials_csv(path: str | Path, results: SweepResults) -> None:
    """One line per trial: figures, then `hyperparameters.<name>`; failed trials have an empty objective.

    Raises:
        BadInputError: there is no trial.
    """
    rows = flat_rows(results.trials)
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
        config: if given, only what it asks for is read: trials below its number of trials, its finalists.

    Raises:
        BadInputError: there is no trial in the folder, or a file is damaged.
    """
    folder = Path(folder)
    proposals = sorted(folder.glob("trial-*/proposal.json"), key=lambda path: (len(path.parent.name), path.parent.name))
    if not proposals:
        raise BadInputError("a sweep's folder, with trial-*/proposal.json", "none", str(folder), "run the sweep first")
    if config is None:
        # The last one's number, not their count: trials come in any order.
        found = {"num_trials": int(proposals[-1].parent.name.removeprefix("trial-")) + 1, **_finalists_found(folder)}
        recipe = read_json(proposals[0])["recipe"]
        config = DAFSweepConfig.from_dict({**recipe, **found}, source=str(proposals[0]))
    plan = SweepPlan(config, {})
    results = [read_json(folder / path) for path in plan.results() if (folder / path).is_file()]
    confirmations = [read_json(folder / path) for path in plan.confirmations() if (folder / path).is_file()]
    return sweep_results(config, results, confirmations)


def _finalists_found(folder: Path) -> dict[str, int]:
    """How many finalists a finished sweep had, and how many seeds."""
    path = folder / "finalists.json"
    if not path.is_file():
        return {}
    content = read_json(path)
    return {"num_finalists": len(content["finalists"]), "confirmation_seeds": len(content["seeds"])}
