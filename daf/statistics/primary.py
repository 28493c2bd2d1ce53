"""The quantity that decides: the mean, the IQM, or the probability of improvement; and where they contradict.

Each has its own test. Verdicts on means stay beside IQM and probability of improvement, and a pair on which these point
the other way is flagged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb, isfinite, nan, prod, sqrt

import numpy as np
from scipy import special

from daf.config import Primary
from daf.statistics import hypothesis_tests
from daf.statistics.bootstrap import expansion
from daf.statistics.intervals import (
    ROUNDING,
    Array,
    Interval,
    df_of_many_strata,
    iqm,
    is_constant,
    t_quantile,
    unknown,
    variance,
    without_rounding,
)
from daf.statistics.records import PRIMARY_NAMES, PairRecord, changed, estimate_of
from daf.system.nouns import number_of

FEW_BEYOND = 10  # replicates beyond 0 from which their share is a p-value


def advantage(record: PairRecord) -> float:
    """The primary quantity, above 0 if policy_a is ahead."""
    estimate = estimate_of(record)[0]
    return _beyond_half(estimate) if record.primary == "probability_of_improvement" else estimate


def _beyond_half(probability: float) -> float:
    """A probability less one half; 0 if only rounding errors of a mean over missions are left."""
    gap = probability - 0.5
    return 0.0 if abs(gap) <= ROUNDING else gap


def contradictions(record: PairRecord) -> list[str]:
    """The quantities that point the other way than the primary one."""
    gaps = {
        "mean": record.difference,
        "iqm": record.iqm_difference,
        "probability_of_improvement": _beyond_half(record.p_improvement),
    }
    ahead = np.sign(advantage(record))
    return [name for name, gap in gaps.items() if isfinite(gap) and np.sign(gap) * ahead < 0]


def contradiction_text(record: PairRecord, names: Sequence[str]) -> str:
    """What contradicts a verdict, for a caution."""
    figures = {
        "mean": f"the means differ by {record.difference:.3g}",
        "iqm": f"the IQMs differ by {record.iqm_difference:.3g}",
        "probability_of_improvement": f"the probability of improvement is {100 * record.p_improvement:.0f} %",
    }
    if not names:
        return ""
    shown = " and ".join(figures[name] for name in names)
    decided = PRIMARY_NAMES[record.primary]
    return f"this verdict is about the {decided}, but {shown} ({record.policy_a} over {record.policy_b})"


# ---- paired episodes --------------------------------------------------------------------------------------


def paired_iqm(
    x: Sequence[Array], y: Sequence[Array], level: float, resolution: float = 0.0
) -> tuple[float, Interval, float, float]:
    """Difference of the IQMs of paired units pooled over missions: value, interval, standard error and df.

    Yuen's test of dependent samples (Wilcox 2012, section 5.9.5) from winsorized values, with the variance within
    missions, and degrees of freedom that hold for few episodes on each of many missions, too.

    Args:
        resolution: the size up to which differences are rounding errors of the scores.
    """
    difference = iqm_difference(np.concatenate(x), np.concatenate(y), resolution)
    sizes = np.array([part.size for part in x])
    n = int(sizes.sum())
    kept = n - 2 * (n // 4)
    winsorized = [_winsorized(x), _winsorized(y)]
    gaps = [without_rounding(one - other, resolution) for one, other in zip(*winsorized, strict=True)]
    if kept < 2 or all(is_constant(part) for part in gaps):
        return difference, unknown("the differences do not vary"), nan, nan
    if sizes.min() < 2:
        return difference, unknown("a mission has only one unit"), nan, nan
    sums = np.array([size * variance(part) for size, part in zip(sizes, gaps, strict=True)])
    total = float(sums.sum())
    error = sqrt(total * (n - 1) / n / (kept * (kept - 1)))
    df = max(1.0, df_of_many_strata(sums, sizes - 1.0, total) * (kept - 1) / (n - 1))
    half = t_quantile(level, df) * error
    return difference, Interval(low=difference - half, high=difference + half, method="Yuen"), error, df


def iqm_difference(x: Array, y: Array, resolution: float) -> float:
    """IQM of x minus that of y; 0 if they differ by rounding errors only."""
    return float(without_rounding(iqm(x) - iqm(y), resolution))


def _winsorized(parts: Sequence[Array]) -> list[Array]:
    ordered = np.sort(np.concatenate(parts))
    cut = ordered.size // 4
    return [np.clip(part, ordered[cut], ordered[ordered.size - cut - 1]) for part in parts]


def by_iqm(record: PairRecord, error: float, df: float, margin: float | None) -> PairRecord:
    """The record of paired episodes with the test of the IQM as its test."""
    if not error > 0:
        return _untested(record, "iqm", "the differences do not vary")
    t = record.iqm_difference / error
    equivalence = hypothesis_tests.equivalence_p(record.iqm_difference, error, df, margin) if margin else None
    p = hypothesis_tests.t_p_value(t, df)
    return changed(
        record, primary="iqm", test="Yuen's test of IQMs", t=t, df=df, p=p, minimum_p=nan,
        p_equivalence=nan if equivalence is None else equivalence, reason="",
    )  # fmt: skip


def by_improvement(
    record: PairRecord, strata: Sequence[Array], max_resamples: int, num_resamples: int, rng: np.random.Generator
) -> PairRecord:
    """The record of paired episodes with a sign test, stratified by mission, as its test."""
    signs = [np.sign(stratum) for stratum in strata]
    if all(np.all(sign == 0) for sign in signs):
        return _untested(record, "probability_of_improvement", "all pairs are ties")
    if any(is_constant(sign) and sign.size > 1 for sign in signs):
        # A sign is one of three values: that all are alike is strong evidence, not a lack of variance.
        p, test, minimum = _sign_test(signs, max_resamples, rng)
    else:
        result = hypothesis_tests.sign_flip_test(
            signs, num_resamples=num_resamples, max_resamples=max_resamples, rng=rng
        )
        if result.p is None:
            return _untested(record, "probability_of_improvement", result.reason)
        p, test, minimum = result.p, f"sign test: {result.name}", result.minimum_p or nan
    return changed(
        record, primary="probability_of_improvement", test=test, t=nan, df=nan, p=p, minimum_p=minimum,
        p_equivalence=nan, reason="",
    )  # fmt: skip


def _sign_test(signs: Sequence[Array], draws: int, rng: np.random.Generator) -> tuple[float, str, float]:
    """p of the mean over missions of wins less losses, its test, and the least p.

    Missions weigh alike, so only with equally many pairs on each does the number of wins decide, which is binomial.
    """
    counts, sizes = [int(np.count_nonzero(sign)) for sign in signs], [sign.size for sign in signs]
    least = 2.0 ** (1 - sum(counts))
    if len(set(sizes)) == 1:
        n, wins = sum(counts), sum(int((sign > 0).sum()) for sign in signs)
        return min(1.0, 2 * float(special.bdtr(min(wins, n - wins), n, 0.5))), "sign test", least
    observed = abs(sum(float(sign.mean()) for sign in signs)) * (1 - ROUNDING)
    if prod(count + 1 for count in counts) <= hypothesis_tests.EXACT_LIMIT:
        sums, chances = np.zeros(1), np.ones(1)
        for count, size in zip(counts, sizes, strict=True):
            wins_of = np.arange(count + 1)
            sums = np.add.outer(sums, (2 * wins_of - count) / size).ravel()
            chances = np.multiply.outer(chances, special.binom(count, wins_of) * 0.5**count).ravel()
        return min(1.0, float(chances[np.abs(sums) >= observed].sum())), "sign test, stratified by mission", least
    drawn = np.zeros(draws)
    for count, size in zip(counts, sizes, strict=True):
        drawn += (2 * rng.binomial(count, 0.5, draws) - count) / size
    p = (1 + int((np.abs(drawn) >= observed).sum())) / (1 + draws)
    return p, f"sign test, stratified by mission ({number_of(draws, 'draw')})", max(least, 1 / (1 + draws))


def _untested(record: PairRecord, name: Primary, reason: str) -> PairRecord:
    return changed(
        record, primary=name, test=f"test of the {PRIMARY_NAMES[name]}", t=nan, df=nan, p=nan, minimum_p=nan,
        p_equivalence=nan, reason=record.reason or reason,
    )  # fmt: skip


# ---- training seeds ---------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Tail:
    """Replicates as a test needs them: how many, how many of them below 0 (half of those at 0), mean and spread.

    Attributes:
        margins: with a margin, how far the replicates are above its negative, and how far below it.
    """

    count: int
    below: float
    mean: float
    sd: float
    margins: tuple[Tail, Tail] | None = None


def tail_of(replicates: Array, margin: float = 0.0) -> Tail:
    """Replicates of a difference; with a margin, also as the two tests of equivalence need them."""
    below = (float((replicates < 0).sum()) + float((replicates <= 0).sum())) / 2
    margins = (tail_of(replicates + margin), tail_of(margin - replicates)) if margin else None
    return Tail(
        count=replicates.size, below=below, mean=float(replicates.mean()), sd=float(replicates.std()), margins=margins
    )


def from_replicates(
    record: PairRecord, name: Primary, tail: Tail, sizes: Sequence[Sequence[int]], *, known: bool
) -> PairRecord:
    """The record of recipes with a bootstrap test of `name` as its test: the level at which the interval touches 0.

    The interval is an expanded percentile interval, so its tails are those of Student's t; beyond the last few
    replicates, the tails of the normal distribution continue them. Equivalence is two such tests, one against either
    end of the margin (Schuirmann 1987).

    Args:
        sizes: by sample that varies, its independent units: training seeds, or on each mission its training runs.
        known: whether the resamples gave an interval.
    """
    if not known:
        return _separated(record, name, sizes)
    z = _quantile(min(tail.below, tail.count - tail.below), tail)
    expansions = [expansion(sample) for sample in sizes]
    p = min(1.0, max(hypothesis_tests.t_p_value(z / factor, df) for factor, df in expansions))
    beyond = [_quantile(end.below, end) for end in tail.margins or ()]
    equivalence = max((float(special.stdtr(df, z / factor)) for z in beyond for factor, df in expansions), default=nan)
    return changed(
        record, primary=name, test=f"bootstrap test of the {PRIMARY_NAMES[name]}", t=nan, df=nan, p=p, minimum_p=nan,
        p_equivalence=equivalence,
    )  # fmt: skip


def _quantile(beyond: float, tail: Tail) -> float:
    """Where the replicates beyond 0 end, in standard deviations of a normal distribution."""
    share, least = beyond / (tail.count + 1), FEW_BEYOND / (tail.count + 1)
    z = float(special.ndtri(max(share, least)))
    return z if share >= least else min(z, -abs(tail.mean) / tail.sd)


def _separated(record: PairRecord, name: Primary, sizes: Sequence[Sequence[int]]) -> PairRecord:
    """Without a bootstrap interval: an exact test of whether every training seed of one side is ahead on every mission.

    A pair that overlaps has p = 1, as whether a pair is among the tests that Holm corrects for may not depend on data.
    """
    two_samples = record.n_a is not None and record.n_b is not None
    if name == "iqm" or not two_samples or len(sizes) != 2:
        return _untested(record, name, "too few training seeds for a bootstrap test")
    least = min(1.0, 2 / prod(comb(x + y, x) for x, y in zip(*sizes, strict=True)))
    p = least if record.p_improvement in (0.0, 1.0) else 1.0
    return changed(
        record, primary=name, test="permutation of training seeds (complete separation)", t=nan, df=nan, p=p,
        minimum_p=least, p_equivalence=nan,
    )  # fmt: skip
