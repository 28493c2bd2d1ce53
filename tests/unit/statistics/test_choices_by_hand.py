"""Which of several similar figures is taken: adjusted or not, within missions or over them, of the pair or of all."""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from daf.comparison import ComparisonResults, daf_compare_scores
from daf.errors import BadInputError
from daf.statistics import hypothesis_tests, large_samples
from daf.statistics.comparison import compare_episodes
from daf.statistics.explanations import _unseen_events
from daf.statistics.learning_records import LearningPair
from daf.statistics.learning_sentences import pair_sentence
from daf.statistics.marl_eval_files import from_marl_eval
from daf.statistics.other_layouts import notes_on_copies
from daf.statistics.outline import _overall, _place, _verdict
from daf.statistics.records import OVERALL, PairRecord
from tests.unit.test_comparison import config, episodes

RNG = np.random.default_rng


def pair(**changes: Any) -> PairRecord:
    settings = {
        "estimand": "checkpoints", "mission": OVERALL, "n_missions": 2, "policy_a": "a", "policy_b": "b",
        "paired": True, "n_a": 20, "n_b": 20, "effect_name": "dz", "test": "sign-flip permutation", "mean_a": 1.0,
        "mean_b": 0.0, "difference": 1.0, "interval_low": 0.5, "interval_high": 1.5, "verdict": "better",
        "p": 0.001, "p_holm": 0.037,
    }  # fmt: skip
    return PairRecord(**{**settings, **changes})


def table(scores: dict[str, np.ndarray], *, trained: bool) -> pd.DataFrame:
    """Scores by policy, each (runs, episodes) on one mission."""
    rows = [
        {"policy": policy, "mission": "m", "train_seed": seed if trained else None, "episode": episode, "score": score}
        for policy, runs in scores.items()
        for (seed, episode), score in np.ndenumerate(runs)
    ]
    return pd.DataFrame(rows).astype({"train_seed": "Int64"})


def test_sentences_and_tables_show_the_adjusted_p() -> None:
    assert _verdict(pair())[-1] == "0.037"
    learning = LearningPair(
        quantity="area", mission="m", policy_a="a", policy_b="b", n_a=5, n_b=5, mean_a=1.0, mean_b=0.0, difference=1.0,
        interval_low=0.5, interval_high=1.5, interval_method="Welch", test="Welch t-test", p=0.001, p_holm=0.037,
        n_tests=3, verdict="better", caution="", reason="",
    )  # fmt: skip
    assert "p = 0.037)" in pair_sentence(learning, 1.0)


def test_the_interquartile_mean_of_many_units_varies_within_missions_only() -> None:
    """Against resamples of each mission; the missions' levels are ten standard deviations apart."""
    rng = RNG(0)
    scores = [rng.normal(level, 1.0, 3000) for level in (0.0, 10.0)]
    found = large_samples.interval("iqm", scores, 0.95, RNG(1))
    drawn = [
        stats.trim_mean(np.concatenate([rng.choice(part, part.size) for part in scores]), 0.25) for _ in range(400)
    ]
    assert found.high - found.low == pytest.approx(2 * 1.96 * np.std(drawn), rel=0.12)


def test_the_last_step_of_a_run_is_the_one_with_most_environment_steps() -> None:
    steps = {f"step_{number}": {"step_count": 1000 * number, "return": [float(number)]} for number in (9, 10)}
    found = from_marl_eval({"runs.json": {"env": {"task": {"a": {"seed_1": steps}}}}})
    assert found["score"].tolist() == [10.0]


def test_training_seeds_that_score_alike_are_no_copies() -> None:
    rows = {"policy": "a", "mission": "m", "train_seed": [1, 2], "score": [0.5, 0.5]}
    assert notes_on_copies(pd.DataFrame(rows), numbered=False) == []
    (note,) = notes_on_copies(pd.DataFrame({**rows, "train_seed": 1}), numbered=False)
    assert note.startswith("1 row repeats another one")


def test_the_interval_of_a_normalized_mean_contains_the_error_of_its_scale() -> None:
    """By the delta method: at twice the scale, the mean of the high end counts twice as much as the mean itself."""
    rng = RNG(3)
    low, high, mine = (rng.normal(mean, 1.0, (1, 40)) for mean in (0.0, 10.0, 20.0))
    found = daf_compare_scores(
        table({"low": low, "high": high, "a": mine}, trained=False), normalization={"low": "low", "high": "high"}
    )
    (record,) = [record for record in found.summary if (record.policy, record.mission) == ("a", "m")]
    span = high.mean() - low.mean()
    part = (mine.mean() - low.mean()) / span
    influence = (mine - (1 - part) * low - part * high) / span
    low_end, high_end = stats.t.interval(0.95, 39, part, stats.sem(influence.ravel()))
    assert record.interval_high - record.interval_low == pytest.approx(high_end - low_end, rel=0.05)


