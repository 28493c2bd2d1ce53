"""Files that runs of the workflow leave, without running it: of jobs that are done, running, failed and left."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from daf.system.files import write_json, write_text
from daf.system.job_records import JobRecord, record_path
from daf.system.job_states import JobState, state_path
from daf.system.process_identity import ProcessIdentity
from daf.workflow.run_record import PlannedJob, RunRecord, begin_run

OWN = ProcessIdentity.own()


def dead() -> ProcessIdentity:
    """A process that has ended, on this machine."""
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    return replace(OWN, pid=child.pid)


def job(log: str, rule: str = "run_trial", *, needed: bool = True) -> PlannedJob:
    """A job by its log, without the suffix."""
    return PlannedJob(
        rule=rule, name=log.partition("/")[2], log=f"{log}.log", benchmark=f"benchmarks/{log}.jsonl", threads=1,
        needed=needed,
    )  # fmt: skip


def begin(out: Path, jobs: list[PlannedJob], process: ProcessIdentity = OWN, **changes: Any) -> RunRecord:
    """A run that begins in the given process."""
    record = RunRecord(
        experiment="small", files=["my.yaml"], folder=str(out), process=process, began=time.time(), parallel=2,
        submits=False, jobs=jobs,
    )  # fmt: skip
    record = replace(record, **changes)
    begin_run(record, out)
    return record


def finish(out: Path, done: PlannedJob, seconds: float = 10.0, **files: dict[str, str]) -> None:
    """A job that is done.

    Args:
        files: `inputs` and `outputs` with their digests.
    """
    log = out / "logs" / done.log
    JobRecord(rule=done.rule, inputs=files.get("inputs", {}), outputs=files.get("outputs", {})).write(record_path(log))
    state_path(log).unlink(missing_ok=True)
    if done.benchmark is not None:
        write_text(out / "logs" / done.benchmark, json.dumps({"s": seconds}) + "\n")


def start(out: Path, begun: PlannedJob, process: ProcessIdentity = OWN, said: str = "", **changes: Any) -> None:
    """A job that runs in the given process, or ended as `changes` say."""
    log = out / "logs" / begun.log
    JobState(rule=begun.rule, process=process, began=time.time(), **changes).write(state_path(log))
    log.write_text(said)


def fail(out: Path, failed: PlannedJob, said: str) -> None:
    """A job that failed, with what is in its log."""
    start(out, failed, dead(), said, status="failed", ended=time.time(), exit_code=1)


def page(out: Path, address: str, sentence: str) -> None:
    """A page of results, as far as others read it."""
    write_text(out / address, f'<title>{address}</title>\n<meta name="description" content="{sentence}">\n')


def comparison(
    out: Path, name: str, scores: dict[str, dict[str, float]], digests: dict[str, str], **changes: Any
) -> None:
    """A comparison with its record, as far as the leaderboard reads it.

    Args:
        scores: by mission, the mean of each policy, whose interval is 1 wide.
        digests: by policy, that of its episodes on every mission.
        changes: `seeds` and `normalization` of all missions, and `level` of confidence.
    """
    pairs = [(policy, mission) for mission, means in scores.items() for policy in means]
    low, high = changes.get("normalization", (0.0, 1.0))
    rows = [
        {
            "policy": policy, "mission": mission, "mean_reward": scores[mission][policy], "n_episodes": 4,
            "failures": 0, "interval_low": (scores[mission][policy] - 0.5 - low) / (high - low),
            "interval_high": (scores[mission][policy] + 0.5 - low) / (high - low), "success_rate": 0.25, "timeouts": 0,
        }
        for policy, mission in pairs
    ]  # fmt: skip
    scale = {mission: [low, high] for mission in scores} if "normalization" in changes else "none: raw rewards"
    write_json(
        out / f"comparisons/{name}/comparison.json",
        {
            "config": {"confidence_level": changes.get("level", 0.95)},
            "provenance": {
                "versions": {"cogames": "1", "mettagrid": "2"},
                "computation": {
                    "episode_seeds": dict.fromkeys(scores, changes.get("seeds", "0 to 3 (4 seeds)")),
                    "normalization": scale,
                },
            },
            "summary_statistics": [*rows, {**rows[0], "mission": "overall"}],
            "episodes": {
                "policy": [policy for policy, _ in pairs],
                "mission": [mission for _, mission in pairs],
                "checkpoint": [policy for policy, _ in pairs],
            },
        },
    )
    inputs = {f"evaluations/{policy}/{mission}/episodes.parquet": digests[policy] for policy, mission in pairs}
    finish(out, job(f"comparisons/{name}/compare", "compare_policies"), inputs=inputs)


def mission(out: Path, name: str, digests: dict[str, str], max_steps: int = 40) -> None:
    """The report of a mission with its record, as far as the leaderboard reads it."""
    recipe = {"name": name, "config": {"source": "hall", "max_steps": max_steps}}
    report = {"recipe": recipe, "metadata": {"max_steps": max_steps, "num_agents": 4}}
    write_json(out / f"reports/missions/{name}.json", report)
    inputs = {f"evaluations/{policy}/{name}/episodes.parquet": sha256 for policy, sha256 in digests.items()}
    finish(out, job(f"reports/missions/{name}", "analyze_mission"), inputs=inputs)
