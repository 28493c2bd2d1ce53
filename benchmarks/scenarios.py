"""The scenarios of `calibration.py`: data of known truth, and what DAF says where no method holds for them.

The true difference is 0; `shift` is added to policy "a" for power and false equivalence. Every sampler draws episodes
or training runs with a known mean.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import exp
from typing import Any, Literal

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]
Data = Mapping[str, list[Array]]
"""Per policy and mission (training seeds, episodes); NaN: not played."""
Sampler = Callable[[np.random.Generator, int], Array]


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Data of known truth.

    Attributes:
        draw: scores of policies "a" and "b".
        kind: what the data resemble, for the pages that link to the row (`daf.statistics.calibration.KINDS`).
        seeds, episodes, missions: training seeds of the side that has fewer (0: none), episodes per mission.
        trained: policies with training seeds.
        shift: a true difference for power, and the equivalence margin.
        options: of the comparison. With `looks`, episodes are added until there is a verdict.
        reason: why no method holds here, or empty.
        says: what the user then reads, in the caution or the notes.
        why_wide: why intervals cover more than 97 %, if they do.
    """

    estimand: Literal["checkpoints", "recipes"]
    draw: Callable[[np.random.Generator], Data]
    kind: str = "plain"
    seeds: int = 0
    episodes: int = 1
    missions: int = 1
    trained: str = "ab"
    shift: float = 1.0
    options: Mapping[str, Any] = field(default_factory=dict)
    looks: int = 0
    reason: str = ""
    says: str = ""
    why_wide: str = ""


# ---- samplers of a known mean -----------------------------------------------------------------------------


def gauss(sd: float = 1.0, mean: float = 0.0) -> Sampler:
    return lambda rng, n: rng.normal(mean, sd, n)


def lognormal(sigma: float = 1.0) -> Sampler:
    return lambda rng, n: rng.lognormal(0, sigma, n) - exp(sigma**2 / 2)


def exponential() -> Sampler:
    return lambda rng, n: rng.exponential(1, n) - 1


def heavy(df: float = 2.0) -> Sampler:
    """Student's t with infinite variance: Cauchy-like, but with a mean."""
    return lambda rng, n: rng.standard_t(df, n)


def bimodal(size: float = 10.0) -> Sampler:
    return lambda rng, n: size * ((rng.random(n) < 0.5) - 0.5) + rng.normal(0, 0.1 * size, n)


def failing(share: float = 0.2, size: float = 10.0) -> Sampler:
    """Training runs that fail now and then."""
    return lambda rng, n: size * (share - (rng.random(n) < share)) + rng.normal(0, 0.1 * size, n)


def event(share: float, size: float = 1.0) -> Sampler:
    """A reward in a share of the episodes, otherwise 0."""
    return lambda rng, n: size * (rng.random(n) < share)


def rounded(sampler: Sampler) -> Sampler:
    return lambda rng, n: np.round(sampler(rng, n))


# ---- data -------------------------------------------------------------------------------------------------


def crossed(
    seeds: Mapping[str, int], *, episodes: int = 16, missions: int = 1, seed_sd: float = 0.5, interaction: float = 0.0,
    missing: float = 0.0,
) -> Callable[[np.random.Generator], Data]:  # fmt: skip
    """Normal scores with effects of the training seed, the environment seed (sd 1), and the policy on that environment.

    A policy with 0 seeds is fixed. A share of the episodes may be missing.
    """

    def draw(rng: np.random.Generator) -> Data:
        shared = rng.normal(0, 1, (missions, episodes))
        gone = rng.random((missions, episodes)) < missing
        scores = {}
        for policy, count in seeds.items():
            skill = rng.normal(0, seed_sd if count else 0.0, (max(1, count), 1))
            own = rng.normal(0, interaction, (missions, episodes))
            noise = rng.normal(0, 1, (missions, max(1, count), episodes))
            scores[policy] = [skill + shared[m] + own[m] + noise[m] for m in range(missions)]
        for m in range(missions):
            scores["a"][m][0, gone[m]] = np.nan
        return scores

    return draw


def runs(**samplers: tuple[int, Sampler]) -> Callable[[np.random.Generator], Data]:
    """One score for every training run."""
    return lambda rng: {policy: [draw(rng, n)[:, None]] for policy, (n, draw) in samplers.items()}


