"""What the workflow tests share: the environment of their commands, and one finished run of the small experiment."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from daf.system.locks import exclusive

SLURM_PROGRAMS = {"sacct", "salloc", "sbatch", "scancel", "scontrol", "sinfo", "squeue", "srun"}


def environment() -> dict[str, str]:
    """Without Slurm's programs, wherever they are: the tests of the profile must not submit anything."""
    return os.environ | {"PATH": _path_without_slurm(os.environ["PATH"]), "OMP_NUM_THREADS": "1"}


@cache
def _path_without_slurm(path: str) -> str:
    """A folder that holds Slurm among other things, /usr/bin say, is replaced by links to the other things."""
    folders = [str(Path(sys.executable).parent)]
    for folder in path.split(os.pathsep):
        if not any(shutil.which(program, path=folder) for program in SLURM_PROGRAMS):
            folders.append(folder)
            continue
        links = Path(tempfile.mkdtemp(prefix="daf-tests-bin-"))
        atexit.register(shutil.rmtree, links, ignore_errors=True)
        for program in Path(folder).iterdir():
            if program.name not in SLURM_PROGRAMS:
                (links / program.name).symlink_to(program)
        folders.append(str(links))
    return os.pathsep.join(folders)


DryRun = Callable[..., str]


@pytest.fixture(scope="session")
def dry_run(tmp_path_factory: pytest.TempPathFactory) -> DryRun:
    """`dry_run(experiment, *arguments)`: what a dry-run in a new folder prints, each one run once.

    All use one folder, because they write nothing, and skip the check with the engine.
    """
    from tests.workflow.tools import skip_engine_check, snakemake, write_experiment

    folder = tmp_path_factory.mktemp("dry")
    outputs: dict[str, str] = {}

    def run(experiment: dict[str, Any], *arguments: str) -> str:
        key = json.dumps([experiment, arguments, os.environ.get("DAF_CLUSTER")])
        if key not in outputs:
            write_experiment(folder, experiment)
            skip_engine_check(folder)
            done = snakemake(folder, "-n", *arguments)
            assert done.returncode == 0, done.stderr
            outputs[key] = done.stdout + done.stderr
        return outputs[key]

    return run


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the whole small experiment ran, for real. Tests that change something work on a copy.

    It is run once, by the process of the tests that comes first; the others wait for it.
    """
    from tests.workflow.tools import SMALL, snakemake, write_experiment

    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "finished"
    folder = shared / "project"
    with exclusive(shared, print):
        if not (shared / "done").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            write_experiment(folder, SMALL)
            done = snakemake(folder, "-j2")
            assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
            (shared / "done").touch()
    return folder
