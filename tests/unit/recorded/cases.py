"""Comparisons, learning curves and tournaments of made-up data, which together reach most of the statistics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import nan
from typing import Any

import numpy as np
import pandas as pd

from daf.comparison import daf_compare_scores
from daf.config import DAFComparisonConfig
from daf.config.recipes import checkpoint_label
from daf.statistics.comparison import compare_episodes
from daf.statistics.learning_curves import compare_curves
from daf.statistics.learning_records import TrainingCurve
from daf.statistics.sequential import play_until_settled
from daf.tournament.league import read_league
from daf.tournament.results import analyze_scores, analyze_seats
from daf.tournament.table import check_seats
from tests.unit.tournament.simulated import matches_of, noise, seats_of, tournament

Draw = Callable[[np.random.Generator, int], Iterable[float]]
"""Draws the scores of a number of episodes."""
Seeds = tuple[int | None, ...]
NO_SEEDS: Seeds = (None,)
MISSIONS = ("hall", "maze")


def normal(mean: float, spread: float = 1.0) -> Draw:
    return lambda rng, n: rng.normal(mean, spread, n)


def skewed(mean: float) -> Draw:
    return lambda rng, n: rng.lognormal(mean, 1, n)


def chance(share: float) -> Draw:
    return lambda rng, n: rng.binomial(1, share, n)


def whole(mean: float) -> Draw:
    """Whole numbers, of which many are equal."""
    return lambda rng, n: rng.poisson(mean, n)


def table(
    policies: Mapping[str, tuple[Draw, Seeds]],
    missions: Mapping[str, int] | Iterable[str] = MISSIONS,
    *,
    number: int = 0,
    spread: float = 0.3,
) -> pd.DataFrame:
    """A table of scores.

    Args:
        policies: their scores and training seeds.
        missions: their numbers of episodes; 8 each if they are only named.
        number: of the data set.
        spread: of what a training seed adds to all its scores.
    """
    counts = missions if isinstance(missions, Mapping) else dict.fromkeys(missions, 8)
    rng = np.random.default_rng(number)
    rows = []
    for policy, (draw, seeds) in policies.items():
        for seed in seeds:
            own = 0 if seed is None else rng.normal(0, spread)
            for mission, episodes in counts.items():
                rows += [
                    {"policy": policy, "mission": mission, "train_seed": seed, "episode": episode, "score": own + score}
                    for episode, score in enumerate(draw(rng, episodes))
                ]
    return pd.DataFrame(rows).astype({"train_seed": "Int64"})


def of_scores(scores: pd.DataFrame, **settings: Any) -> dict[str, Any]:
    return daf_compare_scores(scores, num_resamples=300, **settings).to_dict()


# ---- comparisons ------------------------------------------------------------------------------------------


def everyday(**settings: Any) -> dict[str, Any]:
    """Two recipes, a checkpoint and a scripted policy."""
    policies = {
        "mine": (normal(1.2), (1, 2, 3, 4, 5)),
        "theirs": (normal(0.8, 2.0), (1, 2, 3, 4, 5, 6)),
        "alone": (normal(0.6), (7,)),
        "scripted": (normal(0.3), NO_SEEDS),
    }
    return of_scores(table(policies, {"hall": 8, "maze": 12}), **settings)


def against_scripted(**settings: Any) -> dict[str, Any]:
    policies = {"mine": (normal(1.0), (1, 2, 3, 4, 5)), "scripted": (skewed(0.0), NO_SEEDS)}
    return of_scores(table(policies, number=1), **settings)


def checkpoints(**settings: Any) -> dict[str, Any]:
    """Policies without seeds: skewed, tied and almost equal scores, one of them with gaps."""
    policies = {
        "skewed": (skewed(0.2), NO_SEEDS),
        "whole": (whole(1.5), NO_SEEDS),
        "plain": (normal(1.5), NO_SEEDS),
    }
    scores = table(policies, {"hall": 16, "maze": 9, "yard": 12}, number=2)
    scores.loc[[3, 20, 45], "score"] = nan
    return of_scores(scores, **settings)


def rates(**settings: Any) -> dict[str, Any]:
    """Scores of 0 and 1: rare, even and certain."""
    policies = {
        "rare": (chance(0.05), NO_SEEDS), "even": (chance(0.5), NO_SEEDS), "sure": (chance(1.0), NO_SEEDS),
        "never": (chance(0.0), NO_SEEDS),
    }  # fmt: skip
    return of_scores(table(policies, {"hall": 20, "maze": 40}, number=3), **settings)


def few_seeds(first: int, second: int, **settings: Any) -> dict[str, Any]:
    policies = {"a": (normal(2.0, 0.5), tuple(range(first))), "b": (normal(0.5, 0.5), tuple(range(second)))}
    return of_scores(table(policies, ("hall",), number=10 * first + second), **settings)


def odd_sides(**settings: Any) -> dict[str, Any]:
    """Recipes whose seeds are alike, of two kinds, or partly without success."""
    rng = np.random.default_rng(4)
    scores = {
        "steady": np.full((6, 4), 1.0),
        "two_kinds": np.repeat([0.0, 0.1, 0.05, 2.0, 2.1, 1.9], 4).reshape(6, 4) + rng.normal(0, 0.05, (6, 4)),
        "partly": np.vstack([np.zeros((2, 4)), rng.normal(1.3, 0.1, (4, 4))]),
        "wide": rng.normal(1.0, 3.0, (6, 1)) + rng.normal(0, 0.1, (6, 4)),
    }
    rows = [
        {"policy": policy, "mission": "hall", "train_seed": seed, "episode": episode, "score": value}
        for policy, values in scores.items()
        for (seed, episode), value in np.ndenumerate(values)
    ]
    return of_scores(pd.DataFrame(rows), **settings)


def incomplete(**settings: Any) -> dict[str, Any]:
    """Runs, episodes and a mission that are missing."""
    policies = {name: (normal(place), (1, 2, 3, 4)) for place, name in enumerate("abc")}
    scores = table(policies, ("hall", "maze", "yard"), number=5)
    scores.loc[scores.index % 17 == 3, "score"] = nan
    lost = (scores["policy"] == "a") & (scores["mission"] == "maze") & (scores["train_seed"] == 2)
    never = (scores["policy"] == "c") & (scores["mission"] == "yard") & (scores["train_seed"] == 4)
    return of_scores(scores[~lost & ~never], **settings)


def published(seeds: int, missions: int, **settings: Any) -> dict[str, Any]:
    """One score per run, each of which was trained on its own mission, at other scales."""
    rng = np.random.default_rng(6)
    rows = [
        {
            "policy": policy,
            "mission": f"m{mission}",
            "seed": seed,
            "score": 10.0 ** (mission % 3) * rng.normal(mean, 0.4),
        }
        for policy, mean in (("a", 1.0), ("b", 1.4), ("c", 0.7))
        for mission in range(missions)
        for seed in range(seeds + (policy == "b"))
    ]
    scale = {f"m{mission}": 10.0 ** (mission % 3) for mission in range(missions)}
    normalization = {"low": dict.fromkeys(scale, 0.0), "high": scale}
    return of_scores(pd.DataFrame(rows), trainings="per_mission", normalization=normalization, **settings)


def engine_episodes(**settings: Any) -> dict[str, Any]:
    """Episodes as the engine's, with success, lengths, timeouts and failures."""
    policies = {"mine": (normal(1.0), (1, 2, 3)), "scripted": (normal(0.8), NO_SEEDS), "broken": (normal(0), NO_SEEDS)}
    frame = table(policies, {"hall": 10, "maze": 6}, number=7).rename(columns={"score": "mean_reward"})
    seeds = frame["train_seed"].astype(object).where(frame["train_seed"].notna(), None)
    frame["checkpoint"] = [checkpoint_label(*run) for run in zip(frame["policy"], seeds, strict=True)]
    frame["env_seed"] = 1_000_000 + frame["episode"]
    frame["success"] = frame["mean_reward"].gt(0.9).astype("boolean")
    frame["length"] = 50 + frame["episode"]
    frame["timeouts"] = (frame.index % 4 == 0).astype(int)
    frame["failure"] = None
    broken = (frame["policy"] == "broken") | ((frame["policy"] == "mine") & (frame["episode"] == 2))
    frame.loc[broken, ["mean_reward", "success", "length"]] = [nan, pd.NA, pd.NA]
    frame.loc[broken, "failure"] = "ValueError: no"
    config = {"policies": list(policies), "missions": list(MISSIONS), "num_resamples": 300, **settings}
    return compare_episodes(frame, DAFComparisonConfig.from_dict(config)).to_dict()


