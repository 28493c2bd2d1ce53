"""The answer of a comparison's page: whose point of view, in which words, and that it agrees with the records."""

from __future__ import annotations

import pandas as pd
import pytest

from daf.config import DAFComparisonConfig
from daf.reporting.viewpoint import Viewpoint
from daf.statistics.comparison import compare_episodes
from daf.statistics.results import ComparisonResults
from daf.statistics.sentences import number, span
from tests.unit.reporting.comparisons import compared, on_hard_missions


def answer(results: ComparisonResults) -> tuple[str, str]:
    found = Viewpoint(results).answer
    return found.status, found.sentence


def test_the_first_policy_looks_unless_there_is_a_reference_or_it_has_no_result() -> None:
    means = {"mynet": 1.0, "random": 0.0, "full": 5.0}
    assert Viewpoint(compared(means)).policy == "mynet"
    assert Viewpoint(compared(means, reference="full")).policy == "full"
    second = Viewpoint(compared(means, fails=lambda policy, *_: policy == "mynet"))
    assert second.policy == "random"
    assert set(second.against()) == {"full", "mynet"}  # the pair with mynet comes from the table the other way round
    assert {record.policy_a for record in second.against().values()} == {"random"}


def test_the_order_is_the_ranking_with_failed_policies_last() -> None:
    results = compared({"a": 0.0, "lost": 9.0, "b": 5.0, "c": 2.0}, fails=lambda policy, *_: policy == "lost")
    assert Viewpoint(results).order == ("b", "c", "a", "lost")


def test_a_mean_over_fewer_missions_ranks_after_those_over_all() -> None:
    missions = ("easy", "hard1", "hard2")
    results = compared({"a": 0.0, "mynet": 9.0, "b": 5.0, "lost": 9.0}, missions=missions, fails=lambda policy, *rest: (
        policy == "lost" or on_hard_missions(policy, *rest)
    ))  # fmt: skip
    assert Viewpoint(results).order == ("b", "a", "mynet", "lost")
    assert answer(results)[1] == "a loses to b and mynet over 1 to 3 of 3 missions."


@pytest.mark.parametrize(
    ("means", "status", "sentence"),
    [
        ({"mynet": 5.0, "a": 0.0, "b": 1.0}, "better", "mynet beats b and a over 2 missions."),
        ({"mynet": 0.0, "a": 5.0, "b": 6.0}, "worse", "mynet loses to b and a over 2 missions."),
        (
            {"mynet": 0.0, "a": -5.0, "b": 6.0, "c": 0.05},
            "",
            "mynet beats a and loses to b over 2 missions; it is undecided against c.",
        ),
        (
            {"mynet": 0.0, "a": 0.01, "b": 0.02},
            "undecided",
            "It is undecided whether mynet is better or worse than a and b over 2 missions.",
        ),
        (
            {"mynet": 9.0, **{f"p{index}": 0.1 * index for index in range(5)}},
            "better",
            "mynet beats all 5 other policies over 2 missions.",
        ),
    ],
)
def test_the_answer_is_one_sentence(means: dict[str, float], status: str, sentence: str) -> None:
    found = answer(compared(means))
    assert found[0] == status
    assert sorted(found[1].split()) == sorted(sentence.split())  # names are in the order of the ranking
    assert found[1].split()[:2] == sentence.split()[:2]


def test_of_one_pair_the_answer_has_the_size_seen_by_the_winner() -> None:
    results = compared({"mynet": 0.0, "expert": 5.0}, missions=("m",))
    record = next(record for record in results.lead_records())
    bounds = span(-record.interval_high, -record.interval_low)
    by = f"by {number(-record.difference)} reward per agent (95 % interval {bounds})"
    assert answer(results) == ("worse", f"mynet loses to expert on m {by}.")


@pytest.mark.parametrize("means", [{"old": 0.0, "new": 0.2}, {"old": 0.2, "new": 0.0}])
def test_of_an_undecided_pair_the_size_lies_inside_its_interval(means: dict[str, float]) -> None:
    results = compared(means, missions=("m",))
    record = next(record for record in results.lead_records())
    ahead, value, low, high = "old", record.difference, record.interval_low, record.interval_high
    if value < 0:
        ahead, value, low, high = "new", -value, -high, -low
    assert low < value < high
    seen = f"{ahead} scores {number(value)} reward per agent more (95 % interval {span(low, high)})"
    assert answer(results) == ("undecided", f"It is undecided whether old or new is better on m: {seen}.")


def test_policies_that_score_the_same_are_not_said_to_have_too_few_data() -> None:
    rows = [
        {"policy": policy, "mission": "m", "env_seed": seed, "mean_reward": float(seed % 4)}
        for policy in ("a", "b", "c")
        for seed in range(16)
    ]
    config = DAFComparisonConfig(policies=["a", "b", "c"], missions=["m"], num_resamples=200)
    claim = Viewpoint(compare_episodes(pd.DataFrame(rows), config)).answer.claim
    assert claim == "The data allow no verdict: all policies score the same."


def test_equivalence_says_within_what() -> None:
    results = compared({"mynet": 0.0, "other": 0.0}, n=200, sd=0.1, equivalence_margin=0.5)
    assert answer(results) == (
        "equivalent",
        "mynet and other are equivalent over 2 missions within ±0.50 reward per agent.",
    )
    assert "equivalent over 2 missions within ±0.50 reward per agent: they differ by" in results.verdicts()[0]
    three = compared({"mynet": 0.0, "other": 0.0, "third": 0.0}, n=200, sd=0.1, equivalence_margin=0.5)
    assert answer(three)[1].endswith("over 2 missions within ±0.50 reward per agent.")


def test_answers_without_a_comparison() -> None:
    assert answer(compared({"mynet": 0.0, "other": 1.0}, fails=lambda *_: True)) == (
        "failed",
        "No policy has a result: every episode failed.",
    )
    assert answer(compared({"mynet": 0.0}))[1].startswith("mynet scores ")
    few = Viewpoint(compared({"mynet": 0.0, "other": 1.0}, n=1)).answer
    assert few.status == "insufficient data"
    assert few.sentence == "It is undecided whether mynet or other is better over 2 missions."
    assert few.claim.startswith("The data allow no verdict: every policy has only one episode per mission")
    lost = Viewpoint(compared({"mynet": 0.0, "other": 1.0}, fails=lambda policy, *_: policy == "other")).answer
    assert lost.claim == "There is no result to compare it with: other failed."


def test_without_its_reference_a_comparison_gives_the_highest_mean_and_says_that_no_pair_was_tested() -> None:
    results = compared({"ref": 0.0, "a": 1.0, "b": 5.0}, reference="ref", fails=lambda policy, *_: policy == "ref")
    found = Viewpoint(results).answer
    best = next(record for record in results.summary if (record.policy, record.mission) == ("b", "overall"))
    assert found.sentence.startswith(f"b has the highest mean, {number(best.mean)} reward per agent over 2 missions, ")
    assert found.claim == "No pair was tested: ref, with which all were to be compared, failed."
    assert found.status == ""
    two = compared({"ref": 0.0, "a": 1.0}, reference="ref", fails=lambda policy, *_: policy == "ref")
    assert Viewpoint(two).answer.sentence.startswith("a scores ")


def test_recipes_lead_where_only_training_seeds_can_tell() -> None:
    results = compared({"mynet": 9.0, "other": 0.0}, n=1, seeds=(1, 2, 3, 4, 5, 6))
    found = Viewpoint(results).answer
    assert found.sentence.startswith("The recipe mynet beats the recipe other over 2 missions by ")
    assert found.claim == "This holds for training these recipes again."
