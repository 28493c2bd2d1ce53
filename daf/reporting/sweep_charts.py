"""The charts of a sweep's page, as data.

All of them share the colours of `sweep_rows.SERIES`. A long sweep is thinned evenly, and the chart's note says so; the
winner, the search's best, and every improvement always stay.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from daf.charts.model import Axis, Chart, IntervalChart, LineChart, ParallelChart, PointChart
from daf.config import direction_sign
from daf.reporting.chart_rows import note_on_points
from daf.reporting.objectives import Objective
from daf.reporting.sweep_rows import SERIES, TrialRow, value_text
from daf.search.results import SweepResults, objective_of
from daf.search.space import Dimension, Value, build_space
from daf.statistics.sentences import percent, percent_span
from daf.system.nouns import number_of

MOST_POINTS = 600  # in the history and the cost front
MOST_CURVES = 40
MOST_LINES = 200  # in parallel coordinates
MOST_IN_SLICES = 1800  # in all slices together
FEWEST_IN_A_SLICE = 60
IMPORTANCE = ("importance",)


def charts_of(results: SweepResults, rows: Sequence[TrialRow], analysis: Mapping[str, Any]) -> dict[str, list[Chart]]:
    """By section of the page; a section without data has none."""
    scored = [row for row in rows if row.result.objective is not None]
    found: dict[str, Iterator[Chart]] = {
        "history": _history(results, rows, scored, analysis),
        "curves": _curves(results, rows),
        "importance": _importance(analysis),
        "parallel": _parallel(results, scored),
        "slices": _slices(results, scored, analysis),
        "cost": _cost(results, scored, analysis),
    }
    return {section: list(charts) for section, charts in found.items()}


def thinned(rows: Sequence[TrialRow], most: int, keep: Collection[int] = ()) -> list[TrialRow]:
    """At most about `most` rows, evenly spaced, and those that are marked or listed by number."""
    if len(rows) <= most:
        return list(rows)
    kept = {place for place, row in enumerate(rows) if row.marks or row.number in keep}
    kept |= {place * len(rows) // most for place in range(most)}
    return [rows[place] for place in sorted(kept)]


def _thinning(shown: Sequence[TrialRow], rows: Sequence[TrialRow], noun: str = "scored trials") -> str:
    if len(shown) == len(rows):
        return ""
    return f" {len(shown):,} of the {len(rows):,} {noun} are drawn, evenly spaced; the table has all."


def _objective_axis(results: SweepResults) -> Axis:
    better = "more" if results.config.optimize_direction == "maximize" else "less"
    return Objective(results.metric).axis(f" ({better} is better)")


def _point(row: TrialRow, x: Any) -> dict[str, Any]:
    return {
        "series": row.series,
        "x": x,
        "y": row.result.objective,
        "trial": row.name,
        "ended": row.words,
        "objective": row.score,
        "duration": row.duration,
        "emphasis": row.emphasis,
    }


HOVER = ("trial", "objective", "ended", "duration")


# ---- over trials ---------------------------------------------------------------------------------------------


def _history(
    results: SweepResults, rows: Sequence[TrialRow], scored: Sequence[TrialRow], analysis: Mapping[str, Any]
) -> Iterator[Chart]:
    if not scored:
        return
    steps: list[dict[str, Any]] = []
    for point in analysis["best_so_far"]:
        if point["best"] is not None and (not steps or steps[-1]["y"] != point["best"]):
            steps.append({"x": point["trial"], "y": point["best"]})
    improvements = {step["x"] for step in steps}
    shown = thinned(scored, MOST_POINTS, improvements)
    objective, lost = Objective(results.metric), len(rows) - len(scored)
    first, last = steps[0], steps[-1]
    description = (
        f"{objective.title} of {number_of(len(scored), 'trial')} by number. The best so far goes from "
        f"{objective.text(first['y'])} (trial {first['x']}) to {objective.text(last['y'])} (trial {last['x']})."
    )
    note = (
        "Each point is a trial; the line is the best objective so far."
        if len(rows) > 1
        else "The point is the only trial."
    )
    if lost:
        note += f" {number_of(lost, 'trial')} {'has' if lost == 1 else 'have'} no objective."
    yield PointChart(
        name="history",
        title="Objective by trial",
        description=description,
        series=SERIES,
        rows=[_point(row, row.number) for row in shown],
        note=note + _thinning(shown, scored),
        x=Axis(title="trial", is_whole=True),
        y=_objective_axis(results),
        steps=[*steps, {"x": max(row.number for row in rows), "y": last["y"]}],
        hover=HOVER,
    )


def _curves(results: SweepResults, rows: Sequence[TrialRow]) -> Iterator[Chart]:
    checks = any(row.result.curve for row in rows)
    curves = {row.number: _curve_of(row, results) for row in rows}
    trained = [row for row in rows if curves[row.number]]
    if not trained:
        return
    sign = direction_sign(results.config.optimize_direction)
    shown = _chosen_curves(trained, sign)
    pruned = sum(row.state == "pruned" for row in shown)
    axis = Objective(results.metric).axis(", held-out checks") if checks else Axis(title="reward per episode")
    note = "Each line is a trial"
    note += "; dashed lines were pruned." if pruned else "."
    if len(shown) < len(trained):
        best = f"the best {MOST_CURVES // 2}, and pruned and other trials evenly spaced by objective"
        note += f" {len(shown)} of {len(trained):,} are drawn: {best}."
    points = [
        {
            "line": row.name,
            "series": row.series,
            "x": steps,
            "y": value,
            "dashed": row.state == "pruned",
            "trial": row.name,
            "ended": row.words,
            "objective": row.score,
        }
        for row in sorted(shown, key=lambda row: (bool(row.marks), row.number))  # marked ones are drawn on top
        for steps, value in curves[row.number]
    ]
    note = f"{note} {note_on_points(points, 'trial')}".strip()
    yield LineChart(
        name="learning-curves",
        title="Learning curves of trials",
        description=f"{axis.title} over agent-steps, for {number_of(len(shown), 'trial')}, "
        f"of which {pruned} were pruned.",
        series=SERIES,
        rows=points,
        note=note,
        x=Axis(title="agent-steps"),
        y=axis,
        hover=("trial", "objective", "ended"),
    )


def _curve_of(row: TrialRow, results: SweepResults) -> list[tuple[float, float]]:
    """Its objective at each check if trials may stop early; else the reward of its training."""
    stopping = results.config.early_stopping
    if stopping is None:
        return list(row.result.learning_curve)
    apart = results.config.steps_per_trial / stopping.num_checks
    return [(round(apart * (place + 1)), value) for place, value in enumerate(row.result.curve) if value is not None]


def _chosen_curves(rows: Sequence[TrialRow], sign: float) -> list[TrialRow]:
    """The best, some that were pruned, and some of the others, evenly spaced by objective."""

    def rank(row: TrialRow) -> tuple[bool, float, float]:
        objective = row.result.objective
        return (objective is None, 0.0 if objective is None else -row.result.rung, -sign * (objective or 0.0))

    ranked = sorted(rows, key=rank)
    if len(ranked) <= MOST_CURVES:
        return ranked
    best, others = ranked[: MOST_CURVES // 2], ranked[MOST_CURVES // 2 :]
    pruned = thinned([row for row in others if row.state == "pruned"], MOST_CURVES // 4)
    return [*best, *pruned, *thinned([row for row in others if row.state != "pruned"], MOST_CURVES // 4)]


# ---- over parameters -----------------------------------------------------------------------------------------


def _importance(analysis: Mapping[str, Any]) -> Iterator[Chart]:
    shares, intervals = analysis["importance"], analysis["importance_intervals"]
    if not shares:
        return
    rows = [
        {
            "label": name,
            "series": IMPORTANCE[0],
            "value": share,
            "low": intervals[name][0],
            "high": intervals[name][1],
            "text": f"{percent(share)} ({percent_span(*intervals[name])})",
        }
        for name, share in shares.items()
    ]
    listed = "; ".join(f"{row['label']} {row['text']}" for row in rows)
    yield IntervalChart(
        name="importance",
        title="Parameter importance",
        description=f"Importance of each parameter with its 95 % interval: {listed}.",
        series=IMPORTANCE,
        rows=rows,
        note="Share of each parameter in whether a trial ranks among the best quarter (PED-ANOVA), with its 95 % "
        "interval (bootstrap over trials). Intervals that overlap leave the order open.",
        x=Axis(title="share of the importance", is_share=True, bounds=(0.0, 1.0)),
    )


def _axis_of(dimension: Dimension) -> Axis:
    if dimension.values:
        categories = [value_text(value) for value in dimension.values]
        return Axis(title=dimension.name, scale="category", categories=categories)
    scale = "log" if dimension.log else "linear"
    return Axis(title=dimension.name, scale=scale, bounds=(dimension.low, dimension.high))  # type: ignore[arg-type]


def _place(dimension: Dimension, row: TrialRow) -> Value:
    """The value on the parameter's axis; None where it does not apply."""
    values = row.result.hyperparameters
    if dimension.name not in values or values[dimension.name] not in dimension:
        return None
    value = values[dimension.name]
    return value_text(value) if dimension.values else value


