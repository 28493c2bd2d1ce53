"""Preferences, rank sets, verdicts, and when a tournament stops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from daf.errors import BadInputError
from daf.statistics.sequential import spent_levels
from daf.tournament.comparisons import (
    compare_candidates,
    compare_with_replacement,
    interim_analyses,
    play_until_settled,
    unsettled,
)
from daf.tournament.league import read_league
from daf.tournament.matches import interim_sizes
from daf.tournament.preferences import Preferences, preferences
from daf.tournament.rank_sets import (
    MOST_COMBINATIONS,
    compatible_ranks,
    rank_sets,
    results_to_try,
    shown_by_verdicts,
)
from daf.tournament.rankings import comparison_rankings
from daf.tournament.results import analyze_scores, analyze_seats
from daf.tournament.scores import MatchScores
from tests.unit.tournament.simulated import matches_of, noise, played, seats_of, shared, tournament


def skilled(skill: dict[str, float], spread: float = 1.0) -> Any:
    """Shared rewards: the mean skill in the team, an effect of the map, and noise. Copies c-1, c-2, … are alike."""

    def rewards(players: Any, seed: int) -> list[float]:
        names = sorted(player.policy.partition("-")[0] for player in players)
        value = np.mean([skill.get(name, 0.0) for name in names]) + noise(seed).normal()
        return shared(value + spread * noise(seed, names).normal(), players)

    return rewards


def votes_of(config: Any, rewards: Any) -> Preferences:
    return preferences(played(config, matches_of(config), rewards))


# ---- preferences ------------------------------------------------------------------------------------------


def test_teams_with_a_third_do_not_vote_about_a_pair_that_meets_elsewhere() -> None:
    """On map 0 a beats b; on map 1 b scores more beside c than a does, which counts only for pairs that never meet."""

    def match(number: int, **scores: float) -> list[dict[str, Any]]:
        return [
            {"match": "-".join(scores), "map": number, "policy": policy, "seats": 1, "score": score}
            for policy, score in scores.items()
        ]

    apart = [*match(1, a=1.0, c=9.0), *match(1, b=7.0, c=9.0)]
    met = preferences(read_league([*match(0, a=5.0, b=3.0), *apart]))
    a, b = (met.policies.index(policy) for policy in "ab")
    np.testing.assert_array_equal(met.wins[:, a, b], [1.0, np.nan])
    never = preferences(read_league(apart))
    a, b = (never.policies.index(policy) for policy in "ab")
    np.testing.assert_array_equal(never.wins[:, a, b], [0.0])


def test_candidates_are_compared_in_the_same_place() -> None:
    config = tournament(candidates=["c", "d"], pool=["x", "y"])
    found = votes_of(config, skilled({"c": 1.0}, spread=0.0))
    assert found.policies == ("c", "d")
    np.testing.assert_array_equal(found.wins[:, 0, 1], 1.0)
    np.testing.assert_allclose(found.gaps[:, 0, 1], np.mean([1, 0.75, 0.5, 0.25]))
    np.testing.assert_allclose(found.gaps, -found.gaps.swapaxes(1, 2), equal_nan=True)
    assert found.totals.counts[0, 1] == 8


def test_partners_of_a_pair_are_compared_with_exchanged_seats() -> None:
    config = tournament(format="pairing", candidates=["c", "d", "e"], pool=[])
    found = votes_of(config, skilled({"c": 1.0}, spread=0.0))
    # c with 3 of 4 seats beside d against d with 3 beside c: 3/4 - 1/4; with 2: equal; with 1: the reverse.
    shares = found.totals.shares[0, 1]
    assert shares == pytest.approx((1 + 0.5 + 0) / 3)
    own = votes_of(
        tournament(format="pairing", candidates=["c", "d"], pool=[], splits=["3-1", "1-3"]),
        lambda players, seed: [float(player.policy == "c") for player in players],
    )
    np.testing.assert_array_equal(own.wins[:, 0, 1], 1.0)


def test_margins_of_error_hold_for_all_pairs_at_once() -> None:
    config = tournament(candidates=["c", "d"], missions=["m", "n"], episodes=20)
    found = votes_of(config, skilled({"c": 0.2}))
    shares, differences = found.margins_of_error(0.9, 4000, np.random.default_rng(0))
    for margins, values in ((shares, found.wins - 0.5), (differences, found.gaps)):
        by_map = [values[found.missions == mission, 0, 1] for mission in (0, 1)]
        error = np.sqrt(sum((part**2).mean() / part.size for part in by_map)) / 2  # among equals
        assert margins[0, 1] == pytest.approx(stats.norm.ppf(0.95) * error, rel=0.2)  # shares come in steps
        assert margins[0, 1] == pytest.approx(margins[1, 0])


@pytest.mark.parametrize(("maps", "shown"), [(4, False), (8, True)])
def test_few_maps_that_agree_exclude_no_rank(maps: int, shown: bool) -> None:
    """All of 4 maps agree with a chance of 1/8, of 8 with 1/128."""
    votes = votes_of(tournament(candidates=["c", "d"], episodes=maps), skilled({"c": 99.0}))
    for record in comparison_rankings(votes, 0.95, 1000, 1):
        if record.method != "openskill":
            assert ((record.rank_low, record.rank_high) == (record.rank, record.rank)) == shown, record


@pytest.mark.parametrize(
    "form", [{"format": "pickup"}, {"format": "round_robin", "pool": [], "splits": ["3-1", "1-3"]}]
)
def test_copies_of_a_candidate_leave_the_conclusions_on_the_others_unchanged(form: dict[str, Any]) -> None:
    skill = {"a": 0.5, "b": 0.55, "c": 0.6}
    mass = {}
    for names in (["a", "b", "c"], ["a", "b", "c", *(f"c-{number}" for number in range(5))]):
        votes = votes_of(tournament(candidates=names, **form), skilled(skill))
        records = comparison_rankings(votes, 0.95, 100, 1)
        mass[len(names)] = {(r.method, r.policy): r.score for r in records if r.use == "conclusion"}
    for method in ("maximal_lottery", "alpha_rank", "nash_average"):
        for policy in ("a", "b"):
            assert mass[8][method, policy] == pytest.approx(mass[3][method, policy], abs=1e-9)
        copies = [mass[8][method, name] for name in ("c", *(f"c-{number}" for number in range(5)))]
        assert copies == pytest.approx([mass[3][method, "c"] / 6] * 6, abs=1e-9)


# ---- rank sets --------------------------------------------------------------------------------------------


def test_ranks_that_were_not_excluded() -> None:
    better = shown_by_verdicts(
        ["a", "b", "c", "d"],
        [
            ("a", "b", "better"),
            ("c", "a", "worse"),
            ("b", "c", "inconclusive"),
            ("d", "a", "worse"),
            ("x", "a", "better"),
        ],
    )
    sets = rank_sets(np.array([3.0, 1.0, 2.0, np.nan]), better)
    assert [(found.rank, found.low, found.high) for found in sets] == [(1, 1, 1), (3, 2, 4), (2, 2, 4), (4, 2, 4)]
    tied = rank_sets(np.array([1.0, 1.0, 0.0]), np.zeros((3, 3), dtype=bool))
    assert [found.rank for found in tied] == [1.5, 1.5, 3.0]


def test_ranks_by_all_compatible_results() -> None:
    """b may be first, where it leads or, up to a solver's tolerance, shares the lead; c may be second."""
    scores = np.array([2.0, 1.0, 0.0])
    compatible = np.array([[9.0, 1.0, 0.0], [2.0, 2.0 + 1e-9, 0.0], [2.0, -1.0, 0.0]])
    sets = compatible_ranks(scores, compatible)
    assert [(found.rank, found.low, found.high) for found in sets] == [(1, 1, 2), (2, 1, 3), (3, 2, 3)]


