"""Failures of training processes: their causes, the watchdog, restarts, and what run.json says in the end."""

from __future__ import annotations

import errno
import json
import operator
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from daf.config.recipes import TrainingRecipe
from daf.distributed.elastic_agent import read_reports
from daf.distributed.failures import (
    Cause,
    TrainingFailedError,
    read_failures,
)
from daf.distributed.heartbeat import read_beats
from daf.distributed.signals import Stop
from daf.distributed.torchrun import agent_commands, run_agents
from daf.errors import BadInputError, DafError
from daf.system.devices import lease_devices
from daf.system.json_files import read_json
from daf.training import launch as launch_module
from daf.training import worker as worker_module
from daf.training.launch import run_training
from daf.training.options import RunOptions, TrainingSpec
from daf.training.paths import state_folder
from daf.training.trainer import Trainer
from tests.clocks import set_clock
from tests.unit.training.forked import start as start_process
from tests.unit.training.forked import train_undisturbed
from tests.unit.training.small import UPDATE_STEPS, options_of, recipe_of

REPOSITORY = Path(__file__).parents[3]
# ---- what was requested and what runs -----------------------------------------------------------------


def test_processes_that_machines_cannot_share_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="2 machines share equally"):
        run_training(recipe_of(world_size=3), tmp_path, options_of(num_machines=2))


# ---- a single process -------------------------------------------------------------------------------------


def test_a_full_disk_has_its_cause_in_run_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(worker_module, "train", full)
    with pytest.raises(TrainingFailedError, match="No space left") as caught:
        run_training(recipe_of(world_size=1), tmp_path, options_of())
    assert caught.value.cause is Cause.DISK_FULL
    assert "free some space" in caught.value.hint
    run = read_json(tmp_path / "run.json")
    assert (run["status"], run["cause"]) == ("failed", "disk_full")


def test_an_error_of_a_single_process_stays_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "train", lambda *_, **__: {}["gone"])
    with pytest.raises(DafError, match=r"KeyError: 'gone' \(tests/unit/training/test_recovery\.py:\d+ in <lambda>\)"):
        run_training(recipe_of(world_size=1), tmp_path, options_of())
    run = read_json(tmp_path / "run.json")
    assert run["cause"] == "user_code"  # this file is the last that belongs neither to DAF nor to a distribution
    monkeypatch.setattr(worker_module, "train", partial(operator.truediv, 1, 0))
    with pytest.raises(TypeError):
        run_training(recipe_of(world_size=1), tmp_path, options_of())
    assert read_json(tmp_path / "run.json")["cause"] == "error"


def hang_in_learning(folder: Path) -> None:
    """Training in one process, without a copy of it, that stands still in its second update."""
    learn = Trainer.learn

    def learn_or_hang(trainer: Trainer, rollout: Any) -> Any:
        if trainer.update == 1:
            signal.pause()
        return learn(trainer, rollout)

    Trainer.learn = learn_or_hang  # type: ignore[method-assign]  # in a separate process
    run_training(recipe_of(world_size=1), folder, options_of(stall_seconds=4.0, log_file=folder / "log"))


@pytest.mark.slow
def test_a_process_that_trains_alone_and_stands_still_ends_with_its_cause(tmp_path: Path) -> None:
    process = start_process(hang_in_learning, tmp_path)
    process.join(60)
    assert process.exitcode == 1
    run = read_json(tmp_path / "run.json")
    assert (run["status"], run["cause"]) == ("failed", "rank_stalled")
    assert "rank 0 on" in run["reason"]
    assert "stalled after update 1: no progress for 4" in run["reason"]
    assert "(learn_or_hang)" in run["reason"]
    assert "raise stall_seconds if an update can take that long" in (tmp_path / "log").read_text()


# ---- GPUs -------------------------------------------------------------------------------------------------


@pytest.fixture
def four_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with GPUs 0 to 3, as far as the launcher sees; the folder of its leases."""
    monkeypatch.setattr(launch_module, "resolve_device", lambda device: "cuda")
    monkeypatch.setattr(launch_module, "visible_devices", lambda: ["0", "1", "2", "3"])
    monkeypatch.setattr("daf.system.devices.visible_devices", lambda: ["0", "1", "2", "3"])
    monkeypatch.setattr(launch_module, "lease_folder", lambda: tmp_path / "leases")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    return tmp_path / "leases"


def agents_that_print(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Agents that write the GPUs they are given, one file each."""
    code = "import os, sys; open(sys.argv[1], 'w').write(os.environ.get('CUDA_VISIBLE_DEVICES', 'unset'))"

    def commands(worker: list[str], reports: Path, machines: int, *_: Any, **__: Any) -> list[list[str]]:
        return [[sys.executable, "-c", code, str(folder / f"agent-{agent}.txt")] for agent in range(machines)]

    monkeypatch.setattr(launch_module, "agent_commands", commands)


