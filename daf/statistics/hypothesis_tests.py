"""Tests of a difference of means, their smallest possible p-values, and corrections for many tests.

Without enough units or variance, a test has p = None and a reason, never p = 0. All tests are two-sided.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, comb, isfinite, nan, sqrt

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from daf.statistics.intervals import (
    ROUNDING,
    Array,
    Interval,
    hall_transformed,
    is_constant,
    mean_of_strata,
    no_variance_reason,
    satterthwaite_df,
    skewness_of_mean,
    standard_error,
    t_quantile,
    unknown,
)
from daf.statistics.labellings import share_of_labellings, squared_t
from daf.system.nouns import number_of

EXACT_LIMIT = 65_536  # labellings enumerated before Monte Carlo takes over
MANY_UNITS = 5_000  # above, a sum of signs is normal to within the error of any number of draws
SMALL_PART = 0.1  # of the norm: so small must the largest unit be for that
FEW_UNITS = 100  # above, signs are drawn in bytes, which takes a twentieth of the time
FEW_HITS = 10  # a test with fewer hits among its first draws continues drawing
_CHUNK = 4_000_000  # signs held in memory at once, 32 MB as floats


@dataclass(frozen=True, kw_only=True)
class HypothesisTestResult:
    """The result of a test of a difference of means.

    `p` and `minimum_p` are None when unknown; `minimum_p` is the smallest p that the test could give with this number
    of units (None for tests without such a bound). `reason` is empty unless p is None. `t` and `df` are NaN for tests
    without them.
    """

    __test__ = False  # tells pytest that this is not a test case, despite its name

    name: str
    difference: float
    p: float | None
    minimum_p: float | None
    reason: str = ""
    t: float = nan
    df: float = nan


# ---- Monte Carlo ------------------------------------------------------------------------------------------


def draws_for_family(num_resamples: int, family_size: int, alpha: float) -> int:
    """Draws after which the smallest p, times the number of tests that Holm adjusts together, is below alpha / 4."""
    return max(num_resamples, ceil(4 * family_size / alpha))


def _monte_carlo(
    first: Callable[[int], int],
    further: Callable[[int], int],
    num_resamples: int,
    max_resamples: int | None,
    exact: Callable[[], float] | None = None,
) -> tuple[float, str]:
    """p = (1 + hits) / (1 + draws) in two stages, and how many draws there were.

    With fewer than 10 hits in the first R = `num_resamples` draws, drawing goes on to R2 = `max_resamples` in all.
    Each stage's p alone is valid (Phipson and Smyth 2010), and so is the one returned: for t >= 11 / (R + 1), every
    test that went on, or stopped with p <= t, had p <= t after the first stage; for a smaller t only tests that went
    on can have p <= t, and that p is the second stage's.

    Args:
        first, further: draw that many labellings and count those as extreme as the one observed. `further` uses
            a separate stream, so that what a caller draws after the test does not depend on whether it continued.
        exact: the p of all labellings, if to count them takes less time than to draw further; it is the second stage's.
    """
    hits, draws = first(num_resamples), num_resamples
    if hits < FEW_HITS and max_resamples is not None and max_resamples > draws:
        if exact is not None:
            return exact(), "exact"
        hits, draws = hits + further(max_resamples - draws), max_resamples
    return (1 + hits) / (1 + draws), number_of(draws, "draw")


# ---- paired: sign flips -----------------------------------------------------------------------------------


def sign_flip_test(
    strata: Sequence[Array],
    *,
    num_resamples: int = 10_000,
    max_resamples: int | None = None,
    resolution: float = 0.0,
    rng: np.random.Generator,
) -> HypothesisTestResult:
    """Permutation test of paired differences, stratified by mission.

    The statistic is the mean over strata of the mean difference; under the null hypothesis each difference is as
    likely with either sign (Fisher 1935). All sign patterns are enumerated up to 2^16, else `num_resamples` are drawn.
    If few of those are as extreme, up to `max_resamples` are (`_monte_carlo`), or all patterns are counted by halves;
    above 5,000 units their normal limit is taken.

    A stratum of several equal differences (two deterministic policies) is flipped as a whole: the seeds made no
    difference there, so its episodes are one unit. If all strata are like that, the test is not possible.

    Args:
        resolution: the size up to which differences are rounding errors of the scores; sums that differ by less tie.
    """
    difference = float(mean_of_strata(strata)) if strata and all(stratum.size for stratum in strata) else nan
    name = "sign-flip permutation" + (", stratified by mission" if len(strata) > 1 else "")
    reason = no_variance_reason(strata)
    if reason:
        return HypothesisTestResult(name=name, difference=difference, p=None, minimum_p=None, reason=reason)
    weights = np.concatenate(
        [np.array([stratum.mean()]) if is_constant(stratum) else stratum / stratum.size for stratum in strata]
    ) / len(strata)
    weights = weights[weights != 0]  # flipping a zero changes nothing
    observed = abs(float(weights.sum())) - max(ROUNDING * float(np.abs(weights).sum()), resolution)
    n = weights.size
    norm = float(np.sqrt((weights**2).sum()))
    if n > MANY_UNITS and float(np.abs(weights).max()) < SMALL_PART * norm:
        p = max(2 * float(special.ndtr(-abs(float(weights.sum())) / norm)), float(np.finfo(float).tiny))
        return HypothesisTestResult(
            name=f"{name} (normal limit)", difference=difference, p=p, minimum_p=float(np.finfo(float).tiny)
        )
    exact_minimum = 2.0 ** (1 - n)
    if 2**n <= EXACT_LIMIT:
        halves = _all_flips(weights[1:], start=float(weights[:1].sum()))  # each pattern has a mirror image
        p = float((np.abs(halves) >= observed).mean())
        return HypothesisTestResult(name=f"{name} (exact)", difference=difference, p=p, minimum_p=exact_minimum)

    by_halves = max_resamples is not None and num_resamples < max_resamples and 2 ** ceil(n / 2) <= max_resamples
    count_first = _count_flips if n > FEW_UNITS else _count_single_flips
    further_rng = rng.spawn(1)[0]
    p, draws = _monte_carlo(
        lambda draws: count_first(weights, observed, draws, rng),
        lambda draws: _count_flips(weights, observed, draws, further_rng),
        num_resamples,
        max_resamples,
        (lambda: _share_of_flips(weights, observed)) if by_halves else None,
    )
    least = 0.0 if by_halves else 1 / (1 + max(num_resamples, max_resamples or 0))
    return HypothesisTestResult(
        name=f"{name} ({draws})", difference=difference, p=p, minimum_p=max(exact_minimum, least)
    )


def _all_flips(weights: Array, start: float = 0.0) -> Array:
    """`start` plus the sums of all 2^n sign patterns, by doubling."""
    sums = np.empty(2**weights.size)
    sums[0], known = start, 1
    for weight in weights:
        np.subtract(sums[:known], weight, out=sums[known : 2 * known])
        sums[:known] += weight
        known *= 2
    return sums


def _share_of_flips(weights: Array, observed: float) -> float:
    """The share of all sign patterns whose sum is at least `observed` either way, from the sums of two halves."""
    if observed <= 0:
        return 1.0
    half = weights.size // 2
    one, other = (np.sort(_all_flips(part)) for part in (weights[:half], weights[half:]))
    above = other.size - np.searchsorted(other, observed - one)
    return float(2 * int(above.sum()) / (one.size * other.size))  # each pattern has a mirror image


def _count_single_flips(weights: Array, observed: float, draws: int, rng: np.random.Generator) -> int:
    """As `_count_flips`, with a random number for every sign."""
    hits, rows = 0, max(1, _CHUNK // weights.size)
    for start in range(0, draws, rows):
        count = min(rows, draws - start)
        hits += int((np.abs(_signs(count, weights.size, rng) @ weights) >= observed).sum())
    return hits


def _signs(count: int, units: int, rng: np.random.Generator) -> Array:
    """`1 - 2.0 * rng.integers(0, 2, (count, units), dtype=np.int8)` in a third of the time: such an integer is the
    highest bit of a random byte, and four bytes are drawn at once.
    """
    number = count * units
    drawn = rng.integers(0, 2**32, -(-number // 4), dtype=np.uint32).astype("<u4", copy=False).view(np.int8)[:number]
    drawn >>= 7  # 0 or -1
    drawn |= 1
    return drawn.astype(np.float64).reshape(count, units)


def _count_flips(weights: Array, observed: float, draws: int, rng: np.random.Generator) -> int:
    """How many of `draws` random sign patterns give a sum of weights (units,) of at least `observed` either way.

    One random byte holds the signs of eight units, whose sum is looked up in a table: 20 times as fast as single signs.
    """
    patterns = 1 - 2.0 * ((np.arange(256)[:, None] >> np.arange(8)) & 1)
    tables = np.pad(weights, (0, -weights.size % 8)).reshape(-1, 8) @ patterns.T  # (units / 8, 256)
    hits, columns = 0, 1_000_000  # 8 MB of sums
    for start in range(0, draws, columns):
        sums = np.zeros(min(columns, draws - start))
        for table in tables:
            sums += table[rng.integers(0, 256, sums.size, dtype=np.uint8)]
        hits += int((np.abs(sums) >= observed).sum())
    return hits


def hall_test(strata: Sequence[Array]) -> HypothesisTestResult:
    """Test of the mean over strata by Hall's transformed t statistic, for skewed units."""
    difference = float(mean_of_strata(strata)) if strata and all(stratum.size for stratum in strata) else nan
    name, reason = "Hall's transformed t-test", no_variance_reason(strata)
    error, df = standard_error(strata)
    if reason or not isfinite(error):
        reason = reason or "a mission has only one unit"
        return HypothesisTestResult(name=name, difference=difference, p=None, minimum_p=None, reason=reason)
    transformed = hall_transformed(difference / error, skewness_of_mean(strata, error))
    p = t_p_value(transformed, df)
    return HypothesisTestResult(name=name, difference=difference, p=p, minimum_p=None, t=transformed, df=df)


