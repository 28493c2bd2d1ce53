"""The page of a sweep: the answer, progress, every trial, parameters and cost. Also while the sweep still runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daf.charts import interactive
from daf.charts.model import Chart
from daf.reporting.objectives import Objective
from daf.reporting.page import template
from daf.reporting.sweep_charts import charts_of
from daf.reporting.sweep_rows import FIXED, STATES, WINNER, Table, TrialRow, table_of, trial_rows, value_text
from daf.reporting.sweep_words import cost_in_words, counts_in_words, front_in_words, search_in_words
from daf.reporting.templating import with_script_hashes
from daf.search.results import SweepResults
from daf.statistics.sentences import MINUS
from daf.system.files import write_text
from daf.system.nouns import number_of
from daf.system.process_state import few_searches

ROWS_PER_PAGE = 50  # of the table


@dataclass(frozen=True, kw_only=True)
class Unfinished:
    """A sweep with trials to come.

    Attributes:
        planned: how many trials it will have.
        running: whether the workflow is at work on it.
    """

    planned: int
    running: bool


def render_sweep_page(
    results: SweepResults,
    analysis: Mapping[str, Any],
    output_html: str | Path,
    *,
    unfinished: Unfinished | None = None,
    index: str = "",
) -> None:
    """Write the page.

    Args:
        analysis: of these results.
        unfinished: of a sweep with trials to come. Its page is rewritten often, and leaves out what takes long to draw:
            the pictures for readers without scripts.
        index: address of the experiment's page; empty: none.
    """
    write_text(output_html, sweep_page(results, analysis, unfinished=unfinished, index=index))


@few_searches()
def sweep_page(
    results: SweepResults, analysis: Mapping[str, Any], *, unfinished: Unfinished | None = None, index: str = ""
) -> str:
    """The page as text, see `render_sweep_page`."""
    live, objective = unfinished is not None, Objective(results.metric)
    rows = trial_rows(results, finished=not live)
    table = table_of(results, rows)
    by_number = {row.number: row for row in rows}
    charts = charts_of(results, rows, analysis)
    script = template("sweep.js.j2").render()
    finalists = (analysis["confirmation"] or {}).get("finalists", [])
    best = sorted((row for row in rows if row.marks), key=lambda row: WINNER not in row.marks)
    page = {
        "title": f"Sweep {analysis['sweep']}",
        "index": index,
        "unfinished": unfinished,
        "counts": counts_in_words(rows, unfinished.planned if unfinished else None),
        "about": about(results),
        "analysis": analysis,
        "objective": objective,
        "metric": objective.words,
        "sentences": search_in_words(analysis, finished=not live) if rows else ["No trial has finished yet."],
        "best_rows": best,
        "best_names": sorted({name for row in best for name in row.result.hyperparameters}),
        "confirmed": {finalist["trial"]: finalist["confirmed_mean"] for finalist in finalists},
        "charts": {section: [_drawn(chart, live) for chart in drawn] for section, drawn in charts.items()},
        "states": [state for state in STATES if any(row.state == state for row in rows)],
        "table": table,
        "table_json": _json(results, table),
        "static_rows": [by_number[cells[0]] for cells in table.rows[:ROWS_PER_PAGE]],
        "example": _example(table),
        "column_names": ", ".join(
            [
                "trial",
                f"objective ({objective.words}{', 0 to 1' if objective.is_share else ''})",
                "seconds (duration)",
                "steps (agent-steps)",
                *table.parameters,
            ]
        ),
        "spread_note": _spread_note(rows),
        "cost": cost_in_words(results, rows, analysis),
        "front": front_in_words(rows, analysis["pareto_trials"]),
        "policy": interactive.CONTENT_SECURITY_POLICY,
        "script": script,
        "runtime": interactive.scripts(),
        "style": interactive.STYLE,
        "light": "",
        "dark": "",
    }
    text: str = template("sweep.html.j2").render(page)
    return with_script_hashes(text.lstrip())


def about(results: SweepResults) -> str:
    """What was searched and how."""
    config = results.config
    return (
        f"Strategy {config.strategy}, policy {config.policy_class_path}, mission {config.mission}, "
        f"{config.steps_per_trial:,} agent-steps and {number_of(config.episodes_per_trial, 'evaluation episode')} per "
        "trial."
    )


def _drawn(chart: Chart, live: bool) -> str:
    return interactive.figure_html(chart, picture=not live)


def _json(results: SweepResults, table: Table) -> str:
    """The table's data for its script; no `<`, so that no text can end the element."""
    data = {
        "columns": table.columns,
        "fixed": len(FIXED),
        "labels": ["trial", "state", Objective(results.metric).words, "duration", "agent-steps", *table.parameters],
        "metric": results.metric,
        "page": ROWS_PER_PAGE,
        "rows": table.rows,
        "texts": table.texts,
    }
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")


def _example(table: Table) -> str:
    """A filter that selects the best row at least: by the first numeric parameter, and by the objective."""
    objective = FIXED.index("objective")
    best = next((row for row in table.rows if row[objective] is not None), None)
    if best is None:
        return "trial<10"
    conditions = []
    for place, name in enumerate(table.parameters, start=len(FIXED)):
        if isinstance(best[place], int | float) and not any(letter in name for letter in " <>=!"):
            conditions.append(_condition(name, best[place], _numbers(table, place)))
            break
    conditions.append(_condition("objective", best[objective], _numbers(table, objective)))
    return " ".join(conditions)


def _numbers(table: Table, place: int) -> list[float]:
    return sorted(row[place] for row in table.rows if isinstance(row[place], int | float))


def _condition(name: str, value: float, values: Sequence[float]) -> str:
    """What holds for a value, and for about half of all; they are compared with the number as the page shows it."""
    shown = value_text(values[len(values) // 2]).replace(MINUS, "-")
    number = float(shown)
    return f"{name}{'<' if value < number else '>' if value > number else '='}{shown}"


def _spread_note(rows: Sequence[TrialRow]) -> str:
    """What follows ± in the table."""
    episodes = sorted({row.result.num_episodes for row in rows if row.result.num_episodes})
    if not any(row.result.objective_sd is not None for row in rows):
        return ""
    noun = "evaluation episode"
    counts = f"its {noun}s"
    if episodes:
        counts = f"{f'{episodes[0]:,} to ' * (len(episodes) > 1)}{number_of(episodes[-1], noun)}"
    return f"± is the standard deviation over {counts}."
