"""The part of an axis that a chart shows, the same in files and in pages."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from daf.charts.model import Axis
from daf.charts.words import known

PAD = 0.04


def extent(axis: Axis, values: Iterable[Any], *, pad: float = PAD) -> tuple[float, float]:
    """The bounds of an axis, widened by values that lie outside; or those of the values, with a margin.

    No mark is cut off, and values that are all equal still give an axis.
    """
    numbers = [number for value in values if (number := known(value)) is not None]
    if axis.bounds is not None:
        inside = [number for number in numbers if axis.scale != "log" or number > 0]
        return min(axis.bounds[0], *inside, axis.bounds[1]), max(axis.bounds[1], *inside, axis.bounds[0])
    if axis.scale == "log":
        numbers = [number for number in numbers if number > 0]
        low, high = (min(numbers), max(numbers)) if numbers else (1.0, 10.0)
        factor = (high / low) ** pad if high > low else 10**0.5
        return low / factor, high * factor
    low, high = (min(numbers), max(numbers)) if numbers else (0.0, 1.0)
    margin = pad * (high - low) if high > low else max(0.1 * abs(high), 0.5)
    if not math.isfinite(margin):
        return low, high
    return low - margin, high + margin


def log_ticks(bounds: tuple[float, float], count: int) -> list[float]:
    """Powers of ten between two bounds; also 2 and 5 times or 3 times each if few, and every n-th if many."""
    low, high = (math.log10(bound) for bound in bounds)
    powers = range(math.floor(low), math.ceil(high) + 1)
    inside = [power for power in powers if bounds[0] <= 10.0**power <= bounds[1]]
    factors = (1, 2, 5) if len(inside) <= 1 else (1, 3) if len(inside) <= count / 2 else (1,)
    step = max(1, math.ceil(len(inside) / count))
    values = [factor * 10.0**power for power in powers if power % step == 0 for factor in factors]
    return [float(f"{value:.6g}") for value in values if bounds[0] <= value <= bounds[1]]


def drawable(axis: Axis, value: Any) -> float | None:
    """The value, or None if the axis cannot show it."""
    number = known(value)
    return None if number is not None and axis.scale == "log" and number <= 0 else number


def thin[Item](items: list[Item], limit: int) -> list[Item]:
    """At most `limit` items, evenly spaced, the first and the last among them."""
    if len(items) <= limit:
        return items
    step = (len(items) - 1) / (limit - 1)
    return [items[round(index * step)] for index in range(limit)]
