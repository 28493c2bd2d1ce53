"""Ranks of several policies over missions: mean ranks, probability of ranking first, and Friedman's test.

Ranks compare policies over missions with different reward scales, ignoring the size of differences.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import nan, sqrt

import numpy as np
from scipy import stats

from daf.statistics import few_run_ranks
from daf.statistics.bootstrap import FEWEST_UNITS, replicate_levels
from daf.statistics.intervals import ROUNDING, Array, resolution_of, unit_of
from daf.statistics.order_statistics import bounding_quantiles
from daf.statistics.resampled_counts import unit_counts

MISSIONS_FOR_FRIEDMAN = 6
VALUES = 200_000  # ranked at once
MANY_EPISODES = 1_000  # on a mission, above which resampled means are drawn from their normal limit


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """Per policy: mean rank over missions (1 = best), its interval, and how often it is first among the replicates.

    Interval and P(first) are NaN if a bootstrap interval of the scores would be unknown.
    """

    mean_rank: Array
    low: Array
    high: Array
    probability_first: Array


def ranks_of_scores(scores: Array, resolution: float | None = None) -> Array:
    """Ranks along the first axis, 1 for the highest score, ties shared: (policies, ...) → (policies, ...).

    Args:
        scores: -inf ranks last.
        resolution: the size up to which differences are rounding errors, which must not decide the rank of equal
            means; default: as for the largest score of each column.
    """
    if resolution is not None:
        limit = np.full(scores.shape[1:], resolution)
    else:
        limit = ROUNDING * np.abs(np.where(np.isfinite(scores), scores, 0.0)).max(axis=0)
    if scores.ndim != 2:
        return _ranks(scores, limit)
    columns = max(1, VALUES // max(1, len(scores)))  # at once: they then stay in the cache
    ranks = np.empty(scores.shape[::-1]).T
    for start in range(0, scores.shape[1], columns):
        part = slice(start, start + columns)
        ranks[:, part] = _ranks(scores[:, part], limit[part])
    return ranks


def _ranks(scores: Array, limit: Array) -> Array:
    falling = np.ascontiguousarray(-scores.T)  # sorting is fastest along the last axis
    order = np.argsort(falling, axis=-1)
    ordered = np.take_along_axis(falling, order, axis=-1)
    with np.errstate(invalid="ignore"):  # two of -inf tie
        apart = ordered[..., 1:] - ordered[..., :-1] > limit.T[..., None]
    places = np.broadcast_to(np.arange(1.0, len(scores) + 1), order.shape)
    tied = ~apart.all(axis=-1)
    if tied.any():
        places = places.copy()
        steps = np.cumsum(apart[tied], axis=-1)
        places[tied] = stats.rankdata(np.pad(steps, [(0, 0)] * (steps.ndim - 1) + [(1, 0)]), axis=-1)
    ranks = np.empty(order.shape)
    np.put_along_axis(ranks, order, places, axis=-1)
    return np.asarray(ranks.T)


def bootstrap_ranks(
    scores_by_mission: Sequence[Array], *, level: float = 0.95, num_resamples: int = 10_000, rng: np.random.Generator
) -> Ranks:
    """Mean ranks over missions, with expanded percentile intervals from resampled episodes.

    Args:
        scores_by_mission: one (policies, episodes) array per mission. An episode is resampled for all policies at
            once, since they met the same environment seeds. P(first) is divided among tied policies.
    """
    policies = scores_by_mission[0].shape[0]
    samples = [[scores[policy] for scores in scores_by_mission] for policy in range(policies)]
    ranks = [ranks_of_scores(s.mean(axis=1), resolution_of(s)) for s in scores_by_mission]
    levels = replicate_levels(samples, level)[0]
    if not np.isfinite(levels).all():
        return _summarize(ranks, np.empty((policies, 0)), levels)
    replicates = np.zeros((policies, num_resamples))
    for scores in scores_by_mission:
        n = scores.shape[1]
        if n > MANY_EPISODES:  # the means are normal
            own = scores / unit_of(scores)
            drawn = rng.multivariate_normal(own.mean(axis=1), np.cov(own) / n, num_resamples, method="eigh")
            replicates += ranks_of_scores(drawn.T, resolution_of(own)) / len(scores_by_mission)
            continue
        # The counts of a resample are multinomial; one matrix product then gives all its means.
        counts = rng.multinomial(n, np.full(n, 1 / n), size=num_resamples).astype(np.float64)
        replicates += ranks_of_scores(scores @ counts.T / n, resolution_of(scores)) / len(scores_by_mission)
    return _summarize(ranks, replicates, levels)


def bootstrap_run_ranks(
    runs_by_policy: Sequence[Sequence[Array]],
    *,
    fixed: Sequence[bool],
    level: float = 0.95,
    num_resamples: int = 10_000,
    rngs: Sequence[np.random.Generator],
    shifts: Sequence[Array] | None = None,
    joint: bool = True,
) -> Ranks:
    """Mean ranks over missions, with expanded percentile intervals from resampled training seeds.

    A policy with fewer than 5 training runs has no interval; its resamples, which vary too little, are widened, so that
    the others keep theirs.

    Args:
        runs_by_policy: by policy and mission a vector over training seeds.
        fixed: by policy, whether it has no training seeds; such a policy has one value per mission.
        rngs: a generator per policy.
        shifts: by policy, what other environment seeds would add to each replicate: (num_resamples, missions).
        joint: whether a seed is resampled for all missions at once.
    """
    missions = range(len(runs_by_policy[0]))
    resolutions = [max(resolution_of(runs[mission]) for runs in runs_by_policy) for mission in missions]
    observed = [
        ranks_of_scores(np.array([runs[mission].mean() for runs in runs_by_policy]), resolutions[mission])
        for mission in missions
    ]
    trained = [runs for runs, known in zip(runs_by_policy, fixed, strict=True) if not known]
    few = np.array(
        [
            not known and _independent(runs, joint) < FEWEST_UNITS
            for runs, known in zip(runs_by_policy, fixed, strict=True)
        ]
    )
    able = [list(runs) for runs in trained if _independent(runs, joint) >= FEWEST_UNITS]
    levels = replicate_levels(able, level, joint=joint)[0]
    if any(part.size < 2 for runs in trained for part in runs):
        levels = nan, nan  # how much that policy varies is unknown, and all ranks depend on it
    replicates = np.zeros((num_resamples, len(runs_by_policy))).T  # in memory as the ranks that are added
    if np.isfinite(levels).all():
        drawn = _drawn_ranks(runs_by_policy, resolutions, rngs, num_resamples, shifts, joint)
        for part, ranks in drawn:
            replicates.T[part] += ranks / len(missions)
    found = _summarize(observed, replicates, levels)
    low, high, first = (np.where(few, nan, values) for values in (found.low, found.high, found.probability_first))
    return Ranks(mean_rank=found.mean_rank, low=low, high=high, probability_first=first)


def _drawn_ranks(
    runs_by_policy: Sequence[Sequence[Array]],
    resolutions: Sequence[float],
    rngs: Sequence[np.random.Generator],
    num_resamples: int,
    shifts: Sequence[Array] | None,
    joint: bool,
) -> Iterator[tuple[slice, Array]]:
    """Ranks of resampled means, one mission at a time, for memory: a part of the resamples, (resamples, policies)."""
    few = shifts is None and all(part.size <= few_run_ranks.MOST_RUNS for runs in runs_by_policy for part in runs)
    draw = few_run_ranks.resampled_kinds if few else _resampled_means
    by_policy = [draw(runs, num_resamples, rng, joint=joint) for runs, rng in zip(runs_by_policy, rngs, strict=True)]
    for mission, (resolution, drawn) in enumerate(zip(resolutions, zip(*by_policy, strict=True), strict=True)):
        if few:
            means, kinds = zip(*drawn, strict=True)
            if few_run_ranks.separable(means, resolution):
                yield from few_run_ranks.ranks_of_kinds(means, kinds, resolution)
                continue
            parts = (runs[mission] for runs in runs_by_policy)
            drawn = tuple(few_run_ranks.means_of(part, kind) for part, kind in zip(parts, kinds, strict=True))
        other = 0.0 if shifts is None else np.array([shift[:, mission] for shift in shifts])
        yield slice(None), ranks_of_scores(np.array(drawn) + other, resolution).T


def _independent(runs: Sequence[Array], joint: bool) -> int:
    """Number of independent training runs."""
    return runs[0].size if joint else sum(part.size for part in runs)


def _resampled_means(
    runs: Sequence[Array], num_resamples: int, rng: np.random.Generator, *, joint: bool
) -> Iterator[Array]:
    """Means of resampled training runs, mission by mission: (num_resamples,)."""

    def counts(n: int) -> Array:
        return unit_counts(n, num_resamples, rng).T.astype(np.float64) / n

    common = counts(runs[0].size) if joint else None
    for part in runs:
        means = part @ (counts(part.size) if common is None else common)
        yield few_run_ranks.widened(means, part)


def _summarize(observed: Sequence[Array], replicates: Array, levels: tuple[float, float]) -> Ranks:
    """Mean ranks from those on each mission, each (policies,), and from replicates of them (policies, num_resamples).

    Args:
        levels: quantiles of the replicates that bound the intervals; NaN if resampling says too little.
    """
    mean_rank = np.mean(observed, axis=0)
    if not np.isfinite(levels).all():
        unknown = np.full(mean_rank.shape, nan)
        return Ranks(mean_rank=mean_rank, low=unknown, high=unknown, probability_first=unknown)
    if len(observed) == 1 and replicates.shape[0] < 2**15:  # ranks are whole numbers or halves
        doubled = (2 * replicates).astype(np.uint16)
        low, high = bounding_quantiles(doubled, levels, 2.0, resolutions=np.zeros(len(doubled)))
        first = (doubled == doubled.min(axis=0)).astype(np.float64)
    else:
        low, high = np.quantile(replicates, levels, axis=1)
        least = replicates.min(axis=0)
        first = (replicates - least <= 1e-6 * least).astype(np.float64)  # sums of shared ranks have rounding errors
    shares = first @ (1 / first.sum(axis=0)) / replicates.shape[1]
    return Ranks(mean_rank=mean_rank, low=low, high=high, probability_first=shares)


@dataclass(frozen=True, kw_only=True)
class Friedman:
    """Whether policies differ at all over missions, and by how much mean ranks must differ for a pair to differ.

    Attributes:
        statistic: Friedman's chi-squared.
        p: its p-value.
        critical_difference: mean ranks that differ by more differ significantly (Nemenyi).
        missions: number of missions.
    """

    statistic: float
    p: float
    critical_difference: float
    missions: int


def friedman_test(means_MP: Array, alpha: float = 0.05) -> Friedman | None:
    """Friedman's test over missions with Nemenyi's critical difference (Demšar 2006, section 3.2.2).

    Args:
        means_MP: one mean per (mission, policy), without gaps.

    Returns:
        None if all ranks are tied, and below 6 missions or 3 policies, for which the approximation does not hold.
    """
    missions, policies = means_MP.shape
    if missions < MISSIONS_FOR_FRIEDMAN or policies < 3:
        return None
    ranks = ranks_of_scores(means_MP.T)
    if np.ptp(ranks) == 0:
        return None
    result = stats.friedmanchisquare(*ranks)
    return Friedman(
        statistic=float(result.statistic),
        p=max(float(result.pvalue), float(np.finfo(float).tiny)),
        critical_difference=critical_difference(policies, missions, alpha),
        missions=missions,
    )


def critical_difference(policies: int, missions: int, alpha: float = 0.05) -> float:
    """Nemenyi: mean ranks that differ by more than this differ significantly (Demšar 2006)."""
    q = float(stats.studentized_range.ppf(1 - alpha, policies, np.inf)) / sqrt(2)
    return q * sqrt(policies * (policies + 1) / (6 * missions))
