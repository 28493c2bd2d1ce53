"""Training as a Slurm batch job, started from a login node.

The job's script runs the launcher on the first node; that starts one agent per node with `srun`. Two minutes before
the time limit, or before a preemption, Slurm signals the script; training writes a checkpoint and ends with exit code
75, and the script requeues the job under the same id, unless it was cancelled.

The job's state comes from `squeue`, because `sacct` needs an accounting database and without one never reports an end.
The script finally writes a file with the exit code.
"""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

from daf.cluster.settings import load_cluster
from daf.cluster.states import FAILED, STOPPED
from daf.errors import EXIT_FAILED, EXIT_OK, EXIT_REQUEUE, BadInputError, DafError, UnfitEnvironmentError, did_you_mean
from daf.system.files import write_text
from daf.system.readers import read_text
from daf.system.validated import validated
from daf.training.paths import PROCESSES_LOG

WARNING_SECONDS = 120
POLL_SECONDS = 2.0
QUEUED = {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"}


class SlurmError(DafError):
    """Slurm rejected a job."""


@dataclass(frozen=True, kw_only=True)
class SlurmOptions:
    """What to request from Slurm.

    Attributes:
        partition: default: the cluster's.
        account: default: yours.
        time_minutes: time limit of one run of the job; longer training is requeued and resumes.
        gpus_per_node: 0 requests none.
        cpus_per_task: cores of a node's agent; default: those of the cluster's settings for each GPU, otherwise one for
            each training process of the node.
        memory_mb: of a node; default: the partition's.
    """

    partition: str | None = None
    account: str | None = None
    time_minutes: int = 60
    gpus_per_node: int = 0
    cpus_per_task: int | None = None
    memory_mb: int | None = None

    def __post_init__(self) -> None:
        if self.time_minutes * 60 <= 2 * WARNING_SECONDS:
            expected = f"more than {2 * WARNING_SECONDS // 60} minutes, as the last two are for saving"
            raise BadInputError(expected, str(self.time_minutes), "slurm.time_minutes")

    @classmethod
    def from_mapping(cls, options: Mapping[str, Any]) -> Self:
        """Options by name.

        Raises:
            BadInputError: an unknown name, or a time too short to save in.
        """
        known = [field.name for field in fields(cls)]
        for name in options:
            if name not in known:
                raise BadInputError("an option of SlurmOptions", f"'{name}'", "slurm", did_you_mean(name, known))
        return cls(**options)


def exit_file(folder: Path) -> Path:
    return folder / "slurm-exit-code"


def batch_script(job_file: Path) -> str:
    """The script of a batch job that runs the launcher on `job_file`."""
    command = shlex.join([sys.executable, "-m", "daf.training.launch", "--job", str(job_file)])
    exit_path = shlex.quote(str(exit_file(job_file.parent)))
    return f"""#!/bin/bash
# Written by DAF. Ends with the launcher's exit code, or requeues the job.
cancelled=0
trap 'signalled=1; cancelled=1; kill -TERM "$launcher"' TERM
trap 'signalled=1; kill -USR1 "$launcher"' USR1
{command} &
launcher=$!
while :; do
  signalled=0
  wait "$launcher"
  code=$?
  [ "$signalled" = 1 ] || break  # a signal ends the wait, not the launcher
done
if [ "$code" = {EXIT_REQUEUE} ] && [ "$cancelled" = 0 ] && scontrol requeue "$SLURM_JOB_ID"; then
  sleep 60  # until Slurm takes the nodes away
  exit "$code"
fi
echo "$code" > {exit_path}.tmp && mv {exit_path}.tmp {exit_path}
exit "$code"
"""


def submit_command(
    script: Path, name: str, num_machines: int, processes_per_machine: int, options: SlurmOptions
) -> list[str]:
    """The sbatch command line of a training run."""
    folder = str(script.parent).replace("%", "%%")  # a percent sign starts a placeholder
    command = ["sbatch", "--parsable", f"--job-name=daf-{name}", f"--nodes={num_machines}", "--ntasks-per-node=1"]
    command += [f"--cpus-per-task={options.cpus_per_task or _cores(processes_per_machine, options.gpus_per_node)}"]
    command += [f"--gpus-per-node={options.gpus_per_node}"] if options.gpus_per_node else []
    command += [f"--mem={options.memory_mb}M"] if options.memory_mb else []
    command += [f"--partition={options.partition}"] if options.partition else []
    command += [f"--account={options.account}"] if options.account else []
    command += [f"--time={options.time_minutes}", f"--signal=B:USR1@{WARNING_SECONDS}", "--requeue"]
    return [*command, "--open-mode=append", f"--output={folder}/{PROCESSES_LOG}", str(script)]


def _cores(processes: int, gpus: int) -> int:
    return max(processes, gpus * load_cluster().cores_per_gpu) if gpus else processes


def submit(
    job_file: Path, name: str, num_machines: int, processes_per_machine: int, options: SlurmOptions
) -> SlurmProcess:
    """Submit the training run that `job_file` describes.

    Raises:
        UnfitEnvironmentError: Slurm is not available here.
        SlurmError: Slurm rejected the job.
    """
    if shutil.which("sbatch") is None:
        raise UnfitEnvironmentError("Slurm's sbatch on the PATH", "none", "slurm", "leave out `slurm` to train here")
    script = job_file.with_name("slurm.sh")
    write_text(script, batch_script(job_file))
    exit_file(job_file.parent).unlink(missing_ok=True)
    command = submit_command(script, name, num_machines, processes_per_machine, options)
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    number = answer.stdout.strip().partition(";")[0]  # the cluster's name may follow
    if answer.returncode != 0 or not number.isdigit():
        hint = f"see {script} and `sinfo`"
        raise SlurmError("a job id of sbatch", (answer.stderr or answer.stdout).strip(), shlex.join(command), hint)
    return SlurmProcess(number, job_file.parent)


class SlurmProcess:
    """A batch job with the methods of a process that `TrainingJob` needs; exit codes are the launcher's.

    A job whose script left no exit code counts as interrupted if Slurm ended it, otherwise as failed.
    """

    def __init__(self, job_id: str, folder: Path) -> None:
        self.job_id, self.folder = job_id, folder
        self._code: int | None = None

    def poll(self) -> int | None:
        """The exit code, or None while the job is queued or runs."""
        if self._code is None:
            state = self.state()
            self._code = self._exit_code()
            if self._code is None and state in STOPPED:
                self._code = EXIT_REQUEUE
            elif self._code is None and state in FAILED:
                self._code = EXIT_FAILED
            elif self._code is None and state == "COMPLETED":  # the file system may show the script's file with a delay
                self._code = EXIT_OK
        return self._code

    def _exit_code(self) -> int | None:
        path = exit_file(self.folder)
        return validated(int, read_text(path).strip(), str(path)) if path.exists() else None

    def state(self) -> str | None:
        """Slurm's name for the job's state; None if it does not answer at the moment."""
        command = ["squeue", "--noheader", "--states=all", "--format=%T", f"--jobs={self.job_id}"]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        if answer.returncode != 0:
            # Slurm forgets a job some minutes after its end.
            return "FAILED" if "Invalid job id" in answer.stderr else None
        words = re.findall(r"[A-Z_]+", answer.stdout)
        return words[0] if words else "FAILED"

    @property
    def queued(self) -> bool:
        return self.state() in QUEUED

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the exit code.

        Raises:
            subprocess.TimeoutExpired: there is none after `timeout` seconds.
        """
        until = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if until is not None and time.monotonic() >= until:
                raise subprocess.TimeoutExpired(f"Slurm job {self.job_id}", timeout or 0.0)
            time.sleep(POLL_SECONDS)
        return code

    def send_signal(self, number: int) -> None:
        """Signal the batch script; any signal cancels a job that is not running yet."""
        options = [] if self.queued else ["--batch", f"--signal={signal.Signals(number).name.removeprefix('SIG')}"]
        subprocess.run(["scancel", *options, self.job_id], capture_output=True, check=False)

    def kill(self) -> None:
        subprocess.run(["scancel", self.job_id], capture_output=True, check=False)
