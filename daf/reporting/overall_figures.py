"""Figures over many missions: aggregates, performance profiles, and the critical-difference diagram.

Drawn like the figures of `figures.py`: horizontal positions in percent, colours as CSS variables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from daf.config import Direction
from daf.reporting.figures import LIGHT, Record, Scale, axis_lines, interval_mark, is_known, opening, tick_text
from daf.statistics.sentences import number, span

STATISTICS: Mapping[str, tuple[str, Direction]] = {
    "iqm": ("Interquartile mean", "maximize"),
    "mean": ("Mean", "maximize"),
    "median": ("Median", "maximize"),
    "optimality_gap": ("Optimality gap (lower is better)", "minimize"),
}
LINE = 26


def aggregate_figure(rows: Sequence[Record], colours: Mapping[str, int], title: str) -> str:
    """One statistic with its interval, one line per policy, in the order of the rows."""
    bounds = [row[key] for row in rows for key in ("value", "interval_low", "interval_high") if is_known(row[key])]
    scale = Scale(bounds)
    bottom = 2 * LINE * len(rows)
    parts = [opening(bottom + 24, title), *axis_lines(scale, 0, bottom)]
    for index, row in enumerate(rows):
        top, y = 2 * LINE * index, 2 * LINE * index + 34
        colour = f"var(--p{colours[row['policy']] % len(LIGHT)})"
        known = is_known(row["interval_low"])
        value = number(row["value"]) + (f" ({span(row['interval_low'], row['interval_high'])})" if known else "")
        parts.append(f'<text class="name" x="0" y="{top + 15}">{escape(row["policy"])}</text>')
        parts.append(f'<text class="soft end" x="100%" y="{top + 15}">{value}</text>')
        parts += interval_mark(scale, row, "value", y, colour, radius=6)
    return "".join([*parts, "</svg>"])


def profile_figure(rows: Sequence[Record], colours: Mapping[str, int], title: str, height: int = 260) -> str:
    """Share of scores above each threshold, one line with a band per policy."""
    by_policy: dict[str, list[Record]] = {}
    for row in rows:
        by_policy.setdefault(row["policy"], []).append(row)
    thresholds = [row["threshold"] for row in rows]
    low, high = min(thresholds), max(thresholds)
    width = (high - low) or 1.0
    columns = 3
    legend = 22 * -(-len(by_policy) // columns)
    top, bottom = legend + 10, legend + 10 + height

    def x(value: float) -> str:
        return f"{1000 * (value - low) / width:.1f}"

    def y(share: float) -> str:
        return f"{1000 * (1 - share):.1f}"

    parts = [opening(bottom + 26, title)]
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        place = bottom - height * tick
        parts.append(f'<line class="grid" x1="0" x2="100%" y1="{place:.1f}" y2="{place:.1f}"/>')
    stretched = 'viewBox="0 0 1000 1000" preserveAspectRatio="none"'
    parts.append(f'<svg x="0" y="{top}" width="100%" height="{height}" {stretched}>')
    for policy, points in by_policy.items():
        colour = f"var(--p{colours[policy] % len(LIGHT)})"
        if all(is_known(point["interval_low"]) for point in points):
            upper = [f"{x(point['threshold'])},{y(point['interval_high'])}" for point in points]
            lower = [f"{x(point['threshold'])},{y(point['interval_low'])}" for point in reversed(points)]
            parts.append(f'<polygon points="{" ".join(upper + lower)}" fill="{colour}" opacity=".14"/>')
        line = " ".join(f"{x(point['threshold'])},{y(point['share'])}" for point in points)
        parts.append(f'<polyline class="curve" points="{line}" stroke="{colour}"/>')
    parts.append("</svg>")
    for tick in (0.25, 0.5, 0.75, 1.0):
        place = bottom - height * tick
        parts.append(f'<text class="soft small" x="0" y="{place + 14:.1f}">{100 * tick:.0f} %</text>')
    for tick in Scale(thresholds).ticks():
        if low < tick < high:
            at = 100 * (tick - low) / width
            anchor = "end" if at > 95 else "mid"
            parts.append(f'<text class="soft small {anchor}" x="{at:.2f}%" y="{bottom + 18}">{tick_text(tick)}</text>')
    for index, policy in enumerate(by_policy):
        left, base = 100 * (index % columns) / columns, 22 * (index // columns) + 14
        colour = f"var(--p{colours[policy] % len(LIGHT)})"
        parts.append(f'<svg x="{left:.2f}%" y="0" width="33%" overflow="visible">')
        parts.append(f'<rect x="0" y="{base - 6}" width="14" height="4" rx="2" fill="{colour}"/>')
        parts.append(f'<text x="20" y="{base}">{escape(policy)}</text></svg>')
    return "".join([*parts, "</svg>"])


def cliques(ranks: Sequence[float], difference: float) -> list[tuple[int, int]]:
    """The longest runs of ascending mean ranks within a difference of each other, as (first, last)."""
    runs: list[tuple[int, int]] = []
    for first in range(len(ranks)):
        last = max(index for index in range(first, len(ranks)) if ranks[index] - ranks[first] <= difference)
        if last > first and (not runs or last > runs[-1][1]):
            runs.append((first, last))
    return runs


def critical_difference_figure(mean_ranks: Mapping[str, float], difference: float, title: str) -> str:
    """Policies at their mean ranks; bars join those that Nemenyi's test cannot distinguish (Demšar 2006)."""
    ordered = sorted(mean_ranks.items(), key=lambda item: item[1])
    count = len(ordered)
    joined = cliques([rank for _, rank in ordered], difference)
    axis = 46
    bars = axis + 14
    names = bars + 12 * len(joined) + 18

    def x(rank: float) -> str:
        return f"{25 + 50 * (rank - 1) / max(1, count - 1):.2f}%"

    half = (count + 1) // 2  # the better half is labelled on the left, the others on the right
    bottom = names + 22 * half
    parts = [opening(bottom, title)]
    parts.append(f'<line class="bar" x1="{x(1)}" x2="{x(1 + difference)}" y1="10" y2="10" stroke="var(--muted)"/>')
    text = f"critical difference {number(difference)}"
    parts.append(f'<text class="soft small" x="{x(1 + difference)}" y="14" dx="8">{text}</text>')
    parts.append(f'<line class="zero" x1="{x(1)}" x2="{x(count)}" y1="{axis}" y2="{axis}"/>')
    for tick in range(1, count + 1):
        parts.append(f'<line class="zero" x1="{x(tick)}" x2="{x(tick)}" y1="{axis - 5}" y2="{axis}"/>')
        parts.append(f'<text class="soft small mid" x="{x(tick)}" y="{axis - 9}">{tick}</text>')
    for index, (policy, rank) in enumerate(ordered):
        left = index < half
        y = names + 22 * (index if left else count - 1 - index) + 5
        end = "23%" if left else "77%"
        parts.append(f'<line class="zero" x1="{x(rank)}" x2="{x(rank)}" y1="{axis}" y2="{y}"/>')
        parts.append(f'<line class="zero" x1="{x(rank)}" x2="{end}" y1="{y}" y2="{y}"/>')
        text = f'{escape(policy)} <tspan class="soft">{number(rank)}</tspan>'
        place = 'class="end" x="22%"' if left else 'x="78%"'
        parts.append(f'<text {place} y="{y + 4}">{text}</text>')
    for index, (first, last) in enumerate(joined):
        y = bars + 12 * index
        parts.append(
            f'<line class="bar" x1="{x(ordered[first][1] - 0.06)}" x2="{x(ordered[last][1] + 0.06)}" y1="{y}" y2="{y}" '
            'stroke="var(--accent,#0b5cad)"/>'
        )
    return "".join([*parts, "</svg>"])
