"""Checking an experiment with the engine before a DAG is built, once per content.

The check loads the engine, which takes seconds and would slow down every call of Snakemake. So a passed check leaves a
stamp under .snakemake/ that identifies everything it depended on, and holds its warnings for later calls. It runs in a
separate process, because the engine installs log handlers and imports torch; neither belongs in Snakemake's process.
Where jobs start as copies of one process, the check is such a copy, too, so that all of this is imported once.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from typing import IO, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from daf.config import ExperimentConfig, PolicyConfig
from daf.config.recipes import STAGE_VERSIONS
from daf.config.trial_training import starts_of
from daf.engine.model_files import weights_files
from daf.errors import EXIT_FAILED, EXIT_OK, BadInputError, ConfigError, DafError, ending_in_one_line
from daf.system.files import digest, file_sha256, write_json, write_text
from daf.system.json_files import read_json
from daf.system.provenance import engine_stamp
from daf.system.waiting import heard, waiting_for
from daf.workflow.forked_jobs import NETWORKS, ForkServer, Start
from daf.workflow.plan import Plan, code_of_experiment, mission_recipes
from daf.workflow.shadowing import shadowing_file
from daf.workflow.snakemake_internals import environment_of_jobs

STAMPS = Path(".snakemake") / "daf"
# Files of the check's process: what to check, what it is doing, what it found, what it printed, and the user's file
# because of which the engine does not load.
REQUEST, STEP, RESULT, LOG, SHADOW = "request.json", "step.txt", "result.json", "check.log", "shadow.txt"
ENGINE_MISSING = 69  # exit code of the check: EX_UNAVAILABLE of sysexits.h
CHECKING = "checking the experiment with the engine"
COPY = """
import sys
if {folder!r} in sys.path:
    sys.path.remove({folder!r})
from daf.workflow.preflight import main
sys.exit(main([{folder!r}]))
"""
Part = Literal["expected", "found", "where", "hint"]


class Outcome(BaseModel):
    """What the check's process found, as the four parts of errors.

    Attributes:
        problems: what must be mended before the experiment runs.
        warnings: what may be mended.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    problems: list[dict[Part, str]]
    warnings: list[dict[Part, str]]


def check_once(plan: Plan, source: str, *, warn: bool = True, server: ForkServer | None = None) -> None:
    """Raise ConfigError unless the experiment passes the check, now or earlier.

    Args:
        warn: print the warnings of a passed check, too; a caller that is about to check again need not.
        server: of the run that follows: its jobs then need no further imports.
    """
    experiment = plan.experiment
    stamp = stamp_of(experiment)
    if not code_of_experiment(experiment).unfollowed and (passed := _passed(stamp)):
        _print_warnings(passed if warn else None)
        return
    print(f"{CHECKING.capitalize()}, once for each change of it", file=sys.stderr, flush=True)
    heard()
    # Results come back in a file: whatever user code prints, or a library or program that it calls, goes to the log.
    with tempfile.TemporaryDirectory(prefix="daf-check-") as name:
        folder = Path(name)
        write_json(folder / REQUEST, {"experiment": experiment.to_dict(), "source": source})
        with (
            open(folder / LOG, "wb") as log,
            ending_in_one_line(f"interrupted by Ctrl-C while {CHECKING}; nothing ran"),
            waiting_for("the engine to check the experiment"),
        ):
            code = _run_check(folder, log, server)
        printed = (folder / LOG).read_text(errors="replace")
        if printed.strip():
            write_text(STAMPS / LOG, printed)
        if not (folder / RESULT).is_file():
            raise _broken_off(folder, source, code, printed)
        outcome = Outcome.model_validate_json((folder / RESULT).read_bytes())
    _print_warnings(outcome if warn or outcome.problems else None)
    if outcome.problems:
        if "Traceback" in printed:
            print(f"Details: {STAMPS / LOG}", file=sys.stderr)
        raise ConfigError([BadInputError(**problem) for problem in outcome.problems])
    write_passed(stamp, outcome)


