"""Pairs of checkpoints with a single common episode on each mission, all at once.

There is no test, so only differences are left of `checkpoint_pairs`, which compares all other pairs. Tables with one
score per training run have as many such rows as rows about recipes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from daf.config import DAFComparisonConfig
from daf.statistics import intervals
from daf.statistics.intervals import Array
from daf.statistics.pair_group import PairGroup
from daf.statistics.pair_table import PairTable
from daf.statistics.units import Units


def compare_checkpoints(
    units: Units, config: DAFComparisonConfig, group: PairGroup, table: PairTable
) -> NDArray[np.bool_]:
    """Fill the rows of pairs with one common episode per mission; returns which of the group's pairs they are."""
    if config.primary != "mean" or not group.missions:
        return np.zeros(len(group.pairs), np.bool_)
    seeds = {
        policy: tuple(cell.seeds if (cell := units.cell(policy, mission)) else () for mission in group.missions)
        for policy in group.policies
    }
    single = {policy for policy, own in seeds.items() if all(len(one) == 1 for one in own)}
    done = np.array([a in single and b in single and seeds[a] == seeds[b] for a, b in group.pairs])
    if done.any():
        part = group.subset(done)
        table.set(part.rows, **_columns(units, config, part))
    return done


def _columns(units: Units, config: DAFComparisonConfig, group: PairGroup) -> dict[str, object]:
    missions, level = group.missions, config.confidence_level
    places = {policy: place for place, policy in enumerate(group.policies)}
    cells = [[units.cells[policy, mission] for mission in missions] for policy in places]
    scores = np.array([[cell.episodes[0] for cell in row] for row in cells])
    resolutions = np.array([[cell.resolution for cell in row] for row in cells])
    x, y = np.array([[places[a], places[b]] for a, b in group.pairs]).T
    gaps, limits = scores[x] - scores[y], np.maximum(resolutions[x], resolutions[y])
    gaps = np.where(np.abs(gaps) <= limits, 0.0, gaps)
    shares = ((gaps > 0) + 0.5 * (gaps == 0)).astype(np.float64)
    low, high = intervals.exact_interval_of_shares(shares, [1] * len(missions), level)
    reason = intervals.no_variance_reason([part[:1] for part in scores[:1].T]) or ""
    columns = {
        "estimand": group.estimand, "mission": group.mission, "n_missions": len(missions),
        "policy_a": [a for a, _ in group.pairs], "policy_b": [b for _, b in group.pairs], "paired": True,
        "n_a": len(missions), "n_b": len(missions), "effect_name": "dz",
        "test": "sign-flip permutation" + (", stratified by mission" if len(missions) > 1 else ""),
        "interval_method": intervals.unknown(reason).method, "p_improvement": shares.mean(axis=1),
        "p_improvement_low": low, "p_improvement_high": high, "reason": reason,
    }  # fmt: skip
    if len(missions) == 1:
        means, differences, iqm_differences = scores[:, 0], gaps[:, 0], gaps[:, 0]
    else:
        means = _mean(scores)
        pooled = np.array([units.resolution(pair, missions) for pair in group.pairs])
        iqms = intervals.iqm(scores)
        differences, iqm_differences = (
            np.where(np.abs(values) <= pooled, 0.0, values) for values in (_mean(gaps), iqms[x] - iqms[y])
        )
    return columns | {
        "mean_a": means[x], "mean_b": means[y], "difference": differences, "iqm_difference": iqm_differences,
    }  # fmt: skip


def _mean(values: Array) -> Array:
    """`intervals.mean_of_strata` of every row, in the same order of additions."""
    total = np.zeros(len(values))
    for column in values.T:
        total = total + column
    return np.asarray(total / values.shape[1])
