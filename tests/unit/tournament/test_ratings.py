"""Ratings and rankings against OpenSpiel's, and what copies of a policy do to them.

OpenSpiel's answers are in references/ratings.json with the comparisons it got; references/make_ratings.py made it.
"""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from daf.tournament.equilibria import alpha_rank, copies, maximal_lottery, nash_average
from daf.tournament.preferences import Preferences
from daf.tournament.ratings import elo, open_skill, soft_condorcet, soft_condorcet_loss

CASES = json.loads((Path(__file__).parent / "references" / "ratings.json").read_text())["cases"]


def votes(wins: Any, draws: Any = 0) -> Preferences:
    """Preferences with a given number of won and drawn games of every pair."""
    wins, size = np.array(wins), len(wins)
    draws = np.broadcast_to(draws, wins.shape)
    games = int((wins + wins.T + draws).max())
    shares = np.full((games, size, size), np.nan)
    for a, b in permutations(range(size), 2):
        if a < b:
            results = [1.0] * wins[a, b] + [0.0] * wins[b, a] + [0.5] * draws[a, b]
            shares[: len(results), a, b], shares[: len(results), b, a] = results, 1 - np.array(results)
    return Preferences(
        policies=tuple(map(str, range(size))), missions=np.zeros(games, dtype=int), wins=shares, gaps=2 * shares - 1,
    )  # fmt: skip


def with_copies(matrix: np.ndarray, policy: int, count: int) -> np.ndarray:
    order = [*range(len(matrix)), *[policy] * count]
    return matrix[np.ix_(order, order)]


def shares_of(case: dict[str, Any]) -> np.ndarray:
    wins, draws = np.array(case["wins"]), np.array(case["draws"])
    games = wins + wins.T + draws
    np.fill_diagonal(games, 1)
    shares = (wins + draws / 2) / games
    np.fill_diagonal(shares, np.nan)
    return shares


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{len(case['wins'])} policies")
def test_ratings_are_those_of_openspiel(case: dict[str, Any]) -> None:
    preferences, shares = votes(case["wins"], case["draws"]), shares_of(case)
    np.testing.assert_allclose(preferences.totals.shares, shares, atol=1e-12)
    np.testing.assert_allclose(elo(preferences.totals, virtual_draws=0) - 1500, case["elo"], atol=1e-6)
    np.testing.assert_allclose(maximal_lottery(shares), case["nash_average"], atol=1e-6)
    np.testing.assert_allclose(nash_average(shares - shares.T), case["nash_average"], atol=1e-6)
    np.testing.assert_allclose(alpha_rank(shares, alpha=5.0), case["alpha_rank"], atol=1e-6)
    ratings = np.arange(len(shares)) * 7.0
    wins = np.array(case["wins"], dtype=float)
    _, gradient = soft_condorcet_loss(ratings, wins, 20.0)
    np.testing.assert_allclose(gradient, case["soft_condorcet_gradient"], atol=1e-6)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{len(case['wins'])} policies")
@pytest.mark.parametrize("policy", [0, 1])
def test_five_copies_leave_the_mass_of_the_others_unchanged(case: dict[str, Any], policy: int) -> None:
    shares = shares_of(case)
    np.fill_diagonal(shares, 0.5)
    others = [number for number in range(len(shares)) if number != policy]
    more = with_copies(shares, policy, 5)
    for method in (maximal_lottery, alpha_rank, lambda shares: alpha_rank(shares, alpha=1.0)):
        before, after = method(shares), method(more)
        np.testing.assert_allclose(after[others], before[others], atol=1e-9)
        np.testing.assert_allclose(after[[policy, *range(len(shares), len(more))]], before[policy] / 6, atol=1e-9)
    gaps = shares - shares.T
    np.testing.assert_allclose(
        nash_average(with_copies(gaps, policy, 5))[others], nash_average(gaps)[others], atol=1e-9
    )


def test_five_copies_move_elo() -> None:
    wins = np.array(CASES[2]["wins"])  # 4 policies
    more = with_copies(wins, 0, 5)
    same = [0, *range(4, 9)]
    more[np.ix_(same, same)] = 0
    draws = np.zeros_like(more)
    draws[np.ix_(same, same)] = int((wins + wins.T).max())
    np.fill_diagonal(draws, 0)
    before, after = elo(votes(wins).totals), elo(votes(more, draws).totals)
    assert np.ptp(after[:4] - before - (after[1] - before[1])) > 5


def test_copies_are_found_by_their_results_alone() -> None:
    shares = shares_of(CASES[3])  # 5 policies
    np.fill_diagonal(shares, 0.5)
    assert copies(shares) == [[0], [1], [2], [3], [4]]
    assert copies(with_copies(shares, 1, 2)) == [[0], [1, 5, 6], [2], [3], [4]]


def test_ties_share_the_lottery_of_largest_entropy() -> None:
    cycle = np.array([[0.5, 0.0, 1.0], [1.0, 0.5, 0.0], [0.0, 1.0, 0.5]])
    np.testing.assert_allclose(maximal_lottery(cycle), 1 / 3, atol=1e-9)
    np.testing.assert_allclose(maximal_lottery(np.full((4, 4), 0.5)), 1 / 4)
    # 0 and 1 tie, both beat the others but not equally: any mixture of the two is maximal.
    shares = np.array([[0.5, 0.5, 1.0, 0.6], [0.5, 0.5, 0.9, 0.6], [0.0, 0.1, 0.5, 0.3], [0.4, 0.4, 0.7, 0.5]])
    np.testing.assert_allclose(maximal_lottery(shares), [0.5, 0.5, 0, 0], atol=1e-9)


def test_soft_condorcet_finds_the_order_that_agrees_with_most_votes() -> None:
    """Kemeny's order by hand over all orders."""
    for case in CASES:
        wins = np.array(case["wins"])
        if len(wins) > 7:
            continue
        ratings = soft_condorcet(votes(wins, case["draws"]).totals)
        disagreements = {
            order: sum(wins[b, a] for place, a in enumerate(order) for b in order[place + 1 :])
            for order in permutations(range(len(wins)))
        }
        assert tuple(np.argsort(-ratings)) == min(disagreements, key=disagreements.__getitem__)
        assert ((ratings >= 0) & (ratings <= 100)).all()


def test_openskill_updates_game_by_game() -> None:
    from openskill.models import PlackettLuce

    model = PlackettLuce()
    a, b = model.rating(), model.rating()
    [[a], [b]] = model.rate([[a], [b]])
    [[b], [a]] = model.rate([[b], [a]])
    preferences = votes([[0, 1], [1, 0]])
    ratings = open_skill(preferences)
    assert (ratings[0].mu, ratings[0].sigma) == pytest.approx((a.mu, a.sigma))
    assert (ratings[1].mu, ratings[1].sigma) == pytest.approx((b.mu, b.sigma))
    assert ratings[0].ordinal == pytest.approx(a.mu - 3 * a.sigma)
