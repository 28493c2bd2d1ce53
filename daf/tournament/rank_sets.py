"""Rank sets: the ranks of every candidate that the data do not exclude, at a declared level, for all at once.

By values, a candidate ranks below all those shown to be better, and above all those shown to be worse, by verdicts that
Holm's correction adjusted: if all of these are right, so are all rank sets (Mogstad et al. 2024). Other rankings depend
on pairwise results in jumps, which standard errors cannot describe. There the set reaches from the rank that a
candidate would have if all its pairwise results were as good as is compatible with the data, for all pairs at once
(`Preferences.margins_of_error`), to that for the worst such results. A candidate that may beat all others then always
may rank first by Soft Condorcet, maximal lottery and alpha-rank, which choose such a winner.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor

import numpy as np

from daf.statistics.intervals import Array
from daf.statistics.records import Verdict

TIED = 1e-6  # of the largest score: differences this small come from solvers


@dataclass(frozen=True, kw_only=True)
class RankSet:
    """Ranks from `low` (best) to `high` are compatible with the data; `rank` is that of the point estimate."""

    rank: float
    low: int
    high: int


def rank_sets(scores: Array, better: Array) -> list[RankSet]:
    """Rank sets from what was shown.

    Args:
        scores: of every candidate; equal ones share a mean rank, and unknown ones (NaN) rank last.
        better: (a, b): whether a was shown to be better than b.
    """
    known = np.nan_to_num(scores, nan=-np.inf)
    sets = []
    for number, score in enumerate(known):
        rank = 1 + float((known > score).sum()) + (float((known == score).sum()) - 1) / 2
        low, high = 1 + int(better[:, number].sum()), len(known) - int(better[number].sum())
        sets.append(RankSet(rank=rank, low=low, high=high))
    return sets


def shown_by_verdicts(policies: Sequence[str], verdicts: Iterable[tuple[str, str, Verdict]]) -> Array:
    """(a, b): whether a verdict says that a is better."""
    better = np.zeros((len(policies), len(policies)), dtype=bool)
    place = {policy: number for number, policy in enumerate(policies)}
    for a, b, verdict in verdicts:
        if verdict in ("better", "worse") and a in place and b in place:
            winner, loser = (a, b) if verdict == "better" else (b, a)
            better[place[winner], place[loser]] = True
    return better


def compatible_ranks(scores: Array, at_best: Array, at_worst: Array) -> list[RankSet]:
    """Rank sets from the scores of all candidates that each candidate's best and worst results give.

    Args:
        at_best, at_worst: (candidate whose results are best or worst, candidates).
    """
    size = scores.size
    sets = rank_sets(scores, np.zeros((size, size), dtype=bool))
    low = 1 + _differ(at_best, 1).sum(axis=1)
    high = size - _differ(at_worst, -1).sum(axis=1)
    return [
        RankSet(rank=found.rank, low=min(int(first), floor(found.rank)), high=max(int(last), ceil(found.rank)))
        for found, first, last in zip(sets, low, high, strict=True)
    ]


def _differ(scores: Array, sign: int) -> Array:
    """(candidate, other): whether the other scores more (sign 1) or less (-1) in the candidate's own results."""
    known = np.nan_to_num(scores, nan=-1e300)  # unknown scores rank last
    tolerance = TIED * float(np.nanmax(np.abs(scores), initial=0.0))
    return np.asarray(sign * (known - np.diag(known)[:, None]) > tolerance)
