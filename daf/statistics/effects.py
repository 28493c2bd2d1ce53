"""Standardized effects with intervals, power, and the number of units that a declared effect needs.

Observed effects are for interpretation, not for planning: power is computed for an effect declared beforehand, since
power at the observed effect only restates the p-value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import exp, isfinite, nan, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from daf.statistics.intervals import (
    Array,
    Interval,
    mean_of_strata,
    no_variance_reason,
    resolution_of,
    skewness_of_mean,
    standard_error,
    t_quantile,
    unknown,
    wider_quantiles,
)
from daf.statistics.roots import Members, brent_roots

FAR = 1_000.0  # size of t from which noncentrality has a closed form; scipy's series grow with t, and fail at 100,000
MANY_DF = 10_000.0  # degrees of freedom from which their root is normal


def hedges_correction(df: float) -> float:
    """J(df), the exact factor that removes the bias of Cohen's d (Hedges 1981, equation 6e)."""
    return exp(float(special.gammaln(df / 2)) - float(special.gammaln((df - 1) / 2))) / sqrt(df / 2) if df > 1 else nan


def noncentral_t_limits(t: float, df: float, level: float = 0.95) -> tuple[float, float]:
    """Noncentrality parameters under which t is the upper and the lower tail's quantile (Steiger and Fouladi 1997)."""
    return _noncentrality(t, df, 0.5 + level / 2), _noncentrality(t, df, 0.5 - level / 2)


def _noncentrality(t: float, df: float, share: float) -> float:
    """The noncentrality parameter under which a share of statistics is below t; NaN if it cannot be found."""
    if t < 0:
        return -_noncentrality(-t, df, 1 - share)
    if t >= FAR:
        return float(_far_noncentrality(np.array(t), np.array(df), share))

    def gap(noncentrality: float) -> float:
        cdf = float(special.nctdtr(df, noncentrality, t))
        if not isfinite(cdf):  # scipy fails far out in either tail
            cdf = 1.0 if noncentrality < t else 0.0
        return cdf - share

    width = 4 * sqrt(1 + t**2 / (2 * df))  # about four standard errors of t under a shifted mean
    for _ in range(20):
        low, high = t - width, t + width
        if gap(low) > 0 > gap(high):
            return float(optimize.brentq(gap, low, high, xtol=1e-12, rtol=1e-13))
        width *= 1.5
    return nan


def _far_noncentrality(t: Array, df: Array, share: float) -> Array:
    """`_noncentrality` of large t, to 6 digits or more.

    The noncentrality is a quantile of t S + Z, for S the root of chi-squared over its degrees of freedom and Z normal.
    Z is small against t S, so it only moves the quantile of S, by half its variance times the slope of log density.
    """
    root = np.sqrt(special.chdtri(df, share) / df)
    slope = (df - 1) / root - df * root
    centre = 1 - 1 / (4 * df)
    normal = centre + (root - centre) * np.sqrt(1 + 2 * df / t / t)
    return np.asarray(t * np.where(df < MANY_DF, root - slope / t / t / 2, normal))


def noncentral_t_limits_of(t: Array, df: Array, level: float = 0.95) -> tuple[Array, Array]:
    """`noncentral_t_limits` of many t statistics at once, by the same steps."""
    size, negative = np.abs(t), t < 0

    def solve(share: float) -> Array:
        def gap(noncentrality: Array, members: Members) -> Array:
            cdf = special.nctdtr(df[members], noncentrality, size[members])
            certain = np.where(noncentrality < size[members], 1.0, 0.0)
            return np.asarray(np.where(np.isfinite(cdf), cdf, certain) - share)

        far = size >= FAR
        width, roots = 4 * np.sqrt(1 + np.where(far, 0, size) ** 2 / (2 * df)), np.full(size.size, nan)
        roots[far] = _far_noncentrality(size[far], df[far], share)
        members = np.flatnonzero(~far)
        for _ in range(20):
            low, high = size[members] - width[members], size[members] + width[members]
            at_low, at_high = gap(low, members), gap(high, members)
            around = (at_low > 0) & (at_high < 0)
            roots[members[around]] = brent_roots(
                gap, members[around], (low[around], high[around]), (at_low[around], at_high[around]),
                xtol=1e-12, rtol=1e-13,
            )  # fmt: skip
            members = members[~around]
            if not members.size:
                break
            width[members] *= 1.5
        return roots

    low, high = solve(0.5 + level / 2), solve(0.5 - level / 2)
    return np.where(negative, -high, low), np.where(negative, -low, high)


def dz(strata: Sequence[Array], level: float = 0.95) -> tuple[float, Interval]:
    """Paired effect: mean difference over the standard deviation of differences (pooled within strata).

    The interval inverts the noncentral t distribution, with several strata with Satterthwaite's degrees of freedom.
    Where skewness widens the interval of the mean (`intervals.mean_interval`), t is moved as far before, so that both
    exclude 0 or neither does.
    """
    reason = no_variance_reason(strata)
    error, df = standard_error(strata) if strata else (nan, nan)
    if reason or not isfinite(error):
        return nan, unknown(reason or "a mission has only one unit")
    sd = sqrt(float(np.mean([stratum.var(ddof=1) for stratum in strata])))
    difference = float(mean_of_strata(strata))
    t, quantile = difference / error, t_quantile(level, df)
    below, above = wider_quantiles(skewness_of_mean(strata, error), quantile)
    limits = (
        _noncentrality(t - (below - quantile), df, 0.5 + level / 2),
        _noncentrality(t + (above - quantile), df, 0.5 - level / 2),
    )
    return difference / sd, _scaled(limits, error / sd)


