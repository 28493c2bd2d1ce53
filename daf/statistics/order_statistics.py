"""Quantiles far out in the tails of many rows, without sorting the rows."""

from __future__ import annotations

from math import ceil, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from daf.statistics.intervals import Array

STEP = 16  # every 16th value of a row is sorted, to find what may be among its extremes
FEWEST = 4_096  # values of a row from which that is faster than sorting it
MOST = 0.1  # of a row: no more may be asked for at either end


def bounding_quantiles(
    values: NDArray[Any], levels: tuple[float, float], divisor: float = 1.0, *, resolutions: Array
) -> tuple[Array, Array]:
    """Two linear quantiles of every row, as `np.quantile`.

    Args:
        values: all to be divided by `divisor`.
        resolutions: by row, the size up to which values count as 0, as in `intervals.without_rounding`. If all values
            of a row lie that close together, both quantiles are the same.
    """
    count = values.shape[1]
    low, high = (_place(count, level) for level in levels)
    smallest, largest = (end.astype(np.float64) / divisor for end in extremes(values, low + 2, count - high))
    alike = largest[:, -1] - smallest[:, 0] <= resolutions
    for end in (smallest, largest):
        end[np.abs(end) <= resolutions[:, None]] = 0.0
    below = _between(smallest[:, low:], levels[0] * (count - 1) - low)
    above = _between(largest, levels[1] * (count - 1) - high)
    return below, np.where(alike, below, above)


def _place(count: int, level: float) -> int:
    """The place in order below a quantile."""
    return min(int(level * (count - 1)), count - 2) if count > 1 else 0


def _between(neighbours: Array, share: float) -> Array:
    """Between the first two columns."""
    below, above = neighbours[:, 0], neighbours[:, min(1, neighbours.shape[1] - 1)]
    step = above - below
    return np.asarray(below + step * share if share < 0.5 else above - step * (1 - share))


def extremes(values: NDArray[Any], low: int, high: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """The `low` smallest and the `high` largest values of every row, both in rising order."""
    count = values.shape[1]
    low, high = min(low, count), min(high, count)
    if values.dtype != np.float64 or count < FEWEST or max(low, high) > MOST * count:
        small = values.dtype.itemsize < 3  # numbers that sorting counts
        ordered = np.sort(values, axis=1, kind="stable" if small else None)
        return ordered[:, :low], ordered[:, count - high :]
    sample = np.sort(values[:, ::STEP], axis=1)
    limits = sample[:, _enough(low)], sample[:, sample.shape[1] - 1 - _enough(high)]
    candidates, numbers = _chosen(values, (values <= limits[0][:, None]) | (values >= limits[1][:, None]))
    places = np.maximum(numbers[:, None] - np.arange(high, 0, -1), 0)
    smallest, largest = candidates[:, :low], np.take_along_axis(candidates, places, axis=1)
    for row in np.flatnonzero((smallest[:, -1] > limits[0]) | (largest[:, 0] < limits[1])):  # too few candidates
        ordered = np.sort(values[row])
        smallest[row], largest[row] = ordered[:low], ordered[count - high :]
    return smallest, largest


def _enough(wanted: int) -> int:
    """The place in a sorted sample up to which, in all likelihood, as many values lie as are wanted."""
    expected = wanted / STEP
    return ceil(expected + 4 * sqrt(expected) + 3)


def _chosen(values: Array, chosen: NDArray[np.bool_]) -> tuple[Array, NDArray[np.intp]]:
    """The chosen values of every row in rising order, followed by infinity, and how many there are."""
    places = np.flatnonzero(chosen)
    numbers = np.diff(np.searchsorted(places, np.arange(len(values) + 1) * values.shape[1]))
    found = np.full((len(values), int(numbers.max())), np.inf)
    found[np.arange(found.shape[1]) < numbers[:, None]] = values.ravel()[places]
    found.sort(axis=1)
    return found, numbers
