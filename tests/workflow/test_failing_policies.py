"""Policies and networks of a user that fail, in the whole workflow: exit code, files, pages, and what is made again."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.workflow.tools import job_counts, skip_engine_check, snakemake, write_experiment

pytestmark = pytest.mark.slow

POLICIES = """
import os, sys
from mettagrid.policy.policy import MultiAgentPolicy
from daf.engine.grid_policy import GridNetwork, GridPolicy

class Broken(MultiAgentPolicy):
    def step_batch(self, raw_observations, raw_actions):
        raise LookupError("no way")

class Leaver(MultiAgentPolicy):
    def step_batch(self, raw_observations, raw_actions):
        sys.exit(0)

class Mover(MultiAgentPolicy):
    def step_batch(self, raw_observations, raw_actions):
        print("moving")
        os.chdir("/")
        raw_actions[:] = 0

class Network(GridNetwork):
    def forward_eval(self, observations, state=None):
        raise LookupError("no layer")

class Learner(GridPolicy):
    short_names = []
    def __init__(self, policy_env_info, device="cpu", **sizes):
        super().__init__(policy_env_info, device, **sizes)
        self._network = Network(policy_env_info, **sizes)
"""
EXPERIMENT: dict[str, Any] = {
    "missions": {"hall": {"source": "training_facility_1", "max_steps": 10}},
    "policies": {"broken": "my_policies.Broken", "leaver": "my_policies.Leaver", "mover": "my_policies.Mover"},
    "comparisons": {
        "main": {"policies": ["broken", "leaver", "mover"], "missions": ["hall"], "episodes_per_mission": 2}
    },
}
SWEEP = {
    "mission": "hall",
    "policy_class_path": "my_policies.Learner",
    "search_space": {"learning_rate": {"type": "float", "low": 0.001, "high": 0.01}},
    "strategy": "random",
    "num_trials": 5,
    "lag": 2,
    "steps_per_trial": 256,
    "episodes_per_trial": 1,
    "hyperparameters": {"num_envs": 4, "horizon": 16, "minibatch_size": 64},
}


def prepare(folder: Path, experiment: dict[str, Any]) -> None:
    write_experiment(folder, experiment)
    (folder / "my_policies.py").write_text(POLICIES)
    skip_engine_check(folder)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("failing")
    prepare(folder, EXPERIMENT)
    return folder, snakemake(folder, "-j2", "compare", "missions")


def test_the_run_ends_with_exit_code_1_and_names_the_causes(played: tuple[Path, Any]) -> None:
    _, done = played
    assert done.returncode == 1
    output = done.stdout + done.stderr
    assert "broken on hall: 2 of 2 failed, the first with LookupError: no way (my_policies.py:8 in step_batch" in output
    assert "leaver on hall: 2 of 2 failed, the first with SystemExit: 0 (my_policies.py:12 in step_batch" in output
    assert re.findall(r"(\w+) · failed.* · see", output) == ["check_evaluations"]
    assert "RuleException" not in output


def test_tables_and_pages_are_made_all_the_same(played: tuple[Path, Any]) -> None:
    out = played[0] / "daf_output"
    assert not (out / "evaluations/check.json").exists()
    summary = pd.read_csv(out / "comparisons/main/summary.csv")
    assert set(summary["policy"]) == {"broken", "leaver", "mover"}
    for page in ("comparisons/main/report.html", "reports/missions/hall.html"):
        text = (out / page).read_text()
        alert = text[text.index('role="alert"') :].partition("</div>")[0]
        assert "<strong>broken: 2 of 2 episodes failed" in alert
        assert "LookupError: no way (my_policies.py:8 in step_batch, step 0, seed 1000000)" in alert
        assert "mover" not in alert


def test_tracebacks_and_what_policies_print_are_in_the_logs(played: tuple[Path, Any]) -> None:
    logs = played[0] / "daf_output/logs/evaluations"
    assert 'raise LookupError("no way")' in (logs / "broken/hall/episodes-0.log").read_text()
    assert (logs / "mover/hall/episodes-0.log").read_text().count("moving\n") == 20


@pytest.mark.long
def test_a_declared_tolerance_repeats_only_the_check(played: tuple[Path, Any]) -> None:
    folder, _ = played
    prepare(folder, {**EXPERIMENT, "evaluation": {"max_failed_share": 1.0}})
    counts = job_counts(snakemake(folder, "-n", "compare").stdout)
    assert counts == {"check_evaluations": 1, "compare": 1, "total": 2}
    assert snakemake(folder, "-j2", "compare").returncode == 0
    check = json.loads((folder / "daf_output/evaluations/check.json").read_text())
    assert [count["failed"] for count in check["evaluations"]] == [2, 2, 0]


@pytest.mark.long
def test_a_sweep_whose_trials_all_fail_ends_and_has_a_page(tmp_path: Path) -> None:
    # This search adapts: trial 3 waits for two results. Trials of others run in any order, and all of them might.
    prepare(tmp_path, {"missions": EXPERIMENT["missions"], "sweeps": {"lr": {**SWEEP, "strategy": "bayesian"}}})
    done = snakemake(tmp_path, "-j1", "sweep")
    assert done.returncode == 1
    folder = tmp_path / "daf_output/sweeps/lr"
    results = [json.loads(path.read_text()) for path in folder.glob("trial-*/result.json")]
    assert sorted(result["status"] for result in results) == ["failed"] * 3 + ["skipped"] * 2
    cause = "LookupError: no layer (my_policies.py:22 in forward_eval)"
    assert {result["reason"] for result in results if result["status"] == "failed"} == {cause}
    assert f"most common reason (3 of 3): {cause}" in done.stdout + done.stderr
    assert not (folder / "best.json").exists()
    assert f"3 of 5 trials failed: {cause}" in (folder / "report.html").read_text()


@pytest.mark.long
def test_after_a_failed_training_all_failed_policies_are_listed_once_and_the_others_are_compared(
    tmp_path: Path,
) -> None:
    """The check of all evaluations cannot run, since those of the trained policy are missing."""
    small = {"num_envs": 4, "horizon": 16, "minibatch_size": 64}
    training = {
        "mission": "hall",
        "policy_class_path": "my_policies.Learner",
        "num_steps": 256,
        "hyperparameters": small,
    }
    policies = {"learner": {"training": "lesson"}, "broken": "my_policies.Broken", "calm": "noop"}
    comparison = {"policies": list(policies), "missions": ["hall"], "episodes_per_mission": 2, "num_resamples": 100}
    prepare(
        tmp_path,
        {
            "missions": EXPERIMENT["missions"],
            "training": {"lesson": training},
            "policies": policies,
            "comparisons": {"main": comparison},
        },
    )
    done = snakemake(tmp_path, "-j2", "compare")
    assert done.returncode == 1
    _, _, end = done.stderr.partition("\nFailed so far:\n")
    listed, sentence, *_ = end.split("\n\n")
    record = "daf_output/training/lesson/seed-1/state/failed-run.json"
    assert [line.strip() for line in listed.splitlines()] == [
        f"training lesson with seed 1 failed: LookupError: no layer (my_policies.py:22 in forward_eval) ({record})",
        "broken on hall: 2 of 2 failed, the first with LookupError: no way (my_policies.py:8 in step_batch, step 0, "
        "seed 1000000)",
    ]
    partial = "daf_output/comparisons/main/partial/report.html"
    assert f"Until it succeeds, {partial} compares the other policies." in sentence
    assert "<strong>broken: 2 of 2 episodes failed" in (tmp_path / partial).read_text()
