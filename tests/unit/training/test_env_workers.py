"""Training whose environments are stepped by worker processes: the same bytes for any number, however it goes."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch

from daf.config.recipes import TrainingRecipe
from daf.distributed.failures import Cause, TrainingFailedError, read_failures
from daf.distributed.process_group import Group
from daf.engine.networks import NO_TOKEN, PolicyNetwork
from daf.engine.simulation import BufferedSimulation
from daf.engine.stepping import episode_seed
from daf.engine.vector import VectorEnvironment
from daf.errors import PolicyError
from daf.logging_config import create_daf_logger
from daf.system.json_files import read_json
from daf.training.launch import run_training
from daf.training.loop import train
from daf.training.options import TrainingSpec
from daf.training.outcome import TrainingOutcome
from daf.training.paths import JOB, state_folder
from daf.training.rollout import ObservationStore
from daf.training.trainer import Trainer
from tests.unit.training import small
from tests.unit.training.forked import run_worker, shared_memory, start, start_ranks, train_undisturbed
from tests.unit.training.small import metrics_of, options_of
from tests.unit.training.test_crashes import PACKAGE, Lines

CPU = torch.device("cpu")
ENVS, HORIZON = 20, 12  # three blocks: 8, 8 and 4 environments of four agents
DOUBTER = "tests.unit.engine.networks_of_users.Doubter"
TRAINEE = "tests.unit.failing_policies.Trainee"


def recipe_of(policy: str = "grid", *, updates: int = 3, world_size: int = 1) -> TrainingRecipe:
    recipe = small.recipe_of(policy, world_size=world_size, num_envs=ENVS, horizon=HORIZON, minibatch_size=256)
    sizes = {"hidden_size": 16, "embedding_size": 8} if policy in ("grid", TRAINEE) else {}
    return recipe.model_copy(update={"num_steps": updates * ENVS * 4 * HORIZON, "init_kwargs": sizes})


def run(recipe: TrainingRecipe, folder: Path, workers: int) -> TrainingOutcome:
    """Training in this process; it checkpoints only when it is interrupted, and at its end."""
    options = options_of(env_workers=workers, checkpoint_interval_steps=10**9)
    logger = create_daf_logger("test", level="error")
    return train(recipe, folder, options, group=Group(), device=CPU, logger=logger)


def result_of(folder: Path) -> tuple[bytes, list[dict[str, Any]], float | None]:
    return (
        (folder / "model.safetensors").read_bytes(),
        metrics_of(folder),
        read_json(folder / "run.json")["recent_episode_reward"],
    )


def copies() -> list[psutil.Process]:
    """Copies of this process that have not ended."""
    this = psutil.Process()
    return [child for child in this.children() if child.cmdline() == this.cmdline()]


# ---- the same bytes ---------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["grid", "lstm", DOUBTER])
def test_weights_do_not_depend_on_the_number_of_workers(policy: str, tmp_path: Path) -> None:
    recipe = recipe_of(policy)
    for workers in (0, 1, 2, 5):
        assert run(recipe, tmp_path / str(workers), workers).processes["env_workers"] == workers
        assert result_of(tmp_path / str(workers)) == result_of(tmp_path / "0")
    assert copies() == []


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after"), [(2, 2), (0, 5), (3, 0)])
def test_interrupted_and_resumed_with_workers_is_never_interrupted(
    before: int, after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_of("lstm")
    run(recipe, tmp_path / "whole", 0)
    learn = Trainer.learn

    def interrupted(trainer: Trainer, rollout: Any) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        return learn(trainer, rollout)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "learn", interrupted)
        assert run(recipe, tmp_path / "cut", before).status == "interrupted"
    assert copies() == []
    assert run(recipe, tmp_path / "cut", after).status == "completed"
    assert result_of(tmp_path / "cut") == result_of(tmp_path / "whole")


@pytest.mark.long
def test_ranks_with_workers_train_as_ranks_without(tmp_path: Path) -> None:
    recipe = recipe_of(world_size=2)
    for workers in (0, 2):
        folder = tmp_path / str(workers)
        TrainingSpec(recipe=recipe, folder=folder, options=options_of(env_workers=workers)).write(folder / JOB)
        ranks = start_ranks(run_worker, folder)
        for rank in ranks:
            rank.join(120)
        assert [rank.exitcode for rank in ranks] == [0, 0]
    assert result_of(tmp_path / "2") == result_of(tmp_path / "0")


# ---- the network and the engine at the same time ----------------------------------------------------------


def events_of(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """What happens while two steps are collected, each event with the first environment of its block."""
    events: list[tuple[str, int]] = []
    environment, step = VectorEnvironment, PolicyNetwork.step
    begin, end = environment.begin_step, environment.end_step

    def note(kind: str, do: Callable[..., Any]) -> Callable[..., Any]:
        def noted(self: Any, block: range) -> Any:
            events.append((kind, block.start))
            return do(self, block)

        return noted

    def forward(self: Any, observations: Any, state: Any) -> Any:
        events.append(("forward", len(observations)))
        return step(self, observations, state)

    monkeypatch.setattr(environment, "begin_step", note("begin", begin))
    monkeypatch.setattr(environment, "end_step", note("end", end))
    monkeypatch.setattr(PolicyNetwork, "step", forward)
    trainer._collector.collect()
    trainer.close()
    return events


def test_workers_step_a_block_while_the_network_sees_another(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = recipe_of()
    shorter = recipe.hyperparameters.model_copy(update={"horizon": 2, "num_envs": 16})
    trainer = Trainer(recipe.model_copy(update={"hyperparameters": shorter}), Group(), CPU, env_workers=2)
    call = ("forward", 32)
    assert events_of(trainer, monkeypatch)[:10] == [
        call, ("begin", 0), call, ("begin", 8),
        ("end", 0), call, ("begin", 0), ("end", 8), call, ("begin", 8),
    ]  # fmt: skip


def test_a_worker_is_in_the_middle_of_a_step_while_the_network_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each waits for the other: without an overlap, neither would go on.

    A worker stays in the first environment of a block until the network has run on the other block, and the network
    runs only while a worker is there.
    """
    stepping, may_go_on = (multiprocessing.get_context("fork").Semaphore(0) for _ in range(2))
    horizon, patience = 3, 60
    recipe = recipe_of()
    hyperparameters = recipe.hyperparameters.model_copy(update={"horizon": horizon, "num_envs": 16})
    step, run_network = BufferedSimulation.step, PolicyNetwork.step
    steps, runs = [0], [0]

    def waiting_step(self: Any) -> None:
        first_of_block, last_block = steps[0] % 8 == 0, steps[0] >= 8 * (2 * horizon - 1)
        steps[0] += 1
        if first_of_block and not last_block:  # in the last one, nothing is left to play meanwhile
            stepping.release()
            assert may_go_on.acquire(timeout=patience), "the network waits for this step"
        step(self)

    def run_while_a_worker_steps(self: Any, observations: Any, state: Any) -> Any:
        runs[0] += 1
        if 1 < runs[0] <= 2 * horizon:
            assert stepping.acquire(timeout=patience), "no worker steps meanwhile"
            result = run_network(self, observations, state)
            may_go_on.release()
            return result
        return run_network(self, observations, state)

    monkeypatch.setattr(BufferedSimulation, "step", waiting_step)
    monkeypatch.setattr(PolicyNetwork, "step", run_while_a_worker_steps)
    trainer = Trainer(recipe.model_copy(update={"hyperparameters": hyperparameters}), Group(), CPU, env_workers=1)
    try:
        rollout, _ = trainer._collector.collect()
    finally:
        trainer.close()
    assert rollout is not None
    assert runs[0] == 2 * horizon + 1


