"""Worker processes for episodes, and errors that say why they did not start."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import current_process, get_context
from pathlib import Path

from daf.config.policy_reference import MAIN, check_importable
from daf.errors import EXIT_BAD_INPUT, BadInputError, DafError
from daf.system.nouns import number_of
from daf.system.readers import read_bytes

GUARD = f'if __name__ == "{MAIN}":'


@contextmanager
def worker_pool(workers: int, class_paths: Sequence[str]) -> Iterator[ProcessPoolExecutor]:
    """A pool of processes that import the running script, as they do on every platform.

    Args:
        class_paths: the classes that the workers will import.

    Raises:
        PolicyError: a class that only this process has.
        BadInputError: the script starts its workers while it is imported, so that each worker would start others.
        DafError: a worker ended, or the system lets this process start none.
    """
    if getattr(current_process(), "_inheriting", False):
        sys.exit(EXIT_BAD_INPUT)  # a worker that imports a script without a guard; the parent says so
    script = _script()
    if script is None:
        for class_path in class_paths:
            check_importable(class_path, "a worker process")
    try:
        with _pool(workers) as pool:
            yield pool
    except BrokenProcessPool as error:
        if script is not None and MAIN.encode() not in read_bytes(script):
            hint = f"put the code that starts workers under `{GUARD}`, or play with workers=1"
            found = "none: each worker imports the script and would run it again"
            raise BadInputError(
                f"a main guard in a script with workers, `{GUARD}`", found, str(script), hint
            ) from error
        hint = "was it killed, for example for lack of memory? Use fewer workers; the messages above may say more"
        raise DafError(
            "workers that finish their episodes", "one that ended", number_of(workers, "worker"), hint
        ) from error


def _pool(workers: int) -> ProcessPoolExecutor:
    if current_process().daemon:
        hint = "play with workers=1, or start that process with daemon=False"
        raise BadInputError("a process that may start others", "a daemonic one", number_of(workers, "worker"), hint)
    try:
        return ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_end_on_interrupt)
    except OSError as error:  # Python's queues need semaphores, which are files in /dev/shm
        hint = "is /dev/shm there, writable, and not full? Or play with workers=1"
        raise DafError("semaphores for workers", str(error), number_of(workers, "worker"), hint) from None


def _end_on_interrupt() -> None:
    """Let Ctrl-C, which reaches all processes of a terminal, end this worker without a traceback."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _script() -> Path | None:
    """The script that runs, which workers import; None in a notebook or an interactive session."""
    file = getattr(sys.modules.get(MAIN), "__file__", None)
    return Path(file) if file and Path(file).is_file() else None
