"""Names of policies in tables and paths."""

from __future__ import annotations

import re
from collections.abc import Sequence


def unique_labels(labels: Sequence[str]) -> list[str]:
    """Append -2, -3, … to repeated labels, so that checkpoints of one class remain distinct."""
    taken: set[str] = set()
    unique = []
    for label in labels:
        candidate, count = label, 1
        while candidate in taken or (count > 1 and candidate in labels):
            count += 1
            candidate = f"{label}-{count}"
        taken.add(candidate)
        unique.append(candidate)
    return unique


def path_name(text: str) -> str:
    """A name that is valid in a file path."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-.") or "unnamed"
