"""Where too few episodes or training seeds leave a question open, a sentence says how many would show a difference."""

from __future__ import annotations

from math import nan, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from daf.comparison import ComparisonResults, daf_compare_scores
from daf.reporting.viewpoint import Viewpoint
from daf.statistics.planning import missing_seeds
from daf.statistics.sentences import number


def scores(policies: str, *, episodes: int, seeds: int = 0, missions: int = 1, gap: float = 0.0) -> pd.DataFrame:
    """Normal scores; the mean of each policy is `gap` above that of the one before."""
    rng = np.random.default_rng(0)
    rows = [
        (policy, f"m{mission}", seed if seeds else None, episode, rng.normal())
        for policy in policies
        for mission in range(missions)
        for seed in range(max(1, seeds))
        for episode in range(episodes)
    ]
    table = pd.DataFrame(rows, columns=["policy", "mission", "train_seed", "episode", "score"])
    means = table.groupby("policy")["score"].transform("mean")
    return table.assign(score=table["score"] - means + gap * table["policy"].map(policies.index))


def compared(table: pd.DataFrame, **options: Any) -> ComparisonResults:
    return daf_compare_scores(table, num_resamples=100, **options)


def advice(table: pd.DataFrame, estimand: Any = "checkpoints", **options: Any) -> str:
    return str(compared(table, **options).estimand[estimand]["advice"])


def power(shift: float, df: float, alpha: float) -> float:
    critical = stats.t.isf(alpha / 2, df)
    return float(stats.nct.sf(critical, df, shift) + stats.nct.cdf(-critical, df, shift))


def paired(alpha: float = 0.05) -> int:
    return next(n for n in range(2, 1000) if power(sqrt(n), n - 1, alpha) >= 0.8)


def two_sample(alpha: float = 0.05) -> int:
    return next(n for n in range(2, 1000) if power(sqrt(n / 2), 2 * n - 2, alpha) >= 0.8)


def test_few_paired_episodes() -> None:
    table = scores("ab", episodes=5)
    x, y = (part["score"].to_numpy() for _, part in table.groupby("policy"))
    assert advice(table) == (
        f"Only 5 episodes: about {paired()} would show a difference of one standard deviation "
        f"({number((x - y).std(ddof=1))}) in 8 of 10 cases."
    )
    assert paired() == 10
    assert advice(scores("ab", episodes=9)).startswith("Only 9 episodes")
    assert advice(scores("ab", episodes=10)) == ""


def test_several_pairs_need_more_and_the_largest_spread_is_named() -> None:
    table = scores("abc", episodes=4)
    by_policy = [part["score"].to_numpy() for _, part in table.groupby("policy")]
    sds = [(by_policy[x] - by_policy[y]).std(ddof=1) for x, y in ((0, 1), (0, 2), (1, 2))]
    assert advice(table) == (
        f"Only 4 episodes: about {paired(0.05 / 3)} would show a difference of one standard deviation "
        f"(up to {number(max(sds))}) in 8 of 10 cases."
    )


def test_missions_share_the_episodes_that_are_needed() -> None:
    assert advice(scores("ab", episodes=4, missions=2)).startswith("Only 4 episodes per mission: about 5 would show")
    assert advice(scores("ab", episodes=5, missions=2)) == ""


def test_a_single_episode_has_no_known_spread() -> None:
    assert advice(scores("ab", episodes=1)) == (
        "Only 1 episode: about 10 would show a difference of one standard deviation in 8 of 10 cases."
    )


@pytest.mark.parametrize("unit", [1.0, 1e200])
def test_few_training_seeds(unit: float) -> None:
    table = scores("ab", episodes=1, seeds=4)
    table["score"] *= unit
    sd = sqrt(np.mean([(part["score"] / unit).var(ddof=1) for _, part in table.groupby("policy")]))
    assert advice(table, "recipes") == (
        f"Only 4 training seeds per recipe: about {two_sample()} would show a difference of one standard deviation "
        f"({number(unit * sd)}) in 8 of 10 cases."
    )
    assert two_sample() == 17


def test_of_several_pairs_the_one_that_needs_most_decides() -> None:
    """Two recipes need more training seeds against each other than against a fixed policy."""
    table = scores("abc", episodes=1, seeds=4)
    table = table[(table["policy"] != "c") | (table["train_seed"] == 0)]
    table.loc[table["policy"] == "c", ["train_seed", "score"]] = [None, 0.0]
    assert advice(table, "recipes").startswith(
        f"Only 4 training seeds per recipe: about {two_sample(alpha=0.05 / 3)} would show"
    )


def test_against_a_fixed_policy_one_sample_of_seeds_is_needed() -> None:
    table = scores("ab", episodes=1, seeds=4)
    table = table[(table["policy"] == "a") | (table["train_seed"] == 0)]
    table.loc[table["policy"] == "b", ["train_seed", "score"]] = [None, 0.0]
    assert advice(table, "recipes").startswith("Only 4 training seeds per recipe: about 10 would show")


def test_separate_training_runs_add_up_over_missions() -> None:
    table = scores("ab", episodes=1, seeds=4, missions=3)
    said = advice(table, "recipes", trainings="per_mission")
    assert said.startswith("Only 4 training runs per mission: about 6 would show")


def test_the_declared_margin_is_the_difference() -> None:
    table = scores("ab", episodes=6)
    (record,) = compared(table, equivalence_margin=0.5).headline_records()
    more = record.more_needed
    assert more
    assert advice(table, equivalence_margin=0.5) == (
        f"About {more} more episodes would show a difference of 0.5 in 8 of 10 cases."
    )


