"""`snakemake --profile slurm` on a real Slurm: what is submitted, where it lands, and what comes out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.slurm.cluster import Cluster
from tests.slurm.tools import Run

pytestmark = [pytest.mark.slurm, pytest.mark.long]

TINY = {"num_steps": 4000, "num_evaluations": 1, "evaluation_episodes": 2}
# Every stage, with a training on one machine and one on two.
EXPERIMENT: dict[str, Any] = {
    "name": "cluster",
    "missions": {"hall": {"source": "training_facility_1", "max_steps": 40}},
    "sweeps": {
        "knobs": {
            "mission": "hall",
            "search_space": {"learning_rate": {"type": "float", "low": 1e-3, "high": 1e-2, "log": True}},
            "num_trials": 1,
            "steps_per_trial": 3000,
            "episodes_per_trial": 2,
        }
    },
    "training": {
        "square": {"mission": "hall", "sweep": "knobs", "num_machines": 2, "processes_per_machine": 2, **TINY},
        "node": {"mission": "hall", "processes_per_machine": 2, **TINY},
    },
    "policies": {"trained": {"training": "square"}, "random": "random"},
    "comparisons": {
        "main": {
            "policies": ["trained", "random"],
            "missions": ["hall"],
            "episodes_per_mission": 4,
            "num_resamples": 200,
        }
    },
    "deployment": {"policy": "trained", "version": "1.2.3", "validation_mission": "hall"},
}


@pytest.fixture(scope="module")
def finished(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The whole experiment, run once."""
    from tests.workflow.tools import write_experiment

    folder = tmp_path_factory.mktemp("chain")
    write_experiment(folder, EXPERIMENT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", cluster.environment["PATH"])
        run = Run(cluster, folder, "--slurm-keep-successful-logs")
        run.succeeds()
    return run


def processes(folder: Path, run: str, seed: int = 1) -> dict[str, Any]:
    content = json.loads((folder / f"daf_output/training/{run}/seed-{seed}/run.json").read_text())
    assert content["status"] == "completed"
    assert content["restarts"] == []
    facts: dict[str, Any] = content["processes"]
    return facts


def test_everything_is_made_and_each_job_ran_once(finished: Run) -> None:
    out = finished.folder / "daf_output"
    assert (out / "comparisons/main/report.html").is_file()
    assert (out / "deployment/trained-seed-1-1.2.3.validation.json").is_file()
    jobs = finished.jobs()
    assert {job.state for job in jobs} == {"COMPLETED"}
    assert sorted(job.comment for job in jobs) == [
        "rule_analyze_mission_wildcards_hall",
        "rule_evaluate_policy_wildcards_random_hall_0",
        "rule_evaluate_policy_wildcards_trained-seed-1_hall_0",
        "rule_run_trial_wildcards_knobs_0000",
        "rule_train_policy_wildcards_node_1",
        "rule_train_policy_wildcards_square_1",
    ]


# What follows the partition on sbatch's command line, as accounting recorded it: nodes, tasks, gres, memory, time.
SUBMITTED = {
    "rule_run_trial_wildcards_knobs_0000": (
        "-p gpu -t 120 --mem 8000 --requeue --cpus-per-task=8 -D FOLDER --gres=gpu:1"
    ),
    "rule_evaluate_policy_wildcards_trained-seed-1_hall_0": (
        "-p cpu -t 120 --mem 8000 --requeue --ntasks=1 --cpus-per-task=1 -D FOLDER"
    ),
    "rule_evaluate_policy_wildcards_random_hall_0": (
        "-p cpu -t 120 --mem 8000 --requeue --ntasks=1 --cpus-per-task=1 -D FOLDER"
    ),
    "rule_analyze_mission_wildcards_hall": ("-p cpu -t 60 --mem 2000 --requeue --ntasks=1 --cpus-per-task=1 -D FOLDER"),
    "rule_train_policy_wildcards_node_1": (
        "-p gpu -t 720 --mem 16000 --nodes=1 --requeue --cpus-per-task=16 -D FOLDER --gres=gpu:2"
    ),
    "rule_train_policy_wildcards_square_1": (
        "-p gpu -t 720 --mem 16000 --nodes=2 --requeue --cpus-per-task=16 -D FOLDER --gres=gpu:2"
    ),
}


@pytest.mark.parametrize("comment", SUBMITTED)
def test_submit_lines(finished: Run, comment: str) -> None:
    (job,) = finished.jobs(comment)
    assert " ".join(job.options) == SUBMITTED[comment].replace("FOLDER", str(finished.folder))


def test_jobs_land_where_they_should(finished: Run) -> None:
    for job in finished.jobs():
        trains = "run_trial" in job.comment or "train_policy" in job.comment
        assert job.partition == ("gpu" if trains else "cpu")
        assert job.node_list[0] == job.partition[0]
    (trained,) = finished.jobs("rule_train_policy_wildcards_square")
    assert (trained.nodes, trained.cpus, trained.node_list) == (2, 32, "g[1-2]")
    assert "gres/gpu=4" in trained.allocated


def test_local_rules_run_where_snakemake_runs(finished: Run) -> None:
    """They are not Slurm jobs, and their provenance says so."""
    out = finished.folder / "daf_output"
    host = json.loads((out / "environment/check.json").read_text())["provenance"]["host"]
    assert host["slurm_job_id"] is None
    trial = json.loads((out / "sweeps/knobs/trial-0000/result.json").read_text())["provenance"]["host"]
    (job,) = finished.jobs("rule_run_trial_wildcards_knobs_0000")
    assert trial["slurm_job_id"] == job.job_id


def test_two_machines_with_two_processes_each(finished: Run) -> None:
    facts = processes(finished.folder, "square")
    assert (facts["world_size"], facts["backend"]) == (4, "gloo")
    assert sorted((rank["machine"], rank["host"], rank["visible_gpus"]) for rank in facts["ranks"]) == [
        (0, "g1", "0,1"), (0, "g1", "0,1"), (1, "g2", "0,1"), (1, "g2", "0,1"),
    ]  # fmt: skip


def test_one_machine_with_two_processes(finished: Run) -> None:
    facts = processes(finished.folder, "node")
    (job,) = finished.jobs("rule_train_policy_wildcards_node")
    assert [(rank["machine"], rank["host"], rank["visible_gpus"]) for rank in facts["ranks"]] == [
        (0, job.node_list, "0,1")
    ] * 2


def test_trainings_that_share_nodes_have_gpus_and_ports_of_their_own(
    cluster: Cluster, start: Callable[..., Run], tmp_path: Path
) -> None:
    """Two training runs on both nodes at once, each with a GPU per node."""
    experiment = {key: EXPERIMENT[key] for key in ("name", "missions")}
    training = {"mission": "hall", "num_machines": 2, **TINY, "num_steps": 20_000}
    experiment["training"] = {"left": training, "right": {**training, "seeds": [2]}}
    # Nothing starts before both are queued, so that they start together.
    cluster.run("scontrol", "update", "NodeName=g[1-2]", "State=DRAIN", "Reason=test")
    try:
        run = start(tmp_path / "project", experiment)
        both = {"train_policy_wildcards_left_1", "train_policy_wildcards_right_2"}
        run.wait_until("both are queued", lambda: set(run.queue()) == both)
    finally:
        cluster.run("scontrol", "update", "NodeName=g[1-2]", "State=RESUME")
    run.succeeds()
    jobs = run.jobs()
    assert max(job.start for job in jobs) < min(job.end for job in jobs)
    for job in jobs:
        assert job.node_list == "g[1-2]"
        assert " ".join(job.options) == (
            f"-p gpu -t 720 --mem 16000 --nodes=2 --requeue --cpus-per-task=8 -D {run.folder} --gres=gpu:1"
        )
    seen: dict[str, list[str]] = {"g1": [], "g2": []}
    for name, seed in (("left", 1), ("right", 2)):
        facts = processes(run.folder, name, seed)
        assert facts["world_size"] == 2
        for rank in facts["ranks"]:
            seen[rank["host"]].append(rank["visible_gpus"])
    assert {host: sorted(gpus) for host, gpus in seen.items()} == {"g1": ["0", "1"], "g2": ["0", "1"]}


def test_a_second_run_finds_everything_done(finished: Run, cluster: Cluster) -> None:
    before = len(finished.jobs())
    again = Run(cluster, finished.folder)
    again.succeeds()
    assert "Nothing to be done" in again.output
    assert len(finished.jobs()) == before


def two_by_two(
    settings: str, start: Callable[..., Run], folder: Path, patch: pytest.MonkeyPatch
) -> tuple[Run, list[tuple[int, str, str | None]]]:
    """A training on two machines with two processes each, on a cluster that is described so; machine, host and visible
    GPUs of every rank."""
    (folder / "cluster.yaml").write_text(settings)
    patch.setenv("DAF_CLUSTER", str(folder / "cluster.yaml"))
    experiment = {key: EXPERIMENT[key] for key in ("name", "missions")}
    experiment["training"] = {"square": {"mission": "hall", "num_machines": 2, "processes_per_machine": 2, **TINY}}
    run = start(folder / "project", experiment)
    run.succeeds()
    ranks = processes(run.folder, "square")["ranks"]
    return run, sorted((rank["machine"], rank["host"], rank["visible_gpus"]) for rank in ranks)


def test_a_task_for_each_gpu(start: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a cluster binds each GPU to a task; and the account, options and temporary folder of its file."""
    settings = (
        "account: lab\ngres: gpu:fake\ntask_per_gpu: true\nmax_memory_mb: 6000\nmax_minutes: 50\n"
        f"extra: --nice=7\nscratch: {tmp_path}/scratch\n"
    )
    (tmp_path / "scratch").mkdir()
    run, ranks = two_by_two(settings, start, tmp_path, monkeypatch)
    assert ranks == [(0, "g1", "0"), (0, "g1", "1"), (1, "g2", "0"), (1, "g2", "1")]
    (job,) = run.jobs()
    assert "-A lab" in job.submit_line
    assert " ".join(job.options) == (
        f"-p gpu -t 50 --mem 6000 --nodes=2 --requeue --ntasks-per-gpu=1 --cpus-per-task=8 --nice=7 -D {run.folder} "
        "--gres=gpu:fake:2"
    )


def test_a_cluster_without_gpus(start: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Training on several machines runs in the only partition."""
    settings = "gpu_partition: null\nmax_memory_mb: 60_000\nmax_minutes: 1440\n"
    run, ranks = two_by_two(settings, start, tmp_path, monkeypatch)
    assert ranks == [(0, "c1", None), (0, "c1", None), (1, "c2", None), (1, "c2", None)]
    (job,) = run.jobs()
    assert " ".join(job.options) == (
        f"-p cpu -t 720 --mem 16000 --nodes=2 --requeue --ntasks=2 --cpus-per-task=2 -D {run.folder}"
    )


def test_what_the_cluster_lacks_is_said_before_anything_is_submitted(
    start: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "cluster.yaml"
    settings.write_text("account: labb\ncpu_partition: cpus\ngres: gpu:a100\nmax_memory_mb: 60000\nmax_minutes: 1440\n")
    monkeypatch.setenv("DAF_CLUSTER", str(settings))
    run = start(tmp_path / "project", EXPERIMENT)
    assert run.wait() == 2
    assert run.jobs() == []
    for words in (
        "a Slurm account that you have", "'labb'", "did you mean 'lab'?",
        "a partition of this cluster", "'cpus'", "did you mean 'cpu'?",
        "nodes with 'gpu:a100' in partition 'gpu'", "it has gpu, gpu:fake",
    ):  # fmt: skip
        assert words in run.output, run.output[-3000:]
