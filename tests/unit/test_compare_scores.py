"""Tables that users bring: what is answered, what is refused, and what is done about gaps."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from daf.comparison import ComparisonResults, daf_compare_policies, daf_compare_scores
from daf.config import DAFComparisonConfig
from daf.errors import BadInputError, ConfigError
from daf.statistics import effects


def table(
    policies: dict[str, float], *, missions: tuple[str, ...] = ("one", "two"), seeds: tuple[int, ...] = (1, 2, 3),
    episodes: int = 12, seed: int = 0,
) -> pd.DataFrame:  # fmt: skip
    rng = np.random.default_rng(seed)
    shared = {(m, e): rng.normal() for m in missions for e in range(episodes)}
    rows = [
        (policy, mission, one, episode, mean + shared[mission, episode] + rng.normal(0, 0.5))
        for policy, mean in policies.items()
        for mission in missions
        for one in seeds
        for episode in range(episodes)
    ]
    return pd.DataFrame(rows, columns=["policy", "mission", "seed", "episode", "score"])


def compare(frame: object, **options: object):
    return daf_compare_scores(frame, num_resamples=300, **options)  # type: ignore[arg-type]


def test_a_table_gives_the_same_from_a_frame_csv_and_parquet(tmp_path: Path) -> None:
    frame = table({"x": 1.0, "y": 0.0})
    frame.to_csv(tmp_path / "scores.csv", index=False)
    frame.to_parquet(tmp_path / "scores.parquet")
    whole = compare(frame)
    for path in (tmp_path / "scores.csv", str(tmp_path / "scores.parquet")):
        again = compare(path)
        for name in ("summary_statistics", "pairwise", "ranks", "aggregates", "profiles", "episodes"):
            pd.testing.assert_frame_equal(getattr(again, name), getattr(whole, name), check_exact=True)
    assert whole.estimand["checkpoints"]["answered"]
    assert whole.estimand["recipes"]["answered"]
    row = whole.pairwise.query("estimand == 'recipes' and mission == 'overall'").iloc[0]
    runs = frame.groupby(["policy", "seed"])["score"].mean()
    assert row["p"] == pytest.approx(stats.ttest_ind(runs["x"], runs["y"], equal_var=False).pvalue, abs=1e-9)


def test_without_training_seeds_only_these_checkpoints_are_compared() -> None:
    results = compare(table({"x": 1.0, "y": 0.0}, seeds=(1,)).drop(columns="seed"))
    assert results.estimand["checkpoints"]["answered"]
    assert not results.estimand["recipes"]["answered"]
    assert results.estimand["recipes"]["why"].startswith("no training seeds are known")
    assert set(results.pairwise["estimand"]) == {"checkpoints"}
    assert set(results.aggregates["estimand"]) == {"checkpoints"}
    assert "Not answered: no training seeds are known" in str(results)


def test_one_value_per_training_seed_answers_the_recipes_only() -> None:
    frame = table({"x": 3.0, "y": 0.0}, episodes=1, seeds=(1, 2, 3, 4, 5)).drop(columns="episode")
    results = compare(frame)
    assert not results.estimand["checkpoints"]["answered"]
    assert results.estimand["recipes"]["answered"]
    assert not any("episode" in note and "numbered" in note for note in results.notes)


def test_rows_without_episode_numbers_are_numbered_and_it_is_said() -> None:
    results = compare(table({"x": 1.0, "y": 0.0}).drop(columns="episode"))
    assert any("rows of each run were numbered" in note for note in results.notes)
    assert results.pairwise.query("estimand == 'checkpoints' and mission == 'one'").iloc[0]["n_a"] == 12


def test_missing_scores_cells_and_missions_are_left_out_visibly() -> None:
    frame = table({"x": 1.0, "y": 0.0, "z": 0.5})
    frame.loc[(frame.policy == "x") & (frame.mission == "one") & (frame.episode == 0), "score"] = np.nan
    frame = frame[~((frame.policy == "y") & (frame.mission == "two"))]  # a mission that only some played
    frame = frame[~((frame.policy == "z") & (frame.mission == "one") & (frame.seed == 2) & (frame.episode == 3))]
    results = compare(frame)
    notes = " ".join(results.notes)
    assert "1 of 12 episodes of x on one has no complete result (first reason: the score is missing)" in notes
    assert "1 of 36 results of z on one was never played and is filled" in notes
    assert "y did not play two" in notes
    assert "use only the 1 of 2 missions that all policies played" in notes
    pairs = results.pairwise.query("estimand == 'checkpoints'").set_index(["policy_a", "policy_b", "mission"])["n_a"]
    assert pairs["x", "y", "one"] == pairs["x", "y", "overall"] == 11
    assert pairs["x", "z", "one"] == 11
    assert pairs["x", "z", "overall"] == 23
    assert (results.aggregates["n_missions"] == 1).all()


def test_a_seed_that_missed_a_mission_does_not_count_over_missions() -> None:
    frame = table({"x": 1.0, "y": 0.0})
    frame = frame[~((frame.policy == "x") & (frame.mission == "two") & (frame.seed == 3))]
    pairs = compare(frame).pairwise.query("estimand == 'recipes'").set_index("mission")["n_a"]
    assert pairs["one"] == 3
    assert pairs["two"] == pairs["overall"] == 2


def test_one_policy_and_one_mission() -> None:
    results = compare(table({"x": 1.0}, missions=("one",)))
    assert results.pairwise.empty
    assert results.ranks.empty
    assert "x scores" in str(results)
    assert "no other policy" in results.estimand["recipes"]["why"]


def test_the_order_and_choice_of_policies_is_the_callers() -> None:
    results = compare(table({"x": 1.0, "y": 0.0, "z": 0.5}), policies=["z", "x"], missions=["two"])
    assert results.pairwise[["policy_a", "policy_b"]].drop_duplicates().to_numpy().tolist() == [["z", "x"]]
    assert results.missions == ["two"]


def test_the_reference_is_compared_with_all_others_and_holm_counts_only_those() -> None:
    frame = table({"full": 1.0, "a": 0.9, "b": 0.8, "c": 1.05}, seeds=(1, 2, 3, 4, 5))
    results = compare(frame, reference="full")
    rows = results.pairwise.query("estimand == 'checkpoints' and mission == 'overall'").sort_values("p")
    assert rows["policy_a"].unique().tolist() == ["full"]
    assert sorted(rows["policy_b"]) == ["a", "b", "c"]
    expected = np.minimum(np.maximum.accumulate(rows["p"] * [3, 2, 1]), 1)
    np.testing.assert_allclose(rows["p_holm"], expected)
    improvement = results.pairwise.query("estimand == 'recipes' and mission == 'overall'")
    assert (improvement["p_improvement_low"] <= improvement["p_improvement"]).all()


WRONG = {
    "no score": (lambda f: f.rename(columns={"score": "scores"}), "a column 'score'", "rename 'scores' to 'score'"),
    "empty": (lambda f: f.iloc[:0], "no rows", ""),
    "duplicate": (lambda f: pd.concat([f, f.iloc[[7]]]), "x on one, seed 1, episode 7 twice", ""),
    "text": (lambda f: f.assign(score=f["score"].astype(object).where(f.index != 4, "high")), "'high' in row 4", ""),
    "infinite": (lambda f: f.assign(score=f["score"].where(f.index != 4, np.inf)), "finite scores", "inf in row 4"),
    "too large": (
        lambda f: f.assign(score=f["score"].where(f.index != 4, 2e306)),
        "at most 1e+305 in size",
        "2e+306 in row 4",
    ),
    "dates": (lambda f: f.assign(score=pd.to_datetime(f["episode"], unit="s")), "numbers", "1970-01-01", ": score"),
    "times": (lambda f: f.assign(score=pd.to_timedelta(f["episode"], unit="s")), "numbers", "0 days", ": score"),
    "all missing": (lambda f: f.assign(score=np.nan), "failed episodes only", ""),
    "seed": (lambda f: f.assign(seed=0.5), "'0.5' in row 0", "seed"),
    "some seeds": (lambda f: f.assign(seed=f["seed"].where(f.index != 3)), "x has some, but none in row 3", ""),
    "no policy": (lambda f: f.assign(policy=f["policy"].where(f.index != 3)), "none in row 3", ""),
    "blank policy": (lambda f: f.assign(policy=f["policy"].where(f.index != 3, " ")), "none in row 3", ""),
    "infinite seed": (lambda f: f.assign(seed=f["seed"].where(f.index != 3, np.inf)), "'inf' in row 3", ": seed"),
    "huge seed": (lambda f: f.assign(seed=1e20), "whole numbers up to 9007199254740992", "'1e+20' in row 0", ": seed"),
    "too large a seed": (lambda f: f.assign(seed=2**64 - 1), f"whole numbers up to {2**63 - 1}", ": seed"),
    "two columns": (lambda f: pd.concat([f, f[["score"]]], axis=1), "one column 'score'", "2 of that name"),
    "negative episode": (
        lambda f: f.assign(episode=f["episode"] - 5),
        "numbers of at least 0",
        "-5 in row 0",
        ": episode",
    ),
    "reserved": (lambda f: f.assign(mission=f["mission"].replace("two", "overall")), "'overall'", ""),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_tables_are_refused_with_their_reason(name: str) -> None:
    change, *texts = WRONG[name]
    with pytest.raises(BadInputError) as caught:
        compare(change(table({"x": 1.0, "y": 0.0})))
    for text in texts:
        assert text in str(caught.value)


def test_wrong_files_and_settings_are_refused(tmp_path: Path) -> None:
    (tmp_path / "scores.xlsx").write_text("")
    (tmp_path / "scores.parquet").write_text("no parquet")
    for name, text in (("none.csv", "no such file"), ("scores.xlsx", "'.xlsx'"), ("scores.parquet", "parquet")):
        with pytest.raises(BadInputError, match=text):
            compare(tmp_path / name)
    with pytest.raises(ConfigError, match="one of the policies compared"):
        compare(table({"x": 1.0, "y": 0.0}), reference="w")


def test_a_training_seed_that_plays_four_missions_is_one_unit_of_its_recipe() -> None:
    # Every seed scores the same on all missions, so four missions say no more about the recipe than one.
    skill = np.random.default_rng(8).normal(0, 1, 8)
    rows = [(f"m{m}", seed, skill[seed]) for m in range(4) for seed in range(8)]
    frame = pd.DataFrame(rows, columns=["mission", "seed", "score"]).assign(policy="x")
    both = pd.concat([frame, frame.assign(policy="y", score=frame["score"] - 0.5)])
    results = daf_compare_scores(both, num_resamples=4000)
    row = results.aggregates.query("estimand == 'recipes' and policy == 'x' and statistic == 'mean'").iloc[0]
    expected = stats.ttest_1samp(skill, 0).confidence_interval(0.95)
    assert (row["interval_low"], row["interval_high"]) == pytest.approx((expected.low, expected.high), abs=0.15)
    assert (row["n_missions"], row["n_units"]) == (4, 32)
    overall = results.pairwise.query("estimand == 'recipes' and mission == 'overall'").iloc[0]
    alone = results.pairwise.query("estimand == 'recipes' and mission == 'm0'").iloc[0]
    assert overall["p"] == pytest.approx(alone["p"], abs=1e-12)
    assert overall["p_improvement_low"] == pytest.approx(alone["p_improvement_low"], abs=0.06)


def test_one_training_seed_leaves_the_ranks_of_recipes_open(tmp_path: Path) -> None:
    results = compare(table({"x": 1.0, "y": 0.5}, seeds=(1,)), output_dir=tmp_path)
    ranks = results.ranks.set_index("estimand")
    assert not results.estimand["recipes"]["answered"]
    assert ranks.loc["recipes", ["rank_low", "rank_high", "p_first"]].isna().all(axis=None)
    assert ranks.loc["checkpoints", ["rank_low", "rank_high", "p_first"]].notna().all(axis=None)
    page = (tmp_path / "report.html").read_text()
    shown = page.split('id="ranks-table"')[1].split("</tbody>")[0]
    rows = [row for row in shown.split("<tr") if '<td class="t">recipes</td>' in row]
    assert len(rows) == 6  # two policies on each mission and overall
    for row in rows:
        assert row.count("\N{EN DASH}</td>") == 2
        assert "None" not in row
        assert "nan" not in row.lower()


def test_a_recipe_that_always_wins_has_no_certain_probability(tmp_path: Path) -> None:
    frame = table({"x": 9.0, "y": 0.0}, seeds=(1, 2, 3, 4, 5))
    results = compare(frame, output_dir=tmp_path)
    rows = results.pairwise.query("estimand == 'recipes'")
    assert (rows["p_improvement"] == 1).all()
    assert rows[["p_improvement_low", "p_improvement_high"]].isna().all(axis=None)
    assert ">100 %<small>no interval</small>" in (tmp_path / "report.html").read_text()
    checkpoints = results.pairwise.query("estimand == 'checkpoints'")  # Wilson's interval has a width at 100 %, too
    assert (checkpoints["p_improvement_low"] < checkpoints["p_improvement_high"]).all()


def test_aggregate_means_weigh_missions_the_same_and_what_does_not_is_said() -> None:
    # On "one" with its 100 episodes x is ahead by 1, on "two" with 10 it is behind by 3.
    parts = [
        table(means, missions=(mission,), seeds=(1,), episodes=episodes)
        for mission, episodes, means in (("one", 100, {"x": 1.0, "y": 0.0}), ("two", 10, {"x": -3.0, "y": 0.0}))
    ]
    frame = pd.concat(parts).drop(columns="seed")
    results = compare(frame)
    by_mission = frame.groupby(["policy", "mission"])["score"].mean()
    values = results.aggregates.set_index(["statistic", "policy"])["value"]
    for policy in "xy":
        assert values["mean", policy] == pytest.approx(by_mission[policy].mean(), abs=1e-12)
        pooled = frame.loc[frame.policy == policy, "score"]
        assert values["iqm", policy] == pytest.approx(stats.trim_mean(pooled, 0.25), abs=1e-12)
        assert values["median", policy] == pytest.approx(by_mission[policy].median(), abs=1e-12)
    assert values["mean", "x"] < values["mean", "y"]
    assert "y beats x over 2 missions" in results.verdicts()[0]
    assert any("so a mission with more episodes weighs more there" in note for note in results.notes)
    assert not any("weighs more there" in note for note in compare(table({"x": 1.0, "y": 0.0})).notes)
    # On a declared scale: the shortfall below 1, a mean of missions' means as well.
    ends = {"low": {"one": 0.0, "two": 0.0}, "high": {"one": 2.0, "two": 2.0}}
    gap = compare(frame, normalization=ends).aggregates.set_index(["statistic", "policy"])["value"][
        "optimality_gap", "x"
    ]
    short = (1 - frame["score"] / 2).clip(lower=0)[frame.policy == "x"]
    assert gap == pytest.approx(short.groupby(frame.loc[frame.policy == "x", "mission"]).mean().mean(), abs=1e-12)


def test_the_interval_of_an_aggregate_mean_heeds_the_mission_with_few_episodes() -> None:
    parts = [table({"x": 1.0}, missions=(m,), seeds=(1,), episodes=n, seed=n) for m, n in (("one", 40), ("two", 5))]
    frame = pd.concat(parts).drop(columns="seed")
    row = daf_compare_scores(frame, num_resamples=20_000).aggregates.set_index("statistic").loc["mean"]
    scores = [part["score"].to_numpy() for _, part in frame.groupby("mission")]
    variances = np.array([one.var(ddof=1) / one.size for one in scores])  # of Welch and Satterthwaite
    df = variances.sum() ** 2 / (variances**2 / [39, 4]).sum()
    half = stats.t.ppf(0.975, df) * np.sqrt(variances.sum()) / 2
    assert row["interval_high"] - row["interval_low"] == pytest.approx(2 * half, rel=0.15)


def test_drawing_missions_widens_what_is_said_of_missions_like_these_only() -> None:
    names = tuple(f"m{number}" for number in range(6))
    frame = table({"x": 1.0, "y": 0.0}, missions=names, seeds=(1, 2, 3, 4, 5))
    frame["score"] += frame["mission"].str[1:].astype(int) * 3.0  # missions differ more than episodes do
    given, drawn = compare(frame), compare(frame, resample_missions=True)
    width, wider = (r.aggregates["interval_high"] - r.aggregates["interval_low"] for r in (given, drawn))
    assert (wider > 3 * width).all()
    assert drawn.aggregates["interval_method"].str.endswith("missions resampled").all()
    thin, broad = ((r.profiles["interval_high"] - r.profiles["interval_low"]).mean() for r in (given, drawn))
    assert broad > 2 * thin
    pd.testing.assert_series_equal(drawn.aggregates["value"], given.aggregates["value"])
    pd.testing.assert_frame_equal(drawn.pairwise, given.pairwise)
    pd.testing.assert_frame_equal(drawn.ranks, given.ranks)
    assert any("they generalize to similar missions" in note for note in drawn.notes)
    assert not any("similar missions" in note for note in given.notes)


def test_aggregates_and_profiles_rest_on_shared_environment_seeds() -> None:
    frame = table({"x": 1.0, "y": 0.0}, seeds=(1,)).drop(columns="seed")
    lucky = (frame.policy == "x") & (frame.mission == "one") & (frame.episode >= 8)
    frame.loc[lucky, "score"] += 50
    frame = frame[~((frame.policy == "y") & (frame.mission == "one") & (frame.episode >= 8))]
    results = compare(frame)
    rows = results.aggregates.query("policy == 'x'").set_index("statistic")
    shared = frame[(frame.policy == "x") & ((frame.mission == "two") | (frame.episode < 8))]
    assert (rows["n_units"] == 20).all()
    assert rows.loc["mean", "value"] == pytest.approx(shared.groupby("mission")["score"].mean().mean(), abs=1e-12)
    assert rows.loc["median", "value"] == pytest.approx(shared.groupby("mission")["score"].mean().median(), abs=1e-12)
    assert results.profiles["threshold"].max() < 10
    assert any("all policies share: 8 of 12 on one." in note for note in results.notes)
    assert not any("share" in note for note in compare(table({"x": 1.0, "y": 0.0})).notes)


# ---- one scale --------------------------------------------------------------------------------------------


def test_normalization_puts_every_mission_on_one_scale() -> None:
    frame = table({"random": 0.0, "reference": 2.0, "x": 1.0})
    frame.loc[frame.mission == "two", "score"] = 100 * frame["score"] - 7
    results = compare(frame, normalization={"low": "random", "high": "reference"})
    means = results.summary_statistics.set_index(["policy", "mission"])["mean"]
    raw = results.summary_statistics.set_index(["policy", "mission"])["mean_reward"]
    truth = frame.groupby(["policy", "mission"])["score"].mean()
    for mission in ("one", "two"):
        zero, one = truth["random", mission], truth["reference", mission]
        assert means["random", mission] == pytest.approx(0, abs=1e-12)
        assert means["reference", mission] == pytest.approx(1, abs=1e-12)
        assert means["x", mission] == pytest.approx((truth["x", mission] - zero) / (one - zero), abs=1e-9)
        assert raw["x", mission] == pytest.approx(truth["x", mission], abs=1e-9)
        scale = results.provenance["computation"]["normalization"][mission]
        assert scale == pytest.approx([zero, one], abs=1e-9)
    assert "optimality_gap" in set(results.aggregates["statistic"])
    assert any("The scale is set by the scores of random and reference" in note for note in results.notes)
    assert "normalized points" in results.verdicts()[0]
    # A change of scale changes no test, but for the weight of the missions.
    plain = compare(frame).pairwise.query("mission == 'two' and estimand == 'checkpoints'")
    scaled = results.pairwise.query("mission == 'two' and estimand == 'checkpoints'")
    np.testing.assert_allclose(plain["p"].astype(float), scaled["p"].astype(float))
    np.testing.assert_allclose(plain["effect"].astype(float), scaled["effect"].astype(float))


def test_declared_numbers_are_reference_scores_too_and_gaps_in_them_are_refused() -> None:
    frame = table({"x": 1.0, "y": 0.0})
    numbers = {"low": {"one": 0.0, "two": -1.0}, "high": {"one": 2.0, "two": 3.0}}
    means = compare(frame, normalization=numbers).summary_statistics.set_index(["policy", "mission"])["mean"]
    truth = frame.groupby(["policy", "mission"])["score"].mean()
    assert means["x", "two"] == pytest.approx((truth["x", "two"] + 1) / 4, abs=1e-9)
    for scale, text in (
        ({"low": {"one": 0.0}, "high": {"one": 1.0, "two": 1.0}}, "none for two"),
        ({"low": {"one": 0.0, "two": 1.0}, "high": {"one": 1.0, "two": 1.0}}, "1.0 for both on two"),
        ({"low": "x", "high": "x"}, "x for both on one"),
        ({"low": "w", "high": "x"}, r"normalization\.low\n  expected: one of the policies compared \(x, y\)"),
    ):
        with pytest.raises(ConfigError, match=text):
            compare(frame, normalization=scale)
    flat = frame.assign(score=frame["score"].where(frame["mission"] == "one", 5.0))
    with pytest.raises(BadInputError, match="two different reference scores on two"):
        compare(flat, normalization={"low": "y", "high": "x"})
    gap = frame[~((frame.policy == "y") & (frame.mission == "two"))]
    with pytest.raises(BadInputError, match="episodes of y on two"):
        compare(gap, normalization={"low": "y", "high": "x"})


def test_policies_that_would_turn_a_mission_upside_down_are_no_reference_scores() -> None:
    frame = table({"random": 0.0, "reference": 5.0, "x": 4.0})
    frame.loc[(frame.mission == "two") & (frame.policy == "reference"), "score"] -= 9
    frame.loc[(frame.mission == "two") & (frame.policy == "x"), "score"] += 9
    truth = frame.groupby(["policy", "mission"])["score"].mean()
    numbers = {"one": 0.0, "two": 0.0}
    for scale, ends in (
        ({"low": "random", "high": "reference"}, (truth["random", "two"], truth["reference", "two"])),
        ({"low": numbers, "high": "reference"}, (0, truth["reference", "two"])),
        ({"low": "x", "high": {"one": 5.0, "two": 1.0}}, (truth["x", "two"], 1)),
    ):
        with pytest.raises(BadInputError) as caught:
            compare(frame, normalization=scale)
        for text in (f"high is {ends[1]:g} and low is {ends[0]:g}", "on two", "declare rewards", "leave the mission"):
            assert text in str(caught.value)
    assert compare(frame, missions=["one"], normalization={"low": "random", "high": "reference"}).missions == ["one"]


def test_declared_numbers_may_count_a_mission_downwards_and_it_is_said() -> None:
    frame = table({"x": 4.0, "y": 1.0})
    numbers = {"low": {"one": 0.0, "two": 10.0}, "high": {"one": 5.0, "two": 2.0}}
    results = compare(frame, normalization=numbers)
    means = results.summary_statistics.set_index(["policy", "mission"])["mean"]
    truth = frame.groupby(["policy", "mission"])["score"].mean()
    assert means["x", "two"] == pytest.approx((10 - truth["x", "two"]) / 8, abs=1e-9)
    assert [note for note in results.notes if "downwards" in note] == [
        "two counts downwards: its declared reference scores make 2 better than 10."
    ]


# ---- planning ---------------------------------------------------------------------------------------------


def test_what_is_missing_for_the_margin_is_said() -> None:
    results = compare(table({"x": 0.1, "y": 0.0}, episodes=8, seeds=(1, 2, 3)), equivalence_margin=0.2)
    rows = results.pairwise.query("mission == 'overall'").set_index("estimand")
    for key, have, per in (("checkpoints", 8, 2), ("recipes", 3, 1)):
        row = rows.loc[key]
        assert row["more_needed"] == max(0, int(np.ceil(row["n_needed"] / per)) - have)
    # 80 % power, with the variances seen: of differences within missions (A), of seed means (B).
    frame = table({"x": 0.1, "y": 0.0}, episodes=8, seeds=(1, 2, 3))
    scores = frame.groupby(["mission", "episode", "policy"])["score"].mean().unstack()
    spread = np.sqrt((scores["x"] - scores["y"]).groupby("mission").var().mean())
    assert rows.loc["checkpoints", "n_needed"] == np.ceil(effects.paired_sample_size(0.2 / spread, 0.8))
    runs = frame.groupby(["policy", "seed"])["score"].mean().groupby("policy").var()
    assert rows.loc["recipes", "n_needed"] == np.ceil(effects.two_sample_size(0.2 / np.sqrt(runs.mean()), 0.8))
    said = [note for note in results.notes if "80 % chance" in note]
    assert any(f"About {rows.loc['recipes', 'more_needed']} more training seeds per recipe" in note for note in said)


def power_of_t(noncentrality: float, df: float, alpha: float) -> float:
    """scipy's noncentral t distribution, both tails."""
    critical = stats.t.isf(alpha / 2, df)
    return float(stats.nct.sf(critical, df, noncentrality) + stats.nct.cdf(-critical, df, noncentrality))


