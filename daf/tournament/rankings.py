"""Every ranking of the field, with rank sets: values, and methods on pairwise comparisons."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import nan
from typing import Annotated, Literal

import numpy as np

from daf.statistics.intervals import Array
from daf.statistics.records import Verdict
from daf.tournament import equilibria, ratings
from daf.tournament.preferences import PairTotals, Preferences
from daf.tournament.rank_sets import (
    RankSet,
    compatible_ranks,
    rank_sets,
    results_to_try,
    shown_by_verdicts,
    with_unknown,
)

Method = Literal["value", "elo", "openskill", "soft_condorcet", "maximal_lottery", "nash_average", "alpha_rank"]

METHODS: dict[Method, Callable[[PairTotals], Array]] = {
    "elo": ratings.elo,
    "soft_condorcet": ratings.soft_condorcet,
    "maximal_lottery": lambda pairs: equilibria.maximal_lottery(pairs.shares),
    "nash_average": lambda pairs: equilibria.nash_average(pairs.differences),
    "alpha_rank": lambda pairs: equilibria.alpha_rank(pairs.shares),
}
"""How to score the results of all pairs; rank sets say which scores are compatible with the data."""


@dataclass(frozen=True, kw_only=True)
class RankingRecord:
    """A candidate in one ranking."""

    method: Annotated[
        Method,
        "`value` (mean score), `elo`, `openskill`, `soft_condorcet`, `maximal_lottery`, `nash_average` or `alpha_rank`",
    ]
    use: Annotated[
        Literal["conclusion", "recognition"], "`recognition`: copies of a policy move it; draw no conclusions from it"
    ]
    policy: Annotated[str, "name of the candidate"]
    score: Annotated[float, "its score by that method; unknown if it was never compared with others"]
    low: Annotated[float, "the lowest score that is compatible with the data"] = nan
    high: Annotated[float, "the highest such score"] = nan
    rank: Annotated[float, "its rank, 1 is best; equal scores share a rank"]
    rank_low: Annotated[int, "best rank that is compatible with the data, for all candidates at once"]
    rank_high: Annotated[int, "worst such rank"]


def value_ranking(
    values: Sequence[tuple[str, float, float, float]], verdicts: Sequence[tuple[str, str, Verdict]]
) -> list[RankingRecord]:
    """The ranking by mean score.

    Args:
        values: candidates with mean, lower and upper bound.
        verdicts: on pairs of them, adjusted for their number.
    """
    policies = [policy for policy, *_ in values]
    scores = np.array([score for _, score, _, _ in values])
    sets = rank_sets(scores, shown_by_verdicts(policies, verdicts))
    return [
        _record("value", policy, (score, low, high), found)
        for (policy, score, low, high), found in zip(values, sets, strict=True)
    ]


def comparison_rankings(preferences: Preferences, level: float, num_resamples: int, seed: int) -> list[RankingRecord]:
    """The rankings by pairwise comparisons. OpenSkill depends on the order of games and has no rank sets."""
    rng = np.random.default_rng(seed)
    compared = preferences.totals.compared
    margins = [margin[np.ix_(compared, compared)] for margin in preferences.margins_of_error(level, num_resamples, rng)]
    totals = preferences.totals.of(compared)
    signs = results_to_try(totals.counts.shape[0], rng)
    results = [totals, *(totals.moved(*(sign * margin for margin in margins)) for sign in signs)]
    records = list[RankingRecord]()
    for method, score in METHODS.items():
        table = np.full((len(results), compared.size), nan)
        if compared.any():
            table[:, compared] = [score(pairs) for pairs in results]
        sets = with_unknown(compatible_ranks(table[0, compared], table[:, compared]), compared.tolist())
        records += [
            _record(method, policy, (float(column[0]), float(column.min()), float(column.max())), found)
            for policy, column, found in zip(preferences.policies, table.T, sets, strict=True)
        ]
    return records + _open_skill(preferences)


def _open_skill(preferences: Preferences) -> list[RankingRecord]:
    """OpenSkill; of a candidate that was never compared it would only give what it takes for granted of everybody."""
    found, compared = ratings.open_skill(preferences), preferences.totals.compared.tolist()
    known = [rating.ordinal for rating, is_known in zip(found, compared, strict=True) if is_known]
    sets = with_unknown(rank_sets(np.array(known), np.zeros((len(known), len(known)), dtype=bool)), compared)
    scores = [
        (rating.mu, rating.ordinal, rating.mu + 3 * rating.sigma) if is_known else (nan, nan, nan)
        for rating, is_known in zip(found, compared, strict=True)
    ]
    return [
        _record("openskill", policy, score, ranked)
        for policy, score, ranked in zip(preferences.policies, scores, sets, strict=True)
    ]


def _record(method: Method, policy: str, score: tuple[float, float, float], found: RankSet) -> RankingRecord:
    return RankingRecord(
        method=method, use="recognition" if method in ("elo", "openskill") else "conclusion", policy=policy,
        score=score[0], low=score[1], high=score[2], rank=found.rank, rank_low=found.low, rank_high=found.high,
    )  # fmt: skip
