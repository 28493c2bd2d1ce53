"""The charts of a comparison against its records."""

from __future__ import annotations

from dataclasses import replace

import pytest

from daf.charts.histograms import panels_of
from daf.charts.model import IntervalChart
from daf.charts.specs import intervals
from daf.reporting import comparison_charts
from daf.reporting.chart_rows import LONGEST_TEXT
from daf.reporting.comparison_charts import Charts
from daf.reporting.viewpoint import Viewpoint
from daf.statistics.results import ComparisonResults
from daf.statistics.sentences import span
from tests.unit.reporting.comparisons import compared, on_hard_missions


def charts_of(*args: object, **options: object) -> Charts:
    return Charts(Viewpoint(compared(*args, **options)))  # type: ignore[arg-type]


def test_every_policy_has_a_row_with_the_difference_and_verdict_of_the_views_policy() -> None:
    results = compared({"mynet": 1.0, "expert": 4.0, "random": -2.0})
    chart = Charts(Viewpoint(results)).against()
    assert chart is not None
    rows = {row["label"]: row for row in chart.rows}
    assert list(rows) == ["expert", "mynet", "random"]
    for record in results.lead_records():
        if "mynet" in (record.policy_a, record.policy_b):
            assert record.policy_a == "mynet"
            row = rows[record.policy_b]
            assert (row["value"], row["low"], row["high"]) == (
                record.difference, record.interval_low, record.interval_high,
            )  # fmt: skip
    assert {label: row["status"] for label, row in rows.items()} == {"expert": "worse", "mynet": "", "random": "better"}
    assert rows["expert"]["text"].startswith("mynet worse · \N{MINUS SIGN}")
    assert chart.reference == 0.0
    assert chart.series == ("mynet", "expert", "random")


def test_a_reference_sees_the_pairs_from_the_other_side() -> None:
    results = compared({"mynet": 1.0, "random": -2.0, "full": 4.0}, reference="full")
    chart = Charts(Viewpoint(results)).against()
    assert chart is not None
    difference = {row["label"]: row["value"] for row in chart.rows}
    means = {r.policy: r.mean for r in results.summary if r.mission == "overall"}
    assert difference["mynet"] == pytest.approx(means["full"] - means["mynet"])


def test_a_failed_policy_has_a_row_in_every_chart_of_policies() -> None:
    charts = charts_of({"mynet": 1.0, "lost": 0.0, "other": 3.0}, fails=lambda policy, *_: policy == "lost")
    shown = [charts.against(), charts.means(), charts.means("m"), charts.improvement()]
    shown += charts.over_missions("checkpoints")
    for chart in shown:
        if isinstance(chart, IntervalChart):
            (row,) = [row for row in chart.rows if row["label"] == "lost"]
            assert (row["status"], row["text"], row["value"]) == ("failed", "failed in every episode", None), chart.name


def test_charts_say_which_policies_lack_missions() -> None:
    missions = ("easy", "hard1", "hard2")
    charts = charts_of({"mine": 1.0, "mynet": 5.0, "c": 0.0}, missions=missions, fails=on_hard_missions)
    means, against = charts.means(), charts.against()
    assert against is not None
    assert means.title == "Mean of each policy, over 1 to 3 of 3 missions"
    assert against.title == "mine against each other policy, over 1 to 3 of 3 missions"
    for chart in (means, against):
        assert [row["label"] for row in chart.rows] == ["mine", "c", "mynet"]
        assert all(len(row["text"]) <= LONGEST_TEXT for row in chart.rows)
        record = next(row for row in chart.rows if row["label"] == "mynet")
        assert f"({span(record['low'], record['high'])})" in record["text"]
    assert [row["text"].endswith(" over 1 of 3 missions") for row in means.rows] == [False, False, True]
    assert [row["text"].endswith("*") for row in against.rows] == [False, False, True]
    assert against.note.endswith(" * Over 1 of 3 missions.")
    assert "*" not in means.note
    improvement = charts.improvement()
    assert improvement is not None
    assert improvement.title == "How often mine scores higher, over 1 to 3 of 3 missions"
    assert [row["text"].endswith(" %) over 1 of 3 missions") for row in improvement.rows] == [False, True]
    assert charts.means("easy").title == "Mean of each policy, easy"
    shared = {chart.name: chart.title for chart in charts.over_missions("checkpoints")}
    assert shared["iqm-checkpoints"] == "Interquartile mean, over 1 of 3 missions"
    assert shared["profile-checkpoints"] == "Performance profile, over 1 of 3 missions"
    assert shared["ranks-checkpoints"] == "Mean rank over 1 of 3 missions (1 is best)"
    (ranks,) = [chart for chart in charts.over_missions("checkpoints") if chart.name == "ranks-checkpoints"]
    assert ranks.note.endswith("With fewer than five episodes, both are unknown.")


