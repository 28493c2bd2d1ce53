"""Engine simulations that live in shared buffers.

`SimulationFactory` converts a mission's configuration once and then builds simulations from seeds: the same
observations, rewards and statistics as the engine's own `Simulation` (a test compares them), without its per-episode
conversion and per-step bookkeeping.
"""

from __future__ import annotations

import copy
import io
import pickle  # nosec B403  # compares configurations; nothing is loaded
from collections.abc import Callable
from dataclasses import dataclass
from types import FunctionType
from typing import Any, Self

import numpy as np
from mettagrid.config.mettagrid_c_config import convert_to_cpp_game_config, rename_map_agents
from mettagrid.config.mettagrid_config import MettaGridConfig
from mettagrid.map_builder.map_builder import HasSeed
from mettagrid.mettagrid_c import MettaGrid as RawSimulation
from mettagrid.policy.policy_env_interface import PolicyEnvInterface
from mettagrid.types import EpisodeStats

_KEPT_FACTORIES = 4
_OBSERVATION_STATISTICS = ("tokens_written", "tokens_dropped", "tokens_free_space")


@dataclass(frozen=True, kw_only=True)
class AgentBuffers:
    """Arrays shared by the agents of all environments; an environment owns a slice of rows.

    Shapes: observations [agents, tokens, 3] uint8; terminals, truncations [agents] bool; rewards [agents] float32;
    actions, vibe_actions [agents] int32.
    """

    observations: np.ndarray
    terminals: np.ndarray
    truncations: np.ndarray
    rewards: np.ndarray
    actions: np.ndarray
    vibe_actions: np.ndarray

    @classmethod
    def zeros(
        cls, num_agents: int, observation_shape: tuple[int, ...], zeros: Callable[..., np.ndarray] = np.zeros
    ) -> AgentBuffers:
        return cls(
            observations=zeros((num_agents, *observation_shape), np.uint8),
            terminals=zeros(num_agents, np.bool_),
            truncations=zeros(num_agents, np.bool_),
            rewards=zeros(num_agents, np.float32),
            actions=zeros(num_agents, np.int32),
            vibe_actions=zeros(num_agents, np.int32),
        )

    def rows(self, start: int, stop: int) -> AgentBuffers:
        """The same memory, restricted to some agents."""
        return AgentBuffers(**{name: array[start:stop] for name, array in vars(self).items()})


class BufferedSimulation(RawSimulation):
    """The engine's simulation at its first step, with its first observations written into `buffers`.

    The engine has already written them once, into its own buffers, and counted that; statistics exclude it.
    """

    def __init__(self, raw_config: Any, grid: list[list[str]], seed: int, buffers: AgentBuffers) -> None:
        super().__init__(raw_config, grid, seed)
        self._counted_before = {name: self.get_game_stat(name) or 0.0 for name in _OBSERVATION_STATISTICS}
        self.set_buffers(
            buffers.observations,
            buffers.terminals,
            buffers.truncations,
            buffers.rewards,
            buffers.actions,
            buffers.vibe_actions,
        )

    def objects(self, *ignored_types: str) -> list[dict[str, Any]]:
        """Everything on the map except objects of some types, as the engine describes it."""
        return list(self.grid_objects(-1, -1, -1, -1, list(ignored_types)).values())

    def agents(self) -> list[dict[str, Any]]:
        """The agents, as the engine describes them."""
        return self.objects(*(name for name in self.object_type_names if name and name != "agent"))

    def get_episode_stats(self) -> EpisodeStats:
        stats: EpisodeStats = super().get_episode_stats()
        for name, count in self._counted_before.items():
            stats["game"][name] -= count
        return stats


class SimulationFactory:
    """Builds raw simulations of one mission.

    The seed fixes the map (unless the mission fixes it itself) and the engine's own randomness, as in the engine's
    `run_episode_local`.
    """

    def __init__(self, env_config: MettaGridConfig) -> None:
        self.env_config = env_config.model_copy(deep=True)  # conversion fills in defaults; the caller's is unchanged
        self.interface = PolicyEnvInterface.from_mg_cfg(self.env_config)
        self._raw_config, self._agent_renames = convert_to_cpp_game_config(self.env_config.game)

    @classmethod
    def shared(cls, env_config: MettaGridConfig) -> Self:
        """As the constructor, which takes as long as a short episode, but a mission that was played recently is not
        converted again. The interface is the caller's: policies get it."""
        try:
            content = _content(env_config)
        except (pickle.PicklingError, AttributeError, TypeError):  # objects of a user's mission
            return cls(env_config)
        found = _factories.pop(content, None) or cls(env_config)
        _factories[content] = found  # the last ones are the most recent
        while len(_factories) > _KEPT_FACTORIES:
            del _factories[next(iter(_factories))]
        factory: Self = copy.copy(found)
        factory.interface = found.interface.model_copy(deep=True)
        return factory

    @property
    def num_agents(self) -> int:
        return int(self.interface.num_agents)

    @property
    def observation_shape(self) -> tuple[int, ...]:
        return tuple(self.interface.observation_shape)

    @property
    def max_steps(self) -> int:
        """Episode length in steps; 0 means no limit."""
        return int(self.env_config.game.max_steps)

    def build_map(self, seed: int) -> list[list[str]]:
        """The map of a seed, as names of objects; raises ValueError if it has no room for the agents."""
        builder = self.env_config.game.map_builder
        if isinstance(builder, HasSeed) and builder.seed is None:
            builder = builder.model_copy(deep=True)
            builder.seed = int(seed)
        grid: list[list[str]] = builder.create().build_for_num_agents(self.num_agents).grid.tolist()
        return grid

    def build(self, seed: int, buffers: AgentBuffers) -> BufferedSimulation:
        """A simulation at its first step, with its first observations written into `buffers`."""
        grid = self.build_map(seed)
        if self._agent_renames:
            grid = rename_map_agents(grid, self._agent_renames)
        return BufferedSimulation(self._raw_config, grid, int(seed), buffers)


class _ByIdentity(pickle.Pickler):
    """Tells classes and functions of the same name apart, as after a notebook's cell has run again."""

    def persistent_id(self, found: object) -> int | None:
        return id(found) if isinstance(found, (type, FunctionType)) else None


def _content(env_config: MettaGridConfig) -> bytes:
    """What tells configurations apart. Factories keep their classes, so that no other gets their identity."""
    file = io.BytesIO()
    _ByIdentity(file).dump(env_config)
    return file.getvalue()


_factories: dict[bytes, Any] = {}  # pickled configuration → factory
