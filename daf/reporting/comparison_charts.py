"""The charts of a comparison, all in one order and with one interval for each quantity."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from math import isfinite

import numpy as np

from daf.charts.model import Axis, Chart, HistogramChart, IntervalChart, LineChart, RankChart
from daf.reporting.chart_rows import (
    FEWER,
    UNKNOWN,
    Estimate,
    Row,
    estimate_row,
    failed_row,
    histogram,
    in_words,
    record_rows,
    share_text,
    text_over,
    value_text,
    with_failure,
)
from daf.reporting.page import VERDICT_WORDS, shortened, slug
from daf.reporting.score_points import ScorePoints
from daf.reporting.viewpoint import Viewpoint
from daf.statistics import sentences
from daf.statistics.records import (
    OVERALL,
    AggregateRecord,
    Estimand,
    PairRecord,
    RankRecord,
    SummaryRecord,
    estimate_of,
)
from daf.statistics.results import HEADINGS
from daf.statistics.sentences import MINUS, number, number_within, percent, span
from daf.system.nouns import number_of

UNITS: Mapping[Estimand, str] = {"checkpoints": "episodes", "recipes": "training seeds"}
STATISTICS: Mapping[str, str] = {  # the mean has its own chart
    "iqm": "Interquartile mean",
    "median": "Median of the missions' means",
    "optimality_gap": "Optimality gap (lower is better)",
}
MOST_LINES = 30  # policies in a performance profile
MOST_DRAWN = 1_500  # policies by missions; with more, only figures over all missions are drawn
MEAN_IS_MEDIAN = 2  # missions up to which the median of their means is the mean, which has its own chart
ROUNDING = 1e-12


class Charts:
    """Builds the charts of a comparison; `series` are the names that share its colours, by default its policies."""

    def __init__(self, view: Viewpoint, series: Sequence[str] = ()) -> None:
        self._view, self._results = view, view.results
        self._series = tuple(series or view.results.policies)
        self._level = f"{100 * view.results.config.confidence_level:.4g} %"
        self._unit = view.results.unit
        self._points = ScorePoints(view.results)

    # ---- the answer -----------------------------------------------------------------------------------------

    def against(self, mission: str | None = None) -> IntervalChart | None:
        """Every policy with the difference from it and the verdict on the view's policy."""
        place, policy = mission or self._view.place, self._view.policy
        records = self._view.against(place)
        rows = [row for other in self._view.order if (row := self._against_row(other, records.get(other), place))]
        if not records or not any(row.get("value") is not None for row in rows):
            return None
        margin, name = self._results.config.equivalence_margin, shortened(policy)
        primary = self._results.config.primary
        chance = primary == "probability_of_improvement"
        quantity = f"probability that {name} scores higher" if chance else f"{name} {MINUS} other policy"
        unit = "" if chance else f"{', by IQM' if primary == 'iqm' else ''} ({self._unit})"
        band = None if margin is None or primary != "mean" else (-margin, margin)
        others = [other for other in self._view.order if other != policy]
        rival = shortened(others[0], 48) if len(others) == 1 else "each other policy"
        return IntervalChart(
            name=f"differences-{slug(place)}",
            title=f"{shortened(policy, 48)} against {rival}{self._view.where(place, records.values())}",
            description=in_words(rows),
            series=self._series,
            rows=rows,
            note=self._note_on_differences(band) + self._on_fewer(rows, records.values()),
            x=Axis(title=f"{quantity}{unit}", is_share=chance),
            reference=0.5 if chance else 0.0,
            band=band,
        )

    def _against_row(self, other: str, record: PairRecord | None, place: str) -> Row | None:
        summary = self._view.summary(other, place)
        if summary is not None and summary.failed:
            return failed_row(other, other)
        if other == self._view.policy and summary is not None:
            text = f"this policy: mean {number(summary.mean)}"
            return estimate_row(other, other, UNKNOWN, self._with_missions(text, of=summary))
        if record is None:
            return None
        estimate = estimate_of(record)
        known, status, label = value_text(estimate), VERDICT_WORDS[record.verdict], other
        if record.estimand != self._view.estimand:
            label = f"{other} ({'recipes' if record.estimand == 'recipes' else 'these checkpoints'})"
        said = f"{shortened(self._view.policy, 16)} {status}" if status in ("better", "worse") else status
        texts = [f"{said} · {known}", f"{status} · {known}", f"{status} · {number_within(*estimate)}"]
        text = self._with_missions(*texts, of=record) if isfinite(estimate[0]) else said
        return estimate_row(label, other, estimate, text, status)

    def _note_on_differences(self, band: tuple[float, float] | None) -> str:
        policy = shortened(self._view.policy)
        margin = "" if band is None else f" The shaded band is the declared margin of ±{number(band[1])}."
        more = len(self._view.order) > 2
        alone = ", not adjusted for the number of pairs; verdicts are" if more else ""
        chance = self._results.config.primary == "probability_of_improvement" and not self._view.is_about_recipes
        if chance and self._view.averaged:
            margin += f" Each episode is {self._view.averaged}."
        return (
            f"Verdicts are about {policy}; marks on the right of the line are in its favour. Bars: {self._level} "
            f"intervals{alone}.{margin}"
        )

    def improvement(self) -> IntervalChart | None:
        """The probability that the view's policy scores higher than each other one."""
        rows = [row for other in self._view.order if (row := self._improvement_row(other))]
        is_known = any(row["value"] is not None for row in rows)
        if not is_known or self._results.config.primary == "probability_of_improvement":
            return None
        name = shortened(self._view.policy)
        averaged = f", {self._view.averaged}" if self._view.averaged else ""
        unit = "training run of each" if self._view.is_about_recipes else f"episode{averaged}"
        return IntervalChart(
            name="improvement",
            title=f"How often {name} scores higher{self._view.where(self._view.place, self._view.against().values())}",
            description="; ".join(f"than {row['label']}: {row['text']}" for row in rows) + ".",
            series=self._series,
            rows=rows,
            note=f"Probability that {name} scores higher than the other policy in a random {unit}; ties count half. "
            f"Bars: {self._level} intervals.",
            x=Axis(title="probability of improvement", is_share=True, bounds=(0.0, 1.0)),
            reference=0.5,
        )

    def _improvement_row(self, other: str) -> Row | None:
        record, summary = self._view.against().get(other), self._view.summary(other)
        if summary is not None and summary.failed and other != self._view.policy:
            return failed_row(other, other)
        if record is None or not isfinite(record.p_improvement):
            return None
        estimate = record.p_improvement, record.p_improvement_low, record.p_improvement_high
        return estimate_row(other, other, estimate, self._with_missions(share_text(estimate), of=record))

    # ---- means and distributions ------------------------------------------------------------------------------

    def means(self, mission: str | None = None) -> IntervalChart:
        """The mean of every policy, with single episodes, or training seeds, as points."""
        place = mission or self._view.place
        found = ((policy, self._view.summary(policy, place)) for policy in self._view.order)
        records = {policy: record for policy, record in found if record is not None}
        rows = self._mean_rows(records)
        of_recipes = self._view.estimand == "recipes"
        over = "over training seeds" if of_recipes else "of these checkpoints"
        bars = f"Bars: {self._level} intervals of the mean {over}."
        points = list(self._points.on(place))
        kinds = dict.fromkeys(point["kind"] for point in points)
        drawn = {"episode": "Dots: single episodes.", "training seed": "Rings: means of training seeds."}
        return IntervalChart(
            name=f"intervals-{slug(place)}",
            title=f"Mean of each policy{self._view.where(place, records.values())}",
            description=in_words(rows),
            series=self._series,
            rows=rows,
            points=points,
            note=" ".join([bars, *(drawn[kind] for kind in kinds)]) + self._on_fewer(rows, records.values()),
            x=Axis(title=f"mean ({self._unit})"),
        )

    def on_missions(self) -> IntervalChart:
        """The mean of the view's policy on each mission, for a comparison without another policy."""
        policy = self._view.policy
        found = ((mission, self._view.summary(policy, mission)) for mission in self._results.missions)
        rows = self._mean_rows({mission: record for mission, record in found if record is not None})
        rows = [row | {"series": policy} for row in rows]
        return IntervalChart(
            name="intervals-missions",
            title=f"Mean of {shortened(policy, 48)} on each mission",
            description=in_words(rows),
            series=self._series,
            rows=rows,
            note=f"Bars: {self._level} intervals of the mean.",
            x=Axis(title=f"mean ({self._unit})"),
        )

    def _mean_rows(self, records: Mapping[str, SummaryRecord]) -> list[Row]:
        def read(record: SummaryRecord) -> tuple[Estimate, str]:
            estimate = record.mean, *self._view.interval(record)
            return estimate, self._with_missions(value_text(estimate), number_within(*estimate), of=record)

        return record_rows(records, [name for name, record in records.items() if record.failed], read)

    def _overall_rows[Record](
        self, records: Mapping[str, Record], read: Callable[[Record], tuple[Estimate, str]]
    ) -> list[Row]:
        """The records of policies over all missions, in the order of the page."""
        ordered = {policy: records[policy] for policy in self._view.order if policy in records}
        return record_rows(ordered, self._view.failed, read)

    def has_scores(self, mission: str) -> bool:
        """Whether there is a distribution to draw."""
        return any(self._points.episodes.get(mission, {}).values())

    def distribution(self, mission: str) -> HistogramChart | None:
        """Histograms of single episodes on a mission."""
        scores = {policy: values for policy, values in self._points.episodes.get(mission, {}).items() if values}
        if not scores:
            return None
        lost = {policy for policy in self._view.order if (own := self._view.summary(policy, mission)) and own.failed}
        members = {with_failure(name, failed=name in lost): (name, scores.get(name, ())) for name in self._view.order}
        rows, bounds = histogram(members)
        middles = [
            f"{policy}: {span(*np.quantile(scores[policy], (0.25, 0.75)))}"
            for policy in self._view.order if policy in scores
        ]  # fmt: skip
        return HistogramChart(
            name=f"distributions-{slug(mission)}",
            title=f"Scores of single episodes, {mission}",
            description=f"The middle half of the episodes of {'; '.join(middles)}.",
            series=self._series,
            rows=rows,
            note="Heights are shares of a policy's episodes.",
            x=Axis(title=f"score of an episode ({self._unit})", bounds=bounds),
        )

    # ---- over missions -----------------------------------------------------------------------------------------

    def over_missions(self, estimand: Estimand) -> list[Chart]:
        """Aggregates, performance profile and ranks of one question."""
        records = [record for record in self._results.aggregate_records if record.estimand == estimand]
        charts: list[Chart] = [
            chart for statistic in STATISTICS if (chart := self._aggregate(estimand, statistic, records))
        ]
        charts += [chart for chart in (self._profile(estimand), self._ranks(estimand)) if chart]
        if estimand == "checkpoints" and self._results.friedman:
            charts.append(self._critical_difference())
        return charts

    def _aggregate(
        self, estimand: Estimand, statistic: str, records: Sequence[AggregateRecord]
    ) -> IntervalChart | None:
        own = {record.policy: record for record in records if record.statistic == statistic}
        if statistic == "median" and all(record.n_missions <= MEAN_IS_MEDIAN for record in own.values()):
            return None
        rows = self._overall_rows(own, _aggregate_estimate)
        drawn = [record for record in own.values() if isfinite(record.value) and isfinite(record.interval_low)]
        methods = dict.fromkeys(record.interval_method for record in drawn)
        if not any(row["value"] is not None for row in rows):
            return None
        how = f"Bars: {self._level} intervals over {UNITS[estimand]}{self._over} ({'; '.join(methods)})."
        return IntervalChart(
            name=f"{statistic}-{estimand}",
            title=", ".join(filter(None, (STATISTICS[statistic], self._view.where_shared(estimand)))),
            description=in_words(rows),
            series=self._series,
            rows=rows,
            note=how if methods else "No intervals: there are too few units.",
            x=Axis(title=f"{STATISTICS[statistic].split(' (')[0].lower()} ({self._unit})"),
        )

    @property
    def _over(self) -> str:
        return ", missions resampled too" if self._results.config.resample_missions else ""

    def _profile(self, estimand: Estimand) -> LineChart | None:
        shown, left_out = self._shown_in_profiles()
        records = [r for r in self._results.profile_records if r.estimand == estimand and r.policy in shown]
        if len({record.threshold for record in records}) < 2:
            return None
        banded = any(isfinite(record.interval_low) for record in records)
        rows = [
            {"line": record.policy, "series": record.policy, "x": record.threshold}
            | {"y": record.share, "low": _known(record.interval_low), "high": _known(record.interval_high)}
            for record in records
        ]
        averaged = f", each {self._view.averaged}," if estimand == "checkpoints" and self._view.averaged else ""
        bands = (
            f" Bands: {self._level} pointwise percentile-bootstrap intervals over {UNITS[estimand]}{self._over}."
            if banded
            else ""
        )
        return LineChart(
            name=f"profile-{estimand}",
            title=", ".join(filter(None, ("Performance profile", self._view.where_shared(estimand)))),
            description=f"Share of {UNITS[estimand]}{averaged} above each score, for "
            f"{number_of(len({r['line'] for r in rows}), 'policy')}.",
            series=self._series,
            rows=rows,
            note=f"Share of {UNITS[estimand]}{averaged} that score above the value on the axis; all missions have the "
            f"same weight. A policy whose line is higher everywhere is better.{bands}{left_out}",
            x=Axis(title=f"score ({self._unit})"),
            y=Axis(title=f"share of {UNITS[estimand]} above", is_share=True, bounds=(0.0, 1.0)),
        )

    def _shown_in_profiles(self) -> tuple[Collection[str], str]:
        """The policies whose lines a reader can distinguish, and what a note says of the others."""
        order, policy = self._view.order, self._view.policy
        if len(order) <= MOST_LINES:
            return order, ""
        best = order[: MOST_LINES - 1]
        return {
            *best,
            policy,
        }, f" Drawn: the {len(best)} of {len(order)} policies with the highest means, and {policy}."

    def _ranks(self, estimand: Estimand) -> IntervalChart | None:
        own = {
            record.policy: record for record in self._results.rank_records
            if record.estimand == estimand and record.mission == OVERALL
        }  # fmt: skip
        rows = self._overall_rows(own, _rank)
        if not any(row["value"] is not None for row in rows):
            return None
        return IntervalChart(
            name=f"ranks-{estimand}",
            title=f"Mean rank {self._view.where_shared(estimand) or 'over missions'} (1 is best)",
            description=in_words(rows),
            series=self._series,
            rows=rows,
            note=f"Bars: {self._level} intervals; “first”: the share of resamples of {UNITS[estimand]} in which the "
            f"policy ranks first. With fewer than five {UNITS[estimand]}, both are unknown.",
            x=Axis(title="mean rank"),
        )

    def _critical_difference(self) -> RankChart:
        friedman = self._results.friedman or {}
        ranks = {
            record.policy: record.mean_rank for record in self._results.rank_records
            if record.estimand == "checkpoints" and record.mission == OVERALL and isfinite(record.mean_rank)
        }  # fmt: skip
        rows: list[Row] = [{"series": name, "value": ranks[name]} for name in self._view.order if name in ranks]
        p, difference = friedman["p"], friedman["critical_difference"]
        return RankChart(
            name="critical-difference-checkpoints",
            title="Which mean ranks differ",
            description="; ".join(f"{row['series']}: {number(row['value'])}" for row in rows) + ".",
            series=self._series,
            rows=rows,
            note="Bars join policies whose mean ranks differ by less than the critical difference "
            f"{number(difference)} (Nemenyi). Friedman's test over {friedman['missions']} missions: p "
            f"{'< 0.001' if p < 0.001 else f'= {p:.2g}'}.",
            critical_difference=difference,
        )

    def _with_missions(self, *texts: str, of: SummaryRecord | PairRecord) -> str:
        """The first text that fits beside a mark, with the missions behind it if they are not all."""
        return text_over(texts, self._view.over_fewer(of))

    def _on_fewer(self, rows: Sequence[Row], records: Iterable[SummaryRecord | PairRecord]) -> str:
        """What a note says of rows that end in `*`."""
        counts = [record.n_missions for record in records if self._view.over_fewer(record)]
        marked = any(row["text"].endswith(FEWER) for row in rows)
        return f" {FEWER} {sentences.over(counts, len(self._results.missions)).capitalize()}." if marked else ""

    @property
    def has_missions(self) -> bool:
        """Whether single missions have figures."""
        return len(self._results.missions) * len(self._results.policies) <= MOST_DRAWN

    def files(self) -> Iterator[Chart]:
        """Every chart, for the folder of figures; without those of single missions if they are too many."""
        missions = self._results.missions
        for place in ([OVERALL, *missions] if self.has_missions else [OVERALL]) if len(missions) > 1 else missions:
            charts = (self.means(place), self.against(place), None if place == OVERALL else self.distribution(place))
            yield from (chart for chart in charts if chart is not None)
        if improvement := self.improvement():
            yield improvement
        for estimand in HEADINGS if len(missions) > 1 else ():
            yield from self.over_missions(estimand)


def _aggregate_estimate(record: AggregateRecord) -> tuple[Estimate, str]:
    estimate = _without_rounding(record), record.interval_low, record.interval_high
    return estimate, value_text(estimate)


def _rank(record: RankRecord) -> tuple[Estimate, str]:
    first = f" · first in {percent(record.p_first)}" if isfinite(record.p_first) else ", no interval"
    return (record.mean_rank, record.rank_low, record.rank_high), f"{number(record.mean_rank)}{first}"


def _without_rounding(record: AggregateRecord) -> float:
    """Its value; 0 if it is a rounding error beside its interval, as that of the policy that sets 0 may be."""
    return 0.0 if abs(record.value) < ROUNDING * (record.interval_high - record.interval_low) else record.value


def _known(value: float) -> float | None:
    return value if isfinite(value) else None
