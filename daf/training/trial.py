"""One trial of a sweep: train with the proposed hyperparameters, score on the sweep's evaluation episodes.

A diverged or impossible trial is a result with status `failed`, not an error: the study goes on and learns from it.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

from daf.errors import BadInputError, DafError
from daf.files import write_json
from daf.logging_config import DAFLogger
from daf.provenance import provenance
from daf.recipes import TrainingRecipe, with_hyperparameters


class TrialInterruptedError(DafError):
    """The trial was told to stop and wrote a checkpoint; running it again goes on from there."""

    exit_code = 75


def run_trial(
    proposal: dict[str, Any],
    settings: dict[str, Any],
    folder: Path,
    *,
    label: str,
    device: str,
    max_action_time_ms: int,
    logger: DAFLogger,
    log_file: Path | None = None,
) -> dict[str, Any]:
    """Run a trial in `folder` and write result.json and curve.jsonl.

    Args:
        proposal: content of proposal.json.
        settings: `training` (a recipe), `episodes`, `evaluation_seed`, `objective_metric`.

    Raises:
        TrialInterruptedError: after SIGTERM or SIGUSR1.
        DafError: a failure that is not the hyperparameters' fault.
    """
    from daf.engine.model_files import MODEL
    from daf.training.launch import run_training

    began = time.perf_counter()
    base = TrainingRecipe.model_validate(settings["training"])
    result: dict[str, Any] = {
        "trial": proposal["trial"],
        "seed": proposal["seed"],
        "hyperparameters": proposal["hyperparameters"],
        "status": "failed",
        "reason": None,
        "objective": None,
        "objective_metric": settings["objective_metric"],
        "agent_steps": 0,
    }
    curve = folder / "curve.jsonl"
    state = folder / "state"
    recipe = base.model_copy(update={"seed": proposal["seed"]})
    try:
        recipe = with_hyperparameters(recipe, proposal["hyperparameters"])
        outcome = run_training(recipe, state, label=label, device=device, log_file=log_file)
    except BadInputError as error:
        result["reason"] = str(error)
        curve.parent.mkdir(parents=True, exist_ok=True)
        curve.touch()
    else:
        if outcome["status"] == "interrupted":
            raise TrialInterruptedError("a whole trial", outcome["reason"], label, "run it again: it goes on from here")
        shutil.copyfile(state / "metrics.jsonl", curve)
        result |= {"agent_steps": outcome["agent_steps"], "training_seconds": outcome["seconds"]}
        if outcome["status"] == "completed":
            score, figures = _score(recipe, settings, state / MODEL, label, device, max_action_time_ms, logger)
            result |= figures
            if score is None:
                result["reason"] = f"no episode has a {settings['objective_metric']}"
            else:
                result |= {"status": "completed", "objective": score}
        else:
            result["reason"] = f"{outcome['status']}: {outcome['reason']}"
    result["seconds"] = time.perf_counter() - began
    result["provenance"] = provenance(
        recipe.to_dict(), {"training": recipe.seed, "evaluation": settings["evaluation_seed"]}
    )
    write_json(folder / "result.json", result)
    logger.info(f"{label}: {result['status']}, {settings['objective_metric']} {_shown(result['objective'])}")
    return result


def _shown(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"


def _score(
    recipe: TrainingRecipe,
    settings: dict[str, Any],
    weights: Path,
    label: str,
    device: str,
    max_action_time_ms: int,
    logger: DAFLogger,
) -> tuple[float | None, dict[str, Any]]:
    """The objective over the evaluation episodes (None if undefined), and figures for the result."""
    from daf.config import PolicyConfig
    from daf.devices import resolve_device
    from daf.engine.evaluation import evaluate_policy
    from daf.engine.missions import resolve_mission
    from daf.objective import episode_objectives

    progress = logger.progress(f"{label} evaluation", settings["episodes"], "episodes")
    episodes = evaluate_policy(
        PolicyConfig(data_path=weights),
        resolve_mission(recipe.mission.config, recipe.mission.name),
        episodes=settings["episodes"],
        seed=settings["evaluation_seed"],
        device=resolve_device(device),
        max_action_time_ms=max_action_time_ms,
        on_progress=progress.update,
    )
    values = episode_objectives(episodes, settings["objective_metric"]).dropna()
    figures = {"episodes": len(values), "objective_sd": float(values.std()) if len(values) > 1 else None}
    return (float(values.mean()) if len(values) else None), figures
