"""The command `daf`: its help, its exit codes, and what its smaller subcommands answer."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from daf.command.main import COMMANDS, main, parser
from daf.command.run import run_here, snakemake_command
from daf.system.process_identity import ProcessIdentity
from daf.workflow.run_record import RUN, RunRecord
from daf.workflow.submission import Submission

# What `daf --help` and `daf status` must not wait for.
SLOW = ("cogames", "matplotlib", "mettagrid", "numpy", "pandas", "pydantic", "scipy", "snakemake", "torch")


def examples(name: str) -> list[str]:
    return [line for line, _ in COMMANDS[name].examples]


# ---- help ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMMANDS)
def test_every_subcommand_has_a_sentence_and_two_examples(name: str) -> None:
    command = COMMANDS[name]
    assert command.sentence.endswith(".")
    assert len(command.examples) >= 2


@pytest.mark.parametrize("line", [line for name in COMMANDS for line in examples(name) if line.startswith("daf ")])
def test_the_examples_are_understood(line: str) -> None:
    words = shlex.split(line.partition(" >")[0])[1:]
    assert parser().parse_args(words).command == words[0]


def test_help_shows_them(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["status", "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert COMMANDS["status"].sentence in text
    assert all(line in text for line in examples("status"))


def test_without_a_subcommand_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "daf run my.yaml" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--help"], ["status", "absent"]])
def test_help_and_status_import_nothing_slow(arguments: list[str], tmp_path: Path) -> None:
    program = f"""
import sys
from daf.command.main import main
try:
    main({arguments})
except SystemExit:
    pass
print([name for name in {SLOW} if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "[]"


def test_python_runs_the_package_as_the_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "daf", "status"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        "daf_output\n  expected: an output folder\n  found:    no such folder\n"
        "  hint:     name the output folder, or the experiment's file: daf_output is only the default\n"
    )


def test_it_is_installed_as_a_program() -> None:
    import tomllib

    content = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())
    assert content["project"]["scripts"] == {"daf": "daf.command.main:main"}


def test_bash_completes_it() -> None:
    program = f"""
eval "$({sys.executable} -m daf completion)"
complete() {{ :; }}
show() {{ COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _daf; echo "${{COMPREPLY[@]}}"; }}
show daf st
show daf run swe
show daf run --profile s
show daf status --j
"""
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True, cwd="/")
    assert done.stdout.splitlines() == ["status stop stats", "sweep", "slurm", "--json"]


def test_init_writes_an_experiment_that_can_be_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from daf.config import ExperimentConfig

    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert main(["init", "two-scouts"]) == 0
    experiment = ExperimentConfig.from_yaml("two-scouts.yaml")
    assert experiment.policies["mine"].class_path == "two_scouts_policy.MyPolicy"
    compile(Path("two_scouts_policy.py").read_text(), "two_scouts_policy.py", "exec")
    assert capsys.readouterr().out.splitlines()[0] == "wrote two-scouts.yaml"
    Path("two-scouts.yaml").unlink()
    assert main(["init", "two-scouts"]) == 2
    assert "found:    two_scouts_policy.py" in capsys.readouterr().err
    assert not Path("two-scouts.yaml").exists()


