"""Training with policies that fail: how it ends, what run.json says, and that nothing is tried again in vain."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from daf.config.recipes import HeldOutRecipe, TrainingRecipe
from daf.distributed.failures import Cause, TrainingFailedError, read_failures
from daf.distributed.signals import stop_signals
from daf.errors import EXIT_FAILED, PolicyError
from daf.logging_config import create_daf_logger
from daf.system.json_files import read_json
from daf.training.checkpoints import load_newest_checkpoint
from daf.training.launch import main, run_training
from daf.training.options import TrainingSpec
from daf.training.paths import state_folder
from daf.training.run import RunInputs, train_run
from daf.training.trainer import Trainer
from tests.unit.engine.test_user_code import FILE, RAISED
from tests.unit.training.small import UPDATE_STEPS, options_of, recipe_of


def failing(*, world_size: int = 1, held_out: bool = False, updates: int = 3, **kwargs: Any) -> TrainingRecipe:
    sizes = {"hidden_size": 16, "embedding_size": 8}
    recipe = recipe_of("tests.unit.failing_policies.Trainee", world_size=world_size, updates=updates)
    evaluations = HeldOutRecipe(
        num_evaluations=2, episodes=2, seed=900, objective_metric="mean_reward", optimize_direction="maximize"
    )
    changes = {"init_kwargs": {**sizes, **kwargs}, "held_out": evaluations if held_out else None}
    return recipe.model_copy(update=changes)


def test_an_exception_of_the_network_is_the_reason_in_run_json(tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    with pytest.raises(TrainingFailedError) as caught:
        run_training(failing(network="raise", at=40), tmp_path, options_of(log_file=log))
    reason = f"TeapotError: short and stout ({FILE}:{RAISED} in fail)"
    assert caught.value.cause is Cause.USER_CODE
    assert caught.value.found == reason
    assert "correct the policy" in caught.value.hint
    record = read_json(tmp_path / "run.json")
    assert (record["status"], record["cause"], record["reason"]) == ("failed", "user_code", reason)
    assert 'raise TeapotError("short and' in log.read_text()
    assert not (tmp_path / "model.safetensors").exists()
    assert read_json(tmp_path / "state/failed-run.json") == record


@pytest.mark.parametrize(("how", "code"), [("exit 0", "0"), ("exit 3", "3")])
def test_sys_exit_in_the_network_is_a_failure_of_the_training(how: str, code: str, tmp_path: Path) -> None:
    with pytest.raises(TrainingFailedError, match=rf"SystemExit: {code} \("):
        run_training(failing(network=how, at=5), tmp_path, options_of())
    assert read_json(tmp_path / "run.json")["cause"] == "user_code"


@pytest.mark.parametrize(
    ("how", "cause", "found"),
    [
        ("os._exit", "user_code", "the process was ended with status 0 (tests/unit/failing_policies.py:"),
        ("segfault", "user_code", "the process was killed by SIGSEGV (tests/unit/failing_policies.py:"),
        ("kill", "rank_killed", "the process was killed by SIGKILL, as the system does when memory runs out"),
    ],
)
def test_a_network_that_ends_the_process_is_a_failure_with_a_cause(
    how: str, cause: str, found: str, tmp_path: Path
) -> None:
    with pytest.raises(TrainingFailedError) as caught:
        run_training(failing(network=how, at=40), tmp_path, options_of())
    assert caught.value.cause == cause
    assert caught.value.found.startswith(f"ProcessEndedError: {found}")
    record = read_json(tmp_path / "state/failed-run.json")
    assert (record["status"], record["cause"], record["reason"]) == ("failed", cause, caught.value.found)


@pytest.mark.slow
def test_a_network_that_never_returns_is_a_stall_that_names_its_line(tmp_path: Path) -> None:
    recipe = failing(network="hang", at=40)
    with pytest.raises(TrainingFailedError) as caught:
        run_training(recipe, tmp_path, options_of(stall_seconds=4.0))
    assert caught.value.cause is Cause.RANK_STALLED
    assert "stalled after update 1: no progress for 4" in caught.value.found
    assert "failing_policies.py:" in caught.value.found
    assert caught.value.found.endswith("(fail)")
    record = read_json(tmp_path / "run.json")
    assert (record["status"], record["cause"], record["reason"]) == ("failed", "rank_stalled", caught.value.found)
    assert [failure["cause"] for failure in read_failures(state_folder(tmp_path, recipe))] == ["rank_stalled"]


def test_a_background_training_ends_with_an_exit_code_even_if_the_network_exits_with_0(tmp_path: Path) -> None:
    job = tmp_path / "job.json"
    TrainingSpec(recipe=failing(network="exit 0", at=5), folder=tmp_path, options=options_of()).write(job)
    assert main(["--job", str(job)]) == EXIT_FAILED


@pytest.mark.parametrize(("how", "found"), [("narrow", "[16, 4] and [16, 1]"), ("alone", "a Tensor")])
def test_outputs_of_the_wrong_size_are_refused_in_four_parts(how: str, found: str, tmp_path: Path) -> None:
    with pytest.raises(PolicyError) as caught:
        run_training(failing(network=how, at=40), tmp_path, options_of())
    assert caught.value.found == found
    assert "logits [16, 5]" in caught.value.expected
    assert read_json(tmp_path / "run.json")["cause"] == "bad_input"


def test_logits_that_are_not_numbers_are_divergence_not_a_mistake(tmp_path: Path) -> None:
    outcome = run_training(failing(network="nan", at=40), tmp_path, options_of())
    assert (outcome.status, outcome.cause) == ("diverged", Cause.NON_FINITE)


@pytest.mark.slow
def test_a_group_is_not_started_again_after_a_mistake_in_the_policy(tmp_path: Path) -> None:
    recipe = failing(network="raise", at=40, world_size=2)
    with pytest.raises(TrainingFailedError) as caught:
        run_training(recipe, tmp_path, options_of(max_restarts=2))
    assert caught.value.cause is Cause.USER_CODE
    assert "TeapotError: short and stout" in caught.value.found
    (failure,) = read_failures(state_folder(tmp_path, recipe))
    assert failure["cause"] == "user_code"


# ---- held-out evaluations ---------------------------------------------------------------------------------


def test_a_training_without_a_valid_evaluation_failed_and_keeps_its_state(tmp_path: Path) -> None:
    recipe, log = failing(step="raise", held_out=True), tmp_path / "train.log"
    logger = create_daf_logger("test", log_file=log)
    with pytest.raises(TrainingFailedError) as caught:
        train_run(recipe.to_dict(), tmp_path, options_of(log_file=log), RunInputs(), logger=logger)
    first = f"TeapotError: short and stout ({FILE}:{RAISED} in fail, step 0, seed 900)"
    assert caught.value.found == f"every episode of every held-out evaluation failed, the first with {first}"
    assert "state is kept" in caught.value.hint
    record = read_json(tmp_path / "run.json")
    assert (record["status"], record["cause"]) == ("failed", "evaluations_failed")
    assert record["agent_steps"] == 3 * UPDATE_STEPS
    assert [(e["episodes"], e["failed"], e["failure"]) for e in record["evaluations"]] == [(0, 2, first)] * 2
    assert not (tmp_path / "model.safetensors").exists()
    checkpoint = load_newest_checkpoint(state_folder(tmp_path, recipe), print)
    assert checkpoint is not None
    assert checkpoint["agent_steps"] == 3 * UPDATE_STEPS
    assert log.read_text().count('raise TeapotError("short and') == 1
    kept = tmp_path / "state/failed-run.json"  # a workflow removes run.json with the other outputs of a failed job
    assert read_json(kept) == record
    assert f"how it failed is recorded in {kept}" in log.read_text()


def test_a_failed_evaluation_is_repeated_without_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.unit import failing_policies

    recipe = failing(step="raise", held_out=True)
    assert run_training(recipe, tmp_path, options_of()).status == "failed"
    monkeypatch.setattr(failing_policies, "fail", lambda how: None)  # corrected
    monkeypatch.setattr("daf.training.trainer.Trainer.learn", lambda *_: pytest.fail("it was trained again"))
    outcome = run_training(recipe, tmp_path, options_of())
    assert (outcome.status, outcome.agent_steps) == ("completed", 3 * UPDATE_STEPS)
    assert (tmp_path / "model.safetensors").is_file()
    assert [e["failed"] for e in read_json(tmp_path / "run.json")["evaluations"]] == [2, 2, 0]
    assert not (tmp_path / "state/failed-run.json").exists()


# ---- what policies change ---------------------------------------------------------------------------------


def test_a_network_that_changes_the_process_does_not_change_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All paths are relative, and the network goes to another folder in every step."""
    monkeypatch.chdir(tmp_path)
    recipe = failing(network="meddle", updates=2, held_out=True)
    options = options_of(log_file=Path("logs/train.log"), checkpoint_interval_steps=1)
    outcome = run_training(recipe, Path("run"), options)
    assert outcome.status == "completed"
    assert Path.cwd() == tmp_path
    assert sorted(os.listdir(tmp_path / "run")) >= ["metrics.jsonl", "model.json", "model.safetensors", "run.json"]
    calm = run_training(failing(updates=2, held_out=True), Path("calm"), options_of())
    assert calm.status == "completed"
    assert read_json("run/run.json")["evaluations"] == read_json("calm/run.json")["evaluations"]


# ---- Ctrl-C -----------------------------------------------------------------------------------------------


def test_ctrl_c_ends_a_training_with_a_checkpoint_from_which_it_continues(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = failing(updates=4)
    learn = Trainer.learn

    def interrupted(trainer: Trainer, rollout: Any) -> Any:
        if trainer.update == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return learn(trainer, rollout)

    monkeypatch.setattr(Trainer, "learn", interrupted)
    outcome = run_training(recipe, tmp_path, options_of())
    assert (outcome.status, outcome.reason) == ("interrupted", "interrupted by SIGINT")
    assert outcome.agent_steps == 2 * UPDATE_STEPS
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    monkeypatch.setattr(Trainer, "learn", learn)
    assert run_training(recipe, tmp_path, options_of()).agent_steps == 4 * UPDATE_STEPS


def test_a_second_ctrl_c_ends_at_once() -> None:
    with stop_signals() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop.received == "SIGINT"
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
