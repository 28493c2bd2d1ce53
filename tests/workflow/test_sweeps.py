"""Sweeps through the workflow, for real: the same proposals however the trials are run, and what a search leaves."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from daf.config import ExperimentConfig
from daf.search.files import propose_trial, read_results
from daf.search.plan import SweepPlan
from daf.sweeps import daf_sweep_analysis, daf_sweep_best_config
from daf.system.files import with_digest
from tests.stages import others_long
from tests.workflow.conftest import DryRun
from tests.workflow.tools import PROJECT, job_counts, skip_engine_check, snakemake, write_experiment

HALL = {"mission": "hall", "steps_per_trial": 4000, "episodes_per_trial": 2}
RATE = {"type": "float", "low": 1e-3, "high": 1e-2, "log": True}
# The largest learning rate breaks every training; five points of a design, then a model chooses.
ADAPTIVE = {**HALL, "search_space": {"learning_rate": [1e-3, 3e-3, 1e30]}, "num_trials": 6, "lag": 3}
HALVED = {
    **HALL,
    "steps_per_trial": 8192,  # two updates: one in the first rung
    "search_space": {"learning_rate": RATE},
    "strategy": "random",
    "num_trials": 4,
    "halving": {"num_rungs": 2, "reduction_factor": 2, "bracket_size": 4},
    "num_finalists": 1,
    "confirmation_seeds": 1,
}
EXPERIMENT: dict[str, Any] = {
    "name": "searches",
    "missions": {"hall": {"source": "training_facility_1", "max_steps": 40}},
    "sweeps": {"adaptive": ADAPTIVE, "halved": HALVED},
}


def proposals(folder: Path, sweep: str) -> dict[str, bytes]:
    paths = folder.glob(f"daf_output/sweeps/{sweep}/trial-*/proposal.json")
    return {path.parent.name: path.read_bytes() for path in sorted(paths)}


def objectives(folder: Path, sweep: str) -> dict[str, float | None]:
    paths = folder.glob(f"daf_output/sweeps/{sweep}/trial-*/result.json")
    return {path.parent.name: json.loads(path.read_text())["objective"] for path in sorted(paths)}


def batched(folder: Path, number: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    settings = ["--config", f"trials_per_job={number}", "--set-resources", "run_trial:mem_mb=77"]
    return snakemake(folder, *arguments, *settings)


# ---- what is planned -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("trials", "blocks"), others_long([(60, 2), (300, 18)], (300, 18)))
def test_a_dry_run_shows_every_trial_and_few_blocks(dry_run: DryRun, trials: int, blocks: int) -> None:
    experiment = {**EXPERIMENT, "sweeps": {"adaptive": {**ADAPTIVE, "num_trials": trials, "lag": 16}}}
    counts = job_counts(dry_run(experiment, "sweep"))
    assert (counts["propose_trial"], counts["run_trial"], counts["collect_results"]) == (trials, trials, blocks)


def test_a_profile_puts_several_trials_into_a_job_with_the_resources_of_one_rule(tmp_path: Path) -> None:
    write_experiment(tmp_path, {**EXPERIMENT, "sweeps": {"adaptive": ADAPTIVE}})
    skip_engine_check(tmp_path)
    done = batched(tmp_path, 2, "-n", "sweep")
    counts = job_counts(done.stdout)
    assert {name: number for name, number in counts.items() if name.startswith("run_")} == {
        "run_trials_adaptive_0000_0001": 1,
        "run_trials_adaptive_0002_0003": 1,
        "run_trials_adaptive_0004_0005": 1,
    }
    assert "propose_trial" not in counts
    assert len(re.findall(r"^    resources: .*mem_mb=77", done.stdout, re.MULTILINE)) == 3


# ---- what is run -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both sweeps, several trials per job."""
    folder = tmp_path_factory.mktemp("searched")
    write_experiment(folder, EXPERIMENT)
    done = batched(folder, 4, "-j2", "sweep")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return folder


@pytest.mark.slow
def test_proposals_are_what_their_results_say_and_a_diverging_trial_stops_nothing(searched: Path) -> None:
    config = ExperimentConfig.from_yaml(searched / "experiment.yaml").sweeps["adaptive"]
    base = searched / "daf_output/sweeps/adaptive"
    proposed = proposals(searched, "adaptive")
    assert len(proposed) == 6
    for number, content in enumerate(proposed.values()):
        seen = read_results([base / file for file in SweepPlan(config, {}).results_files(number)])
        assert json.loads(content) == with_digest(propose_trial(config, number, seen))
    results = [json.loads((base / name / "result.json").read_text()) for name in proposed]
    broken = [result for result in results if result["hyperparameters"]["learning_rate"] == 1e30]
    assert broken
    assert all(result["status"] == "failed" and result["reason"].startswith("diverged") for result in broken)
    assert all(result["status"] == "completed" for result in results if result not in broken)
    assert daf_sweep_best_config(base).hyperparameters["learning_rate"] < 1


