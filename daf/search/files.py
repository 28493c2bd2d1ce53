"""The content of a sweep's files, each derived from the files before it.

OUT/sweeps/{sweep}/trial-0007/proposal.json            what the trial tries          `propose_trial`
OUT/sweeps/{sweep}/trial-0007/result.json              its outcome                     `daf.search.trial`
OUT/sweeps/{sweep}/history/0000-0015.json              sixteen results in one        `collect_results`
OUT/sweeps/{sweep}/rung-1/bracket-0.json               which trials continue         `promote_trials`
OUT/sweeps/{sweep}/finalists.json                      which run on fresh seeds      `choose_finalists`
OUT/sweeps/{sweep}/best.json                           the best trial                `select_best`
OUT/sweeps/{sweep}/trials.json, trials.csv             all trials                    `trials_json`, `write_trials_csv`
OUT/sweeps/{sweep}/analysis.json                       what the search shows         `daf.search.analysis`

Results are read in only one way: `read_results` and `read_prior` return `TrialResult`s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from daf.config import DAFSweepConfig
from daf.config.recipes import PromotionRecipe
from daf.errors import BadInputError
from daf.search.assignment import TrialAssignment
from daf.search.budget import pruning_thresholds, reason_to_skip
from daf.search.halving import promoted
from daf.search.paths import FINALISTS, PROPOSAL, RESULT
from daf.search.plan import SweepPlan, results_seen
from daf.search.proposers import propose
from daf.search.recipe import strategy_code, sweep_recipe
from daf.search.records import (
    BestFile,
    FinalistsFile,
    HistoryFile,
    PriorTrials,
    PromotionsFile,
    ProposalFile,
    TrialsFile,
)
from daf.search.results import SweepResults, TrialResult, best_trial, confirmed_best, finalists_of, flat_rows
from daf.search.space import build_space, num_trials_effective
from daf.search.strategy import stream_seed
from daf.system.csv_files import csv_of_rows
from daf.system.files import digest, write_text
from daf.system.json_files import read_own_json
from daf.system.provenance import provenance
from daf.system.readers import FROM_A_RUN
from daf.system.user_code import CodeStamp, code_in
from daf.system.validated import read_record, validated


def validate_sweep(config: DAFSweepConfig) -> None:
    """Check everything about a search that can be checked before the first trial.

    Raises:
        ConfigError: parameters that are not hyperparameters, or values that a hyperparameter does not accept.
        BadInputError: a grid that is continuous or too large, or a strategy that cannot be loaded.
    """
    build_space(config)
    num_trials_effective(config)
    results_seen(config, 0)


def sweep_folder(config: DAFSweepConfig) -> Path:
    return config.output_dir / "sweeps" / config.name


# ---- proposals ---------------------------------------------------------------------------------------------


def propose_trial(
    config: DAFSweepConfig, trial: int, results: Sequence[TrialResult], *, prior: Sequence[TrialResult] = ()
) -> dict[str, Any]:
    """The content of a trial's proposal.json, byte for byte the same wherever it is computed.

    Args:
        trial: number of the trial, from 0.
        results: at least those of `results_seen(config, trial)`.
        prior: finished trials of another sweep to learn from.

    Returns:
        The trial's `TrialAssignment`, together with `sweep`, `strategy`, `results_seen` (number of results of earlier
        trials), `prior_trials` (number of trials of another sweep), `code` of the strategy, `recipe` and
        `recipe_digest`.

    Raises:
        BadInputError: a result is missing, or the configuration is wrong.
    """
    recipe = sweep_recipe(config)
    trials_seen = results_seen(config, trial)
    seen = [result for result in results if result.trial in trials_seen]
    stopping = config.early_stopping
    assignment = TrialAssignment(
        trial=trial,
        seed=stream_seed(config.seed, trial, "training"),
        hyperparameters=propose(config, trial, results, prior=prior),
        pruning_thresholds=None if stopping is None else pruning_thresholds(seen, stopping),
        skip=reason_to_skip(config, seen),
    )
    return {
        **assignment.to_dict(),
        "sweep": config.name,
        "strategy": config.strategy,
        "results_seen": len(trials_seen),
        "prior_trials": len(prior),
        "code": strategy_code(config).model_dump(mode="json"),
        "recipe": recipe,
        "recipe_digest": digest(recipe),
    }


def read_proposal(path: str | Path) -> dict[str, Any]:
    """The content of a proposal.json, whose recipe is the one that its digest names."""
    content = read_own_json(path, "a proposal.json", FROM_A_RUN)
    proposal = validated(ProposalFile, content, str(path), FROM_A_RUN)
    actual = digest(proposal["recipe"])
    if actual != proposal["recipe_digest"]:
        expected = f"a recipe with the digest {proposal['recipe_digest'][:16]}…"
        raise BadInputError(expected, f"{actual[:16]}…", f"{path}: recipe", FROM_A_RUN)
    return dict(content)


def read_assignment(path: str | Path) -> TrialAssignment:
    """The assignment in a proposal.json."""
    return TrialAssignment.from_dict(read_proposal(path), source=str(path))


def read_lag(path: str | Path) -> int:
    """The lag of the sweep of a proposal.json."""
    lag: int = read_proposal(path)["recipe"]["lag"]
    return lag


# ---- results -----------------------------------------------------------------------------------------------


def read_results(paths: Sequence[str | Path]) -> list[TrialResult]:
    """The results in files that each hold one result or a block; an unfilled rung entry has no result."""
    results: list[TrialResult] = []
    for path in paths:
        content = read_record(path, dict[str, Any])
        records = validated(list[dict[str, Any]], content.get("trials", [content]), f"{path}: trials", FROM_A_RUN)
        results += [
            TrialResult.from_dict(record, source=str(path))
            for record in records
            if record.get("trial", "missing") is not None
        ]
    return results


def finished_trials(folder: Path, recipe_digest: str) -> list[TrialResult]:
    """The trials with results in a sweep's folder now, if their recipe is the same.

    Only for ending a sweep early: which trials have finished depends on the machine.
    """
    results = read_results(sorted(folder.glob(f"trial-*/{RESULT}")))
    return [result for result in results if result.extra.get("recipe_digest") == recipe_digest]


def collect_results(results: Sequence[TrialResult]) -> HistoryFile:
    """The content of a block of results: what a proposal may know about each trial."""
    return {
        "trials": [
            {
                "trial": result.trial,
                "status": result.status,
                "hyperparameters": dict(result.hyperparameters),
                "objective": result.objective,
                "seconds": result.seconds,
                "curve": list(result.curve),
            }
            for result in results
        ]
    }


def trials_json(results: SweepResults) -> TrialsFile:
    """The content of trials.json, from which another sweep can start: what each trial tried and its score."""
    config = results.config
    return {
        "sweep": config.name,
        "objective_metric": config.objective_metric,
        "optimize_direction": config.optimize_direction,
        **collect_results(results.trials),
    }


def read_prior(path: str | Path, config: DAFSweepConfig) -> list[TrialResult]:
    """As `prior_trials`, from the other sweep's trials.json."""
    content = read_record(path, PriorTrials, "the trials.json of a sweep", "name the folder of a finished sweep")
    trials = [TrialResult.from_dict(record, source=str(path)) for record in content["trials"]]
    metric, direction = content.get("objective_metric"), content.get("optimize_direction")
    return prior_trials(trials, config, objective_metric=metric, optimize_direction=direction, source=str(path))


