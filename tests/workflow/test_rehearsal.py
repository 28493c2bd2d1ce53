"""Faults of users' policies are reported before the first job: all of them, in one run of Snakemake."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.workflow.tools import PROJECT, snakemake, write_experiment

FIVE = {  # the five requirements of a policy that can be trained, and how each fault is named
    "WithoutNetwork": "None: the policy cannot be trained",
    "WithoutForwardEval": "network_class without it",
    "CannotAct": "neither of them: the class cannot act",
    "SavesNothing": "none at that path",
    "WithoutAgents": "None",
}
MISSION = {"short": {"source": "training_facility_1", "max_steps": 20}}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder with modules of policies."""
    source = PROJECT / "tests" / "unit" / "engine"
    for name in ("broken_policies.py", "networks_of_users.py"):
        (tmp_path / name).write_text((source / name).read_text())
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    return tmp_path


def plan(folder: Path, **experiment: Any) -> Any:
    write_experiment(folder, {"name": "rehearsed", "missions": MISSION, **experiment})
    return snakemake(folder, "-n")


def comparison(*policies: str) -> dict[str, Any]:
    return {"c": {"policies": list(policies), "missions": ["short"], "episodes_per_mission": 2}}


def test_five_policies_that_fail_in_five_ways_are_reported_at_once(folder: Path) -> None:
    training = {
        name.lower(): {"mission": "short", "num_steps": 1000, "policy_class_path": f"broken_policies.{name}"}
        for name in FIVE
    }
    done = plan(
        folder,
        training=training,
        policies={name: {"training": name} for name in training},
        comparisons=comparison(*training),
    )
    assert done.returncode == 2
    assert "Building DAG" not in done.stderr
    problems = done.stderr.split("experiment.yaml: ")
    for name, found in FIVE.items():
        mine = [problem for problem in problems if problem.startswith(f"training.{name.lower()}.policy_class_path")]
        assert any(f"found:    {found}" in problem for problem in mine), done.stderr
        assert all(f"broken_policies.{name}" in problem for problem in mine)
    assert done.stderr.count("broken_policies.py:") >= 4


@pytest.mark.long
def test_scripted_and_trained_policies_of_every_kind_pass(folder: Path) -> None:
    done = plan(
        folder,
        training={
            "a": {"mission": "short", "num_steps": 1000, "policy_class_path": "networks_of_users.Rememberer"},
        },
        policies={
            "trained": {"training": "a"},
            "loud": "broken_policies.Noisome",
            "numbered": {"class_path": "broken_policies.Numbered", "init_kwargs": {"offset": 1}},
            "team": {"policies": {"trained": 1, "networks_of_users.Marcher": 1}},
        },
        comparisons=comparison("trained", "loud", "numbered", "team", "random"),
        deployment={"policy": "trained", "validation_mission": "short"},
    )
    assert done.returncode == 0, done.stderr
    assert "Job stats" in done.stdout + done.stderr
    assert "echo" not in done.stdout


@pytest.mark.slow
def test_policies_that_end_the_program_are_named(folder: Path) -> None:
    (folder / "leaves_at_import.py").write_text("import os\nprint('}{')\nos._exit(0)\n")
    causes = {
        "broken_policies.ExitsInInit": "SystemExit: 0 (broken_policies.py:",
        "broken_policies.EndsTheProcess": "the process ended with status 0 while calling step_batch",
        "leaves_at_import.Policy": "the process ended with status 0 while importing it",
    }
    policies = {f"p{number}": policy for number, policy in enumerate(causes)}
    done = plan(folder, policies={**policies, "other": "randon"}, comparisons=comparison(*policies, "other"))
    assert done.returncode == 2
    problems = done.stderr.split("experiment.yaml: ")
    for label, policy in policies.items():
        (problem,) = [one for one in problems if one.startswith(f"policies.{label} (policy '{label}'")]
        assert f"found:    {causes[policy]}" in problem
    assert "did you mean 'random'?" in done.stderr  # the other mistake is found as well


def test_a_strategy_that_ends_the_check_is_named(folder: Path) -> None:
    (folder / "my_search.py").write_text("import os\nos._exit(0)\n")
    sweep = {"mission": "short", "search_space": {"learning_rate": [0.1]}, "strategy": "my_search.Mine"}
    done = plan(folder, sweeps={"s": sweep})
    assert done.returncode == 2
    assert "experiment.yaml: sweeps.s.search_space" in done.stderr
    assert "its process ended with exit code 0" in done.stderr


@pytest.mark.long
def test_what_only_prevents_deployment_is_a_warning(folder: Path) -> None:
    training = {"a": {"mission": "short", "num_steps": 1000, "policy_class_path": "broken_policies.OnlyBatchTrained"}}
    done = plan(folder, training=training, policies={"p": {"training": "a"}}, comparisons=comparison("p"))
    assert done.returncode == 0
    assert "Warning: " in done.stderr
    assert "expected: agent_policy(agent_id)" in done.stderr
    deployed = plan(folder, training=training, policies={"p": {"training": "a"}}, deployment={"policy": "p"})
    assert deployed.returncode == 2
