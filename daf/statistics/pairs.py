"""All pairs of a comparison: differences, tests adjusted within their families, and verdicts.

There are two separate estimands. *Checkpoints*: the unit is the episode, paired by mission and environment seed; claims
hold only for these weights. *Recipes*: the unit is the training seed; its episodes are averaged first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import isfinite
from typing import Any

from daf.config import DAFComparisonConfig
from daf.statistics import hypothesis_tests
from daf.statistics.cautions import join_cautions
from daf.statistics.checkpoint_pairs import checkpoint_pair
from daf.statistics.planning import Spread, plan
from daf.statistics.primary import advantage, contradiction_text, contradictions
from daf.statistics.progress import Progress
from daf.statistics.recipe_pairs import recipe_pair
from daf.statistics.recipe_resamples import Improvements
from daf.statistics.records import OVERALL, Estimand, PairRecord, Verdict, changed, in_scores
from daf.statistics.units import Units

FEWEST_SEEDS = 3  # from 2 against 2, up to half of all verdicts would be false


@dataclass(frozen=True, kw_only=True)
class _Row:
    """The subject of a row of the table; `mission` is "overall" if it covers all missions."""

    estimand: Estimand
    a: str
    b: str
    mission: str
    missions: list[str]

    @property
    def family(self) -> tuple[Estimand, bool]:
        """The tests that are adjusted together."""
        return self.estimand, self.mission == OVERALL


def compare_pairs(units: Units, config: DAFComparisonConfig) -> list[PairRecord]:
    """Every pair on every common mission and overall, for both estimands, with adjusted p-values and verdicts.

    For each estimand, overall records and records of single missions are separate families of Holm's correction. The
    adjustment by Benjamini and Hochberg over the same families is exploratory and does not affect verdicts. Power and
    the number of units needed are computed at Holm's first and strictest step.
    """
    alpha, margin = 1 - config.confidence_level, config.equivalence_margin
    rows = _rows(units, config)
    sizes = Counter(row.family for row in rows)
    draws = {
        family: hypothesis_tests.draws_for_family(config.num_resamples, size, alpha) for family, size in sizes.items()
    }
    tested = _tested(units, config, rows, draws)
    concluded: dict[int, PairRecord] = {}
    for family in sizes:
        members = [index for index, row in enumerate(rows) if row.family == family]
        records = _conclude([tested[index] for index in members], alpha, margin)
        concluded |= dict(zip(members, records, strict=True))
    return [*(concluded[index] for index in range(len(rows))), *_failed_pairs(units, config)]


def _tested(
    units: Units, config: DAFComparisonConfig, rows: Sequence[_Row], draws: Mapping[tuple[Estimand, bool], int]
) -> list[tuple[PairRecord, Spread | None]]:
    """The records of all rows, not yet adjusted. Rows on the same missions follow each other, and share what they can.

    Args:
        draws: by family, draws of a test if its first draws rarely reach the observed difference.
    """
    present = _present(units)
    improvements, progress = Improvements(units, config, present), Progress(len(rows), "rows of pairs")
    groups: dict[tuple[str, ...], list[int]] = {}
    for index, row in enumerate(rows):
        groups.setdefault(tuple(row.missions), []).append(index)
    tested: dict[int, tuple[PairRecord, Spread | None]] = {}
    for missions, members in groups.items():
        shared = units.in_shared_unit(missions, present)
        for index in members:
            row = rows[index]
            own = shared or units.in_own_unit(missions, (row.a, row.b))
            options: dict[str, Any] = {
                "mission": row.mission, "missions": row.missions, "max_resamples": draws[row.family],
            }  # fmt: skip
            if row.estimand == "checkpoints":
                record, spread = checkpoint_pair(own, config, row.a, row.b, **options)
            else:
                record, spread = recipe_pair(own, config, row.a, row.b, **options, improvements=improvements)
            tested[index] = in_scores(record, own.unit), spread and spread.in_scores(own.unit)
            progress.advance()
    return [tested[index] for index in range(len(rows))]


def _failed_pairs(units: Units, config: DAFComparisonConfig) -> list[PairRecord]:
    """The pairs of policies without a result, on every mission that both played, and over all missions.

    They are outside of all families: there was nothing to test.
    """
    records = []
    for a, b in _pairs(units.policies, config):
        lost = {
            mission: [policy for policy in (a, b) if (policy, mission) in units.failed] for mission in units.missions
        }
        without = [mission for mission, failed in lost.items() if failed and units.played(a, b, mission)]
        if without and not units.missions_of(a, b):
            without.append(OVERALL)
            lost[OVERALL] = [policy for policy in (a, b) if units.failed_missions(policy)]
        records += [
            PairRecord(
                estimand="checkpoints", mission=mission, n_missions=0 if mission == OVERALL else 1, policy_a=a,
                policy_b=b, paired=True, n_a=0, n_b=0, effect_name="dz", test="none",
                reason=f"{' and '.join(lost[mission])} failed in every episode",
            )
            for mission in without
        ]  # fmt: skip
    return records


def _present(units: Units) -> list[str]:
    return [policy for policy in units.policies if units.missions_of(policy)]


def _pairs(policies: Sequence[str], config: DAFComparisonConfig) -> list[tuple[str, str]]:
    """Every pair, or every pair with the reference."""
    if config.reference is None:
        return list(combinations(policies, 2))
    others = [policy for policy in policies if policy != config.reference]
    return [(config.reference, other) for other in others if config.reference in policies]


def _rows(units: Units, config: DAFComparisonConfig) -> list[_Row]:
    """The rows of the table, in order: every pair, or every pair with the reference."""
    rows = []
    for a, b in _pairs(_present(units), config):
        groups: list[tuple[Estimand, list[str]]] = [
            ("checkpoints", [m for m in units.missions_of(a, b) if units.paired_differences(a, b, m).size])
        ]
        if units.training_seeds(a) or units.training_seeds(b):
            groups.append(("recipes", units.missions_of(a, b)))
        for estimand, common in groups:
            for mission, missions in (*((mission, [mission]) for mission in common), (OVERALL, common)):
                rows.append(_Row(estimand=estimand, a=a, b=b, mission=mission, missions=missions))
    return rows


def _conclude(
    family: Sequence[tuple[PairRecord, Spread | None]], alpha: float, margin: float | None
) -> list[PairRecord]:
    """The records of one family with adjusted p-values, planning and verdicts."""
    raw = [record.p for record, _ in family]
    num_tests = sum(isfinite(p) for p in raw)
    first_step = alpha / max(1, num_tests)
    columns = zip(
        family,
        hypothesis_tests.holm(raw),
        hypothesis_tests.benjamini_hochberg(raw),
        hypothesis_tests.holm([record.p_equivalence for record, _ in family]),
        strict=True,
    )
    concluded = []
    for (record, spread), p_holm, p_bh, p_equivalence in columns:
        planned = plan(spread, margin, first_step)
        equivalence = float(p_equivalence)
        conclusion, reason = verdict(record, float(p_holm), equivalence, alpha, margin)
        against = contradictions(record) if conclusion in ("better", "worse") else []
        caution = record.caution
        if against:
            caution = join_cautions([record.caution, contradiction_text(record, against)])
        concluded.append(
            changed(
                record, power=planned.power, n_needed=planned.n_needed, more_needed=planned.more_needed,
                p_holm=float(p_holm), p_bh=float(p_bh), p_equivalence=equivalence, n_tests=num_tests,
                verdict=conclusion, reason=record.reason or reason, contradicted_by=", ".join(against),
                caution=caution,
            )
        )  # fmt: skip
    return concluded


def verdict(
    record: PairRecord, p_holm: float, p_equivalence: float, alpha: float, margin: float | None
) -> tuple[Verdict, str]:
    """The verdict on policy_a of a pair, and a reason if the numbers do not explain it.

    Args:
        p_holm, p_equivalence: adjusted p-values of a difference and of equivalence.

    A declared margin has the last word: a difference shown to be smaller than the margin is "equivalent", even if it
    is also shown not to be 0.
    """
    if not record.tested:
        return "insufficient data", record.reason or "no test was possible"
    seeds = [count for count in (record.n_a, record.n_b) if count is not None]
    if record.estimand == "recipes" and min(seeds) < FEWEST_SEEDS:
        return (
            "insufficient data",
            f"{min(seeds)} training seeds cannot show how much runs vary; train at least 3",
        )
    if margin and p_equivalence <= alpha:
        return "equivalent", f"shown to differ by less than the declared {margin:g}"
    if record.minimum_p > alpha:
        return "insufficient data", f"p cannot fall below {record.minimum_p:.2g} with this number of differing units"
    if p_holm <= alpha:
        return ("better" if advantage(record) > 0 else "worse"), ""
    return "inconclusive", ""
