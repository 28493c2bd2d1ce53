"""How many agents missions have, without the engine: a plan must know the seats of a tournament's missions at once.

The engine is asked before the first job (`daf.engine.matches.require_seats`), so that a wrong number decides nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from daf.config import MissionConfig
from daf.config.recipes import SHIPPED_MISSIONS
from daf.system.yaml_files import read_yaml

_DIAGNOSTIC = (
    "chest_navigation1", "chest_navigation2", "chest_navigation3", "chest_deposit_near", "chest_deposit_search",
    "charge_up", "memory", "chest_navigation1_hard", "chest_navigation2_hard", "chest_navigation3_hard",
    "chest_deposit_search_hard", "charge_up_hard", "memory_hard",
)  # fmt: skip
_SINGLE = ("memory_mystery_path", "exploration_sparse_search", "planning_unlock_chain")
_BUILDINGS = ("distant_resources", "quadrant_buildings")

COGAMES_AGENTS: dict[str, int] = {
    **dict.fromkeys(("empty", "machina_1", "machina_1.clips", "arena", "energy_starved", "easy_hearts_training"), 8),
    **dict.fromkeys(("tutorial", *(f"tutorial.{role}" for role in ("aligner", "miner", "scout", "scrambler"))), 4),
    "four_score": 32,
    **{f"{name}_{size}": 8 for name in _BUILDINGS for size in ("easy", "standard", "hard")},
    **{f"easy_{size}_hearts": 8 for size in ("small", "medium", "large")},
    **{f"{name}_{size}": 1 for name in _SINGLE for size in ("easy", "medium", "hard")},
    **{f"diagnostic_{name}": 8 for name in _DIAGNOSTIC},
}
"""Of the missions of CoGames, as they come."""


def declared_agents(config: MissionConfig) -> int | None:
    """The number of agents of a mission as far as its configuration, its file or its name says; None: they do not.

    Raises:
        BadInputError: the mission's file cannot be read.
    """
    if config.num_agents is not None:
        return config.num_agents
    for file in (Path(config.source), SHIPPED_MISSIONS / f"{config.source}.yaml"):
        if file.suffix in (".yaml", ".yml", ".json") and file.is_file():
            return _agents_in(read_yaml(file, "a mission file"))
    return COGAMES_AGENTS.get(config.source.removeprefix("evals."))


def _agents_in(content: Any) -> int | None:
    """`game.num_agents` of a mettagrid configuration, or of DAF's form of a mission file."""
    for key in ("env", "game", "num_agents"):
        if isinstance(content, dict) and (key in content or key != "env"):
            content = content.get(key)
    return content if isinstance(content, int) and not isinstance(content, bool) else None
