"""Training in several processes: the same update as one process, torchrun's commands, and jobs from Python."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from daf.config import MissionConfig
from daf.config.recipes import TrainingRecipe
from daf.distributed.failures import TrainingFailedError, read_failures
from daf.distributed.heartbeat import read_beats
from daf.distributed.process_group import Group, join_group, leave_group
from daf.distributed_training import (
    TrainingError,
    TrainingJob,
    daf_collect_training_results,
    daf_launch_distributed_training,
    daf_monitor_training_job,
)
from daf.engine.missions import resolve_mission
from daf.engine.model_files import read_weights
from daf.errors import BadInputError, ConfigError, DafError, PolicyError, UnknownMissionError
from daf.system.files import write_json
from daf.system.json_files import read_json
from daf.training import launch as launch_module
from daf.training.launch import run_training
from daf.training.options import TrainingSpec
from daf.training.paths import state_folder
from daf.training.rollout import Rollout
from daf.training.trainer import Trainer
from tests.unit.training.forked import start_ranks, train_undisturbed
from tests.unit.training.small import SMALL, UPDATE_STEPS, led, metrics_of, options_of, recipe_of

REPOSITORY = Path(__file__).parents[3]
# ---- one update, shared -----------------------------------------------------------------------------------


def learn_from_own_half(folder: Path) -> None:
    """One rank's part of one update."""
    group = join_group(2, "cpu", stall_seconds=600)
    for name in ("grid", "lstm"):
        recipe = TrainingRecipe.model_validate(read_json(folder / f"{name}.json"))
        trainer = Trainer(recipe, group, torch.device("cpu"))
        figures = trainer.learn(Rollout(**torch.load(folder / f"{name}-rollout-{group.rank}.pt", weights_only=True)))
        learnt = {"weights": trainer.network.module.state_dict(), "figures": figures}
        torch.save(learnt, folder / f"{name}-learnt-{group.rank}.pt")
    leave_group(group)


def half(rollout: Rollout, number: int) -> dict[str, Any]:
    """The rollout's first or second half of the agents, as plain data."""
    agents = rollout.actions.shape[1]
    mine = slice(number * agents // 2, (number + 1) * agents // 2)
    columns: dict[str, Any] = {
        name: column if column is None else column[:, mine].clone()
        for name, column in vars(rollout).items()
        if name != "state"
    }
    columns["state"] = None if rollout.state is None else tuple(part[mine].clone() for part in rollout.state)
    return columns


@pytest.mark.slow
def test_two_processes_make_the_update_of_one(tmp_path: Path) -> None:
    """Each process draws its own actions, so the processes are given halves of one rollout to learn from.

    The halves differ in the spread of their advantages, so a normalization by each process alone would show.
    """
    changes = {"epochs": 1, "minibatch_size": UPDATE_STEPS, "max_grad_norm": 0.05}
    whole: dict[str, dict[str, Any]] = {}
    for name in ("grid", "lstm"):
        trainer = Trainer(recipe_of(name, world_size=1, **changes), Group(), torch.device("cpu"))
        for _ in range(2):
            rollout, _ = trainer.collect()
        assert rollout is not None
        rollout.advantages[:, :8] *= 5
        for number in range(2):
            torch.save(half(rollout, number), tmp_path / f"{name}-rollout-{number}.pt")
        write_json(tmp_path / f"{name}.json", recipe_of(name, **changes).to_dict())
        figures = trainer.learn(rollout)
        whole[name] = {"weights": trainer.network.module.state_dict(), "figures": figures}
    ranks = start_ranks(learn_from_own_half, tmp_path)
    for rank in ranks:
        rank.join(120)
    assert [rank.exitcode for rank in ranks] == [0, 0]
    for name, expected in whole.items():
        shares = [torch.load(tmp_path / f"{name}-learnt-{rank}.pt", weights_only=True) for rank in range(2)]
        start = Trainer(
            recipe_of(name, world_size=1, **changes), Group(), torch.device("cpu")
        ).network.module.state_dict()
        for key, weights in expected["weights"].items():
            assert torch.equal(shares[0]["weights"][key], shares[1]["weights"][key])
            torch.testing.assert_close(shares[0]["weights"][key], weights, rtol=0, atol=1e-6)
        assert any((start[key] - expected["weights"][key]).abs().max() > 1e-3 for key in start)
        figures = {key: value for key, value in expected["figures"].items() if key != "explained_variance"}
        for share in shares:
            assert {key: share["figures"][key] for key in figures} == pytest.approx(figures, rel=1e-4, abs=1e-6)


def test_a_single_process_needs_no_torchrun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch_module, "agent_commands", None)
    outcome = run_training(recipe_of(world_size=1, updates=1), tmp_path, options_of())
    assert outcome.status == "completed"
    assert outcome.processes["world_size"] == 1
    assert (tmp_path / "model.safetensors").exists()


@pytest.mark.parametrize("name", ["x y", "../x", "", "/x"])
def test_a_name_that_cannot_be_part_of_a_path_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(BadInputError) as caught:
        daf_launch_distributed_training("tutorial.miner", name=name, output_dir=tmp_path)
    assert (caught.value.where, caught.value.found) == ("daf_launch_distributed_training: name", f"'{name}'")
    assert "it becomes part of a path" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


