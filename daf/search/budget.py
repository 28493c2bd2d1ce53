"""What earlier results decide about a trial: thresholds for stopping it early, and whether it runs at all."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from daf.config import DAFSweepConfig, StoppingConfig
from daf.search.history import visible_trials
from daf.search.results import TrialResult
from daf.system.failure_report import same_cause


def pruning_thresholds(results: Sequence[TrialResult], stopping: StoppingConfig) -> tuple[float | None, ...]:
    """The median stopping rule (Golovin et al. 2017, section 3.2.2): one threshold per check, or None.

    A check's threshold is the median, over the earlier trials that reached it, of their mean objective until then. A
    trial whose best objective so far is worse stops. The last check has no threshold, since training ends there.
    """
    thresholds: list[float | None] = []
    for check in range(1, stopping.num_checks):
        reached = [trial.curve[:check] for trial in results if len(trial.curve) >= check]
        means = [
            statistics.fmean(value for value in curve if value is not None)
            for curve in reached
            if any(value is not None for value in curve)
        ]
        thresholds.append(statistics.median(means) if len(means) >= stopping.min_trials else None)
    return tuple(thresholds)


def seconds_used(results: Sequence[TrialResult]) -> float:
    """Total wall-clock seconds of the trials that a proposal sees."""
    return sum(trial.seconds or 0.0 for trial in results)


def reason_to_skip(config: DAFSweepConfig, results: Sequence[TrialResult]) -> str | None:
    """Why a trial that sees these results does not run; None if it runs. Once one is skipped, all later ones are."""
    limit = config.max_total_seconds
    if limit is None or not (seconds_used(results) >= limit or any(trial.skipped for trial in results)):
        return None
    return f"the budget is spent: max_total_seconds is {limit:g}"


def reason_to_end(lag: int, number: int, finished: Sequence[TrialResult], *, first: int = 0) -> str | None:
    """Why trial `number` of a sweep does not run, after `lag` (at least two) trials that failed in the same way; else
    None.

    Only the trials that it may see count (`daf.search.history.visible_trials`), whatever else has finished. If some of
    these have not, which only searches that do not adapt allow, the trial runs. Only a sweep without a completed trial
    ends: where some hyperparameters work, the others are worth learning about. Divergence is such a result, not a
    failure of the code.

    Args:
        finished: results of this sweep.
        first: the first trial that counts.
    """
    numbers = set(range(first, visible_trials(number, lag)))
    seen = [trial for trial in finished if trial.trial in numbers]
    if numbers - {trial.trial for trial in seen} or any(trial.completed for trial in seen):
        return None
    failures = [trial.failure for trial in seen if trial.failure is not None]
    enough = max(2, lag)
    if len(failures) < enough or not same_cause(failures):
        return None
    return f"the sweep ended, since {enough} trials failed in the same way and none completed"
