"""Writing a package: everything is checked and collected before the first byte."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daf.config import MissionConfig, PolicyConfig
from daf.config.recipes import PackageRecipe, policy_label
from daf.errors import BadInputError, CheckpointError, PolicyError
from daf.packaging import bundle
from daf.packaging.manifest import Manifest, contents, manifest_path_of, require_version
from daf.system.files import digest, file_sha256, write_json
from daf.system.provenance import engine_stamp, provenance, utc_now
from daf.system.validated import require_name

if TYPE_CHECKING:
    from daf.engine.model_files import ModelDescription
    from daf.engine.policies import ResolvedPolicy
    from daf.packaging.source import PolicySource

DEFAULT_VERSION = "0.1.0"


@dataclass(frozen=True, kw_only=True)
class PackageOptions:
    """Optional content of a package.

    Attributes:
        description: one sentence for the documentation.
        include: additional files and folders for the top level of the zip.
    """

    description: str = ""
    include: Sequence[str | Path] = ()


@dataclass(frozen=True, kw_only=True)
class PackageRequest:
    """What to package and where to write it; `daf.deployment.daf_package_policy` explains the fields."""

    policy_class_path: str
    weights_path: Path | None
    output_dir: Path
    name: str | None = None
    version: str | None = None
    init_kwargs: Mapping[str, Any] = field(default_factory=dict)
    mission: str | MissionConfig | None = None
    options: PackageOptions = PackageOptions()


@dataclass(frozen=True, kw_only=True)
class PackageResult:
    """A package on disk.

    Attributes:
        path: the zip.
        manifest_path: the manifest next to it.
        sha256: of the zip.
        manifest: what the zip contains and was made with.
    """

    path: Path
    manifest_path: Path
    sha256: str
    manifest: Manifest


def write_package(request: PackageRequest) -> PackageResult:
    """Write the zip and its manifest.

    Raises:
        DafError: as `daf.deployment.daf_package_policy`; nothing has been written.
    """
    checked = _check(request)
    collected = _collect(checked, request.options.include)
    return _write(checked, collected, request)


def package_checkpoint(recipe: PackageRecipe, *, weights: Sequence[str], output_dir: Path) -> PackageResult:
    """Package the policy of a recipe, under the checkpoint's label.

    Args:
        weights: model.safetensors and model.json of a trained policy; otherwise the files that the configuration names,
            if any.

    Raises:
        DafError: as `write_package`.
    """
    from daf.engine.policies import resolve_policy

    policy = recipe.policy
    data_path = Path(weights[0]) if weights else None
    resolved = resolve_policy(
        PolicyConfig(class_path=policy.class_path, data_path=data_path, init_kwargs=policy.init_kwargs)
    )
    if resolved.bundle is not None:
        raise BadInputError("a policy class", "a bundle", f"policies.{policy.label}", "it is already a package")
    return write_package(
        PackageRequest(
            policy_class_path=policy.class_path or resolved.class_path,
            weights_path=resolved.data_path,
            output_dir=output_dir,
            name=policy.checkpoint_label,
            version=recipe.version,
            init_kwargs=resolved.init_kwargs,
            mission=recipe.mission.config,
            options=PackageOptions(description=recipe.description),
        )
    )


# ---- check ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Checked:
    """A checked request. `model` describes the weights if DAF trained them."""

    name: str
    version: str
    policy: ResolvedPolicy
    init_kwargs: dict[str, Any]
    model: ModelDescription | None
    mission: str | MissionConfig | None


def _check(request: PackageRequest) -> _Checked:
    from daf.engine.model_files import load_model_description, weights_files
    from daf.engine.policies import resolve_policy

    _check_weights(request.weights_path)
    init_kwargs = dict(request.init_kwargs)
    config = PolicyConfig(class_path=request.policy_class_path, data_path=request.weights_path, init_kwargs=init_kwargs)
    policy = resolve_policy(config)
    name, version = request.name or policy_label(request.policy_class_path), request.version or DEFAULT_VERSION
    require_name(name, "daf_package_policy: name")
    require_version(version, "daf_package_policy: version")
    _refuse_agent_policy(policy.class_path)
    model, mission = None, request.mission
    if description_files := weights_files(config)[1:]:
        model = load_model_description(description_files[0])
        if mission is None:
            mission = MissionConfig.from_dict(model.recipe["mission"]["config"], source=str(description_files[0]))
    return _Checked(name=name, version=version, policy=policy, init_kwargs=init_kwargs, model=model, mission=mission)


def _check_weights(path: Path | None) -> None:
    if path is not None and not (path.is_file() and path.stat().st_size > 0):
        found = "no such file" if not path.exists() else "an empty file" if path.is_file() else "a folder"
        raise CheckpointError("a file with weights", found, str(path), "train first, or leave weights_path out")


def _refuse_agent_policy(class_path: str) -> None:
    """Check the class: the engine's loader accepts only classes that control all agents, and plays them one by one."""
    from daf.engine.policy_classes import acts_for_one_agent, load_policy_class

    policy_class = load_policy_class(class_path)
    if "agent_policy" not in dir(policy_class):
        hint = "wrap it: a MultiAgentPolicy whose agent_policy(id) returns it"
        found = f"{policy_class.__name__}, a policy of one agent"
        raise PolicyError("a subclass of MultiAgentPolicy", found, f"policy '{class_path}'", hint)
    if not acts_for_one_agent(policy_class):
        hint = "extend BatchPolicy or NetworkPolicy (daf.policies), which have it"
        found = f"{policy_class.__name__} without it"
        raise PolicyError("a class with agent_policy(agent_id)", found, f"policy '{class_path}'", hint)


