"""Missions: names, files and changes → environments; and the errors that users see when there is none."""

import os
import sys

import pytest
import yaml

pytest.importorskip("cogames")

from cogames.game import get_game
from mettagrid.config.mettagrid_config import MettaGridConfig

from daf.config import MissionConfig, PolicyConfig
from daf.config.recipes import SHIPPED_MISSIONS
from daf.engine import missions
from daf.engine.evaluation import evaluate_policy
from daf.engine.mission_success import MISSION_SUCCESS
from daf.engine.missions import (
    check_buildable,
    describe,
    list_missions,
    resolve_mission,
    shipped_missions,
)
from daf.engine.simulation import SimulationFactory
from daf.episodes.success import check_success_expression
from daf.errors import BadInputError, UnknownMissionError


@pytest.fixture(scope="module")
def room():
    """DAF's form of a mission, as data."""
    return yaml.safe_load((SHIPPED_MISSIONS / "assembler_2.yaml").read_text())


def refused(mission, kind=BadInputError):
    with pytest.raises(kind) as caught:
        resolve_mission(mission)
    assert caught.value.exit_code == 2
    return caught.value


# ---- names -----------------------------------------------------------------------------------------------------


def test_every_kind_of_name_is_known():
    known = list_missions()
    assert {"training_facility_1", "assembler_2", "machina_1", "tutorial.miner", "energy_starved"} <= set(known)
    assert len(known) == len(set(known))


@pytest.mark.parametrize(
    ("source", "name", "origin", "agents"),
    [
        ("tutorial.miner", "tutorial.miner", "cogames", 4),
        ("memory_mystery_path_easy", "memory_mystery_path_easy", "cogames", 1),
        ("evals.memory_mystery_path_easy", "memory_mystery_path_easy", "cogames", 1),
        ("training_facility_1", "training_facility_1", "daf", 4),
        ("assembler_2", "assembler_2", "daf", 4),
    ],
)
def test_a_name_becomes_a_mission(source, name, origin, agents):
    mission = resolve_mission(source)
    assert (mission.name, mission.origin, mission.num_agents) == (name, origin, agents)
    assert mission.max_steps > 0
    assert mission.description


def test_sub_missions_keep_their_own_names():
    """The engine calls both of them 'tutorial'."""
    names = {resolve_mission(source).name for source in ("tutorial.miner", "tutorial.scout")}
    assert names == {"tutorial.miner", "tutorial.scout"}


def test_success_comes_from_the_mission_unless_one_says_otherwise():
    assert resolve_mission("memory_mystery_path_easy").success == "game('goal.reached') > 0"
    assert resolve_mission("evals.memory_mystery_path_easy").success == "game('goal.reached') > 0"
    assert resolve_mission("tutorial").success is None
    assert "rewards" in resolve_mission("tutorial").success_reason
    assert "heart.gained" in resolve_mission("assembler_2").success
    assert resolve_mission("assembler_2").success_reason == "declared in the mission's file"
    for source in ("assembler_2", "tutorial.miner", "tutorial"):
        mine = resolve_mission(MissionConfig(source=source, success="length < 50"))
        assert (mine.success, mine.success_reason) == ("length < 50", "declared in the configuration")
    error = refused(MissionConfig(source="assembler_2", success="lenght < 50"))
    assert "did you mean 'length'" in error.hint
    assert "assembler_2" in error.where


@pytest.mark.parametrize(
    ("source", "near"),
    [
        ("tutorial.minre", "tutorial.miner"),
        ("assembler2", "assembler_2"),
        ("Training_Facility_1", "training_facility_1"),
    ],
)
def test_an_unknown_name_gets_a_suggestion(source, near):
    error = refused(source, UnknownMissionError)
    assert error.found == f"'{source}'"
    assert f"'{near}'" in error.hint


def test_a_name_like_no_other_gets_the_list():
    assert refused("zzzzzz", UnknownMissionError).hint.startswith("known: ")


# ---- what success is on the missions of CoGames ------------------------------------------------------------------

