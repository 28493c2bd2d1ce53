"""Published scores of tasks give the published aggregates."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from daf.comparison import ComparisonResults, daf_compare_scores

# Mean scores on Atari 100k: random, human, SimPLe, SPR, IRIS (Agarwal et al. 2021; Micheli et al. 2023).
ATARI_100K = {
    "Alien": (227.8, 7127.7, 616.9, 841.9, 420.0),
    "Amidar": (5.8, 1719.5, 74.3, 179.7, 143.0),
    "Assault": (222.4, 742.0, 527.2, 565.6, 1524.4),
    "Asterix": (210.0, 8503.3, 1128.3, 962.5, 853.6),
    "BankHeist": (14.2, 753.1, 34.2, 345.4, 53.1),
    "BattleZone": (2360.0, 37187.5, 4031.2, 14834.1, 13074.0),
    "Boxing": (0.1, 12.1, 7.8, 35.7, 70.1),
    "Breakout": (1.7, 30.5, 16.4, 19.6, 83.7),
    "ChopperCommand": (811.0, 7387.8, 979.4, 946.3, 1565.0),
    "CrazyClimber": (10780.5, 35829.4, 62583.6, 36700.5, 59324.2),
    "DemonAttack": (152.1, 1971.0, 208.1, 517.6, 2034.4),
    "Freeway": (0.0, 29.6, 16.7, 19.3, 31.1),
    "Frostbite": (65.2, 4334.7, 236.9, 1170.7, 259.1),
    "Gopher": (257.6, 2412.5, 596.8, 660.6, 2236.1),
    "Hero": (1027.0, 30826.4, 2656.6, 5858.6, 7037.4),
    "Jamesbond": (29.0, 302.8, 100.5, 366.5, 462.7),
    "Kangaroo": (52.0, 3035.0, 51.2, 3617.4, 838.2),
    "Krull": (1598.0, 2665.5, 2204.8, 3681.6, 6616.4),
    "KungFuMaster": (258.5, 22736.3, 14862.5, 14783.2, 21759.8),
    "MsPacman": (307.3, 6951.6, 1480.0, 1318.4, 999.1),
    "Pong": (-20.7, 14.6, 12.8, -5.4, 14.6),
    "PrivateEye": (24.9, 69571.3, 35.0, 86.0, 100.0),
    "Qbert": (163.9, 13455.0, 1288.8, 866.3, 745.7),
    "RoadRunner": (11.5, 7845.0, 5640.6, 12213.1, 9614.6),
    "Seaquest": (68.4, 42054.7, 683.3, 558.1, 661.3),
    "UpNDown": (533.4, 11693.2, 3350.3, 10859.2, 3546.2),
}  # fmt: skip
PUBLISHED = {  # of the human-normalized scores, to three digits
    "SimPLe": {"median": 0.134, "mean": 0.332},
    "SPR": {"median": 0.396, "mean": 0.616},
    "IRIS": {"median": 0.289, "mean": 1.046},
}


@pytest.fixture(scope="module")
def atari() -> ComparisonResults:
    rows = [
        (policy, game, score)
        for game, (_, _, *scores) in ATARI_100K.items()
        for policy, score in zip(PUBLISHED, scores, strict=True)
    ]
    normalization = {
        end: {game: values[column] for game, values in ATARI_100K.items()} for column, end in enumerate(("low", "high"))
    }
    table = pd.DataFrame(rows, columns=["policy", "mission", "score"]).assign(episode=0)
    return daf_compare_scores(table, normalization=normalization, num_resamples=100)


@pytest.mark.parametrize("policy", PUBLISHED)
def test_aggregates_of_atari_100k(atari: ComparisonResults, policy: str) -> None:
    rows = atari.aggregates.query("policy == @policy").set_index("statistic")["value"]
    assert rows[["median", "mean"]].round(3).to_dict() == PUBLISHED[policy]
    summary = atari.summary_statistics.query("policy == @policy and mission == 'overall'").iloc[0]
    assert summary[["median", "mean"]].astype(float).round(3).to_dict() == PUBLISHED[policy]


def runs_of(mean: float, sd: float, count: int) -> np.ndarray:
    """Runs of exactly this mean and standard deviation."""
    steps = np.linspace(-1, 1, count)
    return mean + sd * steps / steps.std(ddof=1)


def test_sac_against_td3_on_half_cheetah() -> None:
    """Welch's test from the means, standard deviations and numbers of the runs of Colas et al. (2019)."""
    runs = {"SAC": runs_of(11919.760, 1316.898, 192), "TD3": runs_of(10603.029, 1512.010, 193)}
    rows = [
        (policy, "HalfCheetah", seed, score) for policy, scores in runs.items() for seed, score in enumerate(scores)
    ]
    table = pd.DataFrame(rows, columns=["policy", "mission", "seed", "score"])
    pairs = daf_compare_scores(table.assign(episode=0), num_resamples=100).pairwise
    row = pairs.query("estimand == 'recipes' and mission == 'HalfCheetah'").iloc[0]
    assert (round(row["t"], 3), round(row["df"], 1)) == (9.113, 376.4)
    assert row["test"] == "Welch t-test on seed means"
    assert row["verdict"] == "better"
