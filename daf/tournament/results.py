"""Everything that a tournament found, from its scores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from daf.config import DAFTournamentConfig
from daf.config.tournament import REPLACEMENT
from daf.statistics.records import PairRecord
from daf.statistics.results import ComparisonResults
from daf.statistics.sentences import mirrored
from daf.statistics.sequential import EVERY_VERDICT, why_none_is_open
from daf.system.columns import make_frame, to_rows
from daf.system.nouns import number_of
from daf.system.plain import to_plain
from daf.system.shown import Shown, Table
from daf.tournament.comparisons import (
    InterimAnalysis,
    compare_candidates,
    compare_with_replacement,
    interim_analyses,
    leaders,
)
from daf.tournament.contributions import ContributionRecord, contribution_records
from daf.tournament.coverage import place_of_answer
from daf.tournament.cross_play import CrossPlayRecord, cross_play_records
from daf.tournament.estimates import SeatValueRecord, ValueRecord, seat_records, value_records
from daf.tournament.line_ups import (
    FailedPolicy,
    FailureRecord,
    LineUpRecord,
    failed_policies,
    failure_records,
    line_up_records,
)
from daf.tournament.preferences import preferences
from daf.tournament.rankings import RankingRecord, comparison_rankings, value_ranking
from daf.tournament.scores import MatchScores, scores_of_seats

if TYPE_CHECKING:
    import pandas as pd

FORMAT = "daf-tournament/1"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class TournamentResults(Shown):
    """What a tournament found. The records exist as tables under the names with `_table`.

    `print` gives the answer and the values, a notebook also tables; `daf.tournaments` draws, exports and reads results.

    Attributes:
        config: how the tournament was played and analyzed.
        values: every candidate by mission and number of seats.
        seat_values, contributions: by seat, and values also by role; empty for a league, which knows no seats.
        cross_play: the cells of the cross-play matrix.
        rankings: every candidate in every ranking, with rank sets; empty for a single candidate.
        over_replacement: the comparison of all candidates with the pool; None without one.
        candidates: the comparison of all pairs of candidates; None for a single one.
        analyses: the interim analyses of `episodes: auto`, or the only one.
        line_ups: who shared a team with how many seats, and how such teams scored.
        failures: failed episodes, with the policies that caused them.
        failed_policies: the same by policy.
        notes: what a reader needs to know.
        provenance: from what, and by which versions, they were computed.
    """

    config: DAFTournamentConfig
    values: tuple[ValueRecord, ...]
    seat_values: tuple[SeatValueRecord, ...]
    contributions: tuple[ContributionRecord, ...]
    cross_play: tuple[CrossPlayRecord, ...]
    rankings: tuple[RankingRecord, ...]
    over_replacement: ComparisonResults | None
    candidates: ComparisonResults | None
    analyses: tuple[InterimAnalysis, ...]
    line_ups: tuple[LineUpRecord, ...]
    failures: tuple[FailureRecord, ...]
    failed_policies: tuple[FailedPolicy, ...]
    notes: tuple[str, ...]
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def values_table(self) -> pd.DataFrame:
        return make_frame(ValueRecord, self.values)

    @cached_property
    def cross_play_table(self) -> pd.DataFrame:
        return make_frame(CrossPlayRecord, self.cross_play)

    @cached_property
    def contributions_table(self) -> pd.DataFrame:
        return make_frame(ContributionRecord, self.contributions)

    @cached_property
    def seat_values_table(self) -> pd.DataFrame:
        return make_frame(SeatValueRecord, self.seat_values)

    @cached_property
    def rankings_table(self) -> pd.DataFrame:
        return make_frame(RankingRecord, self.rankings)

    @cached_property
    def line_ups_table(self) -> pd.DataFrame:
        return make_frame(LineUpRecord, self.line_ups)

    @property
    def missions(self) -> list[str]:
        """Those that were played, in the order of the configuration."""
        return _in_order(self.config.missions, (record.mission for record in self.line_ups))

    @property
    def policies(self) -> list[str]:
        """The candidates, in the order of the configuration, also those without a result."""
        return _in_order(self.config.candidates, (*self.config.candidates, *(record.policy for record in self.values)))

    @property
    def unit(self) -> str:
        """The unit of all scores."""
        return "points" if "table" in self.provenance else "reward per agent"

    @property
    def place(self) -> str:
        """Where the answer holds: over all missions, or on the only one with results."""
        return place_of_answer(self.missions, self.values)

    @property
    def verdicts(self) -> list[PairRecord]:
        """On every candidate against the replacement, and on every pair of candidates; about these checkpoints."""
        found = [results for results in (self.over_replacement, self.candidates) if results is not None]
        return [record for results in found for record in results.headline_records("checkpoints")]

    @property
    def same_maps(self) -> bool:
        """Whether all candidates have scores on the same maps: then a pair has no more maps than each of the two."""
        own = {
            (record.policy, record.mission): record.n_maps for record in self.values
            if record.seats is None and record.estimand == "checkpoints"
        }  # fmt: skip
        return all(
            record.n_a == own.get((policy, record.mission), record.n_a)
            for record in self.verdicts for policy in (record.policy_a, record.policy_b)
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready data."""
        tables = (
            "values", "seat_values", "contributions", "cross_play", "rankings", "analyses", "line_ups", "failures",
            "failed_policies",
        )  # fmt: skip
        comparisons = {"over_replacement": self.over_replacement, "candidates": self.candidates}
        return {
            "format": FORMAT,
            "answer": self._headline(),
            "config": self.config.to_dict(),
            **{name: to_rows(getattr(self, name)) for name in tables},
            **{name: None if found is None else found.to_dict() for name, found in comparisons.items()},
            "notes": list(self.notes),
            "provenance": to_plain(dict(self.provenance)),
        }

    def _headline(self) -> str:
        from daf.tournament.answers import answer

        return answer(self).sentence

    def _tables(self) -> Iterable[Table]:
        from daf.tournament.answers import tables

        return tables(self)

    def __str__(self) -> str:
        from daf.tournament.answers import text

        return text(self)


