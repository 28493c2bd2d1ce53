"""Trained weights that a training starts from: found before it begins, and remembered as its lineage."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from daf.config.recipes import TrainingRecipe
from daf.engine.model_files import StartedFrom, description_path, load_model_description
from daf.errors import BadInputError, CheckpointError
from daf.system.files import file_sha256


class Start(BaseModel):
    """Trained weights to begin with.

    Attributes:
        weights: their file.
        lineage: what the trained model will say of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights: Path
    lineage: StartedFrom


def prepare_start(recipe: TrainingRecipe, weights: str | Path | None) -> tuple[TrainingRecipe, Start | None]:
    """The recipe with the digest of the weights that it starts from, and what the trainer needs of them.

    Args:
        weights: their file; unused if the recipe starts from random weights.

    Raises:
        CheckpointError: there is none, or its description is damaged.
    """
    start = recipe.start_from
    if start is None:
        return recipe, None
    if weights is None or not Path(weights).is_file():
        found = "none" if weights is None else "no such file"
        raise CheckpointError("weights to start from", found, str(weights or "start_from"), "train that run first")
    weights, path = Path(weights), description_path(Path(weights))
    model = load_model_description(path) if path.is_file() else None
    sha256 = start.weights_sha256 or (model.weights_sha256 if model else file_sha256(weights))
    earlier = model.started_from.total_agent_steps if model and model.started_from else 0
    lineage = StartedFrom(
        training=None if start.training is None else f"{start.training}/seed-{start.seed}",
        path=str(weights) if start.training is None else None,
        weights_sha256=sha256,
        mission=model.mission if model else None,
        agent_steps=model.agent_steps if model else None,
        total_agent_steps=None if model is None or earlier is None else model.agent_steps + earlier,
    )
    known = start.model_copy(update={"training": None, "seed": None, "weights_sha256": sha256})
    return recipe.model_copy(update={"start_from": known}), Start(weights=weights.absolute(), lineage=lineage)


def require_start(recipe: TrainingRecipe, start: Start | None) -> None:
    """Refuse to train with random weights what is to start from trained ones.

    Raises:
        BadInputError: the recipe starts from weights, and they are not given.
    """
    if recipe.start_from is not None and start is None:
        raise BadInputError("the weights that the recipe starts from", "none", "start_from")