def prior_trials(
    trials: Sequence[TrialResult],
    config: DAFSweepConfig,
    *,
    objective_metric: str | None,
    optimize_direction: str | None,
    source: str,
) -> list[TrialResult]:
    """The trials of another sweep that lie in this sweep's space.

    Args:
        objective_metric, optimize_direction: of the other sweep.

    Raises:
        BadInputError: the other sweep has a different objective, so scores cannot be compared, or none of its trials
            lies in this space.
    """
    where = f"sweep '{config.name}': warm_start"
    for key, theirs in (("objective_metric", objective_metric), ("optimize_direction", optimize_direction)):
        ours = getattr(config, key)
        if theirs != ours:
            hint = "scores of different objectives cannot be compared: start from another sweep, or change this one's"
            raise BadInputError(f"{key} '{ours}', as in this sweep", f"{theirs!r} in {source}", where, hint)
    space = build_space(config, any_name=True)
    inside = [trial for trial in trials if space.holds(trial.hyperparameters)]
    if trials and not inside:
        names, known = set(trials[0].hyperparameters), {dimension.name for dimension in space.dimensions}
        hint = f"only one of the two has {', '.join(sorted(names ^ known))}" if names != known else "the ranges differ"
        raise BadInputError("trials in this search space", f"none of {len(trials)} in {source}", where, hint)
    return inside


