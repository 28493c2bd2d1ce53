"""Figures as SVG text, generated directly so that they adapt to the width and colours of the surrounding page.

Horizontal positions are percentages and text has a fixed size, so a figure is readable on phones and large screens.
Colours are CSS variables with light and dark values; `standalone` adds them for a separate file. The same data give
the same bytes.
"""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from daf.statistics.records import OVERALL
from daf.statistics.sentences import number, span

Record = Mapping[str, Any]
LIGHT = ("#0067a5", "#c04a00", "#2e7d32", "#8e44ad", "#806000", "#b3446c", "#00717f", "#5c4b3c")
DARK = ("#6cb6ff", "#ff9f5a", "#7bd88f", "#d2a8ff", "#e3c34c", "#ff8fb3", "#56d4dd", "#c9b8a8")
MAX_DOTS = 300
ROW = 54
STYLE = """
.figure text{font:13px system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;fill:var(--fg)}
.figure .soft{fill:var(--muted)} .figure .name{font-weight:600} .figure .small{font-size:12px}
.figure .grid{stroke:var(--line);stroke-width:1} .figure .zero{stroke:var(--muted);stroke-width:1.5}
.figure .end{text-anchor:end} .figure .mid{text-anchor:middle} .figure .band{fill:var(--muted);opacity:.13}
.figure text{paint-order:stroke;stroke:var(--bg);stroke-width:5px;stroke-linejoin:round}
.figure .dot{opacity:.28} .figure .bar{stroke-width:4;stroke-linecap:round}
.figure .failed{fill:var(--worse,#b3261e)}
.figure .recipe{stroke-width:1.5} .figure .seed{fill:none;stroke-width:1.5}
.figure .mean{stroke:var(--bg);stroke-width:2}
.figure .curve{fill:none;stroke-width:1.8;vector-effect:non-scaling-stroke;stroke-linejoin:round}
"""


def palette_css(colours: Sequence[str]) -> str:
    return "".join(f"--p{index}:{colour};" for index, colour in enumerate(colours))


def standalone(svg: str, width: int = 760, note: str = "") -> str:
    """A separate SVG file: fixed width, light background (dark if the reader prefers it), a note below the figure."""
    light = f":root{{--fg:#1b1f24;--muted:#5b6470;--line:#dfe3e8;--bg:#fff;{palette_css(LIGHT)}}}"
    dark = f":root{{--fg:#e6e9ee;--muted:#9aa5b1;--line:#343b44;--bg:#15191e;{palette_css(DARK)}}}"
    style = f"<style>{light}@media(prefers-color-scheme:dark){{{dark}}}{STYLE}</style>"
    paper = '<rect width="100%" height="100%" fill="var(--bg)"/>'
    opening, rest = svg.split(">", 1)
    height = re.search(r'height="(\d+)"', opening)
    tall = int(height.group(1)) + 32 if height else 400
    lines = textwrap.wrap(note, 110)
    texts = [
        f'<text class="soft small" x="16" y="{tall + 16 * index}">{escape(line)}</text>'
        for index, line in enumerate(lines)
    ]
    below = f'<g class="figure">{"".join(texts)}</g>' if texts else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{tall + 16 * len(lines)}">{style}{paper}'
        f'<svg x="16" y="16" width="{width - 32}" class="figure" overflow="visible">{rest.removesuffix("</svg>")}</svg>'
        f"{below}</svg>\n"
    )


# ---- scales -----------------------------------------------------------------------------------------------


def nice_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers between two bounds, about `count` of them."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low]
    raw = (high - low) / count
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * magnitude for factor in (1, 2, 2.5, 5, 10) if factor * magnitude >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


class Scale:
    """Data → percent of the width, with a margin at both ends so that nothing is cut off."""

    def __init__(self, values: Sequence[float]) -> None:
        finite = [value for value in values if value is not None and math.isfinite(value)] or [0.0]
        low, high = min(finite), max(finite)
        pad = 0.03 * (high - low) or max(0.5, 0.1 * abs(high))
        self.low, self.high = low - pad, high + pad

    def __call__(self, value: float) -> str:
        return f"{2 + 96 * (value - self.low) / (self.high - self.low):.2f}%"

    def width(self, extent: float) -> str:
        return f"{96 * extent / (self.high - self.low):.2f}%"

    def ticks(self) -> list[float]:
        return nice_ticks(self.low, self.high)


def tick_text(value: float) -> str:
    return f"{value:,.6g}".replace("-", "\N{MINUS SIGN}")


def opening(height: int, title: str) -> str:
    return f'<svg class="figure" width="100%" height="{height}" role="img" aria-label="{escape(title)}">'


def axis_lines(scale: Scale, top: int, bottom: int) -> list[str]:
    parts = []
    for tick in scale.ticks():
        x = scale(tick)
        parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="{top}" y2="{bottom}"/>')
        parts.append(f'<text class="soft small mid" x="{x}" y="{bottom + 16}">{tick_text(tick)}</text>')
    return parts


