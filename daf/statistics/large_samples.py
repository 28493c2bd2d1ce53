"""Many units: normal limits in place of resamples, whose cost grows with units times replicates.

With thousands of units, a bootstrap distribution is normal to within its own Monte-Carlo error, with a variance that
the influence of each unit gives in closed form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import sqrt

import numpy as np
from scipy import special

from daf.statistics.intervals import Array, Interval, iqm, is_constant, resolution_of, standard_error, unit_of, unknown

LARGE = 5_000  # units from which normal limits are taken
DRAWS = 10_000


def estimate(name: str, scores: Sequence[Array], target: float = 1.0) -> float:
    """A statistic of `resampled_counts.POOLED`."""
    if name == "iqm":
        return float(iqm(np.concatenate(scores)))
    means = np.array([part.mean() for part in _values(name, scores, target)])
    return float(np.median(means) if name == "median" else means.mean())


def interval(
    name: str, scores: Sequence[Array], level: float, rng: np.random.Generator, target: float = 1.0
) -> Interval:
    """Interval of a statistic of `resampled_counts.POOLED`.

    Args:
        rng: for the median over missions, which is not normal: its missions' means are.
    """
    unit = max(unit_of(part) for part in scores)  # squares of scores must neither overflow nor vanish
    found = _interval_in_own_unit(name, [part / unit for part in scores], level, rng, target / unit)
    return replace(found, low=unit * found.low, high=unit * found.high)


def _interval_in_own_unit(
    name: str, scores: Sequence[Array], level: float, rng: np.random.Generator, target: float
) -> Interval:
    values = _values(name, scores, target)
    if all(is_constant(part) for part in values) or min(part.size for part in values) < 2:
        return unknown("no units that vary")
    if name == "median":
        errors = np.array([part.std(ddof=1) / sqrt(part.size) for part in values])
        drawn = np.median(rng.normal([part.mean() for part in values], errors, (DRAWS, len(values))), axis=1)
        low, high = np.quantile(drawn, [0.5 - level / 2, 0.5 + level / 2])
        return Interval(low=float(low), high=float(high), method="normal limit of missions' means")
    centre = estimate(name, scores, target)
    half = float(special.ndtri(0.5 + level / 2)) * _error(name, values)
    return Interval(low=centre - half, high=centre + half, method="normal limit")


def _values(name: str, scores: Sequence[Array], target: float) -> list[Array]:
    """Values whose mean is the statistic, or to be trimmed."""
    return [target - np.minimum(part, target) if name == "optimality_gap" else part for part in scores]


def _error(name: str, values: Sequence[Array]) -> float:
    if name != "iqm":
        return standard_error(values)[0]
    pooled = np.concatenate(values)
    cut = pooled.size // 4
    ordered = np.partition(pooled, (cut, pooled.size - cut - 1))
    low, high = ordered[cut], ordered[pooled.size - cut - 1]
    squares = sum(part.size * float(np.clip(part, low, high).var()) for part in values)  # within missions
    return sqrt(squares) / (pooled.size - 2 * cut)


def large_profile_band(scores: Sequence[Array], thresholds: Array, level: float) -> tuple[Array, Array, Array]:
    """`bootstrap.profile_band` from the normal limit of shares."""
    limits = thresholds + resolution_of(thresholds)
    share, variance = np.zeros(thresholds.shape), np.zeros(thresholds.shape)
    for part in scores:
        above = 1 - np.searchsorted(np.sort(part), limits, side="right") / part.size
        share += above / len(scores)
        variance += above * (1 - above) / part.size / len(scores) ** 2
    half = float(special.ndtri(0.5 + level / 2)) * np.sqrt(variance)
    return share, np.maximum(share - half, 0.0), np.minimum(share + half, 1.0)
