"""What both drawings of a `MatrixChart` share: its cells, their colours, and that of the text on them."""

from __future__ import annotations

from dataclasses import dataclass

from daf.charts import style
from daf.charts.model import MatrixChart
from daf.charts.words import known

DARK_STEPS = style.RAMP_LIGHT[2:]  # on which text has the colour of the background


@dataclass(frozen=True)
class MatrixCell:
    """A cell at a place in the matrix, in numbers of rows and columns."""

    line: int
    column: int
    value: float
    text: str
    detail: str
    colour: str
    ink: str


def cells_of(chart: MatrixChart) -> list[MatrixCell]:
    """The cells with a known value, whose colours go from the lowest value to the highest."""
    lines = {name: place for place, name in enumerate(chart.row_names)}
    columns = {name: place for place, name in enumerate(chart.column_names)}
    found = [(row, value) for row in chart.rows if (value := known(row["value"])) is not None]
    values = [value for _, value in found]
    low, high = (min(values), max(values)) if values else (0.0, 0.0)
    cells = []
    for row, value in found:
        colour = style.ramp_colour((value - low) / (high - low) if high > low else 0.0)
        ink = style.BACKGROUND if colour in DARK_STEPS else style.FOREGROUND
        place = lines[row["row"]], columns[row["column"]]
        cells.append(MatrixCell(*place, value, str(row["text"]), str(row.get("detail", "")), colour, ink))
    return cells
