"""Mission analysis: its numbers against scipy, the missions a text names, and sets with several mistakes."""

import json

import numpy as np
import pytest
from scipy import stats

pytest.importorskip("cogames")

from daf import mission_analysis
from daf.config import MissionConfig
from daf.engine import missions
from daf.episodes import episodes_frame
from daf.errors import BadInputError, ConfigError
from daf.mission_analysis import (
    MissionMetadata,
    analyze_episodes,
    daf_analyze_mission,
    daf_analyze_mission_set,
    daf_discover_missions_from_readme,
    daf_get_mission_metadata,
    daf_validate_mission_set,
)

METADATA = MissionMetadata(
    name="m",
    description="",
    origin="daf",
    num_agents=2,
    max_steps=40,
    success="length < 40",
    action_names=["noop"],
    observation_shape=[64, 3],
    resources=["carbon"],
)
REWARDS = [0.1, 2.5, 1.7, 0.4, 3.3, 2.2, 0.0, 1.1]


def table(rewards, successes=None, failures=()):
    rows = []
    for number, reward in enumerate(rewards):
        failed = number in failures
        rows.append(
            {
                "policy": "p",
                "checkpoint": "p-seed-1",
                "mission": "m",
                "episode": number,
                "seed": number,
                "mean_reward": None if failed else reward,
                "agent_rewards": [] if failed else [reward, reward],
                "success": None if failed or successes is None else successes[number],
                "length": 0 if failed else 30 + number,
                "timeouts": number % 2,
                "failure": "ValueError: x" if failed else None,
                "action_counts": "{}",
                "game_stats": "{}",
                "agent_stats": json.dumps([{"carbon.gained": 2.0, "carbon.lost": 1.0, "action.move.success": 1.0}] * 2),
            }
        )
    return episodes_frame(rows)


# ---- numbers ---------------------------------------------------------------------------------------------------


def test_numbers_against_numpy_and_scipy():
    successes = [True, False, True, True, False, True, True, True]
    analysis = analyze_episodes(table(REWARDS, successes), METADATA)
    assert (analysis.num_episodes, analysis.num_failed, analysis.policy) == (8, 0, "p-seed-1")
    assert analysis.mean_reward == pytest.approx(np.mean(REWARDS))
    assert analysis.variance_reward == pytest.approx(np.var(REWARDS, ddof=1))
    assert analysis.success_rate == 0.75
    wilson = stats.binomtest(6, 8).proportion_ci(0.95, method="wilson")
    assert analysis.success_interval == pytest.approx((wilson.low, wilson.high))
    low, high = 7 * np.var(REWARDS, ddof=1) / stats.chi2(7).ppf([0.975, 0.025])
    assert analysis.variance_interval == pytest.approx((low, high))
    low, high = analysis.reward_interval
    t_low, t_high = stats.t.interval(0.95, 7, np.mean(REWARDS), stats.sem(REWARDS))
    assert low < np.mean(REWARDS) < high
    # Whatever the method, with eight values the interval is near Student's.
    assert (low, high) == pytest.approx((t_low, t_high), abs=0.4)


def test_usage_of_resources():
    usage = analyze_episodes(table(REWARDS), METADATA, seconds=3.0, memory_mb=5.0).resource_usage
    assert usage["steps_per_episode"] == pytest.approx(30 + 3.5)
    assert usage["timeouts"] == 4
    assert (usage["seconds"], usage["memory_mb"]) == (3.0, 5.0)
    assert usage["resources_per_episode"] == {"carbon": {"gained": 4.0, "lost": 2.0}}


def test_the_same_episodes_give_the_same_analysis():
    assert analyze_episodes(table(REWARDS), METADATA) == analyze_episodes(table(REWARDS), METADATA)


def test_failed_episodes_are_counted_and_left_out():
    analysis = analyze_episodes(table([1.0, 99.0, 3.0], [True, True, False], failures={1}), METADATA)
    assert (analysis.num_episodes, analysis.num_failed) == (3, 1)
    assert analysis.mean_reward == 2.0
    assert analysis.success_rate == 0.5
    assert "1 failed" in analysis.sentence()


def test_no_success_is_declared():
    analysis = analyze_episodes(table(REWARDS), METADATA)
    assert (analysis.success_rate, analysis.success_interval) == (None, None)
    assert "success" not in analysis.sentence()


