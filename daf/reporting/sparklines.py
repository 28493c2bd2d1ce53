"""Small learning curves for the page of an experiment, as SVG of a few hundred bytes."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from daf.reporting.curve_samples import Point, SampledCurve
from daf.system.progress import format_figure

WIDTH, HEIGHT, MARGIN = 220, 48, 4


def sparkline(curves: Mapping[str, SampledCurve], what: str) -> str:
    """One line per seed on common axes; empty if no curve has a point.

    Args:
        what: the picture shows, for readers who do not see it.
    """
    drawn = [curve.points for curve in curves.values() if curve.points]
    if not drawn:
        return ""
    steps = [x for points in drawn for x, _ in points]
    rewards = [y for points in drawn for _, y in points]
    low, high, last = min(rewards), max(rewards), max(steps)
    label = escape(f"{what}: {format_figure(low)} to {format_figure(high)} in {last:,} agent-steps")
    lines = "".join(_line(points, last, low, high) for points in drawn)
    return f'<svg class="spark" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{lines}</svg>'


def _line(points: tuple[Point, ...], last: int, low: float, high: float) -> str:
    places = [(_scaled(x, 0, last, MARGIN, WIDTH - MARGIN), _scaled(y, low, high, HEIGHT - MARGIN, MARGIN))
              for x, y in points]  # fmt: skip
    x, y = places[-1]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    return f'<polyline points="{path}"/><circle cx="{x:.1f}" cy="{y:.1f}" r="2"/>'


def _scaled(value: float, low: float, high: float, start: float, end: float) -> float:
    """From the range low … high to start … end; the middle if the range is a single value."""
    return start + (end - start) * ((value - low) / (high - low) if high > low else 0.5)
