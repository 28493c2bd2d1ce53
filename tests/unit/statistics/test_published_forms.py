"""Tables in the forms in which papers publish them: read with true notes, or refused with what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from daf.comparison import ComparisonResults, daf_compare_scores
from daf.errors import BadInputError

GAMES = ("Breakout", "Pong", "Qbert")


def runs() -> pd.DataFrame:
    """One score of each of five runs on three games: b is three above a."""
    rng = np.random.default_rng(0)
    rows = [
        (policy, game, seed, mean + rng.normal())
        for policy, mean in (("a", 0.0), ("b", 3.0))
        for game in GAMES
        for seed in range(5)
    ]
    return pd.DataFrame(rows, columns=["policy", "mission", "seed", "score"])


def compare(table: pd.DataFrame, **options: Any) -> ComparisonResults:
    return daf_compare_scores(table, num_resamples=200, **options)


@pytest.mark.parametrize(
    ("columns", "hint"),
    [
        (
            ["Agent", "Game", "Run", "Value"],
            "rename 'Agent' to 'policy', 'Game' to 'mission', 'Run' to 'seed', 'Value'",
        ),
        (["method", "task", "train_seed", "return"], "rename 'method' to 'policy', 'task' to 'mission', 'return' to"),
        (["game", "random", "human", "dqn"], "melt(['game'], var_name='policy', value_name='score'); rename 'game'"),
        (["agent", "task", "train_seed", "run"], "rename 'agent' to 'policy', 'task' to 'mission'; write a row"),
        (["w", "x", "y", "z"], "hint:     write a row for each score"),
        (["policy", "mission", "seed", "scor"], "rename 'scor' to 'score'"),
    ],
)
def test_columns_with_other_names_are_refused_with_their_new_names(columns: list[str], hint: str) -> None:
    with pytest.raises(BadInputError) as caught:
        compare(pd.DataFrame([[1, 2, 3, 4]], columns=columns))
    assert hint in str(caught.value)


@pytest.mark.parametrize("kind", ["arrays", "lists", "file", "npy"])
def test_arrays_of_runs_by_games_are_refused_since_they_name_neither(kind: str, tmp_path: Path) -> None:
    scores = {"DQN": np.zeros((5, 3))}
    lists = {name: values.tolist() for name, values in scores.items()}
    (tmp_path / "runs.json").write_text(json.dumps(lists))
    np.save(tmp_path / "runs.npy", scores["DQN"])
    source = {"arrays": scores, "lists": lists, "file": tmp_path / "runs.json", "npy": tmp_path / "runs.npy"}[kind]
    with pytest.raises(BadInputError) as caught:
        daf_compare_scores(source)
    assert "write a row for each score" in caught.value.hint


@pytest.mark.parametrize("score", ["–", "-", "12,345.6"])
def test_cells_that_are_no_number_are_refused_with_the_form_to_use(score: str) -> None:
    table = runs().astype({"score": object})
    table.loc[3, "score"] = score
    with pytest.raises(BadInputError, match="write one number, with a decimal point and no other mark") as caught:
        compare(table)
    assert caught.value.found == f"'{score}' in row 3"


def test_a_run_without_a_score_is_one_run_less_as_if_its_row_were_missing() -> None:
    table = runs()
    lost = (table["policy"] == "a") & (table["seed"] == 1) & (table["mission"] != "Pong")
    empty, absent = compare(table.assign(score=table["score"].mask(lost))), compare(table[~lost])
    for name in ("pairwise", "aggregates", "ranks", "profiles"):
        pd.testing.assert_frame_equal(getattr(empty, name), getattr(absent, name))
    assert empty.headline_records("recipes")[0].n_a == 4
    assert not empty.failed
    text = "a-seed-1 has no result on Breakout (the score is missing); the results of a there exclude it"
    assert next(note for note in empty.notes if "has no result" in note).startswith(text)
    assert {record.failures for record in empty.summary if record.policy == "a"} == {0, 1, 2}
    assert not any("no complete result" in note for note in empty.notes)


def test_a_run_without_scores_is_left_out_and_one_that_failed_is_not() -> None:
    from daf.statistics.comparison import compare_episodes
    from tests.unit.test_comparison import config, episodes

    frame = episodes({"t": 2.0, "r": 0.0}, seeds={"t": (1, 2, 3)}).assign(success=1.0)
    lost = frame["checkpoint"] == "t-seed-2"
    frame.loc[lost, ["mean_reward", "success"]] = [np.nan, 0.0]
    missing = frame.assign(failure=frame["failure"].astype(object).mask(lost, "the score is missing"))
    record = compare_episodes(missing, config("t", "r")).summary[0]
    assert (record.n_episodes, record.n_train_seeds, record.failures, record.success_rate) == (24, 2, 24, 1.0)
    failed = frame.assign(failure=frame["failure"].astype(object).mask(lost, "training t failed: no layer"))
    record = compare_episodes(failed, config("t", "r")).summary[0]  # without it, the others would look too good
    assert np.isnan(record.mean)
    assert (record.failures, record.first_failure) == (24, "training t failed: no layer")


def test_rows_of_a_learning_curve_are_no_secret() -> None:
    curve = pd.concat([runs().assign(step=step) for step in (100_000, 500_000)])
    notes = compare(curve).notes
    assert "Columns of the table that are not used: 'step'." in notes
    assert any("count as its episodes" in note and "keep those of one step" in note for note in notes)
    one = compare(curve[curve["step"] == 500_000].drop(columns="step")).notes
    assert not any("not used" in note or "learning curve" in note for note in one)


def test_one_score_per_run_and_the_reason_why_checkpoints_are_not_compared() -> None:
    assert compare(runs()).estimand["checkpoints"]["why"] == (
        "every policy has only one episode per mission, which cannot tell a difference from chance."
    )
    alone = compare(runs().query("policy == 'a'")).estimand["checkpoints"]["why"]
    assert alone == "there is no other policy to compare with."


def test_the_numbers_of_runs_stand_in_the_order_of_the_sentence() -> None:
    table = runs()
    fewer = table[(table["policy"] == "b") | (table["seed"] < 4)]
    (sentence,) = compare(fewer).verdicts("recipes")
    assert sentence.startswith("The recipe b beats the recipe a over 3 missions")
    assert "(5 and 4 training seeds)" in sentence


def test_separate_trainings_on_every_mission_are_called_runs(tmp_path: Path) -> None:
    results = compare(runs(), trainings="per_mission", output_dir=tmp_path)
    assert "(15 and 15 training runs)" in results.verdicts("recipes")[0]
    assert "(15 training runs)" in str(results)
    page = (tmp_path / "report.html").read_text()
    assert "(15 and 15 training runs)" in page
    assert "Episodes and training runs are resampled within missions." in page
    assert "it is Welch's, stratified by mission" in page
    assert "1 pair<" in page
