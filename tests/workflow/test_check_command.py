"""`daf check` on a real plan: jobs by kind, and what they take as far as earlier jobs tell."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from daf.command.main import main
from tests.workflow.conftest import environment
from tests.workflow.tools import SMALL, skip_engine_check, write_experiment

pytestmark = pytest.mark.slow


def test_an_experiment_is_explained_without_running_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_experiment(tmp_path, SMALL)
    skip_engine_check(tmp_path)
    benchmark = Path("daf_output/logs/benchmarks/sweeps/knobs/trial-0001.jsonl")
    benchmark.parent.mkdir(parents=True)
    benchmark.write_text(json.dumps({"s": 1800.0}) + "\n")
    assert main(["check", "experiment.yaml"]) == 0
    printed = capsys.readouterr().out
    assert "No problem was found" in printed
    assert re.search(r"^run_trial +3 +3 +30 min 00 s +unknown$", printed, re.MULTILINE)
    rules = re.findall(r"^([a-z]+_[a-z]+) ", printed, re.MULTILINE)
    work = ["propose_trial", "run_trial", "select_best", "train_policy", "evaluate_policy", "merge_episodes"]
    work += ["check_evaluations", "compare_policies", "render_report"]
    assert [rule for rule in rules if rule in work] == [rule for rule in work if rule in rules]
    assert {"evaluate_policy", "check_evaluations"} <= set(rules)
    assert re.search(r"^train_policy +1 +1 +~ [\d.]+ s +unknown$", printed, re.MULTILINE)
    assert re.search(r"^core-hours +~ 1\.5$", printed, re.MULTILINE)
    assert re.search(r"^time +~ .* cores$", printed, re.MULTILINE)
    assert "By what earlier jobs in daf_output took and wrote" in printed
    assert "~: a first estimate, from DAF's own measurements on another machine" in printed
    assert re.search(r"^disk +unknown until jobs have run in daf_output; [\d.]+ [GM]B are free$", printed, re.MULTILINE)
    assert not Path("daf_output/sweeps").exists()


def test_a_dry_run_says_what_is_made_why_and_how_long_it_takes(tmp_path: Path) -> None:
    write_experiment(tmp_path, SMALL)
    skip_engine_check(tmp_path)
    command = [sys.executable, "-m", "daf", "run", "experiment.yaml", "-n"]

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*command, *arguments], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "Using" not in done.stderr
        return done

    printed = run().stdout.splitlines()
    assert re.fullmatch(r"\w+ · a dry-run: nothing is made · \d+ jobs to run, 0 up to date", printed[0])
    assert re.search(r"^ +3  run_trial +new: knobs/0000, knobs/0001, knobs/0002$", "\n".join(printed), re.MULTILINE)
    assert re.fullmatch(r"time +about .* at once, a first estimate until such jobs have run here", printed[-1])
    assert "Job stats" not in "\n".join(printed)
    verbose = run("--verbose")
    assert "Job stats" in verbose.stdout
    assert printed[0] not in verbose.stdout
    assert not (tmp_path / "daf_output" / "sweeps").exists()


def test_all_problems_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_experiment(tmp_path, {**SMALL, "nmae": "x", "training": {"hall": {"mission": "hall", "num_steps": "many"}}})
    assert main(["check", "experiment.yaml"]) == 2
    printed = capsys.readouterr().err
    assert "experiment.yaml: nmae" in printed
    assert "experiment.yaml: training.hall.num_steps" in printed
