"""What happens when a job starts on this machine: `daf status` learns of it at once, and its process is a copy.

A job writes its own state when it has imported what it needs, which takes seconds in the plain way. Until then, the
state names the process of the run.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from daf.errors import EXIT_FAILED, DafError
from daf.system.job_states import JobState, state_path
from daf.workflow.forked_jobs import ForkedJob, ForkServer, Start, is_possible, level_of
from daf.workflow.snakemake_hooks import StartingScript, measure_jobs_less_often, replace_script_starts

# Exit codes of a process that has no handler for Ctrl-C or SIGTERM yet, also as a shell reports them.
INTERRUPTED = (-signal.SIGINT, -signal.SIGTERM, 128 + signal.SIGINT, 128 + signal.SIGTERM)


def server_of_run(tell: Callable[[str], None]) -> ForkServer | None:
    """What starts jobs as copies of a process; None where that is impossible.

    Args:
        tell: gets one sentence if it turns out that jobs cannot be copies.
    """
    return ForkServer(tell) if is_possible(os.environ) else None


def start_jobs_here(server: ForkServer | None) -> Callable[[], None]:
    """Start the jobs of the run in this process so; return what to call when the run has ended."""

    def start(script: StartingScript) -> ForkedJob | None:
        if server is None:
            return None
        level = level_of(script.rule, script.params)
        return server.start(
            Start(
                script=script.path,
                level=level,
                folder=os.getcwd(),
                environment=script.environment,
                streams=script.streams,
            )
        )

    undo_measuring = measure_jobs_less_often()
    undo_starts = replace_script_starts(start, _noted)

    def end() -> None:
        undo_starts()
        undo_measuring()
        if server is not None:
            server.close()

    return end


@contextmanager
def _noted(script: StartingScript) -> Iterator[None]:
    """Leave the state of a job that has not begun to write its own."""
    if script.log is None:
        yield
        return
    path = state_path(script.log)
    state = JobState.begin(script.rule, path)
    try:
        yield
    except BaseException as error:
        left = _left(path)
        if left is not None and left.status == "running":  # it could not say how it ended
            code = error.returncode if isinstance(error, subprocess.CalledProcessError) else EXIT_FAILED
            left.end(path, code, interrupted=code in INTERRUPTED)
        raise
    if _left(path) == state:  # it writes none
        path.unlink(missing_ok=True)


def _left(path: Path) -> JobState | None:
    """The state that a job has left."""
    try:
        return JobState.read(path) if path.is_file() else None
    except DafError:
        return None
