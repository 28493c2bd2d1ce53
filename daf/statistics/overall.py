"""Tables over missions: aggregates of scores, performance profiles, ranks. Records, no files.

All policies are evaluated on the missions and environment seeds that they share, so that their numbers are comparable.
For checkpoints, environment seeds are resampled within missions (for all policies at once if only ranks matter). For
recipes, training seeds are resampled jointly for all missions, since the results of one seed on several missions are
not independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import nan
from typing import Any

import numpy as np

from daf.config import DAFComparisonConfig
from daf.statistics import bootstrap, large_samples, ranking, recipe_bootstrap
from daf.statistics.crossed import RunTable
from daf.statistics.intervals import Array, Interval, resolution_of, unknown, without_rounding
from daf.statistics.levels import alpha_of
from daf.statistics.records import OVERALL, AggregateRecord, Estimand, ProfileRecord, RankRecord
from daf.statistics.resampled_counts import BY_MISSION, POOLED, PooledStatistic, Scores
from daf.statistics.streams import ESTIMAND_KEYS, environment_streams, stream
from daf.statistics.units import Units, crossed_tables
from daf.system.nouns import number_of
from daf.system.shares import Advance, in_shares

NUM_THRESHOLDS = 51
BAND_RESAMPLES = 2_000  # enough for a band; point intervals take config.num_resamples (Agarwal et al. 2021)
FEW_RANKS = 200  # up to which copies of the process cost more time than they save


def _samples(units: Units) -> dict[Estimand, dict[str, Scores]]:
    """Units by estimand and policy, per common mission.

    Checkpoints need environment seeds that all policies share, recipes a policy with training seeds. A recipe without
    a training seed that played all missions is left out.
    """
    present, missions = _shared_missions(units)
    if not missions:
        return {}
    samples: dict[Estimand, dict[str, Scores]] = {}
    shared = list(_shared_episodes(units, present).values())
    if shared:
        samples["checkpoints"] = {policy: [scores[index] for scores in shared] for index, policy in enumerate(present)}
    able = _with_runs(units, present, missions)
    if any(units.training_seeds(policy) for policy in able):
        samples["recipes"] = {policy: units.run_scores(policy, missions) for policy in able}
    return samples


def _shared_missions(units: Units) -> tuple[list[str], list[str]]:
    """The policies with results, and the missions that all of them played."""
    present = [policy for policy in units.policies if units.missions_of(policy)]
    return present, units.missions_of(*present) if present else []


def _with_runs(units: Units, policies: list[str], missions: list[str]) -> list[str]:
    """The policies with a training run, or fixed weights, on all of these missions."""
    return [policy for policy in policies if (runs := units.run_scores(policy, missions)) and runs[0].size]


def basis_notes(units: Units, config: DAFComparisonConfig) -> list[str]:
    """Notes if results over missions do not use all episodes, or do not weigh missions equally."""
    present, missions = _shared_missions(units)
    shared = {mission: scores.shape[1] for mission, scores in _shared_episodes(units, present).items()}
    notes = []
    fewer = []
    for mission in missions:
        most = max(len(units.cells[policy, mission].seeds) for policy in present)
        if shared.get(mission, 0) < most:
            fewer.append(f"{shared.get(mission, 0)} of {most} on {mission}")
    if fewer:
        notes.append(
            "Aggregates, profiles and ranks of these checkpoints use only the environment seeds that all policies "
            f"share: {', '.join(fewer)}."
        )
    if len(set(shared.values())) > 1:
        notes.append(
            "Missions differ in their number of episodes. The IQM over missions pools all episodes, so a mission with "
            "more episodes weighs more there; means and medians give each mission the same weight."
        )
    able = _with_runs(units, present, missions)
    if any(units.training_seeds(policy) for policy in able) and len(able) < len(present):
        without = " and ".join(policy for policy in present if policy not in able)
        notes.append(
            f"Aggregates, profiles and ranks of recipes over missions omit {without}, of which no training seed played "
            f"all {number_of(len(missions), 'mission')}."
        )
    if config.resample_missions:
        notes.append(
            "Intervals of aggregates and bands of profiles resample missions too, so they generalize to similar "
            "missions; all other figures hold for these missions only."
        )
    return notes


def aggregate(units: Units, config: DAFComparisonConfig) -> list[AggregateRecord]:
    """Mean, median, IQM and, for normalized scores, optimality gap of every policy over the missions."""
    statistics = [name for name in POOLED if name != "optimality_gap" or config.normalization is not None]
    records: list[AggregateRecord] = []
    for estimand, samples in _samples(units).items():
        joint = estimand == "recipes" and not units.runs_per_mission
        missions = _shared_missions(units)[1]
        crossed = crossed_tables(units, config, list(samples), missions) if joint else None
        if crossed is not None and not config.resample_missions:
            shifts = recipe_bootstrap.environment_shifts(
                list(crossed.values()), config.num_resamples, environment_streams(config, missions)
            )
            for (policy, table), shift in zip(crossed.items(), shifts, strict=True):
                records += _crossed_aggregates(config, policy, table, shift, statistics)
        elif not joint and not config.resample_missions and _is_large(samples):
            records += _large_aggregates(config, estimand, samples, statistics)
        else:
            records += _resampled_aggregates(config, estimand, samples, statistics, joint=joint)
        records += [
            _without_result(estimand, policy, name) for policy in units.failed_policies() for name in statistics
        ]
    return records


def _resampled_aggregates(
    config: DAFComparisonConfig,
    estimand: Estimand,
    samples: dict[str, Scores],
    statistics: list[str],
    *,
    joint: bool,
) -> list[AggregateRecord]:
    """The aggregates of units that are resampled within missions, or jointly for all."""
    records = []
    options: dict[str, Any] = {"joint": joint, "missions": config.resample_missions}
    without = {
        policy: reason
        for policy, scores in samples.items()
        if (reason := bootstrap.replicate_levels([scores], config.confidence_level, **options)[1])
    }
    able = [policy for policy in samples if policy not in without]
    replicates, _ = bootstrap.bootstrap_suite(
        [samples[policy] for policy in able],
        statistics=statistics,
        pairs=[],
        num_resamples=config.num_resamples,
        rngs=[stream(config, "aggregate", ESTIMAND_KEYS[estimand], policy) for policy in able],
        **options,
    )
    for policy, scores in samples.items():
        for name in statistics:
            interval = (
                unknown(without[policy])
                if policy in without
                else bootstrap.replicate_interval(
                    replicates[name][able.index(policy)],
                    [scores],
                    config.confidence_level,
                    pooled=name not in BY_MISSION,
                    **options,
                )
            )
            value = PooledStatistic(name, scores).estimate
            records.append(_aggregate(estimand, policy, name, value, interval, scores))
    return records


def _aggregate(
    estimand: Estimand, policy: str, statistic: str, value: float, interval: Interval, scores: Sequence[Array]
) -> AggregateRecord:
    """One statistic of a policy's scores, one array for each mission."""
    return AggregateRecord(
        estimand=estimand,
        policy=policy,
        statistic=statistic,
        value=value,
        interval_low=interval.low,
        interval_high=interval.high,
        interval_method=interval.method,
        n_missions=len(scores),
        n_units=sum(part.size for part in scores),
    )