def interval_mark(scale: Scale, row: Record, name: str, y: float, colour: str, radius: float = 6.5) -> list[str]:
    """A value (dot) on its interval (bar, if known)."""
    parts = []
    if is_known(row["interval_low"]):
        low, high = scale(row["interval_low"]), scale(row["interval_high"])
        parts.append(f'<line class="bar" x1="{low}" x2="{high}" y1="{y}" y2="{y}" stroke="{colour}"/>')
    return [*parts, f'<circle class="mean" cx="{scale(row[name])}" cy="{y}" r="{radius:g}" fill="{colour}"/>']


def is_known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


# ---- figures ----------------------------------------------------------------------------------------------


def interval_figure(
    rows: Sequence[Record],
    dots: Mapping[str, Sequence[float]],
    colours: Mapping[str, int],
    title: str,
    seeds: Mapping[str, Sequence[float]] | None = None,
) -> str:
    """Mean (dot), interval (bar) and single episodes (faint dots) per policy; below, its training seeds.

    Args:
        rows: summary records of one mission; those without a mean are shown as failed.
        dots: rewards of single episodes by policy; at most 300, evenly spaced, are drawn.
        seeds: means of training seeds by policy, drawn as rings on the interval of the recipe (thin bar).
    """
    seeds = seeds or {}
    shown = {name: list(values)[:: max(1, math.ceil(len(values) / MAX_DOTS))] for name, values in dots.items()}
    keys = ("mean", "interval_low", "interval_high", "recipe_low", "recipe_high")
    bounds = [row[key] for row in rows for key in keys if is_known(row.get(key))]
    points = (value for values in (*shown.values(), *seeds.values()) for value in values)
    scale = Scale([*bounds, *points])
    extra = 16 if any(seeds.get(row["policy"]) for row in rows) else 0
    bottom = (ROW + extra) * len(rows) + 4
    parts = [opening(bottom + 24, title), *axis_lines(scale, 22, bottom)]
    for index, row in enumerate(rows):
        top, colour = (ROW + extra) * index, f"var(--p{colours[row['policy']] % len(LIGHT)})"
        y = top + 36
        interval = span(row["interval_low"], row["interval_high"])
        known = is_known(row["interval_low"])
        value = f"{number(row['mean'])} ({interval})" if known else f"{number(row['mean'])}, no interval"
        if not is_known(row["mean"]):
            parts.append(f'<text class="name failed" x="16" y="{top + 14}">{escape(row["policy"])}</text>')
            parts.append(f'<text class="end failed" x="100%" y="{top + 14}">failed in every episode</text>')
            continue
        parts.append(f'<rect x="0" y="{top + 4}" width="10" height="10" rx="2" fill="{colour}"/>')
        parts.append(f'<text class="name" x="16" y="{top + 14}">{escape(row["policy"])}</text>')
        parts.append(f'<text class="soft end" x="100%" y="{top + 14}">{value}</text>')
        for number_of_dot, reward in enumerate(shown.get(row["policy"], ())):
            jitter = 16 * ((number_of_dot * 0.618034) % 1 - 0.5)
            parts.append(f'<circle class="dot" cx="{scale(reward)}" cy="{y + jitter:.1f}" r="3" fill="{colour}"/>')
        parts += interval_mark(scale, row, "mean", y, colour)
        parts += _seed_marks(scale, row, seeds.get(row["policy"], ()), y + 20, colour)
    return "".join([*parts, "</svg>"])


def _seed_marks(scale: Scale, row: Record, seeds: Sequence[float], y: float, colour: str) -> list[str]:
    """Training seeds (rings) on the interval of the mean over training seeds (thin bar, if known)."""
    parts = []
    if seeds and is_known(row.get("recipe_low")):
        low, high = scale(row["recipe_low"]), scale(row["recipe_high"])
        parts.append(f'<line class="recipe" x1="{low}" x2="{high}" y1="{y}" y2="{y}" stroke="{colour}"/>')
    rings = (f'<circle class="seed" cx="{scale(value)}" cy="{y}" r="4" stroke="{colour}"/>' for value in seeds)
    return [*parts, *rings]


def difference_figure(rows: Sequence[Record], title: str, margin: float | None = None) -> str:
    """Differences of pairs with intervals and a line at zero; the equivalence margin is shaded."""
    rows = [row for row in rows if is_known(row["difference"])]
    values = [row[key] for row in rows for key in ("difference", "interval_low", "interval_high") if is_known(row[key])]
    scale = Scale([0.0, *values, *([margin, -margin] if margin else [])])
    bottom = ROW * len(rows) + 4
    parts = [opening(bottom + 24, title), *axis_lines(scale, 22, bottom)]
    if margin:
        parts.append(
            f'<rect class="band" x="{scale(-margin)}" width="{scale.width(2 * margin)}" y="22" height="{bottom - 22}"/>'
        )
    parts.append(f'<line class="zero" x1="{scale(0)}" x2="{scale(0)}" y1="22" y2="{bottom}"/>')
    for index, row in enumerate(rows):
        top, y = ROW * index, ROW * index + 36
        interval = span(row["interval_low"], row["interval_high"])
        known = is_known(row["interval_low"])
        colour = f"var(--{row['verdict'].split()[0]},var(--fg))"
        value = f"{number(row['difference'])} ({interval})" if known else f"{number(row['difference'])}, no interval"
        name = f"{row['policy_a']} \N{MINUS SIGN} {row['policy_b']}"
        name += " (recipes)" if row["estimand"] == "recipes" else ""
        parts.append(f'<text class="name" x="0" y="{top + 14}">{escape(name)}</text>')
        parts.append(f'<text class="soft end" x="100%" y="{top + 14}">{value}</text>')
        parts += interval_mark(scale, row, "difference", y, colour)
    return "".join([*parts, "</svg>"])


