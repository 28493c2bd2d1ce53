"""Teams: who plays which agent, and that the episodes are the engine's own with these assignments."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from mettagrid.policy.loader import initialize_or_load_policy
from mettagrid.policy.policy import PolicySpec
from mettagrid.policy.policy_env_interface import PolicyEnvInterface
from mettagrid.runner.rollout import single_episode_rollout

from daf.config import MissionConfig, PolicyConfig
from daf.engine.evaluation import EvaluationOptions, evaluate_policy
from daf.engine.missions import Mission, resolve_mission
from daf.engine.policies import resolve_policy
from daf.engine.teams import Team, resolve_player
from daf.errors import PolicyError

SEED = 40
TEAM = PolicyConfig.from_dict({"policies": {"miner": 0.75, "noop": 0.25}})


def miner(max_steps: int = 60) -> Mission:
    return resolve_mission(MissionConfig(source="tutorial.miner", max_steps=max_steps))


def test_members_play_their_shares_and_episodes_are_the_engines_own() -> None:
    mission = miner()
    frame = evaluate_policy(TEAM, mission, episodes=5, seed=SEED, options=EvaluationOptions(policy_label="mixed"))
    assert frame["policy"].unique().tolist() == ["mixed"]
    orders = [list(players) for players in frame["agent_policies"]]
    assert all(Counter(order) == {"miner": 3, "noop": 1} for order in orders)
    assert len({tuple(order) for order in orders}) > 1  # the agents that a member plays change with the seed
    for row, order in zip(frame.itertuples(), orders, strict=True):
        names = ["miner", "noop"]
        interface = PolicyEnvInterface.from_mg_cfg(mission.env_config)
        result, _ = single_episode_rollout(
            [initialize_or_load_policy(interface, PolicySpec(class_path=name)) for name in names],
            [names.index(name) for name in order],
            mission.env_config,
            seed=row.env_seed,
            max_action_time_ms=10_000,
            render_mode="none",
            autostart=False,
            capture_replay=False,
        )
        assert list(row.agent_rewards) == [float(reward) for reward in result.rewards]
        assert json.loads(row.agent_stats) == [dict(agent) for agent in result.stats["agent"]]
        moved = [bool(agent.get("action.move.success")) for agent in result.stats["agent"]]
        assert moved == [name == "miner" for name in order]


def test_who_plays_depends_on_the_episode_seed_alone() -> None:
    whole = evaluate_policy(TEAM, miner(15), episodes=4, seed=SEED)
    tail = evaluate_policy(TEAM, miner(15), episodes=2, first_episode=2, seed=SEED)
    for key in ("agent_policies", "agent_rewards"):
        assert [list(value) for value in whole[key][2:]] == [list(value) for value in tail[key]]
    for key in ("agent_stats", "game_stats", "action_counts", "actions"):
        assert whole[key][2:].tolist() == tail[key].tolist()


def test_members_with_networks_play_too() -> None:
    mapping = {"lstm": 1, "random": 1, "stateless": 2}
    first, second = (evaluate_policy(mapping, miner(10), episodes=2, seed=SEED) for _ in range(2))
    assert first["failure"].isna().all()
    assert first["policy"].unique().tolist() == ["lstm+random+stateless"]
    assert all(Counter(players) == mapping for players in first["agent_policies"])
    assert first["actions"].tolist() == second["actions"].tolist()


def test_a_team_larger_than_the_mission_is_refused_before_it_plays() -> None:
    with pytest.raises(PolicyError) as caught:
        evaluate_policy({"miner": 0.9, "noop": 0.1}, miner(5), episodes=1, seed=0)
    assert "none of them for 'noop'" in caught.value.found
    assert "num_agents" in caught.value.hint


def test_only_evaluation_takes_teams() -> None:
    with pytest.raises(PolicyError, match="a team of miner, noop"):
        resolve_policy(TEAM)
    team = resolve_player(TEAM, "mixed")
    assert isinstance(team, Team)
    assert [member["name"] for member in team.identity()["team"]] == ["miner", "noop"]
    assert team.identity() != resolve_player({"miner": 0.5, "noop": 0.5}).identity()
    assert resolve_player({"baseline": 1, "noop": 1}).note.startswith("CoGames has no policy called 'baseline'")


@pytest.mark.parametrize(
    ("shares", "words"),
    [
        ({"random": -1, "noop": 2}, "a share above 0, found -1"),
        ({"random": 0, "noop": 0}, "a share above 0, found 0"),
        ({"random": float("nan")}, "a share above 0, found nan"),
        ({"random": "half"}, "a share above 0, found 'half'"),
        ({}, "an empty one"),
    ],
)
def test_shares_that_share_nothing_are_refused(shares, words) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(PolicyError) as caught:
        resolve_player(shares)
    said = f"{caught.value.expected}, found {caught.value.found}"
    assert words in said
