"""Missions: names and files → environment configurations.

Three kinds of names: CoGames missions, sub-missions and evals (`machina_1`, `tutorial.miner`, `energy_starved`),
missions that DAF ships (`config/missions/*.yaml`), and files (.yaml, .json, .py). A file holds either a mettagrid
configuration, or DAF's form of it: `description`, `success` and the configuration under `env`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cogames.cli.mission import apply_cogs_override, find_mission, load_mission_config_from_python
from cogames.game import get_game
from mettagrid.config.mettagrid_config import MettaGridConfig
from mettagrid.policy.policy_env_interface import PolicyEnvInterface
from pydantic import Field, ValidationError

from daf.config import MissionConfig, StrictModel
from daf.config.recipes import SHIPPED_MISSIONS
from daf.config.strict_model import read_mapping
from daf.engine.mission_success import MISSION_SUCCESS, UNKNOWN
from daf.engine.simulation import AgentBuffers, SimulationFactory
from daf.episodes.success import check_success_expression
from daf.errors import BadInputError, ConfigError, UnknownMissionError, did_you_mean
from daf.system.process_state import process_state_kept
from daf.system.user_code import code_of_mission_file
from daf.system.user_paths import user_path
from daf.system.validated import problems_of

GAME = "cogs_vs_clips"
FILE_SUFFIXES = (".yaml", ".yml", ".json", ".py")
LARGEST_SIZE = 2_000  # of a map's sides and of what it holds
LARGEST_ENGINE_NUMBER = 2**31 - 1
_SIZES = ("num_agents", "num_tokens", "obs.width", "obs.height")
_LOSSY_YAML = "`cogames make-mission` writes files that can be read as .json, but not as .yaml"


@dataclass(frozen=True, kw_only=True)
class Mission:
    """A mission ready to be played.

    Attributes:
        success: when an episode is a success, an expression (`daf.episodes.success`); None: not declared.
        success_reason: the source of the criterion, or why there is none.
    """

    name: str
    env_config: MettaGridConfig
    description: str
    success: str | None
    success_reason: str = "none is declared"
    origin: str  # "cogames", "daf" (shipped) or the path of a file

    @property
    def num_agents(self) -> int:
        return int(self.env_config.game.num_agents)

    @property
    def max_steps(self) -> int:
        """Episode length in steps; 0 means no limit."""
        return int(self.env_config.game.max_steps)


def shipped_missions() -> list[str]:
    return sorted(path.stem for path in SHIPPED_MISSIONS.glob("*.yaml"))


@cache
def list_missions() -> tuple[str, ...]:
    """Every named mission: CoGames' own with sub-missions, its evals, and those shipped with DAF."""
    game = get_game(GAME)
    names = [mission.name for mission in game.missions]
    names += [f"{mission.name}.{sub}" for mission in game.missions for sub in mission.sub_missions]
    names += [mission.name for mission in game.eval_missions]
    return tuple(dict.fromkeys([*shipped_missions(), *names]))


def resolve_mission(
    mission: str | Path | MissionConfig | MettaGridConfig | Mission, name: str | None = None
) -> Mission:
    """Turn a name, a file or a configuration into a mission called `name` (default: its existing name).

    Raises:
        UnknownMissionError: no mission and no file has this name.
        BadInputError: the file is not a mission, or the changes in a MissionConfig do not fit.
    """
    if isinstance(mission, Mission):
        return mission
    if isinstance(mission, MettaGridConfig):
        return Mission(name=name or mission.label, env_config=mission, description="", success=None, origin="python")
    if not isinstance(mission, MissionConfig):
        mission = MissionConfig(source=str(mission))
    base = _find(mission)
    success, reason = base.success, base.success_reason
    if mission.success:
        success, reason = mission.success, "declared in the configuration"
    if success:
        check_success_expression(success, f"success of mission '{name or base.name}'")
    env_config = base.env_config
    if mission.max_steps is not None:
        env_config = env_config.model_copy(deep=True)
        env_config.game.max_steps = mission.max_steps
    return Mission(
        name=name or base.name,
        env_config=env_config,
        description=base.description,
        success=success,
        success_reason=reason,
        origin=base.origin,
    )


def _find(mission: MissionConfig) -> Mission:
    source = mission.source
    if source.endswith(FILE_SUFFIXES):
        path = user_path(source, "mission file")
        return _as_declared(mission, _load_file(path, name=path.stem, origin=source))
    shipped = SHIPPED_MISSIONS / f"{source}.yaml"
    if source in shipped_missions():
        return _as_declared(mission, _load_file(shipped, name=source, origin="daf"))
    return _find_in_cogames(mission)


def _as_declared(config: MissionConfig, mission: Mission) -> Mission:
    """The mission of a file, unless the configuration says what only holds for missions of CoGames."""
    where = f"mission '{config.source}'"
    if config.variants:
        raise BadInputError("no `variants`", f"{config.variants}", where, "only CoGames missions take it")
    if config.num_agents not in (None, mission.num_agents):
        hint = "the file decides; only missions of CoGames take another number"
        raise BadInputError(f"num_agents: {mission.num_agents}, as its file says", f"{config.num_agents}", where, hint)
    return mission


