"""Cautions: where no test holds with few units, what in the data at hand says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import inf, sqrt

import numpy as np
from scipy import special

from daf.statistics.crossed import RunTable
from daf.statistics.intervals import (
    Array,
    is_constant,
    mean_of_strata,
    skewness_of_mean,
    standard_error,
)

FEW_RUNS = 10  # up to this number of training seeds, their spread and shape are hardly known
MANY_RUNS = 100  # from this number, skewness hardly matters
UNEQUAL = 3.0  # ratio of standard deviations from which few seeds mislead Welch's test
GAP = 0.6  # share of the range between two neighbours from which seeds look like two groups
GAPS_OF_FEW = {4: 0.9, 5: 0.8, 6: 0.7, 7: 0.65}  # the same for few; normal seeds have such a gap in 1 of 40 samples
RARE_EPISODES = 200  # among them, an event of 2 % has been seen with a chance of 98 %
STEADY = 0.1  # a policy's scores are steady if they vary by less than this share of the difference
SKEWED = 0.25  # skewness of a mean from which even Hall's transformed t allows up to 9 % false verdicts


def join_cautions(cautions: Sequence[str]) -> str:
    return "; ".join(dict.fromkeys(caution for caution in cautions if caution))


def seed_cautions(*tables: RunTable) -> list[str]:
    """What makes a comparison of these training seeds unreliable."""
    shapes = [shape for table in tables if (shape := _shape(table)) is not None]
    if not shapes:
        return []
    fewest = min(shape.count for shape in shapes)
    cautions = []
    lopsided = [shape.count for shape in shapes if shape.skewed]
    if lopsided:
        cautions.append(
            f"the scores of the {lopsided[0]} training seeds of one side are skewed, and p may be up to three times "
            "too small"
        )
    if fewest > FEW_RUNS:
        return cautions
    spreads = [shape.sd for shape in shapes if shape.df > 0]
    alike = [shape.count for shape in shapes if shape.alike]
    if alike:
        cautions.append(f"all {alike[0]} training seeds of one side score alike, so how much they vary is not known")
    elif len(spreads) == 2 and max(spreads) > max(UNEQUAL, _ratio_by_chance(*(x.df for x in shapes))) * min(spreads):
        cautions.append(
            f"one side's training seeds vary {max(spreads) / min(spreads):.0f} times as much as the other's, so few of "
            "them decide"
        )
    if any(shape.two_groups for shape in shapes):
        cautions.append("the training seeds of one side fall into two groups, as if some training runs had failed")
    if fewest <= 3:
        cautions.append(f"only {fewest} training seeds on one side: a rare failed training may be missing from them")
    return cautions


@dataclass(frozen=True, kw_only=True)
class _Shape:
    """What the training seeds of one side look like, or its separate runs on all missions together.

    Attributes:
        count: how many there are.
        df: degrees of freedom of their standard deviation.
        sd: within missions.
    """

    count: int
    df: int
    sd: float
    alike: bool
    skewed: bool
    two_groups: bool


@lru_cache(maxsize=1_024)  # of the policies on one mission, whose pairs all ask
def _shape(table: RunTable) -> _Shape | None:
    """None if there are no training seeds."""
    if not table.trained:
        return None
    samples = table.samples
    count = sum(runs.size for runs in samples)
    return _Shape(
        count=count, df=count - len(samples), sd=table.sd, alike=all(is_constant(runs) for runs in samples),
        skewed=_are_skewed(samples), two_groups=len(samples) == 1 and _two_groups(samples[0]),
    )  # fmt: skip


def _are_skewed(samples: Sequence[Array]) -> bool:
    """Whether few seeds are so skewed that Welch's test rejects too often, beyond what chance makes of normal ones."""
    n = sum(runs.size for runs in samples)
    error, _ = standard_error(samples)
    if not error > 0 or not 4 < n < MANY_RUNS:
        return False
    return abs(skewness_of_mean(samples, error)) > _skewness_that_counts(n)


def _skewness_that_counts(n: int) -> float:
    """Of a mean of n units: more than harmless, and more than 19 of 20 normal samples have by chance."""
    if n < 4:
        return inf
    return max(SKEWED, 2 * sqrt(6 * (n - 1) / ((n - 2) * (n + 1) * (n + 3))))


def _two_groups(runs: Array) -> bool:
    """Whether one gap takes most of the range."""
    gap = GAPS_OF_FEW.get(runs.size, GAP)
    return bool(runs.size > 3 and not is_constant(runs) and np.diff(np.sort(runs)).max() > gap * np.ptp(runs))


@lru_cache(maxsize=1_024)
def _ratio_by_chance(x: int, y: int) -> float:
    """The ratio of standard deviations that two normal samples of equal variance exceed in 1 of 20 cases.

    Args:
        x, y: their degrees of freedom.
    """
    return sqrt(max(float(special.fdtri(x, y, 0.975)), float(special.fdtri(y, x, 0.975))))


def episode_cautions(
    scores: Mapping[str, Sequence[Array]], differences: Sequence[Array], unit: float = 1.0
) -> list[str]:
    """What makes paired episodes unreliable.

    Args:
        scores: by policy, the scores on each mission.
        differences: paired differences on each mission.
        unit: what both are multiples of.
    """
    cautions = [_unseen_event(scores, differences, unit)]
    n = sum(stratum.size for stratum in differences)
    varies = not all(is_constant(stratum) for stratum in differences)
    if varies and abs(skewness_of_mean(differences, standard_error(differences)[0])) > _skewness_that_counts(n):
        cautions.append(f"the paired differences are skewed, and with {n} of them p may be too small")
    return [caution for caution in cautions if caution]


def largest_unseen_share(n: int) -> float:
    """The share of episodes up to which an event may be missing from n of them (95 % bound)."""
    return float(1 - 0.05 ** (1 / n))


def _unseen_event(scores: Mapping[str, Sequence[Array]], differences: Sequence[Array], unit: float) -> str:
    """A caution if one policy's scores are steady and an event that decides is credible.

    It is if such an event is within the range of scores seen, or if that range says nothing because neither
    policy's scores vary.
    """
    n = sum(stratum.size for stratum in differences)
    difference = abs(float(mean_of_strata(differences)))
    if n >= RARE_EPISODES or not difference > 0:
        return ""
    steady = [
        policy
        for policy, missions in scores.items()
        if all(float(units.std()) < STEADY * difference for units in missions)
    ]
    share = largest_unseen_share(n)
    seen = max(
        max(0.0, float(units.max())) - min(0.0, float(units.min()))
        for missions in scores.values()
        for units in missions
    )
    if not steady or (len(steady) < len(scores) and difference / share > seen):
        return ""
    return (
        f"{' and '.join(steady)} scored almost the same in every episode, and {n} episodes may miss an event that "
        f"happens in up to {100 * share:.2g} % of them: one that changes the score by more than "
        f"{unit * difference / share:.3g} would change the verdict"
    )
