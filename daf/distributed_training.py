"""Training from Python: start a run on one machine or several, watch it, collect what it made.

The processes are started by `daf.training.launch` (torchrun), here or in a Slurm job; the workflow's `train_policy`
uses the same code.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daf.cluster.batch_job import SlurmOptions, SlurmProcess, submit
from daf.config import DAFTrainingConfig, Hyperparameters, MissionConfig
from daf.config.recipes import TrainingRecipe, training_recipe
from daf.engine.model_files import MODEL
from daf.errors import EXIT_OK, EXIT_REQUEUE, BadInputError, DafError
from daf.system.files import read_json, write_json, write_text

if TYPE_CHECKING:
    from daf.engine.types import MettaGridConfig

GRACE_SECONDS = 90.0


class TrainingError(DafError):
    """The training ended without a model."""


@dataclass(frozen=True, kw_only=True)
class TrainingStatus:
    """Where a training is.

    Attributes:
        state: queued (in a Slurm queue), running, completed, diverged, interrupted (it goes on from its last checkpoint
            when it is started again), or failed.
        steps_per_second: of the last update.
        episode_reward: mean of the last episodes that ended, if any has.
    """

    state: str
    agent_steps: int
    total_steps: int
    steps_per_second: float | None
    episode_reward: float | None
    memory_mb: float | None


@dataclass(frozen=True, kw_only=True)
class TrainingResults:
    """What a finished training left behind."""

    folder: Path
    model_path: Path
    run: dict[str, Any]
    metrics: list[dict[str, Any]]


class TrainingJob:
    """A training that runs in the background: a process of this machine, or a Slurm job."""

    def __init__(
        self, recipe: TrainingRecipe, folder: Path, process: subprocess.Popen[bytes] | SlurmProcess, log_file: Path
    ) -> None:
        self.recipe, self.folder, self.log_file = recipe, folder, log_file
        self._process = process

    def wait_for_completion(self, timeout_seconds: float | None = None) -> Path:
        """Wait for the end; the path of the model.

        Raises:
            TrainingError: it failed, diverged or was interrupted.
            TimeoutError: it still runs after `timeout_seconds`.
        """
        try:
            code = self._process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"training in {self.folder} still runs after {timeout_seconds} s") from None
        if code != EXIT_OK:
            state = self.status().state
            hint = "start it again: it goes on from its checkpoint" if code == EXIT_REQUEUE else f"see {self.log_file}"
            tail = "\n".join(self.log_file.read_text().splitlines()[-5:]) if self.log_file.exists() else ""
            why = f", {self._failed_because()}" if state == "failed" else ""
            found = f"{state} (exit code {code}{why})\n{tail}"
            raise TrainingError("a finished training", found, str(self.folder), hint)
        return self.folder / MODEL

    def _failed_because(self) -> str:
        run = self.folder / "run.json"
        content = read_json(run) if run.exists() else {}
        if content.get("status") == "failed":
            return f"{content['cause']}: {content['reason']}"
        slurm = f"Slurm says {self._process.state()}; " if isinstance(self._process, SlurmProcess) else ""
        return f"{slurm}see {self.folder / 'processes.log'}"

    def status(self) -> TrainingStatus:
        """Where it is now."""
        code = self._process.poll()
        state = "running"
        if code is None and isinstance(self._process, SlurmProcess) and self._process.queued:
            state = "queued"
        if code is not None:
            run = self.folder / "run.json"
            state = {EXIT_OK: "completed", EXIT_REQUEUE: "interrupted"}.get(code, "failed")
            if state == "failed" and run.exists() and read_json(run)["status"] == "diverged":
                state = "diverged"
        # The growing file is with the trainer's state; the published copy appears at the end.
        metrics = _read_metrics(self.folder / "state" / self.recipe.digest[:16])
        figures = metrics[-1] if metrics else {}
        recent = [line["episode_reward"] for line in metrics if line["episode_reward"] is not None]
        return TrainingStatus(
            state=state,
            agent_steps=figures.get("agent_steps", 0),
            total_steps=self.recipe.num_steps,
            steps_per_second=figures.get("steps_per_second"),
            episode_reward=recent[-1] if recent else None,
            memory_mb=figures.get("memory_mb"),
        )

    def cancel(self) -> None:
        """Stop it; a checkpoint is written first."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def daf_launch_distributed_training(
    env_cfg: MettaGridConfig | MissionConfig | str | None = None,
    policy_class_path: str = "grid",
    num_steps: int = 600_000,
    num_machines: int = 1,
    *,
    processes_per_machine: int = 1,
    seed: int = 1,
    hyperparameters: Hyperparameters | Mapping[str, Any] | None = None,
    init_kwargs: Mapping[str, Any] | None = None,
    name: str = "run",
    output_dir: str | Path = "daf_output",
    device: str = "auto",
    max_restarts: int = 2,
    stall_seconds: float = 600.0,
    slurm: SlurmOptions | Mapping[str, Any] | None = None,
) -> TrainingJob:
    """Start a training in the background; in `{output_dir}/training/{name}/seed-{seed}` it resumes what it finds.

    Args:
        env_cfg: an environment configuration, or a mission's name or file; by default tutorial.miner.
        num_steps: agent-steps.
        num_machines: torchrun agents: one per node inside a Slurm allocation, else all on this machine.
        processes_per_machine: training processes of each agent.
        hyperparameters: the knobs of PPO; default: those of `Hyperparameters`.
        max_restarts: how often several processes are started again after one was killed, hung or failed.
        stall_seconds: processes without progress for so long count as hung.
        slurm: submit it as a batch job of `num_machines` nodes with these options (`SlurmOptions`: partition, account,
            time_minutes, gpus_per_node, cpus_per_task, memory_mb), from a login node whose files the nodes share;
            default: run here.

    Raises:
        UnfitEnvironmentError, SlurmError: there is no Slurm here, or it refuses the job.
        BadInputError: unknown mission, policy or hyperparameter, a policy that cannot be trained, environments that
            cannot be shared equally. Nothing is started then.
    """
    options = SlurmOptions.from_mapping(slurm) if isinstance(slurm, Mapping) else slurm
    folder = Path(output_dir).resolve() / "training" / name / f"seed-{seed}"
    mission, missions = _mission(env_cfg, folder)
    knobs = hyperparameters.to_dict() if isinstance(hyperparameters, Hyperparameters) else dict(hyperparameters or {})
    knobs.setdefault("num_envs", _divisible(Hyperparameters().num_envs, num_machines * processes_per_machine))
    config = DAFTrainingConfig.from_dict(
        {
            "mission": mission,
            "policy_class_path": policy_class_path,
            "init_kwargs": dict(init_kwargs or {}),
            "num_steps": num_steps,
            "seeds": [seed],
            "hyperparameters": knobs,
            "num_machines": num_machines,
            "processes_per_machine": processes_per_machine,
            "max_restarts": max_restarts,
        },
        source="daf_launch_distributed_training",
    )
    recipe = training_recipe(config, seed, missions)
    _check(recipe)
    log_file = folder / "train.log"
    job_file = folder / "job.json"
    write_json(
        job_file,
        {
            "recipe": recipe.to_dict(),
            "folder": str(folder),
            "label": f"train {name} · seed {seed}",
            "num_machines": num_machines,
            "device": device,
            "checkpoint_steps": config.checkpoint_interval_steps,
            "max_restarts": max_restarts,
            "stall_seconds": stall_seconds,
            "trackers": config.trackers,
            "log_file": str(log_file),
        },
    )
    if options is not None:
        batch = submit(job_file, f"{name}-seed-{seed}", num_machines, processes_per_machine, options)
        return TrainingJob(recipe, folder, batch, log_file)
    with open(folder / "processes.log", "ab") as messages:  # torchrun's own; DAF's messages are in train.log
        process = subprocess.Popen(
            [sys.executable, "-m", "daf.training.launch", "--job", str(job_file)],
            stdout=messages,
            stderr=messages,
            start_new_session=True,
        )
    return TrainingJob(recipe, folder, process, log_file)