def test_a_verdict_needs_as_many_episodes_as_a_small_p() -> None:
    """Of a margin of three standard deviations 4 episodes show too little: p is at least 1/8, and 6 give 1/32."""
    table = scores("ab", episodes=4, gap=2.0)
    x, y = (part["score"].to_numpy() for _, part in table.groupby("policy"))
    margin = 3 * (x - y).std(ddof=1)
    (record,) = compared(table, equivalence_margin=margin).headline_records()
    assert (record.verdict, record.minimum_p) == ("insufficient data", 0.125)
    said = advice(table, equivalence_margin=margin)
    assert said.startswith(f"About {max(2, record.more_needed or 0)} more episodes would show a difference of ")


@pytest.mark.parametrize(("policies", "least"), [("ab", 6), ("abc", 7)])
@pytest.mark.parametrize("episodes", [2, 3, 5])
def test_no_fewer_episodes_are_named_than_allow_a_verdict(policies: str, least: int, episodes: int) -> None:
    """n episodes give p = 2^(1-n) at least: 1/32 for one pair at 5 %, and 1/64 for three, however clear."""
    results = compared(scores(policies, episodes=episodes, gap=50.0), equivalence_margin=40.0)
    for record in results.headline_records():
        assert record.verdict == "insufficient data"
        assert (record.n_needed, record.more_needed) == (least, least - episodes)
    assert results.estimand["checkpoints"]["advice"].startswith(f"About {least - episodes} more episode")
    assert any(note.startswith(f"About {least - episodes} more episode") for note in results.notes)


def test_no_fewer_seeds_are_named_than_a_permutation_test_needs() -> None:
    """3 and 3 seeds have 20 labellings, so p is 2/20 at least; with 4 and 4 of 70 it is 2/70."""
    table = scores("ab", episodes=1, seeds=3, gap=50.0)
    (record,) = compared(table, equivalence_margin=40.0, recipe_test="permutation").headline_records("recipes")
    assert (record.verdict, record.minimum_p) == ("insufficient data", 0.1)
    assert (record.n_needed, record.more_needed) == (4, 1)


def test_two_seeds_need_a_third() -> None:
    table = scores("ab", episodes=1, seeds=2)
    margin = 50.0
    (record,) = compared(table, equivalence_margin=margin).headline_records("recipes")
    assert (record.verdict, record.more_needed) == ("insufficient data", 1)
    said = advice(table, "recipes", equivalence_margin=margin)
    assert said == "About 1 more training seed per recipe would show a difference of 50 in 8 of 10 cases."


def test_nothing_is_said_where_nothing_is_open() -> None:
    assert advice(scores("ab", episodes=8, gap=10.0)) == ""
    assert advice(scores("ab", episodes=30)) == ""
    alike = scores("ab", episodes=4).assign(score=1.0)
    assert advice(alike) == ""  # more of the same says nothing


def test_the_mean_of_a_single_policy() -> None:
    table = scores("a", episodes=4)
    half = number(table["score"].std(ddof=1) / 2)
    assert advice(table) == (
        f"Only 4 episodes: about 18 would give the mean to within half a standard deviation (±{half})."
    )
    assert stats.t.ppf(0.975, 17) / sqrt(18) <= 0.5 < stats.t.ppf(0.975, 16) / sqrt(17)
    assert advice(scores("a", episodes=18)) == ""
    assert advice(scores("a", episodes=1, seeds=5)).startswith("Only 5 training seeds: about 18 would give")
    assert advice(scores("a", episodes=4, missions=2)).startswith("Only 4 episodes per mission: about 9 would give")


def test_notes_page_and_terminal_say_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from daf.command.main import main

    table = scores("ab", episodes=5)
    results = compared(table, output_dir=tmp_path / "comparisons" / "main")
    said = advice(table)
    assert said in results.notes
    assert said in str(results)
    assert Viewpoint(results).answer.advice == said
    page = tmp_path / "comparisons" / "main" / "report.html"
    assert f'<p class="claim" id="advice">{said}</p>' in page.read_text()
    for present in (True, False):
        assert main(["results", str(tmp_path)]) == 0
        line = next(line for line in capsys.readouterr().out.splitlines() if "undecided" in line)
        assert line.endswith(f"on m0. {said}")
        if present:
            page.unlink()


def test_only_the_answered_question_has_a_note() -> None:
    results = compared(scores("ab", episodes=1, seeds=5))
    assert results.estimand["checkpoints"]["advice"].startswith("Only 1 episode")
    assert sum("in 8 of 10 cases" in note for note in results.notes) == 1


@pytest.mark.parametrize(
    ("counts", "minimum_p", "alpha", "more"),
    [
        ((3, 3), 2 / 20, 0.05, 1),  # 2 of 70 labellings of four and four
        ((3, 3), 2 / 20, 0.01, 2),  # 2 of 252 of five and five
        ((3, 4), 1 / 35, 0.02, 1),  # 1 of 126 of four and five
        ((2, 4), nan, 0.05, 1),  # a test on means needs three
        ((3, 3), nan, 0.05, 0),
    ],
)
def test_missing_seeds_are_those_that_a_permutation_test_needs(
    counts: tuple[int, int], minimum_p: float, alpha: float, more: int
) -> None:
    assert missing_seeds(counts, minimum_p, alpha) == more
