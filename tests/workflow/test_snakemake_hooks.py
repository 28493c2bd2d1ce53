"""What DAF replaces in Snakemake means what daf/workflow/snakemake_hooks.py takes it for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from daf.system.job_states import JobState
from daf.workflow.forked_jobs import is_possible
from tests.stages import others_long
from tests.workflow.conftest import environment

pytestmark = pytest.mark.slow

# The names of rules decide what their jobs import: these, little.
SNAKEFILE = """
import sys
from functools import partial
from daf.workflow.job_starts import server_of_run, start_jobs_here
from daf.workflow.snakemake_hooks import replace_messages

class Listener:
    def __init__(self):
        self.seen = []
    def __getattr__(self, name):
        return lambda *number: print("HEARD", name, *number, file=sys.stderr)

rule all:
    input: "select_best.json", "propose_trial.json"

rule select_best:
    output: "select_best.json"
    log: "logs/select_best.log"
    benchmark: "select_best.jsonl"
    params: fail=""
    resources: tmpdir="elsewhere"
    script: "job.py"

rule propose_trial:
    input: "select_best.json"
    output: "propose_trial.json"
    log: "logs/propose_trial.log"
    retries: 1
    params: fail=config.get("fail", "")
    resources: tmpdir="elsewhere"
    script: "job.py"

ENDS = []

onstart:
    ENDS.append(start_jobs_here(server_of_run(partial(print, "TOLD", file=sys.stderr))))
    replace_messages(Listener())

onsuccess:
    ENDS.pop()()

onerror:
    ENDS.pop()()
"""
JOB = """
import json, os, signal, sys
from pathlib import Path
parent = Path(f"/proc/{os.getppid()}/cmdline").read_text()
state = json.loads(Path(snakemake.log[0]).with_suffix(".state.json").read_text())
memory = bytearray(os.urandom(1 << 20)) * 100
facts = {
    "forked": "fork_server" in parent, "threads": os.environ["OMP_NUM_THREADS"], "tmp": os.environ["TMPDIR"],
    "state": [state["rule"], state["status"], state["exit_code"]],
}
Path("facts.json").write_text(json.dumps(facts))
if snakemake.params.fail == "exit":
    sys.exit(3)
if snakemake.params.fail == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
Path(snakemake.output[0]).write_text(json.dumps(facts))
import time; time.sleep(2.2)  # the benchmark looks every 2 s
"""


def run(folder: Path, *arguments: str, code: int = 0, **variables: str) -> list[str]:
    """What a run in a folder prints."""
    (folder / "Snakefile").write_text(SNAKEFILE)
    (folder / "job.py").write_text(JOB)
    command = [sys.executable, "-m", "snakemake", "-c2", *arguments]
    done = subprocess.run(
        command, cwd=folder, env=environment() | variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    return done.stderr.splitlines()


def heard(lines: list[str]) -> list[str]:
    return [line.removeprefix("HEARD ") for line in lines if line.startswith("HEARD ")]


@pytest.mark.parametrize("switch", others_long(["1", "0"], "1"))
def test_jobs_start_as_snakemake_would_start_them(tmp_path: Path, switch: str) -> None:
    lines = run(tmp_path, DAF_FORK_SERVER=switch)
    expected = {
        "forked": switch == "1" and is_possible({}),
        "threads": "1",
        "tmp": "elsewhere",
        "state": ["select_best", "running", None],
    }
    assert json.loads((tmp_path / "select_best.json").read_text()) == expected
    measured: dict[str, Any] = json.loads((tmp_path / "select_best.jsonl").read_text())
    assert measured["s"] > 0.5
    assert measured["max_rss"] > 50
    assert not list(tmp_path.rglob("*.state.json"))  # as these jobs write none themselves
    assert sorted(heard(lines)) == [f"{what} {number}" for what in ("finished", "started") for number in range(3)]
    assert not any(line.startswith("TOLD") for line in lines)
    assert not any("Finished jobid" in line or "localrule" in line or "Select jobs" in line for line in lines)


@pytest.mark.parametrize(("fail", "codes"), [("exit", {3}), ("kill", {-9, 137})])
def test_a_failed_job_is_heard_of_and_is_not_done(tmp_path: Path, fail: str, codes: set[int]) -> None:
    lines = run(tmp_path, "--config", f"fail={fail}", code=1)
    assert not (tmp_path / "propose_trial.json").exists()
    state = JobState.read(tmp_path / "logs" / "propose_trial.state.json")
    assert (state.rule, state.status) == ("propose_trial", "failed")
    assert state.exit_code in codes
    assert [line for line in heard(lines) if line.endswith("2")] == [
        "started 2", "failed 2", "retried 2", "started 2", "failed 2",
    ]  # fmt: skip
    text = "\n".join(lines)
    assert "RuleException" not in text
    assert "Error" not in text
    assert "Traceback" not in text


EXPECTING = """
import json
from daf.workflow.snakemake_internals import environment_of_jobs

rule all:
    output: "found.json"
    script: "job.py"

onstart:
    with open("expected.json", "w") as stream:
        json.dump(environment_of_jobs(os.environ), stream)
"""


def test_the_environment_of_jobs_is_known_before_the_first(tmp_path: Path) -> None:
    """So that the process that checks the experiment can start jobs, too."""
    (tmp_path / "Snakefile").write_text(EXPECTING)
    (tmp_path / "job.py").write_text("import json, os; json.dump(dict(os.environ), open(snakemake.output[0], 'w'))")
    command = [sys.executable, "-m", "snakemake", "-c2"]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found, expected = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("found", "expected"))
    of_python = {"_", "LC_CTYPE", "PS1", "PWD", "OLDPWD", "SHLVL"}  # of the shell that starts it, and the interpreter
    assert {k: v for k, v in found.items() if k not in of_python} == {
        k: v for k, v in expected.items() if k not in of_python
    }
