"""A trial: resumed and promoted without a difference, stopped with an honest budget, published again without work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from daf.config import DAFSweepConfig, MissionConfig
from daf.distributed.failures import Cause, TrainingFailedError
from daf.engine.model_files import MODEL
from daf.logging_config import create_daf_logger
from daf.search.plan import SweepPlan
from daf.search.trial import propose_and_run, run_finalist, run_promoted_trial, run_trial
from daf.system.files import read_json
from daf.training import launch

UPDATE_STEPS = 4 * 4 * 16  # environments, agents of each, horizon
MISSIONS = {"short": MissionConfig(source="training_facility_1", max_steps=21)}
HOW: dict[str, Any] = {
    "label": "test",
    "device": "cpu",
    "max_action_time_ms": 10_000,
    "logger": create_daf_logger("test", level="error"),
}


def plan(**changes: Any) -> SweepPlan:
    config = DAFSweepConfig.from_dict(
        {
            "mission": "short",
            "init_kwargs": {"hidden_size": 32, "embedding_size": 16},
            "hyperparameters": {"num_envs": 4, "horizon": 16, "minibatch_size": 64, "schedule": "linear"},
            "search_space": {"learning_rate": [0.003, 1e30]},
            "strategy": "grid",
            "steps_per_trial": 4 * UPDATE_STEPS,
            "episodes_per_trial": 2,
            **changes,
        }
    )
    return SweepPlan(config, MISSIONS)


def proposal(**changes: Any) -> dict[str, Any]:
    return {"trial": 0, "hyperparameters": {"learning_rate": 0.003}, "seed": 7, **changes}


def no_training(*arguments: Any, **more: Any) -> Any:
    pytest.fail("it was trained again")


def test_a_promoted_trial_ends_as_one_that_never_paused(tmp_path: Path) -> None:
    whole = run_trial(proposal(), plan().trial_settings(), tmp_path / "whole", **HOW)
    halved = plan(halving={"num_rungs": 2, "reduction_factor": 2})
    home = tmp_path / "halved"
    first = run_trial(proposal(), halved.trial_settings(), home / "trial-0000", **HOW)
    assert (first["agent_steps"], first["rung"]) == (2 * UPDATE_STEPS, 0)
    second = run_promoted_trial(proposal(), halved.trial_settings(1), home / "rung-1/entry-0000", rung=1, **HOW)
    assert (second["agent_steps"], second["rung"]) == (4 * UPDATE_STEPS, 1)
    assert second["objective"] == whole["objective"]
    state = home / "trial-0000/state"
    assert (state / MODEL).read_bytes() == (tmp_path / "whole/state" / MODEL).read_bytes()
    assert len((home / "rung-1/entry-0000/curve.jsonl").read_text().splitlines()) == 4
    assert len((home / "trial-0000/curve.jsonl").read_text().splitlines()) == 2


def test_the_rung_before_is_scored_again_on_the_weights_it_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trial has trained on since; other evaluation episodes must not be played by later weights."""
    halved = plan(halving={"num_rungs": 2, "reduction_factor": 2})
    folder = tmp_path / "trial-0000"
    first = run_trial(proposal(), halved.trial_settings(), folder, **HOW)
    run_promoted_trial(proposal(), halved.trial_settings(1), tmp_path / "rung-1/entry-0000", rung=1, **HOW)
    monkeypatch.setattr(launch, "run_training", no_training)
    more = plan(halving={"num_rungs": 2, "reduction_factor": 2}, episodes_per_trial=3)
    again = run_trial(proposal(), more.trial_settings(), folder, **HOW)
    assert (again["agent_steps"], again["episodes"]) == (first["agent_steps"], 3)


def test_a_rung_whose_files_are_gone_is_trained_anew_not_taken_from_later_weights(tmp_path: Path) -> None:
    import shutil

    halved = plan(halving={"num_rungs": 2, "reduction_factor": 2})
    folder = tmp_path / "trial-0000"
    first = run_trial(proposal(), halved.trial_settings(), folder, **HOW)
    run_promoted_trial(proposal(), halved.trial_settings(1), tmp_path / "rung-1/entry-0000", rung=1, **HOW)
    for kept in [*folder.glob("state/at-*"), folder / "state/results"]:
        shutil.rmtree(kept)
    again = run_trial(proposal(), halved.trial_settings(), folder, **HOW)
    assert (again["agent_steps"], again["objective"]) == (first["agent_steps"], first["objective"])


def test_a_trial_behind_the_median_stops_and_says_what_it_used(tmp_path: Path) -> None:
    stopping = plan(early_stopping={"num_checks": 4, "episodes": 1})
    free = run_trial(proposal(), stopping.trial_settings(), tmp_path / "free", **HOW)
    assert (free["agent_steps"], len(free["curve"]), free["stopped_early"]) == (4 * UPDATE_STEPS, 4, None)
    behind = proposal(pruning_thresholds=[-100.0, 100.0, None])
    stopped = run_trial(behind, stopping.trial_settings(), tmp_path / "stopped", **HOW)
    assert stopped["status"] == "completed"  # it has a score, on the same episodes as all others
    assert stopped["agent_steps"] == 2 * UPDATE_STEPS
    assert stopped["curve"] == free["curve"][:2]
    assert "check 2" in stopped["stopped_early"]


