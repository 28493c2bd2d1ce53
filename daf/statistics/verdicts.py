"""Families of tests: adjusted p-values, planning, and verdicts on the rows of a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from daf.config import Primary
from daf.statistics import hypothesis_tests
from daf.statistics.cautions import join_cautions
from daf.statistics.intervals import ROUNDING, Array
from daf.statistics.pair_table import PairTable, Rows
from daf.statistics.planning import FEWEST_SEEDS, Spread, missing_episodes, missing_seeds, plan
from daf.statistics.primary import advantage, contradiction_text, contradictions
from daf.statistics.records import PairRecord, Verdict
from daf.system.nouns import number_of

BOUNDS: Mapping[Primary, tuple[str, str, float]] = {  # of each quantity, and its value for no difference
    "mean": ("interval_low", "interval_high", 0.0),
    "iqm": ("iqm_low", "iqm_high", 0.0),
    "probability_of_improvement": ("p_improvement_low", "p_improvement_high", 0.5),
}
INTERVAL_WITH_ZERO = (
    "the interval contains 0, as it also allows for Student's t, which is less sure of these skewed differences than "
    "the two tests that decide"
)
WITH_TIES = (
    "the interval contains 0.5, as it counts a tie as half a win, but the sign test that decides leaves ties out"
)
WITH_TIES_OR_UNEQUAL = (
    "the interval contains 0.5, as it is wider than exact where missions have unequal numbers of episodes or episodes "
    "tie, but the sign test that decides is exact"
)
FEW_BEYOND = "it and the test read the few resamples that reach so far in different ways"
LESS_SURE = "it allows for more than the test that decides"


def conclude(table: PairTable, rows: Rows, spreads: Mapping[int, Spread], alpha: float, margin: float | None) -> None:
    """Give the rows of one family their adjusted p-values, planning and verdicts.

    Args:
        spreads: by row; only of rows that planning concerns.
    """
    raw = table.numbers["p"][rows]
    num_tests = int(np.isfinite(raw).sum())
    adjusted = hypothesis_tests.holm(raw)
    equivalence = hypothesis_tests.holm(table.numbers["p_equivalence"][rows])
    table.set(
        rows, p_holm=adjusted, p_bh=hypothesis_tests.benjamini_hochberg(raw), p_equivalence=equivalence,
        n_tests=num_tests,
    )  # fmt: skip
    for row in rows.tolist() if spreads else []:
        strictest = alpha / max(1, num_tests)
        missing = _missing(table, row, strictest) if margin and row in spreads else 0
        planned = plan(spreads.get(row), margin, strictest, missing)
        table.set(
            np.array([row]), power=planned.power, n_needed=planned.n_needed, more_needed=planned.more_needed
        )  # fmt: skip
    ahead = _signs(table, rows)
    _give_verdicts(table, rows, _Decision(alpha=alpha, margin=margin, ahead=ahead))
    _flag_contradictions(table, rows, ahead)
    _flag_intervals(table, rows)


def _missing(table: PairTable, row: int, alpha: float) -> int:
    """Units without which the pair cannot have a verdict."""
    (record,) = table.records(np.array([row]))
    return missing_units(record, alpha)


def missing_units(record: PairRecord, alpha: float) -> int:
    """Further units without which a pair has no verdict: episodes in all, or training seeds per side.

    Args:
        alpha: at the strictest step of Holm's correction.
    """
    if record.estimand == "checkpoints":
        return missing_episodes(record.minimum_p, alpha)
    return missing_seeds([count for count in (record.n_a, record.n_b) if count is not None], record.minimum_p, alpha)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Decision:
    """What verdicts of a family depend on, apart from their rows.

    Attributes:
        ahead: by row the sign of the primary quantity.
    """

    alpha: float
    margin: float | None
    ahead: Array


def _give_verdicts(table: PairTable, rows: Rows, decision: _Decision) -> None:
    """`verdict` of every row: rows alike in all that it looks at share one call."""
    numbers, alpha = table.numbers, decision.alpha
    p_holm, p_equivalence = numbers["p_holm"][rows], numbers["p_equivalence"][rows]
    kinds = _combined(
        table.texts["estimand"].codes[rows], table.tested[rows], table.texts["reason"].codes[rows],
        numbers["n_a"][rows], numbers["n_b"][rows], p_equivalence <= alpha, numbers["minimum_p"][rows],
        p_holm <= alpha, decision.ahead,
    )  # fmt: skip
    _, first, kind = np.unique(kinds, return_index=True, return_inverse=True)
    answers = [
        verdict(record, float(p_holm[index]), float(p_equivalence[index]), alpha, decision.margin)
        for index, record in zip(first, table.records(rows[first]), strict=True)
    ]
    known = table.texts["reason"].taken(rows[first])
    for name, texts in (
        ("verdict", [answer for answer, _ in answers]),
        ("reason", [own or reason for own, (_, reason) in zip(known, answers, strict=True)]),
    ):
        codes = np.array([table.texts[name].code(text) for text in texts], np.int32)
        table.texts[name].codes[rows] = codes[kind]


def _combined(*columns: NDArray[np.generic]) -> NDArray[np.int64]:
    """A number for every row that is the same for rows that agree in all columns."""
    number = np.zeros(columns[0].size, np.int64)
    for column in columns:
        values, codes = np.unique(column, return_inverse=True)
        number = np.unique(number * values.size + codes, return_inverse=True)[1] if values.size > 1 else number
    return number


def _signs(table: PairTable, rows: Rows) -> Array:
    """By row the sign of the primary quantity, as of `primary.advantage`."""
    gaps, primary = _gaps(table, rows), table.texts["primary"]
    found = np.zeros(rows.size)
    for name, values in gaps.items():
        found = np.where(primary.are(name)[rows], values, found)
    return np.asarray(np.sign(found))


def _gaps(table: PairTable, rows: Rows) -> dict[str, Array]:
    """The quantities that may decide, above 0 where policy_a is ahead."""
    beyond_half = table.numbers["p_improvement"][rows] - 0.5
    return {
        "mean": table.numbers["difference"][rows],
        "iqm": table.numbers["iqm_difference"][rows],
        "probability_of_improvement": np.where(np.abs(beyond_half) <= ROUNDING, 0.0, beyond_half),
    }


def _flag_contradictions(table: PairTable, rows: Rows, ahead: Array) -> None:
    """Name what points the other way than a verdict "better" or "worse"."""
    decided = table.texts["verdict"].are("better")[rows] | table.texts["verdict"].are("worse")[rows]
    against = np.zeros(rows.size, np.bool_)
    for gap in _gaps(table, rows).values():
        against |= np.isfinite(gap) & (np.sign(gap) * ahead < 0)
    chosen = rows[decided & against]
    for row, record in zip(chosen.tolist(), table.records(chosen), strict=True):
        names = contradictions(record)
        caution = join_cautions([record.caution, contradiction_text(record, names)])
        table.set(np.array([row]), contradicted_by=", ".join(names), caution=caution)


def _flag_intervals(table: PairTable, rows: Rows) -> None:
    """Say why the interval of a pair with a winner contains no difference, where it does."""
    decided = table.texts["verdict"].are("better")[rows] | table.texts["verdict"].are("worse")[rows]
    for primary, (low, high, equal) in BOUNDS.items():
        contains = (table.numbers[low][rows] <= equal) & (table.numbers[high][rows] >= equal)
        chosen = rows[decided & contains & table.texts["primary"].are(primary)[rows]]
        for row, record in zip(chosen.tolist(), table.records(chosen), strict=True):
            caution = join_cautions([record.caution, _why_contained(record, equal)])
            table.set(np.array([row]), caution=caution)


def _why_contained(record: PairRecord, equal: float) -> str:
    """Why the interval of a pair with a winner contains no difference."""
    if record.estimand == "checkpoints" and record.primary == "mean":
        return INTERVAL_WITH_ZERO
    if record.estimand == "checkpoints" and record.primary == "probability_of_improvement":
        return WITH_TIES if record.n_missions == 1 else WITH_TIES_OR_UNEQUAL
    return f"the interval contains {equal:g}, as {LESS_SURE if record.primary == 'mean' else FEW_BEYOND}"


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
            f"{number_of(min(seeds), 'training seed')} cannot show how much runs vary; train at least 3",
        )
    if margin and p_equivalence <= alpha:
        return "equivalent", f"shown to differ by less than the declared {margin:g}"
    if record.minimum_p > alpha:
        return "insufficient data", f"p cannot fall below {record.minimum_p:.2g} with this number of differing units"
    if p_holm <= alpha:
        return ("better" if advantage(record) > 0 else "worse"), ""
    return "inconclusive", ""
