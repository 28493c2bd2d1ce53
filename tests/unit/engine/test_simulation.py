"""Simulations on shared buffers against the engine's own, and the vectorized environment built from them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mettagrid.runner.rollout import resolve_env_for_seed
from mettagrid.simulator import Simulator
from mettagrid.simulator.simulator import Buffers

from daf.config import MissionConfig
from daf.engine.missions import Mission, resolve_mission
from daf.engine.simulation import AgentBuffers, SimulationFactory, _content
from daf.engine.stepping import FinishedEpisode, episode_seed
from daf.engine.vector import VectorEnvironment

STEPS = 40
MISSIONS = ("tutorial.miner", "training_facility_1", "assembler_2", "exploration_sparse_search_easy")


def short(source: str, max_steps: int = STEPS) -> Mission:
    return resolve_mission(MissionConfig(source=source, max_steps=max_steps))


def actions_of(mission: Mission, steps: int, agents: int, seed: int) -> np.ndarray:
    factory = SimulationFactory(mission.env_config)
    return np.random.default_rng(seed).integers(0, len(factory.interface.action_names), (steps, agents))


# ---- one simulation ---------------------------------------------------------------------------------------


def comparable(stats: dict[str, Any]) -> dict[str, Any]:
    """Episode statistics without the two that count what was written into the engine's own buffers before ours."""
    game = {k: v for k, v in stats["game"].items() if k not in ("tokens_written", "tokens_free_space")}
    return {"game": game, "agent": [dict(agent) for agent in stats["agent"]]}


@pytest.mark.parametrize("seed", [3, 71])
@pytest.mark.parametrize("source", MISSIONS)
def test_a_simulation_equals_the_engines_own(source: str, seed: int) -> None:
    mission = short(source)
    factory = SimulationFactory(mission.env_config)
    agents, shape = factory.num_agents, factory.observation_shape
    ours = AgentBuffers.zeros(agents, shape)
    raw = factory.build(seed, ours)
    theirs = Buffers(
        observations=np.zeros((agents, *shape), dtype=np.uint8),
        terminals=np.zeros(agents, dtype=np.bool_),
        truncations=np.zeros(agents, dtype=np.bool_),
        rewards=np.zeros(agents, dtype=np.float32),
        masks=np.ones(agents, dtype=np.bool_),
        actions=np.zeros(agents, dtype=np.int32),
        teacher_actions=np.zeros(agents, dtype=np.int32),
    )
    env_config = resolve_env_for_seed(mission.env_config, seed)
    reference = Simulator().new_simulation(env_config, seed, buffers=theirs)

    moved = False
    np.testing.assert_array_equal(ours.observations, theirs.observations)
    for actions in actions_of(mission, STEPS, agents, seed):
        before = ours.observations.copy()
        ours.actions[:] = actions
        theirs.actions[:] = actions
        raw.step()
        reference.step()
        np.testing.assert_array_equal(ours.observations, theirs.observations)
        np.testing.assert_array_equal(ours.rewards, theirs.rewards)
        np.testing.assert_array_equal(ours.terminals, theirs.terminals)
        np.testing.assert_array_equal(ours.truncations, theirs.truncations)
        moved |= bool((before != ours.observations).any())
    assert moved
    assert reference.is_done()
    assert raw.current_step == reference.current_step == STEPS
    np.testing.assert_array_equal(raw.get_episode_rewards(), reference.episode_rewards)
    assert comparable(raw.get_episode_stats()) == comparable(reference.episode_stats)


def test_the_seed_decides_the_map() -> None:
    factory = SimulationFactory(short("training_facility_1").env_config)

    def first(seed: int) -> np.ndarray:
        buffers = AgentBuffers.zeros(factory.num_agents, factory.observation_shape)
        factory.build(seed, buffers)
        return buffers.observations.copy()

    np.testing.assert_array_equal(first(5), first(5))
    assert (first(5) != first(6)).any()


def test_the_callers_configuration_stays_as_it_is() -> None:
    env_config = short("training_facility_1").env_config
    before = env_config.model_dump_json()
    factory = SimulationFactory(env_config)
    factory.build(1, AgentBuffers.zeros(factory.num_agents, factory.observation_shape))
    assert env_config.model_dump_json() == before


