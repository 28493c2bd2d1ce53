"""Mission analysis: its numbers against scipy, the missions a text names, and sets with several mistakes."""

import dataclasses
import json

import numpy as np
import pytest
from scipy import stats

pytest.importorskip("cogames")

from daf import mission_analysis
from daf.config import MissionConfig
from daf.config.recipes import MissionRecipe
from daf.engine import documents, missions
from daf.engine.evaluation import evaluate_policy
from daf.engine.missions import resolve_mission
from daf.episodes.table import episodes_frame, write_episodes
from daf.errors import BadInputError, ConfigError
from daf.evaluation.mission import MissionMetadata, analyze_episodes
from daf.mission_analysis import (
    daf_analyze_mission,
    daf_analyze_mission_set,
    daf_discover_missions_from_readme,
    daf_get_mission_metadata,
    daf_validate_mission_set,
)
from daf.reporting.mission_page import write_mission_report
from daf.system.resource_usage import Usage

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
                "env_seed": number,
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


def test_statistics_that_no_episode_reported_are_named():
    success = "agent_sum('carbon.gained', 'carbon.gaind') > 0 and game('hearts') >= 0"
    analysis = analyze_episodes(table(REWARDS, [False] * 8), dataclasses.replace(METADATA, success=success))
    assert analysis.success_unreported == {
        "hearts": "",
        "carbon.gaind": "did you mean 'carbon.gained' or 'carbon.lost'?",
    }
    hint = "did you mean 'carbon.gained' or 'carbon.lost'?"
    assert f"no episode reported 'hearts', 'carbon.gaind' ({hint}), which counts as 0" in analysis.sentence()
    assert analyze_episodes(table(REWARDS, [False] * 8), METADATA).success_unreported == {}


def test_usage_of_resources():
    taken = Usage(seconds=3.0, peak_memory_mb=5.0)
    usage = analyze_episodes(table(REWARDS), METADATA, usage=taken).resource_usage
    assert usage["steps"] == 8 * 30 + 28
    assert usage["steps_per_episode"] == pytest.approx(30 + 3.5)
    assert usage["timeouts"] == 4
    assert (usage["seconds"], usage["memory_mb"]) == (3.0, 5.0)
    assert usage["resources_per_episode"] == {"carbon": {"gained": 4.0, "lost": 2.0}}
    unknown = analyze_episodes(table(REWARDS), METADATA).resource_usage
    assert (unknown["seconds"], unknown["memory_mb"]) == (None, None)


def test_the_same_episodes_give_the_same_analysis():
    assert analyze_episodes(table(REWARDS), METADATA) == analyze_episodes(table(REWARDS), METADATA)


def test_failed_episodes_are_counted_and_left_out():
    analysis = analyze_episodes(table([1.0, 99.0, 3.0], [True, True, False], failures={1}), METADATA)
    assert (analysis.num_episodes, analysis.num_failed) == (3, 1)
    assert analysis.mean_reward == 2.0
    assert analysis.success_rate == 0.5
    assert analysis.sentence().endswith("1 failed, the first with ValueError: x")
    assert not analysis.failed


def test_the_sentence_has_rates_and_their_interval_in_percent():
    analysis = analyze_episodes(table(REWARDS, [True] * 6 + [False] * 2), METADATA)
    assert analysis.success_interval == pytest.approx((0.409, 0.929), abs=0.001)  # Wilson: 6 of 8
    assert f"success 75 % (41 to 93 %) of {METADATA.success}" in analysis.sentence()
    low, high = analysis.reward_interval
    assert f"mean reward {np.mean(REWARDS):.3f} ({low:.3f} to {high:.3f})" in analysis.sentence()


def test_no_success_is_declared():
    analysis = analyze_episodes(table(REWARDS), METADATA)
    assert (analysis.success_rate, analysis.success_interval) == (None, None)
    assert "success" not in analysis.sentence()


def test_intervals_say_how_they_were_made():
    methods = analyze_episodes(table(REWARDS, [True] * 8), METADATA).interval_methods
    assert methods == {
        "success_interval": "95 %, Wilson",
        "reward_interval": "95 %, Student-t and Hall's transformed t",
        "variance_interval": "95 %, chi-squared, assumes normally distributed values",
    }


