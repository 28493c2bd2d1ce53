"""Names of policies in tables and paths."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from daf.config import PolicyConfig, StrictModel
from daf.errors import BadInputError


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


def check_list(items: Any, what: str) -> None:
    """Refuse one item where a list of them is expected; a text, for example, would be read letter by letter.

    Raises:
        BadInputError: it is not a collection, or it is a text, a dictionary of one policy, or a table.
    """
    is_one = isinstance(items, str | Path | type | StrictModel) or not isinstance(items, Iterable)
    if is_one or (isinstance(items, Mapping) and what == "missions"):
        hint = "put it in brackets" if is_one else "give missions as a list"
        raise BadInputError(f"a list of {what}", f"{items!r} ({type(items).__name__})", what, hint)
    if isinstance(items, Mapping) and PolicyConfig.model_fields.keys() & items.keys():
        hint = "put it in brackets, or give a dictionary of labels to policies"
        raise BadInputError(f"a list of {what}", "the fields of one policy", what, hint)
