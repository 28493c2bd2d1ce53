"""Rows of the tables of a comparison, with the type and the meaning of every column.

Unknown numbers are NaN; in files they are empty or null. Scores are rewards per agent and episode, or normalized scores
if the comparison declares reference scores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from math import nan
from operator import attrgetter
from typing import Annotated, Any, Literal

from daf.config import Primary
from daf.system.nouns import number_of
from daf.system.shown import Shown, short

OVERALL = "overall"  # in the column `mission`: all missions together

Estimand = Literal["checkpoints", "recipes"]
"""What a comparison compares: these exact weights, or training the same recipe again."""

Verdict = Literal["better", "worse", "equivalent", "inconclusive", "insufficient data"]
"""The conclusion about the first policy of a pair."""

OPEN: tuple[Verdict, ...] = ("inconclusive", "insufficient data")  # verdicts that more data may change

Claim = Literal["general", "these_episodes"]
"""What a comparison of recipes generalizes to: episodes of these missions, or only those played."""

MIRRORED: Mapping[str, Verdict] = {
    "better": "worse",
    "worse": "better",
    "equivalent": "equivalent",
    "inconclusive": "inconclusive",
    "insufficient data": "insufficient data",
}
"""The verdict on the other policy of the pair."""

_Estimand = Annotated[Estimand, "`checkpoints` (these exact weights) or `recipes` (training again)"]
_Policy = Annotated[str, "name of the policy in the configuration"]
_Mission = Annotated[str, "name of the mission; `overall`: all missions together, each with the same weight"]
_Missions = Annotated[int, "number of missions behind the row"]


@dataclass(frozen=True, kw_only=True, repr=False)
class SummaryRecord(Shown):
    """One policy on one mission, or on all of its missions."""

    policy: _Policy
    mission: _Mission
    n_missions: _Missions
    trained: Annotated[bool, "whether the policy has known training seeds"]
    n_episodes: Annotated[
        int, "episodes (environment seeds) that every checkpoint of the policy completed; few gaps are filled"
    ]
    n_train_seeds: Annotated[int, "training seeds that played all of these missions"]
    mean: Annotated[float, "mean score; overall: mean of the missions' means"]
    interval_low: Annotated[float, "lower bound of the mean, for these checkpoints"]
    interval_high: Annotated[float, "upper bound of the mean, for these checkpoints"]
    interval_method: Annotated[str, "how the interval was computed, or why it is unknown"]
    median: Annotated[
        float, "median over episodes, each the mean of the training seeds; overall: median of the missions' means"
    ]
    sd: Annotated[float, "standard deviation over these episodes; unknown overall"]
    iqm: Annotated[float, "interquartile mean over these episodes; overall: over the episodes of all missions together"]
    min: Annotated[float, "lowest score of these episodes"]
    max: Annotated[float, "highest score of these episodes"]
    success_rate: Annotated[float, "share of successful episodes, 0 to 1; unknown if no mission declares success"]
    success_low: Annotated[float, "lower bound of the success rate (Wilson)"]
    success_high: Annotated[float, "upper bound of the success rate (Wilson)"]
    failures: Annotated[int, "episodes without a result, over all checkpoints"]
    first_failure: Annotated[str | None, "why the first of them failed; null if none failed"] = None
    timeouts: Annotated[int, "actions that took longer than allowed, over all agents and checkpoints"]
    icc: Annotated[float, "share of the variance that lies between training seeds: ICC(1); unknown overall"]
    recipe_low: Annotated[float, "lower bound of the mean over training seeds"]
    recipe_high: Annotated[float, "upper bound of the mean over training seeds"]
    recipe_method: Annotated[str, "how that interval was computed, or why it is unknown"]
    seed_sd: Annotated[float, "standard deviation of the training seeds' means; unknown below two seeds"] = nan
    seed_min: Annotated[float, "lowest mean of a training seed"] = nan
    seed_max: Annotated[float, "highest mean of a training seed"] = nan
    mean_reward: Annotated[float, "mean raw reward, even if scores are normalized"]

    @property
    def failed(self) -> bool:
        """Whether the policy played but no episode has a result."""
        return self.n_episodes == 0 and self.failures > 0

    @property
    def precedence(self) -> tuple[int, float]:
        """Sorts policies, the highest mean first, those without one last.

        Means over fewer missions come after those over more: a policy may have failed on the hard ones.
        """
        return (-self.n_missions, -self.mean) if self.mean == self.mean else (0, 0.0)

    def _headline(self) -> str:
        mean = f"no result, {self.failures} failed" if self.failed else f"mean {short(self.mean)}"
        return f"{self.policy} on {self.mission}: {mean} ({number_of(self.n_episodes, 'episode')})"


@dataclass(frozen=True, kw_only=True, repr=False, slots=True)  # there may be a million
class PairRecord(Shown):
    """One pair of policies: its difference, test and verdict, for one estimand on one mission or overall."""

    estimand: _Estimand
    mission: _Mission
    n_missions: _Missions
    policy_a: Annotated[str, "first policy of the pair"]
    policy_b: Annotated[str, "second policy of the pair"]
    paired: Annotated[bool, "whether units are paired by mission and environment seed (checkpoints) or not (recipes)"]
    n_a: Annotated[int | None, "units of policy_a: paired episodes, or training seeds; null: a fixed policy"]
    n_b: Annotated[int | None, "units of policy_b: paired episodes, or training seeds; null: a fixed policy"]
    mean_a: Annotated[float, "mean of policy_a over these units"] = nan
    mean_b: Annotated[float, "mean of policy_b over these units"] = nan
    difference: Annotated[float, "mean_a minus mean_b"] = nan
    interval_low: Annotated[float, "lower bound of the difference, not adjusted for the number of pairs"] = nan
    interval_high: Annotated[float, "upper bound of the difference, not adjusted for the number of pairs"] = nan
    interval_method: Annotated[str | None, "how the interval was computed, or why it is unknown"] = None
    effect_name: Annotated[
        str, "standardized effect: `dz` (paired, one-sample) or `d` (by the average sd of two samples)"
    ]
    effect: Annotated[float, "its value"] = nan
    effect_low: Annotated[float, "its lower bound"] = nan
    effect_high: Annotated[float, "its upper bound"] = nan
    p_improvement: Annotated[float, "chance that a unit of policy_a beats one of policy_b; ties count half"] = nan
    p_improvement_low: Annotated[float, "its lower bound"] = nan
    p_improvement_high: Annotated[float, "its upper bound"] = nan
    iqm_difference: Annotated[float, "IQM of policy_a minus that of policy_b, units of all missions together"] = nan
    iqm_low: Annotated[float, "its lower bound"] = nan
    iqm_high: Annotated[float, "its upper bound"] = nan
    primary: Annotated[Primary, "quantity that is tested: `mean`, `iqm` or `probability_of_improvement`"] = "mean"
    test: Annotated[str, "name of the test"]
    t: Annotated[
        float, "its t statistic: difference over standard error (Hall's test: transformed); unknown for other tests"
    ] = nan
    df: Annotated[float, "its degrees of freedom (Satterthwaite)"] = nan
    p: Annotated[float, "two-sided p-value; unknown if no test was possible"] = nan
    p_holm: Annotated[float, "p-value adjusted by Holm's method within its family; the basis of the verdict"] = nan
    p_bh: Annotated[float, "p-value adjusted by Benjamini and Hochberg; exploratory"] = nan
    minimum_p: Annotated[float, "smallest p-value that this number of units can give; unknown without such a bound"] = (
        nan
    )
    p_equivalence: Annotated[float, "Holm-adjusted p-value of equivalence within the declared margin"] = nan
    power: Annotated[
        float, "chance of showing a difference of means of the declared margin, at Holm's strictest step"
    ] = nan
    n_needed: Annotated[int | None, "units (recipes: per side) needed for a power of 80 %"] = None
    more_needed: Annotated[int | None, "further units needed, per mission or side"] = None
    verdict: Annotated[Verdict, "`better`, `worse`, `equivalent`, `inconclusive` or `insufficient data`"] = (
        "insufficient data"
    )
    claim: Annotated[Claim, "`general` (episodes like these) or `these_episodes` (exactly those played)"] = "general"
    contradicted_by: Annotated[str, "quantities that point the other way than a verdict `better` or `worse`"] = ""
    caution: Annotated[str, "what in these data makes the verdict less reliable than its p-value; empty: nothing"] = ""
    reason: Annotated[str, "reason for the verdict, if the numbers do not explain it"] = ""
    n_tests: Annotated[int, "tests in the row's family, for which p_holm and p_bh are adjusted"] = 0

    @property
    def tested(self) -> bool:
        """Whether a test was possible."""
        return self.p == self.p

    def _headline(self) -> str:
        question = f"{self.mission}, {self.estimand}"
        return f"{self.policy_a} vs {self.policy_b}: {self.verdict} by {short(self.difference)} ({question})"


@dataclass(frozen=True, kw_only=True, repr=False)
class AggregateRecord(Shown):
    """One statistic of one policy over all missions that all policies played."""

    estimand: _Estimand
    policy: _Policy
    statistic: Annotated[
        str, "`mean`, `median` (of missions' means), `iqm`, or `optimality_gap` if scores are normalized"
    ]
    value: Annotated[float, "its value"]
    interval_low: Annotated[float, "its lower bound"]
    interval_high: Annotated[float, "its upper bound"]
    interval_method: Annotated[str, "how the interval was computed, or why it is unknown"]
    n_missions: _Missions
    n_units: Annotated[int, "units over all missions: episodes (checkpoints) or training seeds (recipes)"]


@dataclass(frozen=True, kw_only=True, repr=False)
class ProfileRecord(Shown):
    """One point of a policy's performance profile."""

    estimand: _Estimand
    policy: _Policy
    threshold: Annotated[float, "a score"]
    share: Annotated[float, "share of units that score above it, each mission with the same weight"]
    interval_low: Annotated[float, "lower bound of the share (pointwise)"]
    interval_high: Annotated[float, "upper bound of the share (pointwise)"]


