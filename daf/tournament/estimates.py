"""Values of candidates with intervals: by number of seats and overall, above the replacement, by seat and role."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING, Annotated

import numpy as np

from daf.statistics.records import OVERALL, Estimand
from daf.tournament import values
from daf.tournament.scores import MatchScores
from daf.tournament.units import (
    Estimate,
    MapUnits,
    Weights,
    estimate,
    replacement_units,
    scenario_units,
    units_by_checkpoint,
    value_units,
)

if TYPE_CHECKING:
    import pandas as pd

ESTIMANDS: tuple[Estimand, ...] = ("checkpoints", "recipes")


@dataclass(frozen=True, kw_only=True)
class ValueRecord:
    """A candidate on one mission, or on all, with one number of seats, or with all."""

    estimand: Annotated[Estimand, "`checkpoints` (these exact weights) or `recipes` (training again)"]
    policy: Annotated[str, "name of the candidate"]
    mission: Annotated[str, "name of the mission; `overall`: the mean over missions"]
    seats: Annotated[int | None, "number of its seats; null: the declared weighting of all numbers"]
    mean: Annotated[float, "mean of its agents' total rewards"]
    low: Annotated[float, "lower bound of the mean"]
    high: Annotated[float, "upper bound of the mean"]
    over_replacement: Annotated[float, "mean less that of teams from the pool alone; unknown without a pool"] = nan
    over_low: Annotated[float, "lower bound of that difference"] = nan
    over_high: Annotated[float, "upper bound of that difference"] = nan
    weighted_score: Annotated[float, "mean of all its scores, weighted by its shares of seats; only of all numbers"] = (
        nan
    )
    method: Annotated[str, "how the intervals were computed, or why they are unknown"]
    n_maps: Annotated[int, "maps (environment seeds), over all missions"]
    n_episodes: Annotated[int, "episodes, over all checkpoints"]
    n_train_seeds: Annotated[int, "training seeds; 0 if DAF did not train it"]


def value_records(scores: MatchScores, weights: Weights, level: float) -> list[ValueRecord]:
    """All candidates, for both estimands; recipes only of candidates that were trained."""
    return [
        record
        for policy in scores.candidates
        for estimand in ESTIMANDS
        if estimand == "checkpoints" or scores.train_seeds(policy) != [None]
        for record in _values_of(scores, policy, weights, level, estimand)
    ]


def _values_of(
    scores: MatchScores, policy: str, weights: Weights, level: float, estimand: Estimand
) -> Iterator[ValueRecord]:
    own = {row.mission for row in scores.rows if row.policy == policy and not row.in_pool}
    missions = [mission for mission in scores.missions if mission in own]
    replacements = {mission: replacement_units(scores, mission) for mission in missions}
    for mission in (*missions, OVERALL) if len(missions) > 1 else missions:
        covered = missions if mission == OVERALL else [mission]
        rows = [r for r in scores.rows if r.policy == policy and not r.in_pool and r.mission in covered]
        counts = sorted({row.seats for row in rows}, reverse=True) if mission != OVERALL else []
        pool = [replacements[name] for name in covered]
        for seats in (None, *counts):
            if seats is None:
                units = [value_units(scores, policy, name, weights) for name in covered]
            else:
                units = [scenario_units(scores, policy, name, seats) for name in covered]
            played = [row for row in rows if seats in (None, row.seats)]
            mean = estimate(units, level, estimand=estimand)
            over = estimate(units, level, minus=pool, estimand=estimand)
            exact = _exact(scores, policy, covered, seats, weights)
            yield ValueRecord(
                estimand=estimand, policy=policy, mission=mission, seats=seats,
                mean=mean.value if exact is None else exact[0], low=mean.interval.low, high=mean.interval.high,
                over_replacement=over.value if exact is None else exact[1], over_low=over.interval.low,
                over_high=over.interval.high,
                weighted_score=_weighted(scores, policy, covered) if seats is None else nan,
                method=mean.interval.method, n_maps=mean.n_maps, n_episodes=len(played),
                n_train_seeds=mean.n_train_seeds,
            )  # fmt: skip


def _exact(
    scores: MatchScores, policy: str, missions: Sequence[str], seats: int | None, weights: Weights
) -> tuple[float, float] | None:
    """Mean and value over replacement with the engine's arithmetic; None where it has no such figure."""
    if len(missions) > 1 or (seats is None and weights != "pickup"):
        return None
    rows = [row for row in scores.rows if row.mission == missions[0]]
    replacement = values.replacement_mean(rows)
    means = []
    for seed in scores.train_seeds(policy):
        found = values.scenario_means(row for row in scores.of(policy, seed) if row.mission == missions[0])
        if not found or (seats is not None and seats not in found):
            return None
        means.append(values.candidate_mean(found) if seats is None else found[seats].mean)
    mean = means[0] if len(means) == 1 else float(np.mean(means))
    return mean, nan if replacement is None else values.value_over_replacement(mean, replacement)


