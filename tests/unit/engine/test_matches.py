"""Matches: rows per seat, drawn seats, failures in the seats that caused them, and the numbers of `cogames pickup`."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from cogames import pickup as theirs
from metta_alo.scoring import VorTotals, overall_value_over_replacement
from mettagrid.policy.policy import PolicySpec
from rich.console import Console

from daf.config import MissionConfig, PolicyConfig
from daf.config.match_recipes import MatchRecipe, SeatedPlayer
from daf.config.recipes import MissionRecipe, PolicyRecipe
from daf.engine.matches import play_match
from daf.engine.missions import resolve_mission
from daf.engine.policies import resolve_policy
from daf.errors import BadInputError
from daf.tournament.scores import scores_of_seats
from daf.tournament.table import seats_frame
from daf.tournament.values import candidate_mean, replacement_mean, scenario_means, value_over_replacement

SEED = 40
FAILING = "tests.unit.failing_policies.Single"


@pytest.fixture(autouse=True)
def user_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


def recipe(*policies: str, seats: tuple[int, ...], pool: tuple[int, ...] = (), **changes: Any) -> MatchRecipe:
    """A match of these policies on 30 steps of tutorial.miner; `pool`: numbers of those that play for the pool."""
    mission = MissionConfig(source="tutorial.miner", max_steps=changes.pop("max_steps", 30))
    settings = {"first_seed": SEED, "first_episode": 0, "num_episodes": 2, "max_action_time_ms": 10_000, **changes}
    players = tuple(
        SeatedPlayer(policy=PolicyRecipe(label=name), in_pool=number in pool) for number, name in enumerate(policies)
    )
    return MatchRecipe(
        mission=MissionRecipe.of("short", {"short": mission}), match="match", players=players, seats=seats, **settings
    )


def test_rows_are_a_seats_table_with_everyone_in_their_seat() -> None:
    """The same policy may be a candidate and in the pool."""
    played = recipe("starter", "noop", "starter", seats=(1, 0, 2, 1), pool=(1, 2))
    frame = seats_frame(play_match(played, ["starter", "noop", "starter"]))
    assert frame["policy"].tolist() == ["noop", "starter", "starter", "noop"] * 2
    assert frame["in_pool"].tolist() == [True, False, True, True] * 2
    assert frame["seat"].tolist() == [0, 1, 2, 3] * 2
    assert frame["env_seed"].tolist() == [SEED] * 4 + [SEED + 1] * 4
    assert set(frame["length"]) == {30}
    assert frame["timeouts"].tolist() == [0] * 8
    counts = [json.loads(text) for text in frame["actions"]]
    assert counts[0] == {"noop": 30}
    assert all(sum(one.values()) >= 30 and set(one) != {"noop"} for one in (counts[1], counts[2]))


def test_drawn_seats_are_the_same_in_any_split() -> None:
    drawn = {"seats": (0, 0, 1, 1), "drawn_by": "text"}
    players = ["stateless", "random"]
    whole = play_match(recipe(*players, **drawn, num_episodes=4), players)
    parts = [
        *play_match(recipe(*players, **drawn, num_episodes=1), players),
        *play_match(recipe(*players, **drawn, first_episode=1, num_episodes=3), players),
    ]
    assert parts == whole
    orders = {tuple(row["policy"] for row in whole[start : start + 4]) for start in range(0, 16, 4)}
    assert len(orders) > 1
    assert all(sorted(order) == ["random", "random", "stateless", "stateless"] for order in orders)


@pytest.mark.parametrize("how", [{"step": "raise"}, {"reset": "raise"}, {"step": "os._exit"}])
@pytest.mark.parametrize("partner", ["noop", "stateless"])
def test_only_the_seats_that_caused_a_failure_have_its_reason(how: dict[str, str], partner: str) -> None:
    players = [partner, resolve_policy(PolicyConfig(class_path=FAILING, init_kwargs=how))]
    frame = seats_frame(play_match(recipe(partner, "broken", seats=(0, 1, 0, 1), num_episodes=1), players))
    assert set(frame["status"]) == {"failed"}
    assert frame["failure"].isna().tolist() == [True, False, True, False]
    assert len(set(frame["failure"].dropna())) == 1
    if "os._exit" not in how.values():
        assert "(policy 'broken', " in frame["failure"][1]


def test_a_player_without_a_seat_is_refused() -> None:
    with pytest.raises(BadInputError) as caught:
        play_match(recipe("stateless", "noop", seats=(1, 1, 1, 1)), ["stateless", "noop"])
    assert (caught.value.expected, caught.value.found) == ("a seat for every player", "none for 'stateless'")


@pytest.mark.parametrize("how", [{"step": "raise"}, {"reset": "raise"}])
def test_of_two_policies_of_users_only_the_one_that_raised_is_blamed(how: dict[str, str]) -> None:
    players = [resolve_policy(PolicyConfig(class_path=FAILING, init_kwargs=kwargs)) for kwargs in ({}, how)]
    rows = play_match(recipe("calm", "broken", seats=(0, 1, 0, 1), num_episodes=1), players)
    assert [row["failure"] is not None for row in rows] == [False, True, False, True]
    assert "(policy 'broken', " in str(rows[1]["failure"])


def test_a_mission_of_another_size_is_refused_with_the_number_to_declare() -> None:
    with pytest.raises(BadInputError) as caught:
        play_match(recipe("noop", seats=(0, 0)), ["noop"])
    assert (caught.value.expected, caught.value.found) == ("2 agents, as its matches have seats", "4 agents")
    assert "num_agents: 4" in caught.value.hint


def test_the_numbers_are_those_of_cogames_pickup(monkeypatch: pytest.MonkeyPatch) -> None:
    """One episode per scenario, with the seats that `cogames pickup` draws."""
    mission = resolve_mission(MissionConfig(source="tutorial.miner", max_steps=30), "short")
    rollouts, totals = [], []

    def noted(**arguments: Any) -> Any:
        found = rollout(**arguments)
        rollouts.append(found[0].episodes[0])
        return found

    def noted_totals() -> VorTotals:
        totals.append(VorTotals())
        return totals[-1]

    rollout = theirs.run_multi_episode_rollout  # type: ignore[attr-defined]
    monkeypatch.setattr(theirs, "run_multi_episode_rollout", noted)
    monkeypatch.setattr(theirs, "VorTotals", noted_totals)
    starter, noop = (PolicySpec(class_path=resolve_policy(name).class_path) for name in ("starter", "noop"))
    theirs.pickup(
        Console(file=io.StringIO()), starter, [noop], env_cfg=mission.env_config.model_copy(deep=True),
        mission_name="short", episodes=1, seed=SEED, map_seed=None, action_timeout_ms=10_000, save_replay_dir=None,
    )  # fmt: skip
    rows = []
    for number, found in enumerate(rollouts):
        present = [name for player, name in enumerate(("starter", "noop")) if player in found.assignments]
        seats = tuple(present.index(("starter", "noop")[player]) for player in found.assignments)
        pool = (present.index("noop"),) if "noop" in present else ()
        match = recipe(*present, seats=seats, pool=pool, num_episodes=1)
        played = play_match(match.model_copy(update={"match": f"match-{number}"}), present)
        assert [row["agent_reward"] for row in played] == pytest.approx(found.rewards, abs=0)
        rows += played
    scores = scores_of_seats(seats_frame(rows))
    replacement = replacement_mean(scores.rows)
    mean = candidate_mean(scenario_means(scores.of("starter", None)))
    assert replacement is not None
    (total,) = totals
    expected = overall_value_over_replacement(
        total.total_candidate_weighted_sum, total.total_candidate_agents, total.replacement_mean
    )
    assert value_over_replacement(mean, replacement) == expected != 0
