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
from typing import Any

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
        _, left = psutil.wait_procs([psutil.Process(int(child))], timeout=5)  # a busy machine ends it a little later
        assert all(process.status() == psutil.STATUS_ZOMBIE for process in left)  # until init takes note
    except psutil.NoSuchProcess:
        pass


def test_a_benchmark_without_a_figure_says_why(measure: ModuleType, capfd: pytest.CaptureFixture[str]) -> None:
    assert measure.speed_within(60, "raise SystemExit('no such card')", "tutorial.miner") is None
    message = capfd.readouterr().err
    assert "no speed: ('tutorial.miner',) ended with 1" in message
    assert "no such card" in message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--cases", "arena"], "expected a mission and a policy, as 'arena lstm', found 'arena'"),
        (["--seconds", "6"], "expected more than 6, which a side keeps for its last words"),
    ],
)
def test_training_refuses_what_it_could_not_measure(
    arguments: list[str], message: str, measure: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(sys, "argv", ["training.py", *arguments])
    with pytest.raises(SystemExit):
        importlib.import_module("training").arguments()
    assert message in capsys.readouterr().err


STAND_INS = {
    "daf/__init__.py": "",
    "daf/training/__init__.py": "",
    "daf/config/__init__.py": "class DAFTrainingConfig:\n    from_dict = staticmethod(dict)\n",
    "daf/config/recipes.py": "def training_recipe(*_): ...\n",
    "daf/training/options.py": """
class RunOptions:
    of = classmethod(lambda cls, *_, **__: cls())
    model_copy = lambda self, **_: self
""",
    "daf/training/launch.py": """
import json, os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the update takes longer than there is time

def run_training(recipe, folder, options):
    folder.mkdir(parents=True)
    shares = {"environment_share": 0.5, "forward_share": 0.25, "learning_share": 0.125}
    lines = [json.dumps({"agent_steps": 100 * n, "seconds": 2.0 * n} | shares) for n in (1, 2, 3)]
    (folder / "metrics.jsonl").write_text("\\n".join(lines) + '\\n{"agent_st')
    os.kill(os.getpid(), signal.SIGALRM)  # its time is over
    os._exit(1)
""",
}


def test_training_that_does_not_end_in_time_keeps_what_it_measured(
    tmp_path: Path, measure: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With stand-ins for the trainer: three updates, and a fourth that would never end."""
    for name, text in STAND_INS.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)  # where Python looks first
    program = importlib.import_module("training").OURS
    case = ("arena", "lstm", 10**9, 64, tmp_path / "run", "cpu", 1, "0", 4096, "float32", 300)
    assert measure.speed_within(60, program, *case) == (50, 0.5, 0.25, 0.125)


def test_a_machine_without_nvidias_tools_has_an_unknown_gpu(
    measure: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    assert importlib.import_module("training").card("cuda") == "an unknown GPU"


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
