"""Gaps in a table of episodes by training seeds, filled so that its means are those of all episodes and all seeds.

If an episode counted only where every training seed has it, one result in ten missing at random would leave four
in a hundred episodes of 30 seeds. A gap is filled with the sum of an effect of its episode and
one of its training seed, by least squares on the results that are there (Yates 1933). It then adds nothing to the rest,
whose degrees of freedom are fewer by the number of gaps.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from daf.statistics.intervals import Array, unit_of

MOST_GAPS = 0.2  # share of a table up to which it is filled
FEWEST_RESULTS = 0.5  # share of a row or column that must be there


def rows_to_fill(table: Array) -> NDArray[np.bool_] | None:
    """Which rows (episodes) of (episodes, training seeds) count if gaps are filled; None if too much is missing.

    Episodes that fewer than half of the seeds have do not count.
    """
    there = ~np.isnan(table)
    rows = np.asarray(there.mean(axis=1) >= FEWEST_RESULTS)
    kept = there[rows]
    if kept.all() or not kept.size or 1 - kept.mean() > MOST_GAPS or kept.mean(axis=0).min() < FEWEST_RESULTS:
        return None
    return rows


def filled(table: Array) -> Array:
    """The table with its gaps (NaN) filled by the additive fit of rows and columns."""
    there = ~np.isnan(table)
    unit = unit_of(table[there])
    scores = np.where(there, table, 0.0) / unit
    counts = there.sum(axis=1)
    beyond = np.where(there, scores - (scores.sum(axis=1) / counts)[:, None], 0.0)
    normal = np.diag(there.sum(axis=0)) - (there.T / counts) @ there
    columns = np.linalg.lstsq(normal, beyond.sum(axis=0), rcond=None)[0]
    rows = np.where(there, scores - columns, 0.0).sum(axis=1) / counts
    return np.asarray(np.where(there, table, unit * (rows[:, None] + columns)))
