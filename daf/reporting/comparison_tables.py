"""The tables of a comparison's page: policy by mission, pairs, and all numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from daf.reporting.page import VERDICT_WORDS, FailureLine, listed
from daf.reporting.viewpoint import Viewpoint
from daf.statistics import sentences
from daf.statistics.pair_table import chosen_records
from daf.statistics.records import OVERALL, PairRecord, RankRecord, SummaryRecord, Verdict, changed, estimate_of
from daf.statistics.results import ComparisonResults
from daf.system.columns import to_rows
from daf.system.nouns import number_of

Row = dict[str, Any]
LEFT_OUT = "Its scores leave these episodes out; unless they failed by chance, they are too high."
MOST_TESTS = 300  # rows of tests on a page; a file has all
MOST_MATRIX = 40  # policies in the matrix
MOST_CELLS = 2_000  # policies by missions in the table of scores
MOST_NAMED = 3  # policies in a sentence
MOST_ROWS = 1_500  # rows of all numbers; a file has all


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A policy on a mission.

    Attributes:
        score, raw, success: each the value, and the bounds of its interval or None.
        verdict: on the view's policy against the cell's; empty in its own row, or if they were not compared.
        title: who is better, in words.
        over: the missions behind it, if they are not all: "over 1 of 3 missions".
    """

    score: tuple[float, float, float] | None
    raw: tuple[float, float, float] | None
    success: tuple[float, float, float] | None
    verdict: Verdict | None
    title: str
    over: str
    failed: bool


