"""Observations for policies that play one agent: the engine's objects, built lazily from raw buffers.

The engine builds a new object per token, about 150 per agent and step, which takes longer than the step itself. Here a
token object is created once per (location, feature, value) and then shared, so policies must not modify tokens (the
engine's own are not copies either, but views of its buffer).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from mettagrid.config.id_map import ObservationFeatureSpec
from mettagrid.config.mettagrid_config import MettaGridConfig
from mettagrid.mettagrid_c import PackedCoordinate
from mettagrid.simulator.interface import AgentObservation, Location, ObservationToken, VisibleTalk

NO_FEATURE = 0xFF


class SharedToken(ObservationToken):
    """A token whose location is a plain attribute, which scripts read for every token, instead of a property."""

    __slots__ = ("location",)

    def __init__(self, feature: ObservationFeatureSpec, raw: np.ndarray) -> None:
        super().__init__(feature=feature, value=int(raw[2]), raw_token=raw)  # type: ignore[arg-type]  # an array, as in the engine
        unpacked = PackedCoordinate.unpack(int(raw[0]))
        self.location: Location | None = None if unpacked is None else Location(*unpacked)


class TokenTable(dict[int, SharedToken]):
    """Raw tokens, as little-endian numbers of their three bytes, → token objects of one mission."""

    def __init__(self, env_config: MettaGridConfig) -> None:
        super().__init__()
        self._features: dict[int, ObservationFeatureSpec] = {
            feature.id: feature for feature in env_config.game.id_map().features()
        }

    def __missing__(self, code: int) -> SharedToken:
        raw = np.array([code & 0xFF, code >> 8 & 0xFF, code >> 16], dtype=np.uint8)
        raw.flags.writeable = False
        self[code] = token = SharedToken(self._features[int(raw[1])], raw)
        return token


class LazyObservation(AgentObservation):
    """What an agent sees; its tokens are built when a policy first asks for them.

    Args:
        raw: uint8 [tokens, 3] of this step; must not be modified later.
    """

    def __init__(self, agent_id: int, raw: np.ndarray, table: TokenTable, talk: Sequence[VisibleTalk] = ()) -> None:
        self.agent_id, self.talk = agent_id, talk
        self.raw, self._table = raw, table

    @cached_property
    def tokens(self) -> Sequence[ObservationToken]:  # type: ignore[override]  # a plain field of the engine's class
        end = self.raw[:, 1].tobytes().find(NO_FEATURE)
        used = len(self.raw) if end < 0 else end
        content = self.raw[:used].tobytes() + b"\0"  # each token is read with the byte behind it
        codes = np.ndarray(used, "<u4", content, strides=(3,)) & 0xFFFFFF
        return list(map(self._table.__getitem__, codes.tolist()))
