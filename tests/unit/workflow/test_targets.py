"""Targets that cannot be: unknown names in a path, rules that make many files, folders that take no file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from daf.config import ExperimentConfig
from daf.errors import BadInputError
from daf.workflow.plan import Plan
from daf.workflow.snakemake_internals import finds_its_locks
from daf.workflow.targets import check_writable, refuse_braces, refuse_patterns

EXPERIMENT = {
    "policies": {"mine": "random"},
    "sweeps": {"knobs": {"search_space": {"learning_rate": [0.001, 0.002]}}},
    "training": {"run": {"mission": "tutorial.miner", "num_steps": 1000}},
    "comparisons": {"main": {"policies": ["mine", "noop"], "missions": ["tutorial.miner"]}},
}


def test_an_unknown_name_in_a_targets_path_is_named_with_the_nearest_one() -> None:
    plan = Plan(ExperimentConfig.from_dict(EXPERIMENT))
    for look, near in (
        (lambda: plan.checkpoints.labelled("mine2"), "mine"),
        (lambda: plan.episodes.recipe("mine", "tutorial.minr", 0), "tutorial.miner"),
        (lambda: plan.episodes.recipe("minee", "tutorial.miner", 0), "mine"),
        (lambda: plan.episodes.shards("tutorial.minr"), "tutorial.miner"),
        (lambda: plan.episodes.mission_recipe("tutorial.minr"), "tutorial.miner"),
        (lambda: plan.episodes.pairs("man"), "main"),
        (lambda: plan.learning.run("rn"), "run"),
        (lambda: plan.learning.sweep("knob"), "knobs"),
        (lambda: plan.learning.sweep_plan("knob"), "knobs"),
    ):
        with pytest.raises(BadInputError) as caught:
            look()
        assert caught.value.where == "target"
        assert f"'{near}'" in caught.value.hint


def test_a_package_needs_a_deployment_section() -> None:
    with pytest.raises(BadInputError, match="a `deployment` section with a policy"):
        Plan(ExperimentConfig.from_dict(EXPERIMENT)).checkpoints.packaged()
    deployed = {**EXPERIMENT, "deployment": {"policy": "mine"}}
    assert Plan(ExperimentConfig.from_dict(deployed)).checkpoints.packaged().label == "mine"


def test_a_rule_that_makes_many_files_names_the_file_to_request() -> None:
    outputs = {
        "deploy_policy": ["out/deployment/{checkpoint}-{version}.deployed.json"],
        "run_trial": ["out/sweeps/{sweep}/trial-{trial}/result.json"],
    }
    refuse_patterns(["all", "out/deployment/mine-0.1.0.deployed.json"], outputs, None)
    for target, deployed, hint in (
        ("deploy_policy", ("mine", "1.2.3"), "snakemake out/deployment/mine-1.2.3.deployed.json"),
        ("deploy_policy", None, "no `deployment` section"),
        ("run_trial", ("mine", "1.2.3"), "out/sweeps/{sweep}/trial-{trial}/result.json"),
    ):
        with pytest.raises(BadInputError) as caught:
            refuse_patterns([target], outputs, deployed)
        assert hint in caught.value.hint


def test_a_read_only_output_folder_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_writable(tmp_path / "new" / "deeper")
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInputError, match="is a file"):
        check_writable(tmp_path / "file" / "out")
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)  # root may write anywhere
    for folder in (tmp_path, tmp_path / "new"):
        with pytest.raises(BadInputError) as caught:
            check_writable(folder)
        assert "is read-only" in caught.value.found
        assert "chmod" in caught.value.hint


@pytest.mark.parametrize("name", ["p {0}", "{1a}", "{n}", "{a,b}"])
def test_a_folder_whose_braces_snakemake_would_misread(name: str) -> None:
    with pytest.raises(BadInputError) as caught:
        refuse_braces(Path("/home") / name, finds_its_locks)
    assert caught.value.found == f"'{name[name.index('{') :]}'"
    assert caught.value.where == f"/home/{name}"
    assert caught.value.hint.startswith("rename the folder")


@pytest.mark.parametrize("name", ["plain", "{v2}", "{a-b}", "run {sweep}", "a}b{c", "{}", "{a}/{a}"])
def test_a_folder_with_other_braces(name: str) -> None:
    refuse_braces(Path("/home") / name, finds_its_locks)