def _is_large(samples: dict[str, Scores]) -> bool:
    return max(sum(part.size for part in scores) for scores in samples.values()) > large_samples.LARGE


def _large_aggregates(
    config: DAFComparisonConfig, estimand: Estimand, samples: dict[str, Scores], statistics: list[str]
) -> list[AggregateRecord]:
    """The aggregates of many units, from their normal limits."""
    records = []
    for policy, scores in samples.items():
        rng = stream(config, "aggregate", ESTIMAND_KEYS[estimand], policy)
        for name in statistics:
            interval = large_samples.interval(name, scores, config.confidence_level, rng)
            value = large_samples.estimate(name, scores)
            records.append(_aggregate(estimand, policy, name, value, interval, scores))
    return records


def _crossed_aggregates(
    config: DAFComparisonConfig, policy: str, table: RunTable, shifts: Array, statistics: list[str]
) -> list[AggregateRecord]:
    """The aggregates of a recipe, for other training seeds and other environment seeds."""
    replicates = {name: np.empty(config.num_resamples) for name in statistics}
    rng = stream(config, "aggregate", ESTIMAND_KEYS["recipes"], policy)
    for rows, runs in recipe_bootstrap.run_replicates(table, config.num_resamples, rng, shifts):
        for name in statistics:
            replicates[name][rows] = recipe_bootstrap.pooled_statistic(name, runs)
    observed = np.array([scores.mean(axis=0) for scores in table.scores])
    records = []
    for name in statistics:
        interval = recipe_bootstrap.crossed_interval(replicates[name], [table], config.confidence_level)
        value = float(recipe_bootstrap.pooled_statistic(name, observed))
        records.append(_aggregate("recipes", policy, name, value, interval, list(observed)))
    return records


