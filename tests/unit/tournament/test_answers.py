"""Sentences of a tournament against figures by hand: who is first, what is open, and how many maps would settle it."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt
from types import SimpleNamespace
from typing import Any

import pytest
from scipy import stats

from daf.config.tournament import REPLACEMENT
from daf.statistics.records import PairRecord
from daf.tournament.answers import Found, answer, open_pairs
from daf.tournament.estimates import ValueRecord
from daf.tournament.rankings import RankingRecord


def pair(**values: Any) -> PairRecord:
    known: dict[str, Any] = {
        "estimand": "checkpoints", "mission": "m", "n_missions": 1, "policy_a": "a", "policy_b": "b", "paired": True,
        "n_a": 20, "n_b": 20, "effect_name": "dz", "test": "t", "difference": 1.0, "interval_low": -1.0,
        "interval_high": 3.0, "p": 0.3, "verdict": "inconclusive",
    }  # fmt: skip
    return PairRecord(**known | values)


def results(
    *records: PairRecord,
    values: dict[str, float] | None = None,
    ranks: dict[str, tuple[int, int]] | None = None,
    margin: float | None = None,
) -> Found:
    """Records of pairs with the pool, and of candidates; values and rank sets of candidates."""

    def compared(chosen: list[PairRecord]) -> SimpleNamespace:
        return SimpleNamespace(
            summary=(), estimand={"recipes": {"answered": False}},
            headline_records=lambda estimand, **_: [one for one in chosen if one.estimand == estimand],
        )  # fmt: skip

    means = values or {"a": 1.0, "b": 0.0}
    pool = [one for one in records if REPLACEMENT in (one.policy_a, one.policy_b)]
    found: Any = SimpleNamespace(
        config=SimpleNamespace(confidence_level=0.95, equivalence_margin=margin), policies=list(means), missions=["m"],
        place="m", unit="points", notes=(), failed_policies=(),
        values=tuple(
            ValueRecord(
                estimand="checkpoints", policy=name, mission="m", seats=None, mean=mean, low=mean - 1, high=mean + 1,
                method="t", n_maps=20, n_episodes=20, n_train_seeds=0,
            )
            for name, mean in means.items()
        ),
        rankings=tuple(
            RankingRecord(
                method="value", use="conclusion", policy=name, score=means[name], rank=1, rank_low=low, rank_high=high
            )
            for name, (low, high) in (ranks or {}).items()
        ),
        over_replacement=compared(pool) if pool else None,
        candidates=compared([one for one in records if one not in pool]),
    )  # fmt: skip
    return found  # type: ignore[no-any-return]


def test_the_maps_that_an_answer_names_show_the_difference_with_a_power_of_80_percent() -> None:
    """20 maps know a difference of 1 to within 2."""
    (found,) = open_pairs(results(pair()))
    assert found.maps is not None
    error = 2 / stats.norm.ppf(0.975) * sqrt(20 / found.maps)
    assert stats.norm.sf(stats.norm.ppf(0.975) - 1 / error) == pytest.approx(0.8, abs=0.005)
    assert found.sentence == (
        "a and b differ by 1.00 (−1.00 to 3.00): about 170 maps instead of 20 would show a difference of this size."
    )


@pytest.mark.parametrize(("tests", "least"), [(1, 6), (3, 7)])
@pytest.mark.parametrize("had", [2, 3, 4, 5])
def test_no_fewer_maps_are_named_than_allow_a_verdict(tests: int, least: int, had: int) -> None:
    """n maps give p = 2^(1-n) at least, and a verdict needs 5 %, of three pairs at first a third of it."""
    clear = pair(
        n_a=had, n_b=had, difference=3.0, interval_low=2.9, interval_high=3.1, p=2.0 ** (1 - had),
        minimum_p=2.0 ** (1 - had), n_tests=tests, verdict="insufficient data",
    )  # fmt: skip
    planned = replace(clear, n_needed=had, more_needed=0)
    for found in (*open_pairs(results(clear)), *open_pairs(results(planned, margin=1.0))):
        assert found.maps == least
        assert f"{least} maps" in found.sentence


@pytest.mark.parametrize(("low", "high", "maps"), [(-0.1, 2.1, 50), (-0.05, 2.05, 45), (-0.5, 0.5, None)])
def test_numbers_of_maps_are_rounded_up_to_two_digits(low: float, high: float, maps: int | None) -> None:
    """A difference of 1 with 100 maps; if two policies score alike, no number of maps is named."""
    difference = (low + high) / 2
    (found,) = open_pairs(results(pair(difference=difference, interval_low=low, interval_high=high, n_a=100)))
    if maps is None:
        assert found.maps is None
        assert "only a declared `equivalence_margin` could settle it" in found.sentence
        return
    half = (high - low) / 2
    exact = 100 * 2.04 * half**2
    assert found.maps == pytest.approx(exact, abs=1)
    shown = int(found.sentence.split("about ")[1].split(" ")[0])
    assert shown % 10 == 0
    assert 0 <= shown - found.maps < 10


def test_the_one_ahead_comes_first_and_the_largest_difference_above_others() -> None:
    behind = pair(policy_a="c", policy_b="a", difference=-2.0, interval_low=-5.0, interval_high=1.0)
    with_pool = pair(policy_a=REPLACEMENT, policy_b="b", difference=-0.5, interval_low=-2.0, interval_high=1.0)
    found = open_pairs(results(pair(), behind, with_pool))
    assert [(one.record.policy_a, one.record.policy_b, one.record.difference) for one in found] == [
        ("b", REPLACEMENT, 0.5), ("a", "c", 2.0), ("a", "b", 1.0),
    ]  # fmt: skip
    assert (found[1].record.interval_low, found[1].record.interval_high) == (-1.0, 5.0)


@pytest.mark.parametrize(
    ("difference", "verdict", "words"),
    [
        (-1.0, "inconclusive", "it scores 1.00 points less (95 % interval −3.00 to 1.00)"),
        (1.0, "inconclusive", "it scores 1.00 points more (95 % interval −1.00 to 3.00)"),
        (1.0, "better", "a is worth 1.00 points more than the pool"),
        (-1.0, "worse", "a is worth 1.00 points less than the pool"),
        (1.0, "equivalent", "a is worth the same as the pool that it replaces on m (within ±4.00)"),
    ],
)
@pytest.mark.parametrize("swapped", [False, True])
def test_a_single_candidate_is_named_first_with_the_sign_of_its_difference(
    difference: float, verdict: str, words: str, swapped: bool
) -> None:
    record = pair(
        policy_b=REPLACEMENT, difference=difference, interval_low=difference - 2, interval_high=difference + 2,
        verdict=verdict,
    )  # fmt: skip
    if swapped:
        opposite = {"better": "worse", "worse": "better"}.get(verdict, verdict)
        record = pair(
            policy_a=REPLACEMENT, policy_b="a", difference=-difference, interval_low=-difference - 2,
            interval_high=2 - difference, verdict=opposite,
        )  # fmt: skip
    found = answer(results(record, values={"a": 1.0}, margin=4.0))
    assert words in found.sentence
    assert found.status == {"inconclusive": "undecided"}.get(verdict, verdict)


@pytest.mark.parametrize(
    ("ranks", "status", "words"),
    [
        ({"a": (1, 2), "b": (1, 3), "c": (3, 3)}, "undecided", "b may be first as well"),
        ({"a": (1, 3), "b": (1, 3), "c": (1, 3)}, "undecided", "every other candidate may be first as well"),
        ({"a": (1, 1), "b": (2, 3), "c": (2, 3)}, "better", "a is worth more than every other candidate on m"),
    ],
)
def test_who_may_be_first_is_by_the_best_rank_that_data_allow(
    ranks: dict[str, tuple[int, int]], status: str, words: str
) -> None:
    found = answer(results(values={"c": 0.0, "a": 2.0, "b": 1.0}, ranks=ranks))
    assert (found.status, words in found.sentence) == (status, True)


def test_who_is_undecided_is_named_beside_who_is_not() -> None:
    records = [
        pair(policy_a=name, policy_b=REPLACEMENT, verdict=verdict)
        for name, verdict in (("a", "better"), ("b", "inconclusive"), ("c", "equivalent"))
    ]
    found = answer(results(*records, values={"a": 2.0, "b": 1.0, "c": 0.0}, margin=0.5))
    assert found.sentence == (
        "a is worth more than the pool that it replaces on m, c is worth the same (within ±0.50) as it; b is undecided."
    )
    assert found.status == ""


def test_candidates_whose_intervals_exclude_0_are_told_why_they_are_undecided() -> None:
    sure = {"policy_b": REPLACEMENT, "interval_low": 0.5, "interval_high": 1.5, "p": 0.03, "p_holm": 0.06, "n_tests": 2}
    found = answer(results(pair(**sure), pair(policy_a="b", policy_b=REPLACEMENT)))
    assert found.sentence == "It is undecided whether any candidate is worth more than the pool on m."
    assert found.claim == "The interval of a excludes 0, but a verdict needs more maps."
    both = answer(results(pair(**sure), pair(**sure | {"policy_a": "b"})))
    assert both.claim.startswith("The intervals of a and b exclude 0")
    assert answer(results(pair(policy_b=REPLACEMENT), pair(policy_a="b", policy_b=REPLACEMENT))).claim == ""


def test_texts_of_comparisons_call_the_pool_by_its_name() -> None:
    caution = f"the scores of {REPLACEMENT} and a hardly vary between episodes"
    (found,) = open_pairs(results(pair(policy_b=REPLACEMENT, caution=caution)))
    assert found.sentence.endswith("; the scores of the pool and a hardly vary between episodes.")
    names = {"policy_a": f"{REPLACEMENT}-v2", "policy_b": f"my-{REPLACEMENT}"}
    (found,) = open_pairs(results(pair(**names)))
    assert found.sentence.startswith(f"{REPLACEMENT}-v2 and my-{REPLACEMENT} differ by")