def test_planning_is_for_the_first_step_of_holms_correction() -> None:
    # 4 policies are 6 pairs overall and 12 on two missions; `same` is `w` again, so that two tests say nothing.
    frame = table({"w": 0.3, "x": 0.1, "y": 0.0}, seeds=(1, 2, 3, 4), episodes=10)
    frame = pd.concat([frame, frame[frame.policy == "w"].assign(policy="same")])
    margin, found = 0.3, compare(frame, equivalence_margin=0.3, recipe_claim="these_episodes").pairwise
    assert (
        found["p"].isna().sum() == 3
    )  # the comparison of checkpoints only, `w` and `same`: overall and on two missions
    scores = frame.groupby(["mission", "episode", "policy"])["score"].mean().unstack()
    d = (scores["x"] - scores["y"]).unstack("mission")
    runs = frame.groupby(["policy", "seed", "mission"])["score"].mean().unstack("mission")
    for mission, tests_a, tests_b in (("one", 10, 12), ("overall", 5, 6)):
        rows = found.query(f"policy_a == 'x' and policy_b == 'y' and mission == '{mission}'").set_index("estimand")
        part = d[["one"]] if mission == "one" else d
        errors = part.var() / len(part) / part.shape[1] ** 2
        df = errors.sum() ** 2 / (errors**2 / 9).sum()
        expected = power_of_t(margin / np.sqrt(errors.sum()), df, 0.05 / tests_a)
        assert rows.loc["checkpoints", "power"] == pytest.approx(expected, abs=1e-9)
        n, effect = int(rows.loc["checkpoints", "n_needed"]), margin / np.sqrt(part.var().mean())
        assert power_of_t(effect * np.sqrt(n), n - 1, 0.05 / tests_a) >= 0.8
        assert power_of_t(effect * np.sqrt(n - 1), n - 2, 0.05 / tests_a) < 0.8
        assert rows.loc["checkpoints", "more_needed"] == max(0, np.ceil(n / part.shape[1]) - 10)
        means = runs["one"] if mission == "one" else runs.mean(axis=1)
        sides = means["x"].var() / 4, means["y"].var() / 4
        df = sum(sides) ** 2 / (sides[0] ** 2 / 3 + sides[1] ** 2 / 3)
        expected = power_of_t(margin / np.sqrt(sum(sides)), df, 0.05 / tests_b)
        assert rows.loc["recipes", "power"] == pytest.approx(expected, abs=1e-9)
        n, effect = int(rows.loc["recipes", "n_needed"]), margin / np.sqrt(2 * sum(sides))
        assert power_of_t(effect * np.sqrt(n / 2), 2 * n - 2, 0.05 / tests_b) >= 0.8
        assert power_of_t(effect * np.sqrt((n - 1) / 2), 2 * n - 4, 0.05 / tests_b) < 0.8
        assert rows.loc["recipes", "more_needed"] == max(0, n - 4)


