"""Published tables of single runs, from CSV files to the tables of a comparison: every digit that was published.

atari100k.csv: 8 algorithms on 26 games, 5 to 100 runs (Agarwal et al. 2021; Micheli et al. 2023), with the random and
human scores in atari100k_reference_scores.json. sactd3.csv: SAC and TD3 on HalfCheetah (Colas et al. 2019). The files
are not part of the repository: they lie in DAF_PUBLISHED_SCORES, by default ../shared/scores beside the checkout.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from daf.comparison import ComparisonResults, daf_compare_scores

FOLDER = Path(os.environ.get("DAF_PUBLISHED_SCORES", Path(__file__).parents[4] / "shared" / "scores"))
pytestmark = pytest.mark.skipif(not (FOLDER / "atari100k.csv").is_file(), reason=f"no published scores in {FOLDER}")

PUBLISHED = {  # median over games of means over runs, mean, IQM, optimality gap
    "SPR": (0.396, 0.616, 0.337, 0.577),
    "SimPLe": (0.134, 0.332, 0.130, 0.729),
    "IRIS": (0.289, 1.046, 0.501, 0.512),
}
STATISTICS = ["median", "mean", "iqm", "optimality_gap"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("atari")


@pytest.fixture(scope="module")
def atari(folder: Path) -> ComparisonResults:
    return daf_compare_scores(
        FOLDER / "atari100k.csv",
        policies=list(PUBLISHED),
        normalization=FOLDER / "atari100k_reference_scores.json",
        trainings="per_mission",
        num_resamples=100,
        output_dir=folder,
    )


@pytest.mark.parametrize("policy", PUBLISHED)
def test_aggregates_of_atari_100k_from_its_runs(atari: ComparisonResults, folder: Path, policy: str) -> None:
    table = pd.read_csv(folder / "aggregates.csv")
    rows = table.query("policy == @policy and estimand == 'recipes'").set_index("statistic")
    assert tuple(rows.loc[STATISTICS, "value"].round(3)) == PUBLISHED[policy]
    assert set(rows["n_units"]) == {26 * (100 if policy == "SPR" else 5)}


def test_atari_100k_is_a_question_about_recipes(atari: ComparisonResults) -> None:
    assert [record.estimand for record in atari.lead_records()] == ["recipes"] * 3


def test_the_numbers_of_runs_follow_the_names(atari: ComparisonResults) -> None:
    (sentence,) = (
        text for text in atari.verdicts("recipes") if text.startswith("The recipe IRIS beats the recipe SPR")
    )
    assert sentence.endswith("(130 and 2600 training runs).")


def test_sac_against_td3_from_its_runs(tmp_path: Path) -> None:
    daf_compare_scores(FOLDER / "sactd3.csv", num_resamples=100, output_dir=tmp_path)
    row = pd.read_csv(tmp_path / "pairwise.csv").query("estimand == 'recipes' and mission == 'HalfCheetah'").iloc[0]
    runs = pd.read_csv(FOLDER / "sactd3.csv").groupby("policy")["score"]
    welch = stats.ttest_ind(runs.get_group("SAC"), runs.get_group("TD3"), equal_var=False)
    assert (round(row["t"], 3), round(row["df"], 1), round(row["p_improvement"], 4)) == (9.113, 376.4, 0.8334)
    assert (row["t"], row["df"]) == pytest.approx((welch.statistic, welch.df), rel=1e-12)
    assert (row["n_a"], row["n_b"], row["verdict"]) == (192, 193, "better")


# ---- the other algorithms, against independent formulas ---------------------------------------------------

OTHERS = {"CURL": 0.113, "DER": 0.183, "OTRainbow": 0.117, "DrQ": 0.224, "DrQ(eps)": 0.280}  # published IQM


@pytest.fixture(scope="module")
def runs() -> pd.DataFrame:
    """Their human-normalized scores."""
    ends = json.loads((FOLDER / "atari100k_reference_scores.json").read_text())
    table = pd.read_csv(FOLDER / "atari100k.csv")
    low, high = (table["mission"].map(ends[end]) for end in ("zero", "one"))
    return table.assign(z=(table["score"] - low) / (high - low))


@pytest.fixture(scope="module")
def others() -> ComparisonResults:
    return daf_compare_scores(
        FOLDER / "atari100k.csv", policies=list(OTHERS), reference="DrQ(eps)", trainings="per_mission",
        normalization=FOLDER / "atari100k_reference_scores.json", num_resamples=100,
    )  # fmt: skip


@pytest.mark.parametrize("policy", OTHERS)
def test_aggregates_and_ranks_of_the_others(others: ComparisonResults, runs: pd.DataFrame, policy: str) -> None:
    own = runs[runs["policy"] == policy]
    by_game = own.groupby("mission")["z"]
    gap = (1 - own["z"].clip(upper=1)).groupby(own["mission"]).mean().mean()
    iqm = stats.trim_mean(own["z"], 0.25)
    expected = {"mean": by_game.mean().mean(), "median": by_game.mean().median(), "iqm": iqm, "optimality_gap": gap}
    found = others.aggregates.query("policy == @policy and estimand == 'recipes'").set_index("statistic")["value"]
    assert found.to_dict() == pytest.approx(expected, rel=1e-9)
    assert round(found["iqm"], 3) == OTHERS[policy]
    means = runs[runs["policy"].isin(OTHERS)].pivot_table(index="mission", columns="policy", values="z")
    ranks = others.ranks.query("policy == @policy and estimand == 'recipes' and mission == 'overall'")["mean_rank"]
    assert ranks.tolist() == pytest.approx([means.rank(axis=1, ascending=False)[policy].mean()], rel=1e-9)


@pytest.mark.parametrize("policy", [name for name in OTHERS if name != "DrQ(eps)"])
def test_pairs_of_the_others_are_welch_tests_by_game_and_stratified(
    others: ComparisonResults, runs: pd.DataFrame, policy: str
) -> None:
    pairs = others.pairwise.query("policy_b == @policy and estimand == 'recipes'").set_index("mission")
    samples = dict(iter(runs.groupby(["policy", "mission"])))
    games, shares, improved = sorted(runs["mission"].unique()), [], []
    for game in games:
        x, y = (samples[name, game]["z"].to_numpy() for name in ("DrQ(eps)", policy))
        welch, row = stats.ttest_ind(x, y, equal_var=False), pairs.loc[game]
        found = row[["difference", "t", "df", "p"]].tolist()
        assert found == pytest.approx([x.mean() - y.mean(), welch.statistic, welch.df, welch.pvalue], rel=1e-9)
        bounds = row["interval_low"], row["interval_high"]
        assert bounds == pytest.approx(tuple(welch.confidence_interval()), rel=1e-9)
        shares += [(part.var(ddof=1) / part.size / 26**2, part.size - 1) for part in (x, y)]
        gaps, tie = x[:, None] - y, 1e-12 * max(np.abs(x).max(), np.abs(y).max())  # equal but for the last bits
        improved.append(((gaps > tie).mean() + (gaps >= -tie).mean()) / 2)
        assert row["p_improvement"] == pytest.approx(improved[-1], rel=1e-9)
    overall, (variances, dfs) = pairs.loc["overall"], np.transpose(shares)
    difference = pairs.loc[games, "difference"].mean()
    df = variances.sum() ** 2 / (variances**2 / dfs).sum()
    assert overall["difference"] == pytest.approx(difference, rel=1e-9)
    assert (overall["t"], overall["df"]) == pytest.approx((difference / np.sqrt(variances.sum()), df), rel=1e-9)
    assert overall["p_improvement"] == pytest.approx(np.mean(improved), rel=1e-9)
