"""`daf run --detach`: the workflow itself as a Slurm job, which submits the others. One can log off."""

from __future__ import annotations

import argparse
import shlex
import subprocess
import tempfile
import time
from pathlib import Path

from daf.cluster.settings import ClusterSettings, load_cluster
from daf.config import ExperimentConfig
from daf.errors import EXIT_OK, BadInputError, UnfitEnvironmentError
from daf.system.nouns import number_of
from daf.workflow.plan import Plan
from daf.workflow.preflight import check_once
from daf.workflow.run_record import RUN, RunRecord
from daf.workflow.submission import Submission

MEMORY_MB = 4000  # Snakemake with some thousand jobs, and the short rules that run beside it
CORES = 2  # `local-cores` of the profile
WARNING_SECONDS = 120  # before the time limit: it is then stopped as by Ctrl-C, and its jobs save what they have


def submit(command: list[str], file: Path, options: argparse.Namespace) -> int:
    """Submit a command as a Slurm job, and leave its number in the output folder.

    Raises:
        BadInputError: not for Slurm, a wrong experiment, or a run of it is at work.
        UnfitEnvironmentError: Slurm refuses it.
    """
    if options.profile is None or options.dry_run:
        found = "--dry-run" if options.dry_run else "no --profile"
        hint = "for example: daf run --profile slurm --detach"
        raise BadInputError("a run on a cluster", found, "--detach", hint)
    experiment = ExperimentConfig.from_yaml(file)
    out = experiment.daf.output_dir
    _refuse_second(out)
    check_once(Plan(experiment), str(file))
    cluster = load_cluster()
    log = out / "logs" / "slurm" / "run-%j.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    job = _sbatch(command, cluster, log, experiment.name)
    submission = Submission(slurm_job_id=job, submitted=time.time(), command=command, log=str(log).replace("%j", job))
    submission.write(out)
    print(f"Submitted: Slurm job {job} runs the workflow, for at most {number_of(cluster.max_minutes, 'minute')}.")
    print(f"  daf status {out}    what it does\n  daf stop {out}      ends it; the same command continues")
    print(f"  {submission.log}    its messages")
    return EXIT_OK


def _refuse_second(out: Path) -> None:
    hint = f"daf stop {out}"
    record = RunRecord.read(out / RUN) if (out / RUN).is_file() else None
    if record is not None and record.status == "running" and record.process.runs():
        raise BadInputError("no other run in this folder", str(record.process), str(out), hint)
    submission = Submission.find(out)
    if submission is None:
        return
    from daf.cluster.inventory import ask

    if submission.slurm_job_id in ask("squeue", "--noheader", "--me", "--format=%i").split():
        raise BadInputError("no other run in this folder", f"Slurm job {submission.slurm_job_id}", str(out), hint)


def _sbatch(command: list[str], cluster: ClusterSettings, log: Path, name: str) -> str:
    """Submit; return the number of the job."""
    words = ["sbatch", "--parsable", f"--job-name=daf-{name}", f"--chdir={Path.cwd()}", f"--output={log}"]
    words += ["--open-mode=append", "--nodes=1", "--ntasks=1", f"--cpus-per-task={CORES}"]
    words += [f"--mem={min(MEMORY_MB, cluster.max_memory_mb)}", f"--time={cluster.max_minutes}"]
    words += [f"--partition={cluster.cpu_partition}", f"--signal=B:INT@{WARNING_SECONDS}"]
    for option in ("account", "qos", "constraint"):
        if value := getattr(cluster, option):
            words.append(f"--{option}={value}")
    words += shlex.split(cluster.extra or "")
    # `exec`: signals of Slurm to the batch script reach Snakemake itself.
    script = f"#!/bin/sh\nexec {shlex.join(command)}\n"
    with tempfile.NamedTemporaryFile("w", prefix="daf-run-", suffix=".sh") as file:
        file.write(script)
        file.flush()
        try:
            done = subprocess.run([*words, file.name], capture_output=True, text=True, check=False)
        except FileNotFoundError:
            hint = "start it on a login node of the cluster, or leave out --detach"
            raise UnfitEnvironmentError("Slurm's sbatch on the PATH", "none", "--detach", hint) from None
    if done.returncode:
        hint = "see profiles/slurm/cluster.yaml"
        raise UnfitEnvironmentError("a submitted job", done.stderr.strip() or "no message", "sbatch", hint)
    return done.stdout.strip().partition(";")[0]