def analyze_seats(
    seats: pd.DataFrame,
    config: DAFTournamentConfig,
    provenance: Mapping[str, Any] | None = None,
) -> TournamentResults:
    """Analyze a checked seats table (`daf.tournament.table`). Pure: the same table and config give the same results."""
    by_role = seat_records(seats, config.confidence_level, config.roles) if config.roles else []
    level, failures = config.confidence_level, failure_records(seats)
    return _analyze(
        scores_of_seats(seats),
        config,
        seats,
        seat_values=(*seat_records(seats, level), *by_role),
        contributions=tuple(contribution_records(seats, level)),
        failures=tuple(failures),
        failed_policies=tuple(failed_policies(seats, failures)),
        provenance=provenance or {},
    )


def analyze_scores(
    scores: MatchScores, config: DAFTournamentConfig, provenance: Mapping[str, Any] | None = None
) -> TournamentResults:
    """Analyze scores without seats, such as those of a league (`daf.tournament.league`)."""
    return _analyze(
        scores, config, None, seat_values=(), contributions=(), failures=(), failed_policies=(),
        provenance=provenance or {},
    )  # fmt: skip


def _analyze(
    scores: MatchScores, config: DAFTournamentConfig, seats: pd.DataFrame | None, **found: Any
) -> TournamentResults:
    """Everything that scores tell, together with what the seats told (`found`)."""
    level = config.confidence_level
    values = value_records(scores, config.weights, level)
    with_pool, candidates = compare_with_replacement(scores, config), compare_candidates(scores, config)
    of_question = with_pool if config.question == "replacement" else candidates
    analyses = tuple(interim_analyses(scores, config))
    return TournamentResults(
        config=config,
        values=tuple(values),
        cross_play=tuple(cross_play_records(scores, level)),
        rankings=tuple(_rankings(scores, config, values, candidates)),
        over_replacement=with_pool,
        candidates=candidates,
        analyses=analyses,
        line_ups=tuple(line_up_records(scores, level, seats)),
        notes=tuple(_notes(scores, config, analyses, of_question)),
        **found,
    )


def _in_order(declared: Sequence[str], names: Iterable[str]) -> list[str]:
    found = dict.fromkeys(names)
    return [*(name for name in declared if name in found), *(name for name in found if name not in declared)]


def _rankings(
    scores: MatchScores,
    config: DAFTournamentConfig,
    values: Sequence[ValueRecord],
    candidates: ComparisonResults | None,
) -> list[RankingRecord]:
    if candidates is None:
        return []
    place = place_of_answer(scores.missions, values)
    chosen = [
        (value.policy, value.mean, value.low, value.high)
        for value in values
        if (value.estimand, value.mission, value.seats) == ("checkpoints", place, None)
    ]
    records = candidates.headline_records("checkpoints")
    verdicts = [(record.policy_a, record.policy_b, record.verdict) for record in records]
    by_value = value_ranking(chosen, verdicts)
    return by_value + comparison_rankings(
        preferences(scores), config.confidence_level, config.num_resamples, config.seed
    )


def _notes(
    scores: MatchScores,
    config: DAFTournamentConfig,
    analyses: Sequence[InterimAnalysis],
    of_question: ComparisonResults | None,
) -> list[str]:
    """What a reader needs to know.

    Args:
        of_question: the comparison that answers the declared question.
    """
    notes = []
    if scores.failed_episodes:
        failed = scores.failed_episodes
        notes.append(f"{number_of(failed, 'episode')} failed and {'counts' if failed == 1 else 'count'} in no figure.")
    if config.episodes == "auto" and analyses and analyses[-1].done:
        last = analyses[-1]
        why = "the maximum was reached" if last.unsettled else _why_settled(config, of_question)
        notes.append(
            f"Episodes were added until {why}: {last.episodes} per match. The interim analyses share the "
            f"{100 * (1 - config.confidence_level):.3g} % chance of a false verdict."
        )
    return notes


def _why_settled(config: DAFTournamentConfig, of_question: ComparisonResults | None) -> str:
    """Why no more episodes are needed: there are verdicts, or more would not help."""
    from daf.tournament.answers import pool_named

    if of_question is None:
        return "the question was settled"
    records = of_question.headline_records("checkpoints")
    if config.question == "order":
        first = leaders(of_question, config.first)
        records = [record for record in records if {record.policy_a, record.policy_b} & first]
    pool_last = [mirrored(record) if record.policy_a == REPLACEMENT else record for record in records]
    failed = [policy for policy in config.candidates if policy not in of_question.policies]
    why = why_none_is_open(of_question, pool_last, failed)
    return "the question was settled" if why == EVERY_VERDICT else pool_named(why)