# ---- rungs and finalists -----------------------------------------------------------------------------------


def promote_trials(recipe: PromotionRecipe, results: Sequence[TrialResult]) -> PromotionsFile:
    """The content of a promotion file: for every rung entry the trial that fills it, best first, or why none does."""
    empty = _nothing_to_run(recipe.rung, "no trial of the previous rung completed")
    chosen = promoted(results, len(recipe.entries), recipe.optimize_direction)
    return {
        "sweep": recipe.sweep,
        "rung": recipe.rung,
        "bracket": recipe.bracket,
        "entries": {
            str(entry): empty if result is None else _assigned(result, result.seed, recipe.rung)
            for entry, result in zip(recipe.entries, chosen, strict=True)
        },
    }


def read_entry(path: str | Path, entry: int) -> TrialAssignment:
    """The assignment of a rung's entry, from a promotion file."""
    entries = read_record(path, PromotionsFile)["entries"]
    return TrialAssignment.from_dict(_entry(entries, str(entry), path), source=f"{path}: entries.{entry}")


def choose_finalists(results: SweepResults) -> FinalistsFile:
    """The content of finalists.json: the best trials by rank, and the training seeds on which they run again."""
    config = results.config
    ranked = [_assigned(trial, None, 0) for trial in finalists_of(results)]
    empty = _nothing_to_run(0, "fewer trials completed")
    return {
        "sweep": config.name,
        "finalists": ranked + [empty] * (config.num_finalists - len(ranked)),
        "seeds": confirmation_seeds(config),
    }


def read_finalist(path: str | Path, rank: int, index: int) -> TrialAssignment:
    """The assignment of a finalist on one of the fresh seeds, from finalists.json."""
    content = read_record(path, FinalistsFile)
    finalist = _entry(dict(enumerate(content["finalists"])), rank, path)
    assignment = TrialAssignment.from_dict(finalist, source=f"{path}: finalists.{rank}")
    return replace(assignment, seed=_entry(dict(enumerate(content["seeds"])), index, path))


def _entry[Key, Item](entries: Mapping[Key, Item], key: Key, path: str | Path) -> Item:
    if key not in entries:
        raise BadInputError(f"an entry {key}", f"{len(entries)} others", str(path), FROM_A_RUN)
    return entries[key]


def _assigned(result: TrialResult, seed: int | None, rung: int) -> dict[str, Any]:
    """What a chosen trial runs next, and the objective for which it was chosen."""
    assignment = TrialAssignment(trial=result.trial, seed=seed, hyperparameters=result.hyperparameters, rung=rung)
    return {**assignment.to_dict(), "objective": result.objective}


def _nothing_to_run(rung: int, reason: str) -> dict[str, Any]:
    assignment = TrialAssignment(trial=None, seed=None, hyperparameters={}, rung=rung, skip=reason)
    return {**assignment.to_dict(), "objective": None}


def confirmation_seeds(config: DAFSweepConfig) -> list[int]:
    """The training seeds of confirmation runs: different from the trials', the same for every finalist."""
    return [stream_seed(config.seed, index, "confirmation") for index in range(config.confirmation_seeds)]


# ---- the end of a sweep ------------------------------------------------------------------------------------


