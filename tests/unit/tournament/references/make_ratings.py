"""Makes ratings.json: what OpenSpiel says about fixed comparisons. Run it in a separate environment:

    python -m venv peer && peer/bin/pip install open_spiel==2.0.2 cvxpy matplotlib networkx
    peer/bin/python tests/unit/tournament/references/make_ratings.py > tests/unit/tournament/references/ratings.json

The comparisons themselves are in the file, so no test depends on this program or on a random generator.
"""

import json
from importlib.metadata import version

import numpy as np
from open_spiel.python.algorithms import elo, nash_averaging
from open_spiel.python.egt import alpharank
from open_spiel.python.voting import base
from open_spiel.python.voting import soft_condorcet_optimization as sco

rng = np.random.default_rng(4)
cases = []
for size in (2, 3, 4, 5, 7, 10):
    games = 64
    wins = np.zeros((size, size), dtype=int)
    draws = np.zeros((size, size), dtype=int)
    for a in range(size):
        for b in range(a + 1, size):
            drawn = int(rng.integers(0, 20))
            won = int(rng.integers(1, games - drawn))
            wins[a, b], wins[b, a] = won, games - drawn - won
            draws[a, b] = draws[b, a] = drawn
    shares = (wins + draws / 2) / games
    np.fill_diagonal(shares, 0.5)
    margins = np.round(wins - wins.T, 12) / games
    nash = nash_averaging._max_entropy_symmetric_nash(margins, eps=0.0)
    *_, pi, _, _ = alpharank.compute([shares], m=50, alpha=5.0, use_local_selection_model=True)
    ratings = elo.compute_ratings_from_matrices(
        wins, draws, smoothing_factor=0.0, max_iterations=1_000_000, convergence_delta=1e-14
    )
    names = [str(number) for number in range(size)]
    votes = [
        base.WeightedVote(int(wins[a, b]), [names[a], names[b]]) for a in range(size) for b in range(size) if wins[a, b]
    ]
    profile = base.PreferenceProfile(votes=votes, alternatives=names)
    np.random.seed(0)
    optimizer = sco.SoftCondorcetOptimizer(
        profile, batch_size=len(votes), rating_lower_bound=0, rating_upper_bound=100, temperature=20.0
    )
    loss = optimizer._gradient(np.arange(size) * 7.0, np.arange(len(optimizer._profile.votes)))
    cases.append(
        {
            "wins": wins.tolist(), "draws": draws.tolist(), "elo": (ratings - ratings.mean()).tolist(),
            "nash_average": np.ravel(nash).tolist(),
            "alpha_rank": np.ravel(pi).tolist(), "soft_condorcet_gradient": np.asarray(loss).tolist(),
        }
    )  # fmt: skip
print(json.dumps({"made_with": {"open_spiel": version("open_spiel")}, "cases": cases}, indent=1))
