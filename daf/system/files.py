"""Atomic file writing, and digests of content; `readers` reads.

A reader never sees a partial file: content is written to a temporary file in the same folder, flushed to disk, and
renamed in one step. A crash leaves the old file, or none.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from daf.system.readers import reading

CONTENT_DIGEST = "content_sha256"  # the key of the digest of a JSON object's other keys
PROJECT = Path(__file__).resolve().parents[2]  # the repository: Snakefile, config/, profiles/, scripts/


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path next to `path`; on success it becomes `path`, on any exception it is removed."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp{path.suffix}"
    try:
        yield temporary
        with open(temporary, "rb+") as stream:
            os.fsync(stream.fileno())
        os.replace(temporary, path)
        _fsync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _fsync_folder(folder: Path) -> None:
    """Make the rename itself durable, where the file system allows it (some network file systems do not)."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)


def write_bytes(path: str | Path, content: bytes) -> None:
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: str | Path, content: str) -> None:
    write_bytes(path, content.encode())


def write_with(path: str | Path, write: Callable[[Path], object]) -> None:
    """Let `write(temporary_path)` produce the file, for libraries that insist on opening it themselves."""
    with atomic_path(path) as temporary:
        write(temporary)


def canonical_json(value: Any) -> str:
    """The canonical text of a value, for digests: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: Any) -> str:
    """sha256 of the canonical JSON of a value, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def file_sha256(path: str | Path) -> str:
    with reading("a readable file", path), open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def known_sha256(path: str | Path) -> str:
    """As `file_sha256`, remembered while the file's time and size stay the same, since plans need it once per job."""
    status = os.stat(path)
    return _known_sha256(str(Path(path).absolute()), status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=1024)
def _known_sha256(path: str, mtime_ns: int, size: int) -> str:
    return file_sha256(path)


def write_json(path: str | Path, value: Mapping[str, Any] | list[Any], *, add_digest: bool = True) -> None:
    """Readable JSON with a stable key order; NaN and infinity are errors, since JSON has no such numbers.

    Args:
        add_digest: write a mapping with its digest, which `json_files.read_json` checks and leaves out.
    """
    sealed = with_digest(value) if add_digest and not isinstance(value, list) else value
    write_text(path, json.dumps(sealed, indent=2, sort_keys=True, allow_nan=False) + "\n")


def with_digest(value: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a JSON file or line, followed by the digest of it as it will be read."""
    content = json.loads(json.dumps(value, allow_nan=False))
    return {**content, CONTENT_DIGEST: digest(content)}


def json_line(record: Mapping[str, Any]) -> str:
    """A line of a file with one JSON object per line, with the digest of its content."""
    return json.dumps(with_digest(record)) + "\n"


def append_json_line(path: Path, record: Mapping[str, Any]) -> None:
    """Append to a file with one JSON object per line, after a line that a crash cut short, if there is one."""
    with open(path, "ab+") as stream:
        is_cut = stream.seek(0, os.SEEK_END) > 0 and stream.seek(-1, os.SEEK_END) >= 0 and stream.read(1) != b"\n"
        stream.write((b"\n" if is_cut else b"") + json_line(record).encode())
