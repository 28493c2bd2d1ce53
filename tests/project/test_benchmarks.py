"""The benchmarks start from their own folder, and say what they found."""

from __future__ import annotations

import ast
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import psutil
import pytest

from tests.slurm.cluster import lacking

FOLDER = Path(__file__).parents[2] / "benchmarks"
SCRIPTS = sorted(path.name for path in FOLDER.glob("*.py") if path.name not in ("measure.py", "scenarios.py"))


@pytest.mark.parametrize("script", SCRIPTS)
def test_no_benchmark_stands_in_for_a_standard_module(script: str) -> None:
    """Python looks in a script's own folder first, where `statistics` is a benchmark."""
    own = {path.stem for path in FOLDER.glob("*.py")} & sys.stdlib_module_names
    imported = set()
    for node in ast.walk(ast.parse((FOLDER / script).read_text())):
        if isinstance(node, ast.Import):
            imported |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").partition(".")[0])
    assert own == {"statistics"}
    assert not own & imported


@pytest.fixture
def measure(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The benchmarks' own module."""
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module("measure")


@pytest.mark.slow
def test_a_benchmark_that_is_cut_short_keeps_what_it_measured_and_leaves_no_process(measure: ModuleType) -> None:
    program = """
import signal, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
for number in (1, 2):
    print("SPEED", number, child.pid, flush=True)
signal.pause()
"""
    number, child = measure.speed_within(10, program)  # time enough for a busy machine to start it
    assert number == 2
    try:
        assert psutil.Process(int(child)).status() == psutil.STATUS_ZOMBIE  # until init takes note
    except psutil.NoSuchProcess:
        pass


def test_a_benchmark_without_a_figure_says_why(measure: ModuleType, capfd: pytest.CaptureFixture[str]) -> None:
    assert measure.speed_within(60, "raise SystemExit('no such card')", "tutorial.miner") is None
    message = capfd.readouterr().err
    assert "no speed: ('tutorial.miner',) ended with 1" in message
    assert "no such card" in message


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_quick_benchmark_prints_its_figures_last(script: str, tmp_path: Path) -> None:
    if script == "slurm.py" and (reason := lacking()):
        pytest.skip(reason)
    command = [sys.executable, str(FOLDER / script), "--quick", "--json"]
    done = subprocess.run(command, cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    assert json.loads(done.stdout.splitlines()[-1])
