"""The variance of recipes' means: training seeds and environment seeds as crossed random effects.

A score is the sum of a mean, the training seed's effect, the environment seed's effect and a rest (their interaction
and noise). Policies that play the same environment seeds share them, so only what an environment seed does to the
*difference* of two policies counts. In terms of mean squares, the variance of a difference of means is

    (variance of seed means) / seeds + (variance of environments' differences) / environments - (rest) / (both)

with the degrees of freedom of Satterthwaite (1946): the first two terms contain the rest, which is subtracted once. A
fixed policy has no term of training seeds; its episodes' sampling error is in that of the environments.

The claim is then general: other training runs, on other episodes of the same missions. A claim about the episodes
played leaves the last two terms out, and so takes a fixed policy's mean as known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import nan, sqrt

import numpy as np

from daf.statistics.hypothesis_tests import t_p_value
from daf.statistics.intervals import Array, is_constant, t_quantile, unit_of, variance, without_rounding

_Term = tuple[float, float]  # a variance and its degrees of freedom


@dataclass(frozen=True, kw_only=True, eq=False)
class RunTable:
    """The scores of one policy on several missions.

    Attributes:
        scores: per mission (environment seeds, training seeds); a fixed policy has one column.
        environments: per mission the environment seed of each row, ascending.
        resolutions: per mission the size up to which differences of scores are rounding errors; default: 0.
        trained: whether the columns are training seeds.
        joint: whether the columns are the same training runs on all missions; else each mission has separate ones.
        filled: per mission the number of scores that fill gaps (`daf.statistics.gaps`); default: 0.
        seeds: by sample (see `samples`) the training seed of each run, if known.
    """

    scores: Sequence[Array]
    environments: Sequence[tuple[int, ...]]
    trained: bool
    joint: bool = True
    resolutions: Sequence[float] = ()
    seeds: Sequence[tuple[int | None, ...]] = ()
    filled: Sequence[int] = ()

    @cached_property
    def resolution(self) -> float:
        """The size up to which differences of means over missions are rounding errors."""
        return float(np.mean(self.resolutions)) if self.resolutions else 0.0

    def resolution_on(self, mission: int) -> float:
        return self.resolutions[mission] if self.resolutions else 0.0

    def filled_on(self, mission: int) -> int:
        return self.filled[mission] if self.filled else 0

    @cached_property
    def samples(self) -> list[Array]:
        """Independent samples of run scores, whose mean of means is the policy's: of all missions, or of each."""
        runs = [scores.mean(axis=0) for scores in self.scores]
        if self.joint:
            return [without_rounding(runs[0] if len(runs) == 1 else np.mean(runs, axis=0), self.resolution)]
        return [without_rounding(part, self.resolution_on(mission)) for mission, part in enumerate(runs)]

    @cached_property
    def seed_terms(self) -> list[_Term]:
        """Variance of the mean by training seeds: one term per sample."""
        count = len(self.samples) ** 2
        return [(variance(runs) / runs.size / count, runs.size - 1) for runs in self.samples]

    @cached_property
    def environment_means(self) -> list[Array]:
        """Per mission the mean scores of its environment seeds."""
        return [
            without_rounding(scores.mean(axis=1), self.resolution_on(mission))
            for mission, scores in enumerate(self.scores)
        ]

    @cached_property
    def environment_terms(self) -> list[_Term]:
        """Per mission the variance of its mean by environment seeds, without a weight; 0 for a single one."""
        return [(variance(means) / means.size, means.size - 1) for means in self.environment_means]

    @cached_property
    def rest_terms(self) -> list[_Term]:
        """Variance of the mean that neither training seeds nor environment seeds explain, by mission."""
        terms = (_rest_term(self, mission) for mission in range(len(self.scores)))
        return [term for term in terms if term is not None]

    def alone_in_own_unit(self, mission: int) -> RunTable:
        """The scores of one mission, divided by a power of two so that they are about 1."""
        unit = unit_of(self.scores[mission])
        return replace(
            self,
            scores=[self.scores[mission] / unit],
            environments=[self.environments[mission]],
            resolutions=[self.resolution_on(mission) / unit],
            filled=[self.filled_on(mission)],
        )

    @cached_property
    def mean(self) -> float:
        return float(np.mean([runs.mean() for runs in self.samples]))

    @cached_property
    def directions(self) -> Array:
        return directions(self.samples)

    @cached_property
    def noise(self) -> float:
        """Standard error of a run's score by its episodes, as far as several are known."""
        return sqrt(sum(term for term, _ in self.rest_terms) * self.samples[0].size)

    @cached_property
    def df(self) -> int:
        """Degrees of freedom of the runs about their samples' means."""
        return sum(runs.size - 1 for runs in self.samples)

    @cached_property
    def fewest(self) -> int:
        """Training runs of the sample that has fewest."""
        return min(runs.size for runs in self.samples)

    @cached_property
    def sd(self) -> float:
        """Standard deviation of a run's score (over missions: within them)."""
        return sqrt(float(np.mean([variance(runs) for runs in self.samples])))


