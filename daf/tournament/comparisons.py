"""Verdicts on candidates: against the replacement, and against each other; and when more episodes are not needed.

Every map's contribution to a candidate's value is one unit of a comparison (`daf.statistics.comparison`), with its
tests, Holm's correction, equivalence and cautions. Interim analyses share the chance of a false verdict as those of
comparisons do (`daf.statistics.sequential`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations

from daf.config import DAFComparisonConfig, DAFTournamentConfig
from daf.config.tournament import REPLACEMENT
from daf.statistics.comparison import compare_episodes
from daf.statistics.records import OVERALL
from daf.statistics.results import ComparisonResults
from daf.statistics.sequential import spent_levels, unsettled_pairs
from daf.tournament.matches import batches_of_episodes, interim_sizes
from daf.tournament.scores import MatchScores
from daf.tournament.units import MapUnits, on_common_maps, replacement_units, units_frame, value_units


def compare_with_replacement(
    scores: MatchScores, config: DAFTournamentConfig, confidence_level: float | None = None
) -> ComparisonResults | None:
    """Every candidate against teams from the pool alone; None: the pool played no match alone."""
    units = _candidate_units(scores, config)
    pool = {(REPLACEMENT, mission): replacement_units(scores, mission) for mission in scores.missions}
    present = {place: found for place, found in pool.items() if found is not None}
    if not present or not units:
        return None
    return _compare(units | present, config, confidence_level, reference=REPLACEMENT)


def compare_candidates(
    scores: MatchScores, config: DAFTournamentConfig, confidence_level: float | None = None
) -> ComparisonResults | None:
    """Every pair of candidates, by their values; None: there is only one candidate."""
    units = _candidate_units(scores, config)
    return _compare(units, config, confidence_level) if len({policy for policy, _ in units}) > 1 else None


def _candidate_units(scores: MatchScores, config: DAFTournamentConfig) -> dict[tuple[str, str], MapUnits]:
    found = {
        (policy, mission): value_units(scores, policy, mission, config.weights)
        for policy in scores.candidates
        for mission in scores.missions
    }
    return {place: units for place, units in found.items() if units is not None}


def _compare(
    units: dict[tuple[str, str], MapUnits],
    config: DAFTournamentConfig,
    confidence_level: float | None,
    reference: str | None = None,
) -> ComparisonResults:
    for mission in dict.fromkeys(mission for _, mission in units):
        places = [place for place in units if place[1] == mission]
        units = units | dict(zip(places, on_common_maps([units[place] for place in places]), strict=True))
    settings = {
        "policies": list(dict.fromkeys(policy for policy, _ in units)),
        "missions": list(dict.fromkeys(mission for _, mission in units)),
        "reference": reference,
        "confidence_level": confidence_level or config.confidence_level,
        "num_resamples": config.num_resamples,
        "equivalence_margin": config.equivalence_margin,
        "seed": config.seed,
        "evaluation_seed": config.evaluation_seed,
    }
    return compare_episodes(units_frame(units), DAFComparisonConfig.from_labels(settings, source="tournament"))


# ---- when to stop -----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class InterimAnalysis:
    """Whether the declared question is settled after a number of episodes per match.

    Attributes:
        unsettled: pairs that more episodes may still decide.
        done: nothing is unsettled, or the maximum is reached.
    """

    episodes: int
    confidence_level: float
    unsettled: tuple[str, ...]
    done: bool


def interim_analyses(scores: MatchScores, config: DAFTournamentConfig) -> Iterator[InterimAnalysis]:
    """The interim analyses that the episodes reach, until the question is settled."""
    sizes = interim_sizes(config)
    reached = 1 + max((row.episode for row in scores.rows), default=-1)
    for size, level in zip(sizes, spent_levels(sizes, config.confidence_level), strict=True):
        if size > reached:
            return
        left = tuple(unsettled(scores.up_to(size), config, level))
        done = not left or size == sizes[-1]
        yield InterimAnalysis(episodes=size, confidence_level=level, unsettled=left, done=done)
        if done:
            return


def play_until_settled(
    play: Callable[[int, int], MatchScores], config: DAFTournamentConfig
) -> tuple[MatchScores, list[InterimAnalysis]]:
    """Play batches of episodes until the question is settled or the maximum is reached.

    Args:
        play: plays episodes first … stop - 1 of every match.
    """
    scores, analyses = MatchScores(()), list[InterimAnalysis]()
    for episodes in batches_of_episodes(config):
        batch = play(episodes.start, episodes.stop)
        scores = MatchScores((*scores.rows, *batch.rows), scores.failed_episodes + batch.failed_episodes)
        analyses = list(interim_analyses(scores, config))
        if analyses and analyses[-1].done:
            break
    return scores, analyses


def unsettled(scores: MatchScores, config: DAFTournamentConfig, confidence_level: float) -> list[str]:
    """Pairs on which the answer to the declared question depends, and that more episodes may still decide."""
    if config.question == "replacement":
        results = compare_with_replacement(scores, config, confidence_level)
        if results is None:  # nothing settles a comparison that has no scores yet
            return [_pair(candidate, REPLACEMENT) for candidate in config.candidates]
        return [_pair(r.policy_a, r.policy_b) for r in unsettled_pairs(results)]
    results = compare_candidates(scores, config, confidence_level)
    if results is None:
        return [_pair(a, b) for a, b in combinations(config.candidates, 2)]
    first = leaders(results, config.first)
    return [_pair(r.policy_a, r.policy_b) for r in unsettled_pairs(results) if {r.policy_a, r.policy_b} & first]


def leaders(results: ComparisonResults, count: int) -> set[str]:
    """The candidates with the highest means."""
    overall = {record.policy: record.mean for record in results.summary if record.mission == OVERALL}
    return set(sorted(overall, key=lambda policy: -overall[policy])[:count])


def _pair(a: str, b: str) -> str:
    """'a and b', or 'a and the pool'."""
    return f"{b if a == REPLACEMENT else a} and {'the pool' if REPLACEMENT in (a, b) else b}"
