"""Bootstrap of recipes for other training seeds and other environment seeds.

Training seeds are drawn as in `bootstrap`. What other environment seeds would do to a policy's mean on a mission is
added to each replicate as a shift: the environments' deviations, each with a random normal weight. All policies take
the same weight for the same environment seed, so what it does to all of them alike cancels in their differences. Seed
means already vary by noise within episodes; the shift is reduced by that part (`crossed.environment_share`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from math import nan, sqrt
from typing import Any

import numpy as np

from daf.statistics import bootstrap
from daf.statistics.bootstrap import FEWEST_UNITS, expanded_levels
from daf.statistics.crossed import RunTable, environment_share
from daf.statistics.intervals import Array, Interval, iqm, is_constant, resolution_of, unit_of
from daf.statistics.resampled_counts import BLOCK
from daf.system.nouns import number_of

METHOD = "percentile bootstrap of seeds and episodes, expanded"
KEPT_BYTES = 128 << 20
_kept: ContextVar[dict[tuple[Any, ...], Array] | None] = ContextVar("kept_columns", default=None)
WEIGHTS = 128  # environment seeds whose numbers differ by a multiple share a weight, which keeps large tables fast


def environment_shifts(
    tables: Sequence[RunTable], num_resamples: int, rngs: Sequence[np.random.Generator]
) -> list[Array]:
    """What other environment seeds would add to the means of each policy: (num_resamples, missions).

    Args:
        rngs: a new generator per mission, used for nothing else.
    """
    columns = []
    for mission, rng in enumerate(rngs):
        weights = np.array([_environment_weights(table, mission) for table in tables])
        columns.append(_column(weights, num_resamples, rng))
    return list(np.moveaxis(np.array(columns), (0, 1, 2), (2, 1, 0)))


@contextmanager
def columns_kept() -> Iterator[None]:
    """Compute what other environment seeds would add on a mission once inside: for the mission alone and for all
    missions, for pairs and for ranks, and by copies of this process, if it is known before they start.
    """
    token = _kept.set({})
    try:
        yield
    finally:
        _kept.reset(token)


def fits_kept(num_resamples: int, policies: int, missions: int) -> bool:
    """Whether `columns_kept` keeps what environment seeds would add on all of these missions."""
    return 8 * num_resamples * policies * missions <= KEPT_BYTES


def _column(weights: Array, num_resamples: int, rng: np.random.Generator) -> Array:
    """Normal numbers times weights: (num_resamples, policies)."""
    kept, unit = _kept.get(), unit_of(weights)
    weights = weights / unit  # a power of two, so that the products are those of weights in any other unit
    key = (str(rng.bit_generator.state), num_resamples, weights.shape, weights.tobytes())
    column = None if kept is None else kept.get(key)
    if column is None:
        column = rng.standard_normal((num_resamples, WEIGHTS)) @ weights.T
        if kept is not None and sum(known.nbytes for known in kept.values()) + column.nbytes <= KEPT_BYTES:
            kept[key] = column
    return column * unit


def _environment_weights(table: RunTable, mission: int) -> Array:
    """The deviations of a mission's environments that share a random weight: (WEIGHTS,)."""
    means = table.environment_means[mission]
    n = means.size
    if n < 2:
        return np.zeros(WEIGHTS)
    places = np.array(table.environments[mission]) % WEIGHTS
    deviations = np.zeros(n) if is_constant(means) else (means - means.mean()) / sqrt(n * (n - 1))
    return np.bincount(places, deviations, WEIGHTS) * sqrt(environment_share(table, mission))


def run_replicates(
    table: RunTable, num_resamples: int, rng: np.random.Generator, shifts: Array | None = None
) -> Iterator[tuple[slice, Array]]:
    """Resampled run scores, block by block: (rows, (rows, missions, training seeds))."""
    runs = np.array([scores.mean(axis=0) for scores in table.scores])
    for start in range(0, num_resamples, BLOCK):
        rows = slice(start, min(start + BLOCK, num_resamples))
        chosen = rng.integers(0, runs.shape[1], (rows.stop - rows.start, runs.shape[1]))
        drawn = np.moveaxis(runs[:, chosen], 0, 1)
        yield rows, drawn if shifts is None else drawn + shifts[rows, :, None]


def pooled_statistic(name: str, runs: Array, target: float = 1.0) -> Array:
    """A statistic of `POOLED` of run scores (..., missions, training seeds)."""
    if name == "mean":
        return np.asarray(runs.mean(axis=(-1, -2)))
    if name == "median":
        return np.asarray(np.median(runs.mean(axis=-1), axis=-1))
    if name == "optimality_gap":
        return np.asarray((target - np.minimum(runs, target)).mean(axis=(-1, -2)))
    return iqm(runs.reshape(*runs.shape[:-2], -1))


def improvement(x: Array, y: Array) -> Array:
    """P(x > y) with ties as half, mean over missions, of run scores (rows, missions, training seeds)."""
    columns = [np.ascontiguousarray(np.moveaxis(runs, 0, -1)) for runs in (x, y)]
    return improvement_of_columns(columns[0], columns[1])


def improvement_of_columns(x: Array, y: Array) -> Array:
    """`improvement` of run scores (missions, training seeds, rows)."""
    missions, rows = x.shape[0], x.shape[-1]
    pairs = x.shape[1] * y.shape[1]
    kind = np.uint8 if pairs < 256 else np.uint32
    total = np.zeros(rows)
    for mission in range(missions):
        gaps = (x[mission, :, None] - y[mission, None]).reshape(pairs, rows)
        tie = max(resolution_of(x[mission]), resolution_of(y[mission]))
        above, not_below = (np.add.reduce(won.view(np.uint8), axis=0, dtype=kind) for won in (gaps > tie, gaps >= -tie))
        total += (above / pairs + not_below / pairs) / 2
    return np.asarray(total / missions)


def crossed_levels(tables: Sequence[RunTable], level: float) -> tuple[tuple[float, float], str]:
    """Quantiles of replicates that bound an interval, or NaN and the reason why there is none."""
    if (units := fewest_units(tables)) < FEWEST_UNITS:
        return (nan, nan), f"{number_of(units, 'unit')}; a bootstrap interval needs at least {FEWEST_UNITS}"
    return expanded_levels([units], level), ""


def fewest_units(tables: Sequence[RunTable]) -> int:
    """Training seeds of the policy that has fewest; of a fixed policy its episodes on a mission count."""
    return min(
        table.scores[0].shape[1] if table.trained else min(len(seeds) for seeds in table.environments)
        for table in tables
    )


def crossed_interval(replicates: Array, tables: Sequence[RunTable], level: float) -> Interval:
    """Expanded percentile interval from replicates of these policies."""
    return bootstrap.intervals_from(replicates[None], [crossed_levels(tables, level)], METHOD)[0]
