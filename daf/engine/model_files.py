"""The files of a trained model: `model.safetensors`, the weights, and `model.json`, their description.

The description is written first and the weights last, each atomically: if there are weights, training is complete.
Weights without a description next to them are loaded unchecked; with one, they are loaded only into the policy class,
the engine and the kind of mission that they were trained with. `daf.engine.policies` builds policies, and
`daf.training.checkpoints` stores trainer state.
"""

from __future__ import annotations

import hashlib
import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from daf.errors import BadInputError, CheckpointError, PolicyError
from daf.system.archives import Archive
from daf.system.engine_packages import DECIDING_PACKAGES
from daf.system.files import digest, write_bytes, write_json
from daf.system.json_files import parse_json, read_own_json
from daf.system.pickles import called_by_pickle
from daf.system.provenance import engine_stamp
from daf.system.readers import read_bytes
from daf.system.validated import validated

if TYPE_CHECKING:
    from mettagrid.policy.policy_env_interface import PolicyEnvInterface
    from torch import Tensor

    from daf.config import PolicyConfig
    from daf.config.recipes import TrainingRecipe

MODEL = "model.safetensors"
DESCRIPTION = "model.json"
SUFFIX = ".safetensors"
FORMAT_VERSION = 1
BOTH_AGAIN = (
    "copy the weights and their .json again; if DAF trained them here, delete both and run the same command again, "
    "which publishes them from the state of the training"
)
PICKLE_SUFFIXES = (".pt", ".pth", ".ckpt", ".pkl", ".pickle")


class StartedFrom(BaseModel):
    """The trained weights that a training started from.

    Attributes:
        training: the run and seed that trained them, as `run/seed-1`; null if they came from a file.
        path: of that file, as the configuration names it.
        weights_sha256: digest of the file.
        mission: the mission they were trained on; null if nothing describes them, as are the steps then.
        agent_steps: agent-steps of that training.
        total_agent_steps: with those of the training that it started from itself, and so on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    training: str | None
    path: str | None
    weights_sha256: str
    mission: str | None
    agent_steps: int | None
    total_agent_steps: int | None


class ModelDescription(BaseModel):
    """The content of model.json: observation_shape [tokens, 3], egocentric_shape [height, width], and observation
    features as `id name / normalization`.

    Attributes:
        format_version: of this file.
        policy_class_path: path of the policy class whose network has these weights.
        init_kwargs: keyword arguments of that class.
        recipe_digest: digest of `recipe`.
        recipe: everything that decides the model.
        agent_steps: agent-steps trained when these weights were taken.
        engine: versions of the engine's packages.
        mission: the mission it was trained on.
        action_names: names of the actions, by number.
        vibe_action_names: names of the actions that change an agent's vibe.
        observation_shape: tokens per agent and numbers per token.
        egocentric_shape: height and width of what an agent sees.
        observation_features: number, name, and normalization of every kind of token.
        tags: names of the tags that tokens refer to.
        weights_sha256: of model.safetensors.
        started_from: the weights that training started from; left out if they were random.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: int
    policy_class_path: str
    init_kwargs: dict[str, Any]
    recipe_digest: str
    recipe: dict[str, Any]
    agent_steps: int
    engine: dict[str, str]
    mission: str
    action_names: list[str]
    vibe_action_names: list[str]
    observation_shape: list[int]
    egocentric_shape: list[int]
    observation_features: list[str]
    tags: list[str]
    weights_sha256: str
    started_from: StartedFrom | None = Field(None, exclude_if=lambda value: value is None)


def environment_facts(interface: PolicyEnvInterface) -> dict[str, list[Any]]:
    """What determines the meaning of a network's inputs and outputs. The number of agents does not."""
    return {
        "action_names": list(interface.action_names),
        "vibe_action_names": list(interface.vibe_action_names),
        "observation_shape": list(interface.observation_shape),
        "egocentric_shape": list(interface.egocentric_shape),
        "observation_features": [
            f"{feature.id} {feature.name} / {feature.normalization:g}" for feature in interface.obs_features
        ],
        "tags": list(interface.tags),
    }


def first_difference(ours: Mapping[str, list[Any]], theirs: Mapping[str, list[Any]]) -> tuple[str, str, str] | None:
    """The first fact in which two environments differ: its name, our value, and how theirs differs."""
    for name, mine in ours.items():
        if mine != theirs[name]:
            return name.replace("_", " "), _brief(mine), _contrast(mine, theirs[name])
    return None


def first_interface_difference(ours: PolicyEnvInterface, theirs: PolicyEnvInterface) -> tuple[str, str, str] | None:
    """The same for the interfaces of two missions."""
    return first_difference(environment_facts(ours), environment_facts(theirs))


