"""One episode as an animation without a script: CSS keyframes move agents' marks over the map's SVG.

Where the reader prefers no motion, and in print, the same elements show a still picture: the end of the episode, with
the ways that agents took. A checkbox before the figures stops and continues the motion.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from daf.reporting.figures import LIGHT as PALETTE
from daf.reporting.figures import Scale, nice_ticks, tick_text
from daf.reporting.maps import Key, Window

if TYPE_CHECKING:
    from daf.engine.replays import EpisodeTrace

MAX_FRAMES = 250
FRAMES_PER_SECOND = 10
HOLD_SECONDS = 1.5  # the end stays so long before the episode starts again
GHOSTS = 4  # paler marks that follow an agent, one frame apart
CHART_HEIGHT = 120
MOTION = "@media screen and (prefers-reduced-motion:no-preference)"
STYLE = f"""
@property --step{{syntax:'<integer>';initial-value:0;inherits:false}}
.ghost,.hold,.hold+label{{display:none}}
.trail{{fill:none;stroke-width:.28;stroke-opacity:.55;stroke-linejoin:round;stroke-linecap:round}}
.agent circle{{stroke:var(--bg);stroke-width:.1}}
.track{{fill:none;vector-effect:non-scaling-stroke;stroke-linejoin:round}}
.track.one{{stroke-width:1.2;stroke-opacity:.6}}.track.all{{stroke:var(--fg);stroke-width:2.4}}
.now{{stroke:var(--muted);stroke-width:1.5;vector-effect:non-scaling-stroke}}
.here{{stroke:var(--fg);stroke-width:10;stroke-linecap:round;vector-effect:non-scaling-stroke}}
.clock{{font-size:.86rem;font-variant-numeric:tabular-nums;color:var(--muted);margin:0 0 8px}}
.clock .step::after{{counter-reset:step var(--step);content:counter(step)}}
{MOTION}{{
.trail{{display:none}}.ghost{{display:inline}}
.hold{{display:inline;margin:0 5px 0 0;vertical-align:middle}}
.hold+label{{display:inline;font-size:.86rem;margin-right:14px;cursor:pointer}}
.hold+label+.clock{{display:inline-block}}
.moves,.step::after{{animation-timing-function:linear;animation-iteration-count:infinite;animation-fill-mode:backwards}}
.hold:checked~* .moves,.hold:checked~* .step::after{{animation-play-state:paused}}
}}
"""


def frame_steps(steps: int) -> list[int]:
    """The steps that are drawn: 0, every k-th, and the last; k is the least with at most MAX_FRAMES frames."""
    return [*range(0, steps, steps_per_frame(steps)), steps]


def steps_per_frame(steps: int) -> int:
    return max(1, math.ceil(steps / MAX_FRAMES))


def seconds(steps: int) -> float:
    """How long an episode's motion takes, without the time its end stays."""
    return (len(frame_steps(steps)) - 1) / FRAMES_PER_SECOND


def percent_of_loop(step: int, steps: int) -> str:
    """Where in the loop, which ends with the still end, a step is shown."""
    return f"{100 * step / steps * seconds(steps) / (seconds(steps) + HOLD_SECONDS):.4g}%"


