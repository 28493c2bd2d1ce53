"""A network that knows the agent's index: the same index wherever it plays, and without it nothing changes.

Its weights are made by hand, so that every agent's action is its index.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from daf.config import Hyperparameters, MissionConfig, PolicyConfig
from daf.config.recipes import MissionRecipe, TrainingRecipe
from daf.deployment import daf_package_policy
from daf.engine.grid_policy import AGENT_FEATURE, GLOBAL_LOCATION, MOST_AGENTS, GridNetwork, GridPolicy
from daf.engine.missions import Mission, resolve_mission
from daf.engine.model_files import save_model
from daf.engine.networks import NO_TOKEN, PolicyNetwork
from daf.engine.play import play_episodes
from daf.engine.policies import build_policy, resolve_policy
from daf.engine.simulation import AgentBuffers, SimulationFactory
from daf.engine.team_play import play_team
from daf.engine.teams import Lineup, Team
from daf.errors import PolicyError

KWARGS: dict[str, Any] = {"hidden_size": 16, "embedding_size": 8, "agent_id": True, "greedy": True}
INDEXES = [0, 1, 2, 3]


def mission(max_steps: int = 12) -> Mission:
    return resolve_mission(MissionConfig(source="training_facility_1", max_steps=max_steps))


@pytest.fixture(scope="module")
def factory() -> SimulationFactory:
    return SimulationFactory(mission().env_config)


def act_by_index(network: Any) -> None:
    """Give a network the weights with which an agent's action is its index."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        for agent in INDEXES:
            network.embedding[len(network.embedding) - MOST_AGENTS + agent, agent] = 10.0
            network.hidden.weight[agent, agent] = 1.0
            network.action_head.weight[agent, agent] = 1.0


@pytest.fixture(scope="module")
def weights(factory: SimulationFactory, tmp_path_factory: pytest.TempPathFactory) -> Path:
    policy = GridPolicy(factory.interface, **KWARGS)
    act_by_index(policy.network())
    recipe = TrainingRecipe(
        mission=MissionRecipe.of("training_facility_1", {}), policy_class_path="grid", init_kwargs=KWARGS,
        hyperparameters=Hyperparameters(), num_steps=1, seed=1, world_size=1,
    )  # fmt: skip
    return save_model(
        tmp_path_factory.mktemp("model"), policy.network().state_dict(), recipe=recipe,
        policy_class_path="daf.engine.grid_policy.GridPolicy", interface=factory.interface, agent_steps=1,
    )  # fmt: skip


def observed(factory: SimulationFactory) -> np.ndarray:
    buffers = AgentBuffers.zeros(factory.num_agents, factory.observation_shape)
    factory.build(3, buffers)
    return buffers.observations.copy()


# ---- the network ----------------------------------------------------------------------------------------------


def test_at_first_it_acts_as_a_network_that_knows_no_index(factory: SimulationFactory) -> None:
    networks = []
    for agent_id in (False, True):
        torch.manual_seed(1)
        networks.append(GridNetwork(factory.interface, hidden_size=16, embedding_size=8, agent_id=agent_id))
    plain, knowing = networks
    assert torch.equal(knowing.embedding[:-MOST_AGENTS], plain.embedding)
    assert knowing.embedding[-MOST_AGENTS:].abs().sum() == 0
    for name, value in plain.state_dict().items():
        assert name == "embedding" or value.equal(knowing.state_dict()[name])
    seen = torch.from_numpy(observed(factory))
    marked = seen.clone()
    marked[:, -1] = torch.tensor([GLOBAL_LOCATION, AGENT_FEATURE, 5], dtype=torch.uint8)
    torch.testing.assert_close(knowing(marked), plain(seen))


def test_both_ways_of_summing_see_the_index(factory: SimulationFactory) -> None:
    network = GridNetwork(factory.interface, hidden_size=16, embedding_size=8, agent_id=True)
    with torch.no_grad():
        network.embedding.normal_(generator=torch.Generator().manual_seed(1))
    seen = torch.from_numpy(observed(factory))
    sums = []
    for agent in (0, 63):
        seen[:, -1] = torch.tensor([GLOBAL_LOCATION, AGENT_FEATURE, agent], dtype=torch.uint8)
        torch.testing.assert_close(network._sum_of_used(seen), network._sum_of_all(seen))
        sums.append(network._sum_of_used(seen))
    expected = network.embedding[-1] - network.embedding[-MOST_AGENTS]
    torch.testing.assert_close(sums[1] - sums[0], expected.expand_as(sums[0]), atol=1e-4, rtol=1e-4)


