"""Weights as a bundle holds them: a file that the policy class's own `load_policy_data` reads.

CoGames loads a bundle without DAF, and safetensors is none of its requirements; so trained models are converted by the
class itself.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from daf.engine.model_files import SUFFIX
from daf.engine.policies import ResolvedPolicy, build_policy
from daf.errors import BadInputError, PolicyError

if TYPE_CHECKING:
    from daf.engine.types import MultiAgentPolicy, PolicyEnvInterface


def weights_for_bundle(policy: ResolvedPolicy, interface: PolicyEnvInterface | None) -> tuple[str, bytes] | None:
    """Name and content of the weights in the bundle, checked against the mission if one is given; None without weights.

    Raises:
        PolicyError: the policy does not fit the mission, or its class does not read what it saves.
        CheckpointError: the weights cannot be read, or are those of another network.
        BadInputError: weights to convert, but no mission to build the policy for.
    """
    built = None if interface is None else build_policy(policy, interface)
    if policy.data_path is None:
        return None
    if policy.data_path.suffix != SUFFIX:
        return f"weights{policy.data_path.suffix}", policy.data_path.read_bytes()
    if built is None or interface is None:
        hint = "the policy is built for it to convert the weights; or keep model.json beside them"
        raise BadInputError("a mission", "none", "daf_package_policy: mission", hint)
    with tempfile.TemporaryDirectory(prefix="daf-package-") as folder:
        path = Path(folder) / "weights.pt"  # torch.save writes this name into the file: always the same one
        built.save_policy_data(str(path))
        if not path.is_file() or not _same(built, build_policy(replace(policy, data_path=path), interface)):
            found = "it saves nothing" if not path.is_file() else "the network is another one after save and load"
            expected = "a class whose load_policy_data reads what its save_policy_data writes"
            hint = "CoGames loads a bundle's weights with load_policy_data"
            raise PolicyError(expected, found, f"policy '{policy.class_path}'", hint)
        return path.name, path.read_bytes()


def _same(first: MultiAgentPolicy, second: MultiAgentPolicy) -> bool:
    ours, theirs = (policy.network().state_dict() for policy in (first, second))  # type: ignore[union-attr]
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)