def hall_equivalence_p(strata: Sequence[Array], margin: float) -> float | None:
    """`equivalence_p` for skewed units: the larger p of Student's and of Hall's transformed t statistic."""
    error, df = standard_error(strata)
    difference = float(mean_of_strata(strata))
    student = equivalence_p(difference, error, df, margin)
    if student is None:
        return None
    skewness = skewness_of_mean(strata, error)
    above_lower = float(special.stdtr(df, -hall_transformed((difference + margin) / error, skewness)))
    below_upper = float(special.stdtr(df, hall_transformed((difference - margin) / error, skewness)))
    return max(student, above_lower, below_upper)


# ---- unpaired: seed means ---------------------------------------------------------------------------------


def welch_parts(x: Array, y: Array) -> tuple[float, float]:
    """Standard error of mean(x) - mean(y) and its degrees of freedom (Welch 1947)."""
    parts = np.array([x.var(ddof=1) / x.size, y.var(ddof=1) / y.size])
    total = float(parts.sum())
    return sqrt(total), satterthwaite_df(parts, np.array([x.size - 1, y.size - 1]), total)


def _unpaired_reason(x: Array, y: Array) -> str | None:
    if min(x.size, y.size) < 2:
        return "only one unit on one side; at least two are needed"
    if is_constant(x) and is_constant(y):
        return "all values are equal within both sides"
    return None


