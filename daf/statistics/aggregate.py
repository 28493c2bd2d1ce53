"""Scores over many missions on one scale: normalisation by declared anchors, optimality gap, performance profiles.

Anchors are declared (for instance random = 0, reference = 1), never taken from the data at hand.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from daf.statistics.intervals import Array, bootstrap_replicates


def normalise(scores: ArrayLike, zero: float, one: float) -> Array:
    """Scores on the scale on which anchor `zero` is 0 and anchor `one` is 1."""
    if zero == one:
        raise ValueError(f"the two anchors must differ, both are {zero}")
    return (np.asarray(scores, dtype=np.float64) - zero) / (one - zero)


def optimality_gap(strata: Sequence[Array], target: float = 1.0) -> Array:
    """Mean shortfall below `target`, all units together; scores above it count as it (Agarwal et al. 2021)."""
    scores = np.concatenate(strata, axis=-1)
    return np.asarray(target - np.minimum(scores, target).mean(axis=-1))


def performance_profile(strata: Sequence[Array], thresholds: ArrayLike) -> Array:
    """Share of units above each threshold, missions weighing the same; shape (thresholds,)."""
    tau = np.asarray(thresholds, dtype=np.float64)
    return np.asarray(np.mean([(stratum[None, :] > tau[:, None]).mean(axis=1) for stratum in strata], axis=0))


def performance_profile_band(
    strata: Sequence[Array],
    thresholds: ArrayLike,
    *,
    level: float = 0.95,
    num_resamples: int = 2_000,
    rng: np.random.Generator,
) -> tuple[Array, Array]:
    """Pointwise stratified-bootstrap band of the performance profile: two arrays of shape (thresholds,)."""
    tau = np.asarray(thresholds, dtype=np.float64)
    low, high = np.empty(tau.size), np.empty(tau.size)
    seeds = rng.spawn(tau.size)
    for index, threshold in enumerate(tau):
        above = [(stratum > threshold).astype(np.float64) for stratum in strata]
        replicates = bootstrap_replicates(
            above, lambda parts: np.mean([part.mean(axis=-1) for part in parts], axis=0), num_resamples, seeds[index]
        )
        low[index], high[index] = np.quantile(replicates, [0.5 - level / 2, 0.5 + level / 2])
    return low, high
