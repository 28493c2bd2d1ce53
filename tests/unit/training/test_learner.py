"""The learner never waits for the network's device within a minibatch, and tells at the end what was not finite."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from daf.distributed.process_group import Group
from daf.engine.grid_policy import GridNetwork
from daf.training.rollout import Rollout
from daf.training.trainer import Trainer
from tests.unit.training.small import recipe_of

CPU = torch.device("cpu")
# What makes the processor wait for a GPU, by its name in Python and in the dispatcher.
WAITING = {"item", "cpu", "tolist", "numpy", "__bool__", "__float__", "__int__", "nonzero", "masked_select"}
WAITING_BELOW = {"_local_scalar_dense", "nonzero", "masked_select", "unique_dim", "_unique2", "repeat_interleave"}


class Waits(TorchFunctionMode):
    """Counts calls that would wait for a GPU."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = getattr(function, "__name__", "")
        by_mask = name in ("__getitem__", "__setitem__") and _is_mask(args[1])
        if name in WAITING or by_mask:
            self.counts[name] += 1
        return function(*args, **(kwargs or {}))


def _is_mask(index: Any) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return any(isinstance(part, torch.Tensor) and part.dtype == torch.bool for part in parts)


class WaitsBelow(TorchDispatchMode):
    """Counts kernels whose results the processor needs to go on, also in gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = function.overloadpacket.__name__
        if name in WAITING_BELOW:
            self.counts[name] += 1
        return function(*args, **(kwargs or {}))


def rollout_of(trainer: Trainer) -> Rollout:
    rollout, _ = trainer.collect()
    assert rollout is not None
    return rollout


def waits_of_an_update(policy: str, **hyperparameters: Any) -> Counter[str]:
    trainer = Trainer(recipe_of(policy, world_size=1, **hyperparameters), Group(), CPU)
    rollout = rollout_of(trainer)
    with Waits() as waits, WaitsBelow() as below:
        assert trainer.learn(rollout) is not None
    return waits.counts + below.counts


@pytest.mark.parametrize("policy", ["grid", "lstm", "stateless"])
def test_an_update_waits_as_often_with_many_minibatches_as_with_one(
    policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GridNetwork, "_sum_of_used", GridNetwork._sum_of_all)  # as on a GPU
    once = waits_of_an_update(policy, minibatch_size=256, epochs=1)
    often = waits_of_an_update(policy, minibatch_size=16, epochs=3)
    assert once == often
    assert 0 < sum(once.values()) < 20


def test_a_gradient_that_is_not_finite_ends_the_update_and_leaves_finite_weights() -> None:
    """The minibatches after it still see a network that works: some reject weights that are not finite."""
    trainer = Trainer(recipe_of("lstm", world_size=1, epochs=2), Group(), CPU)
    rollout = rollout_of(trainer)
    rollout.advantages[3, 2] = torch.nan
    assert trainer.learn(rollout) is None
    assert all(bool(weight.isfinite().all()) for weight in trainer.parameters)


def test_explained_variance_is_none_without_variance() -> None:
    trainer = Trainer(recipe_of("grid", world_size=1), Group(), CPU)
    rollout = rollout_of(trainer)
    rollout.advantages.copy_(-rollout.values)  # all returns are 0
    figures = trainer.learn(rollout)
    assert figures is not None
    assert figures["explained_variance"] is None
