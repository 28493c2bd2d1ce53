"""Checking an experiment with the engine before a DAG is built, once per content.

The check loads the engine, which takes seconds and would slow down every call of Snakemake. So a passed check leaves a
stamp under .snakemake/ that identifies everything it depended on. It runs in a separate process, because the engine
installs log handlers and imports torch, and neither belongs in Snakemake's process.
"""

from __future__ import annotations

import json
import subprocess
import sys
import traceback
from pathlib import Path

from daf.config import ExperimentConfig, PolicyConfig
from daf.config.recipes import STAGE_VERSIONS
from daf.engine.model_files import load_model_description, weights_files
from daf.errors import EXIT_BAD_INPUT, BadInputError, ConfigError, DafError
from daf.system.files import digest, file_sha256, write_text
from daf.system.provenance import engine_stamp
from daf.workflow.plan import Plan, mission_recipes

STAMPS = Path(".snakemake") / "daf"
LOG = STAMPS / "check.log"
ENGINE_MISSING = 69  # exit code of the check: EX_UNAVAILABLE of sysexits.h
KNOWN_PACKAGES = ("daf.", "cogames.", "mettagrid.")


def check_once(plan: Plan, source: str) -> None:
    """Raise ConfigError unless the experiment passes the check, now or earlier."""
    experiment = plan.experiment
    stamp = stamp_of(experiment)
    if stamp.exists() and not _uses_foreign_code(experiment):
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
        raise _unfinished(child.returncode, child.stderr)
    write_text(stamp, f"{source}\n")


def _unfinished(code: int, messages: str) -> DafError:
    """The check ended without a verdict: the engine does not load, or something failed that no check foresaw."""
    write_text(LOG, messages)
    last = (messages.strip().splitlines() or ["no message"])[-1]
    where = "checking the experiment with the engine"
    if code == ENGINE_MISSING:
        return DafError("an engine that loads", last, where, f"is the environment complete? `make setup`; see {LOG}")
    ended = f"signal {-code}" if code < 0 else f"exit code {code}"
    hint = f"the messages and the traceback are in {LOG}"
    return DafError("a check that finishes", f"{ended}: {last}", where, hint)


def stamp_of(experiment: ExperimentConfig) -> Path:
    """The file that a passed check of this experiment leaves behind, relative to the working folder."""
    return STAMPS / f"checked-{_content(experiment)[:32]}"


def main() -> int:
    """Check the experiment on standard input; write its problems to standard output as JSON."""
    try:
        from daf.workflow.engine_check import check_with_engine
    except (ImportError, OSError):
        traceback.print_exc()
        return ENGINE_MISSING
    request = json.load(sys.stdin)
    plan = Plan(ExperimentConfig.from_dict(request["experiment"], source=request["source"]))
    try:
        check_with_engine(plan, request["source"])
    except DafError as error:
        parts = ("expected", "found", "where", "hint")
        wrong = error.problems if isinstance(error, ConfigError) else [error]
        problems = [{part: getattr(problem, part) for part in parts} for problem in wrong]
        print(json.dumps(problems))
        return EXIT_BAD_INPUT
    return 0


def _content(experiment: ExperimentConfig) -> str:
    """Everything that the outcome of the check depends on: the experiment, its files, the engine, this code."""
    weights = [path for policy in experiment.policies.values() for path in weights_files(policy)]
    return digest(
        {
            "experiment": experiment.to_dict(),
            "missions": [mission.to_dict() for mission in mission_recipes(experiment)],
            "weights": [file_sha256(path) if path.is_file() else None for path in weights],
            "engine": engine_stamp(),
            "stages": STAGE_VERSIONS,
        }
    )


def _uses_foreign_code(experiment: ExperimentConfig) -> bool:
    """Whether a policy class is a user's own: its code may change without any of the listed files changing."""
    paths = [policy.class_path or _class_of_weights(policy) for policy in experiment.policies.values()]
    paths += [sweep.policy_class_path for sweep in experiment.sweeps.values()]
    paths += [run.policy_class_path for run in experiment.training.values()]
    paths += [member for policy in experiment.policies.values() for member in policy.policies]
    paths += [name for comparison in experiment.comparisons.values() for name in comparison.policies]
    return any(path and "." in path and not path.startswith(KNOWN_PACKAGES) for path in paths)


def _class_of_weights(policy: PolicyConfig) -> str | None:
    """The class named in the description of trained weights."""
    descriptions = weights_files(policy)[1:]
    return load_model_description(descriptions[0]).policy_class_path if descriptions else None


if __name__ == "__main__":
    sys.exit(main())
