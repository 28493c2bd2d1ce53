"""What a run would make, and why: the answer of `daf run -n`, in place of Snakemake's blocks about every job."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from daf.system.nouns import number_of
from daf.system.progress import format_duration
from daf.workflow.estimates import estimate
from daf.workflow.run_record import PlannedJob

DRY_RUN = "DAF_DRY_RUN"  # in the environment of a dry-run: print this plan
MOST_NAMED = 3  # of a step


@dataclass(frozen=True, kw_only=True)
class JobToRun:
    """A job of a dry-run.

    Attributes:
        job: what it is.
        why: why it would run.
    """

    job: PlannedJob
    why: str


def dry_run_text(
    experiment: str,
    jobs: Sequence[JobToRun],
    *,
    num_up_to_date: int,
    durations: Mapping[str, float],
    parallel: int,
    notes: Sequence[str] = (),
) -> str:
    """The plan, for the terminal.

    Args:
        jobs: those to run, in the order of steps.
        num_up_to_date: how many others there are.
        durations: by rule, what earlier jobs took.
        parallel: how many cores, or on a cluster jobs, there are at once.
        notes: what else explains it.
    """
    if not jobs:
        return f"{experiment} · nothing to do, {number_of(num_up_to_date, 'job')} up to date"
    head = (
        f"{experiment} · a dry-run: nothing is made · {number_of(len(jobs), 'job')} to run, {num_up_to_date} up to date"
    )
    time = _time([each.job for each in jobs], durations, parallel)
    return "\n".join([head, "", *_steps(jobs), "", time, *notes])


def _steps(jobs: Sequence[JobToRun]) -> Iterator[str]:
    """A line for the jobs of each rule that run for the same reason."""
    steps = [(key, [each.job.name for each in same]) for key, same in groupby(jobs, lambda e: (e.job.rule, e.why))]
    width = max(len(rule) for (rule, _), _ in steps)
    for (rule, why), names in steps:
        named = ", ".join(name for name in names[:MOST_NAMED] if name)
        more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        yield f"{len(names):>6}  {rule:<{width}}  {why}{named and ': '}{named}{more}"


def _time(jobs: Sequence[PlannedJob], durations: Mapping[str, float], parallel: int) -> str:
    found = estimate(jobs, durations, parallel)
    if not found.seconds:
        return "time    unknown: no such job has run here"
    about = "at least" if found.unknown else "about"
    first = ", a first estimate until such jobs have run here" if found.first else ", by what earlier jobs took"
    return f"time    {about} {format_duration(found.seconds)} with {parallel} at once{first}"