def daf_monitor_training_job(job: TrainingJob) -> TrainingStatus:
    """Where a training is now."""
    return job.status()


def daf_collect_training_results(job: TrainingJob | str | Path) -> TrainingResults:
    """The model, the facts and the metrics of a finished training.

    Args:
        job: a job, or the folder of a run's seed.

    Raises:
        BadInputError: there is no finished training.
    """
    folder = job.folder if isinstance(job, TrainingJob) else Path(job)
    model = folder / MODEL
    if not model.is_file():
        hint = "it still runs, diverged or was interrupted: see run.json and train.log there"
        raise BadInputError(f"a finished training ({MODEL})", "no such file", str(folder), hint)
    return TrainingResults(
        folder=folder, model_path=model, run=read_json(folder / "run.json"), metrics=_read_metrics(folder)
    )


def _mission(env_cfg: Any, folder: Path) -> tuple[str, dict[str, MissionConfig]]:
    """The mission's name, and what it means if it has no name outside this call."""
    if env_cfg is None:
        return "tutorial.miner", {}
    if isinstance(env_cfg, str):
        return env_cfg, {}
    if isinstance(env_cfg, MissionConfig):
        return "mission", {"mission": env_cfg}
    path = folder / "environment.json"  # JSON, because not every configuration survives YAML
    write_text(path, env_cfg.model_dump_json(indent=1))
    return str(path), {}


def _divisible(preferred: int, world_size: int) -> int:
    """The default number of environments, raised so that the processes share them equally."""
    world_size = max(1, world_size)  # what is wrong with a smaller one, the configuration says
    return -(-preferred // world_size) * world_size


def _check(recipe: TrainingRecipe) -> None:
    """What would stop the training, before a process is started."""
    from daf.config import PolicyConfig
    from daf.distributed.process_group import Group
    from daf.engine.missions import resolve_mission
    from daf.engine.networks import PolicyNetwork
    from daf.engine.policies import build_policy, resolve_policy
    from daf.engine.simulation import SimulationFactory
    from daf.training.trainer import share_of_environments

    share_of_environments(recipe, Group(world_size=recipe.world_size))
    mission = resolve_mission(recipe.mission.config, recipe.mission.name)
    policy = resolve_policy(PolicyConfig(class_path=recipe.policy_class_path, init_kwargs=recipe.init_kwargs))
    PolicyNetwork(build_policy(policy, SimulationFactory(mission.env_config).interface), policy.label)


def _read_metrics(folder: Path) -> list[dict[str, Any]]:
    path = folder / "metrics.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    metrics = []
    for line in lines:
        try:
            metrics.append(json.loads(line))
        except json.JSONDecodeError:  # the line that is being written
            break
    return metrics
