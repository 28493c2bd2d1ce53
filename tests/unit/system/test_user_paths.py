"""Paths as people write them, in the configuration and in Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from daf.config import DAFSweepConfig, ExperimentConfig, PolicyConfig
from daf.errors import BadInputError, ConfigError
from daf.output_manager import OutputManager
from daf.system.user_paths import user_path


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DATA", "/data")
    monkeypatch.delenv("NOWHERE", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("~/x", "{home}/x"), ("$HOME/x", "{home}/x"), ("${DATA}s/$DATA", "/datas//data"), ("./~x", "./~x"),
        ("a$5", "a$5"), ("plain", "plain"),
    ],
)  # fmt: skip
def test_home_and_variables_are_expanded(text: str, path: str, home: Path) -> None:
    assert user_path(text) == Path(path.format(home=home))


@pytest.mark.parametrize("text", ["$NOWHERE/x", "~someone-else/x", "", "a\x00b", "x" * 300, "a/" * 3000])
def test_what_cannot_be_a_path_is_refused(text: str) -> None:
    with pytest.raises(BadInputError) as caught:
        user_path(text, "output_dir")
    assert caught.value.where == "output_dir"
    assert caught.value.hint


def test_every_path_of_an_experiment_is_expanded(home: Path) -> None:
    data: dict[str, Any] = {
        "daf": {"output_dir": "~/out"},
        "missions": {"mine": {"source": "~/mine.yaml"}},
        "policies": {"w": {"data_path": "$HOME/w.zip"}, "t": {"policies": {"~/a.zip": 1, "random": 1}}},
        "training": {"r": {"mission": "$HOME/r.yaml"}},
        "sweeps": {"s": {"mission": "~/s.yaml", "search_space": {"gamma": [0.9]}, "output_dir": "~/s"}},
        "comparisons": {
            "c": {
                "policies": ["random", "~/p.zip"], "missions": ["~/c.yaml"], "reference": "~/p.zip",
                "normalization": {"low": {"~/c.yaml": 0.0}, "high": {"~/c.yaml": 1}},
            }
        },
        "deployment": {"policy": "w", "validation_mission": "~/v.yaml", "endpoint": "~/registry"},
    }  # fmt: skip
    experiment = ExperimentConfig.from_dict(data)
    assert "~" not in str(experiment.to_dict())
    assert experiment.daf.output_dir == home / "out"
    assert experiment.policies["w"].data_path == home / "w.zip"
    assert list(experiment.policies["t"].policies) == [f"{home}/a.zip", "random"]
    assert experiment.comparisons["c"].missions == [f"{home}/c.yaml"]


def test_an_undefined_variable_names_its_key() -> None:
    with pytest.raises(ConfigError) as caught:
        ExperimentConfig.from_dict({"daf": {"output_dir": "$NOWHERE/x"}}, source="x.yaml")
    (problem,) = caught.value.problems
    assert problem.where == "x.yaml: daf.output_dir"
    assert "$NOWHERE" in problem.expected


def test_a_name_with_a_dollar_that_exists_is_that_name(tmp_path: Path) -> None:
    (tmp_path / "cost$x").mkdir()
    for name in ("cost$x", "cost$x/new/out"):
        assert user_path(f"{tmp_path}/{name}") == tmp_path / name
    with pytest.raises(BadInputError, match=r"\$x is not"):
        user_path(f"{tmp_path}/price$x")


def test_names_and_addresses_stay_as_they_are() -> None:
    data = {"policies": {"r": "random"}, "deployment": {"policy": "r", "endpoint": "https://host/~me"}}
    experiment = ExperimentConfig.from_dict(data)
    assert experiment.deployment is not None
    assert experiment.deployment.endpoint == "https://host/~me"


def test_python_arguments_are_expanded(home: Path) -> None:
    assert PolicyConfig.of("~/probe.zip").data_path == home / "probe.zip"
    assert OutputManager("~/out").base_dir == home / "out"
    (home / "s.yaml").write_text("name: s\nsearch_space: {gamma: [0.9]}\n")
    assert DAFSweepConfig.from_yaml("~/s.yaml").name == "s"
