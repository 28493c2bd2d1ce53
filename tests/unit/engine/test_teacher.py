"""A teacher chooses what it would play itself, in any environment, also after its state was restored."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch

from daf.config import MissionConfig
from daf.engine.missions import resolve_mission
from daf.engine.play import play_episodes
from daf.engine.policies import build_policy, resolve_policy
from daf.engine.simulation import AgentBuffers, SimulationFactory
from daf.engine.teacher import NO_LABEL, Teacher

STEPS = 25
SEED = 7


@pytest.fixture(scope="module")
def factory() -> SimulationFactory:
    return SimulationFactory(resolve_mission(MissionConfig(source="training_facility_1", max_steps=STEPS)).env_config)


def teacher(name: str, factory: SimulationFactory, episode: int = 0) -> Teacher:
    """In environment 3, episodes have the seeds SEED + 3, SEED + 4, …"""
    return Teacher(resolve_policy(name), factory, lambda env: SEED + env + episode)


def played(taught: Teacher, factory: SimulationFactory, seed: int, follow: bool) -> tuple[np.ndarray, bytes]:
    """The labels of an episode of environment 3, [steps, agents], and its actions: the labels, or random ones."""
    buffers = AgentBuffers.zeros(factory.num_agents, factory.observation_shape)
    simulation, rng = factory.build(seed, buffers), np.random.default_rng(1)
    labels, log = [], b""
    for _ in range(STEPS - 1):
        labels.append(taught.act(range(3, 4), buffers.observations))
        buffers.actions[:] = labels[-1] if follow else rng.integers(0, 5, factory.num_agents)
        log += buffers.actions.astype(np.uint8).tobytes()
        simulation.step()
    return np.array(labels), log


@pytest.mark.parametrize("name", ["starter", "random", "daf.engine.grid_policy.GridPolicy"])
def test_it_chooses_what_it_plays_in_an_evaluation(name: str, factory: SimulationFactory) -> None:
    labels, _ = played(teacher(name, factory), factory, SEED + 3, follow=True)
    policy = resolve_policy(name)
    if name == "daf.engine.grid_policy.GridPolicy":  # evaluation draws its actions in another way: ask it by hand
        np.random.seed(SEED + 3)
        random.seed(SEED + 3)
        torch.manual_seed(SEED + 3)
        built, chosen = build_policy(policy, factory.interface), np.zeros(4, dtype=np.int32)
        buffers = AgentBuffers.zeros(factory.num_agents, factory.observation_shape)
        simulation = factory.build(SEED + 3, buffers)
        for step in labels:
            built.step_batch(buffers.observations, chosen)
            assert step.tolist() == chosen.tolist()
            buffers.actions[:] = chosen
            simulation.step()
        return
    ((_, episode),) = play_episodes(
        lambda: build_policy(policy, factory.interface), name, factory, [0], SEED + 3,
        device="cpu", max_action_time_ms=10_000,
    )  # fmt: skip
    assert labels.tolist() == episode.actions[0, : STEPS - 1].tolist()
    assert len({tuple(step) for step in labels.tolist()}) > 3


@pytest.mark.parametrize("name", ["starter", "random", "lstm", "grid"])
def test_playing_the_actions_again_restores_its_state(name: str, factory: SimulationFactory) -> None:
    labels, log = played(teacher(name, factory), factory, SEED + 3, follow=False)
    restored = teacher(name, factory)
    restored.act(range(3, 4), np.full((4, *factory.observation_shape), 255, dtype=np.uint8))  # is forgotten
    restored.replay(3, log[: 4 * 15])
    buffers = AgentBuffers.zeros(factory.num_agents, factory.observation_shape)
    simulation = factory.build(SEED + 3, buffers)
    actions = np.frombuffer(log, dtype=np.uint8).reshape(-1, 4)
    for step, now in enumerate(actions):
        if step >= 15:
            assert restored.act(range(3, 4), buffers.observations).tolist() == labels[step].tolist(), step
        buffers.actions[:] = now
        simulation.step()


def test_environments_do_not_disturb_each_other_nor_the_generators(factory: SimulationFactory) -> None:
    buffers = AgentBuffers.zeros(factory.num_agents, factory.observation_shape)
    factory.build(SEED, buffers)
    seen = np.concatenate([buffers.observations] * 2)
    both, alone = teacher("random", factory), teacher("random", factory)
    before = (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())
    together = [both.act(range(2, 4), seen)[4:].tolist() for _ in range(6)]
    assert (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()) == before
    assert together == [alone.act(range(3, 4), seen[:4]).tolist() for _ in range(6)]


def test_another_episode_is_played_by_another_instance(factory: SimulationFactory) -> None:
    buffers = AgentBuffers.zeros(factory.num_agents, factory.observation_shape)
    factory.build(SEED, buffers)
    episode = [0]
    changing = Teacher(resolve_policy("random"), factory, lambda env: SEED + env + episode[0])
    first = [changing.act(range(1), buffers.observations).tolist() for _ in range(4)]
    changing.end_episode(0)
    assert [changing.act(range(1), buffers.observations).tolist() for _ in range(4)] == first
    changing.end_episode(0)
    episode[0] = 1
    assert [changing.act(range(1), buffers.observations).tolist() for _ in range(4)] != first


def test_what_networks_cannot_choose_has_no_label(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    miner = SimulationFactory(resolve_mission(MissionConfig(source="tutorial.miner", max_steps=30)).env_config)
    taught = Teacher(resolve_policy("their_policies.VibeAgent"), miner, lambda env: SEED)
    buffers = AgentBuffers.zeros(miner.num_agents, miner.observation_shape)
    miner.build(SEED, buffers)
    north = miner.interface.action_names.index("move_north")
    labels = [taught.act(range(1), buffers.observations).tolist() for _ in range(4)]
    assert labels == [[north] * 4, [NO_LABEL] * 4] * 2
    assert miner.interface.action_names[taught.noop] == "noop"
