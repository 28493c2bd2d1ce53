"""Published tables of scores give the published numbers. The tables are not part of the repository."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from daf.comparison import ComparisonResults, daf_compare_scores

SCORES = Path(__file__).resolve().parents[4] / "shared" / "scores"
needs_tables = pytest.mark.skipif(not SCORES.is_dir(), reason="published tables of scores are not here")

PUBLISHED = {  # Agarwal et al. 2021, and Micheli et al. 2023 for IRIS: to three digits
    "SPR": {"median": 0.396, "mean": 0.616, "iqm": 0.337, "optimality_gap": 0.577},
    "SimPLe": {"median": 0.134, "mean": 0.332, "iqm": 0.130, "optimality_gap": 0.729},
    "IRIS": {"median": 0.289, "mean": 1.046, "iqm": 0.501, "optimality_gap": 0.512},
}


@pytest.fixture(scope="module")
def atari() -> ComparisonResults:
    reference = json.loads((SCORES / "atari100k_reference_scores.json").read_text())
    normalization = {"low": reference["zero"], "high": reference["one"]}
    policies = list(PUBLISHED)
    return daf_compare_scores(
        SCORES / "atari100k.csv", policies=policies, normalization=normalization, num_resamples=100
    )


@needs_tables
@pytest.mark.parametrize("policy", PUBLISHED)
def test_aggregates_of_atari_100k(atari: ComparisonResults, policy: str) -> None:
    rows = atari.aggregates.query("policy == @policy and estimand == 'recipes'").set_index("statistic")["value"]
    assert rows.round(3).to_dict() == PUBLISHED[policy]
    summary = atari.summary_statistics.query("policy == @policy and mission == 'overall'").iloc[0]
    assert round(summary["mean"], 3) == PUBLISHED[policy]["mean"]
    assert round(summary["median"], 3) == PUBLISHED[policy]["median"]


@needs_tables
def test_sac_against_td3() -> None:
    pairs = daf_compare_scores(SCORES / "sactd3.csv", num_resamples=100).pairwise
    row = pairs.query("estimand == 'recipes' and mission == 'HalfCheetah'").iloc[0]
    assert round(row["t"], 3) == 9.113
    assert round(row["df"], 1) == 376.4
    assert round(row["p_improvement"], 4) == 0.8334
    assert row["test"] == "Welch t-test on seed means"
    assert row["verdict"] == "better"