@pytest.mark.parametrize(
    ("policy", "blocks", "workers", "turns"),
    [
        ("grid", 3, 0, 1),
        ("grid", 3, 1, 3),  # not 2 and then one alone
        ("grid", 4, 1, 2),
        ("grid", 3, 5, 3),
        ("grid", 4, 3, 4),  # not 3 and then one alone
        ("grid", 5, 2, 3),
        ("grid", 1, 2, 1),
        (DOUBTER, 3, 5, 1),
    ],
)
def test_enough_blocks_take_turns_to_keep_the_workers_busy(policy: str, blocks: int, workers: int, turns: int) -> None:
    """But a network that may remember its calls is called in the order that it would be without workers."""
    recipe = recipe_of(policy)
    hyperparameters = recipe.hyperparameters.model_copy(update={"num_envs": 8 * blocks})
    recipe = recipe.model_copy(update={"hyperparameters": hyperparameters})
    trainer = Trainer(recipe, Group(), CPU, env_workers=workers)
    trainer.close()
    assert trainer._collector._turns == turns


def test_what_the_network_sees_of_a_block_does_not_depend_on_the_other_blocks() -> None:
    """The first block needs more token slots from its second step on; the other one never does."""
    network = Trainer(recipe_of("lstm"), Group(), CPU).network
    live = np.full((3, 4, 200, 3), NO_TOKEN, dtype=np.uint8)
    live[:, :, :5] = 1
    live[1:, :2, :40] = 2
    blocks = (slice(0, 2), slice(2, 4))
    one_after_the_other = [(step, rows) for rows in blocks for step in range(3)]
    seen = []
    for order in (one_after_the_other, sorted(one_after_the_other, key=lambda each: each[0])):
        store = ObservationStore(network, 3, (4, 200, 3), CPU)
        store._memory.fill_(7)  # of an earlier rollout
        store.begin()
        shown = {}
        for step, rows in order:
            kept = store.room(step, rows, live[step, rows])
            network.prepare(kept.copy_(torch.from_numpy(live[step, rows, : kept.shape[1]])))
            shown[step, rows.start] = kept.clone()
        seen.append((shown, store.all()))
    (chained, kept), (turned, kept_too) = seen
    assert {where: part.shape[1] for where, part in chained.items()} == {
        (0, 0): 16, (1, 0): 48, (2, 0): 48, (0, 2): 16, (1, 2): 16, (2, 2): 16,
    }  # fmt: skip
    assert all(torch.equal(part, turned[where]) for where, part in chained.items())
    expected = network.prepare(torch.from_numpy(live[:, :, :48].copy()))
    assert torch.equal(kept, expected)
    assert torch.equal(kept_too, expected)