def test_more_agents_than_it_has_rows_for_are_refused(factory: SimulationFactory) -> None:
    crowd = factory.interface.model_copy(update={"num_agents": MOST_AGENTS + 1})
    with pytest.raises(PolicyError, match="at most 64 agents, not 65"):
        build_policy(resolve_policy(PolicyConfig(class_path="grid", init_kwargs={"agent_id": True})), crowd)
    build_policy(resolve_policy("grid"), crowd)


def test_the_index_is_of_the_agents_mission_in_whatever_batch(factory: SimulationFactory) -> None:
    policy = GridPolicy(factory.interface, **KWARGS)
    network, seen = PolicyNetwork(policy, "grid"), torch.from_numpy(np.tile(observed(factory), (3, 1, 1)))
    assert network.prepare(seen.clone())[:, -1].tolist() == [[GLOBAL_LOCATION, AGENT_FEATURE, n % 4] for n in range(12)]
    some = network.prepare(seen[:2].clone(), torch.tensor([3, 1], dtype=torch.uint8))
    assert some[:, -1, 2].tolist() == [3, 1]
    assert some[:, :-1].equal(seen[:2, :-1])
    plain = PolicyNetwork(GridPolicy(factory.interface), "grid")
    assert plain.prepare(seen.clone()).equal(seen)


# ---- where it plays -------------------------------------------------------------------------------------------


def test_a_batch_and_single_agents_get_their_index_and_observations_stay(factory: SimulationFactory) -> None:
    policy = GridPolicy(factory.interface, **KWARGS)
    act_by_index(policy.network())
    seen = observed(factory)
    before, chosen = seen.copy(), np.zeros(4, dtype=np.int32)
    policy.step_batch(seen, chosen)
    assert chosen.tolist() == INDEXES
    np.testing.assert_array_equal(seen, before)
    assert (seen[:, -1] == NO_TOKEN).all()
    policy.step_agents(np.array([2, 0]), seen[:2], chosen[:2])
    assert chosen.tolist() == [2, 0, 2, 3]


def test_episodes_in_lock_step(weights: Path, factory: SimulationFactory) -> None:
    built = build_policy(resolve_policy(PolicyConfig(data_path=weights)), factory.interface)
    for numbers in ([0, 1, 2], [17]):
        for _, episode in play_episodes(
            lambda: built, "grid", factory, numbers, 5, device="cpu", max_action_time_ms=10_000
        ):
            assert episode.actions[0].tolist() == [INDEXES] * 12


@pytest.mark.parametrize("others", [("stateless", "noop"), ("noop", "starter"), ("lstm", "stateless")])
def test_members_of_teams(others: tuple[str, str], weights: Path, factory: SimulationFactory) -> None:
    knowing = resolve_policy(PolicyConfig(data_path=weights), "knowing")
    first, second = (resolve_policy(name, name) for name in others)
    seated = Lineup.of("team", [first, knowing, second, knowing])
    drawn = Team(label="team", members=(first, knowing), shares=(1.0, 1.0))
    seats = set()
    for team in (seated, drawn):
        for _, episode in play_team(team, factory, [0, 1, 2], 5, "cpu", 10_000):
            assert episode.agent_policies is not None
            mine = [agent for agent, name in enumerate(episode.agent_policies) if name == "knowing"]
            assert episode.actions[0][:, mine].tolist() == [mine] * 12
            seats.add(tuple(mine))
    assert len(seats) > 1


@pytest.mark.slow
def test_a_package_plays_as_the_weights_do(weights: Path, factory: SimulationFactory, tmp_path: Path) -> None:
    """Alone through step_batch, in a team through the interface of one agent."""
    package = daf_package_policy("grid", weights, tmp_path, init_kwargs=KWARGS)
    policy = resolve_policy(PolicyConfig(data_path=package.path), "packaged")
    for _, episode in play_episodes(
        lambda: build_policy(policy, factory.interface), "x", factory, [0], 5, device="cpu", max_action_time_ms=10_000
    ):
        assert episode.actions[0].tolist() == [INDEXES] * 12
    noop = resolve_policy("noop", "noop")
    for _, episode in play_team(Lineup.of("t", [noop, policy, noop, policy]), factory, [0], 5, "cpu", 10_000):
        assert episode.actions[0][:, [1, 3]].tolist() == [[1, 3]] * 12
