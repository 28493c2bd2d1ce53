"""Snakemake, Slurm's controller or its accounting goes away during a training: nothing is lost or repeated."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.slurm.cluster import Cluster
from tests.slurm.interrupted import (
    UPDATE_STEPS,
    UPDATES,
    Start,
    begin,
    experiment,
    resumed_at,
    suspend,
    updates_made,
    weights,
)

pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.long]


def test_a_killed_run_is_continued_without_running_anything_twice(
    cluster: Cluster, start: Start, tmp_path: Path, undisturbed: bytes
) -> None:
    """kill -9 of Snakemake, and the same command at once: the running job is waited for, the queued one replaced."""
    plan = experiment()
    plan["training"]["short"] = {**plan["training"]["long"], "num_steps": 20 * UPDATE_STEPS}
    first = start(tmp_path, plan)
    first.wait_until("two jobs", lambda: len(first.queue()) == 2)
    jobs = first.queue()
    queued, running = jobs["train_policy_wildcards_short_1"], jobs["train_policy_wildcards_long_1"]

    def held() -> bool:
        for how in ("requeuehold", "hold"):  # as it runs already, or not yet
            cluster.run("scontrol", how, queued, check=False)
        shown = cluster.run("scontrol", "show", "job", queued)
        return "JobState=PENDING" in shown and "Priority=0 " in shown  # its reason may tell of its way back for long

    suspend(cluster, running)
    cluster.wait_for("the short one to be held in the queue", held)
    cluster.run("scontrol", "resume", running)
    first.wait_until("updates", lambda: updates_made(tmp_path) >= 5)
    suspend(cluster, running)
    first.kill()
    again = start(tmp_path, plan)
    again.wait_until("its wait", lambda: "still running" in again.output)
    cluster.run("scontrol", "resume", running)
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
    assert replaced.state.startswith(("CANCELLED", "REQUEUED"))  # before, or while it began
    assert replacement.state == "COMPLETED"


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


def test_ctrl_c_cancels_the_jobs(cluster: Cluster, start: Start, tmp_path: Path) -> None:
    run, _ = begin(start, tmp_path)
    run.process.send_signal(signal.SIGINT)
    assert run.wait() != 0
    cluster.wait_for("an empty queue", lambda: not cluster.run("squeue", "--noheader"))
    (only,) = run.jobs()
    assert only.state.startswith("CANCELLED")
