"""A trial: resumed and promoted without a difference, stopped with an honest budget, published again without work."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from daf.config import DAFSweepConfig, DAFTrainingConfig, ExperimentConfig, MissionConfig
from daf.config.recipes import TrainingRecipe, TrialRecipe
from daf.distributed.failures import Cause, TrainingFailedError
from daf.engine.model_files import MODEL
from daf.logging_config import create_daf_logger
from daf.search.assignment import TrialAssignment
from daf.search.files import propose_trial
from daf.search.paths import trial_name
from daf.search.plan import SweepPlan
from daf.search.recipe import ready_recipe
from daf.search.trial import (
    TrialJob,
    learning_curve,
    propose_and_run,
    run_finalist,
    run_promoted_trial,
    run_proposed_trial,
    run_trial,
)
from daf.search.trial_scores import combined_objective, further_seeds
from daf.system.files import write_json
from daf.system.json_files import read_json
from daf.training import launch
from daf.training.outcome import TrainingOutcome
from daf.workflow.learning_plan import LearningPlan

UPDATE_STEPS = 4 * 4 * 16  # environments, agents of each, horizon
MISSIONS = {"short": MissionConfig(source="training_facility_1", max_steps=21)}
JOB = TrialJob(label="test", device="cpu", logger=create_daf_logger("test", level="error"))


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


def assignment(**changes: Any) -> TrialAssignment:
    values = {"trial": 0, "hyperparameters": {"learning_rate": 0.003}, "seed": 7, **changes}
    return TrialAssignment(**values)


def no_training(*arguments: Any, **more: Any) -> Any:
    pytest.fail("it was trained again")


def test_a_promoted_trial_ends_as_one_that_never_paused(tmp_path: Path) -> None:
    whole = run_trial(assignment(), plan().trial_settings(), tmp_path / "whole", JOB)
    halved = plan(halving={"num_rungs": 2, "reduction_factor": 2})
    home = tmp_path / "halved"
    first = run_trial(assignment(), halved.trial_settings(), home / "trial-0000", JOB)
    assert (first["agent_steps"], first["rung"]) == (2 * UPDATE_STEPS, 0)
    second = run_promoted_trial(assignment(rung=1), halved.trial_settings(1), home / "rung-1/entry-0000", JOB)
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
    first = run_trial(assignment(), halved.trial_settings(), folder, JOB)
    run_promoted_trial(assignment(rung=1), halved.trial_settings(1), tmp_path / "rung-1/entry-0000", JOB)
    monkeypatch.setattr(launch, "run_training", no_training)
    more = plan(halving={"num_rungs": 2, "reduction_factor": 2}, episodes_per_trial=3)
    again = run_trial(assignment(), more.trial_settings(), folder, JOB)
    assert (again["agent_steps"], again["episodes"]) == (first["agent_steps"], 3)


def test_a_rung_whose_files_are_gone_is_trained_anew_not_taken_from_later_weights(tmp_path: Path) -> None:
    import shutil

    halved = plan(halving={"num_rungs": 2, "reduction_factor": 2})
    folder = tmp_path / "trial-0000"
    first = run_trial(assignment(), halved.trial_settings(), folder, JOB)
    run_promoted_trial(assignment(rung=1), halved.trial_settings(1), tmp_path / "rung-1/entry-0000", JOB)
    for kept in [*folder.glob("state/at-*"), folder / "state/results"]:
        shutil.rmtree(kept)
    again = run_trial(assignment(), halved.trial_settings(), folder, JOB)
    assert (again["agent_steps"], again["objective"]) == (first["agent_steps"], first["objective"])


def test_a_trial_behind_the_median_stops_and_says_what_it_used(tmp_path: Path) -> None:
    stopping = plan(early_stopping={"num_checks": 4, "episodes": 1})
    free = run_trial(assignment(), stopping.trial_settings(), tmp_path / "free", JOB)
    assert (free["agent_steps"], len(free["curve"]), free["stopped_early"]) == (4 * UPDATE_STEPS, 4, None)
    behind = assignment(pruning_thresholds=(-100.0, 100.0, None))
    stopped = run_trial(behind, stopping.trial_settings(), tmp_path / "stopped", JOB)
    assert stopped["status"] == "completed"  # it has a score, on the same episodes as all others
    assert stopped["agent_steps"] == 2 * UPDATE_STEPS
    assert stopped["curve"] == free["curve"][:2]
    assert "check 2" in stopped["stopped_early"]


def test_what_is_finished_is_published_again_to_the_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = plan().trial_settings()
    run_trial(assignment(), settings, tmp_path, JOB)
    before = {name: (tmp_path / name).read_bytes() for name in ("result.json", "curve.jsonl")}
    for name in before:
        (tmp_path / name).unlink()
    monkeypatch.setattr(launch, "run_training", no_training)
    monkeypatch.setattr("daf.engine.evaluation.evaluate_policy", no_training)
    run_trial(assignment(), settings, tmp_path, JOB)
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    assert "trained again" in str(run_trial(assignment(seed=8), settings, tmp_path, JOB)["failure"])


def test_a_diverged_trial_is_a_result_and_a_skipped_one_too(tmp_path: Path) -> None:
    diverged = propose_and_run(plan().config, 1, [], [], plan().trial_settings(), tmp_path / "trial-0001", JOB)
    assert diverged["hyperparameters"] == {"learning_rate": 1e30}
    assert (diverged["status"], diverged["objective"]) == ("failed", None)
    assert diverged["reason"].startswith("diverged")
    skipped = run_trial(assignment(skip="the budget is spent"), plan().trial_settings(), tmp_path / "skipped", JOB)
    assert (skipped["status"], skipped["reason"], skipped["agent_steps"]) == ("skipped", "the budget is spent", 0)
    assert read_json(tmp_path / "skipped/result.json") == skipped


def test_a_finalist_runs_on_other_seeds_and_beside_its_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = plan(num_finalists=2, confirmation_seeds=2)
    searched = run_trial(assignment(), sweep.trial_settings(), tmp_path / "trial-0000", JOB)
    settings = [sweep.confirmation_settings(index) for index in (0, 1)]
    first, last = sweep.config.evaluation_seed, sweep.config.evaluation_seed + sweep.config.episodes_per_trial
    played = [range(recipe.evaluation_seed, recipe.evaluation_seed + recipe.episodes) for recipe in settings]
    assert not set(range(first, last)) & set(played[0])
    assert not set(played[0]) & set(played[1])
    folder = tmp_path / "confirmation/rank-0/seed-1"
    finalist = assignment(seed=12)
    confirmed = run_finalist(finalist, settings[1], folder, JOB, index=1)
    assert (confirmed["trial"], confirmed["seed"]) == (0, 12)
    assert confirmed["agent_steps"] == searched["agent_steps"]
    # If it comes to another rank, its run is found again.
    monkeypatch.setattr(launch, "run_training", no_training)
    other_rank = tmp_path / "confirmation/rank-1/seed-1"
    assert run_finalist(finalist, settings[1], other_rank, JOB, index=1) == confirmed
    nobody = TrialAssignment(trial=None, seed=11, hyperparameters={}, skip="fewer trials completed")
    empty = run_finalist(nobody, settings[0], tmp_path / "confirmation/rank-1/seed-0", JOB, index=0)
    assert (empty["status"], empty["trial"]) == ("skipped", None)


def test_what_decides_a_trial_is_in_its_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = plan().trial_settings()
    run_trial(assignment(), recipe, tmp_path, JOB)
    monkeypatch.setattr(launch, "run_training", no_training)
    run_trial(assignment(), TrialRecipe.model_validate(recipe.to_dict()), tmp_path, replace(JOB, label="elsewhere"))
    other = recipe.model_copy(update={"max_action_time_ms": 1})
    assert "trained again" in str(run_trial(assignment(), other, tmp_path, JOB)["failure"])


# ---- trials whose code fails --------------------------------------------------------------------------------


def failing_plan(**changes: Any) -> SweepPlan:
    """Trials of a policy that fails as `changes` say."""
    kwargs = {"hidden_size": 16, "embedding_size": 8, **changes}
    space = {"learning_rate": [0.003, 0.004, 0.005, 0.006]}
    return plan(policy_class_path="tests.unit.failing_policies.Trainee", init_kwargs=kwargs, search_space=space, lag=2)


def run_proposed(sweep: SweepPlan, trial: int, folder: Path) -> dict[str, Any]:
    """One trial as the workflow runs it."""
    here = folder / trial_name(trial)
    write_json(here / "proposal.json", propose_trial(sweep.config, trial, []))
    return run_proposed_trial(here / "proposal.json", sweep.trial_settings(), here, JOB)


def test_an_exception_of_the_policy_is_the_result_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, starts = launch.run_training, []
    monkeypatch.setattr(launch, "run_training", lambda *a, **more: starts.append(1) or real(*a, **more))
    result = run_trial(assignment(), failing_plan(network="raise", at=40).trial_settings(), tmp_path, JOB)
    assert (result["status"], result["objective"]) == ("failed", None)
    assert result["reason"] == result["failure"]
    assert result["reason"].startswith("TeapotError: short and stout (tests/unit/failing_policies.py:")
    assert len(starts) == 1


def test_a_trial_whose_evaluation_fails_says_why(tmp_path: Path) -> None:
    result = run_trial(assignment(), failing_plan(step="exit 0").trial_settings(), tmp_path, JOB)
    assert (result["status"], result["episodes"], result["failed_episodes"]) == ("failed", 0, 2)
    assert result["reason"].startswith("all evaluation episodes failed: SystemExit: 0 (tests/unit/failing_policies.py:")
    assert result["reason"].endswith(f", step 0, seed {plan().config.evaluation_seed})")
    assert result["failure"].endswith(" in fail)")  # without the step and the seed


def test_the_sweep_ends_after_lag_trials_that_fail_in_the_same_way(tmp_path: Path) -> None:
    """Trial 3 sees trials 0 and 1; what has finished besides does not count, so the order does not matter."""
    sweep = failing_plan(network="raise", at=40)
    result = run_proposed(sweep, 0, tmp_path)
    assert result["status"] == "failed"
    write_json(tmp_path / "trial-0002/result.json", {**result, "trial": 2})
    assert run_proposed(sweep, 3, tmp_path)["status"] == "failed"  # before trial 1 has finished
    write_json(tmp_path / "trial-0001/result.json", {**result, "trial": 1})
    completed = {"trial": 2, "status": "completed", "objective": 1.0, "failure": None}
    write_json(tmp_path / "trial-0002/result.json", {**result, **completed})
    skipped = run_proposed(sweep, 3, tmp_path)
    assert skipped["status"] == "skipped"
    assert skipped["reason"] == "the sweep ended, since 2 trials failed in the same way and none completed"


def test_results_of_other_code_or_hyperparameters_do_not_end_a_sweep(tmp_path: Path) -> None:
    sweep = failing_plan(network="raise", at=40)
    result = run_proposed(sweep, 0, tmp_path)
    other = {**result, "trial": 1, "recipe_digest": "other"}  # left by an earlier recipe
    write_json(tmp_path / "trial-0001/result.json", other)
    assert run_proposed(sweep, 3, tmp_path)["status"] == "failed"


def test_a_failure_of_code_is_not_published_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.unit import failing_policies

    settings = failing_plan(network="raise", at=40).trial_settings()
    assert run_trial(assignment(), settings, tmp_path, JOB)["status"] == "failed"
    monkeypatch.setattr(failing_policies, "fail", lambda how: None)  # corrected
    assert run_trial(assignment(), settings, tmp_path, JOB)["status"] == "completed"


@pytest.mark.slow
def test_a_trial_starts_from_trained_weights_and_one_whose_network_does_not_fit_is_a_result(tmp_path: Path) -> None:
    easy = plan(steps_per_trial=UPDATE_STEPS)
    run_trial(assignment(), easy.trial_settings(), tmp_path / "easy", JOB)
    weights = tmp_path / "easy/state" / MODEL
    runs = {"easy": DAFTrainingConfig(seeds=[7])}
    settings = replace(plan(start_from="easy", steps_per_trial=UPDATE_STEPS), runs=runs).trial_settings().to_dict()
    files = SimpleNamespace(start=[str(weights), str(weights.with_suffix(".json"))], teacher=[], partners=[])
    recipe, found = ready_recipe(settings, files)
    job = replace(JOB, weights=found)
    slow = assignment(hyperparameters={"learning_rate": 1e-30})
    assert run_trial(slow, recipe, tmp_path / "trial", job)["status"] == "completed"
    assert (tmp_path / "trial/state" / MODEL).read_bytes() == weights.read_bytes()
    other = assignment(hyperparameters={"init_kwargs.hidden_size": 16})
    failed = run_trial(other, recipe, tmp_path / "other", job)
    assert (failed["status"], "weights of this network" in failed["reason"]) == ("failed", True)
    again, _ = ready_recipe(settings, files)
    assert again.digest == recipe.digest != plan(steps_per_trial=UPDATE_STEPS).trial_settings().digest
    run_trial(assignment(seed=8), easy.trial_settings(), tmp_path / "easy", JOB)
    retrained, _ = ready_recipe(settings, files)
    assert retrained.digest != recipe.digest


@pytest.mark.slow
def test_a_search_chooses_the_weights_that_a_trial_starts_from(tmp_path: Path) -> None:
    files: list[str] = []
    found: dict[str, Path] = {}
    for seed in (7, 8):
        easy = plan(steps_per_trial=UPDATE_STEPS).trial_settings()
        run_trial(assignment(seed=seed), easy, tmp_path / str(seed), JOB)
        found[f"run-{seed}"] = tmp_path / str(seed) / "state" / MODEL
        files += [str(found[f"run-{seed}"]), str(found[f"run-{seed}"].with_suffix(".json"))]
    runs = {name: DAFTrainingConfig(seeds=[7]) for name in found}
    searching = plan(search_space={"start_from": [None, *found]}, steps_per_trial=UPDATE_STEPS)
    settings = replace(searching, runs=runs).trial_settings().to_dict()
    recipe, weights = ready_recipe(settings, SimpleNamespace(start=files, teacher=[], partners=[]))
    job = replace(JOB, weights=weights)
    ends: dict[str | None, bytes] = {}
    for number, name in enumerate([None, *found]):
        given = assignment(trial=number, hyperparameters={"start_from": name, "learning_rate": 1e-30})
        assert run_trial(given, recipe, tmp_path / f"trial-{number}", job)["status"] == "completed"
        ends[name] = (tmp_path / f"trial-{number}/state" / MODEL).read_bytes()
    assert {name: ends[name] for name in found} == {name: path.read_bytes() for name, path in found.items()}
    assert ends[None] not in [ends[name] for name in found]


@pytest.mark.slow
def test_a_trial_is_scored_on_missions_and_training_seeds(tmp_path: Path) -> None:
    missions = ["short", "training_facility_1"]
    both = {"score_missions": missions, "steps_per_trial": UPDATE_STEPS, "episodes_per_trial": 1}
    settings = plan(**both, seeds_per_trial=2, objective="worst").trial_settings()
    result = run_trial(assignment(), settings, tmp_path / "both", JOB)
    (second,) = further_seeds(7, 2)
    assert second != 7
    scores = {(score["seed"], score["mission"]): score["objective"] for score in result["scores"]}
    assert list(scores) == [(seed, mission) for seed in (7, second) for mission in missions]
    assert (result["objective"], result["episodes"]) == (min(scores.values()), 4)
    assert (result["agent_steps"], result["objective_sd"]) == (2 * UPDATE_STEPS, None)
    for seed in (7, second):  # as trials of one seed and one mission
        alone = plan(score_missions=["training_facility_1"], steps_per_trial=UPDATE_STEPS, episodes_per_trial=1)
        single = run_trial(assignment(seed=seed), alone.trial_settings(), tmp_path / f"alone-{seed}", JOB)
        assert single["objective"] == scores[seed, "training_facility_1"]
        assert "scores" not in single
    mean = combined_objective(result["scores"], plan(**both).trial_settings())
    assert mean == pytest.approx(sum(scores.values()) / 4)
    fewer = plan(optimize_direction="minimize", objective="worst").trial_settings()
    assert combined_objective(result["scores"], fewer) == max(scores.values())


def test_one_seed_that_diverges_fails_the_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = plan(seeds_per_trial=2, steps_per_trial=UPDATE_STEPS, episodes_per_trial=1).trial_settings()
    second = further_seeds(7, 2)[0]
    train = launch.run_training

    def diverging(recipe: TrainingRecipe, *arguments: Any, **more: Any) -> TrainingOutcome:
        outcome = train(recipe, *arguments, **more)
        return replace(outcome, status="diverged", reason="loss") if recipe.seed == second else outcome

    monkeypatch.setattr(launch, "run_training", diverging)
    result = run_trial(assignment(), settings, tmp_path, JOB)
    assert (result["status"], result["objective"]) == ("failed", None)
    assert result["reason"] == f"training seed {second}: diverged: loss"
    assert result["failure"] is None


@pytest.mark.slow
def test_the_teacher_of_a_run_is_searched(tmp_path: Path) -> None:
    content = {
        "missions": {"short": MISSIONS["short"].to_dict()},
        "training": {"taught": {"mission": "short", "teacher": {"policy": "baseline", "steps": 10}}},
        "sweeps": {
            "s": {"training": "taught", "search_space": {"teacher.coef": [0.5, 2.0], "teacher.mode": ["clone"]}}
        },
    }
    content["sweeps"]["s"] |= {"steps_per_trial": UPDATE_STEPS, "episodes_per_trial": 1, "strategy": "grid"}
    content["training"]["taught"] |= {key: plan().config.to_dict()[key] for key in ("init_kwargs", "hyperparameters")}
    learning = LearningPlan(ExperimentConfig.from_dict(content))
    settings = learning.sweep_plan("s").trial_settings().to_dict()
    recipe, weights = ready_recipe(
        settings, SimpleNamespace(start=[], teacher=learning.teacher_of_trials("s"), partners=[])
    )
    ends = set()
    for trial, coef in enumerate((0.5, 2.0)):
        given = assignment(trial=trial, hyperparameters={"teacher.coef": coef, "teacher.mode": "clone"})
        result = run_trial(given, recipe, tmp_path / str(trial), replace(JOB, weights=weights))
        assert result["status"] == "completed", result["reason"]
        run = read_json(tmp_path / str(trial) / "state/run.json")["recipe"]
        assert (run["teacher"]["coef"], run["teacher"]["mode"], run["num_steps"]) == (coef, "clone", UPDATE_STEPS)
        ends.add((tmp_path / str(trial) / "state" / MODEL).read_bytes())
    assert len(ends) == 2
    result = run_trial(assignment(hyperparameters={"teacher.weight": 1.0}), recipe, tmp_path / "x", JOB)
    assert "cannot be searched" in result["reason"]


def test_an_assignment_survives_json() -> None:
    for original in (assignment(), assignment(rung=1, pruning_thresholds=(1.0, None)), assignment(skip="the budget")):
        assert TrialAssignment.from_dict(json.loads(json.dumps(original.to_dict()))) == original


def crashing(error: Exception, monkeypatch: pytest.MonkeyPatch, times: int) -> list[int]:
    """Let the first `times` training runs end with an error; returns a list with an entry per start."""
    real, starts = launch.run_training, []

    def run(*arguments: Any, **more: Any) -> Any:
        starts.append(1)
        if len(starts) <= times:
            raise error
        return real(*arguments, **more)

    monkeypatch.setattr(launch, "run_training", run)
    return starts


def test_a_training_that_crashes_twice_alike_is_a_failed_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    starts = crashing(OSError("the network is down"), monkeypatch, times=2)
    result = run_trial(assignment(), plan().trial_settings(), tmp_path, JOB)
    assert (result["status"], result["objective"]) == ("failed", None)
    assert result["reason"].startswith("twice: OSError: the network is down")
    assert len(starts) == 2
    assert (tmp_path / "curve.jsonl").read_bytes() == b""


def test_a_training_that_crashed_by_chance_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crashing(OSError("a hiccup"), monkeypatch, times=1)
    assert run_trial(assignment(), plan().trial_settings(), tmp_path, JOB)["status"] == "completed"


def test_what_is_not_the_trials_fault_is_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed = TrainingFailedError("a training", "rank 0 killed by SIGKILL", "here", cause=Cause.RANK_KILLED)
    starts = crashing(killed, monkeypatch, times=9)
    with pytest.raises(TrainingFailedError, match="SIGKILL"):
        run_trial(assignment(), plan().trial_settings(), tmp_path, JOB)
    assert len(starts) == 1
    assert not (tmp_path / "result.json").exists()


def test_a_real_error_in_the_training_of_a_trial(tmp_path: Path) -> None:
    """Nothing is replaced here: no machine has the memory that this horizon asks for."""
    huge = {"horizon": 1_000_000_000_000, "minibatch_size": 1_000_000_000_000}
    result = run_trial(assignment(hyperparameters=huge), plan().trial_settings(), tmp_path, JOB)
    assert result["status"] == "failed"
    assert "memory" in result["reason"]


def test_a_learning_curve_has_forty_points_and_always_the_last():
    lines = [
        {"agent_steps": 10 * update, "episode_reward": None if update < 3 else update / 2} for update in range(203)
    ]
    curve = learning_curve(lines)
    assert len(curve) == 40
    assert curve[-1] == [2020, 101.0]
    assert {later[0] - earlier[0] for earlier, later in pairwise(curve)} == {50}
    assert learning_curve(lines[:3]) == []
    assert learning_curve(lines[:5]) == [[30, 1.5], [40, 2.0]]
