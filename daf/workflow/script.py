"""What every program in scripts/ does around its one call: log messages, and errors as text with an exit code.

`python -m daf.workflow.script TARGET` runs the script of one file by hand, in this process, so that `breakpoint()`
works in it and in everything it calls. Create its inputs with Snakemake first.
"""

from __future__ import annotations

import argparse
import io
import logging
import runpy
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from daf.config import DAFConfig
from daf.errors import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_REQUEUE, DafError
from daf.logging_config import DAFLogger, create_daf_logger
from daf.system.failure_report import FailureReport
from daf.system.job_records import JobRecord, digests_of, record_path
from daf.system.job_states import JobState, state_path
from daf.system.json_files import NOTICES
from daf.system.loaded_files import job_begins
from daf.system.process_state import end_without_search
from daf.system.provenance import note_overrides
from daf.system.shares import at_most
from daf.workflow.code_changes import code_unchanged

CORES_PER_GPU = "cores_per_gpu"  # the resource with which a profile says how many cores each process gets


@dataclass(frozen=True)
class ScriptContext:
    """What a script may use in addition to its rule's `params`, input, and output. None of it decides what is computed.

    Attributes:
        settings: how jobs run here: device, log level.
        logger: writes to the terminal and to the rule's log file.
    """

    settings: DAFConfig
    logger: DAFLogger


@contextmanager
def script_context(snakemake: Any) -> Iterator[ScriptContext]:
    """Settings and a logger for the body of a script; a failure in the body is logged and ends the program.

    If the body succeeds, the digests of the job's files are recorded next to its log. A job also fails if the user's
    code is not, before the body or after it, what the job's params say.
    """
    settings = DAFConfig.from_dict(dict(snakemake.config.get("daf") or {}))
    logger = create_daf_logger(snakemake.rule, level=settings.log_level, log_file=str(snakemake.log[0]))
    job_begins()
    note_overrides(snakemake.config.get("overrides"))
    state_file = state_path(snakemake.log[0])
    state = JobState.begin(snakemake.rule, state_file)
    end_without_search()
    NOTICES.handlers, NOTICES.propagate = logging.getLogger(f"daf.sessions.{snakemake.rule}").handlers, False
    try:
        record = record_path(snakemake.log[0])
        record.unlink(missing_ok=True)
        inputs = digests_of(snakemake.input, settings.output_dir)
        with (
            code_unchanged(snakemake.params, snakemake.config, f"job {snakemake.rule}"),
            open(snakemake.log[0], "a", encoding="utf-8") as log,
            redirect_stdout(_Both(sys.stdout, log)),
            at_most(snakemake.threads),
        ):
            yield ScriptContext(settings, logger)
        if snakemake.output:
            outputs = digests_of(snakemake.output, settings.output_dir)
            JobRecord(rule=snakemake.rule, inputs=inputs, outputs=outputs).write(record)
        state_file.unlink(missing_ok=True)
    except DafError as error:
        if (report := FailureReport.of(error)).in_user_code:
            logger.error(report.traceback)
        tell = logger.warning if error.exit_code == EXIT_REQUEUE else logger.error
        tell(str(error))
        state.end(state_file, error.exit_code, interrupted=error.exit_code == EXIT_REQUEUE)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        logger.warning("interrupted by Ctrl-C; run again to continue")
        state.end(state_file, EXIT_INTERRUPTED, interrupted=True)
        sys.exit(EXIT_INTERRUPTED)
    except Exception:
        logger.error(traceback.format_exc())
        state.end(state_file, EXIT_FAILED, interrupted=False)
        sys.exit(EXIT_FAILED)


def cores_of_job(snakemake: Any) -> int | None:
    """Cores of each machine that a job may use for environments; None if the profile does not say.

    Not all that the job's processes could use: on this machine, others run beside it, and on a cluster that binds no
    job to its cores, Slurm no longer says how many they are once the job runs.
    """
    return snakemake.threads if snakemake.resources.get(CORES_PER_GPU) else None


def evaluation_device(snakemake: Any, device: str) -> str:
    """Where the networks of an evaluation run: on a GPU only if the job has asked for one.

    On its cores, an evaluation plays a batch of episodes per process, each with a network on the CPU. A GPU would serve
    all of these processes in turn, and take about as long for a batch of a few dozen agents as a single core takes for
    a small network: see benchmarks/README.md. So the profiles request no GPU by default.
    """
    gres = snakemake.resources.get("gres")
    return device if snakemake.resources.get("gpu") or gres not in (None, "", "none") else "cpu"


class _Both(io.TextIOBase):
    """What user code prints, on the terminal and in the log."""

    def __init__(self, *streams: TextIO) -> None:
        self._streams = streams

    def write(self, text: str) -> int:
        for stream in self._streams:
            stream.write(text)
        return len(text)

    def flush(self) -> None:
        for stream in self._streams:
            stream.flush()


def main(arguments: list[str] | None = None) -> int:
    """Run the script that creates one file."""
    from daf.workflow.runner import open_dag
    from daf.workflow.snakemake_internals import script_that_makes

    parser = argparse.ArgumentParser(prog="python -m daf.workflow.script", description=main.__doc__)
    parser.add_argument("target", help="the file, such as daf_output/comparisons/main/report.html")
    parser.add_argument("--configfile", type=Path, default=Path("config/config.yaml"), help="the experiment file")
    options = parser.parse_args(arguments)
    try:
        with open_dag(options.configfile.resolve(), [options.target]) as dag:
            script, snakemake = script_that_makes(dag, options.target)
    except DafError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    for path in (*snakemake.output, *snakemake.log):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    runpy.run_path(str(script), init_globals={"snakemake": snakemake})
    return 0


if __name__ == "__main__":
    sys.exit(main())