def test_a_shared_factory_converts_a_mission_once_and_notices_a_change() -> None:
    env_config = short("tutorial.miner").env_config
    first, again = SimulationFactory.shared(env_config), SimulationFactory.shared(env_config)
    assert again._raw_config is first._raw_config
    assert again.interface == first.interface
    assert again.interface is not first.interface
    first.interface.tags.clear()  # a policy that changes what it got
    assert SimulationFactory.shared(env_config).interface == again.interface
    env_config.game.max_steps += 1
    changed = SimulationFactory.shared(env_config)
    assert changed.max_steps == again.max_steps + 1
    assert changed._raw_config is not first._raw_config


def test_a_class_that_was_defined_again_is_another_mission() -> None:
    env_config = short("training_facility_1").env_config
    builder = env_config.game.map_builder

    def with_map() -> Any:
        class Cell(type(builder)):  # type: ignore[misc]
            """As a notebook's cell defines it, each time that it runs."""

        other = env_config.model_copy(deep=True)
        other.game.map_builder = Cell.model_construct(**dict(builder))
        return other

    first, second = with_map(), with_map()
    assert _content(first) != _content(second)
    assert _content(first) == _content(first.model_copy(deep=True))


def test_a_shared_factory_builds_the_same_simulations() -> None:
    env_config, found = short("training_facility_1").env_config, []
    for factory in (SimulationFactory(env_config), *(SimulationFactory.shared(env_config) for _ in range(2))):
        buffers = AgentBuffers.zeros(factory.num_agents, factory.observation_shape)
        simulation = factory.build(4, buffers)
        buffers.actions[:] = 1
        simulation.step()
        found.append((buffers.observations.tobytes(), comparable(simulation.get_episode_stats())))
    assert found[0] == found[1] == found[2]


def test_rows_share_memory_with_the_whole() -> None:
    whole = AgentBuffers.zeros(6, (8, 3))
    part = whole.rows(2, 4)
    part.observations[:] = 7
    part.rewards[:] = 1.5
    assert (whole.observations[2:4] == 7).all()
    assert whole.rewards.tolist() == [0, 0, 1.5, 1.5, 0, 0]
    assert whole.observations[:2].max() == whole.observations[4:].max() == 0


# ---- episode seeds ----------------------------------------------------------------------------------------


def test_episode_seeds_are_the_same_in_every_process(repository: Path) -> None:
    triples = [(1, 0, 0), (1, 0, 1), (1, 1, 0), (2, 0, 0), (2**31 - 1, 999, 12345)]
    code = f"from daf.engine.stepping import episode_seed\nprint([episode_seed(*t) for t in {triples}])"
    printed = subprocess.run(
        [sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True
    ).stdout
    assert printed.splitlines()[-1] == str([episode_seed(*triple) for triple in triples])


def test_episode_seeds_differ_and_fit() -> None:
    seeds = [episode_seed(t, env, n) for t in range(5) for env in range(20) for n in range(20)]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**31 for seed in seeds)
    # "1/11" and "11/1" must not run together.
    assert episode_seed(1, 11, 1) != episode_seed(11, 1, 1) != episode_seed(1, 1, 11)


# ---- many environments ------------------------------------------------------------------------------------

Step = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, list[FinishedEpisode]]


def play(environment: VectorEnvironment, actions: np.ndarray) -> Iterator[Step]:
    for row in actions:
        environment.buffers.actions[:] = row
        rewards, terminated, truncated, finished = environment.step()
        yield environment.buffers.observations.copy(), rewards, terminated, truncated, finished


def plain(episode: FinishedEpisode) -> tuple[Any, ...]:
    final = episode.final_observations
    return (
        episode.facts.mean_reward,
        episode.facts.length,
        episode.success,
        None if final is None else final.tobytes(),
    )


def assert_same_steps(ours: list[Step], theirs: list[Step]) -> None:
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        for x, y in zip(a[:4], b[:4], strict=True):
            np.testing.assert_array_equal(x, y)
        assert [(e.environment, *plain(e)) for e in a[4]] == [(e.environment, *plain(e)) for e in b[4]]


