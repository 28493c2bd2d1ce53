"""Cautions: where no test holds with few units, what in the data at hand says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import inf, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy import special

from daf.config import Primary
from daf.statistics.crossed import RunTable, directions
from daf.statistics.intervals import (
    Array,
    is_constant,
    mean_of_strata,
    skewness_of_mean,
    standard_error,
    variance,
)
from daf.system.nouns import number_of

MINUS = "\N{MINUS SIGN}"
Rows = NDArray[np.intp]
FEW_RUNS = 10  # up to this number of training seeds, their spread and shape are hardly known
MANY_RUNS = 100  # from this number, skewness hardly matters
UNEQUAL = 3.0  # ratio of standard deviations from which few seeds mislead Welch's test
GAP = 0.6  # share of the range between two neighbours from which seeds look like two groups
GAPS_OF_FEW = {4: 0.9, 5: 0.8, 6: 0.7, 7: 0.65}  # the same for few; normal seeds have such a gap in 1 of 40 samples
RARE_EPISODES = 200  # among them, an event of 2 % has been seen with a chance of 98 %
DECIDING = 0.9  # share of the variance from which a mission decides alone
OPPOSITE = -0.4  # correlation of runs with the same seed from which p is about half of what it should be
BEYOND_NOISE = 4.0  # standard errors of a run's score from which a gap is not that of episodes
STEADY = 0.1  # a policy's scores are steady if they vary by less than this share of the difference
SKEWED = 0.25  # skewness of a mean from which even Hall's transformed t allows up to 9 % false verdicts


def join_cautions(cautions: Sequence[str]) -> str:
    return "; ".join(dict.fromkeys(caution for caution in cautions if caution))


def seed_cautions(*tables: RunTable, primary: Primary = "mean") -> list[str]:
    """What makes a comparison of these training seeds unreliable.

    Skewed seeds, and those that vary more than others, mislead tests of means; IQM and ranks heed neither.
    """
    shapes = [shape for table in tables if (shape := _shape(table)) is not None]
    if not shapes:
        return []
    fewest = min(shape.count for shape in shapes)
    opposite = _opposite_seeds(*tables) if len(shapes) == 2 else ""
    cautions = [opposite] if opposite else []
    mean, runs = primary == "mean", "training seeds" if all(shape.joint for shape in shapes) else "training runs"
    lopsided = [shape.count for shape in shapes if shape.skewed]
    if mean and lopsided:
        cautions.append(
            f"the scores of the {lopsided[0]} {runs} of one side are skewed, and p may be up to three times too small"
        )
    if mean and (few := _deciding_runs([table for table in tables if table.trained])) <= 3:
        cautions.append(
            f"one mission's {few} training runs decide, since the others vary far less: a rare failed training may be "
            "missing from them"
        )
    return cautions + _cautions_of_few(shapes, runs, mean=mean) if fewest <= FEW_RUNS else cautions


def may_need_seed_cautions(tables: Sequence[RunTable], x: Rows, y: Rows) -> NDArray[np.bool_]:
    """By pair of places in the tables, whether `seed_cautions` may say anything about their means.

    It costs far less than asking about every pair. The tables have one sample of training seeds each.
    """
    shapes = [shape for table in tables if (shape := _shape(table)) is not None]
    numbers: dict[object, int] = {}
    seeds = np.array([numbers.setdefault(table.seeds, len(numbers)) for table in tables])
    suspect = np.array([one.alike or one.skewed or one.two_groups or one.count <= 3 for one in shapes])
    sds, counts = (np.array([getattr(one, name) for one in shapes]) for name in ("sd", "count"))
    directions = np.zeros((len(tables), counts.max()))
    for row, table in zip(directions, tables, strict=True):
        row[: table.directions.size] = table.directions
    correlation = np.einsum("ij,ij->i", directions[x], directions[y])
    least = np.array([min(OPPOSITE, _negative_by_chance(one.df - 1)) if one.df > 1 else -inf for one in shapes])
    low, high = np.minimum(sds[x], sds[y]), np.maximum(sds[x], sds[y])
    few = np.minimum(counts[x], counts[y]) <= FEW_RUNS
    found = suspect[x] | suspect[y] | (seeds[x] != seeds[y]) | (few & (high > UNEQUAL * low))
    return np.asarray(found | (correlation < least[x] + 1e-9))  # sums of another order have other rounding errors


def _cautions_of_few(shapes: Sequence[_Shape], runs: str, *, mean: bool) -> list[str]:
    """What makes few training seeds unreliable.

    Args:
        runs: what they are called.
        mean: whether their means decide.
    """
    cautions = []
    alike = [shape.count for shape in shapes if shape.alike]
    if alike:
        cautions.append(f"all {alike[0]} {runs} of one side score alike, so how much they vary is not known")
    elif mean and len(shapes) == 2:
        low, high = sorted(shape.sd for shape in shapes)
        if high > max(UNEQUAL, _ratio_by_chance(*(shape.df for shape in shapes))) * low:
            times = f"{high / low:.0f} times as much as the other's"
            cautions.append(f"one side's {runs} vary {times}, so few of them decide")
    if any(shape.two_groups for shape in shapes):
        cautions.append("the training seeds of one side fall into two groups, as if some training runs had failed")
    fewest = min(shape.count for shape in shapes)
    if fewest <= 3:
        cautions.append(f"only {fewest} {runs} on one side: a rare failed training may be missing from them")
    return cautions


def _opposite_seeds(a: RunTable, b: RunTable) -> str:
    """A caution if training runs with the same seed are correlated negatively: differences then vary more than assumed.

    Of independent runs, 1 in 40 pairs of samples carry it. If missions vary unequally, those that vary most decide; the
    correlation must then also be more than random signs of its products would give.
    """
    x, y, df = (a.directions, b.directions, a.df - 1) if a.seeds == b.seeds else _common_runs(a, b)
    if not a.seeds or df < 1:
        return ""
    correlation = float(x @ y)
    if correlation >= min(OPPOSITE, _negative_by_chance(df)):
        return ""
    if len(a.samples) > 1 and correlation > -2 * float(np.linalg.norm(x * y)):
        return ""
    honest = 2 * float(special.ndtr(special.ndtri(0.025) / sqrt(1 - correlation)))
    return (
        f"training runs with the same seed move in opposite directions (correlation {MINUS}{-correlation:.2f}), but "
        f"the test takes them as independent: p = 0.05 would rather be {honest:.2f}"
    )


def _deciding_runs(tables: Sequence[RunTable]) -> float:
    """Of separate runs, those of the mission that has nearly all of the variance; infinite if there is none.

    Of two missions with three normal runs of each policy, 1 in 18 has as much.
    """
    if any(len(table.samples) < 2 for table in tables):
        return inf
    parts = [sum(table.seed_terms[mission][0] for table in tables) for mission in range(len(tables[0].samples))]
    if not max(parts) > DECIDING * sum(parts):
        return inf
    mission = parts.index(max(parts))
    return min(table.samples[mission].size for table in tables)


def _common_runs(a: RunTable, b: RunTable) -> tuple[Array, Array, int]:
    """`RunTable.directions` of the training seeds that both have, and the degrees of freedom of their correlation."""
    parts: list[tuple[Array, Array]] = []
    for own, other, x, y in zip(a.seeds, b.seeds, a.samples, b.samples, strict=True):
        places = {seed: place for place, seed in enumerate(other) if seed is not None}
        common = [(place, places[seed]) for place, seed in enumerate(own) if seed in places]
        if len(common) > 1:
            parts.append((x[[one for one, _ in common]], y[[one for _, one in common]]))
    if not parts:
        return np.empty(0), np.empty(0), 0
    x, y = (directions([part[side] for part in parts]) for side in (0, 1))
    return x, y, x.size - len(parts) - 1


@lru_cache(maxsize=1_024)
def _negative_by_chance(df: int) -> float:
    """The correlation that independent normal samples fall below in 1 of 40 cases."""
    t = float(special.stdtrit(df, 0.025))
    return t / sqrt(df + t**2)


@dataclass(frozen=True, kw_only=True)
class _Shape:
    """What the training seeds of one side look like, or its separate runs on all missions together.

    Attributes:
        count: how many there are.
        df: degrees of freedom of their standard deviation.
        sd: within missions.
        joint: whether they played all missions.
    """

    count: int
    df: int
    sd: float
    alike: bool
    skewed: bool
    two_groups: bool
    joint: bool


@lru_cache(maxsize=1_024)  # of the policies on one mission, whose pairs all ask
def _shape(table: RunTable) -> _Shape | None:
    """None if there are no training seeds."""
    if not table.trained:
        return None
    samples = table.samples
    count = sum(runs.size for runs in samples)
    return _Shape(
        count=count, df=count - len(samples), sd=table.sd, alike=all(is_constant(runs) for runs in samples),
        skewed=_are_skewed(samples), two_groups=len(samples) == 1 and _two_groups(samples[0], table.noise),
        joint=len(samples) == 1,
    )  # fmt: skip


def _are_skewed(samples: Sequence[Array]) -> bool:
    """Whether few seeds are so skewed that Welch's test rejects too often, beyond what chance makes of normal ones."""
    n = sum(runs.size for runs in samples)
    error, _ = standard_error(samples)
    if not error > 0 or not 4 < n < MANY_RUNS:
        return False
    return abs(skewness_of_mean(samples, error)) > _skewness_that_counts(samples, error)


