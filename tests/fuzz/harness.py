"""Feeds inputs to a reader, and counts how each ends."""

from __future__ import annotations

import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from daf.errors import LONGEST_FOUND, ConfigError, DafError

SLOW_SECONDS = 10


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of input.

    Attributes:
        file: its name in the folder.
        valid: content that is accepted.
        inputs: content made of it, damaged or mistaken.
        read: everything that DAF does with the file until it has its values.
        share: of the inputs of a long run; kinds that are slow to read get fewer.
    """

    name: str
    file: str
    valid: bytes
    inputs: st.SearchStrategy[bytes]
    read: Callable[[Path], object]
    share: float = 1.0


@dataclass
class Counts:
    """How the inputs of one kind ended; `crashes` counts by place, `hintless` by what was expected."""

    inputs: int = 0
    accepted: int = 0
    problems: int = 0
    crashes: Counter[str] = field(default_factory=Counter)
    hintless: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    examples: dict[str, bytes] = field(default_factory=dict)


def try_input(kind: Kind, folder: Path, content: bytes, counts: Counts) -> None:
    """Write the file, read it, and count the outcome."""
    path = folder / kind.file
    path.write_bytes(content)
    counts.inputs += 1
    start = time.perf_counter()
    try:
        kind.read(path)
        counts.accepted += 1
    except DafError as error:
        for problem in error.problems if isinstance(error, ConfigError) else [error]:
            _count_problem(problem, content, counts)
    except Exception as error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if "/daf/" in f.filename]
        place = f"{frames[-1].filename.rpartition('/daf/')[2]}:{frames[-1].lineno}" if frames else "the test"
        what = f"{type(error).__name__} in {place}"
        _crash(f"{what}: {str(error)[:80]!r}", what, content, counts)
    elapsed = time.perf_counter() - start
    counts.slowest = max(counts.slowest, elapsed)
    if elapsed > SLOW_SECONDS:
        _crash(f"{elapsed:.0f} s", f"takes longer than {SLOW_SECONDS} s", content, counts)


def _count_problem(problem: DafError, content: bytes, counts: Counts) -> None:
    counts.problems += 1
    lacking = [part for part in ("expected", "found", "where") if not str(getattr(problem, part)).strip()]
    if lacking:
        _crash(f"no `{lacking[0]}`: {problem}", f"no `{lacking[0]}`: {problem.expected[:60]}", content, counts)
    elif len(problem.found) > LONGEST_FOUND:
        _crash("a long `found`", f"a long `found`: {problem.expected[:60]}", content, counts)
    try:
        str(problem).encode()
    except UnicodeEncodeError:
        _crash("text that no terminal shows", f"text that no terminal shows: {problem.expected[:60]}", content, counts)
    if not problem.hint:
        counts.hintless[problem.expected[:60]] += 1


def _crash(what: str, place: str, content: bytes, counts: Counts) -> None:
    counts.crashes[place] += 1
    counts.examples.setdefault(place, what.encode() + b"\n" + content[:400])


def run(kind: Kind, folder: Path, number: int, seed: int = 0) -> Counts:
    """Try a number of inputs, the same ones for the same seed."""
    counts = Counts()
    try_input(kind, folder, kind.valid, counts)
    if not counts.accepted:
        _crash("the valid file is refused", "the valid file is refused", kind.valid, counts)

    @settings(
        max_examples=number,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(kind.inputs)
    def each(content: bytes) -> None:
        try_input(kind, folder, content, counts)

    each._hypothesis_internal_use_seed = seed  # type: ignore[attr-defined]  # what hypothesis.seed() sets
    each()
    return counts