def scores_by_mission(view: Viewpoint) -> Row:
    """The table of policies by missions: its columns, rows, and what its switch offers besides scores."""
    results = view.results
    places = [OVERALL, *results.missions] if len(results.missions) > 1 else results.missions
    most = max(1, MOST_CELLS // len(places))
    shown: Sequence[str] = view.order
    if len(shown) > most:
        shown = [*dict.fromkeys([*view.order[: most - 1], view.policy])]
    records = {(record.policy, record.mission): record for record in results.summary}
    raw = _raw(results)
    against = {place: view.against(place) for place in places}
    rows: list[Row] = [
        {
            "policy": policy,
            "mine": policy == view.policy,
            "cells": [
                _cell(view, records.get((policy, place)), raw.get((policy, place)), against[place].get(policy))
                for place in places
            ],
        }
        for policy in shown
    ]
    return {
        "places": places,
        "rows": rows,
        "has_raw": bool(raw),
        "has_verdicts": any(cell is not None and cell.verdict for row in rows for cell in row["cells"]),
        "has_success": any(cell is not None and cell.success is not None for row in rows for cell in row["cells"]),
    }


def _raw(results: ComparisonResults) -> dict[tuple[str, str], SummaryRecord]:
    """The records of raw rewards, if scores are normalized."""
    if results.config.normalization is None:
        return {}
    from daf.statistics.summary import summarize_raw  # with scipy, which pages of rewards do without

    return {(record.policy, record.mission): record for record in summarize_raw(results)}


def _cell(
    view: Viewpoint, record: SummaryRecord | None, raw: SummaryRecord | None, pair: PairRecord | None
) -> Cell | None:
    if record is None:
        return None
    known = isfinite(record.success_rate)
    return Cell(
        score=None if record.failed else (record.mean, *view.interval(record)),
        raw=None if raw is None or raw.failed else (raw.mean, *view.interval(raw)),
        success=(record.success_rate, record.success_low, record.success_high) if known else None,
        verdict=None if pair is None or record.failed else pair.verdict,
        title=""
        if pair is None
        else f"{pair.policy_a} {VERDICT_WORDS[pair.verdict]} here than {pair.policy_b}"
        if pair.verdict in ("better", "worse")
        else f"{pair.policy_a} and {pair.policy_b}: {VERDICT_WORDS[pair.verdict]}",
        over=view.over_fewer(record),
        failed=record.failed,
    )


def numbers(view: Viewpoint) -> Row:
    """All scores and ranks, over all missions first; only those, if all are too many for a page."""
    results, several = view.results, len(view.results.missions) > 1
    shown: Row = {}
    found: Mapping[str, Sequence[SummaryRecord | RankRecord]]
    found = {"summary": results.summary, "ranks": results.rank_records}
    for name, records in found.items():
        # with one mission, its rows suffice
        kept = [record for record in records if several or record.mission != OVERALL]
        shown[f"num_{name}"] = len(kept)
        if several and len(kept) > MOST_ROWS:
            kept = [record for record in kept if record.mission == OVERALL]
        shown[name] = to_rows(sorted(kept, key=lambda record: (record.mission != OVERALL, view.rank[record.policy])))
    for row in shown["summary"]:
        row["n_checkpoints"] = view.checkpoints.get((row["policy"], row["mission"]), 1)
    return shown


# ---- pairs --------------------------------------------------------------------------------------------------


def pair_rows(view: Viewpoint) -> list[Row]:
    """All tests, each seen by the view's policy; if they are too many for a page, its own and those overall."""
    results = view.results
    one = len(results.missions) == 1
    if count_of_tests(results) <= MOST_TESTS:
        records = [record for record in results.pairs if not (one and record.mission == OVERALL)]
    else:
        own = chosen_records(results.pairs, policy=view.policy, mission=view.place if one else None)
        records = own if len(own) <= MOST_TESTS else [record for record in own if record.mission == view.place]
    rank = view.rank
    seen = [view.seen(record) for record in records]
    seen.sort(key=lambda r: (r.policy_a != view.policy, rank[r.policy_a], rank[r.policy_b], r.mission != OVERALL))
    rows = to_rows(seen)
    for row, record in zip(rows, seen, strict=True):
        row["mine"] = row["policy_a"] == view.policy
        row["decisive"] = decisive(view, record)
    return rows


def decisive(view: Viewpoint, record: PairRecord) -> tuple[float, float, float]:
    """The quantity that the comparison declares, with its interval, also of a pair without a test of it."""
    return estimate_of(changed(record, primary=view.results.config.primary))


def count_of_tests(results: ComparisonResults) -> int:
    """How many rows about pairs there are; with one mission, those over all missions repeat its own."""
    one = len(results.missions) == 1
    return len(results.pairs) - (len(chosen_records(results.pairs, mission=OVERALL)) if one else 0)


def pair_sentences(view: Viewpoint) -> list[Row]:
    """One sentence for every pair, over all missions or on the only one; those of the view's policy first.

    Only those, if there are too many.
    """
    results = view.results
    words = sentences.words_of(results.config, len(results.missions), results.unit)
    own = list(view.against().values())
    num_pairs = len(results.policies) * (len(results.policies) - 1) // 2
    leading = results.lead_records() if num_pairs <= MOST_TESTS else []
    others = [record for record in leading if view.policy not in _names(record)]
    return [
        {"sentence": sentences.verdict_sentence(record, words), "verdict": record.verdict, "mine": mine}
        for records, mine in ((own, True), (others, False))
        for record in records
    ]


def _names(record: PairRecord) -> tuple[str, str]:
    return record.policy_a, record.policy_b


def undecided(view: Viewpoint) -> list[str]:
    """Why policies have no winner against the view's although the interval says otherwise: a sentence a reason."""
    level = view.results.config.confidence_level
    by_reason: dict[str, list[str]] = {}
    for policy, record in view.against().items():
        if why := sentences.why_undecided(record, level):
            by_reason.setdefault(why, []).append(policy)
    return [f"{_some(names)} undecided: {why}." for why, names in by_reason.items()]


def _some(names: Sequence[str]) -> str:
    """'a is', 'a, b and c are', 'a, b, c and 26 others are'."""
    rest = len(names) - MOST_NAMED
    shown = [*names[:MOST_NAMED], *([number_of(rest, "other")] if rest > 0 else [])]
    return f"{listed(shown, len(shown))} {'is' if len(names) == 1 else 'are'}"


def cautions(view: Viewpoint) -> list[tuple[str, str]]:
    """What makes a verdict of the view's policy less reliable than it looks."""
    return [(policy, record.caution) for policy, record in view.against().items() if record.caution and record.tested]


def matrix(view: Viewpoint) -> Mapping[tuple[str, str], Row]:
    """The leading record of every ordered pair; empty below three policies, or if there are too many."""
    if not 2 < len(view.order) <= MOST_MATRIX or view.results.config.reference is not None:
        return {}
    cells: dict[tuple[str, str], Row] = {}
    for record in view.results.lead_records():
        for seen in (record, sentences.mirrored(record)):
            cells[_names(seen)] = {
                "verdict": seen.verdict,
                "value": decisive(view, seen)[0],
                # colours are the view's, so a verdict against it is red in both of its cells
                "colour": view.seen(record).verdict.split()[0] if view.policy in _names(seen) else "neutral",
            }
    return cells


# ---- what failed --------------------------------------------------------------------------------------------


def failure_lines(results: ComparisonResults) -> list[tuple[FailureLine, Sequence[str]]]:
    """A line for every policy of which episodes failed, and the missions on which they did.

    It counts the episodes of all missions, or only those of the one mission on which the policy failed.
    """
    frame, num_missions = results.episodes, len(results.missions)
    counts = frame.assign(failed=frame["mean_reward"].isna()).groupby(["policy", "mission"], sort=False)["failed"]
    by_policy: dict[str, dict[str, tuple[int, int]]] = {}
    for (policy, mission), part in counts:
        by_policy.setdefault(str(policy), {})[str(mission)] = (int(part.sum()), len(part))
    lost_by_policy: dict[str, list[SummaryRecord]] = {}
    for record in results.summary:
        if record.mission != OVERALL and record.first_failure:
            lost_by_policy.setdefault(record.policy, []).append(record)
    lines = []
    for policy, lost in lost_by_policy.items():
        cells = by_policy[policy]
        where, lead, counted = "", ": ", list(cells.values())
        if len(lost) == 1 < num_missions:
            where, counted = f" on {lost[0].mission}", [cells[lost[0].mission]]
        elif len(lost) < num_missions:
            where, lead = f" on {len(lost)} of {number_of(num_missions, 'mission')}", ", the first with "
        failed, total = (sum(count) for count in zip(*counted, strict=True))
        line = FailureLine(
            policy=policy, failed=failed, total=total, where=where, lead=lead, cause=lost[0].first_failure or "",
            after="" if all(record.failed for record in lost) else LEFT_OUT,
        )  # fmt: skip
        lines.append((line, [record.mission for record in lost]))
    return sorted(lines, key=lambda pair: -pair[0].failed / pair[0].total)
