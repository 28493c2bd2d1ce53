"""Independent units of tournaments: what every map (environment seed) contributes to a mean.

The line-ups of a match are the same on all maps, so that the map is the unit: all that is played on it is averaged
first. A value is a ratio of totals over maps, R = sum of A / sum of B (weighted scores and weights). The unit of map e
is R + (A_e - R B_e) / mean of B, its linearized contribution (the delta method; Cochran 1977, section 6.5). The mean of
the units is R exactly; if every map has the same episodes, the unit is simply the map's mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import nan, sqrt
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from daf.statistics.crossed import RunTable, recipe_variance
from daf.statistics.intervals import Array, Interval, mean_interval, resolution_of, unknown, without_rounding
from daf.statistics.records import Estimand
from daf.tournament.scores import MatchScore, MatchScores

if TYPE_CHECKING:
    import pandas as pd

Weights = Literal["pickup", "uniform"] | Mapping[int, float]
Weighted = tuple[int, float, float]
"""Environment seed, weighted score, and weight."""


@dataclass(frozen=True, eq=False)
class MapUnits:
    """The units of one policy on one mission.

    Attributes:
        env_seeds: of the rows, ascending.
        train_seeds: of the columns; (None,) for a policy that DAF did not train.
        values: (maps, checkpoints).
    """

    env_seeds: tuple[int, ...]
    train_seeds: tuple[int | None, ...]
    values: Array

    @property
    def trained(self) -> bool:
        return self.train_seeds != (None,)

    @property
    def checkpoint_means(self) -> Array:
        """The mean of all checkpoints on every map."""
        return np.asarray(self.values.mean(axis=1))

    def minus(self, other: MapUnits) -> MapUnits:
        """Differences from the other's mean on the same maps; both must have the same ones."""
        return MapUnits(self.env_seeds, self.train_seeds, self.values - other.checkpoint_means[:, None])


def ratio_units(parts: Iterable[Weighted]) -> dict[int, float]:
    """The unit of every map that has a weight; empty if there are none."""
    totals: dict[int, tuple[float, float]] = {}
    for seed, score, weight in parts:
        a, b = totals.get(seed, (0.0, 0.0))
        totals[seed] = (a + score, b + weight)
    totals = {seed: total for seed, total in totals.items() if total[1] > 0}
    if not totals:
        return {}
    a_e, b_e = np.array(list(totals.values())).T
    ratio, average = a_e.sum() / b_e.sum(), b_e.mean()
    # A map of average weight is its own mean: exact, where all maps have the same episodes.
    units = np.where(b_e == average, a_e / b_e, ratio + (a_e - ratio * b_e) / average)
    return dict(zip(totals, units.tolist(), strict=True))


def units_by_checkpoint(parts: Mapping[int | None, Iterable[Weighted]]) -> MapUnits | None:
    """The units of several checkpoints, on the maps of all. None: one has no scores."""
    return _joined({seed: ratio_units(found) for seed, found in parts.items()})


def _joined(columns: Mapping[int | None, Mapping[int, float]]) -> MapUnits | None:
    """The units of several checkpoints from those of each, by map."""
    if not columns or not all(columns.values()):
        return None
    seeds = tuple(sorted(set().union(*columns.values())))
    return MapUnits(seeds, tuple(columns), _on_maps(seeds, list(columns.values())).T)


def _on_maps(seeds: Sequence[int], columns: Sequence[Mapping[int, float]]) -> Array:
    """Units by map as units of all these maps, [columns, maps]: with the same mean, and the same error of the mean.

    A map that a column lacks has its mean; the others are as much farther from it as the mean of n maps is less sure
    than the mean of all N, whose variance divides by N (N - 1) and not by n (n - 1). How much a column of one map
    varies is unknown: it counts as varying as the other columns do.
    """
    total, units = len(seeds), np.empty((len(columns), len(seeds)))
    variances = [float(np.var(list(column.values()), ddof=1)) for column in columns if len(column) > 1]
    for row, column in zip(units, columns, strict=True):
        n, mean = len(column), float(np.mean(list(column.values())))
        if n == total:
            row[:] = [column[seed] for seed in seeds]
        elif n > 1:
            factor = sqrt(total * (total - 1) / (n * (n - 1)))
            row[:] = [mean + factor * (column.get(seed, mean) - mean) for seed in seeds]
        else:
            spread = sqrt(float(np.mean(variances))) if variances else 0.0
            row[:] = [mean + (total - 1 if seed in column else -1) * spread for seed in seeds]
    return units