def test_planning_against_a_fixed_policy_counts_the_seeds_of_the_other() -> None:
    frame = table({"x": 0.1, "fixed": 0.0}, missions=("one",), seeds=(1, 2, 3), episodes=20)
    fixed = frame[(frame.policy == "fixed") & (frame.seed == 1)].assign(seed=None)
    both = pd.concat([frame[frame.policy == "x"], fixed])
    results = compare(both, equivalence_margin=0.05, recipe_claim="these_episodes")
    row = results.pairwise.query("estimand == 'recipes' and mission == 'overall'").iloc[0]
    sd = frame[frame.policy == "x"].groupby("seed")["score"].mean().std()
    assert row["power"] == pytest.approx(power_of_t(0.05 / sd * np.sqrt(3), 2, 0.05), abs=1e-9)
    n = int(row["n_needed"])
    assert power_of_t(0.05 / sd * np.sqrt(n), n - 1, 0.05) >= 0.8 > power_of_t(0.05 / sd * np.sqrt(n - 1), n - 2, 0.05)
    assert row["more_needed"] == n - 3


def test_a_margin_far_below_the_spread_leaves_the_number_needed_open() -> None:
    frame = table({"x": 0.1, "y": 0.0}, missions=("one",))
    results = compare(frame, equivalence_margin=1e-6)
    rows = results.pairwise.set_index(["estimand", "mission"])
    assert rows[["n_needed", "more_needed"]].isna().all(axis=None)
    assert set(rows["verdict"]) == {"inconclusive"}
    np.testing.assert_allclose(rows["power"], 0.05, atol=1e-4)
    for key, unit in (
        ("checkpoints", "episodes per mission"),
        ("recipes", "training seeds per recipe, on this number of episodes,"),
    ):
        text = f"that a billion {unit} would not show it in 1 of 1 undecided pair of {key}."
        assert any(
            note.startswith("A difference of 1e-06 is so small") and note.endswith(text) for note in results.notes
        )
    assert not any("80 % chance" in note for note in results.notes)


