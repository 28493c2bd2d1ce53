"""Resamples as counts of how often each unit was drawn, and statistics of them.

Trimmed means then need one sort of the data instead of one per replicate, and P(improvement) of a pair is a product of
two count vectors with a fixed table of wins. Counts are small whole numbers, exact in float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from daf.statistics.intervals import Array

Counts = NDArray[np.float32]
Scores = Sequence[Array]  # one vector of units per mission
BLOCK = 2_048  # replicates drawn at once; part of the recipe, since a generator's stream is cut into blocks of it
FEW = 8  # units, up to which comparing draws with each of them is faster than counting
LOOKED_UP = 5  # units, up to which counts are looked up: 5 have 126 different ones, 6 are one of 46,656 sequences
POOLED = ("mean", "median", "iqm", "optimality_gap")
MEANS = ("mean", "optimality_gap")  # of missions' means
BY_MISSION = (*MEANS, "median")  # IQM takes the units of all missions together


def draw_counts(
    sizes: Sequence[int], count: int, rng: np.random.Generator, *, joint: bool = False, missions: bool = False
) -> Counts:
    """How often each unit was drawn, with missions concatenated: (count, sum of sizes).

    A mission that was drawn twice has its units drawn twice; with `joint`, from the same draw.

    Raises:
        ValueError: `joint` with missions of different sizes.
    """
    same = len(set(sizes)) == 1
    if joint:
        if not same:
            raise ValueError("units can only be drawn jointly when every mission has the same ones")
        times = unit_counts(len(sizes), count, rng) if missions else np.ones((count, len(sizes)), np.float32)
        return (times[:, :, None] * unit_counts(sizes[0], count, rng)[:, None, :]).reshape(count, -1)
    if missions:
        drawn = unit_counts(len(sizes), count, rng).astype(np.int64)
        parts = [rng.multinomial(drawn[:, m] * size, np.full(size, 1 / size)) for m, size in enumerate(sizes)]
        return np.hstack(parts).astype(np.float32)
    if same:  # one draw for all missions
        return unit_counts(sizes[0], count * len(sizes), rng).reshape(count, -1)
    return np.hstack([unit_counts(size, count, rng) for size in sizes])


def unit_counts(size: int, count: int, rng: np.random.Generator) -> Counts:
    """How often each of `size` units was drawn: (count, size)."""
    drawn_units = rng.integers(0, size, (count, size), dtype=np.uint16 if size <= 65_535 else np.int64)
    if size <= LOOKED_UP:
        kinds, kind_of = kinds_of_counts(size)
        return kinds[:, kind_of[sequences(drawn_units)]].T
    if size <= FEW:
        columns, few = np.ascontiguousarray(drawn_units.T), np.empty((size, count), np.float32)
        for unit in range(size):
            few[unit] = np.add.reduce((columns == unit).view(np.uint8), axis=0, dtype=np.uint8)
        return few.T
    chosen = drawn_units.astype(np.intp)
    chosen += np.arange(count)[:, None] * size
    drawn: Counts = np.bincount(chosen.ravel(), minlength=count * size).reshape(count, size).astype(np.float32)
    return drawn


@lru_cache(maxsize=LOOKED_UP)
def kinds_of_counts(size: int) -> tuple[Counts, NDArray[Any]]:
    """How often each kind of resample has each unit, (units, kinds), and the kind of each sequence of draws."""
    draws = np.array(list(product(range(size), repeat=size)))
    counts = (draws[:, :, None] == np.arange(size)).sum(axis=1)
    different, kinds = np.unique(counts, axis=0, return_inverse=True)
    return np.ascontiguousarray(different.T, np.float32), kinds.ravel().astype(np.uint16)


def sequences(drawn: NDArray[Any]) -> NDArray[Any]:
    """The number of each row of draws (resamples, units) among all sequences of them."""
    columns = np.ascontiguousarray(drawn.T)
    found = columns[0]
    for column in columns[1:]:
        found = found * np.uint16(len(columns)) + column
    return np.asarray(found)


def columns_of_missions(scores: Scores) -> list[slice]:
    """The columns of each mission's units in counts."""
    ends = np.cumsum([units.size for units in scores])
    return [slice(int(end) - units.size, int(end)) for end, units in zip(ends, scores, strict=True)]


# ---- statistics from counts -------------------------------------------------------------------------------


class PooledStatistic:
    """A statistic of all units of all missions together, ready to be evaluated on counts.

    `mean` and `median`: of the missions' means, as in published tables; `iqm`: a quarter of all units cut from either
    end; `optimality_gap`: mean over missions of the mean shortfall below `target` (Agarwal et al. 2021, section 4.2).
    So a mission with more units than another weighs more in IQM only.
    """

    def __init__(self, name: str, scores: Scores, target: float = 1.0) -> None:
        values = np.concatenate(scores)
        if name not in POOLED:
            raise ValueError(f"unknown statistic '{name}'")
        weights = np.concatenate([np.full(units.size, 1 / (len(scores) * units.size)) for units in scores])
        if name == "optimality_gap":
            values = target - np.minimum(values, target)
        self.name = name
        self.order = np.argsort(values, kind="stable")
        self.values, self.weights = values[self.order], weights[self.order]
        mission = np.repeat(np.arange(len(scores)), [units.size for units in scores])[self.order]
        self.members = (mission[:, None] == np.arange(len(scores))).astype(np.float64)  # (units, missions)

    @property
    def estimate(self) -> float:
        return float(self.replicates(np.ones((1, self.values.size), np.float32))[0])

    def replicates(self, counts: Counts) -> Array:
        """One value per row of the counts."""
        drawn = counts[:, self.order]
        if self.name in MEANS:
            return np.asarray(drawn.astype(np.float64) @ (self.values * self.weights))
        if self.name == "median":
            return self._medians(drawn)
        # Of the copies of unit i, clip(c_i) - clip(c_i-1) lie between the cuts, c being the cumulated counts.
        cumulated = np.cumsum(drawn, axis=1)
        n = cumulated[:, -1].astype(np.float64)  # the same for all, unless missions of unequal size were drawn
        cut = np.floor(n / 4)
        kept = np.clip(cumulated, cut[:, None], (n - cut)[:, None]).astype(np.float64)
        steps = np.append(-np.diff(self.values), self.values[-1])  # summed by parts
        return np.asarray((kept @ steps - cut * self.values[0]) / (n - 2 * cut))

    def _medians(self, drawn: Counts) -> Array:
        """Median over missions of their means; a mission drawn twice counts twice, one not drawn does not count."""
        counts = drawn.astype(np.float64)
        sizes = counts @ self.members
        sums = counts @ (self.values[:, None] * self.members)
        means = np.where(sizes > 0, sums / np.where(sizes > 0, sizes, 1.0), np.inf)
        if (sizes == self.members.sum(axis=0)).all():  # every mission once
            return np.asarray(np.median(means, axis=1))
        order = np.argsort(means, axis=1)
        ordered = np.take_along_axis(means, order, axis=1)
        reached = np.cumsum(np.take_along_axis(np.rint(sizes / self.members.sum(axis=0)), order, axis=1), axis=1)
        missions = self.members.shape[1]
        middle = [np.argmax(reached > place, axis=1) for place in ((missions - 1) // 2, missions // 2)]
        rows = np.arange(len(ordered))
        return np.asarray((ordered[rows, middle[0]] + ordered[rows, middle[1]]) / 2)
