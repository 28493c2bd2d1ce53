"""Running the workflow as a user does: the snakemake program, in a separate folder."""

from __future__ import annotations

import subprocess
import sys
from contextlib import chdir
from pathlib import Path
from typing import Any

import yaml

from daf.config import ExperimentConfig
from daf.workflow.preflight import Outcome, stamp_of, write_passed
from tests.workflow.conftest import environment

PROJECT = Path(__file__).parents[2]

# Everything that the default experiment has, at a size that takes about a minute.
SMALL: dict[str, Any] = {
    "name": "small",
    "missions": {
        "hall": {"source": "training_facility_1", "max_steps": 40},
        "hall_long": {"source": "training_facility_1", "max_steps": 60},
    },
    "sweeps": {
        "knobs": {
            "mission": "hall",
            "search_space": {"learning_rate": {"type": "float", "low": 1e-3, "high": 1e-2, "log": True}},
            "num_trials": 3,
            "lag": 2,
            "steps_per_trial": 3000,
            "episodes_per_trial": 4,
        }
    },
    "training": {"hall": {"mission": "hall", "sweep": "knobs", "num_steps": 6000, "processes_per_machine": 2}},
    "policies": {"trained": {"training": "hall"}, "random": "random", "baseline": "baseline"},
    "comparisons": {
        "main": {
            "policies": ["trained", "random", "baseline"],
            "missions": ["hall", "hall_long"],
            "episodes_per_mission": 4,
            "num_resamples": 500,
        }
    },
    "deployment": {"policy": "trained", "version": "1.2.3", "validation_mission": "hall"},
}


def snakemake(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the workflow in `folder` with the experiment `folder/experiment.yaml`."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(PROJECT / "Snakefile")]
    command += ["--configfile", "experiment.yaml", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=600, check=False
    )


def write_experiment(folder: Path, experiment: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "experiment.yaml").write_text(yaml.safe_dump(experiment, sort_keys=False))


def skip_engine_check(folder: Path) -> None:
    """Leave the stamp of a passed check in `folder`, where it is not the subject: the engine takes 4 s to load."""
    with chdir(folder):
        write_passed(stamp_of(ExperimentConfig.from_yaml("experiment.yaml")), Outcome(problems=[], warnings=[]))


def job_counts(output: str) -> dict[str, int]:
    """The "Job stats" table of a dry-run."""
    _, _, table = output.partition("Job stats:\n")
    rows = [line.split() for line in table.partition("\n\n")[0].splitlines()[2:]]
    return {rule: int(number) for rule, number in rows}
