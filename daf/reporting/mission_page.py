"""The page of a mission: which policy does better, episodes to watch, where agents went, and failure modes."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daf.charts import interactive
from daf.config import Replay
from daf.config.recipes import MissionRecipe
from daf.episodes.table import read_episodes, read_provenance
from daf.evaluation.answer import display_names, find_answer
from daf.evaluation.mission import MissionAnalysis, analyze_episodes, mission_metadata, usage_in
from daf.evaluation.replays import pick_episode
from daf.evaluation.traces import PolicyTraces, trace_policies
from daf.reporting import animation, maps, player
from daf.reporting.facts import facts
from daf.reporting.mission_charts import Shown, mission_charts
from daf.reporting.page import FailureLine, template
from daf.reporting.templating import with_script_hashes
from daf.system.files import write_json, write_text
from daf.system.nouns import number_of
from daf.system.process_state import few_searches
from daf.system.provenance import provenance
from daf.system.user_code import code_in

if TYPE_CHECKING:
    import pandas as pd

    from daf.episodes.failure_modes import FailureMode


@dataclass(frozen=True, kw_only=True)
class PageSetting:
    """What a mission's page knows of its experiment.

    Attributes:
        series: all policies of the experiment, in order: they decide colours.
        replays: episodes that the experiment writes for `cogames replay`, of every policy.
        report: the mission's JSON, from the folder where the experiment ran; None: commands are not shown.
        episodes: tables by checkpoint, in a folder `evaluations/<checkpoint>/<mission>/` if the workflow wrote them.
        index: address of the experiment's page; empty: none.
    """

    series: Sequence[str] = ()
    replays: Sequence[Replay] = ()
    report: Path | None = None
    episodes: Mapping[str, Path] | None = None
    index: str = ""


def write_mission_report(
    recipe: MissionRecipe,
    episode_files: Sequence[str],
    *,
    json_path: str | Path,
    html_path: str | Path,
    series: Sequence[str] = (),
    replays: Sequence[Replay] = (),
    index: str = "",
) -> list[MissionAnalysis]:
    """Analyze every checkpoint's episodes on a mission; write the results as JSON and as a page.

    Args:
        series: all policies of the experiment, in order: they decide colours; default: those of the files.
        replays: episodes that the experiment writes for `cogames replay`, of every policy.
        index: address of the experiment's page; empty: none.

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
    files = {analysis.policy: Path(path) for analysis, path in zip(analyses, episode_files, strict=True)}
    report = {
        "mission": recipe.name,
        "recipe": recipe.to_dict(),
        "episodes": {label: os.path.relpath(path, Path(json_path).parent) for label, path in files.items()},
        "metadata": asdict(metadata),
        "answer": [finding.to_dict() for finding in find_answer(analyses, frames, display_names(frames))],
        "analyses": [analysis.to_dict() for analysis in analyses],
        "drawn": [traced.to_dict() for traced in traces if traced is not None],
        "provenance": provenance_record,
    }
    setting = PageSetting(series=series, replays=replays, report=Path(json_path), episodes=files, index=index)
    render_mission_page(analyses, frames, traces, provenance_record, html_path, setting)
    write_json(json_path, report)
    return analyses


@few_searches()
def render_mission_page(
    analyses: Sequence[MissionAnalysis],
    frames: Sequence[pd.DataFrame],
    traces: Sequence[PolicyTraces | None],
    provenance_record: Mapping[str, Any],
    output_html: str | Path,
    setting: PageSetting | None = None,
) -> None:
    """Write the page.

    Args:
        analyses: one per policy, all on the same mission.
        frames: the episodes that each analysis describes.
        traces: the data for their figures; None if all episodes failed.
    """
    setting = setting or PageSetting()
    names = display_names(frames)
    shown = [
        Shown(name=name, series=str(frame["policy"].iloc[0]), analysis=analysis, episodes=frame)
        for name, analysis, frame in zip(names, analyses, frames, strict=True)
    ]
    metadata = analyses[0].metadata
    series = tuple(dict.fromkeys([*setting.series, *(one.series for one in shown)]))
    findings = find_answer(analyses, frames, names)
    charts = mission_charts(shown, series, metadata.name)
    pictures = _pictures(traces, names)
    page = {
        "title": f"Mission {metadata.name}",
        "index": setting.index,
        "metadata": metadata,
        "findings": findings,
        "policies": [
            {"shown": one, "analysis": one.analysis, "picture": picture, "modes": _modes(one, setting, output_html)}
            for one, picture in zip(shown, pictures, strict=True)
        ],
        "charts": {name: interactive.figure_html(chart) for name, chart in charts.items()},
        "failures": [_failure_line(one) for one in shown if one.analysis.num_failed],
        "drawn": max((len(traced.episodes) for traced in traces if traced), default=0),
        "provenance": facts({key: value for key, value in provenance_record.items() if key != "episodes"}),
        "script": player.script(),
        "chart_scripts": interactive.scripts(),
        "policy": interactive.CONTENT_SECURITY_POLICY,
        "style": "".join(
            [interactive.STYLE, maps.STYLE, animation.STYLE, player.STYLE,
             *(picture["style"] for picture in pictures if picture)]
        ),
        "light": maps.LIGHT_CSS,
        "dark": maps.DARK_CSS,
    }  # fmt: skip
    write_text(output_html, with_script_hashes(template("mission.html.j2").render(page)))


