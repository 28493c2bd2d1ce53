"""Bootstrap of units that are drawn once for all missions, such as training seeds that play all of them.

The counts are the same on every mission, so the missions' tables of wins are added up before they are multiplied: a
pair then costs the same on one mission and on fifty.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from daf.statistics.intervals import Array, resolution_of
from daf.statistics.resampled_counts import BLOCK, MEANS, Counts, PooledStatistic, Scores, unit_counts

VALUES = 1_000_000  # held at once
MOST_KINDS = 200_000  # of count vectors, among which the different ones are searched for


def joint_counts(policy: Scores, num_resamples: int, rng: np.random.Generator) -> Counts:
    """How often each unit was drawn, once for all missions: (units, num_resamples), from the stream of `draw_counts`.

    Raises:
        ValueError: missions of different sizes.
    """
    units = policy[0].size
    if any(part.size != units for part in policy):
        raise ValueError("units can only be drawn jointly when every mission has the same ones")
    counts = np.empty((units, num_resamples), np.float32)
    for start in range(0, num_resamples, BLOCK):
        part = slice(start, min(start + BLOCK, num_resamples))
        counts[:, part] = unit_counts(units, part.stop - start, rng).T
    return counts


def joint_replicates(name: str, scores: Sequence[Scores], counts: Sequence[Counts], target: float = 1.0) -> Array:
    """Replicates of a pooled statistic by policy, from `joint_counts`."""
    found = np.empty((len(scores), counts[0].shape[1] if counts else 0))
    for policy, (own, drawn) in enumerate(zip(scores, counts, strict=True)):
        distinct, places = _distinct(drawn)
        found[policy] = _joint_replicates(name, own, distinct, target)[places]
    return found


def _distinct(counts: Counts) -> tuple[Counts, NDArray[np.intp] | slice]:
    """The different columns of counts, and which of them each column is: 5 units have at most 126 of 10,000."""
    units, resamples = counts.shape
    kinds = (units + 1) ** units
    if kinds > MOST_KINDS:
        return counts, slice(None)
    codes = (((units + 1.0) ** np.arange(units)).astype(np.float32) @ counts).astype(np.intp)  # exact: below 2^24
    last = np.full(kinds, -1)
    last[codes] = np.arange(resamples)
    chosen = last[last >= 0]
    numbers = np.cumsum(last >= 0) - 1
    return counts[:, chosen], numbers[codes]


def _joint_replicates(name: str, own: Scores, drawn: Counts, target: float) -> Array:
    """Replicates from counts (units, resamples), which are those of every mission."""
    if name == "median":  # of missions' means
        means = (drawn.T.astype(np.float64) @ np.array(own).T) / own[0].size
        return np.asarray(np.median(means, axis=1))
    statistic = PooledStatistic(name, own, target)
    rows = statistic.order % own[0].size  # of the counts, by value
    if name in MEANS:
        weights = np.bincount(rows, statistic.values * statistic.weights, own[0].size)
        return np.asarray(weights @ drawn.astype(np.float64))
    return _between_cuts(statistic.values, rows, drawn)


def _between_cuts(values: Array, rows: NDArray[np.intp], drawn: Counts) -> Array:
    """`PooledStatistic.replicates` of the IQM, one unit after the other for all resamples.

    Args:
        values: in rising order.
        rows: of the counts, by value.
    """
    n = values.size
    cut, steps = n // 4, np.append(-np.diff(values), values[-1])  # summed by parts
    total = np.full(drawn.shape[1], -cut * values[0])
    cumulated = np.zeros(drawn.shape[1], np.float32)
    for row, step in zip(rows.tolist(), steps.tolist(), strict=True):
        cumulated += drawn[row]
        total += np.clip(cumulated, cut, n - cut) * np.float64(step)
    return np.asarray(total / (n - 2 * cut))


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


def doubled_wins(
    scores: Sequence[Array], counts: Sequence[Counts], pairs: Sequence[tuple[int, int]]
) -> Iterator[tuple[list[int], NDArray[Any], float]]:
    """P(improvement) on one mission, as whole numbers: (indices, (pairs, resamples), what to divide by).

    A unit of x beats y_j if it is above it, and units above it are the first ones in falling order. So the resampled
    wins over y_j are two sums of counts in that order, one of wins, one of wins and ties: a replicate takes a few
    additions of bytes.
    """
    limits = np.array([resolution_of(units) for units in scores])
    groups: dict[tuple[int, int], list[int]] = {}
    for index, (x, y) in enumerate(pairs):
        groups.setdefault((x, scores[y].size), []).append(index)
    stacked: dict[tuple[int, Any], NDArray[Any]] = {}  # counts as small numbers, of policies with equally many units
    for (x, size), members in groups.items():
        most = 2 * scores[x].size * size
        kind = np.uint8 if most < 2**8 else np.uint16 if most < 2**16 else np.uint32
        own = [policy for policy, units in enumerate(scores) if units.size == size]
        if (size, kind) not in stacked:
            stacked[size, kind] = np.array([counts[policy] for policy in own]).astype(kind)
        place_of = {policy: place for place, policy in enumerate(own)}
        order = np.argsort(-scores[x], kind="stable")
        first = np.cumsum(np.vstack([np.zeros_like(counts[x][:1]), counts[x][order]]), axis=0).astype(kind)
        step = max(1, VALUES // counts[x].shape[1])
        for start in range(0, len(members), step):
            indices = members[start : start + step]
            others = [pairs[index][1] for index in indices]
            gaps = scores[x][None, :, None] - np.array([scores[y] for y in others])[:, None, :]
            ties = np.maximum(limits[x], limits[others])[:, None, None]
            above, not_below = (gaps > ties).sum(axis=1), (gaps >= -ties).sum(axis=1)  # (pairs, size)
            rows = consecutive([place_of[y] for y in others])
            yield indices, _added_wins(first, above, not_below, stacked[size, kind][rows]), float(most)


def consecutive(places: Sequence[int]) -> slice | list[int]:
    """The same places, as a slice if they follow each other: arrays are then not copied."""
    if list(places) == list(range(places[0], places[0] + len(places))):
        return slice(places[0], places[0] + len(places))
    return list(places)


def _added_wins(
    first: NDArray[Any], above: NDArray[np.intp], not_below: NDArray[np.intp], drawn: NDArray[Any]
) -> NDArray[Any]:
    """Wins plus wins and ties over every pair's other policy, whose units were drawn (pairs, units, resamples)."""
    won = np.zeros((len(drawn), drawn.shape[2]), drawn.dtype)
    tied, twice = bool((above != not_below).any()), first + first
    for unit in range(drawn.shape[1]):
        beaten = first[above[:, unit]] + first[not_below[:, unit]] if tied else twice[above[:, unit]]
        beaten *= drawn[:, unit]
        won += beaten
    return won
