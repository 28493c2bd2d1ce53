"""When later batches of episodes need not be played, by the interim analyses before them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from daf.system.validated import read_record


def settled_after(interim_files: Sequence[str | Path], record: type[Any]) -> int | None:
    """The number of episodes after which all of these were settled; None if one was not, or there are none.

    Args:
        record: what the files contain: `done`, and `interim_analyses` whose last entry has the number as `episodes`.
    """
    states = [read_record(path, record, "an interim analysis") for path in interim_files]
    if not states or not all(state["done"] for state in states):
        return None
    episodes: list[int] = [state["interim_analyses"][-1]["episodes"] for state in states]
    return max(episodes)
