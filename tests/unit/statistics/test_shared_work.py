"""What pairs share changes no figure: units, resamples of joint seeds, whole cells; long comparisons show progress."""

from __future__ import annotations

import io
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from daf.comparison import daf_compare_scores
from daf.logging_config import create_daf_logger
from daf.statistics import joint_bootstrap, progress, unit_collection, units
from daf.statistics.bootstrap import intervals_from, quantile
from daf.statistics.effects import wins
from daf.statistics.ranking import ranks_of_scores
from daf.statistics.resampled_counts import draw_counts

RNG = np.random.default_rng


def table(policies: int = 4, missions: int = 3, seeds: int = 5, episodes: int = 3) -> pd.DataFrame:
    scores = RNG(0).normal(0, 1, (policies, missions, seeds, episodes)).round(1)
    policy, mission, seed, episode = (index.ravel() for index in np.indices(scores.shape))
    names = {"policy": [f"p{one}" for one in policy], "mission": [f"m{one}" for one in mission]}
    return pd.DataFrame(names | {"seed": seed, "episode": episode, "score": scores.ravel()})


def records(frame: pd.DataFrame) -> list[dict[str, object]]:
    results = daf_compare_scores(frame, num_resamples=200)
    rows = [asdict(record) for record in (*results.summary, *results.pairs)]
    return [{name: round(value, 11) if isinstance(value, float) else value for name, value in row.items()}
            for row in rows]  # fmt: skip


def test_pairs_in_one_unit_have_the_figures_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = table()
    frame["score"] *= frame["policy"].map({"p0": 1.0, "p1": 1e3, "p2": 1e-4, "p3": 7.0})
    shared = records(frame)
    monkeypatch.setattr(units, "WIDEST", 0.0)
    np.testing.assert_equal(records(frame), shared)


def test_scores_too_far_apart_for_one_unit_are_compared_in_their_own() -> None:
    def small_pair(frame: pd.DataFrame) -> list[float]:
        results = daf_compare_scores(frame, num_resamples=200)
        return [record.t for record in results.pairs if (record.policy_a, record.policy_b) == ("p2", "p3")]

    frame = table()
    plain = small_pair(frame)
    frame["score"] *= np.where(frame["policy"].isin(["p2", "p3"]), 1e-200, 1.0)  # squares vanish beside p0's
    assert small_pair(frame) == pytest.approx(plain, rel=1e-9, nan_ok=True)
    assert np.isfinite(plain).sum() > 3


def test_cells_from_arrays_are_those_of_the_pivoted_table(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = table().sample(frac=1, random_state=1)
    fast = records(frame)
    monkeypatch.setattr(unit_collection._Columns, "cell", lambda *_: None)
    np.testing.assert_equal(records(frame), fast)


@pytest.mark.parametrize("gap", ["a reward is missing", "an episode is missing"])
def test_cells_with_gaps_are_collected_row_by_row(gap: str) -> None:
    frame = table()
    if gap == "a reward is missing":
        frame.loc[0, "score"] = np.nan
    else:
        frame = frame.drop(index=0)
    row = next(row for row in records(frame) if row.get("policy") == "p0" and row["mission"] == "m0")
    assert row["n_episodes"] == 2


def test_improvement_of_joint_seeds_is_that_of_every_mission() -> None:
    scores = [
        [RNG(10 * policy + m).integers(0, 4, 5 + policy % 2).astype(float) for m in range(3)] for policy in range(3)
    ]
    counts = [joint_bootstrap.joint_counts(one, 50, RNG(len(one[0]))) for one in scores]
    found = {}
    for indices, values in joint_bootstrap.joint_improvement(scores, counts, [(0, 1), (0, 2), (1, 2)]):
        found |= dict(zip(indices, values, strict=True))
    for index, (x, y) in enumerate([(0, 1), (0, 2), (1, 2)]):
        by_mission = [
            np.einsum("ir,ij,jr->r", counts[x], wins(one, other).astype(float), counts[y]) / (one.size * other.size)
            for one, other in zip(scores[x], scores[y], strict=True)
        ]
        np.testing.assert_allclose(found[index], np.mean(by_mission, axis=0), atol=1e-12)


def test_joint_counts_are_the_stream_of_draw_counts() -> None:
    policy = [np.arange(5.0), np.arange(5.0)]
    drawn = draw_counts([5, 5], 40, RNG(3), joint=True)
    np.testing.assert_array_equal(joint_bootstrap.joint_counts(policy, 40, RNG(3)).T, drawn[:, :5])
    with pytest.raises(ValueError, match="drawn jointly"):
        joint_bootstrap.joint_counts([np.arange(5.0), np.arange(4.0)], 40, RNG(3))


def test_quantiles_of_sorted_rows_are_numpys() -> None:
    values = RNG(1).normal(0, 1, (3, 101))
    for level in (0.0, 0.013, 0.5, 0.9876, 1.0):
        assert quantile(np.sort(values, axis=1), level) == pytest.approx(np.quantile(values, level, axis=1).tolist())
    found = intervals_from(values, [((0.1, 0.9), ""), ((np.nan, np.nan), "too few"), ((0.2, 0.8), "")], "m")
    assert (found[0].low, found[2].high) == pytest.approx((np.quantile(values[0], 0.1), np.quantile(values[2], 0.8)))
    assert found[1].method == "insufficient data: too few"


def test_ranks_share_ties_and_put_infinite_scores_last() -> None:
    scores = np.array([[1.0, 2.0], [1.0 + 1e-14, 3.0], [5.0, -np.inf], [0.0, -np.inf]])
    np.testing.assert_array_equal(ranks_of_scores(scores), [[2.5, 2], [2.5, 1], [1, 3.5], [4, 3.5]])


def test_long_comparisons_say_how_far_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, times = io.StringIO(), iter([0.0, 5.0, 10.0, 15.0, 40.0])
    made = create_daf_logger
    monkeypatch.setattr(progress, "create_daf_logger", lambda name: made(name, stream=stream))
    shown = progress.Progress(4 * 64, "rows of pairs", clock=lambda: next(times))
    for _ in range(4 * 64):
        shown.advance()
    lines = [line.split("compared")[1].strip() for line in stream.getvalue().splitlines()]
    assert lines == ["128 of 256 rows of pairs; about 10 s left", "256 of 256 rows of pairs; about 0 s left"]
