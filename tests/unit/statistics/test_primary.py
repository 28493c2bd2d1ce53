"""Mean, IQM and probability of improvement: which one decides, and where they contradict each other."""

from __future__ import annotations

from itertools import product
from math import comb

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from daf.comparison import ComparisonResults, daf_compare_scores
from daf.statistics import bootstrap, primary
from daf.statistics.records import PairRecord

RNG = np.random.default_rng


def contradictory(runs: int = 60) -> pd.DataFrame:
    """`a` has the higher mean, thanks to some runs; most of its runs are below those of `b`."""
    a = np.where(np.arange(runs) % 3 == 0, 30.0, -2.0) + RNG(1).normal(0, 0.5, runs)
    b = RNG(2).normal(0, 1.0, runs)
    parts = [
        pd.DataFrame({"policy": name, "mission": "m", "seed": np.arange(runs), "score": values})
        for name, values in (("a", a), ("b", b))
    ]
    return pd.concat(parts)


def compare(**options: object) -> ComparisonResults:
    return daf_compare_scores(contradictory(), num_resamples=400, **options)


def recipes(results: ComparisonResults) -> pd.Series:
    return results.pairwise.query("estimand == 'recipes' and mission == 'm'").iloc[0]


def test_a_mean_that_iqm_and_improvement_contradict_is_flagged() -> None:
    row = recipes(compare())
    assert row["verdict"] == "better"
    assert row["contradicted_by"] == "probability_of_improvement"
    assert "the probability of improvement is 35 %" in row["caution"]
    assert "Caution: this verdict is about the mean" in compare().verdicts("recipes")[0]


def test_a_declared_primary_decides() -> None:
    row = recipes(compare(primary="probability_of_improvement"))
    assert (row["primary"], row["verdict"]) == ("probability_of_improvement", "worse")
    assert row["contradicted_by"] == "mean, iqm"
    sentence = compare(primary="probability_of_improvement").verdicts("recipes")[0]
    assert sentence.startswith("The recipe b beats the recipe a on m: the probability")


def test_verdicts_without_contradiction_carry_none() -> None:
    frame = contradictory()
    frame.loc[frame.policy == "a", "score"] += 40
    row = recipes(daf_compare_scores(frame, num_resamples=400))
    assert row["verdict"] == "better"
    assert (row["contradicted_by"], row["caution"]) == ("", "")


def test_paired_iqm_is_yuens_test() -> None:
    x, y = RNG(3).normal(0.5, 1, 20), RNG(4).normal(0, 2, 20)
    difference, interval, error, df = primary.paired_iqm([x], [y], 0.95)
    assert difference == pytest.approx(stats.trim_mean(x, 0.25) - stats.trim_mean(y, 0.25))
    wx, wy = (np.asarray(stats.mstats.winsorize(values, (0.25, 0.25))) for values in (x, y))
    h = 20 - 2 * 5
    cov = np.cov(wx, wy)
    expected = np.sqrt(19 * (cov[0, 0] + cov[1, 1] - 2 * cov[0, 1]) / (h * (h - 1)))  # Wilcox 2012, section 5.9.5
    assert (error, df) == pytest.approx((expected, h - 1))
    half = stats.t.ppf(0.975, h - 1) * expected
    assert (interval.low, interval.high) == pytest.approx((difference - half, difference + half))


def test_paired_iqm_over_missions_has_the_variance_within_each() -> None:
    """Winsorized at the quartiles of all units, which are 0 and 10 here; every mission has n - 1 degrees of freedom."""
    x = [np.array([0.0, 10.0]), np.array([10.0, 0.0]), np.array([0.0, 10.0, 10.0, 0.0])]
    y = [np.zeros(2), np.zeros(2), np.zeros(4)]
    difference, _, error, df = primary.paired_iqm(x, y, 0.95)
    sums = np.array([2 * 50.0, 2 * 50.0, 4 * 100 / 3])  # units times variance
    assert difference == pytest.approx(5.0)
    assert error == pytest.approx(np.sqrt(sums.sum() * 7 / 8 / (4 * 3)))
    assert df == pytest.approx(5 * 3 / 7)  # Welch's formula (1947) gives 8.9, and there are no more than 5


