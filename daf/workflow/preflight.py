"""Checking an experiment with the engine before a DAG is built, once per content.

The check loads the engine, which takes seconds and would slow down every call of Snakemake. So a passed check leaves a
stamp under .snakemake/ that identifies everything it depended on. It runs in a separate process, because the engine
installs log handlers and imports torch, and neither belongs in Snakemake's process.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from daf.config import ExperimentConfig
from daf.config.recipes import STAGE_VERSIONS
from daf.engine.model_files import weights_files
from daf.errors import EXIT_BAD_INPUT, BadInputError, ConfigError, DafError
from daf.system.files import digest, file_sha256, write_text
from daf.system.provenance import engine_stamp
from daf.workflow.plan import Plan, code_of_experiment, mission_recipes

STAMPS = Path(".snakemake") / "daf"


def check_once(plan: Plan, source: str) -> None:
    """Raise ConfigError unless the experiment passes the check, now or earlier."""
    experiment = plan.experiment
    stamp = stamp_of(experiment)
    if stamp.exists() and not code_of_experiment(experiment).unfollowed:
        return
    request = json.dumps({"experiment": experiment.to_dict(), "source": source})
    child = subprocess.run(
        [sys.executable, "-P", "-m", "daf.workflow.preflight"],
        input=request,
        capture_output=True,
        text=True,
        check=False,
    )
    if child.returncode == EXIT_BAD_INPUT:
        raise ConfigError([BadInputError(**problem) for problem in json.loads(child.stdout)])
    if child.returncode:
        last = child.stderr.strip().splitlines()[-1:] or [f"exit code {child.returncode}"]
        raise DafError(
            "an engine that loads", last[0], "checking the experiment", "is the environment complete? `make setup`"
        )
    write_text(stamp, f"{source}\n")


def stamp_of(experiment: ExperimentConfig) -> Path:
    """The file that a passed check of this experiment leaves behind, relative to the working folder."""
    return STAMPS / f"checked-{_content(experiment)[:32]}"


def main() -> int:
    """Check the experiment on standard input; write its problems to standard output as JSON."""
    from daf.workflow.engine_check import check_with_engine

    request = json.load(sys.stdin)
    plan = Plan(ExperimentConfig.from_dict(request["experiment"], source=request["source"]))
    try:
        check_with_engine(plan, request["source"])
    except ConfigError as error:
        parts = ("expected", "found", "where", "hint")
        problems = [{part: getattr(problem, part) for part in parts} for problem in error.problems]
        print(json.dumps(problems))
        return EXIT_BAD_INPUT
    return 0


def _content(experiment: ExperimentConfig) -> str:
    """Everything that the outcome of the check depends on: the experiment, its files, the user's code, the engine, and
    DAF's code."""
    weights = [path for policy in experiment.policies.values() for path in weights_files(policy)]
    return digest(
        {
            "experiment": experiment.to_dict(),
            "missions": [mission.to_dict() for mission in mission_recipes(experiment)],
            "weights": [file_sha256(path) if path.is_file() else None for path in weights],
            "code": code_of_experiment(experiment).model_dump(mode="json"),
            "engine": engine_stamp(),
            "stages": STAGE_VERSIONS,
        }
    )


if __name__ == "__main__":
    sys.exit(main())
