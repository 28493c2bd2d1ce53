"""What the workflow tests share: the environment of their commands, and one finished run of the small experiment."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from functools import cache
from pathlib import Path

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
