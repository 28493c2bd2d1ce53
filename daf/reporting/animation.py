"""An episode as an animation without JavaScript: CSS keyframes move the agents' marks over the map's SVG.

If the reader prefers reduced motion, and in print, the same elements show a still picture: the end of the episode with
the paths that agents took. A checkbox before the figures pauses and resumes the motion. With scripts, the page's player
(`daf.reporting.player`) moves the same marks instead.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from daf.reporting.maps import PALETTE, Key, Window

if TYPE_CHECKING:
    from daf.engine.replays import EpisodeTrace

MAX_FRAMES = 250
FRAMES_PER_SECOND = 10
HOLD_SECONDS = 1.5  # how long the end stays before the episode starts again
GHOSTS = 4  # paler marks that follow an agent, one frame apart
CHART_HEIGHT = 120  # pixels, below CHART_TOP
CHART_TOP = 8
MOTION = "@media screen and (prefers-reduced-motion:no-preference)"
STYLE = f"""
@property --step{{syntax:'<integer>';initial-value:0;inherits:false}}
.ghost,.hold,.hold+label,.if-moving{{display:none}}
.trail{{fill:none;stroke-width:.28;stroke-opacity:.55;stroke-linejoin:round;stroke-linecap:round}}
.agent circle{{stroke:var(--bg);stroke-width:.1}}
.track{{fill:none;vector-effect:non-scaling-stroke;stroke-linejoin:round}}
.track.one{{stroke-width:1.2;stroke-opacity:.6}}.track.all{{stroke:var(--fg);stroke-width:2.4}}
.reward-curve{{position:relative;margin-top:6px}}.reward-curve .grid{{stroke:var(--line)}}
.reward-curve text{{font:12px system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;fill:var(--muted)}}
.reward-curve text{{paint-order:stroke;stroke:var(--bg);stroke-width:5px;stroke-linejoin:round}}
.reward-curve .end{{text-anchor:end}}.reward-curve .mid{{text-anchor:middle}}
.now{{position:absolute;top:{CHART_TOP}px;height:{CHART_HEIGHT}px;left:100%}}
.now{{border-left:1.5px solid var(--muted);margin-left:-.75px}}
.here{{position:absolute;left:-5.75px;width:10px;height:10px;margin-top:-5px;border-radius:50%;background:var(--fg)}}
.clock{{font-size:.86rem;font-variant-numeric:tabular-nums;color:var(--muted);margin:0 0 8px}}
.clock .step::after{{counter-reset:step var(--step);content:counter(step)}}
{MOTION}{{
.animated .trail,.animated .if-still{{display:none}}.animated .ghost,.animated .if-moving{{display:inline}}
.animated .hold{{display:inline;margin:0 5px 0 0;vertical-align:middle}}
.animated .hold+label{{display:inline;font-size:.86rem;margin-right:14px;cursor:pointer}}
.moves,.step::after{{animation-timing-function:linear;animation-iteration-count:infinite}}
.scene:has(.hold:checked) .moves,.scene:has(.hold:checked) .step::after{{animation-play-state:paused}}
}}
"""


def frame_steps(steps: int, most: int = MAX_FRAMES) -> list[int]:
    """The steps to draw: 0, every k-th, and the last; k is the smallest that gives at most `most` frames."""
    return [*range(0, steps, steps_per_frame(steps, most)), steps]


def steps_per_frame(steps: int, most: int = MAX_FRAMES) -> int:
    return max(1, math.ceil(steps / most))


def seconds(steps: int) -> float:
    """Duration of an episode's motion, excluding the pause at its end."""
    return (len(frame_steps(steps)) - 1) / FRAMES_PER_SECOND


def percent_of_loop(step: int, steps: int) -> str:
    """Position of a step in the loop, which includes the pause at its end."""
    return f"{100 * step / steps * seconds(steps) / (seconds(steps) + HOLD_SECONDS):.4g}%"


def corners(steps: Sequence[int], points: np.ndarray) -> list[int]:
    """Indices of frames between which points move in straight lines at constant speed; all others can be omitted.

    Args:
        steps: of every frame.
        points: int [frames, dimensions].
    """
    if len(steps) <= 2:
        return list(range(len(steps)))
    times = np.diff(np.asarray(steps))
    moves = np.diff(points.astype(np.int64), axis=0)
    turns = (moves[1:] * times[:-1, None] != moves[:-1] * times[1:, None]).any(axis=1)
    return [0, *(np.flatnonzero(turns) + 1).tolist(), len(steps) - 1]


# ---- figures ----------------------------------------------------------------------------------------------