def trainings(n: int, missions: int, **samplers: Sampler) -> Callable[[np.random.Generator], Data]:
    """One score for each training run; every mission has separate ones."""
    return lambda rng: {policy: [draw(rng, n)[:, None] for _ in range(missions)] for policy, draw in samplers.items()}


def opposite(n: int, correlation: float, episodes: int = 16) -> Callable[[np.random.Generator], Data]:
    """Training runs of two recipes whose effects are correlated where their seeds are the same."""

    def draw(rng: np.random.Generator) -> Data:
        x = rng.normal(0, 1, n)
        y = correlation * x + np.sqrt(1 - correlation**2) * rng.normal(0, 1, n)
        shared = rng.normal(0, 1, episodes)
        return {
            policy: [skill[:, None] + shared + rng.normal(0, 1, (n, episodes))]
            for policy, skill in (("a", x), ("b", y))
        }

    return draw


def success(n: int, share: float, episodes: int = 16) -> Callable[[np.random.Generator], Data]:
    """Training runs whose episodes all succeed with the same chance."""
    return lambda rng: {policy: [(rng.random((n, episodes)) < share).astype(float)] for policy in "ab"}


def apart(counts: Sequence[int], sampler: Sampler, gap: float = 10.0) -> Callable[[np.random.Generator], Data]:
    """Episodes of two alike policies on missions whose means are `gap` apart."""
    return lambda rng: {
        policy: [sampler(rng, n)[None, :] + gap * mission for mission, n in enumerate(counts)] for policy in "ab"
    }


def episodes(counts: Sequence[int], **samplers: Sampler) -> Callable[[np.random.Generator], Data]:
    """Fixed policies whose episodes are independent; `counts`: per mission."""
    return lambda rng: {policy: [draw(rng, n)[None, :] for n in counts] for policy, draw in samplers.items()}


def correlated(n: int, correlation: float, missing: float = 0.0) -> Callable[[np.random.Generator], Data]:
    """Normal episodes of two fixed policies that depend on the environment seed."""

    def draw(rng: np.random.Generator) -> Data:
        x = rng.normal(0, 1, n)
        y = correlation * x + np.sqrt(1 - correlation**2) * rng.normal(0, 1, n)
        x[rng.random(n) < missing] = np.nan
        return {"a": [x[None, :]], "b": [y[None, :]]}

    return draw


def spread(n: int, sds: Sequence[float]) -> Callable[[np.random.Generator], Data]:
    """Normal episodes; every mission has its own spread."""
    return lambda rng: {policy: [rng.normal(0, sd, (1, n)) for sd in sds] for policy in "ab"}


# ---- what the user reads where no method holds ------------------------------------------------------------

FAILURES_NOTE = "may miss a failure"  # among the notes
OPPOSITE = "move in opposite directions"
FEW = "training seeds on one side: a rare failed training may be missing"
GROUPS = "fall into two groups"
UNEVEN = "times as much as the other's"
SKEWED_RUNS = "training seeds of one side are skewed"
SKEWED_EPISODES = "the paired differences are skewed"
UNSEEN = "hardly vary between episodes"
WIDEST = "the widest counts of the intervals for other training seeds, other episodes, and both"
SMALL_DF = "with few runs on a mission, Satterthwaite's degrees of freedom come out too small"
FEWER_SEEDS = "the bootstrap is widened for the seeds of one side, as if the other's did not vary"
WHOLE_PAIRS = "the number of pairs won is whole, and the interval agrees with the sign test"
LAST_LEVEL = "intervals are at the level of the last interim analysis, which is stricter"
UNSEEN_NOTE = "may miss an event"  # among the notes: scores that vary do not give an unseen event away


# ---- the grid ---------------------------------------------------------------------------------------------


def _recipes(draw: Callable[[np.random.Generator], Data], seeds: int, **more: Any) -> Scenario:
    return Scenario(estimand="recipes", draw=draw, seeds=seeds, **more)


def _checkpoints(draw: Callable[[np.random.Generator], Data], count: int, **more: Any) -> Scenario:
    return Scenario(estimand="checkpoints", draw=draw, episodes=count, trained="", **more)


