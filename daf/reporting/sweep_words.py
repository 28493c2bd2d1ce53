"""What a sweep shows, in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from daf.reporting.objectives import Objective
from daf.reporting.sweep_rows import TrialRow, duration
from daf.search.results import SweepResults
from daf.statistics.sentences import percent
from daf.system.nouns import number_of


def search_in_words(analysis: Mapping[str, Any], *, finished: bool = True) -> list[str]:
    """The result of a search, and its score on fresh seeds.

    Args:
        finished: False: trials, or runs on fresh seeds, are still to come.
    """
    best, confirmation, objective = analysis["best"], analysis["confirmation"], Objective(analysis["objective_metric"])
    metric, number = objective.words, objective.text
    if best is None:
        return ["No trial completed.", *failures_in_words(analysis)[:1]]
    if confirmation is None:
        scores = [entry["objective"] for entry in analysis["best_so_far"] if entry["objective"] is not None]
        if len(scores) > 1 and len(set(scores)) == 1:
            same = f"All {number_of(len(scores), 'scored trial')} have the same objective"
            return [f"{same}, {metric} {number(scores[0])}, so none is best."]
        count = f"{analysis['num_trials']:,}" + ("" if finished else " so far")
        first = f"Trial {best['trial']} is the best of {count}: {metric} {number(best['objective'])}."
        again = "It did not run again on fresh seeds."
        if analysis["num_completed"] > 1:
            again += " The best of many scores is biased upward; by how much is unknown here."
        return [first, again] if finished else [first]
    wins = "wins" if finished else "leads"
    sentences = [f"Trial {best['trial']} {wins}: {metric} {number(confirmation['mean'])} on fresh seeds."]
    top = confirmation["finalists"][0]  # the best of the search
    score, optimism = number(top["search_objective"]), top["optimism"]
    if top["trial"] == best["trial"]:
        text = f"It also scored best in the search: {score}"
    else:
        mean = "failed" if top["confirmed_mean"] is None else number(top["confirmed_mean"])
        sentences.append(f"In the search, it scored {number(best['objective'])}.")
        text = f"Trial {top['trial']} scored best in the search, {score}, but {mean} on fresh seeds"
    if optimism is not None and optimism > 0:
        text += f": the search was too optimistic by {objective.difference(optimism)}"
    return [*sentences, f"{text}."]


def failures_in_words(analysis: Mapping[str, Any]) -> list[str]:
    """Why trials failed, the most common reason first."""
    return [
        f"{len(trials):,} of {number_of(analysis['num_trials'], 'trial')} failed: {reason}"
        for reason, trials in analysis["failures"].items()
    ]


def counts_in_words(rows: Sequence[TrialRow], planned: int | None) -> str:
    """'4,000 trials: 3,210 completed, 700 pruned, 90 failed'; of a running sweep, how many are still to come."""
    counts = {state: sum(row.state == state for row in rows) for state in ("completed", "pruned", "failed", "skipped")}
    parts = ", ".join(f"{count:,} {state}" for state, count in counts.items() if count or state == "completed")
    total = number_of(len(rows), "trial")
    if planned is not None and planned > len(rows):
        total = f"{len(rows):,} of {number_of(planned, 'trial')} so far"
    return f"{total}: {parts}"


def cost_in_words(results: SweepResults, rows: Sequence[TrialRow], analysis: Mapping[str, Any]) -> list[str]:
    """The time and the agent-steps that the search took, and what stopping trials early saved."""
    cost, ran = analysis["cost"], [row for row in rows if row.state != "skipped"]
    sentences = []
    if cost["seconds_total"]:
        text = f"The trials took {duration(cost['seconds_total'])} in total"
        if len(ran) > 1 and cost["seconds_median"] is not None:
            text += f", half of them {duration(cost['seconds_median'])} or less each"
        if cost["seconds_of_failed_trials"]:
            text += f"; {duration(cost['seconds_of_failed_trials'])} went into failed trials"
        sentences.append(f"{text}.")
    if cost["agent_steps_total"]:
        sentences += [f"They trained {cost['agent_steps_total']:,} agent-steps.", *steps_in_words(results, rows)]
    if cost["confirmation_seconds"] or cost["confirmation_agent_steps"]:
        text = f"Running the finalists on fresh seeds took another {duration(cost['confirmation_seconds'])}"
        steps = cost["confirmation_agent_steps"]
        sentences.append(f"{text} and {steps:,} agent-steps." if steps else f"{text}.")
    return sentences


def steps_in_words(results: SweepResults, rows: Sequence[TrialRow]) -> list[str]:
    """Why trials trained more steps than the configuration says, and what share of full trials was trained."""
    declared = results.config.steps_per_trial
    full = sorted({row.result.agent_steps or 0 for row in rows if row.state == "completed" and row.result.agent_steps})
    full = [steps for steps in full if steps >= declared]
    sentences = []
    if full and full[-1] > declared:
        trained = f"{full[0]:,}" if full[0] == full[-1] else f"{full[0]:,} to {full[-1]:,}"
        sentences.append(
            f"A full trial trained {trained} agent-steps, more than the {declared:,} of `steps_per_trial`, because "
            f"training ends with the update that reaches them."
        )
    shorter = [row for row in rows if row.state in ("pruned", "failed", "skipped")]
    total = sum(row.result.agent_steps or 0 for row in rows)
    everything = (full[-1] if full else declared) * len(rows)
    if shorter and 0 < total < everything:
        sentences.append(
            f"That is {percent(total / everything)} of what training all {len(rows):,} trials in full would have taken."
        )
    return sentences


def front_in_words(rows: Sequence[TrialRow], pareto_trials: Sequence[int]) -> str:
    """Which trials no cheaper trial equals."""
    by_number = {row.number: row for row in rows}
    front = [by_number[trial] for trial in pareto_trials]
    if not front:
        return ""
    parts = [f"{row.name} ({row.duration}, {row.objective.text(row.result.objective)})" for row in front]
    if len(parts) == 1:
        return f"{front[0].name.capitalize()} was both the cheapest ({front[0].duration}) and the best."
    shown = parts if len(parts) <= 6 else [*parts[:3], f"{len(parts) - 6} more", *parts[-3:]]
    return f"Each of these scored better than every cheaper trial: {', '.join(shown)}."
