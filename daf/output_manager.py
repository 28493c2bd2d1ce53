"""Where results are stored: one base folder with one subfolder per kind of result.

This module defines the folder names and saves small results as JSON. The Snakefile lists the workflow's own targets;
both use the same layout. Folders are created only when something is written.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daf.errors import BadInputError, did_you_mean
from daf.system.files import write_json
from daf.system.json_files import read_json
from daf.system.plain import to_plain
from daf.system.user_paths import user_path
from daf.system.verification import VerificationReport, verify_folder

__all__ = ["OutputDirectories", "OutputManager", "VerificationReport", "daf_verify_outputs", "get_output_manager"]

# Folder -> its content. The workflow writes its machine check to `environment`.
FOLDERS = {
    "sweeps": "sweep results by session",
    "comparisons": "comparison reports",
    "training": "training runs",
    "deployment": "deployment packages",
    "evaluations": "test results",
    "visualizations": "generated plots and HTML",
    "logs": "session logs",
    "reports": "generated reports",
    "artifacts": "reusable artifacts",
    "environment": "machine checks",
}

# Operation -> folder. Folder names work, too.
OPERATIONS = {
    "sweep": "sweeps",
    "comparison": "comparisons",
    "train": "training",
    "deploy": "deployment",
    "evaluation": "evaluations",
    "visualization": "visualizations",
    "log": "logs",
    "report": "reports",
    "artifact": "artifacts",
} | {folder: folder for folder in FOLDERS}


@dataclass(frozen=True)
class OutputDirectories:
    """The paths of the layout under a base folder; nothing is created by asking.

    Attributes:
        base: the base folder.
    """

    base: Path

    @property
    def sweeps(self) -> Path:
        return self.base / "sweeps"

    @property
    def comparisons(self) -> Path:
        return self.base / "comparisons"

    @property
    def training(self) -> Path:
        return self.base / "training"

    @property
    def deployment(self) -> Path:
        return self.base / "deployment"

    @property
    def evaluations(self) -> Path:
        return self.base / "evaluations"

    @property
    def visualizations(self) -> Path:
        return self.base / "visualizations"

    @property
    def logs(self) -> Path:
        return self.base / "logs"

    @property
    def reports(self) -> Path:
        return self.base / "reports"

    @property
    def artifacts(self) -> Path:
        return self.base / "artifacts"

    @property
    def environment(self) -> Path:
        return self.base / "environment"

    def all(self) -> dict[str, Path]:
        return {name: self.base / name for name in FOLDERS}

    def create(self, folders: Iterable[str] | None = None) -> None:
        """Create the named folders (default: all) for tools that expect them to exist."""
        for name in FOLDERS if folders is None else folders:
            self.of(name).mkdir(parents=True, exist_ok=True)

    def of(self, operation: str) -> Path:
        """The folder of an operation (`sweep`) or with a folder name (`sweeps`).

        Raises:
            BadInputError: unknown operation.
        """
        if operation not in OPERATIONS:
            hint = did_you_mean(operation, OPERATIONS)
            raise BadInputError("a known operation", f"'{operation}'", f"output folder {self.base}", hint)
        return self.base / OPERATIONS[operation]


class OutputManager:
    """Reads and writes results of operations under one base folder."""

    def __init__(self, base_dir: str | Path = "./daf_output") -> None:
        self.base_dir = user_path(base_dir, "base_dir")
        self.dirs = OutputDirectories(self.base_dir)

    def path(self, operation: str, *parts: str | Path) -> Path:
        """A path inside an operation's folder.

        Raises:
            BadInputError: unknown operation, or a path outside the folder.
        """
        folder = self.dirs.of(operation)
        path = folder.joinpath(*parts)
        if not path.resolve().is_relative_to(folder.resolve()):
            raise BadInputError("a path inside the folder", f"'{Path(*parts)}'", str(folder), "leave out '..' and '/'")
        return path

    def save_json_results(self, results: Any, operation: str = "sweep", filename: str = "results") -> Path:
        """Write results to `{base}/{folder}/{filename}.json`, atomically, and return the path.

        Args:
            results: a mapping, a list, a pydantic model, a dataclass, or an object with `to_dict()`; nested ones too.
            operation: determines the folder, e.g. sweep, comparison, training.
            filename: name or relative path inside the folder; `.json` is added if missing.

        Raises:
            BadInputError: unknown operation, or a value that JSON cannot represent (the error names its key).
        """
        path = self.path(operation, filename if filename.endswith(".json") else f"{filename}.json")
        plain = to_plain(results)
        if not isinstance(plain, dict | list):
            kind = type(results).__name__
            raise BadInputError("results as a mapping or a list", f"a {kind}", str(path), "wrap the value in a dict")
        write_json(path, plain, add_digest=False)  # the file holds what the caller gave, nothing else
        return path

    def load_json_results(self, operation: str = "sweep", filename: str = "results") -> Any:
        """Read back what `save_json_results` wrote; raises BadInputError if it is missing."""
        return read_json(self.path(operation, filename if filename.endswith(".json") else f"{filename}.json"))

    def output_info(self) -> str:
        """The layout, with the number and size of files per folder, and the free space."""
        lines = [f"output folder  {self.base_dir.resolve()}"]
        width = max(map(len, FOLDERS)) + 1
        for name, meaning in FOLDERS.items():
            folder = self.base_dir / name
            files = [path for path in folder.rglob("*") if path.is_file()] if folder.is_dir() else []
            size = sum(path.stat().st_size for path in files)
            held = f"{len(files)} file{'s' if len(files) != 1 else ''}, {size / 1e6:.1f} MB" if files else "empty"
            lines.append(f"  {name + '/':<{width}}  {meaning:<26}  {held}")
        existing = next(path for path in (self.base_dir.resolve(), *self.base_dir.resolve().parents) if path.exists())
        lines.append(f"free space     {shutil.disk_usage(existing).free / 1e9:.1f} GB")
        return "\n".join(lines)

    def print_output_info(self) -> None:
        print(self.output_info())


def get_output_manager(base_dir: str | Path = "./daf_output") -> OutputManager:
    """Return a manager for this base folder. Its only state is the path, so several managers of a folder agree."""
    return OutputManager(base_dir)


def daf_verify_outputs(output_dir: str | Path = "./daf_output") -> VerificationReport:
    """Check every file of an output folder: whether it is as its job wrote it, and whether one is missing.

    Files are compared with the digests that they hold, and with those that the workflow's jobs recorded next to their
    logs; `snakemake verify` does the same.

    Returns:
        A report whose `problems` name every damaged, missing or outdated file and what to delete.

    Raises:
        BadInputError: there is no such folder.
    """
    return verify_folder(user_path(output_dir, "output_dir"))
