"""Which seats the policies of a team take: designs in which every policy plays every seat equally often.

A seating is a tuple with the number of a policy for every seat. A *complete* design contains all of them. Where these
are too many, a *pairwise balanced* one (a balanced incomplete block design: every pair of seats is held together
equally often) or a *seat balanced* one (every policy holds every seat equally often) takes its place. Both consist of
orbits: all rotations of a seating, of all seats or of all but the last (Bose 1939).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from math import factorial, gcd, prod
from typing import Literal

from daf.errors import BadInputError
from daf.system.nouns import number_of

Seating = tuple[int, ...]
Balance = Literal["complete", "pairwise balanced", "seat balanced"]

MOST_SEARCHED = 1_000  # seatings of two policies among which a pairwise balanced design is searched
MOST_ORBITS = 2  # of such a design


@dataclass(frozen=True, kw_only=True)
class SeatDesign:
    """Distinct seatings of the same policies, and what they balance."""

    seatings: tuple[Seating, ...]
    balance: Balance


def num_seatings(counts: Sequence[int]) -> int:
    """The number of different seatings of policies that play `counts` seats."""
    return factorial(sum(counts)) // prod(factorial(count) for count in counts)


@lru_cache(maxsize=1_000)
def balanced_seatings(counts: tuple[int, ...], limit: int | None = None) -> SeatDesign:
    """A balanced design of at most `limit` seatings; default: twice the number of seats.

    Args:
        counts: seats of every policy.

    Raises:
        BadInputError: no balanced design is that small.
    """
    size = sum(counts)
    most = 2 * size if limit is None else limit
    if num_seatings(counts) <= most:
        return SeatDesign(seatings=tuple(_all_seatings(counts)), balance="complete")
    if (design := _pairwise_balanced(counts, most)) is not None:
        return SeatDesign(seatings=design, balance="pairwise balanced")
    smallest = size // gcd(*counts)
    if most < smallest:
        found = f"{limit} for {'-'.join(map(str, counts))} of {number_of(size, 'seat')}"
        raise BadInputError(
            f"{smallest} or more seatings, so that every policy plays every seat equally often", found, "seatings",
            "raise `seatings`, set it to auto, or draw seats with `seats: random`",
        )  # fmt: skip
    return SeatDesign(seatings=_seat_balanced(counts, most), balance="seat balanced")


def _all_seatings(counts: Sequence[int]) -> Iterator[Seating]:
    """All of them, in lexicographic order."""
    if not any(counts):
        yield ()
        return
    for policy, count in enumerate(counts):
        if count:
            rest = [other - (number == policy) for number, other in enumerate(counts)]
            for seating in _all_seatings(rest):
                yield (policy, *seating)


def _orbit(seating: Seating, fixed: int) -> frozenset[Seating]:
    """All rotations of a seating, without the last `fixed` seats."""
    moving, rest = seating[: len(seating) - fixed], seating[len(seating) - fixed :]
    return frozenset((*moving[shift:], *moving[:shift], *rest) for shift in range(len(moving)))


def _pairwise_balanced(counts: Sequence[int], limit: int) -> tuple[Seating, ...] | None:
    """The smallest design of few orbits in which two policies hold every pair of seats equally often; None: none."""
    if len(counts) != 2 or num_seatings(counts) > MOST_SEARCHED:
        return None
    best: frozenset[Seating] | None = None
    for fixed in (0, 1):
        orbits = sorted({_orbit(seating, fixed) for seating in _all_seatings(counts)}, key=lambda one: sorted(one))
        small = [orbit for orbit in orbits if len(orbit) <= limit]
        pairs = [_pair_counts(orbit) for orbit in small]
        for count in range(1, MOST_ORBITS + 1):
            for chosen in combinations(range(len(small)), count):
                size = sum(len(small[number]) for number in chosen)
                if size > limit or (best is not None and size >= len(best)):
                    continue
                if len(set(map(sum, zip(*(pairs[number] for number in chosen), strict=True)))) == 1:
                    best = frozenset[Seating]().union(*(small[number] for number in chosen))
    return None if best is None else tuple(sorted(best))


def _pair_counts(seatings: Iterable[Seating]) -> tuple[int, ...]:
    """How often the first policy holds each pair of seats; if it has one seat only, how often it holds each."""
    held = [[policy == 0 for policy in seating] for seating in seatings]
    seats = range(len(held[0]))
    pairs = tuple(sum(one[a] and one[b] for one in held) for a, b in combinations(seats, 2))
    return pairs if any(pairs) else tuple(sum(one[seat] for one in held) for seat in seats)


def _seat_balanced(counts: Sequence[int], limit: int) -> tuple[Seating, ...]:
    """Rotations of one seating that spreads every policy: as many as there are seats, or the fewest possible."""
    size = sum(counts)
    parts = gcd(*counts)
    if limit >= size and parts > 1:
        # The policies' seats next to one another, so that all rotations differ.
        seating = tuple(policy for policy, count in enumerate(counts) for _ in range(count))
    else:
        block = _spread([count // parts for count in counts])
        seating = block * parts
    return tuple(sorted(_orbit(seating, 0)))


def _spread(counts: Sequence[int]) -> Seating:
    """A seating in which the seats of each policy are far apart: the policy that lags most takes the next seat."""
    size, taken, seating = sum(counts), Counter[int](), list[int]()
    for place in range(1, size + 1):
        lag = [count * place / size - taken[policy] for policy, count in enumerate(counts)]
        policy = lag.index(max(lag))
        taken[policy] += 1
        seating.append(policy)
    return tuple(seating)
