"""Checks of all files in an output folder: each against its own digest and the record of the job that made it."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daf.errors import BadInputError, ConfigError, DafError
from daf.system.archives import Archive
from daf.system.compressed import unpack
from daf.system.files import CONTENT_DIGEST, file_sha256
from daf.system.job_records import RECORD, JobRecord
from daf.system.json_files import parse_json, read_json, read_json_lines
from daf.system.nouns import number_of
from daf.system.readers import read_bytes, require_folder
from daf.system.shown import Shown
from daf.system.tables import read_parquet

AGAIN = "delete it and run the same command again"
_NAMED_BY_CONTENT = re.compile(r"-([0-9a-f]{16})\.pt$")
_MOST_SHOWN = 50


@dataclass(frozen=True, kw_only=True, repr=False)
class FileProblem(Shown):
    """A file that is not what its job wrote.

    Attributes:
        path: relative to the output folder.
        problem: what is wrong with it.
        remedy: what to do about it.
    """

    path: str
    problem: str
    remedy: str

    def _headline(self) -> str:
        return str(self)

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}; {self.remedy}"


@dataclass(frozen=True, kw_only=True, repr=False)
class VerificationReport(Shown):
    """What a check of an output folder found.

    Attributes:
        folder: the folder that was checked.
        num_files: how many files it holds.
        unchecked: files that neither hold a digest nor are in a job's record, such as those of earlier versions of DAF.
        problems: damaged, missing and outdated files, by path.
    """

    folder: Path
    num_files: int
    unchecked: tuple[str, ...] = ()
    problems: tuple[FileProblem, ...] = ()

    @property
    def is_intact(self) -> bool:
        """Whether no file is damaged, missing, or outdated."""
        return not self.problems

    def require_intact(self) -> None:
        """Raise DafError, with all problems, unless the folder is intact."""
        if self.problems:
            raise DafError("files as their jobs wrote them", str(self), str(self.folder), self.problems[0].remedy)

    def _headline(self) -> str:
        return f"{self.folder}: {str(self).splitlines()[0]}"

    def __str__(self) -> str:
        lines = [f"{len(self.problems):,} of {number_of(self.num_files, 'file')} damaged, missing or outdated"]
        lines += [f"  {problem}" for problem in self.problems[:_MOST_SHOWN]]
        if len(self.problems) > _MOST_SHOWN:
            lines.append(f"  and {len(self.problems) - _MOST_SHOWN} more")
        if self.unchecked:
            count, were = len(self.unchecked), "was" if len(self.unchecked) == 1 else "were"
            files = number_of(count, "file")
            lines.append(f"{files} without a digest {were} only read, such as {self.unchecked[0]}")
        return "\n".join(lines)


def verify_folder(folder: Path) -> VerificationReport:
    """Check every file below a folder.

    Raises:
        BadInputError: there is no such folder.
    """
    check = _Check(require_folder(folder, "an output folder"))
    check.contents()
    check.records()
    problems = tuple(check.problems[path] for path in sorted(check.problems))
    unchecked = tuple(sorted(check.unchecked - check.problems.keys()))
    return VerificationReport(folder=folder, num_files=len(check.files), unchecked=unchecked, problems=problems)


@dataclass
class _Check:
    folder: Path
    files: dict[str, Path] = field(default_factory=dict)
    problems: dict[str, FileProblem] = field(default_factory=dict)
    unchecked: set[str] = field(default_factory=set)

    def contents(self) -> None:
        """Read every file as its format demands, and compare it with the digest that it holds."""
        paths = sorted(path for path in self.folder.rglob("*") if path.is_file() and not path.name.startswith("."))
        self.files = {path.relative_to(self.folder).as_posix(): path for path in paths}
        for name, path in self.files.items():
            try:
                if not _has_digest(path):
                    self.unchecked.add(name)
            except (BadInputError, ConfigError) as error:
                parts = error.problems[0] if isinstance(error, ConfigError) else error
                self._add(name, f"damaged: expected {parts.expected}, found {parts.found}", AGAIN)

    def records(self) -> None:
        """Compare the files with what their jobs recorded."""
        for name in [name for name in self.files if name.endswith(RECORD)]:
            if name in self.problems:
                continue
            try:
                record = JobRecord.read(self.files[name])
            except DafError:  # another file of that name
                continue
            outdated = [path for path, sha256 in record.inputs.items() if self._differs(path, sha256)]
            for path, sha256 in record.outputs.items():
                self.unchecked.discard(path)
                remake = f"run snakemake --force {shlex.quote(str(self.folder / _target(path, record)))}"
                if not (self.folder / path).is_file():
                    self._add(path, f"missing: {record.rule} made it", remake)
                elif self._differs(path, sha256):
                    self._add(path, f"damaged: other bytes than {record.rule} wrote", f"delete it and {remake}")
                elif outdated and outdated[0] not in self.problems:
                    problem = f"outdated: {record.rule} made it from another {outdated[0]}"
                    self._add(path, problem, f"delete it and {remake}")

    def _differs(self, path: str, sha256: str) -> bool:
        """Whether a file of the folder is there with other bytes."""
        return path in self.files and self._sha256(path) != sha256

    def _sha256(self, path: str) -> str:
        if path not in self._digests:
            self._digests[path] = file_sha256(self.files[path])
        return self._digests[path]

    _digests: dict[str, str] = field(default_factory=dict)

    def _add(self, name: str, problem: str, remedy: str) -> None:
        self.problems.setdefault(name, FileProblem(path=name, problem=" ".join(problem.split()), remedy=remedy))


def _target(path: str, record: JobRecord) -> str:
    """The output of a job that makes a file: itself, or one beside its folder if a whole folder is an output."""
    top = min(record.outputs, key=lambda output: output.count("/"))
    return path if path.count("/") == top.count("/") else top


def _has_digest(path: Path) -> bool:
    """Read a file; False if nothing in it tells whether it is as it was written.

    Raises:
        BadInputError, ConfigError: it is damaged.
    """
    for suffix, reader in _READERS.items():
        if path.name.endswith(suffix):
            return reader(path)
    return False


def _json(path: Path) -> bool:
    content = parse_json(read_bytes(path), str(path))
    read_json(path)
    return isinstance(content, dict) and CONTENT_DIGEST in content


def _json_lines(path: Path) -> bool:
    def refuse(damage: str) -> None:
        raise BadInputError("intact lines", damage, str(path), AGAIN)

    read_json_lines(path, on_damage=refuse)
    lines = read_bytes(path).splitlines()
    return all(f'"{CONTENT_DIGEST}"'.encode() in line for line in lines)


def _parquet(path: Path) -> bool:
    read_parquet(path)
    return True


def _archive(path: Path) -> bool:
    return bool(Archive(path).digests())  # every member has a checksum


def _replay(path: Path) -> bool:
    unpack(read_bytes(path), str(path))
    return True


def _weights(path: Path) -> bool:
    beside = path.with_suffix(".json")
    try:
        description: Any = read_json(beside) if beside.is_file() else None
    except (BadInputError, ConfigError):
        return False  # told of that file
    recorded = description.get("weights_sha256") if isinstance(description, dict) else None
    if recorded is not None and file_sha256(path) != recorded:
        raise BadInputError("the weights that model.json describes", "others", str(path), AGAIN)
    return recorded is not None


def _checkpoint(path: Path) -> bool:
    named = _NAMED_BY_CONTENT.search(path.name)
    if named is not None and hashlib.sha256(read_bytes(path)).hexdigest()[:16] != named[1]:
        raise BadInputError("the content that its name tells", "another", str(path), AGAIN)
    return named is not None


_READERS: dict[str, Callable[[Path], bool]] = {
    ".json": _json,
    ".jsonl": _json_lines,
    ".parquet": _parquet,
    ".zip": _archive,
    ".json.z": _replay,
    ".safetensors": _weights,
    ".pt": _checkpoint,
}