def on_common_maps(parts: Sequence[MapUnits]) -> list[MapUnits]:
    """The units of several policies on one mission as units of all their maps, with the same means and errors."""
    seeds = tuple(sorted(set().union(*(part.env_seeds for part in parts))))
    return [
        part if part.env_seeds == seeds
        else MapUnits(
            seeds,
            part.train_seeds,
            _on_maps(seeds, [dict(zip(part.env_seeds, column, strict=True)) for column in part.values.T.tolist()]).T,
        )
        for part in parts
    ]  # fmt: skip


# ---- of candidates and replacements -----------------------------------------------------------------------


def scenario_units(scores: MatchScores, policy: str, mission: str, seats: int) -> MapUnits | None:
    """Units of a candidate that has `seats` seats."""
    return units_by_checkpoint(
        {
            seed: [(row.env_seed, row.score, 1.0) for row in rows if row.seats == seats]
            for seed, rows in _rows_of(scores, policy, mission).items()
        }
    )


def value_units(scores: MatchScores, policy: str, mission: str, weights: Weights) -> MapUnits | None:
    """Units of a candidate's mean over numbers of seats."""
    rows = _rows_of(scores, policy, mission)
    if weights == "pickup":
        parts = {seed: [(row.env_seed, row.score * row.seats, float(row.seats)) for row in own]
                 for seed, own in rows.items()}  # fmt: skip
        return units_by_checkpoint(parts)
    return _joined({seed: _weighted_units(own, weights) for seed, own in rows.items()})


def _weighted_units(rows: Sequence[MatchScore], weights: Mapping[int, float] | Literal["uniform"]) -> dict[int, float]:
    """The units of a checkpoint, by map: its means by number of seats, weighted among those that it played."""
    shares = {row.seats: 1.0 if weights == "uniform" else weights.get(row.seats, 0.0) for row in rows}
    parts = {
        count: ratio_units((row.env_seed, row.score, 1.0) for row in rows if row.seats == count)
        for count in sorted(shares, reverse=True)
        if shares[count]
    }
    if not parts:
        return {}
    total, seeds = sum(shares.values()), sorted(set().union(*parts.values()))
    units = sum(
        shares[count] / total * row for count, row in zip(parts, _on_maps(seeds, list(parts.values())), strict=True)
    )
    return dict(zip(seeds, np.asarray(units).tolist(), strict=True))


def replacement_units(scores: MatchScores, mission: str) -> MapUnits | None:
    """Units of teams from the pool alone."""
    games: dict[tuple[str, int], tuple[MatchScore, bool]] = {}
    for row in scores.rows:
        if row.mission == mission:
            _, alone = games.get((row.match, row.episode), (row, True))
            games[row.match, row.episode] = (row, alone and row.in_pool)
    return units_by_checkpoint({None: [(row.env_seed, row.team_score, 1.0) for row, alone in games.values() if alone]})


def _rows_of(scores: MatchScores, policy: str, mission: str) -> dict[int | None, list[MatchScore]]:
    return {
        seed: [row for row in scores.of(policy, seed) if row.mission == mission] for seed in scores.train_seeds(policy)
    }