def _without_result(estimand: Estimand, policy: str, statistic: str) -> AggregateRecord:
    return AggregateRecord(
        estimand=estimand,
        policy=policy,
        statistic=statistic,
        value=nan,
        interval_low=nan,
        interval_high=nan,
        interval_method="no episode has a result",
        n_missions=0,
        n_units=0,
    )


def profile(units: Units, config: DAFComparisonConfig) -> list[ProfileRecord]:
    """Performance profiles of all policies at common thresholds, with pointwise bands."""
    records: list[ProfileRecord] = []
    missions = _shared_missions(units)[1]
    for estimand, samples in _samples(units).items():
        pooled = np.concatenate([part for scores in samples.values() for part in scores])
        cells = [units.cells[policy, mission] for policy in samples for mission in missions]
        resolution = max(cell.resolution for cell in cells)
        thresholds = profile_thresholds(pooled, config.profile_range, resolution)
        for policy, scores in samples.items():
            share, low, high = bootstrap.profile_band(
                scores,
                thresholds + resolution,  # a score that equals a threshold is not above it
                level=config.confidence_level,
                num_resamples=min(BAND_RESAMPLES, config.num_resamples),
                rng=stream(config, "profile", ESTIMAND_KEYS[estimand], policy),
                joint=estimand == "recipes" and not units.runs_per_mission,
                missions=config.resample_missions,
            )
            records += [
                ProfileRecord(
                    estimand=estimand,
                    policy=policy,
                    threshold=float(threshold),
                    share=float(share[index]),
                    interval_low=float(low[index]),
                    interval_high=float(high[index]),
                )
                for index, threshold in enumerate(thresholds)
            ]
    return records


def profile_thresholds(scores: Array, declared: tuple[float, float] | None, resolution: float = 0.0) -> Array:
    """Where profiles are evaluated: at quantiles of all scores, so that points lie where the data are.

    Args:
        declared: lowest and highest threshold; the points between them are evenly spaced.
        resolution: the size up to which differences of scores are rounding errors.
    """
    if declared is not None:
        return np.linspace(*declared, NUM_THRESHOLDS)
    quantiles = np.quantile(scores, np.linspace(0, 1, NUM_THRESHOLDS))
    return np.asarray(quantiles[np.append(True, np.diff(quantiles) > 2 * resolution)])


# ---- ranks ------------------------------------------------------------------------------------------------