def test_what_is_finished_is_published_again_to_the_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = plan().trial_settings()
    run_trial(proposal(), settings, tmp_path, **HOW)
    before = {name: (tmp_path / name).read_bytes() for name in ("result.json", "curve.jsonl")}
    for name in before:
        (tmp_path / name).unlink()
    monkeypatch.setattr(launch, "run_training", no_training)
    monkeypatch.setattr("daf.engine.evaluation.evaluate_policy", no_training)
    run_trial(proposal(), settings, tmp_path, **HOW)
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    with pytest.raises(pytest.fail.Exception, match="trained again"):
        run_trial(proposal(seed=8), settings, tmp_path, **HOW)


def test_a_diverged_trial_is_a_result_and_a_skipped_one_too(tmp_path: Path) -> None:
    diverged = propose_and_run(plan(), 1, [], [], tmp_path / "trial-0001", **HOW)
    assert diverged["hyperparameters"] == {"learning_rate": 1e30}
    assert (diverged["status"], diverged["objective"]) == ("failed", None)
    assert diverged["reason"].startswith("diverged")
    skipped = run_trial(proposal(skip="the budget is spent"), plan().trial_settings(), tmp_path / "skipped", **HOW)
    assert (skipped["status"], skipped["reason"], skipped["agent_steps"]) == ("skipped", "the budget is spent", 0)
    assert read_json(tmp_path / "skipped/result.json") == skipped


def test_a_finalist_runs_on_other_seeds_and_beside_its_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = plan(num_finalists=2, confirmation_seeds=2)
    searched = run_trial(proposal(), made.trial_settings(), tmp_path / "trial-0000", **HOW)
    one = {"trial": 0, "hyperparameters": {"learning_rate": 0.003}, "objective": 1.0}
    finalists = {"finalists": [one, {"trial": None, "hyperparameters": {}, "skip": "fewer"}], "seeds": [11, 12]}
    settings = [made.confirmation_settings(index) for index in (0, 1)]
    first, last = made.config.evaluation_seed, made.config.evaluation_seed + made.config.episodes_per_trial
    played = [range(s["evaluation_seed"], s["evaluation_seed"] + s["episodes"]) for s in settings]
    assert not set(range(first, last)) & set(played[0])
    assert not set(played[0]) & set(played[1])
    folder = tmp_path / "confirmation/rank-0/seed-1"
    found = run_finalist(finalists, settings[1], folder, rank=0, index=1, **HOW)
    assert (found["trial"], found["seed"], found["agent_steps"]) == (0, 12, searched["agent_steps"])
    # Should it come to another rank, what was run is found again.
    monkeypatch.setattr(launch, "run_training", no_training)
    moved = {**finalists, "finalists": [one, one]}
    assert run_finalist(moved, settings[1], tmp_path / "confirmation/rank-1/seed-1", rank=1, index=1, **HOW) == found
    nobody = run_finalist(finalists, settings[0], tmp_path / "confirmation/rank-1/seed-0", rank=1, index=0, **HOW)
    assert (nobody["status"], nobody["trial"]) == ("skipped", None)


def crashing(error: Exception, monkeypatch: pytest.MonkeyPatch, times: int) -> list[int]:
    """Let the first so many trainings end by an error; returns a list with an entry per start."""
    real, starts = launch.run_training, []

    def run(*arguments: Any, **more: Any) -> Any:
        starts.append(1)
        if len(starts) <= times:
            raise error
        return real(*arguments, **more)

    monkeypatch.setattr(launch, "run_training", run)
    return starts


def test_a_training_that_crashes_twice_alike_is_a_failed_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    starts = crashing(RuntimeError("svd did not converge"), monkeypatch, times=2)
    found = run_trial(proposal(), plan().trial_settings(), tmp_path, **HOW)
    assert (found["status"], found["objective"]) == ("failed", None)
    assert found["reason"] == "twice: RuntimeError: svd did not converge"
    assert len(starts) == 2
    assert (tmp_path / "curve.jsonl").read_bytes() == b""


def test_a_training_that_crashed_by_chance_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crashing(RuntimeError("a hiccup"), monkeypatch, times=1)
    assert run_trial(proposal(), plan().trial_settings(), tmp_path, **HOW)["status"] == "completed"


def test_what_is_not_the_trials_fault_is_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed = TrainingFailedError("a training", "rank 0 killed by SIGKILL", "here", cause=Cause.RANK_KILLED)
    starts = crashing(killed, monkeypatch, times=9)
    with pytest.raises(TrainingFailedError, match="SIGKILL"):
        run_trial(proposal(), plan().trial_settings(), tmp_path, **HOW)
    assert len(starts) == 1
    assert not (tmp_path / "result.json").exists()


def test_a_real_error_in_the_training_of_a_trial(tmp_path: Path) -> None:
    """Nothing is replaced here: no machine has the memory that this horizon asks for."""
    huge = {"horizon": 1_000_000_000_000, "minibatch_size": 1_000_000_000_000}
    found = run_trial(proposal(hyperparameters=huge), plan().trial_settings(), tmp_path, **HOW)
    assert found["status"] == "failed"
    assert "memory" in found["reason"]
