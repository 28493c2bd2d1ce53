"""What earlier trials say about the budget of a later one: a bar that stops it early, and whether it runs at all."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from daf.config import StoppingConfig
from daf.search.evidence import Evidence


def pruning_thresholds(evidence: Sequence[Evidence], stopping: StoppingConfig) -> list[float | None]:
    """The median stopping rule (Golovin et al. 2017, section 3.2.2) as one bar per check; None: none there.

    The bar of a check is the median, over the earlier trials that came so far, of their mean objective up to it. A
    trial whose best objective so far is worse stops. The last check has no bar: the trial has ended there.
    """
    bars: list[float | None] = []
    for check in range(1, stopping.num_checks):
        reached = [one.curve[:check] for one in evidence if len(one.curve) >= check]
        means = [
            statistics.fmean(value for value in curve if value is not None)
            for curve in reached
            if any(value is not None for value in curve)
        ]
        bars.append(statistics.median(means) if len(means) >= stopping.min_trials else None)
    return bars


def seconds_used(evidence: Sequence[Evidence]) -> float:
    """Wall clock of all trials that a proposal sees, added up."""
    return sum(one.seconds or 0.0 for one in evidence)
