"""GridPolicy against references written token by token and with torch's own gradients."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from mettagrid.policy.policy_env_interface import PolicyEnvInterface
from mettagrid.runner.rollout import resolve_env_for_seed
from mettagrid.simulator import Simulator
from torch.nn import functional

from daf.config import MissionConfig
from daf.engine.grid_policy import GridNetwork, GridPolicy, TokenTable, _WeightedBagSum
from daf.engine.missions import resolve_mission
from daf.engine.networks import PolicyNetwork
from daf.engine.simulation import AgentBuffers, SimulationFactory

MISSIONS = ("tutorial.miner", "training_facility_1", "assembler_2", "exploration_sparse_search_easy")


def played(source: str, steps: int = 12, seed: int = 3) -> tuple[PolicyEnvInterface, np.ndarray]:
    """The interface of a mission and observations [steps * agents, tokens, 3] of random play."""
    factory = SimulationFactory(resolve_mission(MissionConfig(source=source, max_steps=1000)).env_config)
    buffers = AgentBuffers.zeros(factory.num_agents, factory.observation_shape)
    simulation = factory.build(seed, buffers)
    rng = np.random.default_rng(seed)
    seen = []
    for _ in range(steps):
        buffers.actions[:] = rng.integers(0, len(factory.interface.action_names), factory.num_agents)
        simulation.step()
        seen.append(buffers.observations.copy())
    return factory.interface, np.concatenate(seen)


def network_of(interface: PolicyEnvInterface, seed: int = 0) -> GridNetwork:
    torch.manual_seed(seed)
    network = GridNetwork(interface, hidden_size=16, embedding_size=8)
    with torch.no_grad():  # the heads and biases start so small that mistakes in them would drown
        network.action_head.weight.normal_(generator=torch.Generator().manual_seed(seed))
        network.bias.normal_(generator=torch.Generator().manual_seed(seed + 1))
    return network


# ---- forward ----------------------------------------------------------------------------------------------


def reference_rows(interface: PolicyEnvInterface) -> dict[tuple[str, int, int | None], int]:
    """Rows of the token table by (feature, category, cell), laid out feature by feature in the order they come.

    A feature that belongs to no cell has one row per category (cell None); all others have one per cell of the view,
    row by row, and a last one for tokens outside of it (cell -1).
    """
    height, width = interface.egocentric_shape
    rows: dict[tuple[str, int, int | None], int] = {}
    for feature in interface.obs_features:
        name = feature.name
        for category in range(categories(interface, name)):
            cells: list[int | None] = [None] if placeless(name) else [*range(height * width), -1]
            for cell in cells:
                rows[name, category, cell] = len(rows)
    return rows


def categories(interface: PolicyEnvInterface, name: str) -> int:
    known = {
        "tag": interface.tags,
        "vibe": interface.vibe_action_names,
        "last_action": interface.all_action_names,
    }
    return max(1, len(known[name])) if name in known else 1


def placeless(name: str) -> bool:
    return (
        name in ("episode_completion_pct", "last_action", "last_action_move", "last_reward")
        or name.startswith(("lp:", "team:", "protocol_"))
        or name.endswith(":p1")
    )


def reference_forward(network: GridNetwork, interface: PolicyEnvInterface, observation: np.ndarray) -> np.ndarray:
    """Logits and value of one observation, token by token in float64."""
    rows, names = reference_rows(interface), {f.id: f.name for f in interface.obs_features}
    table = network.embedding.detach().double().numpy()
    assert len(table) == len(rows)
    width = interface.egocentric_shape[1]
    x = network.bias.detach().double().numpy().copy()
    for location, feature, value in observation.astype(int):
        if location == 255:
            continue
        name = names[feature]
        category = min(value, categories(interface, name) - 1)
        cell = None
        if not placeless(name):
            cell = -1 if location == 254 else (location >> 4) * width + (location & 15)
        one_of_many = name in ("tag", "vibe", "last_action")
        weight = 1.0 if one_of_many else 0.25 + 0.75 * math.log1p(value) / math.log(256)
        x += weight * table[rows[name, category, cell]]

    def linear(layer: torch.nn.Linear, inputs: np.ndarray) -> np.ndarray:
        return layer.weight.detach().double().numpy() @ inputs + layer.bias.detach().double().numpy()

    x = np.maximum(linear(network.hidden, np.maximum(x, 0)), 0)
    return np.concatenate([linear(network.action_head, x), linear(network.value_head, x)])


@pytest.mark.parametrize("source", MISSIONS)
def test_forward_equals_a_loop_over_tokens(source: str) -> None:
    interface, observations = played(source)
    network = network_of(interface)
    with torch.no_grad():
        logits, values = network(torch.from_numpy(observations))
    assert logits.shape == (len(observations), len(interface.action_names))
    assert values.shape == (len(observations), 1)
    found = torch.cat([logits, values], dim=1).numpy()
    for row in range(0, len(observations), 5):
        expected = reference_forward(network, interface, observations[row])
        np.testing.assert_allclose(found[row], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("source", MISSIONS)
def test_every_token_has_a_row_of_its_own(source: str) -> None:
    interface, observations = played(source)
    table = TokenTable(interface)
    tokens = np.unique(observations[observations[:, :, 0] != 255], axis=0).astype(int)
    location, feature, value = torch.from_numpy(tokens).unbind(dim=1)
    cells = table.cell_of_location[location]
    rows = table.rows[feature * 256 + value] + table.local[feature] * cells
    assert cells.min() >= 0
    assert rows.min() >= 0
    assert rows.max() < table.num_rows
    # Two tokens share a row only if they are the same place and feature with another amount.
    seen: dict[int, tuple[int, int]] = {}
    for row, place, kind in zip(rows.tolist(), location.tolist(), feature.tolist(), strict=True):
        key = (kind, place if table.local[kind] else -1)
        assert seen.setdefault(row, key) == key


def test_unused_token_slots_change_nothing() -> None:
    interface, observations = played("assembler_2")
    network = network_of(interface)
    raw = torch.from_numpy(observations)
    zero_padded = raw.clone()
    zero_padded[..., 1:].masked_fill_(raw[..., :1] == 255, 0)
    policy = GridPolicy(interface, hidden_size=16, embedding_size=8)
    trimmed = raw[:, : PolicyNetwork(policy, "grid").shown_tokens(observations)]
    assert trimmed.shape[1] < raw.shape[1]
    with torch.no_grad():
        expected = network(raw)
        for other in (zero_padded, trimmed, torch.cat([raw, torch.full_like(raw, 255)], dim=1)):
            for ours, theirs in zip(network(other), expected, strict=True):
                assert torch.equal(ours, theirs)


def test_an_observation_without_tokens_is_allowed_anywhere_in_a_batch() -> None:
    interface, observations = played("assembler_2")
    network = network_of(interface)
    batch = torch.from_numpy(observations[:4].copy())
    with torch.no_grad():
        full, _ = network(batch)
        for empty in range(4):
            with_hole = batch.clone()
            with_hole[empty] = 255
            logits, _ = network(with_hole)
            others = [row for row in range(4) if row != empty]
            torch.testing.assert_close(logits[others], full[others])
            expected = reference_forward(network, interface, with_hole[empty].numpy())[:-1]
            np.testing.assert_allclose(logits[empty].numpy(), expected, rtol=1e-4, atol=1e-5)


# ---- gradient ---------------------------------------------------------------------------------------------


def bags(seed: int, num_rows: int = 11) -> tuple[torch.Tensor, ...]:
    """Rows, offsets, counts and weights of bags of 0 to 6 tokens, with repetitions and unused rows."""
    rng = np.random.default_rng(seed)
    counts = torch.from_numpy(rng.integers(0, 7, 9))
    counts[[0, 4, 8]] = 0
    rows = torch.from_numpy(rng.integers(0, num_rows - 2, int(counts.sum())))
    weights = torch.from_numpy(rng.uniform(0.1, 2.0, len(rows)))
    return rows, torch.cumsum(counts, 0) - counts, counts, weights


@pytest.mark.parametrize("seed", range(4))
def test_the_gradient_of_the_bag_sum_is_the_derivative(seed: int) -> None:
    rows, offsets, counts, weights = bags(seed)
    table = torch.randn(11, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed), requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda t: _WeightedBagSum.apply(t, rows, offsets, counts, weights), (table,), eps=1e-6, atol=1e-8
    )


@pytest.mark.parametrize("seed", range(4))
def test_the_gradient_equals_a_dense_reference(seed: int) -> None:
    rows, offsets, counts, weights = bags(seed)
    table = torch.randn(11, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    upstream = torch.randn(9, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(seed + 1))
    ours, dense = table.clone().requires_grad_(), table.clone().requires_grad_()
    incidence = torch.zeros(9, 11, dtype=torch.float64)
    for bag, (start, count) in enumerate(zip(offsets.tolist(), counts.tolist(), strict=True)):
        for token in range(start, start + count):
            incidence[bag, rows[token]] += weights[token]
    found = _WeightedBagSum.apply(ours, rows, offsets, counts, weights)
    expected = incidence @ dense
    torch.testing.assert_close(found, expected)
    found.backward(upstream)
    expected.backward(upstream)
    torch.testing.assert_close(ours.grad, dense.grad)
    assert (ours.grad[-2:] == 0).all()


def test_the_networks_gradients_equal_those_of_the_built_in_bag() -> None:
    interface, observations = played("training_facility_1")
    batch = torch.from_numpy(observations)
    target = torch.randn(len(batch), len(interface.action_names) + 1, generator=torch.Generator().manual_seed(0))
    gradients = []
    for built_in in (False, True):
        network = network_of(interface)
        if built_in:
            used = batch[:, :, 0] != 255
            counts = used.sum(dim=1)
            location, feature, value = batch[used].long().unbind(dim=1)
            rows = network._rows[feature * 256 + value] + network._local[feature] * network._cell_of_location[location]
            x = functional.embedding_bag(
                rows,
                network.embedding,
                torch.cumsum(counts, 0) - counts,
                mode="sum",
                per_sample_weights=network._weights[feature * 256 + value],
            )
            x = torch.relu(network.hidden(torch.relu(x + network.bias)))
            out = torch.cat([network.action_head(x), network.value_head(x)], dim=1)
        else:
            out = torch.cat(network(batch), dim=1)
        (out * target).sum().backward()
        gradients.append({name: p.grad.clone() for name, p in network.named_parameters()})
    assert gradients[0]["embedding"].abs().sum() > 0
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name], rtol=1e-4, atol=1e-4)


# ---- the policy -------------------------------------------------------------------------------------------


def policy_of(interface: PolicyEnvInterface, **kwargs: object) -> GridPolicy:
    policy = GridPolicy(interface, hidden_size=16, embedding_size=8, **kwargs)  # type: ignore[arg-type]
    policy.network().load_state_dict(network_of(interface).state_dict())
    return policy


def test_greedy_takes_the_largest_logit() -> None:
    interface, observations = played("training_facility_1")
    policy = policy_of(interface, greedy=True)
    chosen = np.zeros(len(observations), dtype=np.int32)
    policy.step_batch(observations, chosen)
    with torch.no_grad():
        logits, _ = policy.network()(torch.from_numpy(observations))
    assert chosen.tolist() == logits.argmax(dim=1).tolist()
    assert len(set(chosen.tolist())) > 1


def test_sampling_follows_the_probabilities_and_the_seed() -> None:
    interface, observations = played("training_facility_1")
    many = np.repeat(observations[:1], 4000, axis=0)
    drawn = []
    for seed in (1, 1, 2):
        chosen = np.zeros(len(many), dtype=np.int32)
        policy = policy_of(interface, seed=seed)
        with torch.no_grad():  # flatter, so that every action has a share worth counting
            policy.network().action_head.weight.mul_(0.1)
        policy.step_batch(many, chosen)
        drawn.append(chosen)
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert (drawn[0] != drawn[2]).any()
    with torch.no_grad():
        shares = policy.network()(torch.from_numpy(observations[:1]))[0].softmax(dim=1)[0].numpy()
    counted = np.bincount(drawn[0], minlength=len(shares)) / len(many)
    np.testing.assert_allclose(counted, shares, atol=4 * np.sqrt(0.25 / len(many)))


@pytest.mark.parametrize("source", MISSIONS)
def test_one_agents_view_chooses_as_the_batch_does(source: str) -> None:
    mission = resolve_mission(MissionConfig(source=source, max_steps=20))
    simulation = Simulator().new_simulation(resolve_env_for_seed(mission.env_config, 8), 8)
    interface = PolicyEnvInterface.from_mg_cfg(mission.env_config)
    policy = policy_of(interface, greedy=True)
    agents = [policy.agent_policy(number) for number in range(mission.num_agents)]
    rng = np.random.default_rng(1)
    for _ in range(10):
        raw = np.array(simulation._c_sim.observations())
        chosen = np.zeros(mission.num_agents, dtype=np.int32)
        policy.step_batch(raw, chosen)
        one_by_one = [agent.step(obs).name for agent, obs in zip(agents, simulation.observations(), strict=True)]
        assert one_by_one == [interface.action_names[action] for action in chosen]
        for number in range(mission.num_agents):
            simulation.agent(number).set_action(interface.action_names[rng.integers(len(interface.action_names))])
        simulation.step()


def test_saved_weights_load_again(tmp_path: Path) -> None:
    interface, observations = played("assembler_2")
    first = policy_of(interface, greedy=True)
    first.save_policy_data(str(tmp_path / "weights.pt"))
    second = GridPolicy(interface, hidden_size=16, embedding_size=8, greedy=True)
    batch = torch.from_numpy(observations)
    with torch.no_grad():
        expected = first.network()(batch)[0]
        assert not torch.equal(second.network()(batch)[0], expected)
        second.load_policy_data(str(tmp_path / "weights.pt"))
        assert torch.equal(second.network()(batch)[0], expected)
    assert set(first.network().state_dict()) == {
        "embedding", "bias", "hidden.weight", "hidden.bias", "action_head.weight", "action_head.bias",
        "value_head.weight", "value_head.bias",
    }  # fmt: skip  # lookup tables follow from the mission and stay out of the file


def test_weights_of_another_size_do_not_load(tmp_path: Path) -> None:
    interface, _ = played("assembler_2", steps=1)
    GridPolicy(interface, hidden_size=16).save_policy_data(str(tmp_path / "weights.pt"))
    with pytest.raises(RuntimeError, match="size mismatch"):
        GridPolicy(interface, hidden_size=32).load_policy_data(str(tmp_path / "weights.pt"))
