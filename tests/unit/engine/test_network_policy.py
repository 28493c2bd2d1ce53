"""Base classes of users' policies: what follows from `make_network` and `step_batch` is consistent, and learns."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip("cogames")

import torch
from torch import nn

from daf.config import PolicyConfig
from daf.engine.evaluation import evaluate_policy
from daf.engine.grid_policy import GridPolicy
from daf.engine.missions import resolve_mission
from daf.engine.networks import PolicyNetwork
from daf.engine.observations import LazyObservation, TokenTable
from daf.engine.policies import build_policy, resolve_policy
from daf.engine.simulation import AgentBuffers, SimulationFactory
from daf.policies import NetworkPolicy
from tests.stages import others_long
from tests.unit.engine import networks_of_users
from tests.unit.engine.networks_of_users import Bag, Marcher, Rememberer, RemembererOfTwo, Scout

USERS = networks_of_users.__name__
NETWORKS = [Scout, Rememberer, RemembererOfTwo]


@pytest.fixture(scope="module")
def factory():
    return SimulationFactory(resolve_mission("training_facility_1").env_config)


@pytest.fixture(scope="module")
def seen(factory):
    """Observations of 6 steps, uint8 [6, agents, tokens, 3]."""
    buffers = AgentBuffers.zeros(factory.num_agents, factory.observation_shape)
    simulation, random, steps = factory.build(3, buffers), np.random.default_rng(0), []
    for _ in range(6):
        steps.append(buffers.observations.copy())
        buffers.actions[:] = random.integers(0, 5, len(buffers.actions))
        simulation.step()
    return np.stack(steps)


def made(kind, factory, **arguments):
    torch.manual_seed(0)
    np.random.seed(0)
    return kind(factory.interface, **arguments)


def acted(policy, observations):
    actions = np.zeros(observations.shape[1], dtype=np.int32)
    steps = []
    for step in observations:
        policy.step_batch(step, actions)
        steps.append(actions.tolist())
    return steps


def acted_alone(policy, observations, factory, group=False):
    """The same steps through the interface of single agents."""
    tokens, agents = TokenTable(factory.env_config), [policy.agent_policy(i) for i in range(observations.shape[1])]
    names, steps = factory.interface.action_names, []
    for agent in agents:
        agent.reset()
    for step in observations:
        shown = [(i, LazyObservation(i, raw, tokens)) for i, raw in enumerate(step)]
        if group:
            assert agents[0].can_step_group(agents)
            actions = agents[0].step_group(shown)
        else:
            actions = [agent.step(observation) for agent, (_, observation) in zip(agents, shown, strict=True)]
        steps.append([names.index(action.name) for action in actions])
    return steps


# ---- one step, however it is taken ------------------------------------------------------------------------------


@pytest.mark.parametrize("greedy", [True, False])
@pytest.mark.parametrize("kind", NETWORKS)
def test_single_agents_act_as_the_batch_does(kind, greedy, factory, seen):
    expected = acted(made(kind, factory, greedy=greedy), seen)
    assert acted_alone(made(kind, factory, greedy=greedy), seen, factory) == expected
    assert acted_alone(made(kind, factory, greedy=greedy), seen, factory, group=True) == expected


@pytest.mark.parametrize("kind", NETWORKS)
def test_the_trainer_sees_what_step_batch_sees(kind, factory, seen):
    policy = made(kind, factory, greedy=True)
    network, steps = PolicyNetwork(policy, "p"), []
    state = network.initial_state(seen.shape[1], torch.device("cpu"))
    with torch.no_grad():
        for step in seen:
            logits, values, state = network.step(torch.from_numpy(step), state)
            steps.append(logits.argmax(dim=1).tolist())
            assert values.shape == (seen.shape[1],)
    assert steps == acted(policy, seen)


@pytest.mark.parametrize("kind", NETWORKS)
def test_segments_equal_single_steps(kind, factory, seen):
    """Also where an agent's episode begins in the middle."""
    network = PolicyNetwork(made(kind, factory), "p")
    agents, device = seen.shape[1], torch.device("cpu")
    starts = torch.zeros((agents, len(seen)), dtype=torch.bool)
    starts[:, 0] = starts[1, 3] = True
    stepped, state = [], network.initial_state(agents, device)
    with torch.no_grad():
        for number, step in enumerate(seen):
            if state is not None:
                keep = (~starts[:, number]).float()[:, None, None]
                state = (state[0] * keep, state[1] * keep)
            logits, _, state = network.step(torch.from_numpy(step), state)
            stepped.append(logits)
        segment = torch.from_numpy(seen.swapaxes(0, 1).copy())
        logits, values = network.sequence(segment, network.initial_state(agents, device), starts)
    torch.testing.assert_close(logits, torch.stack(stepped, dim=1))
    assert values.shape == (agents, len(seen))


