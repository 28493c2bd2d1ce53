"""The files of a sweep, by name, relative to its folder OUT/sweeps/{sweep}."""

from __future__ import annotations

PROPOSAL = "proposal.json"
RESULT = "result.json"
CURVE = "curve.jsonl"
FINALISTS = "finalists.json"
TRIALS = "trials.json"


def trial_name(trial: int) -> str:
    """The folder of a trial: `trial-0007`."""
    return f"trial-{trial:04d}"


def trial_result(trial: int) -> str:
    return f"{trial_name(trial)}/{RESULT}"


def history_file(trials: range) -> str:
    """The file that holds the results of consecutive trials: a block, or one trial's own result."""
    if len(trials) == 1:
        return trial_result(trials.start)
    return f"history/{trials.start:04d}-{trials.stop - 1:04d}.json"


def promotions_file(rung: int, bracket: int) -> str:
    return f"rung-{rung}/bracket-{bracket}.json"


def entry_result(rung: int, entry: int) -> str:
    return f"rung-{rung}/entry-{entry:04d}/{RESULT}"


def confirmation_result(rank: int, index: int) -> str:
    return f"confirmation/rank-{rank}/seed-{index}/{RESULT}"
