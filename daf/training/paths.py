"""Where a training keeps what it needs to go on: beside its outputs, filed under its recipe."""

from __future__ import annotations

from pathlib import Path

from daf.config.recipes import TrainingRecipe


def state_folder(folder: Path, recipe: TrainingRecipe) -> Path:
    """Where a recipe's trainer state lives in a training's folder."""
    return folder / "state" / recipe.digest[:16]


def outcome_path(folder: Path, recipe: TrainingRecipe) -> Path:
    """Where a training says how it ended; beside its state, so that no other recipe's outcome is mistaken for it."""
    return state_folder(folder, recipe) / "outcome.json"
