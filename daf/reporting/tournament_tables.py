"""The tables of a tournament's page: cross-play, partners, seats, rankings, line-ups and all numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from daf.config.tournament import REPLACEMENT
from daf.reporting.page import FailureLine
from daf.statistics.records import OVERALL
from daf.statistics.sentences import number, span
from daf.system.columns import to_rows
from daf.system.nouns import number_of
from daf.tournament.answers import in_order, ranks
from daf.tournament.cross_play import CrossPlayRecord
from daf.tournament.line_ups import LineUpRecord
from daf.tournament.rankings import Method
from daf.tournament.results import TournamentResults

Row = dict[str, Any]
LEAST_HEAT, MOST_HEAT = 4, 45  # percent of the accent in the background of a cell: text stays readable on it
MOST_MATRIX = 40  # candidates and partners in the matrix
MOST_ROWS = 500  # of a table; a file has all
LEFT_OUT = "Its values leave these episodes out; unless they failed by chance, they are too high."
METHOD_NAMES: Mapping[Method, str] = {
    "value": "Value", "soft_condorcet": "Soft Condorcet", "maximal_lottery": "Maximal lottery",
    "nash_average": "Nash averaging", "alpha_rank": "Alpha-rank", "elo": "Elo", "openskill": "OpenSkill",
}  # fmt: skip
MASSES = ("maximal_lottery", "alpha_rank")  # methods whose scores are shares


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A value with its interval.

    Attributes:
        heat: of the background, in percent.
        title: the cell in a sentence, shown when a reader points at it.
        sign: ▲ or ▼ if the interval of what is compared excludes 0; else empty.
    """

    value: float
    low: float
    high: float
    heat: int = 0
    title: str = ""
    sign: str = ""
    is_self: bool = False


# ---- cross-play -------------------------------------------------------------------------------------------


def matrix(results: TournamentResults, mission: str) -> Row | None:
    """Candidates by partners; None: no candidate shared a team with a single other policy, or too many did."""
    records = {
        (record.policy, record.partner): record
        for record in results.cross_play
        if (record.estimand, record.mission, record.seats) == ("checkpoints", mission, None)
    }
    order = [policy for policy in in_order(results) if any(policy == a for a, _ in records)]
    others = [partner for partner in dict.fromkeys(b for _, b in records) if partner not in order]
    if not any(a != b for a, b in records) or len(order) + len(others) > MOST_MATRIX:
        return None
    heat = _heat([record.mean for record in records.values()])
    rows = [
        {"policy": policy, "cells": [_pair_cell(records.get((policy, other)), heat) for other in (*order, *others)]}
        for policy in order
    ]
    has_self = any(a == b for a, b in records)
    return {"mission": mission, "columns": [*order, *others], "pool": others, "has_self": has_self, "rows": rows}


def _pair_cell(record: CrossPlayRecord | None, heat: Mapping[float, int]) -> Cell | None:
    if record is None:
        return None
    alone = record.policy == record.partner
    where = "in all seats" if alone else f"beside {record.partner}"
    episodes = f"{number_of(record.n_episodes, 'episode')} on {number_of(record.n_maps, 'map')}"
    return Cell(
        value=record.mean, low=record.low, high=record.high, heat=heat.get(record.mean, 0), is_self=alone,
        title=f"{record.policy} {where}: {number(record.mean)} ({span(record.low, record.high)}), {episodes}",
    )  # fmt: skip


def _heat(values: Sequence[float]) -> dict[float, int]:
    """How strong the colour behind each value is."""
    known = [value for value in values if isfinite(value)]
    low, high = (min(known), max(known)) if known else (0.0, 0.0)
    if not high > low:
        return dict.fromkeys(known, LEAST_HEAT)
    return {value: round(LEAST_HEAT + (MOST_HEAT - LEAST_HEAT) * (value - low) / (high - low)) for value in known}


def partners(results: TournamentResults, mission: str) -> list[Row]:
    """For each candidate the partner with which it scores most and least, and what it scores alone."""
    rows = []
    for policy in in_order(results):
        own = [
            record
            for record in results.cross_play
            if (record.policy, record.estimand, record.mission, record.seats) == (policy, "checkpoints", mission, None)
        ]
        beside = sorted((record for record in own if record.partner != policy), key=lambda record: -record.mean)
        alone = next((record for record in own if record.partner == policy), None)
        if len(beside) > 1:
            best, worst = beside[0], beside[-1]
            unknown = not (isfinite(best.low) and isfinite(worst.high))
            words = "unknown" if unknown else "apart" if best.low > worst.high else "overlap"
            rows.append({"policy": policy, "best": best, "worst": worst, "alone": alone, "intervals": words})
    return rows


