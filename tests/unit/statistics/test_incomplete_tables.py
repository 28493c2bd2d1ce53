"""Tables in which not every training seed played every mission: what is left out, and what is said about it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from daf.comparison import ComparisonResults, daf_compare_scores
from daf.statistics.checked_episodes import check_episodes
from daf.statistics.gaps import filled, rows_to_fill
from daf.statistics.records import SummaryRecord
from daf.statistics.summary import summarize_raw
from daf.statistics.unit_collection import collect_units
from daf.system.columns import make_frame


def runs(policies: str = "abc", missions: str = "xyz", seeds: int = 5) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [(p, m, s, rng.normal(p == "a")) for p in policies for m in missions for s in range(seeds)]
    return pd.DataFrame(rows, columns=["policy", "mission", "seed", "score"])


def compared(table: pd.DataFrame, **options: object) -> ComparisonResults:
    return daf_compare_scores(table, num_resamples=200, **options)


def without_common_seed() -> ComparisonResults:
    """No training seed of `c` played all missions."""
    table = runs()
    of_c = table["policy"] == "c"
    lost = (of_c & (table["mission"] == "x") & (table["seed"] < 3)) | (
        of_c & (table["mission"] == "y") & (table["seed"] > 1)
    )
    return compared(table[~lost])


def test_aggregates_of_recipes_with_episodes_are_over_the_missions_that_all_played() -> None:
    table = runs("ab", seeds=6)
    table = pd.concat([table.assign(episode=e, score=table["score"] + e % 2) for e in range(4)])
    results = compared(table[(table["policy"] == "a") | (table["mission"] != "z")])
    found = results.aggregates.query("estimand == 'recipes' and statistic == 'mean'").set_index("policy")
    assert found["n_missions"].to_dict() == {"a": 2, "b": 2}
    shared = table[table["mission"] != "z"].groupby("policy")["score"].mean()
    assert found["value"].to_dict() == pytest.approx(shared.to_dict())
    assert found[["interval_low", "interval_high"]].notna().all(axis=None)


def test_a_recipe_without_a_seed_on_all_missions_takes_no_figure_of_the_others_away() -> None:
    results, pair = without_common_seed(), compared(runs("ab"))
    for name in ("aggregates", "profiles"):
        table, alone = (getattr(one, name).query("estimand == 'recipes'") for one in (results, pair))
        assert set(table["policy"]) == {"a", "b"}
        if name == "aggregates":
            pd.testing.assert_frame_equal(table.reset_index(drop=True), alone.reset_index(drop=True))
    ranks = results.ranks.query("estimand == 'recipes'").set_index(["mission", "policy"])["mean_rank"]
    assert ranks["overall"][["a", "b"]].tolist() == [1.0, 2.0]
    assert np.isnan(ranks["overall", "c"])
    assert sorted(ranks["x"]) == [1.0, 2.0, 3.0]


def test_what_is_left_out_of_figures_of_recipes_is_said() -> None:
    notes = without_common_seed().notes
    assert (
        "Aggregates, profiles and ranks of recipes over missions omit c, of which no training seed played all 3 "
        "missions."
    ) in notes
    assert any("use only training seeds that played all of them: 0 of 9 run scores of c. If" in note for note in notes)
    assert not any("recipes over missions omit" in note for note in compared(runs()).notes)


def test_a_mission_that_one_policy_did_not_play_costs_no_training_seed() -> None:
    table = runs()
    results = compared(table[(table["policy"] != "c") | (table["mission"] == "x")])
    assert not any("only training seeds that played all" in note for note in results.notes)
    assert {record.n_a for record in results.headline_records("recipes")} == {5}
    lost = (table["policy"] == "a") & (table["mission"] == "y") & (table["seed"] == 0)
    notes = compared(table[((table["policy"] != "c") | (table["mission"] == "x")) & ~lost]).notes
    assert any("played all of them: 12 of 14 run scores of a. If" in note for note in notes)  # the pair a and b


def test_checkpoints_that_did_not_play_a_mission_are_one_note_or_none_if_runs_are_separate() -> None:
    table = runs("ab", "xy", 3)
    table["seed"] += 10 * (table["mission"] == "y")
    absent = [note for note in compared(table).notes if "did not play" in note]
    assert absent[0] == (
        "3 checkpoints of a did not play x (a-seed-10, a-seed-11, a-seed-12); the results of a there exclude them."
    )
    assert len(absent) == 4
    assert not any("did not play" in note for note in compared(table, trainings="per_mission").notes)
    one = runs("ab", "xy", 4).query("not (policy == 'a' and mission == 'x' and seed == 3)")
    assert "a-seed-3 did not play x; the results of a there exclude it." in compared(one).notes


@pytest.mark.parametrize(
    ("trained", "counts", "test", "effect"),
    [("ab", (0, 0), "Welch t-test", "d"), ("a", (0, None), "one-sample t-test", "dz")],
)
def test_recipes_without_a_common_mission_are_of_the_kind_that_their_training_seeds_say(
    trained: str, counts: tuple[int | None, ...], test: str, effect: str
) -> None:
    table = pd.concat([runs("a", "x"), runs("b", "y"), runs("c", "xy")])
    table.loc[~table["policy"].isin([*trained, "c"]) & (table["seed"] > 0), "score"] = np.nan
    table["seed"] = table["seed"].where(table["policy"].isin([*trained, "c"]), -1)
    table = table.dropna().astype({"seed": object}).assign(seed=lambda f: f["seed"].where(f["seed"] != -1, None))
    results = compared(table)
    (record,) = [one for one in results.headline_records("recipes") if (one.policy_a, one.policy_b) == ("a", "b")]
    assert (record.n_a, record.n_b) == counts
    assert (record.test, record.effect_name, record.reason) == (test, effect, "no mission in common")
    assert "cannot be compared over 2 missions: no mission in common." in str(results)
    assert (
        "No mission was played by all policies, so there are no aggregates, profiles or ranks over missions."
        in results.notes
    )


def with_gaps(share: float, policies: str = "ab", seeds: int = 30) -> pd.DataFrame:
    """Results of 16 episodes, of which a share of those of `a` was never played."""
    rng = np.random.default_rng(1)
    rows = [(p, "m", s, e, rng.normal()) for p in policies for s in range(seeds) for e in range(16)]
    table = pd.DataFrame(rows, columns=["policy", "mission", "seed", "episode", "score"])
    return table[(table["policy"] != "a") | (rng.random(len(table)) >= share)]


def test_a_policy_without_an_episode_of_all_its_training_seeds_is_named_with_a_remedy_that_helps() -> None:
    results = compared(with_gaps(0.4))
    why = "no episode of a was played by all of its training runs."
    assert [answer["why"] for answer in results.estimand.values()] == [why, why]
    assert "a has no episode left on m. Add the missing results, or leave out the training seeds" in str(results)
    assert "Number the episodes" not in str(results)
    assert "no other policy" not in str(results)


def test_gaps_are_filled_by_the_additive_fit_of_episodes_and_training_seeds() -> None:
    """Yates' formula for one gap: (rows x row total + columns x column total - total) / ((rows - 1) (columns - 1))."""
    table = np.array([[1.0, 2.0, 4.0], [3.0, 3.0, 7.0], [2.0, 6.0, np.nan], [0.0, 1.0, 5.0]])
    expected = (4 * 8 + 3 * 16 - 34) / (3 * 2)
    found = filled(table)
    assert found[2, 2] == pytest.approx(expected)
    assert np.array_equal(found[~np.isnan(table)], table[~np.isnan(table)])
    assert rows_to_fill(table) is not None


