"""Progress as one line: in a terminal and a notebook it changes in place, elsewhere it is silent."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from daf.system.live_progress import live_progress

LOOP = """
from daf.system.live_progress import live_progress
times = iter(range(100))
with live_progress("sweep x", 3, "trials", clock=lambda: next(times)) as progress:
    for number in range(3):
        print("objective", number)
        progress.update(number + 1, best=0.5)
print("after")
"""
LAST = "sweep x · 3 of 3 trials (100 %)"


def in_terminal(program: str) -> list[str]:
    """The lines that a terminal shows after a program has run in it."""
    ours, theirs = os.openpty()
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    command = [sys.executable, "-c", program]
    child = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=env)
    os.close(theirs)
    guard = threading.Timer(120, child.kill)  # a program that waits would keep the test waiting
    guard.start()
    received = b""
    while True:
        try:
            received += os.read(ours, 65536)
        except OSError:  # the program has ended
            break
    guard.cancel()
    assert child.wait() == 0, received
    os.close(ours)
    text = received.decode()
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h")  # the cursor is visible again
    return [line.split("\x1b[2K")[-1].replace("\x1b[?25h", "").replace("\x1b[?25l", "") for line in text.split("\r\n")]


def test_a_terminal_shows_one_line_which_ends_and_output_appears_above_it() -> None:
    lines = [line for line in in_terminal(LOOP) if line]
    assert lines[0].endswith("objective 0")
    assert lines[-1] == "after"
    assert [line for line in lines if line.startswith(LAST)] == [lines[-2]]
    assert " · took " in lines[-2]
    assert lines[-2].endswith(" · best 0.5")


def test_the_line_ends_when_the_loop_fails() -> None:
    program = LOOP.replace('print("objective", number)', "assert number < 1") + "print('unreached')"
    lines = in_terminal(f"try:\n    exec({program!r})\nexcept AssertionError:\n    print('caught')")
    assert lines[-2:] == ["caught", ""]
    assert lines[-3].startswith("sweep x · 1 of 3 trials")


def test_nothing_is_shown_to_a_pipe() -> None:
    done = subprocess.run([sys.executable, "-c", LOOP], capture_output=True, text=True, check=True)
    assert done.stdout == "objective 0\nobjective 1\nobjective 2\nafter\n"
    assert done.stderr == ""


def test_short_and_empty_loops_show_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("daf.system.live_progress.is_watched", lambda: True)
    with live_progress("short", 2, "steps", after_s=10.0, clock=lambda: 1.0) as progress:
        progress.update(2)
    with live_progress("empty", 0, "steps"):
        pass
    assert capsys.readouterr() == ("", "")


LOGGING = """
import logging, sys
logger = logging.getLogger("mine")
logger.addHandler(logging.StreamHandler(sys.stdout))
logger.setLevel(logging.INFO)
from daf.engine.missions import list_missions
logger.info("a message")
"""

# Each imports tqdm, which warns in notebooks without ipywidgets.
IMPORTS = """
from daf import comparison, deployment, sweeps
import daf.search.bayesian, huggingface_hub.utils.tqdm, optuna, tqdm.auto
"""


@pytest.mark.slow
def test_a_notebook_shows_one_line_and_every_message_once(tmp_path: Path) -> None:
    pytest.importorskip("mettagrid")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in (LOOP, LOGGING, IMPORTS)])
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    loop, logged, imported = (cell["outputs"] for cell in notebook["cells"])
    (line,) = [output["data"]["text/plain"] for output in loop if output["output_type"] == "display_data"]
    assert line.startswith(LAST)
    printed = "".join(output["text"] for output in loop if output["output_type"] == "stream")
    assert printed == "objective 0\nobjective 1\nobjective 2\nafter\n"
    assert [(output["name"], output["text"]) for output in logged] == [("stdout", "a message\n")]
    assert imported == []