def test_a_reset_forgets_and_nothing_else_does(factory, seen):
    policy = made(Rememberer, factory, greedy=True)
    network = policy.network()
    acted(policy, seen)
    carried = policy._state.clone()
    assert carried.abs().sum() > 0
    acted(policy, seen[:1])
    assert not torch.equal(policy._state, carried)
    policy.agent_policy(2).reset()
    assert policy._state[2].abs().sum() == 0
    assert policy._state[1].abs().sum() > 0
    policy.reset()
    again = acted(policy, seen)
    assert again == acted(made(Rememberer, factory, greedy=True), seen)
    assert policy.network() is network


def test_agents_of_a_team_keep_their_own_state(factory, seen):
    """Agents 1 and 3 play, the others belong to another policy."""
    whole, part = made(Rememberer, factory, greedy=True), made(Rememberer, factory, greedy=True)
    expected = [[step[1], step[3]] for step in acted(whole, seen)]
    tokens, agents = TokenTable(factory.env_config), [part.agent_policy(number) for number in (1, 3)]
    names, found = factory.interface.action_names, []
    for step in seen:
        actions = agents[0].step_group([(number, LazyObservation(number, step[number], tokens)) for number in (1, 3)])
        found.append([names.index(action.name) for action in actions])
    assert found == expected


def test_logits_that_are_not_numbers_are_refused(factory, seen):
    policy = made(Scout, factory)
    with torch.no_grad():
        policy.network().inner.logits.bias.fill_(float("nan"))
    with pytest.raises(ValueError, match=r"Bag\.forward: expected finite logits, found NaN or infinity"):
        acted(policy, seen)


def test_dropout_is_off_while_acting(factory, seen):
    class Dropping(NetworkPolicy):
        def make_network(self, info):
            bag = Bag(len(info.action_names))
            bag.logits = nn.Sequential(nn.Dropout(0.9), bag.logits)
            return bag

    first, second = (made(Dropping, factory, greedy=True) for _ in range(2))
    torch.manual_seed(1)
    steps = acted(first, seen)
    torch.manual_seed(2)
    assert acted(second, seen) == steps


# ---- files ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", NETWORKS)
def test_saved_and_loaded_it_acts_alike(kind, factory, seen, tmp_path):
    policy = made(kind, factory, greedy=True)
    policy.save_policy_data(str(tmp_path / "w.pt"))
    torch.manual_seed(5)
    other = kind(factory.interface, greedy=True)
    other.load_policy_data(str(tmp_path / "w.pt"))
    assert acted(other, seen) == acted(policy, seen)


def test_weights_keep_the_names_of_the_users_module(factory):
    policy = made(Scout, factory)
    names = set(Bag(5).state_dict())
    assert set(policy.network().state_dict()) == names
    assert {name for name, _ in policy.network().named_parameters()} == names
    Bag(5).load_state_dict(policy.network().state_dict())


# ---- arguments and mistakes -------------------------------------------------------------------------------------


def test_arguments_of_make_network_are_arguments_of_the_class(factory):
    policy: Any = build_policy(
        resolve_policy(PolicyConfig(class_path=f"{USERS}.Scout", init_kwargs={"size": 4, "greedy": True})),
        factory.interface,
    )
    assert policy.network().inner.value.in_features == 4
    assert policy.greedy


class _Returns(NetworkPolicy):
    def make_network(self, info, outputs=None):
        network = Bag(len(info.action_names))
        network.forward = outputs
        return network


def zeros(*shape):
    return torch.zeros(shape)


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (lambda x: zeros(3, 5), r"Bag.forward: expected \(logits, values\) or .*, found float32 \[3, 5\]"),
        (lambda x: (zeros(3, 5),), "found a tuple of 1"),
        (
            lambda x: (zeros(3, 4), zeros(3)),
            r"Bag.forward: expected logits of floats \[3, 5\], found float32 \[3, 4\]",
        ),
        (lambda x: (zeros(3, 5).long(), zeros(3)), r"found int64 \[3, 5\]"),
        (lambda x: (zeros(3, 5), zeros(1)), r"values of floats \[3\] or \[3, 1\], found float32 \[1\]"),
        (lambda x: (zeros(3, 5), None), "found a NoneType"),
        (lambda x: (zeros(3, 5), zeros(3), zeros(3, 2)), "expected a forward that takes the state it returns"),
        (lambda x, s: (zeros(3, 5), zeros(3), zeros(1, 3, 2)), r"expected a state of .*, found float32 \[1, 3, 2\]"),
        (lambda x, s: (zeros(3, 5), zeros(3), (zeros(3, 2), 1)), "found a int"),
    ],
)
def test_networks_that_return_something_else(factory, outputs, message):
    with pytest.raises((TypeError, ValueError), match=message):
        _Returns(factory.interface, outputs=outputs)


