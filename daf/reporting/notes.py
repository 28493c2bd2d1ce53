"""The notes of a comparison in groups, at most one line for each, so that a page shows a few lines and not a wall."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

# By group: what notes of it contain. A note that no group knows is in the last one.
GROUPS = {
    "Missing or uneven data": (
        " is omitted", " are omitted", " did not play ", " no complete result", " has no result on ",
        "has no episode left", "environment seeds that all policies share", "that all policies played",
        "differ in their number of episodes", " omit ", "exclude it", "exclude them", "recipes use only training seeds",
    ),
    "How scores are scaled": ("weigh all missions equally", "The scale is set by", "`normalization`", "normaliz"),
    "How much the data can show": (
        "too few ", "No equivalence margin", "may miss an event", "is so small compared with", "would give every",
        " of 10 cases", "give the mean to within", "differ by the same amount",
    ),
    "What recipes are compared for": ("Recipes are compared for", "Every training run has one score", "single weights"),
    "How this was made": (),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class NoteGroup:
    """One line, and what unfolds from it."""

    title: str
    first: str
    others: tuple[str, ...] = ()


def grouped(notes: Sequence[str]) -> list[NoteGroup]:
    """The notes by subject, in the order of the groups; each group starts with its first note."""
    by_group: dict[str, list[str]] = {title: [] for title in GROUPS}
    for note in dict.fromkeys(notes):
        by_group[_group_of(note)].append(note)
    return [
        NoteGroup(title=title, first=own[0], others=tuple(own[1:])) for title, own in by_group.items() if own
    ]  # fmt: skip


def _group_of(note: str) -> str:
    found = (title for title, parts in GROUPS.items() if any(part in note for part in parts))
    return next(found, list(GROUPS)[-1])


def without_failures(notes: Sequence[str], failures: Sequence[tuple[str, str]]) -> list[str]:
    """The notes without those that repeat what the page says at its top.

    Args:
        failures: policy and mission of which the page says how many episodes failed.
    """
    told = [
        re.compile(rf"^\d+ of [\d,]+ episodes? of {re.escape(policy)} on {re.escape(mission)} (has|have) no complete ")
        for policy, mission in failures
    ]
    return [note for note in notes if not any(pattern.match(note) for pattern in told)]
