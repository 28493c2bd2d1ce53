"""Learning curves: metrics.jsonl read and drawn."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from daf.errors import BadInputError
from daf.reporting import figures

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


def read_metrics(path: str | Path) -> list[dict[str, Any]]:
    """The lines of a metrics.jsonl, without a last line cut short by a crash.

    Raises:
        BadInputError: no such file, or a damaged line before the last.
    """
    path = Path(path)
    if not path.is_file():
        raise BadInputError("a metrics.jsonl", "no such file", str(path))
    lines = [line for line in path.read_text().splitlines() if line.strip()]
    records = []
    for index, line in enumerate(lines):
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError as error:
            if index < len(lines) - 1:
                raise BadInputError("one JSON object per line", error.msg, f"{path}: line {index + 1}") from error
    return records


def metric_curves(runs: Mapping[str, Sequence[Mapping[str, Any]]], key: str) -> dict[str, list[tuple[float, float]]]:
    """(agent-steps, value) by label for one metric, without missing values."""
    return {
        label: [(float(line["agent_steps"]), float(line[key])) for line in lines if line.get(key) is not None]
        for label, lines in runs.items()
    }


def training_figures(runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[dict[str, str]]:
    """A figure for every metric that any run has, the reward first."""
    drawn = []
    for key, name in METRICS.items():
        curves = metric_curves(runs, key)
        if any(curves.values()):
            drawn.append({"key": key, "title": name, "svg": figures.curve_figure(curves, f"{name} over agent-steps")})
    return drawn
