"""Writing a package: everything is checked before the first byte."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daf.config import NAME_PATTERN
from daf.config.recipes import policy_label
from daf.errors import BadInputError, CheckpointError, PolicyError
from daf.packaging.manifest import Manifest, contents, manifest_path_of
from daf.system.files import digest, file_sha256, write_json

if TYPE_CHECKING:
    from daf.config import MissionConfig
    from daf.config.recipes import PackageRecipe


VERSION_PATTERN = r"\d+\.\d+\.\d+"


@dataclass(frozen=True, kw_only=True)
class PackageResult:
    """A package on disk."""

    path: Path
    manifest_path: Path
    sha256: str
    manifest: Manifest


def daf_package_policy(
    policy_class_path: str = "lstm",
    weights_path: str | Path | None = None,
    output_dir: str | Path = "deployment_packages",
    name: str | None = None,
    version: str | None = None,
    init_kwargs: Mapping[str, Any] | None = None,
    mission: str | MissionConfig | None = None,
    description: str = "",
    *,
    include: Sequence[str | Path] = (),
    recipe_digest: str | None = None,
) -> PackageResult:
    """Write `{output_dir}/{name}-{version}.zip` and its manifest; everything is checked before.

    The zip holds policy_spec.json, the weights, the Python files that the class needs and CoGames does not ship,
    metadata.json, README.md, requirements.txt and VERSION. The same inputs give the same bytes.

    Args:
        policy_class_path: shorthand or class path of a MultiAgentPolicy.
        weights_path: what the policy's `load_policy_data` reads, or a trained model (.safetensors), which is converted
            to that, since CoGames does not know it; None for a policy without weights.
        name: default: the shorthand or the class's name.
        version: three numbers, default 0.1.0.
        mission: the mission it was made for: the policy must build and load there, and the manifest records the
            observation shape and the action names; default: the mission of a trained model, else none.
        include: further files and folders for the top of the zip.
        recipe_digest: what the weights were made with; default: that of a trained model, else of the package's own
            content.

    Raises:
        PolicyError: no such policy, no policy class, it does not fit the mission, or it cannot save a trained model.
        CheckpointError: the weights are missing, damaged, or those of another network.
        BadInputError: a name or version that cannot be used.
    """
    from daf.config import MissionConfig, PolicyConfig
    from daf.engine.missions import resolve_mission
    from daf.engine.model_files import load_model_description, weights_files
    from daf.engine.policies import resolve_policy
    from daf.engine.simulation import SimulationFactory
    from daf.packaging import bundle
    from daf.packaging.source import collect_source, requirement_lines
    from daf.packaging.weights import weights_for_bundle
    from daf.system.provenance import engine_stamp, provenance, utc_now

    weights = Path(weights_path) if weights_path is not None else None
    if weights is not None and not (weights.is_file() and weights.stat().st_size > 0):
        found = "no such file" if not weights.exists() else "an empty file" if weights.is_file() else "a folder"
        raise CheckpointError("a file with weights", found, str(weights), "train first, or leave weights_path out")
    config = PolicyConfig(class_path=policy_class_path, data_path=weights, init_kwargs=dict(init_kwargs or {}))
    resolved = resolve_policy(config)
    name, version = _checked_name(name or policy_label(policy_class_path), version or "0.1.0")
    _refuse_agent_policy(resolved.class_path)
    described = weights_files(config)[1:]
    model = load_model_description(described[0]) if described else None
    if mission is None and model is not None:
        mission = MissionConfig.from_dict(model.recipe["mission"]["config"], source=str(described[0]))
    interface = None if mission is None else SimulationFactory(resolve_mission(mission).env_config).interface
    stored_weights = weights_for_bundle(resolved, interface)
    weights_name = stored_weights[0] if stored_weights else None
    source = collect_source(resolved.class_path)

    stored = {"class_path": source.class_path, "init_kwargs": config.init_kwargs, "weights": weights_name}
    identity = {**stored, "weights": None if weights is None else file_sha256(weights)}
    shape = None if interface is None else list(interface.observation_shape)
    actions = None if interface is None else list(interface.action_names)
    recipe = recipe_digest or (model.recipe_digest if model else digest(identity))
    label = None if mission is None else mission if isinstance(mission, str) else mission.source
    requirements = requirement_lines(source.packages)
    metadata = {
        **stored,
        "name": name,
        "version": version,
        "description": description,
        "policy": policy_class_path,
        "note": resolved.note,
        "mission": label,
        "observation_shape": shape,
        "action_names": actions,
        "engine": engine_stamp(),
        "recipe_digest": recipe,
    }
    members = {
        bundle.SPEC_NAME: bundle.policy_spec(source.class_path, weights_name, config.init_kwargs),
        "metadata.json": bundle.json_bytes(metadata),
        "README.md": bundle.readme(metadata, requirements),
        "requirements.txt": ("\n".join(requirements) + "\n").encode(),
        "VERSION": f"{version}\n".encode(),
        **source.files,
    }
    if stored_weights is not None:
        members[stored_weights[0]] = stored_weights[1]
    extra = bundle.included_files(include)
    if clash := sorted(set(extra) & set(members)):
        raise BadInputError(
            "files with names that are free in the bundle", f"'{clash[0]}'", "include", "rename the file"
        )

    path = Path(output_dir) / f"{name}-{version}.zip"
    bundle.write_zip(path, members | extra)
    manifest = Manifest(
        name=name,
        version=version,
        sha256=file_sha256(path),
        size_bytes=path.stat().st_size,
        files=contents(path),
        class_path=source.class_path,
        policy=policy_class_path,
        init_kwargs=config.init_kwargs,
        engine=engine_stamp(),
        recipe_digest=recipe,
        mission=label,
        observation_shape=shape,
        action_names=actions,
        provenance=provenance(identity, {"training": model.recipe["seed"]} if model else {}),
        created=utc_now(),
    )
    manifest_path = manifest_path_of(path)
    write_json(manifest_path, manifest.model_dump(mode="json"))
    return PackageResult(path=path, manifest_path=manifest_path, sha256=manifest.sha256, manifest=manifest)


def package_checkpoint(recipe: PackageRecipe, *, weights: Sequence[str], output_dir: Path) -> PackageResult:
    """Package the policy of a recipe, under the checkpoint's label.

    Args:
        weights: for a trained policy its model.safetensors and model.json; else the files that the configuration
            names, or nothing.

    Raises:
        DafError: as `daf_package_policy`.
    """
    from daf.config import PolicyConfig
    from daf.engine.policies import resolve_policy

    policy = recipe.policy
    data_path = Path(weights[0]) if weights else None
    resolved = resolve_policy(
        PolicyConfig(class_path=policy.class_path, data_path=data_path, init_kwargs=policy.init_kwargs)
    )
    if resolved.bundle is not None:
        raise BadInputError("a policy class", "a bundle", f"policies.{policy.label}", "it is a package already")
    return daf_package_policy(
        policy.class_path or resolved.class_path,
        resolved.data_path,
        output_dir,
        policy.checkpoint_label,
        recipe.version,
        resolved.init_kwargs,
        recipe.mission.config,
        recipe.description,
    )


def _checked_name(name: str, version: str) -> tuple[str, str]:
    if not re.fullmatch(NAME_PATTERN, name):
        raise BadInputError("a name of letters, digits, '.', '_' and '-'", f"'{name}'", "daf_package_policy: name")
    if not re.fullmatch(VERSION_PATTERN, version):
        raise BadInputError("three numbers such as 0.1.0", f"'{version}'", "daf_package_policy: version")
    return name, version


def _refuse_agent_policy(class_path: str) -> None:
    """The engine's loader takes only classes that command all agents."""
    from daf.engine.policies import load_policy_class

    policy_class = load_policy_class(class_path)
    if "agent_policy" not in dir(policy_class):
        hint = "wrap it: a MultiAgentPolicy whose agent_policy(id) returns it"
        found = f"{policy_class.__name__}, a policy of one agent"
        raise PolicyError("a subclass of MultiAgentPolicy", found, f"policy '{class_path}'", hint)