def test_a_mission_whose_difference_never_varies_leaves_equivalence_open_and_is_named() -> None:
    frame = table({"x": 0.0, "y": 0.0, "z": 0.0}, seeds=(1,), episodes=24)
    one = frame.mission == "one"
    shared = frame[one & (frame.policy == "z")].set_index("episode")["score"]
    frame.loc[one & (frame.policy == "x"), "score"] = frame["episode"].map(shared) + 1.0
    frame.loc[one & (frame.policy == "y"), "score"] = frame["episode"].map(shared)
    results = compare(frame.drop(columns="seed"), equivalence_margin=5.0)
    rows = results.pairwise.query("mission == 'overall'").set_index(["policy_a", "policy_b"])
    for pair in (("x", "y"), ("x", "z")):  # by a standard error from mission two alone, they would be equivalent
        assert rows.loc[pair, ["p_equivalence", "power", "n_needed", "more_needed"]].isna().all()
        assert rows.loc[pair, "verdict"] == "inconclusive"
    # Equal scores make no such claim: only the absence of a difference counts as known.
    assert rows.loc[("y", "z"), "verdict"] == "equivalent"
    notes = [note for note in results.notes if "same amount in every episode" in note]
    assert len(notes) == 1
    assert "on one (x and y, x and z)." in notes[0]
    assert "counts such a mission's episodes as one" in notes[0]
    assert "treats the difference there as known" in notes[0]
    assert not any("same amount" in note for note in compare(table({"x": 1.0, "y": 0.0})).notes)


