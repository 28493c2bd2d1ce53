"""Folders whose names have braces, which Snakemake reads as wildcards."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from daf.system.files import PROJECT
from tests.stages import others_long
from tests.workflow.tools import SMALL, skip_engine_check, write_experiment


@pytest.mark.slow
@pytest.mark.parametrize("name", others_long(["run {v2}", "{sweep}", "a}b{c"], "{sweep}"))
def test_a_clone_may_lie_in_a_folder_with_braces(name: str, tmp_path: Path) -> None:
    clone = tmp_path / name
    clone.mkdir()
    for part in ("Snakefile", "environment.yml"):
        shutil.copy(PROJECT / part, clone / part)
    for part in ("workflow", "daf", "scripts", "profiles", "config"):
        shutil.copytree(PROJECT / part, clone / part, ignore=shutil.ignore_patterns("__pycache__"))
    write_experiment(clone, SMALL)
    skip_engine_check(clone)
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "-n", "-j1", "--configfile", "experiment.yaml"],
        cwd=clone,
        env={**os.environ, "PYTHONPATH": str(clone)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "train_policy" in done.stdout
