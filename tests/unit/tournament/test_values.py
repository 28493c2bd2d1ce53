"""Values as leagues compute them, against the engine's own functions."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pandas as pd
from metta_alo.scoring import (
    VorTotals,
    compute_weighted_scores,
    overall_value_over_replacement,
    summarize_vor_scenario,
    value_over_replacement,
)
from mettagrid.simulator.multi_episode.rollout import EpisodeRolloutResult, MultiEpisodeRolloutResult

from daf.tournament import values
from daf.tournament.scores import MatchScore, MatchScores, episode_scores, scores_of_seats
from daf.tournament.table import seats_frame

TABLES = 1_000


def rewards(rng: random.Random) -> float:
    """Of any magnitude, often 0, sometimes whole, as rewards are."""
    kind = rng.random()
    return (
        0.0 if kind < 0.3 else float(rng.randrange(9)) if kind < 0.5 else rng.gauss(0, 1) * 10 ** rng.randrange(-3, 4)
    )


def random_pickup(rng: random.Random) -> dict[int, list[tuple[list[int], list[float]]]]:
    """By number of candidate's seats the assignments and rewards of episodes, as `cogames pickup` plays them."""
    agents, pool, episodes = rng.randint(1, 8), rng.randint(1, 3), rng.randint(1, 6)
    scenarios = {}
    for count in range(agents, -1, -1):
        played = []
        for _ in range(episodes):
            assignments = [0] * count + [1 + number % pool for number in range(agents - count)]
            rng.shuffle(assignments)
            played.append((assignments, [rewards(rng) for _ in range(agents)]))
        scenarios[count] = played
    return scenarios


NAMES = ["candidate", "x", "y", "z"]


def as_scores(scenarios: dict[int, list[tuple[list[int], list[float]]]]) -> MatchScores:
    rows: list[MatchScore] = []
    for count, played in scenarios.items():
        for episode, (assignments, rewards) in enumerate(played):
            seats = [
                ((NAMES[policy], None, policy > 0), reward) for policy, reward in zip(assignments, rewards, strict=True)
            ]
            rows += episode_scores(seats, mission="m", match=f"{9 - count}", episode=episode, env_seed=1000 + episode)
    return MatchScores(tuple(rows))


def as_table(scenarios: dict[int, list[tuple[list[int], list[float]]]]) -> pd.DataFrame:
    return seats_frame(
        {
            "mission": "m", "match": f"{9 - count}", "episode": episode, "env_seed": 1000 + episode, "seat": seat,
            "policy": NAMES[policy], "train_seed": None, "in_pool": policy > 0, "agent_reward": reward,
            "team_reward": sum(rewards) / len(rewards), "status": "played",
        }
        for count, played in scenarios.items()
        for episode, (assignments, rewards) in enumerate(played)
        for seat, (policy, reward) in enumerate(zip(assignments, rewards, strict=True))
    )  # fmt: skip


def test_scores_of_a_table_are_those_of_its_episodes() -> None:
    rng = random.Random(3)
    for _ in range(5):
        scenarios = random_pickup(rng)
        assert scores_of_seats(as_table(scenarios)).rows == as_scores(scenarios).rows


def test_values_over_replacement_equal_the_engines_to_the_last_bit() -> None:
    rng = random.Random(1)
    construct: Any = EpisodeRolloutResult.model_construct  # without the fields that no score depends on
    for _ in range(TABLES):
        scenarios = random_pickup(rng)
        totals, expected = VorTotals(), {}
        for count, played in scenarios.items():
            episodes = [construct(assignments=assignments, rewards=rewards) for assignments, rewards in played]
            rollout = MultiEpisodeRolloutResult.model_construct(episodes=episodes)
            summary = summarize_vor_scenario(rollout, candidate_policy_index=0, candidate_count=count)
            totals.update(count, summary)
            expected[count] = summary.candidate_mean if count else summary.replacement_mean
        scores = as_scores(scenarios)
        found = values.scenario_means(scores.of("candidate", None))
        replacement = values.replacement_mean(scores.rows)
        assert replacement is not None
        assert {count: scenario.mean for count, scenario in found.items()} | {0: replacement.mean} == expected
        assert list(found) == list(expected)[:-1]
        overall = overall_value_over_replacement(
            totals.total_candidate_weighted_sum, totals.total_candidate_agents, totals.replacement_mean
        )
        assert values.value_over_replacement(values.candidate_mean(found), replacement) == overall
        for count, scenario in found.items():
            by_engine = value_over_replacement(expected[count], totals.replacement_mean)
            assert values.value_over_replacement(scenario.mean, replacement) == by_engine


def test_weighted_scores_equal_the_engines_to_the_last_bit() -> None:
    rng = random.Random(2)
    for _ in range(TABLES):
        scenarios = random_pickup(rng)
        scores = as_scores(scenarios)
        ids: dict[str, UUID] = {policy: uuid4() for policy in ("candidate", "x", "y", "z")}
        games: dict[tuple[str, int], dict[str, tuple[float, int]]] = {}
        for row in scores.rows:
            games.setdefault((row.match, row.episode), {})[row.policy] = (row.score, row.seats)
        matches = [
            SimpleNamespace(
                policy_scores={ids[policy]: score for policy, (score, _) in game.items()},
                policy_agent_counts={ids[policy]: seats for policy, (_, seats) in game.items()},
            )
            for game in games.values()
        ]
        expected = compute_weighted_scores(list(ids.values()), matches)
        for policy, number in ids.items():
            rows = [row for row in scores.rows if row.policy == policy]
            assert values.weighted_score(rows) == expected[number]
