"""Pairs of recipes: the unit is the training seed, whose episodes are averaged first; units are not paired."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import isfinite, nan, sqrt

import numpy as np

from daf.config import DAFComparisonConfig
from daf.statistics import effects, hypothesis_tests, intervals, primary, recipe_bootstrap
from daf.statistics.cautions import join_cautions, seed_cautions
from daf.statistics.crossed import RecipeVariance, RunTable, recipe_variance
from daf.statistics.hypothesis_tests import HypothesisTestResult
from daf.statistics.intervals import Array, Interval
from daf.statistics.levels import alpha_of
from daf.statistics.planning import Spread
from daf.statistics.recipe_resamples import Improvements
from daf.statistics.records import PairRecord, changed
from daf.statistics.streams import stream
from daf.statistics.units import Units

UNCONFIRMED = ", not confirmed by permutation"
FEW_SEEDS = 10  # up to this number on a side, Welch's test has to be confirmed


@dataclass(frozen=True, kw_only=True)
class _Estimate:
    """The difference of two recipes: its test, interval, standardized effect and cautions."""

    result: HypothesisTestResult
    interval: Interval
    effect: float
    effect_interval: Interval
    variance: RecipeVariance
    caution: str


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

    A policy without training seeds is fixed: its weights are known, but not what it scores on other episodes.
    Arguments as for `checkpoint_pairs.checkpoint_pair`.
    """
    tables = {policy: units.run_table(policy, missions) if missions else None for policy in (a, b)}
    runs = {name: 0 if table is None else sum(part.size for part in table.samples) for name, table in tables.items()}
    trained = [policy for policy in (a, b) if units.training_seeds(policy)]
    n_a, n_b = (runs[policy] if policy in trained else None for policy in (a, b))
    two_samples = len(trained) == 2
    record = PairRecord(
        estimand="recipes", mission=mission, n_missions=len(missions), policy_a=a, policy_b=b, paired=False,
        n_a=n_a, n_b=n_b, effect_name="d" if two_samples else "dz", claim=config.recipe_claim,
        test="Welch t-test" if two_samples else "one-sample t-test",
        reason=_too_few_runs(units, runs, missions) if missions else "no mission in common",
    )  # fmt: skip
    table_a, table_b = tables[a], tables[b]
    if table_a is None or table_b is None:
        return record, None
    estimate = _estimate(config, table_a, table_b, max_resamples, lambda: stream(config, "recipes", a, b, *missions))
    record = _with_estimate(record, estimate, (config.equivalence_margin or 0.0) / units.unit)
    record = changed(record, mean_a=table_a.mean, mean_b=table_b.mean)
    if estimate.result.p is not None:
        samples = [units.run_scores(policy, missions) for policy in (a, b)]
        resampled = improvements.of(a, b, missions, units.unit)
        better, iqm = resampled.better, resampled.iqm
        gap = units.run_iqm(a, missions) - units.run_iqm(b, missions)
        record = changed(
            record,
            p_improvement=effects.probability_of_improvement(*samples),
            p_improvement_low=better.low,
            p_improvement_high=better.high,
            iqm_difference=0.0 if abs(gap) <= units.resolution((a, b), missions) else gap,
            iqm_low=iqm.low,
            iqm_high=iqm.high,
        )
        if config.primary != "mean" and resampled.tail is not None:
            known = iqm.known if config.primary == "iqm" else better.known
            sizes = _independent(table_a, table_b, general=estimate.variance.general)
            record = primary.from_replicates(record, config.primary, resampled.tail, sizes, known=known)
    if config.primary != "mean":  # what planning needs is about means
        return record, None
    return record, spread_of_runs(estimate.variance, [table for table in (table_a, table_b) if table.trained])


def _independent(*tables: RunTable, general: bool) -> list[list[int]]:
    """By policy its independent units; of a fixed policy its episodes, if other episodes count."""
    sizes = [[runs.size for runs in table.samples] for table in tables if table.trained]
    fixed = [table for table in tables if not table.trained]
    return sizes + [[recipe_bootstrap.fewest_units([table])] for table in fixed if general]


