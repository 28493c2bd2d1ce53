"""The page of a sweep: the best trial, its score on fresh seeds, parameter importance, and cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from daf.config import direction_sign
from daf.reporting import figures
from daf.reporting.page import template
from daf.statistics.sentences import number
from daf.system.files import write_text

HEIGHT = 260
TOP = 30
SLICE_HEIGHT = 150


def render_sweep_page(analysis: Mapping[str, Any], output_html: str | Path) -> None:
    """Write the page.

    Args:
        analysis: content of analysis.json, including its provenance.
    """
    curve = [(trial["trial"] + 1.0, trial["best"]) for trial in analysis["best_so_far"] if trial["best"] is not None]
    page = {
        "title": f"Sweep {analysis['sweep']}",
        "analysis": analysis,
        "sentences": search_in_words(analysis),
        "progress": figures.curve_figure({"best so far": curve}, "Best objective by trial") if curve else "",
        "parallel": parallel_figure(analysis),
        "slices": slice_figures(analysis),
        "style": figures.STYLE,
        "light": figures.palette_css(figures.LIGHT),
        "dark": figures.palette_css(figures.DARK),
    }
    write_text(output_html, template("sweep.html.j2").render(page))


def search_in_words(analysis: Mapping[str, Any]) -> list[str]:
    """The result of a search, and its score on fresh seeds."""
    best, confirmation = analysis["best"], analysis["confirmation"]
    if best is None:
        return ["No trial completed.", *_failures_in_words(analysis)[:1]]
    metric, objective = analysis["objective_metric"], number(best["objective"])
    sentences = [f"The best of {analysis['num_trials']} trials is trial {best['trial']}: {metric} {objective}."]
    if confirmation is None:
        return [
            *sentences,
            "It did not run again on fresh seeds. The best of many scores is biased upward; by how much is "
            "unknown here.",
        ]
    sentences = [f"The best trial is trial {best['trial']}: {metric} {objective} in the search."]
    sentences.append(f"On fresh seeds, which the search never saw, its mean is {number(confirmation['mean'])}.")
    first = confirmation["finalists"][0]  # the best of the search
    if first["optimism"] is not None:
        which = "It" if first["trial"] == best["trial"] else f"Trial {first['trial']}"
        score, mean = number(first["search_objective"]), number(first["confirmed_mean"])
        text = f"{which} had the best score of the search, {score}, and a mean of {mean} on fresh seeds"
        if first["optimism"] > 0:
            text += f": the search was too optimistic by {number(first['optimism'])}"
        sentences.append(f"{text}.")
    return sentences


def _failures_in_words(analysis: Mapping[str, Any]) -> list[str]:
    """Why trials failed, the most common reason first."""
    return [
        f"{len(trials)} of {analysis['num_trials']} trials failed: {reason}"
        for reason, trials in analysis["failures"].items()
    ]


def parallel_figure(analysis: Mapping[str, Any], height: int = HEIGHT) -> str:
    """Parallel coordinates: one line per completed trial, across the parameters to its objective; the best quarter is
    coloured.
    """
    trials = _completed(analysis)
    if not trials:
        return ""
    coordinates = analysis["parallel_coordinates"]
    score = figures.Scale([trial["objective"] for trial in trials])
    names = [*coordinates["axes"], analysis["objective_metric"]]
    ticks = [*coordinates["ticks"], [(_share(tick, score), tick) for tick in score.ticks()]]
    best = _best_quarter(analysis, trials)
    parts = [figures.opening(height + TOP + 8, "Parameters of every completed trial")]
    labels = []  # drawn after the lines, on top
    gap = 100 / (len(names) - 1)
    for place, (name, marks) in enumerate(zip(names, ticks, strict=True)):
        x, last = f"{1 + 0.98 * gap * place:.2f}%", place == len(names) - 1
        anchor = "" if place == 0 else "end" if last else "mid"
        parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="{TOP}" y2="{TOP + height}"/>')
        parts.append(f'<text class="small name {anchor}" x="{x}" y="14">{escape(name)}</text>')
        side = 'class="soft small end" dx="-6"' if last else 'class="soft small" dx="6"'
        for u, value in marks:
            labels.append(
                f'<text {side} x="{x}" y="{TOP + 5 + (height - 10) * (1 - u) + 4:.1f}">{_value(value)}</text>'
            )
    stretched = 'viewBox="0 0 1000 1000" preserveAspectRatio="none"'
    parts.append(f'<svg x="0" y="{TOP}" width="100%" height="{height}" {stretched}>')
    for trial in sorted(trials, key=lambda trial: trial["trial"] in best):  # the best are drawn last, on top
        for run in _runs([*trial["positions"], _share(trial["objective"], score)]):
            points = " ".join(f"{10 + 9.8 * gap * place:.1f},{1000 * (1 - u):.1f}" for place, u in run)
            colour = "var(--p0)" if trial["trial"] in best else "var(--line)"
            parts.append(f'<polyline class="curve" points="{points}" stroke="{colour}"/>')
    return "".join([*parts, "</svg>", *labels, "</svg>"])


def slice_figures(analysis: Mapping[str, Any], height: int = SLICE_HEIGHT) -> dict[str, str]:
    """By parameter: the objective of every completed trial (vertical) over the parameter's value on its search scale
    (horizontal); the best quarter is coloured.
    """
    trials = _completed(analysis)
    best = _best_quarter(analysis, trials)
    score = figures.Scale([trial["objective"] for trial in trials])

    def level(value: float) -> float:
        return 8 + height * (1 - _share(value, score))

    drawn = {}
    coordinates = analysis["parallel_coordinates"]
    for place, (axis, ticks) in enumerate(zip(coordinates["axes"], coordinates["ticks"], strict=True)):
        dots = [(trial, trial["positions"][place]) for trial in trials if trial["positions"][place] is not None]
        parts = [figures.opening(height + 28, f"{analysis['objective_metric']} by {axis}")]
        for tick in score.ticks():
            y = f"{level(tick):.1f}"
            parts.append(f'<line class="grid" x1="0" x2="100%" y1="{y}" y2="{y}"/>')
            parts.append(f'<text class="soft small" x="0" y="{level(tick) - 4:.1f}">{figures.tick_text(tick)}</text>')
        for trial, u in dots:
            colour = "var(--p0)" if trial["trial"] in best else "var(--muted)"
            y = f"{level(trial['objective']):.1f}"
            parts.append(f'<circle cx="{_along(u)}" cy="{y}" r="4" fill="{colour}" opacity=".7"/>')
        for u, value in ticks:
            anchor = "end" if u == 1 else "mid"
            place_along = f'class="soft small {anchor}" x="{_along(u)}" y="{height + 24}"'
            parts.append(f"<text {place_along}>{_value(value)}</text>")
        if dots:
            drawn[axis] = "".join([*parts, "</svg>"])
    return drawn


def _completed(analysis: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [trial for trial in analysis["parallel_coordinates"]["trials"] if trial["objective"] is not None]


def _best_quarter(analysis: Mapping[str, Any], trials: Sequence[Mapping[str, Any]]) -> set[int]:
    """Numbers of the best quarter of the trials, at least one."""
    sign = direction_sign(analysis["optimize_direction"])
    ranked = sorted(trials, key=lambda trial: -sign * trial["objective"])
    return {trial["trial"] for trial in ranked[: max(1, len(ranked) // 4)]}


def _along(u: float) -> str:
    """Percent of a slice's width; the left margin holds the axis of objectives."""
    return f"{14 + 84 * u:.2f}%"


def _share(value: float, scale: figures.Scale) -> float:
    """Position of a value between the ends of a scale, 0 to 1."""
    return (value - scale.low) / (scale.high - scale.low)


def _value(value: Any) -> str:
    """A hyperparameter's value, rounded to a few digits."""
    return escape(f"{value:.4g}" if isinstance(value, float) else str(value))


def _runs(positions: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """A trial's line, broken where a parameter does not apply."""
    runs: list[list[tuple[int, float]]] = [[]]
    for place, u in enumerate(positions):
        if u is None:
            runs.append([])
        else:
            runs[-1].append((place, u))
    return [run for run in runs if len(run) > 1]
