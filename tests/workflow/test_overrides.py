"""`daf run --set` through the workflow: jobs read the values, results record them, and a run without them notices."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.workflow.conftest import environment
from tests.workflow.tools import write_experiment

pytestmark = [pytest.mark.slow, pytest.mark.long]

TINY: dict[str, Any] = {"name": "tiny", "policies": {"random": "random"}}
CHECK = "daf_output/environment/check.json"


def daf(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "daf", "run", "experiment.yaml", CHECK, *arguments],
        cwd=folder, env=environment(), capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_overridden_values_reach_jobs_and_later_runs_plan_what_differs(tmp_path: Path) -> None:
    write_experiment(tmp_path, TINY)
    override = ("--set", "daf.min_free_disk_gb=0.25")
    daf(tmp_path, *override)
    record = json.loads((tmp_path / CHECK).read_text())["provenance"]["overrides"]
    assert record == {"file": "experiment.yaml", "keys": {"daf.min_free_disk_gb": {"before": 2.0, "after": 0.25}}}
    assert "nothing to do" in daf(tmp_path, "-n", *override)
    without = daf(tmp_path, "-n")
    assert "check_environment  its settings changed (min_free_disk_gb" in without