def corners(steps: Sequence[int], points: np.ndarray) -> list[int]:
    """Indices of frames between which points move in straight lines at constant speed: all others can be left out.

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
    """The keyframes of an episode, for the page's style: of agents, of the mean reward, of the step; `name` is a prefix
    that no other episode of the page has."""
    frames = frame_steps(_steps(trace))
    rules = []
    moving = [f"{name}-a{agent}" for agent in range(trace.positions.shape[1])]
    for agent, rule in enumerate(moving):
        points = trace.positions[frames, agent][:, ::-1]
        rules.append(_keyframes(rule, frames, points))
    rules.append(_keyframes(f"{name}-here", frames, _reward_points(trace, frames)[0]))
    rules.append(_keyframes(f"{name}-now", [0, frames[-1]], np.array([[0, 0], [frames[-1], 0]])))
    counted = f"to{{--step:{frames[-1]}}}"
    rules.append(f"@keyframes {name}-step{{from{{--step:0}}{percent_of_loop(frames[-1], frames[-1])},{counted}}}")
    loop = f"{seconds(frames[-1]) + HOLD_SECONDS:g}s"
    names = "".join(f".{rule}{{animation-name:{rule}}}" for rule in (*moving, f"{name}-here", f"{name}-now"))
    step = f".{name} .step::after{{--step:{frames[-1]}}}"
    return (
        f"{''.join(rules)}{step}{MOTION}{{.{name} .moves,.{name} .step::after{{animation-duration:{loop}}}{names}"
        f".{name} .step::after{{animation-name:{name}-step}}"
        f"{''.join(f'.{name} .g{lag}{{animation-delay:{lag / FRAMES_PER_SECOND:g}s}}' for lag in _lags())}}}"
    )


def _keyframes(rule: str, frames: Sequence[int], points: np.ndarray) -> str:
    last = frames[-1]
    parts = []
    for index in corners(frames, points):
        x, y = points[index].tolist()
        at = percent_of_loop(frames[index], last) + (",to" if index == len(frames) - 1 else "")
        parts.append(f"{at}{{transform:translate({x}px,{y}px)}}")
    return f"@keyframes {rule}{{{''.join(parts)}}}"


def film(trace: EpisodeTrace, window: Window, name: str, ground_name: str, title: str) -> str:
    """The map with agents on it; it moves by `episode_style`, and without it shows the end and the ways there."""
    frames = frame_steps(_steps(trace))
    agents = range(trace.positions.shape[1])
    parts = [
        f'<svg class="map" viewBox="{window.view_box}" role="img" aria-label="{escape(title)}">',
        f'<use href="#{ground_name}"/>',
    ]
    for agent in agents:
        way = trace.positions[frames, agent][:, ::-1]
        points = " ".join(f"{x + 0.5:g},{y + 0.5:g}" for x, y in way[corners(frames, way)].tolist())
        parts.append(f'<polyline class="trail" points="{points}" stroke="{_colour(agent)}"/>')
    radius = mark_radius(window)
    for agent in agents:
        row, column = trace.positions[-1, agent].tolist()
        place, motion = f'style="transform:translate({column}px,{row}px)"', f"moves {name}-a{agent}"
        for lag in reversed(_lags()):
            size, opacity = radius * (1 - lag / (GHOSTS + 3)), 0.5 * (1 - lag / (GHOSTS + 1))
            parts.append(
                f'<g class="ghost {motion} g{lag}" {place}><circle cx=".5" cy=".5" r="{size:.3g}" '
                f'fill="{_colour(agent)}" opacity="{opacity:.2g}"/></g>'
            )
        parts.append(f'<g class="agent {motion}" {place}>{agent_mark(agent, radius)}</g>')
    return "".join([*parts, "</svg>"])


def reward_chart(trace: EpisodeTrace, name: str, title: str) -> str:
    """Reward earned so far over steps: every agent, their mean, and the moment that the map shows."""
    steps = _steps(trace)
    frames = frame_steps(steps)
    mean, scale = _reward_points(trace, frames)
    top, bottom = 8, 8 + CHART_HEIGHT
    parts = [f'<svg class="figure" width="100%" height="{bottom + 24}" role="img" aria-label="{escape(title)}">']
    for tick in nice_ticks(scale.low, scale.high, 3):
        y = bottom - CHART_HEIGHT * (tick - scale.low) / (scale.high - scale.low)
        parts.append(f'<line class="grid" x1="0" x2="100%" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="soft small" x="0" y="{y - 4:.1f}">{tick_text(tick)}</text>')
    for tick in nice_ticks(0, steps, 4)[1:]:
        anchor = "end" if tick > 0.93 * steps else "mid"
        text = f"{tick_text(tick)} steps" if tick == nice_ticks(0, steps, 4)[-1] else tick_text(tick)
        parts.append(f'<text class="soft small {anchor}" x="{100 * tick / steps:.2f}%" y="{bottom + 18}">{text}</text>')
    stretched = f'viewBox="0 0 {steps} 1000" preserveAspectRatio="none" overflow="visible"'
    parts.append(f'<svg x="0" y="{top}" width="100%" height="{CHART_HEIGHT}" {stretched}>')
    for agent in range(trace.positions.shape[1]):
        line = _chart_points(trace.rewards[frames, agent], frames, scale)
        parts.append(f'<polyline class="track one" points="{_polyline(line, frames)}" stroke="{_colour(agent)}"/>')
    parts.append(f'<polyline class="track all" points="{_polyline(mean, frames)}"/>')
    parts.append(f'<path class="now moves {name}-now" style="transform:translate({steps}px,0)" d="M0 0V1000"/>')
    x, y = mean[-1].tolist()
    parts.append(f'<path class="here moves {name}-here" style="transform:translate({x}px,{y}px)" d="M0 0h0"/>')
    return "".join([*parts, "</svg></svg>"])


def agent_keys(names: Sequence[str]) -> list[Key]:
    """The legend of agents; `names` as many as there are agents."""
    return [Key(mark=agent_mark(agent, 0.62), name=name) for agent, name in enumerate(names)]


def agent_mark(agent: int, radius: float) -> str:
    """A circle with the agent's number, in the unit square."""
    size = radius * (1.45 if agent < 10 else 1.1)
    return (
        f'<circle cx=".5" cy=".5" r="{radius:.3g}" fill="{_colour(agent)}"/>'
        f'<text x=".5" y="{0.5 + 0.36 * size:.3g}" style="font-size:{size:.3g}px">{agent}</text>'
    )


def mark_radius(window: Window) -> float:
    """Cells; large enough to be seen where cells are small."""
    return max(0.48, max(window.rows, window.columns) / 64)


# ---- helpers ----------------------------------------------------------------------------------------------


def _steps(trace: EpisodeTrace) -> int:
    return int(trace.positions.shape[0]) - 1


def _colour(agent: int) -> str:
    return f"var(--p{agent % len(PALETTE)})"


def _lags() -> range:
    return range(1, GHOSTS + 1)


def _reward_points(trace: EpisodeTrace, frames: Sequence[int]) -> tuple[np.ndarray, Scale]:
    """The mean reward so far in the chart's coordinates, and the chart's vertical scale."""
    scale = Scale([0.0, *trace.rewards[frames].astype(float).ravel().tolist()])
    return _chart_points(trace.rewards[frames].mean(axis=1, dtype=np.float64), frames, scale), scale


def _chart_points(rewards: np.ndarray, frames: Sequence[int], scale: Scale) -> np.ndarray:
    """int [frames, 2]: the step to the right, and upwards the reward in thousandths of the chart's height."""
    up = 1000 * (scale.high - rewards) / (scale.high - scale.low)
    return np.stack([np.asarray(frames), np.rint(up).astype(np.int64)], axis=1)


def _polyline(points: np.ndarray, frames: Sequence[int]) -> str:
    return " ".join(f"{x},{y}" for x, y in points[corners(frames, points)].tolist())
