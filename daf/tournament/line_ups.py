"""Line-ups: who shared a team with how many seats, how such teams scored, and which of their episodes failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from daf.tournament.scores import MatchScores, Member, Party
from daf.tournament.units import estimate, units_by_checkpoint

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class LineUpRecord:
    """Policies that shared a team, with their numbers of seats, in all seatings."""

    mission: Annotated[str, "name of the mission"]
    line_up: Annotated[str, "the policies with their numbers of seats, such as `3 a + 1 b (pool)`"]
    n_matches: Annotated[int, "matches: seatings, and training seeds of the policies"]
    n_episodes: Annotated[int, "episodes that were played to the end"]
    n_failed: Annotated[int, "episodes that failed"]
    mean: Annotated[float, "mean reward of the team; unknown if every episode failed"]
    low: Annotated[float, "lower bound"]
    high: Annotated[float, "upper bound"]
    n_maps: Annotated[int, "maps (environment seeds) with a result"]


@dataclass(frozen=True, kw_only=True)
class FailureRecord:
    """A failed episode, and a policy that caused it."""

    mission: Annotated[str, "name of the mission"]
    match: Annotated[str, "name of the match"]
    episode: Annotated[int, "number of the episode"]
    env_seed: Annotated[int, "environment seed"]
    policy: Annotated[str, "name of the policy that caused the failure"]
    failure: Annotated[str, "why"]


@dataclass(frozen=True, kw_only=True)
class FailedPolicy:
    """A policy that caused failures.

    Attributes:
        n_episodes: in which it took part, for the pool or as a candidate.
        cause: of its first failure.
    """

    policy: str
    n_failed: int
    n_episodes: int
    cause: str


def line_up_records(scores: MatchScores, level: float, seats: pd.DataFrame | None = None) -> list[LineUpRecord]:
    """All line-ups, in the order of their first match.

    Args:
        seats: the seats table, which also has the episodes that failed.
    """
    played: dict[tuple[str, Party], dict[tuple[str, int], tuple[int, float]]] = {}
    for row in scores.rows:
        episodes = played.setdefault((row.mission, scores.parties[row.mission, row.match, row.episode]), {})
        episodes[row.match, row.episode] = row.env_seed, row.team_score
    failed = Counter[tuple[str, Party]]()
    matches: dict[tuple[str, Party], set[str]] = {}
    for mission, match, party in _failed_parties(seats):
        failed[mission, party] += 1
        matches.setdefault((mission, party), set()).add(match)
    records = []
    for key in dict.fromkeys([*played, *failed]):
        episodes = played.get(key, {})
        names = {match for match, _ in episodes} | matches.get(key, set())
        units = units_by_checkpoint({None: [(seed, score, 1.0) for seed, score in episodes.values()]})
        found = estimate([units], level)
        records.append(
            LineUpRecord(
                mission=key[0], line_up=in_words(key[1]), n_matches=len(names), n_episodes=len(episodes),
                n_failed=failed[key], mean=found.value, low=found.interval.low, high=found.interval.high,
                n_maps=found.n_maps,
            )
        )  # fmt: skip
    return records


def failure_records(seats: pd.DataFrame) -> list[FailureRecord]:
    """One per failed episode and policy that caused it."""
    names = ["mission", "match", "episode", "env_seed", "policy", "failure"]
    rows = seats.loc[seats["failure"].notna(), names].drop_duplicates()
    return [
        FailureRecord(
            mission=mission, match=match, episode=int(episode), env_seed=int(seed), policy=policy, failure=failure
        )
        for mission, match, episode, seed, policy, failure in zip(*(rows[name] for name in names), strict=True)
    ]


def failed_policies(seats: pd.DataFrame, failures: Sequence[FailureRecord]) -> list[FailedPolicy]:
    """The policies that caused failures, those with the largest share first."""
    took_part = seats.drop_duplicates(["match", "episode", "policy"]).groupby("policy", sort=False).size()
    causes: dict[str, str] = {}
    caused = Counter[str]()
    for policy, _ in {(record.policy, (record.match, record.episode)): None for record in failures}:
        caused[policy] += 1
    for record in failures:
        causes.setdefault(record.policy, record.failure)
    found = [
        FailedPolicy(policy=policy, n_failed=caused[policy], n_episodes=int(took_part[policy]), cause=cause)
        for policy, cause in causes.items()
    ]
    return sorted(found, key=lambda one: -one.n_failed / one.n_episodes)


def in_words(party: Iterable[tuple[Member, int]]) -> str:
    """'3 a + 1 b (pool)'."""
    return " + ".join(f"{count} {policy}{' (pool)' if in_pool else ''}" for (policy, in_pool), count in party)


def _failed_parties(seats: pd.DataFrame | None) -> Iterable[tuple[str, str, Party]]:
    """Mission, match and line-up of every failed episode."""
    failed = [] if seats is None else seats[seats["status"] == "failed"].groupby(["match", "episode"], sort=False)
    for (match, _), rows in failed:
        seated = zip(rows["policy"], rows["in_pool"], strict=True)
        members = Counter((str(policy), bool(pool)) for policy, pool in seated)
        yield str(rows["mission"].iloc[0]), str(match), tuple(sorted(members.items()))