def _brief(values: list[Any]) -> str:
    if not values:
        return "none"
    if isinstance(values[0], int):
        return " x ".join(map(str, values))
    return f"{len(values)}: {', '.join(values[:3])}" + (", …" if len(values) > 3 else "")


def _contrast(ours: list[Any], theirs: list[Any]) -> str:
    """The other list in brief and, for names, the first ones that only one of the two contains."""
    if ours and isinstance(ours[0], int):
        return _brief(theirs)
    missing = [f"without '{name}'" for name in ours if name not in theirs][:2]
    added = [f"with '{name}'" for name in theirs if name not in ours][:2]
    return f"{_brief(theirs)} ({', '.join([*missing, *added]) or 'in another order'})"


# ---- writing ------------------------------------------------------------------------------------------------


def save_model(
    folder: Path,
    network_state: Mapping[str, Any],
    *,
    recipe: TrainingRecipe,
    policy_class_path: str,
    interface: PolicyEnvInterface,
    agent_steps: int,
    started_from: StartedFrom | None = None,
) -> Path:
    """Publish a trained network; return the path of its weights. The same arguments give the same bytes.

    Args:
        network_state: the network's `state_dict()`.
        policy_class_path: the full path of the class, not a shorthand.
        interface: of the mission it was trained on.
    """
    content = weights_bytes(network_state)
    description = ModelDescription(
        format_version=FORMAT_VERSION,
        policy_class_path=policy_class_path,
        init_kwargs=recipe.init_kwargs,
        recipe_digest=recipe.digest,
        recipe=recipe.to_dict(),
        agent_steps=agent_steps,
        engine=engine_stamp(),
        mission=recipe.mission.name,
        weights_sha256=hashlib.sha256(content).hexdigest(),
        started_from=started_from,
        **environment_facts(interface),
    )
    weights = folder / MODEL
    weights.unlink(missing_ok=True)  # an older model must not remain next to this one's description
    write_json(folder / DESCRIPTION, description.model_dump(mode="json"))
    write_bytes(weights, content)
    return weights


def weights_bytes(network_state: Mapping[str, Any]) -> bytes:
    """A network's state in the safetensors format.

    Raises:
        CheckpointError: the state holds something other than tensors.
    """
    import safetensors.torch
    import torch

    tensors = {}
    for name, value in network_state.items():
        if not isinstance(value, torch.Tensor):
            hint = "keep such state out of the network's state_dict()"
            raise CheckpointError("a network whose state is tensors", f"a {type(value).__name__}", f"'{name}'", hint)
        tensors[name] = value.detach().to("cpu", copy=True).contiguous()  # copies: tied weights share their memory
    return safetensors.torch.save(tensors, {"format": "pt"})


# ---- reading ------------------------------------------------------------------------------------------------


def description_path(weights: Path) -> Path:
    """`model.safetensors` → `model.json`."""
    return weights.with_suffix(".json")


def weights_files(policy: PolicyConfig) -> list[Path]:
    """The files of an external policy: its weights or bundle, then the description of its weights, if any."""
    if policy.data_path is None:
        return []
    description = description_path(policy.data_path)
    has_description = policy.data_path.suffix == SUFFIX and description.is_file()
    return [policy.data_path, description] if has_description else [policy.data_path]


def class_path_of(policy: PolicyConfig) -> str | None:
    """The class that an external policy plays with: the one it names, or the one that its weights or bundle name.

    None for a bundle that holds the class itself, and for damaged files: loading them will tell what is wrong.
    """
    if policy.class_path is not None or policy.data_path is None:
        return policy.class_path
    if description_files := weights_files(policy)[1:]:
        try:
            return load_model_description(description_files[0]).policy_class_path
        except CheckpointError:
            return None
    return _class_outside_bundle(policy.data_path)


def _class_outside_bundle(path: Path) -> str | None:
    try:
        archive = Archive(path)
        spec = validated(dict[str, Any], parse_json(archive.read("policy_spec.json"), str(path)), str(path))
    except BadInputError:
        return None
    class_path = str(spec.get("class_path", ""))
    folder = class_path.rpartition(".")[0].replace(".", "/")
    inside = {f"{folder}.py", f"{folder}/__init__.py"} & set(archive.names)
    return None if inside else class_path or None


