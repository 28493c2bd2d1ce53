"""How many agents missions have, known without the engine, is what the engine says."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from daf.config import MissionConfig
from daf.engine.mission_agents import COGAMES_AGENTS, declared_agents
from daf.engine.missions import list_missions, resolve_mission
from daf.errors import BadInputError


def test_every_named_mission_has_the_agents_of_the_engine() -> None:
    found = {name: declared_agents(MissionConfig(source=name)) for name in list_missions()}
    assert found == {name: resolve_mission(name).num_agents for name in list_missions()}
    assert COGAMES_AGENTS.keys() <= found.keys()
    assert declared_agents(MissionConfig(source="evals.diagnostic_memory")) == 8
    assert declared_agents(MissionConfig(source="arena", num_agents=3)) == 3
    assert declared_agents(MissionConfig(source="nowhere")) is None


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"env": {"game": {"num_agents": 6}}}, 6),
        ({"game": {"num_agents": 5}}, 5),
        ({"game": {}}, None),
        ({"game": {"num_agents": "five"}}, None),
        (["game"], None),
    ],
)
def test_a_file_says_how_many(tmp_path: Path, content: object, expected: int | None) -> None:
    path = tmp_path / "room.yaml"
    path.write_text(yaml.safe_dump(content))
    assert declared_agents(MissionConfig(source=str(path))) == expected


def test_the_number_of_a_file_may_be_declared_but_not_changed() -> None:
    assert resolve_mission(MissionConfig(source="assembler_2", num_agents=4)).num_agents == 4
    with pytest.raises(BadInputError) as caught:
        resolve_mission(MissionConfig(source="assembler_2", num_agents=3))
    assert (caught.value.expected, caught.value.found) == ("num_agents: 4, as its file says", "3")
