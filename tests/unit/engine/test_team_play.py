"""Teams in lock step: the same episodes in any split, equal to a policy that plays alone, and failures with names."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mettagrid.policy.policy_env_interface import PolicyEnvInterface

from daf.config import MissionConfig, PolicyConfig
from daf.engine.evaluation import EvaluationOptions, evaluate_policy
from daf.engine.grid_policy import GridPolicy
from daf.engine.missions import Mission, resolve_mission
from daf.engine.policies import ResolvedPolicy, resolve_policy
from daf.engine.teams import Lineup
from daf.errors import PolicyError

SEED = 40
THEIRS = "their_policies"


@pytest.fixture(autouse=True)
def user_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


def miner(max_steps: int = 30) -> Mission:
    return resolve_mission(MissionConfig(source="tutorial.miner", max_steps=max_steps))


def lineup(*seats: str | ResolvedPolicy) -> Lineup:
    return Lineup.of("team", [resolve_policy(policy, label=getattr(policy, "label", policy)) for policy in seats])


def rows(frame: pd.DataFrame) -> list[str]:
    """Everything that happened, for comparison."""
    return [repr({k: np.asarray(v).tolist() for k, v in row.items()}) for row in frame.to_dict("records")]


MIXED = {
    "two networks": ("lstm", "stateless", "lstm", "stateless"),
    "a network and a script": ("stateless", "starter", "stateless", "starter"),
    "a network and one that draws": ("lstm", "random", "random", "lstm"),
    "a network and a user's script": ("stateless", f"{THEIRS}.WanderingAgent", "noop", "stateless"),
}


@pytest.mark.parametrize("seats", MIXED.values(), ids=MIXED)
def test_an_episode_is_the_same_in_any_batch(seats: tuple[str, ...]) -> None:
    whole = rows(evaluate_policy(lineup(*seats), miner(), episodes=5, seed=SEED))
    parts = [
        *rows(evaluate_policy(lineup(*seats), miner(), episodes=2, seed=SEED)),
        *rows(evaluate_policy(lineup(*seats), miner(), episodes=1, first_episode=2, seed=SEED)),
        *rows(evaluate_policy(lineup(*seats), miner(), episodes=2, first_episode=3, seed=SEED)),
    ]
    assert parts == whole
    assert len(set(whole)) == 5


def test_two_workers_play_the_same() -> None:
    seats = MIXED["a network and one that draws"]
    alone, shared = (evaluate_policy(lineup(*seats), miner(), episodes=4, seed=SEED, workers=n) for n in (1, 2))
    assert rows(shared) == rows(alone)


@pytest.mark.parametrize("name", ["lstm", "stateless", "starter", "random"])
def test_a_policy_in_every_seat_plays_as_alone(name: str) -> None:
    """A network's rows are the same, so even its last bits are."""
    alone = evaluate_policy(name, miner(), episodes=3, seed=SEED)
    team = evaluate_policy(lineup(*[name] * 4), miner(), episodes=3, seed=SEED)
    assert [list(players) for players in team["agent_policies"]] == [[name] * 4] * 3
    for column in ("agent_rewards", "actions", "action_counts", "agent_stats", "game_stats", "length"):
        assert rows(team[[column]]) == rows(alone[[column]])


def test_seats_are_as_declared_and_count_each_action_once() -> None:
    frame = evaluate_policy(lineup("noop", "stateless", "starter", "noop"), miner(), episodes=2, seed=SEED)
    for row in frame.itertuples():
        assert list(row.agent_policies) == ["noop", "stateless", "starter", "noop"]
        assert sum(json.loads(row.action_counts).values()) >= 30 * 4  # a vibe may be chosen in addition
        moved = [agent.get("action.move.success", 0) > 0 for agent in json.loads(row.agent_stats)]
        assert (moved[0], moved[3]) == (False, False)
        assert moved[2]


def test_a_lineup_of_another_size_is_refused() -> None:
    with pytest.raises(PolicyError) as caught:
        evaluate_policy(lineup("stateless", "noop"), miner(), episodes=1, seed=SEED)
    assert (caught.value.expected, caught.value.found) == ("a policy for each of 4 agents", "2 seats")


def rotated(seats: tuple[int, ...], seed: int) -> tuple[int, ...]:
    return (*seats[seed % 4 :], *seats[: seed % 4])


def test_every_episode_may_have_its_own_order() -> None:
    fixed = lineup("lstm", "noop", "noop", "starter")
    assert fixed.shares == (1.0, 2.0, 1.0)
    frame = evaluate_policy(replace(fixed, order=rotated), miner(5), episodes=3, seed=SEED, workers=2)
    assert [list(players) for players in frame["agent_policies"]] == [
        ["lstm", "noop", "noop", "starter"],
        ["noop", "noop", "starter", "lstm"],
        ["noop", "starter", "lstm", "noop"],
    ]


def test_a_member_that_raises_fails_its_episode_and_is_named() -> None:
    frame = evaluate_policy(
        lineup("stateless", "stateless", f"{THEIRS}.FragileAgent", "noop"), miner(), episodes=2, seed=SEED
    )
    for number, failure in enumerate(frame["failure"]):
        assert failure.startswith(f"KeyError: 'lost' (policy '{THEIRS}.FragileAgent', ")
        assert failure.endswith(f"step 0, seed {SEED + number})")


def test_without_networks_a_member_that_raises_is_named_too() -> None:
    seats = ("noop", "noop", f"{THEIRS}.FragileAgent", "noop")
    frame = evaluate_policy(lineup(*seats), miner(), episodes=1, seed=SEED)
    assert f"policy '{THEIRS}.FragileAgent'" in frame["failure"][0]


def test_a_network_whose_logits_are_no_numbers_is_named(tmp_path: Path) -> None:
    interface = PolicyEnvInterface.from_mg_cfg(miner().env_config)
    policy = GridPolicy(interface, hidden_size=16, embedding_size=8)
    policy.network().action_head.bias.data.fill_(1e38)
    policy.network().action_head.weight.data.fill_(1e38)
    policy.save_policy_data(str(tmp_path / "broken.pt"))
    config = PolicyConfig(
        class_path="grid", data_path=tmp_path / "broken.pt", init_kwargs={"hidden_size": 16, "embedding_size": 8}
    )
    broken = resolve_policy(config, "broken")
    frame = evaluate_policy(lineup("stateless", "stateless", broken, broken), miner(), episodes=2, seed=SEED)
    assert frame["failure"].str.contains("logits are NaN or infinite (policy 'broken', ", regex=False).all()


def test_slow_actions_are_counted_by_agent() -> None:
    class_path = f"{THEIRS}.SlowInOneSeat"
    seats = ("stateless", class_path, "noop", class_path)
    options = EvaluationOptions(max_action_time_ms=200)
    frame = evaluate_policy(lineup(*seats), miner(3), episodes=1, seed=SEED, options=options)
    late = frame["agent_timeouts"][0].tolist()  # a busy machine may be late for others too
    assert late[3] >= 1
    assert frame["timeouts"].tolist() == [sum(late)]