def test_a_family_of_tests_is_drawn_for_as_often_as_its_correction_needs() -> None:
    """15 pairs, and 100 draws: 15/101 would be above 0.05 however clear the differences are."""
    rng = RNG(5)
    found = daf_compare_scores(
        table({f"p{place}": rng.normal(5.0 * place, 1.0, (1, 20)) for place in range(6)}, trained=False),
        num_resamples=100,
    )
    assert {record.verdict for record in found.pairs if record.estimand == "checkpoints"} <= {"better", "worse"}


def test_bounds_of_a_pair_do_not_depend_on_a_third_recipe_with_few_seeds() -> None:
    rng = RNG(6)
    scores = {name: rng.normal(mean, 1.0, (8, 6)) for name, mean in (("a", 1.0), ("b", 0.0))}
    scores["c"] = rng.normal(0.0, 1.0, (3, 6))

    def record(found: ComparisonResults) -> PairRecord:
        wanted = ("recipes", "m", "a", "b")
        (chosen,) = [r for r in found.pairs if (r.estimand, r.mission, r.policy_a, r.policy_b) == wanted]
        return chosen

    alone = record(daf_compare_scores(table({name: scores[name] for name in "ab"}, trained=True)))
    beside = record(daf_compare_scores(table(scores, trained=True)))
    for name in ("p_improvement_low", "p_improvement_high", "iqm_low", "iqm_high"):
        assert isfinite(getattr(alone, name))
        assert getattr(beside, name) == pytest.approx(getattr(alone, name), rel=0.1), name


def test_the_pair_with_the_fewest_episodes_decides_what_may_be_unseen() -> None:
    (note,) = _unseen_events([pair(n_a=150), pair(n_a=20)])
    assert note.startswith("20 paired episodes may miss an event")
    assert _unseen_events([pair(n_a=150), pair(n_a=20, verdict="inconclusive")]) == []


def test_a_mean_over_fewer_missions_comes_after_the_others() -> None:
    rows = [
        {"policy": policy, "mission": mission, "episode": episode, "score": mean + episode}
        for policy, mission, mean in (("a", "easy", 90.0), ("a", "hard", 0.0), ("easy_only", "easy", 99.0))
        for episode in range(4)
    ]
    summary = _overall(daf_compare_scores(pd.DataFrame(rows)).summary, missions=2)
    assert [(record.policy, _place(record, 2)) for record in summary] == [
        ("a", OVERALL),
        ("easy_only", "1 of 2 missions"),
    ]


@pytest.mark.parametrize("sign", [1, -1])
def test_of_two_tests_of_paired_differences_the_larger_p_counts(sign: int) -> None:
    """A long tail above 0 makes Hall's p the smaller one, and a long tail below 0 that of the sign flips."""
    differences = np.concatenate([sign * stats.expon.ppf((np.arange(12) + 0.5) / 12) + (0.2 if sign > 0 else 1.7)])
    found = daf_compare_scores(table({"a": differences[None], "b": np.zeros((1, 12))}, trained=False))
    (record,) = [r for r in found.pairs if (r.estimand, r.mission) == ("checkpoints", "m")]
    both = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    )
    hall = hypothesis_tests.hall_test([differences]).p
    assert hall is not None
    assert (hall > both.pvalue) == (sign < 0)
    assert record.p == pytest.approx(max(hall, both.pvalue), rel=1e-9)


def test_equal_single_scores_are_half_an_improvement() -> None:
    scores = {"a": [1.0, 2.0, 3.0], "b": [1.0, 2.0, 0.0]}
    rows = [
        {"policy": policy, "mission": f"m{mission}", "score": score}
        for policy, own in scores.items()
        for mission, score in enumerate(own)
    ]
    (record,) = [record for record in daf_compare_scores(pd.DataFrame(rows)).pairs if record.mission == OVERALL]
    assert record.p_improvement == pytest.approx((0.5 + 0.5 + 1) / 3)


def test_a_margin_is_in_the_unit_of_the_scores_for_recipes_by_their_iqm() -> None:
    rng = RNG(8)
    scores = {name: rng.normal(0.0, 1.0, (6, 8)) for name in "ab"}

    def equivalence(unit: float) -> float:
        scaled = {name: 1000.0 + unit * runs for name, runs in scores.items()}
        found = daf_compare_scores(table(scaled, trained=True), primary="iqm", equivalence_margin=0.5 * unit)
        (record,) = [r for r in found.pairs if (r.estimand, r.mission) == ("recipes", "m")]
        assert record.p_equivalence is not None
        return record.p_equivalence

    assert 0.001 < equivalence(1.0) < 0.999
    assert equivalence(64.0) == pytest.approx(equivalence(1.0), rel=1e-6)


