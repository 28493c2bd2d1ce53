"""The charts of a mission's page: success, reward with its episodes, and how both spread."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from daf.charts.model import Axis, Chart, HistogramChart, IntervalChart
from daf.reporting.chart_rows import (
    Estimate,
    Row,
    estimate_row,
    failed_row,
    histogram,
    in_words,
    share_text,
    value_text,
    with_failure,
)
from daf.statistics.sentences import number

if TYPE_CHECKING:
    import pandas as pd

    from daf.evaluation.mission import MissionAnalysis

MOST_POINTS = 300  # episodes drawn per policy, evenly spaced


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One policy as the page shows it.

    Attributes:
        name: on the page.
        series: its policy, which gives it its colour.
    """

    name: str
    series: str
    analysis: MissionAnalysis
    episodes: pd.DataFrame

    def values(self, column: str) -> list[float]:
        """Of its episodes with a result."""
        played = self.episodes[self.episodes["failure"].isna()]
        return [float(value) for value in played[column].dropna()]


def mission_charts(policies: Sequence[Shown], series: Sequence[str], mission: str) -> dict[str, Chart]:
    """The charts that have something to show, by name.

    Args:
        series: all policies of the experiment, in order.
    """
    charts: dict[str, Chart] = {}
    if any(shown.analysis.success_rate is not None for shown in policies):
        charts["success"] = _success(policies, series, mission)
    if any(shown.analysis.mean_reward is not None for shown in policies):
        charts["reward"] = _reward(policies, series, mission)
    for name, column, title, unit in (
        ("rewards", "mean_reward", f"Rewards of the episodes on {mission}", "reward per agent and episode"),
        ("lengths", "length", f"Lengths of the episodes on {mission}", "steps per episode"),
    ):
        values = {shown.name: shown.values(column) for shown in policies}
        if len({value for own in values.values() for value in own}) > 1:
            charts[name] = _histogram(policies, series, values, name=name, title=title, unit=unit)
    return charts


# ---- intervals ------------------------------------------------------------------------------------------------------


def _success(policies: Sequence[Shown], series: Sequence[str], mission: str) -> IntervalChart:
    rows = _rows(policies, share_text, lambda analysis: (analysis.success_rate, analysis.success_interval))
    return IntervalChart(
        name="success",
        title=f"Success on {mission}",
        description=f"Success rate: {in_words(rows)}",
        series=series,
        rows=rows,
        x=Axis(title="successful episodes", is_share=True, bounds=(0.0, 1.0)),
        note="Share of episodes in which the success expression held, with 95 % Wilson interval.",
    )


def _reward(policies: Sequence[Shown], series: Sequence[str], mission: str) -> IntervalChart:
    rows = _rows(policies, value_text, lambda analysis: (analysis.mean_reward, analysis.reward_interval))
    points = [
        {"label": shown.name, "series": shown.series, "value": reward, "kind": "episode", "seed": seed}
        for shown in policies
        for seed, reward in _points(shown)
    ]
    return IntervalChart(
        name="reward",
        title=f"Reward on {mission}",
        description=f"Mean reward per agent: {in_words(rows)}",
        series=series,
        rows=rows,
        points=points,
        x=Axis(title="reward per agent and episode"),
        note="Mean over episodes of the mean over agents, with 95 % interval; small marks are single episodes.",
    )


def _points(shown: Shown) -> list[tuple[int, float]]:
    """(environment seed, reward) of episodes with a result."""
    played = shown.episodes[shown.episodes["failure"].isna() & shown.episodes["mean_reward"].notna()]
    played = played.iloc[:: max(1, -(-len(played) // MOST_POINTS))]
    return [(int(seed), float(reward)) for seed, reward in zip(played["env_seed"], played["mean_reward"], strict=True)]


def _rows(
    policies: Sequence[Shown],
    text: Callable[[Estimate], str],
    read: Callable[[MissionAnalysis], tuple[float | None, tuple[float, float] | None]],
) -> list[Row]:
    """A line per policy; one that failed says so, and one without a value is left out."""
    rows = []
    for shown in policies:
        value, interval = read(shown.analysis)
        estimate = value, *(interval or (None, None))
        if shown.analysis.failed:
            rows.append(failed_row(shown.name, shown.series))
        elif value is not None:
            rows.append(estimate_row(shown.name, shown.series, estimate, text(estimate)))
    return rows


# ---- histograms -----------------------------------------------------------------------------------------------------


def _histogram(
    policies: Sequence[Shown],
    series: Sequence[str],
    values: Mapping[str, Sequence[float]],
    *,
    name: str,
    title: str,
    unit: str,
) -> HistogramChart:
    """Shares of episodes in equal bins over the range of all policies."""
    rows, bounds = histogram(
        {
            with_failure(shown.name, failed=shown.analysis.failed): (shown.series, values[shown.name])
            for shown in policies
        }
    )
    described = [
        f"{name} from {number(min(own))} to {number(max(own))}" for name, own in values.items() if own
    ]  # fmt: skip
    return HistogramChart(
        name=name,
        title=title,
        description=f"{unit}: {'; '.join(described)}.",
        series=series,
        rows=rows,
        x=Axis(title=unit, bounds=bounds),
        note="Height: share of the policy's episodes.",
    )
