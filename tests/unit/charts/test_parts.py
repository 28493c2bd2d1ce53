"""What both drawings share: texts, bounds, ticks, thinning, looks and ranks."""

from __future__ import annotations

import math
import random
from itertools import combinations

import pytest

from daf.charts import intervals, lines, names, parallel, ranges, ranks, style, words
from daf.charts.model import Axis
from tests.unit.charts import examples

PLAIN, SHARE, LOG = Axis(title=""), Axis(title="", is_share=True), Axis(title="", scale="log")


@pytest.mark.parametrize(
    ("value", "axis", "text"),
    [
        (200_000, PLAIN, "200 k"),
        (1_500_000, PLAIN, "1.5 M"),
        (2e9, PLAIN, "2 G"),
        (2500, PLAIN, "2,500"),
        (-0.25, PLAIN, "\N{MINUS SIGN}0.25"),
        (0.0, PLAIN, "0"),
        (1e-5, LOG, "1e\N{MINUS SIGN}5"),
        (0.25, SHARE, "25 %"),
    ],
)
def test_ticks_are_short_and_exact(value: float, axis: Axis, text: str) -> None:
    assert words.tick_text(value, axis) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (7.8912, "7.891"),
        (1234.5, "1,234"),
        (0.01236, "0.01236"),
        (0.5, "0.5"),
        (1e-7, "1e\N{MINUS SIGN}07"),
        (-3, "\N{MINUS SIGN}3"),
        (None, "\N{EN DASH}"),
        (math.nan, "\N{EN DASH}"),
        ("as it is", "as it is"),
    ],
)
def test_values_have_four_digits(value: object, text: str) -> None:
    assert words.value_text(value) == text


def test_large_numbers_have_a_letter() -> None:
    assert words.tick_text(-2.5e12, Axis(title="x")) == f"{words.MINUS}2.5 T"


def test_names_keep_both_ends_and_lose_what_no_file_may_hold() -> None:
    assert words.shorten("policy_with_a_long_name-seed-1", lambda text: len(text) <= 14) == "policy_wi\u2026ed-1"
    assert words.shorten("short", lambda text: len(text) <= 14) == "short"
    assert words.shorten("", lambda text: True) == ""
    assert words.clean("a\nb\x00c\u202ed") == "a b\N{REPLACEMENT CHARACTER}c\N{REPLACEMENT CHARACTER}d"


@pytest.mark.parametrize(
    ("texts", "shown"),
    [
        (examples.TWINS, ["experimen…0.001…tion", "experimen…0.010…tion", "experimen…0.100…tion"]),
        (["arena-recurrent-curriculum-A", "arena-recurrent-curriculum-B", "b"],
         ["arena-recurre…ulum-A", "arena-recurre…ulum-B", "b"]),
        ([f"experiment-2026-{net}-rate-{rate}-final-evaluation" for net in ("lstm", "mlp") for rate in "12"],
         ["exper…lstm-rate-1…on", "exper…lstm-rate-2…on", "exper…mlp-rate-1…on", "exper…mlp-rate-2…on"]),
    ],
)  # fmt: skip
def test_names_that_would_be_cut_alike_keep_what_differs(texts: list[str], shown: list[str]) -> None:
    assert names.shorten_all(texts, lambda text: len(text) <= 20) == shown


def test_names_shortened_together_are_different_and_fit() -> None:
    letters = random.Random(3)
    for _ in range(400):
        shared = "".join(letters.choices("ab-", k=20))
        texts = list({shared + "".join(letters.choices("ab-", k=letters.randint(1, 20))) + shared for _ in range(6)})
        shown = names.shorten_all([*texts, *texts], lambda text: len(text) <= 16)
        assert len(set(shown)) == len(texts)
        assert shown[: len(texts)] == shown[len(texts) :]
        assert max(map(len, shown)) <= 16
    assert len(set(names.shorten_all(examples.TWINS, lambda text: False))) == 3  # even where nothing fits


def test_bounds_hold_every_value_with_a_margin() -> None:
    assert ranges.extent(PLAIN, [1, 3, None, math.nan], pad=0.5) == (0.0, 4.0)
    assert ranges.extent(PLAIN, [2, 2]) == (1.5, 2.5)  # equal values still give an axis
    assert ranges.extent(PLAIN, []) == (-0.04, 1.04)
    assert ranges.extent(LOG, [0.001, 0.1, 0, -5], pad=0.5) == pytest.approx((0.0001, 1.0))
    assert ranges.extent(Axis(title="", bounds=(0, 1)), [0.5, 1.25]) == (0, 1.25)  # nothing lies outside
    assert ranges.extent(Axis(title="", bounds=(0, 1)), [0.5]) == (0, 1)


def test_ticks_of_a_log_axis_never_crowd() -> None:
    assert ranges.log_ticks((1e-5, 1e-2), 6) == [1e-5, 1e-4, 1e-3, 1e-2]
    assert ranges.log_ticks((0.5, 30), 6) == [1, 3, 10, 30]
    assert ranges.log_ticks((2, 8), 6) == [2, 5]
    for decades in range(1, 40):
        assert 1 <= len(ranges.log_ticks((0.9, 10.0**decades), 6)) <= 7, decades


def test_thinning_keeps_the_ends() -> None:
    assert ranges.thin(list(range(100)), 4) == [0, 33, 66, 99]
    assert ranges.thin([1, 2], 4) == [1, 2]


