"""What a tournament found, in sentences: the answer, what it holds for, and how much more would settle what is open."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, isfinite
from typing import Literal, Protocol

from daf.config import DAFTournamentConfig
from daf.config.tournament import REPLACEMENT
from daf.statistics.levels import alpha_of
from daf.statistics.records import OVERALL, Estimand, PairRecord, Verdict
from daf.statistics.results import ComparisonResults
from daf.statistics.sentences import mirrored, number, span, why_undecided
from daf.statistics.sequential import SETTLED, unsettled_pairs
from daf.statistics.verdicts import missing_units
from daf.system.nouns import number_of
from daf.system.shown import MOST_ROWS, Table
from daf.tournament.coverage import Covered, known_missions, over_missions, shortfall, why_short
from daf.tournament.estimates import ValueRecord
from daf.tournament.line_ups import FailedPolicy
from daf.tournament.rankings import RankingRecord

Status = Literal["better", "worse", "equivalent", "undecided", "insufficient data", "failed", ""]
STATUSES: Mapping[Verdict, Status] = {
    "better": "better", "worse": "worse", "equivalent": "equivalent", "inconclusive": "undecided",
    "insufficient data": "insufficient data",
}  # fmt: skip
MOST_NAMED = 3  # policies in a sentence
FOR_POWER = 2.04  # ((1.96 + 0.84) / 1.96)^2: times the maps whose interval ends at 0, for a power of 80 %
MOST_TIMES = 1_000  # as many maps: beyond that, a number would say nothing


class Found(Covered, Protocol):
    """What an answer needs of `daf.tournament.results.TournamentResults`."""

    @property
    def config(self) -> DAFTournamentConfig: ...
    @property
    def rankings(self) -> tuple[RankingRecord, ...]: ...
    @property
    def over_replacement(self) -> ComparisonResults | None: ...
    @property
    def candidates(self) -> ComparisonResults | None: ...
    @property
    def failed_policies(self) -> tuple[FailedPolicy, ...]: ...
    @property
    def notes(self) -> tuple[str, ...]: ...
    @property
    def policies(self) -> list[str]: ...
    @property
    def unit(self) -> str: ...


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The answer in a sentence.

    Attributes:
        status: the verdict on all candidates, if it is the same; else undecided, or empty.
        claim: what the sentence holds for; empty if there is nothing to add.
    """

    status: Status
    sentence: str
    claim: str = ""


@dataclass(frozen=True, kw_only=True)
class OpenPair:
    """A pair that more episodes may decide.

    Attributes:
        record: the one that scores more as policy_a.
        maps: about how many maps would show a difference as large as that seen; None: unknown, or too many.
        sentence: all of it in words.
    """

    record: PairRecord
    maps: int | None
    sentence: str


# ---- what the answer is made from -------------------------------------------------------------------------


def value_of(
    results: Found,
    policy: str,
    *,
    mission: str | None = None,
    seats: int | None = None,
    estimand: Estimand = "checkpoints",
) -> ValueRecord | None:
    """The value of a candidate; by default where the answer holds, with all numbers of seats."""
    place = (policy, mission or results.place, seats, estimand)
    return next((one for one in results.values if (one.policy, one.mission, one.seats, one.estimand) == place), None)


def in_order(results: Found) -> list[str]:
    """The candidates by value, highest first; those without a result last."""

    def key(policy: str) -> float:
        found = value_of(results, policy)
        return -found.mean if found is not None and isfinite(found.mean) else float("inf")

    return sorted(results.policies, key=key)


def against_pool(
    results: Found, estimand: Estimand = "checkpoints", mission: str | None = None
) -> dict[str, PairRecord]:
    """By candidate, its record against teams from the pool alone; empty without them."""
    found = results.over_replacement
    if found is None:
        return {}
    place = mission or results.place
    records = found.headline_records(estimand, overall_only=place == OVERALL, policy=REPLACEMENT)
    chosen = [record for record in records if record.mission == place]
    seen = [record if record.policy_b == REPLACEMENT else mirrored(record) for record in chosen]
    return {record.policy_a: record for record in seen}


def ranks(results: Found, method: str = "value") -> dict[str, RankingRecord]:
    """By candidate, its rank by a method."""
    return {record.policy: record for record in results.rankings if record.method == method}


# ---- the answer -------------------------------------------------------------------------------------------


