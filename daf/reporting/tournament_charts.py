"""The charts of a tournament, all in one order: candidates by value, the highest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite
from typing import Any

from daf.charts.model import Axis, Chart, IntervalChart, LineChart, MatrixChart
from daf.reporting.chart_rows import NO_RESULT, UNKNOWN, Row, estimate_row, failed_row, in_words, value_text
from daf.reporting.page import VERDICT_WORDS, shortened, slug
from daf.reporting.tournament_tables import Cell, matrix
from daf.statistics.records import OVERALL
from daf.statistics.sentences import MINUS, mirrored, number, span
from daf.tournament.answers import against_pool, in_order, missions_of, ranks, value_of
from daf.tournament.coverage import has_failed, known_missions, over_missions, shortfall
from daf.tournament.estimates import ValueRecord
from daf.tournament.rankings import RankingRecord
from daf.tournament.results import TournamentResults

MOST_BANDS = 3  # of means, which overlap
MOST_LINES = 12  # candidates whose lines a reader can distinguish


class TournamentCharts:
    """Builds the charts of a tournament; `series` are the names that share its colours, by default its candidates."""

    def __init__(self, results: TournamentResults, series: Sequence[str] = ()) -> None:
        self._results = results
        self._series = tuple(dict.fromkeys([*series, *results.policies, *results.config.pool]))
        self._order = in_order(results)
        self._level = f"{100 * results.config.confidence_level:.4g} %"
        self._unit = results.unit
        self._on_same_maps = " on the same maps" if results.same_maps else ""

    def lead(self, mission: str | None = None) -> Chart | None:
        """The chart of the answer: values over replacement or, without a pool, differences from the first candidate."""
        return self.over_pool(mission) or self.against_first(mission) or self.means(mission)

    def over_pool(self, mission: str | None = None) -> IntervalChart | None:
        """The value of every candidate over teams from the pool alone, with the verdict."""
        place = mission or self._results.place
        records = against_pool(self._results, mission=mission)
        rows = []
        for policy in self._order:
            own, record = value_of(self._results, policy, mission=place), records.get(policy)
            if own is None or not isfinite(own.over_replacement):
                if own is None:
                    rows.append(self._row_without_value(policy, place))
                continue
            estimate = own.over_replacement, own.over_low, own.over_high
            status = "" if record is None else VERDICT_WORDS[record.verdict]
            text = f"{status} · {value_text(estimate)}" if status else value_text(estimate)
            rows.append(estimate_row(policy, policy, estimate, text, status))
        margin = self._results.config.equivalence_margin
        adjusted = ", not adjusted for the number of candidates; verdicts are" if len(rows) > 1 else ""
        band = f" The shaded band is the declared margin of ±{number(margin)}." if margin else ""
        return self._intervals(
            rows,
            name=f"over-replacement-{slug(place)}",
            title=f"Value over replacement{self._where(place)}",
            note=f"Mean of a candidate's agents, less that of teams from the pool alone{self._on_same_maps}. Bars: "
            f"{self._level} intervals over maps{adjusted}.{band}",
            x=Axis(title=f"candidate {MINUS} pool ({self._unit})"),
            reference=0.0,
            band=None if margin is None else (-margin, margin),
        )

    def against_first(self, mission: str | None = None) -> IntervalChart | None:
        """Every candidate's difference from the one with the highest value, with the verdict."""
        place, found, first = mission or self._results.place, self._results.candidates, self._order[0]
        records = [] if found is None else found.headline_records(overall_only=place == OVERALL, policy=first)
        seen = {
            record.policy_a: record
            for record in (one if one.policy_b == first else mirrored(one) for one in records)
            if record.mission == place
        }
        own = value_of(self._results, first, mission=place)
        rows: list[Row] = []
        for policy in self._order:
            if policy == first:
                mean = "" if own is None else f": mean {number(own.mean)}"
                rows.append(estimate_row(policy, policy, UNKNOWN, f"highest value{mean}"))
            elif (record := seen.get(policy)) is not None:
                estimate = record.difference, record.interval_low, record.interval_high
                status = VERDICT_WORDS[record.verdict]
                rows.append(estimate_row(policy, policy, estimate, f"{status} · {value_text(estimate)}", status))
        adjusted = ", not adjusted for the number of pairs; verdicts are" if len(rows) > 2 else ""
        return self._intervals(
            rows,
            name=f"against-first-{slug(place)}",
            title=f"Value less that of {shortened(first, 48)}{self._where(place)}",
            note=f"Differences of values{self._on_same_maps}. Bars: {self._level} intervals over maps{adjusted}.",
            x=Axis(title=f"candidate {MINUS} {shortened(first)} ({self._unit})"),
            reference=0.0,
        )

    def means(self, mission: str | None = None) -> IntervalChart | None:
        """The mean of every candidate's agents."""
        place = mission or self._results.place
        rows = []
        for policy in self._order:
            own = value_of(self._results, policy, mission=place)
            if own is None:
                rows.append(self._row_without_value(policy, place))
            else:
                estimate = own.mean, own.low, own.high
                rows.append(estimate_row(policy, policy, estimate, value_text(estimate)))
        return self._intervals(
            rows,
            name=f"values-{slug(place)}",
            title=f"Value of each candidate{self._where(place)}",
            note=f"Mean of a candidate's agents over all numbers of seats. Bars: {self._level} intervals over maps."
            + " All candidates play the same maps, so differences between them are known better than these means."
            * self._results.same_maps,
            x=Axis(title=f"mean ({self._unit})"),
        )

    def rank_sets(self) -> IntervalChart | None:
        """The ranks by value that the data do not exclude."""
        places = ranks(self._results)
        rows = [
            estimate_row(policy, policy, (own.rank, own.rank_low, own.rank_high), _set_text(own))
            for policy in self._order
            if (own := places.get(policy))
        ]
        if len(rows) < 2:
            return None
        return self._intervals(
            rows,
            name="rank-sets",
            title=f"Ranks by value{self._where(self._results.place)}",
            note=f"Bars: the ranks that the data do not exclude, at {self._level} for all candidates at once.",
            x=Axis(title="rank (1 is best)", is_whole=True, bounds=(0.5, len(rows) + 0.5)),
        )

    def by_seats(self, mission: str) -> LineChart | None:
        """Every candidate by its number of seats: its value over replacement, or its mean without a pool."""
        shown = self._order[:MOST_LINES]
        records = [
            record for record in self._results.values
            if record.policy in shown and record.mission == mission and record.estimand == "checkpoints"
            and record.seats is not None and isfinite(record.mean)
        ]  # fmt: skip
        if len({record.seats for record in records}) < 2:
            return None
        records.sort(key=lambda record: (shown.index(record.policy), record.seats or 0))
        over = all(isfinite(record.over_replacement) for record in records)
        rows: list[Row] = [
            {"line": record.policy, "series": record.policy, "x": record.seats, **_point(record, over=over)}
            for record in records
        ]
        banded = over or len({row["line"] for row in rows}) <= MOST_BANDS
        if not banded:  # they show how maps differ, which all candidates share, and hide one another
            rows = [row | {"low": None, "high": None} for row in rows]
        bands = f"Bands: {self._level} intervals over maps, for each number of seats alone."
        said = "; ".join(f"{row['line']} with {row['x']}: {number(row['y'])}" for row in rows)
        more = f" Drawn: the first {MOST_LINES} of {len(self._order)}." if len(self._order) > MOST_LINES else ""
        less = ", less that of teams from the pool alone" if over else ""
        counts = sorted({record.seats or 0 for record in records})
        return LineChart(
            name=f"seats-{slug(mission)}",
            title=f"{'Value over replacement' if over else 'Value'} by number of seats{self._where(mission)}",
            description=f"{said}.",
            series=self._series,
            rows=rows,
            note=f"Mean of the candidate's agents when it has this number of seats{less}. "
            f"{bands if banded else 'All numbers below have intervals.'}{more}",
            x=Axis(title="seats of the candidate", is_whole=True, bounds=(counts[0], counts[-1])),
            y=Axis(title=f"candidate {MINUS} pool ({self._unit})" if over else f"mean ({self._unit})"),
        )

    def contributions(self, mission: str | None = None) -> IntervalChart | None:
        """What every candidate's agent adds to its team."""
        place = mission or self._results.place
        own = {
            record.policy: record for record in self._results.contributions
            if (record.estimand, record.mission, record.seat) == ("checkpoints", place, None)
        }  # fmt: skip
        rows, reference = [], "average"
        for policy in self._order:
            record = own.get(policy)
            if record is None:
                continue
            reference = record.reference
            estimate = record.value, record.low, record.high
            known = isfinite(record.value)
            text = value_text(estimate) if known else record.method.removeprefix("insufficient data: ")
            rows.append(estimate_row(policy, policy, estimate if known else UNKNOWN, text))
        other = "an agent of the pool" if reference == "pool" else "an average candidate"
        return self._intervals(
            rows,
            name=f"contributions-{slug(place)}",
            title=f"Contribution to the team{self._where(place)}",
            note=f"What one agent of the candidate adds to the team's mean reward, compared with {other} in the same "
            f"seat: least squares on who plays where, paired by map. Bars: {self._level} intervals over maps.",
            x=Axis(title=f"contribution ({self._unit} of the team)"),
            reference=0.0,
        )

    def cross_play(self, mission: str | None = None) -> MatrixChart | None:
        """The cross-play matrix."""
        place = mission or self._results.place
        found = matrix(self._results, place)
        if found is None:
            return None
        rows: list[Row] = [
            _matrix_row(row["policy"], column, cell)
            for row in found["rows"]
            for column, cell in zip(found["columns"], row["cells"], strict=True)
            if cell is not None
        ]
        return MatrixChart(
            name=f"cross-play-{slug(place)}",
            title=f"Cross-play{self._where(place)}",
            description="; ".join(f"{row['row']} beside {row['column']}: {row['text']}" for row in rows) + ".",
            series=self._series,
            rows=rows,
            note=f"Mean of the row's agents ({self._unit}) beside the column's policy, with {self._level} intervals "
            "over maps; on the diagonal, in all seats.",
            row_names=[row["policy"] for row in found["rows"]],
            column_names=found["columns"],
            x=Axis(title="partner"),
        )

    def files(self) -> Iterator[Chart]:
        """Every chart, for the folder of figures."""
        for place in missions_of(self._results):
            mission = None if place == self._results.place else place
            drawn = (
                self.over_pool(mission) or self.against_first(mission), self.means(mission), self.cross_play(place),
                self.contributions(mission),
            )  # fmt: skip
            yield from (chart for chart in drawn if chart is not None)
            if place != OVERALL and (chart := self.by_seats(place)) is not None:
                yield chart
        if (ranked := self.rank_sets()) is not None:
            yield ranked

    def _intervals(self, rows: Sequence[Row], **options: Any) -> IntervalChart | None:
        """A chart of candidates; None if none of them has a value."""
        if not any(row["value"] is not None for row in rows):
            return None
        return IntervalChart(description=in_words(rows), series=self._series, rows=rows, **options)

    def _row_without_value(self, policy: str, place: str) -> Row:
        lack = shortfall(self._results, policy) if place == OVERALL else ""
        if not lack and has_failed(self._results, place):
            return failed_row(policy, policy)
        return estimate_row(policy, policy, UNKNOWN, lack or NO_RESULT)

    def _where(self, place: str) -> str:
        if place != OVERALL:
            return f", {place}"
        return f", {over_missions(self._results, [len(known_missions(self._results.values))])}"


def _set_text(record: RankingRecord) -> str:
    low, high = record.rank_low, record.rank_high
    return f"{low}" if low == high else f"{low} to {high}"


def _matrix_row(policy: str, partner: str, cell: Cell) -> Row:
    bounds = span(cell.low, cell.high) if isfinite(cell.low) else "no interval"
    return {"row": policy, "column": partner, "value": _known(cell.value), "text": number(cell.value), "detail": bounds}


def _point(record: ValueRecord, *, over: bool) -> Row:
    """A candidate's place on the vertical axis, with its band."""
    found = (record.over_replacement, record.over_low, record.over_high) if over else (
        record.mean, record.low, record.high
    )  # fmt: skip
    return dict(zip(("y", "low", "high"), map(_known, found), strict=True))


def _known(value: float) -> float | None:
    return value if isfinite(value) else None
