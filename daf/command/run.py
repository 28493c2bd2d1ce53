"""`daf run` and `daf stop`: Snakemake with DAF's Snakefile, here or as a Slurm job, and its end."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from daf.command.folders import FILE_SUFFIXES, experiment_file, output_folder
from daf.errors import EXIT_BAD_INPUT, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, BadInputError, DafError
from daf.system.files import PROJECT
from daf.system.process_identity import ProcessIdentity
from daf.workflow.dry_run import DRY_RUN
from daf.workflow.run_record import RUN, RunRecord
from daf.workflow.start import SILENT_SINCE
from daf.workflow.status import read_status
from daf.workflow.submission import Submission

PROFILES = PROJECT / "profiles"
QUIET = ("--quiet", "rules", "host", "reason")
LOUD = ("--quiet", "host")  # else the default profile decides
STOPPING_SECONDS = 120.0  # how long `daf stop` waits for jobs to save what they have
PATIENCE_SECONDS = 10.0  # before it insists
POLL_SECONDS = 0.5
ENDED = {"done": "has finished", "failed": "ended before it was complete", "killed": "was killed"}


def run(options: argparse.Namespace) -> int:
    """Answer `daf run`."""
    files = [target for target in options.targets if target.endswith(FILE_SUFFIXES)]
    targets = [target for target in options.targets if target not in files]
    require_cores(options.jobs)
    file = experiment_file(options.config_file, *files)
    with effective(file, options.overrides, keep=not options.dry_run) as file:
        command = snakemake_command(file, targets, cores=options.jobs, profile=options.profile, dry_run=options.dry_run)
        if not options.dry_run:
            command += LOUD if options.verbose else QUIET
        if options.detach:
            from daf.command.detach import submit

            return submit(command, file, options)
        return run_here(command, as_plan=options.dry_run and not options.verbose)


def require_cores(jobs: int | None) -> None:
    """Raise BadInputError if `--jobs` allows none."""
    if jobs is not None and jobs < 1:
        raise BadInputError("at least 1", str(jobs), "--jobs", "leave it out to use all cores")


@contextmanager
def effective(file: Path, overrides: list[str], *, keep: bool) -> Iterator[Path]:
    """The experiment's file or, with overrides, one with their values.

    Args:
        keep: leave it in the output folder, where jobs and later readers find it.
    """
    if not overrides:
        yield file
        return
    from daf.config.overrides import effective_file

    if keep:
        yield effective_file(file, overrides)
        return
    with tempfile.TemporaryDirectory(prefix="daf-experiment-") as folder:
        yield effective_file(file, overrides, Path(folder))


def snakemake_command(
    file: Path, targets: list[str], *, cores: int | None = None, profile: str | None = None, dry_run: bool = False
) -> list[str]:
    """The command line that makes targets of an experiment.

    Args:
        cores: default: all that this process may use, or what the profile says.
    """
    command = [sys.executable, "-m", "daf.workflow.start", "--snakefile", str(PROJECT / "Snakefile"), *targets]
    command += ["--configfile", str(file)]
    if profile is not None:
        shipped = PROFILES / profile
        command += ["--profile", str(shipped) if (shipped / "config.v9+.yaml").is_file() else profile]
    if cores is None and profile is None:
        from daf.system.limits import usable_cpus

        cores = usable_cpus()
    if cores is not None:
        # Here, --jobs would count as one core in a dry-run; on a cluster, it is the number of jobs.
        command += ["--cores" if profile is None else "--jobs", str(cores)]
    return command + (["--dry-run"] if dry_run else [])


def run_here(command: list[str], *, as_plan: bool = False) -> int:
    """Run Snakemake in the foreground; return the exit code of `daf`.

    Ctrl-C reaches Snakemake by itself, which stops its jobs; this process waits for it.

    Args:
        as_plan: a dry-run prints its plan in DAF's words.
    """
    began = psutil.Process().create_time()
    environment = os.environ | {SILENT_SINCE: str(began)} | ({DRY_RUN: "1"} if as_plan else {})
    interrupted: list[int] = []
    children: list[subprocess.Popen[bytes]] = []

    def notice(number: int, frame: object) -> None:
        interrupted.append(number)
        if number == signal.SIGTERM and children:
            children[0].send_signal(signal.SIGTERM)  # Snakemake then starts no more jobs

    # Before the child starts: in the background of a script Ctrl-C is ignored, which a child inherits unless there is a
    # handler, and then `daf stop` could not stop it.
    before = {number: signal.signal(number, notice) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        children.append(subprocess.Popen(command, env=environment))
        code = children[0].wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if interrupted or code in (-signal.SIGINT, EXIT_INTERRUPTED):  # the second by `daf stop`
        print("Stopped. Finished files and checkpoints are kept.")
        return EXIT_INTERRUPTED
    if code < 0:  # it could not say so itself
        kept = "Finished files and checkpoints are kept; the same command continues."
        print(f"Snakemake was killed by {signal.Signals(-code).name}. {kept}", file=sys.stderr)
    return code if code in (EXIT_OK, EXIT_BAD_INPUT) else EXIT_FAILED


def stop(options: argparse.Namespace) -> int:
    """Answer `daf stop`."""
    out = output_folder(options.folder)
    submission = Submission.find(out)
    record = RunRecord.read(out / RUN) if (out / RUN).is_file() else None
    if record is not None and record.status == "running" and record.process.runs():
        return _stop_here(record, out)
    job = _slurm_job(record, submission)
    if job is not None:
        return _stop_on_slurm(job, out)
    if record is not None and record.status == "running" and not record.process.is_here:
        hint = f"run `daf stop` on {record.process.host}"
        raise DafError("a run on this machine, or in a Slurm job", str(record.process), str(out), hint)
    last = "" if record is None else f": the last one {ENDED.get(read_status(out).state, 'has ended')}"
    raise DafError("a run at work", f"no run is at work{last}", str(out), f"see `daf status {out}`")


def _stop_here(record: RunRecord, out: Path) -> int:
    print(f"Stopping {record.process}; its jobs save what they have …", flush=True)
    _signal(record.process, signal.SIGINT)
    # Ctrl-C in a terminal reaches them, too. Snakemake waits for them.
    for job in read_status(out).jobs("running"):
        _signal(job.process, signal.SIGTERM)
    begun, has_insisted = time.monotonic(), False
    while record.process.runs():
        waited = time.monotonic() - begun
        if waited > STOPPING_SECONDS:
            found = f"{record.process} after {STOPPING_SECONDS:g} s"
            raise DafError("the run to end", found, str(out), "wait, and look again with `daf status`")
        if waited > PATIENCE_SECONDS and not has_insisted:  # a script's background process ignores Ctrl-C
            has_insisted = True
            _signal(record.process, signal.SIGTERM)
        time.sleep(POLL_SECONDS)
    print("Stopped. The same `daf run` continues.")
    return EXIT_OK


def _signal(process: ProcessIdentity, number: int) -> None:
    if process.runs():
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)


def _slurm_job(record: RunRecord | None, submission: Submission | None) -> str | None:
    """The Slurm job that is the run, if it has not ended."""
    from daf.cluster.inventory import ask

    known = [submission.slurm_job_id] if submission else []
    if record is not None and record.status == "running" and record.process.slurm_job_id:
        known.insert(0, record.process.slurm_job_id)
    if not known:
        return None
    queued = set(ask("squeue", "--noheader", "--me", "--format=%i").split())
    return next((job for job in known if job in queued), None)


def _stop_on_slurm(job: str, out: Path) -> int:
    """Interrupt the run if it has begun, so that it cancels its own jobs; cancel it if it waits."""
    from daf.cluster.inventory import ask

    ask("scancel", "--state=PENDING", job)
    print(f"Stopping Slurm job {job}; the jobs that it submitted save what they have …", flush=True)
    deadline = time.monotonic() + STOPPING_SECONDS
    told = False
    while job in ask("squeue", "--noheader", "--me", "--states=PENDING,RUNNING", "--format=%i").split():
        if not told:
            ask("scancel", "--batch", "--signal=INT", job)  # to Snakemake, which is the batch script's process
            told = True
        if time.monotonic() > deadline:
            hint = f"wait, or end it: scancel {job}"
            raise DafError("the run to end", f"job {job} after {STOPPING_SECONDS:g} s", str(out), hint)
        time.sleep(POLL_SECONDS)
    print("Stopped. The same `daf run` continues.")
    return EXIT_OK