@pytest.mark.slow
def test_the_policy_of_init_plays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert main(["init", "beginner"]) == 0
    assert main(["policies", "beginner_policy.py", "--mission", "training_facility_1"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "beginner_policy.MyPolicy: all is well: it acted on training_facility_1; it has no network to train"


# ---- run and stop -------------------------------------------------------------------------------------------


def test_the_command_line_of_snakemake() -> None:
    words = snakemake_command(Path("my.yaml"), ["sweep"], cores=3)
    assert words[1:4] == ["-m", "daf.workflow.start", "--snakefile"]
    assert words[5:] == ["sweep", "--configfile", "my.yaml", "--cores", "3"]
    on_slurm = snakemake_command(Path("my.yaml"), [], profile="slurm", dry_run=True)
    assert Path(on_slurm[on_slurm.index("--profile") + 1], "cluster.yaml").is_file()
    assert "--cores" not in on_slurm
    assert on_slurm[-1] == "--dry-run"
    assert snakemake_command(Path("my.yaml"), [], cores=3, profile="slurm")[-2:] == ["--jobs", "3"]


@pytest.mark.parametrize(
    ("words", "where", "found"),
    [
        ("run absent.yaml", "absent.yaml", "no such file"),
        ("run my.yaml --config-file other.yaml", "command line", "other.yaml and my.yaml"),
        ("run my.yaml -j 0", "--jobs", "0"),
        ("run my.yaml --set daf.sed=1", "--set daf.sed=1", "'sed'"),
        ("run my.yaml --detach", "--detach", "no --profile"),
        ("check my.yaml --set daf.sed=1", "--set daf.sed=1", "'sed'"),
        ("deploy my.yaml", "my.yaml: deployment.policy", "none"),
        ("deploy my.yaml -j 0", "--jobs", "0"),
        ("rollback my.yaml", "my.yaml: deployment.policy", "none"),
        ("compare absent.csv", "absent.csv", "no such file"),
        ("policies absent.py", "absent.py", "no such file"),
        ("open absent", "absent", "no such folder"),
        ("clean .", ".", "no logs/run.json"),
    ],
)
def test_wrong_input_starts_nothing(
    words: str, where: str, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("my.yaml").write_text("name: small\npolicies: {random: random}\n")
    assert main(shlex.split(words)) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == where
    assert found in lines[2]


def record(process: ProcessIdentity) -> RunRecord:
    return RunRecord(
        experiment="small", files=[], folder=".", process=process, began=1.0, parallel=1, submits=False, jobs=[]
    )


def test_stop_interrupts_the_run_that_is_at_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    import psutil

    started = int(psutil.Process(child.pid).create_time() * 1000)
    record(replace(ProcessIdentity.own(), pid=child.pid, started_ms=started)).write(tmp_path / RUN)
    assert main(["stop", str(tmp_path)]) == 0
    assert child.wait() != 0
    assert capsys.readouterr().out.endswith("Stopped. The same `daf run` continues.\n")
    assert main(["stop", str(tmp_path)]) == 1  # no longer; 2 is for wrong input
    assert "found:    no run is at work: the last one " in capsys.readouterr().err


def test_stop_says_that_no_run_is_at_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stop", str(tmp_path)]) == 1
    assert "found:    no run is at work\n" in capsys.readouterr().err


def test_stop_cancels_a_submitted_run_that_waits(
    tmp_path: Path, programs: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    Submission(slurm_job_id="12", submitted=1.0, command=["x"], log="run-12.log").write(out)
    queue = tmp_path / "queue"
    queue.write_text("12\n")
    calls = programs(squeue=f"cat {queue}", scancel=f": > {queue}")
    assert main(["stop", str(out)]) == 0
    assert "scancel --state=PENDING 12" in calls.read_text().splitlines()
    assert "--signal" not in calls.read_text()


# ---- results ------------------------------------------------------------------------------------------------


def test_open_prints_the_newest_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["open", str(tmp_path), "--print"]) == 2
    assert "expected: a page of results" in capsys.readouterr().err
    page = tmp_path / "comparisons" / "main" / "report.html"
    page.parent.mkdir(parents=True)
    page.touch()
    assert main(["open", str(tmp_path), "--print"]) == 0
    assert capsys.readouterr().out == f"{page}\n"
    (tmp_path / "index.html").touch()
    assert main(["open", str(tmp_path), "--print"]) == 0
    assert capsys.readouterr().out == f"{tmp_path}/index.html\n"


def test_clean_removes_the_state_of_finished_jobs_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(replace(ProcessIdentity.own(), pid=2**22)).write(tmp_path / RUN)
    finished, unfinished = tmp_path / "training/a/seed-1", tmp_path / "training/a/seed-2"
    for folder in (finished, unfinished):
        (folder / "state").mkdir(parents=True)
        (folder / "state" / "weights.pt").write_bytes(b"x" * 1000)
    (finished / "model.safetensors").touch()
    assert main(["clean", str(tmp_path), "-n"]) == 0
    assert capsys.readouterr().out == f"Would remove the checkpoints of 1 finished job in {tmp_path}: 0.0 MB.\n"
    assert (finished / "state").exists()
    assert main(["clean", str(tmp_path), "--yes"]) == 0
    assert not (finished / "state").exists()
    assert (finished / "model.safetensors").exists()
    assert (unfinished / "state").exists()
    assert main(["clean", str(tmp_path), "--all", "--yes"]) == 0
    assert not tmp_path.exists()


def test_clean_removes_every_nested_state_in_one_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    record(replace(ProcessIdentity.own(), pid=2**22)).write(tmp_path / RUN)
    trials = [tmp_path / f"sweeps/s/trial-000{number}" for number in range(3)]
    for trial in trials:
        (trial / "state" / "state").mkdir(parents=True)
        (trial / "state" / "state" / "weights.pt").write_bytes(b"x" * 1_000_000)
        for name in ("result.json", "state/result.json", "state/model.safetensors"):
            (trial / name).touch()
    sizes = f"the checkpoints of 3 finished jobs in {tmp_path}: 3.0 MB.\n"
    assert main(["clean", str(tmp_path), "-n"]) == 0
    assert capsys.readouterr().out == f"Would remove {sizes}"
    remove = shutil.rmtree

    def remove_after_another(folder: Path, **options: Any) -> None:
        if folder == trials[1] / "state":
            remove(folder)
        remove(folder, **options)

    monkeypatch.setattr(shutil, "rmtree", remove_after_another)
    assert main(["clean", str(tmp_path), "--yes"]) == 0
    assert capsys.readouterr().out == f"Removed {sizes}"
    assert [sorted(path.name for path in trial.iterdir()) for trial in trials] == [["result.json"]] * 3


def test_clean_leaves_a_folder_alone_in_which_something_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(ProcessIdentity.own()).write(tmp_path / RUN)
    assert main(["clean", str(tmp_path), "--all", "--yes"]) == 2
    assert "expected: a folder in which nothing runs" in capsys.readouterr().err
    assert tmp_path.exists()


def test_clean_asks_in_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    record(replace(ProcessIdentity.own(), pid=2**22)).write(tmp_path / RUN)
    assert main(["clean", str(tmp_path), "--all"]) == 2
    assert "hint:     add --yes" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    for answer, remains in (("n", True), ("", True), ("Yes", False)):
        monkeypatch.setattr("builtins.input", lambda question, answer=answer: answer)
        assert main(["clean", str(tmp_path), "--all"]) == 0
        assert tmp_path.exists() == remains


def test_open_starts_the_browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "index.html").touch()
    opened = tmp_path / "opened"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    browser.chmod(0o755)
    env = {**os.environ, "DISPLAY": ":9", "BROWSER": str(browser)}
    command = [sys.executable, "-m", "daf", "open", str(tmp_path)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert opened.read_text() == f"{(tmp_path / 'index.html').as_uri()}\n"
    assert (done.stdout, done.stderr) == (f"{tmp_path}/index.html\n", "")


DEPLOYED = """
name: small
daf: {output_dir: OUT}
policies: {random: random}
deployment: {policy: random, version: 0.2.0, endpoint: REGISTRY}
"""


@pytest.mark.parametrize(("serving", "code"), [("0.2.0", 0), ("0.1.0", 1)])
def test_deploy_says_that_a_version_serves_only_if_it_does(
    serving: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from daf.command import release
    from daf.packaging.endpoints import FolderEndpoint
    from daf.packaging.registry import DeployedPolicy

    file = tmp_path / "my.yaml"
    file.write_text(DEPLOYED.replace("OUT", str(tmp_path / "out")).replace("REGISTRY", str(tmp_path / "registry")))
    commands: list[list[str]] = []
    monkeypatch.setattr(release, "run_here", lambda command: commands.append(command) or 0)
    policy = DeployedPolicy(name="random", version=serving, sha256="", since="today", versions=[], history=[])
    monkeypatch.setattr(FolderEndpoint, "deployed", lambda self, name: [policy])
    assert main(["deploy", str(file)]) == code
    assert f"{tmp_path}/out/deployment/random-0.2.0.deployed.json" in commands[0]
    printed = capsys.readouterr()
    if code:
        assert (
            f"found:    0.1.0, since today\n  hint:     0.2.0 was deployed before: daf rollback {file}" in printed.err
        )
    else:
        assert printed.out.startswith(f"random 0.2.0 serves at {tmp_path}/registry: ")


@pytest.mark.slow
def test_a_table_of_scores_gets_an_answer_and_a_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [f"{policy},hall,{episode},{score + (episode * score) % 3}" for policy, score in (("mine", 5), ("theirs", 1))
            for episode in range(12)]  # fmt: skip
    Path("scores.csv").write_text("\n".join(["policy,mission,episode,score", *rows]))
    assert main(["compare", "scores.csv", "--margin", "0.5"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"mine .*(scores|scored) .*", printed), printed
    page = Path("daf_output/comparisons/scores/report.html")
    assert printed.splitlines()[-1] == f"page: {page.resolve()}"
    assert "theirs" in page.read_text()


POLICIES = """
import numpy as np
from daf.policies import BatchPolicy

class Helper:
    pass

class Still(BatchPolicy):
    def step_batch(self, observations: np.ndarray, actions: np.ndarray) -> None:
        actions[:] = 0

class Wrong(BatchPolicy):
    def step_batch(self, observations: np.ndarray, actions: np.ndarray) -> None:
        raise RuntimeError("not today")
"""


@pytest.mark.slow
def test_policies_of_a_file_get_a_verdict_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    Path("crafted_for_command.py").write_text(POLICIES)
    assert main(["policies", "crafted_for_command.py", "--mission", "training_facility_1"]) == 2
    printed = capsys.readouterr().out
    assert (
        "crafted_for_command.Still: all is well: it acted on training_facility_1; it has no network to train" in printed
    )
    assert "not today" in printed
    assert "crafted_for_command.Wrong: cannot play training_facility_1 yet: 1 to mend" in printed
    assert "Helper" not in printed


@pytest.mark.slow
def test_missions_and_policies_are_listed_on_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["missions"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 20
    assert any(line.startswith("tutorial.miner ") and " agents " in line for line in lines)
    assert main(["missions", "training_facility_1"]) == 0
    assert "success:" in capsys.readouterr().out
    assert main(["policies"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {"random", "lstm", "grid"} <= {line.split()[0] for line in lines}
    assert max(map(len, lines)) <= 118


def test_an_experiment_names_its_output_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "my.yaml"
    file.write_text(yaml.safe_dump({"name": "small", "daf": {"output_dir": str(tmp_path / "out")}}))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "index.html").touch()
    assert main(["open", str(file), "--print"]) == 0
    assert capsys.readouterr().out == f"{tmp_path}/out/index.html\n"


def test_a_run_that_was_killed_cannot_say_so_and_the_command_does(capsys: pytest.CaptureFixture[str]) -> None:
    killed = [sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]
    assert run_here(killed) == 1
    said = "Snakemake was killed by SIGKILL. Finished files and checkpoints are kept; the same command continues.\n"
    assert capsys.readouterr().err == said