def rank_policies(units: Units, config: DAFComparisonConfig) -> tuple[list[RankRecord], ranking.Friedman | None]:
    """Ranks per mission and overall for both estimands, and Friedman's test over the missions' means."""
    present, missions = _shared_missions(units)
    shared = _shared_episodes(units, present)
    if len(present) < 2 or not shared:
        return [], None

    def rank(group: tuple[Estimand, str, list[str]], advance: Advance) -> list[RankRecord]:
        estimand, name, members = group
        if estimand == "recipes":
            return _rank_recipes(units, config, name, members)
        options: dict[str, Any] = {"level": config.confidence_level, "num_resamples": config.num_resamples}
        rng = stream(config, "ranks", *members)
        ranks = ranking.bootstrap_ranks([shared[mission] for mission in members], rng=rng, **options)
        return _rank_records(estimand, name, present, ranks, units.failed_policies())

    played: list[tuple[Estimand, list[str]]] = [("checkpoints", list(shared)), ("recipes", missions)]
    groups = [
        (estimand, name, members)
        for estimand, names in played
        for name, members in [*((mission, [mission]) for mission in names), (OVERALL, names)]
    ]
    few = len(present) * len(groups) < FEW_RANKS
    ranked = in_shares(rank, groups, cost=lambda group: len(group[2]), small=few)
    records = [record for part in ranked for record in part]
    means = np.array([without_rounding(scores.mean(axis=1), resolution_of(scores)) for scores in shared.values()])
    return records, ranking.friedman_test(means, alpha_of(config.confidence_level))


def _rank_recipes(units: Units, config: DAFComparisonConfig, name: str, missions: list[str]) -> list[RankRecord]:
    """Ranks of recipes on missions; none if no policy was trained."""
    present = _shared_missions(units)[0]
    able = _with_runs(units, present, missions)
    fixed = [not units.training_seeds(policy) for policy in able]
    if len(able) < 2 or all(fixed):
        return []
    ranks = ranking.bootstrap_run_ranks(
        [units.run_scores(policy, missions) for policy in able],
        fixed=fixed,
        level=config.confidence_level,
        num_resamples=config.num_resamples,
        rngs=[stream(config, "recipe ranks", policy, *missions) for policy in able],
        shifts=_environment_shifts(units, config, able, missions),
        joint=not units.runs_per_mission,
    )
    without = [policy for policy in present if policy not in able]
    return _rank_records("recipes", name, able, ranks, [*without, *units.failed_policies()])


def _environment_shifts(
    units: Units, config: DAFComparisonConfig, policies: list[str], missions: list[str]
) -> list[Array] | None:
    """By policy, what other environment seeds would do; None if the claim is about these, or they are unknown."""
    tables = crossed_tables(units, config, policies, missions)
    if tables is None:
        return None
    return recipe_bootstrap.environment_shifts(
        list(tables.values()), config.num_resamples, environment_streams(config, missions)
    )


def _shared_episodes(units: Units, policies: list[str]) -> dict[str, Array]:
    """Per mission that all policies played: their scores on shared environment seeds, (policies, seeds)."""
    shared: dict[str, Array] = {}
    for mission in units.missions_of(*policies) if policies else []:
        cells = [units.cells[policy, mission] for policy in policies]
        common = sorted(set.intersection(*(set(cell.seeds) for cell in cells)))
        if common:
            rows = [dict(zip(cell.seeds, cell.episodes, strict=True)) for cell in cells]
            shared[mission] = np.array([[row[seed] for seed in common] for row in rows])
    return shared


def _rank_records(
    estimand: Estimand, mission: str, policies: list[str], ranks: ranking.Ranks, failed: list[str]
) -> list[RankRecord]:
    """The ranks of policies, and records without a rank of those that have no result."""
    unranked = [(policy, nan, nan, nan, nan) for policy in failed]
    ranked = zip(policies, ranks.mean_rank, ranks.low, ranks.high, ranks.probability_first, strict=True)
    return [
        RankRecord(
            estimand=estimand,
            mission=mission,
            policy=policy,
            mean_rank=float(mean),
            rank_low=float(low),
            rank_high=float(high),
            p_first=float(first),
        )
        for policy, mean, low, high, first in [*ranked, *unranked]
    ]
