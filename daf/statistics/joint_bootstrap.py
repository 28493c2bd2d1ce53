"""Bootstrap of units that are drawn once for all missions, such as training seeds that play all of them.

The counts are the same on every mission, so the missions' tables of wins are added up before they are multiplied: a
pair then costs the same on one mission and on fifty.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from daf.statistics.intervals import Array, resolution_of
from daf.statistics.resampled_counts import BLOCK, Counts, PooledStatistic, Scores, draw_counts

VALUES = 1_000_000  # held at once


def joint_counts(policy: Scores, num_resamples: int, rng: np.random.Generator) -> Counts:
    """How often each unit was drawn, once for all missions: (units, num_resamples), from the stream of `draw_counts`.

    Raises:
        ValueError: missions of different sizes.
    """
    sizes = [min(BLOCK, num_resamples - start) for start in range(0, num_resamples, BLOCK)]
    units = list({part.size for part in policy})  # one size, else they are refused
    return np.ascontiguousarray(np.vstack([draw_counts(units, size, rng, joint=True) for size in sizes]).T)


def joint_replicates(name: str, scores: Sequence[Scores], counts: Sequence[Counts], target: float = 1.0) -> Array:
    """Replicates of a pooled statistic by policy, from `joint_counts`."""
    found = np.empty((len(scores), counts[0].shape[1] if counts else 0))
    for policy, (own, drawn) in enumerate(zip(scores, counts, strict=True)):
        if name == "median":  # of missions' means
            means = (drawn.T.astype(np.float64) @ np.array(own).T) / own[0].size
            found[policy] = np.median(means, axis=1)
            continue
        statistic = PooledStatistic(name, own, target)
        step = max(1, VALUES // statistic.values.size)
        for start in range(0, drawn.shape[1], step):
            rows = slice(start, start + step)
            found[policy, rows] = statistic.replicates(np.tile(drawn[:, rows].T, (1, len(own))))
    return found


def joint_improvement(
    scores: Sequence[Scores], counts: Sequence[Counts], pairs: Sequence[tuple[int, int]]
) -> Iterator[tuple[list[int], Array]]:
    """Replicates of P(improvement) of pairs whose units are drawn once for all missions: (indices, (pairs, resamples)).

    The counts are then the same on every mission, so the missions' tables of wins are added up first.

    Args:
        counts: by policy how often each unit was drawn: (units, resamples).
    """
    tables = [np.array(policy) for policy in scores]
    limits = [np.array([resolution_of(units) for units in policy]) for policy in scores]
    groups: dict[tuple[int, int], list[int]] = {}
    for index, (x, y) in enumerate(pairs):
        groups.setdefault((x, tables[y].shape[1]), []).append(index)
    for (x, size), members in groups.items():
        missions, own = tables[x].shape
        exact = missions * own * size < 2**22  # sums of fewer halves are exact in float32
        drawn = counts[x] if exact else counts[x].astype(np.float64)
        step = max(1, VALUES // (size * drawn.shape[1]))
        for start in range(0, len(members), step):
            indices = members[start : start + step]
            others = [pairs[index][1] for index in indices]
            gaps = tables[x][None, :, :, None] - np.array([tables[y] for y in others])[:, :, None, :]
            ties = np.maximum(limits[x], [limits[y] for y in others])[:, :, None, None]
            won = ((gaps > ties).sum(axis=1) + (gaps >= -ties).sum(axis=1)) / 2  # (pairs, own, size)
            sums = np.swapaxes(won, 1, 2).reshape(-1, own).astype(drawn.dtype) @ drawn
            sums = sums.reshape(len(indices), size, -1)
            for place, y in enumerate(others):
                sums[place] *= counts[y]
            yield indices, sums.sum(axis=1).astype(np.float64) / (own * size) / missions