# ---- seats ------------------------------------------------------------------------------------------------


def by_seat(results: TournamentResults, mission: str, *, roles_only: bool = False) -> Row | None:
    """Candidates by seats, or by roles: the mean there, marked where it differs from the candidate's mean."""
    chosen = [record for record in results.seat_values if record.mission == mission]
    records = {(one.policy, one.role): one for one in chosen if one.role.isdigit() is not roles_only}
    roles = list(dict.fromkeys(role for _, role in records))
    if len(roles) < 2:
        return None
    heat = _heat([record.mean for record in records.values()])
    rows = []
    for policy in in_order(results):
        cells: list[Cell | None] = []
        for role in roles:
            record = records.get((policy, role))
            if record is None:
                cells.append(None)
                continue
            sign = "▲" if record.effect_low > 0 else "▼" if record.effect_high < 0 else ""
            effect = f"{number(record.effect)} ({span(record.effect_low, record.effect_high)})"
            cells.append(
                Cell(
                    value=record.mean, low=record.low, high=record.high, heat=heat.get(record.mean, 0), sign=sign,
                    title=f"{policy} there, less its mean over all seats: {effect}",
                )
            )  # fmt: skip
        if any(cells):
            rows.append({"policy": policy, "cells": cells})
    return {"mission": mission, "roles": roles, "are_seats": not roles_only, "rows": rows}


# ---- rankings ---------------------------------------------------------------------------------------------


def rankings(results: TournamentResults) -> Row | None:
    """Candidates by methods: rank and rank set."""
    if not results.rankings:
        return None
    present = {record.method for record in results.rankings}
    methods = [method for method in METHOD_NAMES if method in present]
    places = {method: ranks(results, method) for method in methods}
    rows = [
        {"policy": policy, "cells": [places[method].get(policy) for method in methods]} for policy in in_order(results)
    ]
    use = {record.method: record.use for record in results.rankings}
    return {
        "methods": [
            {"name": METHOD_NAMES[method], "use": use[method], "share": method in MASSES} for method in methods
        ],
        "rows": rows,
    }


def pairs(results: TournamentResults) -> list[Row]:
    """The tests of candidates against the pool, and of all pairs of candidates, best first."""
    order = {policy: place for place, policy in enumerate([*in_order(results), REPLACEMENT])}
    found = []
    for comparison in (results.over_replacement, results.candidates):
        for estimand in ("checkpoints", "recipes") if comparison is not None else ():
            assert comparison is not None
            for record in comparison.headline_records(estimand):
                if estimand == "checkpoints" or comparison.estimand["recipes"]["answered"]:
                    found.append(_ahead(record, order))
    found.sort(key=lambda record: (record.policy_b != REPLACEMENT, order[record.policy_a], order[record.policy_b]))
    return to_rows(found)


def _ahead(record: Any, order: Mapping[str, int]) -> Any:
    from daf.statistics.sentences import mirrored

    return mirrored(record) if order[record.policy_a] > order[record.policy_b] else record


# ---- line-ups and numbers ---------------------------------------------------------------------------------


def line_ups(results: TournamentResults) -> tuple[list[LineUpRecord], list[LineUpRecord]]:
    """Those of which episodes failed, the largest share first, and all of them, the best team first."""
    failed = [record for record in results.line_ups if record.n_failed]
    failed.sort(key=lambda record: -record.n_failed / (record.n_failed + record.n_episodes))

    def key(record: LineUpRecord) -> tuple[int, float]:
        mean = -record.mean if isfinite(record.mean) else float("inf")
        return results.missions.index(record.mission), mean

    return failed, sorted(results.line_ups, key=key)


def values(results: TournamentResults) -> list[Row]:
    """All values, where the answer holds and all numbers of seats first."""
    place = {policy: number for number, policy in enumerate(in_order(results))}
    chosen = sorted(
        results.values,
        key=lambda record: (record.mission != OVERALL, record.mission, record.estimand, place[record.policy],
                            record.seats is not None, -(record.seats or 0)),
    )  # fmt: skip
    return to_rows(chosen)


def failure_lines(results: TournamentResults) -> list[FailureLine]:
    """A red line for every policy that caused failures."""
    candidates = set(results.policies)
    return [
        FailureLine(
            policy=one.policy, failed=one.n_failed, total=one.n_episodes, cause=one.cause,
            after=LEFT_OUT if one.policy in candidates and one.n_failed < one.n_episodes else "",
        )
        for one in results.failed_policies
    ]  # fmt: skip
