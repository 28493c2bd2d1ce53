"""What a comparison says first, and whether the figures of one sentence agree."""

from __future__ import annotations

from dataclasses import replace
from math import isnan

import numpy as np
import pandas as pd
import pytest

from daf.comparison import ComparisonResults, daf_compare_scores
from daf.statistics.records import OVERALL, PairRecord
from daf.statistics.sentences import Words, mirrored, number_within, span, verdict_sentence, why_undecided


def compared(means: dict[str, float], *, seeds: int = 6, n: int = 1, **settings: object) -> ComparisonResults:
    rng = np.random.default_rng(0)
    rows = [
        {"policy": policy, "mission": mission, "seed": seed, "episode": episode, "score": rng.normal(mean)}
        for policy, mean in means.items()
        for mission in ("m", "k")
        for seed in range(seeds)
        for episode in range(n)
    ]
    return daf_compare_scores(pd.DataFrame(rows), num_resamples=200, **settings)


def test_the_question_that_the_data_answer_leads() -> None:
    results = compared({"a": 0.0, "b": 9.0})
    assert [record.estimand for record in results.lead_records()] == ["recipes"]
    text = str(results)
    assert text.index("These recipes") < text.index("These checkpoints")
    assert text.count("insufficient data") == text.count("no verdict") == 0
    assert "a scores 0.02 points over 2 missions, 95 % interval of the recipe" in text


def test_a_question_without_a_verdict_is_not_answered() -> None:
    answer = compared({"a": 0.0, "b": 9.0}, seeds=2).estimand["recipes"]
    assert (answer["answered"], answer["why"]) == (
        False,
        "2 training seeds cannot show how much runs vary; train at least 3.",
    )


def test_with_both_answered_these_checkpoints_lead() -> None:
    results = compared({"a": 0.0, "b": 9.0}, n=8)
    assert [record.estimand for record in results.lead_records()] == ["checkpoints"]
    assert [record.mission for record in results.lead_records("m")] == ["m"]


def undecided(**changes: object) -> PairRecord:
    record = PairRecord(
        estimand="recipes", mission=OVERALL, n_missions=2, policy_a="a", policy_b="b", paired=False, n_a=5, n_b=5,
        effect_name="d", test="t-test", difference=1.0, interval_low=0.1, interval_high=1.9, p=0.03, p_holm=0.09,
        n_tests=3, verdict="inconclusive",
    )  # fmt: skip
    return replace(record, **changes)


def test_interval_and_p_of_a_sentence_belong_together() -> None:
    assert verdict_sentence(undecided(), Words(level=0.95, missions=2)) == (
        "No difference between the recipe a and the recipe b is shown over 2 missions: 1.00 reward per agent, 95 % "
        "interval 0.10 to 1.90 (5 and 5 training seeds, p = 0.030 for this test alone, 0.090 adjusted for 3). The "
        "interval excludes 0, but it is for this pair alone: among 3 tests, p is 0.090."
    )
    alone = verdict_sentence(undecided(n_tests=1, p=0.2, p_holm=0.2, interval_low=-0.5), Words(level=0.95, missions=2))
    assert alone.endswith("(5 and 5 training seeds, p = 0.20).")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"p": 0.06, "n_tests": 1}, "but the test is stricter: p = 0.060"),
        ({"verdict": "insufficient data", "reason": "too few"}, "but too few"),
        ({"interval_low": -1.9, "interval_high": -0.1}, "but it is for this pair alone: among 3 tests, p is 0.090"),
        ({"interval_low": -0.1}, ""),
        ({"verdict": "better"}, ""),
        ({"primary": "probability_of_improvement", "p_improvement_low": 0.4, "p_improvement_high": 0.9}, ""),
    ],
)
def test_an_interval_that_excludes_zero_without_a_winner_is_explained(changes: dict[str, object], why: str) -> None:
    found = why_undecided(undecided(**changes), 0.95)
    assert found == (why and f"the interval excludes 0, {why}")