def welch_test(x: Array, y: Array) -> HypothesisTestResult:
    """Welch's t-test of two independent samples with unequal variances."""
    difference = float(x.mean() - y.mean()) if x.size and y.size else nan
    reason = _unpaired_reason(x, y)
    if reason:
        return HypothesisTestResult(name="Welch t-test", difference=difference, p=None, minimum_p=None, reason=reason)
    error, df = welch_parts(x, y)
    return HypothesisTestResult(
        name="Welch t-test", difference=difference, p=t_p_value(difference / error, df), minimum_p=None
    )


def welch_interval(x: Array, y: Array, level: float = 0.95) -> Interval:
    """Interval of mean(x) - mean(y)."""
    reason = _unpaired_reason(x, y)
    if reason:
        return unknown(reason)
    error, df = welch_parts(x, y)
    centre, half = float(x.mean() - y.mean()), t_quantile(level, df) * error
    return Interval(low=centre - half, high=centre + half, method="Welch")


def one_sample_t_test(x: Array, reference: float = 0.0) -> HypothesisTestResult:
    """Student's t-test of mean(x) against a fixed number."""
    name = "one-sample t-test"
    difference = float(x.mean()) - reference if x.size else nan
    reason = no_variance_reason([x])
    if reason:
        return HypothesisTestResult(name=name, difference=difference, p=None, minimum_p=None, reason=reason)
    error, df = standard_error([x])
    return HypothesisTestResult(name=name, difference=difference, p=t_p_value(difference / error, df), minimum_p=None)


