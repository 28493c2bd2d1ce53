"""Success expressions: their values against hand computations, and that nothing but statistics can be reached."""

import pytest

from daf.episodes.success import EpisodeFacts, check_success_expression, is_success
from daf.errors import BadInputError

FACTS = EpisodeFacts(
    mean_reward=2.5,
    length=120,
    game_stats={"goal.reached": 1.0, "hearts": 7.0, "chests": 3.0},
    agent_stats=[{"heart.gained": 1.0, "heart.lost": 2.0}, {"heart.gained": 4.0}, {}, {"heart.gained": 3.0}],
)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("mean_reward > 2.4", True),
        ("mean_reward >= 2.5", True),
        ("mean_reward > 2.5", False),
        ("length < 120", False),
        ("length <= 120", True),
        ("game('goal.reached') > 0", True),
        ("game('hearts', 'chests') == 10", True),  # 7 + 3
        ("game('never.reported') == 0", True),
        ("agent_sum('heart.gained') == 8", True),  # 1 + 4 + 0 + 3
        ("agent_mean('heart.gained') == 2", True),  # 8 / 4, the agent without the statistic counts
        ("agent_min('heart.gained') == 0", True),
        ("agent_max('heart.gained') == 4", True),
        ("agent_max('heart.gained', 'heart.lost') == 4", True),  # per agent 3, 4, 0, 3
        ("agent_sum('heart.gained', 'heart.lost') == 10", True),
        ("agent_sum('heart.gained') - 2 * agent_sum('heart.lost') / 4 == 7", True),
        ("-mean_reward < -2", True),
        ("not length > 100", False),
        ("length > 100 and mean_reward > 3", False),
        ("length > 100 or mean_reward > 3", True),
        ("100 < length < 130", True),
        ("100 < length < 110", False),
        ("110 < length > 100", True),
        ("length != 120", False),
        ("True", True),
        ("length / game('never.reported') > 1", False),  # a division by zero is not a success
    ],
)
def test_value(expression, expected):
    check_success_expression(expression, "here")
    assert is_success(expression, FACTS) is expected


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os').system('true')",
        "mean_reward.__class__",
        "(lambda: 1)()",
        "[x for x in (1, 2)]",
        "game(__import__('os').name)",
        "game('a', key='b')",
        "game(*['a'])",
        "open('/etc/passwd')",
        "game('a')[0]",
        "mean_reward ** 9999999999",
        "'a' * 10 == 'b'",
        "length if True else 0",
        "(x := 3)",
        "length in (1, 2)",
        "length is 3",
        "f'{length}'",
        "game()",
        "game(length)",
        "",
        "length >",
        "length = 3",
        "length; length",
    ],
)
def test_anything_else_is_refused(expression):
    with pytest.raises(BadInputError) as caught:
        check_success_expression(expression, "success of mission 'm'")
    assert caught.value.where == "success of mission 'm'"
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("expression", "hint"),
    [
        ("lenght > 3", "did you mean 'length'"),
        ("agent_summ('heart.gained') > 3", "did you mean 'agent_sum'"),
        ("agent_sum(heart) > 3", "quote statistics"),
    ],
)
def test_hints(expression, hint):
    with pytest.raises(BadInputError) as caught:
        check_success_expression(expression, "here")
    assert hint in caught.value.hint
