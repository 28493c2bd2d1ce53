"""What happens to jobs on a cluster, done to a training on purpose: it ends with the weights of an undisturbed one,
from as many jobs as it takes and no more, or clearly fails.

    make test ARGS="tests/slurm -m slurm"      all of them, with the long ones
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.slurm.cluster import Cluster
from tests.slurm.interrupted import UPDATE_STEPS, Start, begin, experiment, release, resumed_at, slurm_log, weights
from tests.workflow.tools import snakemake, write_experiment

pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.long]


def test_a_preempted_job_goes_on_elsewhere_under_its_id(
    cluster: Cluster, start: Start, tmp_path: Path, undisturbed: bytes
) -> None:
    run, job = begin(start, tmp_path)
    cluster.run("sbatch", "-p", "urgent", "-w", job.node_list, "--exclusive", "-o", "/dev/null", "--wrap", "sleep 5")
    release(cluster, job)
    run.succeeds()
    assert weights(tmp_path) == undisturbed
    (only,) = run.jobs()
    assert (only.job_id, only.state) == (job.job_id, "COMPLETED")
    assert "Restarts=1" in cluster.run("scontrol", "show", "job", job.job_id)
    (steps,) = resumed_at(tmp_path)
    assert steps >= 5 * UPDATE_STEPS


def test_a_cancelled_job_saves_and_is_submitted_again(
    cluster: Cluster, start: Start, tmp_path: Path, undisturbed: bytes
) -> None:
    run, job = begin(start, tmp_path)
    cluster.run("scancel", job.job_id)
    run.succeeds()
    assert weights(tmp_path) == undisturbed
    first, second = run.jobs()
    assert first.state.startswith("CANCELLED")
    assert second.state == "COMPLETED"
    assert "interrupted by SIGTERM" in slurm_log(tmp_path, first)
    (steps,) = resumed_at(tmp_path)
    assert steps >= 5 * UPDATE_STEPS


def test_too_little_memory_is_answered_with_more(start: Start, tmp_path: Path, undisturbed: bytes) -> None:
    run = start(tmp_path, experiment(), "--set-resources", "train_policy:mem_mb=300 * attempt ** 3")
    run.succeeds()
    assert weights(tmp_path) == undisturbed
    first, *others = run.jobs()
    assert first.state != "COMPLETED"
    assert others[-1].state == "COMPLETED"
    memory = [int(re.sub(r"\D", "", job.memory)) for job in (first, *others)]
    assert memory == [300, 2400, 8100][: len(memory)]


def test_a_job_whose_node_dies_goes_on_elsewhere_under_its_id(
    cluster: Cluster, start: Start, tmp_path: Path, undisturbed: bytes
) -> None:
    run, job = begin(start, tmp_path)
    cluster.kill_node(job.node_list)
    try:
        cluster.wait_for("the node to be missed", lambda: "down" in cluster.node_state(job.node_list))
        release(cluster, job)
        run.succeeds()
    finally:
        cluster.resume_node(job.node_list)
    assert weights(tmp_path) == undisturbed
    (only,) = run.jobs()
    assert (only.job_id, only.state) == (job.job_id, "COMPLETED")
    assert only.node_list != job.node_list
    (steps,) = resumed_at(tmp_path)
    assert steps >= 5 * UPDATE_STEPS


def test_a_job_out_of_time_saves_and_gets_more(start: Start, tmp_path: Path) -> None:
    """Slurm counts in minutes, so this takes some."""
    run = start(tmp_path, experiment(updates=1600), "--set-resources", "train_policy:runtime=attempt ** 2")
    run.succeeds()
    first, *others = run.jobs()
    assert first.state == "TIMEOUT"
    assert others[-1].state == "COMPLETED"
    assert [job.limit for job in (first, *others)] == ["00:01:00", "00:04:00", "00:09:00"][: 1 + len(others)]
    assert "interrupted by SIGTERM" in slurm_log(tmp_path, first)
    assert len(resumed_at(tmp_path)) == len(others)


def test_two_machines_are_preempted_together(cluster: Cluster, start: Start, tmp_path: Path) -> None:
    layout = {"num_machines": 2, "processes_per_machine": 2, "num_steps": 100 * UPDATE_STEPS}
    run, job = begin(start, tmp_path, **layout)
    cluster.run("sbatch", "-p", "urgent", "-w", "g1", "--exclusive", "-o", "/dev/null", "--wrap", "sleep 3")
    release(cluster, job)
    run.succeeds()
    (only,) = run.jobs()
    assert (only.job_id, only.state) == (job.job_id, "COMPLETED")
    assert len(resumed_at(tmp_path)) == 1
    alone = tmp_path / "alone"
    write_experiment(alone, experiment(**layout))
    assert snakemake(alone, "-j2").returncode == 0
    assert weights(tmp_path) == weights(alone)


def test_a_job_that_is_warned_of_its_preemption_saves_and_goes_on(
    cluster: Cluster, start: Start, tmp_path: Path, undisturbed: bytes
) -> None:
    cluster.run("scontrol", "update", "PartitionName=gpu", "GraceTime=30")
    try:
        run, job = begin(start, tmp_path)
        cluster.run(
            "sbatch", "-p", "urgent", "-w", job.node_list, "--exclusive", "-o", "/dev/null", "--wrap", "sleep 5"
        )
        run.succeeds()
    finally:
        cluster.run("scontrol", "update", "PartitionName=gpu", "GraceTime=0")
    assert weights(tmp_path) == undisturbed
    first, second = run.jobs()
    assert (first.state, second.state) == ("FAILED", "COMPLETED")
    assert "interrupted by SIGTERM" in slurm_log(tmp_path, first)
    (steps,) = resumed_at(tmp_path)
    assert steps >= 5 * UPDATE_STEPS


def test_what_cannot_be_healed_fails_clearly(start: Start, tmp_path: Path) -> None:
    """Three jobs of too little memory each: then the workflow ends, and says which rule and where its log is."""
    run = start(tmp_path, experiment(), "--set-resources", "train_policy:mem_mb=300")
    assert run.wait() == 1
    assert len(run.jobs()) == 3
    assert "Error in rule train_policy" in run.output
    assert "daf_output/logs/training/long/seed-1.log" in run.output
    assert not (tmp_path / "daf_output/training/long/seed-1/model.safetensors").exists()
