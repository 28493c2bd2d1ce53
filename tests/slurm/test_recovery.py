"""What goes wrong on a cluster, done to a training on purpose: it ends with the weights of an undisturbed one, from as
many jobs as it takes and no more, or clearly fails.

    make test ARGS="tests/slurm -m slurm"      all of them, with the long ones
"""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.slurm.cluster import Cluster
from tests.slurm.tools import Job, Run
from tests.workflow.tools import snakemake, write_experiment

pytestmark = [pytest.mark.slurm, pytest.mark.slow]

Start = Callable[..., Run]
UPDATE_STEPS = 4 * 4 * 16
UPDATES = 150


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


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The weights of the training without a cluster."""
    folder = tmp_path_factory.mktemp("undisturbed")
    write_experiment(folder, experiment())
    done = snakemake(folder, "-j1")
    assert done.returncode == 0, done.stderr[-4000:]
    return weights(folder)


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

    cluster.wait_for("the job to be put back", shown("Restarts=1"), 90)
    cluster.wait_for("its processes to end", lambda: not shown("JobState=COMPLETING")())
    cluster.run("scontrol", "update", f"JobId={job.job_id}", "StartTime=now", check=False)


def slurm_log(folder: Path, job: Job) -> str:
    return (folder / f"daf_output/logs/slurm/rule_train_policy/long_1/{job.job_id}.log").read_text()


def resumed_at(folder: Path) -> list[int]:
    return [int(steps.replace(",", "")) for steps in re.findall(r"resuming at ([\d,]+) agent-steps", messages(folder))]


@pytest.mark.long
def test_a_killed_run_is_continued_without_running_anything_twice(
    cluster: Cluster, start: Start, tmp_path: Path, undisturbed: bytes
) -> None:
    """kill -9 of Snakemake, and the same command at once: the running job is waited for, the queued one replaced."""
    plan = experiment()
    plan["training"]["short"] = {**plan["training"]["long"], "num_steps": UPDATE_STEPS}
    first = start(tmp_path, plan)
    first.wait_until("two jobs", lambda: len(first.queue()) == 2)
    jobs = first.queue()
    queued, running = jobs["train_policy_wildcards_short_1"], jobs["train_policy_wildcards_long_1"]

    def held() -> bool:
        for how in ("requeuehold", "hold"):  # as it runs already, or not yet
            cluster.run("scontrol", how, queued, check=False)
        return "Reason=JobHeld" in cluster.run("scontrol", "show", "job", queued)

    cluster.wait_for("the short one to be held in the queue", held)
    first.wait_until("updates", lambda: updates_made(tmp_path) >= 5)
    first.kill()
    again = start(tmp_path, plan)
    again.succeeds()
    assert f"Cancelling jobs of an earlier run that have not started: {queued}" in again.output
    assert f"still running: {running} (train_policy long_1)" in again.output
    assert weights(tmp_path) == undisturbed
    assert [job.job_id for job in again.jobs("rule_train_policy_wildcards_long")] == [running]
    assert resumed_at(tmp_path) == []
    # Accounting hears of a job's end some time after the controller.
    cluster.wait_for("accounting", lambda: len(again.jobs("rule_train_policy_wildcards_short")) == 2)
    (replaced, replacement) = again.jobs("rule_train_policy_wildcards_short")
    assert replaced.job_id == queued
    assert replaced.state.startswith("CANCELLED")
    assert replacement.state == "COMPLETED"


@pytest.mark.long
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


@pytest.mark.long
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


@pytest.mark.long
def test_too_little_memory_is_answered_with_more(start: Start, tmp_path: Path, undisturbed: bytes) -> None:
    run = start(tmp_path, experiment(), "--set-resources", "train_policy:mem_mb=300 * attempt ** 3")
    run.succeeds()
    assert weights(tmp_path) == undisturbed
    first, *others = run.jobs()
    assert first.state != "COMPLETED"
    assert others[-1].state == "COMPLETED"
    memory = [int(re.sub(r"\D", "", job.memory)) for job in (first, *others)]
    assert memory == [300, 2400, 8100][: len(memory)]


@pytest.mark.long
def test_the_controller_may_go_and_come_back(
    cluster: Cluster, start: Start, tmp_path: Path, undisturbed: bytes
) -> None:
    """It is away for longer than five questions, after which the executor plugin would forget the job as it comes."""
    run, job = begin(start, tmp_path)
    cluster.kill("slurmctld")
    try:
        run.wait_until("the training's end", lambda: updates_made(tmp_path) == UPDATES)
    finally:
        cluster.start_controller()
    run.succeeds()
    assert weights(tmp_path) == undisturbed
    assert resumed_at(tmp_path) == []
    assert [(known.job_id, known.state) for known in run.jobs()] == [(job.job_id, "COMPLETED")]


@pytest.mark.long
def test_accounting_may_be_away(cluster: Cluster, start: Start, tmp_path: Path, undisturbed: bytes) -> None:
    """Before the first submission, and to the end."""
    cluster.kill("slurmdbd")
    try:
        run = start(tmp_path, experiment())
        run.succeeds()
    finally:
        cluster.start_accounting_daemon()
    assert weights(tmp_path) == undisturbed
    assert resumed_at(tmp_path) == []
    cluster.wait_for("accounting to hear of it", lambda: [job.state for job in run.jobs()] == ["COMPLETED"])


@pytest.mark.long
def test_a_job_whose_node_dies_goes_on_elsewhere_under_its_id(
    cluster: Cluster, start: Start, tmp_path: Path, undisturbed: bytes
) -> None:
    run, job = begin(start, tmp_path)
    cluster.kill_node(job.node_list)
    try:
        cluster.wait_for("the node to be missed", lambda: "down" in cluster.node_state(job.node_list), 90)
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


@pytest.mark.long
def test_a_job_out_of_time_saves_and_gets_more(start: Start, tmp_path: Path) -> None:
    """Slurm counts in minutes, so this takes some."""
    run = start(tmp_path, experiment(updates=1600), "--set-resources", "train_policy:runtime=attempt ** 2")
    run.succeeds(900)
    first, *others = run.jobs()
    assert first.state == "TIMEOUT"
    assert others[-1].state == "COMPLETED"
    assert [job.limit for job in (first, *others)] == ["00:01:00", "00:04:00", "00:09:00"][: 1 + len(others)]
    assert "interrupted by SIGTERM" in slurm_log(tmp_path, first)
    assert len(resumed_at(tmp_path)) == len(others)


@pytest.mark.long
def test_two_machines_are_preempted_together(cluster: Cluster, start: Start, tmp_path: Path) -> None:
    layout = {"num_machines": 2, "processes_per_machine": 2}
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


@pytest.mark.long
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


@pytest.mark.long
def test_what_cannot_be_healed_fails_clearly(start: Start, tmp_path: Path) -> None:
    """Three jobs of too little memory each: then the workflow ends, and says which rule and where its log is."""
    run = start(tmp_path, experiment(), "--set-resources", "train_policy:mem_mb=300")
    assert run.wait() == 1
    assert len(run.jobs()) == 3
    assert "Error in rule train_policy" in run.output
    assert "daf_output/logs/training/long/seed-1.log" in run.output
    assert not (tmp_path / "daf_output/training/long/seed-1/model.safetensors").exists()


@pytest.mark.long
def test_ctrl_c_cancels_the_jobs(cluster: Cluster, start: Start, tmp_path: Path) -> None:
    run, _ = begin(start, tmp_path)
    run.process.send_signal(signal.SIGINT)
    assert run.wait(60) != 0
    cluster.wait_for("an empty queue", lambda: not cluster.run("squeue", "--noheader"))
    (only,) = run.jobs()
    assert only.state.startswith("CANCELLED")