def _parallel(results: SweepResults, scored: Sequence[TrialRow]) -> Iterator[Chart]:
    dimensions = build_space(results.config, any_name=True).free
    if not dimensions or len(scored) < 2:
        return
    sign = direction_sign(results.config.optimize_direction)
    ranked = sorted(scored, key=lambda row: (-row.result.rung, -sign * objective_of(row.result), row.number))
    half = MOST_LINES // 2
    shown = ranked if len(ranked) <= MOST_LINES else [*ranked[:half], *thinned(ranked[half:], half)]
    note = "Each line is a trial, from its parameters to its objective."
    if len(shown) < len(ranked):
        note += f" Of the {len(ranked):,} scored trials, the best {half} are drawn, and {half} evenly spaced others."
    columns = {f"p{place}": dimension for place, dimension in enumerate(dimensions)}
    names = ", ".join(dimension.name for dimension in dimensions)
    yield ParallelChart(
        name="parallel",
        title="Parallel coordinates",
        description=f"The parameters ({names}) and the objective of {number_of(len(shown), 'trial')}, a line for each.",
        series=SERIES,
        rows=[
            {
                **{column: _place(dimension, row) for column, dimension in columns.items()},
                "objective": row.result.objective,
                "series": row.series,
                "trial": row.name,
            }
            for row in reversed(shown)  # the best are drawn last, on top
        ],
        note=note,
        axes={**{column: _axis_of(dimension) for column, dimension in columns.items()},
              "objective": Objective(results.metric).axis()},
        colour="objective",
    )  # fmt: skip


