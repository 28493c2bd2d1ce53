"""Confirmation: the best trials of a search run again on fresh seeds, and the best of these is taken.

The best of many noisy scores is too good on average, the more so the more trials there were. How much, the same
configuration's mean on seeds that the search never saw tells: the optimism of the search.
"""

from __future__ import annotations

import statistics
from typing import Any

from daf.search.results import SweepResults, TrialResult, direction_sign, objective_of


def finalists_of(results: SweepResults) -> list[TrialResult]:
    """The best trials of the search, best first, as many as the sweep confirms or fewer."""
    sign = direction_sign(results.config)
    ranked = sorted(results.completed, key=lambda one: (-one.rung, -sign * objective_of(one), one.trial))
    return ranked[: results.config.num_finalists]


def confirmed_trial(results: SweepResults) -> TrialResult | None:
    """The finalist that did best on fresh seeds; None if none ran there.

    One that failed on a seed comes after all that failed on fewer; the better rank of the search breaks ties.
    """
    sign = direction_sign(results.config)
    means = {one.trial: _means(results, one.trial) for one in finalists_of(results)}
    run = {trial: found for trial, found in means.items() if found[1] is not None}
    if not run:
        return None
    best = min(run, key=lambda trial: (run[trial][0], -sign * (run[trial][1] or 0.0)))
    return next(one for one in results.trials if one.trial == best)


def confirmed_best(results: SweepResults) -> dict[str, Any] | None:
    """How the finalists did on fresh seeds, and the optimism of the search; None without confirmation runs.

    `optimism` is the objective of the search's own best minus its mean on fresh seeds, signed so that more than 0
    says that the search promised too much.
    """
    chosen = confirmed_trial(results)
    if chosen is None:
        return None
    sign = direction_sign(results.config)
    table = []
    for rank, one in enumerate(finalists_of(results)):
        failed, mean = _means(results, one.trial)
        runs = [run for run in results.confirmations if run.trial == one.trial]
        table.append(
            {
                "rank": rank,
                "trial": one.trial,
                "search_objective": objective_of(one),
                "confirmed_objectives": [run.objective for run in runs],
                "confirmed_mean": mean,
                "num_failed": failed,
                "optimism": None if mean is None else sign * (objective_of(one) - mean),
            }
        )
    confirmed = next(row for row in table if row["trial"] == chosen.trial)
    return {
        "trial": chosen.trial,
        "mean": confirmed["confirmed_mean"],
        "optimism": table[0]["optimism"],
        "finalists": table,
    }


def _means(results: SweepResults, trial: int) -> tuple[int, float | None]:
    """How many confirmation runs of a trial failed, and the mean of the others."""
    runs = [run for run in results.confirmations if run.trial == trial]
    values = [objective_of(run) for run in runs if run.completed]
    return len(runs) - len(values), statistics.fmean(values) if values else None