def episode_style(trace: EpisodeTrace, name: str) -> str:
    """Return the keyframes of an episode, for the page's style: agents' positions, step, and cumulative mean reward.

    Args:
        name: the class around the episode's figures, unique on the page.
    """
    frames = frame_steps(_steps(trace))
    last, loop = frames[-1], seconds(frames[-1]) + HOLD_SECONDS
    rules = {
        f"{name}-a{agent}": _keyframes(frames, trace.positions[frames, agent][:, ::-1], _translated)
        for agent in range(trace.positions.shape[1])
    }
    levels, _ = _mean_levels(trace, frames)
    rules[f"{name}-here"] = _keyframes(frames, levels, lambda point: f"top:{point[0] / 10:g}%")
    rules[f"{name}-now"] = _keyframes([0, last], np.array([[0], [100]]), lambda point: f"left:{point[0]}%")
    counter = f".{name} .step::after"
    moving = "".join(f".{rule}{{animation-name:{rule}}}" for rule in rules)
    # A negative delay of nearly one loop: from the start, a ghost is where its agent was.
    behind = "".join(f".{name} .g{lag}{{animation-delay:{lag / FRAMES_PER_SECOND - loop:.4g}s}}" for lag in _lags())
    rules[f"{name}-step"] = _keyframes([0, last], np.array([[0], [last]]), lambda point: f"--step:{point[0]}")
    keyframes = "".join(f"@keyframes {rule}{{{steps}}}" for rule, steps in rules.items())
    return (
        f"{keyframes}{counter}{{--step:{last}}}"
        f"{MOTION}{{.{name} .moves,{counter}{{animation-duration:{loop:g}s}}"
        f"{moving}{counter}{{animation-name:{name}-step}}{behind}}}\n"
    )


def _keyframes(frames: Sequence[int], points: np.ndarray, declaration: Callable[[list[int]], str]) -> str:
    """Keyframes of int points [frames, dimensions]; the last stays until the loop ends."""
    kept = corners(frames, points)
    times = [percent_of_loop(frames[index], frames[-1]) for index in kept]
    times[-1] += ",to"
    return "".join(f"{at}{{{declaration(points[index].tolist())}}}" for at, index in zip(times, kept, strict=True))


def _translated(point: list[int]) -> str:
    return f"transform:translate({point[0]}px,{point[1]}px)"


def film(trace: EpisodeTrace, window: Window, name: str, ground_svg: str, title: str) -> str:
    """The map with its agents. `episode_style` animates it; without that it shows the end and the paths.

    Args:
        ground_svg: the layer below.
    """
    agents = range(trace.positions.shape[1])
    parts = [
        f'<svg class="map" viewBox="{window.view_box}" role="img" aria-label="{escape(title)}">',
        ground_svg,
    ]
    for agent in agents:
        way = way_path(trace.positions[:, agent])
        parts.append(f'<path class="trail" transform="translate(.5 .5)" stroke="{_colour(agent)}" d="{way}"/>')
    radius = mark_radius(window)
    for agent in agents:
        row, column = trace.positions[-1, agent].tolist()
        place, motion = f'style="transform:translate({column}px,{row}px)"', f"moves {name}-a{agent}"
        for lag in reversed(_lags()):
            size, opacity = radius * (1 - lag / (GHOSTS + 3)), 0.5 * (1 - lag / (GHOSTS + 1))
            parts.append(
                f'<g class="ghost {motion} g{lag}" data-agent="{agent}" data-lag="{lag}" {place}>'
                f'<circle cx=".5" cy=".5" r="{size:.3g}" fill="{_colour(agent)}" opacity="{opacity:.2g}"/></g>'
            )
        parts.append(f'<g class="agent {motion}" data-agent="{agent}" {place}>{agent_mark(agent, radius)}</g>')
    return "".join([*parts, "</svg>"])


def way_path(places: np.ndarray) -> str:
    """Lines between adjacent cells that an agent moved between, each drawn once however often it was walked.

    Args:
        places: int [steps + 1, 2], row and column.
    """
    moves = np.concatenate([places[:-1], places[1:]], axis=1).astype(np.int64)
    backwards = (moves[:, 0] > moves[:, 2]) | ((moves[:, 0] == moves[:, 2]) & (moves[:, 1] > moves[:, 3]))
    moves[backwards] = moves[backwards][:, [2, 3, 0, 1]]
    moves = np.unique(moves[(moves[:, :2] != moves[:, 2:]).any(axis=1)], axis=0)
    rows, columns = (moves[:, 2] - moves[:, 0]), (moves[:, 3] - moves[:, 1])
    across, down = (rows == 0) & (columns == 1), (rows == 1) & (columns == 0)
    parts = [f"M{column} {row}h{length}" for row, column, length in _runs(moves[across][:, [0, 1]])]
    parts += [f"M{column} {row}v{length}" for column, row, length in _runs(moves[down][:, [1, 0]])]
    parts += [f"M{x} {y}L{to_x} {to_y}" for y, x, to_y, to_x in moves[~(across | down)].tolist()]
    return "".join(parts)


def _runs(places: np.ndarray) -> list[tuple[int, int, int]]:
    """Merge neighbouring places [n, 2], each (line, position), into runs (line, first, length)."""
    places = places[np.lexsort((places[:, 1], places[:, 0]))]
    starts = np.flatnonzero((np.diff(places, axis=0, prepend=-2) != (0, 1)).any(axis=1))
    lengths = np.diff(starts, append=len(places))
    return [
        (line, first, length) for (line, first), length in zip(places[starts].tolist(), lengths.tolist(), strict=True)
    ]


