"""A training that is disturbed on purpose: its experiment, and what its files tell."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.slurm.cluster import Cluster
from tests.slurm.tools import Job, Run

Start = Callable[..., Run]
UPDATE_STEPS = 4 * 4 * 16
UPDATES = 300


def experiment(updates: int = UPDATES, **changes: Any) -> dict[str, Any]:
    run = {
        "mission": "hall",
        "num_steps": updates * UPDATE_STEPS,
        "num_evaluations": 0,
        "checkpoint_interval_steps": 1,
        "hyperparameters": {"num_envs": 4, "horizon": 16, "minibatch_size": 64},
        "trackers": [],
        **changes,
    }
    return {
        "name": "recovery",
        "missions": {"hall": {"source": "training_facility_1", "max_steps": 40}},
        "training": {"long": run},
    }


def weights(folder: Path) -> bytes:
    return (folder / "daf_output/training/long/seed-1/model.safetensors").read_bytes()


def updates_made(folder: Path) -> int:
    """Updates in the trainer's state, each of which is followed by a checkpoint."""
    return sum(
        len(path.read_text().splitlines())
        for path in folder.glob("daf_output/training/long/seed-1/state/*/metrics.jsonl")
    )


def messages(folder: Path) -> str:
    return (folder / "daf_output/logs/training/long/seed-1.log").read_text()


def begin(start: Start, folder: Path, *arguments: str, updates: int = 5, **changes: Any) -> tuple[Run, Job]:
    """A training on the cluster that has made some updates."""
    run = start(folder, experiment(**changes), *arguments)
    run.wait_until("updates", lambda: updates_made(folder) >= updates)
    (job,) = run.jobs()
    return run, job


def release(cluster: Cluster, job: Job) -> None:
    """Wait for Slurm to put the job back into the queue, where it would stay for two minutes; the tests do not wait."""

    def shown(words: str) -> Callable[[], bool]:
        return lambda: words in cluster.run("scontrol", "show", "job", job.job_id)

    cluster.wait_for("the job to be put back", shown("Restarts=1"))
    cluster.wait_for("its processes to end", lambda: not shown("JobState=COMPLETING")())
    cluster.run("scontrol", "update", f"JobId={job.job_id}", "StartTime=now", check=False)


def suspend(cluster: Cluster, job_id: str) -> None:
    """Have Slurm stop the job's processes, so that it cannot end while others act, however slow they are."""

    def suspended() -> bool:
        cluster.run("scontrol", "suspend", job_id, check=False)
        return "JobState=SUSPENDED" in cluster.run("scontrol", "show", "job", job_id)

    cluster.wait_for(f"job {job_id} to be suspended", suspended)


def suspend_training(cluster: Cluster, folder: Path) -> None:
    """Wait until the training on the cluster has made some updates, and suspend it there."""
    cluster.wait_for("updates", lambda: updates_made(folder) >= 5)
    queue = cluster.run("squeue", "--noheader", "--format=%i %k")
    (job_id,) = re.findall(r"(?m)^(\S+) .*train_policy", queue)
    suspend(cluster, job_id)


def slurm_log(folder: Path, job: Job) -> str:
    return (folder / f"daf_output/logs/slurm/rule_train_policy/long_1/{job.job_id}.log").read_text()


def resumed_at(folder: Path) -> list[int]:
    return [int(steps.replace(",", "")) for steps in re.findall(r"resuming at ([\d,]+) agent-steps", messages(folder))]