def test_titles_count_the_missions_that_all_policies_have() -> None:
    def titles(lost: str) -> list[str]:
        charts = charts_of({"a": 1.0, "b": 5.0}, missions=("m", "k", "l"), fails=lambda _, mission, __: mission == lost)
        against = charts.against()
        assert against is not None
        return [charts.means().title, against.title]

    assert titles("k") == [
        "Mean of each policy, over 2 of 3 missions",
        "a against b, over 2 of 3 missions",
    ]
    assert charts_of({"a": 1.0, "b": 5.0, "c": 2.0}).against().title == "a against each other policy, over 2 missions"  # type: ignore[union-attr]
    assert titles("") == ["Mean of each policy, over 3 missions", "a against b, over 3 missions"]


def test_the_mean_has_one_interval_that_of_the_answered_question() -> None:
    results = compared({"mynet": 9.0, "other": 0.0}, n=1, seeds=(1, 2, 3, 4, 5))
    summary = next(r for r in results.summary if (r.policy, r.mission) == ("mynet", "overall"))
    (row,) = [row for row in Charts(Viewpoint(results)).means().rows if row["label"] == "mynet"]
    assert (row["low"], row["high"]) == (summary.recipe_low, summary.recipe_high)
    names = [chart.name for chart in Charts(Viewpoint(results)).files()]
    assert len(names) == len(set(names))
    assert not any(name.startswith("mean-") for name in names)


def test_bands_are_spoken_of_only_where_they_are_drawn() -> None:
    def profile(n: int) -> tuple[str, bool]:
        charts = charts_of({"mynet": 1.0, "other": 3.0}, n=n).over_missions("checkpoints")
        chart = next(chart for chart in charts if chart.name == "profile-checkpoints")
        return chart.note, any(row["low"] is not None for row in chart.rows)

    for n in (2, 16):
        note, banded = profile(n)
        assert ("Bands: 95 % pointwise" in note) == banded
    assert profile(16)[1]


def test_a_profile_of_many_policies_draws_the_best_and_the_views(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison_charts, "MOST_LINES", 3)
    charts = charts_of({"mynet": -9.0, "b": 3.0, "c": 2.0, "d": 1.0}).over_missions("checkpoints")
    chart = next(chart for chart in charts if chart.name == "profile-checkpoints")
    assert {row["line"] for row in chart.rows} == {"b", "c", "mynet"}
    assert "Drawn: the 2 of 4 policies with the highest means, and mynet." in chart.note


def test_the_margin_is_a_band_and_the_chance_of_scoring_higher_a_chart() -> None:
    results = compared({"mynet": 1.0, "other": 3.0, "third": 1.0}, equivalence_margin=0.5)
    charts = Charts(Viewpoint(results))
    against, improvement = charts.against(), charts.improvement()
    assert against is not None
    assert improvement is not None
    assert against.band == (-0.5, 0.5)
    assert "±0.50" in against.note
    record = next(r for r in results.lead_records() if (r.policy_a, r.policy_b) == ("mynet", "other"))
    (row,) = [row for row in improvement.rows if row["label"] == "other"]
    assert (row["value"], row["low"], row["high"]) == (
        record.p_improvement, record.p_improvement_low, record.p_improvement_high,
    )  # fmt: skip
    assert improvement.reference == 0.5


def test_episodes_that_are_means_of_checkpoints_are_said_to_be() -> None:
    def notes(seeds: tuple[int | None, ...], **config: object) -> list[str]:
        charts = charts_of({"mynet": 1.0, "other": 3.0}, seeds=seeds, **config)
        drawn = [charts.against(), charts.improvement(), *charts.over_missions("checkpoints")]
        return [chart.note for chart in drawn if chart and chart.name.split("-")[0] in parts]

    parts = ("differences", "improvement", "profile")
    _, improvement, profile = notes((1, 2, 3))
    assert "higher than the other policy in a random episode, averaged over 3 checkpoints; ties" in improvement
    assert profile.startswith("Share of episodes, each averaged over 3 checkpoints, that score above")
    assert not any("averaged" in note for note in notes((None,)))
    against, _ = notes((1, 2, 3), primary="probability_of_improvement")
    assert against.endswith(" Each episode is averaged over 3 checkpoints.")


