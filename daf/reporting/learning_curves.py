"""Learning curves: reads and plots metrics.jsonl."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from daf.reporting import figures
from daf.training.metrics_file import read_metrics

__all__ = ["METRICS", "metric_curves", "read_metrics", "training_figures"]

METRICS = {
    "episode_reward": "Reward per episode",
    "learning_rate": "Learning rate",
    "policy_loss": "Policy loss",
    "value_loss": "Value loss",
    "entropy": "Entropy (nats)",
    "approx_kl": "Approximate KL divergence per update",
    "explained_variance": "Explained variance of the value function",
    "steps_per_second": "Agent-steps per second",
}


def metric_curves(runs: Mapping[str, Sequence[Mapping[str, Any]]], key: str) -> dict[str, list[tuple[float, float]]]:
    """(agent-steps, value) by label for one metric, without missing values."""
    return {
        label: [
            (float(line["agent_steps"]), float(line[key]))
            for line in lines
            if line.get(key) is not None and "agent_steps" in line
        ]
        for label, lines in runs.items()
    }


def training_figures(runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[dict[str, str]]:
    """A figure for each metric that any run has, reward first."""
    found = []
    for key, name in METRICS.items():
        curves = metric_curves(runs, key)
        if any(curves.values()):
            found.append({"key": key, "title": name, "svg": figures.curve_figure(curves, f"{name} over agent-steps")})
    return found