# ---- collect ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Collected:
    """The files of a package that are copied or converted, and the interface of its mission."""

    source: PolicySource
    weights: dict[str, bytes]  # one file or none
    included: dict[str, bytes]
    observation_shape: list[int] | None
    action_names: list[str] | None
    mission_file: dict[str, bytes]  # mission.json, if CoGames does not know the mission by its name
    golden: dict[str, bytes]  # golden_vectors.json, if the policy's answers can be repeated

    @property
    def weights_name(self) -> str | None:
        return next(iter(self.weights), None)


def _collect(checked: _Checked, include: Sequence[str | Path]) -> _Collected:
    from daf.engine.missions import resolve_mission
    from daf.engine.simulation import SimulationFactory
    from daf.packaging.golden import golden_member
    from daf.packaging.source import collect_source
    from daf.packaging.weights import weights_for_bundle

    factory, interface, mission_file, golden = None, None, {}, {}
    if checked.mission is not None:
        mission = resolve_mission(checked.mission)
        factory = SimulationFactory(mission.env_config)
        interface = factory.interface
        config = checked.mission if isinstance(checked.mission, MissionConfig) else None
        changed = config is not None and bool(config.variants or config.num_agents or config.max_steps)
        if changed or mission.origin != "cogames":
            mission_file = {bundle.MISSION_NAME: mission.env_config.model_dump_json().encode()}
    weights = weights_for_bundle(checked.policy, interface)
    if factory is not None:
        golden = golden_member(checked.policy, mission.name, factory)
    return _Collected(
        source=collect_source(checked.policy.class_path),
        weights=dict([weights]) if weights else {},
        included=bundle.included_files(include),
        observation_shape=None if interface is None else list(interface.observation_shape),
        action_names=None if interface is None else list(interface.action_names),
        mission_file=mission_file,
        golden=golden,
    )


# ---- describe and write -----------------------------------------------------------------------------------


def _write(checked: _Checked, collected: _Collected, request: PackageRequest) -> PackageResult:
    identity = _identity(checked, collected, request.weights_path)
    facts = _facts(checked, collected, request.policy_class_path, identity)
    members = _members(facts, checked, collected, request.options.description)
    path = request.output_dir / f"{checked.name}-{checked.version}.zip"
    bundle.write_zip(path, members)
    manifest = Manifest(
        **facts,
        sha256=file_sha256(path),
        size_bytes=path.stat().st_size,
        files=contents(path),
        provenance=provenance(identity, {"training": checked.model.recipe["seed"]} if checked.model else {}),
        created=utc_now(),
    )
    manifest_path = manifest_path_of(path)
    write_json(manifest_path, manifest.model_dump(mode="json"))
    return PackageResult(path=path, manifest_path=manifest_path, sha256=manifest.sha256, manifest=manifest)


def _identity(checked: _Checked, collected: _Collected, weights_path: Path | None) -> dict[str, Any]:
    """What determines how the packaged policy acts."""
    weights = None if weights_path is None else file_sha256(weights_path)
    return {
        "class_path": collected.source.class_path,
        "init_kwargs": checked.init_kwargs,
        "weights": weights,
        "code": checked.policy.identity()["code"],
    }


def _facts(checked: _Checked, collected: _Collected, policy: str, identity: Mapping[str, Any]) -> dict[str, Any]:
    """The facts in both metadata.json inside the zip and the manifest next to it."""
    mission = checked.mission.source if isinstance(checked.mission, MissionConfig) else checked.mission
    recipe_digest = checked.model.recipe_digest if checked.model else None
    return {
        "name": checked.name,
        "version": checked.version,
        "class_path": collected.source.class_path,
        "init_kwargs": checked.init_kwargs,
        "policy": policy,
        "mission": mission,
        "observation_shape": collected.observation_shape,
        "action_names": collected.action_names,
        "engine": engine_stamp(),
        "recipe_digest": recipe_digest or digest(identity),
    }


def _members(facts: Mapping[str, Any], checked: _Checked, collected: _Collected, description: str) -> dict[str, bytes]:
    """Name and content of every file of the zip."""
    from daf.packaging.source import requirement_lines

    weights_name, source = collected.weights_name, collected.source
    requirements = requirement_lines(source.packages)
    metadata = {**facts, "weights": weights_name, "note": checked.policy.note, "description": description}
    members = {
        bundle.SPEC_NAME: bundle.policy_spec(source.class_path, weights_name, checked.init_kwargs),
        bundle.METADATA_NAME: bundle.json_bytes(metadata),
        "README.md": bundle.readme(metadata, requirements, has_mission_file=bool(collected.mission_file)),
        "requirements.txt": ("\n".join(requirements) + "\n").encode(),
        "VERSION": f"{checked.version}\n".encode(),
        **source.files,
        **collected.weights,
        **collected.mission_file,
        **collected.golden,
    }
    if clashes := sorted(set(collected.included) & set(members)):
        raise BadInputError(
            "files with names that are free in the bundle", f"'{clashes[0]}'", "include", "rename the file"
        )
    return members | collected.included
