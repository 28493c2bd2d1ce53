"""Planning: the power of a pair at the declared margin, and how many more units it needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil, comb, isfinite, log2, nan

from daf.statistics import effects

TARGET_POWER = 0.8
FEWEST_SEEDS = 3  # of a verdict: from 2 against 2, up to half of all verdicts would be false


@dataclass(frozen=True, kw_only=True)
class Spread:
    """The variability of a pair's units: all that planning needs, independent of the observed difference.

    Attributes:
        error, df: standard error of the difference and its degrees of freedom.
        sd: standard deviation of one unit (unpaired: of either side; over missions: within them).
        units_needed: from an effect in standard deviations, a power and an alpha to a number of units (unpaired: per
            side).
        groups: number of missions.
        fewest: units of the mission (unpaired: of the side) that has fewest.
    """

    error: float
    df: float
    sd: float
    units_needed: Callable[[float, float, float], float]
    groups: int
    fewest: int

    def in_scores(self, unit: float) -> Spread:
        """The spread of scores that are multiples of `unit`, as scores."""
        return replace(self, error=self.error * unit, sd=self.sd * unit)


@dataclass(frozen=True, kw_only=True)
class PowerPlan:
    """Power at the margin, units needed for a power of 80 %, and how many more that is per mission or side.

    Unknown power is NaN, and unknown numbers are None; numbers above 1e9 count as unknown.
    """

    power: float = nan
    n_needed: int | None = None
    more_needed: int | None = None


def missing_episodes(minimum_p: float, alpha: float) -> int:
    """Further paired units, on all missions together, until a test of signs can give alpha: each halves its least p."""
    return ceil(log2(minimum_p / alpha)) if minimum_p > alpha else 0


def missing_seeds(counts: Sequence[int], minimum_p: float, alpha: float) -> int:
    """Further training seeds per trained side until there can be a verdict on recipes.

    Args:
        counts: of the trained sides.
        minimum_p: of the permutation test of two sides, if it decides; else NaN.
    """
    more = max(0, FEWEST_SEEDS - min(counts))
    if minimum_p > alpha and len(counts) == 2:
        a, b = counts
        while (2 if a == b else 1) / comb(a + b + 2 * more, a + more) > alpha:
            more += 1
    return more


def plan(spread: Spread | None, margin: float | None, alpha: float, missing: int = 0) -> PowerPlan:
    """Plan for a declared margin; everything is unknown without a margin or a known spread.

    Args:
        missing: units without which no difference, however clear, has a verdict.
    """
    if not margin or spread is None or not isfinite(spread.error) or spread.error <= 0:
        return PowerPlan()
    power = effects.t_power(margin / spread.error, spread.df, alpha)
    needed = spread.units_needed(margin / spread.sd, TARGET_POWER, alpha)
    if not isfinite(needed):
        return PowerPlan(power=power)
    n_needed = ceil(needed)
    if missing:
        n_needed = max(n_needed, spread.groups * spread.fewest + missing)
    more_needed = max(0, ceil(n_needed / spread.groups) - spread.fewest)
    return PowerPlan(power=power, n_needed=n_needed, more_needed=more_needed)