def test_the_permutation_test_of_recipes_says_how_small_its_p_can_get() -> None:
    frame = table({"x": 9.0, "y": 0.0, "z": 5.0}, seeds=(1, 2, 3, 4))
    results = compare(frame, recipe_test="permutation")
    rows = results.pairwise.query("estimand == 'recipes' and mission == 'overall'")
    np.testing.assert_allclose(rows["p"].astype(float), 2 / 70)
    np.testing.assert_allclose(rows["minimum_p"].astype(float), 2 / 70)
    np.testing.assert_allclose(rows["p_holm"].astype(float), 6 / 70)
    assert rows["test"].unique().tolist() == [
        "t-test of training seeds and episodes, and studentized permutation (exact)"
    ]
    floor = "too few training seeds for a verdict: even if one policy is always better, the p-value is 0.029"
    assert any(floor in note for note in results.notes)
    rows = compare(frame).pairwise.query("estimand == 'recipes' and mission == 'overall'")
    assert set(rows["verdict"]) == {"better", "worse"}  # Welch's test can tell


def test_many_tests_on_single_missions_can_be_decided() -> None:
    # 6 pairs on 30 missions are 180 tests: with 300 draws alone the smallest adjusted p would be 180 / 301.
    means = {f"p{i}": 5.0 * i for i in range(4)}
    missions = tuple(f"m{j}" for j in range(30))
    results = compare(table(means, missions=missions, seeds=(1,), episodes=24))
    single = results.pairwise.query("estimand == 'checkpoints' and mission != 'overall'")
    assert len(single) == 180
    assert set(single["verdict"]) == {"worse"}
    assert set(single["test"]) == {"sign-flip permutation (exact)"}  # 2**24 signs, counted by halves
    np.testing.assert_allclose(single["p_holm"], 180 * 2 / 2**24)
    assert not any("too few episodes" in note for note in results.notes)
    # A look of a comparison that stops by itself has a smaller alpha, and more draws.
    strict = compare(table(means, missions=missions[:2], seeds=(1,), episodes=24), confidence_level=1 - 0.05 / 16)
    assert set(strict.pairwise.query("estimand == 'checkpoints' and mission == 'overall'")["verdict"]) == {"worse"}


