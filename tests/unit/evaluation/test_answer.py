"""The answer of a mission's page: values, intervals and verdicts in a sentence, against tests from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from daf.config import DAFComparisonConfig
from daf.episodes.table import episodes_frame
from daf.evaluation.answer import Finding, _sign_test_p, display_names, find_answer
from daf.evaluation.mission import MissionMetadata, analyze_episodes
from daf.statistics.comparison import compare_episodes

METADATA = MissionMetadata(
    name="m", description="", origin="daf", num_agents=1, max_steps=10, success="x", action_names=["noop"],
    observation_shape=[1, 3], resources=[],
)  # fmt: skip


def table(
    policy: str, rewards: Sequence[float | None], successes: Sequence[bool] | None = None, seed: int | None = None
) -> pd.DataFrame:
    """Episodes of a policy; a reward of None is an episode that failed."""
    return episodes_frame(
        {
            "policy": policy,
            "checkpoint": policy if seed is None else f"{policy}-seed-{seed}",
            "train_seed": seed,
            "mission": "m",
            "episode": number,
            "env_seed": 100 + number,
            "mean_reward": reward,
            "agent_rewards": [] if reward is None else [reward],
            "success": None if successes is None or reward is None else successes[number],
            "length": 0 if reward is None else 10,
            "timeouts": 0,
            "failure": "ValueError: x" if reward is None else None,
            "action_counts": "{}",
            "game_stats": "{}",
            "agent_stats": "[]",
        }
        for number, reward in enumerate(rewards)
    )


def findings(*frames: pd.DataFrame) -> list[Finding]:
    return find_answer([analyze_episodes(frame, METADATA) for frame in frames], frames, display_names(frames))


def noisy(mean: float, seed: int, count: int = 16) -> list[float]:
    return (mean + np.random.default_rng(seed).normal(size=count)).round(3).tolist()


def test_success_comes_first_with_intervals_and_what_is_settled() -> None:
    success, reward = findings(
        table("wanderer", noisy(0, 1), [False] * 16),
        table("random", noisy(0, 2), [True] * 2 + [False] * 14),
        table("trained", noisy(9, 3), [True] * 16),
    )
    assert success.sentence == (
        "trained 100 % success (81 to 100 %), random 12 % (3 to 36 %), wanderer 0 % (0 to 19 %): "
        "trained succeeds more often than both others."
    )
    assert (success.best, success.better_than, success.undecided) == ("trained", ("random", "wanderer"), ())
    assert reward.sentence.startswith("trained 8.77 reward per agent (")
    assert "reward per agent" in reward.sentence
    assert set(reward.better_than) == {"random", "wanderer"}


def test_what_is_not_settled_is_said_to_be() -> None:
    (success, _) = findings(
        table("random", noisy(0, 1), [True] * 2 + [False] * 14), table("wanderer", noisy(0, 2), [False] * 16)
    )
    assert success.sentence == (
        "random 12 % success (3 to 36 %), wanderer 0 % (0 to 19 %): which succeeds more often is not settled."
    )
    assert (success.best, success.better_than, success.undecided) == ("random", (), ("wanderer",))
    partly, _ = findings(
        table("a", noisy(0, 1), [True] * 16),
        table("b", noisy(0, 2), [True] * 15 + [False]),
        table("c", noisy(0, 3), [False] * 16),
    )
    assert partly.sentence.endswith(": a succeeds more often than c; against b that is not settled.")


def test_without_success_reward_is_the_answer_with_the_verdict_of_a_comparison() -> None:
    frames = [table("a", noisy(1.1, 5)), table("b", noisy(0, 6)), table("c", noisy(0.9, 7))]
    (found,) = findings(*frames)
    assert found.quantity == "reward"
    results = compare_episodes(
        pd.concat(frames, ignore_index=True), DAFComparisonConfig(policies=["a", "b", "c"], missions=["m"])
    )
    verdicts = {(one.policy_a, one.policy_b): one.verdict for one in results.pairs if one.mission == "m"}
    assert set(found.better_than) == {
        name
        for name in "bc"
        if verdicts.get((found.best, name)) == "better" or verdicts.get((name, found.best)) == "worse"
    }
    assert found.best == max("abc", key=lambda name: results.summary[["a", "b", "c"].index(name) * 2].mean)
    low, high = results.summary[0].interval_low, results.summary[0].interval_high
    assert f"a 1.{str(round(results.summary[0].mean, 2))[2:]}" in found.sentence
    assert f"({low:.2f} to {high:.2f})" in found.sentence


@pytest.mark.parametrize(("wins", "losses", "ties"), [(1, 0, 3), (5, 0, 3), (6, 0, 0), (7, 2, 5), (3, 9, 0), (4, 4, 1)])
def test_the_sign_test_is_exact(wins: int, losses: int, ties: int) -> None:
    first = [True] * wins + [False] * losses + [True] * ties
    second = [False] * wins + [True] * losses + [True] * ties
    count = wins + losses + ties
    a, b = table("a", noisy(0, 1, count), first), table("b", noisy(0, 2, count), second)
    expected = stats.binomtest(wins, wins + losses).pvalue
    assert _sign_test_p(a, b) == pytest.approx(expected)
    assert _sign_test_p(b, a) == pytest.approx(expected)


def test_among_more_pairs_more_is_asked_of_each() -> None:
    """6 wins and no loss: p is 0.031 alone, and 0.094 among three pairs (Holm)."""
    a = table("a", noisy(0, 1, 6), [True] * 6)
    b, c = (table(name, noisy(0, seed, 6), [False] * 6) for name, seed in (("b", 2), ("c", 3)))
    assert findings(a, b)[0].better_than == ("b",)
    assert findings(a, b, c)[0].better_than == ()


def test_copies_of_one_episode_settle_nothing() -> None:
    """Two deterministic policies on one map: 16 episodes are one."""
    success, reward = findings(table("a", [1.0] * 16, [True] * 16), table("b", [0.0] * 16, [False] * 16))
    assert success.sentence.endswith("which succeeds more often is not settled.")
    assert reward.sentence == "a 1.00 reward per agent, b 0.00: which is better is not settled."


def test_equal_values_are_the_same_and_have_no_best() -> None:
    success, _ = findings(table("a", noisy(0, 1), [False] * 16), table("b", noisy(0, 2), [False] * 16))
    assert success.sentence == "a 0 % success (0 to 19 %), b 0 % (0 to 19 %): the same for both."
    assert success.best is None


def test_those_that_share_the_best_value_are_shown_to_beat_the_others() -> None:
    scouts = [table("scout", noisy(9 + seed, seed, 10), [True] * 10, seed=seed) for seed in (1, 2)]
    others = [table(name, noisy(0, seed, 10), [False] * 10) for name, seed in (("zigzag", 3), ("random", 4))]
    success, reward = findings(*scouts, *others)
    assert success.sentence.endswith(
        ": scout, seed 1 and scout, seed 2 succeed more often than both others; "
        "which of the two does so more often is not settled."
    )
    assert (success.best, success.better_than) == (None, ("zigzag", "random"))
    assert success.undecided == ("scout, seed 1", "scout, seed 2")
    assert reward.best == "scout, seed 2"


def test_a_tie_at_the_top_is_tested_as_a_single_winner_is() -> None:
    """6 wins and no loss: p is 0.031, and 0.125 among the four pairs that differ at all (Holm)."""
    leaders = [table(name, noisy(1, seed, 6), [True] * 6) for name, seed in (("a", 1), ("b", 2))]
    c, d = (table(name, noisy(0, seed, 6), [False] * 6) for name, seed in (("c", 3), ("d", 4)))
    success, _ = findings(*leaders, c, d)
    assert success.sentence.endswith(": which succeeds more often is not settled.")
    assert success.better_than == ()
    middle = table("c", noisy(0, 3, 16), [True] * 14 + [False] * 2)
    leaders = [table(name, noisy(1, seed, 16), [True] * 16) for name, seed in (("a", 1), ("b", 2))]
    partly, _ = findings(*leaders, middle, table("d", noisy(0, 4, 16), [False] * 16))
    assert partly.sentence.endswith(
        ": a and b succeed more often than d; against c that is not settled; "
        "which of the two does so more often is not settled."
    )


def test_a_caution_has_the_names_of_the_page() -> None:
    """Also names that are digits, or look like a label of another policy."""
    steady = [0.0] * 15 + [0.01]
    frames = [table("policy_1", [9.0 + value for value in steady]), table("1", steady[::-1]), table("x", noisy(0, 3))]
    (found,) = findings(*frames)
    assert found.better_than[0] in ("1", "x")
    assert "the scores of policy_1 and 1 hardly vary between episodes, and 16 episodes may miss" in found.caution


def test_a_policy_without_a_result_is_left_to_the_headline() -> None:
    success, reward = findings(table("fine", noisy(1, 1), [True] * 16), table("broken", [None] * 16, [False] * 16))
    assert success.sentence == "fine 100 % success (81 to 100 %)."
    assert "broken" not in reward.sentence
    nothing = findings(table("broken", [None] * 4))
    assert [finding.sentence for finding in nothing] == [""]


def test_one_episode_has_a_value_and_settles_nothing() -> None:
    (found,) = findings(table("a", [1.0]), table("b", [0.5]))
    assert found.sentence == "a 1.00 reward per agent, b 0.50: which is better is not settled."


def test_many_policies_are_summed_up() -> None:
    frames = [table(f"p{place}", noisy(10 - place, place, 8)) for place in range(7)]
    (found,) = findings(*frames)
    assert found.sentence.startswith("p0 ")
    assert " 3 others " in found.sentence
    assert all(f"p{place} " in found.sentence.split(":")[0] for place in range(4))


def test_names_are_those_of_a_comparison_with_the_training_seed_if_there_are_several() -> None:
    hostile = "<script>" + "x" * 80
    frames = [table("trained", [1.0], seed=1), table("trained", [1.0], seed=2), table("other", [1.0], seed=7)]
    assert display_names([*frames, table(hostile, [1.0])]) == ["trained, seed 1", "trained, seed 2", "other", hostile]
