"""Which parameters matter together: pairs whose product explains what both do not explain by themselves."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from daf.search.results import SweepResults, objective_of
from daf.search.space import build_space

TRIALS_PER_TERM = 3


def interactions(results: SweepResults) -> list[dict[str, Any]] | None:
    """Pairs of ordered parameters by `explained`, strongest first; None if there are too few trials or parameters.

    Least squares on the parameters' places in [-1, 1]: with x and x² of every parameter, then with the product of one
    pair too. `explained` is how much smaller the residual sum of squares gets, as a share of the objective's total.
    A second-order term per pair, as in response surfaces (Box and Wilson 1951); a parameter that does not always apply,
    or whose values have no order, is left out.
    """
    import numpy as np

    space = build_space(results.config, any_name=True)
    dimensions = [one for one in space.free if one.ordered and not one.when]
    trials = [one for one in results.completed if space.holds(one.hyperparameters)]
    if len(dimensions) < 2 or len(trials) < TRIALS_PER_TERM * (2 + 2 * len(dimensions)):
        return None
    places = np.array([[2 * d.to_unit(t.hyperparameters[d.name]) - 1 for d in dimensions] for t in trials])
    y = np.array([objective_of(trial) for trial in trials])  # [trials]
    total = float(((y - y.mean()) ** 2).sum())
    if total == 0.0:
        return None
    alone = np.column_stack([np.ones(len(y)), places, places**2])  # [trials, 1 + 2 parameters]

    def residual(terms: Any) -> float:
        fitted = terms @ np.linalg.lstsq(terms, y, rcond=None)[0]
        return float(((y - fitted) ** 2).sum())

    base = residual(alone)
    found = [
        {
            "parameters": [dimensions[i].name, dimensions[j].name],
            "explained": max(0.0, base - residual(np.column_stack([alone, places[:, i] * places[:, j]]))) / total,
        }
        for i, j in combinations(range(len(dimensions)), 2)
    ]
    return sorted(found, key=lambda one: (-one["explained"], one["parameters"]))
