"""Tables of scores in the forms in which users have them: read where unambiguous, otherwise refused with the reason."""

from __future__ import annotations

import gzip
import json
from collections import namedtuple
from dataclasses import make_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from daf.comparison import daf_compare_scores
from daf.errors import BadInputError
from daf.statistics.score_files import read_scores
from daf.statistics.scores import to_episodes

ROWS = [
    {"policy": policy, "mission": "m", "episode": episode, "score": value + 0.5 * episode}
    for policy, value in (("None", 1.5), ("b", -2.25))
    for episode in range(4)
]
FRAME = pd.DataFrame(ROWS)
CSV = FRAME.to_csv(index=False)


def episodes_of(source: Any) -> pd.DataFrame:
    return to_episodes(read_scores(source))[0]


def assert_same(source: Any) -> None:
    pd.testing.assert_frame_equal(episodes_of(source), episodes_of(FRAME), check_dtype=False)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("plain.csv", CSV.encode()),
        ("semicolon.csv", CSV.replace(",", ";").encode()),
        ("pipe.csv", CSV.replace(",", "|").encode()),
        ("named.csv", b"sep=;\r\n" + CSV.replace(",", ";").encode()),
        ("named-tab.csv", b"SEP=\t\n" + CSV.replace(",", "\t").encode()),
        ("named-colon.csv", b'"sep=:"\n' + CSV.replace(",", ":").encode()),
        ("named-comma.csv", b"sep=;\n" + CSV.replace(",", ";").replace(".", ",").encode()),
        ("tab.csv", CSV.replace(",", "\t").encode()),
        ("tab.tsv", CSV.replace(",", "\t").encode()),
        ("tab.txt", CSV.replace(",", "\t").encode()),
        ("comma.csv", CSV.replace(",", ";").replace(".", ",").encode()),
        ("bom.csv", CSV.encode("utf-8-sig")),
        ("utf16.csv", CSV.encode("utf-16")),
        ("utf16be.csv", b"\xfe\xff" + CSV.encode("utf-16-be")),
        ("packed.csv.gz", gzip.compress(CSV.encode())),
        ("PACKED.CSV.GZ", gzip.compress(CSV.replace(",", ";").encode("utf-16"))),
        ("packed-but-not-named-so.csv", gzip.compress(CSV.encode())),
        ("capitals.csv", CSV.replace("policy,mission,episode,score", "Policy,MISSION,Episode,Score").encode()),
        ("blanks.csv", CSV.replace("policy,mission,episode,score", " policy , mission, episode ,score ").encode()),
        ("padded.csv", CSV.replace(",", " , ").encode()),
        ("quoted.csv", ('"policy","mission","episode","score"\n' + CSV.split("\n", 1)[1]).encode()),
        ("windows.csv", CSV.replace("\n", "\r\n").encode()),
        ("records.json", json.dumps(ROWS).encode()),
        ("records.json.gz", gzip.compress(json.dumps(ROWS).encode())),
        ("lines.jsonl", "\n".join(map(json.dumps, ROWS)).encode()),
        ("columns.json", json.dumps(FRAME.to_dict("list")).encode()),
        ("pandas.json", FRAME.to_json().encode()),
    ],
)
def test_files_in_all_their_variants_mean_the_same(name: str, data: bytes, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    assert_same(path)
    assert_same(str(path))


def test_rows_of_python_are_a_table() -> None:
    row = namedtuple("row", "policy mission episode score")
    record = make_dataclass("record", ["policy", "mission", "episode", "score"])
    for rows in (
        ROWS,
        tuple(ROWS),
        (one for one in ROWS),
        [row(**one) for one in ROWS],
        [record(**one) for one in ROWS],
        [one for _, one in FRAME.iterrows()],
        [FRAME[:3], FRAME[3:]],
        FRAME.to_dict("list"),
        [{key.upper(): value for key, value in one.items()} for one in ROWS],
    ):
        assert_same(rows)
    assert daf_compare_scores(ROWS, num_resamples=200).pairs


def marl_eval(**metrics: Any) -> dict[str, Any]:
    metrics = metrics or {"return": [1.0, 2.0]}
    step = {"step_1": {"step_count": 10, **metrics}, "absolute_metrics": metrics}
    return {"smax": {"3m": {"ippo": {"seed_0": step, "seed_1": step}, "qmix": {"seed_0": step, "seed_1": step}}}}


def test_the_layout_of_marl_eval_is_read(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps(marl_eval(**{"mean_episode_return": [1.0, 2.0], "win_rate": [0, 1]})))
    frame = read_scores(path)
    assert len(frame) == 8
    assert set(frame["policy"]) == {"ippo", "qmix"}
    results = daf_compare_scores(path, num_resamples=200)
    assert results.summary[0].n_train_seeds == 2
    assert results.summary[0].mean == 1.5
    without = json.loads(json.dumps(marl_eval()))  # no shared parts
    for runs in without["smax"]["3m"].values():
        for steps in runs.values():
            del steps["absolute_metrics"]
            steps["step_2"] = {"step_count": 20, "return": [5.0]}
    assert set(read_scores(without)["score"]) == {5.0}  # the last step by its count
    assert set(read_scores({**marl_eval(), "other": marl_eval()["smax"]})["mission"]) == {"smax/3m", "other/3m"}


def test_daf_reads_the_marl_eval_file_that_it_writes(tmp_path: Path) -> None:
    results = daf_compare_scores(ROWS, num_resamples=200, output_dir=tmp_path)
    again = daf_compare_scores(tmp_path / "marl_eval.json", num_resamples=200)
    assert [record.mean for record in again.summary] == [record.mean for record in results.summary]


@pytest.mark.parametrize(
    ("source", "expected", "found"),
    [
        ([], "scores", "no rows"),
        ([1, 2], "a DataFrame, a file, or rows", "row 0 is 1 (int)"),
        ([("a", "m", 1.0)], "a DataFrame, a file, or rows", "row 0 is ('a', 'm', 1.0) (tuple)"),
        (None, "a DataFrame, a file, or rows", "NoneType"),
        (5, "a DataFrame, a file, or rows", "int"),
        ([{"policy": "a", "mission": "m"}], "a column 'score'", "columns policy, mission"),
        ({"policy": ["a"], "mission": ["m", "m"], "score": [1]}, "columns of the same length", ""),
        ({"env": {"task": 5}}, "marl-eval's", "int"),
        ({"env": {"task": {"alg": {"run": {}}}}}, "absolute_metrics, or steps", "neither"),
        (marl_eval(a=[1], b=[2]), "one metric", "a, b"),
    ],
)
def test_anything_else_is_refused_in_four_parts(source: Any, expected: str, found: str) -> None:
    with pytest.raises(BadInputError) as caught:
        to_episodes(read_scores(source))
    assert expected in caught.value.expected
    assert found in caught.value.found
    assert caught.value.where


@pytest.mark.parametrize(
    ("name", "data", "part"),
    [
        ("marks.csv", b"policy;mission;score\na;m;1,5\nb;m;2.5\n", "'1,5' and '2.5'"),
        ("thousands.csv", b"policy;mission;score\na;m;1,500\nb;m;2,000\n", "may separate thousands"),
        ("latin.csv", "policy,mission,score\ncafé,m,1\n".encode("latin-1"), "0xe9"),
        ("text.json", b"{", "Expecting property name"),
        ("deep.json", b"[" * 100_000, "nested more than 100 deep"),
        ("cut.csv.gz", gzip.compress(CSV.encode(), mtime=0)[:30], "content that ends early"),
        ("scores.xlsx", b"PK", "'.xlsx'"),
        ("comma.csv", b"policy,mission,score\na,m,1,5\nb,m,2,5\n", "4 in line 2: a,m,1,5"),
        ("tail.csv", b"policy,mission,score\na,m,1,\nb,m,2\n", "4 in line 2"),
        ("twice.csv", b"policy,mission,score,Score\na,m,1,2\n", "'score' twice"),
        ("nonames.csv", b"a;b;c\n1;2;3\n", "a column 'policy'"),
    ],
)
def test_ambiguous_and_damaged_files_are_named(name: str, data: bytes, part: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(BadInputError) as caught:
        to_episodes(read_scores(path), str(path))
    assert part in str(caught.value)
    assert caught.value.where.startswith(str(path))


LINES = "policy,mission,seed,episode,score\n\na,m,1,0,1.5\n"  # with a blank line


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ("b,m,1,0,x", "'x' in line 4"),
        ("b,m,1,0,inf", "inf in line 4"),
        ("b,,1,0,1", "none in line 4"),
        ("b,m,1,-1,1", "-1 in line 4"),
        ("b,m,1,0.5,1", "'0.5' in line 4"),
        ("b,m,1,,1", "none in line 4"),
        ("a,m,,1,1", "a has some, but none in line 4"),
        ("a,m,1,0,1", "a on m, seed 1, episode 0 twice, again in line 4"),
        ("b,m,,0,1\nb,m,,0,1", "b on m, episode 0 twice, again in line 5"),
        ('"a\nb",m,1,0,1\nc,m,1,0,x', "'x' in line 6"),  # a name over two lines
    ],
)
def test_a_wrong_row_of_a_file_is_named_by_its_line(row: str, found: str, tmp_path: Path) -> None:
    one, other = tmp_path / "scores.csv", tmp_path / "more.csv"
    one.write_text(LINES + row + "\n")
    with pytest.raises(BadInputError) as caught:
        to_episodes(read_scores(one))
    assert caught.value.found.endswith(found)
    other.write_text("sep=;\n" + LINES.replace(",", ";").replace("a;", "z;"))
    with pytest.raises(BadInputError) as caught:
        to_episodes(read_scores([other, one]))
    assert caught.value.found.endswith(f"{found} of {one}")


