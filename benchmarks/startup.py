"""What starting each kind of job costs, in processor seconds and as a multiple of importing torch.

    python benchmarks/startup.py [--quick] [--rounds N] [--json]

Each kind of job is a Python process that imports what the job imports until its own work begins. The peer is a plain
`import torch`, measured in the same rounds. Processor seconds (user and system, of the process and its children) depend
less on other work on the machine than the time on the clock. With --json the last line is a JSON object with `ratio` by
kind. --quick takes under 50 seconds.

On Linux, kinds whose jobs a run starts as copies of a process that has imported what they need are measured so, too
(`daf/workflow/fork_server.py`): the copy's own time, and that of making it. The last column is its share of what the
same job takes otherwise; --json has it as `forked`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import median

from daf.workflow import forked_jobs
from daf.workflow.forked_jobs import ForkServer, Start, is_possible

PEER = "import torch"
# Every script begins with what Snakemake puts in front of it, and the frame that DAF puts around it.
SCRIPT = "import snakemake.logging, snakemake.iocontainers, daf.workflow.script"
ENGINE = "import daf.engine.evaluation, daf.engine.missions; daf.engine.missions.resolve_mission('tutorial.miner')"
TABLES = "import pandas, pyarrow.parquet, daf.episodes.table"
NETWORK = "import torch, daf.engine.batches, daf.engine.grid_policy"
JOBS = {
    "plain Python": "pass",
    "script that reads and writes JSON": f"{SCRIPT}, daf.search.files",
    "script that merges tables": f"{SCRIPT}; {TABLES}",
    "comparison": f"{SCRIPT}, daf.compare.files; import daf.statistics.comparison; {TABLES}",
    "episodes of a scripted policy": f"{SCRIPT}; {ENGINE}; {TABLES}",
    "episodes of a network": f"{SCRIPT}; {ENGINE}; {TABLES}; {NETWORK}",
    "trial": f"{SCRIPT}, daf.search.trial, daf.training.worker; {ENGINE}; {NETWORK}",
    "training in a group: its launcher": f"{SCRIPT}, daf.training.run",
    "training in a group: torchrun's agent": "import daf.distributed.elastic_agent, torch.distributed.run",
    "training in a group: each process": "import daf.training.worker",
}
LEVELS = {
    "script that reads and writes JSON": forked_jobs.SCRIPTS,
    "script that merges tables": forked_jobs.TABLES,
    "comparison": forked_jobs.TABLES,
    "episodes of a scripted policy": forked_jobs.TABLES,
    "episodes of a network": forked_jobs.NETWORKS,
    "trial": forked_jobs.NETWORKS,
}
NOTE_TIME = """
import os, sys
from pathlib import Path
def seconds(process):
    words = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
Path(TIMES).write_text(f"{seconds(os.getppid())} {sum(os.times()[:2])}")
"""
QUICK = ("plain Python", "script that reads and writes JSON", "episodes of a scripted policy", "trial")


def processor_seconds(program: str) -> float:
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"exit code {process.returncode}: {program}")
    return usage.ru_utime + usage.ru_stime


class Copies:
    """Jobs that are copies of one process."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._server = folder, ForkServer(print)
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        self._environment = {**os.environ, **dict.fromkeys(names, "1")}

    def seconds(self, program: str, level: int) -> float | None:
        """Processor seconds of a copy, and of its server meanwhile; None if there are no copies here."""
        before = self._run("", level)
        after = self._run(program, level)
        return None if before is None or after is None else after[0] - before[0] + after[1]

    def _run(self, program: str, level: int) -> tuple[float, float] | None:
        """Processor seconds of the server so far, and of a job."""
        times = self._folder / "times.txt"
        (self._folder / "job.py").write_text(f"{program}\nTIMES = {str(times)!r}\n{NOTE_TIME}")
        job = self._server.start(
            Start(
                script="job.py", level=level, folder=str(self._folder), environment=self._environment,
                streams=(0, 1, 2),
            )
        )  # fmt: skip
        if job is None or job.wait() != 0:
            return None
        server, own = times.read_text().split()
        return float(server), float(own)

    def close(self) -> None:
        self._server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round of some kinds of jobs")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each kind")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    jobs = {name: program for name, program in JOBS.items() if name in QUICK or not options.quick}
    seconds: dict[str, list[float]] = {name: [] for name in (PEER, *jobs)}
    copied: dict[str, list[float]] = {name: [] for name in jobs if name in LEVELS}
    with tempfile.TemporaryDirectory(prefix="daf-startup-") as folder:
        copies = Copies(Path(folder)) if is_possible(os.environ) else None
        for _ in range(1 if options.quick else options.rounds):
            for name, program in {PEER: PEER, **jobs}.items():
                seconds[name].append(processor_seconds(program))
                taken = copies.seconds(program, LEVELS[name]) if copies and name in copied else None
                copied.get(name, []).extend([] if taken is None else [taken])
        if copies:
            copies.close()
    shares = {name: round(median(values) / median(seconds[name]), 3) for name, values in copied.items() if values}
    ratios = {name: round(median(values) / median(seconds[PEER]), 3) for name, values in seconds.items()}
    print(f"{'processor seconds, medians':40}{'s':>7}{'ratio':>8}{'copy, s':>10}{'share':>8}")
    for name in seconds:
        copy = f"{median(copied[name]):10.2f}{shares[name]:8.2f}" if name in shares else ""
        print(f"{name:40}{median(seconds[name]):7.2f}{ratios[name]:8.2f}{copy}")
    if options.json:
        print(json.dumps({"ratio": ratios, "forked": shares}))


if __name__ == "__main__":
    main()
