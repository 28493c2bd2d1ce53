"""Pairs of recipes: the unit is the training seed, whose episodes are averaged first; units are not paired."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from math import isfinite, nan

import numpy as np

from daf.config import DAFComparisonConfig
from daf.statistics import bootstrap, effects, hypothesis_tests, intervals
from daf.statistics.hypothesis_tests import HypothesisTestResult
from daf.statistics.intervals import Array, Interval
from daf.statistics.planning import Spread
from daf.statistics.records import PairRecord
from daf.statistics.streams import stream
from daf.statistics.units import Units


class Improvements:
    """P(improvement) of recipes for all pairs on the same missions, from resamples that all pairs share."""

    def __init__(self, units: Units, config: DAFComparisonConfig, policies: list[str]) -> None:
        self._units, self._config, self._policies = units, config, policies
        self._replicates: dict[tuple[str, ...], dict[tuple[str, str], Array]] = {}

    def interval(self, a: str, b: str, missions: list[str]) -> Interval:
        """Compute it from replicates of seed means, drawing a policy's seeds jointly for all missions."""
        key = tuple(missions)
        if key not in self._replicates:
            self._replicates[key] = self._resample(missions)
        sample = [self._units.run_scores(policy, missions) for policy in (a, b)]
        return bootstrap.replicate_interval(
            self._replicates[key][a, b], sample, self._config.confidence_level, joint=True
        )

    def _resample(self, missions: list[str]) -> dict[tuple[str, str], Array]:
        scores = {policy: self._units.run_scores(policy, missions) for policy in self._policies}
        able = [policy for policy, runs in scores.items() if runs and runs[0].size]
        indices = list(combinations(range(len(able)), 2))
        if self._config.reference in able:
            first = able.index(self._config.reference)
            indices = [(first, other) for other in range(len(able)) if other != first]
        _, replicates = bootstrap.bootstrap_suite(
            [scores[policy] for policy in able],
            statistics=(),
            pairs=indices,
            num_resamples=self._config.num_resamples,
            rngs=[stream(self._config, "improvement", policy, *missions) for policy in able],
            joint=True,
        )
        return {(able[x], able[y]): values for (x, y), values in zip(indices, replicates, strict=True)}


@dataclass(frozen=True, kw_only=True)
class _Estimate:
    """The difference of two recipes.

    Attributes:
        error, df: standard error of the difference and its degrees of freedom; NaN if unknown.
        test: the test's name with its units.
    """

    result: HypothesisTestResult
    interval: Interval
    effect: float
    effect_interval: Interval
    error: float
    df: float
    test: str


def recipe_pair(
    units: Units,
    config: DAFComparisonConfig,
    a: str,
    b: str,
    *,
    mission: str,
    missions: list[str],
    max_resamples: int,
    improvements: Improvements,
) -> tuple[PairRecord, Spread | None]:
    """The difference of two recipes and its test, not yet adjusted and without a verdict.

    A policy without training seeds counts as fixed. Arguments as for `checkpoint_pairs.checkpoint_pair`.
    """
    runs = {policy: units.run_means(policy, missions) if missions else np.empty(0) for policy in (a, b)}
    trained = [policy for policy in (a, b) if units.training_seeds(policy)]
    n_a, n_b = (int(runs[policy].size) if policy in trained else None for policy in (a, b))
    two_samples = len(trained) == 2
    record = PairRecord(
        estimand="recipes", mission=mission, n_missions=len(missions), policy_a=a, policy_b=b, paired=False,
        n_a=n_a, n_b=n_b, effect_name="g" if two_samples else "dz",
        test="Welch t-test" if two_samples else "one-sample t-test",
        reason=_too_few_runs(units, runs, missions) if missions else "no mission in common",
    )  # fmt: skip
    if not (runs[a].size and runs[b].size):
        return record, None
    if two_samples:
        rng = stream(config, "recipes", a, b, *missions)
        estimate = _two_sample_estimate(config, runs[a], runs[b], max_resamples, rng)
    else:
        resolution = units.resolution((a, b), missions)
        estimate = _one_sample_estimate(config, runs[a], runs[b], a_is_trained=a in trained, resolution=resolution)
    better, improvement = intervals.unknown(estimate.result.reason), nan
    if estimate.result.p is not None:
        better = improvements.interval(a, b, missions)
        improvement = effects.probability_of_improvement(*(units.run_scores(policy, missions) for policy in (a, b)))
    record = replace(
        _with_estimate(record, estimate, (config.equivalence_margin or 0.0) / units.unit),
        mean_a=float(runs[a].mean()),
        mean_b=float(runs[b].mean()),
        p_improvement=improvement,
        p_improvement_low=better.low,
        p_improvement_high=better.high,
    )
    return record, _spread(estimate, [runs[policy] for policy in trained])


