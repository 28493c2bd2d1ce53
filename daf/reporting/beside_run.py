"""A process beside the workflow that writes pages: it starts with the run, and its standard input ends with the run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from daf.system.files import PROJECT

END = "end\n"
END_SECONDS = 15.0  # for the last pages


class ProcessBesideRun:
    """The main process's end of it.

    Args:
        module: the program, which reads commands from its standard input.
        log: where it writes what goes wrong.
    """

    def __init__(self, module: str, log: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        path = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")]))
        with open(log, "w", encoding="utf-8") as stream:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module],
                stdin=subprocess.PIPE,
                stdout=stream,
                stderr=stream,
                env={**os.environ, "PYTHONPATH": path},
                start_new_session=True,  # Ctrl-C is for the workflow
                text=True,
            )

    def _send(self, line: str) -> None:
        try:
            assert self._process.stdin is not None
            self._process.stdin.write(line)
            self._process.stdin.flush()
        except OSError:
            pass  # it has ended, and its log says why

    def _wait(self) -> None:
        """Wait until it has ended; kill it if that takes too long."""
        try:
            self._process.communicate(timeout=END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
