"""The status of an experiment in words, for `daf status` and for its page, so that both say the same."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterable, Mapping

from daf.system.nouns import number_of
from daf.system.progress import format_duration
from daf.workflow.run_record import PlannedJob
from daf.workflow.status import ExperimentStatus, RunState

_STAMP = re.compile(r"^\d{4}-\d\d-\d\dT[\d:.]+Z\s+[A-Z]+\s+")
TITLES: Mapping[RunState, str] = {
    "running": "running", "queued": "waits in Slurm's queue", "killed": "was killed; the same command continues it",
    "done": "finished", "failed": "ended before it was complete; the same command continues it",
}  # fmt: skip
# By rule, what a job of it is, and several of them.
STEPS: Mapping[str, tuple[str, str]] = {
    "check_environment": ("check of this machine", "checks of this machine"),
    "propose_trial": ("choice of hyperparameters", "choices of hyperparameters"),
    "run_trial": ("trial", "trials"),
    "run_trials": ("batch of trials", "batches of trials"),
    "run_rung_trial": ("trial in a later rung", "trials in later rungs"),
    "promote_trials": ("promotion to a rung", "promotions to a rung"),
    "collect_results": ("block of results", "blocks of results"),
    "choose_finalists": ("choice of finalists", "choices of finalists"),
    "confirm_trial": ("run on fresh seeds", "runs on fresh seeds"),
    "select_best": ("choice of the best trial", "choices of the best trial"),
    "describe_sweep": ("page of a sweep", "pages of sweeps"),
    "train_policy": ("training run", "training runs"),
    "keep_weights": ("earlier checkpoint", "earlier checkpoints"),
    "evaluate_policy": ("evaluation", "evaluations"),
    "merge_episodes": ("table of episodes", "tables of episodes"),
    "check_evaluations": ("check for failed episodes", "checks for failed episodes"),
    "analyze_mission": ("mission analysis", "mission analyses"),
    "list_statistics": ("list of statistics", "lists of statistics"),
    "replay_episode": ("replay", "replays"),
    "run_interim_analysis": ("interim analysis", "interim analyses"),
    "compare_policies": ("comparison", "comparisons"),
    "render_report": ("page of a comparison", "pages of comparisons"),
    "play_match": ("match", "matches"),
    "play_matches": ("batch of matches", "batches of matches"),
    "merge_seats": ("table of seats", "tables of seats"),
    "check_tournaments": ("check for failed matches", "checks for failed matches"),
    "analyze_interim_seats": ("interim analysis of a tournament", "interim analyses of tournaments"),
    "analyze_tournament": ("tournament", "tournaments"),
    "render_tournament": ("page of a tournament", "pages of tournaments"),
    "package_policy": ("package", "packages"),
    "sign_package": ("signature", "signatures"),
    "validate_package": ("test of a package", "tests of packages"),
    "deploy_policy": ("deployment", "deployments"),
    "rollback_deployment": ("rollback", "rollbacks"),
}

_BATCHES = {"run_trials_": "run_trials", "play_matches_": "play_matches"}  # each is a rule that the workflow names


def said(line: str) -> str:
    """A line of a log without its time and level."""
    return _STAMP.sub("", line)


def time_left(found: ExperimentStatus) -> str:
    """How long the rest takes, and of which jobs nothing tells it."""
    remaining = found.remaining
    parts = []
    if remaining.seconds:
        about = "at least" if remaining.unknown else "about"
        duration = f"{about} {format_duration(remaining.seconds)}"
        by = "by what earlier jobs took and running ones say"
        if remaining.first:
            by = "a first estimate, until jobs of each kind have finished here"
        parts.append(f"{duration} left, {by}")
    if remaining.unknown:
        parts.append(f"unknown for {_steps(remaining.unknown)}: none has finished here before")
    return "; ".join(parts) or "nearly done"


def by_step(jobs: Iterable[PlannedJob]) -> str:
    """'3 jobs (2 trials, 1 choice of the best trial)'."""
    counts = Counter(job.rule for job in jobs)
    return f"{number_of(counts.total(), 'job')} ({_steps(counts)})"


def _steps(counts: Mapping[str, int]) -> str:
    """Numbers of jobs by rule, in words."""
    named: Counter[tuple[str, str]] = Counter()
    for rule, count in counts.items():
        named[_step(rule)] += count
    return ", ".join(f"{count:,} {one if count == 1 else several}" for (one, several), count in named.items())


def _step(rule: str) -> tuple[str, str]:
    """What a job of a rule is, and several of them; of a rule that DAF lacks, its name."""
    batch = next((name for start, name in _BATCHES.items() if rule.startswith(start)), rule)
    return STEPS.get(batch, (rule, rule))


def clock(seconds: float) -> str:
    """A time, as this machine's clock shows it."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
