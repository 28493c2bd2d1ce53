"""Resamples of recipes that all pairs on the same missions share: P(improvement) and the difference of IQM.

Resampling takes each policy's seeds once for all of its pairs, and keeps intervals instead of replicates: those of 200
policies in pairs would take gigabytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from daf.config import DAFComparisonConfig
from daf.statistics import bootstrap, intervals, primary, recipe_bootstrap
from daf.statistics.crossed import RunTable
from daf.statistics.intervals import Array, Interval
from daf.statistics.joint_bootstrap import joint_counts, joint_improvement, joint_replicates
from daf.statistics.resampled_counts import Scores
from daf.statistics.streams import environment_streams, stream
from daf.statistics.units import Units, crossed_tables

Levels = tuple[tuple[float, float], str]
TOGETHER = 64  # pairs whose replicates are evaluated at once


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


class Improvements:
    """P(improvement) and IQM of recipes for all pairs on the same missions, from resamples that all pairs share.

    All pairs are resampled in one unit. Only the last missions asked for are kept.
    """

    def __init__(self, units: Units, config: DAFComparisonConfig, policies: list[str]) -> None:
        self._units, self._config, self._policies = units, config, policies
        self._missions: tuple[str, ...] = ()
        self._unit = 1.0
        self._pairs: dict[tuple[str, str], Resampled] = {}

    def of(self, a: str, b: str, missions: list[str], unit: float) -> Resampled:
        """Of a pair, with figures that are multiples of `unit`."""
        if tuple(missions) != self._missions:
            self._resample(missions)
            self._missions = tuple(missions)
        found = self._pairs[a, b]
        if unit == self._unit:
            return found
        factor = self._unit / unit
        return replace(found, iqm=replace(found.iqm, low=factor * found.iqm.low, high=factor * found.iqm.high))

    def _resample(self, missions: list[str]) -> None:
        units = self._units.in_own_unit(missions, self._policies)
        tables = crossed_tables(units, self._config, self._policies, missions)
        self._unit = units.unit
        self._pairs = self._by_seeds(units, missions) if tables is None else self._by_both(missions, tables)

    def _indices(self, able: list[str]) -> list[tuple[int, int]]:
        if self._config.reference in able:
            first = able.index(self._config.reference)
            return [(first, other) for other in range(len(able)) if other != first]
        return list(combinations(range(len(able)), 2))

    def _by_seeds(self, units: Units, missions: list[str]) -> dict[tuple[str, str], Resampled]:
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
        levels = [bootstrap.common_levels([spreads[x], spreads[y]], joint=joint) for x, y in pairs]
        return self._summaries(list(able), pairs, iqm, improvement, levels, bootstrap.METHOD)

    def _by_both(self, missions: list[str], tables: dict[str, RunTable]) -> dict[tuple[str, str], Resampled]:
        """For other training seeds and other environment seeds."""
        able, count, level = list(tables), self._config.num_resamples, self._config.confidence_level
        pairs = self._indices(able)
        shifts = recipe_bootstrap.environment_shifts(
            list(tables.values()), count, environment_streams(self._config, missions)
        )
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
        together = iter([(list(range(len(pairs))), improvement)])
        return self._summaries(able, pairs, iqm, together, levels, recipe_bootstrap.METHOD)

    def _summaries(
        self,
        able: list[str],
        pairs: Sequence[tuple[int, int]],
        iqm: Array,
        improvement: Iterator[tuple[list[int], Array]],
        levels: Sequence[Levels],
        method: str,
    ) -> dict[tuple[str, str], Resampled]:
        """Intervals of all pairs, and what a test of the primary quantity needs.

        Args:
            iqm: replicates by policy.
            improvement: indices of pairs, and their replicates.
        """
        resolutions = np.array([intervals.resolution_of(values) for values in iqm])
        found: dict[tuple[str, str], Resampled] = {}
        for indices, values in improvement:
            for start in range(0, len(indices), TOGETHER):
                members, better = indices[start : start + TOGETHER], values[start : start + TOGETHER]
                own = [levels[index] for index in members]
                x, y = (np.array([pairs[index][side] for index in members]) for side in (0, 1))
                gaps = _differences(iqm, x, y, np.maximum(resolutions[x], resolutions[y]))
                rows = zip(
                    members,
                    bootstrap.intervals_from(better, own, method),
                    bootstrap.intervals_from(gaps, own, method),
                    self._tails(better, gaps),
                    strict=True,
                )
                for index, of_better, of_iqm, tail in rows:
                    first, second = pairs[index]
                    found[able[first], able[second]] = Resampled(better=of_better, iqm=of_iqm, tail=tail)
        return found

    def _tails(self, better: Array, gaps: Array) -> list[primary.Tail | None]:
        if self._config.primary == "mean":
            return [None] * len(better)
        return [primary.tail_of(row) for row in (gaps if self._config.primary == "iqm" else better - 0.5)]


def _differences(values: Array, x: Array, y: Array, resolutions: Array) -> Array:
    """Rows x minus rows y, in which differences up to `resolutions` are rounding errors."""
    gaps = values[x] - values[y]
    low, high = gaps.min(axis=1), gaps.max(axis=1)
    for row in np.flatnonzero(~((low > resolutions) | (high < -resolutions)) | (high - low <= resolutions)):
        gaps[row] = intervals.without_rounding(gaps[row], float(resolutions[row]))
    return np.asarray(gaps)


def _replicates(
    scores: Sequence[Scores],
    pairs: Sequence[tuple[int, int]],
    *,
    num_resamples: int,
    rngs: Sequence[np.random.Generator],
    joint: bool,
) -> tuple[Array, Iterator[tuple[list[int], Array]]]:
    """IQM by policy, and P(improvement) of pairs: indices and replicates, in parts if units are drawn jointly."""
    if joint:
        counts = [joint_counts(policy, num_resamples, rng) for policy, rng in zip(scores, rngs, strict=True)]
        return joint_replicates("iqm", scores, counts), joint_improvement(scores, counts, pairs)
    pooled, improvement = bootstrap.bootstrap_suite(scores, pairs=pairs, num_resamples=num_resamples, rngs=rngs)
    return pooled["iqm"], iter([(list(range(len(pairs))), improvement)])
