"""Files are read in one place: elsewhere, a damaged file would end in an exception of some library."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
READERS = {"readers", "json_files", "yaml_files", "archives", "tables"}  # of daf/system/
READING = {
    "read_text", "read_bytes", "read_csv", "read_parquet", "read_table", "read_schema", "safe_load", "full_load",
    "is_zipfile", "model_validate_json",
}  # fmt: skip
LOADING = {"json", "yaml", "pickle", "torch", "tomllib"}  # whose load, loads and load_all read
EXCEPTIONS = {
    "daf/config/docs.py": "documents of the repository",
    "daf/engine/documents.py": "documents that CoGames installs",
    "daf/engine/environment_workers.py": "what two processes of DAF tell each other",
    "daf/engine/grid_policy.py": "its interface to CoGames; `refuse_code` has read the file before",
    "daf/engine/loaded_weights.py": "pickles, after `refuse_code` has read them",
    "daf/engine/network_policy.py": "its interface to CoGames; `refuse_code` has read the file before",
    "daf/engine/model_files.py": "pickles and safetensors, with the errors of their libraries",
    "daf/packaging/confine.py": "a program that runs without DAF",
    "daf/packaging/isolated_run.py": "a program that runs without DAF",
    "daf/packaging/source.py": "source files that Python has imported",
    "daf/statistics/score_files.py": "dialects of CSV",
    "daf/system/files.py": "the text that it writes",
    "daf/system/limits.py": "files of the kernel",
    "daf/system/linear_algebra.py": "files of the kernel",
    "daf/system/provenance.py": "files of the kernel",
    "daf/system/requirements.py": "DAF's own pyproject.toml",
    "daf/system/worker_processes.py": "what two processes of DAF tell each other",
    "daf/training/checkpoints.py": "files whose digest is in their name",
    "daf/workflow/fork_server.py": "what two processes of DAF tell each other, and files of the kernel",
    "daf/workflow/forked_jobs.py": "what two processes of DAF tell each other",
    "daf/workflow/preflight.py": "what two processes of DAF tell each other",
    "daf/workflow/rulegraph.py": "documents of the repository",
}


def direct_reads(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        of = function.value if isinstance(function, ast.Attribute) else None
        module = of.id if isinstance(of, ast.Name) else ""
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        known = of is not None and name in READING
        loads = module in LOADING and name in ("load", "loads", "load_all")
        mode = node.args[1].value if len(node.args) > 1 and isinstance(node.args[1], ast.Constant) else "r"
        opens = name == "ZipFile" and mode == "r"
        if known or loads or opens:
            yield f"{path.relative_to(PROJECT)}: {name} in line {node.lineno}"


def sources() -> Iterator[Path]:
    for path in sorted([*(PROJECT / "daf").rglob("*.py"), *(PROJECT / "scripts").glob("*.py")]):
        if not (path.parent.name == "system" and path.stem in READERS):
            yield path


def test_files_are_read_by_the_readers_only() -> None:
    found = [place for path in sources() for place in direct_reads(path)]
    if wrong := [place for place in found if place.partition(":")[0] not in EXCEPTIONS]:
        pytest.fail(
            "\n".join(["use daf.system.readers, json_files, yaml_files, archives or tables:", *wrong]), pytrace=False
        )
    assert {place.partition(":")[0] for place in found} == EXCEPTIONS.keys()
