"""Episodes in the JSON layout of marl-eval, for its plots (Gorsane et al. 2022)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

ENVIRONMENT = "cogames"


def marl_eval_layout(episodes: pd.DataFrame) -> dict[str, Any]:
    """environment → task → algorithm → run → step → metric → one value per evaluation episode.

    One run per checkpoint, `run_1`, `run_2`, … in the order of their names. The episodes of the single evaluation are
    under both `step_1` (with `step_count` 0, since the table does not contain the number of training steps) and
    `absolute_metrics`. Metrics: `return`, and `success` if the mission declares it. Failed episodes are omitted.
    marl-eval requires lower-case names of tasks, and the same number of runs for every algorithm.
    """
    layout: dict[str, Any] = {}
    played = episodes[episodes["mean_reward"].notna()]
    for (mission, policy), rows in played.groupby(["mission", "policy"], sort=False):
        runs = {}
        for number, (_, part) in enumerate(rows.groupby("checkpoint", sort=False), start=1):
            metrics = {"return": [float(value) for value in part["mean_reward"]]}
            if part["success"].notna().all():
                metrics["success"] = [float(value) for value in part["success"]]
            runs[f"run_{number}"] = {"step_1": {"step_count": 0, **metrics}, "absolute_metrics": metrics}
        layout.setdefault(str(mission).lower(), {})[str(policy)] = runs
    return {ENVIRONMENT: layout}
