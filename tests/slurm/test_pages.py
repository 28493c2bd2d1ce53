"""What a person sees of a run on a cluster while it is killed, continued and finished: `daf status`, index.html and
leaderboard.html."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.slurm.cluster import Cluster
from tests.slurm.interrupted import Start, experiment, suspend_training
from tests.slurm.tools import Run

pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.long]

EXPERIMENT: dict[str, Any] = {
    **experiment(),
    "policies": {"trained": {"training": "long"}, "random": "random"},
    "comparisons": {
        "main": {
            "policies": ["trained", "random"], "missions": ["hall"], "episodes_per_mission": 4, "num_resamples": 200,
        }
    },
}  # fmt: skip


def status(folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "daf", "status", "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def shown(folder: Path) -> tuple[str, str]:
    """The state of the experiment on its page, and the first sentence."""
    page = (folder / "daf_output/index.html").read_text()
    (state,) = re.findall(r'<meta name="daf-state" content="(.*?)">', page)
    (lead,) = re.findall(r'<meta name="description" content="(.*?)">', page)
    return state, html.unescape(lead)


def check_finished(run: Run) -> None:
    """The page and the status say that all jobs are done; the board has both policies, traced to what they played."""
    answer = status(run.folder)
    assert (answer["state"], answer["jobs"], answer["left"]) == ("done", [], {})
    state, lead = shown(run.folder)
    assert state == "done"
    assert lead.startswith("Finished: ")
    out = run.folder / "daf_output"
    index, board = (out / "index.html").read_text(), (out / "leaderboard.html").read_text()
    assert 'href="leaderboard.html"' in index
    assert 'href="comparisons/main/report.html"' in index
    assert sorted(re.findall(r'<th scope="row">(.*?)</th>', board)) == ["random", "trained"]
    assert "2 policies on 1 mission, from 1 comparison" in board
    assert "as comparison main had it" not in board  # its scores are traced to the mission that was played
    assert "is left out" not in board
    assert (out / "logs/index.log").read_text() == ""


def test_status_and_pages_are_right_while_a_run_is_killed_continued_and_finished(
    cluster: Cluster, start: Start, tmp_path: Path
) -> None:
    run = start(tmp_path, EXPERIMENT)
    suspend_training(cluster, tmp_path)
    answer = status(tmp_path)
    assert answer["state"] == "running"
    assert ("train_policy", "running") in [(job["rule"], job["state"]) for job in answer["jobs"]]
    index = tmp_path / "daf_output/index.html"
    run.wait_until("the page to have the training", lambda: "train_policy long/1" in index.read_text())
    assert shown(tmp_path)[0] == "running"

    (job,) = [job for rule, job in run.queue().items() if rule.startswith("train_policy")]
    run.kill()
    cluster.wait_for("the page to say so", lambda: shown(tmp_path)[0] == "killed")
    assert shown(tmp_path)[1].startswith("Killed: ")
    answer = status(tmp_path)
    assert answer["state"] == "killed"
    assert ("train_policy", "running") in [
        (one["rule"], one["state"]) for one in answer["jobs"]
    ]  # a Slurm job lives on
    cluster.run("scancel", job)
    cluster.wait_for("an empty queue", lambda: not cluster.run("squeue", "--noheader"))
    assert ("train_policy", "stopped") in [(one["rule"], one["state"]) for one in status(tmp_path)["jobs"]]

    again = start(tmp_path, EXPERIMENT)
    again.succeeds()
    check_finished(again)
