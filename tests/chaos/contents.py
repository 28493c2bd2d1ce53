"""Files of a run without what depends on the clock, for comparison byte for byte."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

# What is measured or dated, and the digests of content that holds it.
CLOCK = {
    "content_sha256", "created", "host", "max_process_memory_mb", "memory_mb", "peak_memory_mb", "seconds",
    "seconds_per_trial", "steps_per_second", "training_seconds", "total_seconds", "usage",
}  # fmt: skip
# Pages that no job makes: the first tells of every run, and a damaged one is written again with the next change.
PAGES = {"index.html", "leaderboard.html"}
_TIMED = re.compile(r"_seconds$|^seconds|memory|per_second|^time_|cost|_share$")
_IN_TEXT = re.compile(rb"\d{4}-\d\d-\d\d[T ][\d:.+Z]+|\d+(\.\d+)?\s*(ms|s|min|h|seconds?|minutes?|MB|MiB)\b")


def contents(folder: Path) -> dict[str, bytes]:
    """The results below a folder by path; only pages of jobs, no logs, and no state, which runs need to resume."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): _content(path)
        for path in files
        if not {"logs", "state"} & set(path.relative_to(folder).parts)
        and not path.name.startswith(".")
        and path.name not in PAGES
    }


def _content(path: Path) -> bytes:
    if path.suffix == ".json":
        return _text(json.loads(path.read_bytes()))
    if path.suffix == ".jsonl":
        return b"\n".join(_text(json.loads(line)) for line in path.read_bytes().splitlines())
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        notes = {key.decode(): json.loads(value) for key, value in (table.schema.metadata or {}).items()}
        return _text([notes, table.to_pydict()])
    content = path.read_bytes()
    return _IN_TEXT.sub(b"", content) if path.suffix in (".html", ".svg") else content


def _text(value: Any) -> bytes:
    return json.dumps(_timeless(value), sort_keys=True, default=repr).encode()


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {key: item for key, item in value.items() if key not in CLOCK and not _TIMED.search(key)}
        return {key: _timeless(item) for key, item in kept.items()}
    return [_timeless(item) for item in value] if isinstance(value, list) else value
