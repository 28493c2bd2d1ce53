"""Training of a user's policy in its own process: stopped or killed in the middle, it ends as if undisturbed."""

from __future__ import annotations

import errno
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from daf.config.recipes import TrainingRecipe
from daf.errors import EXIT_FAILED, EXIT_REQUEUE
from daf.system.forked_work import CAN_FORK
from daf.system.json_files import read_json
from daf.training.launch import main, run_training
from daf.training.options import TrainingSpec
from daf.training.paths import JOB, state_folder
from tests.unit.failing_policies import ORDER
from tests.unit.training.forked import start
from tests.unit.training.small import UPDATE_STEPS, metrics_of, options_of, recipe_of

pytestmark = pytest.mark.skipif(not CAN_FORK, reason="user code is isolated on Linux only")

AT = 40  # forward passes before the disturbance, which comes in the second of four updates, of 32 each
SIZES = {"hidden_size": 16, "embedding_size": 8}


def recipe(updates: int = 4) -> TrainingRecipe:
    trained = recipe_of("tests.unit.failing_policies.Trainee", world_size=1, updates=updates)
    return trained.model_copy(update={"init_kwargs": {**SIZES, "network": "disturb", "at": AT}})


def launch(folder: Path, order: Path) -> None:
    """The program of a background job, in its own process group, with its messages in a file."""
    os.setsid()
    sys.stdout = sys.stderr = (folder / "messages.txt").open("w")
    os.environ[ORDER] = str(order)
    code = main(["--job", str(folder / JOB)])
    sys.stderr.flush()
    os._exit(code)


def disturbed(folder: Path, order: str, checkpoint_interval_steps: int) -> tuple[int | None, list[str]]:
    """Exit code and messages of a training that an order disturbs; no process of it is left."""
    folder.mkdir()
    options = options_of(checkpoint_interval_steps=checkpoint_interval_steps)
    TrainingSpec(recipe=recipe(), folder=folder, options=options).write(folder / JOB)
    (folder / "order").write_text(order)
    launcher = start(launch, folder, folder / "order")
    launcher.join(120)
    copy = int((folder / "order").read_text())
    assert copy != launcher.pid
    assert not psutil.pid_exists(copy)
    return launcher.exitcode, (folder / "messages.txt").read_text().splitlines()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    run_training(recipe(), folder, options_of())
    return folder


def assert_resumes_to_the_same(folder: Path, whole: Path, agent_steps: int, capfd: pytest.CaptureFixture[str]) -> None:
    assert not (folder / "model.safetensors").exists()
    assert run_training(recipe(), folder, options_of()).status == "completed"
    assert f"test: resuming at {agent_steps} agent-steps" in capfd.readouterr().err
    assert (folder / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    assert metrics_of(folder) == metrics_of(whole)


@pytest.mark.slow
@pytest.mark.parametrize(
    "order",
    [
        "parent SIGTERM",
        *(pytest.param(order, marks=pytest.mark.long) for order in ("parent SIGUSR1", "parent SIGINT")),
        "group SIGINT",
    ],
)
def test_a_stop_signal_ends_in_a_checkpoint_and_one_line(
    order: str, whole: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """`group` is what a terminal does at Ctrl-C."""
    code, messages = disturbed(tmp_path / "run", order, 10**9)
    assert code == EXIT_REQUEUE
    assert [line for line in messages if "agent-steps" not in line] == [
        f"test: interrupted by {order.split()[1]}; run the same command again: it resumes from its checkpoint"
    ]
    assert not (tmp_path / "run/run.json").exists()
    assert_resumes_to_the_same(tmp_path / "run", whole, 2 * UPDATE_STEPS, capfd)


@pytest.mark.slow
def test_a_killed_copy_is_a_failure_that_says_so_and_the_next_start_resumes(
    whole: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    code, messages = disturbed(folder, "self SIGKILL", 1)
    killed = "ProcessEndedError: the process was killed by SIGKILL, as the system does when memory runs out"
    assert code == EXIT_FAILED
    assert [line.strip() for line in messages if "agent-steps" not in line] == [
        "training 'test'",
        "expected: training to finish",
        f"found:    {killed}",
        "hint:     the kernel kills memory hogs (see dmesg): give the job more memory, or start it again",
    ]
    record = read_json(folder / "run.json")
    assert (record["status"], record["cause"], record["reason"]) == ("failed", "rank_killed", killed)
    assert [path.name for path in state_folder(folder, recipe()).glob("checkpoint-*")] != []
    assert_resumes_to_the_same(folder, whole, UPDATE_STEPS, capfd)


@pytest.mark.slow
def test_the_next_start_says_that_it_begins_again_without_a_checkpoint(
    whole: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    begins = "test: the start before ended without a checkpoint; training begins again"
    disturbed(tmp_path / "run", "self SIGKILL", 10**9)
    assert begins not in (tmp_path / "run/messages.txt").read_text()
    assert run_training(recipe(), tmp_path / "run", options_of()).status == "completed"
    assert begins in capfd.readouterr().err
    assert (tmp_path / "run/model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


@pytest.mark.parametrize("whose", ["parent", "copy", "thread"])
def test_a_signal_during_the_start_of_the_copy_is_not_lost(
    whose: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parent does not know the copy's number yet, or the copy has not replaced the parent's handlers.

    A signal that another thread of the parent takes is handled at once, although it is blocked in this one.
    """
    fork = os.fork

    def fork_and_signal() -> int:
        number = fork()
        if whose == "thread" and number:
            handler = signal.getsignal(signal.SIGTERM)
            assert callable(handler)
            handler(signal.SIGTERM, None)
        elif whose == "copy" and not number:
            os.kill(os.getpid(), signal.SIGUSR1)
        elif number:
            os.kill(os.getpid(), signal.SIGTERM)
        return number

    monkeypatch.setattr(os, "fork", fork_and_signal)
    outcome = run_training(recipe(updates=400), tmp_path, options_of())
    assert outcome.status == "interrupted"
    assert outcome.reason is not None
    assert outcome.reason.startswith("interrupted by SIGTERM")
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == set()


def test_signals_are_let_through_again_if_no_copy_can_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory() -> int:
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", no_memory)
    with pytest.raises(OSError, match="Resource temporarily unavailable"):
        run_training(recipe(), tmp_path, options_of())
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == set()