@pytest.mark.parametrize(
    ("rewards", "mean", "variance", "why"),
    [
        ([2.0, 2.0, 2.0], 2.0, 0.0, "all 3 values are equal"),
        ([2.0], 2.0, None, "only one unit"),
        ([], None, None, "no units"),
    ],
)
def test_where_the_data_cannot_say(rewards, mean, variance, why):
    """No variance, or no second episode, allows no interval; that is said by None, not by a wrong number."""
    analysis = analyze_episodes(table(rewards), METADATA)
    assert (analysis.mean_reward, analysis.variance_reward) == (mean, variance)
    assert (analysis.reward_interval, analysis.variance_interval) == (None, None)
    assert analysis.interval_methods["variance_interval"] == f"insufficient data: {why}"
    assert analysis.interval_methods["reward_interval"] == f"insufficient data: {why}"
    json.dumps(analysis.to_dict(), allow_nan=False)


def test_only_failed_episodes():
    analysis = analyze_episodes(table([1.0, 2.0], failures={0, 1}), METADATA)
    assert (analysis.mean_reward, analysis.num_failed) == (None, 2)
    assert (analysis.failed, analysis.first_failure) == (True, "ValueError: x")
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
    assert analysis.resource_usage["steps"] == 30
    assert analysis.resource_usage["seconds"] > 0
    assert analysis.resource_usage["memory_mb"] > 50
    assert analysis.success == "agent_sum('heart.gained') >= 4"
    assert analysis.success in analysis.sentence()
    assert daf_analyze_mission(short, episodes=3, seed=5).mean_reward == analysis.mean_reward


def test_no_episodes_are_no_analysis():
    with pytest.raises(BadInputError, match="at least one episode"):
        daf_analyze_mission("assembler_2", episodes=0)


def test_a_mission_that_cannot_be_built_is_no_traceback():
    with pytest.raises(BadInputError, match="spawn points"):
        daf_analyze_mission("diagnostic_memory", episodes=1)


def test_a_set_is_analyzed_by_name():
    short = [MissionConfig(source=name, max_steps=5) for name in ("assembler_2", "evals.planning_unlock_chain_easy")]
    found = daf_analyze_mission_set([*short, short[0]], episodes=2, seed=3)
    assert list(found) == ["assembler_2", "planning_unlock_chain_easy"]
    assert {one.num_episodes for one in found.values()} == {2}
    longer = MissionConfig(source="assembler_2", max_steps=6)
    with pytest.raises(BadInputError, match="'assembler_2' twice"):
        daf_analyze_mission_set([short[0], longer], episodes=2)


@pytest.mark.parametrize("one", ["assembler_2", MissionConfig(source="assembler_2")])
def test_one_mission_is_no_set(one):
    with pytest.raises(BadInputError, match="a list of missions"):
        daf_validate_mission_set(one)


def test_a_set_is_checked_before_the_first_episode(monkeypatch):
    monkeypatch.setattr(mission_analysis, "daf_analyze_mission", lambda *a, **k: pytest.fail("an episode was played"))
    with pytest.raises(ConfigError):
        daf_analyze_mission_set(["assembler_2", "assembler_22"])


def test_all_problems_of_a_set_at_once(tmp_path):
    (tmp_path / "bad.yaml").write_text("- 1\n")
    names = ["assembler_2", "assembler_22", str(tmp_path / "bad.yaml"), "tutorial.minr", "diagnostic_memory"]
    with pytest.raises(ConfigError) as caught:
        daf_validate_mission_set(names)
    assert [problem.found for problem in caught.value.problems] == [
        "'assembler_22'",
        "a list",
        "'tutorial.minr'",
        "Number of agents 8 exceeds available spawn points 4 in map.",
    ]
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