def sweep_results(
    config: DAFSweepConfig, results: Sequence[TrialResult], confirmations: Sequence[TrialResult] = ()
) -> SweepResults:
    """All results of a sweep as one value; a trial that continued in a higher rung counts with its last result."""
    last: dict[int, TrialResult] = {}
    for result in results:
        known = last.get(result.trial)
        if known is not None and known.rung == result.rung:
            raise BadInputError("one result per trial", "two for one number", f"sweep '{config.name}'")
        if known is None or result.rung > known.rung:
            last[result.trial] = result
    return SweepResults.of(config, list(last.values()), confirmations)


def select_best(results: SweepResults) -> BestFile:
    """The content of best.json: the best trial, the number of trials it was chosen from, and its confirmation.

    Raises:
        DafError: no trial completed.
    """
    config, best = results.config, best_trial(results)
    return {
        "sweep": config.name,
        "trial": best.trial,
        "hyperparameters": dict(best.hyperparameters),
        "objective": best.objective,
        "objective_metric": config.objective_metric,
        "optimize_direction": config.optimize_direction,
        "seed": best.seed,
        "num_trials": len(results.trials),
        "num_completed": len(results.completed),
        "num_failed": len(results.failed),
        "confirmation": confirmed_best(results),
        "recipe_digest": digest(sweep_recipe(config)),
    }


def sweep_provenance(results: SweepResults) -> dict[str, Any]:
    """How a sweep's results were made, with the code of its strategy and of its trials."""
    config = results.config
    ran = [trial.extra.get("provenance") for trial in (*results.trials, *results.confirmations)]
    code = CodeStamp.merged([strategy_code(config), *map(code_in, ran)])
    seeds = {"search": config.seed, "evaluation": config.evaluation_seed}
    return provenance(sweep_recipe(config), seeds, code=code)


def write_trials_csv(path: str | Path, results: SweepResults) -> None:
    """Write one line per trial: numbers, then `hyperparameters.<name>`; failed trials have an empty objective.

    Raises:
        BadInputError: there is no trial.
    """
    rows = flat_rows(results.trials)
    if not rows:
        raise BadInputError("at least one trial", "none", str(path))
    write_text(path, csv_of_rows(rows, list(rows[0])))


def read_sweep(folder: str | Path, config: DAFSweepConfig | None = None) -> SweepResults:
    """The finished trials in a sweep's folder; the configuration is in its proposals.

    Args:
        folder: OUT/sweeps/{sweep}.
        config: if given, only its trials and finalists are read.

    Raises:
        BadInputError: there is no trial in the folder, or a file is damaged.
    """
    folder = Path(folder)
    proposals = sorted(folder.glob(f"trial-*/{PROPOSAL}"), key=lambda path: (len(path.parent.name), path.parent.name))
    if not proposals:
        raise BadInputError(f"a sweep's folder, with trial-*/{PROPOSAL}", "none", str(folder), "run the sweep first")
    if config is None:
        # The last trial's number, not their count: trials finish in any order.
        num_trials = int(proposals[-1].parent.name.removeprefix("trial-")) + 1
        content = {**read_proposal(proposals[0])["recipe"], **_finalists_in(folder)}
        if content.get("strategy") != "grid":  # which has as many trials as points
            content["num_trials"] = num_trials
        config = DAFSweepConfig.from_dict(content, source=str(proposals[0]))
    plan = SweepPlan(config, {})

    def finished(paths: Sequence[str]) -> list[TrialResult]:
        return read_results([folder / path for path in paths if (folder / path).is_file()])

    return sweep_results(config, finished(plan.results()), finished(plan.confirmations()))


def _finalists_in(folder: Path) -> dict[str, int]:
    """The numbers of finalists and seeds of a sweep; empty if it had none."""
    path = folder / FINALISTS
    if not path.is_file():
        return {}
    content = read_record(path, FinalistsFile)
    return {"num_finalists": len(content["finalists"]), "confirmation_seeds": len(content["seeds"])}
