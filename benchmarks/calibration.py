"""Calibration: how often verdicts are false and intervals cover, for data of known truth.

    python benchmarks/calibration.py [--quick] [--runs 2000] [--only NAME] [--json]

Every scenario draws tables of scores whose true difference is known, and compares them with `daf_compare_scores`, as a
user would. A verdict "better" or "worse" is false if the true difference is 0; "equivalent" is false if the true
difference is the margin; an interval covers if it contains the true difference. Each share has its Monte-Carlo standard
error. Power is the share of verdicts "better" at the scenario's alternative.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import exp, nan, sqrt
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # read when numpy is imported

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

from daf.comparison import daf_compare_scores  # noqa: E402
from daf.statistics.records import PairRecord  # noqa: E402

Array = np.ndarray[Any, np.dtype[np.float64]]
RESAMPLES = 400


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Data of known truth.

    Attributes:
        draw: scores of policies "a" and "b", each a list with one (training seeds, episodes) array per mission. The
            true difference is 0 without a shift of "a".
        trained: policies with training seeds.
        margin: a true difference for power, and the equivalence margin.
        caution: why no method holds here, or empty; the row is then marked by an asterisk.
    """

    estimand: str
    draw: Callable[[np.random.Generator], Mapping[str, list[Array]]]
    trained: str = "ab"
    margin: float = 1.0
    options: Mapping[str, Any] = field(default_factory=dict)
    caution: str = ""


def table(scores: Mapping[str, list[Array]], trained: str, shift: float) -> pd.DataFrame:
    """The table of scores; policy "a" is shifted."""
    parts = []
    for policy, missions in scores.items():
        for mission, values in enumerate(missions):
            seeds, episodes = values.shape
            part = pd.DataFrame(
                {
                    "policy": policy,
                    "mission": f"m{mission}",
                    "train_seed": np.repeat(np.arange(seeds), episodes),
                    "episode": np.tile(np.arange(episodes), seeds),
                    "score": values.ravel() + (shift if policy == "a" else 0.0),
                }
            )
            if policy not in trained:
                part["train_seed"] = pd.NA
            parts.append(part[~np.isnan(part["score"].to_numpy(dtype=float))])
    return pd.concat(parts, ignore_index=True).astype({"train_seed": "Int64"})


# ---- recipes ----------------------------------------------------------------------------------------------


def crossed(
    seeds: Mapping[str, int], *, episodes: int = 16, missions: int = 1, seed_sd: float = 0.5, env_sd: float = 1.0,
    interaction: float = 0.0, noise: float = 1.0,
) -> Callable[[np.random.Generator], Mapping[str, list[Array]]]:  # fmt: skip
    """Normal scores with effects of the training seed, the environment seed, and the policy on that environment.

    A policy with 0 seeds is fixed.
    """

    def draw(rng: np.random.Generator) -> Mapping[str, list[Array]]:
        shared = rng.normal(0, env_sd, (missions, episodes))
        scores = {}
        for policy, count in seeds.items():
            skill = rng.normal(0, seed_sd if count else 0.0, (max(1, count), 1))
            own = rng.normal(0, interaction, (missions, episodes))
            scores[policy] = [
                skill + shared[m] + own[m] + rng.normal(0, noise, (max(1, count), episodes)) for m in range(missions)
            ]
        return scores

    return draw


def runs_of(**samplers: Callable[[np.random.Generator], Array]) -> Callable[[np.random.Generator], Any]:
    """One score for every training run."""
    return lambda rng: {policy: [sampler(rng)[:, None]] for policy, sampler in samplers.items()}


def normal(n: int, sd: float = 1.0) -> Callable[[np.random.Generator], Array]:
    return lambda rng: rng.normal(0, sd, n)


def lognormal(n: int, sigma: float = 1.0) -> Callable[[np.random.Generator], Array]:
    return lambda rng: rng.lognormal(0, sigma, n) - exp(sigma**2 / 2)


def failing(n: int, share: float = 0.2, size: float = 10.0) -> Callable[[np.random.Generator], Array]:
    """Training runs that fail now and then, of mean 0."""
    return lambda rng: size * (share - (rng.random(n) < share)) + rng.normal(0, 0.1 * size, n)


def bimodal(n: int, size: float = 10.0) -> Callable[[np.random.Generator], Array]:
    return lambda rng: size * ((rng.random(n) < 0.5) - 0.5) + rng.normal(0, 0.1 * size, n)


