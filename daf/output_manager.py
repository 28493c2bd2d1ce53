"""Where results go: one base folder, one subfolder per kind of result.

What lives here: the names of the folders and saving small results as JSON. The workflow's own targets are spelled
out in the Snakefile; both follow the same layout. Folders appear when something is written, not before.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import math
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daf.errors import BadInputError, did_you_mean
from daf.system.files import read_json, write_json

# Folder -> what it holds. `environment` is where the workflow writes its machine check.
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

# Operation -> folder. Folder names work as well.
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
    """The paths of the layout under a base folder; nothing is created by asking."""

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
        """Create the named folders (default: all of them) for tools that expect them to exist."""
        for name in FOLDERS if folders is None else folders:
            self.of(name).mkdir(parents=True, exist_ok=True)

    def of(self, operation: str) -> Path:
        """The folder of an operation (`sweep`) or of a folder's name (`sweeps`).

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
        self.base_dir = Path(base_dir)
        self.dirs = OutputDirectories(self.base_dir)

    def path(self, operation: str, *parts: str | Path) -> Path:
        """A path inside an operation's folder.

        Raises:
            BadInputError: unknown operation, or a path that leaves the folder.
        """
        folder = self.dirs.of(operation)
        path = folder.joinpath(*parts)
        if not path.resolve().is_relative_to(folder.resolve()):
            raise BadInputError("a path inside the folder", f"'{Path(*parts)}'", str(folder), "leave out '..' and '/'")
        return path

    def save_json_results(self, results: Any, operation: str = "sweep", filename: str = "results") -> Path:
        """Write results to `{base}/{folder}/{filename}.json`, whole or not at all, and return the path.

        Args:
            results: a mapping, a list, a pydantic model, a dataclass, or an object with `to_dict()`; nested ones too.
            operation: which folder, e.g. sweep, comparison, training.
            filename: name or relative path inside the folder; `.json` is added if missing.

        Raises:
            BadInputError: unknown operation, or something inside that JSON cannot hold (the key is named).
        """
        path = self.path(operation, filename if filename.endswith(".json") else f"{filename}.json")
        plain = to_plain(results)
        if not isinstance(plain, dict | list):
            kind = type(results).__name__
            raise BadInputError(
                "results that are a mapping or a list", f"a {kind}", str(path), "wrap the value in a dict"
            )
        write_json(path, plain)
        return path

    def load_json_results(self, operation: str = "sweep", filename: str = "results") -> Any:
        """Read back what `save_json_results` wrote; raises BadInputError if it is missing."""
        return read_json(self.path(operation, filename if filename.endswith(".json") else f"{filename}.json"))

    def output_info(self) -> str:
        """The layout, with the number of files and their size per folder, and the free space."""
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
    """A manager for this base folder. It holds no state but the path, so two for one folder are as good as one."""
    return OutputManager(base_dir)


def to_plain(value: Any, where: str = "results") -> Any:
    """Data that JSON can hold: models, dataclasses, paths, times, numpy and pandas values are translated.

    NaN and infinity, which JSON does not have, become null.

    Raises:
        BadInputError: a value of another kind; `where` grows to its key.
    """
    if value is None or isinstance(value, str | bool):
        return value.value if isinstance(value, enum.Enum) else value
    if isinstance(value, enum.Enum):
        return to_plain(value.value, where)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {_key(key, where): to_plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item, f"{where}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, set | frozenset):
        return sorted((to_plain(item, where) for item in value), key=repr)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    return _object_to_plain(value, where)


def _object_to_plain(value: Any, where: str) -> Any:
    if isinstance(value, type):
        raise BadInputError("data", f"the class {value.__name__}", where)
    if type(value).__module__.partition(".")[0] == "pandas" and hasattr(value, "to_dict"):
        # A table is a list of rows; to_dict's default would be a mapping of columns to mappings.
        return to_plain(value.to_dict(orient="records") if hasattr(value, "columns") else value.to_dict(), where)
    for method in ("to_dict", "model_dump"):
        if callable(getattr(value, method, None)):
            return to_plain(getattr(value, method)(), where)
    if dataclasses.is_dataclass(value):
        fields = dataclasses.fields(value)
        return {field.name: to_plain(getattr(value, field.name), f"{where}.{field.name}") for field in fields}
    if callable(getattr(value, "tolist", None)):  # numpy arrays and scalars, torch tensors
        return to_plain(value.tolist(), where)
    hint = "give the class a to_dict() method, or convert the value first"
    raise BadInputError("data that JSON can hold", f"a {type(value).__name__}", where, hint)


def _key(key: Any, where: str) -> str:
    if isinstance(key, str | int | float | bool) or key is None:
        return str(key)
    raise BadInputError("text as key", f"{key!r} ({type(key).__name__})", where, "turn the keys into text first")