FORAGERS = "tests.unit.forager.Foragers"
# Who reaches it: mission, class path, its arguments, step limit (fewer are quicker), who does not.
REACHED = [
    ("machina_1", "aligner", {}, 150, "noop"),
    ("arena", "aligner", {}, 150, "noop"),
    ("tutorial.miner", "miner", {}, 150, "starter"),
    ("tutorial.aligner", "aligner", {}, 150, "miner"),
    ("tutorial.scrambler", "scrambler", {}, 150, "miner"),
    ("easy_small_hearts", FORAGERS, {"make_hearts": True}, 150, "random"),
    *((f"memory_mystery_path_{size}", "substrate_memory", {}, None, "noop") for size in ("easy", "medium", "hard")),
    *((f"exploration_sparse_search_{size}", "substrate_exploration", {}, None, "noop") for size in ("easy", "medium")),
    *((f"planning_unlock_chain_{size}", "substrate_planning", {}, None, "noop") for size in ("easy", "medium", "hard")),
]
REACHED_SLOWLY = [
    ("energy_starved", "aligner", {}, 150, "noop"),
    ("machina_1.clips", "aligner", {}, 150, "noop"),
    ("four_score", "aligner", {}, 400, "miner"),
    ("tutorial.scout", FORAGERS, {"gear": "scout"}, 400, "scout"),
    ("exploration_sparse_search_hard", "substrate_exploration", {}, None, "random"),
    ("easy_medium_hearts", FORAGERS, {"make_hearts": True}, 150, "random"),
    ("easy_large_hearts", FORAGERS, {"make_hearts": True}, 150, "noop"),
    *((f"distant_resources_{tier}", FORAGERS, {}, 1000, "miner") for tier in ("easy", "standard", "hard")),
    *((f"quadrant_buildings_{tier}", FORAGERS, {}, 1000, "miner") for tier in ("easy", "standard", "hard")),
]


def succeeds(mission, class_path, init_kwargs, max_steps, seed=4):
    policy = PolicyConfig(class_path=class_path, init_kwargs=init_kwargs)
    frame = evaluate_policy(policy, MissionConfig(source=mission, max_steps=max_steps), episodes=1, seed=seed)
    assert frame["failure"].isna().all()
    return bool(frame["success"].all())


@pytest.mark.parametrize(
    ("mission", "class_path", "init_kwargs", "max_steps", "failing"),
    [*REACHED, *(pytest.param(*case, marks=pytest.mark.long) for case in REACHED_SLOWLY)],
)
def test_success_is_reached_and_missed(mission, class_path, init_kwargs, max_steps, failing):
    assert succeeds(mission, class_path, init_kwargs, max_steps)
    assert not succeeds(mission, failing, {}, max_steps)


def test_every_mission_of_cogames_says_what_success_is_or_why_not():
    assert set(MISSION_SUCCESS) == set(list_missions()) - set(shipped_missions())
    shown = {case[0] for case in (*REACHED, *REACHED_SLOWLY)}
    assert {name for name, rule in MISSION_SUCCESS.items() if rule.expression} == shown
    for name, rule in MISSION_SUCCESS.items():
        assert rule.reason, name
        if rule.expression:
            check_success_expression(rule.expression, name)


def test_missions_without_success_are_what_their_reasons_say():
    """A later CoGames may give them back what they lack: then they deserve a success."""
    nowhere = [name for name, rule in MISSION_SUCCESS.items() if rule.expression is None]
    for name in (name for name in nowhere if name.startswith("diagnostic_")):
        config = resolve_mission(MissionConfig(source=name, num_agents=4)).env_config
        things = {thing for row in SimulationFactory(config).build_map(0) for thing in row}
        assert things <= {"wall", "empty", "agent.agent", "junction"}, name
    with pytest.raises(BadInputError, match="Unknown object type: hub"):
        check_buildable(resolve_mission(MissionConfig(source="easy_hearts_training", num_agents=4)))
    for name in ("empty", "tutorial"):
        assert not any(agent.rewards for agent in resolve_mission(name).env_config.game.agents)


def test_a_mission_that_cannot_be_built():
    with pytest.raises(BadInputError) as caught:
        check_buildable(resolve_mission("diagnostic_memory"))
    assert caught.value.expected == "a mission that the engine can build"
    assert "spawn points 4" in caught.value.found
    assert "num_agents" in caught.value.hint
    check_buildable(resolve_mission(MissionConfig(source="diagnostic_memory", num_agents=4)))


