"""The points of a comparison's charts of means: single episodes, and means of training seeds, with their seeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from daf.charts.model import Row
from daf.statistics.results import ComparisonResults

MAX_POINTS = 300


class ScorePoints:
    """The points of all missions."""

    def __init__(self, results: ComparisonResults) -> None:
        self.episodes = results.episode_scores()
        self._runs = results.seed_means()
        frame = results.episodes
        self._env_seeds: dict[tuple[str, str], list[int]] = {}
        if "table" not in results.provenance:  # a table of scores numbers its episodes, without their seeds
            for (mission, policy), part in frame.dropna(subset=["mean_reward"]).groupby(["mission", "policy"]):
                self._env_seeds[str(mission), str(policy)] = part["env_seed"].tolist()
        trained = frame.dropna(subset=["train_seed"]).drop_duplicates(["policy", "checkpoint"])
        columns = (trained[name] for name in ("policy", "checkpoint", "train_seed"))
        self._train_seeds = {(policy, checkpoint): int(seed) for policy, checkpoint, seed in zip(*columns, strict=True)}

    def on(self, place: str) -> Iterator[Row]:
        """Single episodes, and means of training seeds if there are several; evenly thinned."""
        for policy, values in self.episodes.get(place, {}).items():
            yield from _thinned(policy, "episode", values, self._env_seeds.get((place, policy)))
        for policy, means in self._runs.get(place, {}).items():
            if len(means) > 1:
                seeds = [self._train_seeds[policy, checkpoint] for checkpoint in means.index]
                yield from _thinned(policy, "training seed", means.tolist(), seeds)


def _thinned(policy: str, kind: str, values: list[float], seeds: list[int] | None) -> Iterator[Row]:
    step = -(-len(values) // MAX_POINTS)
    for index in range(0, len(values), step):
        known: Mapping[str, int] = {} if seeds is None else {"seed": seeds[index]}
        yield {"label": policy, "series": policy, "value": values[index], "kind": kind, **known}