# ---- from files ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("usages", "expected"),
    [
        ([{"seconds": 2.0, "peak_memory_mb": 300.0}, {"seconds": 3.0, "peak_memory_mb": 200.0}], (5.0, 300.0)),
        ([{"seconds": 2.0, "peak_memory_mb": 300.0}, None], (None, None)),
    ],
)
def test_a_report_says_success_and_what_its_files_know(tmp_path, usages, expected):
    rule = "agent_sum('carbon.gained') > 3"
    hall = MissionConfig(source="assembler_2", success=rule, max_steps=10)
    recipe = MissionRecipe.of("hall", {"hall": hall})
    shards = [{"usage": usage} if usage else {} for usage in usages]
    episodes = evaluate_policy("noop", resolve_mission(hall, "hall"), episodes=2, seed=0)
    write_episodes(tmp_path / "episodes.parquet", episodes, {"shards": shards})
    page, data = tmp_path / "hall.html", tmp_path / "hall.json"
    write_mission_report(recipe, [str(tmp_path / "episodes.parquet")], json_path=data, html_path=page)
    report = json.loads(data.read_text())
    usage = report["analyses"][0]["resource_usage"]
    assert (usage["seconds"], usage["memory_mb"]) == expected
    assert report["analyses"][0]["success"] == report["metadata"]["success"] == rule
    assert report["metadata"]["success_reason"] == "declared in the configuration"
    assert "agent_sum(" in page.read_text()


# ---- discovery -------------------------------------------------------------------------------------------------


def test_missions_that_a_text_names(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(
        "# Missions\nTry `tutorial.miner`, then machina_1. Later: **assembler_2**, energy_starved; not machina_99,\n"
        "not my_machina_1 and not machina_1x; tutorial.miner again.\n"
    )
    found = daf_discover_missions_from_readme(readme)
    assert found == ["tutorial.miner", "machina_1", "assembler_2", "energy_starved"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("machina_1.", ["machina_1"]),
        ("(machina_1); 'four_score'! tutorial.miner: tutorial.scout?", [
            "machina_1", "four_score", "tutorial.miner", "tutorial.scout"
        ]),
        ("Play machina_1.clips. Then machina_1...", ["machina_1.clips", "machina_1"]),
        ("| evals.diagnostic_memory | 4 |\n|`evals.energy_starved`|8|", ["diagnostic_memory", "energy_starved"]),
        (r"| machina\_1 | tutorial.miner |", ["machina_1", "tutorial.miner"]),
        ("see missions/machina_1.py and tutorial.miner.json", []),
        ("The arena is empty, as any tutorial says. * empty lines", []),
        ("Play `arena`, **tutorial** or | empty |", ["arena", "tutorial", "empty"]),
        ("cogames play -m arena -p starter; cogames train --mission=tutorial\nmission: empty", [
            "arena", "tutorial", "empty"
        ]),
        ("", []),
    ],
)  # fmt: skip
def test_how_a_text_may_name_missions(tmp_path, text, found):
    readme = tmp_path / "README.md"
    readme.write_text(text)
    assert daf_discover_missions_from_readme(readme) == found


@pytest.mark.parametrize(("content", "found"), [(b"\x89PNG\xff\xfe", "not UTF-8"), (None, "a folder")])
def test_what_is_no_text(tmp_path, content, found):
    path = tmp_path / "README.md"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(BadInputError, match=found) as caught:
        daf_discover_missions_from_readme(path)
    assert caught.value.where == str(path)


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
    monkeypatch.setattr(documents, "installed_documents", list)
    assert daf_discover_missions_from_readme() == list(missions.list_missions())


def test_the_statistics_of_a_mission_can_be_listed_for_its_success() -> None:
    from daf.mission_analysis import daf_list_statistics

    names = daf_list_statistics("training_facility_1", "random")
    assert names["game"]
    assert "cell.unique_visited" in names["agent"]
    assert names["agent"] == sorted(set(names["agent"]))


def test_an_analysis_without_a_policy_says_who_plays() -> None:
    import pytest

    from daf.mission_analysis import daf_analyze_mission, daf_analyze_mission_set

    with pytest.warns(UserWarning, match="analyzed with 'random'"):
        assert daf_analyze_mission("training_facility_1", episodes=1).policy == "random"
    with pytest.warns(UserWarning, match="analyzed with 'random'") as caught:
        daf_analyze_mission_set(["training_facility_1"], episodes=1)
    assert len([one for one in caught if "analyzed with" in str(one.message)]) == 1