def _weighted(scores: MatchScores, policy: str, missions: Sequence[str]) -> float:
    played = [
        [row for row in scores.of(policy, seed) if row.mission in missions] for seed in scores.train_seeds(policy)
    ]
    found = [values.weighted_score(rows) for rows in played if rows]
    return found[0] if len(found) == 1 else float(np.mean(found))


# ---- by seat and role -------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class SeatValueRecord:
    """A candidate in one seat, or in the seats of one role, on one mission."""

    policy: Annotated[str, "name of the candidate"]
    mission: Annotated[str, "name of the mission"]
    role: Annotated[str, "the seat, or its role"]
    mean: Annotated[float, "mean total reward of its agent there"]
    low: Annotated[float, "lower bound of the mean"]
    high: Annotated[float, "upper bound of the mean"]
    effect: Annotated[float, "that mean less the candidate's mean over all seats"]
    effect_low: Annotated[float, "lower bound of the effect"]
    effect_high: Annotated[float, "upper bound of the effect"]
    team_mean: Annotated[float, "mean reward of the team whose agent there is the candidate's"]
    n_maps: Annotated[int, "maps (environment seeds)"]
    n_episodes: Annotated[int, "episodes, over all checkpoints"]


def seat_records(seats: pd.DataFrame, level: float, roles: Sequence[str] = ()) -> list[SeatValueRecord]:
    """Every candidate of a seats table by seat, or by role.

    Args:
        roles: those of the seats, in turn; empty: each seat is its own.
    """
    played = seats[(seats["status"] == "played") & ~seats["in_pool"].astype(bool)]
    records = []
    for (policy, mission), rows in played.groupby(["policy", "mission"], sort=False):
        names = [roles[int(seat) % len(roles)] if roles else str(seat) for seat in rows["seat"]]
        rows = rows.assign(role=names)
        everywhere = _seat_units(rows)
        for role in dict.fromkeys(roles) if roles else sorted(set(names), key=int):
            own = rows[rows["role"] == role]
            units = _seat_units(own)
            if units is None or everywhere is None:
                continue
            mean, effect = estimate([units], level), _effect(units, everywhere, level)
            records.append(
                SeatValueRecord(
                    policy=str(policy), mission=str(mission), role=role, mean=mean.value, low=mean.interval.low,
                    high=mean.interval.high, effect=effect.value, effect_low=effect.interval.low,
                    effect_high=effect.interval.high, team_mean=float(own["team_reward"].mean()), n_maps=mean.n_maps,
                    n_episodes=len(own.groupby(["match", "episode"])),
                )
            )  # fmt: skip
    return records


def _effect(units: MapUnits, everywhere: MapUnits, level: float) -> Estimate:
    return estimate([units], level, minus=[everywhere])


def _seat_units(rows: pd.DataFrame) -> MapUnits | None:
    seeds = rows["train_seed"].astype(object).where(rows["train_seed"].notna(), None)
    parts: dict[int | None, list[tuple[int, float, float]]] = {}
    for seed, env_seed, reward in zip(seeds, rows["env_seed"], rows["agent_reward"], strict=True):
        parts.setdefault(seed, []).append((int(env_seed), float(reward), 1.0))
    return units_by_checkpoint(parts)
