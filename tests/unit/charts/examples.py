"""One chart of each kind, with names that try to be something else than text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from daf.charts.model import (
    Axis,
    Chart,
    HistogramChart,
    IntervalChart,
    LineChart,
    MatrixChart,
    ParallelChart,
    PointChart,
    RankChart,
    Row,
)

LONG = "a_policy_whose_name_goes_on_and_on_until_it_has_eighty_characters_of_which_seed-1"
NAMES = ("<script>alert(1)</script>", "$x^2$ & _y_", "名前 é", LONG)
TWINS = tuple(
    f"experiment-2026-arena-lstm-learning-rate-{rate}-width-64-seeded-final-evaluation"
    for rate in ("0.001", "0.010", "0.100")
)  # that differ in their middle
REWARD = Axis(title="reward per agent")


def intervals(**changes: object) -> IntervalChart:
    rows = [
        {"label": name, "series": name, "value": 4.0 - index, "low": 3.5 - index, "high": 5.0 - index,
         "text": f"{4 - index} (interval)", "status": ""}
        for index, name in enumerate(NAMES)
    ]  # fmt: skip
    points = [
        {"label": name, "series": name, "value": 4.0 - index + 0.25 * seed, "kind": kind, "seed": seed}
        for index, name in enumerate(NAMES)
        for kind in ("episode", "training seed")
        for seed in range(3)
    ]
    settings = {
        "name": "means", "title": "Means", "description": "means of four policies", "series": NAMES, "rows": rows,
        "points": points, "x": REWARD, "reference": 0.0, "band": (-0.5, 0.5), "note": "Bars: <b>95 %</b> intervals.",
    }  # fmt: skip
    return IntervalChart(**(settings | changes))


def lines(**changes: object) -> LineChart:
    rows = [
        {"line": name, "series": name, "x": 50_000 * step, "y": step + index, "low": step + index - 0.5,
         "high": step + index + 0.5, "seeds": 5}
        for index, name in enumerate(NAMES)
        for step in range(9)
    ]  # fmt: skip
    marks = [{"series": NAMES[0], "x": 350_000, "y": 7.0, "text": "published"}]
    settings = {
        "name": "curves", "title": "Curves", "description": "rewards rise", "series": NAMES, "rows": rows,
        "x": Axis(title="agent-steps"), "y": REWARD, "marks": marks, "hover": ("seeds",),
    }  # fmt: skip
    return LineChart(**(settings | changes))


def points(**changes: object) -> PointChart:
    rows = [
        {"series": "completed" if trial % 3 else "pruned", "x": 10 ** (-5 + trial / 4), "y": trial % 5, "trial": trial}
        for trial in range(12)
    ]  # fmt: skip
    rows[4]["emphasis"] = "winner"
    rows[9]["emphasis"] = "best"
    settings = {
        "name": "slice", "title": "Slice", "description": "trials", "series": ("completed", "pruned", "failed"),
        "rows": rows, "x": Axis(title="learning rate", scale="log"), "y": Axis(title="objective"), "hover": ("trial",),
        "steps": [{"x": 1e-5, "y": 0}, {"x": 1e-4, "y": 4}],
    }  # fmt: skip
    return PointChart(**(settings | changes))


def categories(**changes: object) -> PointChart:
    rows = [{"series": "completed", "x": name, "y": index} for index, name in enumerate(("16", "8", "<b>", "8"))]
    x = Axis(title="hidden size", scale="category", categories=("8", "16", "32"))
    return points(**({"name": "categories", "rows": rows, "x": x, "steps": (), "hover": ()} | changes))


def histograms(**changes: object) -> HistogramChart:
    rows = [
        {"series": name, "low": low, "high": low + 1, "share": share, "count": round(20 * share)}
        for index, name in enumerate(NAMES)
        for low, share in ((index, 0.25), (index + 1, 0.75))
    ]
    settings = {
        "name": "spread",
        "title": "Spread",
        "description": "rewards",
        "series": NAMES,
        "rows": rows,
        "x": REWARD,
    }
    return HistogramChart(**(settings | changes))


def parallel(**changes: object) -> ParallelChart:
    rows = [
        {"p0": 10.0**-power, "p1": name, "objective": float(power)}
        for power, name in ((1, "lstm"), (2, "<i>"), (3, "lstm"), (5, "<i>"))
    ]
    axes = {
        "p0": Axis(title="learning rate", scale="log"),
        "p1": Axis(title="network", scale="category"),
        "objective": Axis(title="objective"),
    }
    settings = {
        "name": "trials", "title": "Trials", "description": "trials", "series": (), "rows": rows, "axes": axes,
        "colour": "objective",
    }  # fmt: skip
    return ParallelChart(**(settings | changes))


def mean_ranks(**changes: object) -> RankChart:
    rows = [{"series": name, "value": rank} for name, rank in zip(NAMES, (3.75, 1.25, 1.75, 3.25), strict=True)]
    settings = {
        "name": "ranks", "title": "Ranks", "description": "mean ranks", "series": NAMES, "rows": rows,
        "critical_difference": 1.0,
    }  # fmt: skip
    return RankChart(**(settings | changes))


def matrix(**changes: object) -> MatrixChart:
    rows = [
        {"row": a, "column": b, "value": float(line - place), "text": f"{line - place}", "detail": "0 to 1"}
        for line, a in enumerate(NAMES)
        for place, b in enumerate(NAMES)
        if (line, place) != (0, 1)
    ]
    settings = {
        "name": "cross-play", "title": "Cross-play", "description": "pairs", "series": NAMES, "rows": rows,
        "row_names": NAMES, "column_names": NAMES, "x": Axis(title="partner"),
    }  # fmt: skip
    return MatrixChart(**(settings | changes))


def of_twins() -> dict[str, Chart]:
    """Charts of three policies whose long names differ in their middle."""

    def renamed(rows: Sequence[Row]) -> list[Row]:
        new = dict(zip(NAMES, TWINS, strict=False))
        kept = (row for row in rows if LONG not in row.values())
        return [{key: new.get(str(value), value) for key, value in row.items()} for row in kept]

    made: tuple[Any, ...] = (
        intervals(),
        lines(),
        histograms(),
        mean_ranks(),
        matrix(row_names=TWINS, column_names=TWINS),
    )
    charts = [replace(chart, series=TWINS, rows=renamed(chart.rows)) for chart in made]
    for index, column in enumerate(("points", "marks")):
        charts[index] = replace(charts[index], **{column: ()})
    return {chart.name: chart for chart in charts}


def one_of_each() -> dict[str, Chart]:
    made = (intervals(), lines(), points(), categories(), histograms(), parallel(), mean_ranks(), matrix())
    return {chart.name: chart for chart in made}
