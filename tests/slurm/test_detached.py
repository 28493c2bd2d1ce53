"""`daf run --detach`: the run itself is a Slurm job, which outlives the shell that started it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.slurm.cluster import Cluster
from tests.slurm.interrupted import experiment, suspend_training, weights
from tests.workflow.tools import write_experiment

pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.long]


def daf(folder: Path, command: str) -> str:
    """What `daf` prints, run by a separate shell, which ends with all its processes when this returns."""
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m daf {command}"],
        cwd=folder, capture_output=True, text=True, timeout=200, check=False, start_new_session=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def status(folder: Path) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(daf(folder, "status --json"))
    return answer


@pytest.fixture
def emptied(cluster: Cluster) -> Iterator[None]:
    yield
    cluster.run("scancel", "--user=root", check=False)
    cluster.wait_for("an empty queue", lambda: not cluster.run("squeue", "--noheader"))


@pytest.mark.usefixtures("emptied")
def test_a_detached_run_outlives_its_shell_and_is_found_stopped_and_continued(
    cluster: Cluster, tmp_path: Path, undisturbed: bytes
) -> None:
    write_experiment(tmp_path, experiment())
    said = daf(tmp_path, "run experiment.yaml --profile slurm --detach")
    (job,) = re.findall(r"Slurm job (\d+) runs the workflow", said)
    assert status(tmp_path)["slurm_job_id"] == job

    suspend_training(cluster, tmp_path)
    found = status(tmp_path)
    assert (found["state"], found["slurm_job_id"]) == ("running", job)
    (training,) = [running for running in found["jobs"] if running["rule"] == "train_policy"]
    assert training["state"] == "running"

    assert "Stopped" in daf(tmp_path, "stop")
    cluster.wait_for("an empty queue", lambda: not cluster.run("squeue", "--noheader"))
    found = status(tmp_path)
    assert found["state"] in ("failed", "killed")
    assert [running["state"] for running in found["jobs"]] == ["stopped"]

    daf(tmp_path, "run experiment.yaml --profile slurm --detach")
    cluster.wait_for("the end of the run", lambda: status(tmp_path)["state"] == "done")
    assert weights(tmp_path) == undisturbed


@pytest.mark.usefixtures("emptied")
def test_a_detached_run_that_is_killed_is_seen_as_killed_and_continues(
    cluster: Cluster, tmp_path: Path, undisturbed: bytes
) -> None:
    write_experiment(tmp_path, experiment())
    daf(tmp_path, "run experiment.yaml --profile slurm --detach")
    suspend_training(cluster, tmp_path)
    run = status(tmp_path)["slurm_job_id"]
    cluster.run("scancel", "--signal=KILL", "--full", run)
    cluster.wait_for("the end of the run", lambda: run not in cluster.run("squeue", "--noheader", "--format=%i"))
    found = status(tmp_path)
    assert found["state"] == "killed"
    assert [job["state"] for job in found["jobs"]] == ["running"]  # a Slurm job, which outlives the run

    cluster.run("scancel", "--user=root")
    cluster.wait_for("an empty queue", lambda: not cluster.run("squeue", "--noheader"))
    found = status(tmp_path)
    assert (found["state"], [job["state"] for job in found["jobs"]]) == ("killed", ["stopped"])

    daf(tmp_path, "run experiment.yaml --profile slurm --detach")
    cluster.wait_for("the end of the run", lambda: status(tmp_path)["state"] == "done")
    assert weights(tmp_path) == undisturbed
