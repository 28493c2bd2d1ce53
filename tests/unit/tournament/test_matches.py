"""The matches of tournaments: how many, who sits where, and what one more policy adds."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import pytest
from metta_alo.scoring import allocate_counts

from daf.config import DAFTournamentConfig
from daf.errors import BadInputError
from daf.system.validated import is_name
from daf.tournament.matches import Match, Player, pool_counts, tournament_cost, tournament_matches
from daf.tournament.seatings import balanced_seatings, num_seatings


def config(**changes: object) -> DAFTournamentConfig:
    return DAFTournamentConfig.from_dict({"format": "pairing", "candidates": ["a", "b"], "missions": ["m"], **changes})


def matches(num_seats: int = 4, seeds: dict[str, list[int]] | None = None, **changes: object) -> list[Match]:
    return tournament_matches(config(**changes), {"m": num_seats}, seeds)


def names(count: int) -> list[str]:
    return [f"policy-{number}" for number in range(count)]


# ---- seatings ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "limit", "size", "balance"),
    [
        ((3, 1), None, 4, "complete"),
        ((2, 2), None, 6, "complete"),
        ((4,), None, 1, "complete"),
        ((4, 4), None, 14, "pairwise balanced"),  # the Hadamard design
        ((3, 4), None, 7, "pairwise balanced"),  # the Fano plane
        ((6, 2), None, 8, "seat balanced"),
        ((6, 2), 28, 28, "complete"),
        ((6, 2), 4, 4, "seat balanced"),
        ((2, 1, 1), None, 4, "seat balanced"),
        ((1,) * 8, None, 8, "seat balanced"),
        ((5, 11), None, 16, "seat balanced"),
    ],
)
def test_every_policy_plays_every_seat_equally_often(
    counts: tuple[int, ...], limit: int | None, size: int, balance: str
) -> None:
    design = balanced_seatings(counts, limit)
    assert (len(design.seatings), design.balance) == (size, balance)
    assert len(set(design.seatings)) == size <= num_seatings(counts)
    assert all(tuple(seating.count(policy) for policy in range(len(counts))) == counts for seating in design.seatings)
    by_seat = [Counter(column) for column in zip(*design.seatings, strict=True)]
    assert all(counted == by_seat[0] for counted in by_seat)
    if balance == "pairwise balanced":
        pairs = Counter(
            pair
            for seating in design.seatings
            for pair in combinations([seat for seat, policy in enumerate(seating) if policy == 0], 2)
        )
        assert len(pairs) == sum(counts) * (sum(counts) - 1) // 2
        assert len(set(pairs.values())) == 1


def test_too_few_seatings_for_a_balance_are_refused() -> None:
    with pytest.raises(BadInputError) as caught:
        matches(8, splits=["3-1"], seatings=3)
    assert "4 or more seatings" in caught.value.expected
    assert caught.value.found == "3 for 6-2 of 8 seats"


# ---- formats ----------------------------------------------------------------------------------------------


def test_ten_policies_in_pairs_play_the_matches_that_leagues_count() -> None:
    ten = names(10)
    # 45 pairs: 4 + 6 + 4 seatings of 4 seats; three splits with five matches each, as drawn by leagues.
    assert len(matches(4, candidates=ten)) == 45 * 14
    assert len(matches(8, candidates=ten)) == 45 * (8 + 14 + 8)
    assert len(matches(8, candidates=ten, seats="random", seatings=5)) == 45 * 3 * 5 == 675
    played = matches(8, candidates=ten, seats="random", seatings=5)
    cost = tournament_cost(config(episodes=2), played, {"m": 1000})
    assert (cost.matches, cost.episodes, cost.agent_steps) == (675, 1350, 1350 * 8000)
    assert cost.hours(3000.0) == pytest.approx(1.0)


def test_pickup_plays_the_scenarios_of_the_engine() -> None:
    played = matches(4, format="pickup", candidates=["c"], pool=["x", "y", "z"])
    found = {tuple((player.checkpoint, count) for player, count in match.composition) for match in played}
    expected = set()
    for count in range(4, -1, -1):
        shares = allocate_counts(4 - count, [1.0] * 3, allow_zero_total=True)
        everyone = zip(["c", "x", "y", "z"], [count, *shares], strict=True)
        expected.add(tuple((name, seats) for name, seats in everyone if seats))
    assert found == expected
    assert {player.in_pool for match in played for player in match.players if player.policy == "c"} == {False}


@pytest.mark.parametrize("seats", range(10))
@pytest.mark.parametrize("policies", range(1, 6))
def test_the_pool_shares_seats_as_the_engine_does(seats: int, policies: int) -> None:
    assert pool_counts(seats, policies) == allocate_counts(seats, [1.0] * policies, allow_zero_total=True)


def test_the_other_formats() -> None:
    robin = matches(4, format="round_robin", candidates=names(3))
    assert Counter(len(match.composition) for match in robin) == {1: 3, 2: 3 * 6}
    freeplay = matches(8, format="freeplay", candidates=names(2))
    assert Counter(tuple(count for _, count in match.composition) for match in freeplay) == {
        (6, 2): 8, (4, 4): 14, (2, 6): 8,
    }  # fmt: skip
    teams = matches(3, format="teams", candidates=names(4), seatings=6)
    assert {frozenset(player.policy for player in match.players) for match in teams} == {
        frozenset(team) for team in combinations(names(4), 3)
    }
    assert len(teams) == 4 * 6


def test_many_possible_teams_are_drawn_in_equal_numbers() -> None:
    teams = matches(4, format="teams", candidates=names(12), teams_per_policy=11)
    newest = {match.composition for match in teams if any(player.policy == "policy-11" for player in match.players)}
    assert len(newest) == 11
    counted = Counter(player.policy for composition in newest for player, _ in composition)
    assert {counted[name] for name in names(11)} == {3}  # 11 teams of 3 others from 11


def test_trained_policies_play_with_each_of_their_seeds() -> None:
    played = matches(seeds={"a": [1, 2, 3], "b": [5, 6]}, splits=["2-2"])
    pairs = {tuple(player.checkpoint for player, _ in match.composition) for match in played}
    assert pairs == {("a-seed-1", "b-seed-5"), ("a-seed-2", "b-seed-6"), ("a-seed-3", "b-seed-5")}
    pickup = matches(seeds={"a": [1, 2]}, format="pickup", candidates=["a"], pool=["a"])
    assert {player.label for match in pickup for player in match.players} == {
        "a-seed-1", "a-seed-2", "a-seed-1 (pool)", "a-seed-2 (pool)",
    }  # fmt: skip


# ---- stability --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "pairing"},
        {"format": "freeplay", "splits": ["3-1"]},
        {"format": "round_robin"},
        {"format": "teams", "teams_per_policy": 3},
        {"format": "pickup", "pool": ["x", "y"]},
        {"format": "pairing", "seats": "random"},
    ],
    ids=lambda changes: " ".join(map(str, changes.values())),
)
def test_one_more_policy_only_adds_its_own_matches(changes: dict[str, object]) -> None:
    before = matches(candidates=names(7), **changes)
    after = matches(candidates=names(8), **changes)
    added = set(after) - set(before)
    assert [match for match in after if match not in added] == before
    assert added
    assert all(any(player.policy == "policy-7" for player in match.players) for match in added)
    assert matches(candidates=names(8), **changes) == after
    assert len({match.id for match in after}) == len(after)


def test_names_of_matches_are_file_names_and_stay() -> None:
    one, *_ = matches(candidates=["a/b.Policy", "x" * 200])
    assert is_name(one.id)
    fixed = Match(mission="m", players=(Player(policy="a"), Player(policy="b", train_seed=3)))
    assert fixed.id == "1-a_1-b-seed-3_57d45a85898d"


def test_drawn_seats_depend_on_the_episode_alone() -> None:
    drawn = matches(seats="random", splits=["2-2"])
    assert len(drawn) == 6
    seatings = [match.seats(seed) for match in drawn for seed in range(100)]
    assert seatings == [match.seats(seed) for match in matches(seats="random", splits=["2-2"]) for seed in range(100)]
    assert len(set(seatings)) == 6
    assert all(Counter(seating) == Counter(drawn[0].players) for seating in seatings)


# ---- mistakes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "expected", "hint"),
    [
        ({"format": "pickup"}, "a pool for pickup", "other seats"),
        ({"pool": ["x"]}, "no pool for pairing", "only pickup has a pool"),
        ({"candidates": ["a"]}, "two or more candidates for pairing", ""),
        ({"splits": ["3:1"]}, "splits such as 3-1", "seats of either policy"),
        ({"splits": ["5-1"]}, "splits of the 4 seats of m", "declare some of 3-1, 2-2, 1-3"),
        ({"format": "teams", "splits": ["2-2"]}, "no splits for teams", ""),
        ({"format": "teams"}, "a candidate for every seat", "num_agents"),
        ({"weights": {1: 0.0}}, "a weight above 0", ""),
        ({"weights": {9: 1.0}}, "a weight above 0 for a number of seats that a on m has", "are 1, 2, 3"),
        ({"weights": {3: 1.0}, "splits": ["3-1"]}, "a number of seats that b on m has", "are 1"),
        ({"roles": ["miner"]}, "two or more different names of roles", "`starter` plays seat i"),
        ({"roles": ["0", "1"]}, "two or more different names of roles", "scrambler"),
        ({"episodes": "auto"}, "a question that the format answers", "question: order"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, object], expected: str, hint: str) -> None:
    with pytest.raises(BadInputError) as caught:
        matches(**changes)
    assert expected in caught.value.expected
    assert hint in caught.value.hint
