"""Sweeps whose trials train as a run of the file does: what they take from it, and which of its keys they search."""

from __future__ import annotations

from typing import Any

import pytest

from daf.config import ExperimentConfig
from daf.config.recipes import with_hyperparameters
from daf.errors import BadInputError, ConfigError
from daf.search.files import validate_sweep
from daf.workflow.learning_plan import LearningPlan

TAUGHT = {
    "mission": "tutorial.miner",
    "num_steps": 500_000,
    "seeds": [3, 4],
    "objective_metric": "success_rate",
    "hyperparameters": {"gamma": 0.9, "epochs": 3},
    "init_kwargs": {"hidden_size": 32},
    "teacher": {"policy": "baseline", "steps": 1000},
}


def experiment(space: dict[str, Any], run: dict[str, Any] | None = None, **sweep: Any) -> dict[str, Any]:
    return {
        "training": {"taught": TAUGHT | (run or {}), "easy": {"mission": "tutorial.miner"}},
        "sweeps": {"s": {"training": "taught", "search_space": space, **sweep}},
    }


def problems(content: dict[str, Any]) -> list[BadInputError]:
    with pytest.raises(ConfigError) as caught:
        ExperimentConfig.from_dict(content, source="my.yaml")
    return list(caught.value.problems)


def test_a_sweep_takes_from_its_run_what_it_leaves_out() -> None:
    content = experiment({"teacher.coef": [1.0]}, hyperparameters={"epochs": 1}, init_kwargs={"embedding_size": 8})
    sweep = ExperimentConfig.from_dict(content).sweeps["s"]
    assert (sweep.mission, sweep.objective_metric) == ("tutorial.miner", "success_rate")
    assert (sweep.hyperparameters.gamma, sweep.hyperparameters.epochs) == (0.9, 1)
    assert sweep.init_kwargs == {"hidden_size": 32, "embedding_size": 8}
    other_class = experiment({"teacher.coef": [1.0]}, policy_class_path="lstm")
    assert ExperimentConfig.from_dict(other_class).sweeps["s"].init_kwargs == {}
    own = experiment({"teacher.coef": [1.0]}, mission="training_facility_1", objective_metric="mean_reward")
    sweep = ExperimentConfig.from_dict(own).sweeps["s"]
    assert (sweep.mission, sweep.objective_metric) == ("training_facility_1", "mean_reward")
    again = ExperimentConfig.from_dict(ExperimentConfig.from_dict(own).to_dict())
    assert again.sweeps == ExperimentConfig.from_dict(own).sweeps


def test_trials_have_the_teacher_and_sections_of_the_run() -> None:
    config = ExperimentConfig.from_dict(experiment({"teacher.coef": [1.0]}, {"precision": "bfloat16"}))
    recipe = LearningPlan(config).sweep_plan("s").trial_settings().training
    assert recipe.teacher is not None
    assert (recipe.teacher.class_path, recipe.teacher.steps, recipe.teacher.coef) == ("baseline", 1000, 1.0)
    assert (recipe.num_steps, recipe.precision, recipe.world_size, recipe.held_out) == (100_000, "bfloat16", 1, None)
    changed = with_hyperparameters(recipe, {"teacher.coef": 0.25, "gamma": 0.5})
    assert changed.teacher is not None
    assert (changed.teacher.coef, changed.teacher.steps, changed.hyperparameters.gamma) == (0.25, 1000, 0.5)
    with pytest.raises(BadInputError, match="it cannot be searched"):
        with_hyperparameters(recipe, {"teacher.policy": "random"})


def test_a_trained_teacher_is_an_input_of_the_trials() -> None:
    content = experiment({"teacher.coef": [1.0]}, {"teacher": {"policy": "expert", "steps": 10}})
    content["policies"] = {"expert": {"training": "easy"}}
    learning = LearningPlan(ExperimentConfig.from_dict(content))
    folder = "<out>/training/easy/seed-1"
    assert learning.teacher_of_trials("s") == [f"{folder}/model.safetensors", f"{folder}/model.json"]


@pytest.mark.parametrize(("space", "where", "expected"), [
    ({"teacher.coef": {"type": "float", "low": 0, "high": 1}}, "teacher.coef", "more than 0.0"),
    ({"teacher.steps": {"type": "float", "low": 10, "high": 20}}, "teacher.steps", "an integer"),
    ({"teacher.mode": ["clone", "kickstrat"]}, "teacher.mode", "'kickstart' or 'clone'"),
    ({"teacher.weight": [1.0]}, "teacher.weight", "a key of teacher"),
    ({"techer.coef": [1.0]}, "techer.coef", "a key of a training run"),
    ({"hyperparameters.gamma.x": [1.0]}, "hyperparameters.gamma.x", "a key of hyperparameters.gamma"),
])  # fmt: skip
def test_wrong_keys_and_values_are_errors_before_any_job(space: dict[str, Any], where: str, expected: str) -> None:
    (problem,) = problems(experiment(space))
    assert problem.where == f"my.yaml: sweeps.s.search_space.{where}"
    assert problem.expected == expected


