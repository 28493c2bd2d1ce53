"""Resamples of recipes that all pairs on the same missions share: P(improvement) and the difference of IQM.

Resampling takes each policy's seeds once for all of its pairs, and keeps intervals instead of replicates: those of 200
policies in pairs would take gigabytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from daf.config import DAFComparisonConfig
from daf.statistics import bootstrap, intervals, primary, recipe_bootstrap
from daf.statistics.crossed import RunTable
from daf.statistics.intervals import Array, Interval
from daf.statistics.joint_bootstrap import (
    consecutive,
    doubled_wins,
    joint_counts,
    joint_improvement,
    joint_replicates,
)
from daf.statistics.resampled_counts import Scores
from daf.statistics.streams import environment_streams, stream
from daf.statistics.units import Units, crossed_tables

Levels = tuple[tuple[float, float], str]
Improvement = Iterator[tuple[list[int], NDArray[Any], float]]
"""Indices of pairs, their replicates of P(improvement), and what these are to be divided by."""
TOGETHER = 32  # pairs whose replicates are evaluated at once


@dataclass(frozen=True, kw_only=True)
class Resampled:
    """What the resamples say about a pair.

    Attributes:
        better: interval of P(improvement).
        iqm: interval of the difference of IQM.
        tail: replicates of the primary quantity; None if that is the mean.
    """

    better: Interval
    iqm: Interval
    tail: primary.Tail | None = None


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Intervals of all pairs on the same missions: low and high, (pairs, 2); NaN if unknown.

    Attributes:
        places: the row of each pair.
        unit: what `iqm` is a multiple of.
        tails: by pair; empty if the primary quantity is the mean.
    """

    places: dict[tuple[str, str], int]
    better: Array
    iqm: Array
    method: str
    unit: float
    tails: tuple[primary.Tail, ...] = ()


