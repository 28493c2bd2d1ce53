"""Training in the background, on this machine or as a Slurm job: start it, monitor it, collect its results.

`daf.training.launch` starts the training processes, here or in the batch job.
"""

from __future__ import annotations

import math
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daf.cluster.batch_job import SlurmOptions, SlurmProcess, submit
from daf.errors import EXIT_OK, EXIT_REQUEUE, BadInputError, DafError, ending_in_one_line
from daf.system.live_progress import is_watched, live_progress
from daf.system.progress import format_figure
from daf.system.readers import read_text
from daf.system.shown import MOST_ROWS, Shown, Table
from daf.training.metrics_file import read_metrics
from daf.training.options import TrainingSpec
from daf.training.outcome import read_run_record
from daf.training.paths import JOB, LOG, METRICS, MODEL, PROCESSES_LOG, state_folder

GRACE_SECONDS = 90.0
LOOK_SECONDS = 1.0  # between two looks at how far a training run is that somebody watches


class TrainingError(DafError):
    """Training ended without a model."""


@dataclass(frozen=True, kw_only=True, repr=False)
class TrainingStatus(Shown):
    """The state of a training run.

    Attributes:
        state: queued (in a Slurm queue), running, completed, diverged, interrupted (started again, it resumes from its
            last checkpoint), or failed.
        agent_steps: agent-steps trained.
        total_steps: agent-steps to train for.
        steps_per_second: of the last update.
        episode_reward: mean over the episodes that ended last; None before the first.
        memory_mb: memory of the first process, in MiB; None before the first update.
    """

    state: str
    agent_steps: int
    total_steps: int
    steps_per_second: float | None
    episode_reward: float | None
    memory_mb: float | None

    def _headline(self) -> str:
        share = f" ({100 * self.agent_steps // self.total_steps} %)" if self.total_steps else ""
        reward = "" if self.episode_reward is None else f", reward {format_figure(self.episode_reward)}"
        return f"{self.state}, {self.agent_steps:,} of {self.total_steps:,} agent-steps{share}{reward}"


@dataclass(frozen=True, kw_only=True, repr=False)
class TrainingResults(Shown):
    """What a finished training left behind.

    Attributes:
        folder: of the run's seed.
        model_path: the published weights.
        run: the content of run.json.
        metrics: the lines of metrics.jsonl.
    """

    folder: Path
    model_path: Path
    run: dict[str, Any]
    metrics: list[dict[str, Any]]

    def _headline(self) -> str:
        steps = self.run.get("agent_steps")
        return f"{self.run.get('status', 'unknown')}, {format_figure(steps)} agent-steps, {self.model_path}"

    def _tables(self) -> Iterable[Table]:
        yield Table(title="run", columns=("", ""), rows=list(self.run.items()), total=len(self.run))
        last = self.metrics[-MOST_ROWS:]
        yield Table.of(f"the last {len(last)} of {len(self.metrics):,} updates", last)


