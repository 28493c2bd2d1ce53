"""What both drawings of a `RankChart` share: the order of the series, and which of them a bar joins."""

from __future__ import annotations

from collections.abc import Sequence

from daf.charts.model import RankChart
from daf.charts.words import known


def ordered(chart: RankChart) -> list[tuple[str, float]]:
    """(series, mean rank), the best first; unknown ranks are left out."""
    found = [(str(row["series"]), value) for row in chart.rows if (value := known(row["value"])) is not None]
    return sorted(found, key=lambda pair: pair[1])


def cliques(ranks: Sequence[float], difference: float) -> list[tuple[int, int]]:
    """The longest runs of ascending mean ranks within a difference of each other, as (first, last)."""
    runs: list[tuple[int, int]] = []
    for first in range(len(ranks)):
        last = max(index for index in range(first, len(ranks)) if ranks[index] - ranks[first] <= difference)
        if last > first and (not runs or last > runs[-1][1]):
            runs.append((first, last))
    return runs


def levels(bars: Sequence[tuple[float, float]], gap: float) -> list[int]:
    """The row of each bar, from 0, so that bars of a row lie at least `gap` apart; bars come in ascending order."""
    ends: list[float] = []
    found = []
    for start, end in bars:
        row = next((row for row, taken in enumerate(ends) if start - taken >= gap), len(ends))
        ends[row : row + 1] = [end]
        found.append(row)
    return found
