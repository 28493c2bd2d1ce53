"""metrics.jsonl: one line per update, growing next to the trainer's state, published at the end.

A resumed run truncates the file to its checkpoint, so that it never contains an update twice.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from daf.errors import BadInputError
from daf.system.files import atomic_path


class MetricsFile:
    """The growing metrics.jsonl of one recipe. Lines after `update` are dropped: a resumed run writes them again."""

    def __init__(self, path: Path, update: int) -> None:
        self._path = path
        lines = _lines(path) if path.exists() else []
        kept = [line for line, record in zip(lines, _intact_records(lines), strict=False) if record["update"] <= update]
        with atomic_path(path) as temporary:
            temporary.write_text("".join(line + "\n" for line in kept))

    def append(self, record: dict[str, Any]) -> None:
        with self._path.open("a") as stream:
            stream.write(json.dumps(record, allow_nan=False) + "\n")


def read_metrics(path: str | Path) -> list[dict[str, Any]]:
    """The lines of a metrics.jsonl. An incomplete last line (still being written, or truncated by a crash) is ignored.

    Raises:
        BadInputError: no such file, or a damaged line before the last.
    """
    path = Path(path)
    if not path.is_file():
        raise BadInputError("a metrics.jsonl", "no such file", str(path))
    lines = _lines(path)
    records = _intact_records(lines)
    if len(records) < len(lines) - 1:
        raise BadInputError("one JSON object per line", "a damaged line", f"{path}: line {len(records) + 1}")
    return records


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if line.strip()]


def _intact_records(lines: list[str]) -> list[dict[str, Any]]:
    """The records before the first damaged line."""
    records = []
    for line in lines:
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            break
        records.append(record)
    return records