def test_the_fit_recovers_additive_scores_whatever_is_missing() -> None:
    rng = np.random.default_rng(0)
    scores = 1e3 * rng.normal(size=(16, 1)) + rng.normal(size=30)
    assert filled(np.where(rng.random(scores.shape) < 0.15, np.nan, scores)) == pytest.approx(scores)


@pytest.mark.parametrize(
    ("there", "rows"),
    [
        ([[1, 1, 1], [1, 1, 1], [1, 1, 1]], None),  # nothing to fill
        (
            [[1, 1, 1], [1, 1, 0], [1, 1, 1], [1, 0, 0]],
            [True, True, True, False],
        ),  # fewer than half of the last episode
        ([[1, 1, 0], [1, 1, 0], [1, 1, 1], [1, 1, 1], [1, 1, 0]], None),  # fewer than half of the last seed
        ([[1, 1, 0], [1, 0, 1], [1, 1, 1]], None),  # more than a fifth
        ([[1, 0], [0, 1]], None),  # episodes numbered through all seeds
    ],
)
def test_only_few_scattered_gaps_are_filled(there: list[list[int]], rows: list[bool] | None) -> None:
    found = rows_to_fill(np.where(np.array(there) == 1, 1.0, np.nan))
    assert (None if found is None else found.tolist()) == rows


