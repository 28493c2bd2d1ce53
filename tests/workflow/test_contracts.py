"""More promises of the static graph: names, files that never collide, profiles, and what changes rerun."""

from __future__ import annotations

import copy
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from daf.errors import EXIT_BAD_INPUT
from daf.system.limits import usable_cpus
from tests.workflow.conftest import DryRun
from tests.workflow.tools import PROJECT, SMALL, job_counts, skip_engine_check, snakemake, write_experiment

TWO_OF_EVERYTHING: dict[str, Any] = copy.deepcopy(SMALL) | {
    "sweeps": dict.fromkeys(("knobs", "knobs.b"), SMALL["sweeps"]["knobs"]),
    "training": {name: {**SMALL["training"]["hall"], "seeds": [1, 11]} for name in ("hall", "hall-b")},
    "policies": {**SMALL["policies"], "trained-b": {"training": "hall-b"}},
    "evaluation": {"episodes_per_shard": 2},
    "comparisons": {
        "main": {**SMALL["comparisons"]["main"], "policies": ["trained", "trained-b", "random"]},
        "main-b": {**SMALL["comparisons"]["main"], "missions": ["hall"], "episodes_per_mission": 6},
    },
}


def test_no_two_jobs_write_the_same_file(dry_run: DryRun) -> None:
    output = dry_run(TWO_OF_EVERYTHING)
    written = [
        path
        for kind in ("output", "log", "benchmark")
        for line in re.findall(rf"^    {kind}: (.+)$", output, re.MULTILINE)
        for path in line.split(", ")
    ]
    assert len(written) > 200
    assert [path for path, times in Counter(written).items() if times > 1] == []
    assert all(path.startswith("daf_output/") for path in written)


def test_all_output_goes_where_the_experiment_says(dry_run: DryRun) -> None:
    output = dry_run(SMALL | {"daf": {"output_dir": "elsewhere/out"}})
    assert "daf_output" not in output
    assert "elsewhere/out/sweeps/knobs/trial-0000/result.json" in output


def test_every_rule_explains_itself(tmp_path: Path) -> None:
    write_experiment(tmp_path, SMALL)
    skip_engine_check(tmp_path)
    listed = snakemake(tmp_path, "--list-rules").stdout
    rules = dict(re.findall(r"^(\w+)(?: \((.+)\))?$", listed, re.MULTILINE))
    assert {"check_environment", "run_trial", "train_policy", "evaluate_policy", "deploy_policy"} <= set(rules)
    assert [name for name, sentence in rules.items() if not sentence.endswith(".")] == ["all"]


@pytest.mark.long
def test_sending_anything_is_never_part_of_everything(dry_run: DryRun) -> None:
    experiment = copy.deepcopy(SMALL)
    experiment["deployment"]["endpoint"] = "registry"
    jobs = job_counts(dry_run(experiment))
    assert "validate_package" in jobs
    assert not {"deploy_policy", "rollback_deployment"} & set(jobs)
    one = "daf_output/deployment/trained-seed-1-1.2.3.deployed.json"
    assert job_counts(dry_run(experiment, one))["deploy_policy"] == 1


@pytest.mark.long
def test_a_package_waits_for_what_its_card_tells(dry_run: DryRun) -> None:
    """Its training, the sweep of that, and the comparison; with `comparison: null` it needs no episodes."""
    output = dry_run(SMALL, "package")
    inputs = re.search(r"^(?:local)?rule package_policy:\n    input: (.+)$", output, re.MULTILINE)
    assert inputs is not None
    assert set(inputs[1].split(", ")) == {
        f"daf_output/{file}"
        for file in (
            "training/hall/seed-1/model.safetensors", "training/hall/seed-1/model.json",
            "training/hall/seed-1/run.json", "sweeps/knobs/best.json", "comparisons/main/comparison.json",
        )
    }  # fmt: skip
    assert "sign_package" not in job_counts(output)
    experiment = copy.deepcopy(SMALL)
    key = str(PROJECT / "LICENSE")  # any file: it is read by the jobs only
    experiment["deployment"] |= {"comparison": None, "signing_key": key, "verification_key": key}
    output = dry_run(experiment, "package")
    jobs = job_counts(output)
    assert not {"evaluate_policy", "compare_policies"} & set(jobs)
    assert jobs["sign_package"] == 1
    validated = re.search(r"^(?:local)?rule validate_package:\n    input: (.+)$", output, re.MULTILINE)
    assert validated is not None
    assert validated[1].endswith("trained-seed-1-1.2.3.sig")