def test_too_few_episodes_for_the_tests_on_single_missions_are_named_as_such() -> None:
    # 8 episodes: p >= 2^-7 on a mission, and 15 times that is above .05; over 5 missions there are 40 episodes.
    frame = table({f"p{i}": i for i in range(3)}, missions=tuple("abcde"), seeds=(1,), episodes=8)
    notes = [note for note in compare(frame).notes if "too few episodes" in note]
    assert len(notes) == 1
    assert "the p-value is 0.0078" in notes[0]
    assert "on a single mission" in notes[0]
    assert "the smallest of 15 p-values must be at most 0.0033" in notes[0]
    assert notes[0].endswith("Run more episodes.")


# ---- files ------------------------------------------------------------------------------------------------


def test_results_go_to_files_that_come_back(tmp_path: Path) -> None:
    frame = table({"x": 1.0, "y": 0.0}, missions=("One", "two"))
    results = compare(frame, output_dir=tmp_path)
    again = compare(tmp_path / "scores.csv")
    assert compare(tmp_path / "scores.parquet").pairwise.equals(again.pairwise)
    pd.testing.assert_frame_equal(again.pairwise, results.pairwise)
    layout = json.loads((tmp_path / "marl_eval.json").read_text())["cogames"]
    assert list(layout) == ["one", "two"]
    runs = layout["one"]["x"]
    assert list(runs) == ["run_1", "run_2", "run_3"]
    assert list(runs["run_2"]) == ["step_1", "absolute_metrics"]
    expected = frame.query("policy == 'x' and mission == 'One' and seed == 2")["score"].tolist()
    assert runs["run_2"]["absolute_metrics"] == {"return": expected}
    assert runs["run_2"]["step_1"] == {"step_count": 0, "return": expected}
    aggregates = pd.read_csv(tmp_path / "aggregates.csv")
    assert set(aggregates["statistic"]) == {"mean", "median", "iqm"}
    assert (tmp_path / "report.html").is_file()


# ---- unequal tables ---------------------------------------------------------------------------------------


def without(frame: pd.DataFrame, policy: str, *missions: str) -> pd.DataFrame:
    return frame[~((frame["policy"] == policy) & frame["mission"].isin(missions))]


def test_sentences_count_the_missions_they_rest_on(tmp_path: Path) -> None:
    frame = table({"a": 5.0, "b": 1.0, "c": 1.0}, missions=("m1", "m2", "m3"))
    results = compare(without(without(frame, "b", "m2", "m3"), "c", "m3"), output_dir=tmp_path)
    means = results.summary_statistics.set_index(["policy", "mission"])["n_missions"]
    assert [means[policy, "overall"] for policy in "abc"] == [3, 1, 2]
    assert means["a", "m2"] == 1
    pairs = results.pairwise.query("mission == 'overall'").groupby(["policy_a", "policy_b"])["n_missions"]
    assert {key: set(numbers) for key, numbers in pairs} == {("a", "b"): {1}, ("a", "c"): {2}, ("b", "c"): {1}}
    for text in (str(results), (tmp_path / "report.html").read_text()):
        assert "a beats b over 1 of 3 missions by" in text
        assert "a beats c over 2 of 3 missions by" in text
    assert "b scores" in str(results)
    assert "points over 1 of 3 missions, " in str(results)
    assert "a beats b over 3 missions" not in str(results)
    page = (tmp_path / "report.html").read_text()
    assert '<td class="t">1 of 3 missions</td>' in page
    assert "a beats c and b over 1 to 2 of 3 missions." in page