def _failure_line(shown: Shown) -> FailureLine:
    analysis = shown.analysis
    return FailureLine(
        policy=shown.name,
        failed=analysis.num_failed,
        total=analysis.num_episodes,
        cause=analysis.first_failure or "",
        after="" if analysis.failed else "The numbers below are of the others.",
    )


# ---- failure modes --------------------------------------------------------------------------------------------------


def _modes(shown: Shown, setting: PageSetting, output_html: str | Path) -> list[dict[str, Any]]:
    """The failure modes of a policy, each with what shows an example: a replay that was written, or a command."""
    written = _written_replays(shown, setting, output_html)
    modes = []
    for mode in shown.analysis.failure_modes:
        seeds = [seed for seed in mode.example_seeds if seed in written]
        link = written[seeds[0]] if seeds else None
        modes.append({"mode": mode, "link": link, "command": None if link else _command(shown, mode, setting)})
    return modes


def _written_replays(shown: Shown, setting: PageSetting, output_html: str | Path) -> dict[int, tuple[str, str]]:
    """By environment seed, the replays that the experiment writes: what it is, and its path from the page."""
    table = (setting.episodes or {}).get(shown.analysis.policy)
    if table is None or shown.analysis.failed or len(table.parts) < 4 or table.parts[-4] != "evaluations":
        return {}
    folder = table.parents[3] / "replays" / table.parts[-3] / table.parts[-2]
    written: dict[int, tuple[str, str]] = {}
    for rank in setting.replays:
        seed = int(pick_episode(shown.episodes, rank)["env_seed"])
        path = os.path.relpath(folder / f"{rank}.json.z", Path(output_html).parent)
        written.setdefault(seed, (f"{rank} episode, seed {seed}", path))
    return written


def _command(shown: Shown, mode: FailureMode, setting: PageSetting) -> str | None:
    """A command, in the folder where the experiment ran, that writes an example's replay, or shows why it has none."""
    failed = shown.episodes.loc[shown.episodes["failure"].notna(), "env_seed"].tolist()
    table = (setting.episodes or {}).get(shown.analysis.policy)
    seed = mode.example_seeds[0]
    if seed in failed:
        if table is None or len(table.parts) < 4 or table.parts[-4] != "evaluations":
            return None
        logs = table.parents[3] / "logs" / Path(*table.parts[-4:-1])
        return f"cat {shlex.quote(str(logs))}/episodes-*.log"
    if setting.report is None:
        return None
    words = ["python", "-m", "daf.evaluation.replays", str(setting.report), shown.analysis.policy, str(seed)]
    return shlex.join(words)


# ---- pictures -------------------------------------------------------------------------------------------------------


def _pictures(traces: Sequence[PolicyTraces | None], names: Sequence[str]) -> list[dict[str, Any] | None]:
    """Heat map and episodes of every policy, on one colour scale."""
    counts = [None if traced is None else maps.visit_counts(traced.heat_map) for traced in traces]
    most = max((int(visits.max()) for visits in counts if visits is not None), default=1)
    drawn = (episode.trace for traced in traces if traced is not None for episode in traced.episodes)
    types = maps.object_types(drawn)
    return [
        None if traced is None else _picture(traced, visits, most, types, (f"e{index}", name))
        for index, (traced, visits, name) in enumerate(zip(traces, counts, names, strict=True))
    ]


def _picture(
    traced: PolicyTraces, visits: Any, most: int, types: Sequence[str], names: tuple[str, str]
) -> dict[str, Any]:
    """The pictures of one policy; `names` are its own on the page, and the one to show."""
    (name, policy), trace = names, traced.animated.trace
    window = maps.map_window(traced.heat_map)
    ground, objects = maps.ground(trace, window, types, f"{name}-map")
    row, column = divmod(int(visits.argmax()), visits.shape[1])
    agents = trace.positions.shape[1]
    heat, colours = maps.heat_map(
        visits,
        maps.heat_bounds(most),
        most,
        window,
        ground,
        f"Map of where {policy} went: {number_of(int((visits > 0).sum()), 'cell')}, longest on row {row}, column "
        f"{column}",
    )
    return {
        "name": name,
        "traced": traced,
        "window": window,
        "map_rows": trace.walls.shape[0],
        "map_columns": trace.walls.shape[1],
        "wide": window.columns > maps.LARGE_SIDE,
        "objects": objects,
        "agents": animation.agent_keys(traced.agent_policies or [f"agent {agent}" for agent in range(agents)]),
        "colours": colours,
        "heat": heat,
        "visited": int((visits > 0).sum()),
        "free": maps.free_cells(trace),
        "scenes": player.scenes(traced, name, types, window, policy),
        "style": animation.episode_style(trace, name),
    }
