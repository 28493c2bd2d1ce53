"""`--set`: overridden keys hold, are recorded, and are refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from daf.config import ExperimentConfig
from daf.config.overrides import effective_file, with_overrides
from daf.errors import ConfigError

EXPERIMENT = {
    "name": "small",
    "daf": {"output_dir": "out"},
    "training": {"miner": {"mission": "tutorial.miner", "num_steps": 1000}, "miner.b": {"mission": "tutorial.miner"}},
    "policies": {"miner": {"training": "miner"}, "walk": {"class_path": "random", "init_kwargs": {"text": "1e-3"}}},
}


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("my.yaml").write_text(yaml.safe_dump(EXPERIMENT).replace("1e-3", "'1e-3'"))
    return Path("my.yaml")


def test_values_are_read_as_in_the_file_and_recorded(file: Path) -> None:
    experiment, content = with_overrides(file, ["training.miner.num_steps=1e6", "training.miner.seeds=[1, 2]"])
    assert (experiment.training["miner"].num_steps, experiment.training["miner"].seeds) == (1_000_000, [1, 2])
    assert content["overrides"] == {
        "file": "my.yaml",
        "keys": {
            "training.miner.num_steps": {"before": 1000, "after": 1_000_000},
            "training.miner.seeds": {"before": [1], "after": [1, 2]},  # a default
        },
    }


def test_a_name_with_dots_is_one_key(file: Path) -> None:
    experiment, _ = with_overrides(file, ["training.miner.b.num_steps=7"])
    assert experiment.training["miner.b"].num_steps == 7
    assert experiment.training["miner"].num_steps == 1000


def test_a_whole_entry_may_be_new(file: Path) -> None:
    experiment, _ = with_overrides(file, ["policies.other=random", "deployment.policy=other"])
    assert experiment.policies["other"].class_path == "random"
    assert experiment.deployment is not None


def test_the_effective_file_says_the_same_and_never_changes(file: Path) -> None:
    path = effective_file(file, ["training.miner.num_steps=5"])
    assert path.parent == Path("out/logs/experiments")
    experiment = ExperimentConfig.from_yaml(path)
    assert experiment == with_overrides(file, ["training.miner.num_steps=5"])[0]
    assert experiment.policies["walk"].init_kwargs == {"text": "1e-3"}  # still text
    assert list(json.loads(path.read_text())["training"]) == list(yaml.safe_load(file.read_text())["training"])
    written = path.stat().st_mtime_ns
    assert effective_file(file, ["training.miner.num_steps=5"]).stat().st_mtime_ns == written
    assert effective_file(file, ["training.miner.num_steps=6"]) != path
    assert effective_file(file, []) == file


@pytest.mark.parametrize(
    ("text", "expected", "found", "hint"),
    [
        ("training.miner.num_step=3", "a known key", "'num_step'", "did you mean 'num_steps'?"),
        ("trainin.miner.num_steps=3", "a known key", "'trainin'", "did you mean 'training'?"),
        ("training.minr.num_steps=3", "a name under `training` of my.yaml", "'minr'", "did you mean 'miner'"),
        ("training.miner.num_steps=many", "an integer", "'many' (str)", "write a plain number"),
        ("training.miner.mission.x=1", "keys below `training.miner.mission`", "'tutorial.miner'", "override the whole"),
        ("training.miner.num_steps", "key=value", "'training.miner.num_steps'", "write the key with dots"),
        ("training..x=1", "key=value", "'training..x=1'", "write the key with dots"),
        ("training.miner.seeds=[1", "valid YAML", "line 1", "brackets"),
        ("policies.miner.training=mine", "the name of a training run in this file", "'mine'", "did you mean 'miner'"),
    ],
)
def test_a_wrong_override_is_named(file: Path, text: str, expected: str, found: str, hint: str) -> None:
    with pytest.raises(ConfigError) as raised:
        with_overrides(file, [text])
    (problem,) = raised.value.problems
    assert problem.where == f"--set {text}"
    assert problem.expected == expected
    assert found in problem.found
    assert hint in problem.hint


def test_all_wrong_overrides_are_named_at_once(file: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        with_overrides(file, ["training.miner.num_step=3", "daf.sed=1"])
    assert [problem.where for problem in raised.value.problems] == [
        "--set daf.sed=1",
        "--set training.miner.num_step=3",
    ]


def test_a_key_is_overridden_once(file: Path) -> None:
    with pytest.raises(ConfigError, match="each key once"):
        with_overrides(file, ["daf.seed=1", "daf.seed=2"])


def test_a_problem_of_the_file_names_the_file(file: Path) -> None:
    file.write_text(file.read_text().replace("num_steps: 1000", "num_steps: lots"))
    with pytest.raises(ConfigError) as raised:
        with_overrides(file, ["daf.seed=1"])
    assert raised.value.where == "my.yaml: training.miner.num_steps"