# ---- changes ---------------------------------------------------------------------------------------------------


def test_max_steps_and_num_agents():
    changed = resolve_mission(MissionConfig(source="tutorial.miner", max_steps=7, num_agents=2), "short")
    assert (changed.name, changed.max_steps, changed.num_agents) == ("short", 7, 2)
    assert resolve_mission("tutorial.miner").num_agents == 4  # no later mission is touched
    assert resolve_mission("tutorial.miner").max_steps != 7
    assert resolve_mission(MissionConfig(source="assembler_2", max_steps=7)).max_steps == 7


def test_variants_change_the_environment():
    plain = resolve_mission("tutorial.miner").env_config
    changed = resolve_mission(MissionConfig(source="tutorial.miner", variants=["small_50"])).env_config
    assert changed != plain
    assert resolve_mission("tutorial.miner").env_config == plain


def test_an_unknown_variant_gets_a_suggestion():
    known = get_game(missions.GAME).variant_registry.all()[0].name
    error = refused(MissionConfig(source="machina_1", variants=[known + "x"]))
    assert error.found == f"'{known}x'"
    assert f"'{known}'" in error.hint
    assert "machina_1" in error.where


@pytest.mark.parametrize("change", [{"num_agents": 2}, {"variants": ["x"]}])
def test_what_only_cogames_missions_take(change, tmp_path, room):
    (tmp_path / "x.yaml").write_text(yaml.safe_dump(room))
    for source in ("assembler_2", str(tmp_path / "x.yaml")):
        error = refused(MissionConfig(source=source, **change))
        assert next(iter(change)) in error.expected
        assert "missions of CoGames" in error.hint or "CoGames missions" in error.hint


# ---- files -----------------------------------------------------------------------------------------------------


def test_dafs_form_of_a_file(tmp_path, room):
    path = tmp_path / "my_room.yaml"
    path.write_text(yaml.safe_dump(room))
    mission = resolve_mission(str(path))
    assert (mission.name, mission.origin) == ("my_room", str(path))
    assert (mission.success, mission.description) == (room["success"], room["description"].strip())
    assert mission.env_config == resolve_mission("assembler_2").env_config


def test_a_plain_configuration_as_yaml_or_json(tmp_path, room):
    for path, text in (
        (tmp_path / "a.yaml", yaml.safe_dump(room["env"])),
        (tmp_path / "a.json", resolve_mission("assembler_2").env_config.model_dump_json()),
    ):
        path.write_text(text)
        mission = resolve_mission(path)
        assert mission.name == "a"
        assert mission.success is None
        assert mission.env_config == resolve_mission("assembler_2").env_config


def test_a_cogames_mission_survives_json(tmp_path):
    path = tmp_path / "miner.json"
    original = resolve_mission("tutorial.miner").env_config
    path.write_text(original.model_dump_json())
    assert resolve_mission(path).env_config.model_dump_json() == original.model_dump_json()


def test_a_python_file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "from cogames.game import get_game\n"
        "from cogames.cli.mission import find_mission\n"
        "def get_config():\n"
        "    return find_mission(get_game('cogs_vs_clips'), 'tutorial.miner', include_evals=True).make_env()\n"
    )
    mission = resolve_mission(path)
    assert (mission.name, mission.num_agents) == ("mine", 4)


def test_a_configuration_is_a_mission_already():
    config = resolve_mission("assembler_2").env_config
    assert isinstance(config, MettaGridConfig)
    mission = resolve_mission(config)
    assert (mission.name, mission.origin) == ("assembler_2", "python")
    assert resolve_mission(mission) is mission


@pytest.mark.parametrize(
    ("name", "content", "expected", "found"),
    [
        ("a.yaml", "a: [1", "valid YAML", "line 1"),
        ("a.json", "{", "a configuration file", "line 1"),
        ("a.yaml", "- 1\n- 2\n", "a mapping of keys to values", "a list"),
        ("a.yaml", "", "a mapping of keys to values", "an empty file"),
        ("a.yaml", "sucess: length < 3\nenv: {}\n", "a known key", "'sucess'"),
        ("a.yaml", "game: {num_agentz: 3}\n", "a known key", "num_agentz"),
        ("a.yaml", "env: [1]\n", "a mapping", "[1]"),
        ("a.py", "def get_config(:\n", "a mission file with get_config()", "SyntaxError"),
        ("a.py", "x = 1\n", "a mission file with get_config()", "get_config"),
        ("a.py", "def get_config():\n    raise KeyError('oh')\n", "a mission file with get_config()", "oh"),
    ],
)
def test_files_that_are_no_missions(tmp_path, name, content, expected, found):
    path = tmp_path / name
    path.write_text(content)
    error = refused(path)
    assert error.expected == expected
    assert found in error.found
    assert error.where.partition(": ")[0] == str(path)


