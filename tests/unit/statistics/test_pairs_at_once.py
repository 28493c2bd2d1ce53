"""Pairs compared as arrays have the rows of pairs compared one by one, whose code is the plain reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import optimize

from daf.comparison import daf_compare_scores
from daf.statistics import effects, hypothesis_tests, joint_bootstrap, pairs
from daf.statistics.bootstrap import expanded_levels
from daf.statistics.intervals import iqm
from daf.statistics.labellings import exact_permutation_ps
from daf.statistics.order_statistics import bounding_quantiles, extremes
from daf.statistics.pair_table import PairTable, chosen_records
from daf.statistics.records import PairRecord
from daf.statistics.resampled_counts import draw_counts
from daf.statistics.roots import brent_roots
from daf.statistics.streams import stream
from daf.statistics.verdicts import verdict
from daf.system.columns import make_frame

RNG = np.random.default_rng


def table(policies: int = 4, missions: int = 3, seeds: int = 5, episodes: int = 1) -> pd.DataFrame:
    skill = np.roll(np.linspace(0, 1.5, policies), 1)[:, None, None, None]  # the first is best
    scores = skill + RNG(3).normal(0, 0.6, (policies, missions, seeds, episodes))
    policy, mission, seed, episode = (index.ravel() for index in np.indices(scores.shape))
    names = {"policy": [f"p{one}" for one in policy], "mission": [f"m{one}" for one in mission]}
    return pd.DataFrame(names | {"seed": seed, "episode": episode, "score": scores.ravel()})


def without(chosen: Callable[[pd.DataFrame], Any]) -> pd.DataFrame:
    frame = table()
    return frame[~chosen(frame)]


def with_scores(change: Callable[[pd.DataFrame], Any], **shape: int) -> pd.DataFrame:
    frame = table(**shape)
    return frame.assign(score=change(frame))


def steady(frame: pd.DataFrame) -> Any:
    return frame["score"].where(frame["policy"] != "p1", 0.25)


def copied(frame: pd.DataFrame) -> Any:
    return frame["score"].where(
        frame["policy"] != "p1", frame.groupby(["mission", "seed"])["score"].transform("first")
    )  # fmt: skip


def few_against_many(frame: pd.DataFrame) -> pd.DataFrame:
    """Twenty seeds of p1, eight times as far apart, against six of each other policy."""
    many = frame["policy"] == "p1"
    frame = frame.assign(score=frame["score"].where(~many, 8 * frame["score"]))
    return frame[many | (frame["seed"] < 6)]


CASES: dict[str, tuple[pd.DataFrame, dict[str, Any]]] = {
    "all pairs": (table(), {}),
    "a reference": (table(), {"reference": "p2"}),
    "one mission": (table(missions=1), {}),
    "a margin": (table(), {"equivalence_margin": 1.0}),
    "ties": (with_scores(lambda frame: frame["score"].round(0), policies=5), {}),
    "equal policies": (with_scores(copied), {}),
    "steady seeds": (with_scores(steady), {}),
    "two steady policies": (with_scores(lambda frame: steady(frame).where(frame["policy"] != "p2", 1.0)), {}),
    "unequal seeds": (without(lambda frame: (frame["policy"] == "p3") & (frame["seed"] > 2)), {}),
    "missing results": (without(lambda frame: (frame["mission"] == "m1") & (frame["seed"] == 4)), {}),
    "missing missions": (without(lambda frame: (frame["mission"] == "m1") & (frame["policy"] == "p0")), {}),
    "runs per mission": (table(), {"trainings": "per_mission"}),
    "two seeds": (table(seeds=2), {}),
    "one seed": (table(seeds=1), {}),
    "three seeds, too few for a permutation": (table(missions=1, seeds=3), {}),
    "few seeds against many that are far apart": (few_against_many(table(missions=1, seeds=20)), {}),
    "ten seeds, too many to enumerate": (table(policies=3, missions=1, seeds=10), {}),
    "twelve seeds": (table(policies=3, seeds=12), {}),
    "these episodes": (table(), {"recipe_claim": "these_episodes"}),
    "by permutation": (table(), {"recipe_test": "permutation"}),
    "by IQM": (table(policies=3), {"primary": "iqm"}),
    "by improvement": (table(policies=3), {"primary": "probability_of_improvement"}),
    "paired checkpoints": (table(policies=3, episodes=3), {}),
    "different episodes": (table(policies=3).assign(episode=lambda frame: (frame["policy"] == "p1").astype(int)), {}),
    "one fixed policy": (table().assign(seed=lambda frame: frame["seed"].where(frame["policy"] != "p0"))
                         .drop_duplicates(["policy", "mission", "seed"]), {}),
    "small scores": (with_scores(lambda frame: frame["score"] * 1e-160), {}),
    "scores far apart": (with_scores(lambda frame: frame["score"] * np.where(frame["policy"] == "p0", 1e60, 1.0)), {}),
    "a scale": (table(), {"normalization": {"low": {"m0": 0, "m1": -1, "m2": -2},
                                             "high": {"m0": 3, "m1": 3, "m2": 3}}}),
}  # fmt: skip


def compare(frame: pd.DataFrame, **settings: Any) -> PairTable:
    found = daf_compare_scores(frame, **{"num_resamples": 200} | settings).pairs
    assert isinstance(found, PairTable)
    return found


def assert_same(found: PairTable, expected: PairTable) -> None:
    assert len(found) == len(expected) > 0
    for name, values in expected.numbers.items():
        np.testing.assert_allclose(found.numbers[name], values, rtol=1e-12, atol=1e-15, err_msg=name)
    for name, texts in expected.texts.items():
        assert found.texts[name].taken().tolist() == texts.taken().tolist(), name


@pytest.mark.parametrize("case", CASES)
def test_pairs_at_once_have_the_rows_of_pairs_one_by_one(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    frame, settings = CASES[case]
    together = compare(frame, **settings)
    monkeypatch.setattr(pairs, "_by_arrays", lambda shared, config, group, *_: (group, {}))
    assert_same(together, compare(frame, **settings))


@pytest.mark.parametrize("case", ["all pairs", "a reference", "a margin", "ties", "unequal seeds", "these episodes"])
def test_tables_of_one_score_per_run_are_compared_at_once(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "_tested", None)  # what compares one pair
    frame, settings = CASES[case]
    assert len(compare(frame, **settings)) > 20


def test_cases_reach_every_kind_of_row() -> None:
    rows = [record for case in ("all pairs", "a margin", "ties", "unequal seeds", "steady seeds") for record in
            compare(CASES[case][0], **CASES[case][1])]  # fmt: skip
    assert {"better", "worse", "equivalent", "inconclusive", "insufficient data"} <= {record.verdict for record in rows}
    assert any("not confirmed by permutation" in record.test for record in rows)
    assert any(record.caution for record in rows)
    assert any(record.n_needed for record in rows)


# ---- resamples ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missions", [1, 2])
@pytest.mark.parametrize("resamples", [400, 5_000])
def test_intervals_of_resamples_are_those_of_resampled_values(missions: int, resamples: int) -> None:
    frame = table(policies=3, missions=missions, seeds=6)
    results = daf_compare_scores(frame, num_resamples=resamples)
    names = [f"m{mission}" for mission in range(missions)]
    runs = {policy: part.pivot(index="mission", columns="seed", values="score").loc[names].to_numpy()
            for policy, part in frame.groupby("policy")}  # fmt: skip
    drawn = {}
    for policy, scores in runs.items():
        rng, parts = stream(results.config, "improvement", policy, *names), []
        for start in range(0, resamples, 2_048):
            parts.append(rng.integers(0, 6, (min(2_048, resamples - start), 6), dtype=np.uint16))
        drawn[policy] = scores[:, np.vstack(parts)]  # (missions, resamples, seeds)
    levels = expanded_levels([6], 0.95)
    for a, b in combinations(runs, 2):
        wins = (drawn[a][..., :, None] > drawn[b][..., None, :]).mean(axis=(0, 2, 3))
        pooled = [iqm(np.moveaxis(drawn[policy], 0, 1).reshape(resamples, -1)) for policy in (a, b)]
        better, gap = np.quantile(wins, levels), np.quantile(pooled[0] - pooled[1], levels)
        place = "overall" if missions > 1 else names[0]
        rows = chosen_records(results.pairs, "recipes", mission=place)
        (row,) = [record for record in rows if (record.policy_a, record.policy_b) == (a, b)]
        assert (row.iqm_low, row.iqm_high) == pytest.approx(gap.tolist(), rel=1e-10)
        if better[0] == better[1]:
            better[:] = np.nan
        assert (row.p_improvement_low, row.p_improvement_high) == pytest.approx(better.tolist(), rel=1e-10, nan_ok=True)


@pytest.mark.parametrize("sizes", [(5, 5, 5), (4, 6, 5), (12, 12, 3), (200, 170, 3)])
def test_wins_in_whole_numbers_are_those_of_counts(sizes: Sequence[int]) -> None:
    scores = [RNG(size + place).integers(0, 6, size) / 3 for place, size in enumerate(sizes)]
    counts = [joint_bootstrap.joint_counts([one], 30, RNG(place)) for place, one in enumerate(scores)]
    chosen = list(combinations(range(3), 2))
    found = {}
    for indices, won, divisor in joint_bootstrap.doubled_wins(scores, counts, chosen):
        found |= dict(zip(indices, won / divisor, strict=True))
    for index, (x, y) in enumerate(chosen):
        wins = effects.wins(scores[x], scores[y]).astype(float)
        expected = np.einsum("ir,ij,jr->r", counts[x], wins, counts[y]) / wins.size
        np.testing.assert_allclose(found[index], expected, atol=1e-12)


@pytest.mark.parametrize("size", [1, 2, 5, 8, 9, 60])
def test_drawn_units_are_counted(size: int) -> None:
    chosen = RNG(4).integers(0, size, (50, size), dtype=np.uint16)
    expected = [np.bincount(row, minlength=size) for row in chosen]
    np.testing.assert_array_equal(draw_counts([size], 50, RNG(4)), expected)


def test_statistics_of_alike_resamples_are_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = [RNG(m).normal(0, 1, 4) for m in range(3)]
    counts = joint_bootstrap.joint_counts(policy, 500, RNG(0))
    distinct, places = joint_bootstrap._distinct(counts)
    assert distinct.shape[1] <= 35
    np.testing.assert_array_equal(distinct[:, places], counts)
    found = {name: joint_bootstrap.joint_replicates(name, [policy], [counts]) for name in ("iqm", "median", "mean")}
    monkeypatch.setattr(joint_bootstrap, "MOST_KINDS", 0)
    for name, values in found.items():
        plain = joint_bootstrap.joint_replicates(name, [policy], [counts])
        np.testing.assert_allclose(values, plain, rtol=1e-12, atol=1e-15)


# ---- tails --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["normal", "few values", "constant", "sorted", "bytes", "short"])
@pytest.mark.parametrize(("low", "high"), [(1, 1), (11, 230), (400, 1), (4_000, 2)])
def test_extremes_are_the_ends_of_sorted_rows(kind: str, low: int, high: int) -> None:
    values = RNG(1).normal(0, 1, (7, 50 if kind == "short" else 5_000))
    if kind == "few values":
        values = values.round(0)
    elif kind == "constant":
        values[3:] = 2.0
    elif kind == "sorted":
        values = np.sort(values, axis=1)
    elif kind == "bytes":
        values = (10 * np.abs(values)).astype(np.uint8)
    smallest, largest = extremes(values, low, high)
    ordered = np.sort(values, axis=1)
    np.testing.assert_array_equal(smallest, ordered[:, :low])
    np.testing.assert_array_equal(largest, ordered[:, -high:])


@pytest.mark.parametrize("count", [1, 2, 101, 5_000])
def test_bounding_quantiles_are_numpys(count: int) -> None:
    values = RNG(1).normal(0, 1, (3, count))
    for levels in ((0.0, 1.0), (0.013, 0.5), (0.001, 0.9876)):
        found = bounding_quantiles(values, levels, resolutions=np.zeros(3))
        np.testing.assert_allclose(found, np.quantile(values, levels, axis=1), rtol=1e-12)


def test_quantiles_ignore_rounding_errors() -> None:
    values = np.array([[0.0, 1e-13, -1e-13, 0.5], [1.0, 1.0 + 1e-13, 1.0, 1.0]])
    low, high = bounding_quantiles(values, (0.0, 1.0), resolutions=np.full(2, 1e-12))
    assert (low.tolist(), high.tolist()) == ([0.0, 1.0], [0.5, 1.0])


# ---- many at once -------------------------------------------------------------------------------------------


def test_roots_take_the_steps_of_scipy() -> None:
    target = np.linspace(-3, 3, 41)
    ends = (np.full(41, -5.0), np.full(41, 4.0))

    def function(points: np.ndarray, members: np.ndarray) -> np.ndarray:
        return points**3 / 9 + points - target[members]

    everyone = np.arange(41)
    values = (function(ends[0], everyone), function(ends[1], everyone))
    found = brent_roots(function, everyone, ends, values, xtol=1e-12, rtol=1e-13)
    alone = [
        optimize.brentq(lambda x, one=one: np.float64(x) ** 3 / 9 + x - one, -5.0, 4.0, xtol=1e-12, rtol=1e-13)
        for one in target
    ]
    np.testing.assert_allclose(found, alone, rtol=1e-13, atol=1e-15)


def test_roots_at_an_end_are_found() -> None:
    ends, values = (np.array([0.0, -1.0]), np.array([1.0, 0.0])), (np.array([0.0, -1.0]), np.array([1.0, 0.0]))
    found = brent_roots(lambda points, _: points, np.arange(2), ends, values, xtol=1e-12, rtol=1e-13)
    assert found.tolist() == [0.0, 0.0]


def test_effects_of_many_pairs_are_those_of_each() -> None:
    difference = np.array([0.0, 1.0, -2.0, 40.0, -0.3, 1.0, 1.0])
    error = np.array([0.5, 0.4, 0.9, 0.2, 0.1, 0.0, np.nan])
    df, sd = np.array([8.0, 1.0, 0.7, 5.5, 300.0, 4.0, 4.0]), np.array([1.0, 0.5, 2.0, 0.3, 1.0, 1.0, 1.0])
    found = np.transpose(effects.standardized_of(difference, error, df, sd, 0.9))
    for row, (effect, low, high) in enumerate(found.tolist()):
        own = effects.standardized(*(float(column[row]) for column in (difference, error, df, sd)), level=0.9)
        assert (effect, low, high) == pytest.approx((own[0], own[1].low, own[1].high), rel=1e-12, nan_ok=True)


@pytest.mark.parametrize(("n", "m"), [(3, 3), (5, 5), (4, 7), (8, 8)])
def test_exact_permutation_tests_at_once_are_those_of_each(n: int, m: int) -> None:
    x, y = RNG(0).normal(0, 1, (12, n)), RNG(1).normal(0.7, 2, (12, m))
    x[0], y[1] = 1.0, 2.0  # without variance on one side
    x[2], y[2] = x[2].round(0), y[2].round(0)
    found, least = exact_permutation_ps(x, y)
    for row in range(12):
        alone = hypothesis_tests.permutation_test(x[row], y[row], rng=RNG(0))
        assert (found[row], least) == pytest.approx((alone.p, alone.minimum_p), rel=1e-12)


def test_rows_alike_in_what_decides_share_their_verdict() -> None:
    for case in ("all pairs", "a margin", "two seeds", "ten seeds, too many to enumerate", "by improvement"):
        frame, settings = CASES[case]
        margin = settings.get("equivalence_margin")
        for record in compare(frame, **settings):
            expected, _ = verdict(record, record.p_holm, record.p_equivalence, 0.05, margin)
            assert record.verdict == expected


def test_pairs_alike_but_for_the_seeds_of_one_side_have_their_own_verdicts() -> None:
    scores = {"a": [3.0, 3.1, 2.9, 3.05, 2.95], "b": [1.0, 1.1, 0.9, 1.05, 0.95], "c": [1.0, 1.1]}
    rows = [
        {"policy": policy, "mission": "m", "train_seed": seed, "episode": 0, "score": score}
        for policy, own in scores.items()
        for seed, score in enumerate(own)
    ]
    verdicts = {
        record.policy_b: record.verdict
        for record in chosen_records(compare(pd.DataFrame(rows)), "recipes", mission="m", policy="a")
    }
    assert verdicts == {"b": "better", "c": "insufficient data"}


# ---- rows as columns ----------------------------------------------------------------------------------------


def test_a_table_holds_the_records_it_was_made_of() -> None:
    rows = list(compare(table(), equivalence_margin=1.0))
    made = PairTable.of(rows)
    assert [repr(asdict(record)) for record in made] == [
        repr(asdict(record)) for record in rows
    ]  # unknown numbers differ otherwise
    assert repr(asdict(made[5])) == repr(asdict(rows[5]))
    assert repr(asdict(made[-1])) == repr(asdict(rows[-1]))
    assert [repr(asdict(record)) for record in made[2:9:3]] == [repr(asdict(record)) for record in rows[2:9:3]]
    assert made == rows
    assert made != rows[1:]
    assert made != [*rows[:-1], rows[0]]
    with pytest.raises(IndexError, match=f"row {len(rows)} of {len(rows)} rows"):
        made[len(rows)]
    pd.testing.assert_frame_equal(made.to_frame(), make_frame(PairRecord, rows))


def test_rows_are_chosen_by_estimand_and_mission() -> None:
    found = compare(table())
    for estimand, mission in (("recipes", "overall"), ("checkpoints", "m1"), (None, "m0"), ("recipes", None)):
        chosen = chosen_records(found, estimand, mission=mission)
        plain = chosen_records(list(found), estimand, mission=mission)
        assert [repr(asdict(record)) for record in chosen] == [repr(asdict(record)) for record in plain]
        assert len(chosen) > 5


def test_rows_are_chosen_by_a_policy_on_either_side() -> None:
    found = compare(table())
    for policy in ("p0", "p1", "p2"):
        chosen = chosen_records(found, "recipes", mission="m0", policy=policy)
        assert [policy in (record.policy_a, record.policy_b) for record in chosen] == [True] * len(chosen)
        assert len(chosen) == sum(
            policy in (record.policy_a, record.policy_b) for record in found
            if (record.estimand, record.mission) == ("recipes", "m0")
        )  # fmt: skip


def test_few_seeds_beside_many_have_the_caution_of_unequal_spread() -> None:
    found = compare(few_against_many(table(missions=1, seeds=20)))
    cautions = {(one.policy_a, one.policy_b): one.caution for one in chosen_records(found, "recipes", mission="m0")}
    assert cautions["p0", "p1"].startswith("one side's training seeds vary 6 times as much")
    assert cautions["p0", "p2"] == ""


def test_three_seeds_a_side_are_decided_by_welch_alone() -> None:
    """A permutation of three and three seeds has no p below 0.1, which says nothing against the other test."""
    found = compare(table(policies=2, missions=1, seeds=3).assign(score=lambda frame: frame["score"] * 0.1
                                                                  + 5 * (frame["policy"] == "p0")))  # fmt: skip
    (record,) = chosen_records(found, "recipes", mission="m0")
    assert record.test == "Welch t-test on seed means"
    assert record.p < 0.01
    assert record.verdict == "better"


def test_256_comparisons_won_are_more_than_a_byte_holds() -> None:
    """8 training seeds against 16, of which one is as good: most resamples win all 2 x 8 x 16 comparisons."""
    scores = {"a": 2 + 0.1 * np.arange(8), "b": np.append(0.05 * np.arange(15), 2.35)}
    rows = [
        {"policy": policy, "mission": "m", "seed": seed, "score": score}
        for policy, values in scores.items()
        for seed, score in enumerate(values)
    ]
    (record,) = daf_compare_scores(pd.DataFrame(rows), num_resamples=1000).headline_records("recipes")
    assert record.p_improvement == pytest.approx(1 - 4 / 128)
    assert record.p_improvement_low == pytest.approx(0.85, abs=0.03)
    assert record.p_improvement_high == 1
