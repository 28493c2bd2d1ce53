"""Cautions: where no test holds with few units, what in the data at hand says so."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from daf.statistics.crossed import RunTable
from daf.statistics.intervals import Array, is_constant

FEW_RUNS = 10  # up to this number of training seeds, their spread and shape are hardly known
UNEQUAL = 3.0  # ratio of standard deviations from which few seeds mislead Welch's test
GAP = 0.6  # share of the range between two neighbours from which seeds look like two groups


def join_cautions(cautions: Sequence[str]) -> str:
    return "; ".join(dict.fromkeys(caution for caution in cautions if caution))


def seed_cautions(*tables: RunTable) -> list[str]:
    """What makes a comparison of these training seeds unreliable."""
    samples = [table.run_means for table in tables if table.trained]
    fewest = min(runs.size for runs in samples)
    if fewest > FEW_RUNS:
        return []
    cautions = []
    spreads = [float(runs.std(ddof=1)) for runs in samples if runs.size > 1]
    alike = [runs.size for runs in samples if is_constant(runs)]
    if alike:
        cautions.append(f"all {alike[0]} training seeds of one side score alike, so how much they vary is not known")
    elif len(spreads) == 2 and max(spreads) > UNEQUAL * min(spreads):
        cautions.append(
            f"one side's training seeds vary {max(spreads) / min(spreads):.0f} times as much as the other's, so few of "
            "them decide"
        )
    if any(_two_groups(runs) for runs in samples):
        cautions.append("the training seeds of one side fall into two groups, as if some trainings had failed")
    if fewest <= 3:
        cautions.append(f"only {fewest} training seeds on one side: a rare failed training may be missing from them")
    return cautions


def _two_groups(runs: Array) -> bool:
    """Whether one gap takes most of the range."""
    return bool(runs.size > 3 and not is_constant(runs) and np.diff(np.sort(runs)).max() > GAP * np.ptp(runs))
