"""Policies: shorthands, class paths, weights and bundles → policy objects.

A policy is a `MultiAgentPolicy` (all agents at once) or an `AgentPolicy` (one instance per agent).
"""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mettagrid.policy.policy import AgentPolicy, MultiAgentPolicy, PolicySpec
from mettagrid.policy.policy_env_interface import PolicyEnvInterface
from mettagrid.policy.prepare_policy_spec import load_policy_spec_from_path

from daf.config import PolicyConfig
from daf.config.recipes import policy_code, policy_label
from daf.engine.loaded_weights import holds_tensors, parameters_of, require_used
from daf.engine.model_files import (
    SUFFIX,
    check_description,
    class_path_of,
    description_path,
    first_interface_difference,
    load_model_description,
    read_weights,
    refuse_code,
)
from daf.engine.policy_classes import check_arguments, full_class_path, list_policies, load_policy_class, takes_agent_id
from daf.errors import BadInputError, CheckpointError, PolicyError, did_you_mean
from daf.system.archives import Archive
from daf.system.failure_report import FailureReport
from daf.system.files import file_sha256
from daf.system.json_files import parse_json
from daf.system.private_folders import private_folder
from daf.system.validated import validated

__all__ = [
    "ResolvedPolicy",
    "build_policy",
    "check_transfer",
    "is_recurrent",
    "list_policies",
    "load_policy_class",
    "resolve_policy",
]

NOTES = {"baseline": "CoGames has no policy called 'baseline'; DAF plays its scripted 'starter'"}


@dataclass(frozen=True, kw_only=True)
class ResolvedPolicy:
    """A policy that can be built: its class exists and is a policy, and its weights are a file."""

    label: str
    class_path: str
    data_path: Path | None = None
    init_kwargs: dict[str, Any] = field(default_factory=dict)
    note: str = ""  # what a reader of the results needs to know about the name
    bundle: Path | None = None

    def identity(self) -> dict[str, Any]:
        """What determines how the policy acts, for recipes: the weights by content, not by path."""
        source = self.bundle or self.data_path
        class_path = self.class_path if self.bundle is None else class_path_of(PolicyConfig(data_path=self.bundle))
        return {
            "class_path": self.class_path,
            "init_kwargs": self.init_kwargs,
            "weights_sha256": file_sha256(source) if source else None,
            "code": policy_code(class_path, self.init_kwargs).model_dump(mode="json"),
        }


def resolve_policy(
    policy: str | PolicyConfig | PolicySpec | ResolvedPolicy, label: str | None = None
) -> ResolvedPolicy:
    """Find out which class a policy is and check that it exists.

    For weights trained by DAF, their model.json names the class; init_kwargs given here override those in that file.

    Raises:
        PolicyError: unknown name, a class that is not a policy, or an argument that the class does not accept.
        CheckpointError: weights or bundle missing or damaged.
    """
    if isinstance(policy, ResolvedPolicy):
        return policy
    policy = PolicyConfig.of(policy)
    if policy.policies:
        found = f"a team of {', '.join(policy.policies)}"
        raise PolicyError("a single policy", found, f"policy '{label or 'policies'}'", "teams can only be evaluated")
    data_path = policy.data_path
    if data_path is not None and not data_path.exists():
        folder = data_path.parent
        hint = f"the folder '{folder}' does not exist"
        if folder.is_dir():
            hint = did_you_mean(data_path.name, [path.name for path in folder.glob("*")])
        raise CheckpointError("weights", "no such file", str(data_path), hint)
    if data_path is not None and data_path.suffix == ".zip" and policy.class_path is None:
        return _resolve_bundle(data_path, label)
    name, init_kwargs = policy.class_path, dict(policy.init_kwargs)
    if name is None and data_path is not None and data_path.suffix == SUFFIX:
        description = load_model_description(description_path(data_path))
        name, init_kwargs = description.policy_class_path, description.init_kwargs | init_kwargs
    if name is None:
        hint = "weights without a class must be .safetensors with their .json next to them"
        if data_path is None:
            hint = "a training run is resolved by the workflow"
        raise PolicyError("a policy class", "none", f"policy '{label or data_path}'", hint)
    class_path = full_class_path(name)
    policy_class = load_policy_class(class_path, name)
    check_arguments(policy_class, init_kwargs, name)
    return ResolvedPolicy(
        label=label or policy_label(name, data_path),
        class_path=class_path,
        data_path=data_path,
        init_kwargs=init_kwargs,
        note=NOTES.get(name, ""),
    )


