"""Failure modes on tables small enough to see the answer."""

import json

import pytest

from daf.episodes import episodes_frame
from daf.failure_modes import find_failure_modes, resource_flows

# An agent that walks, picks up and delivers: no failure mode at all.
GOOD = {
    "action.move.success": 20.0,
    "status.max_steps_without_motion": 3.0,
    "carbon.gained": 2.0,
    "carbon.lost": 2.0,
    "energy.gained": 50.0,
    "hp.lost": 1.0,
}


def episode(number, agents, **changes):
    base = {
        "policy": "p",
        "checkpoint": "p",
        "mission": "m",
        "episode": number,
        "seed": 1000 + number,
        "mean_reward": 1.0,
        "agent_rewards": [1.0] * len(agents),
        "length": 40,
        "timeouts": 0,
        "action_counts": json.dumps({"noop": 1, "move_north": 5}),
        "game_stats": "{}",
        "agent_stats": json.dumps(agents),
    }
    return base | changes


def modes(rows):
    return {mode.name: mode for mode in find_failure_modes(episodes_frame(rows))}


def test_good_episodes_have_no_mode():
    assert modes([episode(n, [GOOD, GOOD]) for n in range(3)]) == {}


def test_no_episodes_have_no_mode():
    assert modes([]) == {}


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("never moved", {"action.move.success": 0.0}),
        ("stuck", {"status.max_steps_without_motion": 20.0}),  # half of 40 steps
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
    still = GOOD | {"action.move.success": 0.0, "status.max_steps_without_motion": 40.0}
    assert list(modes([episode(0, [GOOD, still])])) == ["never moved"]


def test_what_one_agent_delivers_the_team_has_delivered():
    carrier = GOOD | {"carbon.lost": 0.0}
    assert modes([episode(0, [carrier, GOOD])]) == {}


def test_energy_is_no_resource_to_pick_up():
    walker = {"action.move.success": 9.0, "energy.gained": 5.0, "energy.lost": 4.0, "hp.gained": 1.0}
    assert modes([episode(0, [walker])]) == {}  # the mission counts nothing that could be picked up


def test_timeouts_and_rewards():
    found = modes(
        [
            episode(0, [GOOD], timeouts=2),
            episode(1, [GOOD, GOOD], agent_rewards=[0.0, 0.0], mean_reward=0.0),
            episode(2, [GOOD, GOOD], agent_rewards=[1.0, -1.0], mean_reward=0.0),  # something was earned and lost
        ]
    )
    assert found["timed out"].example_seeds == [1000]
    assert found["no reward"].example_seeds == [1001]
    assert found["no reward"].share == pytest.approx(1 / 3)


def test_a_failed_episode_counts_as_a_failed_policy_and_as_nothing_else():
    crash = episode(0, [], mean_reward=None, agent_rewards=[], failure="ValueError: x", action_counts="{}")
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


def test_actions_that_no_episode_used():
    counts = {"noop": 3, "move_north": 0, "move_south": 0, "change_vibe_heart": 0}
    rows = [
        episode(0, [GOOD], action_counts=json.dumps(counts)),
        episode(1, [GOOD], action_counts=json.dumps(counts | {"move_south": 1})),
    ]
    found = modes(rows)
    assert list(found) == ["actions never used"]
    assert found["actions never used"].meaning == "chosen in no episode: move_north"


def test_at_most_three_examples():
    found = modes([episode(n, [GOOD | {"carbon.lost": 0.0}]) for n in range(10)])
    assert found["never deposited"].example_seeds == [1000, 1001, 1002]
    assert found["never deposited"].share == 1.0


def test_resource_flows_are_summed_over_agents_and_averaged_over_episodes():
    rows = [
        episode(0, [{"carbon.gained": 3.0, "carbon.lost": 1.0}, {"carbon.gained": 1.0}]),
        episode(1, [{"heart.gained": 2.0, "action.move.success": 4.0}, {}]),
        episode(2, [], mean_reward=None, failure="x"),
    ]
    flows = resource_flows(episodes_frame(rows))
    assert flows == {"carbon": {"gained": 2.0, "lost": 0.5}, "heart": {"gained": 1.0, "lost": 0.0}}