def test_paired_iqm_over_many_missions_of_two_episodes_rejects_a_null_as_often_as_it_should() -> None:
    rng, runs = RNG(6), 1_000
    false = 0
    for _ in range(runs):
        x, y = ([rng.normal(size=2) for _ in range(10)] for _ in "xy")
        _, interval, _, _ = primary.paired_iqm(x, y, 0.95)
        false += not interval.low < 0 < interval.high
    assert false / runs <= 0.06 + 3 * np.sqrt(0.05 * 0.95 / runs)  # pooled, the degrees of freedom give 0.16
    assert false / runs > 0.02  # Satterthwaite's: 0.001


def test_one_episode_on_a_mission_leaves_the_variance_of_the_iqm_unknown() -> None:
    strata = [np.array([1.0, 2.0, 4.0]), np.array([3.0])]
    _, interval, error, _ = primary.paired_iqm(strata, [np.zeros(3), np.zeros(1)], 0.95)
    assert not interval.known
    assert np.isnan(error)


def signs_of(*missions: tuple[int, int]) -> pd.DataFrame:
    """Scores of `a`, 1 or -1, against `b`, which always scores 0: (wins, losses) by mission."""
    rows = [
        (policy, f"m{number}", episode, (1.0 if episode < wins else -1.0) * (policy == "a"))
        for number, (wins, losses) in enumerate(missions)
        for policy in "ab"
        for episode in range(wins + losses)
    ]
    return pd.DataFrame(rows, columns=["policy", "mission", "episode", "score"])


def sign_row(*missions: tuple[int, int], **options: object) -> pd.Series:
    results = daf_compare_scores(
        signs_of(*missions), primary="probability_of_improvement", num_resamples=400, **options
    )
    return results.pairwise.query("estimand == 'checkpoints' and mission == 'overall'").iloc[0]


def test_signs_of_missions_with_unequal_numbers_weigh_missions_alike() -> None:
    """All wins of 2, and 1 win of 6: (1 - 4 / 6) / 2, which 3 or fewer losses on the large mission reach."""
    row = sign_row((2, 0), (1, 5))
    chances = {wins: comb(6, wins) / 64 for wins in range(7)}
    reached = sum(
        share * few
        for wins, share in chances.items()
        for shift, few in ((1.0, 0.25), (0.0, 0.5), (-1.0, 0.25))
        if abs(shift + (2 * wins - 6) / 6) >= 1 / 3 - 1e-9
    )
    assert row["p_improvement"] == pytest.approx((1 + 1 / 6) / 2)
    assert row["p"] == pytest.approx(reached)
    assert row["test"] == "sign test, stratified by mission"


def test_ties_on_a_mission_shrink_what_its_other_signs_weigh() -> None:
    """All wins of 3; and 4 wins, 1 loss and 5 ties of 10: each of its signs weighs a tenth, not a fifth."""
    frame = signs_of((3, 0), (4, 6))
    tied = (frame["policy"] == "a") & (frame["mission"] == "m1") & (frame["episode"] > 4)
    frame.loc[tied, "score"] = 0.0
    results = daf_compare_scores(frame, primary="probability_of_improvement", num_resamples=400)
    row = results.pairwise.query("estimand == 'checkpoints' and mission == 'overall'").iloc[0]
    observed = 3 / 3 + (4 - 1) / 10
    reached = [
        abs(sum(signs[:3]) / 3 + sum(signs[3:]) / 10) >= observed - 1e-9 for signs in product((-1, 1), repeat=3 + 5)
    ]
    assert row["p"] == pytest.approx(np.mean(reached))


def test_signs_of_missions_with_equal_numbers_are_binomial() -> None:
    assert sign_row((5, 0), (4, 1))["p"] == pytest.approx(stats.binomtest(9, 10).pvalue)


def test_losses_on_a_large_mission_are_no_evidence_for_the_winner_of_a_small_one() -> None:
    row = sign_row((4, 0), (30, 70))
    assert row["p_improvement"] == pytest.approx(0.65)
    assert row["verdict"] == "inconclusive"  # a pooled sign test has p = 0.0005, against `a`


