"""PolicyNetwork: one interface to recurrent and other networks, fed as their own evaluation feeds them."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from mettagrid.policy.policy import MultiAgentPolicy
from mettagrid.policy.policy_env_interface import PolicyEnvInterface
from mettagrid.runner.rollout import resolve_env_for_seed
from mettagrid.simulator import Simulator

from daf.config import MissionConfig
from daf.engine.missions import resolve_mission
from daf.engine.networks import PolicyNetwork
from daf.engine.policies import build_policy, resolve_policy
from daf.engine.simulation import AgentBuffers, SimulationFactory
from daf.errors import PolicyError

POLICIES = ("grid", "lstm", "stateless")
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def factory() -> SimulationFactory:
    return SimulationFactory(resolve_mission(MissionConfig(source="assembler_2", max_steps=1000)).env_config)


@pytest.fixture(scope="module")
def played(factory: SimulationFactory) -> torch.Tensor:
    """Observations [agents, steps, tokens, 3] of random play."""
    buffers = AgentBuffers.zeros(factory.num_agents, factory.observation_shape)
    simulation = factory.build(4, buffers)
    rng = np.random.default_rng(4)
    seen = []
    for _ in range(11):
        buffers.actions[:] = rng.integers(0, len(factory.interface.action_names), factory.num_agents)
        simulation.step()
        seen.append(torch.from_numpy(buffers.observations.copy()))
    return torch.stack(seen, dim=1)


def network_of(name: str, interface: PolicyEnvInterface) -> tuple[MultiAgentPolicy, PolicyNetwork]:
    torch.manual_seed(0)
    policy = build_policy(resolve_policy(name), interface)
    network = PolicyNetwork(policy, name)
    with torch.no_grad():
        for parameter in network.module.parameters():  # large enough that every input shows
            parameter.mul_(1.5)
    return policy, network


def starts_of(agents: int, steps: int) -> torch.Tensor:
    """Episodes begin at different steps for different agents, also in the first and the last step."""
    starts = torch.zeros(agents, steps, dtype=torch.bool)
    starts[0, 0] = starts[1, 3] = starts[2, 3] = starts[2, 4] = starts[3, steps - 1] = True
    return starts


def first_state(network: PolicyNetwork, agents: int) -> Any:
    state = network.initial_state(agents, CPU)
    if state is None:
        return None
    generator = torch.Generator().manual_seed(1)
    return tuple(torch.randn(part.shape, generator=generator) for part in state)


@pytest.mark.parametrize("name", POLICIES)
def test_a_sequence_equals_its_steps(name: str, factory: SimulationFactory, played: torch.Tensor) -> None:
    _, network = network_of(name, factory.interface)
    assert network.recurrent == (name == "lstm")
    agents, steps = played.shape[:2]
    observations = network.prepare(played.clone())
    starts, state = starts_of(agents, steps), first_state(network, agents)
    with torch.no_grad():
        logits, values = network.sequence(observations, state, starts)
        assert logits.shape == (agents, steps, len(factory.interface.action_names))
        assert values.shape == (agents, steps)
        for t in range(steps):
            if state is not None:
                keep = (~starts[:, t]).float()[:, None, None]
                state = (state[0] * keep, state[1] * keep)
            step_logits, step_values, state = network.step(observations[:, t], state)
            torch.testing.assert_close(logits[:, t], step_logits, rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(values[:, t], step_values, rtol=1e-4, atol=1e-5)


def test_no_state_crosses_the_start_of_an_episode(factory: SimulationFactory, played: torch.Tensor) -> None:
    _, network = network_of("lstm", factory.interface)
    observations = network.prepare(played.clone())
    starts, state = starts_of(*played.shape[:2]), first_state(network, len(played))
    changed = observations.clone()
    changed[1, :3, :, 2] = 9  # before agent 1's episode begins at step 3
    with torch.no_grad():
        before, _ = network.sequence(observations, state, starts)
        after, _ = network.sequence(changed, state, starts)
        other, _ = network.sequence(observations, (state[0] + 1, state[1]), starts)
    assert not torch.allclose(before[1, :3], after[1, :3])
    torch.testing.assert_close(before[1, 3:], after[1, 3:])
    assert not torch.allclose(before[1, :3], other[1, :3])
    torch.testing.assert_close(before[0], other[0])  # agent 0 begins at step 0: the state before does not matter


def test_gradients_of_a_sequence_stop_at_the_start_of_an_episode(
    factory: SimulationFactory, played: torch.Tensor
) -> None:
    _, network = network_of("lstm", factory.interface)
    observations = network.prepare(played.clone())
    state = tuple(part.requires_grad_() for part in first_state(network, len(played)))
    logits, _ = network.sequence(observations, state, starts_of(*played.shape[:2]))
    logits[:, -1].square().sum().backward()
    reached = state[0].grad.abs().sum(dim=(1, 2)) > 0
    assert reached.tolist() == [False, False, False, False]
    logits, _ = network.sequence(observations, state, starts_of(*played.shape[:2]))
    logits[:, 2].square().sum().backward()
    reached = state[0].grad.abs().sum(dim=(1, 2)) > 0
    assert reached.tolist() == [False, True, True, True]


def test_the_state_begins_with_zeros(factory: SimulationFactory) -> None:
    assert network_of("grid", factory.interface)[1].initial_state(5, CPU) is None
    state = network_of("lstm", factory.interface)[1].initial_state(5, CPU)
    assert state is not None
    for part in state:
        assert part.shape == (5, 1, 128)
        assert not part.any()


@pytest.mark.parametrize("name", POLICIES)
def test_logits_are_those_of_the_engines_own_agents(
    name: str, monkeypatch: pytest.MonkeyPatch, factory: SimulationFactory
) -> None:
    """The engine's agents draw from a Categorical or a multinomial; what they draw from is compared over an episode."""
    mission = resolve_mission(MissionConfig(source="assembler_2", max_steps=20))
    simulation = Simulator().new_simulation(resolve_env_for_seed(mission.env_config, 6), 6)
    policy, network = network_of(name, factory.interface)
    agents = [policy.agent_policy(number) for number in range(mission.num_agents)]
    for agent in agents:
        agent.reset()
    seen: list[torch.Tensor] = []
    forward = network.module.forward_eval

    def spy(observations: torch.Tensor, state: Any = None) -> Any:
        out = forward(observations, state)
        seen.append(out[0].detach())
        return out

    if name == "grid":  # its agents call the module itself
        network.module.register_forward_hook(lambda module, inputs, out: seen.append(out[0].detach()))
    else:
        monkeypatch.setattr(network.module, "forward_eval", spy)
    state = network.initial_state(mission.num_agents, CPU)
    rng = np.random.default_rng(0)
    with torch.no_grad():
        for _ in range(10):
            seen.clear()
            for agent, observation in zip(agents, simulation.observations(), strict=True):
                agent.step(observation)
            theirs = torch.cat(seen)
            raw = network.prepare(torch.from_numpy(np.array(simulation._c_sim.observations())))
            ours, _, state = network.step(raw, state)
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
            for number in range(mission.num_agents):
                choice = rng.integers(len(factory.interface.action_names))
                simulation.agent(number).set_action(factory.interface.action_names[choice])
            simulation.step()


