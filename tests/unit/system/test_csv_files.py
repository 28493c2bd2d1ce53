"""CSV tables: no cell is a formula, plain tables keep their bytes, and reading undoes what writing did."""

import io
from pathlib import Path

import pandas as pd
import pytest

from daf.comparison import daf_compare_scores
from daf.statistics.score_files import read_scores
from daf.system.csv_files import csv_of_frame, csv_of_rows, escaped, unescaped

RISKY = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\tx", "\rx", "'=x", "''-x", "-", "+", "=", "-1.2.3", "--1"]
HARMLESS = [
    "", "x", "a=b", "'quoted'", "1", "-1", "+1.5", "-1e-3", "-.5", "-inf", "+NaN", "'", "tutorial.miner", "x\ty", "-7.",
]  # fmt: skip


@pytest.mark.parametrize("cell", RISKY)
def test_a_cell_that_might_run_gets_an_apostrophe(cell: str) -> None:
    assert escaped(cell) == "'" + cell
    assert unescaped(escaped(cell)) == cell


@pytest.mark.parametrize("cell", HARMLESS)
def test_numbers_and_other_text_stay(cell: str) -> None:
    assert escaped(cell) == unescaped(cell) == cell


def test_only_text_is_escaped() -> None:
    assert [escaped(cell) for cell in (-1, -1.5, None, True)] == [-1, -1.5, None, True]


def test_both_writers_escape_byte_for_byte() -> None:
    rows = [{"policy": '=HYPERLINK("x")', "score": -1.5, "note": "-1"}, {"policy": "good", "score": 2.0, "note": None}]
    expected = 'policy,score,note\n"\'=HYPERLINK(""x"")",-1.5,-1\ngood,2.0,\n'
    assert csv_of_rows(rows, ["policy", "score", "note"]) == expected
    assert csv_of_frame(pd.DataFrame(rows)) == expected
    assert csv_of_rows([{"@a": 1}], ["@a"]) == csv_of_frame(pd.DataFrame([{"@a": 1}])) == "'@a\n1\n"


def test_a_plain_table_keeps_its_bytes() -> None:
    frame = pd.DataFrame({
        "policy": ["a", "b"], "mean": [-0.1, 1e-9], "n": [1, -2], "ok": [True, False], "none": [None, None],
        "kind": pd.Categorical(["x", "y"]), "missing": [float("nan"), 1.0],
    })  # fmt: skip
    assert csv_of_frame(frame) == frame.to_csv(index=False)


def test_dafs_own_tables_are_read_as_they_were_written(tmp_path: Path) -> None:
    names = ["=cmd()", "-policy", "@x", "'=y", "plain"]
    rows = [{"policy": name, "mission": "+m", "episode": e, "score": -1.0 - e} for name in names for e in range(3)]
    (tmp_path / "scores.csv").write_text(csv_of_frame(pd.DataFrame(rows)))
    read = read_scores(tmp_path / "scores.csv")
    assert read.to_dict("records") == rows
    results = daf_compare_scores(tmp_path / "scores.csv", num_resamples=100, output_dir=tmp_path / "out")
    assert {record.policy for record in results.summary} == set(names)
    written = (tmp_path / "out" / "summary.csv").read_text()
    assert list(pd.read_csv(io.StringIO(written))["policy"].unique()) == [
        "'=cmd()", "'-policy", "'@x", "''=y", "plain",
    ]  # fmt: skip