def test_signs_of_many_unequal_missions_are_drawn() -> None:
    row = sign_row(*[(n, 0) for n in range(9, 19)])
    assert "draws" in row["test"]
    assert row["p"] == row["minimum_p"] < 0.005


@pytest.mark.long
@pytest.mark.parametrize("name", ["iqm", "probability_of_improvement"])
def test_other_quantities_rarely_reject_a_null(name: str) -> None:
    rng, runs, false = RNG(5), 60, {"checkpoints": 0, "recipes": 0}
    for run in range(runs):
        parts = [
            pd.DataFrame({"policy": policy, "mission": "m", "seed": np.arange(10), "score": rng.normal(0, 1, 10)})
            for policy in "ab"
        ]
        results = daf_compare_scores(pd.concat(parts), num_resamples=400, primary=name, seed=run)
        false["recipes"] += recipes(results)["verdict"] in ("better", "worse")
    assert false["recipes"] / runs <= 0.06 + 3 * np.sqrt(0.05 * 0.95 / runs)


def test_complete_separation_of_separate_runs_counts_the_labellings_of_every_mission() -> None:
    rows = [(p, m, s, s + 10.0 * (p == "b")) for p in "ab" for m in "xyz" for s in range(3)]
    frame = pd.DataFrame(rows, columns=["policy", "mission", "seed", "score"])
    results = daf_compare_scores(
        frame, primary="probability_of_improvement", trainings="per_mission", num_resamples=400
    )
    table = results.pairwise.query("estimand == 'recipes'").set_index("mission")
    assert table.loc["overall", "p"] == pytest.approx(2 / 20**3)
    assert table.loc["x", "p"] == pytest.approx(2 / 20)


def test_p_of_separate_runs_goes_with_their_interval() -> None:
    """Expanded by sqrt(3 / 2) with 6 degrees of freedom, as 3 runs on each of 3 missions are, and not as 9 seeds."""
    record = PairRecord(
        estimand="recipes", mission="overall", n_missions=3, policy_a="a", policy_b="b", paired=False, n_a=9, n_b=9,
        effect_name="d", test="t",
    )  # fmt: skip
    replicates = RNG(0).normal(1.3, 1.0, 20_000)
    found = primary.from_replicates(record, "iqm", primary.tail_of(replicates), [[3] * 3, [3] * 3], known=True)
    samples = [[RNG(number).normal(size=3) for number in range(3)]]
    interval = bootstrap.replicate_interval(replicates, samples, 1 - found.p)
    assert interval.low == pytest.approx(0, abs=0.02)
    assert found.p == pytest.approx(2 * stats.t.cdf(-1.3 * np.sqrt(2 / 3), 6), abs=0.01)


def test_equivalence_of_iqms_goes_with_the_interval_within_the_margin() -> None:
    """Two tests at 5 % are a 90 % interval between the ends of the margin."""
    record = PairRecord(
        estimand="recipes", mission="m", n_missions=1, policy_a="a", policy_b="b", paired=False, n_a=9, n_b=9,
        effect_name="d", test="t",
    )  # fmt: skip
    replicates, samples = RNG(0).normal(0.2, 0.3, 20_000), [[RNG(number).normal(size=9)] for number in range(2)]
    for margin in (0.5, 1.0):
        tail = primary.tail_of(replicates, margin)
        found = primary.from_replicates(record, "iqm", tail, [[9], [9]], known=True)
        interval = bootstrap.replicate_interval(replicates, samples, 1 - 2 * found.p_equivalence)
        assert interval.high == pytest.approx(margin, abs=0.02)
    tail = primary.tail_of(replicates, 0.1)
    assert primary.from_replicates(record, "iqm", tail, [[9], [9]], known=True).p_equivalence > 0.5


