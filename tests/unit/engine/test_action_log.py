"""The actions of running episodes, vibes among them, are one byte each, and restore the episode."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from daf.config import MissionConfig
from daf.engine.action_log import packed, require_loggable, unpacked
from daf.engine.missions import resolve_mission
from daf.engine.partners import Partners
from daf.engine.policies import resolve_policy
from daf.engine.vector import VectorEnvironment
from daf.errors import BadInputError

MINER = resolve_mission(MissionConfig(source="tutorial.miner", max_steps=30))


def test_every_pair_of_action_and_vibe_is_another_byte() -> None:
    actions, vibes = (part.ravel() for part in np.meshgrid(np.arange(5), [0, *range(5, 12)]))
    numbers = packed(actions, vibes, 5).astype(np.uint8)
    assert len(set(numbers.tolist())) == 40
    assert [part.tolist() for part in unpacked(numbers, 5)] == [actions.tolist(), vibes.tolist()]
    assert packed(np.arange(5), np.zeros(5, dtype=int), 5).tolist() == list(range(5))


def test_too_many_pairs_are_refused() -> None:
    names: Any = SimpleNamespace(action_names=list(range(20)), all_action_names=list(range(40)))
    with pytest.raises(BadInputError, match="420 pairs"):
        require_loggable(SimpleNamespace(interface=names), "m")  # type: ignore[arg-type]


def begun(workers: int = 0) -> tuple[VectorEnvironment, Partners]:
    """Two environments, in which a policy that shows vibes plays all agents but the first."""

    def earlier() -> Any:
        raise AssertionError

    environment = VectorEnvironment(MINER, num_envs=2, seed=1, workers=workers)
    policies = [resolve_policy("their_policies.VibeAgent")]
    return environment, Partners(policies, environment, lambda *_: [-1, 0, 0, 0], earlier, torch.device("cpu"))


def play(environment: VectorEnvironment, partners: Partners, steps: int) -> list[tuple[bytes, bytes, bytes]]:
    seen, everyone = [], range(2)
    for _ in range(steps):
        environment.buffers.actions[:] = 1
        partners.take_seats(everyone)
        partners.act(everyone, torch.zeros(8, 5))
        buffers = environment.buffers
        seen.append((buffers.observations.tobytes(), buffers.actions.tobytes(), buffers.vibe_actions.tobytes()))
        _, _, _, finished = environment.step()
        for episode in finished:
            partners.end_episode(episode.environment)
    return seen


@pytest.mark.parametrize("workers", [0, 2])
def test_vibes_of_partners_are_chosen_and_restored(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    environment, partners = begun()
    play(environment, partners, 40)
    vibes = environment.buffers.vibe_actions.reshape(2, 4)
    assert (vibes[:, 0] == 0).all()
    assert (vibes[:, 1:] > 0).any()
    state, of_partners = environment.state(), partners.state()
    after = play(environment, partners, 25)
    other, restored = begun(workers)
    try:
        other.restore(state)
        restored.restore(of_partners, state["actions"])
        assert play(other, restored, 25) == after
    finally:
        other.close()