def until_settled(gap: float, **settings: Any) -> dict[str, Any]:
    """Episodes are added until every pair has a verdict."""
    policies = {"a": (normal(gap), NO_SEEDS), "b": (normal(0.0), NO_SEEDS), "c": (chance(0.1), NO_SEEDS)}
    frame = table(policies, {"hall": 64, "maze": 64}, number=8).rename(columns={"score": "mean_reward"})
    frame["env_seed"] = frame["episode"]
    config = {
        "policies": list(policies), "missions": list(MISSIONS), "num_resamples": 300, "episodes_per_mission": "auto",
        "max_episodes_per_mission": 64, **settings,
    }  # fmt: skip

    def play(first: int, stop: int) -> pd.DataFrame:
        return frame[frame["episode"].between(first, stop - 1)]

    return play_until_settled(play, DAFComparisonConfig.from_dict(config)).to_dict()


def curves(score: float | None, **settings: Any) -> dict[str, Any]:
    rng = np.random.default_rng(9)
    steps = [0, 1000, 2000, 4000, 6000]
    found = {}
    for policy, speed, seeds in (("a", 1.0, 5), ("b", 0.6, 4), ("c", 0.1, 3)):
        for seed in range(seeds):
            rise = speed * rng.lognormal(0, 0.3)
            points = tuple((step, rise * step / 1000 + rng.normal(0, 0.1)) for step in steps)
            found[policy, seed] = TrainingCurve(mission="hall", points=points)
    config = {"policies": ["a", "b", "c"], "missions": ["hall"], "num_resamples": 300, **settings}
    if score is not None:
        config["learning_curves"] = {"score": score}
    return compare_curves(found, DAFComparisonConfig.from_dict(config)).to_dict()


