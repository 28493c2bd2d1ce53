"""Pairs of checkpoints: the unit is the episode, paired by mission and environment seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import isfinite, nan

import numpy as np

from daf.config import DAFComparisonConfig
from daf.statistics import effects, hypothesis_tests, intervals, primary
from daf.statistics.cautions import episode_cautions, join_cautions
from daf.statistics.hypothesis_tests import HypothesisTestResult
from daf.statistics.intervals import Array
from daf.statistics.planning import Spread
from daf.statistics.records import PairRecord, changed
from daf.statistics.streams import stream
from daf.statistics.units import Units
from daf.system.nouns import number_of

ONE_EPISODE = "a single common episode"


def checkpoint_pair(
    units: Units, config: DAFComparisonConfig, a: str, b: str, *, mission: str, missions: list[str], max_resamples: int
) -> tuple[PairRecord, Spread | None]:
    """The difference of two policies and its test, not yet adjusted and without a verdict.

    The larger p of two tests counts: sign flips are exact for symmetric differences, Hall's test is for skewed ones.
    On a mission with a single common episode nothing shows how much differences vary, so Hall's test cannot guard the
    other; then there is no test. If all differences on a mission are equal and not 0, the test counts them as one unit,
    but the standard error treats their mean as known; equivalence and planning, which depend only on that error, are
    then not computed.

    Args:
        mission, missions: the record's mission, or "overall", and those that it covers.
        max_resamples: draws of a test if its first draws rarely reach the observed difference.
    """
    level = config.confidence_level
    strata = [units.paired_differences(a, b, name) for name in missions]
    n = sum(stratum.size for stratum in strata)
    record = PairRecord(
        estimand="checkpoints", mission=mission, n_missions=len(missions), policy_a=a, policy_b=b, paired=True,
        n_a=n, n_b=n, effect_name="dz", test="sign-flip permutation",
    )  # fmt: skip
    if not n:
        return changed(record, reason="no mission and environment seed in common"), None
    if n == len(missions) == 1 and config.primary == "mean":
        return _single_episode(units, config, record, missions, float(strata[0][0])), None
    rng, resolution = stream(config, "pair", a, b, *missions), units.resolution((a, b), missions)
    options = {"num_resamples": config.num_resamples, "max_resamples": max_resamples}
    flipped = hypothesis_tests.sign_flip_test(strata, resolution=resolution, rng=rng, **options)
    result = _tested(missions, strata, flipped)
    varying = [units.paired_differences(a, b, name, spread=True) for name in missions]
    interval = intervals.mean_interval(varying, level)
    effect, effect_interval = effects.dz(strata, level)
    improvement = _improvement_interval(strata, level)
    spread = _spread(varying) if config.primary == "mean" else None  # what planning and equivalence need is about means
    record = changed(
        record,
        mean_a=float(intervals.mean_of_strata(_common_scores(units, a, b, missions))),
        mean_b=float(intervals.mean_of_strata(_common_scores(units, b, a, missions))),
        difference=float(intervals.without_rounding(np.array(result.difference), resolution)),
        interval_low=interval.low,
        interval_high=interval.high,
        interval_method=interval.method,
        effect=effect,
        effect_low=effect_interval.low,
        effect_high=effect_interval.high,
        p_improvement=effects.paired_probability_of_improvement(strata),
        p_improvement_low=improvement[0],
        p_improvement_high=improvement[1],
        test=result.name,
        t=result.t,
        df=result.df,
        p=nan if result.p is None else result.p,
        minimum_p=nan if result.minimum_p is None else result.minimum_p,
        p_equivalence=nan if spread is None else _equivalence_p(varying, (config.equivalence_margin or 0) / units.unit),
        caution=join_cautions(_cautions(units, config, a, b, missions, strata)),
        reason=result.reason,
    )
    record = _with_primary(units, config, record, missions, strata, max_resamples)
    return record if record.tested else changed(record, caution=""), spread


def _tested(missions: Sequence[str], strata: list[Array], flipped: HypothesisTestResult) -> HypothesisTestResult:
    """The test that counts: sign flips, or Hall's if its p is larger; none if nothing can guard the first."""
    if flipped.p is not None and (reason := single_episodes(missions, strata)):
        return replace(flipped, p=None, minimum_p=None, reason=reason)
    skewed = hypothesis_tests.hall_test(strata)
    if flipped.p is not None and skewed.p is not None and skewed.p > flipped.p:
        return replace(flipped, name=skewed.name, p=skewed.p, t=skewed.t, df=skewed.df)
    return flipped