def test_make_network_must_return_a_module(factory):
    class Wrong(NetworkPolicy):
        def make_network(self, info):
            return 3

    class Missing(NetworkPolicy):
        pass

    with pytest.raises(TypeError, match=r"Wrong\.make_network: expected a torch module, found a int"):
        Wrong(factory.interface)
    with pytest.raises(NotImplementedError, match="Missing needs make_network"):
        Missing(factory.interface)


def test_every_episode_draws_numbers_of_its_own(factory):
    """A policy is built for each; only the global generators know which one it is."""
    observations = np.full((40, *factory.observation_shape), 255, dtype=np.uint8)

    def sampled(policy):
        actions = np.zeros(len(observations), dtype=np.int32)
        policy.step_batch(observations, actions)
        return actions.tolist()

    for kind in (Scout, GridPolicy):
        torch.manual_seed(3)
        weights = kind(factory.interface).network().state_dict()
        drawn = []
        for seed in (1, 2, 1):
            np.random.seed(seed)
            policy = kind(factory.interface)
            policy.network().load_state_dict(weights)
            drawn.append(sampled(policy))
        assert drawn[0] == drawn[2] != drawn[1]
        members = [kind(factory.interface) for _ in range(2)]  # of a team, with the same weights
        for member in members:
            member.network().load_state_dict(weights)
        assert sampled(members[0]) != sampled(members[1])


# ---- whole episodes ---------------------------------------------------------------------------------------------


def rewards(policy, **options):
    mission = resolve_mission("training_facility_1")
    mission.env_config.game.max_steps = 60
    frame = evaluate_policy(policy, mission, episodes=4, seed=9, **options)
    assert frame["failure"].isna().all(), frame["failure"].tolist()
    return frame


@pytest.mark.parametrize("name", others_long(["Scout", "Rememberer", "Marcher"], "Rememberer"))
def test_episodes_do_not_depend_on_how_they_are_shared(name):
    alone = rewards(f"{USERS}.{name}")
    shared = rewards(f"{USERS}.{name}", workers=2)
    assert alone["actions"].tolist() == shared["actions"].tolist()


def test_a_scripted_policy_plays_the_same_in_a_batch_and_in_a_team():
    alone, team = rewards(f"{USERS}.Marcher"), rewards({f"{USERS}.Marcher": 1.0})
    assert alone["actions"].tolist() == team["actions"].tolist()


def test_networks_with_their_own_way_of_acting_do_not_play_in_lock_step(factory):
    from daf.engine.play import plays_from_logits

    class Cautious(Scout):
        def step_batch(self, raw_observations, raw_actions):
            raw_actions[:] = 0

    assert plays_from_logits(made(Scout, factory))
    assert plays_from_logits(made(RemembererOfTwo, factory))
    assert not plays_from_logits(made(Cautious, factory))
    assert not plays_from_logits(Marcher(factory.interface))


# ---- learning ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", NETWORKS)
def test_it_learns_what_it_is_paid_for(kind, factory, seen):
    """A few updates of policy gradient raise the probability of the action that pays."""
    network = PolicyNetwork(made(kind, factory), "p")
    optimizer = torch.optim.Adam(network.module.parameters(), lr=0.02)
    segment = torch.from_numpy(seen.swapaxes(0, 1).copy())
    starts = torch.zeros(segment.shape[:2], dtype=torch.bool)
    starts[:, 0] = True
    shares, value_losses = [], []
    for _ in range(15):
        state = network.initial_state(len(segment), torch.device("cpu"))
        logits, values = network.sequence(segment, state, starts)
        probabilities = logits.softmax(dim=2)[..., 3]
        value_loss = (values - 1).square().mean()
        shares.append(float(probabilities.detach().mean()))
        value_losses.append(float(value_loss.detach()))
        optimizer.zero_grad()
        (value_loss - probabilities.mean()).backward()
        optimizer.step()
    assert shares[-1] > max(0.5, 2 * shares[0])
    assert value_losses[-1] < 0.5 * value_losses[0]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Scout", "Rememberer"])
def test_the_trainer_trains_it_and_its_model_plays(name, tmp_path, monkeypatch):
    """Through the whole trainer: the weights change, the model describes its class, and the same weights play."""
    from daf.engine.model_files import read_weights
    from daf.training.launch import run_training
    from tests.unit.training.small import options_of, recipe_of

    class_path = f"{USERS}.{name}"
    outcome = run_training(recipe_of(class_path, world_size=1), tmp_path, options_of())
    assert outcome.status == "completed"
    weights = read_weights(tmp_path / "model.safetensors")
    assert set(weights) == set(getattr(networks_of_users, {"Scout": "Bag"}.get(name, "Remembering"))(5).state_dict())
    frame = rewards(PolicyConfig(data_path=tmp_path / "model.safetensors"))
    assert len(frame) == 4