def _skewness_that_counts(strata: Sequence[Array], error: float) -> float:
    """Of a mean over strata: more than harmless, and more than 19 of 20 sets of normal samples have by chance.

    The skewness of a normal sample is independent of its variance, so its variance (Cramér 1946, section 29.3) can be
    weighed by the variances observed. A pooled number of units would be wrong: a stratum of few, or of a large spread,
    decides.
    """
    if sum(stratum.size for stratum in strata) < 4:
        return inf
    total = 0.0
    for stratum in strata:
        n = stratum.size
        if n > 2:
            share = variance(stratum) / (n * len(strata) ** 2 * error**2)
            total += share**3 * 6 * (n - 1) / ((n - 2) * (n + 1) * (n + 3))
    return max(SKEWED, 2 * sqrt(total))


def _two_groups(runs: Array, noise: float = 0.0) -> bool:
    """Whether one gap takes most of the range, and is wider than the noise of the runs' episodes explains."""
    if runs.size < 4 or is_constant(runs):
        return False
    least = max(GAPS_OF_FEW.get(runs.size, GAP) * float(np.ptp(runs)), BEYOND_NOISE * noise)
    return float(np.diff(np.sort(runs)).max()) > least


@lru_cache(maxsize=1_024)
def _ratio_by_chance(x: int, y: int) -> float:
    """The ratio of standard deviations that two normal samples of equal variance exceed in 1 of 20 cases.

    Args:
        x, y: their degrees of freedom.
    """
    return sqrt(max(float(special.fdtri(x, y, 0.975)), float(special.fdtri(y, x, 0.975))))


def episode_cautions(
    scores: Mapping[str, Sequence[Array]], differences: Sequence[Array], unit: float = 1.0, primary: Primary = "mean"
) -> list[str]:
    """What makes paired episodes unreliable: the mean of skewed or unseen ones, but not their IQM or order.

    Args:
        scores: by policy, the scores on each mission.
        differences: paired differences on each mission.
        unit: what both are multiples of.
    """
    if primary != "mean":
        return []
    cautions = [_unseen_event(scores, differences, unit)]
    n = sum(stratum.size for stratum in differences)
    error, _ = standard_error(differences)
    if error > 0 and abs(skewness_of_mean(differences, error)) > _skewness_that_counts(differences, error):
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
        f"the scores of {' and '.join(steady)} hardly vary between episodes, and {number_of(n, 'episode')} may miss an "
        f"event that happens in up to {100 * share:.2g} % of episodes: one that changes the score by more than "
        f"{unit * difference / share:.3g} would change the verdict"
    )
