"""One seed of a training run in the workflow, with a sweep's best hyperparameters if the run names one.

Also the weights that it had after a share of its steps.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypedDict

from daf.config.earlier_checkpoints import share_text
from daf.config.recipes import TrainingRecipe, with_hyperparameters
from daf.distributed.failures import Cause, TrainingFailedError
from daf.engine.model_files import DESCRIPTION, MODEL, load_model_description, read_weights
from daf.errors import CheckpointError, DafError
from daf.logging_config import DAFLogger
from daf.system.files import write_bytes
from daf.system.readers import read_bytes
from daf.system.validated import read_record
from daf.training.earlier_weights import kept_folder
from daf.training.frozen_policies import prepare_partners
from daf.training.launch import TrainingInterruptedError, run_training
from daf.training.options import RunOptions
from daf.training.paths import STATE, failed_run_path, state_folder
from daf.training.start import prepare_start
from daf.training.teaching import prepare_teacher


class TrainingDivergedError(DafError):
    """Training ended without a model; run.json says why, and the last good state is kept."""


class BestTrial(TypedDict):
    """What training reads of a sweep's best.json."""

    trial: int
    hyperparameters: dict[str, bool | int | float | str | None]


@dataclass(frozen=True, kw_only=True)
class RunInputs:
    """The files of other jobs that a run needs.

    Attributes:
        best: a sweep's best.json.
        start: the weights that the recipe starts from.
        teacher: the weights of its teacher.
        partners: the weights of its partners that have some, in their order, each with its description or without.
    """

    best: Path | None = None
    start: str | Path | None = None
    teacher: str | Path | None = None
    partners: Sequence[str | Path] = ()

    @classmethod
    def of(cls, files: Any) -> Self:
        """From the inputs of a job of Snakemake, whose lists are empty where a run needs no file."""
        return cls(
            best=Path(files.best[0]) if files.best else None,
            start=files.start[0] if files.start else None,
            teacher=files.teacher[0] if files.teacher else None,
            partners=list(files.partners),
        )


def train_run(
    recipe: Mapping[str, Any], folder: Path, options: RunOptions, inputs: RunInputs, *, logger: DAFLogger
) -> None:
    """Train, and write model.safetensors, model.json, run.json and metrics.jsonl to `folder`.

    Args:
        recipe: a TrainingRecipe as plain data.

    Raises:
        TrainingDivergedError, TrainingFailedError, TrainingInterruptedError: there is no model.
        CheckpointError, PolicyError: it cannot start from these weights.
    """
    with _prepared(recipe, folder, options, inputs, logger) as (training, found):
        _train(training, folder, found)


def keep_weights(
    recipe: Mapping[str, Any], folder: Path, options: RunOptions, inputs: RunInputs, *, logger: DAFLogger
) -> None:
    """Publish the weights that a run had after the share of its steps that `options.keep` names.

    The arguments and errors are those of `train_run`: what the run has not kept is trained again.
    """
    with _prepared(recipe, folder, options, inputs, logger) as (training, found):
        _publish_earlier(training, folder, found, found.keep[0], logger)


@contextmanager
def _prepared(
    recipe: Mapping[str, Any], folder: Path, options: RunOptions, inputs: RunInputs, logger: DAFLogger
) -> Iterator[tuple[TrainingRecipe, RunOptions]]:
    """The recipe with everything that is known once its inputs exist, and the options with their places."""
    label = options.label
    training = TrainingRecipe.model_validate(recipe)
    if (best := inputs.best) is not None:
        trial = read_record(best, BestTrial, "the best trial of a sweep")
        logger.info(f"{label}: hyperparameters of trial {trial['trial']}, {trial['hyperparameters']}")
        training = with_hyperparameters(training, trial["hyperparameters"], source=f"{best}: hyperparameters")
    with _record_named(folder, label, logger):
        training, source = prepare_start(training, inputs.start)
        training, teacher_weights = prepare_teacher(training, inputs.teacher)
        training, partner_weights = prepare_partners(training, inputs.partners)
        found = {"start": source, "teacher_weights": teacher_weights, "partner_weights": partner_weights}
        yield training, options.model_copy(update=found)


@contextmanager
def _record_named(folder: Path, label: str, logger: DAFLogger) -> Iterator[None]:
    """Say where the record of a failure is, since run.json is removed with the other outputs of a failed job."""
    try:
        yield
    except Exception:
        record = failed_run_path(folder)
        if record.exists():
            logger.error(f"{label}: how it failed is recorded in {record}")
        raise


def _train(training: TrainingRecipe, folder: Path, options: RunOptions) -> None:
    """Train a recipe to the end, or as far as the options say.

    Raises:
        TrainingDivergedError, TrainingFailedError, TrainingInterruptedError: it did not get there.
    """
    label = options.label
    outcome = run_training(training, folder, options)
    if outcome.status == "diverged":
        hint = "lower learning_rate or max_grad_norm; the last good state is kept"
        raise TrainingDivergedError("finite losses and weights", str(outcome.reason), label, hint)
    if outcome.status == "failed":
        hint = "correct the policy and run again; the state is kept: with the same code only the evaluation is repeated"
        cause = outcome.cause or Cause.EVALUATIONS_FAILED
        raise TrainingFailedError("a held-out episode with a result", str(outcome.reason), label, hint, cause)
    if outcome.status == "interrupted":
        raise TrainingInterruptedError.of(label, outcome)


def _publish_earlier(
    recipe: TrainingRecipe, folder: Path, options: RunOptions, share: float, logger: DAFLogger
) -> None:
    """Publish the weights of a share of a run's steps below the run's folder; train them again if they were not kept.

    Raises:
        TrainingDivergedError, TrainingFailedError, TrainingInterruptedError: training again, it did not get there.
    """
    again = folder / STATE / f"again-{share_text(share)}"  # a separate run, which resumes if it is interrupted
    kept = [kept_folder(state_folder(place, recipe), share) for place in (folder, again)]
    found = next(filter(_is_complete, kept), None)
    if found is None:
        logger.info(f"{options.label}: these weights were not kept; training again up to {share:g} of the steps")
        only = {"keep": (share,), "only_keep": True, "trackers": ()}
        _train(recipe, again, options.model_copy(update=only))
        found = next(filter(_is_complete, kept), None)
    if found is None:
        hint = f"delete {again} and run the same command again"
        raise CheckpointError("the weights that were kept", "none, or damaged ones", str(kept[-1]), hint)
    target = kept_folder(folder, share)
    for name in (DESCRIPTION, MODEL):  # the weights come last: they mark it as complete
        write_bytes(target / name, read_bytes(found / name, "weights that were kept"))
    shutil.rmtree(again, ignore_errors=True)


def _is_complete(kept: Path) -> bool:
    """Whether weights and their description are there, and undamaged."""
    try:
        read_weights(kept / MODEL, load_model_description(kept / DESCRIPTION).weights_sha256)
    except CheckpointError:
        return False
    return True