@dataclass(frozen=True, kw_only=True, repr=False)
class RankRecord(Shown):
    """The rank of one policy on one mission, or over all missions."""

    estimand: _Estimand
    mission: _Mission
    policy: _Policy
    mean_rank: Annotated[float, "rank among the policies, averaged over missions; 1 is best, ties share a rank"]
    rank_low: Annotated[float, "lower bound of the mean rank"]
    rank_high: Annotated[float, "upper bound of the mean rank"]
    p_first: Annotated[float, "share of resamples in which the policy ranks first"]


@dataclass(frozen=True, kw_only=True, repr=False)
class ScoreRecord(Shown):
    """One episode, as `daf_compare_scores` reads it."""

    policy: _Policy
    mission: Annotated[str, "name of the mission"]
    train_seed: Annotated[int | None, "training seed; null if the policy has none"]
    episode: Annotated[int, "number of the episode; the same number is the same episode for every policy"]
    score: Annotated[float, "mean reward per agent; unknown if the episode failed"]


IN_UNITS_OF_SCORES: Mapping[type, tuple[str, ...]] = {
    SummaryRecord: (
        "mean", "interval_low", "interval_high", "median", "sd", "iqm", "min", "max", "recipe_low", "recipe_high",
        "seed_sd", "seed_min", "seed_max",
    ),
    PairRecord: (
        "mean_a", "mean_b", "difference", "interval_low", "interval_high", "iqm_difference", "iqm_low", "iqm_high",
    ),
}  # fmt: skip
"""The columns that are multiples of the unit of scores; the others do not depend on it, or are raw rewards."""


