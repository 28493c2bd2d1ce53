"""What both drawings of a `ParallelChart` share: every axis from 0 to 1 with its ticks, and the order of the lines."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from daf.charts import ranges, words
from daf.charts.lines import categories
from daf.charts.model import Axis, ParallelChart, Row

TICKS = 4
NOT_SET = -0.12  # the place of a value that a row lacks


@dataclass(frozen=True)
class Scale:
    """An axis whose values lie between 0 (bottom) and 1 (top)."""

    axis: Axis
    bounds: tuple[float, float]
    names: Sequence[str] = ()

    def place(self, value: object) -> float | None:
        if self.axis.scale == "category":
            if value is None or str(value) not in self.names:
                return None
            return (self.names.index(str(value)) + 0.5) / len(self.names)
        number = ranges.drawable(self.axis, value)
        if number is None:
            return None
        low, high = self._linear(self.bounds[0]), self._linear(self.bounds[1])
        return (self._linear(number) - low) / (high - low)

    def _linear(self, value: float) -> float:
        return math.log10(value) if self.axis.scale == "log" else value

    def ticks(self) -> list[tuple[float, str]]:
        """(place, text) of the ticks."""
        if self.axis.scale == "category":
            return [((index + 0.5) / len(self.names), words.clean(name)) for index, name in enumerate(self.names)]
        is_log = self.axis.scale == "log"
        values = ranges.log_ticks(self.bounds, TICKS) if is_log else _round_numbers(self.bounds)
        return [
            (place, words.tick_text(value, self.axis)) for value in values if (place := self.place(value)) is not None
        ]


def _round_numbers(bounds: tuple[float, float]) -> list[float]:
    low, high = bounds
    raw = (high - low) / TICKS
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * size for factor in (1, 2, 2.5, 5, 10) if factor * size >= raw * 0.999)
    return [round(n * step, 12) for n in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def scales_of(chart: ParallelChart) -> Mapping[str, Scale]:
    """The scales by column."""
    found = {}
    for column, axis in chart.axes.items():
        if axis.scale == "category":
            found[column] = Scale(axis, (0, 1), categories(axis, chart.rows, column))
        else:
            found[column] = Scale(axis, ranges.extent(axis, [row.get(column) for row in chart.rows]))
    return found


def places_of(chart: ParallelChart, scales: Mapping[str, Scale]) -> list[tuple[Row, dict[str, float], float | None]]:
    """(row, its place on each axis, its place on the colouring axis if known), the lowest colour first.

    A value that a row lacks, such as a parameter that its network does not have, is below the axis, at `NOT_SET`.
    """
    found = []
    for row in chart.rows:
        places = {column: scale.place(row.get(column)) for column, scale in scales.items()}
        drawn = {column: NOT_SET if place is None else place for column, place in places.items()}
        found.append((row, drawn, places.get(chart.colour)))
    return sorted(found, key=lambda item: -1.0 if item[2] is None else item[2])


def opacity(lines: int) -> float:
    """The opacity of lines: many let each other through, so that their density is seen."""
    return round(max(0.2, min(0.75, 0.75 * math.sqrt(200 / max(1, lines)))), 3)


def bottom_of(chart: ParallelChart, scales: Mapping[str, Scale]) -> float:
    """The lower end of all axes: 0, or lower if some value is not set."""
    lacking = (scale.place(row.get(column)) is None for column, scale in scales.items() for row in chart.rows)
    return NOT_SET if any(lacking) else 0.0


def ticks_of(chart: ParallelChart, column: str, scale: Scale) -> list[tuple[float, str]]:
    """The ticks of an axis, with that of values that are not set."""
    lacks = any(scale.place(row.get(column)) is None for row in chart.rows)
    return [*scale.ticks(), *([(NOT_SET, "not set")] if lacks else [])]
