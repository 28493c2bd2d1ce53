"""What every job of the workflow leaves next to its log: the sha256 of the files that it read and of those it made.

With these records `daf.system.verification` finds changed, missing and outdated files, whatever their format.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from daf.system.files import file_sha256, write_json

RECORD = ".files.json"  # instead of `.log`


@dataclass(frozen=True, kw_only=True)
class JobRecord:
    """The files of a job: path → sha256. Paths inside the output folder are relative to it.

    Attributes:
        rule: the rule of the job.
        inputs: the files that it read.
        outputs: the files that it made.
    """

    rule: str
    inputs: dict[str, str]
    outputs: dict[str, str]

    def write(self, path: Path) -> None:
        write_json(path, asdict(self))

    @classmethod
    def read(cls, path: Path) -> JobRecord:
        from daf.system.validated import read_record  # `daf status` needs the names of this module at once

        return read_record(path, cls, "the record of a job")


def record_path(log: str | Path) -> Path:
    """The record that belongs to a job's log."""
    return Path(log).with_suffix(RECORD)


def digests_of(paths: Iterable[str | Path], base: Path) -> dict[str, str]:
    """sha256 by path of all files among the paths and in the folders among them; what is missing is left out."""
    return {_named(file, base): file_sha256(file) for path in paths for file in _files(Path(path))}


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(file for file in path.rglob("*") if file.is_file())
    elif path.is_file():
        yield path


def _named(path: Path, base: Path) -> str:
    inside = path.absolute().is_relative_to(base.absolute())
    return path.absolute().relative_to(base.absolute()).as_posix() if inside else str(path)
