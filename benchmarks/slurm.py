"""Cost of a sweep of short trials on Slurm, compared with the best packing of the same trials on the same cores; and
the controller's load while many jobs are queued.

    python benchmarks/slurm.py [--quick] [--json]        as root, with Slurm installed (tests/slurm/install.sh)

A trial trains for about a second. The best packing is the median time of a trial by its own clock, times the number of
trials, divided by the number of cores: no start-up, no waiting, no scheduler. That clock is read in the first row,
which has one job per core: with more jobs, trials share cores, and with fewer trials per job, each includes imports.
The cluster is the one used by the tests, on this machine.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml
from measure import median

PROJECT = Path(__file__).parents[1]
sys.path.insert(0, str(PROJECT))

from daf.system.limits import usable_cpus  # noqa: E402
from tests.slurm.cluster import Cluster, lacking  # noqa: E402

CORES = usable_cpus()


def sweep(num_trials: int) -> dict[str, Any]:
    """A sweep of trials that are all ready at once."""
    return {
        "name": "throughput",
        "missions": {"hall": {"source": "training_facility_1", "max_steps": 20}},
        "sweeps": {
            "hyperparameters": {
                "mission": "hall",
                "search_space": {"learning_rate": {"type": "float", "low": 1e-3, "high": 1e-2, "log": True}},
                "strategy": "random",
                "num_trials": num_trials,
                "lag": num_trials,
                "steps_per_trial": 8192,
                "episodes_per_trial": 2,
                "hyperparameters": {"num_envs": 4, "horizon": 16, "minibatch_size": 64},
            }
        },
    }


def trainings(num_jobs: int) -> dict[str, Any]:
    """Jobs that are all ready at once, with nothing to do before them."""
    run = {"mission": "training_facility_1", "num_steps": 1, "seeds": list(range(num_jobs))}
    return {"name": "queue", "training": {"many": run}}


def command(folder: Path, experiment: dict[str, Any], trials_per_job: int, target: str, *arguments: str) -> list[str]:
    """The Snakemake command for a stage of an experiment in a new folder, with a separate cluster file."""
    folder.mkdir()
    (folder / "experiment.yaml").write_text(yaml.safe_dump(experiment))
    settings = {"trials_per_job": trials_per_job, "max_memory_mb": 60_000, "max_minutes": 1440}
    (folder / "cluster.yaml").write_text(yaml.safe_dump(settings))
    program = [sys.executable, "-m", "snakemake", "--snakefile", str(PROJECT / "Snakefile"), target]
    profile = ["--profile", str(PROJECT / "profiles" / "slurm"), "--configfile", "experiment.yaml"]
    return [*program, *profile, *arguments]


def environment(cluster: Cluster, folder: Path) -> dict[str, str]:
    return {**os.environ, **cluster.environment, "DAF_CLUSTER": str(folder / "cluster.yaml"), "OMP_NUM_THREADS": "1"}


def throughput(cluster: Cluster, folder: Path, num_trials: int, trials_per_job: int) -> tuple[float, float]:
    """Wall seconds of a sweep, and the median seconds of its trials by their own clocks."""
    words = command(folder, sweep(num_trials), trials_per_job, "sweep", "--slurm-init-seconds-before-status-checks=5")
    began = time.monotonic()
    done = subprocess.run(
        words, cwd=folder, env=environment(cluster, folder), capture_output=True, text=True, check=False
    )
    seconds = time.monotonic() - began
    if done.returncode:
        raise SystemExit(done.stderr[-4000:])
    own = [
        json.loads(path.read_text())["seconds"]
        for path in folder.glob("daf_output/sweeps/hyperparameters/trial-*/result.json")
    ]
    assert len(own) == num_trials
    return seconds, median(own)


def queued(cluster: Cluster, folder: Path, num_jobs: int, minutes: float) -> dict[str, Any]:
    """Submissions and queries per minute while jobs queue for nodes that accept none."""
    conf = {**os.environ, "SLURM_CONF": str(cluster.folder / "etc" / "slurm.conf")}
    for node in ("g1", "g2"):
        cluster.run("scontrol", "update", f"NodeName={node}", "State=DRAIN", "Reason=benchmark")
    words = command(folder, trainings(num_jobs), 1, "train", f"--jobs={num_jobs}")
    with (folder / "run.log").open("wb") as log:
        run = subprocess.Popen(words, cwd=folder, env=environment(cluster, folder), stdout=log, stderr=log)
    while not cluster.run("squeue", "--noheader", "--format=%i").split():
        time.sleep(0.5)
    submissions, questions = [], []
    for _ in range(round(minutes)):
        subprocess.run(["sdiag", "--reset"], env=conf, check=True, capture_output=True)
        time.sleep(60)
        heard = subprocess.run(["sdiag"], env=conf, check=True, capture_output=True, text=True).stdout
        counts = dict(re.findall(r"(REQUEST_\w+)\s*\(\s*\d+\) count:(\d+)", heard))
        submissions.append(int(counts.get("REQUEST_SUBMIT_BATCH_JOB", 0)))
        questions.append(sum(int(counts.get(name, 0)) for name in ("REQUEST_JOB_INFO", "REQUEST_BUILD_INFO")))
    in_queue = len(cluster.run("squeue", "--noheader", "--format=%i").split())
    run.send_signal(signal.SIGKILL)
    run.wait()
    cluster.run("scancel", "--user=root")
    return {"jobs": in_queue, "submissions_per_minute": submissions, "questions_per_minute": questions}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--quick", action="store_true", help="12 trials in one batch size; no queue measurements")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    reason = lacking()
    if reason is not None:
        raise SystemExit(reason)
    results: dict[str, Any] = {"cores": CORES, "throughput": []}
    with tempfile.TemporaryDirectory(prefix="daf-bench-", dir="/tmp") as name:
        work = Path(name)
        cluster = Cluster(work / "slurm")
        try:
            cluster.start()
            trials = 12 if options.quick else 100
            cases = [(trials, trials // CORES), *([] if options.quick else [(100, 25), (100, 10), (20, 1)])]
            print(f"{'trials':>6} {'per job':>8} {'s':>7} {'best packing, s':>16} {'ratio':>6}")
            trial_seconds = 0.0
            for trials, per_job in cases:
                seconds, own = throughput(cluster, work / f"{trials}-{per_job}", trials, per_job)
                trial_seconds = trial_seconds or own
                packed = trial_seconds * trials / CORES
                row = {"trials": trials, "trials_per_job": per_job, "seconds": round(seconds, 1),
                       "best_packing_seconds": round(packed, 1), "ratio": round(seconds / packed, 2)}  # fmt: skip
                results["throughput"].append(row)
                print(f"{trials:>6} {per_job:>8} {seconds:>7.1f} {packed:>16.1f} {seconds / packed:>6.2f}", flush=True)
            results["trial_seconds"] = round(trial_seconds, 2)
            if not options.quick:
                results["queued"] = queued(cluster, work / "queue", 1000, 5)
                print(results["queued"])
        finally:
            cluster.stop()
    if options.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
