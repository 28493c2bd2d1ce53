"""The episodes of a policy that a page plays: a choice of them, a slider and a speed.

The script is `templates/player.js`. Without it, style sheets alone choose the episode and move the median one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daf.reporting import animation, maps
from daf.system.readers import read_text

if TYPE_CHECKING:
    import numpy as np

    from daf.engine.replays import EpisodeTrace
    from daf.evaluation.traces import PolicyTraces, TracedEpisode

MAX_FRAMES = 1000
OFFSET = 35  # makes a coordinate a character, as in player.js; below are space, ! and "
STYLE = """
#charts>.card:last-child:nth-child(odd){grid-column:1/-1}
.choice{display:flex;flex-wrap:wrap;gap:4px 16px;border:0;padding:0;margin:0 0 8px;font-size:.9rem}
.choice legend{float:left;padding:0;margin-right:4px;color:var(--muted)}
.choice label{display:inline-flex;gap:6px;align-items:baseline;cursor:pointer}
.player:has(.pick0:checked) .scene:not(.scene0),.player:has(.pick1:checked) .scene:not(.scene1),
.player:has(.pick2:checked) .scene:not(.scene2){display:none}
.controls{display:flex;flex-wrap:wrap;gap:6px 12px;align-items:center;font-size:.86rem;margin:8px 0}
.controls input{flex:1 1 9em;min-width:0;accent-color:var(--accent)}
.controls output{font-variant-numeric:tabular-nums;color:var(--muted);min-width:9.5em;text-align:right}
.controls button,button.copy{font:inherit;color:inherit;background:var(--bg);border:1px solid var(--muted)}
.controls button,button.copy{border-radius:8px;padding:3px 12px;min-height:28px;cursor:pointer}
.controls button{min-width:5.4em}
@media screen{
.scripted .moves,.scripted .step::after{animation:none!important}
.scripted .scene .trail,.scripted .scene .if-still,.scripted .scene .clock{display:none}
.scripted .scene .ghost,.scripted .scene .if-moving{display:inline}
}
@media screen and (prefers-reduced-motion:reduce){
.scripted:not(.touched) .scene .trail,.scripted:not(.touched) .scene .if-still{display:inline}
.scripted:not(.touched) .scene .ghost,.scripted:not(.touched) .scene .if-moving{display:none}
}
.command code{user-select:all}
button.copy{padding:0 10px;min-height:24px;font-size:.86rem;margin-left:4px}
@media(max-width:640px){
table.stack thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
table.stack,table.stack tbody{display:block}
table.stack tr{display:block;padding:8px 0;border-bottom:1px solid var(--line)}
.scroll table.stack tbody th:first-child{display:block;position:static;max-width:none;border:0;padding:0}
table.stack td{display:block;border:0;padding:2px 0;text-align:left;white-space:normal;min-width:0}
table.stack td[data-label]::before{content:attr(data-label) ": ";color:var(--muted)}
}
@media print{.choice,.controls,.clock,button.copy{display:none!important}}
"""


@cache
def script() -> str:
    """The script of all players on a page."""
    return read_text(Path(__file__).parent / "templates" / "player.js")


def scenes(
    traced: PolicyTraces, name: str, types: Sequence[str], heat_window: maps.Window, policy: str
) -> list[dict[str, Any]]:
    """What the template shows of every episode.

    Args:
        name: the policy's, unique on the page; its animated episode has this name, and its ground is `<name>-map`.
        types: all types of objects on the page.
        heat_window: of the heat map, which draws the animated episode's ground.
        policy: its name on the page.
    """
    return [
        _scene(episode, place, traced, {"name": name, "policy": policy}, types, heat_window)
        for place, episode in enumerate(traced.episodes)
    ]


def _scene(
    episode: TracedEpisode,
    place: int,
    traced: PolicyTraces,
    names: Mapping[str, str],
    types: Sequence[str],
    heat_window: maps.Window,
) -> dict[str, Any]:
    name, trace, is_animated = names["name"], episode.trace, episode is traced.animated
    own = name if is_animated else f"{name}-{place}"
    window, ground = heat_window, f'<use href="#{name}-map"/>'
    if not is_animated and not _on_one_map(trace, traced.animated.trace, heat_window):
        window = maps.map_window([trace])
        ground, _ = maps.ground(trace, window, types, f"{own}-map")
    steps = len(trace.positions) - 1
    return {
        "episode": episode,
        "words": ranks_in_words(episode, traced),
        "is_animated": is_animated,
        "name": own,
        "steps": steps,
        "seconds": animation.seconds(steps),
        "film": animation.film(trace, window, own, ground, f"Episode {episode.episode} of {names['policy']}"),
        "chart": animation.reward_chart(trace, own, f"Cumulative reward in episode {episode.episode}"),
        "data": scene_data(trace),
    }


def _on_one_map(trace: EpisodeTrace, animated: EpisodeTrace, window: maps.Window) -> bool:
    """Whether an episode fits into the picture of the animated one: on its map, and nowhere out of the window."""
    if trace.objects != animated.objects or trace.walls.tolist() != animated.walls.tolist():
        return False
    places = trace.positions.reshape(-1, 2)
    (top, left), (bottom, right) = places.min(axis=0).tolist(), places.max(axis=0).tolist()
    return window.holds(top, left) and window.holds(bottom, right)


def ranks_in_words(episode: TracedEpisode, traced: PolicyTraces) -> str:
    """'best', 'median and worst', or 'the only one'."""
    if traced.num_played == 1:
        return "the only one"
    if len(traced.episodes) == 1 and len(episode.ranks) > 1:
        return "all alike"
    return " and ".join(episode.ranks)


def scene_data(trace: EpisodeTrace) -> str:
    """Positions as JSON for a script element: one character per coordinate and frame."""
    steps = len(trace.positions) - 1
    places = trace.positions[animation.frame_steps(steps, MAX_FRAMES)]
    agents = range(places.shape[1])
    data = {
        "steps": steps,
        "seconds": animation.seconds(steps),
        "each": animation.steps_per_frame(steps, MAX_FRAMES),
        "x": [_characters(places[:, agent, 1]) for agent in agents],
        "y": [_characters(places[:, agent, 0]) for agent in agents],
    }
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _characters(values: np.ndarray) -> str:
    return "".join(chr(OFFSET + value) for value in values.tolist())
