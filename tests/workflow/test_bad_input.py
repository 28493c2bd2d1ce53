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


def test_keys_written_twice_are_named_with_both_lines(tmp_path: Path) -> None:
    write_experiment(tmp_path, SMALL)
    path = tmp_path / "experiment.yaml"
    lines = len(path.read_text().splitlines())
    path.write_text(path.read_text() + "comparisons: {}\nname: again\n")
    done = snakemake(tmp_path, "-n")
    assert done.returncode == 2
    assert f"and again in line {lines + 1}" in done.stderr
    assert f"and again in line {lines + 2}" in done.stderr
    assert not (tmp_path / "daf_output").exists()


def test_mistakes_in_a_mission_file_are_its_authors(tmp_path: Path) -> None:
    """A bad byte or a wrong value is not a fault of the environment."""
    (tmp_path / "five.yaml").write_text("success: 5\nenv: {}\n")
    (tmp_path / "byte.yaml").write_bytes(b"description: caf\xe9\nenv: {}\n")
    comparison = {"policies": ["random"], "missions": ["five.yaml", "byte.yaml"], "episodes_per_mission": 2}
    message = run_wrong(tmp_path, comparisons={"main": comparison})
    assert "five.yaml: success" in message
    assert "5 (int)" in message
    assert "byte 0xe9 in line 1" in message
    assert "make setup" not in message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config", "daf.seed=3"], "hint:     write what is inside a key in braces: --config daf='{seed: 3}'"),
        (["train"], "no file 'train'\n  hint:     write targets before --configfile"),
    ],
)
def test_what_snakemake_would_end_with_a_traceback_is_refused_before(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    """The default profile checks the words behind --config and --configfile."""
    write_experiment(tmp_path, SMALL)
    done = snakemake(tmp_path, *arguments, "-n")
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_single_keys_are_overridden_on_the_command_line(tmp_path: Path) -> None:
    write_experiment(tmp_path, SMALL)
    values = ["--config", "daf={output_dir: elsewhere, seed: 7}", "training={hall: {num_steps: 12:30}}"]
    done = snakemake(tmp_path, "-n", *values)
    assert done.returncode == 2
    assert "and --config: training.hall.num_steps" in done.stderr
    assert "'12:30' (str)" in done.stderr
    done = snakemake(tmp_path, "-n", *values[:2])
    assert done.returncode == 0, done.stderr
    assert "elsewhere/environment/check.json" in done.stdout + done.stderr