def test_rows_of_other_sources_are_numbered(tmp_path: Path) -> None:
    rows = [*ROWS, {**ROWS[0], "episode": 9, "score": "x"}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "a.json").write_text(json.dumps(rows))
    frame = pd.DataFrame(rows, index=pd.Index([5] * 9, name="line"))  # means nothing here
    for source, place in ((tmp_path / "a.jsonl", "line 9"), (tmp_path / "a.json", "row 8"), (frame, "row 8")):
        with pytest.raises(BadInputError, match=f"'x' in {place}\n"):
            to_episodes(read_scores(source))


def test_the_results_of_a_comparison_are_not_its_scores(tmp_path: Path) -> None:
    folder = daf_compare_scores(FRAME, num_resamples=100).write(tmp_path / "main")
    for source in (folder, folder / "comparison.json", [folder / "comparison.json"]):
        with pytest.raises(BadInputError) as caught:
            read_scores(source)
        assert caught.value.hint == f"its scores are in {folder / 'scores.csv'}"
    assert_same(folder / "scores.csv")


def marl_eval_runs(steps: Any) -> dict[str, Any]:
    return {"environment": {"task": {policy: {"seed_1": steps} for policy in ("a", "b")}}}


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ({"step_1": {"step_count": 1, "return": []}}, r"seed_1 / step_1 / return\n  expected: at least one score"),
        ({"absolute_metrics": {"return": []}}, r"absolute_metrics / return\n  expected: at least one score"),
        ({"absolute_metrics": {}}, "metrics in absolute_metrics"),
        ({"absolute_metrics": None}, "metrics in absolute_metrics"),
        ({}, "absolute_metrics, or steps"),
        ({"step_1": {"step_count": 1}}, "or in the last step"),
    ],
)
def test_a_run_of_marl_eval_without_scores_is_named(steps: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        read_scores(marl_eval_runs(steps))


def test_absolute_metrics_are_noted() -> None:
    _, notes = to_episodes(read_scores(marl_eval_runs({"absolute_metrics": {"return": [1.0, 2.0]}})))
    assert notes[0] == "The scores of 2 runs are marl-eval's absolute metrics: of a run's best policy."
    _, notes = to_episodes(read_scores(marl_eval_runs({"step_1": {"step_count": 1, "return": [1.0, 2.0]}})))
    assert not any("absolute" in note for note in notes)


def test_scores_may_be_arrays_and_tensors_without_a_dimension() -> None:
    rows = [{"policy": "a", "mission": "m", "score": kind(2.5)} for kind in (np.array, torch.tensor, np.float32)]
    table, _ = to_episodes(read_scores(rows))
    assert table["mean_reward"].tolist() == [2.5, 2.5, 2.5]


@pytest.mark.parametrize("column", ["policy", "mission", "score", "train_seed", "episode"])
@pytest.mark.parametrize("value", [[1], {}, {"a": 1}, np.array([1.0, 2.0]), (1, 2)], ids=str)
def test_a_cell_with_several_values_is_refused(column: str, value: Any) -> None:
    row = {"policy": "a", "mission": "m", "score": 1.0, "train_seed": 1, "episode": 0}
    with pytest.raises(BadInputError, match=f"{column}\n  expected: one value per row"):
        to_episodes(read_scores([row, {**row, "episode": 1, column: value}]))


def test_what_pandas_takes_for_numbers_may_be_none() -> None:
    row = {"policy": "a", "mission": "m"}
    with pytest.raises(BadInputError, match="expected: numbers"):
        to_episodes(read_scores([{**row, "score": 1j}]))
    with pytest.raises(BadInputError, match="columns of the same length"):
        read_scores({"policy": ["a"], "mission": ["m"], "score": torch.ones(1, requires_grad=True)})


@pytest.mark.parametrize("description", [b"{", b'{"columns": [{}], "index_columns": [{}]}', b"\xec"])
def test_a_damaged_description_of_pandas_in_a_parquet_file_is_a_damaged_file(
    tmp_path: Path, description: bytes
) -> None:
    table = pa.Table.from_pandas(FRAME).replace_schema_metadata({b"pandas": description})
    path = tmp_path / "scores.parquet"
    pq.write_table(table, path)
    with pytest.raises(BadInputError, match=r"scores.parquet\n(.*\n)+  found:    a damaged file"):
        read_scores(path)


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"policy": None}, "name the policy there"),
        ({"mission": " "}, "name the mission there"),
        ({"episode": None}, "fill the empty cells"),
        ({"episode": 1}, "delete the repeated row"),
        ({"episode": 1.5}, "write whole numbers"),
        ({"train_seed": None}, "fill the empty cells"),
    ],
)
def test_a_wrong_row_gets_a_remedy(change: dict[str, Any], hint: str) -> None:
    rows: list[dict[str, Any]] = [{**row, "train_seed": 1} for row in ROWS]
    with pytest.raises(BadInputError, match=f"hint:     {hint}"):
        to_episodes(read_scores([{**rows[0], **change}, *rows[1:]]))
