"""The metrics of an update, for metrics.jsonl (`daf.training.metrics_file`) and for trackers.

Trackers are for human observers; nothing depends on what they show.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import psutil
import torch

from daf.distributed.process_group import Group
from daf.engine.stepping import FinishedEpisode
from daf.episodes.objective import episode_objective
from daf.training.curriculum import Curriculum, Played

RECENT_EPISODES = 100


class Tracker(Protocol):
    """Something that plots metrics, with the interface of a Weights & Biases run."""

    def log(self, data: dict[str, float], step: int) -> Any: ...

    def finish(self) -> Any: ...


def numbers_of(figures: dict[str, Any]) -> dict[str, float]:
    """The metrics that trackers can plot; nested ones have a slash in their name."""
    numbers: dict[str, float] = {}
    for name, value in figures.items():
        if isinstance(value, dict):
            numbers |= {f"{name}/{key}": number for key, number in numbers_of(value).items()}
        elif isinstance(value, int | float) and not isinstance(value, bool):
            numbers[name] = float(value)
    return numbers


class RecentRewards:
    """Mean reward of the last finished episodes, for human observers."""

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
    group: Group,
    episodes: list[FinishedEpisode],
    objective_metric: str,
    recent: RecentRewards,
    curriculum: Curriculum | None = None,
) -> dict[str, Any]:
    """Means over the episodes that ended in this update, in any process; shaped reward and objective are separate.

    A curriculum takes note of them, and adds means by mission.
    """
    mine = [
        (
            episode.facts.mean_reward,
            episode.facts.length,
            episode.success,
            episode_objective(episode.facts, episode.success, objective_metric),
            episode.mission,
        )
        for episode in episodes
    ]
    everyone = [episode for share in group.gather(mine) for episode in share]
    recent.add([reward for reward, *_ in everyone])
    rewards, lengths, successes, objectives, missions = zip(*everyone, strict=True) if everyone else ((),) * 5
    played = [Played(*one) for one in zip(missions, rewards, successes, objectives, strict=True)]
    return {
        "episodes": len(everyone),
        "episode_reward": _mean(rewards),
        "episode_length": _mean(lengths),
        "success_rate": _mean(successes),
        "episode_objective": _mean(objectives),
        **({} if curriculum is None else curriculum.observe(played)),
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [float(value) for value in values if value is not None]
    return sum(known) / len(known) if known else None


def partner_figures(group: Group, learns: torch.Tensor | None, episodes: list[FinishedEpisode]) -> dict[str, Any]:
    """With partners: the share of agent-steps that they played, and the reward of the network's seats in the episodes
    that ended in this update, in any process.

    Args:
        learns: whose actions the network's are, bool; None: there are no partners.
    """
    if learns is None:
        return {}
    shares, rewards = zip(
        *group.gather((1 - float(learns.double().mean()), [episode.learner_reward for episode in episodes])),
        strict=True,
    )
    everyone = [reward for of_process in rewards for reward in of_process]
    return {"partner_share": sum(shares) / len(shares), "learner_reward": _mean(everyone)}


def action_figures(
    group: Group, actions: torch.Tensor, names: Sequence[str], learns: torch.Tensor | None = None
) -> dict[str, Any]:
    """The share of each action by name, and the share of actions that were ever chosen.

    Args:
        learns: whose actions the network's are, bool; None: all.
    """
    chosen = actions.cpu()
    counts = group.sum(torch.bincount(chosen.flatten() if learns is None else chosen[learns], minlength=len(names)))
    shares = (counts / counts.sum()).tolist()
    return {"actions": dict(zip(names, shares, strict=True)), "action_coverage": float((counts > 0).sum()) / len(names)}


def memory_figures(device: torch.device) -> dict[str, float]:
    """Memory of this process in MiB; for the GPU, the peak since the start."""
    figures = {"memory_mb": psutil.Process().memory_info().rss / 2**20}
    if device.type == "cuda":
        figures["cuda_memory_mb"] = torch.cuda.max_memory_allocated(device) / 2**20
    return figures


def time_figures(seconds: dict[str, float], elapsed: float) -> dict[str, float]:
    """Shares of an update's time: in the environment, in forward passes while playing, in learning."""
    return {f"{phase}_share": seconds.get(phase, 0.0) / elapsed for phase in ("environment", "forward", "learning")}
