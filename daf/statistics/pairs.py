"""All pairs of a comparison: differences, tests adjusted within their families, and verdicts.

There are two separate estimands. *Checkpoints*: the unit is the episode, paired by mission and environment seed; claims
hold only for these weights. *Recipes*: the unit is the training seed; its episodes are averaged first.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np

from daf.config import DAFComparisonConfig
from daf.statistics import hypothesis_tests
from daf.statistics.checkpoint_batch import compare_checkpoints
from daf.statistics.checkpoint_pairs import checkpoint_pair
from daf.statistics.levels import alpha_of
from daf.statistics.pair_group import PairGroup
from daf.statistics.pair_table import PairTable, Rows
from daf.statistics.planning import Spread
from daf.statistics.progress import Progress
from daf.statistics.recipe_batch import compare_recipes
from daf.statistics.recipe_pairs import recipe_pair
from daf.statistics.recipe_resamples import Improvements
from daf.statistics.records import IN_UNITS_OF_SCORES, OVERALL, Estimand, PairRecord, in_scores
from daf.statistics.units import Units
from daf.statistics.verdicts import conclude, verdict
from daf.system.shares import Advance, in_shares

__all__ = ["compare_pairs", "verdict"]

FEW_ROWS = 500  # up to which copies of the process cost more time than they save


def compare_pairs(units: Units, config: DAFComparisonConfig) -> PairTable:
    """Every pair on every common mission and overall, for both estimands, with adjusted p-values and verdicts.

    For each estimand, overall records and records of single missions are separate families of Holm's correction. The
    adjustment by Benjamini and Hochberg over the same families is exploratory and does not affect verdicts. Power and
    the number of units needed are computed at Holm's first and strictest step.
    """
    alpha, margin = alpha_of(config.confidence_level), config.equivalence_margin
    groups = _groups(units, config)
    rows_of: dict[tuple[Estimand, bool], list[Rows]] = {}
    for group in groups:
        rows_of.setdefault(group.family, []).append(group.rows)
    families = {family: np.sort(np.concatenate(rows)) for family, rows in rows_of.items()}
    draws = {
        family: hypothesis_tests.draws_for_family(config.num_resamples, len(rows), alpha)
        for family, rows in families.items()
    }
    failed = _failed_pairs(units, config)
    tested = sum(len(rows) for rows in families.values())
    table = PairTable.blank(tested + len(failed))
    spreads = _test(units, config, [replace(group, max_resamples=draws[group.family]) for group in groups], table)
    for rows in families.values():
        conclude(table, rows, spreads, alpha, margin)
    for row, record in enumerate(failed, start=tested):
        table.put(row, record)
    return table


def _test(
    units: Units, config: DAFComparisonConfig, groups: Sequence[PairGroup], table: PairTable
) -> dict[int, Spread]:
    """Fill the rows of all groups, not yet adjusted. Those on the same missions share what they can.

    Returns:
        How units spread, by row, where planning needs it.
    """
    present = _present(units)
    by_missions: dict[tuple[str, ...], list[PairGroup]] = {}
    for group in groups:
        by_missions.setdefault(tuple(group.missions), []).append(group)
    members = list(by_missions.values())
    spreads: dict[int, Spread] = {}
    improvements = Improvements(units, config, present)
    improvements.prepare(max(by_missions, key=len, default=()))
    num_rows = sum(len(group.pairs) for group in groups)

    def test(together: list[PairGroup], advance: Advance) -> tuple[PairTable, dict[int, Spread]]:
        return _tested_together(units, config, together, improvements, advance)

    with Progress(num_rows, "rows of pairs") as progress:
        parts = in_shares(
            test, members, advance=progress.advance, cost=lambda groups: len(groups[0].missions),
            memory=8.0 * config.num_resamples * max((len(group.pairs) for group in groups), default=0),
            small=num_rows < FEW_ROWS,
        )  # fmt: skip
        with closing(parts):
            for together, (part, found) in zip(members, parts, strict=True):
                rows = np.concatenate([group.rows for group in together])
                table.take_over(rows, part)
                spreads |= {int(rows[row]): spread for row, spread in found.items()}
    return spreads


def _tested_together(
    units: Units, config: DAFComparisonConfig, groups: Sequence[PairGroup], improvements: Improvements, advance: Advance
) -> tuple[PairTable, dict[int, Spread]]:
    """The rows of groups on the same missions as a table, one group after another, and how units spread by row."""
    missions = groups[0].missions
    shared = units.in_shared_unit(missions, _present(units))
    ends = np.cumsum([len(group.pairs) for group in groups])
    table, spreads = PairTable.blank(int(ends[-1])), dict[int, Spread]()
    for group, end in zip(groups, ends.tolist(), strict=True):
        rest = group = replace(group, rows=np.arange(end - len(group.pairs), end))
        if shared is not None:
            rest, found = _by_arrays(shared, config, group, table, improvements)
            spreads |= found
            if len(rest.pairs) < len(group.pairs):
                advance(len(group.pairs) - len(rest.pairs))
        for row, (a, b) in zip(rest.rows.tolist(), rest.pairs, strict=True):
            own = shared or units.in_own_unit(missions, (a, b))
            record, spread = _tested(own, config, group, (a, b), improvements)
            table.put(row, in_scores(record, own.unit))
            if spread is not None and config.equivalence_margin:
                spreads[row] = spread.in_scores(own.unit)
            advance(1)
    return table, spreads


def _by_arrays(
    shared: Units, config: DAFComparisonConfig, group: PairGroup, table: PairTable, improvements: Improvements
) -> tuple[PairGroup, dict[int, Spread]]:
    """Fill the rows of a group that arrays suffice for; returns the others."""
    spreads: dict[int, Spread] = {}
    if group.estimand == "checkpoints":
        done = compare_checkpoints(shared, config, group, table)
    else:
        done, spreads = compare_recipes(shared, config, group, table, improvements)
    if shared.unit != 1:
        for name in IN_UNITS_OF_SCORES[PairRecord]:
            table.numbers[name][group.rows[done]] *= shared.unit
    return group.subset(~done), spreads


def _tested(
    units: Units, config: DAFComparisonConfig, group: PairGroup, pair: tuple[str, str], improvements: Improvements
) -> tuple[PairRecord, Spread | None]:
    """The record of one pair."""
    options: dict[str, Any] = {
        "mission": group.mission, "missions": group.missions, "max_resamples": group.max_resamples,
    }  # fmt: skip
    if group.estimand == "checkpoints":
        return checkpoint_pair(units, config, *pair, **options)
    return recipe_pair(units, config, *pair, **options, improvements=improvements)


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
                reason=units.failure_of(lost[mission], units.missions if mission == OVERALL else [mission]),
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


def _groups(units: Units, config: DAFComparisonConfig) -> list[PairGroup]:
    """The rows of the table by missions. In the table, a pair's rows, on every mission and overall, are neighbours."""
    members: dict[tuple[Estimand, str, tuple[str, ...]], tuple[list[int], list[tuple[str, str]]]] = {}
    row = 0
    for a, b in _pairs(_present(units), config):
        common = units.missions_of(a, b)
        estimands: list[tuple[Estimand, list[str]]] = [
            ("checkpoints", [mission for mission in common if units.share_episodes(a, b, mission)])
        ]
        if units.training_seeds(a) or units.training_seeds(b):
            estimands.append(("recipes", common))
        for estimand, missions in estimands:
            for mission, covered in (*((mission, (mission,)) for mission in missions), (OVERALL, tuple(missions))):
                rows, pairs = members.setdefault((estimand, mission, covered), ([], []))
                rows.append(row)
                pairs.append((a, b))
                row += 1
    return [
        PairGroup(estimand=estimand, mission=mission, missions=list(missions), pairs=pairs, rows=np.array(rows))
        for (estimand, mission, missions), (rows, pairs) in members.items()
    ]
