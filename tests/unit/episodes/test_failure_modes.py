"""Failure modes on real episodes of policies that fail in a known way, and on tables small enough to see the answer."""

import json

import pytest

from daf.episodes.failure_modes import find_failure_modes
from daf.episodes.statistics import episode_statistics
from daf.episodes.table import episodes_frame
from daf.errors import BadInputError

# An agent that walks, picks up and delivers: no failure mode at all.
GOOD = {
    "action.move.success": 20.0,
    "cell.unique_visited": 9.0,
    "status.max_steps_without_motion": 3.0,
    "carbon.gained": 2.0,
    "carbon.lost": 2.0,
    "energy.gained": 50.0,
    "energy.amount": 9.0,
    "hp.lost": 1.0,
    "hp.amount": 9.0,
}


def episode(number, agents, **changes):
    base = {
        "policy": "p",
        "checkpoint": "p",
        "mission": "m",
        "episode": number,
        "env_seed": 1000 + number,
        "mean_reward": 1.0,
        "agent_rewards": [1.0] * len(agents),
        "length": 40,
        "timeouts": 0,
        "action_counts": json.dumps({"noop": 1, "move_north": 5}),
        "game_stats": "{}",
        "agent_stats": json.dumps(agents),
    }
    return base | changes


def modes(rows, **known):
    return {mode.name: mode for mode in find_failure_modes(episodes_frame(rows), **known)}


def test_good_episodes_have_no_mode():
    assert modes([episode(n, [GOOD, GOOD]) for n in range(3)]) == {}


def test_no_episodes_have_no_mode():
    assert modes([]) == {}


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("never moved", {"cell.unique_visited": 1.0}),  # however often it walked into something
        ("stuck", {"status.max_steps_without_motion": 20.0}),  # half of 40 steps
        ("starved or frozen", {"hp.amount": 0.0}),
        ("starved or frozen", {"energy.amount": 0.0}),
        ("never picked up", {"carbon.gained": 0.0, "carbon.lost": 0.0}),
        ("never deposited", {"carbon.lost": 0.0}),
    ],
)
def test_statistics_of_agents(name, changes):
    bad = GOOD | changes
    found = modes([episode(0, [GOOD]), episode(1, [bad]), episode(2, [GOOD]), episode(3, [bad])])
    assert list(found) == [name]
    assert found[name].share == 0.5
    assert found[name].example_seeds == [1001, 1003]


def test_one_agent_that_stands_still_is_enough_but_stuck_is_something_else():
    still = GOOD | {"cell.unique_visited": 1.0, "status.max_steps_without_motion": 40.0}
    assert list(modes([episode(0, [GOOD, still])])) == ["never moved"]


def test_what_one_agent_delivers_the_team_has_delivered():
    carrier = GOOD | {"carbon.lost": 0.0}
    assert modes([episode(0, [carrier, GOOD])]) == {}


def test_energy_is_no_resource_to_pick_up():
    walker = {"cell.unique_visited": 9.0, "energy.gained": 5.0, "energy.lost": 4.0, "hp.gained": 1.0}
    assert modes([episode(0, [walker])]) == {}  # the mission counts nothing that could be picked up
    assert modes([episode(0, [walker])], resources=["energy", "hp", "solar"]) == {}
    assert list(modes([episode(0, [walker])], resources=["energy", "ore"])) == ["never picked up"]


def test_what_is_lost_at_death_was_not_deposited():
    dead = GOOD | {"death": 1.0}
    assert {*modes([episode(0, [dead])])} == {"starved or frozen", "never deposited"}
    assert "never deposited" not in modes([episode(0, [dead, GOOD])])  # another one gave something
    deposit = json.dumps({"cogs/carbon.deposited": 2.0})
    assert "never deposited" not in modes([episode(0, [dead], game_stats=deposit)])


def test_nothing_can_be_deposited_where_nothing_takes_it():
    collector = {name: value for name, value in GOOD.items() if name != "carbon.lost"}
    assert modes([episode(0, [collector])]) == {}
    assert list(modes([episode(0, [collector], game_stats='{"objects.c:hub": 1.0}')])) == ["never deposited"]


