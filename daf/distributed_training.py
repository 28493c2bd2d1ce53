"""Training from Python: start a run on one machine or several, watch it, collect its results.

The workflow's rule `train_policy` uses the same code.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daf.cluster.batch_job import SlurmError, SlurmOptions
from daf.cluster.training_job import (
    TrainingError,
    TrainingJob,
    TrainingResults,
    TrainingStatus,
    collect_results,
    start_training,
)
from daf.config import DAFTrainingConfig, MissionConfig
from daf.system.arguments import checked_arguments
from daf.system.user_paths import user_path
from daf.training.request import training_spec

if TYPE_CHECKING:
    from daf.engine.types import MettaGridConfig

__all__ = [
    "SlurmError",
    "SlurmOptions",
    "TrainingError",
    "TrainingJob",
    "TrainingResults",
    "TrainingStatus",
    "daf_collect_training_results",
    "daf_launch_distributed_training",
    "daf_monitor_training_job",
]


@checked_arguments
def daf_launch_distributed_training(
    env_cfg: MettaGridConfig | MissionConfig | str | None = None,
    policy_class_path: str | None = None,
    num_steps: int | None = None,
    num_machines: int | None = None,
    *,
    config: DAFTrainingConfig | None = None,
    seed: int | None = None,
    name: str = "run",
    output_dir: str | Path = "daf_output",
    slurm: SlurmOptions | Mapping[str, Any] | None = None,
    **overrides: Any,
) -> TrainingJob:
    """Start a training run in the background; it resumes any earlier run in `{output_dir}/training/{name}/seed-{seed}`.

    Args:
        env_cfg: an environment configuration, or a mission's name or file; default: the configuration's mission.
        policy_class_path: shorthand or class path of a trainable policy.
        num_steps: agent-steps to train for.
        num_machines: torchrun agents: one per node inside a Slurm allocation, otherwise all on this machine.
        config: the run; default: `DAFTrainingConfig()`. The arguments above and `overrides` replace its values.
        seed: training seed; default: the configuration's first.
        slurm: submit it as a batch job of `num_machines` nodes with these options (`SlurmOptions`: partition, account,
            time_minutes, gpus_per_node, cpus_per_task, memory_mb), from a login node that shares its files with the
            nodes; default: run here.
        overrides: any other key of `DAFTrainingConfig` (`mission` instead of env_cfg, hyperparameters, init_kwargs,
            processes_per_machine, max_restarts, …), and `device` (auto, cpu or cuda).

    Raises:
        UnfitEnvironmentError, SlurmError: Slurm is not available here, or refuses the job.
        BadInputError: an unknown mission, policy or hyperparameter, a policy that cannot be trained, or a number of
            environments that the processes cannot share equally, or both env_cfg and mission. Nothing has been started.
    """
    options = SlurmOptions.from_mapping(slurm) if isinstance(slurm, Mapping) else slurm
    arguments = {"policy_class_path": policy_class_path, "num_steps": num_steps, "num_machines": num_machines}
    changes = {key: value for key, value in arguments.items() if value is not None} | overrides
    training = training_spec(env_cfg, config, changes, name=name, seed=seed, output_dir=output_dir)
    return start_training(training, f"{name}-seed-{training.recipe.seed}", options)


@checked_arguments
def daf_monitor_training_job(job: TrainingJob) -> TrainingStatus:
    """Return the current state of a training run."""
    return job.status()


@checked_arguments
def daf_collect_training_results(job: TrainingJob | str | Path) -> TrainingResults:
    """Return the model, the record and the metrics of a finished training run.

    Args:
        job: a job, or the folder of a run's seed.

    Raises:
        BadInputError: there is no finished training run.
    """
    return collect_results(job.folder if isinstance(job, TrainingJob) else user_path(job, "job"))
