"""Comparisons that stop early: levels of interim analyses, when they stop, and what the workflow makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from daf.compare.files import reason_to_skip, write_interim_analysis
from daf.config import DAFComparisonConfig, ExperimentConfig
from daf.episodes.table import episodes_frame, read_episodes, read_provenance, write_episodes
from daf.evaluation.shards import write_skipped_shard
from daf.statistics import hypothesis_tests, sequential
from daf.statistics.comparison import compare_episodes
from daf.workflow.plan import Plan

AUTO = {"policies": ["a", "b"], "missions": ["m"], "episodes_per_mission": "auto", "num_resamples": 1000}


def config(**changes: object) -> DAFComparisonConfig:
    return DAFComparisonConfig.from_dict({**AUTO, "max_episodes_per_mission": 64, **changes})


def episodes(difference: float, n: int = 64, *, noise: float = 1.0, policies: tuple[str, ...] = ("a", "b")):
    rng = np.random.default_rng(3)
    shared = rng.normal(0, 1, n)
    rows = [
        {"policy": policy, "checkpoint": policy, "mission": "m", "episode": episode, "env_seed": 1000 + episode,
         "mean_reward": shared[episode] + (difference if policy == "a" else 0.0) + rng.normal(0, noise)}
        for policy in policies
        for episode in range(n)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def player(frame: pd.DataFrame, played: list[tuple[int, int]]):
    def play(first: int, stop: int) -> pd.DataFrame:
        played.append((first, stop))
        return frame[(frame["episode"] >= first) & (frame["episode"] < stop)]

    return play


def test_interim_analyses_are_equal_batches_up_to_the_cap() -> None:
    assert sequential.interim_sizes(config()) == [16, 32, 48, 64]
    assert sequential.interim_sizes(config(max_episodes_per_mission=10)) == [3, 5, 8, 10]
    assert sequential.interim_sizes(config(max_episodes_per_mission=4, num_interim_analyses=20)) == [1, 2, 3, 4]
    assert sequential.interim_sizes(config(episodes_per_mission=32)) == [32]
    assert sequential.first_episodes_of_batches(config()) == [0, 16, 32, 48]


def test_the_interim_analyses_spend_alpha_by_the_square_of_their_share() -> None:
    spent = 1 - np.array(sequential.interim_levels(config()))
    np.testing.assert_allclose(spent, 0.05 * np.array([1, 3, 5, 7]) / 16, atol=1e-12)
    assert spent.sum() == pytest.approx(0.05)
    assert sequential.interim_levels(config(num_interim_analyses=1)) == [pytest.approx(0.95)]


def test_identical_policies_get_a_false_verdict_at_any_look_rarely() -> None:
    rng, runs, false, naive = np.random.default_rng(5), 600, 0, 0
    alphas = 1 - np.array(sequential.interim_levels(config()))
    for _ in range(runs):
        d = rng.normal(0, 1, 64)
        p = [hypothesis_tests.one_sample_t_test(d[:n]).p for n in sequential.interim_sizes(config())]
        false += bool((p <= alphas).any())
        naive += min(p) <= 0.05
    assert false / runs <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)
    assert naive / runs > 0.09  # what the correction is for: the same analyses, each at 5 %


def test_it_stops_at_the_first_analysis_that_settles_every_pair() -> None:
    played: list[tuple[int, int]] = []
    results = sequential.play_until_settled(player(episodes(2.5), played), config())
    assert played == [(0, 16)]
    assert results.sequential["done"]
    assert [analysis["episodes"] for analysis in results.sequential["interim_analyses"]] == [16]
    assert results.config.confidence_level == pytest.approx(1 - 0.05 / 16)
    row = results.headline_records("checkpoints")[0]
    assert (row.verdict, row.n_a) == ("better", 16)
    assert any("Episodes were added until every pair had a verdict: 16" in note for note in results.notes)


def test_every_analysis_of_a_comparison_that_goes_on_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def counted(frame: pd.DataFrame, *arguments: Any, **options: Any) -> Any:
        sizes.append(frame["episode"].nunique())
        return compare_episodes(frame, *arguments, **options)

    monkeypatch.setattr("daf.statistics.comparison.compare_episodes", counted)
    results = sequential.play_until_settled(player(episodes(0.0), []), config())
    assert sizes == [16, 32, 48, 64]
    *_, of_all = sequential.interim_analyses(episodes(0.0), config())
    pd.testing.assert_frame_equal(results.pairwise, of_all.pairwise)
    assert (results.sequential, results.notes) == (of_all.sequential, of_all.notes)


def test_an_equal_pair_goes_on_to_the_cap_or_to_equivalence() -> None:
    played: list[tuple[int, int]] = []
    results = sequential.play_until_settled(player(episodes(0.0), played), config())
    assert played == [(0, 16), (16, 32), (32, 48), (48, 64)]
    assert results.sequential["interim_analyses"][-1]["unsettled"] == ["a and b"]
    assert any("until the cap was reached: 64" in note for note in results.notes)
    played.clear()
    results = sequential.play_until_settled(player(episodes(0.0, noise=0.2), played), config(equivalence_margin=0.5))
    assert played == [(0, 16)]
    assert results.headline_records("checkpoints")[0].verdict == "equivalent"


def test_a_verdict_with_a_caution_is_not_settled() -> None:
    """Both score almost the same in every episode, so a few of them may miss an event that would decide."""
    frame = episodes(9.0)
    frame["mean_reward"] = 0.01 * frame["mean_reward"] + (frame["policy"] == "a")
    results = compare_episodes(frame[frame["episode"] < 8], config())
    (record,) = results.headline_records("checkpoints")
    assert record.verdict == "better"
    assert "may miss an event" in record.caution
    assert sequential.unsettled(results) == ["a and b"]


def constant(a: float, b: float, missions: tuple[str, ...] = ("m",)) -> pd.DataFrame:
    """Scores of a and b that never vary; on every second mission the other way round."""
    frames = []
    for number, mission in enumerate(missions):
        scores = {"a": a, "b": b} if number % 2 == 0 else {"a": b, "b": a}
        frame = episodes(0.0).assign(mission=mission)
        frames.append(frame.assign(mean_reward=frame["policy"].map(scores)))
    return pd.concat(frames, ignore_index=True)


def test_policies_that_score_the_same_do_not_keep_it_going() -> None:
    played: list[tuple[int, int]] = []
    results = sequential.play_until_settled(player(constant(2.0, 2.0), played), config())
    assert played == [(0, 16)]
    assert results.headline_records("checkpoints")[0].verdict == "insufficient data"
    expected = "Episodes were added until more would not help (a and b scored the same in every episode): 16 per policy"
    assert any(note.startswith(expected) for note in results.notes)


@pytest.mark.parametrize("missions", [("m",), ("m", "n")])
def test_policies_that_always_differ_by_the_same_are_played_to_the_cap(missions: tuple[str, ...]) -> None:
    """They are apart, which one episode more may show; also where two missions cancel."""
    played: list[tuple[int, int]] = []
    results = sequential.play_until_settled(player(constant(1.0, 2.0, missions), played), config(missions=[*missions]))
    assert played == [(0, 16), (16, 32), (32, 48), (48, 64)]
    assert any("Episodes were added until the cap was reached: 64" in note for note in results.notes)


def test_single_episodes_on_several_missions_do_not_show_that_policies_are_the_same() -> None:
    frame = constant(2.0, 2.0, ("m", "n"))
    several = config(missions=["m", "n"])
    assert sequential.unsettled(compare_episodes(frame[frame["episode"] < 1], several)) == ["a and b"]
    assert sequential.unsettled(compare_episodes(frame[frame["episode"] < 2], several)) == []


def test_a_policy_without_results_is_named_as_the_reason_to_stop() -> None:
    frame = episodes(2.5, policies=("a", "b", "c"))
    frame.loc[frame["policy"] == "c", "mean_reward"] = np.nan
    results = sequential.play_until_settled(player(frame, []), config(policies=["a", "b", "c"]))
    said = "until more would not help (c completed no episode): 16 per"
    assert any(said in note for note in results.notes)


# ---- in the workflow --------------------------------------------------------------------------------------


def plan(**comparisons: dict[str, object]) -> Plan:
    base = {"policies": ["random", "noop"], "missions": ["arena"]}
    made = {name: {**base, **changes} for name, changes in comparisons.items()}
    return Plan(ExperimentConfig.from_dict({"comparisons": made, "evaluation": {"episodes_per_shard": 8}}))


def test_shards_wait_for_the_look_before_their_batch() -> None:
    auto = {"episodes_per_mission": "auto", "max_episodes_per_mission": 40}  # analyses at 10, 20, 30 and 40 episodes
    made = plan(main=auto)
    assert list(made.episodes.shards("arena")) == [0, 1, 2, 3, 4]
    assert [made.episodes.interim_analyses_before("arena", shard) for shard in range(5)] == [
        [], [], [("main", 0)], [("main", 1)], [("main", 2)],
    ]  # fmt: skip
    # Shard 1 holds episodes 8 to 15, so look 0, which sees 10 episodes, needs it.
    seen = made.episodes.shards_of_interim_analysis("main", 0)
    assert [shard for checkpoint, _, shard in seen if checkpoint == "noop"] == [0, 1]
    for look in range(4):  # no analysis waits for its own result
        for _, mission, shard in made.episodes.shards_of_interim_analysis("main", look):
            assert all(before < look for _, before in made.episodes.interim_analyses_before(mission, shard))


def test_a_shard_that_another_comparison_wants_in_any_case_waits_for_nothing() -> None:
    auto = {"episodes_per_mission": "auto", "max_episodes_per_mission": 40}
    made = plan(main=auto, fixed={"episodes_per_mission": 24}, other={**auto, "max_episodes_per_mission": 32})
    assert [made.episodes.interim_analyses_before("arena", shard) for shard in range(5)] == [
        [], [], [], [("main", 1), ("other", 2)], [("main", 2)],
    ]  # fmt: skip


def shard(folder: Path, frame: pd.DataFrame, name: str) -> Path:
    rows = [{**row, "train_seed": None} for row in frame.to_dict("records")]
    write_episodes(folder / name, episodes_frame(rows), {"recipe_digest": "0", "note": ""})
    return folder / name


def test_a_look_says_whether_more_is_needed_and_later_shards_stay_empty(tmp_path: Path) -> None:
    settled, open_pair = episodes(2.5, 16), episodes(0.0, 16)
    first = shard(tmp_path, settled, "settled.parquet")
    state = write_interim_analysis([first], config(), tmp_path / "interim-0.json")
    assert (state["done"], state["cap"]) == (True, 64)
    other = write_interim_analysis([shard(tmp_path, open_pair, "open.parquet")], config(), tmp_path / "interim-1.json")
    assert not other["done"]
    assert reason_to_skip([]) is None
    assert reason_to_skip([tmp_path / "interim-0.json", tmp_path / "interim-1.json"]) is None
    reason = reason_to_skip([tmp_path / "interim-0.json"])
    assert reason == "not played: nothing was open after 16 episodes per policy and mission"

    recipe = plan(main={"episodes_per_mission": "auto"}).episodes.recipe("random", "arena", 3)
    write_skipped_shard(recipe, reason, tmp_path / "episodes-3.parquet")
    assert len(read_episodes(tmp_path / "episodes-3.parquet")) == 0
    assert read_provenance(tmp_path / "episodes-3.parquet")["skipped"] == reason
    assert len(read_episodes([first, tmp_path / "episodes-3.parquet"])) == 32


def test_files_with_skipped_shards_give_the_comparison_of_the_last_look(tmp_path: Path) -> None:
    from daf.compare.files import compare_files
    from daf.evaluation.shards import merge_shards

    for policy in ("a", "b"):
        frame = episodes(2.5, 16)
        played = shard(tmp_path, frame[frame["policy"] == policy], f"{policy}-0.parquet")
        recipe = plan(main={"episodes_per_mission": "auto"}).episodes.recipe("random", "arena", 3)
        write_skipped_shard(recipe, "not played", tmp_path / f"{policy}-1.parquet")
        merge_shards([str(played), str(tmp_path / f"{policy}-1.parquet")], tmp_path / f"{policy}.parquet")
    results = compare_files([tmp_path / "a.parquet", tmp_path / "b.parquet"], config(), tmp_path / "out")
    direct = sequential.play_until_settled(player(episodes(2.5, 16), []), config())
    assert results.sequential == direct.sequential
    pd.testing.assert_frame_equal(results.pairwise, direct.pairwise)