@pytest.mark.slow
def test_the_best_of_a_bracket_train_on_and_the_finalist_is_confirmed(searched: Path) -> None:
    base = searched / "daf_output/sweeps/halved"
    trials = [json.loads((base / f"trial-{n:04d}/result.json").read_text()) for n in range(4)]
    ranked = sorted(trials, key=lambda trial: (-trial["objective"], trial["trial"]))
    entries = [json.loads((base / f"rung-1/entry-{n:04d}/result.json").read_text()) for n in range(2)]
    assert [entry["trial"] for entry in entries] == [trial["trial"] for trial in ranked[:2]]
    assert all(entry["agent_steps"] > trials[entry["trial"]]["agent_steps"] for entry in entries)
    analysis = daf_sweep_analysis(base)
    assert sorted(analysis.highest_rung["1"]) == sorted(entry["trial"] for entry in entries)
    used = sum(result["agent_steps"] for result in [*entries, *ranked[2:]])
    assert analysis.cost["agent_steps_total"] == used
    again = json.loads((base / "confirmation/rank-0/seed-0/result.json").read_text())
    assert again["trial"] == max(entries, key=lambda entry: (entry["objective"], -entry["trial"]))["trial"]
    assert again["seed"] not in {trial["seed"] for trial in trials}
    best = json.loads((base / "best.json").read_text())
    assert best["trial"] == again["trial"]
    assert best["confirmation"]["optimism"] == pytest.approx(best["objective"] - again["objective"])


@pytest.mark.long
def test_another_batch_size_publishes_again_and_trains_nothing(searched: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(searched, tmp_path / "copy", copy_function=shutil.copy2))
    # A result says when it was made, so the same bytes are the same run.
    before = {path: path.read_bytes() for path in folder.glob("daf_output/sweeps/adaptive/trial-*/*.json*")}
    assert "Nothing to be done" in batched(folder, 4, "-n", "sweep").stdout
    done = batched(folder, 2, "-j2", "daf_output/sweeps/adaptive/best.json")
    assert done.returncode == 0, done.stderr
    assert "finished before, published again" in done.stderr
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.long
def test_the_time_for_an_action_reruns_trials_and_the_budget_does_not(searched: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(searched, tmp_path / "copy", copy_function=shutil.copy2))
    target = "daf_output/sweeps/halved/best.json"
    write_experiment(folder, {**EXPERIMENT, "evaluation": {"max_action_time_ms": 123}})
    counts = job_counts(batched(folder, 4, "-n", target).stdout)
    assert {rule: counts[rule] for rule in ("run_trials_halved_0000_0003", "run_rung_trial", "confirm_trial")} == {
        "run_trials_halved_0000_0003": 1,
        "run_rung_trial": 2,
        "confirm_trial": 1,
    }
    write_experiment(folder, {**EXPERIMENT, "sweeps": {"adaptive": {**ADAPTIVE, "num_trials": 9}}})
    counts = job_counts(batched(folder, 3, "-n", "daf_output/sweeps/adaptive/best.json").stdout)
    assert counts == {"run_trials_adaptive_0006_0008": 1, "select_best": 1, "total": 2}


@pytest.mark.long
def test_one_job_or_four_killed_or_not_the_proposals_are_the_same_bytes(searched: Path, tmp_path: Path) -> None:
    best = "daf_output/sweeps/adaptive/best.json"
    experiment = {**EXPERIMENT, "sweeps": {"adaptive": {**ADAPTIVE, "num_trials": 9}}}
    for jobs in (1, 4):
        write_experiment(tmp_path / str(jobs), experiment)
        done = snakemake(tmp_path / str(jobs), f"-j{jobs}", best)
        assert done.returncode == 0, done.stderr
    killed = tmp_path / "killed"
    write_experiment(killed, experiment)
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(PROJECT / "Snakefile")]
    command += ["--configfile", "experiment.yaml", "-j2", best]
    for expected_trials in (2, 6):
        running = subprocess.Popen(command, cwd=killed, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while len(objectives(killed, "adaptive")) < expected_trials and running.poll() is None:
            time.sleep(0.05)  # polls for files, measures nothing
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
    done = snakemake(killed, "-j2", best)
    assert done.returncode == 0, done.stderr
    expected = proposals(tmp_path / "1", "adaptive")
    assert len(expected) == 9
    assert expected == proposals(tmp_path / "4", "adaptive") == proposals(killed, "adaptive")
    scores = objectives(tmp_path / "1", "adaptive")
    assert scores == objectives(tmp_path / "4", "adaptive") == objectives(killed, "adaptive")
    # More trials change nothing of the earlier ones, and several per job change nothing either.
    assert {name: proposals(searched, "adaptive")[name] for name in proposals(searched, "adaptive")} == {
        name: content for name, content in expected.items() if name < "trial-0006"
    }
