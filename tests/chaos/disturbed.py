"""A run with faults, and what it ended with."""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from daf.output_manager import daf_verify_outputs
from daf.system.job_records import RECORD, JobRecord
from tests.chaos.contents import contents
from tests.chaos.experiment import prepare
from tests.chaos.faults import FAULTS, Run

TRIES = 6  # of the same command after the last fault; some kinds of damage need one deletion each
TIMEOUT_SECONDS = 600


@dataclass
class Outcome:
    """What faults led to.

    Attributes:
        counts: fault → how often it happened.
        damaged: files that `daf_verify_outputs` told of, which were deleted.
        differing: files that ended otherwise than in the undisturbed run.
    """

    counts: dict[str, int] = field(default_factory=dict)
    damaged: int = 0
    differing: list[str] = field(default_factory=list)


def undisturbed(folder: Path, targets: Sequence[str] = ()) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """The contents of a run without faults, and all files that its jobs made."""
    prepare(folder)
    run = Run(folder, tuple(targets))
    assert run.start().wait(TIMEOUT_SECONDS) == 0, messages(folder)
    out = folder / "daf_output"
    records = [JobRecord.read(path) for path in out.rglob(f"*{RECORD}")]
    # The folder is the output; what is in it is made together with the page.
    made = sorted(f"daf_output/{path}" for record in records for path in record.outputs if "/figures/" not in path)
    return contents(out), tuple(made)


def disturb(folder: Path, kinds: Sequence[str], rng: random.Random, made: tuple[str, ...], seconds: float) -> Outcome:
    """Run the workflow, and let these faults happen one after the other; then let it end.

    Args:
        made: the files to make.
        seconds: the longest time between two faults.
    """
    prepare(folder)
    run, outcome = Run(folder, made), Outcome()
    for kind in kinds:
        if not run.started or run.process.poll() is not None:
            run.start()
        with suppress(subprocess.TimeoutExpired):
            run.process.wait(rng.uniform(0.3, seconds))
        FAULTS[kind](run, rng)
        outcome.counts[kind] = outcome.counts.get(kind, 0) + 1
    for attempt in range(TRIES):
        if attempt or run.process.poll() is not None:
            run.start()
        code = run.process.wait(TIMEOUT_SECONDS)
        run.wait_for_orphans()
        report = daf_verify_outputs(run.out)
        if code == 0 and report.is_intact:
            break
        outcome.damaged += len(report.problems)
        for problem in report.problems:
            (run.out / problem.path).unlink(missing_ok=True)
        correct_the_clock(run)
    else:
        outcome.differing.append(f"not finished after {TRIES} tries: {messages(folder)}")
    return outcome


def correct_the_clock(run: Run) -> None:
    """Snakemake refuses outputs that are older than inputs of the future, and asks to correct that."""
    now = time.time()
    for path in run.files():
        if path.stat().st_mtime > now:
            os.utime(path, (now - 3600, now - 3600))


def campaign(
    folder: Path, kinds: Sequence[str], *, seed: int, per_run: int, targets: Sequence[str] = (), seconds: float = 6,
    until: float = float("inf"), tell: Callable[[str], None] = print,
) -> Outcome:  # fmt: skip
    """Disturb one run after the other until all faults have happened; compare each with the undisturbed run.

    Args:
        kinds: the faults, in order.
        per_run: how many happen to one run.
        until: start no further run after this time.
    """
    expected, made = undisturbed(folder / "undisturbed", targets)
    tell(f"undisturbed: {len(expected)} files")
    total = Outcome()
    for number, first in enumerate(range(0, len(kinds), per_run)):
        if time.time() > until:
            break
        here = folder / f"run-{number}"
        one = disturb(here, kinds[first : first + per_run], random.Random(f"{seed}-{number}"), made, seconds)
        for kind, count in one.counts.items():
            total.counts[kind] = total.counts.get(kind, 0) + count
        total.damaged += one.damaged
        actual = contents(here / "daf_output")
        differing = sorted(path for path in expected.keys() | actual.keys() if expected.get(path) != actual.get(path))
        total.differing += one.differing + [f"run-{number}: {path}" for path in differing]
        tell(f"run-{number}: {sum(total.counts.values())} faults, {len(total.differing)} differing {differing[:3]}")
    return total


def messages(folder: Path) -> str:
    return (folder / "messages.log").read_text(errors="replace")[-3000:]