COMPARISONS: Mapping[str, Callable[[], dict[str, Any]]] = {
    "everyday": everyday,
    "everyday_reference": lambda: everyday(reference="scripted", equivalence_margin=0.4, confidence_level=0.9),
    "everyday_iqm": lambda: everyday(primary="iqm", equivalence_margin=2.0),
    "everyday_improvement": lambda: everyday(primary="probability_of_improvement"),
    "everyday_these_episodes": lambda: everyday(recipe_claim="these_episodes", recipe_test="permutation"),
    "everyday_normalized": lambda: everyday(
        normalization={"low": "scripted", "high": {"hall": 2.0, "maze": 3.0}}, resample_missions=True,
        profile_range=(-1.0, 2.0),
    ),
    "against_scripted": against_scripted,
    "against_scripted_iqm": lambda: against_scripted(primary="iqm", equivalence_margin=3.0),
    "checkpoints": checkpoints,
    "checkpoints_iqm": lambda: checkpoints(primary="iqm", equivalence_margin=1.5),
    "checkpoints_improvement": lambda: checkpoints(primary="probability_of_improvement", confidence_level=0.99),
    "rates": rates,
    "two_seeds": lambda: few_seeds(2, 2),
    "three_seeds": lambda: few_seeds(3, 3, equivalence_margin=3.0),
    "three_and_ten_seeds": lambda: few_seeds(3, 10, recipe_test="permutation"),
    "three_seeds_improvement": lambda: few_seeds(3, 4, primary="probability_of_improvement"),
    "odd_sides": odd_sides,
    "odd_sides_permutation": lambda: odd_sides(recipe_test="permutation", primary="iqm"),
    "incomplete": incomplete,
    "incomplete_these_episodes": lambda: incomplete(recipe_claim="these_episodes", equivalence_margin=4.0),
    "published": lambda: published(5, 6),
    "published_iqm": lambda: published(4, 5, primary="iqm", equivalence_margin=1.0, reference="b"),
    "published_improvement": lambda: published(3, 6, primary="probability_of_improvement", recipe_test="permutation"),
    "published_single_runs": lambda: published(1, 8),
    "engine_episodes": engine_episodes,
    "settled_early": lambda: until_settled(3.0),
    "settled_equivalent": lambda: until_settled(0.0, equivalence_margin=0.8),
    "learning_curves": lambda: curves(2.5),
    "learning_areas": lambda: curves(None, reference="b", recipe_test="permutation"),
}  # fmt: skip