def test_every_agent_gets_gpus_that_no_other_job_has(
    four_gpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agents_that_print(monkeypatch, tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    recipe = recipe_of(world_size=2)
    with (
        lease_devices(1, four_gpus, devices=["0", "1", "2", "3"]) as taken,
        pytest.raises(TrainingFailedError),
    ):  # these agents train nothing
        run_training(recipe, tmp_path / "run", options_of(device="auto", num_machines=2, max_restarts=0))
    assert taken == ["0"]
    assert [(tmp_path / f"agent-{agent}.txt").read_text() for agent in range(2)] == ["1", "2"]


def test_inside_an_allocation_the_scheduler_has_chosen(
    four_gpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agents_that_print(monkeypatch, tmp_path)
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    with pytest.raises(TrainingFailedError):
        run_training(recipe_of(), tmp_path / "run", options_of(device="auto", max_restarts=0))
    assert (tmp_path / "agent-0.txt").read_text() == "0,1"
    assert not four_gpus.exists()


@pytest.mark.parametrize(("cores", "workers"), [(None, 2), (4, 3)])
def test_a_process_alone_trains_on_the_gpu_it_leased(
    cores: int | None, workers: int, four_gpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And its environments on that GPU's share of the cores, or on those that its job was given."""
    chosen: list[tuple[str, int | str]] = []

    def run_process(recipe: TrainingRecipe, folder: Path, options: RunOptions, **_: Any) -> None:
        chosen.append((options.device, options.env_workers))
        raise KeyError("trained enough")

    monkeypatch.setattr(worker_module, "run_process", run_process)
    monkeypatch.setattr("daf.training.options.usable_cpus", lambda: 12)
    with lease_devices(2, four_gpus, devices=["0", "1"]), pytest.raises(TrainingFailedError):
        run_training(recipe_of(world_size=1), tmp_path / "run", options_of(device="auto", cores=cores))
    assert chosen == [("cuda:2", workers)]


@pytest.mark.parametrize(
    ("machines", "srun", "task_per_gpu", "cores", "setting", "workers"),
    [
        (1, True, False, 8, "auto", 3),  # two ranks on this node
        (2, True, False, 8, "auto", 7),  # one here, one on the other node
        (2, False, False, 8, "auto", 3),  # without srun both agents run here
        (1, True, False, None, "auto", 5),  # all 12 that this process may use
        (1, True, False, 8, 6, 6),  # as the user says
        (1, True, True, 32, "auto", 15),  # 16 for each rank's task, though this task has 12
        (1, True, True, None, "auto", 11),  # each rank's task is like this one
        (1, False, True, 32, "auto", 5),  # without srun the ranks are processes of this task
    ],
)
def test_ranks_share_the_cores_of_their_machine(
    machines: int,
    srun: bool,
    task_per_gpu: bool,
    cores: int | None,
    setting: Any,
    workers: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("daf.training.options.usable_cpus", lambda: 12)
    monkeypatch.setattr(launch_module, "starts_with_srun", lambda environment: srun)
    monkeypatch.setattr(launch_module, "resolve_device", lambda device: "cuda")
    recipe = recipe_of()
    recipe = recipe.model_copy(update={"hyperparameters": recipe.hyperparameters.model_copy(update={"num_envs": 64})})
    layout = {"num_machines": machines, "task_per_gpu": task_per_gpu, "cores": cores, "env_workers": setting}
    options = options_of(device="cuda", **layout)
    training = TrainingSpec(recipe=recipe, folder=Path("run"), options=options)
    shared = launch_module._with_share_of_cores(training, shared_gpus=False)
    assert shared.options.env_workers == workers


@pytest.mark.parametrize(("place", "lingers"), [("torch/distributed/all_reduce.py", True), ("daf/loss.py", False)])
def test_a_rank_that_lost_its_peers_waits_for_the_one_that_caused_it_to_end(
    place: str, lingers: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The agent reports the ranks that have ended when it first sees one: the cause must be among them."""

    def fail(*_: Any) -> None:
        exec(compile("raise RuntimeError('connection closed by peer')", place, "exec"))

    report = tmp_path / "error.json"
    TrainingSpec(recipe=recipe_of(), folder=tmp_path, options=options_of()).write(tmp_path / "job.json")
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(report))
    monkeypatch.setattr(worker_module, "die_with_parent", lambda: None)
    monkeypatch.setattr(worker_module, "end_without_search", lambda: None)
    monkeypatch.setattr(worker_module, "run_process", fail)
    reported_before_waits: list[bool] = []
    set_clock(monkeypatch, worker_module, sleep=lambda seconds: reported_before_waits.append(report.exists()))
    worker_module.main(["--job", str(tmp_path / "job.json")])
    assert "connection closed by peer" in read_json(report)["message"]["message"]
    assert reported_before_waits == [True] * lingers


# ---- under torchrun ---------------------------------------------------------------------------------------


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes that must not outlive the test, whatever becomes of it."""
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        if process.poll() is None:
            process.kill()  # the agents and ranks go with it
            process.wait(120)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The model of 25 updates of two ranks that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    train_undisturbed(recipe_of(updates=25), folder)
    return (folder / "model.safetensors").read_bytes()


def start(folder: Path, recipe: TrainingRecipe, **changes: Any) -> subprocess.Popen[bytes]:
    """The launcher of training in a separate process; it checkpoints after every update."""
    options = options_of(**{"checkpoint_interval_steps": UPDATE_STEPS, "log_file": folder / "log", **changes})
    TrainingSpec(recipe=recipe, folder=folder, options=options).write(folder / "job.json")
    command = [sys.executable, "-m", "daf.training.launch", "--job", str(folder / "job.json")]
    return subprocess.Popen(command, cwd=REPOSITORY)


def ranks_of(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """The rank processes under a launcher."""
    ranks = []
    for child in psutil.Process(process.pid).children(recursive=True):
        try:
            words = child.cmdline()
        except psutil.NoSuchProcess:
            continue
        if "daf.training.worker" in words and "daf.distributed.elastic_agent" not in words:
            ranks.append(child)
    return ranks


def wait_for(condition: Callable[[], Any], process: subprocess.Popen[bytes]) -> None:
    """Until the condition holds; the process must not end before."""
    while not condition():
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.02)


def lines_in(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0


@pytest.mark.long
def test_a_rank_killed_too_often_fails_with_its_cause(tmp_path: Path, started: list[subprocess.Popen[bytes]]) -> None:
    recipe = recipe_of(updates=4000)
    process = start(tmp_path, recipe, max_restarts=1)
    started.append(process)
    state = state_folder(tmp_path, recipe)

    def trained_since_start(number: int) -> bool:
        beat = read_beats(state).get(1)
        started_again = len(read_failures(state)) == number and len(ranks_of(process)) == 2
        return started_again and beat is not None and beat.update > 0

    for number in range(2):
        wait_for(lambda number=number: trained_since_start(number), process)  # type: ignore[misc]
        ranks_of(process)[1].send_signal(signal.SIGKILL)
    assert process.wait(180) == 1
    run = read_json(tmp_path / "run.json")
    assert (run["status"], run["cause"]) == ("failed", "rank_killed")
    assert "killed by SIGKILL" in run["reason"]
    assert [restart["cause"] for restart in run["restarts"]] == ["rank_killed"]
    assert run["restarts"][0]["agent_steps"] <= run["agent_steps"]
    assert run["recipe"] == json.loads(json.dumps(recipe.to_dict()))


@pytest.mark.slow
@pytest.mark.long
def test_a_rank_that_is_stopped_does_not_stop_the_training(
    whole: bytes, tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    """Its peers' watchdogs end them; the agent waits 30 s for the stopped one and kills it."""
    recipe = recipe_of(updates=25)
    process = start(tmp_path / "cut", recipe, stall_seconds=3.0)
    started.append(process)
    growing = state_folder(tmp_path / "cut", recipe) / "metrics.jsonl"
    wait_for(lambda: lines_in(growing) >= 3, process)
    stopped = ranks_of(process)[1]
    stopped.send_signal(signal.SIGSTOP)
    assert process.wait(240) == 0
    assert not stopped.is_running()
    (failure,) = read_failures(state_folder(tmp_path / "cut", recipe))
    assert (failure["cause"], failure["rank"]) == ("rank_stalled", 1)
    assert f"rank 1 on {failure['host']} stalled after update {failure['update']}" in failure["reason"]
    assert (tmp_path / "cut" / "model.safetensors").read_bytes() == whole


@pytest.mark.long
def test_a_group_goes_on_after_an_environment_worker_of_a_rank_was_killed(
    tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    recipe = recipe_of(updates=25)
    train_undisturbed(recipe, tmp_path / "whole")
    process = start(tmp_path / "cut", recipe, env_workers=2)
    started.append(process)
    growing = state_folder(tmp_path / "cut", recipe) / "metrics.jsonl"
    wait_for(lambda: lines_in(growing) >= 3, process)
    rank = next(rank for rank in ranks_of(process) if len(rank.children()) == 2)
    rank.children()[1].send_signal(signal.SIGKILL)
    assert process.wait(400) == 0
    (failure,) = read_failures(state_folder(tmp_path / "cut", recipe))
    assert failure["cause"] == "worker_killed"
    assert "killed by SIGKILL" in failure["reason"]
    assert failure["agent_steps"] == failure["update"] * UPDATE_STEPS
    model = (tmp_path / "cut" / "model.safetensors").read_bytes()
    assert model == (tmp_path / "whole" / "model.safetensors").read_bytes()
    assert read_json(tmp_path / "cut/run.json")["processes"]["env_workers"] == 2


@pytest.mark.long
def test_a_preempted_group_asks_to_be_started_again_and_then_ends_the_same(
    whole: bytes, tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    """SIGUSR1 is Slurm's warning here; SIGTERM is what cancels a job (see test_training_distributed)."""
    recipe = recipe_of(updates=25)
    process = start(tmp_path / "cut", recipe, checkpoint_interval_steps=10**9)
    started.append(process)
    growing = state_folder(tmp_path / "cut", recipe) / "metrics.jsonl"
    wait_for(lambda: lines_in(growing) >= 3, process)
    process.send_signal(signal.SIGUSR1)
    assert process.wait(120) == 75
    assert list(state_folder(tmp_path / "cut", recipe).glob("checkpoint-*.pt"))
    assert not (tmp_path / "cut" / "model.safetensors").exists()
    again = start(tmp_path / "cut", recipe)
    started.append(again)
    assert again.wait(400) == 0
    assert (tmp_path / "cut" / "model.safetensors").read_bytes() == whole


@pytest.mark.slow
def test_no_rank_outlives_a_killed_launcher(tmp_path: Path, started: list[subprocess.Popen[bytes]]) -> None:
    recipe = recipe_of(updates=4000)
    process = start(tmp_path, recipe)
    started.append(process)
    wait_for(lambda: lines_in(state_folder(tmp_path, recipe) / "metrics.jsonl") >= 1, process)
    family = psutil.Process(process.pid).children(recursive=True)
    assert len(family) >= 3
    process.kill()
    _, alive = psutil.wait_procs(family, timeout=60)
    assert alive == []


@pytest.mark.slow
def test_a_group_that_is_too_small_is_not_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fewer(worker: list[str], reports: Path, *_: Any, **__: Any) -> list[list[str]]:
        return agent_commands(worker, reports, 1, 1, os.environ)

    monkeypatch.setattr(launch_module, "agent_commands", fewer)
    recipe = recipe_of()
    with pytest.raises(TrainingFailedError) as caught:
        run_training(recipe, tmp_path, options_of())
    assert caught.value.cause is Cause.WRONG_WORLD_SIZE
    assert (caught.value.expected, caught.value.found) == ("2 training processes", "1")
    assert read_json(tmp_path / "run.json")["cause"] == "wrong_world_size"
    assert len(read_failures(state_folder(tmp_path, recipe))) == 1


@pytest.mark.slow
def test_a_machine_that_never_comes_is_an_error(tmp_path: Path) -> None:
    command = agent_commands(["-m", "never.started"], tmp_path, 2, 1, {})[0]
    command.insert(command.index("--max-restarts=0"), "--rdzv-conf=join_timeout=2")
    assert run_agents([command], [[]], Stop()) == [76]
    (failure,) = read_reports(tmp_path)
    assert failure.cause is Cause.WRONG_WORLD_SIZE
    assert "not all machines" in failure.reason