# ---- under torchrun ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_two_ranks_under_torchrun_train_together_and_repeatably(tmp_path: Path) -> None:
    """One agent with two processes; two agents with one each train in the examples of the specification."""
    recipe = recipe_of("lstm")
    outcome = run_training(recipe, tmp_path / "a", options_of(checkpoint_interval_steps=300))
    assert outcome.status == "completed"
    assert outcome.agent_steps == 4 * UPDATE_STEPS
    facts = outcome.processes
    assert (facts["world_size"], facts["backend"]) == (2, "gloo")
    assert [rank["rank"] for rank in facts["ranks"]] == [0, 1]
    assert len({rank["pid"] for rank in facts["ranks"]}) == 2
    train_undisturbed(recipe, tmp_path / "b")
    assert (tmp_path / "a" / "model.safetensors").read_bytes() == (tmp_path / "b" / "model.safetensors").read_bytes()
    assert metrics_of(tmp_path / "a") == metrics_of(tmp_path / "b")
    assert sum(line["episodes"] for line in metrics_of(tmp_path / "a")) == 4 * (64 // 21)
    assert read_json(tmp_path / "a" / "run.json")["processes"]["world_size"] == 2


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """Until the condition holds; the process must not end before."""
    while not condition():
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.02)


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes that must not outlive the test, whatever becomes of it."""
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        if process.poll() is None:
            process.terminate()  # launch passes it on, and kills what does not follow
            process.wait(120)


def told_update(folder: Path, rank: int) -> int | None:
    beat = read_beats(folder).get(rank)
    return beat.update if beat else None


def lines_in(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0


@pytest.mark.long
@pytest.mark.parametrize(
    ("recipe", "env_workers"),
    [(recipe_of(updates=60), 0), (led(recipe_of(updates=16), UPDATE_STEPS), 1)],
    ids=["plain", "led, with environment workers"],
)
def test_a_rank_that_is_killed_is_started_again_from_the_checkpoint(
    recipe: TrainingRecipe, env_workers: int, tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    train_undisturbed(recipe, tmp_path / "whole")
    code = "import sys; from daf.training.launch import main; sys.exit(main(sys.argv[1:]))"
    options = options_of(checkpoint_interval_steps=UPDATE_STEPS, log_file=tmp_path / "log", env_workers=env_workers)
    TrainingSpec(recipe=recipe, folder=tmp_path / "cut", options=options).write(tmp_path / "job.json")
    process = subprocess.Popen([sys.executable, "-c", code, "--job", str(tmp_path / "job.json")], cwd=REPOSITORY)
    started.append(process)
    growing = state_folder(tmp_path / "cut", recipe) / "metrics.jsonl"
    # Within a second, ranks tell how far they are.
    wait_for(lambda: lines_in(growing) >= 3 and told_update(growing.parent, rank=1) is not None, process)
    (agent,) = [p for p in psutil.Process(process.pid).children() if "daf.distributed.elastic_agent" in p.cmdline()]
    ranks = [p for p in agent.children() if "daf.training.worker" in p.cmdline()]
    assert len(ranks) == 2
    ranks[1].send_signal(signal.SIGKILL)
    assert process.wait(180) == 0
    assert "resuming at" in (tmp_path / "log").read_text()
    assert (tmp_path / "cut" / "model.safetensors").read_bytes() == (
        tmp_path / "whole" / "model.safetensors"
    ).read_bytes()
    assert metrics_of(tmp_path / "cut") == metrics_of(tmp_path / "whole")
    (failure,) = read_failures(state_folder(tmp_path / "cut", recipe))
    assert (failure["cause"], failure["rank"]) == ("rank_killed", 1)
    assert f"rank 1 on {failure['host']} killed by SIGKILL" in failure["reason"]
    assert failure["agent_steps"] == failure["update"] * UPDATE_STEPS


@pytest.mark.slow
def test_bad_input_in_the_processes_comes_home_at_once(tmp_path: Path) -> None:
    """As the rank's own error, and without a restart, which could not help."""
    recipe = recipe_of().model_copy(update={"policy_class_path": "random"})
    (tmp_path / "model.safetensors").touch()  # another recipe's
    with pytest.raises(TrainingFailedError) as caught:
        run_training(recipe, tmp_path, options_of(label="bad", max_restarts=2, log_file=tmp_path / "train.log"))
    assert (caught.value.cause, caught.value.exit_code) == ("bad_input", 2)
    assert caught.value.expected == "a trainable policy"
    assert "training 'bad'" in caught.value.where
    run = read_json(tmp_path / "run.json")
    assert (run["status"], run["cause"], run["restarts"]) == ("failed", "bad_input", [])
    assert "expected a trainable policy" in run["reason"]
    assert len(read_failures(state_folder(tmp_path, recipe))) == 1
    assert not (tmp_path / "model.safetensors").exists()


# ---- jobs from Python -------------------------------------------------------------------------------------


