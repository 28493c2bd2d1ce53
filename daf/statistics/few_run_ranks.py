"""Ranks of policies with few training runs: of 10,000 resamples of five runs, at most 126 have different means.

So the means of all policies are sorted once per mission, and each resample ranks whole numbers: twice as fast.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from daf.statistics.bootstrap import FEWEST_UNITS
from daf.statistics.intervals import Array
from daf.statistics.resampled_counts import LOOKED_UP, kinds_of_counts, sequences

MOST_RUNS = LOOKED_UP
UNCLEAR = 0.01  # share of the resolution by which rounding errors may change a gap
VALUES = 200_000  # ranked at once: they then stay in the cache
Places = NDArray[Any]  # whole numbers


def resampled_kinds(
    runs: Sequence[Array], num_resamples: int, rng: np.random.Generator, *, joint: bool
) -> Iterator[tuple[Array, Places]]:
    """Mission by mission the different means that resampled training runs can have, and which one each resample has.

    Draws are those of `unit_counts`.
    """
    common = _drawn_kinds(runs[0].size, num_resamples, rng) if joint else None
    for part in runs:
        drawn = _drawn_kinds(part.size, num_resamples, rng) if common is None else common
        means = part @ (kinds_of_counts(part.size)[0].astype(np.float64) / part.size)
        yield widened(means, part), drawn


def means_of(runs: Array, kinds: Places) -> Array:
    """Means of the resamples of these kinds, with the rounding errors that resampling them directly has."""
    drawn = kinds_of_counts(runs.size)[0].astype(np.float64)[:, kinds]
    counts = np.ascontiguousarray(drawn)  # a product's rounding depends on the order
    return widened(runs @ (counts / runs.size), runs)


def widened(means: Array, runs: Array) -> Array:
    """Means of resamples, which vary too little if they are of few runs."""
    if 1 < runs.size < FEWEST_UNITS:
        return np.asarray(runs.mean() + (means - runs.mean()) * sqrt(runs.size / (runs.size - 1)))
    return means


def _drawn_kinds(size: int, num_resamples: int, rng: np.random.Generator) -> Places:
    drawn = rng.integers(0, size, (num_resamples, size), dtype=np.uint16)
    return np.asarray(kinds_of_counts(size)[1][sequences(drawn)])


def ranks_of_kinds(means: Sequence[Array], kinds: Sequence[Places], resolution: float) -> Iterator[tuple[slice, Array]]:
    """As `ranking.ranks_of_scores`, by part of the resamples: (resamples, policies).

    Args:
        means: by policy its different means, which must be `separable`.
        kinds: by policy which of them each resample has.
    """
    policies, resamples = len(means), len(kinds[0])
    bits = max(1, (policies - 1).bit_length())
    steps, _ = _steps(np.concatenate(means), resolution)
    width: Any = np.uint32 if int(steps.max() + 1) << bits <= 2**32 else np.uint64
    numbered = np.split((steps.astype(width) << width(bits)), np.cumsum([one.size for one in means])[:-1])
    keys = [steps_of + width(policy) for policy, steps_of in enumerate(numbered)]
    places, rows = np.arange(1.0, policies + 1), max(1, VALUES // policies)
    for start in range(0, resamples, rows):
        part = slice(start, min(start + rows, resamples))
        drawn = np.array([own[kind[part]] for own, kind in zip(keys, kinds, strict=True)])
        ordered = np.sort(np.ascontiguousarray(drawn.T), axis=1)
        ranked = np.broadcast_to(places, ordered.shape)
        equal = np.diff(ordered >> width(bits), axis=1) == 0
        tied = equal.any(axis=1)
        if tied.any():
            ranked = ranked.copy()
            ranked[tied] = stats.rankdata(ordered[tied] >> width(bits), axis=1)
        ranks = np.empty(ordered.size)
        ordered &= width(2**bits - 1)
        ranks[ordered.astype(np.intp) + np.arange(0, ordered.size, policies)[:, None]] = ranked
        yield part, ranks.reshape(ordered.shape)


def separable(means: Sequence[Array], resolution: float) -> bool:
    """Whether all gaps are clearly above the resolution or below it, without a chain of small ones above it."""
    return _steps(np.concatenate(means), resolution)[1]


def _steps(values: Array, resolution: float) -> tuple[Places, bool]:
    """By value how many gaps above `resolution` are between it and the largest one, and whether all are clear."""
    order = np.argsort(-values)
    falling = -values[order]
    gaps = np.diff(falling)
    apart = gaps > resolution
    steps = np.empty(values.size, np.intp)
    steps[order] = np.append(0, np.cumsum(apart))
    ends = np.flatnonzero(apart)
    spans = falling[np.append(ends, values.size - 1)] - falling[np.append(0, ends + 1)]
    return steps, bool((spans <= (1 - UNCLEAR) * resolution).all() and (gaps[apart] > (1 + UNCLEAR) * resolution).all())
