"""Which episodes a mission's page draws: the median, and others on its map as far as the budget goes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("cogames")

from daf.config import MissionConfig
from daf.config.recipes import MissionRecipe
from daf.engine.evaluation import evaluate_policy
from daf.engine.missions import Mission, resolve_mission
from daf.engine.replays import trace_episode
from daf.engine.simulation import AgentBuffers, SimulationFactory
from daf.episodes.table import episodes_frame, write_episodes
from daf.evaluation import traces
from daf.evaluation.traces import evenly, trace_policies
from daf.reporting.mission_page import write_mission_report

STEPS, AGENTS, EPISODES = 20, 4, 24
CONFIG = MissionConfig(source="training_facility_1", max_steps=STEPS)  # one hall, turned and mirrored by the seed


@pytest.fixture(scope="module")
def mission() -> Mission:
    return resolve_mission(CONFIG)


@pytest.fixture(scope="module")
def frame(mission: Mission) -> pd.DataFrame:
    return evaluate_policy("random", mission, episodes=EPISODES, seed=600)


def map_of(mission: Mission, seed: int) -> set[tuple[str, int, int]]:
    """What stands where, asked from the engine directly."""
    factory = SimulationFactory(mission.env_config)
    simulation = factory.build(seed, AgentBuffers.zeros(factory.num_agents, factory.observation_shape))
    things = simulation.grid_objects(-1, -1, -1, -1, []).values()
    return {(thing["type_name"], thing["r"], thing["c"]) for thing in things if thing["type_name"] != "agent"}


def without(frame: pd.DataFrame, failed: set[int]) -> pd.DataFrame:
    """The table as if some episodes had failed."""
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    for row in rows:
        if row["episode"] in failed:
            row |= {"failure": "ValueError: x", "mean_reward": None, "agent_rewards": [], "actions": b"not played"}
    return episodes_frame(rows)


def test_the_median_is_animated_and_the_heat_map_holds_the_episodes_on_its_map(
    mission: Mission, frame: pd.DataFrame
) -> None:
    (found,) = trace_policies([frame], mission)
    assert found is not None
    rewards = sorted(frame["mean_reward"])
    assert found.animated.mean_reward == rewards[(EPISODES - 1) // 2]
    row = frame[frame["episode"] == found.animated.episode].iloc[0]
    assert (found.animated.env_seed, found.animated.mean_reward) == (row["env_seed"], row["mean_reward"])
    own = map_of(mission, found.animated.env_seed)
    expected = [seed for seed in frame["env_seed"] if map_of(mission, seed) == own]
    assert 2 <= len(expected) < EPISODES
    assert expected.index(found.animated.env_seed) > 0
    assert found.heat_map_seeds == expected
    assert found.heat_map_episodes == [seed - 600 for seed in expected]
    assert found.heat_map[expected.index(found.animated.env_seed)] is found.animated.trace
    assert (found.one_map, found.num_played) == (False, EPISODES)
    assert found.animated.trace.positions.shape == (STEPS + 1, AGENTS, 2)
    assert found.animated.trace.rewards[-1].mean() == pytest.approx(found.animated.mean_reward)


def test_best_median_and_worst_are_to_be_watched_each_once(mission: Mission, frame: pd.DataFrame) -> None:
    (found,) = trace_policies([frame], mission)
    assert [episode.ranks for episode in found.episodes] == [("best",), ("median",), ("worst",)]
    rewards = sorted(frame["mean_reward"])
    expected = [rewards[-1], rewards[(EPISODES - 1) // 2], rewards[0]]
    assert [episode.mean_reward for episode in found.episodes] == expected
    for episode in found.episodes:
        row = frame[frame["episode"] == episode.episode].iloc[0]
        assert (episode.env_seed, episode.success) == (row["env_seed"], row["success"])
        assert episode.trace.rewards[-1].mean() == pytest.approx(episode.mean_reward)
    (alone,) = trace_policies([frame.iloc[:1]], mission)
    assert [episode.ranks for episode in alone.episodes] == [("best", "median", "worst")]
    many = trace_policies([frame.iloc[:2]] * (traces.MOST_POLICIES + 1), mission)
    assert all([episode.ranks for episode in found.episodes] == [("median",)] for found in many)


def test_episodes_without_a_result_are_not_drawn(mission: Mission, frame: pd.DataFrame) -> None:
    (all_played,) = trace_policies([frame], mission)
    left_out = set(all_played.heat_map_episodes) - {all_played.animated.episode}
    found, nothing = trace_policies([without(frame, left_out), without(frame, set(range(EPISODES)))], mission)
    assert found is not None
    assert not left_out & set(found.heat_map_episodes)
    assert found.num_played == EPISODES - len(left_out)
    assert nothing is None


def test_no_more_is_played_again_than_the_budget_allows(
    mission: Mission, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = []

    def counted(mission, seed, actions, expected_rewards=None):
        played.append(actions.shape[1] * actions.shape[2])
        return trace_episode(mission, seed, actions, expected_rewards)

    monkeypatch.setattr("daf.engine.replays.trace_episode", counted)
    for episodes in (0, 1, 2):
        played.clear()
        monkeypatch.setattr(traces, "HEAT_MAP_AGENT_STEPS", episodes * STEPS * AGENTS + 1)
        (found,) = trace_policies([frame], mission)
        watched = {episode.episode for episode in found.episodes}  # are played whatever the budget
        assert sum(played) == len(watched | set(found.heat_map_episodes)) * STEPS * AGENTS
        assert found.animated.episode in found.heat_map_episodes
        assert len(found.heat_map) == max(1, episodes)


def test_maps_are_compared_as_long_as_there_is_hope() -> None:
    rows = [{"episode": number, "env_seed": number} for number in range(200)]
    asked: list[int] = []

    def unequal(seed: int) -> tuple[int]:
        asked.append(seed)
        return (seed,)

    assert traces._on_the_map_of(rows[0], rows[1:], unequal) == ([], False)
    assert len({seed for seed in asked if seed != 0}) == traces.GIVE_UP_AFTER
    found, one_map = traces._on_the_map_of(rows[0], rows[1:], lambda seed: (1,))
    assert (len(found), one_map) == (traces.MAPS_COMPARED, True)
    assert traces._on_the_map_of(rows[0], [], unequal) == ([], None)
    found, one_map = traces._on_the_map_of(rows[0], rows[1:9], lambda seed: (seed % 2,))
    assert ([row["env_seed"] for row in found], one_map) == ([2, 4, 6, 8], False)


@pytest.mark.parametrize(
    ("count", "expected"), [(-1, []), (0, []), (1, [0]), (2, [0, 9]), (4, [0, 3, 6, 9]), (10, list(range(10)))]
)
def test_evenly(count: int, expected: list[int]) -> None:
    assert evenly(range(10), count) == expected
    assert evenly([], count) == []


def test_evenly_never_takes_one_twice() -> None:
    for count in range(2, 61):
        chosen = evenly(range(61), count)
        assert len(set(chosen)) == count
        assert np.ptp(np.diff(chosen)) <= 1


def test_the_reports_files_say_which_episodes_were_drawn(mission: Mission, frame: pd.DataFrame, tmp_path: Path) -> None:
    write_episodes(tmp_path / "a.parquet", frame, {})
    write_episodes(tmp_path / "b.parquet", without(frame, set(range(EPISODES))).assign(checkpoint="broken"), {})
    recipe = MissionRecipe(name="hall", config=CONFIG, sha256=None)
    files = [str(tmp_path / name) for name in ("a.parquet", "b.parquet")]
    write_mission_report(recipe, files, json_path=tmp_path / "r.json", html_path=tmp_path / "r.html")
    (found,) = trace_policies([frame], mission)
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["drawn"] == [
        {
            "policy": "random",
            "episodes": [
                {
                    "ranks": list(one.ranks),
                    "episode": one.episode,
                    "env_seed": one.env_seed,
                    "mean_reward": one.mean_reward,
                }
                for one in found.episodes
            ],
            "heat_map": {"episodes": found.heat_map_episodes, "seeds": found.heat_map_seeds},
            "one_map": False,
        }
    ]
    assert report["recipe"] == recipe.to_dict()
    assert report["episodes"] == {"random": "a.parquet", "broken": "b.parquet"}
    page = " ".join((tmp_path / "r.html").read_text().split())
    count = len(found.heat_map_episodes)
    assert f"in {count} of {EPISODES} episodes, all on the same map; the others have other maps." in page
    median = found.animated
    assert f"Episode {median.episode} (seed {median.env_seed}), the median of {EPISODES} by mean reward" in page
    assert f"All {EPISODES} episodes failed" in page
