"""Tournaments in the workflow: planned as a whole, resumed anywhere, extended by what is new."""

from __future__ import annotations

import copy
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from daf.config import ExperimentConfig
from daf.tournament.table import read_seats
from daf.workflow.plan import Plan
from tests.workflow.conftest import DryRun, environment
from tests.workflow.tools import PROJECT, job_counts, skip_engine_check, snakemake, write_experiment

CUP: dict[str, Any] = {
    "name": "cup",
    "missions": {"short": {"source": "tutorial.miner", "num_agents": 3, "max_steps": 40}},
    "policies": {"mine": "their_mates.Patient", "baseline": "baseline", "random": "random"},
    "tournaments": {
        "cup": {
            "format": "pickup", "candidates": ["mine", "baseline"], "pool": ["random"], "missions": ["short"],
            "episodes": 2, "num_resamples": 100,
        }
    },
}  # fmt: skip
OF_CANDIDATE = 1 + 3 + 3  # with 3, 2 and 1 seats
MATCHES = 2 * OF_CANDIDATE + 1  # two candidates, and the pool alone
MATES = """
from mettagrid.policy.policy import AgentPolicy
from mettagrid.simulator import Action

class Patient(AgentPolicy):
    def step(self, obs):
        return Action(name="noop")
"""


def with_cup(**changes: Any) -> dict[str, Any]:
    experiment = copy.deepcopy(CUP)
    experiment["policies"] = {"starter": "starter", "baseline": "baseline", "mine": "noop", "random": "random"}
    experiment["tournaments"]["cup"] |= changes
    return experiment


def test_all_matches_and_interim_analyses_are_planned(dry_run: DryRun) -> None:
    auto = {"episodes": "auto", "max_episodes": 8, "num_interim_analyses": 3}
    counts = job_counts(dry_run(with_cup(**auto)))
    names = ("play_match", "analyze_interim_seats", "merge_seats", "analyze_tournament", "render_tournament")
    assert [counts[name] for name in names] == [3 * MATCHES, 2, 1, 1, 1]


def test_a_job_may_play_several_matches_of_the_same_policies(dry_run: DryRun) -> None:
    counts = job_counts(dry_run(with_cup(), "tournaments", "--config", "matches_per_job=4"))
    jobs = [name for name in counts if name.startswith("play_matches_cup_")]
    assert len(jobs) == 2 * (1 + 2) + 1  # all seats; 6 matches of each candidate beside the pool; the pool alone
    assert "play_match" not in counts


def test_the_example_is_planned() -> None:
    experiment = ExperimentConfig.from_yaml(PROJECT / "examples" / "tournament.yaml")
    assert len(Plan(experiment).tournaments.tournament("cup").matches) == 2 * (1 + 4 + 6 + 4) + 1


def start(folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(PROJECT / "Snakefile"), "-j2", "tournaments"]
    command += ["--configfile", "experiment.yaml"]
    return subprocess.Popen(
        command, cwd=folder, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip


def prepared(folder: Path) -> Path:
    write_experiment(folder, CUP)
    (folder / "their_mates.py").write_text(MATES)
    return folder / "daf_output" / "tournaments" / "cup"


def batches(cup: Path) -> dict[Path, int]:
    return {path.relative_to(cup): path.stat().st_mtime_ns for path in cup.glob("matches/*/batch-*.parquet")}


@pytest.mark.long
def test_killed_twice_it_ends_with_the_same_bytes_and_only_grows_by_what_is_new(tmp_path: Path) -> None:
    calm, killed = prepared(tmp_path / "calm"), prepared(tmp_path / "killed")
    done = snakemake(tmp_path / "calm", "-j2", "tournaments")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    for enough in (2, 7):
        running = start(tmp_path / "killed")
        while len(batches(killed)) < enough and running.poll() is None:
            time.sleep(0.05)
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        assert enough <= len(batches(killed)) < MATCHES
    before = batches(killed)
    done = snakemake(tmp_path / "killed", "-j2", "tournaments")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert (killed / "seats.parquet").read_bytes() == (calm / "seats.parquet").read_bytes()
    assert (killed / "values.csv").read_bytes() == (calm / "values.csv").read_bytes()
    kept = {path for path, time_ns in before.items() if batches(killed)[path] == time_ns}
    assert len(kept) >= len(before) - 4  # two jobs at each kill may not have been recorded as finished
    assert len(read_seats(calm / "seats.parquet")) == MATCHES * 2 * 3
    again = snakemake(tmp_path / "calm", "-n", "tournaments")
    assert "Nothing to be done" in again.stdout + again.stderr

    more = copy.deepcopy(CUP)
    more["policies"]["still"] = "noop"
    more["tournaments"]["cup"]["candidates"] = ["still", "mine", "baseline"]
    write_experiment(tmp_path / "calm", more)
    skip_engine_check(tmp_path / "calm")
    planned = snakemake(tmp_path / "calm", "-n", "tournaments")
    assert job_counts(planned.stdout + planned.stderr)["play_match"] == OF_CANDIDATE

    write_experiment(tmp_path / "calm", CUP)
    (tmp_path / "calm" / "their_mates.py").write_text(MATES.replace('"noop"', '"move_north"'))
    skip_engine_check(tmp_path / "calm")
    planned = snakemake(tmp_path / "calm", "-n", "tournaments")
    plan = Plan(ExperimentConfig.from_dict(CUP)).tournaments
    stale = [
        match for match in plan.tournament("cup").matches if "mine" in {p.label for p in plan.players("cup", match)}
    ]
    assert job_counts(planned.stdout + planned.stderr)["play_match"] == len(stale) == OF_CANDIDATE