class TrainingJob(Shown):
    """Training in the background: a process on this machine, or a Slurm job.

    Attributes:
        log_file: DAF's messages; those of its processes are in processes.log in the same folder.
    """

    def __init__(self, training: TrainingSpec, process: subprocess.Popen[bytes] | SlurmProcess) -> None:
        self.recipe, self.folder = training.recipe, training.folder
        self.log_file = training.options.log_file or training.folder / LOG
        self._process = process

    def _headline(self) -> str:
        return f"{self.folder}, log {self.log_file}; `status()` says how far it is"

    def wait_for_completion(self, timeout_seconds: float | None = None) -> Path:
        """Wait for training to end and return the path of the model. Ctrl-C stops it; it writes a checkpoint first.

        Raises:
            TrainingError: it failed, diverged or was interrupted.
            TimeoutError: it is still running after `timeout_seconds`.
        """
        message = f"training in {self.folder}: stopped by Ctrl-C with a checkpoint; start it again to continue"
        try:
            with ending_in_one_line(message):
                code = self._wait_or_stop(timeout_seconds)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"training in {self.folder} is still running after {timeout_seconds} s") from None
        if code != EXIT_OK:
            state = self.status().state
            hint = "start it again: it resumes from its checkpoint" if code == EXIT_REQUEUE else f"see {self.log_file}"
            tail = "\n".join(read_text(self.log_file).splitlines()[-5:]) if self.log_file.exists() else ""
            why = f", {self._failure_reason()}" if state == "failed" else ""
            found = f"{state} (exit code {code}{why})\n{tail}"
            raise TrainingError("training to finish", found, str(self.folder), hint)
        return self.folder / MODEL

    def _wait_or_stop(self, timeout_seconds: float | None) -> int:
        try:
            return self._process.wait(timeout_seconds) if not is_watched() else self._watch(timeout_seconds)
        except KeyboardInterrupt:
            self.cancel()
            raise

    def _watch(self, timeout_seconds: float | None) -> int:
        """Wait for the exit code, and show how far the training is."""
        until = math.inf if timeout_seconds is None else time.monotonic() + timeout_seconds
        with live_progress(f"training in {self.folder}", self.recipe.num_steps, "agent-steps") as progress:
            while True:
                try:
                    code = self._process.wait(max(0.0, min(LOOK_SECONDS, until - time.monotonic())))
                except subprocess.TimeoutExpired:
                    if time.monotonic() >= until:
                        raise
                    status = self.status()
                    reward = {} if status.episode_reward is None else {"reward": status.episode_reward}
                    progress.update(status.agent_steps, **reward)
                else:
                    if code == EXIT_OK:
                        progress.update(self.recipe.num_steps)
                    return code

    def _failure_reason(self) -> str:
        record = read_run_record(self.folder)
        if record.get("status") == "failed":
            return f"{record['cause']}: {record['reason']}"
        slurm = f"Slurm says {self._process.state()}; " if isinstance(self._process, SlurmProcess) else ""
        return f"{slurm}see {self.folder / PROCESSES_LOG}"

    def status(self) -> TrainingStatus:
        """Return its current state."""
        # The growing file is with the trainer's state; the published copy appears at the end.
        path = state_folder(self.folder, self.recipe) / METRICS
        metrics = read_metrics(path, remedy="") if path.exists() else []
        figures = metrics[-1] if metrics else {}
        rewards = [record["episode_reward"] for record in metrics if record["episode_reward"] is not None]
        return TrainingStatus(
            state=self._state(),
            agent_steps=figures.get("agent_steps", 0),
            total_steps=self.recipe.num_steps,
            steps_per_second=figures.get("steps_per_second"),
            episode_reward=rewards[-1] if rewards else None,
            memory_mb=figures.get("memory_mb"),
        )

    def _state(self) -> str:
        code = self._process.poll()
        if code is None:
            return "queued" if isinstance(self._process, SlurmProcess) and self._process.queued else "running"
        if code in (EXIT_OK, EXIT_REQUEUE):
            return "completed" if code == EXIT_OK else "interrupted"
        return "diverged" if read_run_record(self.folder).get("status") == "diverged" else "failed"

    def cancel(self) -> None:
        """Stop it; it writes a checkpoint first."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def start_training(training: TrainingSpec, name: str, slurm: SlurmOptions | None) -> TrainingJob:
    """Start training in the background.

    Args:
        name: name of the batch job.
        slurm: submit it as a batch job with these options; None: start it here.

    Raises:
        UnfitEnvironmentError, SlurmError: Slurm is not available here, or rejects the job.
    """
    job_file = training.folder / JOB
    training.write(job_file)
    if slurm is not None:
        machines = training.options.num_machines
        return TrainingJob(training, submit(job_file, name, machines, training.recipe.world_size // machines, slurm))
    with open(training.folder / PROCESSES_LOG, "ab") as messages:  # torchrun's own; DAF's messages are in train.log
        process = subprocess.Popen(
            [sys.executable, "-m", "daf.training.launch", "--job", str(job_file)],
            stdout=messages,
            stderr=messages,
            start_new_session=True,
        )
    return TrainingJob(training, process)


def collect_results(folder: Path) -> TrainingResults:
    """Return the model, the record and the metrics of a finished training run, from the folder of a run's seed.

    Raises:
        BadInputError: there is no finished training run.
    """
    model = folder / MODEL
    if not model.is_file():
        hint = f"it is still running, diverged or was interrupted: see run.json and {LOG} there"
        raise BadInputError(f"a finished training run ({MODEL})", "no such file", str(folder), hint)
    return TrainingResults(
        folder=folder, model_path=model, run=read_run_record(folder), metrics=read_metrics(folder / METRICS)
    )
