"""Running the workflow on the tests' cluster, and asking the cluster what became of it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.slurm.cluster import PATIENCE_SECONDS, Cluster
from tests.workflow.tools import PROJECT

# Only how often one looks, which the profile sets for real clusters: a test should not wait for its turn.
IMPATIENT = ("--slurm-init-seconds-before-status-checks=2", "--max-status-checks-per-second=5", "--latency-wait=10")
FIELDS = ("JobIDRaw", "Partition", "AllocNodes", "AllocCPUS", "ReqMem", "Timelimit", "State", "NodeList", "ReqTRES",
          "AllocTRES", "Start", "End", "Comment", "SubmitLine")  # fmt: skip


class Run:
    """`snakemake --profile PROFILE` of a user, in `folder`, which holds experiment.yaml."""

    def __init__(self, cluster: Cluster, folder: Path, *arguments: str, profile: str = "slurm") -> None:
        self.cluster, self.folder = cluster, folder
        link = folder / "slurm"
        if not link.exists():
            link.symlink_to(PROJECT / "profiles" / "slurm")
        self.log = folder / f"run-{time.monotonic_ns()}.log"
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(PROJECT / "Snakefile")]
        command += ["--profile", profile, "--configfile", "experiment.yaml"]
        command += [*(IMPATIENT if profile == "slurm" else IMPATIENT[1:]), *arguments]
        with self.log.open("wb") as stream:
            self.process = subprocess.Popen(
                command, cwd=folder, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=stream, stderr=stream,
                start_new_session=True,
                # Under nohup or in the background of a script, Ctrl-C is ignored, and children inherit that.
                preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
            )  # fmt: skip

    @property
    def output(self) -> str:
        return self.log.read_text()

    def wait(self, seconds: float = PATIENCE_SECONDS) -> int:
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"still running after {seconds:g} s\n{self.output[-6000:]}") from None

    def succeeds(self, seconds: float = PATIENCE_SECONDS) -> None:
        code = self.wait(seconds)
        assert code == 0, f"exit code {code}\n{self.output[-8000:]}"

    def kill(self) -> None:
        """kill -9 of Snakemake alone, as on the login node."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def wait_until(self, what: str, condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
        until = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, f"ended before {what}\n{self.output[-8000:]}"
            assert time.monotonic() < until, f"waited {seconds:g} s for {what}\n{self.output[-6000:]}"
            time.sleep(0.1)

    def queue(self) -> dict[str, str]:
        """Ids of the folder's jobs that have not ended, by rule and wildcards."""
        listed = self.cluster.run("squeue", "--noheader", "--format=%k|%i|%Z").splitlines()
        fields = [line.split("|") for line in listed]
        return {comment.removeprefix("rule_"): job for comment, job, folder in fields if folder == str(self.folder)}

    def jobs(self, comment: str = "") -> list[Job]:
        """The run's jobs with a comment that begins so, by id; of all runs in the folder."""
        return [job for job in jobs_in(self.cluster, self.folder) if job.comment.startswith(comment)]


@dataclass(frozen=True)
class Job:
    """A job by accounting's word: `FIELDS`, in their order."""

    job_id: str
    partition: str
    nodes: int
    cpus: int
    memory: str
    limit: str
    state: str
    node_list: str
    requested: str
    allocated: str
    start: str
    end: str
    comment: str
    submit_line: str

    @property
    def options(self) -> list[str]:
        """The sbatch options with the request, in their order on the command line."""
        words = re.sub(r"--wrap=.*", "", self.submit_line, flags=re.DOTALL).split()
        return words[words.index("-p") :]


def jobs_in(cluster: Cluster, folder: Path) -> list[Job]:
    columns = f"--format={','.join((*FIELDS, 'WorkDir'))}"
    how = ("--allocations", "--noheader", "--parsable2", "--delimiter=\x1f", "--starttime=now-1hour")
    jobs = []
    for line in cluster.run("sacct", *how, columns).splitlines():
        *values, where = line.split("\x1f")
        if len(values) == len(FIELDS) and where == str(folder):
            jobs.append(Job(*values[:2], int(values[2]), int(values[3]), *values[4:]))  # type: ignore[call-arg]  # counts them
    return sorted(jobs, key=lambda job: int(job.job_id))
