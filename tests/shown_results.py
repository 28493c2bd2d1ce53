"""One of every result that DAF's pages export or return, with names that would run as code in a careless notebook."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd

from daf.cluster.training_job import TrainingJob
from daf.config import DAFComparisonConfig, DAFTrainingConfig
from daf.deployment import DeployedPolicy, Deployment, Manifest, PackageResult, ValidationResult
from daf.distributed_training import TrainingResults, TrainingStatus
from daf.environment_checks import CheckResult, EnvironmentCheckResult
from daf.mission_analysis import FailureMode, MissionAnalysis, MissionMetadata
from daf.output_manager import VerificationReport
from daf.search.results import SweepResults
from daf.search.space import build_space
from daf.statistics.comparison import compare_episodes
from daf.sweeps import SuggestionRequest, Trial, TrialResult, daf_sweep_analysis
from daf.system.checks import CheckResults
from daf.system.shown import ResultList, ResultsByName
from daf.system.verification import FileProblem
from tests.sweep_results import made_up_sweep, sweep_config
from tests.tournament_results import made_up_tournament

NAME = "<script>alert('x')</script>"
HOSTILE = f"{NAME}\n\x1b[31m & </td>"
SHA256 = "0123456789abcdef" * 4


@cache
def every_result() -> dict[str, Any]:
    """Results by what they are called."""
    check = CheckResult(name="disk", status="error", found=HOSTILE, expected="space", hint="buy some")
    healthy = CheckResult(name="torch", status="ok", found="2.5", expected="2.5")
    return {
        "comparison": _comparison(),
        "tournament": made_up_tournament(NAME, "b", "c", fails=("c",), cause=HOSTILE),
        **_of_sweeps(),
        **_of_training(),
        **_of_missions(),
        **_of_packages(check),
        "check": check,
        "checks": CheckResults([check, healthy]),
        "no findings": CheckResults(),
        "environment": EnvironmentCheckResult(checks=[healthy, check]),
        "verification": VerificationReport(
            folder=Path("out"), num_files=3, problems=(FileProblem(path="a", problem=HOSTILE, remedy="delete it"),)
        ),
        "configuration": DAFTrainingConfig.from_dict({"mission": NAME, "num_steps": 4096}),
    }


def _comparison() -> Any:
    rows = [
        {"policy": policy, "mission": mission, "env_seed": seed, "mean_reward": base + (seed * 7) % 5}
        for policy, base in ((NAME, 3.0), ("b", 0.0), ("c", 1.0))
        for mission in ("one", "two")
        for seed in range(12)
    ]
    config = DAFComparisonConfig(policies=[NAME, "b", "c"], missions=["one", "two"], num_resamples=200)
    return compare_episodes(pd.DataFrame(rows), config)


def _of_sweeps() -> dict[str, Any]:
    sweep = made_up_sweep(60)
    trial = TrialResult(trial=7, status="failed", hyperparameters={"memory": HOSTILE}, reason=HOSTILE)
    return {
        "sweep": sweep,
        "an empty sweep": SweepResults.of(sweep_config(), []),
        "trial result": trial,
        "sweep analysis": daf_sweep_analysis(sweep),
        "trial": Trial(number=3, seed=5, hyperparameters={"memory": HOSTILE}),
        "request": SuggestionRequest(
            space=build_space(sweep.config), seed=0, lag=4, optimize_direction="maximize", trial=9, results=sweep.trials
        ),
        "sweeps by name": ResultsByName({HOSTILE: sweep}),
    }


def _of_training() -> dict[str, Any]:
    status = TrainingStatus(
        state="running", agent_steps=1000, total_steps=4000, steps_per_second=9.5, episode_reward=None, memory_mb=None
    )
    metrics = [{"agent_steps": step, "episode_reward": None} for step in range(100)]
    folder = Path("out/training") / HOSTILE
    run = {"status": "completed", "agent_steps": 4000, "policy": HOSTILE}
    job = SimpleNamespace(recipe=None, folder=folder, options=SimpleNamespace(log_file=None))
    return {
        "status": status,
        "training": TrainingResults(folder=folder, model_path=folder / "model", run=run, metrics=metrics),
        "job": TrainingJob(job, None),  # type: ignore[arg-type]
    }


def _of_missions() -> dict[str, Any]:
    mission = MissionMetadata(
        name=HOSTILE, description=HOSTILE, origin="file", num_agents=4, max_steps=0, success=None,
        action_names=["noop"], observation_shape=[10, 3], resources=["ore"],
    )  # fmt: skip
    mode = FailureMode(name="idle", meaning=HOSTILE, share=0.25, example_seeds=[1, 2])
    analysis = MissionAnalysis(
        mission=HOSTILE, policy=HOSTILE, num_episodes=20, num_failed=1, first_failure=HOSTILE, success=None,
        success_rate=None, success_interval=None, success_unreported={}, mean_reward=1.5, reward_interval=(1.0, 2.0),
        variance_reward=0.1, variance_interval=None, interval_methods={"mean": HOSTILE}, failure_modes=[mode],
        resource_usage={"steps": 100}, metadata=mission,
    )  # fmt: skip
    return {"mission": mission, "mode": mode, "analysis": analysis, "mission set": ResultsByName({HOSTILE: analysis})}


def _of_packages(check: CheckResult) -> dict[str, Any]:
    manifest = Manifest(
        name="scout", version="0.1.0", sha256=SHA256, size_bytes=2_000_000, files={HOSTILE: SHA256},
        class_path="a.B", policy=HOSTILE, init_kwargs={"x": HOSTILE}, engine={"mettagrid": "1"}, recipe_digest=SHA256,
        mission=HOSTILE, observation_shape=None, action_names=None, provenance={}, created="2026",
    )  # fmt: skip
    deployed = DeployedPolicy(
        name="scout", version="0.1.0", sha256=SHA256, since="2026", versions=["0.1.0"], history=[{"why": HOSTILE}]
    )
    deployment = Deployment(
        name="scout", version="0.1.0", endpoint=HOSTILE, location="x", sha256=SHA256, details={"dry_run": True}
    )
    path = Path("out/scout-0.1.0.zip")
    return {
        "manifest": manifest,
        "package": PackageResult(path=path, manifest_path=path, sha256=SHA256, manifest=manifest),
        "validation": ValidationResult(package=HOSTILE, sha256=None, mission="m", checks=[check], rewards=[1.0, 2.0]),
        "deployment": deployment,
        "deployments": ResultList([deployed, deployed]),
    }