def standardized(difference: float, error: float, df: float, sd: float, level: float = 0.95) -> tuple[float, Interval]:
    """A difference of means in standard deviations, without small-sample bias, from its own standard error.

    The noncentral t distribution of difference / error is inverted, so the interval excludes 0 exactly if the test of
    that t rejects; its bounds, unlike the estimate, have no bias. With the average `sd` of two samples and Welch's
    error, neither assumes equal variances, as Hedges' g does (compare Bonett 2008, equation 8).
    """
    if not (isfinite(error) and error > 0 and sd > 0):
        return nan, unknown("the units do not vary")
    correction = hedges_correction(df) if df > 1 else 1.0
    limits = noncentral_t_limits(difference / error, df, level)
    return difference / sd * correction, _scaled(limits, error / sd)


def standardized_of(
    difference: Array, error: Array, df: Array, sd: Array, level: float = 0.95
) -> tuple[Array, Array, Array]:
    """`standardized` of many differences at once: effects and their bounds."""
    known = np.isfinite(error) & (error > 0) & (sd > 0)
    effect, low, high = (np.full(difference.size, nan) for _ in range(3))
    difference, error, df, sd = difference[known], error[known], df[known], sd[known]
    logs = special.gammaln(df / 2) - special.gammaln((df - 1) / 2)
    corrections = [exp(log) if one > 1 else 1.0 for log, one in zip(logs.tolist(), df.tolist(), strict=True)]
    correction = np.where(df > 1, np.array(corrections) / np.sqrt(df / 2), 1.0)
    limits = noncentral_t_limits_of(difference / error, df, level)
    scale = error / sd
    finite = np.isfinite(limits[0]) & np.isfinite(limits[1])
    effect[known] = difference / sd * correction
    low[known], high[known] = (np.where(finite, limit * scale, nan) for limit in limits)
    return effect, low, high


def _scaled(limits: tuple[float, float], factor: float) -> Interval:
    if not (isfinite(limits[0]) and isfinite(limits[1])):
        return unknown("the noncentral t distribution could not be inverted")
    return Interval(low=limits[0] * factor, high=limits[1] * factor, method="noncentral t")


# ---- probability of improvement ---------------------------------------------------------------------------


def probability_of_improvement(x_by_task: Sequence[Array], y_by_task: Sequence[Array]) -> float:
    """Mean over tasks of P(X > Y) + P(X = Y) / 2 for runs drawn independently (Agarwal et al. 2021, section 4.3)."""
    shares = []
    for x, y in zip(x_by_task, y_by_task, strict=True):
        ordered, tie = np.sort(y), _tie(x, y)
        below = np.searchsorted(ordered, x - tie, side="left") + np.searchsorted(ordered, x + tie, side="right")
        shares.append(float(below.sum()) / (2 * x.size * y.size))
    return float(np.mean(shares))


def wins(x: Array, y: Array) -> NDArray[np.float32]:
    """Table of x_i > y_j with ties as half; shape (units of x, units of y)."""
    gaps, tie = x[:, None] - y[None, :], _tie(x, y)
    table: NDArray[np.float32] = ((gaps > tie) + 0.5 * (np.abs(gaps) <= tie)).astype(np.float32)
    return table


def _tie(x: Array, y: Array) -> float:
    """The largest difference of units that counts as a tie: means of equal scores may differ by rounding errors."""
    return max(resolution_of(x), resolution_of(y))


def paired_probability_of_improvement(strata: Sequence[Array]) -> float:
    """Mean over missions of the share of pairs with a positive difference, ties counted half."""
    return float(np.mean([((stratum > 0).mean() + (stratum >= 0).mean()) / 2 for stratum in strata]))


# ---- power ------------------------------------------------------------------------------------------------


def t_power(noncentrality: float, df: float, alpha: float = 0.05) -> float:
    """Power of a two-sided t-test."""
    critical = float(special.stdtrit(df, 1 - alpha / 2))
    shift = abs(noncentrality)  # the test is two-sided: both signs have the same power
    below, beyond = (float(special.nctdtr(df, shift, bound)) for bound in (critical, -critical))
    # scipy gives NaN for a tail too small to compute: both are 0 then.
    return 1 - (below if isfinite(below) else 0.0) + (beyond if isfinite(beyond) else 0.0)


def paired_power(effect: float, n: float, alpha: float = 0.05) -> float:
    """Power of n pairs at a true dz of `effect`."""
    return t_power(effect * sqrt(n), n - 1, alpha) if n > 1 else nan


def two_sample_power(effect: float, n_per_arm: float, alpha: float = 0.05) -> float:
    """Power of two samples of n units each at a true d of `effect`."""
    return t_power(effect * sqrt(n_per_arm / 2), 2 * n_per_arm - 2, alpha) if n_per_arm > 1 else nan


def paired_sample_size(effect: float, power: float = 0.8, alpha: float = 0.05) -> float:
    """Pairs needed (not rounded) to find a true dz of `effect` with this power; NaN above 1e9."""
    return smallest_n(lambda n: paired_power(effect, n, alpha), effect, power)


def two_sample_size(effect: float, power: float = 0.8, alpha: float = 0.05) -> float:
    """Units per arm needed (not rounded) to find a true d of `effect` with this power; NaN above 1e9."""
    return smallest_n(lambda n: two_sample_power(effect, n, alpha), effect, power)


def smallest_n(power_of: Callable[[float], float], effect: float, power: float) -> float:
    """The number of units (not rounded, at least 2) at which `power_of` reaches a power; NaN above 1e9."""
    if effect == 0:
        raise ValueError("no number of units shows an effect of 0")
    low, high = 2.0, 4.0
    if power_of(low) >= power:
        return low
    while power_of(high) < power:
        high *= 2
        if high > 1e9:
            return nan
    return float(optimize.brentq(lambda n: power_of(n) - power, low, high, xtol=1e-9))
