"""Cross-play: the score of every candidate with every partner, and with itself alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from daf.statistics.records import OVERALL, Estimand
from daf.tournament.scores import MatchScore, MatchScores
from daf.tournament.units import MapUnits, estimate, units_by_checkpoint


@dataclass(frozen=True, kw_only=True)
class CrossPlayRecord:
    """A cell of the cross-play matrix."""

    estimand: Annotated[Estimand, "`checkpoints` (these exact weights) or `recipes` (training again)"]
    mission: Annotated[str, "name of the mission; `overall`: the mean over missions"]
    policy: Annotated[str, "name of the candidate that scores"]
    partner: Annotated[str, "name of its partner; the candidate itself: it plays all seats"]
    seats: Annotated[
        int | None,
        "number of the candidate's seats; null: all splits together, each episode with the same weight, "
        "unlike values, which weight by seats",
    ]
    mean: Annotated[float, "mean total reward of the candidate's agents"]
    low: Annotated[float, "lower bound"]
    high: Annotated[float, "upper bound"]
    method: Annotated[str, "how the interval was computed, or why it is unknown"]
    n_maps: Annotated[int, "maps (environment seeds), over all missions"]
    n_episodes: Annotated[int, "episodes"]


def cross_play_records(scores: MatchScores, level: float) -> list[CrossPlayRecord]:
    """All pairs that shared a team of two policies, and candidates that played alone. Pools count as partners."""
    cells: dict[tuple[str, str], list[MatchScore]] = {}
    for row in scores.rows:
        party = scores.parties[row.mission, row.match, row.episode]
        others = {policy for (policy, in_pool), _ in party if (policy, in_pool) != (row.policy, False)}
        if not row.in_pool and len(others) < 2:
            cells.setdefault((row.policy, next(iter(others), row.policy)), []).append(row)
    missions = [*scores.missions, OVERALL] if len(scores.missions) > 1 else scores.missions
    records = []
    for (policy, partner), rows in cells.items():
        trained = any(row.train_seed is not None for row in rows)
        counts = sorted({row.seats for row in rows}, reverse=True)
        for mission in missions:
            for seats in (None, *counts) if len(counts) > 1 and mission != OVERALL else (None,):
                for estimand in ("checkpoints", "recipes") if trained else ("checkpoints",):
                    record = _cell(rows, (policy, partner), mission, seats, (estimand, level, scores.missions))
                    records += [record] if record.n_maps else []
    return records


def _cell(
    rows: list[MatchScore],
    pair: tuple[str, str],
    mission: str,
    seats: int | None,
    how: tuple[Estimand, float, list[str]],
) -> CrossPlayRecord:
    estimand, level, missions = how
    chosen = [row for row in rows if seats in (None, row.seats) and mission in (OVERALL, row.mission)]
    covered = missions if mission == OVERALL else [mission]
    found = estimate([_units([row for row in chosen if row.mission == m]) for m in covered], level, estimand=estimand)
    return CrossPlayRecord(
        estimand=estimand, mission=mission, policy=pair[0], partner=pair[1], seats=seats, mean=found.value,
        low=found.interval.low, high=found.interval.high, method=found.interval.method, n_maps=found.n_maps,
        n_episodes=len({(row.match, row.episode) for row in chosen}),
    )  # fmt: skip


def _units(rows: list[MatchScore]) -> MapUnits | None:
    parts: dict[int | None, list[tuple[int, float, float]]] = {}
    for row in sorted(rows, key=lambda row: -1 if row.train_seed is None else row.train_seed):
        parts.setdefault(row.train_seed, []).append((row.env_seed, row.score, 1.0))
    return units_by_checkpoint(parts)