def _run_check(folder: Path, log: IO[bytes], server: ForkServer | None) -> int:
    """Run `main` in a process, which imports no module from the current folder by its name; return its exit status."""
    if server is not None:
        script = folder / "check.py"
        write_text(script, COPY.format(folder=str(folder)))
        with open(os.devnull, "rb") as nothing:
            streams = (nothing.fileno(), log.fileno(), log.fileno())
            environment = environment_of_jobs(os.environ)
            job = server.start(
                Start(script=str(script), level=NETWORKS, folder=os.getcwd(), environment=environment, streams=streams),
                is_job=False,
            )
        if job is not None:
            return job.wait()
    command = [sys.executable, "-P", "-m", "daf.workflow.preflight", str(folder)]
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False).returncode


def _passed(stamp: Path) -> Outcome | None:
    """The outcome of an earlier check that passed; None if there was none, or its stamp cannot be read."""
    try:
        return Outcome.model_validate_json(stamp.read_bytes())
    except (OSError, ValidationError):
        return None


def write_passed(stamp: Path, outcome: Outcome) -> None:
    """Leave the stamp of a passed check, with its warnings."""
    write_text(stamp, outcome.model_dump_json() + "\n")


def _print_warnings(outcome: Outcome | None) -> None:
    for warning in outcome.warnings if outcome else ():
        print(f"Warning: {BadInputError(**warning)}", file=sys.stderr)


def _broken_off(folder: Path, source: str, code: int, printed: str) -> DafError:
    """The error of a check without a result: no engine, a defect of DAF, or user code that ends its process."""
    last = (printed.strip().splitlines() or ["no message"])[-1]
    ended = f"exit code {code}" if code >= 0 else signal.Signals(-code).name
    if code == ENGINE_MISSING and (folder / SHADOW).is_file():
        file = (folder / SHADOW).read_text()
        hint = f"rename {file}: Python takes it for another module of this name; see {STAMPS / LOG}"
        found = last if file in last else f"{last}, because of {file}"
        return BadInputError("an engine that loads", found, CHECKING, hint)
    if code == ENGINE_MISSING:
        hint = f"is the environment complete? `make setup`; see {STAMPS / LOG}"
        return DafError("an engine that loads", last, CHECKING, hint)
    step = (folder / STEP).read_text() if (folder / STEP).is_file() else CHECKING
    if code == EXIT_FAILED and "Traceback" in printed:
        hint = f"the messages and the traceback are in {STAMPS / LOG}"
        return DafError("a check that finishes", f"{ended}: {last}", f"{source}: {step}", hint)
    hint = f"does code that is named there end its process? See {STAMPS / LOG}"
    return BadInputError("a check that finishes", f"its process ended with {ended}: {last}", f"{source}: {step}", hint)


def stamp_of(experiment: ExperimentConfig) -> Path:
    """The file that a passed check of this experiment leaves behind, relative to the working folder."""
    return STAMPS / f"checked-{_content(experiment)[:32]}"


def main(arguments: list[str]) -> int:
    """Check the experiment that a file in the folder describes, and write what was found to another."""
    folder = Path(arguments[0])
    try:
        from daf.workflow.engine_check import find_problems
    except Exception as error:  # a module in place of another fails in any way
        traceback.print_exc()
        if file := shadowing_file(error):
            write_text(folder / SHADOW, file)
        return ENGINE_MISSING
    request = read_json(folder / REQUEST)
    plan = Plan(ExperimentConfig.from_dict(request["experiment"], source=request["source"]))
    findings = find_problems(plan, request["source"], lambda step: write_text(folder / STEP, step))
    outcome = Outcome(problems=_parts(findings.problems), warnings=_parts(findings.warnings))
    write_text(folder / RESULT, outcome.model_dump_json())
    return EXIT_OK


def _parts(errors: list[BadInputError]) -> list[dict[Part, str]]:
    return [
        {"expected": error.expected, "found": error.found, "where": error.where, "hint": error.hint} for error in errors
    ]


def _content(experiment: ExperimentConfig) -> str:
    """Everything that the outcome of the check depends on: the experiment, its files, the user's code, the engine, and
    DAF's code."""
    weights = [path for policy in experiment.policies.values() for path in weights_files(policy)]
    starts = [run.start_from for run in experiment.training.values()]
    starts += [start for sweep in experiment.sweeps.values() for start in starts_of(sweep)]
    for start in starts:
        if start is not None and start not in experiment.training:
            weights += weights_files(PolicyConfig(data_path=Path(start)))
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
    sys.exit(main(sys.argv[1:]))
