"""What would say more: where too few units leave a question open, how many would show a stated difference.

That difference is the declared margin, else one standard deviation of a unit, more than Cohen (1988) calls large.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, isfinite, nan, sqrt

import numpy as np

from daf.config import DAFComparisonConfig
from daf.statistics import effects
from daf.statistics.intervals import Array, t_quantile, unit_of, variance
from daf.statistics.levels import alpha_of
from daf.statistics.planning import TARGET_POWER
from daf.statistics.records import OPEN, Estimand, PairRecord
from daf.statistics.sentences import number
from daf.statistics.units import Units
from daf.statistics.verdicts import missing_units
from daf.system.nouns import number_of

OFTEN = f"in {10 * TARGET_POWER:.0f} of 10 cases"
NEAR = 0.5  # standard deviations to within which the mean of a single policy should be known


@dataclass(frozen=True, kw_only=True)
class _Need:
    """The units that a pair has where it has fewest, those that it needs there, and a unit's standard deviation."""

    present: int
    needed: int
    sd: float


def advice(estimand: Estimand, units: Units, config: DAFComparisonConfig, overall: Sequence[PairRecord]) -> str:
    """How many units would show a stated difference, in a sentence; empty if there are enough, or nothing is open.

    Args:
        overall: the pairs over all missions.
    """
    if not overall:
        return _of_one_policy(units, config) if estimand == "checkpoints" else ""
    noun, per = "episode", " per mission" * (max(record.n_missions for record in overall) > 1)
    if estimand == "recipes":
        noun, per = ("training run", per) if units.runs_per_mission else ("training seed", " per recipe")
    still_open = [record for record in overall if record.verdict in OPEN]
    alpha = alpha_of(config.confidence_level) / max(1, *(record.n_tests for record in overall))
    planned = [_more(record, alpha) for record in still_open if record.more_needed is not None]
    if planned:
        more = f"{number_of(max(planned), f'more {noun}')}{per}"
        text = f"About {more} would show a difference of {config.equivalence_margin:g} {OFTEN}."
        return text if any(planned) else ""
    needs = [need for record in still_open if (need := _need(units, record, alpha)) is not None]
    if not needs:
        return ""
    present, needed = min(need.present for need in needs), max(need.needed for need in needs)
    sds = [need.sd for need in needs if isfinite(need.sd)]
    size = f" ({'up to ' * (len(needs) > 1)}{number(max(sds))})" if sds else ""
    return (
        f"Only {number_of(present, noun)}{per}: about {needed} would show a difference of one standard deviation{size} "
        f"{OFTEN}."
    )


def _more(record: PairRecord, alpha: float) -> int:
    """The further units that a pair needs for the declared margin, and for any verdict at all."""
    return max(record.more_needed or 0, _missing(record, alpha))


def _missing(record: PairRecord, alpha: float) -> int:
    """The further units, per mission or recipe, that a pair needs for any verdict at all."""
    return ceil(missing_units(record, alpha) / (record.n_missions if record.estimand == "checkpoints" else 1))


def _need(units: Units, record: PairRecord, alpha: float) -> _Need | None:
    """What a pair needs; None if it has enough, or more would not help."""
    names = record.policy_a, record.policy_b
    missions = units.missions_of(*names)
    if record.estimand == "checkpoints":
        shared = [mission for mission in missions if units.share_episodes(*names, mission)]
        samples: list[list[Array]] = [[units.paired_differences(*names, mission) for mission in shared]]
    else:
        tables = [units.run_table(name, missions) for name in names if missions and units.training_seeds(name)]
        samples = [table.samples for table in tables if table is not None]
        if len(samples) < len(tables):
            return None
    if not samples or not samples[0]:
        return None
    size_for = effects.two_sample_size if len(samples) == 2 else effects.paired_sample_size
    present, sd = min(part.size for sample in samples for part in sample), _sd(samples)
    needed = max(_on_each(size_for(1.0, TARGET_POWER, alpha), len(samples[0])), present + _missing(record, alpha))
    if present >= needed or (present > 1 and not sd > 0):
        return None
    return _Need(present=present, needed=needed, sd=sd)


def _on_each(total: float, missions: int) -> int:
    """A number of units in all, on each mission; two show at least how they vary."""
    return max(2, ceil(ceil(total) / missions))


def _sd(samples: Sequence[Sequence[Array]]) -> float:
    """Standard deviation of a unit within missions and sides; NaN if one of them has a single unit."""
    parts = [part for sample in samples for part in sample]
    if min(part.size for part in parts) < 2:
        return nan
    unit = unit_of(np.concatenate(parts))
    return unit * sqrt(float(np.mean([variance(part / unit) for part in parts])))


def _of_one_policy(units: Units, config: DAFComparisonConfig) -> str:
    """How many units would make the mean of the only policy known."""
    if len(units.policies) != 1 or not (missions := units.missions_of(*units.policies)):
        return ""
    (policy,), noun = units.policies, "episode"
    strata = [units.cells[policy, mission].episodes for mission in missions]
    if max(part.size for part in strata) == 1 and units.training_seeds(policy):
        table, noun = units.run_table(policy, missions), "training seed"
        strata = [] if table is None else table.samples
    if not strata:
        return ""
    present, sd = min(part.size for part in strata), _sd([strata])
    level = config.confidence_level
    total = next(n for n in range(2, 100_000) if t_quantile(level, n - 1) <= NEAR * sqrt(n))
    needed = _on_each(total, len(strata))
    if present >= needed or (present > 1 and not sd > 0):
        return ""
    per = " per mission" * (len(strata) > 1)
    size = f" (±{number(NEAR * sd)})" if isfinite(sd) else ""
    return (
        f"Only {number_of(present, noun)}{per}: about {needed} would give the mean to within half a standard "
        f"deviation{size}."
    )