# ---- tournaments ------------------------------------------------------------------------------------------

SKILLS = {"a": 1.5, "b": 0.2, "c": 0.0, "d": -1.0}


def rewards(players: Any, seed: int) -> list[float]:
    """A map's part, the policy's skill, which is the seat's too, and luck."""
    own = noise("map", seed).normal()
    return [
        own + SKILLS.get(player.policy, 0.0) * (1 + 0.3 * (seat == 0)) + 0.5 * noise(players, seed, seat).normal()
        for seat, player in enumerate(players)
    ]


def of_seats(*, lost: bool = False, train_seeds: Mapping[str, list[int]] | None = None, **settings: Any) -> Any:
    config = tournament(**settings)
    frame = seats_of(config, matches_of(config, train_seeds=train_seeds), rewards)
    if lost:
        failed = frame["episode"].eq(1) & frame["match"].isin(frame["match"].unique()[:2])
        frame.loc[failed, ["agent_reward", "team_reward"]] = nan
        frame.loc[failed, "length"] = pd.NA
        frame.loc[failed, "status"] = "failed"
        frame.loc[failed & frame["seat"].eq(0), "failure"] = "ValueError: no"
    return analyze_seats(check_seats(frame), config, provenance={}).to_dict()


def league(**settings: Any) -> dict[str, Any]:
    """Matches that were played elsewhere, on unknown maps."""
    rng = np.random.default_rng(10)
    rows = []
    for match in range(24):
        first, second = rng.choice(list(SKILLS), 2, replace=False)
        seats = int(rng.integers(1, 4))
        rows += [
            {
                "match": f"g{match}",
                "mission": "m",
                "policy": policy,
                "seats": own,
                "score": SKILLS[policy] + rng.normal(),
            }
            for policy, own in ((first, seats), (second, 4 - seats))
        ]
    found = read_league(rows)
    config = tournament(format="pairing", pool=[], candidates=list(SKILLS), missions=["m"], episodes=24, **settings)
    return analyze_scores(found, config).to_dict()


TOURNAMENTS: Mapping[str, Callable[[], dict[str, Any]]] = {
    "pickup": lambda: of_seats(
        candidates=["a", "b"], pool=["x", "y"], train_seeds={"b": [1, 2, 3]}, missions=["m", "n"], lost=True
    ),
    "pickup_auto": lambda: of_seats(
        candidates=["a", "c"], pool=["x"], episodes="auto", max_episodes=16, equivalence_margin=1.0, weights="uniform"
    ),
    "pairing": lambda: of_seats(format="pairing", candidates=["a", "b", "c", "d"], pool=[], episodes=4),
    "pairing_random": lambda: of_seats(
        format="pairing", candidates=["a", "b", "c"], pool=[], seats="random", weights={1: 2, 2: 1, 3: 0},
        roles=["miner", "scout"], train_seeds={"a": [1, 2, 3], "c": [4, 5, 6]}, equivalence_margin=0.5,
    ),
    "round_robin_order": lambda: of_seats(
        format="round_robin", candidates=["a", "b", "d"], pool=[], question="order", first=2, episodes="auto",
        max_episodes=12, confidence_level=0.9,
    ),
    "teams": lambda: of_seats(format="teams", candidates=["a", "b", "c", "d"], pool=[], seats="random"),
    "league": league,
}  # fmt: skip
