"""A comparison in a line and a few tables, for terminals and notebooks; the page has all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import isfinite

from daf.statistics.records import OVERALL, PairRecord, SummaryRecord, estimate_of
from daf.statistics.sentences import (
    Words,
    number,
    over_fewer,
    p_value,
    policy_sentence,
    span,
    verdict_sentence,
    winner_first,
)
from daf.system.nouns import number_of
from daf.system.shown import MOST_ROWS, Table

Leading = Callable[[str], list[PairRecord]]
"""One record for each pair with a policy."""


def answer(summary: Sequence[SummaryRecord], leading: Leading, words: Words) -> str:
    """The verdict on the policy with the highest mean against the next one, and how many were compared."""
    ranked = [record.policy for record in _overall(summary, words.missions) if isfinite(record.mean)]
    policies = len({record.policy for record in summary})
    size = f"{number_of(policies, 'policy')}, {number_of(words.missions, 'mission')}"
    if not ranked:
        return f"no policy has a result; {size}"
    pairs = {frozenset((record.policy_a, record.policy_b)): record for record in leading(ranked[0])}
    for other in ranked[1:]:  # the next one may not be compared with it, if there is a reference
        if (pair := pairs.get(frozenset((ranked[0], other)))) is not None:
            return f"{verdict_sentence(pair, words)}{f' {size}.' if policies > 2 else ''}"
    best = next(record for record in _overall(summary, words.missions) if record.policy == ranked[0])
    return policy_sentence(best, words)


def tables(
    summary: Sequence[SummaryRecord], pairs: Sequence[PairRecord], notes: Sequence[str], words: Words
) -> Iterator[Table]:
    """Means, verdicts and notes."""
    means = _overall(summary, words.missions)
    rows = [
        (record.policy, _place(record, words.missions), number(record.mean),
         span(record.interval_low, record.interval_high), record.n_episodes, record.failures)
        for record in means[:MOST_ROWS]
    ]  # fmt: skip
    columns = ("policy", "mission", f"mean ({words.unit})", f"{100 * words.level:.4g} % interval", "episodes", "failed")
    yield Table(title="means, highest first", columns=columns, rows=rows, total=len(means))
    if pairs:
        verdicts = [_verdict(record) for record in pairs[:MOST_ROWS]]
        headings = ("policy", "verdict", "against", "mission", "estimand", "difference", "interval", "p (Holm)")
        yield Table(title="verdicts", columns=headings, rows=verdicts, total=len(pairs))
    if notes:
        yield Table(title="notes", columns=("",), rows=[(note,) for note in notes[:MOST_ROWS]], total=len(notes))


def _place(record: SummaryRecord, missions: int) -> str:
    return over_fewer(record, missions).removeprefix("over ") or record.mission


def _verdict(record: PairRecord) -> tuple[object, ...]:
    record = winner_first(record)
    value, low, high = estimate_of(record)
    return (
        record.policy_a, record.verdict, record.policy_b, record.mission, record.estimand, number(value),
        span(low, high), p_value(record.p_holm),
    )  # fmt: skip


def _overall(summary: Sequence[SummaryRecord], missions: int) -> list[SummaryRecord]:
    """One record for each policy, by precedence."""
    chosen = [record for record in summary if (record.mission == OVERALL) == (missions > 1)]
    return sorted(chosen, key=lambda record: record.precedence)