def load_model_description(path: Path) -> ModelDescription:
    """Read a model.json.

    Raises:
        CheckpointError: it is missing, damaged, or in a format that this version of DAF does not know.
    """
    try:
        content = read_own_json(path, "a description of the weights")
        version = content.get("format_version", FORMAT_VERSION) if isinstance(content, dict) else FORMAT_VERSION
        if version != FORMAT_VERSION:
            raise CheckpointError(
                f"a description of format {FORMAT_VERSION}",
                f"format {version}",
                str(path),
                "use the version of DAF that wrote it, or train again",
            )
        description = validated(ModelDescription, content, str(path))
    except BadInputError as error:
        raise CheckpointError(error.expected, error.found, error.where, BOTH_AGAIN) from None
    if digest(description.recipe) != description.recipe_digest:
        expected = f"a recipe with the digest {description.recipe_digest[:16]}…"
        raise CheckpointError(
            expected, f"{digest(description.recipe)[:16]}…", str(path), f"edited, or damaged: {BOTH_AGAIN}"
        )
    return description


def read_weights(path: Path, sha256: str | None = None) -> dict[str, Tensor]:
    """The tensors of a safetensors file, on the CPU.

    Args:
        sha256: the required digest of the file.

    Raises:
        CheckpointError: the digest differs, or it is not a safetensors file.
    """
    import safetensors.torch

    try:
        content = read_bytes(path, "weights in the safetensors format")
    except BadInputError as error:
        raise CheckpointError(error.expected, error.found, error.where, error.hint) from None
    actual = hashlib.sha256(content).hexdigest()
    if sha256 is not None and actual != sha256:
        hint = f"the weights are damaged, or from a different training run than their description: {BOTH_AGAIN}"
        raise CheckpointError(f"weights with sha256 {sha256[:16]}…", f"{actual[:16]}…", str(path), hint)
    try:
        return safetensors.torch.load(content)
    except Exception as error:  # a damaged header may name any type and shape
        hint = "copy the file again, or train again"
        raise CheckpointError(
            "weights in the safetensors format", f"a damaged file ({error})", str(path), hint
        ) from error


def check_description(
    description: ModelDescription, policy_class_path: str, interface: PolicyEnvInterface, where: str
) -> None:
    """Raise unless the weights belong to this policy class, this engine and missions with the same interface.

    Raises:
        PolicyError: a different class, or a mission with different actions or observations.
        CheckpointError: a different version of the engine.
    """
    versions = {name: description.engine.get(name, "not recorded") for name in DECIDING_PACKAGES}
    trained = f"trained on {description.mission} with " + ", ".join(f"{name} {versions[name]}" for name in versions)
    if description.policy_class_path != policy_class_path:
        expected = f"the policy class that was trained ({description.policy_class_path})"
        hint = f"{trained}; without class_path, the class is taken from {DESCRIPTION}"
        raise PolicyError(expected, policy_class_path, where, hint)
    installed = engine_stamp()
    for name, version in versions.items():
        if installed[name] != version:
            hint = f"{trained}; install that version, or train again"
            raise CheckpointError(f"{name} {version}", f"{name} {installed[name]}", where, hint)
    ours = {name: getattr(description, name) for name in environment_facts(interface)}
    difference = first_difference(ours, environment_facts(interface))
    if difference is not None:
        name, expected, found = difference
        hint = f"{trained}; play missions that share observations and actions with that one, or train on this one"
        raise PolicyError(f"the {name} used in training ({expected})", found, where, hint)


def refuse_code(path: Path) -> None:
    """Raise unless a pickled file contains only tensors and plain data; ignore files of other kinds.

    Unpickling runs whatever the file names. The loaders of policy classes are third-party code, and torch's protection
    can be switched off by an argument or an environment variable; so the file is first read here in a way that runs no
    code.

    Raises:
        CheckpointError: unpickling it would call code.
        pickle.UnpicklingError, RuntimeError, EOFError: it is damaged, or torch.save did not write it.
    """
    import torch

    if not _may_be_pickle(path):
        if named := called_by_pickle(read_bytes(path)):  # of a protocol without a signature
            raise _pickle_with_code(path, named)
        return
    if zipfile.is_zipfile(path):
        Archive(path, "weights that torch.save wrote")  # refuses one that would fill the memory
    try:
        torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        called = re.search(r"GLOBAL (\S+)", str(error))
        if called is None:
            raise
        raise _pickle_with_code(path, called[1]) from error


def _pickle_with_code(path: Path, called: str) -> CheckpointError:
    hint = "not loaded; from a source you trust, save its state_dict() again as safetensors, or with torch.save"
    return CheckpointError("tensors and plain data", f"a pickle that calls {called}", str(path), hint)


def _may_be_pickle(path: Path) -> bool:
    if path.suffix.lower() in PICKLE_SUFFIXES:
        return True
    with open(path, "rb") as stream:
        first = stream.read(1)
    if first == b"\x80":  # the opcode that starts a pickle of protocol 2 and later
        return True
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:  # what torch.save writes
        return any(name.rpartition("/")[2] == "data.pkl" for name in archive.namelist())