def _slices(results: SweepResults, scored: Sequence[TrialRow], analysis: Mapping[str, Any]) -> Iterator[Chart]:
    """The most important parameter first, where that is known."""
    order = list(analysis["importance"] or ())
    dimensions = build_space(results.config, any_name=True).free
    ranked = sorted(dimensions, key=lambda dimension: order.index(dimension.name) if order else 0)
    most = max(FEWEST_IN_A_SLICE, MOST_IN_SLICES // max(1, len(ranked)))
    for place, dimension in enumerate(ranked):
        having = [row for row in scored if _place(dimension, row) is not None]
        if not having:
            continue
        shown = thinned(having, most)
        unused = len(scored) - len(having)
        elsewhere = f" The parameter does not apply to {number_of(unused, 'other trial')}." if unused else ""
        yield PointChart(
            name=f"slice-{place}",
            title=dimension.name,
            description=f"Objective of {number_of(len(having), 'trial')} by {dimension.name}.",
            series=SERIES,
            rows=[_point(row, _place(dimension, row)) for row in shown],
            note=(_thinning(shown, having) + elsewhere).strip(),
            x=_axis_of(dimension),
            y=Objective(results.metric).axis(),
            hover=HOVER,
            compact=True,
        )


# ---- cost ----------------------------------------------------------------------------------------------------


def _cost(results: SweepResults, scored: Sequence[TrialRow], analysis: Mapping[str, Any]) -> Iterator[Chart]:
    timed = sorted((row for row in scored if row.result.seconds), key=lambda row: row.result.seconds or 0.0)
    if len(timed) < 2:
        return
    front = set(analysis["pareto_trials"])
    shown = thinned(timed, MOST_POINTS, front)
    steps = [{"x": row.result.seconds, "y": row.result.objective} for row in timed if row.number in front]
    longest = timed[-1].result.seconds
    ordinary = math.isfinite(longest or 0.0) and (longest or 0.0) < 20 * (timed[0].result.seconds or 1.0)
    yield PointChart(
        name="cost",
        title="Objective and cost",
        description=f"Objective of {len(timed):,} trials by duration; {len(front)} of them are on the front.",
        series=SERIES,
        rows=[_point(row, row.result.seconds) for row in shown],
        note="The line is the best objective that any trial reached in at most this time." + _thinning(shown, timed),
        x=Axis(title="duration of the trial (s)", scale="linear" if ordinary else "log"),
        y=_objective_axis(results),
        steps=[*steps, {"x": longest, "y": steps[-1]["y"]}],
        hover=HOVER,
    )
