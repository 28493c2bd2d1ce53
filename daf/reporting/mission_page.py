"""The page of a mission: how each policy performs, where its agents went, and its failure modes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daf.config.recipes import MissionRecipe
from daf.episodes.table import read_episodes, read_provenance
from daf.evaluation.mission import MissionAnalysis, analyze_episodes, mission_metadata, usage_in
from daf.evaluation.traces import PolicyTraces, trace_policies
from daf.reporting import animation, figures, maps
from daf.reporting.page import template
from daf.statistics.sentences import number
from daf.system.files import write_json, write_text
from daf.system.provenance import provenance
from daf.system.user_code import code_in

if TYPE_CHECKING:
    import pandas as pd


def write_mission_report(
    recipe: MissionRecipe, episode_files: Sequence[str], *, json_path: str | Path, html_path: str | Path
) -> list[MissionAnalysis]:
    """Analyze every checkpoint's episodes on a mission; write the results as JSON and as a page.

    Raises:
        DafError: an episode has a different outcome when replayed for the page's figures.
    """
    from daf.engine.missions import resolve_mission

    mission = resolve_mission(recipe.config, recipe.name)
    metadata = mission_metadata(mission)
    frames = [read_episodes(path) for path in episode_files]
    origins = [read_provenance(path) for path in episode_files]
    analyses = [
        analyze_episodes(frame, metadata, usage=usage_in(origin)) for frame, origin in zip(frames, origins, strict=True)
    ]
    traces = trace_policies(frames, mission)
    code = code_in([recipe.to_dict(), origins])
    provenance_record = provenance(recipe.to_dict(), {}, code=code) | {"episodes": origins}
    report = {
        "mission": recipe.name,
        "metadata": asdict(metadata),
        "analyses": [analysis.to_dict() for analysis in analyses],
        "drawn": [traced.to_dict() for traced in traces if traced is not None],
        "provenance": provenance_record,
    }
    render_mission_page(analyses, frames, traces, provenance_record, html_path)
    write_json(json_path, report)
    return analyses


def render_mission_page(
    analyses: Sequence[MissionAnalysis],
    frames: Sequence[pd.DataFrame],
    traces: Sequence[PolicyTraces | None],
    provenance_record: Mapping[str, Any],
    output_html: str | Path,
) -> None:
    """Write the page.

    Args:
        analyses: one per policy, all on the same mission.
        frames: the episodes that each analysis describes.
        traces: the data for their figures; None if all episodes failed.
    """
    rows = [
        {
            "policy": analysis.policy,
            "mean": analysis.mean_reward,
            "interval_low": analysis.reward_interval[0] if analysis.reward_interval else None,
            "interval_high": analysis.reward_interval[1] if analysis.reward_interval else None,
        }
        for analysis in analyses
        if analysis.mean_reward is not None or analysis.failed
    ]
    rewards = _by_policy(analyses, frames, "mean_reward")
    lengths = _by_policy(analyses, frames, "length")
    colours = {analysis.policy: index for index, analysis in enumerate(analyses)}
    metadata = analyses[0].metadata
    name = metadata.name
    ends_differ = len({length for values in lengths.values() for length in values}) > 1
    pictures = _pictures(traces)
    page = {
        "title": f"Mission {name}",
        "metadata": metadata,
        "analyses": analyses,
        "intervals": figures.interval_figure(rows, rewards, colours, f"Reward per agent on {name}") if rows else "",
        "distributions": figures.distribution_figure(rewards, colours, f"Rewards on {name}") if rewards else "",
        "lengths": figures.distribution_figure(lengths, colours, f"Steps per episode on {name}") if ends_differ else "",
        "pictures": pictures,
        "failed": [
            (analysis, f"has no result: all {analysis.num_episodes} episodes failed, the first with")
            for analysis in analyses
            if analysis.failed
        ],
        "provenance": {key: value for key, value in provenance_record.items() if key != "episodes"},
        "style": "".join(
            [figures.STYLE, maps.STYLE, animation.STYLE, *(picture["style"] for picture in pictures if picture)]
        ),
        "light": figures.palette_css(figures.LIGHT) + maps.LIGHT_CSS,
        "dark": figures.palette_css(figures.DARK) + maps.DARK_CSS,
    }
    write_text(output_html, template("mission.html.j2").render(page))


def _by_policy(
    analyses: Sequence[MissionAnalysis], frames: Sequence[pd.DataFrame], column: str
) -> dict[str, list[float]]:
    """A column's values over episodes with a result, by policy; policies without any are omitted."""
    by_policy = {
        analysis.policy: [float(value) for value in frame.loc[frame["failure"].isna(), column]]
        for analysis, frame in zip(analyses, frames, strict=True)
    }
    return {policy: values for policy, values in by_policy.items() if values}


def _pictures(traces: Sequence[PolicyTraces | None]) -> list[dict[str, Any] | None]:
    """Heat map and animation of every policy, on one colour scale."""
    counts = [None if traced is None else maps.visit_counts(traced.heat_map) for traced in traces]
    most = max((int(visits.max()) for visits in counts if visits is not None), default=1)
    types = maps.object_types(traced.animated for traced in traces if traced is not None)
    return [
        None if traced is None else _picture(traced, visits, most, types, f"e{index}")
        for index, (traced, visits) in enumerate(zip(traces, counts, strict=True))
    ]


def _picture(traced: PolicyTraces, visits: Any, most: int, types: Sequence[str], name: str) -> dict[str, Any]:
    trace, policy = traced.animated, traced.policy
    window = maps.map_window(traced.heat_map)
    ground, objects = maps.ground(trace, window, types, f"{name}-map")
    steps, agents = len(trace.positions) - 1, trace.positions.shape[1]
    row, column = divmod(int(visits.argmax()), visits.shape[1])
    players = traced.agent_policies or [f"agent {agent}" for agent in range(agents)]
    heat, colours = maps.heat_map(
        visits,
        maps.heat_bounds(most),
        most,
        window,
        ground,
        f"Map of where {policy} went: {int((visits > 0).sum())} cells, longest on row {row}, column {column}",
    )
    start_to_end = f"from 0 to {number(traced.mean_reward)} per agent in {steps} steps"
    return {
        "name": name,
        "traced": traced,
        "window": window,
        "map_rows": trace.walls.shape[0],
        "map_columns": trace.walls.shape[1],
        "wide": window.columns > maps.LARGE_SIDE,
        "objects": objects,
        "agents": animation.agent_keys(players),
        "colours": colours,
        "heat": heat,
        "visited": int((visits > 0).sum()),
        "free": maps.free_cells(trace),
        "film": animation.film(trace, window, name, f"{name}-map", f"Animation of an episode of {policy}"),
        "chart": animation.reward_chart(trace, name, f"Reward of {policy} so far, {start_to_end}"),
        "steps": steps,
        "steps_per_frame": animation.steps_per_frame(steps),
        "seconds": animation.seconds(steps),
        "style": animation.episode_style(trace, name),
    }
