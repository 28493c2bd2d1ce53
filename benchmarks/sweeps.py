"""Overhead of a search: proposals from files compared with Optuna on a database, and the fixed cost of a trial.

    python benchmarks/sweeps.py [--quick] [--json]

1. One more proposal after n finished trials, four parameters, the same sampler (TPE). DAF reads the input files of
trial n's proposal, proposes, and writes proposal.json. The peer does what a worker of
   `optuna.create_study(storage="sqlite:///…")` does: opens the study, asks, and tells a result. Imports are excluded on
   both sides. `ratio` is the peer's seconds divided by DAF's.
2. The processes of a trial: imports for a proposal and for training, and a whole trial with minimal training, one
update and one episode.
3. A sweep of such trials through the workflow on two cores, one trial per job and several: seconds per trial.

With --json the last line is one JSON object with `ratio` by history and `seconds` by part. --quick takes under 50
seconds on an idle machine: it leaves out the longer histories and the workflow.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import yaml
from measure import median

from daf.config import DAFSweepConfig
from daf.search.bayesian import Bayesian
from daf.search.files import collect_results, propose_trial, read_results
from daf.search.paths import trial_result
from daf.search.plan import SweepPlan
from daf.search.proposers import STRATEGIES
from daf.search.results import TrialResult
from daf.search.space import build_space
from daf.search.strategy import SuggestionRequest
from daf.system.files import write_json

PROJECT = Path(__file__).parents[1]
SPACE: dict[str, Any] = {
    "learning_rate": {"type": "float", "low": 1e-4, "high": 1e-1, "log": True},
    "entropy_coef": {"type": "float", "low": 1e-4, "high": 1e-1, "log": True},
    "epochs": {"type": "int", "low": 1, "high": 8},
    "gamma": {"type": "float", "low": 0.9, "high": 0.999},
}
LAG = 1  # Optuna knows of no trial in flight either
SMALLEST: dict[str, Any] = {
    "missions": {"hall": {"source": "training_facility_1", "max_steps": 40}},
    "sweeps": {
        "fixed": {
            "mission": "hall",
            "search_space": {"learning_rate": {"type": "float", "low": 1e-3, "high": 1e-2, "log": True}},
            "strategy": "random",
            "steps_per_trial": 1,
            "episodes_per_trial": 1,
        }
    },
}
TRIAL = """
import json, sys
from pathlib import Path
from daf.config import ExperimentConfig
from daf.logging_config import create_daf_logger
from daf.search.plan import SweepPlan
from daf.search.trial import TrialJob, propose_and_run
experiment = ExperimentConfig.from_dict(json.loads(sys.argv[1]))
plan = SweepPlan(experiment.sweeps["fixed"], experiment.missions, experiment.evaluation)
job = TrialJob(label="benchmark", device="cpu", logger=create_daf_logger("benchmark", level="error"))
propose_and_run(plan.config, 0, [], [], plan.trial_settings(), Path(sys.argv[2]), job)
"""


def median_seconds(action: Callable[[], object], rounds: int) -> float:
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        action()
        taken.append(time.perf_counter() - began)
    return median(taken)


def results(config: DAFSweepConfig, count: int) -> list[TrialResult]:
    """Finished trials with the figures that a result file has."""
    points = [STRATEGIES["random"].suggest(request_of(config, number)) for number in range(count)]
    return [
        TrialResult(trial=n, status="completed", objective=-abs(point["gamma"] - 0.95), hyperparameters=point,
                    seconds=30.0, seed=n, agent_steps=100_000, extra={"provenance": {"versions": ["x" * 20] * 40}})
        for n, point in enumerate(points)
    ]  # fmt: skip


def request_of(config: DAFSweepConfig, trial: int) -> SuggestionRequest:
    return SuggestionRequest(
        space=build_space(config), seed=1, lag=LAG, optimize_direction=config.optimize_direction, trial=trial
    )


def write_history(folder: Path, plan: SweepPlan, finished: list[TrialResult]) -> None:
    """Write the result files, and the blocks that the last trial's proposal reads."""
    for result in finished:
        write_json(folder / trial_result(result.trial), result.to_dict())
    for file in plan.results_files(len(finished)):
        if file.startswith("history/"):
            first, last = (int(part) for part in Path(file).stem.split("-"))
            write_json(folder / file, collect_results(finished[first : last + 1]))


def study_in_database(path: Path, finished: list[TrialResult]) -> str:
    storage = f"sqlite:///{path}"
    study = optuna.create_study(storage=storage, study_name="s", direction="maximize")
    for result in finished:
        study.add_trial(
            optuna.trial.create_trial(
                value=result.objective, params=dict(result.hyperparameters), distributions=distributions()
            )
        )
    return storage