def _find_in_cogames(config: MissionConfig) -> Mission:
    game = get_game(GAME)
    source = config.source
    if source.removeprefix("evals.") not in list_missions():
        hint = did_you_mean(source, list_missions())
        raise UnknownMissionError("the name of a mission, or a mission file", f"'{source}'", "mission", hint)
    mission = find_mission(game, source, include_evals=True)
    for variant in config.variants:
        if game.variant_registry.get(variant) is None:
            known = [known.name for known in game.variant_registry.all()]
            hint = did_you_mean(variant, known)
            raise BadInputError(
                "the name of a CoGames variant", f"'{variant}'", f"variants of mission '{source}'", hint
            )
    if config.variants:
        mission = mission.with_variants(config.variants)
    if config.num_agents is not None:
        mission = apply_cogs_override(mission, config.num_agents)
    try:
        env_config = mission.make_env()
    except (ValueError, AssertionError, KeyError) as error:
        raise BadInputError("a mission that the engine can build", str(error), f"mission '{source}'") from error
    name = source.removeprefix("evals.")
    rule = MISSION_SUCCESS.get(name, UNKNOWN)
    return Mission(
        name=name,
        env_config=env_config,
        description=str(mission.description),
        success=rule.expression,
        success_reason=rule.reason,
        origin="cogames",
    )


def check_buildable(mission: Mission) -> SimulationFactory:
    """Return the factory of the mission's episodes, after building the first one (seed 0) as a check.

    Raises:
        BadInputError: the mission resolves, but has no room for its agents or names objects that it does not define.
    """
    try:
        factory = SimulationFactory(mission.env_config)
        factory.build(0, AgentBuffers.zeros(factory.num_agents, factory.observation_shape))
    except Exception as error:  # a map builder may fail in any way
        hint = "do the objects, resources and agents that the map and the rules name exist?"
        if "spawn" in str(error):
            hint = "does the map have room for that many agents? `num_agents` changes it"
        where = f"mission '{mission.name}'"
        raise BadInputError("a mission that the engine can build", str(error), where, hint) from error
    return factory


def _load_file(path: Path, *, name: str, origin: str) -> Mission:
    if not path.is_file():
        near = [p.name for p in path.parent.glob("*") if p.suffix in FILE_SUFFIXES] if path.parent.is_dir() else []
        raise UnknownMissionError("a mission file", "no such file", str(path), did_you_mean(path.name, near))
    if path.suffix == ".py":
        code_of_mission_file(path)  # refuses a module next to it that has changed since it was imported
        try:
            with process_state_kept():
                env_config = load_mission_config_from_python(path)
        except Exception as error:  # a user's file may fail in any way
            raise BadInputError(
                "a mission file with get_config()", f"{type(error).__name__}: {error}", str(path)
            ) from error
        return Mission(name=name, env_config=env_config, description="", success=None, origin=origin)
    file, key = _read_mission_file(path)
    return Mission(
        name=name,
        env_config=_environment(file.env, path, key),
        description=file.description.strip(),
        success=file.success,
        success_reason="declared in the mission's file" if file.success else "its file declares none",
        origin=origin,
    )


class MissionFile(StrictModel):
    """DAF's form of a mission file."""

    description: str = Field("", description="what the agents do, in a sentence")
    success: str | None = Field(None, description="when an episode is a success: an expression over its statistics")
    env: dict[str, Any] = Field(description="the mettagrid configuration")


def _read_mission_file(path: Path) -> tuple[MissionFile, str]:
    """The file, and the key of mettagrid's configuration in it; empty if the file is nothing else."""
    try:
        data = read_mapping(path)
    except BadInputError as error:
        if "python/" in error.found:
            raise BadInputError(error.expected, error.found, error.where, _LOSSY_YAML) from None
        raise
    if "env" in data:
        return MissionFile.from_dict(data, source=str(path)), "env"
    return MissionFile(env=data), ""


def _environment(data: dict[str, Any], path: Path, key: str) -> MettaGridConfig:
    hint = _LOSSY_YAML if path.suffix != ".json" else "`cogames make-mission` writes files that can be read"
    try:
        env_config = MettaGridConfig.model_validate(data)
    except ValidationError as error:
        raise ConfigError(problems_of(MettaGridConfig, error, str(path), hint, below=key)) from None
    except Exception as error:  # validators of the engine's models may meet any value
        found = f"{type(error).__name__}: {error}"
        raise BadInputError("a mettagrid configuration", found, str(path), hint) from error
    _check_sizes(data, str(path), key)
    return env_config


def _check_sizes(data: Any, where: str, key: str) -> None:
    """Refuse sizes with which the engine or a map builder would run out of memory or time, not of patience."""
    if isinstance(data, dict):
        for name, value in data.items():
            _check_sizes(value, where, f"{key}.{name}".removeprefix("."))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            _check_sizes(value, where, f"{key}.{index}")
    elif isinstance(data, int | float):
        largest = LARGEST_SIZE if "map_builder" in key or key.endswith(_SIZES) else LARGEST_ENGINE_NUMBER
        if abs(data) > largest:
            hint = "is a digit too many?"
            raise BadInputError(f"a number up to {largest:,}", f"{data:,}", f"{where}: {key}", hint)


def describe(mission: Mission) -> dict[str, Any]:
    """Plain facts about a mission."""
    interface = PolicyEnvInterface.from_mg_cfg(mission.env_config)
    return {
        "name": mission.name,
        "description": mission.description,
        "origin": mission.origin,
        "num_agents": mission.num_agents,
        "max_steps": mission.max_steps,
        "success": mission.success,
        "success_reason": mission.success_reason,
        "action_names": list(interface.all_action_names),
        "observation_shape": list(interface.observation_shape),
        "resources": list(mission.env_config.game.resource_names),
    }
