"""Comparisons that lack a training: what the other policies' episodes show, once a run has ended with an error.

Snakemake runs no job behind a failed one, so the comparison's own files are not made until the training succeeds. Its
tables and page are made beside them meanwhile, in `partial/`: every episode of a failed training is a failure with its
cause. The next run repeats the training, and the complete comparison replaces the partial one.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path

from daf.compare.files import PARTIAL, compare_files
from daf.errors import DafError
from daf.evaluation.shards import write_lost_episodes
from daf.reporting.comparison_page import render_report
from daf.training.outcome import read_failed_run
from daf.training.paths import MODEL, failed_run_path
from daf.workflow.checkpoint_plan import Checkpoint
from daf.workflow.plan import Plan


def compare_without_failed_trainings(plan: Plan, planned: Collection[str]) -> list[str]:
    """Make the partial comparisons of a run that failed, and say in a sentence each what is missing, and why.

    Args:
        planned: the files that the run was to make; other comparisons are left alone.
    """
    out = plan.experiment.daf.output_dir
    lost = {name: _lost(plan, name, out) for name in plan.experiment.comparisons}
    anywhere = {label: why for of_one in lost.values() for label, why in of_one.items()}
    sentences = []
    for name, own in lost.items():
        folder = out / "comparisons" / name
        page = folder / "report.html"
        # A page also waits for the analyses of its missions, on which the policies of other comparisons play.
        why = own or ({} if page.exists() else anywhere)
        if str(page) in planned and why:
            sentences.append(_sentence(plan, name, why, _compare(plan, name, own, folder)))
    return sentences


def _lost(plan: Plan, comparison: str, out: Path) -> dict[str, tuple[str, Path]]:
    """The checkpoints of a comparison whose training failed: why, and the record of it."""
    lost: dict[str, tuple[str, Path]] = {}
    for label in dict.fromkeys(label for label, _ in plan.episodes.pairs(comparison)):
        for single in plan.checkpoints.labelled(label).singles():
            folder = _training_folder(single, out)
            if folder is None or (folder / MODEL).exists():
                continue
            if (outcome := read_failed_run(folder)) is not None:
                why = f"training {single.training} with seed {single.seed} {outcome.status}: {outcome.reason}"
                lost.setdefault(label, (why, failed_run_path(folder)))
    return lost


def _training_folder(checkpoint: Checkpoint, out: Path) -> Path | None:
    if checkpoint.training is None:
        return None
    return out / "training" / checkpoint.training / f"seed-{checkpoint.seed}"


def _compare(plan: Plan, name: str, lost: dict[str, tuple[str, Path]], folder: Path) -> str:
    """Make the partial comparison; return where it is, or why there is none."""
    out, partial = plan.experiment.daf.output_dir, folder / PARTIAL
    shutil.rmtree(partial, ignore_errors=True)
    paths: list[Path] = []
    for label, mission in plan.episodes.pairs(name):
        path = out / "evaluations" / label / mission / "episodes.parquet"
        if label in lost:
            path = partial / "evaluations" / label / mission / "episodes.parquet"
            recipes = [plan.episodes.recipe(label, mission, shard) for shard in plan.episodes.shards(mission)]
            write_lost_episodes(recipes, lost[label][0], path)
        elif not path.exists():
            shutil.rmtree(partial, ignore_errors=True)
            return f"the other policies are not compared, since {path} is missing, too"
        paths.append(path)
    try:
        compare_files(paths, plan.episodes.comparison(name), partial)
        page = render_report(partial, partial / "report.html", partial / "figures", title=plan.experiment.name)
    except DafError as error:
        return f"the other policies are not compared ({error.where}: expected {error.expected}, found {error.found})"
    return f"{page} compares the other policies"


def _sentence(plan: Plan, name: str, lost: dict[str, tuple[str, Path]], made: str) -> str:
    whys = "; ".join(f"{why} ({record})" for why, record in dict.fromkeys(lost.values()))
    policies = ", ".join(dict.fromkeys(plan.checkpoints.labelled(label).policy for label in lost))
    return (
        f"Comparison {name} is incomplete, because {whys}. Until then {made}. Correct the cause and run the same "
        f"command again, which repeats only what is missing, or take {policies} out of the comparisons."
    )
