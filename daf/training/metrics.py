"""What a training says about itself while it runs: metrics.jsonl, and the same figures for trackers.

metrics.jsonl has one line per update. It grows beside the trainer's state and is cut back when a run resumes, so that
it never holds an update twice. Trackers are for people watching; what they show decides nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import psutil
import torch

from daf.distributed.process_group import Group
from daf.engine.vector import FinishedEpisode
from daf.episodes.objective import episode_objective
from daf.system.files import atomic_path

METRICS = "metrics.jsonl"
RECENT_EPISODES = 100


class Tracker(Protocol):
    """Something that draws metrics, shaped like a run of Weights & Biases and its likes."""

    def log(self, data: dict[str, float], step: int) -> Any: ...

    def finish(self) -> Any: ...


class MetricsFile:
    """The growing metrics.jsonl of one recipe; lines after `update` are dropped: a resumed run makes them again."""

    def __init__(self, path: Path, update: int) -> None:
        self._path = path
        kept = []
        for line in path.read_text().splitlines() if path.exists() else []:
            try:
                if json.loads(line)["update"] <= update:
                    kept.append(line)
            except (json.JSONDecodeError, KeyError):  # the line a crash cut off
                break
        with atomic_path(path) as temporary:
            temporary.write_text("".join(line + "\n" for line in kept))

    def append(self, line: dict[str, Any]) -> None:
        with self._path.open("a") as stream:
            stream.write(json.dumps(line, allow_nan=False) + "\n")


def numbers_of(line: dict[str, Any]) -> dict[str, float]:
    """The figures of a line that trackers can draw, nested ones with a slash in their name."""
    numbers: dict[str, float] = {}
    for name, value in line.items():
        if isinstance(value, dict):
            numbers |= {f"{name}/{key}": number for key, number in numbers_of(value).items()}
        elif isinstance(value, int | float) and not isinstance(value, bool):
            numbers[name] = float(value)
    return numbers


class RecentRewards:
    """Mean reward of the last finished episodes, for people watching."""

    def __init__(self, values: Sequence[float] = ()) -> None:
        self.values = list(values)

    def add(self, values: list[float]) -> None:
        self.values = [*self.values, *values][-RECENT_EPISODES:]

    @property
    def mean(self) -> float | None:
        return sum(self.values) / len(self.values) if self.values else None

    def shown(self) -> dict[str, float]:
        return {} if self.mean is None else {"reward": self.mean}


def episode_figures(
    group: Group, episodes: list[FinishedEpisode], objective_metric: str, recent: RecentRewards
) -> dict[str, Any]:
    """Means over the episodes that ended in this update, in any process; shaped reward and objective apart."""
    mine = [
        (
            episode.facts.mean_reward,
            episode.facts.length,
            episode.success,
            episode_objective(episode.facts, episode.success, objective_metric),
        )
        for episode in episodes
    ]
    everyone = [episode for share in group.gather(mine) for episode in share]
    recent.add([reward for reward, *_ in everyone])
    rewards, lengths, successes, objectives = zip(*everyone, strict=True) if everyone else ((), (), (), ())
    return {
        "episodes": len(everyone),
        "episode_reward": _mean(rewards),
        "episode_length": _mean(lengths),
        "success_rate": _mean(successes),
        "episode_objective": _mean(objectives),
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [float(value) for value in values if value is not None]
    return sum(known) / len(known) if known else None


def action_figures(group: Group, actions: torch.Tensor, names: Sequence[str]) -> dict[str, Any]:
    """How often each action was chosen, as shares by name: an action that is never tried shows."""
    counts = group.sum(torch.bincount(actions.flatten().cpu(), minlength=len(names)))
    shares = (counts / counts.sum()).tolist()
    return {"actions": dict(zip(names, shares, strict=True)), "action_coverage": float((counts > 0).sum()) / len(names)}


def memory_figures(device: torch.device) -> dict[str, float]:
    """Memory of this process in MiB, the GPU's at its highest since the start."""
    figures = {"memory_mb": psutil.Process().memory_info().rss / 2**20}
    if device.type == "cuda":
        figures["cuda_memory_mb"] = torch.cuda.max_memory_allocated(device) / 2**20
    return figures


def time_figures(seconds: dict[str, float], elapsed: float) -> dict[str, float]:
    """Shares of an update's time: in the environment, in forward passes while playing, in learning."""
    return {f"{what}_share": seconds.get(what, 0.0) / elapsed for what in ("environment", "forward", "learning")}
