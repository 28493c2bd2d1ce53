"""Observations of policies that play one agent, against the engine's own reading of the same bytes."""

from __future__ import annotations

import numpy as np
import pytest
from mettagrid.mettagrid_c import PackedCoordinate

from daf.config import MissionConfig
from daf.engine.missions import resolve_mission
from daf.engine.observations import LazyObservation, TokenTable
from daf.engine.simulation import AgentBuffers, SimulationFactory


def factory() -> SimulationFactory:
    return SimulationFactory(resolve_mission(MissionConfig(source="tutorial.miner", max_steps=20)).env_config)


def first_observations(of: SimulationFactory) -> np.ndarray:
    buffers = AgentBuffers.zeros(of.num_agents, of.observation_shape)
    of.build(3, buffers)
    return buffers.observations


def test_tokens_are_what_the_bytes_say() -> None:
    made = factory()
    features = {feature.id: feature for feature in made.env_config.game.id_map().features()}
    table, places = TokenTable(made.env_config), set()
    for agent, raw in enumerate(first_observations(made)):
        tokens = LazyObservation(agent, raw, table).tokens
        assert len(tokens) == int((raw[:, 1] != 255).sum()) > 20
        for token, (place, feature, value) in zip(tokens, raw.tolist(), strict=False):
            assert (token.feature, token.value) == (features[feature], value)
            assert list(token.raw_token) == [place, feature, value]
            assert token.location == PackedCoordinate.unpack(place)
            places.add(token.location)
    assert len(places) > 20


@pytest.mark.parametrize("used", [0, 1, 7])
def test_rows_may_be_empty_or_full(used: int) -> None:
    made = factory()
    raw = first_observations(made)[0][:7].copy()
    raw[used:] = 255
    tokens = LazyObservation(0, raw, TokenTable(made.env_config)).tokens
    assert [list(token.raw_token) for token in tokens] == raw[:used].tolist()
