"""What a run that ended with an error still tells: which policies failed, and how the others compare.

Snakemake runs no job behind a failed one, so after a failed training neither the check of all evaluations runs, nor are
the comparison's own files made. The comparison's tables and page are made beside them meanwhile, in `partial/`: every
episode of a failed training is a failure with its cause. The next run repeats the training, and the complete comparison
replaces the partial one.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daf.compare.files import PARTIAL, compare_files
from daf.errors import BadInputError, DafError
from daf.evaluation.shards import write_lost_episodes
from daf.evaluation.tolerance import beyond_tolerance, count_failures
from daf.reporting.comparison_page import render_report
from daf.training.outcome import read_failed_run
from daf.training.paths import MODEL, failed_run_path
from daf.workflow.plan import Plan

SEARCHED = ("hyperparameters", "init_kwargs", "code")  # what of a recipe a sweep decides; code holds files of arguments


@dataclass(frozen=True)
class RunFiles:
    """The files of a run.

    Attributes:
        planned: those that it was to make; other results of the experiment are left alone.
        current: those of them that it has made, or found up to date.
        recipes: by file, the recipe of the job that makes it, when the run began; as plain data.
    """

    planned: Collection[str]
    current: Collection[str]
    recipes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def lacks(self, path: Path) -> bool:
        return str(path) in self.planned and str(path) not in self.current

    def has(self, path: Path) -> bool:
        return str(path) in self.current and path.exists()


def after_a_failure(plan: Plan, files: RunFiles) -> list[str]:
    """What to say at the end of a run that failed: the failed policies, each with its cause, and for every comparison
    that cannot be made in full, where the partial one is."""
    causes = [*_failed_trainings(plan, files), *_failed_evaluations(plan, files)]
    listed = ["\n    ".join(["Failed so far:", *causes])] if causes else []
    return listed + _compare_without_failed_trainings(plan, files)


# ---- what failed ----------------------------------------------------------------------------------------------


def _failed_trainings(plan: Plan, files: RunFiles) -> Iterator[str]:
    for name, run in plan.experiment.training.items():
        for seed in run.seeds:
            if why := _why_failed(plan, files, name, seed):
                yield f"{why} ({failed_run_path(_folder(plan, name, seed))})"


def _folder(plan: Plan, training: str, seed: int | None) -> Path:
    return plan.experiment.daf.output_dir / "training" / training / f"seed-{seed}"


def _why_failed(plan: Plan, files: RunFiles, training: str, seed: int | None) -> str | None:
    """How a training failed; None if it did not, or has left no record."""
    folder = _folder(plan, training, seed)
    if not files.lacks(folder / MODEL):
        return None
    try:
        outcome = read_failed_run(folder, _recipe(plan, files, training, folder))
    except BadInputError as error:
        how = f"failed, for a reason that cannot be read: {error.found}"
    else:
        if outcome is None:
            return None
        how = f"{outcome.status}: {outcome.reason}"
    return f"training {training} with seed {seed} {how}"


def _recipe(plan: Plan, files: RunFiles, training: str, folder: Path) -> dict[str, Any] | None:
    """The recipe that this run was to train, without what only its job knows; None if unknown."""
    recipe = files.recipes.get(str(folder / MODEL))
    if recipe is None:
        return None
    replaced = {"start_from", "teacher", "partners", *(SEARCHED if plan.learning.run(training).sweep else ())}
    return {key: value for key, value in recipe.items() if key not in replaced}


def _failed_evaluations(plan: Plan, files: RunFiles) -> Iterator[str]:
    """Evaluations of which too many episodes failed, unless the check has seen, and named, all of them."""
    evaluations = plan.experiment.daf.output_dir / "evaluations"
    players = {mission: plan.episodes.players(mission) for mission in plan.episodes.by_mission}
    tables = [
        evaluations / label / mission / "episodes.parquet" for mission, labels in players.items() for label in labels
    ]
    played = [path for path in tables if files.has(path)]
    if str(evaluations / "check.json") in files.planned and len(played) == len(tables):
        return
    for path in played:
        try:
            counts = count_failures([path])
        except DafError as error:
            yield f"{error.where} cannot be read: {error.found}"
            continue
        yield from map(str, beyond_tolerance(counts, plan.experiment.evaluation.max_failed_share))


# ---- the other policies ---------------------------------------------------------------------------------------

Lost = dict[str, str]  # checkpoints whose training failed, with the cause


def _compare_without_failed_trainings(plan: Plan, files: RunFiles) -> list[str]:
    """Make the partial comparisons, and say in a sentence each what they lack."""
    out = plan.experiment.daf.output_dir
    lost = {name: _lost(plan, name, files) for name in plan.experiment.comparisons}
    anywhere = {label: why for of_one in lost.values() for label, why in of_one.items()}
    sentences = []
    for name, own in lost.items():
        folder = out / "comparisons" / name
        # A page also waits for the analyses of its missions, on which the policies of other comparisons play.
        if files.lacks(folder / "report.html") and (missing := own or anywhere):
            policies = ", ".join(dict.fromkeys(plan.checkpoints.labelled(label).policy for label in missing))
            sentences.append(_sentence(name, policies, _compare(plan, name, own, files)))
    return sentences


def _lost(plan: Plan, comparison: str, files: RunFiles) -> Lost:
    lost: Lost = {}
    for label in dict.fromkeys(label for label, _ in plan.episodes.pairs(comparison)):
        for single in plan.checkpoints.labelled(label).singles():
            if single.training and (why := _why_failed(plan, files, single.training, single.seed)):
                lost.setdefault(label, why)
    return lost


def _compare(plan: Plan, name: str, lost: Lost, files: RunFiles) -> str:
    """Make the partial comparison; return where it is, or why there is none."""
    out = plan.experiment.daf.output_dir
    partial = out / "comparisons" / name / PARTIAL
    shutil.rmtree(partial, ignore_errors=True)
    paths: list[Path] = []
    for label, mission in plan.episodes.pairs(name):
        path = out / "evaluations" / label / mission / "episodes.parquet"
        if label in lost:
            path = partial / "evaluations" / label / mission / "episodes.parquet"
            recipes = [plan.episodes.recipe(label, mission, shard) for shard in plan.episodes.shards(mission)]
            write_lost_episodes(recipes, lost[label], path)
        elif not files.has(path):
            shutil.rmtree(partial, ignore_errors=True)
            return f"the other policies are not compared, since {path} has not been made, either"
        paths.append(path)
    try:
        compare_files(paths, plan.episodes.comparison(name), partial)
        page = render_report(partial, partial / "report.html", partial / "figures", title=plan.experiment.name)
    except DafError as error:
        return f"the other policies are not compared ({error.where}: expected {error.expected}, found {error.found})"
    return f"{page} compares the other policies"


def _sentence(comparison: str, policies: str, made: str) -> str:
    return (
        f"Comparison {comparison} is incomplete, since training of {policies} failed. Until it succeeds, {made}. "
        f"Correct the cause and run the same command again, which repeats only what is missing, or take {policies} out "
        "of the comparisons."
    )