@pytest.mark.parametrize("profile", ["slurm", "local-gpu"])
def test_a_profile_says_where_jobs_run_and_changes_none_of_them(dry_run: DryRun, profile: str) -> None:
    plain = job_counts(dry_run(SMALL))
    output = dry_run(SMALL, "--profile", str(PROJECT / "profiles" / profile))
    assert job_counts(output) == plain
    resources = re.search(r"^rule run_trial:\n(?:    .+\n)*?    resources: (.+)$", output, re.MULTILINE)
    assert resources is not None
    assert {"slurm": "gres=gpu:1", "local-gpu": "gpu=1"}[profile] in resources[1]
    if profile == "slurm":
        assert "mem_mb=8000" in resources[1]  # not the rule's own 2000
        assert "runtime=120" in resources[1]


def requested(output: str) -> dict[str, tuple[int, str]]:
    """Threads and resources of the jobs of a dry-run that run networks, by rule and policy."""
    found = {}
    for name, block in re.findall(r"^rule (\w+):\n((?:    .+\n)*)", output, re.MULTILINE):
        policy = re.search(r"checkpoint=(\w+)", block) if name == "evaluate_policy" else None
        threads = re.search(r"threads: (\d+)", block)
        resources = re.search(r"resources: (.+)", block)
        assert resources is not None
        found[f"{name} {policy[1]}" if policy else name] = (int(threads[1]) if threads else 1, resources[1])
    return found