BUNDLE_AGAIN = "copy or download it again; if DAF packaged it here, delete it and run `snakemake package`"
WEIGHTS_AGAIN = "copy the file again, or save the weights again with torch.save or as safetensors"


def _resolve_bundle(path: Path, label: str | None) -> ResolvedPolicy:
    try:
        archive = Archive(path, "a submission bundle (.zip)", BUNDLE_AGAIN)
        where = f"{path}: policy_spec.json"
        spec = validated(PolicySpec, parse_json(archive.read("policy_spec.json"), where), where)
        archive.digests()  # any damage is found now
    except BadInputError as error:
        raise CheckpointError(error.expected, error.found, error.where, error.hint or BUNDLE_AGAIN) from None
    return ResolvedPolicy(
        label=label or policy_label(None, path), class_path=spec.class_path, init_kwargs=spec.init_kwargs, bundle=path
    )


class PerAgentPolicy(MultiAgentPolicy):
    """Gives every agent its own instance of an AgentPolicy class, with its number if the class asks for it."""

    def __init__(
        self, policy_env_info: PolicyEnvInterface, agent_class: type[AgentPolicy], init_kwargs: dict[str, Any]
    ):
        super().__init__(policy_env_info)
        self._agent_class, self._init_kwargs = agent_class, init_kwargs

    def agent_policy(self, agent_id: int) -> AgentPolicy:
        number = {"agent_id": agent_id} if takes_agent_id(self._agent_class) else {}
        return self._agent_class(self.policy_env_info, **number, **self._init_kwargs)


def build_policy(policy: ResolvedPolicy, interface: PolicyEnvInterface, *, device: str = "cpu") -> MultiAgentPolicy:
    """Build the policy for an environment and load its weights.

    Weights in a .safetensors file are loaded into the class's `network()`. The class's own `load_policy_data` reads any
    other file and the content of bundles, as in CoGames, but only after `refuse_code` has accepted it.

    Raises:
        PolicyError: the class rejects the environment or the arguments, or the weights were trained with a different
            class or on a different kind of mission.
        CheckpointError: the weights cannot be read, do not fit the network, or belong to a different engine.
    """
    class_path, data_path, init_kwargs = policy.class_path, policy.data_path, dict(policy.init_kwargs)
    if policy.bundle is not None:
        # The engine caches unpacked bundles by path; a content hash in the path prevents it from using a stale one.
        unpacked = private_folder("bundles") / file_sha256(policy.bundle)[:32]
        spec = load_policy_spec_from_path(policy.bundle, device=device, force_dest=unpacked)
        class_path, init_kwargs = spec.class_path, dict(spec.init_kwargs)
        data_path = Path(spec.data_path) if spec.data_path else None
    policy_class = load_policy_class(class_path, policy.label)
    where = f"policy '{policy.label}' ({class_path})"
    try:
        if issubclass(policy_class, AgentPolicy):
            built: MultiAgentPolicy = PerAgentPolicy(interface, policy_class, init_kwargs)
            built.agent_policy(0)
        else:
            if device != "cpu" and "device" in inspect.signature(policy_class).parameters:
                init_kwargs.setdefault("device", device)
            built = policy_class(interface, **init_kwargs)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a user's class may fail in any way
        raise PolicyError("a constructor that raises nothing", FailureReport.of(error).cause, where) from error
    if data_path is not None:
        load_weights(built, data_path, class_path, interface, where, in_bundle=policy.bundle is not None)
    return built


