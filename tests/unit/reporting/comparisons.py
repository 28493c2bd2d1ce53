"""Small comparisons for the tests of their page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from daf.config import DAFComparisonConfig
from daf.statistics.comparison import compare_episodes
from daf.statistics.results import ComparisonResults

CAUSE = "AttributeError: 'NoneType' object has no attribute 'shape'"
Fails = Callable[[str, str, int], bool]


def never(policy: str, mission: str, episode: int) -> bool:
    return False


def on_hard_missions(policy: str, mission: str, episode: int) -> bool:
    """What fails for `mynet`, which completes only the mission `easy`."""
    return policy == "mynet" and mission != "easy"


def compared(
    means: Mapping[str, float],
    *,
    missions: Sequence[str] = ("m", "k"),
    n: int = 16,
    sd: float = 1.0,
    seeds: Sequence[int | None] = (None,),
    fails: Fails = never,
    **config: Any,
) -> ComparisonResults:
    """Policies with normally distributed scores around their means, on the same seeds of environments."""
    rng = np.random.default_rng(3)
    rows: list[dict[str, Any]] = []
    for policy, mean in means.items():
        for seed in seeds:
            shift = 0.0 if seed is None else rng.normal(0, sd / 3)
            for mission in missions:
                for episode, score in enumerate(rng.normal(mean + shift, sd, n)):
                    failed = fails(policy, mission, episode)
                    row = {"policy": policy, "mission": mission, "env_seed": episode, "episode": episode}
                    row |= {"mean_reward": None if failed else score, "failure": CAUSE if failed else None}
                    row |= {} if seed is None else {"checkpoint": f"{policy}-seed-{seed}", "train_seed": seed}
                    rows.append(row)
    settings = {"policies": list(means), "missions": list(missions), "num_resamples": 200}
    return compare_episodes(pd.DataFrame(rows), DAFComparisonConfig.from_dict(settings | config))