def test_an_interval_that_contains_0_beside_a_winner_is_explained() -> None:
    """Sign flips and Hall's test reject equality of these skewed differences, and Student's t does not."""
    differences = np.array([0.22, 0.63, 0.93, 1.25, 5.43, -0.1, 1.69, 1.06])
    assert stats.ttest_1samp(differences, 0).pvalue > 0.05
    found = daf_compare_scores(table({"a": differences[None], "b": np.zeros((1, 8))}, trained=False))
    (record,) = found.headline_records("checkpoints")
    assert record.verdict == "better"
    assert record.interval_low < 0
    assert "the interval contains 0, as it also allows for Student's t" in record.caution
    clear = daf_compare_scores(table({"a": differences[None] + 1, "b": np.zeros((1, 8))}, trained=False))
    (record,) = clear.headline_records("checkpoints")
    assert record.interval_low > 0
    assert "contains 0" not in record.caution


def test_success_in_an_episode_that_is_left_out_does_not_count() -> None:
    frame = episodes({"t": 2.0}, seeds={"t": (1, 2)}, n=6).assign(success=1.0)
    frame["failure"] = frame["failure"].astype(object)
    third = frame["env_seed"] == 1003
    frame.loc[third, "success"] = 0.0
    frame.loc[third & (frame["train_seed"] == 2), ["mean_reward", "failure"]] = [np.nan, "ValueError: lost"]
    (record,) = [record for record in compare_episodes(frame, config("t")).summary if record.mission == "m"]
    assert (record.n_episodes, record.success_rate) == (5, 1.0)


def test_a_declared_reward_and_a_policy_cannot_turn_a_mission_around() -> None:
    """Two declared rewards may say that lower is better; the mean of a policy cannot."""
    rng = RNG(9)
    scores = table({name: rng.normal(mean, 1.0, (1, 8)) for name, mean in (("a", 1.0), ("b", 0.0))}, trained=False)
    for reference in ({"low": "b", "high": {"m": -5.0}}, {"low": {"m": 5.0}, "high": "b"}):
        with pytest.raises(BadInputError, match="normalization with high above low on m"):
            daf_compare_scores(scores, normalization=reference)
    daf_compare_scores(scores, normalization={"low": {"m": 5.0}, "high": {"m": -5.0}})


def test_scores_of_training_seeds_are_normalized_too() -> None:
    scores = table({"a": np.array([[3.0, 5.0], [4.0, 8.0]]), "b": np.ones((2, 2))}, trained=True)
    found = daf_compare_scores(scores, normalization={"low": {"m": 2.0}, "high": {"m": 6.0}})
    assert found.seed_scores()["m"] == {"a": pytest.approx([0.5, 1.0]), "b": pytest.approx([-0.25, -0.25])}


def test_the_raw_mean_stands_beside_the_normalized_one() -> None:
    scores = table({"a": np.array([[3.0, 5.0, 10.0]]), "b": np.array([[2.0, 2.0, 5.0]])}, trained=False)
    found = daf_compare_scores(scores, normalization={"low": {"m": 2.0}, "high": {"m": 6.0}})
    shown = {record.policy: (record.mean, record.mean_reward) for record in found.summary if record.mission == "m"}
    assert shown == {"a": (pytest.approx(1.0), pytest.approx(6.0)), "b": (pytest.approx(0.25), pytest.approx(3.0))}


def test_two_seeds_on_either_side_are_too_few_for_a_verdict() -> None:
    scores = {"a": RNG(1).normal(9, 0.1, (2, 8)), "b": RNG(2).normal(0, 0.1, (6, 8))}
    for first, second in (("a", "b"), ("b", "a")):
        frame = table({first: scores[first], second: scores[second]}, trained=True)
        row = daf_compare_scores(frame, num_resamples=200).pairwise.query("estimand == 'recipes'").iloc[0]
        assert row["verdict"] == "insufficient data"
        assert row["reason"].startswith("2 training seeds cannot show how much runs vary")


def test_runs_that_played_all_missions_count_once_in_intervals_of_recipes() -> None:
    """Three runs on three missions are three units, not nine: too few for an interval."""
    scores = {policy: RNG(seed).normal(seed, 1, (3, 3)) for policy, seed in (("a", 1), ("b", 2))}
    frame = pd.DataFrame(
        [
            {"policy": policy, "mission": f"m{mission}", "seed": run, "score": score}
            for policy, runs in scores.items()
            for (run, mission), score in np.ndenumerate(runs)
        ]
    )

    def intervals_of(trainings: str) -> list[float]:
        pairs = daf_compare_scores(frame, trainings=trainings, num_resamples=200).pairwise
        row = pairs.query("estimand == 'recipes' and mission == 'overall'").iloc[0]
        return [row["p_improvement_low"], row["p_improvement_high"], row["iqm_low"], row["iqm_high"]]

    assert np.isnan(intervals_of("across_missions")).all()
    assert np.isfinite(intervals_of("per_mission")).all()
