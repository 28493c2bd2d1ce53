"""Names that Snakemake does not document mean what daf/workflow/snakemake_internals.py takes them for."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest

from daf.workflow import snakemake_internals
from tests.workflow.conftest import environment
from tests.workflow.tools import PROJECT, SMALL, write_experiment

SNAKEFILE = """
import json
from daf.workflow import snakemake_internals as internals

localrules: quick

rule all:
    input: "made.txt", "quick.txt"

rule make:
    output: "made.txt"
    threads: 2
    resources: mem_mb=5
    shell: "touch {output}"

rule quick:
    output: "quick.txt"
    shell: "touch {output}"

internals.set_resources(workflow, "make", internals.profile_resources(workflow, "run_trial"))
in_main_process = internals.is_main_process(workflow)

onstart:
    seen = {
        "main": in_main_process,
        "submits": internals.submits_jobs(workflow),
        "jobs": [[rule, threads, resources.get("mem_mb")]
                 for rule, threads, resources in internals.submitted_jobs(workflow)],
        "status": internals.slurm_status_command(workflow),
        "config": internals.command_line_config_texts(workflow),
        "planned": sorted(internals.planned_files(workflow)),
        "current": sorted(internals.current_files(workflow)),
        "locked": bool(list(Path(".snakemake/locks").glob("*.lock"))),
    }
    internals.unlock(workflow)
    seen["unlocked"] = not list(Path(".snakemake/locks").glob("*.lock"))
    Path("seen.json").write_text(json.dumps(seen))
"""
CLUSTER = ["--executor", "cluster-generic", "--cluster-generic-submit-cmd", "sh"]


def run(folder: Path, *arguments: str) -> dict[str, object]:
    (folder / "Snakefile").write_text(SNAKEFILE)
    command = [sys.executable, "-m", "snakemake", "-c2", "--jobs=2", "--set-resources", "run_trial:mem_mb=77"]
    done = subprocess.run(
        [*command, *arguments], cwd=folder, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    seen: dict[str, object] = json.loads((folder / "seen.json").read_text())
    return seen


@pytest.mark.long
@pytest.mark.parametrize(
    ("arguments", "submits"),
    [(["--config", "daf={seed: 1}", "name=x"], False), ([*CLUSTER, "--config=daf={seed: 1}"], True)],
)
def test_what_a_run_looks_like_from_inside(tmp_path: Path, arguments: list[str], submits: bool) -> None:
    (tmp_path / "quick.txt").touch()
    assert run(tmp_path, *arguments) == {
        "main": True,
        "submits": submits,
        "jobs": [["make", 2, 77]] if submits else [],
        "status": None,
        "config": ["daf={seed: 1}"] if submits else ["daf={seed: 1}", "name=x"],
        "planned": ["made.txt", "quick.txt"],
        "current": ["quick.txt"],
        "locked": True,
        "unlocked": True,
    }


def test_the_slurm_executor_has_a_status_command() -> None:
    from snakemake_executor_plugin_slurm import ExecutorSettings

    assert "status_command" in ExecutorSettings.__dataclass_fields__
    assert snakemake_internals.slurm_status_command(_Workflow(ExecutorSettings(status_command="sacct"))) == "sacct"


class _Workflow:
    def __init__(self, executor_settings: object) -> None:
        self.executor_settings = executor_settings


def test_the_table_of_jobs_is_noticed_once_per_run() -> None:
    from snakemake.logging import LogEvent, logger

    told: list[str] = []
    before = list(logger.filters)
    try:
        snakemake_internals.at_job_stats(lambda: told.append("an earlier run in this process"))
        snakemake_internals.at_job_stats(lambda: told.append("this run"))
        for event in (LogEvent.RUN_INFO, LogEvent.JOB_INFO):
            record = logging.LogRecord("snakemake", logging.INFO, "", 0, "", None, None)
            record.event = event
            assert logger.filter(record)
    finally:
        logger.filters[:] = before
    assert told == ["this run"]


def test_no_other_file_uses_such_names() -> None:
    private = re.compile(r"workflow\.(?!configfiles\b|source_path\b|basedir\b)\w+|\.dag\.|_parsed_|executor_settings")
    for path in [PROJECT / "Snakefile", *(PROJECT / "workflow").rglob("*.smk")]:
        code = "\n".join(line.partition("#")[0] for line in path.read_text().splitlines())
        code = re.sub(r"^(?:from|import) .*$|\"[^\"\n]*\"", "", code, flags=re.MULTILINE)
        assert private.findall(code) == [], path.name


# ---- a script by hand, which needs the internals too --------------------------------------------------------------


def by_hand(folder: Path, target: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "daf.workflow.script", target, "--configfile", "experiment.yaml"]
    return subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)


def test_a_script_runs_by_hand(tmp_path: Path) -> None:
    write_experiment(tmp_path, SMALL)
    done = by_hand(tmp_path, "daf_output/environment/check.json")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "daf_output/environment/check.json").read_text())["healthy"]
    assert "environment of this machine" in (tmp_path / "daf_output/logs/environment/check.log").read_text()
    early = by_hand(tmp_path, "daf_output/comparisons/main/summary.csv")
    assert early.returncode == 2
    assert "the inputs of the script" in early.stderr
    assert "episodes.parquet" in early.stderr
    stage = by_hand(tmp_path, "train")
    assert stage.returncode == 2
    assert "a file that a script creates" in stage.stderr
    unknown = by_hand(tmp_path, "daf_output/nothing.csv")
    assert unknown.returncode == 2
    assert "a file that a rule creates" in unknown.stderr


@pytest.mark.parametrize(
    ("arguments", "is_quiet"),
    [
        ("-j4", True),
        ("-j4 train --configfile n.yaml", True),
        ("-j4 --verbose", False),
        ("-j4 -n", False),
        ("-nj4", False),
        ("-np", False),
        ("-j4 --profile", False),
        ("--dry-run", False),
        ("--dryrun", False),
        ("--profile slurm", False),
        ("--profile none -j4", True),
    ],
)
def test_the_default_profile_is_quiet_about_rules_unless_they_are_asked_for(arguments: str, is_quiet: bool) -> None:
    found = snakemake_internals.quietness(["/bin/snakemake", *arguments.split()], {})
    assert found == (["rules", "host", "reason"] if is_quiet else [])


def test_a_profile_of_the_environment_decides_itself() -> None:
    assert snakemake_internals.quietness(["/bin/snakemake"], {"SNAKEMAKE_PROFILE": "slurm"}) == []
