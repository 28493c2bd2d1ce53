"""Successive halving as a static graph: the entries of a rung are known in advance; which trials fill them is data.

Consecutive trials form a bracket and compete only with each other, so more trials add brackets without changing
finished ones. Rung 0 of a bracket holds its trials; rung r has an entry for every `reduction_factor ** r` of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from daf.config import Direction, HalvingConfig, direction_sign
from daf.search.results import TrialResult, objective_of


def steps_of_rung(halving: HalvingConfig, steps_per_trial: int, rung: int) -> int:
    """Total agent-steps that a trial has trained for at the end of a rung; rungs are counted from 0."""
    shorter: int = halving.reduction_factor ** (halving.num_rungs - 1 - rung)
    return math.ceil(steps_per_trial / shorter)


def brackets(halving: HalvingConfig, num_trials: int) -> list[range]:
    """The trials of each bracket; the last one may be shorter."""
    size = halving.bracket_size
    return [range(start, min(start + size, num_trials)) for start in range(0, num_trials, size)]


def entries_of_bracket(halving: HalvingConfig, num_trials: int, bracket: int, rung: int) -> range:
    """Numbers of a bracket's entries at a rung, 1 or higher; a partial bracket reserves the numbers of a full one."""
    reduction: int = halving.reduction_factor**rung
    first = bracket * math.ceil(halving.bracket_size / reduction)
    return range(first, first + math.ceil(len(brackets(halving, num_trials)[bracket]) / reduction))


def bracket_of_entry(halving: HalvingConfig, entry: int, rung: int) -> int:
    reduction: int = halving.reduction_factor**rung
    return entry // math.ceil(halving.bracket_size / reduction)


def promoted(
    results: Sequence[TrialResult], num_entries: int, optimize_direction: Direction
) -> list[TrialResult | None]:
    """The best completed trials of a rung, best first (among equals, the earlier one); None for unfilled entries."""
    sign = direction_sign(optimize_direction)
    completed = [trial for trial in results if trial.completed]
    ranked = sorted(completed, key=lambda trial: (-sign * objective_of(trial), trial.trial))
    return [ranked[place] if place < len(ranked) else None for place in range(num_entries)]