def test_the_filling_of_unused_slots_matters_to_lstm(factory: SimulationFactory, played: torch.Tensor) -> None:
    _, network = network_of("lstm", factory.interface)
    raw = played[:, 0]
    unused = raw[..., 0] == 255
    assert unused.any()
    prepared = network.prepare(raw.clone())
    assert (prepared[..., 1:][unused] == 0).all()
    assert (prepared[..., 0] == raw[..., 0]).all()
    assert (prepared[~unused] == raw[~unused]).all()
    state = network.initial_state(len(raw), CPU)
    with torch.no_grad():
        assert not torch.allclose(network.step(prepared, state)[0], network.step(raw, state)[0])


@pytest.mark.parametrize("name", ["grid", "stateless"])
def test_other_networks_see_raw_slots(name: str, factory: SimulationFactory, played: torch.Tensor) -> None:
    _, network = network_of(name, factory.interface)
    assert torch.equal(network.prepare(played.clone()), played)


@pytest.mark.parametrize("name", POLICIES)
def test_unused_slots_need_not_be_shown(name: str, factory: SimulationFactory, played: torch.Tensor) -> None:
    """Outputs and gradients are those of whole observations."""
    _, network = network_of(name, factory.interface)
    shown = network.shown_tokens(played.flatten(0, 1).numpy())
    most = int((played[..., 0] != 255).sum(dim=-1).max())
    assert most < shown < played.shape[2]
    assert shown % 16 == 0
    whole = network.prepare(played.clone())
    starts, state = starts_of(*played.shape[:2]), first_state(network, len(played))
    found = {}
    for number in (shown, played.shape[2]):
        network.module.zero_grad()
        logits, values = network.sequence(whole[:, :, :number], state, starts)
        (logits.square().sum() + values.sum()).backward()
        gradients = [parameter.grad.clone() for parameter in network.module.parameters()]
        found[number] = [logits.detach(), values.detach(), *gradients]
    for ours, theirs in zip(*found.values(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4 * float(theirs.abs().max()))
    assert all(layer.in_features > 0 for layer in network.module.modules() if isinstance(layer, torch.nn.Linear))


@pytest.mark.parametrize(
    ("used", "shown"), [(0, 16), (1, 16), (15, 16), (16, 32), (17, 32), (47, 48), (48, 64), (64, 64)]
)
def test_slots_are_shown_in_blocks_with_an_unused_one_at_the_end(
    used: int, shown: int, factory: SimulationFactory
) -> None:
    observations = torch.full((3, *factory.observation_shape), 255, dtype=torch.uint8)
    observations[1, :used] = 7
    assert network_of("lstm", factory.interface)[1].shown_tokens(observations.numpy()) == shown


def test_networks_of_other_kinds_are_shown_everything(factory: SimulationFactory) -> None:
    policy = build_policy(resolve_policy("puffer"), factory.interface)
    observations = torch.full((3, *factory.observation_shape), 255, dtype=torch.uint8)
    assert PolicyNetwork(policy, "puffer").shown_tokens(observations.numpy()) == factory.observation_shape[0]


def test_a_policy_without_a_network_cannot_be_trained(factory: SimulationFactory) -> None:
    policy = build_policy(resolve_policy("random"), factory.interface)
    with pytest.raises(PolicyError) as caught:
        PolicyNetwork(policy, "random")
    assert "'random' has no network" in str(caught.value)
    assert "grid" in caught.value.hint


class _RecurrentWithoutLstm(MultiAgentPolicy):
    def network(self) -> torch.nn.Module:
        return torch.nn.GRU(3, 3)

    def is_recurrent(self) -> bool:
        return True


def test_a_recurrent_network_without_an_lstm_is_refused(factory: SimulationFactory) -> None:
    with pytest.raises(PolicyError, match=r"nn\.LSTM") as caught:
        PolicyNetwork(_RecurrentWithoutLstm(factory.interface), "mine")
    assert "mine" in str(caught.value)


class _WithoutForwardEval(MultiAgentPolicy):
    def network(self) -> torch.nn.Module:
        return torch.nn.Linear(3, 3)


def test_a_network_that_cannot_be_asked_is_refused(factory: SimulationFactory) -> None:
    with pytest.raises(PolicyError, match="forward_eval") as caught:
        PolicyNetwork(_WithoutForwardEval(factory.interface), "mine")
    assert caught.value.found == "Linear without it"


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "backend"),
    [
        ("lstm", "inductor"),
        ("grid", "aot_eager"),  # traced and differentiated, but not translated to C++
    ],
)
def test_compiled_networks_and_half_precision_say_about_the_same(
    name: str, backend: str, factory: SimulationFactory, played: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=backend))
    torch._dynamo.reset()
    played = played[:, :6]
    torch.manual_seed(0)
    policy = build_policy(resolve_policy(name), factory.interface)
    state = PolicyNetwork(policy, name).initial_state(len(played), CPU)
    plain = PolicyNetwork(policy, name)
    observations = plain.prepare(played.clone())
    starts = starts_of(*played.shape[:2])
    expected = plain.sequence(observations, state, starts)
    compiled = PolicyNetwork(policy, name, compiled=True).sequence(observations, state, starts)
    half = PolicyNetwork(policy, name, precision="bfloat16").sequence(observations, state, starts)
    for exact, same, rounded in zip(expected, compiled, half, strict=True):
        torch.testing.assert_close(same, exact, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(rounded.float(), exact, rtol=0.1, atol=0.1)
        assert not torch.equal(rounded.float(), exact)