def in_scores[Record: SummaryRecord | PairRecord](record: Record, unit: float) -> Record:
    """A record of scores that are multiples of `unit`, as scores."""
    if unit == 1:
        return record
    return changed(record, **{name: unit * getattr(record, name) for name in IN_UNITS_OF_SCORES[type(record)]})


READERS: Mapping[type, tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]] = {
    record: (names, attrgetter(*names))
    for record in (SummaryRecord, PairRecord)
    for names in [tuple(column.name for column in fields(record))]
}


def changed[Record: SummaryRecord | PairRecord](record: Record, **values: Any) -> Record:
    """`dataclasses.replace` for records of many columns, in a third of its time."""
    names, read = READERS[type(record)]
    return type(record)(**(dict(zip(names, read(record), strict=True)) | values))


PRIMARY_NAMES = {"mean": "mean", "iqm": "IQM", "probability_of_improvement": "probability of improvement"}


def estimate_of(record: PairRecord) -> tuple[float, float, float]:
    """The primary quantity of a pair with its interval; 0, or one half of a probability, means equal."""
    if record.primary == "iqm":
        return record.iqm_difference, record.iqm_low, record.iqm_high
    if record.primary == "probability_of_improvement":
        return record.p_improvement, record.p_improvement_low, record.p_improvement_high
    return record.difference, record.interval_low, record.interval_high
