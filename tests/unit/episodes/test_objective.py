"""The objective metric of every episode, against tables computed by hand."""

import json

import pandas as pd
import pytest

from daf.episodes.objective import episode_objectives


@pytest.fixture
def episodes():
    return pd.DataFrame(
        {
            "mean_reward": [1.5, None, 3.0],
            "success": pd.array([True, None, False], dtype="boolean"),
            "length": pd.array([10, 20, 30], dtype="Int64"),
            "game_stats": [json.dumps({"hearts": 2}), json.dumps({}), json.dumps({"hearts": 5, "heart.gained": 9})],
            "agent_stats": [
                json.dumps([{"heart.gained": 4}, {}]),
                json.dumps([{}, {}]),
                json.dumps([{"heart.gained": 1}, {"heart.gained": 3}]),
            ],
        },
        index=[7, 8, 9],
    )


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("mean_reward", [1.5, None, 3.0]),
        ("length", [10.0, 20.0, 30.0]),
        ("success_rate", [1.0, None, 0.0]),
        ("hearts", [2.0, None, 5.0]),
        # Of the agents: their mean, an agent without the statistic counts as 0; the game's own statistic goes first.
        ("heart.gained", [2.0, None, 9.0]),
        ("no such statistic", [None, None, None]),
    ],
)
def test_values(episodes, metric, expected):
    values = episode_objectives(episodes, metric)
    assert list(values.index) == [7, 8, 9]
    assert str(values.dtype) == "Float64"
    assert [None if pd.isna(value) else float(value) for value in values] == expected


def test_a_mission_without_success_has_no_success_rate(episodes):
    episodes["success"] = pd.array([None, None, None], dtype="boolean")
    assert episode_objectives(episodes, "success_rate").dropna().empty
