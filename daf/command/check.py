"""`daf check`: an experiment explained without running it."""

from __future__ import annotations

import argparse
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from statistics import median

from daf.command.folders import experiment_file
from daf.command.run import effective
from daf.config import ExperimentConfig
from daf.errors import EXIT_OK, WorkflowFailedError
from daf.system.limits import usable_cpus
from daf.system.nouns import number_of
from daf.system.progress import format_duration
from daf.system.waiting import waiting_for
from daf.workflow.estimates import estimate, seconds_by_rule, size_by_rule
from daf.workflow.plan import Plan
from daf.workflow.preflight import check_once
from daf.workflow.run_record import PlannedJob
from daf.workflow.runner import open_dag

UNKNOWN = "unknown"


def check(options: argparse.Namespace) -> int:
    """Answer `daf check`.

    Raises:
        ConfigError: with all that is wrong.
    """
    file = experiment_file(options.config_file, options.file)
    with effective(file, options.overrides, keep=False) as path:
        experiment = ExperimentConfig.from_yaml(path)
        check_once(Plan(experiment), str(file))
        with waiting_for("the workflow to be planned"):
            jobs, outputs = _planned(path, file)
    print("\n".join(_lines(experiment, file, jobs, outputs)))
    return EXIT_OK


def _planned(path: Path, file: Path) -> tuple[list[PlannedJob], Mapping[str, Sequence[Sequence[Path]]]]:
    """All jobs of an experiment, and by rule the outputs of each."""
    from snakemake.exceptions import WorkflowError

    from daf.workflow.snakemake_internals import build_dag, outputs_by_rule, planned_jobs

    logs = ExperimentConfig.from_yaml(path).daf.output_dir / "logs"
    messages = StringIO()  # its warnings have been shown by the check with the engine
    try:
        with redirect_stderr(messages), open_dag(path.resolve(), [], cores=usable_cpus()) as dag:
            workflow = build_dag(dag)
            return planned_jobs(workflow, logs), outputs_by_rule(workflow)
    except (WorkflowError, SystemExit) as error:
        found = messages.getvalue().strip() or str(error)
        raise WorkflowFailedError("a workflow that can be planned", found, str(file), "see `daf run -n`") from error


def _lines(
    experiment: ExperimentConfig,
    file: Path,
    jobs: Sequence[PlannedJob],
    outputs: Mapping[str, Sequence[Sequence[Path]]],
) -> Iterable[str]:
    out = experiment.daf.output_dir
    needed = [job for job in jobs if job.needed]
    durations, sizes = seconds_by_rule(jobs, out / "logs"), size_by_rule(outputs)
    yield f"{experiment.name} · {file} → {out}"
    yield "No problem was found: the file, its missions, policies and networks were checked with the engine."
    if experiment.overrides:
        for key, value in experiment.overrides.keys.items():
            yield f"  --set {key}: {value.after!r} instead of {value.before!r}"
    yield ""
    yield f"{'jobs':<24} {'to run':>7} {'of':>6}   {'each takes':<14} {'and writes'}"
    needed_by_rule = Counter(job.rule for job in needed)
    for rule, total in Counter(job.rule for job in jobs).items():
        takes = _takes(rule, jobs, durations)
        writes = _bytes(sizes[rule]) if rule in sizes else UNKNOWN
        yield f"{rule:<24} {needed_by_rule[rule]:>7} {total:>6}   {takes:<14} {writes}"
    yield f"{'in all':<24} {len(needed):>7} {len(jobs):>6}"
    yield ""
    yield from _totals(out, needed, durations, sizes)


def _takes(rule: str, jobs: Sequence[PlannedJob], durations: Mapping[str, float]) -> str:
    """What a job of a rule takes; with a ~, by a first estimate."""
    if rule in durations:
        return format_duration(durations[rule])
    first = [job.first_estimate_s for job in jobs if job.rule == rule and job.first_estimate_s is not None]
    return f"~ {format_duration(median(first))}" if first else UNKNOWN


def _totals(
    out: Path, needed: Sequence[PlannedJob], durations: Mapping[str, float], sizes: Mapping[str, float]
) -> Iterable[str]:
    cores = usable_cpus()
    remaining = estimate(needed, durations, cores)
    without = _without(remaining.unknown)
    if not needed:
        yield "Everything is made: a run has nothing to do."
        return
    is_known = len(remaining.unknown) < len({job.rule for job in needed})
    about = "~ " if remaining.first else ""
    yield f"core-hours  {f'{about}{remaining.core_hours:.2g}{without}' if is_known else UNKNOWN}"
    time = f"{about}{format_duration(remaining.seconds)} on {number_of(cores, 'core')}{without}"
    yield f"time        {time if is_known else UNKNOWN}"
    unsized = Counter(job.rule for job in needed if job.rule not in sizes)
    disk = sum(sizes.get(job.rule, 0.0) for job in needed)
    is_sized = len(unsized) < len({job.rule for job in needed})
    existing = next(path for path in (out.absolute(), *out.absolute().parents) if path.exists())
    unsized_yet = f"{UNKNOWN} until jobs have run in {out}"
    free = _bytes(shutil.disk_usage(existing).free)
    yield f"disk        {f'{_bytes(disk)}{_without(unsized)}' if is_sized else unsized_yet}; {free} are free"
    if len(remaining.first) < len({job.rule for job in needed}):
        yield f"By what earlier jobs in {out} took and wrote, whatever their settings."
    if remaining.first:
        yield f"~: a first estimate, from DAF's own measurements on another machine, until such a job has run in {out}."
    yield "Logs and checkpoints come on top."


def _without(rules: Mapping[str, int]) -> str:
    return f", without {', '.join(f'{count} {rule}' for rule, count in sorted(rules.items()))}" if rules else ""


def _bytes(size: float) -> str:
    units = ("B", "kB", "MB", "GB")
    power = min(len(units) - 1, max(0, (len(str(int(size))) - 1) // 3))
    return f"{size / 1000**power:.{1 if power else 0}f} {units[power]}"
