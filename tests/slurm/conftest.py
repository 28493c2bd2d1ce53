"""What the tests on a cluster share: the cluster, and running the workflow on it as a user does."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.slurm.cluster import Cluster, lacking
from tests.slurm.interrupted import experiment, weights
from tests.slurm.tools import Run
from tests.workflow.tools import snakemake, write_experiment


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A Slurm of the tests' own; they skip where none can be started."""
    reason = lacking()
    if reason is not None:
        pytest.skip(reason)
    cluster = Cluster(Path(tempfile.mkdtemp(prefix="daf-slurm-", dir="/tmp")))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(autouse=True)
def on_the_path(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slurm's clients, and this environment's programs, for the test and all it starts."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{cluster.environment['PATH']}"
    monkeypatch.setenv("PATH", path)
    monkeypatch.delenv("DAF_CLUSTER", raising=False)


@pytest.fixture
def start(cluster: Cluster) -> Iterator[Callable[..., Run]]:
    """Start `snakemake --profile slurm` in a folder with an experiment; what still runs at the test's end is ended."""
    runs: list[Run] = []

    def start(folder: Path, experiment: dict[str, Any], *arguments: str) -> Run:
        write_experiment(folder, experiment)
        runs.append(Run(cluster, folder, *arguments))
        return runs[-1]

    yield start
    for run in runs:
        run.kill()
    if runs:
        cluster.run("scancel", "--full", "--signal=KILL", "--user=root", check=False)
        cluster.run("scancel", "--user=root", check=False)
        cluster.wait_for("an empty queue", lambda: not cluster.run("squeue", "--noheader"))


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The weights of the training without a cluster."""
    folder = tmp_path_factory.mktemp("undisturbed")
    write_experiment(folder, experiment())
    done = snakemake(folder, "-j1")
    assert done.returncode == 0, done.stderr[-4000:]
    return weights(folder)