@pytest.mark.parametrize(
    ("rewards", "mean", "variance"), [([2.0, 2.0, 2.0], 2.0, 0.0), ([2.0], 2.0, None), ([], None, None)]
)
def test_where_the_data_cannot_say(rewards, mean, variance):
    """No variance, or no second episode, allows no interval; that is said by None, not by a wrong number."""
    analysis = analyze_episodes(table(rewards), METADATA)
    assert (analysis.mean_reward, analysis.variance_reward) == (mean, variance)
    assert (analysis.reward_interval, analysis.variance_interval) == (None, None)
    json.dumps(analysis.to_dict(), allow_nan=False)


def test_only_failed_episodes():
    analysis = analyze_episodes(table([1.0, 2.0], failures={0, 1}), METADATA)
    assert (analysis.mean_reward, analysis.num_failed) == (None, 2)
    assert analysis.resource_usage["steps_per_episode"] is None
    assert [mode.name for mode in analysis.failure_modes] == ["policy failed"]
    json.dumps(analysis.to_dict(), allow_nan=False)


# ---- playing ---------------------------------------------------------------------------------------------------


def test_a_mission_is_played_and_described():
    short = MissionConfig(source="assembler_2", max_steps=10)
    analysis = daf_analyze_mission(short, episodes=3, seed=5)
    assert (analysis.mission, analysis.policy, analysis.num_episodes) == ("assembler_2", "random", 3)
    assert 0 <= analysis.success_rate <= 1
    assert analysis.resource_usage["steps_per_episode"] == 10
    assert analysis.resource_usage["seconds"] > 0
    assert daf_analyze_mission(short, episodes=3, seed=5).mean_reward == analysis.mean_reward


def test_a_set_is_checked_before_the_first_episode(monkeypatch):
    monkeypatch.setattr(mission_analysis, "daf_analyze_mission", lambda *a, **k: pytest.fail("an episode was played"))
    with pytest.raises(ConfigError):
        daf_analyze_mission_set(["assembler_2", "assembler_22"])


def test_all_problems_of_a_set_at_once(tmp_path):
    (tmp_path / "bad.yaml").write_text("- 1\n")
    names = ["assembler_2", "assembler_22", str(tmp_path / "bad.yaml"), "tutorial.miner", "tutorial.minr"]
    with pytest.raises(ConfigError) as caught:
        daf_validate_mission_set(names)
    assert [problem.found for problem in caught.value.problems] == ["'assembler_22'", "a list", "'tutorial.minr'"]
    assert "did you mean 'assembler_2'" in str(caught.value)
    assert daf_validate_mission_set(["assembler_2", "tutorial.miner"]) == ["assembler_2", "tutorial.miner"]


def test_metadata():
    facts = daf_get_mission_metadata("assembler_2")
    assert (facts.name, facts.origin, facts.num_agents, facts.max_steps) == ("assembler_2", "daf", 4, 200)
    assert facts.success == "agent_sum('heart.gained') >= 4"
    assert facts.observation_shape == [64, 3]
    assert facts.resources == ["carbon", "oxygen", "heart"]
    assert facts.action_names == ["noop", "move_north", "move_south", "move_west", "move_east"]
    assert daf_get_mission_metadata(MissionConfig(source="tutorial.miner", num_agents=2)).num_agents == 2
    with pytest.raises(BadInputError, match="assembler_2"):
        daf_get_mission_metadata("assembler_22")


# ---- discovery -------------------------------------------------------------------------------------------------


def test_missions_that_a_text_names(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(
        "# Missions\nTry `tutorial.miner`, then machina_1. Later: **assembler_2**, energy_starved; not machina_99,\n"
        "not my_machina_1 and not machina_1x; tutorial.miner again.\n"
    )
    found = daf_discover_missions_from_readme(readme)
    assert found == ["tutorial.miner", "machina_1", "assembler_2", "energy_starved"]


def test_a_text_without_missions(tmp_path):
    (tmp_path / "a.md").write_text("Nothing here.")
    assert daf_discover_missions_from_readme(tmp_path / "a.md") == []


def test_a_text_that_is_not_there(tmp_path):
    with pytest.raises(BadInputError, match="no such file"):
        daf_discover_missions_from_readme(tmp_path / "README.md")


def test_without_a_text_cogames_own_documents_are_read(monkeypatch):
    found = daf_discover_missions_from_readme()
    assert set(found) <= set(missions.list_missions())
    assert "machina_1" in found
    monkeypatch.setattr(missions, "installed_documents", list)
    assert daf_discover_missions_from_readme() == list(missions.list_missions())
