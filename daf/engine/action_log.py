"""The actions of a running episode as bytes, and the episode replayed from them.

A vibe may be chosen in addition to a primary action, or instead. Both are one number: that of the primary action alone,
or above all of these for a vibe.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from daf.engine.simulation import AgentBuffers, SimulationFactory
from daf.errors import BadInputError
from daf.system.nouns import number_of


def require_loggable(factory: SimulationFactory, mission: str) -> None:
    """Refuse a mission with more pairs of action and vibe than a byte can tell apart.

    Raises:
        BadInputError: it has.
    """
    primary, everything = len(factory.interface.action_names), len(factory.interface.all_action_names)
    if (pairs := primary * (1 + everything - primary)) > 256:
        found = number_of(pairs, "pair")
        raise BadInputError("at most 256 pairs of action and vibe", found, f"mission '{mission}'")


def packed(actions: np.ndarray, vibes: np.ndarray, num_primary: int) -> np.ndarray:
    """Both as one number; vibes are numbers among all actions, 0 where there is none."""
    both: np.ndarray = actions + num_primary * np.where(vibes > 0, vibes - num_primary + 1, 0)
    return both


def unpacked(numbers: np.ndarray, num_primary: int) -> tuple[np.ndarray, np.ndarray]:
    """Actions and vibes from uint8 numbers of any shape."""
    beyond, actions = np.divmod(numbers.astype(np.int32), num_primary)
    return actions, np.where(beyond > 0, beyond - 1 + num_primary, 0)


def logged_steps(log: bytes, factory: SimulationFactory) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Actions and vibes of each step, [agents] each, from uint8 [steps, agents]."""
    numbers = np.frombuffer(log, dtype=np.uint8).reshape(-1, factory.num_agents)
    yield from zip(*unpacked(numbers, len(factory.interface.action_names)), strict=True)


def seen_in_steps(factory: SimulationFactory, seed: int, log: bytes) -> Iterator[np.ndarray]:
    """What the agents saw before each step of an episode: uint8 [agents, tokens, 3], valid until the next."""
    buffers = AgentBuffers.zeros(factory.num_agents, factory.observation_shape)
    simulation = factory.build(seed, buffers)
    for actions, vibes in logged_steps(log, factory):
        yield buffers.observations
        buffers.actions[:], buffers.vibe_actions[:] = actions, vibes
        simulation.step()
