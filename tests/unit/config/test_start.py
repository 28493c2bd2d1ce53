"""`start_from`: what it may name, which seed it means, and circles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from daf.config import DAFSweepConfig, ExperimentConfig
from daf.config.recipes import training_recipe, trial_recipe
from daf.config.start import StartRecipe, start_recipe
from daf.errors import BadInputError, ConfigError
from daf.search.recipe import sweep_recipe
from daf.system.files import file_sha256

SPACE = {"learning_rate": [0.001, 0.002]}


def experiment(training: dict[str, Any], sweeps: dict[str, Any] | None = None) -> ExperimentConfig:
    sweeps = {name: {"search_space": SPACE, **sweep} for name, sweep in (sweeps or {}).items()}
    return ExperimentConfig.from_dict({"training": training, "sweeps": sweeps}, source="my.yaml")


def problems(*sections: Any) -> dict[str, BadInputError]:
    with pytest.raises(ConfigError) as caught:
        experiment(*sections)
    return {problem.where.removeprefix("my.yaml: "): problem for problem in caught.value.problems}


def test_a_run_starts_from_the_same_seed_of_another_or_else_its_first() -> None:
    runs = experiment({"easy": {"seeds": [4, 2]}, "hard": {"start_from": "easy", "seeds": [1, 2]}}).training
    starts = [training_recipe(runs["hard"], seed, {}, runs).start_from for seed in (1, 2)]
    assert starts == [StartRecipe(training="easy", seed=4), StartRecipe(training="easy", seed=2)]
    assert start_recipe("easy", None, runs) == StartRecipe(training="easy", seed=4)  # a trial's
    assert start_recipe(None, 1, runs) is None


def test_a_file_is_known_by_its_content(tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"one")
    runs = experiment({"hard": {"start_from": str(weights)}}).training
    first = training_recipe(runs["hard"], 1, {}, runs)
    assert first.start_from == StartRecipe(weights_sha256=file_sha256(weights))
    weights.write_bytes(b"other")
    assert training_recipe(runs["hard"], 1, {}, runs).digest != first.digest


def test_trials_start_from_the_first_seed_and_sweeps_without_a_start_keep_their_recipe() -> None:
    whole = experiment({"easy": {"seeds": [4, 2]}}, {"s": {"start_from": "easy"}, "t": {}})
    trial = trial_recipe(whole.sweeps["s"], {}, 250, stop_at_steps=None, runs=whole.training)
    assert trial.training.start_from == StartRecipe(training="easy", seed=4)
    assert sweep_recipe(whole.sweeps["s"])["start_from"] == "easy"
    assert "start_from" not in sweep_recipe(whole.sweeps["t"])
    again = DAFSweepConfig.from_dict(whole.sweeps["s"].to_dict())
    assert again.start_from == "easy"


def test_what_names_neither_a_run_nor_a_file_of_weights(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").touch()
    found = problems(
        {"easy": {}, "hard": {"start_from": "eassy"}, "harder": {"start_from": str(tmp_path / "modle.safetensors")}},
        {"s": {"start_from": str(tmp_path)}},
    )
    assert found.keys() == {"training.hard.start_from", "training.harder.start_from", "sweeps.s.start_from"}
    hard, harder = found["training.hard.start_from"], found["training.harder.start_from"]
    assert (hard.expected, hard.found, hard.hint) == (
        "another training run of this file, or the path of a .safetensors file",
        "'eassy'",
        "did you mean 'easy'?",
    )
    assert harder.expected == "a file of weights"
    assert harder.hint == "did you mean 'model.safetensors'?"


@pytest.mark.parametrize(
    ("training", "sweeps", "ways"),
    [
        ({"a": {"start_from": "a"}}, {}, {"training.a": "training.a → training.a"}),
        (
            {"a": {"start_from": "b"}, "b": {"start_from": "c"}, "c": {"start_from": "b"}},
            {},
            {
                "training.b": "training.b → training.c → training.b",
                "training.c": "training.c → training.b → training.c",
            },
        ),
        (
            {"a": {"sweep": "s"}},
            {"s": {"warm_start": "t"}, "t": {"start_from": "a"}},
            {"sweeps.t": "sweeps.t → training.a → sweeps.s → sweeps.t"},
        ),
    ],
)
def test_circles_are_refused_with_their_way(
    training: dict[str, Any], sweeps: dict[str, Any], ways: dict[str, str]
) -> None:
    found = problems(training, sweeps)
    assert {where.removesuffix(".start_from"): problem.found for where, problem in found.items()} == ways


def test_a_teacher_that_its_pupil_trains_or_that_is_a_team_is_refused() -> None:
    def taught(by: str, **more: Any) -> dict[str, Any]:
        return {"teacher": {"policy": by, "steps": 10}, **more}

    policies = {"mine": {"training": "b"}, "team": {"policies": {"mine": 1, "random": 1}}}
    with pytest.raises(ConfigError) as caught:
        ExperimentConfig.from_dict(
            {
                "policies": policies,
                "training": {"a": taught("mine"), "b": {"start_from": "a"}, "c": taught("team"), "d": taught("random")},
            },
            source="my.yaml",
        )
    assert {problem.where: problem.found for problem in caught.value.problems} == {
        "my.yaml: training.a.teacher": "training.a → training.b → training.a",
        "my.yaml: training.b.start_from": "training.b → training.a → training.b",
        "my.yaml: training.c.teacher.policy": "the team 'team'",
    }


def test_partners_that_the_run_itself_trains_or_that_are_teams_are_refused() -> None:
    policies = {"mine": {"training": "b"}, "team": {"policies": {"mine": 1, "random": 1}}}
    with pytest.raises(ConfigError) as caught:
        ExperimentConfig.from_dict(
            {
                "policies": policies,
                "training": {
                    "a": {"partners": {"pool": ["random", "mine"], "validation": ["team"]}},
                    "b": {"start_from": "a"},
                    "c": {"partners": {"validation": ["mine"]}},
                },
            },
            source="my.yaml",
        )
    assert {problem.where: problem.found for problem in caught.value.problems} == {
        "my.yaml: training.a.partners.pool[1]": "training.a → training.b → training.a",
        "my.yaml: training.a.partners.validation[0]": "the team 'team'",
        "my.yaml: training.b.start_from": "training.b → training.a → training.b",
    }


def test_many_runs_in_a_row_are_no_circle() -> None:
    training = {f"r{n}": {"start_from": f"r{n - 1}"} if n else {} for n in range(30)}
    sweeps = {"s": {"start_from": "r29"}, "t": {"start_from": "r29", "warm_start": "s"}}
    assert experiment({**training, "last": {"sweep": "t", "start_from": "r3"}}, sweeps)