def test_equivalence_names_the_quantity_that_lies_within_the_margin() -> None:
    record = undecided(
        verdict="equivalent", difference=0.12, iqm_difference=0.02, iqm_low=-0.3, iqm_high=0.4, primary="iqm"
    )
    assert verdict_sentence(record, Words(level=0.95, missions=2, margin=0.6, primary="iqm")) == (
        "The recipe a and the recipe b are equivalent over 2 missions within ±0.60 reward per agent of the IQM: their "
        "IQMs differ by 0.02, 95 % interval −0.30 to 0.40 (5 and 5 training seeds)."
    )
    means = verdict_sentence(replace(record, primary="mean"), Words(level=0.95, missions=2, margin=0.6))
    assert "within ±0.60 reward per agent: they differ by 0.12, 95 %" in means


def test_an_undecided_probability_whose_interval_excludes_one_half_is_explained() -> None:
    record = undecided(
        primary="probability_of_improvement", p_improvement=0.7, p_improvement_low=0.55, p_improvement_high=0.85
    )
    sentence = verdict_sentence(record, Words(level=0.95, missions=2))
    assert sentence.endswith("The interval excludes 0.5, but it is for this pair alone: among 3 tests, p is 0.090.")


def test_the_other_side_of_a_pair_has_the_mirrored_t() -> None:
    seen = mirrored(undecided(t=2.5, df=7.0))
    assert (seen.t, seen.df, seen.difference) == (-2.5, 7.0, -1.0)


def test_the_other_side_of_a_pair_has_its_bounds_exchanged() -> None:
    record = PairRecord(
        estimand="recipes", mission="m", n_missions=1, policy_a="a", policy_b="b", paired=False, n_a=5, n_b=7,
        effect_name="d", test="t", mean_a=3.0, mean_b=1.0, difference=2.0, interval_low=0.5, interval_high=4.0,
        effect=1.5, effect_low=0.2, effect_high=3.0, p_improvement=0.8, p_improvement_low=0.55, p_improvement_high=0.9,
        iqm_difference=1.0, iqm_low=-0.5, iqm_high=3.5, t=2.5, verdict="better",
    )  # fmt: skip
    other = mirrored(record)
    assert (other.policy_a, other.policy_b, other.n_a, other.n_b, other.verdict) == ("b", "a", 7, 5, "worse")
    assert (other.mean_a, other.mean_b, other.difference, other.t) == (1.0, 3.0, -2.0, -2.5)
    assert (other.interval_low, other.interval_high) == (-4.0, -0.5)
    assert (other.effect, other.effect_low, other.effect_high) == (-1.5, -3.0, -0.2)
    assert (other.iqm_difference, other.iqm_low, other.iqm_high) == (-1.0, -3.5, 0.5)
    chances = other.p_improvement, other.p_improvement_low, other.p_improvement_high
    assert chances == pytest.approx((0.2, 0.1, 0.45))


def test_a_tiny_p_never_stands_beside_the_doubt_whether_it_was_chance() -> None:
    record = undecided(p=5e-18, p_holm=5e-18, verdict="insufficient data", reason="2 training seeds are too few")
    sentence = verdict_sentence(record, Words(level=0.95, missions=2))
    assert "chance" not in sentence
    assert "no verdict on these recipes: 2 training seeds are too few" in sentence


def test_bounds_that_differ_are_shown_differently() -> None:
    assert span(-199_999.4, -199_999.2) == "−199,999.4 to −199,999.2"
    assert span(1e12, 1e12 + 0.5) == "1,000,000,000,000.0 to 1,000,000,000,000.5"
    assert span(0.501, 0.504) == "0.501 to 0.504"
    assert span(100.0, 100.0) == "100 to 100"
    assert span(7.06, 8.64) == "7.06 to 8.64"
    assert span(0.04992, 0.05008) == "0.0499 to 0.0501"
    assert span(12.949, 12.952) == "12.949 to 12.952"
    assert span(99.8, 100.3) == "99.8 to 100.3"
    assert span(0, 1e-6) == "0.00 to 1.00e−6"
    assert number_within(0.04999, 0.04992, 0.05008) == "0.0500"