def _estimate(
    config: DAFComparisonConfig, a: RunTable, b: RunTable, max_resamples: int, rng: Callable[[], np.random.Generator]
) -> _Estimate:
    """Compare the means of two policies, at least one of them trained."""
    level = config.confidence_level
    resolution = max(a.resolution, b.resolution)
    difference = float(intervals.without_rounding(np.array(a.mean - b.mean), resolution))
    trained = [table for table in (a, b) if table.trained]
    samples = [table.samples[0] for table in trained if len(table.samples) == 1]
    variance = recipe_variance(a, b, general=config.recipe_claim == "general")
    name = _test_name(variance, two_samples=len(trained) == 2)
    reason = _no_test_reason(variance, trained)
    if reason:
        result = HypothesisTestResult(name=name, difference=difference, p=None, minimum_p=None, reason=reason)
        return _Estimate(result=result, interval=intervals.unknown(reason), effect=nan,
                         effect_interval=intervals.unknown(reason), variance=variance, caution="")  # fmt: skip
    weakest = variance.weakest(difference)
    p = hypothesis_tests.t_p_value(difference / weakest.error, weakest.df)
    result = HypothesisTestResult(name=name, difference=difference, p=p, minimum_p=None)
    result, caution = _with_permutation(config, result, samples, max_resamples, rng)
    half = variance.half_width(level)
    sd = sqrt(float(np.mean([table.sd**2 for table in trained])))
    widest = variance.widest(level)
    effect, effect_interval = effects.standardized(difference, widest.error, widest.df, sd, level)
    return _Estimate(
        result=result,
        interval=Interval(low=difference - half, high=difference + half, method=_method(variance, len(trained))),
        effect=effect,
        effect_interval=effect_interval,
        variance=variance,
        caution=join_cautions([*seed_cautions(a, b, primary=config.primary), caution]),
    )


def _no_test_reason(variance: RecipeVariance, trained: Sequence[RunTable]) -> str:
    fewest = min(table.fewest for table in trained)
    if fewest < 2:
        several = any(len(table.samples) > 1 for table in trained)
        where = "one of the missions" if several else "one side"
        return "only one unit" if len(trained) == 1 else f"only one training run on {where}; at least two are needed"
    if not variance.own.error > 0:
        return "all values are equal within both sides" if len(trained) == 2 else f"all {fewest} values are equal"
    return ""


def _test_name(variance: RecipeVariance, *, two_samples: bool) -> str:
    if variance.general:
        return "t-test of training seeds and episodes" + ("" if two_samples else " against a fixed policy")
    if two_samples:
        return "Welch t-test on seed means"
    return "one-sample t-test of seed means against a fixed policy"


def _method(variance: RecipeVariance, samples: int) -> str:
    if variance.general:
        return "crossed random effects, Satterthwaite"
    return "Welch" if samples == 2 else "Student-t"


def _with_permutation(
    config: DAFComparisonConfig,
    result: HypothesisTestResult,
    samples: Sequence[Array],
    max_resamples: int,
    rng: Callable[[], np.random.Generator],
) -> tuple[HypothesisTestResult, str]:
    """The result with the permutation test, if it is chosen or has to confirm one from few training seeds.

    Welch's test is wrong too often for few seeds of uneven spread; a permutation test that could reject, but does not,
    overrules it.
    """
    alpha = alpha_of(config.confidence_level)
    chosen = config.recipe_test == "permutation"
    welch_p = result.p if result.p is not None else 1.0
    few = len(samples) == 2 and min(runs.size for runs in samples) <= FEW_SEEDS
    if len(samples) < 2 or not (chosen or (few and welch_p <= alpha)):
        return result, ""
    permuted = hypothesis_tests.permutation_test(
        samples[0], samples[1], num_resamples=config.num_resamples, max_resamples=max_resamples, rng=rng()
    )
    if permuted.p is None:
        return result, ""
    p = max(welch_p, permuted.p)
    if chosen:
        name = f"{result.name}, and {permuted.name}"
        return replace(result, name=name, p=p, minimum_p=permuted.minimum_p), ""
    if permuted.p <= alpha or (permuted.minimum_p or 0.0) > alpha:
        return result, ""
    return replace(result, name=f"{result.name}{UNCONFIRMED}", p=p), unconfirmed_caution(welch_p, permuted.p)


