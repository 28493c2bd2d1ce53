"""The files of a training run, by name.

    model.safetensors, model.json, run.json, metrics.jsonl      what it publishes
    state/failed-run.json                                       run.json of a failed run: a workflow removes run.json
    state/{recipe}/                                             what it needs to resume, by recipe
    job.json, train.log, processes.log, environment.json        of a run started from Python

`daf.engine.model_files` defines the names of the model's two files.
"""

from __future__ import annotations

from pathlib import Path

from daf.config.recipes import TrainingRecipe
from daf.engine.model_files import DESCRIPTION, MODEL

__all__ = [
    "DESCRIPTION",
    "ENVIRONMENT",
    "FAILED_RUN",
    "JOB",
    "LOG",
    "METRICS",
    "MODEL",
    "OUTCOME",
    "PROCESSES_LOG",
    "RUN",
    "STATE",
    "failed_run_path",
    "outcome_path",
    "state_folder",
]

RUN = "run.json"
FAILED_RUN = "failed-run.json"
METRICS = "metrics.jsonl"
STATE = "state"
OUTCOME = "outcome.json"
JOB = "job.json"
LOG = "train.log"
PROCESSES_LOG = "processes.log"
ENVIRONMENT = "environment.json"


def state_folder(folder: Path, recipe: TrainingRecipe) -> Path:
    """The folder of a recipe's trainer state and growing metrics inside a run's folder."""
    return folder / STATE / recipe.digest[:16]


def outcome_path(folder: Path, recipe: TrainingRecipe) -> Path:
    """Where training processes record how it ended: by recipe, so that no other recipe's outcome is mistaken for it."""
    return state_folder(folder, recipe) / OUTCOME


def failed_run_path(folder: Path) -> Path:
    """The record of how the last start of a run failed; there is none if it did not fail, or was killed."""
    return folder / STATE / FAILED_RUN
