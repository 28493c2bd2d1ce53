"""Scores of policies in single episodes of mixed teams: the table that values, cross-play and ratings start from.

It comes from a seats table, or from the match table of a league, which knows only how many seats a policy had.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated

from daf.system.columns import make_frame

if TYPE_CHECKING:
    import pandas as pd

Occupant = tuple[str, int | None, bool]
"""Who plays a seat: policy, training seed, and whether it plays for the pool."""
Member = tuple[str, bool]
"""A policy, and whether it plays for the pool."""
Party = tuple[tuple[Member, int], ...]
"""Who plays in an episode, with numbers of seats, in alphabetical order."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MatchScore:
    """One checkpoint in one episode."""

    mission: Annotated[str, "name of the mission"]
    match: Annotated[str, "name of the match"]
    episode: Annotated[int, "number of the episode"]
    env_seed: Annotated[int, "environment seed: episodes with the same one are paired"]
    policy: Annotated[str, "name of the policy"]
    train_seed: Annotated[int | None, "training seed; null if the policy has none"]
    in_pool: Annotated[bool, "whether the policy plays for the pool, not as a candidate"]
    seats: Annotated[int, "number of its seats"]
    num_seats: Annotated[int, "number of all seats"]
    score: Annotated[float, "mean total reward of the agents in its seats"]
    team_score: Annotated[float, "mean total reward of all agents"]


@dataclass(frozen=True, eq=False)
class MatchScores:
    """The scores of a tournament.

    Attributes:
        rows: in the order of matches and episodes.
        failed_episodes: episodes without scores.
    """

    rows: tuple[MatchScore, ...]
    failed_episodes: int = 0

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The rows as a table."""
        return make_frame(MatchScore, self.rows)

    @cached_property
    def parties(self) -> dict[tuple[str, str, int], Party]:
        """Who plays, by mission, match and episode: leagues may name matches of several missions alike."""
        members: dict[tuple[str, str, int], Counter[Member]] = {}
        for row in self.rows:
            members.setdefault((row.mission, row.match, row.episode), Counter())[row.policy, row.in_pool] += row.seats
        return {key: tuple(sorted(counts.items())) for key, counts in members.items()}

    @cached_property
    def missions(self) -> list[str]:
        return list(dict.fromkeys(row.mission for row in self.rows))

    @cached_property
    def candidates(self) -> list[str]:
        """Policies that play other than for the pool, in order of appearance."""
        return list(dict.fromkeys(row.policy for row in self.rows if not row.in_pool))

    def of(self, policy: str, train_seed: int | None) -> list[MatchScore]:
        """The rows of a candidate's checkpoint."""
        return [row for row in self.rows if not row.in_pool and (row.policy, row.train_seed) == (policy, train_seed)]

    def train_seeds(self, policy: str) -> list[int | None]:
        """Training seeds of a candidate, ascending; [None] if it has none."""
        found = {row.train_seed for row in self.rows if row.policy == policy and not row.in_pool}
        return sorted(found, key=lambda seed: -1 if seed is None else seed)

    def up_to(self, episodes: int) -> MatchScores:
        """The scores of the first `episodes` episodes of every match."""
        return MatchScores(tuple(row for row in self.rows if row.episode < episodes), self.failed_episodes)


def scores_of_seats(seats: pd.DataFrame) -> MatchScores:
    """Scores of the episodes of a checked seats table (`daf.tournament.table.check_seats`) that were played."""
    played = seats[seats["status"] == "played"]
    every = len(seats.groupby(["match", "episode"]))
    kept = list(_scores(played))
    episodes = len({(row.match, row.episode) for row in kept})
    return MatchScores(tuple(kept), every - episodes)


def _scores(played: pd.DataFrame) -> Iterator[MatchScore]:
    names = ["mission", "match", "episode", "env_seed", "policy", "train_seed", "in_pool", "agent_reward"]
    columns = (played[name].tolist() for name in names)
    episodes: dict[tuple[str, str, int, int], list[tuple[Occupant, float]]] = {}
    for mission, match, episode, env_seed, policy, train_seed, in_pool, reward in zip(*columns, strict=True):
        occupant = (policy, train_seed if isinstance(train_seed, int) else None, bool(in_pool))
        episodes.setdefault((mission, match, episode, env_seed), []).append((occupant, float(reward)))
    for (mission, match, episode, env_seed), rows in episodes.items():
        yield from episode_scores(rows, mission=mission, match=match, episode=episode, env_seed=env_seed)


def episode_scores(
    seats: Sequence[tuple[Occupant, float]], *, mission: str, match: str, episode: int, env_seed: int
) -> Iterator[MatchScore]:
    """The scores of one episode.

    Args:
        seats: by seat who played it, and the agent's total reward.
    """
    team_score = _mean([reward for _, reward in seats])
    for occupant in dict.fromkeys(occupant for occupant, _ in seats):
        own = [reward for other, reward in seats if other == occupant]
        yield MatchScore(
            mission=mission, match=match, episode=episode, env_seed=env_seed, policy=occupant[0],
            train_seed=occupant[1], in_pool=occupant[2], seats=len(own), num_seats=len(seats), score=_mean(own),
            team_score=team_score,
        )  # fmt: skip


def _mean(rewards: Sequence[float]) -> float:
    """As `metta_alo.scoring` computes it, to the last bit: Python's sum rounds otherwise than numpy's."""
    return sum(rewards) / len(rewards)