def single_episodes(missions: Sequence[str], strata: Sequence[Array]) -> str:
    """The missions with a single common episode, as the reason why there is no test; empty if there are none."""
    single = [mission for mission, stratum in zip(missions, strata, strict=True) if stratum.size == 1]
    if not single:
        return ""
    shown = ", ".join(single[:3]) + (f" and {number_of(len(single) - 3, 'more mission')}" if len(single) > 3 else "")
    where = f"on {'each of ' if len(single) > 1 else ''}{shown}"
    return f"{ONE_EPISODE} {where} does not show how much differences vary there"


def _equivalence_p(strata: list[Array], margin: float) -> float:
    return (hypothesis_tests.hall_equivalence_p(strata, margin) or nan) if margin else nan


def _single_episode(
    units: Units, config: DAFComparisonConfig, record: PairRecord, missions: list[str], difference: float
) -> PairRecord:
    """The record of a single pair of episodes, which says nothing about chance."""
    a, b = record.policy_a, record.policy_b
    x, y = (_common_scores(units, one, other, missions) for one, other in ((a, b), (b, a)))
    share = ((difference > 0) + (difference >= 0)) / 2
    low, high = intervals.exact_interval_of_shares(np.array([share]), [1], config.confidence_level)
    reason = intervals.no_variance_reason([x[0]]) or ""
    return changed(
        record,
        mean_a=float(x[0][0]),
        mean_b=float(y[0][0]),
        difference=difference,
        interval_method=intervals.unknown(reason).method,
        p_improvement=share,
        p_improvement_low=float(low),
        p_improvement_high=float(high),
        iqm_difference=difference,
        reason=reason,
    )


def _with_primary(
    units: Units,
    config: DAFComparisonConfig,
    record: PairRecord,
    missions: list[str],
    strata: list[Array],
    max_resamples: int,
) -> PairRecord:
    """The record with the difference of IQMs, and with the test of the primary quantity."""
    a, b = record.policy_a, record.policy_b
    x, y = (_common_scores(units, one, other, missions) for one, other in ((a, b), (b, a)))
    resolution = units.resolution((a, b), missions)
    difference, interval, error, df = primary.paired_iqm(x, y, config.confidence_level, resolution)
    record = changed(record, iqm_difference=difference, iqm_low=interval.low, iqm_high=interval.high)
    if config.primary == "iqm":
        return primary.by_iqm(record, error, df, (config.equivalence_margin or 0.0) / units.unit)
    if config.primary == "probability_of_improvement":
        rng = stream(config, "signs", a, b, *missions)
        return primary.by_improvement(record, strata, max_resamples, config.num_resamples, rng)
    return record


def _improvement_interval(strata: list[Array], level: float) -> tuple[float, float]:
    shares = np.array([effects.paired_probability_of_improvement([stratum]) for stratum in strata])
    low, high = intervals.exact_interval_of_shares(shares, [stratum.size for stratum in strata], level)
    return float(low), float(high)


def _cautions(
    units: Units, config: DAFComparisonConfig, a: str, b: str, missions: list[str], strata: list[Array]
) -> list[str]:
    """What makes these paired episodes unreliable."""
    scores = {policy: [units.cells[policy, mission].episodes for mission in missions] for policy in (a, b)}
    return episode_cautions(scores, strata, units.unit, config.primary)


def _spread(strata: list[Array]) -> Spread | None:
    """How paired differences vary; None if unknown."""
    error, df = intervals.standard_error(strata)
    if not isfinite(error) or any(intervals.is_constant_shift(stratum) for stratum in strata):
        return None
    return Spread(
        error=error,
        df=df,
        sd=float(np.sqrt(np.mean([stratum.var(ddof=1) for stratum in strata]))),
        units_needed=effects.paired_sample_size,
        groups=len(strata),
        fewest=min(stratum.size for stratum in strata),
    )


def _common_scores(units: Units, policy: str, other: str, missions: list[str]) -> list[Array]:
    """Scores of a policy per mission, on the environment seeds that both policies have."""
    scores = []
    for mission in missions:
        cell, others = units.cells[policy, mission], units.cells[other, mission].seeds
        if cell.seeds == others:
            scores.append(cell.episodes)
            continue
        seeds = set(others)
        scores.append(cell.episodes[[seed in seeds for seed in cell.seeds]])
    return scores