def on(frame: pd.DataFrame, mission: str, policy: str, seeds: tuple[int, ...]) -> pd.DataFrame:
    """The table with only these training seeds of a policy on a mission."""
    return frame[(frame["mission"] != mission) | (frame["policy"] != policy) | frame["seed"].isin(seeds)]


def test_training_seeds_are_those_that_played() -> None:
    frame = on(table({"x": 1.0, "y": 0.0}, seeds=(0, 1, 2, 3, 4)), "two", "x", (0, 1))
    counts = compare(frame).summary_statistics.set_index(["policy", "mission"])["n_train_seeds"]
    assert [counts["x", mission] for mission in ("one", "two", "overall")] == [5, 2, 2]
    assert counts["y", "overall"] == 5
    fixed = compare(frame.query("seed == 0").drop(columns="seed")).summary_statistics
    assert fixed["n_train_seeds"].tolist() == [0] * 6


@pytest.mark.parametrize(
    ("second", "why"),
    [
        ((3, 4, 5), "no training seed of x or y played all 2 missions"),
        ((2, 3, 4), "only one training seed of x and of y played all 2 missions"),
    ],
)
def test_training_seeds_that_share_no_missions_are_named_as_the_reason(second: tuple[int, ...], why: str) -> None:
    frame = table({"x": 1.0, "y": 0.0}, seeds=(0, 1, 2, 3, 4, 5))
    for policy in "xy":
        frame = on(on(frame, "one", policy, (0, 1, 2)), "two", policy, second)
    results = compare(frame)
    assert results.estimand["recipes"] == {**results.estimand["recipes"], "answered": False, "why": f"{why}."}
    assert results.pairwise.query("estimand == 'recipes' and mission == 'overall'")["reason"].tolist() == [why]
    assert why in results.verdicts("recipes")[0]
    assert "no mission in common" not in str(results)


def test_training_seeds_without_variance_are_named_as_the_reason() -> None:
    frame = table({"x": 1.0, "y": 0.0}).assign(score=lambda f: f["policy"].map({"x": 1.0, "y": 0.0}))
    assert compare(frame).estimand["recipes"]["why"] == "all values are equal within both sides."


def test_episodes_that_some_checkpoints_did_not_play_are_not_failures() -> None:
    frame = table({"x": 1.0, "y": 0.0}, missions=("one",), episodes=20)
    short = frame[(frame["policy"] == "y") | (frame["seed"] < 3) | (frame["episode"] < 5)].copy()
    short.loc[(short["policy"] == "x") & (short["episode"] == 0), "score"] = np.nan
    results = compare(short)
    notes = " ".join(results.notes)
    assert "15 of 20 episodes of x on one were not played by all of its 3 checkpoints there" in notes
    assert "1 of 20 episodes of x on one has no complete result (first reason: the score is missing)" in notes
    assert results.summary_statistics.query("policy == 'x'")["failures"].tolist() == [3, 3]
    assert results.summary_statistics.query("policy == 'x'")["n_episodes"].tolist() == [4, 4]


def test_episodes_numbered_through_all_training_seeds_are_refused_with_a_way_out() -> None:
    frame = table({"x": 1.0, "y": 0.0}, missions=("one",), episodes=10)
    through = frame.assign(episode=frame["episode"] + 10 * (frame["seed"] - 1))
    with pytest.raises(BadInputError) as caught:
        compare(through)
    text = str(caught.value)
    assert "each lacks the result of some checkpoint" in text
    assert "Number the episodes of each training seed from 0" in text
    assert "fail" not in text
    results = compare(pd.concat([through[through["policy"] == "x"], frame[frame["policy"] == "y"]]))
    assert any("x has no episode left on one. Number the episodes" in note for note in results.notes)


# ---- names and numbers ------------------------------------------------------------------------------------


def test_names_may_be_numbers_in_the_table_and_in_the_arguments() -> None:
    frame = table({"1": 1.0, "2": 0.0, "3": 0.5}).replace({"mission": {"one": "1", "two": "2"}})
    numbered = frame.astype({"policy": int, "mission": int})
    for scale in ({"low": 2, "high": 1}, {"low": {1: 0.0, 2: 0.0}, "high": {1: 1.0, 2: 2.0}}):
        options = {"policies": [1, 2], "missions": [2], "reference": np.int64(2), "normalization": scale}
        results = compare(numbered, **options)
        assert results.missions == ["2"]
        assert results.pairwise[["policy_a", "policy_b"]].drop_duplicates().to_numpy().tolist() == [["2", "1"]]
    with pytest.raises(ConfigError, match="one of the policies compared"):
        compare(numbered, reference=4)


def test_large_training_seeds_stay_apart() -> None:
    frame = table({"x": 1.0, "y": 0.0})
    for seeds in (frame["seed"] + 2**60, (frame["seed"] + 2**60).astype(str), (frame["seed"] + 2**60).astype("Int64")):
        results = compare(frame.assign(seed=seeds))
        assert sorted(set(results.episodes["train_seed"])) == [2**60 + 1, 2**60 + 2, 2**60 + 3]
    partly = frame[(frame["policy"] == "x") | (frame["seed"] == 1)]
    partly = partly.assign(seed=(partly["seed"] + 2**60).astype("Int64").mask(partly["policy"] == "y"))
    assert compare(partly).pairwise.query("estimand == 'recipes'")["n_a"].tolist() == [3, 3, 3]


def test_named_training_seeds_are_numbered_and_it_is_said() -> None:
    frame = table({"x": 1.0, "y": 0.0})
    named = compare(frame.assign(seed=frame["seed"].map({1: "run-b", 2: "run-a", 3: "run-c"})))
    assert "0 is run-b, 1 is run-a, 2 is run-c." in named.notes[-1]
    plain = compare(frame.assign(seed=frame["seed"] - 1))
    pd.testing.assert_frame_equal(named.pairwise, plain.pairwise)
    partly = frame[(frame["policy"] == "x") | (frame["seed"] == 1)]
    partly = partly.assign(seed=("run-" + partly["seed"].astype(str)).where(partly["policy"] == "x", ""))
    assert compare(partly).summary_statistics.query("policy == 'y'")["n_train_seeds"].tolist() == [0, 0, 0]


