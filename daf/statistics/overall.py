"""Tables over missions: aggregates of scores, performance profiles, ranks. Plain records, no files.

All policies are taken on the missions and environment seeds that they share, so that their figures can be compared.
Question A resamples environment seeds within missions, for all policies at once where only ranks matter; question B
resamples training seeds, jointly for all missions, for one seed's results on several missions are not independent.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from daf.config import DAFComparisonConfig
from daf.statistics import bootstrap, ranking
from daf.statistics.bootstrap import Scores
from daf.statistics.intervals import Array
from daf.statistics.pairs import Record, stream
from daf.statistics.units import OVERALL, Units

AGGREGATE_COLUMNS = (
    "estimand", "policy", "statistic", "value", "interval_low", "interval_high", "interval_method", "n_missions",
    "n_units",
)  # fmt: skip
PROFILE_COLUMNS = ("estimand", "policy", "threshold", "share", "interval_low", "interval_high")
RANK_COLUMNS = ("estimand", "mission", "policy", "mean_rank", "rank_low", "rank_high", "p_first")
NUM_THRESHOLDS = 51
BAND_RESAMPLES = 2_000  # enough for a band; point intervals take config.num_resamples (Agarwal et al. 2021)


def _samples(units: Units) -> dict[str, dict[str, Scores]]:
    """By question and policy: per common mission its units.

    A only with environment seeds that all policies share, B only if a policy has training seeds.
    """
    present = [policy for policy in units.policies if units.missions_of(policy)]
    missions = units.missions_of(*present) if present else []
    if not missions:
        return {}
    samples: dict[str, dict[str, Scores]] = {}
    shared = list(_shared_episodes(units, present).values())
    if shared:
        samples["A"] = {policy: [scores[index] for scores in shared] for index, policy in enumerate(present)}
    if any(units.training_seeds(policy) for policy in present):
        runs: dict[str, Scores] = {policy: units.run_scores(policy, missions) for policy in present}
        if all(scores and scores[0].size for scores in runs.values()):
            samples["B"] = runs
    return samples


def basis_notes(units: Units, config: DAFComparisonConfig) -> list[str]:
    """What figures over missions rest on, where it is not all episodes with every mission weighing the same."""
    present = [policy for policy in units.policies if units.missions_of(policy)]
    missions = units.missions_of(*present) if present else []
    shared = {mission: scores.shape[1] for mission, scores in _shared_episodes(units, present).items()}
    notes = []
    fewer = []
    for mission in missions:
        most = max(len(units.cells[policy, mission].seeds) for policy in present)
        if shared.get(mission, 0) < most:
            fewer.append(f"{shared.get(mission, 0)} of {most} on {mission}")
    if fewer:
        notes.append(
            "Aggregates, profiles and ranks of these checkpoints rest on the environment seeds that all policies "
            f"share: {', '.join(fewer)}."
        )
    if len(set(shared.values())) > 1:
        notes.append(
            "Missions differ in their number of episodes: IQM and median over missions take all episodes together, so "
            "a mission with more of them weighs more there; means weigh missions the same."
        )
    if config.resample_missions:
        notes.append(
            "Intervals of aggregates and bands of profiles draw missions too, so they speak of missions like these; "
            "all other figures speak of these missions."
        )
    return notes


def aggregate(units: Units, config: DAFComparisonConfig) -> list[Record]:
    """Mean, median, IQM and, on a declared scale, optimality gap of every policy over the missions."""
    statistics = [name for name in bootstrap.POOLED if name != "optimality_gap" or config.anchors is not None]
    records: list[Record] = []
    for estimand, samples in _samples(units).items():
        joint = estimand == "B"
        replicates, _ = bootstrap.bootstrap_suite(
            list(samples.values()),
            statistics=statistics,
            pairs=[],
            num_resamples=config.num_resamples,
            rngs=[stream(config, "aggregate", estimand, policy) for policy in samples],
            joint=joint,
            missions=config.resample_missions,
        )
        for index, (policy, scores) in enumerate(samples.items()):
            for name in statistics:
                interval = bootstrap.replicate_interval(
                    replicates[name][index],
                    [scores],
                    config.confidence_level,
                    joint=joint,
                    pooled=name not in bootstrap.MEANS,
                    missions=config.resample_missions,
                )
                row = (
                    estimand, policy, name, bootstrap.PooledStatistic(name, scores).estimate, interval.low,
                    interval.high, interval.method, len(scores), sum(part.size for part in scores),
                )  # fmt: skip
                records.append(dict(zip(AGGREGATE_COLUMNS, row, strict=True)))
    return records


def profile(units: Units, config: DAFComparisonConfig) -> list[Record]:
    """Performance profiles of all policies at common thresholds, with pointwise bands."""
    records: list[Record] = []
    for estimand, samples in _samples(units).items():
        pooled = np.concatenate([part for scores in samples.values() for part in scores])
        thresholds = np.linspace(pooled.min(), pooled.max(), NUM_THRESHOLDS)
        for policy, scores in samples.items():
            share, low, high = bootstrap.profile_band(
                scores,
                thresholds,
                level=config.confidence_level,
                num_resamples=min(BAND_RESAMPLES, config.num_resamples),
                rng=stream(config, "profile", estimand, policy),
                joint=estimand == "B",
                missions=config.resample_missions,
            )
            rows = zip(thresholds, share, low, high, strict=True)
            records += [dict(zip(PROFILE_COLUMNS, (estimand, policy, *map(float, row)), strict=True)) for row in rows]
    return records


# ---- ranks ------------------------------------------------------------------------------------------------


def rank_policies(units: Units, config: DAFComparisonConfig) -> tuple[list[Record], ranking.Friedman | None]:
    """Ranks per mission and overall for both questions, and Friedman's test over the missions' means."""
    present = [policy for policy in units.policies if units.missions_of(policy)]
    shared = _shared_episodes(units, present)
    if len(present) < 2 or not shared:
        return [], None
    records: list[Record] = []
    groups = [(mission, [mission]) for mission in shared] + [(OVERALL, list(shared))]
    options: dict[str, Any] = {"level": config.confidence_level, "num_resamples": config.num_resamples}
    for name, members in groups:
        rng = stream(config, "ranks", *members)
        ranks = ranking.bootstrap_ranks([shared[mission] for mission in members], rng=rng, **options)
        records += _rank_records("A", name, present, ranks)
    if "B" in _samples(units):
        missions = units.missions_of(*present)
        fixed = [not units.training_seeds(policy) for policy in present]
        groups = [(mission, [mission]) for mission in missions] + [(OVERALL, missions)]
        for name, members in groups:
            runs = [np.array(units.run_scores(policy, members)) for policy in present]
            rngs = [stream(config, "recipe ranks", policy, *members) for policy in present]
            ranks = ranking.bootstrap_run_ranks(runs, fixed=fixed, rngs=rngs, **options)
            records += _rank_records("B", name, present, ranks)
    means = np.array([scores.mean(axis=1) for scores in shared.values()])
    return records, ranking.friedman_test(means, 1 - config.confidence_level)


def _shared_episodes(units: Units, policies: list[str]) -> dict[str, Array]:
    """Per mission that all policies played, their scores on the environment seeds that all have: (policies, seeds)."""
    found: dict[str, Array] = {}
    for mission in units.missions_of(*policies) if policies else []:
        cells = [units.cells[policy, mission] for policy in policies]
        common = sorted(set.intersection(*(set(cell.seeds) for cell in cells)))
        if common:
            rows = [dict(zip(cell.seeds, cell.episodes, strict=True)) for cell in cells]
            found[mission] = np.array([[row[seed] for seed in common] for row in rows])
    return found


def _rank_records(estimand: str, mission: str, policies: list[str], ranks: ranking.Ranks) -> list[Record]:
    columns: Any = zip(policies, ranks.mean_rank, ranks.low, ranks.high, ranks.probability_first, strict=True)
    return [
        dict(zip(RANK_COLUMNS, (estimand, mission, policy, *map(float, figures)), strict=True))
        for policy, *figures in columns
    ]
