"""Values of candidates in mixed teams, as leagues compute them: means, value over replacement, weighted scores.

The arithmetic, in its order, is that of `metta_alo.scoring` in the pinned engine, so that the numbers agree to the last
bit. Intervals are in `daf.tournament.estimates`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from daf.tournament.scores import MatchScore


@dataclass(frozen=True, kw_only=True)
class ScenarioMean:
    """The mean score of a candidate that has a certain number of seats.

    Attributes:
        seats: 0: of teams from the pool alone, whose mean is that of all agents.
    """

    seats: int
    mean: float
    episodes: int


def scenario_means(candidate_rows: Iterable[MatchScore]) -> dict[int, ScenarioMean]:
    """The means of a candidate by number of seats, from all seats down."""
    by_seats: dict[int, list[float]] = {}
    for row in candidate_rows:
        by_seats.setdefault(row.seats, []).append(row.score)
    ordered = sorted(by_seats.items(), reverse=True)
    return {
        seats: ScenarioMean(seats=seats, mean=_running_sum(found) / len(found), episodes=len(found))
        for seats, found in ordered
    }


def replacement_mean(rows: Iterable[MatchScore]) -> ScenarioMean | None:
    """The mean of teams from the pool alone; None if there are none."""
    games: dict[tuple[str, int], tuple[float, bool]] = {}
    for row in rows:
        _, alone = games.get((row.match, row.episode), (0.0, True))
        games[row.match, row.episode] = (row.team_score, alone and row.in_pool)
    found = [score for score, alone in games.values() if alone]
    return ScenarioMean(seats=0, mean=_running_sum(found) / len(found), episodes=len(found)) if found else None


def candidate_mean(means: Mapping[int, ScenarioMean]) -> float:
    """The mean over numbers of seats, each weighted by its seats and episodes, as `cogames pickup` weights them."""
    weighted, agents = 0.0, 0
    for seats, scenario in means.items():
        weighted += scenario.mean * seats * scenario.episodes
        agents += seats * scenario.episodes
    return weighted / agents


def value_over_replacement(mean: float, replacement: ScenarioMean) -> float:
    return mean - replacement.mean


def weighted_score(candidate_rows: Iterable[MatchScore]) -> float:
    """The mean of a candidate's scores, each weighted by its share of the seats."""
    total, weights = 0.0, 0.0
    for row in candidate_rows:
        weight = row.seats / row.num_seats
        total += row.score * weight
        weights += weight
    return total / weights if weights > 0 else 0.0


def _running_sum(values: Iterable[float]) -> float:
    """One addition after another: Python's `sum` compensates rounding errors."""
    total = 0.0
    for value in values:
        total += value
    return total