@pytest.mark.parametrize("low", [0.04992, 12.949, 99.9996, 0.00995, -0.5])
def test_an_interval_is_never_shown_twice_as_wide(low: float) -> None:
    for width in (1e-5, 3e-4, 0.002, 0.05, 1.7):
        ends = [float(text.replace(",", "").replace("−", "-")) for text in span(low, low + width).split(" to ")]
        assert 0 < ends[1] - ends[0] < 2 * width + 1e-12


def test_scores_too_large_for_their_spread_are_named() -> None:
    noise = np.random.default_rng(1).normal(0, 1, (2, 20))
    for offset, named in ((1e12, True), (1e9, False)):
        rows = [(policy, "m", episode, offset + noise[row, episode])
                for row, policy in enumerate("ab") for episode in range(20)]  # fmt: skip
        results = daf_compare_scores(pd.DataFrame(rows, columns=["policy", "mission", "episode", "score"]))
        text = (
            "Scores on m are so large, compared with how they vary, that differences up to 1 count as rounding errors"
        )
        assert any(text in note for note in results.notes) == named


def test_the_spread_of_training_seeds_is_in_the_table() -> None:
    results = compared({"a": 0.0, "b": 1.0})
    scores = results.scores().query("policy == 'a'")
    means = scores.groupby("train_seed")["score"].mean()
    row = results.summary_statistics.query("policy == 'a' and mission == 'overall'").iloc[0]
    assert row[["seed_sd", "seed_min", "seed_max"]].tolist() == pytest.approx(
        [means.std(), means.min(), means.max()], abs=1e-12
    )
    assert results.seed_scores()[OVERALL]["a"] == pytest.approx(means.tolist())
    separate = compared({"a": 0.0, "b": 1.0}, trainings="per_mission")
    overall = next(record for record in separate.summary if record.mission == OVERALL)
    assert isnan(overall.seed_sd)
    assert OVERALL not in separate.seed_scores()


def test_each_t_test_has_its_t_and_degrees_of_freedom() -> None:
    rng = np.random.default_rng(0)
    rows = [
        {"policy": policy, "mission": "m", "seed": 0, "episode": episode, "score": score}
        for policy, low in (("a", 0.0), ("b", 1.0))
        for episode, score in enumerate(low + rng.exponential(3, 30))
    ]
    row = daf_compare_scores(pd.DataFrame(rows)).pairwise.query("estimand == 'checkpoints' and mission == 'm'").iloc[0]
    if row["test"].startswith("Hall"):
        assert row["df"] == 29
    assert pd.isna(row["t"]) == row["test"].startswith("sign-flip")
    recipes = compared({"a": 0.0, "b": 1.0}).pairwise.query("estimand == 'recipes'")
    assert recipes[["t", "df"]].notna().all(axis=None)


def test_the_interval_of_a_probability_excludes_one_half() -> None:
    even = {"primary": "probability_of_improvement", "p_improvement_low": 0.6, "p_improvement_high": 0.9}
    assert why_undecided(undecided(**even), 0.95).startswith("the interval excludes 0.5, but it is for this pair alone")


def test_a_number_has_no_more_decimals_than_its_interval() -> None:
    minus = "\N{MINUS SIGN}"
    assert number_within(-0.0033, -0.08, 0.07) == "0.00"
    assert number_within(0.0033, 0.001, 0.009) == "0.0033"
    assert number_within(0.004, 0.0005, 0.012) == "0.0040"  # 0.00 would lie outside
    assert number_within(-0.0033, None, None) == f"{minus}0.0033"
    assert number_within(-3.2, -4.0, -1.0) == f"{minus}3.20"
    assert number_within(None, None, None) == "\N{EN DASH}"


def test_results_name_the_quantity_of_their_margin() -> None:
    options = {"seeds": 1, "n": 60, "equivalence_margin": 1.5}
    sentence = compared({"a": 0.0, "b": 0.0}, primary="iqm", **options).verdicts("checkpoints")[0]
    assert "within ±1.50 points of the IQM: their IQMs differ by" in sentence
    assert "within ±1.50 points: they differ by" in compared({"a": 0.0, "b": 0.0}, **options).verdicts("checkpoints")[0]