def launch(output_dir: Path, **changes: Any) -> TrainingJob:
    arguments: dict[str, Any] = {
        "env_cfg": "training_facility_1",
        "num_steps": UPDATE_STEPS,
        "hyperparameters": SMALL,
        "output_dir": output_dir,
        "device": "cpu",
    }
    return daf_launch_distributed_training(**{**arguments, **changes})


@pytest.mark.slow
@pytest.mark.parametrize("machines", [1, pytest.param(2, marks=pytest.mark.long)])
def test_a_cancelled_job_goes_on_where_it_was(
    machines: int, tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    """On two machines, with the user's own environment."""
    long: dict[str, Any] = {"num_steps": 40 * UPDATE_STEPS, "num_machines": machines}
    if machines == 2:
        env_cfg = resolve_mission(MissionConfig(source="training_facility_1", max_steps=21)).env_config
        long |= {"env_cfg": env_cfg, "policy_class_path": "lstm"}
    job = launch(tmp_path / "cut", **long)
    started.append(job._process)
    wait_for(lambda: job.status().agent_steps >= 3 * UPDATE_STEPS, job._process)
    assert job.status().state == "running"
    job.cancel()
    assert job.status().state == "interrupted"
    with pytest.raises(TrainingError) as caught:
        job.wait_for_completion()
    assert "interrupted" in caught.value.found
    assert "resumes from its checkpoint" in caught.value.hint
    with pytest.raises(BadInputError, match=r"no such file"):
        daf_collect_training_results(job)
    stopped_at = job.status().agent_steps
    assert stopped_at < 40 * UPDATE_STEPS
    again = launch(tmp_path / "cut", **long)
    model = again.wait_for_completion(180)
    assert f"resuming at {stopped_at:,} agent-steps" in again.log_file.read_text()
    assert model == tmp_path / "cut" / "training" / "run" / "seed-1" / "model.safetensors"
    train_undisturbed(again.recipe, tmp_path / "whole")
    assert model.read_bytes() == (tmp_path / "whole" / "model.safetensors").read_bytes()
    assert metrics_of(model.parent) == metrics_of(tmp_path / "whole")
    assert read_weights(model)
    status = daf_monitor_training_job(again)
    assert (status.state, status.agent_steps, status.total_steps) == ("completed", 40 * UPDATE_STEPS, 40 * UPDATE_STEPS)
    assert status.steps_per_second is not None
    assert status.memory_mb is not None
    results = daf_collect_training_results(again)
    assert results.model_path == model
    assert results.run["processes"]["world_size"] == machines
    assert [line["update"] for line in results.metrics] == list(range(1, 41))
    assert daf_collect_training_results(again.folder).run == results.run


@pytest.mark.slow
def test_a_job_that_diverges_says_so(tmp_path: Path) -> None:
    job = launch(tmp_path, hyperparameters={**SMALL, "learning_rate": 1e30})
    with pytest.raises(TimeoutError, match=r"still running after 0"):
        job.wait_for_completion(0)
    with pytest.raises(TrainingError) as caught:
        job.wait_for_completion(180)
    assert "diverged" in caught.value.found
    assert job.status().state == "diverged"
    with pytest.raises(BadInputError):
        daf_collect_training_results(job)


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"hyperparameters": {"learning_rat": 0.1}}, ConfigError, ["learning_rat", "did you mean 'learning_rate'?"]),
        ({"hyperparameters": {"gamma": 1.5}}, ConfigError, ["gamma", "at most 1"]),
        ({"env_cfg": "training_facility_l"}, UnknownMissionError, ["did you mean 'training_facility_1'"]),
        ({"policy_class_path": "lsmt"}, PolicyError, ["did you mean 'lstm'"]),
        ({"policy_class_path": "random"}, PolicyError, ["a trainable policy", "no network"]),
        ({"init_kwargs": {"hiden_size": 3}}, PolicyError, ["hiden_size", "hidden_size"]),
        ({"hyperparameters": {"num_envs": 5}, "num_machines": 2}, BadInputError, ["a multiple of the 2", "5"]),
        ({"num_machines": 0}, ConfigError, ["num_machines", "at least 1"]),
    ],
)
def test_what_cannot_work_is_said_before_anything_starts(
    changes: dict[str, Any], kind: type[DafError], words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "Popen", None)
    with pytest.raises(kind) as caught:
        launch(tmp_path, **changes)
    for word in words:
        assert word in str(caught.value)


def test_environments_are_shared_equally_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(subprocess, "Popen", lambda command, **_: started.append(command))
    job = launch(tmp_path, hyperparameters={}, num_machines=3, processes_per_machine=2)
    assert job.recipe.hyperparameters.num_envs == 18
    assert job.recipe.world_size == 6
    assert started == [[sys.executable, "-m", "daf.training.launch", "--job", str(job.folder / "job.json")]]
    training = TrainingSpec.read(job.folder / "job.json")
    assert training.recipe == job.recipe
    assert training.options.num_machines == 3


def test_there_are_no_results_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"model\.safetensors"):
        daf_collect_training_results(tmp_path)