@pytest.mark.parametrize(("size", "count"), [(2, 3), (3, 27), (5, 10 + MOST_COMBINATIONS)])
def test_results_are_tried_in_all_combinations_or_in_a_sample_with_the_best_and_worst(size: int, count: int) -> None:
    signs = results_to_try(size, np.random.default_rng(0))
    assert signs.shape == (count, size, size)
    np.testing.assert_array_equal(signs, -signs.swapaxes(1, 2))
    assert len(np.unique(signs.reshape(count, -1), axis=0)) == count
    for candidate in range(size):
        own = np.delete(signs[:, candidate], candidate, axis=1)
        assert (own == 1).all(axis=1).any()
        assert (own == -1).all(axis=1).any()


def test_ranks_in_a_cycle_depend_on_the_results_of_the_others() -> None:
    """a beats b, b beats c, c beats a: which of them has most of the mass, the data do not say."""
    rng = np.random.default_rng(4)
    gaps = {("a", "b"): 1.0, ("b", "c"): 0.95, ("c", "a"): 0.9}
    rows = [
        {"match": f"{a}{b}{number}", "policy": policy, "seats": 2, "score": sign * (gap + noisy) / 2, "map": number}
        for number in range(48)
        for (a, b), gap in gaps.items()
        for noisy in [rng.normal()]
        for policy, sign in ((a, 1), (b, -1))
    ]
    found = comparison_rankings(preferences(read_league(rows)), 0.95, 200, 1)
    for record in found:
        if record.method in ("nash_average", "maximal_lottery"):
            assert (record.rank_low, record.rank_high) == (1, 3), record
            assert record.low <= record.score <= record.high