def units_frame(units: Mapping[tuple[str, str], MapUnits]) -> pd.DataFrame:
    """Units by policy and mission, in the columns of an episodes table, for `daf.statistics.comparison`."""
    import pandas as pd

    places: dict[str, dict[int, int]] = {}
    for (_, mission), found in units.items():
        places.setdefault(mission, {}).update(dict.fromkeys(found.env_seeds, 0))
    order = {mission: {seed: place for place, seed in enumerate(sorted(seeds))} for mission, seeds in places.items()}
    rows: list[dict[str, Any]] = [
        {
            "policy": policy, "checkpoint": policy if seed is None else f"{policy}-seed-{seed}", "train_seed": seed,
            "mission": mission, "episode": order[mission][env_seed], "env_seed": env_seed, "mean_reward": value,
        }
        for (policy, mission), found in units.items()
        for env_seed, values in zip(found.env_seeds, found.values.tolist(), strict=True)
        for seed, value in zip(found.train_seeds, values, strict=True)
    ]  # fmt: skip
    return pd.DataFrame(rows).astype({"train_seed": "Int64"})


# ---- estimates --------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean over missions, or a difference of two, with its interval."""

    value: float
    interval: Interval
    n_maps: int
    n_train_seeds: int


NO_ESTIMATE = Estimate(value=nan, interval=unknown("no scores"), n_maps=0, n_train_seeds=0)


def estimate(
    units: Sequence[MapUnits | None],
    level: float,
    *,
    minus: Sequence[MapUnits | None] | None = None,
    estimand: Estimand = "checkpoints",
) -> Estimate:
    """The mean over missions of a policy's units, less that of others on the same missions.

    Checkpoints: maps are the units, paired where both played the same ones. Recipes: training seeds and maps are
    crossed random effects.

    Args:
        units, minus: per mission.
    """
    mine = [part for part in units if part is not None]
    theirs = None if minus is None else [part for part in minus if part is not None]
    if not mine or len(mine) < len(units) or (theirs is not None and len(theirs) < len(units)):
        return NO_ESTIMATE
    value = float(np.mean([part.values.mean() for part in mine]))
    if theirs is not None:
        value -= float(np.mean([part.values.mean() for part in theirs]))
    seeds = len(mine[0].train_seeds) if mine[0].trained else 0
    interval_of = _recipe_interval if estimand == "recipes" else _checkpoint_interval
    interval = interval_of(value, mine, theirs, level)
    maps = sum(len(part.env_seeds) for part in mine)
    return Estimate(value=value, interval=interval, n_maps=maps, n_train_seeds=seeds)


def _checkpoint_interval(
    value: float, mine: Sequence[MapUnits], theirs: Sequence[MapUnits] | None, level: float
) -> Interval:
    if theirs is None:
        return mean_interval([_clean(part.checkpoint_means, part) for part in mine], level)
    both = [on_common_maps(pair) for pair in zip(mine, theirs, strict=True)]
    return mean_interval([_clean(a.minus(b).checkpoint_means, a, b) for a, b in both], level)


def _recipe_interval(
    value: float, mine: Sequence[MapUnits], theirs: Sequence[MapUnits] | None, level: float
) -> Interval:
    tables = [run_table(part) for part in (mine, theirs) if part is not None]
    if not any(table.trained for table in tables):
        return unknown("no training seeds")
    fewest = min(table.fewest for table in tables if table.trained)
    if fewest < 2:
        return unknown("only one training seed")
    found = recipe_variance(*tables)
    if not found.own.error > 0:
        return unknown("all values are equal" if found.own.error == 0 else "only one unit")
    half = found.half_width(level)
    return Interval(low=value - half, high=value + half, method="crossed random effects, Satterthwaite")


def run_table(units: Sequence[MapUnits]) -> RunTable:
    """Units as a table of crossed effects: those training seeds that have scores on all missions."""
    resolutions = [resolution_of(part.values) for part in units]
    environments = [part.env_seeds for part in units]
    if not all(part.trained for part in units):
        means = [part.checkpoint_means[:, None] for part in units]
        return RunTable(scores=means, environments=environments, trained=False, resolutions=resolutions)
    common = [seed for seed in units[0].train_seeds if all(seed in part.train_seeds for part in units)]
    scores = [part.values[:, [part.train_seeds.index(seed) for seed in common]] for part in units]
    return RunTable(
        scores=scores, environments=environments, trained=True, resolutions=resolutions, seeds=(tuple(common),)
    )


def _clean(values: Array, *parts: MapUnits) -> Array:
    return without_rounding(values, max(resolution_of(part.values) for part in parts))
