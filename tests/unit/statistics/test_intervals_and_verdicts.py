"""A verdict whose interval contains no difference says why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import pytest

from daf.comparison import daf_compare_scores
from daf.config import Primary
from daf.statistics.records import OVERALL, PairRecord, estimate_of
from daf.statistics.verdicts import WITH_TIES, WITH_TIES_OR_UNEQUAL


def paired(gaps: Mapping[str, Sequence[float]]) -> pd.DataFrame:
    """Episodes on which `a` scores so much more than `b` by mission."""
    rows = [
        (policy, mission, episode, 10.0 * episode + gap * (policy == "a"))
        for mission, own in gaps.items()
        for policy in "ab"
        for episode, gap in enumerate(own)
    ]
    return pd.DataFrame(rows, columns=["policy", "mission", "episode", "score"])


def on_probability_of_improvement(gaps: Mapping[str, Sequence[float]], mission: str) -> PairRecord:
    results = daf_compare_scores(paired(gaps), primary="probability_of_improvement", num_resamples=200)
    (record,) = [one for one in results.pairs if (one.estimand, one.mission) == ("checkpoints", mission)]
    return record


def test_unequal_numbers_of_episodes_explain_an_interval_wider_than_the_sign_test() -> None:
    """All 12 pairs are won: p = 2 / 2^12. By 1 and 11 episodes the mean varies as of 2^2 / (1 + 1/11) = 3.67 pairs."""
    record = on_probability_of_improvement({"m": [1], "n": [1] * 11}, OVERALL)
    assert (record.verdict, record.p) == ("better", 2 / 2**12)
    assert record.p_improvement_low == pytest.approx(0.025 ** (1 / (4 / (1 + 1 / 11))))
    assert record.caution == WITH_TIES_OR_UNEQUAL


def test_ties_explain_an_interval_wider_than_the_sign_test() -> None:
    """Six wins without a loss: p = 2 / 2^6. With ten ties, the share of wins is 11 of 16, from 0.41 to 0.89."""
    record = on_probability_of_improvement({"m": [1] * 6 + [0] * 10}, "m")
    assert (record.verdict, record.p) == ("better", 2 / 2**6)
    assert record.p_improvement_low == pytest.approx(0.4134, abs=1e-4)
    assert record.caution == WITH_TIES


def test_an_interval_that_agrees_with_its_verdict_is_not_explained() -> None:
    record = on_probability_of_improvement({"m": [1] * 16}, "m")
    assert (record.verdict, record.caution) == ("better", "")


@pytest.mark.parametrize(("primary", "equal"), [("iqm", 0.0), ("probability_of_improvement", 0.5)])
def test_resamples_that_test_and_interval_read_differently_explain_an_interval_of_recipes(
    primary: Primary, equal: float
) -> None:
    sides = {"a": [1.6, 1.9, 1.3, 0.7, 1.1], "b": [-1.0, 0.1, 1.3, -0.5, -0.6]}
    rows = [(policy, "m", seed, score) for policy, own in sides.items() for seed, score in enumerate(own)]
    table = pd.DataFrame(rows, columns=["policy", "mission", "train_seed", "score"])
    (record,) = daf_compare_scores(table, primary=primary, num_resamples=1000).headline_records("recipes")
    _, low, _ = estimate_of(record)
    assert record.verdict == "better"
    assert low < equal
    assert f"the interval contains {equal:g}, as it and the test read the few resamples" in record.caution
