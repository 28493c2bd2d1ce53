"""A small experiment with training, a search, evaluations and a comparison, and its command."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.workflow.conftest import environment
from tests.workflow.tools import PROJECT, skip_engine_check, write_experiment

INJECTED = Path(__file__).parent / "injected"
SEARCH: dict[str, Any] = {
    "mission": "hall",
    "search_space": {"learning_rate": {"type": "float", "low": 1e-3, "high": 1e-2, "log": True}},
    "strategy": "random",
    "num_trials": 2,
    "lag": 2,
    "steps_per_trial": 1,
    "episodes_per_trial": 1,
}
EXPERIMENT: dict[str, Any] = {
    "name": "chaos",
    "missions": {"hall": {"source": "training_facility_1", "max_steps": 20}},
    "sweeps": {"knobs": SEARCH},
    "policies": {"random": "random", "baseline": "baseline"},
    "comparisons": {
        "main": {
            "policies": ["random", "baseline"],
            "missions": ["hall"],
            "episodes_per_mission": 3,
            "num_resamples": 200,
        }
    },
}
# Everything but pages, whose jobs take as long as all others together.
RESULTS = (
    "daf_output/sweeps/knobs/best.json",
    "daf_output/comparisons/main/comparison.json",
    "daf_output/evaluations/check.json",
)
PROPOSALS = tuple(f"daf_output/sweeps/knobs/trial-{trial:04}/proposal.json" for trial in range(2))  # nothing is trained


def prepare(folder: Path) -> None:
    write_experiment(folder, EXPERIMENT)
    skip_engine_check(folder)


def start(
    folder: Path, targets: Sequence[str], more: Mapping[str, str] | None = None, *, most_bytes: int | None = None
) -> subprocess.Popen[bytes]:
    """Start the workflow in a new process group.

    Args:
        more: environment variables.
        most_bytes: the largest file that its processes may write.
    """
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(PROJECT / "Snakefile"), "-j2", *targets]
    command += ["--configfile", "experiment.yaml"]
    variables = environment() | {"PYTHONPATH": os.pathsep.join([str(INJECTED), str(PROJECT)])} | dict(more or {})

    def limit() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background commands ignore Ctrl-C, and hand that on
        if most_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))

    with open(folder / "messages.log", "ab") as log:
        return subprocess.Popen(
            command, cwd=folder, env=variables, stdout=log, stderr=log, start_new_session=True, preexec_fn=limit
        )
