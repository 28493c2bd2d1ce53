"""Preferences between candidates: which of two does better in the same place, on the same map.

Two candidates are compared in matches that differ only in which of them plays: where a team contains `a`, the same team
with `b` in its seats is looked up, on the same map, with the scores of all seatings averaged. In a team of both, their
seats are exchanged: `a` with 3 seats beside `b` is compared with `b` with 3 seats beside `a`. Teams with further
candidates count only if there are no others, so that copies of a third candidate do not count as further evidence.

Every map has one vote per pair: the share of such comparisons that `a` wins, ties counting half.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from daf.statistics.intervals import ROUNDING, Array
from daf.tournament.scores import MatchScores, Member, Party

Place = tuple[str, int]
"""A mission and an environment seed."""


@dataclass(frozen=True, eq=False)
class PairTotals:
    """What all maps say about every pair (a, b).

    Attributes:
        shares: how often a wins; NaN: never compared.
        differences: by how much, in scores.
        counts: the number of maps that compare them.
    """

    shares: Array
    differences: Array
    counts: Array

    @property
    def compared(self) -> NDArray[np.bool_]:
        """Which candidates were compared with any other."""
        return np.asarray(self.counts.sum(axis=1) > 0)

    def of(self, chosen: NDArray[np.bool_]) -> PairTotals:
        """The pairs of some candidates."""
        pairs = np.ix_(chosen, chosen)
        return PairTotals(shares=self.shares[pairs], differences=self.differences[pairs], counts=self.counts[pairs])

    def moved(self, shares: Array, differences: Array) -> PairTotals:
        """The same, with the result of a against b better (or, if negative, worse) by these antisymmetric margins."""
        return PairTotals(
            shares=(self.shares + shares).clip(0.0, 1.0), differences=self.differences + differences, counts=self.counts
        )


@dataclass(frozen=True, eq=False)
class Preferences:
    """Votes of maps about pairs of candidates.

    Attributes:
        policies: the candidates, in order of appearance.
        missions: by map the number of its mission.
        wins: (maps, a, b): the share of comparisons that a wins; NaN: none.
        gaps: (maps, a, b): the mean difference of scores.
    """

    policies: tuple[str, ...]
    missions: NDArray[np.int64]
    wins: Array
    gaps: Array

    @cached_property
    def totals(self) -> PairTotals:
        """Means over missions of the means over maps."""
        once = np.ones((1, len(self.missions)))
        counts = (~np.isnan(self.wins)).sum(axis=0).astype(np.float64)
        return PairTotals(shares=self._means(self.wins, once)[0], differences=self._means(self.gaps, once)[0],
                          counts=counts)  # fmt: skip

    def _means(self, values: Array, signs: Array) -> Array:
        """(flips, a, b): means over missions of the means over maps, with the maps' signs in every flip."""
        known = ~np.isnan(values)
        filled = np.where(known, values, 0.0)
        total, missions = np.zeros((len(signs), *values.shape[1:])), np.zeros(values.shape[1:])
        for mission in np.unique(self.missions):
            here = self.missions == mission
            counts = known[here].sum(axis=0)
            total += np.tensordot(signs[:, here], filled[here], axes=1) / np.maximum(counts, 1)
            missions += counts > 0
        return np.asarray(np.where(missions > 0, total / np.maximum(missions, 1.0), np.nan))

    def margins_of_error(self, level: float, count: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """By how much the shares and differences of all pairs at once may deviate from those of equals, at a level.

        From `count` sign flips: if candidates are equal, each map's votes are as likely the other way round. All votes
        of a map are flipped together, which keeps their dependence. The margin is the level's quantile of the largest
        standardized deviation of any pair, times the pair's standard error among equals.
        """
        signs = rng.choice((-1.0, 1.0), (count, len(self.missions)))
        shares, differences = (
            _simultaneous(np.nan_to_num(self._means(values, signs)), level) for values in (self.wins - 0.5, self.gaps)
        )
        return shares, differences


def _simultaneous(deviations: Array, level: float) -> Array:
    """The margin of every pair, so that all hold together."""
    errors = np.sqrt((deviations**2).mean(axis=0))
    largest = (np.abs(deviations) / np.where(errors > 0, errors, np.inf)).max(axis=(1, 2))
    return np.asarray(np.quantile(largest, level, method="higher") * errors)


def preferences(scores: MatchScores) -> Preferences:
    """The votes of all maps about all pairs of candidates."""
    policies = scores.candidates
    candidates = {(policy, False) for policy in policies}
    means = _means(scores)
    places = sorted({place for place, *_ in means})
    row = {place: number for number, place in enumerate(places)}
    shape = (len(places), len(policies), len(policies))
    totals = {kind: (np.zeros(shape), np.zeros(shape), np.zeros(shape)) for kind in (True, False)}
    for (place, party, policy), score in means.items():
        a = policies.index(policy)
        third = {member for member, _ in party if member in candidates} - {(policy, False)}
        for b, other in enumerate(policies):
            rival = means.get((place, _exchanged(party, (policy, False), (other, False)), other))
            if b == a or rival is None:
                continue
            wins, gaps, counts = totals[third <= {(other, False)}]
            gap = score - rival
            tied = abs(gap) <= ROUNDING * max(abs(score), abs(rival))
            wins[row[place], a, b] += 0.5 if tied else float(gap > 0)
            gaps[row[place], a, b] += 0.0 if tied else gap
            counts[row[place], a, b] += 1
    direct = totals[True][2].sum(axis=0) > 0
    wins, gaps, counts = (
        np.where(direct, with_both, rest) for with_both, rest in zip(totals[True], totals[False], strict=True)
    )
    with np.errstate(invalid="ignore"):
        return Preferences(
            policies=tuple(policies),
            missions=np.array([scores.missions.index(mission) for mission, _ in places]),
            wins=wins / np.where(counts > 0, counts, np.nan),
            gaps=gaps / np.where(counts > 0, counts, np.nan),
        )


def _means(scores: MatchScores) -> dict[tuple[Place, Party, str], float]:
    """The mean score of every candidate by map and party, over seatings and training seeds."""
    found: dict[tuple[Place, Party, str], list[float]] = {}
    for row in scores.rows:
        if not row.in_pool:
            party = scores.parties[row.mission, row.match, row.episode]
            found.setdefault(((row.mission, row.env_seed), party, row.policy), []).append(row.score)
    return {key: sum(values) / len(values) for key, values in found.items()}


def _exchanged(party: Party, a: Member, b: Member) -> Party:
    """The same party with the names of a and b exchanged."""
    names = {a: b, b: a}
    return tuple(sorted((names.get(member, member), seats) for member, seats in party))
