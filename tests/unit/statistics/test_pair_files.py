"""Comparisons of many pairs: their rows are in a file of columns, and read as they were written."""

from __future__ import annotations

import json
from math import inf, nan
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from daf.comparison import ComparisonResults, daf_compare_scores
from daf.errors import BadInputError, ConfigError
from daf.statistics import pair_files
from daf.statistics.pair_table import PairTable
from daf.statistics.records import PairRecord
from daf.system.csv_files import csv_of_frame
from daf.system.tables import read_parquet, write_parquet


@pytest.fixture(scope="module")
def compared() -> ComparisonResults:
    names = ["=sum", 'with "quotes", and a comma', "c"]
    scores = np.random.default_rng(0).normal(0, 1, (3, 2, 5))
    rows = [
        {"policy": names[policy], "mission": f"m{mission}", "train_seed": seed, "score": score}
        for (policy, mission, seed), score in np.ndenumerate(scores)
    ]
    return daf_compare_scores(pd.DataFrame(rows), num_resamples=100, equivalence_margin=2.0)


@pytest.fixture
def written(compared: ComparisonResults, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(pair_files, "INLINE", 3)
    monkeypatch.setattr(pair_files, "ROWS", 7)
    return compared.write(tmp_path)


def test_many_pairs_are_read_as_they_were_written(compared: ComparisonResults, written: Path) -> None:
    content = json.loads((written / "comparison.json").read_text())
    assert (content["pairwise"], content["pairwise_file"]) == ([], {"name": "pairwise.parquet", "rows": 18})
    again = ComparisonResults.read(written)
    assert again.pairs == compared.pairs
    assert again.summary_statistics.equals(compared.summary_statistics)
    pd.testing.assert_frame_equal(again.pairwise, compared.pairwise)
    assert str(again) == str(compared)


def test_few_pairs_stay_in_the_one_file(compared: ComparisonResults, written: Path) -> None:
    pair_files.INLINE = 18
    compared.write(written)
    assert not (written / "pairwise.parquet").exists()
    assert ComparisonResults.read(written).pairs == compared.pairs


def test_the_csv_has_the_text_of_a_small_one(compared: ComparisonResults, written: Path) -> None:
    assert (written / "pairwise.csv").read_text() == csv_of_frame(compared.pairwise)


def test_numbers_of_any_size_have_the_text_of_a_small_table(tmp_path: Path) -> None:
    values = [0.0, -0.0, 5.0, 1e-5, 9.99e-5, 1e-4, 0.1 + 0.2, 1e10, 123456789.25, 1e16, 1e300, 5e-324, -7.5, nan, inf]
    rows = [
        PairRecord(
            estimand="recipes", mission="m\nline", n_missions=1, policy_a="+a", policy_b="", paired=False, n_a=None,
            n_b=index, effect_name="d", test="t", difference=value, p=value, interval_method=None,
        )
        for index, value in enumerate(values)
    ]  # fmt: skip
    table = PairTable.of(rows)
    pair_files.write_pairs(tmp_path, table)
    assert (tmp_path / "pairwise.csv").read_text() == csv_of_frame(table.to_frame())
    again = pair_files.read_pairs(tmp_path, {"name": "pairwise.parquet", "rows": len(rows)}, "comparison.json")
    assert again == table


def test_rows_of_another_comparison_are_refused(written: Path) -> None:
    table = read_parquet(written / "pairwise.parquet")
    write_parquet(written / "pairwise.parquet", table.slice(1))
    with pytest.raises(BadInputError) as caught:
        ComparisonResults.read(written)
    assert caught.value.expected == f"18 rows, as {written}/comparison.json says"
    assert caught.value.found == "17 rows"
    assert caught.value.hint == "copy both files from the same comparison"


def test_a_missing_file_of_rows_is_named(written: Path) -> None:
    (written / "pairwise.parquet").unlink()
    with pytest.raises(BadInputError, match=r"pairwise\.parquet"):
        ComparisonResults.read(written)


def test_rows_in_a_file_need_its_folder(written: Path) -> None:
    data = json.loads((written / "comparison.json").read_text())
    del data["content_sha256"]
    with pytest.raises(BadInputError, match="a folder with the rows about pairs"):
        ComparisonResults.from_dict(data)


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("verdict", pa.array(["best"] * 18).dictionary_encode(), "'best'"),
        ("estimand", pa.array(["recipes"] * 18), "texts"),
        ("p", pa.array(["0.1"] * 18).dictionary_encode(), "numbers"),
        ("n_a", pa.array([0.5] * 18), "integers"),
    ],
)
def test_columns_of_another_type_are_refused(written: Path, column: str, values: pa.Array, message: str) -> None:
    table = read_parquet(written / "pairwise.parquet")
    place = table.column_names.index(column)
    write_parquet(written / "pairwise.parquet", table.set_column(place, column, values))
    with pytest.raises((BadInputError, ConfigError)) as caught:
        ComparisonResults.read(written)
    assert message in str(caught.value)
    assert f"pairwise.parquet: {column}" in str(caught.value)


def test_other_columns_are_refused(written: Path) -> None:
    table = read_parquet(written / "pairwise.parquet")
    write_parquet(written / "pairwise.parquet", table.drop_columns(["caution"]))
    with pytest.raises(BadInputError, match="other columns: caution"):
        ComparisonResults.read(written)
