"""How long jobs take and what they write, estimated from earlier jobs of the same rule in the same output folder.

Until there is one, a job's time is its first estimate, by DAF's own measurements.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from daf.errors import DafError
from daf.system.json_files import read_json_lines
from daf.workflow.run_record import PlannedJob

MOST_EXAMPLES = 20  # of a rule: reading thousands of small files takes longer than an answer may


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What jobs will take.

    Attributes:
        seconds: until all are done.
        core_hours: of all jobs.
        unknown: how many jobs by rule are in neither, since nothing is known of their rule.
        first: how many jobs by rule are in both by a first estimate only.
    """

    seconds: float
    core_hours: float
    unknown: Mapping[str, int]
    first: Mapping[str, int] = field(default_factory=dict)


def seconds_of(job: PlannedJob, durations: Mapping[str, float]) -> float | None:
    """What a job takes, by earlier ones of its rule or by a first estimate."""
    return durations.get(job.rule, job.first_estimate_s)


def seconds_by_rule(jobs: Iterable[PlannedJob], logs: Path) -> dict[str, float]:
    """The median duration of jobs of each rule, from the benchmarks of some that have run.

    Args:
        jobs: that may have run.
        logs: the folder `logs` of the output folder.
    """
    candidates: defaultdict[str, list[Path]] = defaultdict(list)
    for job in jobs:
        if job.benchmark:
            candidates[job.rule].append(logs / job.benchmark)
    durations = {rule: _examples(paths) for rule, paths in candidates.items()}
    return {rule: median(seconds) for rule, seconds in durations.items() if seconds}


def estimate(jobs: Sequence[PlannedJob], durations: Mapping[str, float], parallel: int) -> Estimate:
    """What jobs will take if each takes as long as the earlier ones of its rule.

    Args:
        parallel: how many cores, or on a cluster jobs, there are at once.
    """
    seconds = [(job, taken) for job in jobs if (taken := seconds_of(job, durations)) is not None]
    unknown = Counter(job.rule for job in jobs if seconds_of(job, durations) is None)
    first = Counter(job.rule for job, _ in seconds if job.rule not in durations)
    # No schedule is shorter than its work divided by the machines, nor than its longest job.
    work = sum(taken * min(job.threads, parallel) for job, taken in seconds)
    longest = max((taken for _, taken in seconds), default=0.0)
    return Estimate(
        seconds=max(work / max(1, parallel), longest),
        core_hours=sum(taken * job.threads for job, taken in seconds) / 3600,
        unknown=dict(unknown),
        first=dict(first),
    )


def size_by_rule(outputs: Mapping[str, Sequence[Sequence[Path]]]) -> dict[str, float]:
    """The median size in bytes of what a job of each rule has written.

    Args:
        outputs: by rule, the output paths of jobs.
    """
    sizes = {rule: _some(jobs, _size) for rule, jobs in outputs.items()}
    return {rule: median(found) for rule, found in sizes.items() if found}


def _examples(paths: Sequence[Path]) -> list[float]:
    return _some(paths, _duration)


def _some[Item](items: Sequence[Item], measure: Callable[[Item], float | None]) -> list[float]:
    """The measures of the first items, from both ends, that have one."""
    found: list[float] = []
    half = MOST_EXAMPLES // 2
    for item in [*items[:half], *items[half:][-half:]]:
        if (value := measure(item)) is not None:
            found.append(value)
    return found


def _duration(path: Path) -> float | None:
    """Seconds that a job took; None if it has not run."""
    if not path.is_file():
        return None
    try:
        (line, *_) = read_json_lines(path)
        return float(line["s"])
    except (DafError, ValueError, KeyError, TypeError):
        return None


def _size(paths: Sequence[Path]) -> float | None:
    if not paths or not all(path.exists() for path in paths):
        return None
    files = [file for path in paths for file in (path.rglob("*") if path.is_dir() else [path])]
    return float(sum(file.stat().st_size for file in files if file.is_file()))
