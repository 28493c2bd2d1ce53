"""What the marks and error bars of each figure of a comparison show, for its caption."""

from __future__ import annotations

from typing import TypedDict

from daf.statistics.records import Estimand
from daf.statistics.results import HEADINGS, ComparisonResults

UNITS: dict[Estimand, str] = {"checkpoints": "episodes", "recipes": "training seeds"}


class FigureNotes(TypedDict):
    """A note for each kind of figure; for figures over missions one for each estimand."""

    intervals: str
    differences: str
    aggregates: dict[Estimand, str]
    profile: dict[Estimand, str]


def figure_notes(results: ComparisonResults) -> FigureNotes:
    """The notes of a comparison's figures."""
    level = f"{100 * results.config.confidence_level:.4g} %"
    seeds = any(record.n_train_seeds > 1 for record in results.summary)
    recipes = f" Rings: means of training seeds. Thin bars: {level} intervals of the mean over them." if seeds else ""
    over = ", missions resampled too" if results.config.resample_missions else ""
    return FigureNotes(
        intervals=f"Large dots: means. Thick bars: {level} confidence intervals of the mean for these checkpoints. "
        f"Faint dots: single episodes.{recipes}",
        differences=f"Dots: differences of means. Bars: {level} confidence intervals of each pair alone, not adjusted "
        "for the number of pairs; verdicts (colours) use adjusted p-values.",
        aggregates={estimand: _of_aggregates(results, estimand, f"Bars: {level} ", over) for estimand in HEADINGS},
        profile={
            estimand: f"Bands: {level} pointwise percentile-bootstrap intervals over {UNITS[estimand]}{over}."
            for estimand in HEADINGS
        },
    )


def _of_aggregates(results: ComparisonResults, estimand: Estimand, bars: str, over: str) -> str:
    """How the intervals of aggregates were computed; more than one way if policies or statistics differ."""
    methods = dict.fromkeys(
        record.interval_method
        for record in results.aggregate_records
        if record.estimand == estimand and record.interval_low == record.interval_low
    )
    if not methods:
        return "No intervals: too few units."
    return f"{bars}confidence intervals over {UNITS[estimand]}{over} ({'; '.join(methods)})."


def note_of(name: str, notes: FigureNotes) -> str:
    """The note of a figure's file; empty if it has no error bars."""
    kind, _, rest = name.partition("-")
    if kind == "intervals":
        return notes["intervals"]
    if kind == "differences":
        return notes["differences"]
    for estimand in HEADINGS:
        if rest == estimand and kind in ("iqm", "mean", "median", "optimality_gap"):
            return notes["aggregates"][estimand]
        if rest == estimand and kind == "profile":
            return notes["profile"][estimand]
    return ""
