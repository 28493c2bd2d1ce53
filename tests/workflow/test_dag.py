"""What the static graph promises, seen by dry-runs."""

from __future__ import annotations

import copy
import re
import subprocess
import sys

import pytest
import yaml

from tests.workflow.conftest import DryRun
from tests.workflow.tools import PROJECT, SMALL, job_counts

DEFAULT_JOBS = {
    "check_environment": 1,
    "propose_trial": 6,
    "run_trial": 6,
    "choose_finalists": 1,
    "confirm_trial": 2,
    "describe_sweep": 1,
    "select_best": 1,
    "train_policy": 1,
    "evaluate_policy": 6,
    "merge_episodes": 6,
    "check_evaluations": 1,
    "analyze_mission": 2,
    "compare_policies": 1,
    "render_report": 1,
    "package_policy": 1,
    "validate_package": 1,
    "all": 1,
}


def test_the_default_experiment_has_these_jobs(dry_run: DryRun) -> None:
    experiment = yaml.safe_load((PROJECT / "config" / "config.yaml").read_text())
    counts = job_counts(dry_run(experiment))
    assert {name: count for name, count in counts.items() if name != "total"} == DEFAULT_JOBS


def test_one_more_seed_adds_one_training_and_its_evaluations(dry_run: DryRun) -> None:
    more = copy.deepcopy(SMALL)
    more["training"]["hall"]["seeds"] = [1, 2]
    before, after = job_counts(dry_run(SMALL)), job_counts(dry_run(more))
    added = {name: after[name] - before[name] for name in after if after[name] != before[name]}
    assert added == {"train_policy": 1, "evaluate_policy": 2, "merge_episodes": 2, "total": 5}


def test_what_trainings_and_trials_start_from_is_trained_first(dry_run: DryRun) -> None:
    hall = {"mission": "training_facility_1", "num_steps": 1000}
    sweep = {"mission": "training_facility_1", "search_space": {"gamma": [0.9, 0.99]}, "strategy": "grid"}
    output = dry_run(
        {
            "training": {"a_hard": {**hall, "start_from": "easy", "seeds": [1, 2]}, "easy": {**hall, "seeds": [2]}},
            "sweeps": {"s": {**sweep, "start_from": "easy", "num_finalists": 1, "confirmation_seeds": 1}},
        },
        "train",
        "sweep",
    )
    blocks = [
        block
        for block in re.split(r"\n\[", output)
        if re.search(r"rule (train_policy|run_trial|confirm_trial):", block)
    ]
    assert [bool(re.search(r"output: \S+/training/easy/", block)) for block in blocks] == [True, *[False] * 5]
    for block in blocks[1:]:
        assert re.search(r"input: .*training/easy/seed-2/model.safetensors, \S*training/easy/seed-2/model.json", block)


def test_searches_and_trainings_come_before_evaluations_that_need_none(dry_run: DryRun) -> None:
    priorities: dict[str, set[str]] = {}
    for block in re.split(r"\n\[", dry_run(SMALL)):
        if rule := re.search(r"^(?:local)?rule (\w+):$", block, re.MULTILINE):
            priority = re.search(r"^    priority: (\d+)$", block, re.MULTILINE)
            priorities.setdefault(rule[1], set()).add(priority[1] if priority else "0")
    first = {"propose_trial", "run_trial", "select_best", "train_policy"}
    assert {rule for rule, found in priorities.items() if found == {"50"}} == first
    assert priorities["evaluate_policy"] == priorities["describe_sweep"] == {"0"}


def test_slurm_profile_decides_resources_and_keeps_the_default_behaviour(dry_run: DryRun) -> None:
    output = dry_run(SMALL, "--profile", str(PROJECT / "profiles" / "slurm"))
    block = output[output.index("rule run_trial:") :].split("\n\n")[0]
    assert "slurm_partition=gpu" in block
    assert "gres=gpu:1" in block
    for profile in ("slurm", "local-gpu"):
        own = yaml.safe_load((PROJECT / "profiles" / profile / "config.v9+.yaml").read_text())
        default = yaml.safe_load((PROJECT / "profiles" / "default" / "config.v9+.yaml").read_text())
        del default["__definitions__"]  # of names within one file
        del default["?if quiet"]  # never with another profile
        assert {key: own[key] for key in default} == default  # a key set in both is replaced, so it must agree


def test_the_profile_is_found_right_after_a_clone() -> None:
    assert (PROJECT / "slurm").is_symlink()
    assert (PROJECT / "slurm" / "config.v9+.yaml").is_file()


@pytest.mark.parametrize(
    ("target", "rules"),
    [
        ("environment", {"check_environment", "environment"}),
        ("sweep", {"propose_trial", "run_trial", "describe_sweep", "select_best", "sweep"}),
        ("daf_output/sweeps/knobs/trial-0000/result.json", {"propose_trial", "run_trial"}),
    ],
)
def test_a_stage_or_a_file_needs_only_what_it_depends_on(dry_run: DryRun, target: str, rules: set[str]) -> None:
    assert set(job_counts(dry_run(SMALL, target))) - {"total"} == rules


def test_no_job_reads_the_environment_check() -> None:
    """Behind an `ancient` input that is remade, Snakemake misses changed params, and stale results would remain."""
    for path in (PROJECT / "workflow" / "rules").glob("*.smk"):
        assert "ancient(" not in path.read_text(), path.name


def test_every_rule_has_a_log_a_benchmark_and_a_sentence() -> None:
    for path in sorted((PROJECT / "workflow" / "rules").glob("*.smk")):
        for name, body in re.findall(r"^rule (\w+):\n(.*?)(?=^rule |\Z)", path.read_text(), re.DOTALL | re.MULTILINE):
            assert '"""' in body, name
            if "script:" in body:
                assert "log:" in body, name
                assert "benchmark:" in body, name


def test_every_rule_names_the_environment_file_that_exists() -> None:
    for path in (PROJECT / "workflow" / "rules").glob("*.smk"):
        text = path.read_text()
        named = re.findall(r"conda:\n +ENVIRONMENT\n", text)
        assert len(named) == len(re.findall(r"^ +script:", text, re.MULTILINE)), path.name
    assert 'PROJECT / "environment.yml"' in (PROJECT / "workflow" / "rules" / "common.smk").read_text()
    assert (PROJECT / "environment.yml").is_file()


@pytest.mark.parametrize("snakefile", ["Snakefile", "workflow/Snakefile"])
def test_lint(snakefile: str) -> None:
    command = [sys.executable, "-m", "snakemake", "--lint", "--snakefile", snakefile]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
