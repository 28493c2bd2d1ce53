"""The matches of an experiment's tournaments: known without the engine, and unchanged when a policy joins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from daf.config import ExperimentConfig
from daf.errors import BadInputError, ConfigError
from daf.workflow.plan import Plan, code_of_experiment, mission_recipes
from daf.workflow.rehearsal_plan import rehearsals

CUP: dict[str, Any] = {
    "format": "pairing", "candidates": ["trained", "random"], "missions": ["arena"], "splits": ["1-1"], "episodes": 6,
}  # fmt: skip
EXPERIMENT: dict[str, Any] = {
    "training": {"miner": {"mission": "arena", "seeds": [3, 1]}},
    "policies": {"trained": {"training": "miner"}, "random": "random", "still": "noop"},
}


def plan(experiment: dict[str, Any] = EXPERIMENT, **changes: Any) -> Plan:
    return Plan(ExperimentConfig.from_dict({**experiment, "tournaments": {"cup": {**CUP, **changes}}}))


def refused(**changes: Any) -> BadInputError:
    with pytest.raises(ConfigError) as caught:
        plan(**changes)
    (problem,) = caught.value.problems
    return problem


def test_each_training_seed_plays_with_its_weights() -> None:
    found = plan()
    tournament = found.tournaments.tournament("cup")
    assert tournament.num_seats == {"arena": 8}
    players = [[one.label for one in found.tournaments.players("cup", match)] for match in tournament.matches]
    assert sorted({tuple(one) for one in players}) == [("random", "trained-seed-1"), ("random", "trained-seed-3")]
    recipe = found.tournaments.recipe("cup", next(iter(tournament.matches)), 0)
    assert [player.label for player in recipe.players] == players[0]
    assert [player.policy.training for player in recipe.players] == [None, "miner"]
    assert recipe.seats == tuple(
        players[0].index(player.label) for player in next(iter(tournament.matches.values())).players
    )
    assert (recipe.first_episode, recipe.num_episodes, recipe.first_seed) == (0, 6, 1_000_000)


def test_one_more_candidate_changes_no_match_and_no_job() -> None:
    few, many = (
        plan(candidates=names).tournaments for names in (["trained", "random"], ["trained", "still", "random"])
    )
    old, new = few.tournament("cup").matches, many.tournament("cup").matches
    assert new.keys() > old.keys()
    assert [few.recipe("cup", match, 0) for match in old] == [many.recipe("cup", match, 0) for match in old]
    assert set(many.jobs("cup", 4)) > set(few.jobs("cup", 4))


def test_a_job_plays_matches_of_the_same_policies() -> None:
    tournaments = plan().tournaments
    jobs = tournaments.jobs("cup", 4)
    assert [match for job in jobs for match in job] == list(tournaments.tournament("cup").matches)
    assert {len(job) for job in jobs} == {4, 2}  # 14 matches of two pairs
    for job in jobs:
        assert len({tuple(one.label for one in tournaments.players("cup", match)) for match in job}) == 1


def test_batches_of_auto_add_up_and_interim_analyses_see_all_before_them() -> None:
    tournaments = plan(episodes="auto", max_episodes=10, num_interim_analyses=3, question="order").tournaments
    tournament = tournaments.tournament("cup")
    recipes = [tournaments.recipe("cup", next(iter(tournament.matches)), batch) for batch in range(3)]
    assert [(one.first_episode, one.num_episodes) for one in recipes] == [(0, 4), (4, 3), (7, 3)]
    seen = tournaments.batches_of_interim_analysis("cup", 1)
    assert len(seen) == 2 * len(tournament.matches)
    with pytest.raises(BadInputError, match="interim analysis of tournament 'cup'"):
        tournaments.batches_of_interim_analysis("cup", 2)


def test_a_policy_may_be_a_candidate_and_in_the_pool() -> None:
    found = plan(format="pickup", candidates=["random"], pool=["random"], splits=[], seatings=8)
    recipes = [found.tournaments.recipe("cup", match, 0) for match in found.tournaments.tournament("cup").matches]
    labels = {player.label for recipe in recipes for player in recipe.players}
    assert labels == {"random", "random (pool)"}


def test_a_class_path_has_the_name_of_its_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "team_mates.py").write_text("class Helper: pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = plan(candidates=["team_mates.Helper", "random"])
    assert found.tournaments.labels("cup") == ["Helper", "random"]
    assert found.tournaments.tournament("cup").config.candidates == ["Helper", "random"]
    (rehearsal,) = [one for one in rehearsals(found) if one.label == "Helper"]
    assert (rehearsal.missions, rehearsal.joins_team) == (("arena",), True)
    assert any("team_mates" in path for path in code_of_experiment(found.experiment).files)
    assert [mission.name for mission in mission_recipes(found.experiment)] == ["arena"]


# ---- what is refused --------------------------------------------------------------------------------------


def test_a_mission_whose_agents_nothing_tells_must_declare_them(tmp_path: Path) -> None:
    path = tmp_path / "room.py"
    path.write_text("def get_config(): ...\n")
    problem = refused(missions=[str(path)])
    assert problem.where == "tournaments.cup.missions"
    assert problem.expected == "missions whose number of agents is known before the engine starts"
    assert "num_agents: 4" in problem.hint
    declared = {**EXPERIMENT, "missions": {"room": {"source": str(path), "num_agents": 2}}}
    assert plan(declared, missions=["room"]).tournaments.tournament("cup").num_seats == {"room": 2}


def test_an_unknown_mission_is_refused_with_the_nearest_name() -> None:
    assert "'arena'" in refused(missions=["arenna"]).hint


def test_a_split_that_the_seats_do_not_allow_is_refused() -> None:
    problem = refused(splits=["2-1"])
    assert (problem.found, problem.where) == ("'2-1'", "tournaments.cup.splits")


def test_two_missions_of_one_name_are_refused(tmp_path: Path) -> None:
    files = [tmp_path / folder / "room.yaml" for folder in "ab"]
    for file in files:
        file.parent.mkdir()
        file.write_text("game: {num_agents: 2}\n")
    assert refused(missions=list(map(str, files))).expected == "missions with different names"


def test_a_team_cannot_be_seated() -> None:
    team = {"policies": {**EXPERIMENT["policies"], "both": {"policies": {"still": 1, "random": 1}}}}
    with pytest.raises(ConfigError) as caught:
        plan({**EXPERIMENT, **team}, candidates=["both", "random"])
    (problem,) = caught.value.problems
    assert (problem.expected, problem.found) == ("policies that play alone", "'both', a team")
