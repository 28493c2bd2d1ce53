"""Which of several similar figures is taken: adjusted or not, within missions or over them, of the pair or of all."""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from daf.comparison import ComparisonResults, daf_compare_scores
from daf.statistics import large_samples
from daf.statistics.explanations import _unseen_events
from daf.statistics.learning_records import LearningPair
from daf.statistics.learning_sentences import pair_sentence
from daf.statistics.marl_eval_files import from_marl_eval
from daf.statistics.other_layouts import notes_on_copies
from daf.statistics.outline import _overall, _place, _verdict
from daf.statistics.records import OVERALL, PairRecord

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
