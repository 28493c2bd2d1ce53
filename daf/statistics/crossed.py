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
from daf.statistics.intervals import Array, satterthwaite_df, t_quantile, unit_of, variance, without_rounding


@dataclass(frozen=True, kw_only=True)
class RunTable:
    """The scores of one policy on several missions.

    Attributes:
        scores: per mission (environment seeds, training seeds); a fixed policy has one column.
        environments: per mission the environment seed of each row, ascending.
        resolutions: per mission the size up to which differences of scores are rounding errors; default: 0.
        trained: whether the columns are training seeds.
        joint: whether the columns are the same training runs on all missions; else each mission has separate ones.
    """

    scores: Sequence[Array]
    environments: Sequence[tuple[int, ...]]
    trained: bool
    joint: bool = True
    resolutions: Sequence[float] = ()

    @property
    def resolution(self) -> float:
        """The size up to which differences of means over missions are rounding errors."""
        return float(np.mean(self.resolutions)) if self.resolutions else 0.0

    def resolution_on(self, mission: int) -> float:
        return self.resolutions[mission] if self.resolutions else 0.0

    @cached_property
    def samples(self) -> list[Array]:
        """Independent samples of run scores, whose mean of means is the policy's: of all missions, or of each."""
        runs = [scores.mean(axis=0) for scores in self.scores]
        if self.joint:
            return [without_rounding(np.mean(runs, axis=0), self.resolution)]
        return [without_rounding(part, self.resolution_on(mission)) for mission, part in enumerate(runs)]

    def alone_in_own_unit(self, mission: int) -> RunTable:
        """The scores of one mission, divided by a power of two so that they are about 1."""
        unit = unit_of(self.scores[mission])
        return replace(
            self,
            scores=[self.scores[mission] / unit],
            environments=[self.environments[mission]],
            resolutions=[self.resolution_on(mission) / unit],
        )

    @property
    def mean(self) -> float:
        return float(np.mean([runs.mean() for runs in self.samples]))

    @property
    def fewest(self) -> int:
        """Training runs of the sample that has fewest."""
        return min(runs.size for runs in self.samples)

    @property
    def sd(self) -> float:
        """Standard deviation of a run's score (over missions: within them)."""
        return sqrt(float(np.mean([variance(runs) for runs in self.samples])))


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


@dataclass(frozen=True, kw_only=True)
class _Terms:
    """Estimated variances that add up, each with its degrees of freedom."""

    variances: Array
    dfs: Array

    @property
    def total(self) -> float:
        return float(self.variances.sum())

    @property
    def standard_error(self) -> StandardError:
        return StandardError(error=sqrt(self.total), df=satterthwaite_df(self.variances, self.dfs, self.total))


def _terms(pairs: Sequence[tuple[float, float]]) -> _Terms:
    table = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    return _Terms(variances=table[:, 0], dfs=table[:, 1])


def recipe_variance(*policies: RunTable, general: bool = True) -> RecipeVariance:
    """Of the mean of one policy over missions, or of the difference of two.

    The estimate is at least that of training seeds alone and that of environments alone; less the rest, their sum may
    be smaller by chance.
    """
    trained = [policy for policy in policies if policy.trained]
    if not policies or any(policy.fewest < 2 for policy in trained):
        return RecipeVariance(errors=(StandardError(error=nan, df=nan),))
    samples = [(runs, len(policy.samples)) for policy in trained for runs in policy.samples]
    seeds = _terms([(variance(runs) / runs.size / count**2, runs.size - 1) for runs, count in samples])
    missions = range(len(policies[0].scores))
    found = [_environment_term(policies, mission) for mission in missions] if general else []
    environments = _terms([term for term in found if term is not None])
    if not environments.variances.size:
        return RecipeVariance(errors=(seeds.standard_error,))
    rest = _terms([term for policy in trained for mission in missions if (term := _rest_term(policy, mission))])
    beyond = max(0.0, environments.total - rest.total)
    total = seeds.total + environments.total - rest.total
    parts = (seeds.standard_error, environments.standard_error)
    if total <= max(seeds.total, environments.total):
        larger = max(seeds, environments, key=lambda terms: terms.total)
        total, own = larger.total, larger.standard_error
    else:
        terms = (seeds, environments, rest)
        variances = np.concatenate([one.variances for one in terms])
        df = satterthwaite_df(variances, np.concatenate([one.dfs for one in terms]), total)
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


def environment_means(table: RunTable, mission: int) -> Array:
    """Mean scores of a mission's environment seeds."""
    return without_rounding(table.scores[mission].mean(axis=1), table.resolution_on(mission))


def _environment_term(policies: Sequence[RunTable], mission: int) -> tuple[float, float] | None:
    """Variance of the difference of environments' means on a mission, in the mean over missions; None if unknown.

    Environment seeds that both policies played count as pairs.
    """
    weight = len(policies[0].scores) ** 2
    columns = [
        dict(zip(policy.environments[mission], environment_means(policy, mission), strict=True)) for policy in policies
    ]
    varying = [column for column in columns if len(column) > 1]
    if not varying:
        return None
    alone = [(variance(np.array(list(column.values()))) / len(column), len(column) - 1) for column in varying]
    total = sum(part for part, _ in alone)
    df: float = min(df for _, df in alone)
    if len(varying) == 2:
        x, y = varying
        common = [seed for seed in x if seed in y]
        if len(common) == len(x) == len(y):
            resolution = max(policy.resolution_on(mission) for policy in policies)
            differences = without_rounding(np.array([x[seed] - y[seed] for seed in common]), resolution)
            return variance(differences) / len(x) / weight, len(x) - 1
        if len(common) > 1:
            pairs = np.array([[x[seed], y[seed]] for seed in common])
            shared = float(np.cov(pairs.T)[0, 1]) * 2 * len(common) / (len(x) * len(y))
            return max(0.0, float(total - shared)) / weight, min(df, len(common) - 1)
        if total:
            df = satterthwaite_df(np.array([part for part, _ in alone]), np.array([one for _, one in alone]), total)
    return float(total) / weight, df


def _rest_term(policy: RunTable, mission: int) -> tuple[float, float] | None:
    """Variance of a mean that neither training seeds nor environment seeds explain; None for a single row."""
    scores = policy.scores[mission]
    rows, columns = scores.shape
    if rows < 2:
        return None
    rest = scores - scores.mean(axis=0) - scores.mean(axis=1, keepdims=True) + scores.mean()
    rest = without_rounding(rest, policy.resolution_on(mission))
    df = (rows - 1) * (columns - 1)
    return float((rest**2).sum()) / df / (rows * columns * len(policy.scores) ** 2), df
