"""Ratings of candidates from their pairwise comparisons: Elo, OpenSkill, and Soft Condorcet.

Elo and OpenSkill are shown because readers recognize them: both move if a copy of another candidate joins.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy import optimize, special

from daf.statistics.intervals import Array
from daf.tournament.preferences import PairTotals, Preferences

ELO_MEAN = 1500.0
ELO_SCALE = 400 / np.log(10)  # rating points per unit of log odds
VIRTUAL_DRAWS = 1.0  # per compared pair: without them, a pair with one winner would be infinitely far apart
SCO_RANGE = 100.0  # ratings lie between 0 and this, as in Lanctot et al. 2024
COOLING = 4.0  # by which the temperature falls from one search of Soft Condorcet to the next
_STEPS, _CLOSE = 100, 1e-10


def elo(pairs: PairTotals, virtual_draws: float = VIRTUAL_DRAWS) -> Array:
    """Elo ratings with the mean 1500: the maximum likelihood of Bradley and Terry's model, whatever the order of games.

    The votes of maps are the games; ties are half a win for each side. Candidates that were never compared with others
    have no rating (NaN).

    Args:
        virtual_draws: games that every compared pair is taken to have drawn in addition.
    """
    games = pairs.counts + virtual_draws * (pairs.counts > 0)
    shares = np.nan_to_num(pairs.shares, nan=0.5)
    wins = pairs.counts * shares + 0.5 * virtual_draws * (pairs.counts > 0)
    return _bradley_terry(wins, games)


def _bradley_terry(wins: Array, games: Array) -> Array:
    """Newton's method on the concave log likelihood; `games` is symmetric."""
    log_odds = np.zeros(games.shape[0])
    for _ in range(_STEPS):
        expected = special.expit(log_odds[:, None] - log_odds[None, :])
        gradient = (wins - games * expected).sum(axis=1)
        information = games * expected * (1 - expected)
        hessian = np.diag(information.sum(axis=1)) - information
        step = _solved(hessian, gradient)
        log_odds += step / max(1.0, float(np.abs(step).max()) / 2)
        if float(np.abs(step).max()) < _CLOSE:
            break
    ratings = ELO_SCALE * (log_odds - log_odds.mean()) + ELO_MEAN
    return np.asarray(np.where(games.sum(axis=1) > 0, ratings, np.nan))


def _solved(hessian: Array, gradient: Array) -> Array:
    """Newton's step; one number added to all ratings changes nothing, nor in any part that met no other."""
    try:
        return np.linalg.solve(hessian + 1.0, gradient)
    except np.linalg.LinAlgError:
        return np.asarray(np.linalg.pinv(hessian, hermitian=True) @ gradient)


@dataclass(frozen=True, kw_only=True)
class OpenSkillRating:
    """A belief about a candidate's strength: normal, with this mean and standard deviation."""

    mu: float
    sigma: float

    @property
    def ordinal(self) -> float:
        """The rating that is exceeded with near certainty, by which leagues rank."""
        return self.mu - 3 * self.sigma


def open_skill(preferences: Preferences) -> list[OpenSkillRating]:
    """Ratings by the Plackett-Luce model of the `openskill` package, one game per map and pair, in their order."""
    from openskill.models import PlackettLuce

    model = PlackettLuce()
    ratings = [model.rating() for _ in preferences.policies]
    pairs = np.transpose(np.triu_indices(len(ratings), 1))
    for shares in preferences.wins:
        for a, b in pairs.tolist():
            if not np.isnan(shares[a, b]):
                ranks = [1.0, 1.0] if shares[a, b] == 0.5 else [1.0, 2.0] if shares[a, b] > 0.5 else [2.0, 1.0]
                [ratings[a]], [ratings[b]] = model.rate([[ratings[a]], [ratings[b]]], ranks=ranks)
    return [OpenSkillRating(mu=rating.mu, sigma=rating.sigma) for rating in ratings]


# ---- Soft Condorcet ---------------------------------------------------------------------------------------


def soft_condorcet(pairs: PairTotals, temperature: float = 1.0) -> Array:
    """Ratings from 0 to 100 whose order disagrees with as few votes as possible, softened (Lanctot et al. 2024).

    They minimize the sum over votes of the logistic function of (loser's - winner's rating) / temperature. As this is
    not convex, the minimum is followed from a high temperature, where it is unique, to the given one; then candidates
    are moved in the order as long as fewer votes disagree.
    """
    votes = pairs.counts * np.nan_to_num(pairs.shares, nan=0.0)
    size = votes.shape[0]
    ratings, current = np.full(size, SCO_RANGE / 2), SCO_RANGE
    while current > temperature:
        ratings, current = _minimized(ratings, votes, current), current / COOLING
    ratings = _minimized(ratings, votes, temperature)
    order = np.argsort(-ratings, kind="stable").tolist()
    improved = _fewest_disagreements(order.copy(), votes)
    if improved != order:
        spaced = np.empty(size)
        spaced[improved] = np.linspace(SCO_RANGE, 0.0, size)
        other = _minimized(spaced, votes, temperature)
        loss, other_loss = (soft_condorcet_loss(found, votes, temperature)[0] for found in (ratings, other))
        ratings = other if other_loss < loss else ratings
    compared = pairs.counts.sum(axis=1) > 0
    return np.asarray(np.where(compared, ratings, np.nan))


def _minimized(ratings: Array, votes: Array, temperature: float) -> Array:
    """The local minimum of the loss next to these ratings."""
    found = optimize.minimize(
        partial(soft_condorcet_loss, votes=votes, temperature=temperature), ratings, jac=True, method="L-BFGS-B",
        bounds=[(0.0, SCO_RANGE)] * ratings.size, options={"ftol": 1e-14, "gtol": 1e-10},
    )  # fmt: skip
    return np.asarray(found.x)


def _fewest_disagreements(order: list[int], votes: Array) -> list[int]:
    """The order after moves of single candidates, each the one that most reduces the votes that disagree."""
    against = votes.T - votes  # (a, b): votes lost by ranking a directly above b instead of below
    while True:
        best, move = -1e-9, None
        for place, candidate in enumerate(order):
            change = 0.0
            for target in range(place - 1, -1, -1):
                change += against[candidate, order[target]]
                best, move = (change, (place, target)) if change < best else (best, move)
            change = 0.0
            for target in range(place + 1, len(order)):
                change -= against[candidate, order[target]]
                best, move = (change, (place, target)) if change < best else (best, move)
        if move is None:
            return order
        order.insert(move[1], order.pop(move[0]))


def soft_condorcet_loss(ratings: Array, votes: Array, temperature: float) -> tuple[float, Array]:
    """The loss and its gradient. `votes[a, b]`: how many prefer a."""
    scale = max(1.0, float(votes.sum()))
    wrong = special.expit((ratings[None, :] - ratings[:, None]) / temperature)  # (winner, loser)
    slope = votes * wrong * (1 - wrong) / temperature / scale
    return float((votes * wrong).sum()) / scale, np.asarray(slope.sum(axis=0) - slope.sum(axis=1))
