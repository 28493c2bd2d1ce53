"""Whether trained weights fit the network that is to start from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from daf.engine.model_files import (
    check_description,
    description_path,
    first_interface_difference,
    load_model_description,
)
from daf.engine.policies import ResolvedPolicy, load_weights
from daf.errors import PolicyError
from daf.training.trainable import build_trainable


def check_file(policy: ResolvedPolicy, interface: Any, weights: Path, *, build: bool) -> None:
    """Check that a policy can start from the weights of a file on a mission.

    Args:
        build: False: only their description is checked, so that no code of a user runs.

    Raises:
        PolicyError, CheckpointError: as `daf.training.trainable.load_start`.
    """
    if build:
        built, _ = build_trainable(policy, interface)
        load_weights(built, weights, policy.class_path, interface, "start_from")
    elif description_path(weights).is_file():
        description = load_model_description(description_path(weights))
        check_description(description, policy.class_path, interface, str(weights))


def check_run(
    policy: ResolvedPolicy, interface: Any, source: ResolvedPolicy, source_interface: Any, run: str, *, build: bool
) -> None:
    """Check that a policy can start on a mission from the weights that a run will train on its own.

    Args:
        build: compare the networks' shapes, too.

    Raises:
        PolicyError: another class, another kind of mission, or a network of another shape.
    """
    where = f"weights of training run '{run}'"
    if source.class_path != policy.class_path:
        hint = "start from a run of the same policy class"
        raise PolicyError(f"weights of {policy.class_path}", f"those of {source.class_path}", where, hint)
    if difference := first_interface_difference(interface, source_interface):
        name, ours, theirs = difference
        hint = "start from a run on a mission that shares observations and actions with this one"
        raise PolicyError(f"the same {name} on both missions ({ours})", theirs, where, hint)
    if not build:
        return
    shapes, source_shapes = _shapes(policy, interface), _shapes(source, source_interface)
    for name in sorted(shapes.keys() | source_shapes.keys()):
        if shapes.get(name) != source_shapes.get(name):
            expected, found = (f"{name} {of[name]}" if name in of else f"no {name}" for of in (shapes, source_shapes))
            raise PolicyError(f"a network with {expected}", f"one with {found}", where, "use the same init_kwargs")


def _shapes(policy: ResolvedPolicy, interface: Any) -> dict[str, list[int]]:
    """The shapes of a network's weights."""
    _, network = build_trainable(policy, interface)
    return {name: list(value.shape) for name, value in network.module.state_dict().items()}