@pytest.mark.parametrize("general", [True, False])
@pytest.mark.parametrize("scale", [1.0, 1e6])
def test_recipes_may_be_equivalent_by_their_iqm(general: bool, scale: float) -> None:
    rng = RNG(4)
    rows = [(p, "m", s, e, scale * rng.normal(0, 0.01)) for p in "ab" for s in range(20) for e in range(4)]
    frame = pd.DataFrame(rows, columns=["policy", "mission", "seed", "episode", "score"])
    claim = "general" if general else "these_episodes"
    for margin, verdict in ((5, "equivalent"), (0.0005, "inconclusive")):
        options = {"primary": "iqm", "num_resamples": 400, "recipe_claim": claim}
        assert recipes(daf_compare_scores(frame, equivalence_margin=margin * scale, **options)).verdict == verdict


def test_a_margin_of_scores_does_not_apply_to_the_probability_of_improvement() -> None:
    results = compare(primary="probability_of_improvement", equivalence_margin=1e6)
    assert not (results.pairwise["verdict"] == "equivalent").any()
    assert any("no pair is called equivalent" in note for note in results.notes)


def test_p_against_a_fixed_policy_goes_with_the_interval_by_its_episodes() -> None:
    """Six episodes of the fixed policy bound both, not 30 training seeds."""
    rng = RNG(3)
    skill, noise = rng.normal(0.15, 0.3, 30), rng.normal(0, 0.5, (31, 6))
    rows = [("a", "m", seed, e, skill[seed] + noise[seed, e]) for seed in range(30) for e in range(6)]
    rows += [("b", "m", None, e, noise[30, e]) for e in range(6)]
    frame = pd.DataFrame(rows, columns=["policy", "mission", "seed", "episode", "score"])
    options = {"primary": "iqm", "num_resamples": 2000}
    row = recipes(daf_compare_scores(frame, **options))
    assert 0.03 < row["p"] < 0.3
    at_p = recipes(daf_compare_scores(frame, confidence_level=1 - row["p"], **options))
    bound = at_p["iqm_low"] if row["iqm_difference"] > 0 else at_p["iqm_high"]
    assert bound == pytest.approx(0, abs=0.05 * (at_p["iqm_high"] - at_p["iqm_low"]))


def test_complete_separation_of_few_seeds_has_an_exact_p() -> None:
    frame = pd.DataFrame(
        {"policy": ["a"] * 5 + ["b"] * 5, "mission": "m", "seed": [*range(5), *range(5)], "score": np.arange(10.0)}
    )
    row = recipes(daf_compare_scores(frame, num_resamples=400, primary="probability_of_improvement"))
    assert row["p"] == pytest.approx(2 / 252)
    assert row["verdict"] == "worse"


def test_seeds_that_are_apart_have_a_test_of_the_iqm() -> None:
    """The probability of improvement is 1 in each resample and has no interval; the difference of IQM has one."""
    rows = [(p, "m", s, s + 100.0 * (p == "a")) for p in "ab" for s in range(8)]
    frame = pd.DataFrame(rows, columns=["policy", "mission", "seed", "score"])
    row = recipes(daf_compare_scores(frame, primary="iqm", num_resamples=400))
    assert np.isnan(row["p_improvement_low"])
    assert row["iqm_low"] > 90
    assert row["p"] < 0.001
    assert row["verdict"] == "better"


def test_pairs_of_few_seeds_that_overlap_are_among_the_tests_that_holm_corrects_for() -> None:
    """Four against four seeds are tested only by whether they are apart, which 2 of 70 pairs are by chance."""
    scores = {"a": [5.0, 6.0, 7.0, 8.0], "b": [1.0, 2.0, 3.0, 4.0], "c": [1.5, 2.5, 5.5, 6.5]}
    rows = [(policy, "m", seed, score) for policy, own in scores.items() for seed, score in enumerate(own)]
    frame = pd.DataFrame(rows, columns=["policy", "mission", "train_seed", "score"])
    results = daf_compare_scores(frame, primary="probability_of_improvement", num_resamples=200)
    table = results.pairwise.query("estimand == 'recipes' and mission == 'm'").set_index(["policy_a", "policy_b"])
    assert table["n_tests"].tolist() == [3, 3, 3]
    assert table.loc[("a", "b"), ["p", "p_holm"]].tolist() == pytest.approx([2 / 70, 6 / 70])
    assert table.loc[[("a", "c"), ("b", "c")], "p"].tolist() == [1.0, 1.0]
    assert table["verdict"].tolist() == ["inconclusive"] * 3
