"""Point estimates of a mean and the intervals around them.

Everything works on plain arrays. A *stratum* is the set of independent units of one mission; where strata occur, an
estimate is the mean over strata of the mean within a stratum, so that all missions have the same weight. The caller
decides what the units are (episodes, training seeds). Tests are in `hypothesis_tests.py`, standardized effects in
`effects.py`.

If the data say nothing about chance (one unit, no variance), the interval is not a point but unknown: its bounds are
NaN, and `method` gives the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import frexp, isfinite, ldexp, nan, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Array = NDArray[np.float64]
ROUNDING = 1e-12  # differences this small, relative to the numbers they come from, are rounding errors


@dataclass(frozen=True, kw_only=True)
class Interval:
    """Bounds of an estimate in its own unit; both NaN when unknown, with the reason in `method`."""

    low: float
    high: float
    method: str

    @property
    def known(self) -> bool:
        return isfinite(self.low) and isfinite(self.high)


def unknown(reason: str) -> Interval:
    return Interval(low=nan, high=nan, method=f"insufficient data: {reason}")


def unit_of(values: Array) -> float:
    """The largest power of two that is not above the largest absolute value; 1 if there is none.

    Dividing by it is exact and brings the values to about 1, whatever their unit, so that their squares and cubes
    neither overflow nor vanish.
    """
    largest = float(np.abs(values).max(initial=0.0))
    return ldexp(0.5, frexp(largest)[1]) if largest > 0 else 1.0


def resolution_of(values: Array) -> float:
    """The size up to which differences of these values are rounding errors."""
    if not values.size:
        return 0.0
    return ROUNDING * max(abs(float(values.min())), abs(float(values.max())))


def is_constant(values: Array) -> bool:
    """Whether all units are equal up to rounding; true for one unit and for none."""
    if values.size < 2:
        return True
    low, high = float(values.min()), float(values.max())
    return high - low <= ROUNDING * max(abs(low), abs(high))


def variance(values: Array) -> float:
    """Variance of a sample; exactly 0 if all units are equal up to rounding."""
    return 0.0 if is_constant(values) else float(values.var(ddof=1))


def is_constant_shift(differences: Array) -> bool:
    """Whether several differences are all equal, up to rounding, and not 0."""
    return differences.size > 1 and is_constant(differences) and bool(differences.any())


def without_rounding(values: Array, resolution: float) -> Array:
    """The values, except that those that are 0, or all equal, up to `resolution` are exactly so.

    A difference of two scores has the rounding errors of the scores, so they can only be recognized by the scores'
    size, which is lost in the difference.
    """
    if not values.size or (values.size == 1 and abs(values.item()) > resolution):
        return values
    low, high = float(values.min()), float(values.max())
    if high - low <= resolution:
        values = np.full(values.shape, values.mean() if high > low else low)
    elif low > resolution or high < -resolution:
        return values
    return np.where(np.abs(values) <= resolution, 0.0, values)


def no_variance_reason(strata: Sequence[Array]) -> str | None:
    """Why these strata say nothing about chance, or None if they do."""
    if not strata or sum(stratum.size for stratum in strata) == 0:
        return "no units"
    if all(stratum.size < 2 for stratum in strata):
        return "only one unit" if len(strata) == 1 else "only one unit per mission"
    if all(is_constant(stratum) for stratum in strata):
        return f"all {strata[0].size} values are equal" if len(strata) == 1 else "all values of each mission are equal"
    return None


# ---- statistics -------------------------------------------------------------------------------------------


def iqm(values: ArrayLike, axis: int = -1) -> Array:
    """Interquartile mean: the mean after discarding a quarter from either end (Agarwal et al. 2021).

    Cuts floor(n/4) values from each end, as `scipy.stats.trim_mean(values, 0.25)`.
    """
    array = np.asarray(values, dtype=np.float64)
    n = array.shape[axis]
    cut = n // 4
    ordered = np.partition(array, (cut, n - cut - 1), axis=axis) if cut else array
    return np.asarray(np.take(ordered, np.arange(cut, n - cut), axis=axis).mean(axis=axis))


def mean_of_strata(strata: Sequence[Array]) -> Array:
    """Mean over strata of the mean within each: (..., units) per stratum → (...)."""
    return np.asarray(sum(stratum.mean(axis=-1) for stratum in strata) / len(strata))


def intraclass_correlation(values_GU: ArrayLike) -> float:
    """ICC(1): share of the variance that lies between groups, from a (groups x units) table without gaps.

    One-way analysis of variance (Shrout and Fleiss 1979): (MSB - MSW) / (MSB + (u - 1) MSW). Negative when groups
    are more alike than chance; NaN with fewer than two groups or units, or without variance.
    """
    table = np.asarray(values_GU, dtype=np.float64)
    groups, units = table.shape
    if groups < 2 or units < 2 or is_constant(table):
        return nan
    between = units * float(table.mean(axis=1).var(ddof=1))
    within = float(table.var(axis=1, ddof=1).mean())
    total = between + (units - 1) * within
    return (between - within) / total if total > 0 else nan


# ---- Student-t and Wilson ---------------------------------------------------------------------------------


def t_quantile(level: float, df: float) -> float:
    """Half-width of a two-sided interval in standard errors."""
    return float(special.stdtrit(df, 0.5 + level / 2))


def standard_error(strata: Sequence[Array]) -> tuple[float, float]:
    """Standard error of the mean over strata, and its degrees of freedom (Satterthwaite 1946).

    With one stratum of n units: s / sqrt(n) and n - 1. A stratum without variance adds nothing to either. A single-unit
    stratum alongside others that vary makes both NaN, since its variance is unknown.
    """
    if any(stratum.size < 2 for stratum in strata):
        return nan, nan
    variances = np.array([variance(stratum) / stratum.size for stratum in strata]) / len(strata) ** 2
    total = float(variances.sum())
    return sqrt(total), satterthwaite_df(variances, np.array([stratum.size - 1 for stratum in strata]), total)


def satterthwaite_df(variances: Array, dfs: Array, total: float) -> float:
    """Degrees of freedom of a sum of variances, each with its own (Satterthwaite 1946); NaN if the sum is 0.

    Variances are taken as shares of the sum: their own squares may vanish.
    """
    return 1 / float(((variances / total) ** 2 / dfs).sum()) if total else nan


def df_of_many_strata(variances: Array, dfs: Array, total: float) -> float:
    """`satterthwaite_df` for strata of few units each, without its bias (Welch 1947, equation 29).

    Squares of variances from one degree of freedom are three times too large on average, so for ten strata of two units
    Satterthwaite's formula gives 4 instead of 10.
    """
    if len(variances) < 2 or not total:
        return satterthwaite_df(variances, dfs, total)
    return min(float(dfs.sum()), 1 / float(((variances / total) ** 2 / (dfs + 2)).sum()) - 2)


def student_t_interval(strata: Sequence[Array], level: float = 0.95) -> Interval:
    """Student-t interval of the mean over strata; one stratum gives the textbook interval."""
    reason = no_variance_reason(strata)
    if reason:
        return unknown(reason)
    error, df = standard_error(strata)
    if not isfinite(error):
        return unknown("a mission has only one unit")
    centre, half = float(mean_of_strata(strata)), t_quantile(level, df) * error
    return Interval(low=centre - half, high=centre + half, method="Student-t")


@lru_cache(maxsize=10_000)
def wilson_interval(successes: float, n: int, level: float = 0.95) -> Interval:
    """Score interval of a proportion (Wilson 1927). `successes` may be fractional (half a success for a tie)."""
    if n < 1:
        return unknown("no units")
    if not 0 <= successes <= n:
        raise ValueError(f"successes must lie between 0 and {n}, not {successes}")
    z = float(special.ndtri(0.5 + level / 2))
    share = successes / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    # At 0 and n one bound is exactly 0 or 1; rounding must not push it outside.
    return Interval(low=max(0.0, centre - half), high=min(1.0, centre + half), method="Wilson")


def variance_interval(values: Array, level: float = 0.95) -> Interval:
    """Chi-squared interval of a variance: (n - 1) s^2 over the quantiles with n - 1 degrees of freedom.

    It is valid only for normally distributed values; unlike for the interval of a mean, more values do not help.
    """
    reason = no_variance_reason([values])
    if reason:
        return unknown(reason)
    df = values.size - 1
    sum_of_squares = df * float(values.var(ddof=1))
    low, high = (sum_of_squares / float(special.chdtri(df, tail)) for tail in (0.5 - level / 2, 0.5 + level / 2))
    return Interval(low=low, high=high, method="chi-squared, assumes normally distributed values")


def combined_wilson_interval(shares: Sequence[float], counts: Sequence[int], level: float = 0.95) -> Interval:
    """Interval of the mean of several proportions, whose numbers of units may differ.

    Wilson's interval of each, combined by the squares of its distances from the share (Zou, Huang and Zhang 2009); of
    one proportion, it is Wilson's. A pooled number of units would be wrong: missions weigh alike, units do not.
    """
    if not counts or min(counts) < 1:
        return unknown("no units")
    weight = 1 / len(counts)
    parts = [wilson_interval(share * n, n, level) for share, n in zip(shares, counts, strict=True)]
    centre = float(np.mean(shares))
    below = sqrt(sum((weight * (share - part.low)) ** 2 for share, part in zip(shares, parts, strict=True)))
    above = sqrt(sum((weight * (part.high - share)) ** 2 for share, part in zip(shares, parts, strict=True)))
    method = "Wilson" if len(counts) == 1 else "Wilson, combined over missions"
    return Interval(low=max(0.0, centre - below), high=min(1.0, centre + above), method=method)


def exact_interval_of_shares(shares: Array, counts: Sequence[int], level: float = 0.95) -> tuple[Array, Array]:
    """Bounds of the mean of several proportions (Clopper and Pearson 1934): (..., proportions) → (...).

    The numbers of units count as one number that gives the mean the same variance if the proportions are alike. Then an
    interval excludes 1/2 exactly if the sign test rejects: no other symmetric interval does. Of 16 units with a chance
    of 1/2, intervals cover either 92.3 % (as Wilson's) or 97.9 % (as these).
    """
    n = len(counts) ** 2 / float((1 / np.array(counts)).sum())
    k = n * shares.mean(axis=-1)
    tail = 0.5 - level / 2
    some, rest = np.maximum(k, ROUNDING * n), np.maximum(n - k, ROUNDING * n)
    low = np.where(k > ROUNDING * n, special.betaincinv(some, rest + 1, tail), 0.0)
    high = np.where(n - k > ROUNDING * n, special.betaincinv(some + 1, rest, 1 - tail), 1.0)
    return low, high


# ---- skewed units -----------------------------------------------------------------------------------------
# The t statistic of skewed units is itself skewed. Hall (1992) removes that by a monotone cubic of the statistic. Both
# intervals together cover what neither does alone: Student-t is too narrow for skewed units (log-normal, n = 16: 85 %
# instead of 95 %), Hall's for heavy tails (Student with 3 degrees of freedom: 93 %).


def skewness_of_mean(strata: Sequence[Array], error: float) -> float:
    """Skewness of the mean over strata, from its standard error and the unbiased third moments of the strata."""
    total = 0.0
    for stratum in strata:
        n = stratum.size
        if n > 2:
            total += float((((stratum - stratum.mean()) / error) ** 3).sum()) / (n * (n - 1) * (n - 2))
    return total / len(strata) ** 3


def hall_transformed(t: float, skewness: float) -> float:
    """Hall's transformed t statistic, of about Student's distribution (Hall 1992, equation 2.9)."""
    return t + skewness * t**2 / 3 + skewness**2 * t**3 / 27 + skewness / 6


def _inverse_hall(transformed: float, skewness: float) -> float:
    if abs(skewness) < 1e-9:
        return transformed
    cube = 1 + skewness * (transformed - skewness / 6)
    return 3 / skewness * (float(np.cbrt(cube)) - 1)


def wider_quantiles(skewness: float, quantile: float) -> tuple[float, float]:
    """How many standard errors `mean_interval` reaches below the mean and above it."""
    return max(quantile, _inverse_hall(quantile, skewness)), max(quantile, -_inverse_hall(-quantile, skewness))


def hall_interval(strata: Sequence[Array], level: float = 0.95) -> Interval:
    """Interval of the mean over strata from Hall's transformed t statistic."""
    reason = no_variance_reason(strata)
    if reason:
        return unknown(reason)
    error, df = standard_error(strata)
    if not isfinite(error):
        return unknown("a mission has only one unit")
    skewness, quantile = skewness_of_mean(strata, error), t_quantile(level, df)
    low, high = (_inverse_hall(bound, skewness) for bound in (quantile, -quantile))
    centre = float(mean_of_strata(strata))
    return Interval(low=centre - error * low, high=centre - error * high, method="Hall's transformed t")


def mean_interval(strata: Sequence[Array], level: float = 0.95) -> Interval:
    """The interval of a mean that DAF reports: Student-t and Hall's together, from the lowest bound to the highest."""
    student = student_t_interval(strata, level)
    if not student.known:
        return student
    hall = hall_interval(strata, level)
    low, high = min(student.low, hall.low), max(student.high, hall.high)
    return Interval(low=low, high=high, method="Student-t and Hall's transformed t")