def answer(results: Found) -> Answer:
    """Which candidates are better than the pool, or else which are first, and whether that is sure."""
    known = [policy for policy in in_order(results) if (own := value_of(results, policy)) and isfinite(own.mean)]
    if not known and known_missions(results.values):
        where = number_of(len(results.missions), "mission")
        sentence = f"There is no answer over {where}: no candidate has complete results on more than one."
        return Answer(status="insufficient data", sentence=sentence)
    if not known:
        return Answer(status="failed", sentence="No candidate has a result: every episode failed.")
    by_pool = {policy: record for policy, record in against_pool(results).items() if policy in known}
    if not by_pool:
        status, sentence = _first(results, known)
        return Answer(status=status, sentence=sentence, claim=_claim(results))
    groups: dict[Verdict, list[str]] = {}
    for policy in known:
        if policy in by_pool:
            groups.setdefault(by_pool[policy].verdict, []).append(policy)
    is_settled = bool({"better", "worse", "equivalent"} & groups.keys())
    status = STATUSES[next(iter(groups))] if len(groups) == 1 else "" if is_settled else "undecided"
    sentence = _of_one(results, *by_pool.values()) if len(by_pool) == 1 else _of_several(
        results, groups, over_missions(results, (record.n_missions for record in by_pool.values()))
    )  # fmt: skip
    claim = " ".join(filter(None, (_beside_zero(results, by_pool), _claim(results))))
    return Answer(status=status, sentence=sentence, claim=claim)


def _beside_zero(results: Found, by_pool: Mapping[str, PairRecord]) -> str:
    """Why candidates are undecided whose intervals exclude 0; empty if there are none."""
    level = results.config.confidence_level
    names = [policy for policy, record in by_pool.items() if why_undecided(record, level)]
    if not names:
        return ""
    whose = _listed(names, len(by_pool))
    begin = f"The interval of {whose} excludes" if len(names) == 1 else f"The intervals of {whose} exclude"
    return f"{begin} 0, but a verdict needs more maps."


def _of_one(results: Found, record: PairRecord) -> str:
    """The answer about a single candidate, with the size of the difference."""
    name, where = record.policy_a, over_missions(results, [record.n_missions])
    bounds = f"{_level(results)} interval {span(record.interval_low, record.interval_high)}"
    size = f"{number(abs(record.difference))} {results.unit}"
    if record.verdict in ("better", "worse"):
        more = "more" if record.verdict == "better" else "less"
        return f"{name} is worth {size} {more} than the pool that it replaces {where} ({bounds})."
    if record.verdict == "equivalent":
        return f"{name} is worth the same as the pool that it replaces {where}{_within(results)} ({bounds})."
    if record.verdict == "inconclusive":
        seen = f"it scores {size} {'more' if record.difference >= 0 else 'less'} ({bounds})"
        return f"It is undecided whether {name} is worth more than the pool that it replaces {where}: {seen}."
    return f"The data allow no verdict on {name} against the pool {where}: {record.reason}."


def _of_several(results: Found, groups: Mapping[Verdict, Sequence[str]], where: str) -> str:
    """'a and b are worth more than the pool that they replace on m, c less; d is undecided. …'"""
    total = sum(map(len, groups.values()))
    wordings: tuple[tuple[Verdict, str], ...] = (
        ("better", "more than"), ("worse", "less than"), ("equivalent", f"the same{_within(results)} as"),
    )  # fmt: skip
    settled = [
        (_listed(groups[verdict], total), words, len(groups[verdict]) == 1)
        for verdict, words in wordings
        if verdict in groups
    ]  # fmt: skip
    open_ = [name for verdict in ("inconclusive", "insufficient data") for name in groups.get(verdict, ())]
    parts = []
    for place, (names, words, is_one) in enumerate(settled):
        pool = f"the pool that {'it replaces' if is_one else 'they replace'} {where}" if place == 0 else "it"
        parts.append(f"{names} {'is' if is_one else 'are'} worth {words} {pool}")
    if open_ and not parts:
        every = "any candidate" if len(open_) == total else _listed(open_, total)
        sentence = f"It is undecided whether {every} is worth more than the pool {where}"
    else:
        sentence = ", ".join(parts)
        sentence += f"; {_listed(open_, total)} {'is' if len(open_) == 1 else 'are'} undecided" if open_ else ""
    return f"{sentence[0].upper() if sentence.startswith(('all', 'it')) else sentence[0]}{sentence[1:]}."