STEADY = gauss(0.02)
NORMAL: Mapping[str, Scenario] = {
    f"normal, {n} v {n} seeds x 16": _recipes(
        crossed({"a": n, "b": n}), n, episodes=16, shift=0.5 if n > 10 else 1.0, why_wide=WIDEST if n == 2 else ""
    )
    for n in (2, 3, 5, 10, 20, 50)
} | {
    "normal, 5 v 10 seeds x 16, 3 missions": _recipes(
        crossed({"a": 5, "b": 10}, missions=3), 5, episodes=16, missions=3
    ),
    "normal, 5 v 5 x 16, 20 % missing": _recipes(crossed({"a": 5, "b": 5}, missing=0.2), 5, episodes=16),
    "no spread of seeds, 5 v 5 x 16": _recipes(crossed({"a": 5, "b": 5}, seed_sd=0.0), 5, episodes=16, why_wide=WIDEST),
    "interaction 0.3, 10 v 10 x 16": _recipes(
        crossed({"a": 10, "b": 10}, interaction=0.3, seed_sd=0.3), 10, episodes=16
    ),
    "interaction 1, 10 v 10 x 16": _recipes(
        crossed({"a": 10, "b": 10}, interaction=1.0, seed_sd=0.3), 10, episodes=16
    ),
    "fixed rival, 5 seeds x 16": _recipes(
        crossed({"a": 5, "b": 0}), 5, episodes=16, trained="a", kind="fixed rival"
    ),
    "fixed rival, 10 seeds x 32": _recipes(
        crossed({"a": 10, "b": 0}, episodes=32), 10, episodes=32, trained="a", kind="fixed rival"
    ),
    "fixed rival, 20 seeds x 16, 3 missions": _recipes(
        crossed({"a": 20, "b": 0}, missions=3, seed_sd=0.2), 20, episodes=16, missions=3, trained="a",
        kind="fixed rival",
    ),
}  # fmt: skip