def distribution_figure(
    rewards: Mapping[str, Sequence[float]], colours: Mapping[str, int], title: str, bins: int = 32
) -> str:
    """One histogram of episode rewards per policy on a common axis; heights are shares of the policy's episodes."""
    scale = Scale([value for values in rewards.values() for value in values])
    edges = [scale.low + (scale.high - scale.low) * index / bins for index in range(bins + 1)]
    row, tall = 78, 46
    bottom = row * len(rewards) + 4
    parts = [opening(bottom + 24, title), *axis_lines(scale, 22, bottom)]
    for index, (policy, values) in enumerate(rewards.items()):
        top, colour = row * index, f"var(--p{colours[policy] % len(LIGHT)})"
        parts.append(f'<text class="name" x="0" y="{top + 14}">{escape(policy)}</text>')
        ordered = sorted(values)
        quartiles = [ordered[round(share * (len(ordered) - 1))] for share in (0.25, 0.5, 0.75)] if ordered else []
        if quartiles:
            text = f"middle half of the episodes: {span(quartiles[0], quartiles[2])}"
            parts.append(f'<text class="soft end" x="100%" y="{top + 14}">{text}</text>')
        counts = [0] * bins
        for value in values:
            counts[min(bins - 1, int((value - scale.low) / (scale.high - scale.low) * bins))] += 1
        peak = max(counts) or 1
        for place, count in enumerate(counts):
            if count:
                height = tall * count / peak
                parts.append(
                    f'<rect x="{scale(edges[place])}" width="{scale.width(edges[1] - edges[0])}" '
                    f'y="{top + 24 + tall - height:.1f}" height="{height:.1f}" fill="{colour}" opacity=".75"/>'
                )
        base = top + 24 + tall
        parts.append(f'<line class="grid" x1="2%" x2="98%" y1="{base}" y2="{base}"/>')
    return "".join([*parts, "</svg>"])


def curve_figure(curves: Mapping[str, Sequence[tuple[float, float]]], title: str, height: int = 240) -> str:
    """Lines of (agent-steps, value), one per label, thinned to 400 points each."""
    curves = {label: [point for point in points if all(map(math.isfinite, point))] for label, points in curves.items()}
    curves = {label: points[:: max(1, math.ceil(len(points) / 400))] for label, points in curves.items() if points}
    legend = 20 * len(curves)
    steps = [x for points in curves.values() for x, _ in points]
    y_scale = Scale([y for points in curves.values() for _, y in points])
    end = max(steps, default=1.0) or 1.0
    top, bottom = legend + 8, legend + 8 + height

    def level(value: float) -> float:
        return bottom - height * (value - y_scale.low) / (y_scale.high - y_scale.low)

    parts = [opening(bottom + 26, title)]
    for tick in y_scale.ticks():
        y = f"{level(tick):.1f}"
        parts.append(f'<line class="grid" x1="0" x2="100%" y1="{y}" y2="{y}"/>')
        parts.append(f'<text class="soft small" x="0" y="{level(tick) - 4:.1f}">{tick_text(tick)}</text>')
    for tick in nice_ticks(0, end, 4)[1:]:
        anchor, x = "end" if tick > 0.93 * end else "mid", f"{100 * tick / end:.2f}%"
        parts.append(f'<text class="soft small {anchor}" x="{x}" y="{bottom + 18}">{_steps(tick)}</text>')
    # Lines cannot use percentages; stretched coordinates with unscaled strokes have the same effect.
    stretched = 'viewBox="0 0 1000 1000" preserveAspectRatio="none"'
    parts.append(f'<svg x="0" y="{top}" width="100%" height="{height}" {stretched}>')
    for index, points in enumerate(curves.values()):
        path = " ".join(f"{1000 * x / end:.1f},{1000 * (level(y) - top) / height:.1f}" for x, y in points)
        parts.append(f'<polyline class="curve" points="{path}" stroke="var(--p{index % len(LIGHT)})"/>')
    parts.append("</svg>")
    for index, (label, points) in enumerate(curves.items()):
        base = 20 * index + 12
        parts.append(f'<rect x="0" y="{base - 6}" width="14" height="4" rx="2" fill="var(--p{index % len(LIGHT)})"/>')
        parts.append(f'<text x="20" y="{base}">{escape(label)}</text>')
        parts.append(f'<text class="soft end" x="100%" y="{base}">last {number(points[-1][1])}</text>')
    return "".join([*parts, "</svg>"])


def _steps(value: float) -> str:
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def mission_title(mission: str, missions: int) -> str:
    return f"All {missions} missions together" if mission == OVERALL else mission
