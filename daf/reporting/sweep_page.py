"""The page of a sweep: what the search found, what that is worth on fresh seeds, what mattered and what it cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from daf.files import write_text
from daf.reporting import figures
from daf.reporting.html import template
from daf.reporting.sentences import number

HEIGHT = 260
TOP = 30


def render_sweep_page(analysis: Mapping[str, Any], output_html: str | Path) -> None:
    """Write the page.

    Args:
        analysis: content of analysis.json, its provenance included.
    """
    curve = [(one["trial"] + 1.0, one["best"]) for one in analysis["best_so_far"] if one["best"] is not None]
    page = {
        "title": f"Sweep {analysis['sweep']}",
        "analysis": analysis,
        "sentences": _sentences(analysis),
        "progress": figures.curve_figure({"best so far": curve}, "Best objective by trial") if curve else "",
        "parallel": parallel_figure(analysis),
        "style": figures.STYLE,
        "light": figures.palette_css(figures.LIGHT),
        "dark": figures.palette_css(figures.DARK),
    }
    write_text(output_html, template("sweep.html.j2").render(page))


def _sentences(analysis: Mapping[str, Any]) -> list[str]:
    best, found = analysis["best"], analysis["confirmation"]
    if best is None:
        return ["No trial completed."]
    metric = analysis["objective_metric"]
    said = [f"Trial {best['trial']} scored {number(best['objective'])} in {metric} in the search."]
    if found is None:
        said.append(
            "It was not run on fresh seeds: the best of many scores is too good on average, by how much is unknown."
        )
        return said
    said.append(f"On seeds that the search never saw it scored {number(found['mean'])} on average.")
    if found["optimism"] is not None:
        much = number(abs(found["optimism"]))
        way = f"{much} too much" if found["optimism"] > 0 else f"{much} too little"
        said.append(f"Optimism of the search: its own best trial promised {way}.")
    return said


def parallel_figure(analysis: Mapping[str, Any], height: int = HEIGHT) -> str:
    """Parallel coordinates: one line per completed trial across the parameters, the best quarter in colour."""
    axes: Sequence[str] = analysis["parallel_coordinates"]["axes"]
    trials = [one for one in analysis["parallel_coordinates"]["trials"] if one["objective"] is not None]
    if len(axes) < 2 or not trials:
        return ""
    up = analysis["optimize_direction"] == "maximize"
    ranked = sorted(trials, key=lambda one: one["objective"], reverse=up)
    best = {one["trial"] for one in ranked[: max(1, len(ranked) // 4)]}
    title = "Parameters of every completed trial"
    parts = [f'<svg class="figure" role="img" aria-label="{escape(title)}" width="100%" height="{height + TOP + 8}">']
    gap = 100 / (len(axes) - 1)
    for place, axis in enumerate(axes):
        x = f"{1 + 0.98 * gap * place:.2f}%"
        parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="{TOP}" y2="{TOP + height}"/>')
        anchor = "" if place == 0 else "end" if place == len(axes) - 1 else "mid"
        parts.append(f'<text class="small {anchor}" x="{x}" y="{TOP - 12}">{escape(axis)}</text>')
    stretched = 'viewBox="0 0 1000 1000" preserveAspectRatio="none"'
    parts.append(f'<svg x="0" y="{TOP}" width="100%" height="{height}" {stretched}>')
    for one in reversed(ranked):  # the best are drawn last, on top
        for run in _runs(one["positions"]):
            points = " ".join(f"{10 + 9.8 * gap * place:.1f},{1000 * (1 - u):.1f}" for place, u in run)
            colour = "var(--p0)" if one["trial"] in best else "var(--line)"
            parts.append(f'<polyline class="curve" points="{points}" stroke="{colour}"/>')
    return "".join([*parts, "</svg></svg>"])


def _runs(positions: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """A trial's line, broken where a parameter does not apply."""
    runs: list[list[tuple[int, float]]] = [[]]
    for place, u in enumerate(positions):
        if u is None:
            runs.append([])
        else:
            runs[-1].append((place, u))
    return [run for run in runs if len(run) > 1]