def test_a_candidate_that_was_never_compared_may_have_any_rank() -> None:
    rows = [
        {"match": f"{name}{number}", "policy": policy, "seats": 2, "score": score + 0.01 * number, "map": number}
        for number in range(24)
        for name, members in (("ab", (("a", 1.0), ("b", 0.0))), ("c", (("c", 0.5),)))
        for policy, score in members
    ]
    records = comparison_rankings(preferences(read_league(rows)), 0.95, 200, 1)
    others = [r for r in records if r.method != "openskill"]
    assert {(r.policy, r.rank_low, r.rank_high) for r in others} == {("a", 1, 2), ("b", 2, 3), ("c", 1, 3)}
    assert {(r.policy, r.rank) for r in records} == {("a", 1), ("b", 2), ("c", 3)}
    for record in records:
        assert np.isnan([record.score, record.low, record.high]).all() == (record.policy == "c")


def test_matches_of_two_missions_may_have_one_name() -> None:
    rows = [
        {"match": "1", "mission": mission, "policy": policy, "seats": 2, "score": 1.0}
        for mission, members in (("m", "ab"), ("n", "cd"))
        for policy in members
    ]
    found = read_league(rows).parties
    assert [[member for (member, _), _ in party] for party in found.values()] == [["a", "b"], ["c", "d"]]


def test_equal_candidates_keep_all_ranks_and_a_better_one_leads() -> None:
    equal = votes_of(tournament(candidates=["a", "b", "c"], episodes=16), skilled({}))
    assert {(r.rank_low, r.rank_high) for r in comparison_rankings(equal, 0.95, 200, 1)} == {(1, 3)}
    unequal = votes_of(tournament(candidates=["a", "b", "c"], episodes=16), skilled({"a": 6.0}))
    for record in comparison_rankings(unequal, 0.95, 200, 1):
        if record.method != "openskill":
            assert (record.rank_low, record.rank_high) == ((1, 1) if record.policy == "a" else (2, 3)), record


# ---- verdicts and stopping --------------------------------------------------------------------------------


def auto(**changes: Any) -> Any:
    return tournament(episodes="auto", max_episodes=64, **changes)


def test_candidates_are_judged_against_the_pool_and_each_other() -> None:
    config = tournament(candidates=["c", "d", "e"], episodes=16)
    scores = played(config, matches_of(config), skilled({"c": 3.0, "d": -3.0}))
    against_pool = compare_with_replacement(scores, config)
    assert against_pool is not None
    verdicts = {record.policy_b: record.verdict for record in against_pool.headline_records("checkpoints")}
    assert verdicts == {"c": "worse", "d": "better", "e": "inconclusive"}  # of the replacement
    each_other = compare_candidates(scores, config)
    assert each_other is not None
    assert len(each_other.headline_records("checkpoints")) == 3
    alone = played(config, matches_of(tournament()), skilled({}))
    assert compare_candidates(alone, config) is None


def test_a_tournament_stops_when_the_question_is_settled() -> None:
    batches: list[tuple[int, int]] = []

    def play(first: int, stop: int) -> MatchScores:
        batches.append((first, stop))
        return played(config, matches_of(config), skilled(skill), range(first, stop))

    config, skill = auto(), {"c": 5.0}
    assert interim_sizes(config) == [16, 32, 48, 64]
    scores, analyses = play_until_settled(play, config)
    assert batches == [(0, 16)]
    assert [analysis.done for analysis in analyses] == [True]
    assert analyses[0].confidence_level == pytest.approx(1 - 0.05 / 16)
    batches.clear()
    skill = {}
    scores, analyses = play_until_settled(play, config)
    assert batches == [(0, 16), (16, 32), (32, 48), (48, 64)]
    assert [analysis.unsettled for analysis in analyses] == [("c and the pool",)] * 4
    assert [analysis.done for analysis in analyses] == [False] * 3 + [True]
    assert [analysis.confidence_level for analysis in analyses] == pytest.approx(spent_levels([16, 32, 48, 64], 0.95))
    assert list(interim_analyses(scores.up_to(32), config)) == analyses[:2]


