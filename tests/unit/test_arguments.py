"""Every public function refuses an argument of another type than its annotation's, and names the parameter."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from daf.config import DAFComparisonConfig, DAFSweepConfig
from daf.errors import BadInputError, DafError
from daf.system.arguments import check_argument, checked_arguments
from daf.tournaments import TournamentResults

PAGES = (
    "comparison", "deployment", "distributed_training", "environment_checks", "mission_analysis", "policies", "sweeps",
    "tournaments", "visualization",
)  # fmt: skip
SCORES = [{"policy": policy, "mission": "m", "score": 1.0 + n} for policy in "ab" for n in range(3)]
FITTING = {  # an argument that is accepted, where another parameter is tried
    "candidates": ["random"],
    "cfg": DAFSweepConfig(name="s", mission="tutorial.miner", search_space={"learning_rate": [0.1, 0.2]}),
    "components": ["x"],
    "endpoint": "registry",
    "episodes": "episodes.parquet",
    "job": "run",
    "matches": SCORES,
    "metrics": "metrics.jsonl",
    "mission": "tutorial.miner",
    "mission_name": "tutorial.miner",
    "mission_names": ["tutorial.miner"],
    "missions": ["tutorial.miner"],
    "name": "x",
    "output": "x.json.z",
    "signing_key": "signing.key",
    "package_path": "x.zip",
    "policies": ["random"],
    "policy": "random",
    "results": type("ComparisonResults", (TournamentResults,), {"__init__": lambda _: None})(),  # fits both
    "scores": SCORES,
}
WRONG = (3, 2.5, "3", True, None, 1j, object(), b"3", ["x"], {"x": 1}, [[1]], {1: {2: 3}}, int, len, np.array(3.0),
         torch.tensor(3.0), pd.DataFrame({"x": [1]}), Path("x"), {1, 2}, range(3), DAFComparisonConfig)  # fmt: skip


def public_functions() -> list[Any]:
    functions = {}
    for page in PAGES:
        module = importlib.import_module(f"daf.{page}")
        functions |= {name: getattr(module, name) for name in module.__all__ if name.startswith("daf_")}
    return sorted(functions.values(), key=lambda function: str(function.__name__))


CASES = [
    (function, name)
    for function in public_functions()
    for name, parameter in inspect.signature(function).parameters.items()
    if parameter.kind is not parameter.VAR_KEYWORD
]


@pytest.mark.parametrize(("function", "name"), CASES, ids=[f"{function.__name__}-{name}" for function, name in CASES])
def test_a_value_of_another_type_is_named(function: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = inspect.signature(function).parameters
    others = {key: FITTING[key] for key, p in parameters.items() if p.default is p.empty and key in FITTING}
    calls: list[dict[str, Any]] = []

    def body(*args: Any, **kwargs: Any) -> None:
        calls.append(kwargs)

    body.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    body.__name__, body.__wrapped__ = function.__name__, inspect.unwrap(function)  # type: ignore[attr-defined]
    refused = 0
    for value in WRONG:
        try:
            checked_arguments(body)(**{**others, name: value})
        except BadInputError as error:
            problem = error
        else:
            continue
        refused += 1
        assert problem.where == f"{function.__name__}: {name}"
        assert all((problem.expected, problem.found, problem.hint))
    takes_anything = str(parameters[name].annotation) in ("Any", "Policies")
    assert refused or takes_anything
    assert hasattr(function, "__wrapped__"), "the function itself is checked"


@pytest.mark.parametrize(
    ("call", "where"),
    [
        (lambda: page("comparison").daf_policy_ablation("random", 5), "daf_policy_ablation: components"),
        (lambda: page("mission_analysis").daf_analyze_mission("tutorial.miner", episodes="3"), "_mission: episodes"),
        (
            lambda: page("mission_analysis").daf_analyze_mission_set(["arena"], "random", 2, seed="1"),
            "analyze_mission: seed",
        ),
        (lambda: page("comparison").daf_compare_policies(["random"], ["arena"], workers="2"), "policies: workers"),
        (
            lambda: page("comparison").daf_policy_ablation("random", {"v": {}}, ["arena"], workers="2"),
            "ablation: workers",
        ),
        (lambda: page("sweeps").daf_launch_sweep("sweep.yaml"), "daf_launch_sweep: cfg"),
        (lambda: page("comparison").daf_compare_scores(5), "daf_compare_scores: scores"),
        (lambda: page("deployment").daf_package_policy("random", options={"files": []}), "policy: options"),
    ],
)
def test_public_functions_refuse_what_they_cannot_use(call: Any, where: str) -> None:
    with pytest.raises(BadInputError) as caught:
        call()
    assert caught.value.where.endswith(where)


@pytest.mark.parametrize("policy", [5, 2.5, object(), [1], {1: 2}, {"x": "y"}, b"x", np.array(1.0), len, True])
def test_anything_else_as_a_policy_is_refused(policy: Any) -> None:
    with pytest.raises(DafError):
        page("mission_analysis").daf_analyze_mission("tutorial.miner", policy, 1)
    with pytest.raises(DafError):
        page("comparison").daf_compare_policies([policy], ["tutorial.miner"], 1)
    with pytest.raises(DafError):
        page("comparison").daf_policy_ablation(policy, ["x"], ["tutorial.miner"])


@pytest.mark.parametrize("below", [False, True])
@pytest.mark.parametrize("name", [case[0].__name__ for case in CASES if case[1] == "output_dir"])
def test_an_output_folder_that_is_a_file_is_refused_before_any_work(name: str, below: bool, tmp_path: Path) -> None:
    (file := tmp_path / "results.txt").write_text("mine")
    (function,) = (found for found in public_functions() if found.__name__ == name)
    parameters = inspect.signature(function).parameters
    others = {key: FITTING[key] for key, p in parameters.items() if p.default is p.empty and key in FITTING}
    with pytest.raises(BadInputError) as caught:
        function(**others, output_dir=file / "new" if below else file)
    assert (caught.value.expected, caught.value.where) == ("a folder, or a path for a new one", f"{name}: output_dir")
    assert f"the file '{file}'" in caught.value.found
    assert caught.value.hint
    assert file.read_text() == "mine"


def page(name: str) -> Any:
    return importlib.import_module(f"daf.{name}")


def test_messages_say_what_is_expected() -> None:
    with pytest.raises(BadInputError, match="expected: a whole number or 'auto'\n  found:    '3' "):
        page("comparison").daf_compare_policies(["random"], ["arena"], "3")
    with pytest.raises(BadInputError) as caught:
        page("comparison").daf_compare_policies(["random"], ["arena", 7])
    assert (caught.value.expected, caught.value.found, caught.value.where, caught.value.hint) == (
        "a list of missions, each text or a MissionConfig",
        "7 (int) at position 2",
        "daf_compare_policies: missions",
        "put the text in quotes",
    )
    with pytest.raises(BadInputError, match="hint:     put it in brackets"):
        page("environment_checks").daf_check_mission_configs("arena")


def test_values_of_numpy_are_numbers_as_well() -> None:
    for value, kind in (
        (np.int64(3), int),
        (np.float32(3), float),
        (3, float),
        (np.bool_(True), bool),
        ([], list[int]),
    ):
        check_argument(value, kind, "f: x")