class Improvements:
    """P(improvement) and IQM of recipes for all pairs on the same missions, from resamples that all pairs share.

    All pairs are resampled in one unit. Only the last missions asked for are kept.
    """

    def __init__(self, units: Units, config: DAFComparisonConfig, policies: list[str]) -> None:
        self._units, self._config, self._policies = units, config, policies
        self._missions: tuple[str, ...] = ()
        self._bounds: Bounds | None = None

    def of(self, a: str, b: str, missions: list[str], unit: float) -> Resampled:
        """Of a pair, with figures that are multiples of `unit`."""
        bounds = self.bounds(missions)
        place, factor = bounds.places[a, b], bounds.unit / unit
        better, iqm = bounds.better[place].tolist(), (factor * bounds.iqm[place]).tolist()
        return Resampled(
            better=Interval(low=better[0], high=better[1], method=bounds.method),
            iqm=Interval(low=iqm[0], high=iqm[1], method=bounds.method),
            tail=bounds.tails[place] if bounds.tails else None,
        )

    def bounds(self, missions: list[str]) -> Bounds:
        """Of all pairs on these missions."""
        if self._bounds is None or tuple(missions) != self._missions:
            units = self._units.in_own_unit(missions, self._policies)
            tables = crossed_tables(units, self._config, self._policies, missions)
            if tables is None:
                self._bounds = self._by_seeds(units, missions)
            else:
                self._bounds = self._by_both(missions, tables, units.unit)
            self._missions = tuple(missions)
        return self._bounds

    def prepare(self, missions: Sequence[str]) -> None:
        """Compute once, before copies of this process start, what several of them would compute for these missions."""
        if recipe_bootstrap.fits_kept(self._config.num_resamples, len(self._policies), len(missions)):
            units = self._units.in_own_unit(missions, self._policies)
            if (tables := crossed_tables(units, self._config, self._policies, list(missions))) is not None:
                self._shifts(tables, list(missions))

    def _shifts(self, tables: Mapping[str, RunTable], missions: list[str]) -> list[Array]:
        rngs = environment_streams(self._config, missions)
        return recipe_bootstrap.environment_shifts(list(tables.values()), self._config.num_resamples, rngs)

    def _indices(self, able: list[str]) -> list[tuple[int, int]]:
        if self._config.reference in able:
            first = able.index(self._config.reference)
            return [(first, other) for other in range(len(able)) if other != first]
        return list(combinations(range(len(able)), 2))

    def _by_seeds(self, units: Units, missions: list[str]) -> Bounds:
        """Drawing a policy's seeds jointly for all missions, unless each mission has separate ones."""
        joint, level = not units.runs_per_mission, self._config.confidence_level
        scores = {policy: runs for policy in self._policies if (runs := units.run_scores(policy, missions))}
        able = {policy: runs for policy, runs in scores.items() if runs[0].size}
        pairs = self._indices(list(able))
        iqm, improvement = _replicates(
            list(able.values()),
            pairs,
            num_resamples=self._config.num_resamples,
            rngs=[stream(self._config, "improvement", policy, *missions) for policy in able],
            joint=joint,
        )
        spreads = [bootstrap.spread_of(runs, level, joint=joint) for runs in able.values()]
        levels_of: dict[tuple[bootstrap.Spread, bootstrap.Spread], Levels] = {}
        for both in {(spreads[x], spreads[y]) for x, y in pairs}:
            levels_of[both] = bootstrap.common_levels(both, joint=joint)
        levels = [levels_of[spreads[x], spreads[y]] for x, y in pairs]
        return self._summaries(list(able), pairs, iqm, improvement, levels, bootstrap.METHOD, units.unit)

    def _by_both(self, missions: list[str], tables: dict[str, RunTable], unit: float) -> Bounds:
        """For other training seeds and other environment seeds."""
        able, count, level = list(tables), self._config.num_resamples, self._config.confidence_level
        pairs = self._indices(able)
        shifts = self._shifts(tables, missions)
        blocks = [
            recipe_bootstrap.run_replicates(table, count, stream(self._config, "improvement", policy, *missions), shift)
            for (policy, table), shift in zip(tables.items(), shifts, strict=True)
        ]
        improvement, iqm = np.empty((len(pairs), count)), np.empty((len(able), count))
        for drawn in zip(*blocks, strict=True):
            rows, columns = drawn[0][0], []
            for place, (_, runs) in enumerate(drawn):
                iqm[place, rows] = recipe_bootstrap.pooled_statistic("iqm", runs)
                columns.append(np.ascontiguousarray(np.moveaxis(runs, 0, -1)))
            for index, (x, y) in enumerate(pairs):
                improvement[index, rows] = recipe_bootstrap.improvement_of_columns(columns[x], columns[y])
        levels = [recipe_bootstrap.crossed_levels([tables[able[x]], tables[able[y]]], level) for x, y in pairs]
        together = iter([(list(range(len(pairs))), improvement, 1.0)])
        return self._summaries(able, pairs, iqm, together, levels, recipe_bootstrap.METHOD, unit)

    def _summaries(
        self,
        able: list[str],
        pairs: Sequence[tuple[int, int]],
        iqm: Array,
        improvement: Improvement,
        levels: Sequence[Levels],
        method: str,
        unit: float,
    ) -> Bounds:
        """Intervals of all pairs, and what a test of the primary quantity needs.

        Args:
            iqm: replicates by policy, in a unit.
        """
        margin = (self._config.equivalence_margin or 0.0) / unit if self._config.primary == "iqm" else 0.0
        resolutions = np.array([intervals.resolution_of(values) for values in iqm])
        better, differences = np.full((len(pairs), 2), nan), np.full((len(pairs), 2), nan)
        tails: dict[int, primary.Tail] = {}
        for indices, values, divisor in improvement:
            for start in range(0, len(indices), TOGETHER):
                members, won = indices[start : start + TOGETHER], values[start : start + TOGETHER]
                own = [levels[index] for index in members]
                x, y = (np.array([pairs[index][side] for index in members]) for side in (0, 1))
                limits = np.maximum(resolutions[x], resolutions[y])
                gaps = _first(iqm, x) - iqm[consecutive(y.tolist())]
                better[members] = np.transpose(bootstrap.bounds_from(won, own, divisor))
                differences[members] = np.transpose(bootstrap.bounds_from(gaps, own, resolutions=limits))
                if self._config.primary != "mean":
                    decisive = _without_rounding(gaps, limits) if self._config.primary == "iqm" else won / divisor - 0.5
                    tails |= {index: primary.tail_of(row, margin) for index, row in zip(members, decisive, strict=True)}
        return Bounds(
            places={(able[x], able[y]): place for place, (x, y) in enumerate(pairs)},
            better=better,
            iqm=differences,
            method=method,
            unit=unit,
            tails=tuple(tails[place] for place in range(len(tails))),
        )


def _first(values: Array, rows: NDArray[np.intp]) -> Array:
    """These rows, or the only one: arrays are then not copied."""
    return values[rows[:1]] if (rows == rows[0]).all() else values[rows]


def _without_rounding(gaps: Array, resolutions: Array) -> Array:
    """The gaps, in which those up to `resolutions` are rounding errors."""
    rows = zip(gaps, resolutions.tolist(), strict=True)
    return np.array([intervals.without_rounding(row, limit) for row, limit in rows])


def _replicates(
    scores: Sequence[Scores],
    pairs: Sequence[tuple[int, int]],
    *,
    num_resamples: int,
    rngs: Sequence[np.random.Generator],
    joint: bool,
) -> tuple[Array, Improvement]:
    """IQM by policy, and P(improvement) of pairs in parts; on one mission, units are always drawn jointly."""
    single = all(len(policy) == 1 for policy in scores)
    if not (joint or single):
        pooled, improvement = bootstrap.bootstrap_suite(scores, pairs=pairs, num_resamples=num_resamples, rngs=rngs)
        return pooled["iqm"], iter([(list(range(len(pairs))), improvement, 1.0)])
    counts = [joint_counts(policy, num_resamples, rng) for policy, rng in zip(scores, rngs, strict=True)]
    iqm = joint_replicates("iqm", scores, counts)
    if single:
        return iqm, doubled_wins([policy[0] for policy in scores], counts, pairs)
    return iqm, ((indices, values, 1.0) for indices, values in joint_improvement(scores, counts, pairs))
