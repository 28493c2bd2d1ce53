"""The page of an experiment, `index.html` in its output folder: what runs, what is left, what is known so far.

It repeats what `daf status` says, in the same words, and what pages of results say in their heads. It is static: while
a run is at work, a process beside it rewrites the page (`live_index`), and a reader's browser loads it again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from daf.reporting.index_facts import ANSWERING, LEADERBOARD, PAGES, IndexFacts, Result, TrainedRun, collect
from daf.reporting.index_history import history_rows
from daf.reporting.page_heads import INDEX
from daf.reporting.sparklines import sparkline
from daf.reporting.templating import environment, with_script_hashes
from daf.system.files import write_text
from daf.system.nouns import number_of
from daf.system.process_identity import ProcessIdentity
from daf.system.progress import format_duration, format_figure
from daf.workflow.run_history import commit_in_words
from daf.workflow.status import ExperimentStatus, JobStatus, RunState
from daf.workflow.status_words import TITLES, by_step, clock, said, time_left

MOST_JOBS = 12  # of a kind, with their names
MOST_ANSWERS = 6  # comparisons and tournaments at the top of the page
RELOAD_SECONDS = 5.0
LATE_SECONDS = 60.0  # a page that claims to be live is late if it was not written for so long
SECURITY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
)
SIGNS: Mapping[RunState, str] = {"running": "▶", "queued": "…", "killed": "✕", "done": "✓", "failed": "✕"}
KINDS: Mapping[str, str] = {
    "comparisons": "Comparisons", "tournaments": "Tournaments", "sweeps": "Sweeps", "missions": "Missions",
}  # fmt: skip
NOTES: Mapping[str, str] = {
    "outdated": "of an earlier run, to be replaced", "missing": "not there yet", "live": "so far",
    "partial": "without the policies that failed",
    "other": "not part of the last run", "current": "",
}  # fmt: skip
_FOUND = re.compile(r"^\s*found:\s+(\S.*)$")


@dataclass(frozen=True, kw_only=True)
class Written:
    """Who writes the page.

    Attributes:
        at: when, seconds since 1970.
        by: the process, in words.
        every: seconds until the same process writes it again, at most; 0: it does not.
        queued: the Slurm job of the next run, which has not begun; empty: none.
    """

    at: float
    by: str
    every: float = 0.0
    queued: str = ""


def write_index(found: ExperimentStatus, written: Written) -> Path:
    """Write the page of an output folder, given the status of its last run."""
    path = found.out / INDEX
    write_text(path, render_index(collect(found), written))
    return path


def render_index(facts: IndexFacts, written: Written) -> str:
    """The page as text: the same facts, written at the same time, give the same bytes."""
    found = facts.status
    context = {
        "policy": SECURITY,
        "title": f"{found.record.experiment}: {TITLES[found.state].partition(';')[0]}",
        "experiment": found.record.experiment,
        "state": found.state,
        "sign": SIGNS[found.state],
        "lead": lead(found),
        "claims": claims(found, written),
        "live": found.state == "running",
        "reload": RELOAD_SECONDS,
        "late": max(LATE_SECONDS, 3 * written.every),
        "written": written,
        "written_at": clock(written.at),
        "bar": _bar(found),
        "answers": _answers(facts),
        "failed": [_job(found.out, job, written.at) for job in found.jobs("failed")[:MOST_JOBS]],
        "stopped": [_job(found.out, job, written.at) for job in found.jobs("stopped")[:MOST_JOBS]],
        "running": [_job(found.out, job, written.at) for job in found.jobs("running")[:MOST_JOBS]],
        "more": {where: max(0, len(found.jobs(where)) - MOST_JOBS) for where in ("failed", "stopped", "running")},
        "stages": facts.stages,
        "columns": _columns(facts),
        "left": by_step(found.left) if found.left else "",
        "results": {KINDS[kind]: facts.results[kind] for kind in PAGES if facts.results[kind]},
        "notes": NOTES,
        "training": [_training(run) for run in facts.training],
        "packages": facts.packages,
        "history": history_rows(facts),
        "older": facts.older,
        "leaderboard": LEADERBOARD if facts.has_leaderboard else "",
        "provenance": _provenance(facts),
        "disk": _disk(facts),
        "address": quote,
        "size": size_in_words,
        "style": "",
        "light": "",
        "dark": "",
    }  # fmt: skip
    return with_script_hashes(str(environment().get_template("index.html.j2").render(context)).lstrip())


# ---- the answer -------------------------------------------------------------------------------------------------


def lead(found: ExperimentStatus) -> str:
    """The state of the experiment, in a sentence."""
    done, total = len(found.done), len(found.done) + len(found.started) + len(found.left)
    jobs = f"{done:,} of {number_of(total, 'job')} done"
    failed = len(found.jobs("failed"))
    also = f", {failed} failed" if failed else ""
    if found.state == "running":
        remaining = found.remaining
        about = "at least" if remaining.unknown else "about"
        left = f", {about} {format_duration(remaining.seconds)} left" if remaining.seconds else ""
        return f"Running: {jobs}{also}{left}"
    if found.state == "done":
        return f"Finished: {jobs}"
    if found.state == "killed":
        return f"Killed: {jobs}{also}"
    return f"Ended before it was complete: {jobs}{also}"


def claims(found: ExperimentStatus, written: Written) -> list[str]:
    """What follows: the time left, when it began and ended, and how to go on."""
    record, texts = found.record, []
    if written.queued:
        texts.append(f"Slurm job {written.queued}, which is the next run, is queued or starting.")
    if found.state == "running" or found.left:
        texts.append(f"Time: {time_left(found)}.")
    if found.state == "running":
        texts.append(f"Since {clock(record.began)} ({format_duration(written.at - record.began)}), {record.process}.")
    elif record.ended is not None:
        took = format_duration(record.ended - record.began)
        texts.append(f"Began {clock(record.began)}, ended {clock(record.ended)}, after {took}; {record.process}.")
    else:
        texts.append(f"Began {clock(record.began)}; {record.process} ended without recording how.")
    if found.num_done_before:
        before = found.num_done_before
        texts.append(f"{number_of(before, 'more job')} {'was' if before == 1 else 'were'} up to date before.")
    if found.state in ("killed", "failed"):
        texts.append("The same command continues it: finished files are kept, and training has checkpoints.")
    if found.state != "running" and found.jobs("running"):
        texts.append("The run has ended, but some of its jobs still run.")
    return texts


def _answers(facts: IndexFacts) -> list[Result]:
    """What the comparisons and tournaments of the last run say."""
    results = [result for kind in ANSWERING for result in facts.results[kind]]
    told = [result for result in results if result.sentence and result.origin != "other"]
    return told[:MOST_ANSWERS]


def _columns(facts: IndexFacts) -> list[str]:
    """The counts of jobs that are not 0 in every stage."""
    names = ("done", "running", "failed", "stopped", "left", "up_to_date")
    return [name for name in names if name == "done" or any(getattr(stage, name) for stage in facts.stages)]


def _bar(found: ExperimentStatus) -> list[tuple[str, int]]:
    """The parts of the bar: a class and a number of jobs each."""
    parts = [
        ("done", len(found.done)), ("running", len(found.jobs("running"))), ("failed", len(found.jobs("failed"))),
        ("stopped", len(found.jobs("stopped"))), ("left", len(found.left)),
    ]  # fmt: skip
    return [(name, count) for name, count in parts if count]


def _job(out: Path, job: JobStatus, now: float) -> dict[str, Any]:
    return {
        "name": f"{job.job.rule} {job.job.name}".strip(),
        "log": job.log.relative_to(out).as_posix(),
        "since": clock(job.began),
        "for": format_duration(max(0.0, now - job.began)),
        "progress": job.progress or said(job.last_line) or "starting",
        "left": "" if job.seconds_left is None else format_duration(job.seconds_left),
        "cause": cause(job.last_lines),
        "lines": job.last_lines,
        "process": str(job.process),
        "elsewhere": bool(job.process.slurm_job_id),  # then it is worth saying where
    }


def cause(lines: Sequence[str]) -> str:
    """Why a job failed, from the last lines of its log: what an error in four parts found, else the last line."""
    found = [match[1] for line in lines if (match := _FOUND.match(line))]
    return found[-1] if found else said(lines[-1].strip()) if lines else "its log is empty"


# ---- the rest ---------------------------------------------------------------------------------------------------


def _training(run: TrainedRun) -> dict[str, Any]:
    curves = run.curves
    last = {seed: curve.points[-1][1] for seed, curve in curves.items() if curve.points}
    steps = max(curve.agent_steps for curve in curves.values())
    seeds = f"{len(curves)} seeds" if len(curves) > 1 else f"seed {next(iter(curves))}"
    if not last:
        words = "no episode has ended yet"
    elif len(last) == 1:
        words = f"reward per episode {format_figure(next(iter(last.values())))}"
    else:
        low, high = format_figure(min(last.values())), format_figure(max(last.values()))
        words = f"reward per episode {low} to {high}"
    picture = sparkline(curves, f"{run.name}, reward per episode")
    return {"name": run.name, "words": f"{seeds}, {steps:,} agent-steps, {words}", "picture": picture}


def _provenance(facts: IndexFacts) -> list[tuple[str, str]]:
    record, past = facts.status.record, facts.provenance
    where = "jobs on a cluster" if record.submits else "cores of this machine"
    rows = [
        ("Experiment file", ", ".join(record.files)),
        ("Folder", record.folder),
        ("Process", str(record.process)),
        ("At once", f"up to {record.parallel} {where}"),
    ]
    if past is None:
        return rows
    keys = (past.overrides or {}).get("keys", {})
    texts = [f"{key}: {value['before']} → {value['after']}" for key, value in keys.items()]
    rows.append(("Overrides (--set)", "; ".join(texts) if texts else "none"))
    rows.append(("Code of DAF", commit_in_words(past.git)))
    rows.append(
        ("Versions", ", ".join(f"{name} {version or 'not installed'}" for name, version in past.versions.items()))
    )
    return rows


def _disk(facts: IndexFacts) -> str:
    disk = facts.disk
    if disk is None:
        return ""
    largest = sorted(disk.bytes_by_folder.items(), key=lambda item: -item[1])[:6]
    parts = ", ".join(f"{'pages' if name == '.' else name} {size_in_words(size)}" for name, size in largest)
    text = f"{size_in_words(disk.total)} in {number_of(disk.num_files, 'file')} at {clock(disk.measured)}: {parts}."
    if disk.checkpoint_bytes:
        text += (
            f" {size_in_words(disk.checkpoint_bytes)} are checkpoints, which daf clean removes once training is done."
        )
    return f"{text} The disk had {size_in_words(disk.free_bytes)} free."


def size_in_words(size: float) -> str:
    """'1.2 MB', with the units of `daf clean`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.0f} {unit}" if unit == "bytes" or size >= 99.5 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def writer() -> str:
    """This process, as the page names it."""
    return str(ProcessIdentity.own())
