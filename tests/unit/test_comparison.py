"""Comparisons of episode tables: the two questions, verdicts, gaps in the data, files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from daf.compare.labels import unique_labels
from daf.comparison import SUITES, ComparisonResults, suite_missions
from daf.config import DAFComparisonConfig
from daf.errors import BadInputError
from daf.statistics.comparison import compare_episodes
from daf.statistics.data_dictionary import data_dictionary
from daf.statistics.hypothesis_tests import hall_equivalence_p
from daf.statistics.intervals import hall_interval
from daf.statistics.records import Estimand, PairRecord
from daf.statistics.sentences import mirrored


def episodes(
    means: dict[str, float],
    *,
    missions: tuple[str, ...] = ("m",),
    n: int = 24,
    seeds: dict[str, tuple[int, ...]] | None = None,
    noise: float = 1.0,
    constant: tuple[str, ...] = (),
    seed: int = 0,
) -> pd.DataFrame:
    """Episodes with a shared effect of the environment seed, as real ones have."""
    rng = np.random.default_rng(seed)
    rows = []
    for mission in missions:
        shared = rng.normal(0, 1, n)
        for policy, mean in means.items():
            for train_seed in (seeds or {}).get(policy, (None,)):
                label = policy if train_seed is None else f"{policy}-seed-{train_seed}"
                for episode in range(n):
                    reward = mean if policy in constant else mean + shared[episode] + rng.normal(0, noise)
                    rows.append(
                        {"policy": policy, "checkpoint": label, "train_seed": train_seed, "mission": mission,
                         "episode": episode, "env_seed": 1000 + episode, "mean_reward": reward, "failure": None}
                    )  # fmt: skip
    return pd.DataFrame(rows)


def config(*policies: str, missions: tuple[str, ...] = ("m",), **changes: object) -> DAFComparisonConfig:
    return DAFComparisonConfig(policies=list(policies), missions=list(missions), num_resamples=1000, **changes)


def pair(
    results: ComparisonResults, estimand: Estimand = "checkpoints", mission: str = "overall", index: int = 0
) -> pd.Series:
    rows = results.pairwise.query("estimand == @estimand and mission == @mission")
    return rows.iloc[index]


def test_checkpoints_are_compared_pair_by_pair() -> None:
    frame = episodes({"good": 3.0, "bad": 0.0})
    results = compare_episodes(frame, config("good", "bad"))
    row = pair(results)
    table = frame.pivot(index="env_seed", columns="policy", values="mean_reward")
    expected = stats.ttest_rel(table["good"], table["bad"])
    bounds = expected.confidence_interval()
    assert row["verdict"] == "better"
    assert row["difference"] == pytest.approx((table["good"] - table["bad"]).mean(), abs=1e-12)
    hall = hall_interval([(table["good"] - table["bad"]).to_numpy()])
    both = min(bounds.low, hall.low), max(bounds.high, hall.high)
    assert (row["interval_low"], row["interval_high"]) == pytest.approx(both, abs=1e-9)
    assert row["n_a"] == 24
    turned = pair(compare_episodes(frame, config("bad", "good")))
    assert turned["verdict"] == "worse"
    assert turned["difference"] == pytest.approx(-row["difference"])


def test_the_sentence_names_the_winner_first_either_way_round() -> None:
    frame = episodes({"good": 3.0, "bad": 0.0})
    for order in (("good", "bad"), ("bad", "good")):
        (sentence,) = compare_episodes(frame, config(*order)).verdicts()
        assert sentence.startswith("good beats bad on m by ")
        assert "95 % interval 2." in sentence
        assert sentence.endswith("(paired, 24 episodes).")


def test_zero_variance_is_insufficient_data_and_never_significant() -> None:
    results = compare_episodes(episodes({"a": 5.0, "b": -1.0}, constant=("a", "b")), config("a", "b"))
    row = pair(results)
    assert row["verdict"] == "insufficient data"
    assert pd.isna(row["p"])
    assert pd.isna(row["p_holm"])
    assert "all 24 values are equal" in row["reason"]
    assert results.summary_statistics["interval_low"].isna().all()


def test_too_few_episodes_cannot_give_a_verdict() -> None:
    results = compare_episodes(episodes({"a": 50.0, "b": 0.0}, n=5), config("a", "b"))
    row = pair(results)
    assert row["minimum_p"] == 0.0625
    assert row["verdict"] == "insufficient data"
    assert any("the p-value is 0.062, and it must be at most 0.05" in note for note in results.notes)


def test_one_seed_per_policy_leaves_the_recipes_unanswered_in_plain_words() -> None:
    results = compare_episodes(episodes({"t": 3.0, "r": 0.0}, seeds={"t": (1,)}), config("t", "r"))
    assert results.estimand["checkpoints"]["answered"]
    assert not results.estimand["recipes"]["answered"]
    assert "trained with only one seed" in results.estimand["recipes"]["why"]
    assert pair(results, "recipes")["verdict"] == "insufficient data"


def test_policies_without_training_seeds_have_no_recipe_question() -> None:
    results = compare_episodes(episodes({"a": 1.0, "b": 0.0}), config("a", "b"))
    assert results.pairwise["estimand"].unique().tolist() == ["checkpoints"]
    assert "no training seeds are known" in results.estimand["recipes"]["why"]


@pytest.mark.parametrize(("old", "new"), [("seed", "env_seed"), ("training_seed", "train_seed")])
def test_columns_of_earlier_versions_are_refused_with_their_new_names(old: str, new: str) -> None:
    frame = episodes({"a": 1.0, "b": 0.0}, seeds={"a": (1, 2)}).rename(columns={new: old})
    with pytest.raises(BadInputError, match=f"`{old}` is now called `{new}`"):
        compare_episodes(frame, config("a", "b"))


def test_recipes_are_compared_by_welch_on_seed_means() -> None:
    seeds = {"x": (1, 2, 3), "y": (1, 2, 3, 4)}
    frame = episodes({"x": 2.0, "y": 0.0}, missions=("m", "k"), seeds=seeds)
    settings = config("x", "y", missions=("m", "k"), recipe_claim="these_episodes")
    row = pair(compare_episodes(frame, settings), "recipes")
    runs = frame.groupby(["policy", "train_seed"])["mean_reward"].mean()
    expected = stats.ttest_ind(runs["x"], runs["y"], equal_var=False)
    assert row["p"] == pytest.approx(expected.pvalue, abs=1e-9)
    assert (row["n_a"], row["n_b"], row["paired"]) == (3, 4, False)


def test_a_recipe_against_a_fixed_policy_is_a_one_sample_test() -> None:
    frame = episodes({"x": 2.0, "r": 0.0}, seeds={"x": (1, 2, 3)})
    row = pair(compare_episodes(frame, config("r", "x", recipe_claim="these_episodes")), "recipes")
    runs = frame[frame.policy == "x"].groupby("train_seed")["mean_reward"].mean()
    fixed = frame.loc[frame.policy == "r", "mean_reward"].mean()
    assert row["p"] == pytest.approx(stats.ttest_1samp(runs, fixed).pvalue, abs=1e-9)
    assert row["difference"] == pytest.approx(fixed - runs.mean())


def test_seeds_that_differ_hugely_do_not_count_as_many_episodes() -> None:
    # Same recipe, wild seeds: the comparison of checkpoints may see a difference, the comparison of recipes must not.
    frame = episodes({"x": 0.0, "y": 0.0}, seeds={"x": (1, 2, 3), "y": (1, 2, 3)}, n=60, noise=0.1)
    shift = {"x-seed-1": 3.0, "x-seed-2": -2.0, "x-seed-3": 1.0, "y-seed-1": -3.0, "y-seed-2": 2.0, "y-seed-3": -1.0}
    frame["mean_reward"] += frame["checkpoint"].map(shift)
    results = compare_episodes(frame, config("x", "y"))
    assert pair(results, "checkpoints")["verdict"] == "better"
    assert pair(results, "recipes")["verdict"] == "inconclusive"


def test_holm_corrects_over_all_pairs() -> None:
    results = compare_episodes(episodes({"a": 0.9, "b": 0.3, "c": 0.0}), config("a", "b", "c"))
    rows = results.pairwise.query("mission == 'overall'")
    ordered = rows.sort_values("p")
    factors = np.array([3, 2, 1]) * ordered["p"].to_numpy()
    np.testing.assert_allclose(ordered["p_holm"], np.minimum(np.maximum.accumulate(factors), 1))


def test_equivalence_is_corrected_for_its_family_too() -> None:
    frame = episodes({"a": 0.3, "b": 0.1, "c": 0.0}, noise=0.5)
    results = compare_episodes(frame, config("a", "b", "c", equivalence_margin=0.5))
    table = frame.pivot(index="env_seed", columns="policy", values="mean_reward")
    raw = []
    for a, b in (("a", "b"), ("a", "c"), ("b", "c")):
        d = table[a] - table[b]
        sides = (stats.ttest_1samp(d, -0.5, alternative="greater"), stats.ttest_1samp(d, 0.5, alternative="less"))
        raw.append(max(hall_equivalence_p([d.to_numpy()], 0.5), *(side.pvalue for side in sides)))
    order = np.argsort(raw)
    expected = np.empty(3)
    expected[order] = np.minimum(np.maximum.accumulate(np.array(raw)[order] * [3, 2, 1]), 1)
    found = results.pairwise.query("mission == 'overall'")["p_equivalence"].astype(float)
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_verdicts_go_by_the_adjusted_p() -> None:
    from daf.statistics.pairs import verdict

    record = PairRecord(
        estimand="checkpoints", mission="m", n_missions=1, policy_a="a", policy_b="b", paired=True, n_a=9, n_b=9,
        effect_name="dz", test="sign-flip permutation",
        p=0.03, p_holm=0.09, p_equivalence=1.0, minimum_p=0.001, difference=1.0,
    )  # fmt: skip
    assert verdict(record, 0.09, 1.0, 0.05, None)[0] == "inconclusive"
    assert verdict(record, 0.04, 1.0, 0.05, None)[0] == "better"


def test_equivalence_needs_a_declared_margin_and_then_has_the_last_word() -> None:
    frame = episodes({"a": 0.02, "b": 0.0}, noise=0.05)
    assert pair(compare_episodes(frame, config("a", "b")))["verdict"] in ("inconclusive", "better")
    row = pair(compare_episodes(frame, config("a", "b", equivalence_margin=0.5)))
    assert row["verdict"] == "equivalent"
    assert row["power"] > 0.99
    assert row["n_needed"] < 24


def test_missions_weigh_the_same_whatever_their_number_of_episodes() -> None:
    small = episodes({"a": 0.0, "b": 0.0}, missions=("k",), n=10, seed=1)
    frame = pd.concat([episodes({"a": 4.0, "b": 0.0}, n=40), small])
    results = compare_episodes(frame, config("a", "b", missions=("m", "k")))
    parts = [pair(results, mission=mission)["difference"] for mission in ("m", "k")]
    assert pair(results)["difference"] == pytest.approx(np.mean(parts))


def test_failed_episodes_are_left_out_and_said_so() -> None:
    frame = episodes({"a": 3.0, "b": 0.0})
    frame.loc[:3, ["mean_reward", "failure"]] = [np.nan, "policy crashed"]
    results = compare_episodes(frame, config("a", "b"))
    assert pair(results)["n_a"] == 20
    assert results.summary_statistics.iloc[0]["failures"] == 4
    assert any("4 of 24 episodes of a on m" in note and "policy crashed" in note for note in results.notes)


def test_a_mission_that_only_some_played_is_left_out_of_their_pairs() -> None:
    frame = episodes({"a": 3.0, "b": 0.0}, missions=("m", "k"))
    frame = frame[~((frame.policy == "b") & (frame.mission == "k"))]
    results = compare_episodes(frame, config("a", "b", missions=("m", "k")))
    assert pair(results)["n_a"] == 24
    assert any("b did not play k" in note for note in results.notes)


def test_policies_without_a_common_seed_cannot_be_compared() -> None:
    frame = episodes({"a": 3.0, "b": 0.0})
    frame.loc[frame.policy == "b", "env_seed"] += 500
    row = pair(compare_episodes(frame, config("a", "b")))
    assert row["verdict"] == "insufficient data"
    assert "in common" in row["reason"]


def test_one_policy_has_a_summary_and_no_pairs() -> None:
    results = compare_episodes(episodes({"a": 3.0}), config("a"))
    assert results.pairwise.empty
    assert not results.estimand["checkpoints"]["answered"]
    assert "a scores 3." in str(results) or "a scores 2." in str(results)


def test_wrong_tables_are_refused_with_their_reason() -> None:
    frame = episodes({"a": 1.0, "b": 0.0})
    cases = [
        (pd.concat([frame, frame.iloc[[5]]]), "twice"),
        (frame.assign(mean_reward=np.inf), "infinite"),
        (frame.drop(columns="env_seed"), "'env_seed'"),
        (frame.assign(policy="z"), "z"),
        (frame.assign(mean_reward=np.nan), "failed episodes only"),
    ]
    for wrong, text in cases:
        with pytest.raises(BadInputError) as caught:
            compare_episodes(wrong, config("a", "b"))
        assert text in str(caught.value)


def test_a_further_policy_or_another_row_order_changes_no_other_figure() -> None:
    frame = episodes({"a": 0.6, "b": 0.0, "c": 9.0})
    columns = ["difference", "interval_low", "interval_high", "p"]
    two = pair(compare_episodes(frame[frame.policy != "c"], config("a", "b")))
    three = pair(compare_episodes(frame.sample(frac=1, random_state=1), config("a", "b", "c")))
    assert two[columns].tolist() == three[columns].tolist()


def test_results_survive_their_files(tmp_path: Path) -> None:
    frame = episodes({"t": 2.0, "r": 0.0, "s": 1.0}, missions=("m", "k"), seeds={"t": (1, 2)}, constant=("s",))
    given = {"git": {"commit": "abc"}}
    results = compare_episodes(frame, config("t", "r", "s", missions=("m", "k")), provenance=given)
    again = ComparisonResults.read(results.write(tmp_path))
    for name in ("summary_statistics", "pairwise", "ranks", "aggregates", "profiles", "episodes"):
        pd.testing.assert_frame_equal(getattr(results, name), getattr(again, name))
    assert again.to_dict() == results.to_dict()
    assert str(again) == str(results)
    assert "NaN" not in (tmp_path / "comparison.json").read_text()
    assert json.loads((tmp_path / "comparison.json").read_text())["provenance"]["git"] == {"commit": "abc"}
    assert len(pd.read_csv(tmp_path / "pairwise.csv")) == len(results.pairwise)
    with pytest.raises(BadInputError, match=r"daf-comparison/6"):
        ComparisonResults.from_dict({"format": "else"})


def test_every_column_of_every_table_has_a_type_and_a_meaning(tmp_path: Path) -> None:
    frame = episodes({"t": 2.0, "r": 0.0}, seeds={"t": (1, 2)})
    compare_episodes(frame, config("t", "r")).write(tmp_path)
    dictionary = data_dictionary()
    for table in ("summary", "pairwise", "aggregates", "ranks", "scores"):
        assert list(pd.read_csv(tmp_path / f"{table}.csv").columns) == list(dictionary[table])
    for columns in dictionary.values():
        for kind, meaning in columns.values():
            assert kind in ("text", "integer", "number", "boolean")
            assert meaning
    assert dictionary["pairwise"]["n_needed"][0] == "integer"
    assert dictionary["episodes"]["env_seed"] == ("integer", "environment seed; the same for every policy")


def test_a_pair_seen_from_the_other_side_is_the_comparison_the_other_way_round() -> None:
    frame = episodes({"good": 3.0, "bad": 0.0})
    (record,) = compare_episodes(frame, config("good", "bad")).headline_records()
    (turned,) = compare_episodes(frame, config("bad", "good")).headline_records()
    seen = mirrored(record)
    assert (seen.policy_a, seen.policy_b, seen.verdict) == ("bad", "good", "worse")
    names = ("difference", "interval_low", "interval_high", "effect", "effect_low", "effect_high", "iqm_difference",
             "iqm_low", "iqm_high", "p_improvement", "p_improvement_low", "p_improvement_high")  # fmt: skip
    for name in ("mean_a", "mean_b", *names):
        assert getattr(seen, name) == pytest.approx(getattr(turned, name), abs=1e-9), name


def test_labels_of_two_checkpoints_of_one_class_differ() -> None:
    labels = unique_labels(["lstm", "random", "lstm", "lstm-2", "lstm"])
    assert labels == ["lstm", "random", "lstm-3", "lstm-2", "lstm-4"]


def test_suites_have_missions_and_unknown_ones_a_hint() -> None:
    assert [mission.source for mission in suite_missions("quick")] == ["tutorial.miner", "training_facility_1"]
    assert len(suite_missions("diagnostic")) == 13
    assert all(mission.num_agents == 4 for mission in suite_missions("diagnostic"))
    assert len(suite_missions("evals")) == len(set(SUITES["evals"])) == 32
    with pytest.raises(BadInputError, match="quick"):
        suite_missions("quik")


def test_importing_the_public_modules_loads_nothing_heavy() -> None:
    heavy = ("scipy", "pandas", "matplotlib", "jinja2", "torch", "mettagrid", "cogames")
    code = f"import sys, daf.comparison, daf.visualization; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
