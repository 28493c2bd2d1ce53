"""Checking an experiment with the engine before a DAG is built, once per content.

The check loads the engine, which takes seconds; every call of Snakemake would pay for it. So a passed check leaves a
stamp under .snakemake/ that names everything it depended on. It runs in a process of its own, because the engine
installs log handlers and imports torch, and neither belongs in Snakemake's process.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from daf.config import ExperimentConfig, PolicyConfig
from daf.config.recipes import STAGE_VERSIONS
from daf.engine.model_files import load_model_description
from daf.errors import EXIT_BAD_INPUT, BadInputError, ConfigError, DafError
from daf.system.files import digest, file_sha256, write_text
from daf.system.provenance import engine_stamp
from daf.workflow.plan import Plan, check_with_engine, weights_files

STAMPS = Path(".snakemake") / "daf"
KNOWN_PACKAGES = ("daf.", "cogames.", "mettagrid.")


def check_once(plan: Plan, source: str) -> None:
    """Raise ConfigError unless the experiment passes, now or when it was checked before."""
    stamp = STAMPS / f"checked-{_content(plan)[:32]}"
    if stamp.exists() and not _uses_foreign_code(plan):
        return
    request = json.dumps({"experiment": plan.experiment.to_dict(), "source": source})
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


def main() -> int:
    """Check the experiment on standard input; its problems go to standard output as JSON."""
    request = json.load(sys.stdin)
    plan = Plan(ExperimentConfig.from_dict(request["experiment"], source=request["source"]))
    try:
        check_with_engine(plan, request["source"])
    except ConfigError as error:
        problems = [
            {key: getattr(one, key) for key in ("expected", "found", "where", "hint")} for one in error.problems
        ]
        print(json.dumps(problems))
        return EXIT_BAD_INPUT
    return 0


def _content(plan: Plan) -> str:
    """What the outcome of the check depends on: the experiment, the files it names, the engine, this code."""
    weights = [path for policy in plan.experiment.policies.values() for path in weights_files(policy)]
    return digest(
        {
            "experiment": plan.experiment.to_dict(),
            "missions": [plan.mission_recipe(mission).to_dict() for mission in plan.all_missions()],
            "weights": [file_sha256(path) if path.is_file() else None for path in weights],
            "engine": engine_stamp(),
            "stages": STAGE_VERSIONS,
        }
    )


def _uses_foreign_code(plan: Plan) -> bool:
    """Whether a policy class is a user's own: its code may change without any file named here changing."""
    experiment = plan.experiment
    paths = [policy.class_path or _described_class(policy) for policy in experiment.policies.values()]
    paths += [sweep.policy_class_path for sweep in experiment.sweeps.values()]
    paths += [run.policy_class_path for run in experiment.training.values()]
    paths += [member for policy in experiment.policies.values() for member in policy.policies]
    paths += [name for comparison in experiment.comparisons.values() for name in comparison.policies]
    return any(path and "." in path and not path.startswith(KNOWN_PACKAGES) for path in paths)


def _described_class(policy: PolicyConfig) -> str | None:
    """The class that trained weights name themselves."""
    described = weights_files(policy)[1:]
    return load_model_description(described[0]).policy_class_path if described else None


if __name__ == "__main__":
    sys.exit(main())
