"""Results in plain words: one sentence per verdict, for both the terminal summary and the report."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from math import ceil, isfinite, log10

from daf.config import DAFComparisonConfig, Primary
from daf.statistics.levels import alpha_of
from daf.statistics.records import MIRRORED, OVERALL, Estimand, PairRecord, SummaryRecord, estimate_of
from daf.system.nouns import number_of

MINUS = "\N{MINUS SIGN}"
MOST_DIGITS = 12  # decimals
UNKNOWN = "\N{EN DASH}"
SUBJECTS: Mapping[Estimand, str] = {"checkpoints": "these checkpoints", "recipes": "these recipes"}


def number(value: float | None, digits: int | None = None) -> str:
    """Format a number with two decimals; one above 10, none above 100, more below 0.01.

    Numbers whose decimals would all be zero become '1.23e−6', and those from ten million on '1.23e7'.
    """
    if value is None or not isfinite(value):
        return UNKNOWN
    if digits is None:
        size = abs(value)
        if 0 < size < 5e-5 or size >= 1e7:
            mantissa, exponent = f"{value:.2e}".split("e")
            return f"{mantissa}e{int(exponent)}".replace("-", MINUS)
        digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 0.01 or size < 5e-5 else 4
    text = f"{value:,.{digits}f}"
    if float(text.replace(",", "")) == 0:
        text = text.lstrip("-")
    return text.replace("-", MINUS)


def number_within(value: float | None, low: float | None, high: float | None) -> str:
    """`number` with the decimals of its interval: '0.00' within −0.08 to 0.07, not '0.0033'."""
    if low is not None and high is not None and isfinite(high - low) and (digits := _digits_to_tell(low, high)):
        return number(value, digits)
    bounds = [abs(bound) for bound in (low, high) if bound is not None and isfinite(bound)]
    is_beside_larger = value is not None and abs(value) < 0.01 <= min(bounds, default=0.0)
    return number(value, 2) if is_beside_larger else number(value)


def p_value(value: float | None) -> str:
    if value is None or not isfinite(value):
        return UNKNOWN
    return "< 0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def percent(value: float | None) -> str:
    return UNKNOWN if value is None or not isfinite(value) else f"{100 * value:.0f} %"


def percent_span(low: float, high: float) -> str:
    """'3 to 36 %'."""
    return f"{percent(low).removesuffix(' %')} to {percent(high)}"


def span(low: float | None, high: float | None) -> str:
    """'7.1 to 8.6', or a dash when unknown; with more decimals if the bounds would look the same."""
    if low is None or high is None or not (isfinite(low) and isfinite(high)):
        return UNKNOWN
    digits = _digits_to_tell(low, high)
    return f"{number(low, digits)} to {number(high, digits)}"


def _digits_to_tell(low: float, high: float) -> int | None:
    """Decimals that tell two bounds apart, to within half their distance; None if the usual ones do."""
    if low == high:
        return None
    needed = min(max(0, ceil(-log10(high - low))), MOST_DIGITS)
    texts = number(low), number(high)
    usual = MOST_DIGITS if "e" in "".join(texts) else min(len(text.partition(".")[2]) for text in texts)
    return needed if texts[0] == texts[1] or needed > usual else None


def place(record: PairRecord | SummaryRecord, missions: int) -> str:
    """Where a record holds: 'on m', 'over 3 missions', 'over 1 of 3 missions' if its policies shared fewer."""
    if record.mission != OVERALL:
        return f"on {record.mission}"
    return over([record.n_missions], missions)


def over_fewer(record: PairRecord | SummaryRecord, missions: int) -> str:
    """'over 1 of 3 missions' if a record over all missions lacks some of them; else empty."""
    is_whole = record.mission != OVERALL or not 0 < record.n_missions < missions
    return "" if is_whole else over([record.n_missions], missions)


def over(counts: Collection[int], missions: int) -> str:
    """'over 3 missions', 'over 1 of 3 missions', or 'over 1 to 3 of 3 missions' if not all have as many."""
    fewest, most = min(counts), max(counts)
    part = f"{fewest} to {most} of " if fewest < most else f"{most} of " if 0 < most < missions else ""
    return f"over {part}{number_of(missions, 'mission')}"


def basis(record: PairRecord, runs: str = "training seeds") -> str:
    """The data behind a sentence: 'paired, 24 episodes'."""
    if record.estimand == "checkpoints":
        return f"paired, {number_of(record.n_a or 0, 'episode')}"
    seeds = [f"{count}" for count in (record.n_a, record.n_b) if count is not None]
    if len(seeds) > 1:
        return f"{' and '.join(seeds)} {runs}"
    return f"{seeds[0]} {runs.removesuffix('s') if seeds[0] == '1' else runs} against a fixed policy"


def mirrored(record: PairRecord) -> PairRecord:
    """The difference and verdict of a pair, from the perspective of its other policy."""
    return replace(
        record,
        policy_a=record.policy_b,
        policy_b=record.policy_a,
        n_a=record.n_b,
        n_b=record.n_a,
        mean_a=record.mean_b,
        mean_b=record.mean_a,
        difference=-record.difference,
        interval_low=-record.interval_high,
        interval_high=-record.interval_low,
        effect=-record.effect,
        effect_low=-record.effect_high,
        effect_high=-record.effect_low,
        t=-record.t,
        iqm_difference=-record.iqm_difference,
        iqm_low=-record.iqm_high,
        iqm_high=-record.iqm_low,
        p_improvement=1 - record.p_improvement,
        p_improvement_low=1 - record.p_improvement_high,
        p_improvement_high=1 - record.p_improvement_low,
        verdict=MIRRORED[record.verdict],
    )


def winner_first(record: PairRecord) -> PairRecord:
    """The pair with the winner as policy_a, if there is a winner."""
    return mirrored(record) if record.verdict == "worse" else record


@dataclass(frozen=True, kw_only=True)
class Words:
    """What sentences on the records of a comparison need to know of it.

    Attributes:
        level: of confidence.
        missions: number of missions in the comparison.
        unit: of scores.
        runs: what the units of recipes are called.
        margin: the declared margin of equivalence, if there is one.
        primary: the quantity that the margin is about.
    """

    level: float
    missions: int = 1
    unit: str = "reward per agent"
    runs: str = "training seeds"
    margin: float | None = None
    primary: Primary = "mean"


def words_of(config: DAFComparisonConfig, missions: int, unit: str) -> Words:
    runs = "training runs" if config.trainings == "per_mission" else "training seeds"
    margin, primary = config.equivalence_margin, config.primary
    level = config.confidence_level
    return Words(level=level, missions=missions, unit=unit, runs=runs, margin=margin, primary=primary)


def unit_of(primary: Primary, unit: str) -> str:
    """The unit of differences: 'points', or 'points of the IQM'."""
    return f"{unit} of the IQM" if primary == "iqm" else unit


def within(words: Words) -> str:
    """' within ±0.50 points': the margin that equivalence is about, and of what; empty without one."""
    return "" if words.margin is None else f" within ±{number(words.margin)} {unit_of(words.primary, words.unit)}"


def verdict_sentence(record: PairRecord, words: Words) -> str:
    """The verdict on a pair as a sentence."""
    record = winner_first(record)
    where, grounds = place(record, words.missions), basis(record, words.runs)
    a, b = record.policy_a, record.policy_b
    if record.estimand == "recipes":
        a, b = _recipe(a, record.n_a), _recipe(b, record.n_b)
    value, low, high = estimate_of(record)
    bounds = span(low, high)
    interval = f"{100 * words.level:.4g} % interval {bounds}" if bounds != UNKNOWN else "no interval"
    difference, unit = number(value), unit_of(record.primary, words.unit)
    if record.primary == "probability_of_improvement":
        text = _improvement_sentence(record, a, b, where, interval, grounds)
        if record.verdict == "inconclusive":
            text += _excluding_zero(record, words.level)
    elif record.verdict == "better":
        text = f"{a} beats {b} {where} by {difference} {unit}, {interval} ({grounds})."
    elif record.verdict == "equivalent":
        margin = within(words)
        they = "their IQMs" if record.primary == "iqm" else "they"
        text = f"{a} and {b} are equivalent {where}{margin}: {they} differ by {difference}, {interval} ({grounds})."
    elif record.verdict == "inconclusive":
        text = (
            f"No difference between {a} and {b} is shown {where}: {difference} {unit}, {interval} ({grounds}, "
            f"{p_values(record)}).{_excluding_zero(record, words.level)}"
        )
    elif not isfinite(record.difference):
        text = f"{a} and {b} cannot be compared {where}: {record.reason}."
    else:
        more = "more" if record.difference > 0 else "less"
        seen = f"{a} scored {number(abs(record.difference))} {more} than {b} {where}"
        if record.difference == 0:
            seen = f"{a} and {b} scored the same {where}"
        text = f"{seen}, which gives no verdict on {SUBJECTS[record.estimand]}: {record.reason} ({grounds})."
    if record.caution and record.tested:
        text = f"{text} Caution: {record.caution}."
    return f"T{text[1:]}" if text.startswith("the recipe") else text


def _improvement_sentence(record: PairRecord, a: str, b: str, where: str, interval: str, grounds: str) -> str:
    """The verdict if the probability of improvement decides."""
    chance = f"the probability that {a} scores higher than {b} {where} is {number(record.p_improvement)}, {interval}"
    if record.verdict == "insufficient data":
        return f"{a} and {b} cannot be compared {where}: {record.reason} ({grounds})."
    if record.verdict == "better":
        return f"{a} beats {b} {where}: {chance} ({grounds})."
    return f"No difference between {a} and {b} is shown {where}: {chance} ({grounds}, {p_values(record)})."


def p_values(record: PairRecord) -> str:
    """p of the pair alone, which its interval goes with, then p as adjusted for all tests, which decides."""
    alone = f"p {_equals(record.p)}"
    if record.n_tests < 2:
        return alone
    return f"{alone} for this test alone, {_equals(record.p_holm).removeprefix('= ')} adjusted for {record.n_tests:,}"


def _equals(p: float) -> str:
    text = p_value(p)
    return text if text.startswith("<") else f"= {text}"


def _excluding_zero(record: PairRecord, level: float) -> str:
    """A sentence if an undecided pair has an interval that excludes equality; else empty."""
    why = why_undecided(record, level)
    return f" {why[0].upper()}{why[1:]}." if why else ""


def why_undecided(record: PairRecord, level: float) -> str:
    """Why the pair has no winner although its interval excludes equality; empty if there is nothing to explain."""
    _, low, high = estimate_of(record)
    equal = 0.5 if record.primary == "probability_of_improvement" else 0.0
    if record.verdict not in ("inconclusive", "insufficient data") or not (low > equal or high < equal):
        return ""
    excludes = f"the interval excludes {equal:g}"
    if record.verdict == "insufficient data":
        return f"{excludes}, but {record.reason}"
    if record.p <= alpha_of(level):
        return (
            f"{excludes}, but it is for this pair alone: among {record.n_tests:,} tests, p is {p_value(record.p_holm)}"
        )
    return f"{excludes}, but the test is stricter: p {_equals(record.p)}"


def _recipe(name: str, training_seeds: int | None) -> str:
    return name if training_seeds is None else f"the recipe {name}"


def policy_sentence(record: SummaryRecord, words: Words, *, verb: str = "scores") -> str:
    """The mean of a policy as a sentence, or why it has none."""
    if record.failed:
        return failure_sentence(record, words.missions)
    interval = span(record.interval_low, record.interval_high)
    basis = number_of(record.n_episodes, "episode")
    detail = f"{100 * words.level:.4g} % interval {interval}" if interval != UNKNOWN else record.interval_method
    if interval == UNKNOWN and isfinite(record.recipe_low):
        detail = f"{100 * words.level:.4g} % interval of the recipe {span(record.recipe_low, record.recipe_high)}"
        basis = f"{record.n_train_seeds} {words.runs}"
    where = place(record, words.missions)
    return f"{record.policy} {verb} {number(record.mean)} {words.unit} {where}, {detail} ({basis})."


def failure_sentence(record: SummaryRecord, missions: int = 1) -> str:
    """Why a policy has no result."""
    return f"{record.policy} {failure_words(record, missions)} {record.first_failure}."


def failure_words(record: SummaryRecord, missions: int = 1) -> str:
    """The same, between the policy and the cause."""
    episodes = number_of(record.failures, "episode")
    where = (
        f"on any of {number_of(missions, 'mission')}"
        if record.mission == OVERALL and missions > 1
        else place(record, missions)
    )
    return f"has no result {where}: {episodes} failed, the first with"
