"""The matches of a tournament, from its configuration alone: who sits where, on which mission.

Nothing is drawn that depends on other matches, and a match is named by a digest of its content. One more candidate
therefore only adds its own matches, and the others keep their files.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from math import comb
from typing import Any

from daf.config import DAFTournamentConfig
from daf.config.match_recipes import MatchRecipe, SeatedPlayer, player_label, seats_of_episode
from daf.config.recipes import MissionRecipe, PolicyRecipe, checkpoint_label
from daf.errors import BadInputError
from daf.statistics.sequential import equal_batches
from daf.system.files import digest
from daf.system.nouns import number_of
from daf.tournament.seatings import balanced_seatings, num_seatings

Composition = tuple[tuple["Player", int], ...]
"""Players and their numbers of seats."""

LONGEST_READABLE = 64  # characters of a match's name before its digest
DIGEST_LENGTH = 12


@dataclass(frozen=True, kw_only=True)
class Player:
    """What takes a seat: a checkpoint of a candidate or of the pool.

    Attributes:
        in_pool: whether it replaces a candidate; a policy may be a candidate and also in the pool.
    """

    policy: str
    train_seed: int | None = None
    in_pool: bool = False

    @property
    def checkpoint(self) -> str:
        return checkpoint_label(self.policy, self.train_seed)

    @property
    def label(self) -> str:
        return player_label(self.checkpoint, in_pool=self.in_pool)


@dataclass(frozen=True, kw_only=True)
class Match:
    """A mission and a policy for every seat, for all episodes.

    Attributes:
        players: by seat.
        is_shuffled: whether every episode draws the seats of these players.
        number: of shuffled matches of the same players, from 0.
    """

    mission: str
    players: tuple[Player, ...]
    is_shuffled: bool = False
    number: int = 0

    @cached_property
    def composition(self) -> Composition:
        """The players with their numbers of seats, in order of their labels."""
        return tuple(sorted(Counter(self.players).items(), key=lambda item: item[0].label))

    @cached_property
    def id(self) -> str:
        """A name that can be part of a path; it depends on nothing but the match."""
        readable = "_".join(f"{count}-{player.checkpoint}" for player, count in self.composition)
        readable = re.sub(r"[^A-Za-z0-9_.-]+", "-", readable)[:LONGEST_READABLE]
        return f"{readable}_{digest(self.to_dict())[:DIGEST_LENGTH]}"

    def to_dict(self) -> dict[str, Any]:
        """What determines the match."""
        return {
            "mission": self.mission,
            "players": [[player.policy, player.train_seed, player.in_pool] for player in self.players],
            "shuffled": [self.number] if self.is_shuffled else None,
        }

    @property
    def drawn_by(self) -> str | None:
        """The text from which episodes draw their seats; None: the seats are fixed."""
        return self.id if self.is_shuffled else None

    def seats(self, env_seed: int) -> tuple[Player, ...]:
        """Who sits where in an episode."""
        return seats_of_episode(self.players, env_seed, self.drawn_by)


@dataclass(frozen=True, kw_only=True)
class TournamentCost:
    """What a tournament takes to play, at most."""

    matches: int
    episodes: int
    agent_steps: int

    def hours(self, agent_steps_per_second: float) -> float:
        return self.agent_steps / agent_steps_per_second / 3600


TrainSeeds = Mapping[str, Sequence[int]]
"""Training seeds of the policies that DAF trains."""


def tournament_matches(
    config: DAFTournamentConfig, num_seats: Mapping[str, int], train_seeds: TrainSeeds | None = None
) -> list[Match]:
    """All matches, in a stable order.

    Args:
        num_seats: agents of every mission.
        train_seeds: of policies with training runs; each of their checkpoints plays.

    Raises:
        BadInputError: the policies do not fit the seats of a mission, or all that a candidate has there weigh nothing.
    """
    matches: dict[Match, None] = {}
    for mission in config.missions:
        compositions = list(_compositions(config, num_seats[mission], mission, train_seeds or {}))
        for candidate in config.candidates:
            counts = [
                count
                for composition in compositions
                for player, count in composition
                if player.policy == candidate and not player.in_pool
            ]
            config.check_weights(counts, f"{candidate} on {mission}")
        for composition in compositions:
            matches.update(dict.fromkeys(_seated(config, mission, composition)))
    return list(matches)


def match_recipe(
    match: Match, policies: Mapping[str, PolicyRecipe], mission: MissionRecipe, episodes: range, *,
    first_seed: int, max_action_time_ms: int,
) -> MatchRecipe:  # fmt: skip
    """The recipe of some episodes of a match.

    Args:
        policies: of every player, by its checkpoint.
        first_seed: environment seed of episode 0.
    """
    numbers = {player: number for number, (player, _) in enumerate(match.composition)}
    return MatchRecipe(
        mission=mission,
        match=match.id,
        players=tuple(SeatedPlayer(policy=policies[player.checkpoint], in_pool=player.in_pool) for player in numbers),
        seats=tuple(numbers[player] for player in match.players),
        drawn_by=match.drawn_by,
        first_seed=first_seed,
        first_episode=episodes.start,
        num_episodes=len(episodes),
        max_action_time_ms=max_action_time_ms,
    )


def interim_sizes(config: DAFTournamentConfig) -> list[int]:
    """Episodes per match at each interim analysis; a single one at the end unless they are `auto`."""
    if config.episodes != "auto":
        return [config.episodes]
    return equal_batches(config.max_episodes, config.num_interim_analyses)


def batches_of_episodes(config: DAFTournamentConfig) -> list[range]:
    """The episodes of every match in the order of play; with `episodes: auto`, an interim analysis follows each."""
    sizes = interim_sizes(config)
    return [range(first, stop) for first, stop in zip([0, *sizes], sizes, strict=False)]


def tournament_cost(
    config: DAFTournamentConfig, matches: Sequence[Match], max_steps: Mapping[str, int]
) -> TournamentCost:
    """The cost of these matches.

    Args:
        max_steps: length of an episode, by mission.
    """
    episodes = config.episodes_cap
    steps = sum(len(match.players) * max_steps[match.mission] for match in matches)
    return TournamentCost(matches=len(matches), episodes=episodes * len(matches), agent_steps=episodes * steps)


def pool_counts(num_seats: int, num_policies: int) -> list[int]:
    """Seats of every policy of the pool, in equal shares; the first get what remains, as in `cogames pickup`."""
    whole, rest = divmod(num_seats, num_policies)
    return [whole + (number < rest) for number in range(num_policies)]


def _seated(config: DAFTournamentConfig, mission: str, composition: Composition) -> Iterator[Match]:
    """The matches of one composition."""
    players = [player for player, _ in composition]
    counts = tuple(count for _, count in composition)
    limit = None if config.seatings == "auto" else config.seatings
    if config.seats == "balanced":
        for seating in balanced_seatings(counts, limit).seatings:
            yield Match(mission=mission, players=tuple(players[number] for number in seating))
        return
    copies = len(balanced_seatings(counts).seatings) if limit is None else min(limit, num_seatings(counts))
    ordered = tuple(player for player, count in composition for _ in range(count))
    for number in range(copies):
        yield Match(mission=mission, players=ordered, is_shuffled=len(players) > 1, number=number)


# ---- formats ----------------------------------------------------------------------------------------------


def _compositions(
    config: DAFTournamentConfig, num_seats: int, mission: str, train_seeds: TrainSeeds
) -> Iterator[Composition]:
    """Who plays together, with how many seats each."""
    if config.format == "pickup":
        yield from _pickup(config, num_seats, train_seeds)
    elif config.format == "teams":
        yield from _teams(config, num_seats, mission, train_seeds)
    else:
        if config.format == "round_robin":
            for candidate in config.candidates:
                yield from (((player, num_seats),) for player in _players(candidate, train_seeds))
        splits = config.splits_of(num_seats, mission)
        for a, b in combinations(config.candidates, 2):
            for pair in _matched(a, b, train_seeds=train_seeds):
                yield from (tuple(zip(pair, split, strict=True)) for split in splits)


def _pickup(config: DAFTournamentConfig, num_seats: int, train_seeds: TrainSeeds) -> Iterator[Composition]:
    """As `cogames pickup`: from all seats of a candidate to none."""
    pool = [player for policy in config.pool for player in _players(policy, train_seeds, in_pool=True)]
    for candidate in (player for name in config.candidates for player in _players(name, train_seeds)):
        for count in range(num_seats, 0, -1):
            yield ((candidate, count), *_shares(pool, num_seats - count))
    yield _shares(pool, num_seats)


def _shares(pool: Sequence[Player], num_seats: int) -> Composition:
    shares = zip(pool, pool_counts(num_seats, len(pool)), strict=True)
    return tuple((player, count) for player, count in shares if count)


def _teams(config: DAFTournamentConfig, num_seats: int, mission: str, train_seeds: TrainSeeds) -> Iterator[Composition]:
    """A different candidate in every seat.

    Each candidate adds teams with those before it in the list: all, or a number of them in which each is equally often
    a member, up to one. So later candidates do not change the teams of earlier ones.
    """
    if num_seats > len(config.candidates):
        hint = "add candidates, or play a mission with fewer agents (num_agents)"
        found = f"{len(config.candidates)} for {number_of(num_seats, 'seat')} of {mission}"
        raise BadInputError("a candidate for every seat", found, "candidates", hint)
    for last in range(num_seats - 1, len(config.candidates)):
        for members in _teams_with(config, last, num_seats - 1):
            names = [config.candidates[number] for number in (*members, last)]
            for players in _matched(*names, train_seeds=train_seeds):
                yield tuple((player, 1) for player in players)


def _teams_with(config: DAFTournamentConfig, last: int, size: int) -> Iterator[tuple[int, ...]]:
    """Members from 0 … last - 1 that join candidate `last` in its teams."""
    if comb(last, size) <= config.teams_per_policy:
        yield from combinations(range(last), size)
        return
    rng = random.Random(f"{config.seed} {config.candidates[last]}")  # nosec B311  # repeatable, not secret
    played, seen = [0] * last, set[tuple[int, ...]]()
    while len(seen) < config.teams_per_policy:
        # The least often chosen first, in random order among equals.
        order = sorted(range(last), key=lambda member: (played[member], rng.random()))
        members = tuple(sorted(order[:size]))
        if members in seen:
            members = next(team for team in combinations(sorted(order), size) if team not in seen)
        seen.add(members)
        for member in members:
            played[member] += 1
        yield members


def _players(policy: str, train_seeds: TrainSeeds, *, in_pool: bool = False) -> list[Player]:
    seeds: Sequence[int | None] = train_seeds.get(policy) or (None,)
    return [Player(policy=policy, train_seed=seed, in_pool=in_pool) for seed in seeds]


def _matched(*policies: str, train_seeds: TrainSeeds) -> Iterator[tuple[Player, ...]]:
    """Checkpoints that play together: the first training runs of all policies, then the second ones, and so on.

    A policy with fewer runs begins again with its first.
    """
    players = [_players(policy, train_seeds) for policy in policies]
    for number in range(max(map(len, players))):
        yield tuple(runs[number % len(runs)] for runs in players)
