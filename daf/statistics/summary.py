"""The summary table: how each policy scored on each mission, and overall."""

from __future__ import annotations

from dataclasses import replace
from math import nan
from typing import TYPE_CHECKING

import numpy as np

from daf.config import DAFComparisonConfig
from daf.statistics import intervals
from daf.statistics.crossed import RunTable, recipe_variance
from daf.statistics.intervals import Array, Interval
from daf.statistics.records import OVERALL, SummaryRecord, in_scores
from daf.statistics.unit_collection import collect_units
from daf.statistics.units import Cell, Units

if TYPE_CHECKING:
    from daf.statistics.results import ComparisonResults


def summarize_raw(results: ComparisonResults) -> list[SummaryRecord]:
    """The summary of a comparison's raw rewards, for one whose scores are normalized."""
    config = results.config.model_copy(update={"normalization": None})
    separate_runs = config.trainings == "per_mission"
    units = collect_units(results.episodes, results.policies, results.missions, separate_runs=separate_runs)
    return summarize(replace(units, runs_per_mission=separate_runs), config)


def summarize(units: Units, config: DAFComparisonConfig) -> list[SummaryRecord]:
    """One record per policy and mission, and one per policy over all its missions (means of the missions' means).

    A policy whose episodes all failed has the same records, without scores.

    The overall median is that of the missions' means; IQM, minimum and maximum are taken over all episodes together.
    """
    records = []
    for policy in units.policies:
        missions, failed = units.missions_of(policy), units.failed_missions(policy)
        for mission in units.missions:
            if mission in missions:
                records.append(_scored_summary(units, config, policy, mission, [mission]))
            elif mission in failed:
                records.append(_failed_summary(units, policy, mission, [mission]))
        if missions:
            overall = _scored_summary(units, config, policy, OVERALL, missions)
            lost = [units.failed[policy, mission] for mission in failed]
            failures = overall.failures + sum(cell.failures for cell in lost)
            causes = [overall.first_failure, *(cell.cause for cell in lost)]
            records.append(replace(overall, failures=failures, first_failure=next(filter(None, causes), None)))
        elif failed:
            records.append(_failed_summary(units, policy, OVERALL, failed))
    return records


def _scored_summary(
    units: Units, config: DAFComparisonConfig, policy: str, mission: str, members: list[str]
) -> SummaryRecord:
    own = units.in_own_unit(members, [policy])
    return in_scores(_summary(own, config, policy, mission, members), own.unit)


def _failed_summary(units: Units, policy: str, mission: str, missions: list[str]) -> SummaryRecord:
    cells = [units.failed[policy, name] for name in missions]
    why = "no episode has a result"
    return SummaryRecord(
        policy=policy,
        mission=mission,
        n_missions=0 if mission == OVERALL else 1,
        trained=units.was_trained(policy),
        n_episodes=0,
        n_train_seeds=0,
        mean=nan,
        interval_low=nan,
        interval_high=nan,
        interval_method=why,
        median=nan,
        sd=nan,
        iqm=nan,
        min=nan,
        max=nan,
        success_rate=nan,
        success_low=nan,
        success_high=nan,
        failures=sum(cell.failures for cell in cells),
        first_failure=cells[0].cause,
        timeouts=sum(cell.timeouts for cell in cells),
        icc=nan,
        recipe_low=nan,
        recipe_high=nan,
        recipe_method=why,
        mean_reward=nan,
    )


def _summary(
    units: Units, config: DAFComparisonConfig, policy: str, mission: str, missions: list[str]
) -> SummaryRecord:
    cells = [units.cells[policy, name] for name in missions]
    strata = [cell.episodes for cell in cells]
    level, resolution = config.confidence_level, units.resolution([policy], missions)
    interval = intervals.mean_interval([cell.spread_episodes for cell in cells], level)
    scale = config.normalization
    if not interval.known and scale is not None and policy in (scale.low, scale.high):
        interval = replace(interval, method="this policy sets the scale, so its score is certain")
    episodes = np.concatenate(strata)
    only = cells[0] if len(cells) == 1 else None
    success_rate, success = _success(cells, level)
    trained = bool(units.training_seeds(policy))
    table = units.run_table(policy, missions) if trained else None
    recipe = intervals.unknown("no training seed of this policy is known")
    if trained:
        recipe = _recipe_interval(table, config)
    return SummaryRecord(
        policy=policy,
        mission=mission,
        n_missions=len(missions),
        trained=trained,
        n_episodes=int(episodes.size),
        n_train_seeds=0 if table is None else sum(runs.size for runs in table.samples),
        mean=float(intervals.without_rounding(intervals.mean_of_strata(strata), resolution)),
        interval_low=interval.low,
        interval_high=interval.high,
        interval_method=interval.method,
        median=_median(episodes if only else np.array([units.mean() for units in strata])),
        sd=float(episodes.std(ddof=1)) if only and episodes.size > 1 else nan,
        iqm=float(intervals.iqm(episodes)) if episodes.size > 1 else episodes.item(),
        min=float(episodes.min()),
        max=float(episodes.max()),
        success_rate=success_rate,
        success_low=success.low,
        success_high=success.high,
        failures=sum(cell.failures for cell in cells),
        first_failure=next((cell.first_failure for cell in cells if cell.first_failure), None),
        timeouts=sum(cell.timeouts for cell in cells),
        icc=intervals.intraclass_correlation(only.rewards_ec.T) if only and only.rewards_ec.shape[1] > 1 else nan,
        recipe_low=recipe.low,
        recipe_high=recipe.high,
        recipe_method=recipe.method,
        **_seed_spread(table),
        mean_reward=only.mean_reward if only else float(np.mean([cell.mean_reward for cell in cells])),
    )


def _median(values: Array) -> float:
    return float(np.median(values)) if values.size > 1 else values.item()  # published tables have one score per cell


def _seed_spread(table: RunTable | None) -> dict[str, float]:
    """How the means of training seeds over the missions spread; over separate runs per mission, they have none."""
    if table is None or (len(table.samples) > 1 and not table.joint):
        return {}
    means = table.samples[0] if len(table.samples) == 1 else np.mean(table.samples, axis=0)
    sd = float(means.std(ddof=1)) if means.size > 1 else nan
    return {"seed_sd": sd, "seed_min": float(means.min()), "seed_max": float(means.max())}


def _recipe_interval(table: RunTable | None, config: DAFComparisonConfig) -> Interval:
    """Interval of the mean of a recipe, for the configured claim."""
    if table is None or table.fewest < 2:
        return intervals.student_t_interval([] if table is None else table.samples)  # unknown, with the reason
    if all(len(seeds) < 2 for seeds in table.environments):  # which leaves a general claim with the seeds' variance
        return intervals.student_t_interval(table.samples, config.confidence_level)
    variance = recipe_variance(table, general=config.recipe_claim == "general")
    if not variance.general or variance.own.error == 0:
        return intervals.student_t_interval(table.samples, config.confidence_level)
    half = variance.half_width(config.confidence_level)
    return Interval(low=table.mean - half, high=table.mean + half, method="crossed random effects, Satterthwaite")


def _success(cells: list[Cell], level: float) -> tuple[float, Interval]:
    """Mean success rate over the missions that declare success, and its interval."""
    declared = [cell.successes for cell in cells if cell.successes[1]]
    rate = float(np.mean([share for share, _ in declared])) if declared else nan
    return rate, intervals.combined_wilson_interval(
        [share for share, _ in declared], [count for _, count in declared], level
    )