def distributions() -> dict[str, Any]:
    kinds = {"int": optuna.distributions.IntDistribution, "float": optuna.distributions.FloatDistribution}
    return {name: kinds[one["type"]](one["low"], one["high"], log=one.get("log", False)) for name, one in SPACE.items()}


def one_more(storage: str) -> None:
    sampler = optuna.samplers.TPESampler(seed=1, multivariate=True, constant_liar=True)
    study = optuna.load_study(storage=storage, study_name="s", sampler=sampler)
    study.tell(study.ask(fixed_distributions=distributions()), 0.0)


def compare(history: int, rounds: int) -> tuple[float, float]:
    """Seconds for one more proposal: DAF, and Optuna on SQLite."""
    config = DAFSweepConfig(search_space=SPACE, num_trials=history + 1, lag=LAG)
    plan = SweepPlan(config, {})
    finished = results(config, history)
    kept = STRATEGIES["bayesian"]
    STRATEGIES["bayesian"] = Bayesian(gp_last_trial=0)  # the peer's sampler
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_history(folder, plan, finished)
            storage = study_in_database(folder / "study.db", finished)
            files = [folder / file for file in plan.results_files(history)]

            def propose() -> None:
                write_json(folder / "proposal.json", propose_trial(config, history, read_results(files)))

            propose(), one_more(storage)  # imports
            pairs = [(median_seconds(propose, 1), median_seconds(lambda: one_more(storage), 1)) for _ in range(rounds)]
    finally:
        STRATEGIES["bayesian"] = kept
    return median(ours for ours, _ in pairs), median(peer for _, peer in pairs)


def process_seconds(rounds: int, *arguments: str) -> dict[str, float]:
    """Median wall clock and CPU seconds of a Python process; the latter say more on a busy machine."""
    wall, cpu = [], []
    for number in range(rounds):
        before, began = os.times(), time.perf_counter()
        command = [sys.executable, *(one.replace("NUMBER", str(number)) for one in arguments)]
        subprocess.run(command, check=True, capture_output=True, cwd=PROJECT)
        after = os.times()
        wall.append(time.perf_counter() - began)
        cpu.append(after.children_user + after.children_system - before.children_user - before.children_system)
    return {"wall": round(median(wall), 2), "cpu": round(median(cpu), 2)}


def workflow_seconds(trials: int, per_job: int) -> dict[str, float]:
    """Seconds per trial of a sweep through the workflow on two cores, everything included."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        experiment = json.loads(json.dumps(SMALLEST))
        experiment["sweeps"]["fixed"]["num_trials"] = trials
        (folder / "experiment.yaml").write_text(yaml.safe_dump(experiment))
        command = ["-m", "snakemake", "sweep", "--snakefile", str(PROJECT / "Snakefile"), "--directory", name, "-j2"]
        command += ["--configfile", str(folder / "experiment.yaml")]
        command += ["--config", f"trials_per_job={per_job}"]
        process_seconds(1, *command, "-n")  # the engine checks the experiment, once
        whole = process_seconds(1, *command)
        return {kind: round(seconds / trials, 2) for kind, seconds in whole.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="short histories, no workflow")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    rounds = 3 if options.quick else 7
    ratios: dict[str, float] = {}
    print(f"{'one more proposal after':<28}{'Optuna, SQLite':>16}{'DAF':>10}{'ratio':>8}")
    for history in (30, 100) if options.quick else (30, 100, 1000):
        ours, peer = compare(history, rounds)
        ratios[str(history)] = round(peer / ours, 2)
        print(f"{f'{history} trials':<28}{peer:>14.3f} s{ours:>8.3f} s{peer / ours:>8.2f}", flush=True)
    seconds: dict[str, dict[str, float]] = {}
    print(f"\n{'seconds of':<28}{'wall':>10}{'CPU':>10}")

    def show(what: str, found: dict[str, float]) -> None:
        seconds[what] = found
        print(f"{what:<28}{found['wall']:>10.2f}{found['cpu']:>10.2f}", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        show("process of a proposal", process_seconds(rounds, "-c", "import daf.workflow.script, daf.search.files"))
        asks = "import daf.workflow.script, daf.search.files, optuna, torch"
        show("one that asks a GP", process_seconds(rounds, "-c", asks))
        show(
            "process of a training", process_seconds(rounds, "-c", "import daf.training.worker, daf.engine.evaluation")
        )
        show("smallest trial, in all", process_seconds(rounds, "-c", TRIAL, json.dumps(SMALLEST), f"{folder}/NUMBER"))
    if not options.quick:
        for per_job in (1, 10):
            show(f"a trial, {per_job} per job", workflow_seconds(20, per_job))
    if options.json:
        print(json.dumps({"ratio": ratios, "seconds": seconds}))


if __name__ == "__main__":
    main()