def permutation_test(
    x: Array, y: Array, *, num_resamples: int = 10_000, max_resamples: int | None = None, rng: np.random.Generator
) -> HypothesisTestResult:
    """Permutation test of two independent samples on Welch's |t|.

    Studentized, it holds asymptotically if only the means are equal, and exactly if the distributions are (Janssen
    1997; Chung and Romano 2013); on the difference of means it would be wrong for unequal numbers and variances. Exact
    up to 65,536 labellings, else as many draws as `sign_flip_test` makes.
    """
    difference = float(x.mean() - y.mean()) if x.size and y.size else nan
    name = "studentized permutation"
    reason = _unpaired_reason(x, y)
    if reason:
        return HypothesisTestResult(name=name, difference=difference, p=None, minimum_p=None, reason=reason)
    pooled = np.concatenate([x, y])
    centred = (pooled - pooled.mean()) / float(np.abs(pooled - pooled.mean()).max())
    labellings = comb(pooled.size, x.size)
    # With equal sizes, every labelling has a mirror image with the same |t|.
    exact_minimum = (2 if x.size == y.size else 1) / labellings
    observed = float(squared_t(centred[None, : x.size], centred)[0]) * (1 - 1e-9)

    if labellings <= EXACT_LIMIT:
        p = share_of_labellings(centred, x.size, observed)
        return HypothesisTestResult(name=f"{name} (exact)", difference=difference, p=p, minimum_p=exact_minimum)

    def count_hits(draws: int, rng: np.random.Generator) -> int:
        hits, rows = 0, max(1, _CHUNK // (2 * pooled.size))  # values before and after, 16 MB each
        for start in range(0, draws, rows):
            values = np.tile(centred, (min(rows, draws - start), 1))
            hits += int((squared_t(rng.permuted(values, axis=1)[:, : x.size], centred) >= observed).sum())
        return hits

    further_rng = rng.spawn(1)[0]
    p, draws = _monte_carlo(
        lambda draws: count_hits(draws, rng),
        lambda draws: count_hits(draws, further_rng),
        num_resamples,
        max_resamples,
        (lambda: share_of_labellings(centred, x.size, observed)) if labellings <= (max_resamples or 0) else None,
    )
    return HypothesisTestResult(
        name=f"{name} ({draws})",
        difference=difference,
        p=p,
        minimum_p=max(exact_minimum, 1 / (1 + max(num_resamples, max_resamples or 0))),
    )


# ---- shared parts -----------------------------------------------------------------------------------------


def t_p_value(t: float, df: float) -> float:
    """Two-sided p of a t statistic; never 0, which would only be underflow."""
    return max(2 * float(special.stdtr(df, -abs(t))), float(np.finfo(float).tiny))


def equivalence_p(difference: float, error: float, df: float, margin: float) -> float | None:
    """Two one-sided t-tests (Schuirmann 1987): p of the hypothesis that |true difference| is at least `margin`.

    None when the standard error is 0 or unknown.
    """
    if margin <= 0:
        raise ValueError(f"margin must be above 0, not {margin}")
    if not (isfinite(error) and error > 0):
        return None
    above_lower = float(special.stdtr(df, -(difference + margin) / error))
    below_upper = float(special.stdtr(df, (difference - margin) / error))
    return max(above_lower, below_upper, float(np.finfo(float).tiny))


def holm(p_values: ArrayLike) -> Array:
    """Holm's step-down adjusted p (Holm 1979); family-wise error under any dependence. NaN (no test) stays NaN
    and does not count in the family."""
    return _adjust(p_values, lambda ordered: np.maximum.accumulate(ordered * np.arange(ordered.size, 0, -1)))


def benjamini_hochberg(p_values: ArrayLike) -> Array:
    """Adjusted p that control the false discovery rate (Benjamini and Hochberg 1995); NaN as in `holm`."""
    return _adjust(
        p_values,
        lambda ordered: np.minimum.accumulate((ordered * ordered.size / np.arange(1, ordered.size + 1))[::-1])[::-1],
    )


def _adjust(p_values: ArrayLike, step: Callable[[Array], Array]) -> Array:
    p = np.asarray(p_values, dtype=np.float64)
    if ((p < 0) | (p > 1)).any():
        raise ValueError("p values lie between 0 and 1")
    adjusted = np.full(p.shape, nan)
    present = np.flatnonzero(~np.isnan(p))
    order = present[np.argsort(p[present], kind="stable")]
    adjusted[order] = np.minimum(step(p[order]), 1.0)
    return adjusted