def _first(results: Found, known: Sequence[str]) -> tuple[Status, str]:
    """Which candidate has the highest value, and which others may be first too."""
    own = value_of(results, known[0])
    assert own is not None
    interval = _interval(results, own)
    mean = f"{number(own.mean)} {results.unit}{', ' if isfinite(own.low) else ' '}{interval}"
    where = over_missions(results, [len(known_missions(results.values, known[0]))])
    if len(known) == 1:
        return "", f"{known[0]} scores {number(own.mean)} {results.unit} {where} ({interval})."
    sets = ranks(results)
    also = [policy for policy in known[1:] if policy in sets and sets[policy].rank_low == 1]
    if not also:
        return "better", f"{known[0]} is worth more than every other candidate {where} ({mean})."
    others = f"{_listed(also, len(known))} may be first as well" if len(also) < len(known) - 1 else (
        "but every other candidate may be first as well" if len(also) > 1 else f"but {also[0]} may be first as well"
    )  # fmt: skip
    return "undecided", f"{known[0]} has the highest value {where} ({mean}), {others}."


def _interval(results: Found, own: ValueRecord) -> str:
    """The interval of a value, or why there is none."""
    if isfinite(own.low):
        return f"{_level(results)} interval {span(own.low, own.high)}"
    if own.n_maps == 1:
        return "from one map, so there is no interval"
    return f"without an interval: {own.method.removeprefix('insufficient data: ')}"


def _claim(results: Found) -> str:
    """What the answer holds for, and what it lacks."""
    covered = known_missions(results.values)
    empty = [mission for mission in results.missions if mission not in covered]
    short = [policy for policy in results.policies if value_of(results, policy) is None and shortfall(results, policy)]
    sentences = [_claim_of_weights(results)]
    if empty:
        sentences.append(f"No candidate has a result on {_enumerated(empty, 'mission')}.")
    if short:
        sentences.append(f"Left out for lack of results on some missions: {_enumerated(short, 'candidate')}.")
    return " ".join(filter(None, sentences))


def _enumerated(names: Sequence[str], noun: str) -> str:
    return _listed(names, len(names)) if len(names) <= MOST_NAMED else number_of(len(names), noun)


def _claim_of_weights(results: Found) -> str:
    found = results.over_replacement or results.candidates
    if found is None or not any(record.trained for record in found.summary):
        return ""
    if found.estimand["recipes"]["answered"]:
        return "This holds for exactly these weights; “These recipes” answers for training them again."
    return "This holds for exactly these weights. Whether training again would give the same is not answered."


def _within(results: Found) -> str:
    margin = results.config.equivalence_margin
    return "" if margin is None else f" (within ±{number(margin)})"


def _level(results: Found) -> str:
    return f"{100 * results.config.confidence_level:.4g} %"


def _listed(names: Sequence[str], total: int) -> str:
    """'a, b and c', '5 of 8 candidates', or 'all 8 candidates'."""
    if len(names) > MOST_NAMED:
        return f"all {total} candidates" if len(names) == total else f"{len(names)} of {total} candidates"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


# ---- what is open -----------------------------------------------------------------------------------------


def open_pairs(results: Found) -> list[OpenPair]:
    """The pairs that more episodes may decide: candidates with the pool first, the largest differences first."""
    pairs = []
    for found in (results.over_replacement, results.candidates):
        records = [] if found is None else unsettled_pairs(found)
        ahead = [record if not record.difference < 0 else mirrored(record) for record in records]
        ahead.sort(key=lambda record: -record.difference if isfinite(record.difference) else 0.0)
        pairs += [_open_pair(record, alpha_of(results.config.confidence_level)) for record in ahead]
    return pairs


def _open_pair(record: PairRecord, alpha: float) -> OpenPair:
    a, b = (pool_named(name) for name in (record.policy_a, record.policy_b))
    half, size = (record.interval_high - record.interval_low) / 2, abs(record.difference)
    seen = f"{a} and {b} differ by {number(size)} ({span(record.interval_low, record.interval_high)})"
    maps, had = None, record.n_a or 0
    least = had + missing_units(record, alpha / max(1, record.n_tests))  # with fewer, nothing has a verdict
    if record.verdict in SETTLED:
        return OpenPair(
            record=record, maps=None, sentence=f"{seen}; more maps would confirm it: {pool_named(record.caution)}."
        )
    if record.more_needed is not None and record.n_needed is not None:
        maps = max(record.n_needed, least)
        more = f"{maps:,} maps would show a difference of the declared margin" if maps > had else "the test is stricter"
    elif not isfinite(half) or half <= 0 or not had:
        more = record.reason or "the number of maps that would settle it is unknown"
    elif size * MOST_TIMES**0.5 < half:
        more = "they score so much alike that only a declared `equivalence_margin` could settle it"
    else:
        maps = max(had + 1, least, ceil(had * FOR_POWER * (half / size) ** 2))
        more = f"about {_rounded(maps):,} maps instead of {had:,} would show a difference of this size"
    caution = f"; {pool_named(record.caution)}" if record.caution else ""
    return OpenPair(record=record, maps=maps, sentence=f"{seen}: {more}{caution}.")