@pytest.mark.parametrize("name", ["None", "NA", "null"])
def test_a_name_in_a_csv_is_never_a_missing_value(name: str, tmp_path: Path) -> None:
    frame = table({name: 1.0, "y": 0.0}, missions=("one", "nan"))
    frame.loc[0, "score"] = np.nan
    frame.to_csv(tmp_path / "scores.csv", index=False, na_rep="NA")
    results = compare(tmp_path / "scores.csv")
    assert set(results.summary_statistics["policy"]) == {name, "y"}
    assert results.missions == ["one", "nan"]
    assert results.summary_statistics["failures"].max() == 1
    frame.assign(mission=frame["mission"].where(frame.index != 3)).to_csv(tmp_path / "scores.csv", index=False)
    with pytest.raises(BadInputError, match="none in line 5"):
        compare(tmp_path / "scores.csv")


def test_names_in_a_table_are_never_read_as_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    policies, missions = ("$x$", "~b", "a\nb", "$HOME", "_x_"), ("~m", "$m$", "a/$n", "k" * 300)
    results = compare(table(dict.fromkeys(policies, 1.0), missions=missions), reference="$x$", output_dir=tmp_path)
    assert results.policies == list(policies)
    assert results.missions == list(missions)
    again = ComparisonResults.read(tmp_path)
    assert again.config == results.config
    figures = {path.name for path in (tmp_path / "figures").iterdir()}
    assert len([name for name in figures if name.startswith("differences-")]) == 1 + len(missions)


def test_a_policy_without_training_seeds_among_others_is_said_to_be_fixed() -> None:
    frame = table({"x": 1.0, "y": 0.0})
    partly = frame[(frame["policy"] == "x") | (frame["seed"] == 1)]
    partly = partly.assign(seed=partly["seed"].where(partly["policy"] == "x"))
    results = compare(partly)
    assert results.notes[-1].startswith("y has no training seed and counts as fixed")
    methods = results.summary_statistics.query("policy == 'y'")["recipe_method"]
    assert set(methods) == {"insufficient data: no training seed of this policy is known"}
    for other in (frame, partly.drop(columns="seed").drop_duplicates(["policy", "mission", "episode"])):
        assert not any("as fixed" in note for note in compare(other).notes)
    assert not any("as fixed" in note for note in compare(partly, policies=["x"]).notes)


def test_very_small_scores_are_shown_with_their_digits() -> None:
    frame = table({"x": 1.0, "y": 0.0})
    (sentence,) = compare(frame.assign(score=frame["score"] * 1e-6)).verdicts()
    assert "0.00" not in sentence
    assert sentence.count("e\N{MINUS SIGN}") == 3


def test_the_training_seed_has_two_names_and_both_at_once_are_refused() -> None:
    frame = table({"x": 1.0, "y": 0.0})
    renamed = frame.rename(columns={"seed": "train_seed"})
    assert compare(renamed).to_dict()["pairwise"] == compare(frame).to_dict()["pairwise"]
    with pytest.raises(BadInputError, match="both name the training seed"):
        compare(frame.assign(train_seed=frame["seed"]))
    assert compare(compare(frame).scores()).to_dict()["pairwise"] == compare(frame).to_dict()["pairwise"]


def test_keywords_override_a_configuration() -> None:
    frame = table({"x": 1.0, "y": 0.0, "z": 0.5})
    config = DAFComparisonConfig(policies=["y", "x"], missions=["two"], num_resamples=300, equivalence_margin=9.0)
    results = daf_compare_scores(frame, config=config, confidence_level=0.9)
    assert (results.policies, results.missions) == (["y", "x"], ["two"])
    assert (results.config.equivalence_margin, results.config.confidence_level) == (9.0, 0.9)
    assert daf_compare_scores(frame, config=config, policies=["z", "x"]).policies == ["z", "x"]
    assert config.confidence_level == 0.95


def test_unknown_keywords_are_refused_by_the_function_they_were_given_to() -> None:
    frame = table({"x": 1.0, "y": 0.0})
    cases = [
        ({"equivalence_margn": 1.0}, "did you mean 'equivalence_margin'?"),
        ({"outputdir": "there"}, "did you mean 'output_dir'?"),
        ({"anchors": {"zero": "x", "one": "y"}}, "`anchors` is now called `normalization`, with `low` and `high`"),
        ({"num_looks": 3}, "`num_looks` is now called `num_interim_analyses`"),
        ({"normalization": {"zero": "x", "high": "y"}}, "`zero` is now called `low`"),
    ]
    for options, hint in cases:
        with pytest.raises(BadInputError) as caught:
            daf_compare_scores(frame, **options)  # type: ignore[arg-type]
        assert str(caught.value).startswith("daf_compare_scores")
        assert hint in str(caught.value)
    with pytest.raises(BadInputError, match="other than those that the function sets"):  # the table has its episodes
        daf_compare_scores(frame, episodes_per_mission=2)
    with pytest.raises(BadInputError, match="did you mean 'workers'") as caught:
        daf_compare_policies(["random"], ["arena"], worker=2)
    assert caught.value.where == "daf_compare_policies"


def test_names_of_a_table_are_no_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    names, missions = ["$HOME", "~", "$x$", "~b/c", "a|b", "=1+1", "é" * 80], ["~/m", "$k"]
    rows = [
        {"policy": policy, "mission": mission, "seed": seed, "score": float(place + (3 * seed) % 5)}
        for place, policy in enumerate(names)
        for mission in missions
        for seed in range(3)
    ]
    results = daf_compare_scores(
        rows, num_resamples=100, reference="$x$", normalization={"low": "$HOME", "high": {"~/m": 9.0, "$k": 9.0}}
    )
    assert (results.policies, results.missions) == (names, missions)
    again = ComparisonResults.read(results.write(tmp_path))
    assert again.config == results.config
    assert again.pairs == results.pairs
    assert daf_compare_scores(tmp_path / "scores.csv", num_resamples=100).policies == names
