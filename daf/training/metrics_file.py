"""metrics.jsonl: one line per update, growing next to the trainer's state, published at the end.

A resumed run truncates the file to its checkpoint, so that it never contains an update twice.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NotRequired, TypedDict

from pydantic import ConfigDict

from daf.system.files import append_json_line, json_line, write_text
from daf.system.json_files import NOTICES, read_own_json_lines
from daf.system.readers import FROM_A_RUN
from daf.system.validated import validated


class MetricsFile:
    """The growing metrics.jsonl of one recipe. Lines after `update` are dropped: a resumed run writes them again."""

    def __init__(self, path: Path, update: int) -> None:
        self._path = path
        records = read_metrics(path, remedy="") if path.exists() else []
        kept = [record for record in records if record.get("update", update + 1) <= update]
        if lost := update - len({record["update"] for record in kept}):
            remedy = f"to get them back, delete {path.parent}"
            NOTICES.warning(f"{path}: the metrics of {lost} of {update} updates are lost; {remedy}")
        write_text(path, "".join(json_line(record) for record in kept))

    def append(self, record: dict[str, Any]) -> None:
        append_json_line(self._path, record)


Figure = float | None


class MetricsLine(TypedDict):
    """What readers of a line rely on; its other values are numbers, null, or numbers by name."""

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]

    update: NotRequired[int]
    agent_steps: NotRequired[int]
    episode_reward: NotRequired[float | None]


PUBLISH_AGAIN = "to get it back, delete the file and run the same command again, which publishes it again"


def read_metrics(path: str | Path, *, remedy: str = PUBLISH_AGAIN) -> list[dict[str, Any]]:
    """The lines of a metrics.jsonl. A damaged one (truncated by a crash, or still being written) is left out with a
    warning.

    Args:
        remedy: what the warning says; default: that of a finished training.

    Raises:
        BadInputError: no such file, or a line holds something else than metrics.
    """
    records = read_own_json_lines(path, "a metrics.jsonl", remedy)
    validated(list[MetricsLine], records, str(path), FROM_A_RUN)
    validated(list[dict[str, Figure | dict[str, Figure]]], records, str(path), FROM_A_RUN)
    return records
