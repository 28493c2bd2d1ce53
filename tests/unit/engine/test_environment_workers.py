"""Environments stepped by worker processes: the same steps for any number of workers, and what becomes of workers."""

from __future__ import annotations

import errno
import os
import pickle
import signal
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from daf.config import MissionConfig
from daf.distributed.failures import Cause, cause_of
from daf.engine.environment_workers import deal
from daf.engine.missions import Mission, resolve_mission
from daf.engine.simulation import BufferedSimulation
from daf.engine.stepping import FinishedEpisode, episode_seed
from daf.engine.vector import VectorEnvironment
from daf.errors import DafError
from daf.system.worker_processes import WorkerFailedError, shared_zeros
from tests.unit.training.forked import PROCESSES, shared_memory, start

SEED, MAX_STEPS, BLOCK = 7, 9, 8  # a block has two environments of four agents


def mission_of(source: str = "training_facility_1") -> Mission:
    return resolve_mission(MissionConfig(source=source, max_steps=MAX_STEPS, success="mean_reward > 0"))


@pytest.fixture
def make() -> Iterator[Callable[..., VectorEnvironment]]:
    """Makes environments; their workers end with the test."""
    made: list[VectorEnvironment] = []

    def environment(workers: int, num_envs: int = 5, **changes: Any) -> VectorEnvironment:
        mission = changes.pop("mission", None) or mission_of()
        new = VectorEnvironment(
            mission, num_envs=num_envs, seed=SEED, workers=workers, agents_per_block=BLOCK, **changes
        )
        made.append(new)
        return new

    yield environment
    for each in made:
        each.close()


def actions_of(steps: int, agents: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 5, (steps, agents))


def plain(episode: FinishedEpisode) -> tuple[Any, ...]:
    final = episode.final_observations
    return episode.environment, episode.facts, episode.success, None if final is None else final.tobytes()


def play(environment: VectorEnvironment, actions: np.ndarray) -> list[tuple[Any, ...]]:
    """What each step of each block gives, while two blocks are under way."""
    blocks, seen = environment.blocks(BLOCK), []
    for row in actions:
        environment.buffers.actions[:] = row
        for number, block in enumerate(blocks):
            environment.begin_step(block)
            for ready in blocks[number - 1 : number] if number else []:
                seen.append(result(environment, ready))
        seen.append(result(environment, blocks[-1]))
    return seen


def result(environment: VectorEnvironment, block: range) -> tuple[Any, ...]:
    rewards, terminated, truncated, finished = environment.end_step(block)
    observations = environment.buffers.observations[environment.rows(block)]
    arrays = (observations, rewards, terminated, truncated)
    return block, *(array.tobytes() for array in arrays), [plain(episode) for episode in finished]


# ---- the same steps ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["training_facility_1", "tutorial.miner"])  # episodes cut short; episodes that end
@pytest.mark.parametrize("workers", [1, 2, 5])
def test_steps_do_not_depend_on_the_number_of_workers(
    source: str, workers: int, make: Callable[..., VectorEnvironment]
) -> None:
    alone, shared = make(0, mission=mission_of(source)), make(workers, mission=mission_of(source))
    assert len(shared.worker_processes()) == workers
    np.testing.assert_array_equal(shared.buffers.observations, alone.buffers.observations)
    actions = actions_of(2 * MAX_STEPS + 3, alone.num_agents, 0)
    expected = play(alone, actions)
    assert sum(len(step[-1]) for step in expected) == 2 * 5  # two episodes in each environment
    assert play(shared, actions) == expected
    assert shared.state() == alone.state()


def test_all_environments_can_step_at_once(make: Callable[..., VectorEnvironment]) -> None:
    alone, shared = make(0), make(2)
    for row in actions_of(MAX_STEPS, alone.num_agents, 1):
        steps = []
        for environment in (alone, shared):
            environment.buffers.actions[:] = row
            *arrays, finished = environment.step()
            steps.append(([array.tolist() for array in arrays], [plain(episode) for episode in finished]))
        assert steps[0] == steps[1]
    assert [number for number, *_ in steps[0][1]] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("stop_at", [0, 5, 9, 13])
def test_workers_replay_what_was_played(stop_at: int, make: Callable[..., VectorEnvironment]) -> None:
    alone = make(0)
    actions = actions_of(stop_at + 12, alone.num_agents, 2)
    play(alone, actions[:stop_at])
    state, observations = alone.state(), alone.buffers.observations.copy()
    rest = play(alone, actions[stop_at:])
    for workers in (0, 1, 3):
        resumed = make(workers)
        resumed.restore(state)
        np.testing.assert_array_equal(resumed.buffers.observations, observations)
        assert resumed.state() == state
        assert play(resumed, actions[stop_at:]) == rest