def _rounded(count: int) -> int:
    """Two digits: the third means nothing."""
    step: int = 10 ** max(0, len(str(count)) - 2)
    return step * ceil(count / step)


def mean_value(own: ValueRecord) -> str:
    """'3.5 (3.4 to 3.8)', or '3.5, no interval'."""
    return _with_interval(number(own.mean), own.low, own.high)


def value_over_pool(own: ValueRecord) -> str:
    return _with_interval(f"{number(own.over_replacement)} over the pool", own.over_low, own.over_high)


def _with_interval(text: str, low: float, high: float) -> str:
    return f"{text} ({span(low, high)})" if isfinite(low) and isfinite(high) else f"{text}, no interval"


def pool_named(text: str) -> str:
    """A name or a text of a comparison, with the pool as people call it."""
    return re.sub(rf"(?<![\w.-]){REPLACEMENT}(?![\w-]|\.\w)", "the pool", text)  # not a part of another's name


# ---- for terminals and notebooks --------------------------------------------------------------------------


def tables(results: Found) -> Iterator[Table]:
    """Values, rankings and notes."""
    order, pool, places = in_order(results), against_pool(results), ranks(results)
    rows = [_row(results, policy, pool.get(policy), places.get(policy)) for policy in order[:MOST_ROWS]]
    level = f"{_level(results)} interval"
    headings = ("candidate", "mean", level, *(("over the pool", level, "verdict") if pool else ()), "rank set")
    yield Table(title=f"values, in {results.unit}", columns=headings, rows=rows, total=len(order))
    if results.failed_policies:
        yield Table.of("failed episodes", results.failed_policies)
    if results.notes:
        notes = [(note,) for note in results.notes]
        yield Table(title="notes", columns=("",), rows=notes[:MOST_ROWS], total=len(notes))


def _row(results: Found, policy: str, pool: PairRecord | None, rank: RankingRecord | None) -> tuple[object, ...]:
    own = value_of(results, policy)
    lack = shortfall(results, policy) or "failed"
    mean = (lack, "") if own is None else (number(own.mean), span(own.low, own.high))
    ranked = "" if rank is None else f"{rank.rank_low} to {rank.rank_high}"
    if results.over_replacement is None:
        return (policy, *mean, ranked)
    over = ("", "", "")
    if own is not None and pool is not None:
        over = number(own.over_replacement), span(own.over_low, own.over_high), STATUSES[pool.verdict]
    return (policy, *mean, *over, ranked)


def text(results: Found) -> str:
    """What `print` writes."""
    found = answer(results)
    lines = [found.sentence, *([found.claim] if found.claim else []), "", "Values"]
    for policy in in_order(results):
        own = value_of(results, policy)
        if own is None:
            lack = shortfall(results, policy)
            why = f"{lack}: {why_short(results, policy)}" if lack else "no result"
            lines.append(f"  {policy} has {why}.")
            continue
        over = f"; {value_over_pool(own)}" if isfinite(own.over_replacement) else ""
        lines.append(f"  {policy}: {mean_value(own)}{over}, {number_of(own.n_maps, 'map')}")
    open_ = open_pairs(results)
    if open_:
        lines += ["", "Open", *(f"  {pair.sentence}" for pair in open_[:MOST_ROWS])]
    if results.failed_policies:
        failed = ((one, number_of(one.n_episodes, "episode")) for one in results.failed_policies)
        lines += ["", "Failed", *(f"  {one.policy}: {one.n_failed} of {played}: {one.cause}" for one, played in failed)]
    if results.notes:
        lines += ["", "Notes", *(f"  {note}" for note in results.notes)]
    return "\n".join(lines)


def missions_of(results: Found) -> list[str]:
    """The missions, with all of them together first if several have results."""
    return [OVERALL, *results.missions] if results.place == OVERALL else results.missions