def unconfirmed_caution(welch_p: float, permuted_p: float) -> str:
    """What to say of a test that the permutation test overrules."""
    return (
        f"the t-test alone finds a difference (p = {welch_p:.2g}), but a studentized permutation test of the same "
        f"training seeds does not (p = {permuted_p:.2g}), and the larger p counts"
    )


def _with_estimate(record: PairRecord, estimate: _Estimate, margin: float) -> PairRecord:
    result, variance = estimate.result, estimate.variance
    weakest = variance.weakest(result.difference) if result.p is not None else variance.own
    equivalence = nan
    if margin and result.p is not None:
        tests = (
            hypothesis_tests.equivalence_p(result.difference, one.error, one.df, margin) for one in variance.errors
        )
        equivalence = max((p for p in tests if p is not None), default=nan)
    return changed(
        record,
        difference=result.difference,
        interval_low=estimate.interval.low,
        interval_high=estimate.interval.high,
        interval_method=estimate.interval.method,
        effect=estimate.effect,
        effect_low=estimate.effect_interval.low,
        effect_high=estimate.effect_interval.high,
        test=result.name,
        t=nan if result.p is None else result.difference / weakest.error,
        df=nan if result.p is None else weakest.df,
        p=nan if result.p is None else result.p,
        minimum_p=nan if result.minimum_p is None else result.minimum_p,
        p_equivalence=equivalence,
        caution=estimate.caution,
        reason=record.reason or result.reason,
    )


def spread_of_runs(variance: RecipeVariance, trained: list[RunTable]) -> Spread | None:
    """How the seed means of the trained policies vary; None if unknown."""
    if not isfinite(variance.own.error):
        return None
    sd = sqrt(float(np.mean([table.sd**2 for table in trained])))
    if not sd > 0:
        return None
    sides, strata, widest = len(trained), len(trained[0].samples), variance.widest(0.95)
    environments = variance.environments * (variance.own.error / sd) ** 2  # what more seeds leave, in sd squared

    return Spread(
        error=widest.error,
        df=widest.df,
        sd=sd,
        units_needed=partial(_seeds_needed, environments, sides, strata),
        groups=1,
        fewest=min(table.fewest for table in trained),
    )


def _seeds_needed(environments: float, sides: int, strata: int, effect: float, power: float, alpha: float) -> float:
    """How many training seeds a side needs on each of some missions."""
    return effects.smallest_n(
        lambda n: effects.t_power(effect / sqrt(environments + sides / strata / n), sides * strata * (n - 1), alpha),
        effect,
        power,
    )


def _too_few_runs(units: Units, runs: dict[str, int], missions: list[str]) -> str:
    """Name the policies with too few training seeds that played all these missions; empty if there are none."""
    known = {policy: len(units.training_seeds(policy)) for policy in runs}
    played = f"played {missions[0]}" if len(missions) == 1 else f"played all {len(missions)} missions"
    none = [policy for policy, count in runs.items() if known[policy] and not count]
    one_left = [policy for policy, count in runs.items() if known[policy] > 1 and count == 1]
    single = [policy for policy, count in runs.items() if known[policy] == 1 and count == 1]
    reasons = (
        f"no training seed of {' or '.join(none)} {played}" if none else "",
        f"only one training seed of {' and of '.join(one_left)} {played}" if one_left else "",
        f"{' and '.join(single)} {'has' if len(single) == 1 else 'have'} only one training seed" if single else "",
    )
    return "; ".join(reason for reason in reasons if reason)
