"""What the workflow tests share: the environment of their commands, and one finished run of the small experiment."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest


def environment() -> dict[str, str]:
    """Without Slurm's programs, wherever they are: the tests of the profile must not submit anything."""
    folders = os.environ["PATH"].split(os.pathsep)
    folders = [folder for folder in folders if not shutil.which("sbatch", path=folder)]
    path = os.pathsep.join([str(Path(sys.executable).parent), *folders])
    return os.environ | {"PATH": path, "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the whole small experiment ran, for real. Tests that change something work on a copy."""
    from tests.workflow.tools import SMALL, snakemake, write_experiment

    folder = tmp_path_factory.mktemp("finished")
    write_experiment(folder, SMALL)
    done = snakemake(folder, "-j2")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return folder