def _two_sample_estimate(
    config: DAFComparisonConfig, x: Array, y: Array, max_resamples: int, rng: np.random.Generator
) -> _Estimate:
    """Compare the seed means of two trained policies."""
    level = config.confidence_level
    result = hypothesis_tests.welch_test(x, y)
    if config.recipe_test == "permutation":
        result = hypothesis_tests.permutation_test(
            x, y, num_resamples=config.num_resamples, max_resamples=max_resamples, rng=rng
        )
    effect, effect_interval = effects.hedges_g(x, y, level)
    error, df = hypothesis_tests.welch_parts(x, y) if min(x.size, y.size) > 1 else (nan, nan)
    return _Estimate(
        result=result,
        interval=hypothesis_tests.welch_interval(x, y, level),
        effect=effect,
        effect_interval=effect_interval,
        error=error,
        df=df,
        test=f"{result.name} on seed means",
    )


def _one_sample_estimate(
    config: DAFComparisonConfig, x: Array, y: Array, *, a_is_trained: bool, resolution: float
) -> _Estimate:
    """Compare the seed means of a trained policy with the mean of a fixed one."""
    level = config.confidence_level
    sign, runs, fixed = (1.0, x, float(y.mean())) if a_is_trained else (-1.0, y, float(x.mean()))
    gaps = sign * intervals.without_rounding(runs - fixed, resolution)
    result = hypothesis_tests.one_sample_t_test(gaps)
    effect, effect_interval = effects.dz([gaps], level)
    error, df = intervals.standard_error([gaps])
    return _Estimate(
        result=result,
        interval=intervals.student_t_interval([gaps], level),
        effect=effect,
        effect_interval=effect_interval,
        error=error,
        df=df,
        test=f"{result.name} of seed means against a fixed policy",
    )


def _with_estimate(record: PairRecord, estimate: _Estimate, margin: float) -> PairRecord:
    result = estimate.result
    equivalence = nan
    if margin:
        equivalence = hypothesis_tests.equivalence_p(result.difference, estimate.error, estimate.df, margin) or nan
    return replace(
        record,
        difference=result.difference,
        interval_low=estimate.interval.low,
        interval_high=estimate.interval.high,
        interval_method=estimate.interval.method,
        effect=estimate.effect,
        effect_low=estimate.effect_interval.low,
        effect_high=estimate.effect_interval.high,
        test=estimate.test,
        p=nan if result.p is None else result.p,
        minimum_p=nan if result.minimum_p is None else result.minimum_p,
        p_equivalence=equivalence,
        reason=record.reason or result.reason,
    )


def _spread(estimate: _Estimate, runs: list[Array]) -> Spread | None:
    """How the seed means of the trained policies vary; None if unknown."""
    if not isfinite(estimate.error):
        return None
    return Spread(
        error=estimate.error,
        df=estimate.df,
        sd=float(np.sqrt(np.mean([means.var(ddof=1) for means in runs]))),
        units_needed=effects.two_sample_size if len(runs) == 2 else effects.paired_sample_size,
        groups=1,
        fewest=min(means.size for means in runs),
    )


def _too_few_runs(units: Units, runs: dict[str, Array], missions: list[str]) -> str:
    """Name the policies with too few training seeds that played all these missions; empty if there are none."""
    known = {policy: len(units.training_seeds(policy)) for policy in runs}
    played = f"played {missions[0]}" if len(missions) == 1 else f"played all {len(missions)} missions"
    none = [policy for policy, means in runs.items() if known[policy] and not means.size]
    one_left = [policy for policy, means in runs.items() if known[policy] > 1 and means.size == 1]
    single = [policy for policy, means in runs.items() if known[policy] == 1 and means.size == 1]
    reasons = (
        f"no training seed of {' or '.join(none)} {played}" if none else "",
        f"only one training seed of {' and of '.join(one_left)} {played}" if one_left else "",
        f"{' and '.join(single)} {'has' if len(single) == 1 else 'have'} only one training seed" if single else "",
    )
    return "; ".join(reason for reason in reasons if reason)
