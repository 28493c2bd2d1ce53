"""Training from Python as a batch job on the tests' cluster: two nodes, preemption, cancelling."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from daf.cluster.batch_job import SlurmProcess
from daf.distributed_training import TrainingJob, daf_collect_training_results, daf_launch_distributed_training
from daf.errors import EXIT_REQUEUE

UPDATE_STEPS = 4 * 4 * 16


pytestmark = [pytest.mark.slurm, pytest.mark.long]


@pytest.fixture
def submitted() -> Iterator[list[TrainingJob]]:
    jobs: list[TrainingJob] = []
    yield jobs
    for job in jobs:
        job._process.kill()


def launch(folder: Path, updates: int, submitted: list[TrainingJob], **changes: Any) -> TrainingJob:
    job = daf_launch_distributed_training(
        env_cfg="training_facility_1",
        num_steps=updates * UPDATE_STEPS,
        num_machines=2,
        hyperparameters={"num_envs": 4, "horizon": 16, "minibatch_size": 64},
        output_dir=folder,
        device="cpu",
        **{"slurm": {"time_minutes": 10, "memory_mb": 3000}, **changes},
    )
    submitted.append(job)
    return job


def wait_for(condition: Callable[[], bool], job: TrainingJob) -> None:
    while not condition():
        with pytest.raises(subprocess.TimeoutExpired):
            job._process.wait(0.5)


def test_two_nodes_train_together_through_a_preemption(tmp_path: Path, submitted: list[TrainingJob]) -> None:
    """Signalled as before a preemption, the job goes back into the queue under its id, and ends as if undisturbed."""
    here = {"slurm": None}
    whole = launch(tmp_path / "whole", 150, submitted, **here).wait_for_completion(180).read_bytes()
    job = launch(tmp_path / "cut", 150, submitted)
    wait_for(lambda: job.status().agent_steps >= 5 * UPDATE_STEPS, job)
    assert isinstance(job._process, SlurmProcess)
    subprocess.run(["scancel", "--batch", "--signal=USR1", job._process.job_id], check=True)
    wait_for(lambda: job.status().state == "queued", job)
    steps = job.status().agent_steps
    assert 0 < steps < 150 * UPDATE_STEPS
    # Slurm lets a requeued job wait for two minutes, in which its nodes come free; the test does not wait after that.
    shown = ["scontrol", "show", "job", job._process.job_id]
    wait_for(lambda: b"JobState=PENDING" in subprocess.run(shown, capture_output=True, check=True).stdout, job)
    subprocess.run(["scontrol", "update", f"JobId={job._process.job_id}", "StartTime=now"], check=True)
    assert job.wait_for_completion(300).read_bytes() == whole
    assert f"resuming at {steps:,} agent-steps" in job.log_file.read_text()
    ranks = daf_collect_training_results(job).run["processes"]["ranks"]
    assert sorted(rank["machine"] for rank in ranks) == [0, 1]
    assert len({rank["host"] for rank in ranks}) == 2


def test_a_cancelled_job_saves_and_leaves_the_queue(tmp_path: Path, submitted: list[TrainingJob]) -> None:
    job = launch(tmp_path, 100_000, submitted)
    wait_for(lambda: job.status().agent_steps >= UPDATE_STEPS, job)
    job.cancel()
    assert job._process.poll() == EXIT_REQUEUE
    assert job.status().state == "interrupted"
    assert list((job.folder / "state" / job.recipe.digest[:16]).glob("checkpoint-*.pt"))
    wait_for_end = subprocess.run(
        ["squeue", "--noheader", f"--jobs={job._process.job_id}", "--states=PENDING,RUNNING"],  # type: ignore[union-attr]
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert wait_for_end.stdout.strip() == ""