def directions(samples: Sequence[Array]) -> Array:
    """How the runs of all samples lie about their samples' means, scaled to length 1; 0 if they do not vary."""
    gaps = np.concatenate([np.zeros(runs.size) if is_constant(runs) else runs - runs.mean() for runs in samples])
    length = float(np.linalg.norm(gaps))
    return np.asarray(gaps / length if length else gaps)


@dataclass(frozen=True, kw_only=True)
class StandardError:
    """Of a mean, or of a difference of means, with its degrees of freedom; NaN if unknown."""

    error: float
    df: float

    def half_width(self, level: float) -> float:
        return t_quantile(level, self.df) * self.error


@dataclass(frozen=True, kw_only=True)
class RecipeVariance:
    """What is known about the standard error.

    A general claim implies one about these episodes, and one about these training runs. Each has a separate error with
    other degrees of freedom, and the claim holds if all three do: with 3 training seeds that happen to be alike, the
    degrees of freedom of many episodes would otherwise make p far too small.

    Attributes:
        errors: of the claim itself, and of the claims that it implies.
        environments: the share of the first squared error that more training seeds would not remove.
        general: whether environment seeds are in it. They are not if the claim is about these episodes, or if there is
            one score per run, whose spread then contains all that an evaluation adds.
    """

    errors: tuple[StandardError, ...]
    environments: float = 0.0
    general: bool = False

    @property
    def own(self) -> StandardError:
        return self.errors[0]

    def weakest(self, difference: float) -> StandardError:
        """The error that gives the largest p."""
        return max(self.errors, key=lambda one: t_p_value(difference / one.error, one.df) if one.error > 0 else 0.0)

    def widest(self, level: float) -> StandardError:
        """The error that gives the widest interval."""
        return max((one for one in self.errors if one.error > 0), key=lambda one: one.half_width(level))

    def half_width(self, level: float) -> float:
        return self.widest(level).half_width(level)


@dataclass(frozen=True)
class _Terms:
    """Estimated variances that add up, each with its degrees of freedom."""

    terms: Sequence[_Term]

    @cached_property
    def total(self) -> float:
        return sum(one for one, _ in self.terms)

    def df(self, total: float) -> float:
        """Degrees of freedom of a total of these terms (Satterthwaite 1946); variances are shares of it."""
        if not total:
            return nan
        shares = ((one / total, df) for one, df in self.terms)
        return 1 / sum(share * share / df if df else nan for share, df in shares)

    @property
    def standard_error(self) -> StandardError:
        return StandardError(error=sqrt(self.total), df=self.df(self.total))


