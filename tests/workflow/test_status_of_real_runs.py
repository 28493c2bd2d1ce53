"""`daf status` while a real run is killed, stopped, resumed and finished on this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.slurm.interrupted import experiment, updates_made
from tests.workflow.conftest import environment
from tests.workflow.tools import skip_engine_check, write_experiment

pytestmark = [pytest.mark.slow, pytest.mark.long]
DAF = [sys.executable, "-m", "daf"]


def start(folder: Path) -> subprocess.Popen[bytes]:
    """`daf run` with all its processes in one group."""
    with open(folder / "run.log", "ab") as log:
        command = [*DAF, "run", "experiment.yaml", "-j", "1"]
        return subprocess.Popen(command, cwd=folder, env=environment(), stdout=log, stderr=log, start_new_session=True)


def status(folder: Path) -> dict[str, Any]:
    done = subprocess.run(
        [*DAF, "status", "--json"], cwd=folder, env=environment(), capture_output=True, text=True, check=True
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def jobs(answer: dict[str, Any]) -> list[tuple[str, str]]:
    return [(job["rule"], job["state"]) for job in answer["jobs"]]


def wait_for(what: str, condition: Callable[[], bool], run: subprocess.Popen[bytes] | None = None) -> None:
    until = time.monotonic() + 300
    while not condition():
        assert run is None or run.poll() is None, f"the run ended before {what}"
        assert time.monotonic() < until, f"no {what} in 300 s"
        time.sleep(0.2)


def test_status_is_right_while_a_run_is_killed_stopped_resumed_and_finished(tmp_path: Path) -> None:
    write_experiment(tmp_path, experiment(updates=300))
    skip_engine_check(tmp_path)
    run = start(tmp_path)
    wait_for("updates", lambda: updates_made(tmp_path) >= 3, run)
    answer = status(tmp_path)
    assert (answer["state"], jobs(answer)) == ("running", [("train_policy", "running")])
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    # On a busy machine, the job that was killed with the run is there for a moment longer.
    wait_for("end of the job", lambda: jobs(status(tmp_path)) != [("train_policy", "running")])
    answer = status(tmp_path)
    assert (answer["state"], jobs(answer)) == ("killed", [("train_policy", "stopped")])
    before = answer["done"]

    run = start(tmp_path)
    wait_for("the second run", lambda: status(tmp_path)["state"] == "running", run)
    answer = status(tmp_path)
    assert answer["up_to_date_before"] == before
    updates = updates_made(tmp_path)
    wait_for("more updates", lambda: updates_made(tmp_path) > updates, run)
    subprocess.run([*DAF, "stop"], cwd=tmp_path, env=environment(), check=True)
    assert run.wait(60) == 130
    answer = status(tmp_path)
    assert (answer["state"], jobs(answer)) == ("failed", [("train_policy", "stopped")])

    run = start(tmp_path)
    assert run.wait(300) == 0, (tmp_path / "run.log").read_text()
    answer = status(tmp_path)
    assert (answer["state"], answer["jobs"], answer["left"]) == ("done", [], {})
    assert answer["ended"] >= answer["began"]
