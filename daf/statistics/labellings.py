"""All labellings of two samples, and Welch's t squared of each: the parts of the studentized permutation test."""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from daf.statistics.intervals import Array

CHUNK = 4_000_000  # values held in memory at once, 32 MB


def exact_permutation_ps(x: Array, y: Array) -> tuple[Array, float]:
    """p of `permutation_test` for many pairs of samples (pairs, units) at once, and the smallest p possible.

    Both sides must be small enough for all labellings, and none without variance on both.
    """
    size, pooled = x.shape[1], np.hstack([x, y])
    deviations = pooled - pooled.mean(axis=1, keepdims=True)
    centred = deviations / np.abs(deviations).max(axis=1, keepdims=True)
    chosen = labellings(pooled.shape[1], size)
    members = np.zeros((pooled.shape[1], len(chosen)))
    members[chosen, np.arange(len(chosen))[:, None]] = 1.0
    found = np.empty(len(x))
    rows = max(1, CHUNK // (8 * len(chosen)))
    for start in range(0, len(x), rows):
        part = centred[start : start + rows]
        t_squared = _squared_t_of_sums(part @ members, part**2 @ members, size, part)
        found[start : start + rows] = (t_squared >= t_squared[:, :1] * (1 - 1e-9)).mean(axis=1)
    return found, (2 if x.shape[1] == y.shape[1] else 1) / len(chosen)


@lru_cache(maxsize=4)
def labellings(total: int, size: int) -> NDArray[np.uint8]:
    """All choices of `size` among `total` units."""
    return np.array(list(combinations(range(total), size)), dtype=np.uint8)


def share_of_labellings(centred: Array, size: int, observed: float) -> float:
    """The share of all labellings whose squared t is at least the one observed."""
    hits, chosen = 0, labellings(centred.size, size)
    rows = max(1, CHUNK // (4 * size))
    for start in range(0, len(chosen), rows):
        hits += int((squared_t(centred[chosen[start : start + rows]], centred) >= observed).sum())
    return hits / len(chosen)


def squared_t(chosen: Array, pooled: Array) -> Array:
    """Welch's t squared of every labelling; `chosen` (labellings, units of x) are values of `pooled`, of mean 0.

    Without variance on either side it is infinite.
    """
    return _squared_t_of_sums(chosen.sum(axis=1), (chosen**2).sum(axis=1), chosen.shape[1], pooled)


def _squared_t_of_sums(sums: Array, squares: Array, n: int, pooled: Array) -> Array:
    """The same from sums of n values on one side, and of their squares (..., labellings), of `pooled` (..., units)."""
    rest = pooled.shape[-1] - n
    others = pooled.sum(axis=-1, keepdims=True) - sums
    other_squares = (pooled**2).sum(axis=-1, keepdims=True) - squares
    errors = (squares - sums**2 / n) / n / (n - 1) + (other_squares - others**2 / rest) / rest / (rest - 1)
    difference = sums / n - others / rest
    varying = errors > 1e-14  # values are scaled to 1: below, it is rounding
    return np.where(varying, difference**2 / np.where(varying, errors, 1.0), np.where(difference == 0, 0.0, np.inf))
