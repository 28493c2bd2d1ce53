"""Calibration: how often verdicts are false and intervals cover, for data of known truth.

    python benchmarks/calibration.py [--quick] [--runs 2000] [--minutes M] [--only NAME] [--store] [--resume] [--json]

Every scenario of `scenarios.py` draws scores whose true difference is known and compares them as `daf_compare_scores`
does. Its first data sets go through that function; the rest, for speed, straight to the part of it that decides
(`compare_pairs`), which must have given the same verdicts, p and intervals before. With missing episodes, or episodes
added until there is a verdict, everything goes the long way.

A verdict "better" or "worse" is false if the true difference is 0; "equivalent" is false if it is the margin; an
interval covers if it contains the truth. Power is the share of verdicts "better" at the scenario's shift, beside that
of the best textbook test whose false verdicts stay below 6 % on the same data. `--store` writes each finished row to
daf/statistics/calibration.json, from which `make docs` makes docs/calibration.md; `--only` reruns single rows, and
`--minutes` ends each of them then, with as many data sets as it has.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from math import inf, isnan, nan, sqrt
from time import monotonic
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # read when numpy is imported

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from scenarios import PER_MISSION, SCENARIOS, Data, Scenario  # noqa: E402
from scipy import stats  # noqa: E402

from daf.comparison import ComparisonResults, daf_compare_scores  # noqa: E402
from daf.config import DAFComparisonConfig  # noqa: E402
from daf.statistics.calibration import PATH, Row, read_rows  # noqa: E402
from daf.statistics.pairs import compare_pairs  # noqa: E402
from daf.statistics.primary import estimate_of  # noqa: E402
from daf.statistics.records import OVERALL, PairRecord  # noqa: E402
from daf.statistics.sequential import play_until_settled  # noqa: E402
from daf.statistics.units import Cell, Units  # noqa: E402
from daf.system.files import write_text  # noqa: E402

RESAMPLES = 400
CHECKED = 2  # data sets of every scenario that go both ways
EQUAL = {"probability_of_improvement": 0.5}  # of a primary quantity that is not 0 for equal policies
LEAST = 50  # data sets of a scenario, however long they take


# ---- one comparison ---------------------------------------------------------------------------------------


def table(data: Data, trained: str) -> pd.DataFrame:
    """The table of scores that a user would have."""
    parts = []
    for policy, missions in data.items():
        for mission, values in enumerate(missions):
            seeds, episodes = values.shape
            part = pd.DataFrame(
                {
                    "policy": policy,
                    "mission": f"m{mission}",
                    "train_seed": np.repeat(np.arange(seeds), episodes),
                    "episode": np.tile(np.arange(episodes), seeds),
                    "score": values.ravel(),
                }
            )
            if policy not in trained:
                part["train_seed"] = pd.NA
            parts.append(part[~np.isnan(part["score"].to_numpy(dtype=float))])
    return pd.concat(parts, ignore_index=True).astype({"train_seed": "Int64"})


def compare(scenario: Scenario, data: Data, **options: Any) -> ComparisonResults:
    """The comparison as a user would make it."""
    scores = table(data, scenario.trained)
    if not scenario.looks:
        return daf_compare_scores(scores, num_resamples=RESAMPLES, **scenario.options, **options)
    from daf.statistics.scores import to_episodes

    episodes, _ = to_episodes(scores)
    config = _config(
        data, episodes_per_mission="auto", max_episodes_per_mission=scenario.episodes,
        num_interim_analyses=scenario.looks, **scenario.options, **options,
    )  # fmt: skip
    return play_until_settled(lambda first, stop: episodes[episodes["episode"].between(first, stop - 1)], config)


def _config(data: Data, **options: Any) -> DAFComparisonConfig:
    missions = [f"m{mission}" for mission in range(len(data["a"]))]
    settings = {"policies": list(data), "missions": missions, "num_resamples": RESAMPLES} | options
    return DAFComparisonConfig.from_dict(settings)


def headline(scenario: Scenario, data: Data, **options: Any) -> PairRecord:
    """The record of the pair over all missions."""
    return compare(scenario, data, **options).headline_records(scenario.estimand)[0]


def directly(scenario: Scenario, data: Data, **options: Any) -> PairRecord:
    """The same record, without the tables around it."""
    config = _config(data, **scenario.options, **options)
    cells = {
        (policy, f"m{mission}"): Cell(
            rewards_ec=np.ascontiguousarray(values.T), seeds=tuple(range(values.shape[1])),
            successes=(nan, 0), failures=0, timeouts=0,
            training_seeds=tuple(range(len(values))) if policy in scenario.trained else (None,),
        )
        for policy, missions in data.items()
        for mission, values in enumerate(missions)
    }  # fmt: skip
    units = Units(
        policies=tuple(config.policies), missions=tuple(config.missions), cells=cells, notes=(),
        runs_per_mission=config.trainings == "per_mission",
    )  # fmt: skip
    place = OVERALL if len(config.missions) > 1 else config.missions[0]
    records = compare_pairs(units, config)
    return next(one for one in records if (one.estimand, one.mission) == (scenario.estimand, place))


def shifted(data: Data, shift: float) -> Data:
    """The same scores, with a true difference."""
    return {policy: [part + shift * (policy == "a") for part in parts] for policy, parts in data.items()}


# ---- textbook tests ---------------------------------------------------------------------------------------


def _textbook_p(scenario: Scenario, data: Data) -> dict[str, float]:
    """p of the tests that a textbook offers for such data."""
    means = {policy: np.mean([np.nanmean(part, axis=1) for part in parts], axis=0) for policy, parts in data.items()}
    if scenario.estimand == "checkpoints":
        gaps = np.concatenate([(x - y)[0] for x, y in zip(data["a"], data["b"], strict=True)])
        gaps = gaps[~np.isnan(gaps)]
        return {"paired t": _p(lambda: stats.ttest_1samp(gaps, 0)), "Wilcoxon": _p(lambda: stats.wilcoxon(gaps))}
    x, y = means["a"], means["b"]
    if len(y) == 1:
        return {"one-sample t": _p(lambda: stats.ttest_1samp(x, y[0]))}
    return {
        "Welch": _p(lambda: stats.ttest_ind(x, y, equal_var=False)),
        "Mann-Whitney": _p(lambda: stats.mannwhitneyu(x, y)),
    }


def _p(test: Callable[[], Any]) -> float:
    with np.errstate(all="ignore"):
        p = float(test().pvalue)
    return 1.0 if isnan(p) else p


def _best_textbook(false: Mapping[str, int], powerful: Mapping[str, int], runs: int, half: int) -> tuple[str, float]:
    """The most powerful of the tests that hold, and its power."""
    able = {name: powerful.get(name, 0) / half for name in false if false[name] / runs <= 0.06}
    best = max(able, key=lambda name: able[name], default="")
    return best, able.get(best, nan)


# ---- one scenario -----------------------------------------------------------------------------------------


def is_long(scenario: Scenario) -> bool:
    """Whether all data sets go through the public function."""
    first = scenario.draw(np.random.default_rng(1))["a"]
    return bool(scenario.looks) or any(np.isnan(part).any() for part in first)


def measure(name: str, scenario: Scenario, runs: int, seed: int = 1, minutes: float = inf) -> Row:
    """Draw `runs` data sets, and shift every second one; after `minutes` no more of them."""
    rng, long_way = np.random.default_rng(seed), is_long(scenario)
    false, cautioned, equivalent, powerful, notes, end = 0, 0, 0, 0, 0, monotonic() + 60 * minutes
    covered: list[bool] = []
    textbook: tuple[dict[str, int], dict[str, int]] = ({}, {})
    for run in range(runs):
        if run >= LEAST and monotonic() > end:
            runs = run
            break
        data = scenario.draw(rng)
        null = (headline if long_way else directly)(scenario, data, seed=run)
        if not long_way and run < CHECKED:
            check_same(name, null, headline(scenario, data, seed=run))
        wrong = null.verdict in ("better", "worse")
        false += wrong
        notes += bool(null.caution)
        cautioned += wrong and bool(null.caution)
        _, low, high = estimate_of(null)
        if np.isfinite(low):
            covered.append(low <= EQUAL.get(null.primary, 0.0) <= high)
        _count(textbook[0], scenario, data)
        if run % 2 == 0:
            other = shifted(data, scenario.shift)
            options = {"seed": run, "equivalence_margin": scenario.shift}
            record = (headline if long_way else directly)(scenario, other, **options)
            equivalent += record.verdict == "equivalent"
            powerful += record.verdict == "better"
            _count(textbook[1], scenario, other)
    half = (runs + 1) // 2
    best, best_power = _best_textbook(*textbook, runs, half)
    return Row(
        name=name, estimand=scenario.estimand, kind=scenario.kind, seeds=scenario.seeds, episodes=scenario.episodes,
        missions=scenario.missions, runs=runs, false=false / runs,
        coverage=float(np.mean(covered)) if covered else None, false_equivalence=equivalent / half,
        power=powerful / half, textbook=best, textbook_power=None if isnan(best_power) else best_power,
        cautioned=notes / runs, false_cautioned=cautioned / false if false else None,
        reason=scenario.reason, says=scenario.says, why_wide=scenario.why_wide, looks=scenario.looks,
        separate=PER_MISSION.items() <= scenario.options.items(), primary=scenario.options.get("primary", "mean"),
    )  # fmt: skip


def _count(counts: dict[str, int], scenario: Scenario, data: Data) -> None:
    for test, p in _textbook_p(scenario, data).items():
        counts[test] = counts.get(test, 0) + (p <= 0.05)


DECIDING = ("difference", "interval_low", "interval_high", "p_holm", "verdict", "test", "caution", "reason")


def check_same(name: str, direct: PairRecord, public: PairRecord) -> None:
    """Fail if the direct way gives another verdict, test, caution, p or interval than the public function."""
    for column in DECIDING:
        one, other = getattr(direct, column), getattr(public, column)
        close = isinstance(one, float) and np.isclose(one, other, rtol=1e-9, atol=1e-12, equal_nan=True)
        if one != other and not close:
            raise SystemExit(f"{name}: {column} is {other} by daf_compare_scores and {one} by compare_pairs")


# ---- the table --------------------------------------------------------------------------------------------


def shown(row: Row) -> str:
    """A row of the table in a terminal."""
    error = 100 * sqrt(max(row.false * (1 - row.false), 0.25 / row.runs) / row.runs)
    figures = (row.coverage, row.false_equivalence, row.power, row.textbook_power, row.cautioned, row.false_cautioned)
    texts = ("–" if figure is None else f"{100 * figure:.1f}" for figure in figures)
    mark = " *" if row.misleading else ""
    return f"{row.name + mark:<48}{row.runs:>6}{100 * row.false:>7.1f} ±{error:>4.1f}" + "".join(
        f"{text:>9}" for text in texts
    )


def store(row: Row) -> None:
    """Put a row into the stored table, in the order of the scenarios."""
    rows = {one.name: one for one in read_rows()} | {row.name: row}
    ordered = [asdict(rows[name]) for name in SCENARIOS if name in rows]
    write_text(PATH, json.dumps(ordered, indent=1, ensure_ascii=False) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2000, help="data sets per scenario")
    parser.add_argument("--quick", action="store_true", help="5 data sets per scenario, which only shows that it runs")
    parser.add_argument("--minutes", type=float, default=inf, help="of a scenario, after which it ends with fewer")
    parser.add_argument("--only", default="", help="scenarios whose name contains this")
    parser.add_argument("--store", action="store_true", help="keep each row in daf/statistics/calibration.json")
    parser.add_argument("--resume", action="store_true", help="leave out rows that are stored with as many data sets")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    done = {row.name: row.runs for row in read_rows()} if options.resume else {}
    titles = ("cover", "f.equiv", "power", "textb.", "caut.", "f.caut.")
    print(f"{'scenario':<48}{'n':>6}{'false %':>13}" + "".join(f"{title:>9}" for title in titles))
    rows = {}
    for name, scenario in SCENARIOS.items():
        runs = 5 if options.quick else options.runs
        if options.only not in name or done.get(name, 0) >= runs:
            continue
        row = rows[name] = measure(name, scenario, runs, minutes=options.minutes)
        print(shown(row), flush=True)
        if options.store:
            store(row)
    if options.json:
        print(json.dumps({name: asdict(row) for name, row in rows.items()}))


if __name__ == "__main__":
    main()
