"""Bad input ends with exit code 2 and one clear error per mistake, before there is a DAG."""

from __future__ import annotations

import copy
import os
from pathlib import Path

import pytest

from tests.workflow.tools import SMALL, snakemake, write_experiment


def run_wrong(folder: Path, **changes: object) -> str:
    experiment = copy.deepcopy(SMALL) | changes
    write_experiment(folder, experiment)
    done = snakemake(folder, "-n")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "Building DAG" not in done.stderr
    assert not (folder / "daf_output").exists()
    return done.stderr


def test_keys_and_types_are_checked_without_the_engine(tmp_path: Path) -> None:
    message = run_wrong(
        tmp_path,
        polcies={},
        training={"hall": {"mission": "hall", "num_steps": "many", "hyperparameters": {"learning_rat": 1}}},
    )
    assert "experiment.yaml: polcies" in message
    assert "did you mean 'policies'?" in message
    assert "training.hall.num_steps" in message
    assert "expected: an integer" in message
    assert "did you mean 'learning_rate'?" in message


def test_broken_reference(tmp_path: Path) -> None:
    message = run_wrong(tmp_path, training={"hall": {"mission": "hall", "sweep": "knob"}})
    assert "training.hall.sweep" in message
    assert "did you mean 'knobs'?" in message


def test_everything_that_only_the_engine_knows_in_one_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text("class Thing:\n    pass\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    missing = {"class_path": "grid", "data_path": "weights/model.pt"}
    message = run_wrong(
        tmp_path,
        policies={**SMALL["policies"], "mispelt": "randm", "thing": "mine.Thing", "lost": missing},
        comparisons={
            "main": {
                "policies": ["trained", "mispelt", "thing", "lost"],
                "missions": ["hall", "tutorial.minr", "x.yaml"],
            },
            "other": {"policies": ["trained"], "missions": ["assembler_2"]},
        },
    )
    assert "did you mean 'tutorial.miner'" in message
    assert "x.yaml" in message
    assert "no such file" in message
    assert "did you mean 'random'?" in message
    assert "expected: a subclass of MultiAgentPolicy or AgentPolicy" in message
    assert "weights/model.pt" in message
    assert "the same observation shape on both missions (128 x 3)" in message
