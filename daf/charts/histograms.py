"""What both drawings of a `HistogramChart` share: its panels, each as high as its own highest bin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from daf.charts import words
from daf.charts.model import HistogramChart, Row


@dataclass(frozen=True)
class Panel:
    """One histogram: its bins that hold something, the share of its highest, and what is written beside it."""

    label: str
    series: str
    rows: Sequence[Row]

    @property
    def peak(self) -> float:
        return max((float(row["share"]) for row in self.rows), default=1.0)

    @property
    def text(self) -> str:
        digits = 0 if self.peak >= 0.095 else 1
        return f"highest bin {100 * self.peak:.{digits}f} %" if self.rows else "no episodes"


def panels_of(chart: HistogramChart) -> list[Panel]:
    """The panels in the order in which they first occur; a row without `label` belongs to that of its series."""
    grouped: dict[str, list[Row]] = {}
    for row in chart.rows:
        grouped.setdefault(str(row.get("label") or row["series"]), []).append(row)
    return [
        Panel(label, str(rows[0]["series"]), [row for row in rows if (words.known(row["share"]) or 0) > 0])
        for label, rows in grouped.items()
    ]
