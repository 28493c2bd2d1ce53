"""A comparison from the point of view of one policy: the reference, or else the first one that has a result.

If the reference has none, no pair was tested, and the policy with the highest mean speaks.

Verdicts, signs of differences and colours are this policy's; every table and chart has the same order, best first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import isfinite

from daf.charts.model import Status
from daf.reporting.page import VERDICT_WORDS, listed
from daf.statistics import sentences
from daf.statistics.records import OVERALL, PRIMARY_NAMES, Estimand, PairRecord, SummaryRecord, Verdict, estimate_of
from daf.statistics.results import ComparisonResults
from daf.statistics.sentences import number, span
from daf.system.nouns import number_of


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The answer in one sentence.

    Attributes:
        status: the verdict on the policy if it is the same against all others; else undecided, or empty.
        claim: what the sentence holds for; empty if there is nothing to add.
        advice: how many episodes or training seeds would say more; empty if there are enough.
    """

    status: Status
    sentence: str
    claim: str = ""
    advice: str = ""

    @property
    def in_short(self) -> str:
        """For the index of an experiment and for terminals."""
        return f"{self.sentence} {self.advice}".strip()


@dataclass(frozen=True)
class Viewpoint:
    """A comparison as its policy sees it."""

    results: ComparisonResults

    @cached_property
    def place(self) -> str:
        """Where the answer holds: over all missions, or on the only one."""
        missions = self.results.missions
        return missions[0] if len(missions) == 1 else OVERALL

    @cached_property
    def _records(self) -> dict[tuple[str, str], SummaryRecord]:
        return {(record.policy, record.mission): record for record in self.results.summary}

    def summary(self, policy: str, mission: str | None = None) -> SummaryRecord | None:
        return self._records.get((policy, mission or self.place))

    @cached_property
    def policy(self) -> str:
        """Whose point of view this is."""
        reference, policies = self.results.config.reference, self.results.policies
        if reference in policies:
            policies = [reference, *self.order]
        return next((policy for policy in policies if self.has_result(policy)), policies[0])

    def has_result(self, policy: str) -> bool:
        record = self.summary(policy)
        return record is not None and isfinite(record.mean)

    @cached_property
    def failed(self) -> frozenset[str]:
        """The policies that failed in every episode."""
        return frozenset(
            policy for policy in self.results.policies if (record := self.summary(policy)) and record.failed
        )

    @cached_property
    def order(self) -> tuple[str, ...]:
        """All policies by the precedence of their means, those without a result last."""

        def key(policy: str) -> tuple[int, float]:
            record = self.summary(policy)
            return record.precedence if record else (0, 0.0)

        return tuple(sorted(self.results.policies, key=key))

    @cached_property
    def rank(self) -> dict[str, int]:
        """The place of each policy in the order."""
        return {policy: number for number, policy in enumerate(self.order)}

    @cached_property
    def checkpoints(self) -> dict[tuple[str, str], int]:
        """How many checkpoints each policy has on each mission, and over all missions the most of them."""
        played = self.results.episodes.groupby(["policy", "mission"])["checkpoint"].nunique()
        counts = {(str(policy), str(mission)): int(count) for (policy, mission), count in played.items()}
        for (policy, _), count in list(counts.items()):
            counts[policy, OVERALL] = max(count, counts.get((policy, OVERALL), 0))
        return counts

    @cached_property
    def episodes(self) -> str:
        """How many episodes there are of each policy: '6 to 8 episodes per checkpoint and mission'."""
        counts = self.results.episodes.groupby(["policy", "checkpoint", "mission"]).size()
        fewest, most = int(counts.min()), int(counts.max())
        of = "checkpoint" if max(self.checkpoints.values()) > 1 else "policy"
        per = f" per {of}{' and mission' if len(self.results.missions) > 1 else ''}"
        return f"{'' if fewest == most else f'{fewest:,} to '}{number_of(most, 'episode')}{per}"

    @cached_property
    def averaged(self) -> str:
        """What is done to episodes before they are compared: 'averaged over 5 checkpoints'; empty if nothing is."""
        fewest, most = min(self.checkpoints.values()), max(self.checkpoints.values())
        if most < 2:
            return ""
        return f"averaged over {'' if fewest == most else f'its policy’s {fewest} to '}{number_of(most, 'checkpoint')}"

    def over_fewer(self, record: SummaryRecord | PairRecord) -> str:
        """'over 1 of 3 missions' if the record lacks missions of the comparison; else empty."""
        return sentences.over_fewer(record, len(self.results.missions))

    def where(self, place: str, records: Iterable[SummaryRecord | PairRecord]) -> str:
        """How the title of a chart goes on: ', m', or ', over 1 to 3 of 3 missions' by the records that have any."""
        counts = [record.n_missions for record in records if record.n_missions]
        missions = len(self.results.missions)
        return f", {sentences.over(counts or [missions], missions) if place == OVERALL else place}"

    def where_shared(self, estimand: Estimand) -> str:
        """'over 1 of 3 missions' if figures over those that all policies share lack some; else empty."""
        counts = {record.n_missions for record in self.results.aggregate_records if record.estimand == estimand}
        missions = len(self.results.missions)
        return sentences.over(counts, missions) if counts and min(counts) < missions else ""

    @cached_property
    def estimand(self) -> Estimand:
        """The question whose intervals means have: of both that are answered, that about these checkpoints."""
        answers = self.results.estimand
        return "recipes" if answers["recipes"]["answered"] and not answers["checkpoints"]["answered"] else "checkpoints"

    def interval(self, record: SummaryRecord) -> tuple[float, float]:
        """The one interval of a policy's mean that the page shows."""
        if self.estimand == "recipes" and isfinite(record.recipe_low):
            return record.recipe_low, record.recipe_high
        return record.interval_low, record.interval_high

    def against(self, mission: str | None = None) -> dict[str, PairRecord]:
        """By other policy, in order, the leading record of the pair, with this policy first."""
        place = mission or self.place
        if place not in self._against:
            own = {}
            for record in self.results.lead_records(place, policy=self.policy):
                seen = record if record.policy_a == self.policy else sentences.mirrored(record)
                own[seen.policy_b] = seen
            self._against[place] = {policy: own[policy] for policy in self.order if policy in own}
        return self._against[place]

    @cached_property
    def _against(self) -> dict[str, dict[str, PairRecord]]:
        """What `against` found, by mission."""
        return {}

    def seen(self, record: PairRecord) -> PairRecord:
        """A pair with this policy first, if it is one of them; of two others, the one higher in the order first."""
        ahead = record.policy_a == self.policy or (
            record.policy_b != self.policy and self.rank[record.policy_a] < self.rank[record.policy_b]
        )
        return record if ahead else sentences.mirrored(record)

    @cached_property
    def is_about_recipes(self) -> bool:
        records = list(self.against().values())
        return bool(records) and all(record.estimand == "recipes" for record in records)

    # ---- the answer -----------------------------------------------------------------------------------------

    @cached_property
    def answer(self) -> Answer:
        """Which policy is better, or that it is undecided, in one sentence."""
        results = self.results
        words = sentences.words_of(results.config, len(results.missions), results.unit)
        if not any(self.has_result(policy) for policy in results.policies):
            return Answer(status="failed", sentence="No policy has a result: every episode failed.")
        pairs = [record for record in self.against().values() if self.has_result(record.policy_b)]
        if not pairs:
            return self._alone(words)
        groups: dict[Verdict, list[PairRecord]] = {}
        for record in pairs:
            groups.setdefault(record.verdict, []).append(record)
        settled = {"better", "worse", "equivalent"} & set(groups)
        status = VERDICT_WORDS[pairs[0].verdict] if len(groups) == 1 else "" if settled else "undecided"
        return Answer(
            status=status, sentence=self._sentence(groups, words), claim=self._claim(groups),
            advice=self._advice(pairs[0].estimand) if OPEN.keys() & groups.keys() else "",
        )  # fmt: skip

    def _alone(self, words: sentences.Words) -> Answer:
        """The answer without a pair: the mean of the policy, and why nothing was compared with it."""
        own, reference = self.summary(self.policy), self.results.config.reference
        assert own is not None
        lost = [policy for policy in self.results.policies if not self.has_result(policy)]
        why, verb = f"There is no result to compare it with: {listed(lost)} failed." if lost else "", "scores"
        if reference in lost:
            why = f"No pair was tested: {reference}, with which all were to be compared, failed."
            verb = "has the highest mean," if len(self.results.policies) - len(lost) > 1 else verb
        sentence = sentences.policy_sentence(own, words, verb=verb)
        return Answer(status="", sentence=sentence, claim=why, advice=self._advice("checkpoints"))

    def _advice(self, estimand: Estimand) -> str:
        return str(self.results.estimand[estimand].get("advice", ""))

    def _sentence(self, groups: Mapping[Verdict, list[PairRecord]], words: sentences.Words) -> str:
        """'mynet beats a and b, and loses to c, over 2 missions'; with one other policy, by how much."""
        subject = f"the recipe {self.policy}" if self.is_about_recipes else self.policy
        records = [record for group in groups.values() for record in group]
        where = sentences.place(records[0], words.missions)
        if self.place == OVERALL:
            where = sentences.over([record.n_missions for record in records], words.missions)
        if len(records) == 1:
            text = _of_one_pair(subject, records[0], where, words)
        elif set(groups) <= {"inconclusive", "insufficient data"}:
            others = listed([record.policy_b for record in records])
            text = f"it is undecided whether {subject} is better or worse than {others} {where}"
        else:
            names = {verdict: _named([r.policy_b for r in own], len(records)) for verdict, own in groups.items()}
            parts = [f"{said} {names[verdict]}" for verdict, said in SETTLED.items() if verdict in names]
            text = f"{subject} {_joined(parts)} {where}{sentences.within(words) if 'equivalent' in names else ''}"
            text += "".join(f"; {said} {names[verdict]}" for verdict, said in OPEN.items() if verdict in names)
        return f"{text[0].upper() if text.startswith(('the recipe', 'it is')) else text[0]}{text[1:]}."

    def _claim(self, groups: Mapping[Verdict, list[PairRecord]]) -> str:
        """What the answer holds for, in plain words, and what undecided means."""
        answers, records = self.results.estimand, [record for group in groups.values() for record in group]
        primary = records[0].primary
        by = "" if primary == "mean" else f"Decided by the {PRIMARY_NAMES[primary]}. "
        if set(groups) == {"insufficient data"}:
            why = answers[records[0].estimand]["why"] or f"{records[0].reason}."
            return f"{by}The data allow no verdict: {why}"
        if set(groups) <= {"inconclusive", "insufficient data"}:
            return f"{by}The data allow both: none is shown to be better, and they are not shown to be equal."
        if self.is_about_recipes:
            return f"{by}This holds for training these recipes again."
        if not any(record.trained for record in self.results.summary):
            return by.strip()
        if answers["recipes"]["answered"]:
            return f"{by}This holds for exactly these weights; “These recipes” answers for training them again."
        return f"{by}This holds for exactly these weights. Whether training again would give the same is not answered."


