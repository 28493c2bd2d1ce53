"""The files of a training, by name.

    model.safetensors, model.json, run.json, metrics.jsonl      what it publishes
    state/{recipe}/                                             what it needs to resume, filed under its recipe
    job.json, train.log, processes.log, environment.json        of a training that Python code started

The names of the model's two files belong to their format, `daf.engine.model_files`.
"""

from __future__ import annotations

from pathlib import Path

from daf.config.recipes import TrainingRecipe
from daf.engine.model_files import DESCRIPTION, MODEL

__all__ = [
    "DESCRIPTION",
    "ENVIRONMENT",
    "JOB",
    "LOG",
    "METRICS",
    "MODEL",
    "OUTCOME",
    "PROCESSES_LOG",
    "RUN",
    "STATE",
    "outcome_path",
    "state_folder",
]

RUN = "run.json"
METRICS = "metrics.jsonl"
STATE = "state"
OUTCOME = "outcome.json"
JOB = "job.json"
LOG = "train.log"
PROCESSES_LOG = "processes.log"
ENVIRONMENT = "environment.json"


def state_folder(folder: Path, recipe: TrainingRecipe) -> Path:
    """Where a recipe's trainer state and its growing metrics live in a training's folder."""
    return folder / STATE / recipe.digest[:16]


def outcome_path(folder: Path, recipe: TrainingRecipe) -> Path:
    """Where the processes of a training record how it ended. It is filed under the recipe, so that no other recipe's
    outcome is mistaken for it."""
    return state_folder(folder, recipe) / OUTCOME
