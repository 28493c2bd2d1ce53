"""Which missions candidates have results on: where the answer of a tournament holds, and what it lacks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isfinite
from typing import Protocol

from daf.statistics.records import OVERALL
from daf.statistics.sentences import over
from daf.system.nouns import number_of
from daf.tournament.estimates import ValueRecord
from daf.tournament.line_ups import FailureRecord

MOST_NAMED = 3  # missions in a sentence


class Covered(Protocol):
    """What is needed here of `daf.tournament.results.TournamentResults`."""

    @property
    def values(self) -> tuple[ValueRecord, ...]: ...
    @property
    def failures(self) -> tuple[FailureRecord, ...]: ...
    @property
    def missions(self) -> list[str]: ...
    @property
    def place(self) -> str: ...


def known_missions(values: Iterable[ValueRecord], policy: str | None = None) -> list[str]:
    """The missions on which a candidate has a value; of None: on which any candidate has one."""
    return list(
        dict.fromkeys(
            value.mission
            for value in values
            if policy in (None, value.policy) and value.mission != OVERALL and value.seats is None
            and value.estimand == "checkpoints" and isfinite(value.mean)
        )
    )  # fmt: skip


def place_of_answer(missions: Sequence[str], values: Iterable[ValueRecord]) -> str:
    """Where an answer holds: over all missions, or on the only one with results."""
    known = known_missions(values)
    if len(known) == 1:
        return known[0]
    return missions[0] if len(missions) == 1 else OVERALL


def over_missions(results: Covered, counts: Iterable[int]) -> str:
    """'on m', 'over 3 missions', or 'over 2 of 3 missions'.

    Args:
        counts: the numbers of missions that figures cover.
    """
    if results.place != OVERALL:
        return f"on {results.place}"
    total = len(results.missions)
    return over([count for count in counts if count] or [total], total)


def shortfall(results: Covered, policy: str) -> str:
    """'results on 1 of 2 missions only', of a candidate without a value where the answer holds; empty: it has none."""
    known = known_missions(results.values, policy)
    return f"results on {len(known)} of {number_of(len(results.missions), 'mission')} only" if known else ""


def why_short(results: Covered, policy: str) -> str:
    """Why the candidate has no result on the other missions."""
    known = known_missions(results.values, policy)
    failing = {failure.mission for failure in results.failures}
    lacking = [mission for mission in results.missions if mission not in known]
    failed = [mission for mission in lacking if mission in failing]
    absent = [mission for mission in lacking if mission not in failing]
    reasons = [f"every episode with it failed on {_named(failed)}"] if failed else []
    return " and ".join([*reasons, *([f"it did not play on {_named(absent)}"] if absent else [])])


def has_failed(results: Covered, mission: str) -> bool:
    """Whether a candidate without a result on a mission, or on all, failed there; in a league it did not play."""
    return any(mission in (OVERALL, failure.mission) for failure in results.failures)


def _named(missions: Sequence[str]) -> str:
    return " and ".join(missions) if len(missions) <= MOST_NAMED else number_of(len(missions), "mission")
