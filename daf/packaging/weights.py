"""Weights in a bundle: a file that the policy class's own `load_policy_data` reads.

CoGames loads a bundle without DAF and does not require safetensors, so the class itself converts trained models.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from daf.engine.model_files import SUFFIX
from daf.engine.policies import ResolvedPolicy, build_policy
from daf.errors import BadInputError, CheckpointError, PolicyError
from daf.system.readers import read_bytes

if TYPE_CHECKING:
    from daf.engine.types import MultiAgentPolicy, PolicyEnvInterface


def weights_for_bundle(policy: ResolvedPolicy, interface: PolicyEnvInterface | None) -> tuple[str, bytes] | None:
    """Name and content of the weights in the bundle, checked against the mission if one is given; None without weights.

    Raises:
        PolicyError: the policy does not fit the mission, or its class cannot read what it saves.
        CheckpointError: the weights cannot be read, or belong to a different network.
        BadInputError: weights to convert, but no mission for building the policy.
    """
    built = None if interface is None else build_policy(policy, interface)
    if policy.data_path is None:
        return None
    if policy.data_path.suffix != SUFFIX:
        return f"weights{policy.data_path.suffix}", read_bytes(policy.data_path, "weights")
    if built is None or interface is None:
        hint = "converting the weights needs the policy built for a mission; or keep model.json next to them"
        raise BadInputError("a mission", "none", "daf_package_policy: mission", hint)
    with tempfile.TemporaryDirectory(prefix="daf-package-") as folder:
        path = Path(folder) / "weights.pt"  # torch.save writes this name into the file, so it must be constant
        built.save_policy_data(str(path))
        if not path.is_file() or not _reads_back(built, replace(policy, data_path=path), interface):
            found = "it saves nothing" if not path.is_file() else "the network differs after saving and loading"
            expected = "a class whose load_policy_data reads what its save_policy_data writes"
            hint = "CoGames loads a bundle's weights with load_policy_data"
            raise PolicyError(expected, found, f"policy '{policy.class_path}'", hint)
        return path.name, read_bytes(path, "the weights that the class saved")


def _reads_back(built: MultiAgentPolicy, saved: ResolvedPolicy, interface: PolicyEnvInterface) -> bool:
    try:
        return _same(built, build_policy(saved, interface))
    except CheckpointError:  # it leaves parameters at their initial values
        return False


def _same(first: MultiAgentPolicy, second: MultiAgentPolicy) -> bool:
    ours, theirs = (policy.network().state_dict() for policy in (first, second))  # type: ignore[union-attr]
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)