def test_every_series_looks_different_and_the_same_everywhere() -> None:
    series = [f"policy-{index}" for index in range(40)]
    looks = [style.series_look(series, name) for name in series]
    assert len({(look.colour, look.marker) for look in looks}) == 40
    assert style.series_look(series, "policy-3") == style.series_look(series[:4], "policy-3")
    assert len({look.marker for look in style.STATUSES.values()}) == len(style.STATUSES)  # told apart without colour


def luminance(colour: str) -> float:
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_colours_stand_out_from_paper_and_from_a_dark_page() -> None:
    papers = style.VARIABLES["--chart-bg"]
    marks = {name: pair for name, pair in style.VARIABLES.items() if name not in ("--chart-bg", "--chart-grid")}
    for name, pair in marks.items():
        if name.startswith("--ramp"):
            continue  # the lowest values recede on purpose
        for colour, paper in zip(pair, papers, strict=True):
            assert contrast(colour, paper) >= (3 if name.startswith("--p") else 4.5), name
    for steps in (style.RAMP_LIGHT, style.RAMP_DARK):
        order = [luminance(step) for step in steps]
        assert order in (sorted(order), sorted(order, reverse=True))


def test_each_light_colour_stands_for_one_variable() -> None:
    light = [pair[0] for pair in style.VARIABLES.values()]
    assert not [pair for pair in combinations(light, 2) if pair[0] == pair[1]]


# ---- what a kind of chart shows ----------------------------------------------------------------------------------


def test_points_of_failed_lines_are_left_out() -> None:
    chart = examples.intervals()
    rows = [{**row, "status": "failed"} if index == 1 else row for index, row in enumerate(chart.rows)]
    assert sorted(intervals.points_by_row(examples.intervals(rows=rows))) == [0, 2, 3]


def test_long_lines_are_thinned_and_unknown_values_left_out() -> None:
    rows = [{"line": "a", "series": "a", "x": x, "y": None if x == 7 else x} for x in range(5000)]
    (line,) = lines.lines_of(examples.lines(rows=rows, series=("a",)))
    assert len(line.rows) == lines.LONGEST
    assert (line.rows[0]["x"], line.rows[-1]["x"]) == (0, 4999)
    assert all(row["y"] is not None for row in line.rows)


def test_lines_without_a_visible_length_are_brief() -> None:
    xs = {"whole": (0, 100), "one": (50,), "close": (50, 52), "short": (50, 53), "unknown": (50, None)}
    rows = [{"line": name, "x": x, "y": 1} for name, own in xs.items() for x in own]
    assert lines.brief_lines([*rows, {"line": "none", "x": 1, "y": None}]) == {"one", "close", "unknown"}
    assert lines.brief_lines([{"line": "a", "x": 7, "y": 1}, {"line": "b", "x": 7, "y": 2}]) == {"a", "b"}
    assert lines.brief_lines([]) == set()


def test_dashes_tell_what_was_cut_short_if_anything_was() -> None:
    rows = [{"line": n, "series": n, "x": x, "y": x, "dashed": n == "b"} for n in ("a", "b") for x in range(3)]
    whole, cut = lines.lines_of(examples.lines(rows=rows, series=("a", "b")))
    assert lines.dash_of(whole, [whole, cut], (7, 3)) == ()
    assert lines.dash_of(cut, [whole, cut], (7, 3)) == style.CUT_SHORT
    assert lines.dash_of(whole, [whole], (7, 3)) == (7, 3)


def test_parallel_axes_place_values_between_their_ends() -> None:
    chart = examples.parallel()
    scales = parallel.scales_of(chart)
    placed = {row["p0"]: places for row, places, _ in parallel.places_of(chart, scales)}
    assert placed[0.1]["p0"] - placed[0.01]["p0"] == pytest.approx(placed[0.01]["p0"] - placed[0.001]["p0"])
    assert placed[0.1]["p1"] == 0.25
    assert placed[0.01]["p1"] == 0.75
    assert [text for _, text in scales["p0"].ticks()] == ["0.0001", "0.01"]
    assert scales["p0"].ticks()[1][0] == pytest.approx(placed[0.01]["p0"])


def test_policies_within_the_critical_difference_are_joined_once() -> None:
    assert ranks.cliques([1.0, 1.5, 3.0, 3.2, 6.0], 1.0) == [(0, 1), (2, 3)]
    assert ranks.cliques([1.0, 2.0, 3.0], 1.0) == [(0, 1), (1, 2)]
    assert ranks.cliques([1.0, 1.2, 1.4], 1.0) == [(0, 2)]
    assert ranks.cliques([1.0, 3.0], 1.0) == []


def test_bars_share_a_row_where_they_do_not_touch() -> None:
    assert ranks.levels([(1, 2), (1.5, 3), (2.5, 4), (5, 6)], 0.2) == [0, 1, 0, 0]


def test_words_of_two_marked_points_are_above_and_below_and_not_in_the_legend() -> None:
    rows = [
        {"series": "winner", "x": 1, "y": 5.0, "emphasis": "winner"},
        {"series": "best", "x": 2, "y": 5.1, "emphasis": "best"},
        {"series": "others", "x": 3, "y": 1.0},
    ]
    assert lines.word_shifts(rows) == [1, -1, 0]
    assert lines.word_shifts([rows[0], rows[2]]) == [0, 0]
    assert lines.listed_series(["winner", "best", "others"], rows) == ["others"]