# ---- workers that fail ------------------------------------------------------------------------------------


def fail_in(monkeypatch: pytest.MonkeyPatch, marker: Path, times: int, how: Callable[[], object]) -> int:
    """Let the engine do something in step 7 of the second episode of environment 9; return the episode's seed."""
    seed = episode_seed(1, 9, 1)
    build, step = BufferedSimulation.__init__, BufferedSimulation.step

    def remember(self: Any, config: Any, grid: Any, number: int, buffers: Any) -> None:
        build(self, config, grid, number, buffers)
        self.seed = number

    def step_or_fail(self: Any) -> None:
        if self.seed == seed and self.current_step == 7:
            done = len(marker.read_bytes()) if marker.exists() else 0
            if done < times:
                marker.write_bytes(bytes(done + 1))
                how()
        step(self)

    monkeypatch.setattr(BufferedSimulation, "__init__", remember)
    monkeypatch.setattr(BufferedSimulation, "step", step_or_fail)
    return seed


def kill_itself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def no_map() -> None:
    raise ValueError("no room for the agents")


def start_again(recipe: TrainingRecipe, folder: Path, **changes: Any) -> TrainingOutcome:
    """Training in one process, which may start again, with a checkpoint after every update."""
    return run_training(recipe, folder, options_of(env_workers=2, checkpoint_interval_steps=1, **changes))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("policy", "how", "cause", "words"),
    [
        ("grid", kill_itself, "worker_killed", "the process was killed by SIGKILL"),
        ("grid", signal.pause, "worker_stalled", "no answer for 0.5 s"),
        ("grid", no_map, "worker_error", "ValueError: no room for the agents"),
        (TRAINEE, kill_itself, "worker_killed", "the process was killed by SIGKILL"),  # in an isolated process
    ],
)
def test_a_training_goes_on_after_a_worker_failed(
    policy: str,
    how: Callable[[], object],
    cause: str,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = recipe_of(policy, updates=4)
    run(recipe, tmp_path / "whole", 0)
    seed = fail_in(monkeypatch, tmp_path / "marker", 1, how)
    changes = {"stall_seconds": 1.0} if how is signal.pause else {}
    assert start_again(recipe, tmp_path / "cut", **changes).status == "completed"
    (failure,) = read_json(tmp_path / "cut/run.json")["restarts"]
    assert failure["cause"] == cause
    assert words in failure["reason"]
    assert f"environment 9, seed {seed}, step 7" in failure["reason"]
    assert result_of(tmp_path / "cut") == result_of(tmp_path / "whole")
    assert copies() == []


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["grid", TRAINEE])
def test_a_worker_killed_too_often_fails_the_training_with_its_cause(
    policy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_of(policy, updates=4)
    seed = fail_in(monkeypatch, tmp_path / "marker", 99, kill_itself)
    with pytest.raises(TrainingFailedError) as caught:
        start_again(recipe, tmp_path, max_restarts=1, label="mine")
    error = caught.value
    assert error.cause is Cause.WORKER_KILLED
    assert error.expected == "workers that answer"
    assert error.found.endswith(f"(environment 9, seed {seed}, step 7)")
    assert error.where.startswith("training 'mine': environment worker ")
    record = read_json(tmp_path / "run.json")
    assert (record["status"], record["cause"]) == ("failed", "worker_killed")
    assert [failure["cause"] for failure in read_failures(state_folder(tmp_path, recipe))] == ["worker_killed"] * 2
    assert len((tmp_path / "marker").read_bytes()) == 2
    assert copies() == []


def test_a_policy_that_cannot_be_built_leaves_no_worker(tmp_path: Path) -> None:
    recipe = recipe_of().model_copy(update={"init_kwargs": {"hidden_sise": 3}})
    with pytest.raises(PolicyError):
        Trainer(recipe, Group(), CPU, env_workers=2)
    assert copies() == []


def noting_forks(folder: Path, trace: Any) -> None:
    """Note the copies that this process makes of itself, and trace its lines after the first."""
    fork, name = os.fork, f"forked-{os.environ.get('RANK', 0)}"

    def noted() -> int:
        process = fork()
        if process:
            with (folder / name).open("a") as stream:
                stream.write(f"{process}\n")
            sys.settrace(trace)
        return process

    folder.mkdir(exist_ok=True)
    os.fork = noted


def forked_in(folder: Path) -> list[int]:
    return [int(line) for path in folder.glob("forked-*") for line in path.read_text().splitlines()]


def run_until_killed(folder: Path, number: int) -> None:
    """Training that kills itself at a line of DAF's code after it has started a worker."""
    noting_forks(folder, Lines(PACKAGE, number, kill_itself))
    run_training(recipe_of(), folder, options_of(env_workers=2, checkpoint_interval_steps=1))


def run_and_kill_a_worker(folder: Path, number: int) -> None:
    """Training one of whose workers is killed while the training is at that line."""

    def kill() -> None:
        os.kill(random.Random(number).choice(forked_in(folder)), signal.SIGKILL)

    noting_forks(folder, Lines(PACKAGE, number, kill))
    run_training(recipe_of(), folder, options_of(env_workers=2, checkpoint_interval_steps=1))


def run_rank_until_killed(folder: Path, number: int) -> None:
    """A rank of training; the second one kills itself at that line."""
    noting_forks(folder, Lines(PACKAGE, number, kill_itself) if os.environ["RANK"] == "1" else None)
    run_worker(folder)


def all_gone(processes: list[int]) -> bool:
    """Whether processes end soon, if they have not yet."""
    running = [psutil.Process(process) for process in processes if psutil.pid_exists(process)]
    return psutil.wait_procs(running, 60)[1] == []


def killed_training(folder: Path, number: int) -> None:
    training = start(run_until_killed, folder, number)
    training.join(120)
    assert training.exitcode == -signal.SIGKILL
    assert 1 <= len(forked_in(folder)) <= 2
    assert all_gone(forked_in(folder))
    assert run(recipe_of(), folder, 2).status == "completed"


def training_with_a_killed_worker(folder: Path, number: int) -> None:
    training = start(run_and_kill_a_worker, folder, number)
    training.join(120)
    assert training.exitcode == 0
    assert [failure["cause"] for failure in read_json(folder / "run.json")["restarts"]] == ["worker_killed"]
    assert len(forked_in(folder)) >= 3  # more after the restart
    assert all_gone(forked_in(folder))


def training_with_a_killed_rank(folder: Path, number: int) -> None:
    options = options_of(env_workers=1, checkpoint_interval_steps=1)
    TrainingSpec(recipe=recipe_of(world_size=2), folder=folder, options=options).write(folder / JOB)
    for function, arguments, codes in ((run_rank_until_killed, (number,), None), (run_worker, (), [0, 0])):
        ranks = start_ranks(function, folder, *arguments)
        for rank in ranks:
            rank.join(120)
        ended = [rank.exitcode for rank in ranks]
        assert ended == codes or (codes is None and ended[0] and ended[1] == -signal.SIGKILL)
        assert all_gone(forked_in(folder))


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize(
    ("kill", "points", "lines", "world_size"),
    [
        (killed_training, 20, 20_000, 1),
        (training_with_a_killed_worker, 20, 15_000, 1),
        (training_with_a_killed_rank, 10, 10_000, 2),
    ],
    ids=["parent", "worker", "rank"],
)
def test_killed_anywhere_it_leaves_nothing_and_ends_with_the_same_bytes(
    kill: Callable[[Path, int], None], points: int, lines: int, world_size: int, tmp_path: Path
) -> None:
    """Fifty kills in all: of the training, of a worker, of a rank."""
    whole = tmp_path / "whole"
    if world_size == 1:
        run(recipe_of(), whole, 0)
    else:
        train_undisturbed(recipe_of(world_size=world_size), whole)
    shared = shared_memory()
    for number in random.Random(3).sample(range(1, lines), points):
        kill(tmp_path / str(number), number)
        assert result_of(tmp_path / str(number)) == result_of(whole)
    assert shared_memory() <= shared