def test_on_a_cluster_every_process_with_a_gpu_gets_its_cores(
    dry_run: DryRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes train together. `--config`, which replaces that of the profile, changes no cores."""
    settings = {"cores_per_gpu": 3, "evaluate_on_gpu": True, "max_memory_mb": 60_000, "max_minutes": 1440}
    (tmp_path / "cluster.yaml").write_text(yaml.safe_dump(settings))
    monkeypatch.setenv("DAF_CLUSTER", str(tmp_path / "cluster.yaml"))
    for trials_per_job, trial in ((1, "run_trial"), (2, "run_trials_knobs_0000_0001")):
        options = ("--profile", str(PROJECT / "profiles" / "slurm"), "-c", "64")
        found = requested(dry_run(SMALL, *options, "--config", f"trials_per_job={trials_per_job}"))
        for rule, cores, gpus in (
            (trial, 3, "gpu:1,"), ("train_policy", 6, "gpu:2,"), ("evaluate_policy trained", 3, "gpu:1,"),
            ("evaluate_policy random", 1, ","),
        ):  # fmt: skip
            threads, resources = found[rule]
            assert threads == cores, rule
            assert f"gres={gpus}" in resources, rule


@pytest.mark.parametrize(("gpu_partition", "cores"), [("gpu", 16), (None, 2 * (1 + 3))])
def test_without_gpus_each_worker_that_is_asked_for_gets_a_core(
    gpu_partition: str | None, cores: int, dry_run: DryRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one, the workers share the cores of their process's GPU, whose number follows from these."""
    settings = {"gpu_partition": gpu_partition, "max_memory_mb": 60_000, "max_minutes": 1440}
    (tmp_path / "cluster.yaml").write_text(yaml.safe_dump(settings))
    monkeypatch.setenv("DAF_CLUSTER", str(tmp_path / "cluster.yaml"))
    experiment = copy.deepcopy(SMALL)
    for run in experiment["training"].values():
        run["env_workers"] = 3
    found = requested(dry_run(experiment, "--profile", str(PROJECT / "profiles" / "slurm"), "-c", "64"))
    assert found["train_policy"][0] == cores


def test_on_a_machine_with_a_gpu_jobs_that_run_at_once_share_its_cores(dry_run: DryRun) -> None:
    cores = usable_cpus()
    found = requested(dry_run(SMALL, "--profile", str(PROJECT / "profiles" / "local-gpu")))
    assert (found["run_trial"][0], found["train_policy"][0]) == (cores, cores)  # more would never start
    for policy in ("trained", "random"):
        threads, resources = found[f"evaluate_policy {policy}"]
        assert (threads, "gpu=0" in resources) == (1, True)


def test_cores_that_are_no_number_are_refused(tmp_path: Path) -> None:
    write_experiment(tmp_path, SMALL)
    skip_engine_check(tmp_path)
    done = snakemake(tmp_path, "-n", "--set-resources", "run_trial:cores_per_gpu=many")
    assert done.returncode == EXIT_BAD_INPUT
    assert "profile: set-resources: run_trial: cores_per_gpu\n  expected: a whole number of at least 1" in done.stderr


def test_profiles_repeat_no_key_of_the_default_with_another_value() -> None:
    """Snakemake replaces such a key whole, so a `set-resources` in both would silently lose one."""
    profiles = {
        path.parent.name: yaml.safe_load(path.read_text()) for path in PROJECT.glob("profiles/*/config.v9+.yaml")
    }
    default = profiles.pop("default")
    del default["__definitions__"]  # of names within one file
    assert "set-resources" not in default
    assert "default-resources" not in default
    for profile in profiles.values():
        assert {key: profile[key] for key in default.keys() & profile.keys()} == {
            key: default[key] for key in default.keys() & profile.keys()
        }


def test_every_profile_speaks_of_every_rule_that_runs_networks() -> None:
    """Those with `threads` that a cluster runs: the others are local, or run with what a profile gives by default.

    Or, as `keep_weights`, with what it gives another rule.
    """
    text = "".join(path.read_text() for path in PROJECT.glob("workflow/rules/*.smk"))
    blocks = re.split(r"^rule (?=\w+:)", text, flags=re.MULTILINE)[1:]
    local = {name for names in re.findall(r"^localrules:\n((?:    \w+,\n)+)", text, re.MULTILINE)
             for name in re.findall(r"\w+", names)}  # fmt: skip
    borrowing = set(re.findall(r'set_resources\(\s*workflow, "(\w+)"', text))
    expected = {block.partition(":")[0] for block in blocks if "\n    threads:" in block} - local - borrowing
    assert "keep_weights" in borrowing
    assert expected >= {"run_trial", "train_policy", "evaluate_policy"}
    for name in ("slurm", "local-gpu", "cluster-generic"):
        profile = yaml.safe_load((PROJECT / "profiles" / name / "config.v9+.yaml").read_text())
        assert set(profile["set-resources"]) == expected, name


def test_the_shim_for_the_catalogue_makes_the_same(dry_run: DryRun, tmp_path: Path) -> None:
    """Snakemake would take the first rule of an included file for the default target."""
    write_experiment(tmp_path, SMALL)
    skip_engine_check(tmp_path)
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(PROJECT / "workflow" / "Snakefile")]
    command += ["--configfile", "experiment.yaml", "-n"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert job_counts(done.stdout) == job_counts(dry_run(SMALL))


# ---- what a change reruns (on a run that really finished) --------------------------------------------------------


def rerun(folder: Path, *arguments: str, **changes: Any) -> dict[str, int]:
    """The jobs that a changed experiment needs where the original one has finished."""
    write_experiment(folder, copy.deepcopy(SMALL) | changes)
    skip_engine_check(folder)
    done = snakemake(folder, "-n", *arguments)
    assert done.returncode == 0, done.stderr
    counts = job_counts(done.stdout)
    return {rule: count for rule, count in counts.items() if rule not in ("total", "all")}


@pytest.mark.slow
def test_changes_rerun_what_they_decide_and_nothing_else(finished_run: Path, tmp_path: Path) -> None:
    import shutil

    folder = Path(shutil.copytree(finished_run, tmp_path / "copy", copy_function=shutil.copy2))
    assert rerun(folder) == {}
    assert rerun(folder, daf={"log_level": "debug", "max_parallel_jobs": 2}) == {}
    assert rerun(folder, daf={"min_free_disk_gb": 0.5}) == {"check_environment": 1}

    comparisons = copy.deepcopy(SMALL["comparisons"])
    comparisons["main"]["confidence_level"] = 0.9
    package = {"package_policy": 1, "validate_package": 1}  # its card shows the comparison
    assert rerun(folder, comparisons=comparisons) == {"compare_policies": 1, "render_report": 1, **package}

    comparisons = copy.deepcopy(SMALL["comparisons"])
    comparisons["main"]["policies"].append("noop")
    assert rerun(folder, comparisons=comparisons) == {
        "evaluate_policy": 2,
        "merge_episodes": 2,
        "check_evaluations": 1,
        "analyze_mission": 2,
        "compare_policies": 1,
        "render_report": 1,
        **package,
    }

    sweeps = copy.deepcopy(SMALL["sweeps"])
    sweeps["knobs"]["num_trials"] = 2  # fewer: only the choice among them
    assert rerun(folder, "sweep", sweeps=sweeps) == {"describe_sweep": 1, "select_best": 1, "sweep": 1}

    slower = rerun(folder, "sweep", evaluation={**SMALL.get("evaluation", {}), "max_action_time_ms": 5_000})
    assert slower["run_trial"] == SMALL["sweeps"]["knobs"]["num_trials"]

    training = copy.deepcopy(SMALL["training"])
    training["hall"]["seeds"] = [1, 2]
    added = rerun(folder, "train", training=training)
    assert added == {"train_policy": 1, "train": 1}
