"""How many cores this process may use: never the machine's, if anything allows fewer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from daf.system import limits, machine, provenance


@pytest.fixture
def sixteen(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An affinity mask of 16 cores on a machine of 64, no quota, no Slurm."""
    for name in ("SLURM_JOB_ID", "SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)))
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(limits, "_own_cgroups", lambda root, controller: [])
    return monkeypatch


def test_the_affinity_mask_counts_and_not_the_machine(sixteen: pytest.MonkeyPatch) -> None:
    assert limits.usable_cpus() == 16
    assert machine.check_cpus().found == "16 usable of 64"
    assert provenance.host_facts()["cpu_count"] == 16


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "350000 100000\n"}, 3),
        ({"cpu.max": "max 100000\n"}, 16),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.cfs_quota_us": "400000\n", "cpu.cfs_period_us": "100000\n"}, 4),
        ({"cpu.cfs_quota_us": "-1\n", "cpu.cfs_period_us": "100000\n"}, 16),
        ({}, 16),
    ],
    ids=["version 2", "version 2 without", "half a core", "version 1", "version 1 without", "no files"],
)
def test_the_quota_of_a_cgroup_counts(
    files: dict[str, str], cores: int, sixteen: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    sixteen.setattr(limits, "_own_cgroups", lambda root, controller: [tmp_path])
    assert limits.usable_cpus() == cores


@pytest.mark.parametrize(
    ("variables", "cores"),
    [
        ({"SLURM_JOB_ID": "7", "SLURM_CPUS_PER_TASK": "4"}, 4),
        ({"SLURM_JOB_ID": "7", "SLURM_CPUS_ON_NODE": "6"}, 6),
        ({"SLURM_JOB_ID": "7", "SLURM_CPUS_PER_TASK": "4", "SLURM_CPUS_ON_NODE": "8"}, 4),
        ({"SLURM_JOB_ID": "7", "SLURM_CPUS_PER_TASK": "32"}, 16),
        ({"SLURM_JOB_ID": "7", "SLURM_CPUS_PER_TASK": ""}, 16),
        ({"SLURM_CPUS_PER_TASK": "4"}, 16),  # of a job that has ended
    ],
)
def test_the_share_of_a_slurm_job_counts_where_slurm_binds_nothing(
    variables: dict[str, str], cores: int, sixteen: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        sixteen.setenv(name, value)
    assert limits.usable_cpus() == cores
