"""Results of sweeps made up for tests, as the workflow records them: trials of every kind, in any number."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from daf.config import DAFSweepConfig
from daf.search.files import sweep_results
from daf.search.results import SweepResults, TrialResult, finalists_of, objective_of
from daf.search.space import Space, build_space

SPACE: dict[str, Any] = {
    "learning_rate": {"type": "float", "low": 1e-4, "high": 1e-1, "log": True},
    "entropy_coef": {"type": "float", "low": 0.0, "high": 0.05},
    "minibatch_size": [512, 1024, 2048, 4096],
    "init_kwargs.memory": ["lstm", "none", "<gru>"],
    "init_kwargs.width": {"type": "int", "low": 16, "high": 512, "log": True, "when": {"init_kwargs.memory": "lstm"}},
}
UPDATE = 4_096  # agent-steps
CHECKS = 4


def sweep_config(**changes: Any) -> DAFSweepConfig:
    settings = {
        "name": "miner",
        "mission": "tutorial.miner",
        "search_space": SPACE,
        "num_trials": 40,
        "steps_per_trial": 80_000,
        "early_stopping": {"num_checks": CHECKS},
    }
    return DAFSweepConfig.from_dict({**settings, **changes})


def made_up_sweep(num_trials: int, *, seed: int = 0, **changes: Any) -> SweepResults:
    """A finished sweep: most trials completed, some pruned, failed for two reasons, or skipped at the end."""
    config = sweep_config(num_trials=num_trials, **changes)
    space, rng = build_space(config, any_name=True), np.random.default_rng(seed)
    trials = [TrialResult.from_dict(record(config, space, trial, rng)) for trial in range(num_trials)]
    searched = sweep_results(config, trials)
    confirmations = [
        TrialResult.from_dict(
            {
                **finalist.to_dict(),
                "objective": objective_of(finalist) - 0.6 + 0.4 * rank,
                "seed": index,
                "seconds": 20.0,
            }
        )
        for rank, finalist in enumerate(finalists_of(searched))
        for index in range(config.confirmation_seeds)
    ]
    return sweep_results(config, trials, confirmations)


def record(config: DAFSweepConfig, space: Space, trial: int, rng: np.random.Generator) -> dict[str, Any]:
    """The content of a result.json."""
    point = space.from_unit(rng.random(len(space.free)))
    full = math.ceil(config.steps_per_trial / UPDATE) * UPDATE
    rate = float(point.get("learning_rate", 1e-3))  # type: ignore[arg-type]
    height = 5.0 - (math.log10(rate) + 2.5) ** 2 - (0.8 if point.get("init_kwargs.memory") == "none" else 0.0)
    curve = [round(height * (check + 1) / CHECKS + 0.4 * rng.standard_normal(), 4) for check in range(CHECKS)]
    base: dict[str, Any] = {
        "trial": trial,
        "seed": 1_000 + trial,
        "hyperparameters": point,
        "rung": 0,
        "recipe_digest": "0" * 64,
        "objective_metric": config.objective_metric,
        "reason": None,
        "failure": None,
    }
    kind = rng.random()
    if trial >= 8 and trial >= config.num_trials - config.num_trials // 50:
        reason = "the budget is spent: max_total_seconds is 90000"
        return {**base, "status": "skipped", "objective": None, "reason": reason, "seconds": 0.0, "agent_steps": 0}
    if kind < 0.06 and trial > 3:
        reason = "diverged: the loss is NaN" if kind < 0.04 else "twice: CUDA out of memory <in> & of policy.py"
        failure = None if kind < 0.04 else reason
        steps = UPDATE * int(rng.integers(1, 10))
        seconds = steps / 6_000
        return {
            **base,
            "status": "failed",
            "objective": None,
            "reason": reason,
            "failure": failure,
            "seconds": seconds,
            "agent_steps": steps,
            "learning_curve": _training(steps, height, rng),
        }
    checks = CHECKS
    if kind < 0.3 and trial > 3 and config.early_stopping is not None:
        checks = 1 + int(rng.integers(CHECKS - 1))
    steps = full if checks == CHECKS else math.ceil(config.steps_per_trial * checks / CHECKS / UPDATE) * UPDATE
    stopped = f"check {checks}: {curve[checks - 1]:.6g} is worse than the median of earlier trials, 2.5"
    return {
        **base,
        "status": "completed",
        "objective": curve[checks - 1],
        "objective_sd": round(abs(0.8 + 0.2 * rng.standard_normal()), 4),
        "episodes": config.episodes_per_trial,
        "failed_episodes": 0,
        "seconds": float(steps / 6_000 * (1 + 0.2 * rng.random())),
        "agent_steps": steps,
        "learning_curve": _training(steps, height, rng),
        **(
            {"curve": curve[:checks], "stopped_early": stopped if checks < CHECKS else None}
            if config.early_stopping
            else {}
        ),
    }


def _training(steps: int, height: float, rng: np.random.Generator) -> list[list[float]]:
    points = range(UPDATE, steps + 1, UPDATE)
    return [[step, round(height * step / 80_000 + 0.1 * rng.standard_normal(), 4)] for step in points]
