"""From units to the tables of a comparison: summaries, and pairs with verdicts. Plain records, no files.

Ranks, aggregates and profiles over missions are in `overall.py`.

Two questions are kept apart. (A) *These checkpoints*: the unit is the episode, paired by (mission, environment seed);
claims hold for these weights only. (B) *These recipes*: the unit is the training seed; episodes are averaged first.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from math import ceil, isfinite, nan
from typing import Any

import numpy as np

from daf.config import DAFComparisonConfig
from daf.statistics import bootstrap, effects, hypothesis_tests, intervals
from daf.statistics.intervals import Array, Interval
from daf.statistics.units import OVERALL, Units

VERDICTS = ("better", "worse", "equivalent", "inconclusive", "insufficient data")
SUMMARY_COLUMNS = (
    "policy", "mission", "n_missions", "trained", "n_episodes", "n_train_seeds", "mean", "interval_low",
    "interval_high", "interval_method", "median", "sd", "iqm", "min", "max", "success_rate", "success_low",
    "success_high", "failures", "timeouts", "icc", "recipe_low", "recipe_high", "recipe_method", "mean_reward",
)  # fmt: skip
PAIR_COLUMNS = (
    "estimand", "mission", "n_missions", "policy_a", "policy_b", "paired", "n_a", "n_b", "mean_a", "mean_b",
    "difference", "interval_low", "interval_high", "interval_method", "effect_name", "effect", "effect_low",
    "effect_high", "p_improvement", "p_improvement_low", "p_improvement_high", "test", "p", "p_holm", "p_bh",
    "minimum_p", "p_equivalence", "power", "n_needed", "more_needed", "verdict", "reason",
)  # fmt: skip
Record = dict[str, Any]


def stream(config: DAFComparisonConfig, *key: str) -> np.random.Generator:
    """A stream of its own for every figure, so that adding a policy or a mission changes no other estimate, interval
    or raw p; only that a small p of a large family rests on more draws of its stream."""
    return np.random.default_rng([config.seed, *(zlib.crc32(part.encode()) for part in key)])


# ---- summary ----------------------------------------------------------------------------------------------


def summarise(units: Units, config: DAFComparisonConfig) -> list[Record]:
    """One record per policy and mission, and one per policy over all its missions (means of missions' means).

    Median, IQM, minimum and maximum of the overall record are taken over all its episodes together.
    """
    records = []
    for policy in units.policies:
        missions = units.missions_of(policy)
        records += [_summary(units, config, policy, mission, [mission]) for mission in missions]
        if missions:
            records.append(_summary(units, config, policy, OVERALL, missions))
    return records


def _summary(units: Units, config: DAFComparisonConfig, policy: str, name: str, missions: list[str]) -> Record:
    cells = [units.cells[policy, mission] for mission in missions]
    strata = [cell.episodes for cell in cells]
    level = config.confidence_level
    rng = stream(config, "summary", policy, *missions)
    interval = intervals.mean_interval(strata, level=level, num_resamples=config.num_resamples, rng=rng)
    pooled = np.concatenate(strata)
    one = cells[0] if len(cells) == 1 else None
    declared = [cell.successes for cell in cells if cell.successes[1]]
    success_n = sum(n for _, n in declared)
    success_rate = float(np.mean([share for share, _ in declared])) if declared else nan
    success = intervals.wilson_interval(success_rate * success_n, success_n, level)
    trained = bool(units.training_seeds(policy))
    runs = units.run_means(policy, missions) if trained else np.empty(0)
    recipe = intervals.unknown("no training seed of this policy is known")
    if trained:
        recipe = intervals.student_t_interval([runs], level)
    return {
        "policy": policy,
        "mission": name,
        "n_missions": len(missions),
        "trained": trained,
        "n_episodes": int(pooled.size),
        "n_train_seeds": int(runs.size),  # those that played all these missions
        "mean": float(intervals.mean_of_strata(strata)),
        **_bounds("interval", interval),
        "interval_method": interval.method,
        "median": float(np.median(pooled)),
        "sd": float(pooled.std(ddof=1)) if one and pooled.size > 1 else nan,
        "iqm": float(intervals.iqm(pooled)),
        "min": float(pooled.min()),
        "max": float(pooled.max()),
        "success_rate": success_rate,
        **_bounds("success", success),
        "failures": sum(cell.failures for cell in cells),
        "timeouts": sum(cell.timeouts for cell in cells),
        "icc": intervals.intraclass_correlation(one.rewards_ec.T) if one and one.rewards_ec.shape[1] > 1 else nan,
        **_bounds("recipe", recipe),
        "recipe_method": recipe.method,
        "mean_reward": float(np.mean([cell.mean_reward for cell in cells])),
    }


def _bounds(name: str, interval: Interval) -> Record:
    return {f"{name}_low": interval.low, f"{name}_high": interval.high}


# ---- pairs ------------------------------------------------------------------------------------------------


def compare_pairs(units: Units, config: DAFComparisonConfig) -> list[Record]:
    """Every pair on every common mission and overall, for both questions, with adjusted p and verdicts.

    With `config.reference`, only the pairs of it and each other policy. Families of Holm's correction, each question
    for itself: all pairs overall; all pairs on all missions. Benjamini-Hochberg over the same families is exploratory
    and decides nothing. Power and the number of units needed are those of Holm's first step, the strictest.
    """
    present = [policy for policy in units.policies if units.missions_of(policy)]
    chosen = list(combinations(present, 2))
    if config.reference is not None:
        others = [policy for policy in present if policy != config.reference]
        chosen = [(config.reference, other) for other in others if config.reference in present]
    improvements = _Improvements(units, config, present)
    rows: list[tuple[str, str, str, str, list[str]]] = []  # estimand, policies, "overall" or mission, missions
    for a, b in chosen:
        common = [m for m in units.missions_of(a, b) if units.paired_differences(a, b, m).size]
        rows += [("A", a, b, *group) for group in _groups(common)]
        if units.training_seeds(a) or units.training_seeds(b):
            rows += [("B", a, b, *group) for group in _groups(units.missions_of(a, b))]
    families = Counter((estimand, name == OVERALL) for estimand, _, _, name, _ in rows)
    found: list[tuple[Record, _Spread | None]] = []
    for estimand, a, b, name, missions in rows:
        family_size = families[estimand, name == OVERALL]
        draws = hypothesis_tests.draws_for_family(config.num_resamples, family_size, 1 - config.confidence_level)
        if estimand == "A":
            found.append(_checkpoint_record(units, config, a, b, name, missions, draws))
        else:
            found.append(_recipe_record(units, config, a, b, name, missions, draws, improvements))
    for estimand in "AB":
        for overall in (True, False):
            _conclude(
                [one for one in found if one[0]["estimand"] == estimand and (one[0]["mission"] == OVERALL) == overall],
                1 - config.confidence_level,
                config.equivalence_margin,
            )
    return [record for record, _ in found]


def _groups(missions: list[str]) -> list[tuple[str, list[str]]]:
    """What a pair is compared on: each mission, and all of them."""
    return [*((mission, [mission]) for mission in missions), (OVERALL, missions)]


@dataclass(frozen=True, kw_only=True)
class _Spread:
    """What planning needs to know of a pair, all of it about variance and nothing about the difference seen.

    Attributes:
        error, df: standard error of the difference and its degrees of freedom.
        sd: of one unit (unpaired: of either side; over missions: within them).
        units_needed: units (unpaired: per side) for an effect of so many sd, a power and an alpha.
        groups, fewest: missions, and the units of the one (unpaired: of the side) that has fewest.
    """

    error: float
    df: float
    sd: float
    units_needed: Callable[[float, float, float], float]
    groups: int
    fewest: int


def _plan(spread: _Spread | None, margin: float | None, alpha: float) -> Record:
    """Power at the margin, units needed for 80 %, and how many more (per mission); NaN where unknown or above 1e9."""
    power, needed, more = nan, nan, nan
    if margin and spread is not None and isfinite(spread.error) and spread.error > 0:
        power = effects.t_power(margin / spread.error, spread.df, alpha)
        needed = spread.units_needed(margin / spread.sd, 0.8, alpha)
        if isfinite(needed):
            needed = ceil(needed)
            more = max(0, ceil(needed / spread.groups) - spread.fewest)
    return {"power": power, "n_needed": needed, "more_needed": more}


def _checkpoint_record(
    units: Units, config: DAFComparisonConfig, a: str, b: str, name: str, missions: list[str], max_resamples: int
) -> tuple[Record, _Spread | None]:
    """Question A: paired by environment seed.

    Where all differences of a mission are equal and not 0, the test counts them as one unit, but the standard error
    takes their mean as known; equivalence and planning, which would rest on it alone, then stay open.
    """
    level = config.confidence_level
    strata = [units.paired_differences(a, b, mission) for mission in missions]
    n = sum(stratum.size for stratum in strata)
    base: Record = {
        "estimand": "A", "mission": name, "n_missions": len(missions), "policy_a": a, "policy_b": b, "paired": True,
        "n_a": n, "n_b": n,
    }  # fmt: skip
    if not n:
        reason = "no mission and environment seed in common"
        return base | _nothing(reason, test="sign-flip permutation", effect="dz"), None
    rng = stream(config, "pair", a, b, *missions)
    result = hypothesis_tests.sign_flip_test(
        strata, num_resamples=config.num_resamples, max_resamples=max_resamples, rng=rng
    )
    interval = intervals.mean_interval(strata, level=level, num_resamples=config.num_resamples, rng=rng)
    effect, effect_interval = effects.dz(strata, level)
    improvement = effects.paired_probability_of_improvement(strata)
    error, df = intervals.standard_error(strata)
    margin, spread = config.equivalence_margin, None
    trusted = isfinite(error) and not any(intervals.is_constant_shift(stratum) for stratum in strata)
    if trusted:
        spread = _Spread(
            error=error,
            df=df,
            sd=float(np.sqrt(np.mean([stratum.var(ddof=1) for stratum in strata]))),
            units_needed=effects.paired_sample_size,
            groups=len(strata),
            fewest=min(stratum.size for stratum in strata),
        )
    record = base | {
        "mean_a": float(np.mean([_common_mean(units, a, b, mission) for mission in missions])),
        "mean_b": float(np.mean([_common_mean(units, b, a, mission) for mission in missions])),
        "difference": result.difference,
        **_bounds("interval", interval),
        "interval_method": interval.method,
        "effect_name": "dz",
        "effect": effect,
        **_bounds("effect", effect_interval),
        "p_improvement": improvement,
        **_bounds("p_improvement", intervals.wilson_interval(improvement * n, n, level)),
        "test": result.name,
        "p": result.p,
        "minimum_p": result.minimum_p,
        "p_equivalence": hypothesis_tests.equivalence_p(result.difference, error, df, margin)
        if margin and trusted
        else None,
        "reason": result.reason,
    }
    return record, spread


def _common_mean(units: Units, policy: str, other: str, mission: str) -> float:
    cell, seeds = units.cells[policy, mission], set(units.cells[other, mission].seeds)
    return float(np.mean([value for seed, value in zip(cell.seeds, cell.episodes, strict=True) if seed in seeds]))


class _Improvements:
    """P(improvement) of question B for all pairs on the same missions, from resamples that all pairs share."""

    def __init__(self, units: Units, config: DAFComparisonConfig, policies: list[str]) -> None:
        self._units, self._config, self._policies = units, config, policies
        self._replicates: dict[tuple[str, ...], dict[tuple[str, str], Array]] = {}

    def interval(self, a: str, b: str, missions: list[str]) -> Interval:
        """From the replicates of seed means, the seeds of a policy drawn jointly for all missions."""
        key = tuple(missions)
        if key not in self._replicates:
            self._replicates[key] = self._resample(missions)
        sample = [self._units.run_scores(policy, missions) for policy in (a, b)]
        return bootstrap.replicate_interval(
            self._replicates[key][a, b], sample, self._config.confidence_level, joint=True
        )

    def _resample(self, missions: list[str]) -> dict[tuple[str, str], Array]:
        able = [p for p in self._policies if (s := self._units.run_scores(p, missions)) and s[0].size]
        indices = list(combinations(range(len(able)), 2))
        if self._config.reference in able:
            first = able.index(self._config.reference)
            indices = [(first, other) for other in range(len(able)) if other != first]
        _, found = bootstrap.bootstrap_suite(
            [self._units.run_scores(policy, missions) for policy in able],
            statistics=(),
            pairs=indices,
            num_resamples=self._config.num_resamples,
            rngs=[stream(self._config, "improvement", policy, *missions) for policy in able],
            joint=True,
        )
        return {(able[x], able[y]): values for (x, y), values in zip(indices, found, strict=True)}


def _recipe_record(
    units: Units,
    config: DAFComparisonConfig,
    a: str,
    b: str,
    name: str,
    missions: list[str],
    max_resamples: int,
    improvements: _Improvements,
) -> tuple[Record, _Spread | None]:
    """Question B: seed means, unpaired; a policy that DAF did not train is a fixed reference."""
    level, margin = config.confidence_level, config.equivalence_margin
    x, y = (units.run_means(policy, missions) if missions else np.empty(0) for policy in (a, b))
    trained = (bool(units.training_seeds(a)), bool(units.training_seeds(b)))
    base: Record = {
        "estimand": "B", "mission": name, "n_missions": len(missions), "policy_a": a, "policy_b": b, "paired": False,
        "n_a": int(x.size) if trained[0] else None, "n_b": int(y.size) if trained[1] else None,
    }  # fmt: skip
    effect_name, test = ("g", "Welch t-test") if all(trained) else ("dz", "one-sample t-test")
    if not (x.size and y.size):
        reason = _too_few_runs(units, {a: x, b: y}, missions) if missions else "no mission in common"
        return base | _nothing(reason, test=test, effect=effect_name), None
    if all(trained):
        result, interval = hypothesis_tests.welch_test(x, y), hypothesis_tests.welch_interval(x, y, level)
        if config.recipe_test == "permutation":
            rng = stream(config, "recipes", a, b, *missions)
            result = hypothesis_tests.permutation_test(
                x, y, num_resamples=config.num_resamples, max_resamples=max_resamples, rng=rng
            )
        effect, effect_interval = effects.hedges_g(x, y, level)
        error, df = hypothesis_tests.welch_parts(x, y) if min(x.size, y.size) > 1 else (nan, nan)
    else:
        sign, runs, fixed = (1.0, x, float(y.mean())) if trained[0] else (-1.0, y, float(x.mean()))
        gaps = sign * (runs - fixed)
        result, interval = hypothesis_tests.one_sample_t_test(gaps), intervals.student_t_interval([gaps], level)
        effect, effect_interval = effects.dz([gaps], level)
        error, df = intervals.standard_error([gaps])
    varying = [runs for runs, own in zip((x, y), trained, strict=True) if own]
    spread = None
    if isfinite(error):
        spread = _Spread(
            error=error,
            df=df,
            sd=float(np.sqrt(np.mean([runs.var(ddof=1) for runs in varying]))),
            units_needed=effects.two_sample_size if all(trained) else effects.paired_sample_size,
            groups=1,
            fewest=min(runs.size for runs in varying),
        )
    better = improvements.interval(a, b, missions) if result.p is not None else intervals.unknown(result.reason)
    record = base | {
        "mean_a": float(x.mean()),
        "mean_b": float(y.mean()),
        "difference": result.difference,
        **_bounds("interval", interval),
        "interval_method": interval.method,
        "effect_name": effect_name,
        "effect": effect,
        **_bounds("effect", effect_interval),
        "p_improvement": effects.probability_of_improvement(*(units.run_scores(p, missions) for p in (a, b)))
        if result.p is not None
        else nan,
        **_bounds("p_improvement", better),
        "test": f"{result.name} on seed means"
        if all(trained)
        else f"{result.name} of seed means against a fixed policy",
        "p": result.p,
        "minimum_p": result.minimum_p,
        "p_equivalence": hypothesis_tests.equivalence_p(result.difference, error, df, margin) if margin else None,
        "reason": _too_few_runs(units, {a: x, b: y}, missions) or result.reason,
    }
    return record, spread


def _too_few_runs(units: Units, runs: dict[str, Array], missions: list[str]) -> str:
    """Which policies have too few training seeds that played all these missions; empty if none has."""
    known = {policy: len(units.training_seeds(policy)) for policy in runs}
    played = f"played {missions[0]}" if len(missions) == 1 else f"played all {len(missions)} missions"
    none = [policy for policy, found in runs.items() if known[policy] and not found.size]
    one = [policy for policy, found in runs.items() if known[policy] > 1 and found.size == 1]
    single = [policy for policy, found in runs.items() if known[policy] == 1 and found.size == 1]
    reasons = (
        f"no training seed of {' or '.join(none)} {played}" if none else "",
        f"only one training seed of {' and of '.join(one)} {played}" if one else "",
        f"{' and '.join(single)} trained with one seed only" if single else "",
    )
    return "; ".join(reason for reason in reasons if reason)


def _nothing(reason: str, *, test: str, effect: str) -> Record:
    return {"test": test, "effect_name": effect, "p": None, "minimum_p": None, "p_equivalence": None, "reason": reason}


def _conclude(family: list[tuple[Record, _Spread | None]], alpha: float, margin: float | None) -> None:
    """Add adjusted p, planning and verdicts to the records of one family, in place."""
    raw = [nan if record["p"] is None else record["p"] for record, _ in family]
    same = [nan if record["p_equivalence"] is None else record["p_equivalence"] for record, _ in family]
    first_step = alpha / max(1, sum(isfinite(p) for p in raw))
    columns = zip(
        family,
        hypothesis_tests.holm(raw),
        hypothesis_tests.benjamini_hochberg(raw),
        hypothesis_tests.holm(same),
        strict=True,
    )
    for (record, spread), p_holm, p_bh, p_same in columns:
        record.update(_plan(spread, margin, first_step))
        record["p_holm"], record["p_bh"], record["p_equivalence"] = float(p_holm), float(p_bh), float(p_same)
        record["verdict"], reason = verdict(record, alpha, margin)
        record["reason"] = record["reason"] or reason


def verdict(record: Record, alpha: float, margin: float | None) -> tuple[str, str]:
    """The verdict on policy a of a pair, and why if it is none.

    A declared margin has the last word: a difference shown to be smaller than it is "equivalent", even where it is
    also shown not to be 0.
    """
    if record["p"] is None:
        return "insufficient data", record["reason"] or "no test was possible"
    if margin and record["p_equivalence"] <= alpha:
        return "equivalent", f"shown to differ by less than the declared {margin:g}"
    if record["minimum_p"] is not None and record["minimum_p"] > alpha:
        return "insufficient data", f"p cannot fall below {record['minimum_p']:.2g} with so few units that differ"
    if record["p_holm"] <= alpha:
        return ("better" if record["difference"] > 0 else "worse"), ""
    return "inconclusive", ""