@pytest.mark.parametrize("source", ["training_facility_1", "tutorial.miner"])
def test_an_episode_that_ends_is_followed_by_the_next_at_once(source: str) -> None:
    mission = short(source, max_steps=9)
    environment = VectorEnvironment(mission, num_envs=3, seed=4)
    truncates = bool(mission.env_config.game.episode_truncates)
    actions = actions_of(mission, 20, environment.num_agents, 0)
    steps = list(play(environment, actions))

    ended = [t for t, step in enumerate(steps) if step[4]]
    assert ended == [8, 17]
    for number, t in enumerate(ended, start=1):
        observations, _rewards, terminated, truncated, finished = steps[t]
        assert [episode.environment for episode in finished] == [0, 1, 2]
        assert all(episode.facts.length == 9 for episode in finished)
        assert truncated.all() == truncates
        assert terminated.all() != truncates
        assert not environment.buffers.terminals.any()
        assert not environment.buffers.truncations.any()
        for episode in finished:
            rows = slice(episode.environment * 4, episode.environment * 4 + 4)
            played = np.array([step[1][rows] for step in steps[t - 8 : t + 1]], dtype=np.float64)
            assert episode.facts.mean_reward == pytest.approx(played.sum(axis=0).mean(), abs=1e-5)
            # What is in the buffers is the first observation of the episode that has this number's seed.
            first = AgentBuffers.zeros(4, environment.factory.observation_shape)
            environment.factory.build(episode_seed(4, episode.environment, number), first)
            np.testing.assert_array_equal(observations[rows], first.observations)


def test_a_truncated_episode_keeps_its_last_observations_and_an_ended_one_does_not() -> None:
    for source, keeps in (("training_facility_1", True), ("tutorial.miner", False)):
        mission = short(source, max_steps=6)
        environment = VectorEnvironment(mission, num_envs=2, seed=9)
        actions = actions_of(mission, 6, environment.num_agents, 1)
        finished = list(play(environment, actions))[-1][4]
        assert len(finished) == 2
        for episode in finished:
            assert (episode.final_observations is not None) == keeps
            if episode.final_observations is None:
                continue
            rows = slice(episode.environment * 4, episode.environment * 4 + 4)
            buffers = AgentBuffers.zeros(4, environment.factory.observation_shape)
            simulation = environment.factory.build(episode_seed(9, episode.environment, 0), buffers)
            for row in actions[:, rows]:
                buffers.actions[:] = row
                simulation.step()
            np.testing.assert_array_equal(episode.final_observations, buffers.observations)


def test_success_is_judged_when_the_mission_declares_it() -> None:
    always = resolve_mission(MissionConfig(source="training_facility_1", max_steps=5, success="length >= 5"))
    never = resolve_mission(MissionConfig(source="training_facility_1", max_steps=5, success="length > 5"))
    undeclared = short("tutorial", max_steps=5)
    found = []
    for mission in (always, never, undeclared):
        environment = VectorEnvironment(mission, num_envs=1, seed=0)
        found.append(list(play(environment, np.zeros((5, 4), dtype=int)))[-1][4][0].success)
    assert found == [True, False, None]


def test_environments_do_not_depend_on_how_processes_share_them() -> None:
    mission = short("training_facility_1", max_steps=7)
    together = VectorEnvironment(mission, num_envs=4, seed=11)
    halves = [VectorEnvironment(mission, num_envs=2, seed=11, first_env=first) for first in (0, 2)]
    assert (together.buffers.observations[:8] != together.buffers.observations[8:]).any()
    actions = actions_of(mission, 16, together.num_agents, 2)
    whole = list(play(together, actions))
    for number, half in enumerate(halves):
        rows = slice(number * 8, number * 8 + 8)
        for (*ours, episodes), (*theirs, all_episodes) in zip(play(half, actions[:, rows]), whole, strict=True):
            for a, b in zip(ours, theirs, strict=True):
                np.testing.assert_array_equal(a, b[rows])
            of_this_half = [e for e in all_episodes if e.environment // 2 == number]
            assert [plain(e) for e in episodes] == [plain(e) for e in of_this_half]


def test_another_training_seed_is_another_sequence_of_episodes() -> None:
    mission = short("training_facility_1")
    first, second = (VectorEnvironment(mission, num_envs=2, seed=seed) for seed in (1, 2))
    assert (first.buffers.observations != second.buffers.observations).any()


@pytest.mark.parametrize("source", ["training_facility_1", "tutorial.miner"])
@pytest.mark.parametrize("stop_at", [0, 5, 12, 13, 30])
def test_a_restored_environment_goes_on_bit_for_bit(source: str, stop_at: int) -> None:
    mission = short(source, max_steps=12)
    environment = VectorEnvironment(mission, num_envs=3, seed=5)
    actions = actions_of(mission, stop_at + 20, environment.num_agents, 3)
    list(play(environment, actions[:stop_at]))
    state = environment.state()
    at_stop = environment.buffers.observations.copy()
    rest = list(play(environment, actions[stop_at:]))

    resumed = VectorEnvironment(mission, num_envs=3, seed=5)
    resumed.restore(state)
    np.testing.assert_array_equal(resumed.buffers.observations, at_stop)
    assert resumed.state() == state
    assert_same_steps(list(play(resumed, actions[stop_at:])), rest)
