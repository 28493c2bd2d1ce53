"""The same cluster through another executor, by a profile alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.slurm.cluster import Cluster
from tests.slurm.test_workflow import EXPERIMENT, TINY
from tests.slurm.tools import Run
from tests.workflow.tools import PROJECT, write_experiment

pytestmark = [pytest.mark.slurm, pytest.mark.long]


def test_the_executor_for_any_scheduler_submits_with_sbatch(cluster: Cluster, tmp_path: Path) -> None:
    experiment = {key: EXPERIMENT[key] for key in ("name", "missions")}
    experiment["training"] = {"pair": {"mission": "hall", "num_machines": 2, **TINY}}
    experiment["comparisons"] = {
        "main": {"policies": ["random"], "missions": ["hall"], "episodes_per_mission": 2, "num_resamples": 100}
    }
    write_experiment(tmp_path, experiment)
    run = Run(cluster, tmp_path, "train", "missions", profile=str(PROJECT / "profiles" / "cluster-generic"))
    run.succeeds()
    facts = json.loads((tmp_path / "daf_output/training/pair/seed-1/run.json").read_text())["processes"]
    assert sorted((rank["host"], rank["visible_gpus"] is None) for rank in facts["ranks"]) == [
        ("g1", False), ("g2", False),
    ]  # fmt: skip
    # Accounting gives memory for all nodes of a job.
    analysis, evaluation, training = sorted(run.jobs(), key=lambda job: job.comment)
    assert (training.comment, training.partition, training.nodes, training.cpus, training.memory, training.limit) == (
        "rule_train_policy run=pair,seed=1", "gpu", 2, 16, "32000M", "12:00:00",
    )  # fmt: skip
    assert "gres/gpu=2" in training.allocated
    assert (evaluation.partition, evaluation.nodes, evaluation.memory) == ("cpu", 1, "8000M")
    assert (analysis.partition, analysis.nodes, analysis.memory) == ("cpu", 1, "2000M")
    assert {job.state for job in (analysis, training, evaluation)} == {"COMPLETED"}
