"""The JSON columns of the episodes table as arrays: each text is parsed only once, whatever is computed from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from daf.errors import BadInputError
from daf.system.json_files import parse_json
from daf.system.readers import FROM_A_RUN
from daf.system.validated import validated

if TYPE_CHECKING:
    import pandas as pd

Numbers = dict[str, float]
Array = np.ndarray[Any, np.dtype[np.float64]]

# Quantities that an agent gains and loses without picking up or depositing anything.
BODY = frozenset({"hp", "energy", "solar"})


@dataclass(frozen=True, kw_only=True)
class EpisodeStatistics:
    """Episodes of one mission that have a result, in table order. Statistics that the engine did not report are 0.

    Attributes:
        seeds: environment seeds [episodes].
        lengths: steps [episodes].
        agent: statistics of the agents by name, each [episodes, agents].
        game: statistics of the game by name, each [episodes].
        actions: how often each action was chosen, each [episodes]; only actions that could be chosen.
    """

    seeds: list[int]
    lengths: Array
    agent: Mapping[str, Array]
    game: Mapping[str, Array]
    actions: Mapping[str, Array]
    num_agents: int

    @property
    def num_episodes(self) -> int:
        return len(self.seeds)

    def of_agents(self, name: str) -> Array:
        """One statistic of the agents, [episodes, agents]."""
        return self.agent.get(name, self._zeros())

    def sum_of(self, selects: Callable[[str], bool]) -> Array:
        """The agents' statistics whose names are selected, added up, [episodes, agents]."""
        return reduce(np.add, (values for name, values in self.agent.items() if selects(name)), self._zeros())

    def names(self) -> dict[str, list[str]]:
        """The statistics that a `success` expression may name: `game` for `game('…')`, `agent` for the others."""
        return {"game": sorted(self.game), "agent": sorted(self.agent)}

    def _zeros(self) -> Array:
        return np.zeros((self.num_episodes, self.num_agents))

    def flows(self) -> dict[str, dict[str, float]]:
        """Resources per episode, summed over agents and averaged over episodes: {resource: {gained, lost}}."""
        totals: dict[str, dict[str, float]] = {}
        for name, values in self.agent.items():
            resource, kind = split_flow(name)
            if resource:
                flows = totals.setdefault(resource, {"gained": 0.0, "lost": 0.0})
                flows[kind] = float(values.sum()) / self.num_episodes
        return dict(sorted(totals.items()))


def split_flow(name: str) -> tuple[str, str]:
    """`carbon.gained` → ("carbon", "gained"); ("", "") for a statistic that is not a resource's gain or loss."""
    resource, _, kind = name.rpartition(".")
    return (resource, kind) if kind in ("gained", "lost") else ("", "")


def episode_statistics(episodes: pd.DataFrame) -> EpisodeStatistics:
    """Read the statistics of an episodes table's rows; failed episodes have none and are omitted.

    Raises:
        BadInputError: the episodes differ in their numbers of agents.
    """
    played = episodes[episodes["failure"].isna()]
    agents = [_parsed(list[Numbers], text, "agent_stats") for text in played["agent_stats"]]
    numbers = sorted({len(episode) for episode in agents})
    if len(numbers) > 1:
        found = f"{' and '.join(map(str, numbers))} agents"
        raise BadInputError("episodes of one mission, all with the same number of agents", found, "episodes table")
    num_agents = numbers[0] if numbers else 0
    flat = _columns([agent for episode in agents for agent in episode])
    return EpisodeStatistics(
        seeds=[int(seed) for seed in played["env_seed"]],
        lengths=played["length"].to_numpy(dtype=float),
        agent={name: values.reshape(len(agents), num_agents) for name, values in flat.items()},
        game=_columns([_parsed(Numbers, text, "game_stats") for text in played["game_stats"]]),
        actions=_columns([_parsed(Numbers, text, "action_counts") for text in played["action_counts"]]),
        num_agents=num_agents,
    )


def _parsed[T](kind: type[T], text: Any, column: str) -> T:
    where = f"episodes table: {column}"
    return validated(kind, parse_json(text if isinstance(text, str) else "null", where), where, FROM_A_RUN)


def _columns(rows: Sequence[Mapping[str, float]]) -> dict[str, Array]:
    """Rows of numbers by name as one array [rows] per name; 0 where a row does not have the name."""
    names: Iterable[str] = dict.fromkeys(name for row in rows for name in row)
    return {name: np.array([row.get(name, 0.0) for row in rows], dtype=float) for name in names}
