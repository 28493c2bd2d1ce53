"""Rank sets: the ranks of every candidate that the data do not exclude, at a declared level, for all at once.

By values, a candidate ranks below all those shown to be better, and above all those shown to be worse, by verdicts that
Holm's correction adjusted: if all of these are right, so are all rank sets (Mogstad et al. 2024). Other rankings depend
on pairwise results in jumps, which standard errors cannot describe. There the set contains the ranks that a candidate
has where pairwise results are as good, as they are, or as bad as is compatible with the data, for all pairs at once
(`Preferences.margins_of_error`). It needs the results of the others, too: in a cycle, they decide a candidate's mass.
All such combinations are tried where they are few, else all results of each candidate and a random sample.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import ceil, floor

import numpy as np

from daf.statistics.intervals import Array
from daf.statistics.records import Verdict

TIED = 1e-6  # of the largest score: differences this small come from solvers
MOST_COMBINATIONS = 100  # of results of pairs, besides those of each candidate


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


def results_to_try(size: int, rng: np.random.Generator) -> Array:
    """(combinations, a, b): the result of a against b is as good (1), as it is (0), or as bad (-1) as can be."""
    rows, columns = np.triu_indices(size, 1)
    are_few = 3**rows.size <= MOST_COMBINATIONS
    if are_few:
        signs = np.array(list(product((-1.0, 0.0, 1.0), repeat=rows.size)))
    else:
        signs = rng.integers(-1, 2, (MOST_COMBINATIONS, rows.size)).astype(np.float64)
    results = np.zeros((len(signs), size, size))
    results[:, rows, columns], results[:, columns, rows] = signs, -signs
    if are_few:
        return results
    own = np.zeros((size, size, size))  # each candidate's results at their best, which a draw may miss
    for candidate in range(size):
        own[candidate, candidate], own[candidate, :, candidate] = 1.0, -1.0
        own[candidate, candidate, candidate] = 0.0
    return np.concatenate([own, -own, results])


def compatible_ranks(scores: Array, compatible: Array) -> list[RankSet]:
    """Rank sets from the scores that all candidates have by compatible results of pairs.

    Args:
        scores: of every candidate, by the results as they are.
        compatible: (results, candidates).
    """
    size = scores.size
    sets = rank_sets(scores, np.zeros((size, size), dtype=bool))
    tolerance = TIED * np.abs(compatible).max(axis=1, initial=0.0)[:, None, None]
    lead = compatible[:, :, None] - compatible[:, None, :]  # (results, candidate, other)
    low = 1 + (lead < -tolerance).sum(axis=2).min(axis=0)
    high = size - (lead > tolerance).sum(axis=2).min(axis=0)
    return [
        RankSet(rank=found.rank, low=min(int(first), floor(found.rank)), high=max(int(last), ceil(found.rank)))
        for found, first, last in zip(sets, low, high, strict=True)
    ]


def with_unknown(sets: Sequence[RankSet], known: Sequence[bool]) -> list[RankSet]:
    """Rank sets of all candidates from those of the known ones: an unknown one may have any rank."""
    size, unknown = len(known), len(known) - len(sets)
    found = iter([replace(one, high=one.high + unknown) for one in sets])
    last = RankSet(rank=size - (unknown - 1) / 2, low=1, high=size)
    return [next(found) if is_known else last for is_known in known]
