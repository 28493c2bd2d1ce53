"""Settings that differ between clusters: the model of `profiles/slurm/cluster.yaml`, which the profile reads.

The methods return resource expressions for a profile, which Snakemake evaluates per job and attempt. Names are quoted,
since Snakemake would read `all` or `max` as a Python name.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import Field

from daf.config import StrictModel
from daf.system.files import PROJECT
from daf.system.user_paths import user_path

VARIABLE = "DAF_CLUSTER"
SlurmName = Annotated[str, Field(pattern=r"^[^\s'\",;]+$")]


class ClusterSettings(StrictModel):
    """Settings of one cluster."""

    account: SlurmName | None = Field(None, description="sbatch --account; null: your default account")
    qos: SlurmName | None = Field(None, description="sbatch --qos; null: the default")
    constraint: SlurmName | None = Field(None, description="sbatch --constraint: a feature that nodes must have")
    cpu_partition: SlurmName = Field("cpu", description="where jobs without a GPU run")
    gpu_partition: SlurmName | None = Field("gpu", description="where jobs with GPUs run; null: there are no GPUs")
    gres: SlurmName = Field("gpu", description="name of the GPUs as a generic resource, e.g. gpu or gpu:a100")
    task_per_gpu: bool = Field(
        False, description="start each training process as a separate Slurm task with its own GPU"
    )
    cores_per_gpu: int = Field(
        8, ge=1, description="cores of each process with a GPU: one runs the network, the others step environments"
    )
    evaluate_on_gpu: bool = Field(
        False,
        description="whether networks play the episodes of `evaluate_policy` and `play_match` on a GPU, not on the CPU",
    )
    trials_per_job: int = Field(1, ge=1, description="number of a sweep's trials that one job runs in turn")
    matches_per_job: int = Field(8, ge=1, description="number of a tournament's matches that one job plays in turn")
    max_memory_mb: int = Field(ge=1000, description="maximum memory per node that a job may request, MB")
    max_minutes: int = Field(ge=10, description="longest time limit that the partitions allow, minutes")
    scratch: str | None = Field(None, description="folder for temporary files on the nodes; null: their default")
    modules: list[str] = Field([], description="environment modules that must be loaded where Snakemake is started")
    extra: str | None = Field(None, description="additional sbatch options, as on its command line")

    @property
    def plays_on_gpu(self) -> bool:
        """Whether evaluation uses GPUs."""
        return self.evaluate_on_gpu and self.gpu_partition is not None

    def partition(self, gpu_if: str = "False") -> str:
        """The gpu_partition for jobs for which the expression is true."""
        return f"{self.gpu_partition!r} if {gpu_if} else {self.cpu_partition!r}"

    def gpus(self, count: int | str, only_if: str = "True", otherwise: str = "") -> str:
        """`count` GPUs on every node of a job; both arguments may be expressions, e.g. `threads` and `input`."""
        return f"'{self.gres}:' + str({count}) if {only_if} else {otherwise!r}"

    def gpus_of_training(self) -> str:
        """A GPU for each training process on a node."""
        return self.gpus(f"max(1, threads // {self.cores_per_gpu})")

    def memory_mb_of_players(self) -> str:
        """For an evaluation on a GPU: a process plays on each of its cores, each with a network and CUDA."""
        return self.memory_mb(f"({4000 * (self.cores_per_gpu + 1)} if input.weights else 8000)")

    def memory_mb(self, first: int | str) -> str:
        """`first` MB per node, a number or an expression, increased by as much with each attempt, up to what a node
        has."""
        return f"min({first} * attempt, {self.max_memory_mb})"

    def minutes(self, first: int) -> str:
        """`first` minutes, increased by as much with each attempt, up to what the partitions allow."""
        return f"min({first} * attempt, {self.max_minutes})"


def settings_file() -> Path:
    """The profile's file in this checkout, or the one that the variable DAF_CLUSTER names."""
    named = os.environ.get(VARIABLE)
    return user_path(named, VARIABLE) if named else PROJECT / "profiles" / "slurm" / "cluster.yaml"


def load_cluster() -> ClusterSettings:
    """Load the cluster's settings.

    Raises:
        ConfigError: the file is missing or has errors.
    """
    return ClusterSettings.from_yaml(settings_file())