@pytest.mark.parametrize("workers", [1, 2, 3, 5, 7, 20])
@pytest.mark.parametrize("sizes", [[8, 8, 8, 8], [8, 8], [8, 3], [1, 1, 1, 1, 1], [32, 32], [4]])
def test_every_worker_gets_a_fair_part_of_every_block(sizes: list[int], workers: int) -> None:
    edges = np.cumsum([0, *sizes]).tolist()
    blocks = [range(start, stop) for start, stop in pairwise(edges)]
    shares = deal(blocks, workers)
    assert sorted(env for share in shares for part in share for env in part) == list(range(edges[-1]))
    for block in blocks:
        of_block = [sum(len(part) for part in share if part.start in block) for share in shares]
        assert sum(of_block) == len(block)
        assert max(of_block) == -(-len(block) // workers)
    owned = [sum(len(part) for part in share) for share in shares]
    assert max(owned) - min(owned) <= 1


# ---- workers that fail ------------------------------------------------------------------------------------


def fail_at(monkeypatch: pytest.MonkeyPatch, seed: int, step: int, how: Callable[[], object]) -> None:
    """Let the engine do something in one step of the episode with a seed; workers started later inherit it."""
    build, do = BufferedSimulation.__init__, BufferedSimulation.step

    def remember(self: Any, config: Any, grid: Any, number: int, buffers: Any) -> None:
        build(self, config, grid, number, buffers)
        self.seed = number

    def step_or_fail(self: Any) -> None:
        if self.seed == seed and self.current_step == step:
            how()
        do(self)

    monkeypatch.setattr(BufferedSimulation, "__init__", remember)
    monkeypatch.setattr(BufferedSimulation, "step", step_or_fail)


def kill_itself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def no_room() -> None:
    raise MemoryError("no room for it")


class Odd(Exception):  # noqa: N818
    """An exception that cannot be pickled."""

    def __reduce__(self) -> Any:
        raise TypeError("no")


def odd() -> None:
    raise Odd("odd")


@pytest.mark.parametrize(
    ("how", "kind", "found"),
    [
        (kill_itself, "killed", "the process was killed by SIGKILL, as the system does when memory runs out"),
        (lambda: os._exit(3), "killed", "the process was ended with status 3"),
        (signal.pause, "stalled", "no answer for 0.2 s"),
        (no_room, "raised", "MemoryError: no room for it ("),
        (odd, "raised", "Odd: odd ("),
    ],
)
def test_a_worker_that_fails_names_the_episode_and_its_step(
    how: Callable[[], object],
    kind: str,
    found: str,
    make: Callable[..., VectorEnvironment],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seed = episode_seed(SEED, 3, 1)
    fail_at(monkeypatch, seed, 4, how)
    environment = make(2, stall_seconds=0.2 if kind == "stalled" else 60.0)
    with pytest.raises(WorkerFailedError) as caught:
        play(environment, actions_of(2 * MAX_STEPS, environment.num_agents, 0))
    error = caught.value
    assert (error.kind, error.worker, error.where) == (kind, 1, "environment worker 1")
    assert error.found.startswith(found)
    assert error.found.endswith(f"(environment 3, seed {seed}, step 4)")
    assert isinstance(error.__cause__, MemoryError) == (how is no_room)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.kind) == (str(error), kind)


def test_a_worker_that_fails_at_the_end_of_an_episode_names_it(
    make: Callable[..., VectorEnvironment], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_statistics(_: Any) -> None:
        raise KeyError("game")

    monkeypatch.setattr(BufferedSimulation, "get_episode_stats", no_statistics)
    environment = make(2)
    with pytest.raises(WorkerFailedError) as caught:
        play(environment, actions_of(MAX_STEPS, environment.num_agents, 0))
    seed = episode_seed(SEED, 0, 0)
    assert caught.value.found.startswith("KeyError: 'game' (")
    assert caught.value.found.endswith(f"(environment 0, seed {seed}, step {MAX_STEPS})")


def test_a_worker_that_is_killed_while_it_waits_is_noticed_at_the_next_step(
    make: Callable[..., VectorEnvironment],
) -> None:
    environment = make(2)
    os.kill(environment.worker_processes()[0], signal.SIGKILL)
    with pytest.raises(WorkerFailedError, match=r"killed by SIGKILL.*\(between two steps\)"):
        environment.step()


def test_a_worker_whose_end_the_system_does_not_tell_is_noticed_too(
    make: Callable[..., VectorEnvironment],
) -> None:
    environment = make(2)
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        os.kill(environment.worker_processes()[0], signal.SIGKILL)
        with pytest.raises(WorkerFailedError, match=r"the process has ended \(between two steps\)"):
            environment.step()
        environment.close()
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_a_worker_that_fails_at_the_start_leaves_no_other_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_map(*_: Any) -> None:
        raise ValueError("no room for the agents")

    monkeypatch.setattr(BufferedSimulation, "__init__", no_map)
    before = set(children())
    with pytest.raises(WorkerFailedError) as caught:
        VectorEnvironment(mission_of(), num_envs=4, seed=SEED, workers=2)
    assert "ValueError: no room for the agents" in caught.value.found
    assert f"environment 0, seed {episode_seed(SEED, 0, 0)}, step 0" in caught.value.found
    assert set(children()) <= before


@pytest.mark.parametrize(
    ("number", "found", "hint"),
    [
        (errno.EAGAIN, "1, then Resource temporarily unavailable", "raise the limit of processes (ulimit -u"),
        (errno.ENOMEM, "1, then Cannot allocate memory", "use fewer env_workers"),
    ],
)
def test_a_system_that_refuses_another_process_says_so_in_four_parts(
    number: int, found: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fork, started = os.fork, set(children())

    def fork_once() -> int:
        if len(set(children()) - started) == 1:
            raise OSError(number, os.strerror(number))
        return fork()

    monkeypatch.setattr(os, "fork", fork_once)
    with pytest.raises(DafError) as caught:
        VectorEnvironment(mission_of(), num_envs=4, seed=SEED, workers=3)
    error = caught.value
    assert (error.expected, error.found) == ("3 worker processes", found)
    assert hint in error.hint
    assert (cause_of(error) is Cause.OUT_OF_MEMORY) == (number == errno.ENOMEM)
    assert set(children()) <= started


# ---- nothing is left behind -------------------------------------------------------------------------------


def children() -> list[psutil.Process]:
    """Workers: children of this process that were forked by it."""
    server = getattr(PROCESSES, "_forkserver_pid", None)
    mine = psutil.Process().children()
    return [child for child in mine if child.pid != server and "forkserver" not in " ".join(child.cmdline())]


def test_workers_end_with_their_environment(make: Callable[..., VectorEnvironment]) -> None:
    environment = make(3)
    processes = environment.worker_processes()
    assert all(psutil.pid_exists(process) for process in processes)
    environment.close()
    assert not any(psutil.pid_exists(process) for process in processes)
    environment.close()
    forgotten = VectorEnvironment(mission_of(), num_envs=2, seed=SEED, workers=2)
    processes = forgotten.worker_processes()
    del forgotten
    assert not any(psutil.pid_exists(process) for process in processes)


def step_for_ever(sending: Any, stuck: bool) -> None:
    if stuck:
        BufferedSimulation.step = lambda _: signal.pause()  # type: ignore[method-assign]
    environment = VectorEnvironment(mission_of(), num_envs=4, seed=SEED, workers=3)
    sending.send(environment.worker_processes())
    while True:
        environment.step()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "stuck"), [(signal.SIGKILL, False), (signal.SIGTERM, False), (signal.SIGKILL, True)]
)
def test_workers_end_with_their_parent_however_it_ends(number: signal.Signals, stuck: bool) -> None:
    """Also a worker that hangs in a step, and so does not see that no one awaits its answer."""
    before = shared_memory()
    receiving, sending = PROCESSES.Pipe(duplex=False)
    parent = start(step_for_ever, sending, stuck)
    workers = [psutil.Process(process) for process in receiving.recv()]
    assert parent.pid is not None
    os.kill(parent.pid, number)
    parent.join(60)
    assert parent.exitcode == -number
    _, alive = psutil.wait_procs(workers, timeout=60)
    assert alive == []
    assert shared_memory() <= before


def test_signals_that_stop_a_training_do_not_stop_its_workers(make: Callable[..., VectorEnvironment]) -> None:
    """Slurm and terminals send them to all processes of a job; the training process decides what they mean."""
    environment = make(2)
    for process in environment.worker_processes():
        for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
            os.kill(process, number)
    environment.step()


def test_workers_hold_no_file_of_their_parent(tmp_path: Path, make: Callable[..., VectorEnvironment]) -> None:
    """A lock on a run's folder, and the connections between ranks, end with the training process."""
    with (tmp_path / "lock").open("w") as stream:
        environment = make(1)
        (worker,) = environment.worker_processes()
        held = [os.readlink(path) for path in Path(f"/proc/{worker}/fd").iterdir() if int(path.name) > 2]
        assert stream.name not in held
    assert len([name for name in held if name.startswith("socket:")]) == 1
    assert len(held) == 1


def test_shared_arrays_are_zero_and_of_their_type() -> None:
    array = shared_zeros((3, 2), np.float32)
    assert (array.shape, array.dtype, array.sum()) == ((3, 2), np.float32, 0)
    if os.fork() == 0:
        array[1] = 5
        os._exit(0)
    os.wait()
    assert array.tolist() == [[0, 0], [5, 5], [0, 0]]