PER_MISSION = dict(trainings="per_mission")  # noqa: C408
IQM: Mapping[str, Any] = {"options": {"primary": "iqm"}}
CHANCE: Mapping[str, Any] = {"options": {"primary": "probability_of_improvement"}}
RUNS: Mapping[str, Scenario] = {
    "one score a run, 5 v 5": _recipes(runs(a=(5, gauss()), b=(5, gauss())), 5, shift=2.0),
    "one score a run, 5 v 5, six missions": _recipes(
        trainings(5, 6, a=gauss(), b=gauss()), 5, missions=6, options=PER_MISSION, shift=0.7
    ),
    **{
        f"one score a run, 3 v 3, {name} missions": _recipes(
            trainings(3, count, a=gauss(), b=gauss()), 3, missions=count, options=PER_MISSION, shift=2.0,
            why_wide=SMALL_DF,
        )
        for name, count in (("two", 2), ("three", 3))
    },
    "one score a run, 2 v 2, six missions": _recipes(
        trainings(2, 6, a=gauss(), b=gauss()), 2, missions=6, options=PER_MISSION, shift=2.0, why_wide=SMALL_DF
    ),
    "IQM: normal, 10 v 10 seeds x 16": _recipes(
        crossed({"a": 10, "b": 10}), 10, episodes=16, why_wide=FEWER_SEEDS, **IQM
    ),
    "P(improvement): normal, 10 v 10 seeds x 16": _recipes(
        crossed({"a": 10, "b": 10}), 10, episodes=16, why_wide=FEWER_SEEDS, **CHANCE
    ),
    "ties, 5 v 5": _recipes(runs(a=(5, rounded(gauss())), b=(5, rounded(gauss()))), 5, shift=2.0),
    "unequal spread 1:5, 2 v 2": _recipes(runs(a=(2, gauss()), b=(2, gauss(5.0))), 2, shift=5.0),
    "unequal spread 1:4, 3 v 10": _recipes(
        runs(a=(3, gauss(4.0)), b=(10, gauss())), 3, shift=8.0, kind="unequal spread", says=FEW,
        reason="the few seeds have the large spread, so its size, and with it the degrees of freedom, is uncertain",
    ),
    "unequal spread 1:4, 5 v 20": _recipes(
        runs(a=(5, gauss(4.0)), b=(20, gauss())), 5, shift=6.0, kind="unequal spread", says=UNEVEN
    ),
    "permutation, spread 1:4, 5 v 20": _recipes(
        runs(a=(5, gauss(4.0)), b=(20, gauss())), 5, shift=6.0, kind="unequal spread", says=UNEVEN,
        options={"recipe_test": "permutation"},
    ),
    "Cauchy-like, 10 v 10": _recipes(runs(a=(10, heavy()), b=(10, heavy())), 10, shift=3.0, kind="heavy tails"),
    **{
        f"log-normal v normal, {n} v {n}": _recipes(
            runs(a=(n, lognormal()), b=(n, gauss(0.5))), n, shift=2.0, kind="skewed", says=SKEWED_RUNS,
            reason="the mean of few skewed runs is itself skewed",
        )
        for n in (5, 10, 20, 50)
    },
    "log-normal v log-normal, 10 v 10": _recipes(
        runs(a=(10, lognormal()), b=(10, lognormal())), 10, shift=2.0, kind="skewed",
        why_wide="an outlier that moves the difference widens the interval, too",
    ),
    "bimodal v normal, 3 v 10": _recipes(
        runs(a=(3, bimodal()), b=(10, gauss())), 3, shift=10.0, kind="two groups", says=FEW,
        reason="3 runs may all be of one group",
    ),
    "bimodal v normal, 10 v 10": _recipes(
        runs(a=(10, bimodal()), b=(10, gauss())), 10, shift=6.0, kind="two groups", says=GROUPS
    ),
    **{
        f"20 % fail v steady, {n} v {n}": _recipes(
            runs(a=(n, failing()), b=(n, gauss(0.1))), n, shift=6.0, kind="two groups",
            says=FEW if n == 3 else UNEVEN if n <= 10 else SKEWED_RUNS,
            reason="failed training runs may be missing from few seeds",
        )
        for n in (3, 5, 10, 20)
    },
    "20 % fail v varying, 5 v 5": _recipes(
        runs(a=(5, failing()), b=(5, gauss())), 5, shift=6.0, kind="two groups", says=FAILURES_NOTE,
        reason="failed training runs may be missing from few seeds",
    ),
    **{
        f"20 % fail v steady, 3 v 3, {name} missions": _recipes(
            trainings(3, count, a=failing(), b=gauss(0.1)), 3, missions=count, options=PER_MISSION, shift=6.0,
            kind="two groups", says=UNEVEN, reason="failed training runs may be missing from few seeds",
        )
        for name, count in (("two", 2), ("three", 3))
    },
    **{
        f"same seeds, correlation -1, {n} v {n} x 16": _recipes(
            opposite(n, -1.0), n, episodes=16, shift=2.0 if n < 10 else 1.5, kind="opposite seeds", says=OPPOSITE,
            reason="runs with the same seed are not independent, as the test assumes",
        )
        for n in (5, 10, 20)
    },
    "97 % success, 3 v 3 seeds x 16": _recipes(
        success(3, 0.97), 3, episodes=16, shift=0.1, kind="rare event", why_wide=WIDEST
    ),
    "97 % success v steady, 3 v 3": _recipes(
        lambda rng: {"a": success(3, 0.97)(rng)["a"], "b": [rng.normal(0.97, 0.002, (3, 16))]}, 3, episodes=16,
        shift=0.1, kind="rare event", says=FEW, reason="the event that decides may not have been seen",
    ),
}  # fmt: skip

