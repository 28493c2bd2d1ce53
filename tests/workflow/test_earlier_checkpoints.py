"""Tournaments of earlier checkpoints in the workflow."""

from __future__ import annotations

import copy
import hashlib
from pathlib import Path
from typing import Any

import pytest

from daf.system.json_files import read_json
from tests.workflow.conftest import DryRun
from tests.workflow.tools import job_counts, skip_engine_check, snakemake, write_experiment

ZOO: dict[str, Any] = {
    "name": "zoo",
    "missions": {"short": {"source": "tutorial.miner", "num_agents": 2, "max_steps": 20}},
    "training": {
        "miner": {
            "mission": "short", "num_steps": 8 * 64, "seeds": [1, 2], "num_evaluations": 0, "trackers": [],
            "hyperparameters": {"num_envs": 2, "horizon": 16, "minibatch_size": 64},
        }
    },
    "policies": {"last": {"training": "miner"}, "random": "random"},
    "tournaments": {
        "cup": {
            "format": "pickup", "candidates": ["last"], "pool": ["random"], "missions": ["short"], "episodes": 2,
            "num_resamples": 100,
        }
    },
}  # fmt: skip


def with_entries(key: str, *entries: Any) -> dict[str, Any]:
    experiment = copy.deepcopy(ZOO)
    experiment["tournaments"]["cup"][key] += entries
    return experiment


def added(before: str, after: str) -> dict[str, int]:
    first, second = job_counts(before), job_counts(after)
    return {name: second[name] - first.get(name, 0) for name in second if second[name] != first.get(name, 0)}


def test_an_earlier_checkpoint_adds_its_own_jobs(dry_run: DryRun) -> None:
    zoo = with_entries("candidates", {"training": "miner", "at": [0.5, 1]})
    jobs = added(dry_run(ZOO, "tournaments"), dry_run(zoo, "tournaments"))
    assert jobs.pop("total") == sum(jobs.values())
    # Two training seeds of two more candidates play 2 seats, and 1 seat on either side; those at 1 are published.
    assert jobs == {"keep_weights": 2, "play_match": 2 * 2 * 3}


@pytest.mark.long
def test_the_pool_plays_the_weights_of_its_share_and_a_finished_run_is_not_repeated(tmp_path: Path) -> None:
    write_experiment(tmp_path, with_entries("pool", {"training": "miner", "at": [0.5, 1]}))
    done = snakemake(tmp_path, "-j2", "tournaments")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    run = tmp_path / "daf_output" / "training" / "miner" / "seed-1"
    half, full = (read_json(folder / "model.json") for folder in (run / "at-0.5", run))
    assert (half["agent_steps"], full["agent_steps"]) == (4 * 64, 8 * 64)
    weights = (run / "at-0.5" / "model.safetensors").read_bytes()
    assert half["weights_sha256"] == hashlib.sha256(weights).hexdigest() != full["weights_sha256"]
    results = read_json(tmp_path / "daf_output" / "tournaments" / "cup" / "results.json")
    assert results["config"]["pool"] == ["random", "miner-at-0.5", "miner-at-1"]
    assert weights == (next((run / "state").glob("*/at-0.5")) / "model.safetensors").read_bytes()
    assert "Nothing to be done" in "".join(outputs(tmp_path, "-n"))

    later = with_entries("pool", {"training": "miner", "at": [0.5, 1]})
    later["tournaments"]["cup"]["candidates"].append({"training": "miner", "at": [0.25]})
    write_experiment(tmp_path, later)
    skip_engine_check(tmp_path)
    planned = job_counts("".join(outputs(tmp_path, "-n")))
    assert planned["keep_weights"] == 2
    assert "train_policy" not in planned
    assert planned["play_match"] == 2 * 3
    asked = [f"daf_output/training/miner/seed-1/at-0.25/{name}" for name in ("model.safetensors",)]
    done = snakemake(tmp_path, "-j2", *asked)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert read_json(run / "at-0.25" / "model.json")["agent_steps"] == 2 * 64


def outputs(folder: Path, *arguments: str) -> tuple[str, str]:
    done = snakemake(folder, *arguments, "tournaments")
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr
