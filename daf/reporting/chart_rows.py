"""Rows of charts that all pages share: a line for each policy, with its value or that it failed, and histograms."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from math import isfinite
from typing import Any

import numpy as np

from daf.charts.lines import brief_lines
from daf.statistics.sentences import number, number_within, percent, percent_span, span

Row = dict[str, Any]
Estimate = tuple[float | None, float | None, float | None]  # value and bounds of its interval; None or NaN: unknown
FAILED, NO_RESULT = "failed in every episode", "no result"
UNKNOWN: Estimate = (None, None, None)
BINS = 32
LONGEST_TEXT = 44  # letters beside a mark; a longer one leaves out the policy, which the title names
FEWER = "*"  # at the end of a text, for the missions that a chart's note names


def estimate_row(label: str, series: str, estimate: Estimate, text: str, status: str = "") -> Row:
    """A line of an `IntervalChart`."""
    value, low, high = map(_known, estimate)
    return {
        "label": label, "series": series, "value": value, "low": low, "high": high, "text": text, "status": status,
    }  # fmt: skip


def failed_row(label: str, series: str) -> Row:
    """The line of a policy without any result."""
    return estimate_row(label, series, UNKNOWN, FAILED, "failed")


def with_failure(label: str, *, failed: bool) -> str:
    """The label of a histogram, which says whether all episodes behind it failed."""
    return f"{label} (failed)" if failed else label


def record_rows[Record](
    records: Mapping[str, Record], failed: Collection[str], read: Callable[[Record], tuple[Estimate, str]]
) -> list[Row]:
    """A line for each record, by the name that it has there and as a series.

    Args:
        failed: names that failed in every episode.
        read: the value and its interval in a record, and the text beside them.
    """
    rows = []
    for name, record in records.items():
        estimate, text = read(record)
        if _known(estimate[0]) is not None:
            rows.append(estimate_row(name, name, estimate, text))
        else:
            rows.append(failed_row(name, name) if name in failed else estimate_row(name, name, UNKNOWN, NO_RESULT))
    return rows


def value_text(estimate: Estimate) -> str:
    """'7.12 (6.80 to 7.44)', or '7.12, no interval'."""
    value, low, high = map(_known, estimate)
    if low is None or high is None:
        return f"{number(value)}, no interval"
    return f"{number_within(value, low, high)} ({span(low, high)})"


def share_text(estimate: Estimate) -> str:
    """'62 % (48 to 74 %)', or '62 %, no interval'."""
    value, low, high = map(_known, estimate)
    if low is None or high is None:
        return f"{percent(value)}, no interval"
    return f"{percent(value)} ({percent_span(low, high)})"


def text_over(texts: Sequence[str], over: str) -> str:
    """The first text that fits beside a mark.

    Args:
        texts: of one estimate, the longest first; the last of several has no interval.
        over: the missions behind it if they are not all, which it says too; where there is no room, it ends in `*`.
    """
    candidates = texts
    if over:
        candidates = [f"{text} {over}" for text in texts[:-1] or texts] + [f"{text}{FEWER}" for text in texts]
    return next((text for text in candidates if len(text) <= LONGEST_TEXT), candidates[-1])


def note_on_points(rows: Sequence[Row], noun: str) -> str:
    """What the note of a `LineChart` says of lines that are hardly more than a point; empty if there are none.

    Args:
        noun: what a line is.
    """
    count = len(brief_lines(rows))
    if not count:
        return ""
    total = len({row["line"] for row in rows})
    return f"A large point is a {noun} with a single value, or with some close together ({count} of {total})."


def in_words(rows: Sequence[Row]) -> str:
    """What the lines say, for a chart's description."""
    return "; ".join(f"{row['label']}: {row['text']}" for row in rows) + "."


def histogram(scores: Mapping[str, tuple[str, Sequence[float]]]) -> tuple[list[Row], tuple[float, float] | None]:
    """The bins of a `HistogramChart` over the range of all values, and the bounds of its axis if they are all equal.

    Args:
        scores: by label, its series and its values, of which one has some; a label without any has one empty bin.
    """
    pooled = np.concatenate([np.asarray(values, dtype=float) for _, values in scores.values()])
    low, high = float(pooled.min()), float(pooled.max())
    pad = 0.0 if high > low else max(0.1 * abs(high), 0.5)  # equal values: a bin around them
    edges = np.linspace(low - pad, high + pad, (BINS if high > low else BINS - 1) + 1)
    rows: list[Row] = []
    for label, (series, values) in scores.items():
        if not len(values):
            whole = {"low": float(edges[0]), "high": float(edges[-1])}
            rows.append({"label": label, "series": series, **whole, "share": 0.0, "count": 0})
            continue
        counts = np.histogram(values, edges)[0]
        rows += [
            {
                "label": label, "series": series, "low": float(edges[place]), "high": float(edges[place + 1]),
                "share": float(count / counts.sum()), "count": int(count),
            }
            for place, count in enumerate(counts) if count
        ]  # fmt: skip
    return rows, None if pad == 0 else (low - pad, high + pad)


def _known(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None