def test_who_is_idle_is_named():
    idle = {name: value for name, value in GOOD.items() if not name.startswith("carbon")} | {"carbon.gained": 0.0}
    aligner = idle | {"junction.aligned_by_agent": 1.0}
    rows = [episode(0, [GOOD, idle, GOOD]), episode(1, [GOOD, idle, idle]), episode(2, [GOOD, aligner, GOOD])]
    found = modes(rows)["one role idle"]
    assert found.meaning.endswith("number of episodes by agent: agent 1 (in 2), agent 2 (in 1)")
    assert found.example_seeds == [1000, 1001]
    assert "one role idle" not in modes([episode(0, [idle, idle])])  # no agent did anything: that is another mode


def test_the_step_limit_counts_for_episodes_without_success():
    rows = [
        episode(0, [GOOD], success=False),
        episode(1, [GOOD], success=True),
        episode(2, [GOOD], success=False, length=39),
        episode(3, [GOOD], success=None),
    ]
    found = modes(rows, max_steps=40)
    assert found["timed out"].example_seeds == [1000]
    assert found["timed out"].share == 0.25
    assert modes(rows) == {}  # the limit is not known


def test_timeouts_and_rewards():
    found = modes(
        [
            episode(0, [GOOD, GOOD], timeouts=2),
            episode(1, [GOOD, GOOD], agent_rewards=[0.0, 0.0], mean_reward=0.0),
            episode(2, [GOOD, GOOD], agent_rewards=[1.0, -1.0], mean_reward=0.0),  # something was earned and lost
        ]
    )
    assert found["slow actions"].example_seeds == [1000]
    assert found["no reward"].example_seeds == [1001]
    assert found["no reward"].share == pytest.approx(1 / 3)


def test_a_failed_episode_counts_as_a_failed_policy_and_as_nothing_else():
    crash = episode(0, [], mean_reward=None, agent_rewards=[], failure="ValueError: x", action_counts="{}")
    assert episode_statistics(episodes_frame([crash])).num_agents == 0
    found = modes([crash, episode(1, [GOOD]), episode(2, [GOOD | {"carbon.lost": 0.0}]), episode(3, [GOOD])])
    assert found["policy failed"].share == 0.25
    assert found["policy failed"].example_seeds == [1000]
    assert found["never deposited"].share == pytest.approx(1 / 3)  # of the episodes that have a result
    assert list(found) == ["never deposited", "policy failed"]  # the most frequent first


def test_only_failed_episodes():
    crash = episode(0, [], mean_reward=None, agent_rewards=[], failure="ValueError: x", action_counts="{}")
    found = modes([crash])
    assert list(found) == ["policy failed"]
    assert found["policy failed"].share == 1.0


def test_actions_that_were_not_chosen():
    counts = {"noop": 0, "move_north": 0, "move_south": 0, "change_vibe_heart": 0, "change_vibe_gear": 1}
    rows = [
        episode(0, [GOOD], action_counts=json.dumps(counts | {"move_south": 1})),
        episode(1, [GOOD], action_counts=json.dumps(counts | {"change_vibe_gear": 0})),
        episode(2, [GOOD], action_counts=json.dumps(dict.fromkeys(counts, 1))),
        episode(3, [GOOD], action_counts=json.dumps(dict.fromkeys(counts, 1))),
    ]
    found = modes(rows)
    assert list(found) == ["action never used"]
    assert found["action never used"].share == 0.5
    assert found["action never used"].example_seeds == [1000, 1001]
    said = "move_north (in 50 % of episodes), change_vibe (in 25 % of episodes), move_south (in 25 % of episodes)"
    assert found["action never used"].meaning == f"never chosen: {said}"


def test_at_most_three_examples():
    found = modes([episode(n, [GOOD | {"carbon.lost": 0.0}]) for n in range(10)])
    assert found["never deposited"].example_seeds == [1000, 1001, 1002]
    assert found["never deposited"].share == 1.0


def test_one_mission_at_a_time():
    with pytest.raises(BadInputError, match="1 and 2 agents"):
        episode_statistics(episodes_frame([episode(0, [GOOD]), episode(1, [GOOD, GOOD])]))