def test_a_mission_file_that_changes_the_folder_leaves_it_as_it_was(tmp_path):
    path = tmp_path / "moves.py"
    path.write_text(
        "import os\nfrom daf.engine.missions import resolve_mission\nos.chdir('/')\n\n\ndef get_config():\n"
        "    os.chdir('/tmp')\n    return resolve_mission('training_facility_1').env_config\n"
    )
    before = os.getcwd()
    resolve_mission(str(path))
    assert os.getcwd() == before


@pytest.mark.parametrize(
    ("content", "key"),
    [
        ("game: {num_agentz: 3}\n", "game.num_agentz"),
        ("env: {game: {num_agentz: 3}}\n", "env.game.num_agentz"),
        ("env: {game: {max_steps: 1000000000000}}\n", "env.game.max_steps"),
        ("game: {max_steps: 1000000000000}\n", "game.max_steps"),
    ],
)
def test_a_wrong_key_is_named_as_in_its_file(tmp_path, content, key):
    path = tmp_path / "a.yaml"
    path.write_text(content)
    assert refused(path).where == f"{path}: {key}"


def test_a_missing_file_gets_its_neighbour(tmp_path):
    (tmp_path / "room.yaml").write_text("")
    error = refused(tmp_path / "rom.yaml", UnknownMissionError)
    assert error.found == "no such file"
    assert error.hint == "did you mean 'room.yaml'?"
    assert refused(tmp_path / "none" / "rom.yaml", UnknownMissionError).hint == ""


@pytest.mark.parametrize("source", ["tutorial.miner", pytest.param("machina_1", marks=pytest.mark.long)])  # 13 s
def test_what_the_engine_writes_and_cannot_read_gets_a_hint(tmp_path, source):
    """What `cogames make-mission` writes: as YAML it holds tags that no safe reader takes."""
    config = resolve_mission(source).env_config
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.dump(config.model_dump(mode="yaml"), default_flow_style=False, sort_keys=False))
    error = refused(path)
    assert error.hint == "`cogames make-mission` writes files that can be read as .json, but not as .yaml"
    path.with_suffix(".json").write_text(config.model_dump_json())
    assert resolve_mission(path.with_suffix(".json")).num_agents == config.game.num_agents


# ---- facts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", shipped_missions())
def test_shipped_missions_say_what_they_are(name):
    facts = describe(resolve_mission(name))
    assert facts["origin"] == "daf"
    assert facts["success_reason"]
    assert facts["success"]
    assert facts["max_steps"] > 0
    assert "noop" in facts["action_names"]
    assert facts["observation_shape"][1] == 3
    assert facts["resources"]


def test_a_module_of_a_mission_file_that_was_edited_after_its_import_is_refused(tmp_path, monkeypatch):
    """Python would play the old size."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "size_of_arena.py").write_text("STEPS = 10\n")
    arena = tmp_path / "arena.py"
    text = "from size_of_arena import STEPS\nfrom daf.engine.missions import resolve_mission\n"
    text += "config = resolve_mission('assembler_2').env_config.model_copy(deep=True)\nconfig.game.max_steps = STEPS\n"
    arena.write_text(text)
    try:
        assert resolve_mission(arena).max_steps == 10
        arena.write_text(text + "config.game.max_steps += 1\n")
        assert resolve_mission(arena).max_steps == 11  # the file itself runs each time
        (tmp_path / "size_of_arena.py").write_text("STEPS = 20_000\n")
        with pytest.raises(BadInputError, match=r"size_of_arena\.py changed since"):
            resolve_mission(arena)
    finally:
        sys.modules.pop("size_of_arena", None)
    assert resolve_mission(arena).max_steps == 20_001