EPISODES: Mapping[str, Scenario] = {
    **{f"normal, {n} episodes": _checkpoints(episodes([n], a=gauss(), b=gauss()), n) for n in (8, 16, 64)},
    "P(improvement): normal, 16 episodes": _checkpoints(
        episodes([16], a=gauss(), b=gauss()), 16, why_wide=WHOLE_PAIRS, **CHANCE
    ),
    "P(improvement): log-normal v steady, 16": _checkpoints(
        lambda rng: {"a": [rng.lognormal(0, 1, (1, 16)) - 1], "b": [rng.normal(0, 0.02, (1, 16))]}, 16,
        why_wide=WHOLE_PAIRS, **CHANCE,
    ),
    "IQM: normal, 10 x 2": _checkpoints(episodes([10, 10], a=gauss(), b=gauss()), 10, missions=2, **IQM),
    "IQM: normal, 10 x 2, missions apart": _checkpoints(apart([10, 10], gauss()), 10, missions=2, **IQM),
    "IQM: normal, 2 x 10": _checkpoints(
        episodes([2] * 10, a=gauss(), b=gauss()), 2, missions=10,
        why_wide="with two episodes on a mission, Yuen's degrees of freedom come out too small", **IQM,
    ),
    "IQM: log-normal v log-normal, 10 x 2": _checkpoints(
        episodes([10, 10], a=lognormal(), b=lognormal()), 10, missions=2, kind="heavy tails", **IQM
    ),
    "negative correlation -0.8, 16": _checkpoints(correlated(16, -0.8), 16, shift=1.5),
    "normal, 32, 20 % missing": _checkpoints(correlated(32, 0.5, missing=0.2), 32),
    "unequal numbers, 4 and 64": _checkpoints(
        episodes([4, 64], a=gauss(), b=gauss()), 4, missions=2, kind="few episodes"
    ),
    "unequal spread 1:10, 8 x 2": _checkpoints(spread(8, (0.2, 2.0)), 8, missions=2, shift=1.5),
    "ties: half succeed, 16": _checkpoints(episodes([16], a=event(0.5), b=event(0.5)), 16, shift=0.5),
    "rare success: 10 % each, 32": _checkpoints(episodes([32], a=event(0.1), b=event(0.1)), 32, shift=0.2),
    "Cauchy-like, 16": _checkpoints(episodes([16], a=heavy(), b=heavy()), 16, shift=3.0, kind="heavy tails"),
    "log-normal v log-normal, 16": _checkpoints(
        episodes([16], a=lognormal(), b=lognormal()), 16, shift=2.0, kind="heavy tails"
    ),
    "exponential v steady, 32": _checkpoints(
        episodes([32], a=exponential(), b=STEADY), 32, kind="skewed", says=SKEWED_EPISODES,
        reason="the mean of skewed episodes is itself skewed",
    ),
    "log-normal v steady, 16 x 2": _checkpoints(
        episodes([16, 16], a=lognormal(), b=STEADY), 16, missions=2, kind="skewed", says=SKEWED_EPISODES,
        reason="the mean of skewed episodes is itself skewed",
    ),
    **{
        f"log-normal v steady, {n}": _checkpoints(
            episodes([n], a=lognormal(), b=STEADY), n, kind="skewed", says=SKEWED_EPISODES,
            reason="the mean of skewed episodes is itself skewed",
        )
        for n in (40, 200)
    },
    **{
        name: _checkpoints(
            episodes(counts, a=event(0.05, 20.0), b=gauss(rival, 1.0)), counts[0], missions=len(counts), shift=4.0,
            kind="rare event", says=UNSEEN_NOTE if rival > 0.1 else UNSEEN,
            reason="the event that decides may not have been seen",
            why_wide="Student's and Hall's interval count together" if counts == [200] else "",
        )
        for name, counts, rival in (
            ("rare reward 5 % x 20 v steady, 8 x 2", [8, 8], 0.02),
            ("rare reward 5 % x 20 v varying, 8 x 2", [8, 8], 0.3),
            ("rare reward 5 % x 20 v steady, 64", [64], 0.02),
            ("rare reward 5 % x 20 v steady, 200", [200], 0.02),
        )
    },
    **{
        name: _checkpoints(
            episodes(counts, a=event(0.98), b=gauss(0.002, 0.98)), counts[0], missions=len(counts), shift=0.1,
            kind="rare event", says=UNSEEN, reason="the event that decides may not have been seen",
        )
        for name, counts in (("98 % success v steady, 16 x 2", [16, 16]), ("98 % success v steady, 100", [100]))
    },
}  # fmt: skip

LOOKS: Mapping[str, Scenario] = {
    "4 looks to 64, normal": _checkpoints(
        episodes([64], a=gauss(), b=gauss()), 64, looks=4, why_wide=LAST_LEVEL
    ),
    "4 looks to 64, log-normal v steady": _checkpoints(
        episodes([64], a=lognormal(), b=STEADY), 64, looks=4, kind="skewed", says=SKEWED_EPISODES,
        reason="the mean of skewed episodes is itself skewed",
    ),
    "4 looks to 64, rare reward 5 % x 20 v steady": _checkpoints(
        episodes([64], a=event(0.05, 20.0), b=gauss(0.02, 1.0)), 64, looks=4, kind="rare event", shift=4.0,
        says=UNSEEN, reason="the event that decides may not have been seen", why_wide=LAST_LEVEL,
    ),
}  # fmt: skip

SCENARIOS: Mapping[str, Scenario] = {**NORMAL, **RUNS, **EPISODES, **LOOKS}