def test_a_rounding_error_is_shown_as_zero() -> None:
    results = compared({"low": 0.0, "mid": 1.0, "high": 2.0}, normalization={"low": "low", "high": "high"})
    records = tuple(
        replace(record, value=-2.78e-17) if (record.policy, record.statistic) == ("low", "iqm") else record
        for record in results.aggregate_records
    )
    charts = Charts(Viewpoint(replace(results, aggregate_records=records))).over_missions("checkpoints")
    (row,) = [row for chart in charts if chart.name == "iqm-checkpoints" for row in chart.rows
              if row["series"] == "low"]  # fmt: skip
    assert row["value"] == 0.0
    assert row["text"].startswith("0.00 (")


def test_shares_of_a_distribution_add_up_to_one_for_each_policy() -> None:
    chart = charts_of({"mynet": 1.0, "other": 3.0}).distribution("m")
    assert chart is not None
    for policy in ("mynet", "other"):
        rows = [row for row in chart.rows if row["series"] == policy]
        assert sum(row["share"] for row in rows) == pytest.approx(1)
        assert sum(row["count"] for row in rows) == 16


def test_points_name_the_seed_of_their_episode_or_training() -> None:
    def seeds(results: ComparisonResults, kind: str) -> list[tuple[float, object]]:
        points = Charts(Viewpoint(results)).means("m").points
        return [(p["value"], p.get("seed")) for p in points if (p["label"], p["kind"]) == ("a", kind)]

    results = compared({"a": 1.0, "b": 3.0}, n=4, seeds=(21, 7, 35))
    frame = results.episodes.query("policy == 'a' and mission == 'm'")
    assert seeds(results, "episode") == list(zip(frame["mean_reward"], frame["env_seed"], strict=True))
    means = frame.groupby("train_seed")["mean_reward"].mean()
    assert sorted(seeds(results, "training seed")) == [
        (pytest.approx(mean), seed) for mean, seed in sorted(zip(means, means.index, strict=True))
    ]
    plain = compared({"a": 1.0, "b": 3.0}, n=4)
    from_table = replace(plain, provenance=plain.provenance | {"table": "scores.csv"})
    assert {seed for _, seed in seeds(from_table, "episode")} == {None}
    for shown, has_seeds in ((plain, True), (from_table, False)):
        spec = str(intervals.build(Charts(Viewpoint(shown)).means("m"), is_checked=False))
        assert ("'seed'" in spec) == has_seeds


def test_a_policy_without_episodes_has_an_empty_histogram() -> None:
    chart = charts_of({"lost": 1.0, "other": 3.0}, fails=lambda policy, *_: policy == "lost").distribution("m")
    assert chart is not None
    other, lost = panels_of(chart)
    assert (lost.label, lost.series, lost.text, lost.rows) == ("lost (failed)", "lost", "no episodes", [])
    assert other.text.startswith("highest bin ")


@pytest.mark.parametrize("scale", [1e6, 1e12, 1e-12])
def test_a_number_is_never_cut_beside_its_mark(scale: float) -> None:
    means = {"a policy of some length": -2.0 * scale, "b": -5.0 * scale}
    chart = Charts(Viewpoint(compared(means, sd=scale))).against()
    assert chart is not None
    (text,) = (row["text"] for row in chart.rows if row["label"] == "b")
    assert len(text) <= LONGEST_TEXT
    assert text.endswith(")")


def test_equal_scores_are_a_narrow_bar_at_their_value() -> None:
    chart = Charts(Viewpoint(compared({"a": 3.0, "b": 3.0}, sd=0.0, missions=("m",)))).distribution("m")
    assert chart is not None
    assert [(row["share"], round((row["low"] + row["high"]) / 2, 9)) for row in chart.rows] == [(1.0, 3.0)] * 2
    assert chart.x.bounds == (2.5, 3.5)


def test_a_median_of_two_missions_is_the_mean_and_has_no_chart() -> None:
    def names(*missions: str) -> set[str]:
        charts = charts_of({"a": 1.0, "b": 2.0}, missions=missions).over_missions("checkpoints")
        return {chart.name for chart in charts}

    assert names("m", "k", "l") - names("m", "k") == {"median-checkpoints"}
