"""Rankings that copies of a candidate cannot move: maximal lotteries, Nash averaging, and alpha-rank.

Candidates whose rows and columns are equal up to rounding count as one and share its mass equally, so that the mass of
the others does not depend on the number of copies. Without that, alpha-rank is not invariant: where candidates form a
cycle, each copy attracts further transitions.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from scipy import optimize, special

from daf.statistics.intervals import Array

ALPHA = 100.0  # selection intensity: of shares of wins, close to the limit of strong selection
POPULATION = 50
_SAME = 1e-9
_SUPPORTED = 1e-7  # smallest mass that counts as above 0


def margins(shares: Array) -> Array:
    """By how much more often a wins against b than b against a; 0 where they were not compared."""
    known = np.nan_to_num(shares, nan=0.5)
    return np.asarray(known - known.T)


def copies(payoffs: Array) -> list[list[int]]:
    """Groups of candidates that no comparison with any other tells apart, and that tie among themselves.

    Args:
        payoffs: (a, b): what a gets against b; the diagonal does not count.
    """
    size = payoffs.shape[0]
    groups: list[list[int]] = []
    for one in range(size):
        for group in groups:
            other = group[0]
            rest = [index for index in range(size) if index not in (one, other)]
            same = np.abs(payoffs[one, rest] - payoffs[other, rest]).max(initial=0.0) <= _SAME
            same &= np.abs(payoffs[rest, one] - payoffs[rest, other]).max(initial=0.0) <= _SAME
            if same and abs(payoffs[one, other] - payoffs[other, one]) <= _SAME:
                group.append(one)
                break
        else:
            groups.append([one])
    return groups


def _spread(mass: Array, groups: list[list[int]]) -> Array:
    """The mass of every candidate from that of every group."""
    spread = np.zeros(sum(map(len, groups)))
    for share, group in zip(mass, groups, strict=True):
        spread[group] = share / len(group)
    return spread


# ---- maximal lotteries and Nash averaging -----------------------------------------------------------------


def maximal_lottery(shares: Array) -> Array:
    """The lottery over candidates that no candidate is preferred to, on average (Kreweras 1965; Fishburn 1984).

    It is unique if no two candidates tie; else the one of largest entropy.

    Args:
        shares: (a, b): how often a wins; NaN: never compared.
    """
    return _equilibrium(margins(shares))


def nash_average(differences: Array) -> Array:
    """The maximum-entropy Nash equilibrium of the game whose payoffs are mean differences of scores.

    Balduzzi et al. 2018. Unlike the maximal lottery it weights victories by their size.
    """
    known = np.nan_to_num(differences, nan=0.0)
    return _equilibrium((known - known.T) / 2)


def _equilibrium(antisymmetric: Array) -> Array:
    groups = copies(antisymmetric)
    first = [group[0] for group in groups]
    game = antisymmetric[np.ix_(first, first)]
    scale = float(np.abs(game).max(initial=0.0))
    if scale == 0:
        # All tie: the largest entropy over candidates, not groups, is the uniform lottery; copies are then one group.
        return np.full(antisymmetric.shape[0], 1 / antisymmetric.shape[0])
    return _spread(_largest_entropy(game / scale), groups)


def _vertex(game: Array, objective: Array) -> Array:
    """The optimal strategy of a symmetric zero-sum game that maximizes an objective."""
    size = game.shape[0]
    found = optimize.linprog(
        -objective, A_ub=-game.T, b_ub=np.full(size, 1e-12), A_eq=np.ones((1, size)), b_eq=[1.0], method="highs"
    )
    if not found.success:  # a symmetric game always has a solution
        raise RuntimeError(f"no optimal strategy: {found.message}")
    return _cleaned(np.asarray(found.x))


def _cleaned(mass: Array) -> Array:
    """Without masses that come from a solver's tolerance."""
    mass = np.where(mass > 1e-9, mass, 0.0)
    return np.asarray(mass / mass.sum())


def _largest_entropy(game: Array) -> Array:
    size = game.shape[0]
    winners = (game >= 0).all(axis=1)
    if winners.sum() == 1 and (game[winners][:, ~winners] > 0).all():  # the only solution
        return winners.astype(np.float64)
    vertices = np.array([_vertex(game, np.eye(size)[candidate]) for candidate in range(size)])
    if float(np.ptp(vertices, axis=0).max()) < _SUPPORTED:
        return np.asarray(vertices.mean(axis=0))
    # On the support of all solutions, the dual of the entropy problem is smooth: mass = softmax of the multipliers'
    # sum over constraints.
    support = vertices.max(axis=0) > _SUPPORTED
    constraints = game[np.ix_(support, np.ones(size, dtype=bool))]
    found = optimize.minimize(
        partial(_dual, constraints=constraints), np.zeros(size), jac=True, method="L-BFGS-B",
        bounds=[(0.0, None)] * size, options={"ftol": 1e-16, "gtol": 1e-12, "maxiter": 10_000, "maxfun": 100_000},
    )  # fmt: skip
    mass = np.zeros(size)
    mass[support] = special.softmax(constraints @ found.x)
    return mass


def _dual(multipliers: Array, constraints: Array) -> tuple[float, Array]:
    logits = constraints @ multipliers
    return float(special.logsumexp(logits)), np.asarray(constraints.T @ special.softmax(logits))


# ---- alpha-rank -------------------------------------------------------------------------------------------


def alpha_rank(shares: Array, alpha: float = ALPHA, population: int = POPULATION) -> Array:
    """The stationary distribution of a population that mutants invade (Omidshafiei et al. 2019).

    Single population, local selection. Mutant r replaces resident s with probability (1 - exp(-alpha d)) / (1 -
    exp(-alpha m d)), where d is the difference of their payoffs and m the size of the population.
    """
    payoffs = np.nan_to_num(shares, nan=0.5)
    groups = copies(payoffs)
    first = [group[0] for group in groups]
    if len(first) == 1:
        return _spread(np.ones(1), groups)
    game = payoffs[np.ix_(first, first)]
    advantage = (game.T - game).clip(-1, 1)  # (resident, mutant): of the mutant
    transitions = _fixation(advantage, alpha, population) / (len(first) - 1)
    np.fill_diagonal(transitions, 0.0)
    return _spread(_stationary(transitions), groups)


def _fixation(advantage: Array, alpha: float, population: int) -> Array:
    exponent = alpha * advantage
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        # For disadvantages both exponentials are large: divide them by the larger.
        gaining = np.expm1(-np.abs(exponent)) / np.expm1(-population * np.abs(exponent))
        losing = gaining * np.exp((population - 1) * np.minimum(exponent, 0.0))
    return np.where(np.abs(exponent) < 1e-12, 1 / population, np.where(exponent > 0, gaining, losing))


def _stationary(rates: Array) -> Array:
    """The stationary distribution by elimination of states without subtractions (Grassmann, Taksar and Heyman 1985).

    Exact to rounding even where rates differ by hundreds of orders of magnitude.
    """
    rates = np.maximum(rates, np.finfo(float).tiny)
    size = rates.shape[0]
    for last in range(size - 1, 0, -1):
        rates[:last, last] /= rates[last, :last].sum()
        rates[:last, :last] += np.outer(rates[:last, last], rates[last, :last])
    mass = np.ones(size)
    for state in range(1, size):
        mass[state] = mass[:state] @ rates[:state, state]
    return np.asarray(mass / mass.sum())
