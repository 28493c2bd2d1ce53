"""One training run as the workflow asks for it: the recipe, with a sweep's best hyperparameters if it names one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from daf.config.recipes import TrainingRecipe, with_hyperparameters
from daf.errors import EXIT_REQUEUE, DafError
from daf.logging_config import DAFLogger
from daf.system.files import read_json
from daf.training.launch import run_training


class TrainingDivergedError(DafError):
    """The training ended without a model; run.json says why, and the last good state is kept."""


class TrainingInterruptedError(DafError):
    """The training was told to stop and wrote a checkpoint."""

    exit_code = EXIT_REQUEUE


def train_run(
    recipe: dict[str, Any],
    folder: Path,
    *,
    best: Path | None,
    label: str,
    num_machines: int,
    task_per_process: bool,
    checkpoint_steps: int,
    max_restarts: int,
    trackers: list[str],
    device: str,
    logger: DAFLogger,
    log_file: Path,
) -> None:
    """Train and leave model.safetensors, model.json, run.json and metrics.jsonl in `folder`.

    Args:
        best: a sweep's best.json.
        task_per_process: see `run_training`.

    Raises:
        TrainingDivergedError, TrainingInterruptedError: there is no model.
    """
    whole = TrainingRecipe.model_validate(recipe)
    if best is not None:
        found = read_json(best)
        logger.info(f"{label}: hyperparameters of trial {found['trial']}, {found['hyperparameters']}")
        whole = with_hyperparameters(whole, found["hyperparameters"])
    outcome = run_training(
        whole,
        folder,
        label=label,
        num_machines=num_machines,
        task_per_process=task_per_process,
        checkpoint_steps=checkpoint_steps,
        max_restarts=max_restarts,
        trackers=trackers,
        device=device,
        log_file=log_file,
    )
    if outcome["status"] == "diverged":
        hint = "lower learning_rate or max_grad_norm; the state before is kept"
        raise TrainingDivergedError("finite losses and weights", outcome["reason"], label, hint)
    if outcome["status"] == "interrupted":
        raise TrainingInterruptedError(
            "a whole training", outcome["reason"], label, "run the same command again: it goes on from its checkpoint"
        )
