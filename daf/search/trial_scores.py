"""The score of a trial: on one mission or several, of one training seed or several."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daf.config.recipes import MissionRecipe, TrainingRecipe, TrialRecipe
from daf.logging_config import DAFLogger, FailureLog
from daf.search.strategy import stream_seed
from daf.system.failure_report import FailureReport

SUMS = ("agent_steps", "training_seconds", "episodes", "failed_episodes")  # over the seeds and missions of a trial


@dataclass(frozen=True, kw_only=True)
class SeedRun:
    """What one training seed of a trial gave.

    Attributes:
        facts: for the result.
        curve: its metrics.jsonl.
        resumed_seconds: of training and scoring, over all starts.
    """

    training: TrainingRecipe
    facts: dict[str, Any]
    curve: bytes
    resumed_seconds: float


def further_seeds(first: int, count: int) -> list[int]:
    """The training seeds of a trial that has `count` of them, after the first."""
    return [stream_seed(first, number, "further training seeds") for number in range(1, count)]


def combined(runs: Sequence[SeedRun], recipe: TrialRecipe) -> dict[str, Any]:
    """What the result says of all training seeds. If the last of them failed, so did the trial."""
    facts = dict(runs[0].facts)
    scores = [score for run in runs for score in run.facts.get("scores", [])]
    facts.pop("scores", None)
    for run in runs[1:]:
        facts |= added(facts, run.facts)
    if (last := runs[-1].facts).get("status") != "completed":
        reason = last.get("reason")
        of_seed = f"training seed {runs[-1].training.seed}: " if recipe.seeds > 1 else ""
        return {
            **facts,
            "status": "failed",
            "objective": None,
            "reason": f"{of_seed}{reason}",
            "failure": last["failure"],
        }
    if len(scores) > 1:
        facts |= {"objective": combined_objective(scores, recipe), "scores": scores}
    return facts


def combined_objective(scores: Sequence[Mapping[str, Any]], recipe: TrialRecipe) -> float:
    """The mean of all scores, each mission and seed with the same weight, or the worst of them."""
    objectives = [float(score["objective"]) for score in scores]
    if recipe.objective == "worst":
        return min(objectives) if recipe.optimize_direction == "maximize" else max(objectives)
    return math.fsum(objectives) / len(objectives)


def added(facts: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Counts and times of several seeds or missions together; a spread over episodes is known of a single one only."""
    total = {name: facts.get(name, 0) + more[name] for name in SUMS if name in more}
    spread = None if "objective_sd" in facts else more.get("objective_sd")
    return total | ({"objective_sd": spread} if "objective_sd" in more else {})


def score_on(
    mission: MissionRecipe, weights: Path, recipe: TrialRecipe, label: str, device: str, logger: DAFLogger
) -> tuple[float | None, dict[str, Any], FailureReport | None]:
    """The mean objective of the evaluation episodes (None if undefined), numbers for the result, and why the first
    episode that failed did so."""
    from daf.config import PolicyConfig
    from daf.engine.evaluation import EvaluationOptions, evaluate_policy
    from daf.engine.missions import resolve_mission
    from daf.system.devices import resolve_device

    title = f"{label} evaluation"
    progress, failures = logger.progress(title, recipe.episodes, "episodes"), FailureLog(logger, title)
    progress.update(0)  # the speed counts from here, not from the first finished episode
    episodes = evaluate_policy(
        PolicyConfig(data_path=weights),
        resolve_mission(mission.config, mission.name),
        episodes=recipe.episodes,
        seed=recipe.evaluation_seed,
        device=resolve_device(device),
        options=EvaluationOptions(
            max_action_time_ms=recipe.max_action_time_ms,
            objective_metric=recipe.objective_metric,
            on_failure=failures.add,
        ),
        on_progress=progress.update,
    )
    values = episodes["objective"].dropna()
    figures = {
        "episodes": len(values),
        "failed_episodes": int(episodes["failure"].notna().sum()),
        "objective_sd": float(values.std()) if len(values) > 1 else None,
    }
    return (float(values.mean()) if len(values) else None), figures, failures.first