SETTLED: Mapping[Verdict, str] = {"better": "beats", "worse": "loses to", "equivalent": "is equivalent to"}
OPEN: Mapping[Verdict, str] = {
    "inconclusive": "it is undecided against",
    "insufficient data": "there are too few data to compare it with",
}


def _named(policies: list[str], total: int) -> str:
    """'a, b and c', '5 of 8 policies', or 'all 8 other policies'."""
    text = listed(policies, noun=f"of {total} policies")
    return f"all {total} other policies" if len(policies) == total and text.startswith(f"{total} of ") else text


def _joined(parts: list[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]


def _of_one_pair(subject: str, record: PairRecord, where: str, words: sentences.Words) -> str:
    """The answer if there is one other policy: with the size of the difference and its interval."""
    other = f"the recipe {record.policy_b}" if subject.startswith("the recipe") and record.n_b else record.policy_b
    value, low, high = estimate_of(record)
    level = f"{100 * words.level:.4g} % interval {span(low, high)}"
    unit = sentences.unit_of(record.primary, words.unit)
    chance = record.primary == "probability_of_improvement"
    size = f"with a probability of {number(value)}" if chance else f"by {number(abs(value))} {unit}"
    if record.verdict in ("better", "worse"):
        flipped = record.verdict == "worse"
        if flipped:
            value, low, high = (1 - value, 1 - high, 1 - low) if chance else (-value, -high, -low)
        size = f"with a probability of {number(value)}" if chance else size
        interval = f"{100 * words.level:.4g} % interval {span(low, high)}"
        return f"{subject} {'loses to' if flipped else 'beats'} {other} {where} {size} ({interval})"
    if record.verdict == "equivalent":
        return f"{subject} and {other} are equivalent {where}{sentences.within(words)}"
    if record.verdict == "inconclusive":
        seen = f"the probability that {subject} scores higher is {number(value)} ({level})"
        if not chance:
            seen = _seen_difference(subject, other, (value, low, high), unit, words.level)
        return f"it is undecided whether {subject} or {other} is better {where}: {seen}"
    return f"it is undecided whether {subject} or {other} is better {where}"


def _seen_difference(subject: str, other: str, estimate: tuple[float, float, float], unit: str, level: float) -> str:
    """By how much the policy with the higher score is ahead, so that the size lies inside its interval."""
    value, low, high = estimate
    if value < 0:
        subject, other, value, low, high = other, subject, -value, -high, -low
    bounds = f"{100 * level:.4g} % interval {span(low, high)}"
    if value == 0:
        return f"their difference is {number(value)} {unit} ({bounds})"
    return f"{subject} scores {number(value)} {unit} more ({bounds})"
