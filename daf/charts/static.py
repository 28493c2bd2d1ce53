"""Charts by matplotlib: figures to look at and change, files, and inline SVG for pages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from daf.charts import blank, style
from daf.charts.model import (
    Chart,
    HistogramChart,
    IntervalChart,
    LineChart,
    MatrixChart,
    ParallelChart,
    PointChart,
    RankChart,
)
from daf.errors import BadInputError
from daf.system.files import write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from daf.charts.drawing.sheet import Sheet

__all__ = ["FORMATS", "STYLE", "content", "figure", "figure_path", "svg", "write"]

FORMATS = ("svg", "pdf", "png")
STYLE = (
    style.variables_css()
    + f""".chart-svg{{display:block;width:100%;height:auto;max-width:860px;overflow:visible}}
.chart-svg text{{font-family:{style.FONT}}}
.chart-svg *{{stroke-linejoin:round;stroke-linecap:butt}}
"""
)


def figure(chart: Chart) -> Figure:
    """The chart with its title and note, as a figure that a notebook shows and a person can change.

    `figure.axes[0].set_title(...)` replaces the title and keeps its line, on the left unless `loc` says otherwise;
    `get_title()` gives it. A `$` of ours is written `\\$`; that of a person begins a formula.
    """
    return _draw(chart, titled=True).figure


def svg(chart: Chart) -> str:
    """The chart without title and note as inline SVG; `STYLE` gives its colours, in light, dark and print."""
    from daf.charts.drawing import page_svg, sheet

    drawn = _draw(chart, titled=False).figure
    return page_svg.for_page(sheet.rendered(drawn, "svg").decode(), f"{chart.title}. {chart.description}")


def write(chart: Chart | Figure, path: str | Path) -> None:
    """Write a chart or a figure as .svg, .pdf or .png. The same data give the same bytes.

    Raises:
        BadInputError: another suffix.
    """
    write_bytes(path, content(chart, figure_path(path).suffix.lower().removeprefix(".")))


def content(chart: Chart | Figure, kind: str) -> bytes:
    """The content of a file of this kind: svg, pdf or png."""
    from daf.charts.drawing import page_svg, sheet

    drawn = sheet.rendered(figure(chart) if isinstance(chart, Chart) else chart, kind)
    return page_svg.for_file(drawn.decode()).encode() if kind == "svg" else drawn


def figure_path(path: str | Path, where: str = "path of the figure") -> Path:
    """The path of a figure, if its suffix names a format.

    Raises:
        BadInputError: another suffix.
    """
    if Path(path).suffix.lower().removeprefix(".") not in FORMATS:
        raise BadInputError("a path that ends in .svg, .pdf or .png", Path(path).name, where)
    return Path(path)


def _draw(chart: Chart, *, titled: bool) -> Sheet:
    from daf.charts.drawing import blank as text_alone
    from daf.charts.drawing import intervals, lines, matrices, panels, ranks, sheet

    with sheet.settings(chart.name):
        if blank.is_blank(chart):
            return text_alone.draw(chart, titled=titled)
        match chart:
            case IntervalChart():
                return intervals.draw(chart, titled=titled)
            case LineChart():
                return lines.draw_lines(chart, titled=titled)
            case PointChart():
                return lines.draw_points(chart, titled=titled)
            case HistogramChart():
                return panels.draw_histograms(chart, titled=titled)
            case ParallelChart():
                return panels.draw_parallel(chart, titled=titled)
            case RankChart():
                return ranks.draw(chart, titled=titled)
            case MatrixChart():
                return matrices.draw(chart, titled=titled)
    raise TypeError(f"no drawing for {type(chart).__name__}")