# ---- checkpoints ------------------------------------------------------------------------------------------


def episodes_of(
    episodes: int, missions: int, **samplers: Callable[[np.random.Generator, int], Array]
) -> Callable[[np.random.Generator], Any]:
    """Fixed policies whose episodes are independent."""
    return lambda rng: {
        policy: [sampler(rng, episodes)[None, :] for _ in range(missions)] for policy, sampler in samplers.items()
    }


def steady(sd: float = 0.02) -> Callable[[np.random.Generator, int], Array]:
    return lambda rng, n: rng.normal(0, sd, n)


def skewed(sigma: float = 1.0) -> Callable[[np.random.Generator, int], Array]:
    return lambda rng, n: rng.lognormal(0, sigma, n) - exp(sigma**2 / 2)


def exponential() -> Callable[[np.random.Generator, int], Array]:
    return lambda rng, n: rng.exponential(1, n) - 1


def event(share: float, size: float) -> Callable[[np.random.Generator, int], Array]:
    """A reward of `size` in a share of the episodes, less its mean."""
    return lambda rng, n: size * ((rng.random(n) < share) - share)


def gauss() -> Callable[[np.random.Generator, int], Array]:
    return lambda rng, n: rng.normal(0, 1, n)


AB = Mapping[str, int]
SCENARIOS: Mapping[str, Scenario] = {
    "normal, 5 v 5 seeds x 16": Scenario(estimand="recipes", draw=crossed({"a": 5, "b": 5})),
    "normal, 3 v 3 seeds x 16": Scenario(estimand="recipes", draw=crossed({"a": 3, "b": 3})),
    "normal, 20 v 20 seeds x 16": Scenario(estimand="recipes", draw=crossed({"a": 20, "b": 20}), margin=0.5),
    "normal, 5 v 10 seeds x 16, 3 missions": Scenario(
        estimand="recipes", draw=crossed({"a": 5, "b": 10}, missions=3)
    ),
    "fixed rival, 5 seeds x 16": Scenario(estimand="recipes", draw=crossed({"a": 5, "b": 0}), trained="a"),
    "fixed rival, 10 seeds x 32": Scenario(
        estimand="recipes", draw=crossed({"a": 10, "b": 0}, episodes=32), trained="a"
    ),
    "fixed rival, 20 seeds x 16, 3 missions": Scenario(
        estimand="recipes", draw=crossed({"a": 20, "b": 0}, missions=3, seed_sd=0.2), trained="a"
    ),
    "interaction 0.3, 10 v 10 x 16": Scenario(
        estimand="recipes", draw=crossed({"a": 10, "b": 10}, interaction=0.3, seed_sd=0.3)
    ),
    "interaction 1, 10 v 10 x 16": Scenario(
        estimand="recipes", draw=crossed({"a": 10, "b": 10}, interaction=1.0, seed_sd=0.3)
    ),
    "no spread of seeds, 5 v 5 x 16": Scenario(estimand="recipes", draw=crossed({"a": 5, "b": 5}, seed_sd=0.0)),
    "one score a run, 2 v 2": Scenario(estimand="recipes", draw=runs_of(a=normal(2, 1.0), b=normal(2, 5.0))),
    "one score a run, 5 v 5": Scenario(estimand="recipes", draw=runs_of(a=normal(5), b=normal(5)), margin=2.0),
    "unequal spread 1:4, 3 v 10": Scenario(estimand="recipes", draw=runs_of(a=normal(3, 4.0), b=normal(10, 1.0))),
    "permutation, spread 1:4, 5 v 20": Scenario(
        estimand="recipes", draw=runs_of(a=normal(5, 4.0), b=normal(20, 1.0)), options={"recipe_test": "permutation"}
    ),
    "20 % fail v steady, 3 v 3": Scenario(
        estimand="recipes", draw=runs_of(a=failing(3), b=normal(3, 0.1)), caution="few seeds, unequal spread"
    ),
    "20 % fail v steady, 5 v 5": Scenario(
        estimand="recipes", draw=runs_of(a=failing(5), b=normal(5, 0.1)), caution="few seeds, unequal spread"
    ),
    "bimodal v normal, 3 v 10": Scenario(
        estimand="recipes", draw=runs_of(a=bimodal(3), b=normal(10, 1.0)), caution="few seeds, unequal spread"
    ),
    "log-normal v normal, 10 v 10": Scenario(
        estimand="recipes", draw=runs_of(a=lognormal(10), b=normal(10, 0.5)), caution="skewed seeds"
    ),
    "normal episodes, 16": Scenario(estimand="checkpoints", draw=episodes_of(16, 1, a=gauss(), b=gauss()), trained=""),
    "log-normal v steady, 16 x 2": Scenario(
        estimand="checkpoints", draw=episodes_of(16, 2, a=skewed(), b=steady()), trained=""
    ),
    "log-normal v steady, 40": Scenario(
        estimand="checkpoints", draw=episodes_of(40, 1, a=skewed(), b=steady()), trained=""
    ),
    "exponential v steady, 32": Scenario(
        estimand="checkpoints", draw=episodes_of(32, 1, a=exponential(), b=steady()), trained=""
    ),
    "rare reward 5 % x 20, 8 x 2": Scenario(
        estimand="checkpoints", draw=episodes_of(8, 2, a=event(0.05, 20), b=steady()), trained="", caution="rare event"
    ),
    "rare reward 5 % x 20, 64": Scenario(
        estimand="checkpoints", draw=episodes_of(64, 1, a=event(0.05, 20), b=steady()), trained="", margin=2.0
    ),
    "98 % success, 16 x 2": Scenario(
        estimand="checkpoints", draw=episodes_of(16, 2, a=event(0.98, 1), b=steady(0.002)), trained="",
        margin=0.1, caution="rare event",
    ),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Shares:
    """What a scenario gave; `cautioned` is the share of false verdicts that carry a caution."""

    false: float
    coverage: float
    false_equivalence: float
    power: float
    cautioned: float
    runs: int


def headline(scenario: Scenario, data: Mapping[str, list[Array]], shift: float, **options: Any) -> PairRecord:
    """The record of the pair over all missions."""
    shifted = table(data, scenario.trained, shift)
    results = daf_compare_scores(shifted, num_resamples=RESAMPLES, **scenario.options, **options)
    return results.headline_records(scenario.estimand)[0]  # type: ignore[arg-type]


def measure(scenario: Scenario, runs: int, seed: int = 1) -> Shares:
    rng = np.random.default_rng(seed)
    false = equivalent = powerful = cautioned = 0
    covered: list[bool] = []
    for run in range(runs):
        data = scenario.draw(rng)

        null = headline(scenario, data, 0.0, seed=run)
        wrong = null.verdict in ("better", "worse")
        false += wrong
        cautioned += wrong and bool(null.caution)
        if np.isfinite(null.interval_low):
            covered.append(null.interval_low <= 0 <= null.interval_high)
        if run % 2 == 0:
            shifted = headline(scenario, data, scenario.margin, seed=run, equivalence_margin=scenario.margin)
            equivalent += shifted.verdict == "equivalent"
            powerful += shifted.verdict == "better"
    half = (runs + 1) // 2
    return Shares(
        false=false / runs, coverage=float(np.mean(covered)) if covered else nan,
        false_equivalence=equivalent / half, power=powerful / half, cautioned=cautioned / max(1, false), runs=runs,
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2000, help="data sets per scenario")
    parser.add_argument("--quick", action="store_true", help="5 data sets per scenario, which only shows that it runs")
    parser.add_argument("--only", default="", help="scenarios whose name contains this")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    print(f"{'scenario':<42}{'false %':>12}{'coverage %':>12}{'false equiv. %':>16}{'power %':>9}{'cautioned %':>13}")
    rows = {}
    for name, scenario in SCENARIOS.items():
        if options.only not in name:
            continue
        found = rows[name] = measure(scenario, 5 if options.quick else options.runs)
        error = 100 * sqrt(max(found.false * (1 - found.false), 0.25 / found.runs) / found.runs)
        title = name + " *" * bool(scenario.caution)
        print(
            f"{title:<42}{100 * found.false:>6.1f} ±{error:>4.1f}{100 * found.coverage:>12.1f}"
            f"{100 * found.false_equivalence:>16.1f}{100 * found.power:>9.0f}{100 * found.cautioned:>13.0f}",
            flush=True,
        )
    if options.json:
        print(json.dumps({name: vars(row) for name, row in rows.items()}))


if __name__ == "__main__":
    main()