@pytest.mark.parametrize(
    ("ahead", "stops", "why"),
    [
        (0.0, 16, "more would not help (c and the pool scored the same in every episode)"),
        (3.0, 64, "the maximum was reached"),
    ],
)
def test_a_difference_that_never_varies_ends_it_only_if_it_is_0(ahead: float, stops: int, why: str) -> None:
    config = auto()

    def rewards(players: Any, seed: int) -> list[float]:
        return [noise(seed).normal() + ahead * any(player.policy == "c" for player in players)] * len(players)

    def play(first: int, stop: int) -> MatchScores:
        return played(config, matches_of(config), rewards, range(first, stop))

    scores, analyses = play_until_settled(play, config)
    assert analyses[-1].episodes == stops
    (note,) = analyze_scores(scores, config).notes
    assert note.startswith(f"Episodes were added until {why}: {stops} per match. ")


def test_an_interim_analysis_is_at_its_own_level() -> None:
    config = tournament(candidates=["c", "d"], episodes=16)
    scores = played(config, matches_of(config), skilled({"c": 0.5}))
    for compare in (compare_with_replacement, compare_candidates):
        (final, interim) = (compare(scores, config, level) for level in (None, 0.999))
        assert final is not None
        assert interim is not None
        for wide, narrow in zip(interim.pairs, final.pairs, strict=True):
            assert wide.interval_high - wide.interval_low > 1.3 * (narrow.interval_high - narrow.interval_low)


@pytest.mark.parametrize("question", ["replacement", "order"])
def test_a_question_is_settled_at_the_level_of_the_interim_analysis(question: str) -> None:
    config = tournament(candidates=["c", "d"], episodes=16, question=question)
    scores = played(config, matches_of(config), skilled({"c": 2.0, "d": -2.0}))
    pairs = (compare_with_replacement if question == "replacement" else compare_candidates)(scores, config)
    assert pairs is not None
    p = max(record.p_holm for record in pairs.headline_records("checkpoints"))
    assert 0.0001 < p < 0.02
    assert unsettled(scores, config, 1 - 1.1 * p) == []
    assert unsettled(scores, config, 1 - 0.9 * p) != []


def test_without_a_comparison_nothing_is_settled() -> None:
    """All matches of the pool alone failed, then all matches of b."""
    config = tournament(candidates=["a", "b"], episodes="auto", max_episodes=8, num_interim_analyses=2)
    scores = played(config, matches_of(config), lambda players, seed: noise(players, seed).normal(size=len(players)))
    with_candidate = MatchScores(tuple(row for row in scores.rows if not row.in_pool or row.seats < 4))
    analyses = list(interim_analyses(with_candidate, config))
    assert [(one.episodes, one.unsettled, one.done) for one in analyses] == [
        (4, ("a and the pool", "b and the pool"), False), (8, ("a and the pool", "b and the pool"), True),
    ]  # fmt: skip
    order = config.model_copy(update={"question": "order"})
    of_one = MatchScores(tuple(row for row in scores.rows if row.policy == "a"))
    assert next(interim_analyses(of_one, order)).unsettled == ("a and b",)


def test_what_is_open_is_named_as_on_the_page() -> None:
    config = tournament(candidates=["a"], episodes="auto", max_episodes=8, num_interim_analyses=2)
    scores = played(config, matches_of(config), lambda players, seed: noise(players, seed).normal(size=len(players)))
    assert next(interim_analyses(scores, config)).unsettled == ("a and the pool",)


def test_the_order_of_the_first_is_settled_before_that_of_the_others() -> None:
    config = auto(format="round_robin", candidates=["a", "b", "c", "d"], pool=[], question="order", first=2)
    own = {"a": 9.0, "b": 5.0}

    def rewards(players: Any, seed: int) -> list[float]:
        return [own.get(player.policy, 0.0) + noise(seed, player.policy, "own").normal() for player in players]

    scores = played(config, matches_of(config), rewards, range(16))
    (analysis,) = interim_analyses(scores, config)
    assert analysis.done
    all_four = config.model_copy(update={"first": 4})
    (analysis,) = interim_analyses(scores, all_four)
    assert analysis.unsettled == ("c and d",)


def test_everything_together_as_tables_and_as_json() -> None:
    import json

    config = tournament(candidates=["c", "d"], episodes=6)
    results = analyze_seats(seats_of(config, matches_of(config), skilled({"c": 4.0})), config)
    data = json.loads(json.dumps(results.to_dict()))
    assert len(data["rankings"]) == 2 * 7
    assert [r["policy"] for r in data["values"][:2]] == ["c", "c"]
    assert len(results.values_table) == 10
    assert {record.policy_b for record in results.verdicts} == {"c", "d"}
    assert results.analyses[-1].done
    single = tournament()
    lone = analyze_scores(played(single, matches_of(single), skilled({})), single)
    assert lone.rankings == ()
    assert lone.candidates is None


def test_no_policy_is_called_replacement() -> None:
    with pytest.raises(BadInputError, match="reserved for the pool's results"):
        tournament(candidates=["replacement"])
