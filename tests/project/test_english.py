"""Phrases that a native reader stumbles over, and what to write instead: none may come back."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
SUFFIXES = {".md", ".py", ".yaml", ".yml", ".smk", ".j2", ".rst", ".sh"}
NAMES = {"Snakefile", "Makefile"}
EXCLUDED = ("examples/specification/", ".venv/", ".snakemake/", "daf_output/")
SEARCHED = (
    "", ".github", "benchmarks", "config", "daf", "docs", "examples", "profiles", "scripts", "setup", "tests",
    "workflow",
)  # fmt: skip

# A pattern (upper and lower case alike) and what to write instead.
PATTERNS = {
    r"so many": "this number of, or the number itself",
    r"stands? (for|in|beside|here|there)\b(?! of)": "means, is in, is next to",
    r"(is|are|was|were|be) told": "gets, receives, is passed",
    r"each for (itself|themselves)|by (each|\w+) for (itself|themselves)": "separately, its own",
    r"of (its|their|your|his|one's) own(?! (?!for|on|in|and|or|that|to|as|at|with|which)\w)": "its own …, separate",
    r"(?<!there\s)(is|are|was|were|be) no (?!longer|more|less|fewer|one|way|such|other)\w+": "is not a …",
    r"nobody": "no one says: not documented; otherwise name who",
    r"what is there(?! to)": "what exists, the existing …",
    r"says? so where": "tells you when",
    r"from (now|here|there|then|\w+ \w+ machine) on": "after this, starting from",
    r"made_by": "provenance",
    r"aloud": "log, print, report",
    r"for ever": "forever",
    r"anew": "again, re- (rebuild, recompute)",
    r"fares?": "performs",
    r"(?<![`\"])trainings(?![:`\"])": "training runs",  # `trainings` is a key
    r"too good on average": "biased upward",
    r"commonest": "most common",
    r"without a word": "silently",
    r"(puts?|put) back into the queue": "requeues",
    r"come[s]? out differently": "the outcome differs",
    r"played again": "replayed",
    r"asks? for (more|less|the same|a GPU|GPUs|fewer)": "requests",
    r"which end is better": "whether to maximize or minimize",
    r"to bear in mind": "notes",
}  # fmt: skip

KNOBS = {r"knobs?": "hyperparameters, parameters"}  # also the name of a sweep in the tests, so only in prose


def files() -> Iterator[Path]:
    for folder in SEARCHED:
        root = PROJECT / folder
        for path in sorted(root.rglob("*") if folder else root.iterdir()):
            name = path.relative_to(PROJECT).as_posix()
            if path.is_file() and (path.suffix in SUFFIXES or path.name in NAMES) and not name.startswith(EXCLUDED):
                yield path


def prose_of_python(text: str) -> str:
    """The comments and strings of a program, each in its line; everything else is blank."""
    lines = [[" "] * len(line) for line in text.splitlines()]
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (tokenize.COMMENT, tokenize.STRING, tokenize.FSTRING_MIDDLE):
            first, column = token.start
            for number, part in enumerate(token.string.splitlines()):
                start = column if number == 0 else 0
                lines[first - 1 + number][start : start + len(part)] = part
    return "\n".join("".join(line) for line in lines)


@cache
def prose() -> tuple[tuple[str, str], ...]:
    """Path and text of every file, comments and strings alone for programs. A line's end counts as a space."""
    found = []
    for path in files():
        if path == Path(__file__):
            continue
        text = path.read_text(encoding="utf-8")
        found.append((path.relative_to(PROJECT).as_posix(), prose_of_python(text) if path.suffix == ".py" else text))
    return tuple(found)


def places(pattern: str, within: str = "") -> Iterator[str]:
    """`file:line: text` of every match; a phrase may go on in the next line of a comment or docstring."""
    spaced = pattern.replace(" ", r"(?:\s+(?:#\s*)?)")
    expression = re.compile(rf"\b(?:{spaced})(?!\w)", re.IGNORECASE)
    for name, text in prose():
        if name.startswith(within):
            for match in expression.finditer(text):
                line = text.count("\n", 0, match.start())
                yield f"{name}:{line + 1}: {text.splitlines()[line].strip()}"


@pytest.mark.parametrize(("pattern", "instead"), PATTERNS.items())
def test_a_phrase_does_not_come_back(pattern: str, instead: str) -> None:
    found = list(places(pattern))
    assert not found, f"write instead: {instead}\n" + "\n".join(found)


@pytest.mark.parametrize("folder", ["daf/", "docs/", "config/", "scripts/", "workflow/", "profiles/", "README.md"])
def test_hyperparameters_are_not_called_knobs(folder: str) -> None:
    ((pattern, instead),) = KNOBS.items()
    found = list(places(pattern, folder))
    assert not found, f"write instead: {instead}\n" + "\n".join(found)


def test_phrases_are_found_in_comments_and_strings_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    text = 'trainings = 1  # so\n"""\nSo\nmany trainings"""\nx = f"{trainings} {trainings} trainings"\n# so\n# many\n'
    monkeypatch.setattr(f"{__name__}.prose", lambda: (("a.py", prose_of_python(text)),))
    assert [place.split()[0] for place in places("trainings")] == ["a.py:4:", "a.py:5:"]
    assert [place.split()[0] for place in places("so many")] == ["a.py:3:", "a.py:6:"]