def test_filled_gaps_keep_all_seeds_and_episodes_and_cost_degrees_of_freedom() -> None:
    results = compared(with_gaps(0.1))
    (note,) = [note for note in results.notes if "filled" in note]
    gaps = 480 - int((with_gaps(0.1)["policy"] == "a").sum())
    assert note.startswith(f"{gaps} of 480 results of a on m were never played and are filled")
    (record,) = results.headline_records("recipes")
    assert (record.n_a, record.n_b) == (30, 30)
    frame = check_episodes(
        with_gaps(0.1).rename(columns={"seed": "train_seed", "episode": "env_seed", "score": "mean_reward"})
        .assign(checkpoint=lambda f: f["policy"] + f["train_seed"].astype(str)), ["a", "b"], ["m"],
    )  # fmt: skip
    units = collect_units(frame, ["a", "b"], ["m"])
    tables = {policy: units.run_table(policy, ["m"]) for policy in "ab"}
    assert tables["a"].rest_terms[0][1] == 15 * 29 - gaps
    assert tables["b"].rest_terms[0][1] == 15 * 29


def test_episodes_that_failed_are_not_filled() -> None:
    table = with_gaps(0.0, seeds=5)
    table.loc[(table["policy"] == "a") & (table["seed"] == 0) & (table["episode"] == 3), "score"] = np.nan
    table = table[~((table["policy"] == "a") & (table["seed"] == 1) & (table["episode"] == 5))]
    results = compared(table)
    counts = results.summary_statistics.query("policy == 'a'")["n_episodes"].tolist()
    assert counts[0] == 15
    assert "1 of 75 results of a on m was never played and is filled" in str(results)
    assert "1 of 16 episodes of a on m has no complete result" in str(results)


def test_runs_of_single_missions_are_not_said_to_lack_the_others() -> None:
    rng = np.random.default_rng(0)
    rows = [
        {"policy": policy, "mission": mission, "seed": 10 * place + seed, "score": rng.normal()}
        for policy in "ab"
        for place, mission in enumerate(("north", "south"))
        for seed in range(5)
    ]
    results = daf_compare_scores(pd.DataFrame(rows), trainings="per_mission", num_resamples=200)
    assert "did not play" not in str(results)
    assert "did not play" in str(daf_compare_scores(pd.DataFrame(rows[:-1]), num_resamples=200))


def test_raw_rewards_of_runs_of_single_missions_have_their_intervals() -> None:
    """Whatever scale the scores are compared on: those of the comparison of raw scores."""
    rng = np.random.default_rng(1)
    rows = [
        {"policy": policy, "mission": mission, "seed": seed, "score": rng.normal()}
        for policy in "ab"
        for mission, seeds in (("north", range(5)), ("south", range(3, 10)))
        for seed in seeds
    ]
    table, scale = pd.DataFrame(rows), {"north": 1.0, "south": 10.0}
    settings: dict[str, Any] = {"trainings": "per_mission", "num_resamples": 200}
    normalized = daf_compare_scores(table, normalization={"low": dict.fromkeys(scale, 0.0), "high": scale}, **settings)
    raw = daf_compare_scores(table, **settings)
    pd.testing.assert_frame_equal(
        make_frame(SummaryRecord, summarize_raw(normalized)), make_frame(SummaryRecord, raw.summary)
    )
    assert raw.summary[2].mission == "overall"
    assert raw.summary[2].n_train_seeds == 12


def test_episodes_of_runs_of_single_missions_count_by_their_mean_only() -> None:
    """What other episodes would change is part of the spread between runs, also in resampled intervals and ranks."""
    rng = np.random.default_rng(2)
    rows = [
        {"policy": policy, "mission": mission, "seed": seed, "episode": episode, "score": place + run + rng.normal()}
        for place, policy in enumerate("ab")
        for mission in ("north", "south")
        for seed in range(5)
        for run in [rng.normal()]
        for episode in range(6)
    ]
    table = pd.DataFrame(rows)
    means = table.groupby(["policy", "mission", "seed"], as_index=False)["score"].mean()
    whole, by_mean = (daf_compare_scores(one, trainings="per_mission", num_resamples=500) for one in (table, means))
    for one, other in zip(*(each.headline_records("recipes") for each in (whole, by_mean)), strict=True):
        assert 0.5 < one.p_improvement_high - one.p_improvement_low < 1 or one.p_improvement_low > 0
        for name in ("difference", "p_improvement", "p_improvement_low", "p_improvement_high", "iqm_difference"):
            assert getattr(one, name) == pytest.approx(getattr(other, name)), name