def recipe_variance(*policies: RunTable, general: bool = True) -> RecipeVariance:
    """Of the mean of one policy over missions, or of the difference of two.

    The estimate is at least that of training seeds alone and that of environments alone; less the rest, their sum may
    be smaller by chance.
    """
    trained = [policy for policy in policies if policy.trained]
    if not policies or any(policy.fewest < 2 for policy in trained):
        return RecipeVariance(errors=(StandardError(error=nan, df=nan),))
    seeds = _Terms([term for policy in trained for term in policy.seed_terms])
    missions = range(len(policies[0].scores))
    found = [_environment_term(policies, mission) for mission in missions] if general else []
    environments = _Terms([term for term in found if term is not None])
    if not environments.terms:
        return RecipeVariance(errors=(seeds.standard_error,))
    rest = _Terms([term for policy in trained for term in policy.rest_terms])
    beyond = max(0.0, environments.total - rest.total)
    total = seeds.total + environments.total - rest.total
    parts = (seeds.standard_error, environments.standard_error)
    if total <= max(seeds.total, environments.total):
        larger = max(seeds, environments, key=lambda terms: terms.total)
        total, own = larger.total, larger.standard_error
    else:
        df = _Terms([*seeds.terms, *environments.terms, *rest.terms]).df(total)
        own = StandardError(error=sqrt(total), df=max(1.0, df))
    share = min(1.0, beyond / total) if total else 0.0
    return RecipeVariance(errors=(own, *parts), environments=share, general=True)


def environment_share(table: RunTable, mission: int) -> float:
    """The share of the variance of environments' means on a mission that seed means do not contain already."""
    own = table.alone_in_own_unit(mission)
    found = _environment_term([own], 0)
    if found is None or found[0] == 0:
        return 0.0
    rest = _rest_term(own, 0) if own.trained and own.scores[0].shape[1] > 1 else None
    return max(0.0, 1 - rest[0] / found[0]) if rest else 1.0


def _environment_term(policies: Sequence[RunTable], mission: int) -> _Term | None:
    """Variance of the difference of environments' means on a mission, in the mean over missions; None if unknown.

    Environment seeds that both policies played count as pairs.
    """
    weight = len(policies[0].scores) ** 2
    varying = [policy for policy in policies if policy.environment_means[mission].size > 1]
    if not varying:
        return None
    alone = _Terms([policy.environment_terms[mission] for policy in varying])
    df: float = min(one for _, one in alone.terms)
    if len(varying) == 2:
        seeds = [policy.environments[mission] for policy in varying]
        x, y = (policy.environment_means[mission] for policy in varying)
        if seeds[0] == seeds[1]:
            resolution = max(policy.resolution_on(mission) for policy in policies)
            return variance(without_rounding(x - y, resolution)) / x.size / weight, x.size - 1
        columns = [dict(zip(*column, strict=True)) for column in zip(seeds, (x, y), strict=True)]
        common = [seed for seed in seeds[0] if seed in columns[1]]
        if len(common) > 1:
            pairs = np.array([[column[seed] for column in columns] for seed in common])
            shared = float(np.cov(pairs.T)[0, 1]) * 2 * len(common) / (x.size * y.size)
            return max(0.0, alone.total - shared) / weight, min(df, len(common) - 1)
        if alone.total:
            df = alone.df(alone.total)
    return alone.total / weight, df


def _rest_term(policy: RunTable, mission: int) -> _Term | None:
    """Variance of a mean that neither training seeds nor environment seeds explain; None if unknown."""
    scores = policy.scores[mission]
    rows, columns = scores.shape
    df = (rows - 1) * (columns - 1) - policy.filled_on(mission)
    if rows < 2 or (df < 1 and policy.filled_on(mission)):
        return None
    rest = scores - scores.mean(axis=0) - scores.mean(axis=1, keepdims=True) + scores.mean()
    rest = without_rounding(rest, policy.resolution_on(mission))
    return float((rest**2).sum()) / df / (rows * columns * len(policy.scores) ** 2), df