def test_a_key_that_decides_more_than_one_value_is_not_searched() -> None:
    learning = LearningPlan(ExperimentConfig.from_dict(experiment({"teacher.policy": ["baseline", "random"]})))
    with pytest.raises(BadInputError, match="make a sweep for each") as caught:
        learning.sweep_plan("s")
    assert (caught.value.where, caught.value.found) == ("sweep 's': search_space", "'teacher.policy'")


def test_a_section_that_the_run_does_not_have_is_an_error() -> None:
    (problem,) = problems(experiment({"teacher.coef": [1.0]}, {"teacher": None}))
    assert problem.found == "'teacher.coef', and no `teacher` in the run"
    content = experiment({"teacher.coef": [1.0]})
    content["training"]["easy"]["sweep"] = "s"
    (problem,) = problems(content)
    assert (problem.where, problem.found) == (
        "my.yaml: training.easy.sweep", "'teacher.coef', and no `teacher` in the run",
    )  # fmt: skip


def test_a_sweep_without_a_run_has_no_sections() -> None:
    content = experiment({"teacher.coef": [1.0]})
    content["sweeps"]["s"].pop("training")
    with pytest.raises(ConfigError, match="a sweep with `training`"):
        validate_sweep(ExperimentConfig.from_dict(content).sweeps["s"])
    (problem,) = problems(experiment({"gamma": [0.9]}, training="tauhgt"))
    assert (problem.where, problem.hint) == ("my.yaml: sweeps.s.training", "did you mean 'taught'?")


def test_a_sweep_is_not_searched_by_a_run_that_teaches_its_trials() -> None:
    content = experiment({"teacher.coef": [1.0]}, {"teacher": {"policy": "expert", "steps": 10}})
    content["policies"] = {"expert": {"training": "easy"}}
    content["training"]["taught"]["sweep"] = "s"  # no circle: the sweep needs the run's settings only
    ExperimentConfig.from_dict(content)
    content["training"]["easy"] |= {"sweep": "s", "teacher": {"policy": "baseline", "steps": 10}}
    found = problems(content)
    assert any(problem.where == "my.yaml: sweeps.s.teacher" for problem in found)


def test_weights_to_start_from_are_searched() -> None:
    content = experiment({"start_from": [None, "easy", "hard"]})
    content["training"]["hard"] = {"mission": "tutorial.miner", "seeds": [5]}
    learning = LearningPlan(ExperimentConfig.from_dict(content))
    files = [
        f"<out>/training/{run}/model{end}"
        for run in ("easy/seed-1", "hard/seed-5")
        for end in (".safetensors", ".json")
    ]
    assert learning.start_of_trials("s") == files
    recipe = learning.sweep_plan("s").trial_settings()
    starts = {value: recipe.training_with({"start_from": value}, 1).start_from for value in (None, "easy", "hard")}
    assert [start and (start.training, start.seed) for start in starts.values()] == [None, ("easy", 1), ("hard", 5)]


@pytest.mark.parametrize(("choices", "where", "found"), [
    (["esay"], "sweeps.s.search_space.start_from", "'esay'"),
    (["gone.safetensors"], "sweeps.s.search_space.start_from", "'gone.safetensors', which does not exist"),
])  # fmt: skip
def test_wrong_weights_to_start_from_are_errors(choices: list[str], where: str, found: str) -> None:
    (problem,) = problems(experiment({"start_from": choices}))
    assert (problem.where, problem.found) == (f"my.yaml: {where}", found)


def test_a_run_cannot_take_searched_weights() -> None:
    content = experiment({"start_from": ["easy"]})
    content["training"]["taught"]["sweep"] = "s"
    (problem,) = problems(content)
    assert (problem.where, problem.found) == ("my.yaml: training.taught.sweep", "'s'")
    content["training"]["easy"]["sweep"] = content["training"]["taught"].pop("sweep")
    assert any("sweeps.s → training.easy → sweeps.s" in problem.found for problem in problems(content))
    with pytest.raises(ConfigError, match="a list of training runs, paths of weights, or null"):
        validate_sweep(
            ExperimentConfig.from_dict(experiment({"start_from": {"type": "int", "low": 1, "high": 2}})).sweeps["s"]
        )


def test_one_way_to_stop_several_seeds() -> None:
    (problem,) = problems(experiment({"gamma": [0.9]}, seeds_per_trial=2, early_stopping={}))
    assert "early_stopping and seeds_per_trial exclude each other" in problem.expected
    (problem,) = problems(experiment({"gamma": [0.9]}, score_missions=["a", "a"]))
    assert "score_missions" in problem.where


def test_keys_at_their_defaults_change_no_recipe() -> None:
    config = ExperimentConfig.from_dict({"sweeps": {"s": {"search_space": {"gamma": [0.9]}}}})
    assert not {"training", "score_missions", "seeds_per_trial", "objective"} & set(config.sweeps["s"].to_dict())
    settings = LearningPlan(config).sweep_plan("s").trial_settings().to_dict()
    assert not {"score_missions", "seeds", "objective"} & set(settings)
