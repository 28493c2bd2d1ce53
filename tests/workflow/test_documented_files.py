"""docs/outputs.md is true: every file of a real run is documented once, and so is every column and key."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from daf.system.files import CONTENT_DIGEST
from docs.generator.output_files import PROVENANCE
from docs.generator.outputs_page import documented_files
from tests.workflow.tools import snakemake, write_experiment

pytestmark = pytest.mark.slow

HALL: dict[str, Any] = {
    "mission": "hall",
    "search_space": {"learning_rate": {"type": "float", "low": 1e-3, "high": 1e-2, "log": True}},
    "steps_per_trial": 8192,
    "episodes_per_trial": 2,
}
# What the experiment that the tests share does without.
MORE: dict[str, Any] = {
    "name": "more",
    "missions": {"hall": {"source": "training_facility_1", "max_steps": 40}},
    "sweeps": {
        "rungs": {
            **HALL,
            "num_trials": 4,
            "lag": 4,
            "halving": {"num_rungs": 2, "reduction_factor": 2, "bracket_size": 4},
            "num_finalists": 1,
            "confirmation_seeds": 1,
        },
        "early": {**HALL, "num_trials": 2, "lag": 2, "early_stopping": {"num_checks": 2, "episodes": 2}},
    },
    "policies": {"random": "random", "baseline": "baseline"},
    "evaluation": {"replays": ["best"], "episodes_per_shard": 4},
    "comparisons": {
        "main": {
            "policies": ["random", "baseline"],
            "missions": ["hall"],
            "episodes_per_mission": "auto",
            "max_episodes_per_mission": 8,
            "num_interim_analyses": 2,
            "num_resamples": 200,
            "equivalence_margin": 0.5,
        }
    },
    "deployment": {"policy": "baseline", "version": "1.0.0", "validation_mission": "hall", "endpoint": "registry"},
}


@pytest.fixture(scope="module")
def long_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("more")
    write_experiment(folder, MORE)
    done = snakemake(folder, "-j2", "all", "daf_output/deployment/baseline-1.0.0.deployed.json")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return folder


@pytest.fixture(params=["finished_run", pytest.param("long_run", marks=pytest.mark.long)])
def run(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.getfixturevalue(request.param)
    return folder


@pytest.fixture(scope="module")
def documented() -> list[tuple[re.Pattern[str], Any]]:
    return list(documented_files())


def files_of(run: Path) -> list[Path]:
    files = [path for path in (run / "daf_output").rglob("*") if path.is_file()]
    assert len(files) > 100
    return files


def matches(path: str, documented: list[tuple[re.Pattern[str], Any]]) -> list[Any]:
    return [file for pattern, file in documented if pattern.fullmatch(path)]


def test_every_file_is_documented_once(run: Path, documented: list[tuple[re.Pattern[str], Any]]) -> None:
    for path in files_of(run):
        name = path.relative_to(run / "daf_output").as_posix()
        assert len(matches(name, documented)) == 1, name


def test_every_column_and_key_is_documented(run: Path, documented: list[tuple[re.Pattern[str], Any]]) -> None:
    checked = 0
    for path in files_of(run):
        (file,) = matches(path.relative_to(run / "daf_output").as_posix(), documented)
        if not file.keys:
            continue
        expected = {field.name for field in file.keys[0].fields}
        for names in names_in(path):
            unknown = {name for name in names if not name.startswith("hyperparameters.")} - expected
            assert not unknown, f"{path} holds {unknown}"
            missing = expected - names - set(file.optional) - {"hyperparameters.{name}"}
            assert not missing, f"{path} lacks {missing}"
            checked += 1
    assert checked > 60


def test_keys_of_nested_mappings_are_documented(run: Path, documented: list[tuple[re.Pattern[str], Any]]) -> None:
    """For each mapping that a separate table describes, named in the table's title: `processes`, `checks`, …"""
    checked = set()
    for path in files_of(run):
        (file,) = matches(path.relative_to(run / "daf_output").as_posix(), documented)
        for keys in file.keys[1:] if path.suffix == ".json" else ():
            for mapping in mappings_of(json.loads(path.read_text()), keys.title):
                known = {field.name for field in keys.fields}
                assert known - set(keys.optional) <= set(mapping) <= known, f"{path}: {keys.title}"
                checked.add(keys.title)
    assert len(checked) >= 12


def test_provenance_is_documented(run: Path) -> None:
    keys, host, code = PROVENANCE.keys
    records = [json.loads(path.read_text()) for path in files_of(run) if path.suffix == ".json"]
    found = [record["provenance"] for record in records if "provenance" in record]
    assert len(found) >= 10
    for record in found:
        added = set(record) - {field.name for field in keys.fields}
        assert added <= {"success", "computation", "episodes", "overrides"}  # explained where they are written
        assert set(record) >= {field.name for field in keys.fields}
        assert set(record["host"]) == {field.name for field in host.fields}
        assert set(record["code"]) == {field.name for field in code.fields}


def names_in(path: Path) -> list[set[str]]:
    """The columns of a table, the keys of a JSON file, or those of every line."""
    if path.suffix == ".parquet":
        return [set(pq.read_schema(path).names)]
    if path.suffix == ".csv":
        with path.open(newline="") as stream:
            return [set(next(csv.reader(stream)))]
    if path.suffix == ".jsonl":
        return [set(json.loads(line)) - {CONTENT_DIGEST} for line in path.read_text().splitlines()]
    return [set(json.loads(path.read_text())) - {CONTENT_DIGEST}]  # the same in all files


def mappings_of(content: Any, title: str) -> list[dict[str, Any]]:
    """The mappings that the title of a table names: `Keys of`, `Each entry of` or `Each value of` a dotted place."""
    nested = re.match(r"(Keys|Each entry|Each value|Columns) of `([\w.]+)`", title)
    places = [content] if nested else []
    for key in nested[2].split(".") if nested else ():
        inside = [place[key] for place in places if place.get(key)]
        places = [part for place in inside for part in (place if isinstance(place, list) else [place])]
    if nested and nested[1] == "Each value":
        places = [value for place in places for value in place.values()]
    return places
