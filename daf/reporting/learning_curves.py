"""Learning curves as charts: a metric over agent-steps, and held-out evaluations with the published checkpoints.

Several seeds of one policy are one line, their mean, with a band from the lowest to the highest seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from daf.charts.model import Axis, LineChart
from daf.reporting.chart_rows import note_on_points
from daf.statistics.sentences import number
from daf.training.metrics_file import read_metrics
from daf.training.outcome import read_run_record
from daf.training.paths import METRICS as METRICS_FILE

__all__ = ["METRICS", "TrainedRun", "charts_of_runs", "metric_chart", "metric_curves", "read_metrics", "read_runs"]

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
STEPS = Axis(title="agent-steps of training")
MOST_POINTS = 200
Curve = Sequence[tuple[float, float]]
Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class TrainedRun:
    """What one training run recorded.

    Attributes:
        series: the policy that it trained, or another name that shares a colour.
        name: of the run, such as seed-1.
        lines: of metrics.jsonl.
        evaluations: agent-steps and mean reward of its held-out evaluations.
        published: agent-steps of the published checkpoint, if evaluations chose it.
        objective: what they chose it by.
    """

    series: str
    name: str
    lines: Sequence[Mapping[str, Any]]
    evaluations: Curve = ()
    published: float | None = None
    objective: str = "mean_reward"


def read_runs(training_runs: Mapping[str, Sequence[str | Path]]) -> list[TrainedRun]:
    """The runs of policies.

    Args:
        training_runs: by policy, the run.json of each of its training runs, with metrics.jsonl next to it.

    Raises:
        BadInputError: a file is missing or damaged.
    """
    return [_read_run(policy, Path(path).parent) for policy, paths in training_runs.items() for path in paths]


def _read_run(policy: str, folder: Path) -> TrainedRun:
    record = read_run_record(folder)
    held_out = record.get("recipe", {}).get("held_out") or {}
    return TrainedRun(
        series=policy,
        name=folder.name,
        lines=read_metrics(folder / METRICS_FILE),
        evaluations=[
            (float(evaluation["agent_steps"]), float(evaluation["mean_reward"]))
            for evaluation in record.get("evaluations") or []
            if evaluation.get("mean_reward") is not None
        ],
        published=(record.get("published") or {}).get("agent_steps"),
        objective=str(held_out.get("objective_metric") or "mean_reward"),
    )


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


def charts_of_runs(runs: Sequence[TrainedRun], series: Sequence[str]) -> list[LineChart]:
    """Held-out evaluations and reward while training, then each other metric that any run has."""
    charts = [_held_out_chart(runs, series)] if any(run.evaluations for run in runs) else []
    for key in METRICS:
        if any(line.get(key) is not None for run in runs for line in run.lines):
            charts.append(metric_chart(runs, key, series))
    return charts


def metric_chart(runs: Sequence[TrainedRun], key: str, series: Sequence[str]) -> LineChart:
    """One metric of training runs over agent-steps."""
    curves = {name: list(metric_curves({run.name: run.lines for run in own}, key).values()) for name, own in
              _by_series(runs, series).items()}  # fmt: skip
    title = METRICS.get(key, key)
    rows = _rows(curves)
    note = _note_on_lines(curves, rows)
    if key == "episode_reward":
        note = "Measured while the policy still explores, so it ends elsewhere than its evaluation. " + note
    return LineChart(
        name=f"training-{key}",
        title=f"{title} while training" if key == "episode_reward" else title,
        description=_description(title, curves),
        series=tuple(series),
        rows=rows,
        note=note.strip(),
        x=STEPS,
        y=Axis(title="reward per agent" if key == "episode_reward" else title[:1].lower() + title[1:]),
        hover=("runs",),
    )


def _held_out_chart(runs: Sequence[TrainedRun], series: Sequence[str]) -> LineChart:
    """Held-out evaluations, with a ring at each published checkpoint."""
    curves = {name: [run.evaluations for run in own] for name, own in _by_series(runs, series).items()}
    rows, marks = _rows(curves), []
    for run in runs:
        reward = dict(run.evaluations).get(run.published) if run.published is not None else None
        if reward is not None:
            text = f"{run.name}: published at {run.published:,.0f}, reward {number(reward)}"
            marks.append({"series": run.series, "x": float(run.published or 0), "y": reward, "text": text})
    chosen = {run.objective for run in runs if run.published is not None} - {"mean_reward"}
    rings = f"Rings: the published checkpoints, chosen by {' and '.join(sorted(chosen)) or 'reward'}. " if marks else ""
    return LineChart(
        name="training-held_out",
        title="Held-out evaluations during training",
        description=_description("Reward in held-out evaluations", curves),
        series=tuple(series),
        rows=rows,
        note=(rings + _note_on_lines(curves, rows)).strip(),
        x=STEPS,
        y=Axis(title="reward per agent"),
        marks=marks,
        hover=("runs",),
    )


def _by_series(runs: Sequence[TrainedRun], series: Sequence[str]) -> dict[str, list[TrainedRun]]:
    grouped = {name: [run for run in runs if run.series == name] for name in series}
    return {name: own for name, own in grouped.items() if own}


def _rows(curves: Mapping[str, Sequence[Curve]]) -> list[Row]:
    return [
        {"line": name, "series": name} | point for name, own in curves.items() for point in mean_and_band(own)
    ]  # fmt: skip


def mean_and_band(curves: Sequence[Curve], most: int = MOST_POINTS) -> list[Row]:
    """Points x, y (the mean of the curves that reach x), low, high (of several: the lowest and the highest), runs.

    A single curve keeps its points, thinned to `most`; several are interpolated where they lie between two points.
    """
    known = [np.array([p for p in curve if np.isfinite(p).all()], dtype=float).reshape(-1, 2) for curve in curves]
    known = [curve[np.argsort(curve[:, 0], kind="stable")] for curve in known if len(curve)]
    if not known:
        return []
    grid = np.unique(np.concatenate([curve[:, 0] for curve in known]))
    if len(grid) > most:
        grid = grid[np.unique(np.linspace(0, len(grid) - 1, most).round().astype(int))]
    values = np.array([np.interp(grid, curve[:, 0], curve[:, 1], left=np.nan, right=np.nan) for curve in known])
    counts = np.isfinite(values).sum(axis=0)
    return [
        {
            "x": float(x),
            "y": float(np.nanmean(column)),
            "low": float(np.nanmin(column)) if count > 1 else None,
            "high": float(np.nanmax(column)) if count > 1 else None,
            "runs": int(count),
        }
        for x, column, count in zip(grid, values.T, counts, strict=True)
        if count
    ]


def _note_on_lines(curves: Mapping[str, Sequence[Curve]], rows: Sequence[Row]) -> str:
    several = any(sum(bool(curve) for curve in own) > 1 for own in curves.values())
    seeds = "Lines: means over training seeds. Bands: from the lowest to the highest seed. " if several else ""
    return (seeds + note_on_points(rows, "policy")).strip()


def _description(title: str, curves: Mapping[str, Sequence[Curve]]) -> str:
    ends = [
        f"{name} ends at {number(points[-1]['y'])} after {points[-1]['x']:,.0f} agent-steps"
        for name, own in curves.items()
        if (points := mean_and_band(own))
    ]
    return f"{title} over agent-steps of training: {'; '.join(ends)}."