def reward_chart(trace: EpisodeTrace, name: str, title: str) -> str:
    """Cumulative reward over steps, as HTML: each agent, the mean, and a mark at the step that the map shows.

    Empty if no agent's reward ever changes.
    """
    if not trace.rewards.any():
        return ""
    steps = _steps(trace)
    frames = frame_steps(steps)
    mean, scale = _mean_levels(trace, frames)
    bottom = CHART_TOP + CHART_HEIGHT
    parts = [f'<svg class="figure" width="100%" height="{bottom + 24}" role="img" aria-label="{escape(title)}">']
    for tick in _nice_ticks(scale.low, scale.high, 3):
        y = CHART_TOP + CHART_HEIGHT * _level(tick, scale) / 1000
        parts.append(f'<line class="grid" x1="0" x2="100%" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="0" y="{y - 4:.1f}">{_tick_text(tick)}</text>')
    ticks = _nice_ticks(0, steps, 3)[1:]
    for tick in ticks:
        anchor = "end" if tick > 0.93 * steps else "mid"
        text = f"{_tick_text(tick)}{' steps' if tick == ticks[-1] else ''}"
        parts.append(f'<text class="{anchor}" x="{100 * tick / steps:.2f}%" y="{bottom + 18}">{text}</text>')
    stretched = f'viewBox="0 0 {steps} 1000" preserveAspectRatio="none"'
    parts.append(f'<svg y="{CHART_TOP}" width="100%" height="{CHART_HEIGHT}" {stretched}>')
    for agent in range(trace.positions.shape[1]):
        levels = _levels(trace.rewards[frames, agent], scale)
        parts.append(f'<polyline class="track one" points="{_line(frames, levels)}" stroke="{_colour(agent)}"/>')
    parts.append(f'<polyline class="track all" points="{_line(frames, mean)}"/></svg></svg>')
    parts.append(f'<div class="now moves {name}-now" aria-hidden="true">')
    parts.append(f'<div class="here moves {name}-here" style="top:{int(mean[-1, 0]) / 10:g}%"></div></div>')
    return f'<div class="reward-curve">{"".join(parts)}</div>'


def agent_keys(names: Sequence[str]) -> list[Key]:
    """The legend of agents; `names` has one entry per agent."""
    return [Key(mark=agent_mark(agent, 0.62), name=name) for agent, name in enumerate(names)]


def agent_mark(agent: int, radius: float) -> str:
    """A circle with the agent's number, in the unit square."""
    size = radius * (1.45 if agent < 10 else 1.1)
    return (
        f'<circle cx=".5" cy=".5" r="{radius:.3g}" fill="{_colour(agent)}"/>'
        f'<text x=".5" y="{0.5 + 0.36 * size:.3g}" style="font-size:{size:.3g}px">{agent}</text>'
    )


def mark_radius(window: Window) -> float:
    """Radius in cells, large enough to be visible when cells are small."""
    return max(0.48, max(window.rows, window.columns) / 64)


# ---- helpers ----------------------------------------------------------------------------------------------


class _Scale:
    """The vertical range of a chart, with a margin at both ends so that no line is cut off."""

    def __init__(self, values: Sequence[float]) -> None:
        low, high = min(values), max(values)
        margin = 0.03 * (high - low) or 0.5
        self.low, self.high = low - margin, high + margin


def _nice_ticks(low: float, high: float, count: int) -> list[float]:
    """Round numbers between two bounds, about `count` of them."""
    raw = (high - low) / count
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * magnitude for factor in (1, 2, 2.5, 5, 10) if factor * magnitude >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def _tick_text(value: float) -> str:
    return f"{value:,.6g}".replace("-", "\N{MINUS SIGN}")


def _steps(trace: EpisodeTrace) -> int:
    return int(trace.positions.shape[0]) - 1


def _colour(agent: int) -> str:
    return f"var(--p{agent % len(PALETTE)})"


def _lags() -> range:
    return range(1, GHOSTS + 1)


def _mean_levels(trace: EpisodeTrace, frames: Sequence[int]) -> tuple[np.ndarray, _Scale]:
    """Levels of the cumulative mean reward, and the chart's vertical scale."""
    scale = _Scale([0.0, *trace.rewards[frames].astype(float).ravel().tolist()])
    return _levels(trace.rewards[frames].mean(axis=1, dtype=np.float64), scale), scale


def _levels(rewards: np.ndarray, scale: _Scale) -> np.ndarray:
    """int [frames, 1]: thousandths of the chart's height, from its top."""
    return np.rint([[_level(float(reward), scale)] for reward in rewards]).astype(np.int64)


def _level(reward: float, scale: _Scale) -> float:
    return 1000 * (scale.high - reward) / (scale.high - scale.low)


def _line(frames: Sequence[int], levels: np.ndarray) -> str:
    return " ".join(f"{frames[index]},{levels[index, 0]}" for index in corners(frames, levels))
