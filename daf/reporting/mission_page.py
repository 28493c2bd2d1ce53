"""The page of a mission: how every policy fares on it, and how episodes went wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daf.files import write_text
from daf.reporting import figures
from daf.reporting.html import template

if TYPE_CHECKING:
    import pandas as pd

    from daf.mission_analysis import MissionAnalysis


def render_mission_page(
    analyses: Sequence[MissionAnalysis],
    frames: Sequence[pd.DataFrame],
    provenance: Mapping[str, Any],
    output_html: str | Path,
) -> None:
    """Write the page.

    Args:
        analyses: one per policy, all of one mission.
        frames: the episodes that each analysis describes.
    """
    rows = [
        {
            "policy": analysis.policy,
            "mean": analysis.mean_reward,
            "interval_low": analysis.reward_interval[0] if analysis.reward_interval else None,
            "interval_high": analysis.reward_interval[1] if analysis.reward_interval else None,
        }
        for analysis in analyses
        if analysis.mean_reward is not None
    ]
    rewards = {
        analysis.policy: frame["mean_reward"].dropna().tolist()
        for analysis, frame in zip(analyses, frames, strict=True)
    }
    colours = {analysis.policy: index for index, analysis in enumerate(analyses)}
    metadata = analyses[0].metadata
    figure = figures.interval_figure(rows, rewards, colours, f"Reward per agent on {metadata.name}") if rows else ""
    page = {
        "title": f"Mission {metadata.name}",
        "metadata": metadata,
        "analyses": analyses,
        "figure": figure,
        "provenance": {key: value for key, value in provenance.items() if key != "episodes"},
        "style": figures.STYLE,
        "light": figures.palette_css(figures.LIGHT),
        "dark": figures.palette_css(figures.DARK),
    }
    write_text(output_html, template("mission.html.j2").render(page))
