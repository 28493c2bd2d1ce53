"""Missions: under a user's own names, and by content."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from daf.config.strict_model import FrozenModel, StrictModel
from daf.system.files import PROJECT, known_sha256
from daf.system.user_code import NO_CODE, CodeStamp, code_of_mission_file
from daf.system.user_paths import NameOrPath
from daf.system.validated import wrong_value

SHIPPED_MISSIONS = PROJECT / "config" / "missions"


class MissionConfig(StrictModel):
    """A mission under your own name: an existing mission or a file, with changes."""

    source: NameOrPath = Field(description="a CoGames mission or eval, a mission of DAF, or a .yaml/.json/.py file")
    variants: list[str] = Field(default_factory=list, description="CoGames variants to apply (see `cogames variants`)")
    num_agents: int | None = Field(None, ge=1, description="number of agents; default: the mission's own")
    max_steps: int | None = Field(None, ge=1, description="episode length in steps; default: the mission's own")
    success: str | None = Field(
        None,
        description="when an episode is a success: an expression over its statistics; default: the mission's own",
    )

    @model_validator(mode="before")
    @classmethod
    def _not_a_name(cls, value: Any) -> Any:
        if isinstance(value, str):
            raise wrong_value("a mapping with the key `source`", f"write {{source: {value}}}")
        return value


class MissionRecipe(FrozenModel):
    """A mission, with the content of its file, if any, and the code that the file runs."""

    name: str
    config: MissionConfig
    sha256: str | None
    code: CodeStamp = NO_CODE

    @classmethod
    def of(cls, name: str, missions: dict[str, MissionConfig]) -> MissionRecipe:
        """The mission that `name` refers to in an experiment: one that it defines, else a name or file outside it."""
        config = missions.get(name) or MissionConfig(source=name)
        files = (Path(config.source), SHIPPED_MISSIONS / f"{config.source}.yaml")
        file = next((path for path in files if path.is_file()), None)
        if file is None:
            return cls(name=mission_label(name), config=config, sha256=None)
        code = NO_CODE if file.parent == SHIPPED_MISSIONS else code_of_mission_file(file)
        return cls(name=mission_label(name), config=config, sha256=known_sha256(file), code=code)


def mission_label(name: str) -> str:
    """The name of a mission in paths and tables: the stem of a file, any other name unchanged."""
    return Path(name).stem if name.endswith((".yaml", ".yml", ".json", ".py")) else name