def load_weights(
    policy: MultiAgentPolicy,
    data_path: Path,
    class_path: str,
    interface: PolicyEnvInterface,
    where: str,
    *,
    in_bundle: bool = False,
) -> None:
    """Put weights into a built policy, see `build_policy`.

    Args:
        class_path: of the policy.
        where: of errors, after the file's name.
        in_bundle: the class's own loader reads them, whatever the file's name.

    Raises:
        PolicyError, CheckpointError: as `build_policy`.
    """
    before = parameters_of(policy.network())
    if data_path.suffix == SUFFIX and not in_bundle:
        _load_model(policy, data_path, class_path, interface, where)
    else:
        _load_foreign_weights(policy, data_path, where)
    network = policy.network()
    require_used(network, before, data_path, f"{data_path}, for {where}")
    broken = None if network is None else _non_finite(network.named_parameters())
    if broken:
        hint = "take an earlier checkpoint, or train again with a lower learning rate"
        raise CheckpointError("finite weights", f"NaN or infinity in {broken}", f"{data_path}, for {where}", hint)


def check_transfer(
    policy: ResolvedPolicy, trained_on: PolicyEnvInterface, source: str, played_on: PolicyEnvInterface, target: str
) -> None:
    """Raise PolicyError unless weights trained on one mission can play another: same actions, same network.

    A network that flattens observations cannot distinguish different features of the same shape, so these are refused,
    too.
    """
    where = f"policy '{policy.label}' trained on '{source}', played on '{target}'"
    hint = "evaluate it on missions that share observations and actions with the one it was trained on"
    difference = first_interface_difference(trained_on, played_on)
    if difference is not None:
        name, ours, theirs = difference
        raise PolicyError(f"the same {name} on both missions ({ours})", theirs, where, hint)


def _load_model(
    policy: MultiAgentPolicy, path: Path, class_path: str, interface: PolicyEnvInterface, where: str
) -> None:
    place = f"{path}, for {where}"
    network = policy.network()
    if network is None:
        hint = f"its load_policy_data reads any file that does not end in {SUFFIX}"
        raise PolicyError("a policy with a network(), to put the weights into", "none", place, hint)
    sha256 = None
    if description_path(path).is_file():
        description = load_model_description(description_path(path))
        check_description(description, class_path, interface, place)
        sha256 = description.weights_sha256
    weights = read_weights(path, sha256)
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise _misfit(error, place) from error


def _load_foreign_weights(policy: MultiAgentPolicy, path: Path, where: str) -> None:
    place = f"{path}, for {where}"
    try:
        refuse_code(path)
        if type(policy).load_policy_data is MultiAgentPolicy.load_policy_data and holds_tensors(path):
            found = f"{type(policy).__name__} without load_policy_data"
            raise CheckpointError("a class that uses the weights", found, place, "write it, or extend NetworkPolicy")
        policy.load_policy_data(str(path))
    except CheckpointError:
        raise
    except (pickle.UnpicklingError, EOFError) as error:
        found = f"a damaged file, or one that torch.save did not write ({type(error).__name__})"
        raise CheckpointError("weights", found, place, WEIGHTS_AGAIN) from error
    except RuntimeError as error:
        raise _misfit(error, place) from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # readers of pickles can fail in many ways, and so can a user's class
        found = f"an unreadable file ({FailureReport.of(error).cause})"
        raise CheckpointError("weights", found, place, WEIGHTS_AGAIN) from error


def _misfit(error: RuntimeError, place: str) -> CheckpointError:
    """torch's error about weights, as an error of one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    if "state_dict" not in lines[0]:
        return CheckpointError("weights", f"a damaged file ({lines[0]})", place, WEIGHTS_AGAIN)
    hint = "trained on another mission, with other init_kwargs or with another version of the engine?"
    return CheckpointError("weights of this network", lines[min(1, len(lines) - 1)], place, hint)


def _non_finite(parameters: Iterable[tuple[str, Any]]) -> str | None:
    return next((name for name, parameter in parameters if not parameter.isfinite().all()), None)


def is_recurrent(policy: MultiAgentPolicy) -> bool:
    """Whether the network carries state between steps (the engine's own convention)."""
    method = getattr(policy, "is_recurrent", None)
    return bool(method()) if callable(method) else False
