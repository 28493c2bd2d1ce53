"""The objective metric of an episode, against values computed by hand."""

import pytest

from daf.episodes.objective import episode_objective
from daf.episodes.success import EpisodeFacts


def episode(mean_reward, length, game_stats, agent_stats):
    return EpisodeFacts(mean_reward=mean_reward, length=length, game_stats=game_stats, agent_stats=agent_stats)


EPISODES = (
    (episode(1.5, 10, {"hearts": 2.0}, [{"heart.gained": 4.0}, {}]), True),
    (episode(0.0, 20, {}, [{}, {}]), None),
    (episode(3.0, 30, {"hearts": 5.0, "heart.gained": 9.0}, [{"heart.gained": 1.0}, {"heart.gained": 3.0}]), False),
)


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("mean_reward", [1.5, 0.0, 3.0]),
        ("length", [10.0, 20.0, 30.0]),
        ("success_rate", [1.0, None, 0.0]),
        ("hearts", [2.0, None, 5.0]),
        # Of the agents: their mean, an agent without the statistic counts as 0; the game's own statistic goes first.
        ("heart.gained", [2.0, None, 9.0]),
        ("no such statistic", [None, None, None]),
    ],
)
def test_values(metric, expected):
    assert [episode_objective(facts, success, metric) for facts, success in EPISODES] == expected