def test_resource_flows_are_summed_over_agents_and_averaged_over_episodes():
    rows = [
        episode(0, [{"carbon.gained": 3.0, "carbon.lost": 1.0}, {"carbon.gained": 1.0}]),
        episode(1, [{"heart.gained": 2.0, "action.move.success": 4.0}, {}]),
        episode(2, [], mean_reward=None, failure="x"),
    ]
    flows = episode_statistics(episodes_frame(rows)).flows()
    assert flows == {"carbon": {"gained": 2.0, "lost": 0.5}, "heart": {"gained": 1.0, "lost": 0.0}}


# ---- real episodes ---------------------------------------------------------------------------------------------

WANDER = "tests.unit.crafted_policies.Wander"
EVERYBODY = [0, 1, 2, 3]


def played(policy, mission="assembler_2", episodes=2, **options):
    """Modes of real episodes, and the class path's arguments."""
    pytest.importorskip("cogames")
    from daf.config import MissionConfig, PolicyConfig
    from daf.engine.evaluation import EvaluationOptions, evaluate_policy
    from daf.engine.missions import resolve_mission

    class_path, init_kwargs = policy if isinstance(policy, tuple) else (policy, {})
    resolved = resolve_mission(MissionConfig(**mission) if isinstance(mission, dict) else mission)
    config, options = PolicyConfig(class_path=class_path, init_kwargs=init_kwargs), EvaluationOptions(**options)
    frame = evaluate_policy(config, resolved, episodes=episodes, seed=7, options=options)
    resources, max_steps = resolved.env_config.game.resource_names, resolved.max_steps
    return {mode.name: mode for mode in find_failure_modes(frame, resources=resources, max_steps=max_steps)}


FORAGERS = "tests.unit.forager.Foragers"
MINER = {"source": "tutorial.miner", "max_steps": 120}
UNFED = {"source": "diagnostic_charge_up", "num_agents": 4}
MAZE = "exploration_sparse_search_easy"


@pytest.mark.parametrize(
    ("mode", "failing", "sound"),
    [
        ("policy failed", ["tests.unit.crafted_policies.Broken"], [WANDER]),
        ("policy failed", ["tests.unit.crafted_policies.Quitter"], [WANDER]),
        ("never moved", [(WANDER, {"rest": [1]})], [WANDER]),
        ("stuck", [(WANDER, {"steps": 20})], [WANDER]),
        ("starved or frozen", ["noop", UNFED | {"max_steps": 60}], ["noop", UNFED | {"max_steps": 40}]),
        ("never picked up", ["noop", MINER], [FORAGERS, MINER]),
        ("never deposited", [(FORAGERS, {"deliver": False}), MINER], [FORAGERS, MINER]),
        ("one role idle", [(WANDER, {"rest": [2]})], [FORAGERS, MINER]),
        ("timed out", ["noop", MAZE], ["substrate_exploration", MAZE]),
        ("action never used", [(WANDER, {"moves": [1, 2]})], [WANDER]),
        ("no reward", ["noop"], [WANDER]),
    ],
)
def test_real_episodes_show_a_mode_or_do_not(mode, failing, sound):
    shown = played(*failing)
    assert shown[mode].share == 1.0
    assert shown[mode].example_seeds == [7, 8]
    assert mode not in played(*sound)


def test_slow_actions_of_real_episodes():
    episode = ["tests.unit.crafted_policies.Impatient", {"source": "assembler_2", "max_steps": 2}]
    assert played(*episode, max_action_time_ms=-1)["slow actions"].share == 1.0
    assert "slow actions" not in played(*episode)


def test_real_episodes_name_the_actions_and_the_idle():
    found = played((WANDER, {"rest": [2], "moves": [1, 2]}))
    assert found["action never used"].meaning == (
        "never chosen: move_east (in 100 % of episodes), move_west (in 100 % of episodes)"
    )
    assert "agent 2 (in 1)" in found["one role idle"].meaning  # in the other episode, no agent found anything


def test_walking_into_things_is_no_motion():
    """The engine calls it a success to walk into an object; the position tells."""
    found = played((WANDER, {"moves": [1]}), "training_facility_1", episodes=1)
    assert "stuck" in found
